/*
 * The shell that runs command lines, and how it is given one: `SHELL -c LINE`, and cmd.exe on Windows. Knows nothing of
 * what lines are for.
 *
 * cmd.exe reads its command line itself, and not as programs in C do: `/s /c "LINE"` takes the outer quotes away and
 * nothing else, so it must reach it as it stands. `/d` leaves out what the registry would have run first.
 *
 * Source: POSIX, sh; cmd /?; learn.microsoft.com, "Command prompt line string limitation".
 */
import { basename, win32 } from "node:path";
import type { Environment } from "./variables.ts";

/** Shells that take `--` as the end of their options; to others, as fish, it would be the command. */
const takesDashes = /^(?:ba|da|a|k|mk|z)?sh$/;

/** The shell of who has chosen none. */
export function usualShell(env: Environment, platform: NodeJS.Platform = process.platform): string {
  if (platform !== "win32") return "/bin/sh";
  return env["COMSPEC"] || systemProgram(env, "cmd.exe");
}

/** The path of a program that belongs to Windows: another of that name may stand first on the PATH. */
export function systemProgram(env: Environment, name: string): string {
  return win32.join(env["SYSTEMROOT"] || "C:\\Windows", "System32", name);
}

/** Whether a shell is that of Windows, whose lines must reach it as they stand (`windowsVerbatimArguments`). */
export function isCmd(shell: string, platform: NodeJS.Platform = process.platform): boolean {
  return platform === "win32" && /^cmd(?:\.exe)?$/i.test(win32.basename(shell));
}

/** The words that have a shell run a line. The last one is the line, empty as yet. */
export function wordsOfShell(shell: string, platform: NodeJS.Platform = process.platform): string[] {
  return isCmd(shell, platform) ? [shell, "/d", "/s", "/c", ""] : [shell, "-c", ""];
}

/** The same for a line that begins with a sign. Without the two dashes some shells would take it for options. */
export function wordsForSigns(shell: string, platform: NodeJS.Platform = process.platform): string[] {
  return takesDashes.test(basename(shell)) ? [shell, "-c", "--", ""] : wordsOfShell(shell, platform);
}

/** The words that have a shell run this line, and whether they must reach it as they stand. */
export interface ShellCall {
  readonly words: string[];
  readonly windowsVerbatimArguments: boolean;
}

/** How a shell is called to run a line. Throws an Error for one that is longer than cmd.exe takes. */
export function shellCall(shell: string, line: string, platform: NodeJS.Platform = process.platform): ShellCall {
  const verbatim = isCmd(shell, platform);
  const words = /^[+-]/.test(line) ? wordsForSigns(shell, platform) : wordsOfShell(shell, platform);
  words[words.length - 1] = verbatim ? `"${line}"` : line;
  if (verbatim) expectRoomInCmd(words);
  return { words, windowsVerbatimArguments: verbatim };
}

/** The longest command line that cmd.exe takes, characters. Of a longer one it runs nothing. */
const mostOfCmd = 8191;

/** Throws an Error for words that are more than cmd.exe takes. */
export function expectRoomInCmd(words: readonly string[]): void {
  const length = words.reduce((sum, word) => sum + word.length + 1, -1);
  if (length > mostOfCmd)
    throw new Error(
      `the command line has ${length} characters, and cmd.exe takes ${mostOfCmd}: ` +
        "put it into a .cmd file, and run that",
    );
}
