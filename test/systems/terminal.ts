/*
 * A terminal with an interactive shell in it, for tests of what happens while somebody types: tmux draws what the shell
 * writes, so that the screen can be read as a person sees it. Needs tmux. Knows nothing of hs.
 */
import { type Site, until } from "../e2e/harness.ts";

export interface Terminal {
  /** Types text, as it is. */
  readonly type: (text: string) => Promise<void>;
  /** Presses a key by its name of tmux(1): `Tab`, `Enter`, `C-u`. */
  readonly press: (key: string) => Promise<void>;
  /** Makes the window larger or smaller. */
  readonly resize: (columns: number, rows: number) => Promise<void>;
  /** The lines of the screen that are not empty. */
  readonly screen: () => Promise<readonly string[]>;
  /** Waits until the screen is as it should be; fails with what it shows. */
  readonly shows: (isRight: (lines: readonly string[]) => boolean) => Promise<readonly string[]>;
}

/** Starts `command` in a terminal of so many columns and lines, in the working directory of the place. */
export async function openTerminal(
  site: Site,
  command: string,
  env: Record<string, string> = {},
  [columns, rows]: readonly [columns: number, rows: number] = [160, 40],
): Promise<Terminal> {
  const socket = `${site.path}/tmux`;
  const tmux = async (words: readonly string[]): Promise<string> => {
    const call = ["tmux", "-S", socket, "-f", "/dev/null", ...words].map(
      (word) => `'${word.replaceAll("'", "'\\''")}'`,
    );
    const { status, stdout, stderr } = await site.shell(call.join(" "), { env });
    if (status !== 0) throw new Error(`tmux ${words.join(" ")}: ${stderr}`);
    return stdout;
  };
  await tmux(["new-session", "-d", "-x", String(columns), "-y", String(rows), command]);
  const screen = async (): Promise<readonly string[]> =>
    (await tmux(["capture-pane", "-p"])).split("\n").filter((line) => line.trim() !== "");
  return {
    // A semicolon at the end of a word would end the command of tmux.
    type: async (text) => void (await tmux(["send-keys", "-l", "--", text.replace(/;$/, "\\;")])),
    press: async (key) => void (await tmux(["send-keys", key])),
    resize: async (width, height) => void (await tmux(["resize-window", "-x", String(width), "-y", String(height)])),
    screen,
    async shows(isRight) {
      let lines: readonly string[] = [];
      await until(
        async () => {
          lines = await screen();
          return isRight(lines);
        },
        () => `the screen shows\n${lines.join("\n")}`,
        10_000,
      );
      return lines;
    },
  };
}
