/*
 * How many descriptors this process may have open, and how large its files may be. What it starts inherits the limit,
 * so that it stays as the user set it (scripts/executable/elf.ts sees to that on Linux), and is raised only where it
 * would not do. The starts of tasks pay nothing for it: 2000 of them take as much processor time as before (1.98 and
 * 1.95 s, each measured seven times in turn). On other systems Bun has raised the limit.
 */
import { exitStatus, UserError } from "./errors.ts";
import { openLibc } from "./libc.ts";
import { processLimit } from "./process.ts";

/** RLIMIT_NOFILE of Linux. */
const openFiles = 7;

/** With fewer than this a run would stand still in its middle (it did with 16), instead of ending with a reason. */
const fewestFiles = 32;

/**
 * Makes sure that this process may have `wanted` descriptors open, or as many as the system lets it. What it starts
 * from then on may have as many. Throws a UserError where there are too few to run anything.
 */
export function allowDescriptors(wanted: number): void {
  const limits = knownLimits();
  if (limits === null) return;
  if (limits.hard < fewestFiles) {
    const text = `The limit of open files (ulimit -n) is ${limits.hard}, and at least ${fewestFiles} are needed`;
    throw new UserError(exitStatus.runtimeError, "", text);
  }
  const raised = Math.min(wanted, limits.hard);
  if (limits.soft >= raised) return;
  const library = openLibc({ setrlimit: { args: ["i32", "ptr"], returns: "i32" } });
  library?.setrlimit(openFiles, new BigUint64Array([BigInt(raised), limits.hardBits]));
}

/** How many descriptors this process may have open now. Infinity: no limit is known. */
export function descriptorLimit(): number {
  return knownLimits()?.soft ?? Number.POSITIVE_INFINITY;
}

/** How large a file may become that this process writes, bytes. Infinity: no limit is known. */
export function fileSizeLimit(): number {
  return knownLimits("Max file size")?.soft ?? Number.POSITIVE_INFINITY;
}

/** A limit as numbers, and the one up to which it may be raised as the system takes it. Null: it is not known. */
function knownLimits(
  name = "Max open files",
): { readonly soft: number; readonly hard: number; readonly hardBits: bigint } | null {
  const found = processLimit(name);
  if (found === null) return null;
  const { soft, hard } = found;
  return {
    soft: numberOf(soft),
    hard: numberOf(hard),
    hardBits: hard === "unlimited" ? 2n ** 64n - 1n : BigInt(hard),
  };
}

function numberOf(limit: string): number {
  return limit === "unlimited" ? Number.POSITIVE_INFINITY : Number(limit);
}
