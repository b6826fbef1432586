/* A system for tests: a fixed clock, a few files, and a shell that answers from a table. */
import { posixPaths } from "../../../src/base/ospath.ts";
import { quoterFor } from "../../../src/base/shell.ts";
import { expand } from "../../../src/template/expand.ts";
import { parseTemplate } from "../../../src/template/parse.ts";
import type { ShellOutput, SystemWithShell } from "../../../src/base/system.ts";

export function host(changes: Partial<SystemWithShell> = {}): SystemWithShell {
  return {
    paths: posixPaths,
    quote: quoterFor("/bin/sh", "linux"),
    now: () => Date.UTC(2024, 2, 1, 12, 0, 0, 250),
    environment: (name) => (name === "SITE" ? "/data" : null),
    file: (path) => {
      if (path === "/data") return { type: "folder", bytes: 4096, modifiedAt: 0 };
      return path === "/data/a.txt" ? { type: "file", bytes: 12, modifiedAt: 1500 } : null;
    },
    shell: () => Promise.reject(new Error("no shell was expected")),
    ...changes,
  };
}

/** The commands that were run, in order, each answered by `answer`. */
export function recordingShell(answer: (command: string) => ShellOutput): {
  commands: string[];
  system: SystemWithShell;
} {
  const commands: string[] = [];
  const shell = (command: string): Promise<ShellOutput> => {
    commands.push(command);
    return Promise.resolve(answer(command));
  };
  return { commands, system: host({ shell }) };
}

/** What /bin/sh really says. */
export const realShell: SystemWithShell["shell"] = async (command) => {
  const child = Bun.spawn(["/bin/sh", "-c", command], { stdout: "pipe", stderr: "ignore" });
  const output = await child.stdout.text();
  return { status: await child.exited, output };
};

/** The expansion of a template without commands. */
export function expanded(template: string, input: string, changes: Partial<SystemWithShell> = {}): string {
  const result = expand(parseTemplate(template), input, host(changes));
  if (typeof result !== "string") throw new Error("a template without commands expands at once");
  return result;
}
