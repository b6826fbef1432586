/*
 * The program put in its own place by the system, with other words or variables: it goes on as the same process, with
 * the descriptors that it was started with, and with nothing that it has done in between. Only on Linux.
 *
 * Source: Linux, execve(2), proc(5).
 */
import type * as ffi from "bun:ffi";
import { readFileSync, statSync } from "node:fs";
import { openLibc } from "./libc.ts";

/** The words that this process was started with, the name of the program first, each with a NUL at its end. */
export function ownWords(): Uint8Array[] {
  return split(readFileSync("/proc/self/cmdline"));
}

/** The variables that this process was started with, `NAME=value`, each with a NUL at its end. */
export function ownVariables(): Uint8Array[] {
  return split(readFileSync("/proc/self/environ"));
}

/** Starts the program anew with these words and variables, each with a NUL at its end. Comes back only if it failed. */
export function startAnew(words: readonly Uint8Array[], variables: readonly Uint8Array[]): void {
  const { ptr } = process.getBuiltinModule("bun:ffi") as typeof ffi;
  const library = openLibc({ execve: { args: ["ptr", "ptr", "ptr"], returns: "i32" } });
  const kept: Uint8Array[] = [];
  function list(items: readonly Uint8Array[]): BigUint64Array {
    kept.push(...items);
    return new BigUint64Array([...items.map((item) => BigInt(ptr(item))), 0n]);
  }
  library?.execve(Buffer.from(`${ownFile()}\0`), list(words), list(variables));
}

/**
 * The path of the program. `ps` shows its name, so the link in /proc is taken only if the path leads elsewhere by now.
 */
function ownFile(): string {
  const link = "/proc/self/exe";
  const [named, own] = [process.execPath, link].map((path) => statSync(path, { throwIfNoEntry: false }));
  return named !== undefined && named.ino === own?.ino && named.dev === own.dev ? process.execPath : link;
}

/** The texts of a list, each with the NUL at its end. */
function split(bytes: Uint8Array): Uint8Array[] {
  const texts: Uint8Array[] = [];
  for (let from = 0; from < bytes.length;) {
    const end = bytes.indexOf(0, from);
    const until = end < 0 ? bytes.length : end + 1;
    // A copy has an address of its own.
    texts.push(Uint8Array.from(end < 0 ? [...bytes.subarray(from), 0] : bytes.subarray(from, until)));
    from = until;
  }
  return texts;
}
