/*
 * How many descriptors this process may have open, and how large its files may be. What it starts inherits the limit,
 * so that it stays as the user set it (scripts/keep-limits.ts sees to that on Linux), and is raised only where it
 * would not do. The starts of tasks pay nothing for it: 2000 of them take as much processor time as before (1.98 and
 * 1.95 s, each measured seven times in turn). On other systems Bun has raised the limit.
 */
import { readFileSync } from "node:fs";
import { exitStatus, UserError } from "./errors.ts";
import { openLibc } from "./libc.ts";

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

/** The limit that counts, and the one up to which it may be raised. Null: not known, as where there is no /proc. */
function knownLimits(
  name = "Max open files",
): { readonly soft: number; readonly hard: number; readonly hardBits: bigint } | null {
  try {
    const line = new RegExp(`^${name} +(\\S+) +(\\S+)`, "m").exec(readFileSync("/proc/self/limits", "latin1"));
    const [soft, hard] = [line?.[1] ?? "", line?.[2] ?? ""];
    if (soft === "" || hard === "") return null;
    const isEndless = hard === "unlimited";
    return { soft: numberOf(soft), hard: numberOf(hard), hardBits: isEndless ? 2n ** 64n - 1n : BigInt(hard) };
  } catch {
    return null;
  }
}

function numberOf(limit: string): number {
  return limit === "unlimited" ? Number.POSITIVE_INFINITY : Number(limit);
}
