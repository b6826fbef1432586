/*
 * What is asked of the host that a client runs on: texts of files, names in folders, and whether something may be used.
 * Tests put a tree of their own in its place. Knows nothing of what the files mean.
 */
import { accessSync, constants, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { totalmem } from "node:os";
import { cpuCount } from "../base/process.ts";

export interface Host {
  readonly platform: NodeJS.Platform;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Processors and bytes of memory as the runtime tells them; asked where the system has no files that do. */
  readonly cpus: () => number;
  readonly memory: () => number;
  /** The text of a file; null: it cannot be read. */
  read(path: string): string | null;
  /** The names in a folder, in no order; none where it cannot be read. */
  list(path: string): readonly string[];
  /** Where a link leads; null: it is none. */
  link(path: string): string | null;
  /** Whether this process may read and write it. A device that a control group withholds may not be. */
  mayUse(path: string): boolean;
  /** What a program prints, if it ends with 0 within some seconds; null: it does not, or there is none. */
  ask(words: readonly string[]): string | null;
}

/** A program that is asked about devices has this long to answer, milliseconds. Drivers may have to start first. */
const answerMs = 10_000;

/** This host, with the environment of this process or of a client that is told another. */
export function thisHost(env: Host["env"]): Host {
  return {
    platform: process.platform,
    env,
    cpus: cpuCount,
    memory: totalmem,
    read: (path) => attempt(() => readFileSync(path, "latin1"), null),
    list: (path) => attempt(() => readdirSync(path), []),
    link: (path) => attempt(() => readlinkSync(path), null),
    mayUse: (path) =>
      attempt(() => {
        accessSync(path, constants.R_OK | constants.W_OK);
        return true;
      }, false),
    ask: (words) => attempt(() => answerOf(words, env), null),
  };
}

function attempt<T>(look: () => T, otherwise: T): T {
  try {
    return look();
  } catch {
    return otherwise;
  }
}

function answerOf(words: readonly string[], env: Host["env"]): string | null {
  const program = Bun.which(words[0] ?? "", { PATH: env["PATH"] ?? "" });
  if (program === null) return null;
  const { success, stdout } = Bun.spawnSync([program, ...words.slice(1)], {
    env: { ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "ignore",
    timeout: answerMs,
  });
  return success ? stdout.toString("utf8") : null;
}
