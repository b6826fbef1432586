/*
 * The processors that this thread may run on, and with it whatever it starts: Linux hands them on. Elsewhere, and with
 * another C library than that of GNU, there is nothing to set.
 *
 * Source: Linux, sched_setaffinity(2).
 */
import { openLibc } from "./libc.ts";

/** Sets the processors of this thread, by number. Answers false where the system does not let it. */
export type SetAffinity = (processors: readonly number[]) => boolean;

/** A processor's number is below this; the system takes masks of any length. */
const mostProcessors = 65_536;

/** Finds the way to set affinities; null: there is none here. */
export function affinitySetter(): SetAffinity | null {
  if (process.platform !== "linux") return null;
  const library = openLibc({ sched_setaffinity: { args: ["i32", "u64", "ptr"], returns: "i32" } });
  if (library === null) return null;
  return (processors) => {
    const mask = maskOf(processors);
    return mask.length > 0 && library.sched_setaffinity(0, BigInt(mask.byteLength), mask) === 0;
  };
}

/** One bit for each processor, in the order of the words of this machine. */
function maskOf(processors: readonly number[]): BigUint64Array<ArrayBuffer> {
  const known = processors.filter((number) => number < mostProcessors);
  const mask = new BigUint64Array(known.length === 0 ? 0 : Math.floor(Math.max(...known) / 64) + 1);
  for (const number of known) mask[Math.floor(number / 64)]! |= 1n << BigInt(number % 64);
  return mask;
}
