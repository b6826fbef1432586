/*
 * Opening an output empties it, and with it the tasks that were to be read from the same file (`hs server failed.in -f
 * failed.in`).
 */
import { fstatSync, statSync } from "node:fs";
import { argumentError } from "../base/errors.ts";

/**
 * Throws argumentError when an output is the input. `input` is a path, or `-` for standard input; `outputs` has the
 * names of each option, and where it leads.
 */
export function refuseOverwriting(
  input: string,
  outputs: readonly (readonly [names: string, path: string | undefined])[],
): void {
  const tasks = identity(input === "-" ? 0 : input);
  if (tasks === null) return;
  const shown = input === "-" ? "standard input" : `'${input}'`;
  for (const [names, path] of outputs) {
    if (path === undefined || path === "-" || identity(path) !== tasks) continue;
    throw argumentError(`argument ${names}: would overwrite the tasks, ${shown} is the same file`);
  }
}

/** The same for two names of one regular file; null for what is none, or cannot be looked at. */
function identity(file: string | number): string | null {
  try {
    const stats = typeof file === "number" ? fstatSync(file) : statSync(file);
    return stats.isFile() ? `${stats.dev}:${stats.ino}` : null;
  } catch {
    return null;
  }
}
