/*
 * What `hs autoscale` remembers from one call to the next: the pilots that it launched and that are not known to be
 * over, and how launches have gone. It is a small file of the site, for its user alone. Whoever looks holds a lock, so
 * that two who look at the same time do not launch twice. Knows nothing of decisions.
 */
import { closeSync, mkdirSync, openSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Clock } from "../../base/clock.ts";
import { runtimeError } from "../../base/errors.ts";
import { openLibc } from "../../base/libc.ts";
import { readTextIfThere } from "../../base/paths.ts";
import type { Luck } from "./policy.ts";

/** A pilot that was launched. */
export interface Pilot {
  /** The number of its launch, counted from 1. */
  readonly index: number;
  /** The job that it is; null: it is a process. */
  readonly job: string | null;
  /** The words of the launcher, by which its batch system is known. */
  readonly words: readonly string[];
  /** The process of its launcher. */
  readonly pid: number;
  /** When that process began, as ProcessState has it; null: not known. */
  readonly pidStart: string | null;
  /** The host that it was launched on. */
  readonly host: string;
  /** When it was launched, milliseconds since 1970. */
  readonly at: number;
  /** How many tasks had not ended then. */
  readonly unfinished: number;
}

/** All that is remembered of a database. */
export interface Memory {
  readonly pilots: readonly Pilot[];
  /** How many launches there have been. */
  readonly launched: number;
  readonly luck: Luck;
}

/** Where the memory of a database is. */
export interface MemoryPlace {
  /** The folder of the site. */
  readonly lib: string;
  /** The database, by its title. */
  readonly title: string;
}

/** How launches have gone before the first. */
export const noLuck: Luck = { failures: 0, failedAt: 0, everCame: false };

const nothing: Memory = { pilots: [], launched: 0, luck: noLuck };

function fileIn(lib: string): string {
  return join(lib, "autoscale.json");
}

/** The memories of all databases of a site. What cannot be read counts as none. */
function readAll(lib: string): Record<string, Memory> {
  try {
    const found: unknown = JSON.parse(readTextIfThere(fileIn(lib)) ?? "{}");
    return typeof found === "object" && found !== null ? (found as Record<string, Memory>) : {};
  } catch {
    return {};
  }
}

/** What is remembered of a database. */
export function readMemory({ lib, title }: MemoryPlace): Memory {
  const found = readAll(lib)[title];
  return found !== undefined && Array.isArray(found.pilots) ? { ...nothing, ...found } : nothing;
}

/** Remembers this of a database. Throws the error of the operating system. */
export function writeMemory({ lib, title }: MemoryPlace, memory: Memory): void {
  const path = fileIn(lib);
  const text = `${JSON.stringify({ ...readAll(lib), [title]: memory }, null, 1)}\n`;
  const draft = `${path}.new`;
  writeFileSync(draft, text, { mode: 0o600 });
  renameSync(draft, path);
}

/** LOCK_EX and LOCK_NB of flock(2). */
const [exclusive, atOnce] = [2, 4];
/** The longest wait for another who looks, milliseconds: batch systems may take their time to answer. */
const longestWaitMs = 90_000;
const tryAgainMs = 100;

/**
 * Does something while nobody else on this site does. Throws a UserError when another one does not come to an end, and
 * what the work throws. The lock goes with the process that holds it.
 */
export async function alone<T>(lib: string, clock: Clock, work: () => Promise<T>): Promise<T> {
  const path = join(lib, "autoscale.lock");
  mkdirSync(dirname(path), { recursive: true });
  const file = openSync(path, "w", 0o600);
  try {
    const library = openLibc({ flock: { args: ["i32", "i32"], returns: "i32" } });
    const since = clock.now();
    while (library !== null && library.flock(file, exclusive | atOnce) !== 0) {
      if (clock.now() - since > longestWaitMs)
        throw runtimeError("cluster", `Another hs autoscale has been looking for ${longestWaitMs / 1000} s (${path})`);
      await new Promise<void>((resolve) => clock.after(tryAgainMs, resolve));
    }
    return await work();
  } finally {
    closeSync(file);
  }
}
