/*
 * Where this process is and what it may: host, processors, rights. Facts of the operating system only.
 */
import { readFileSync, readdirSync } from "node:fs";
import { availableParallelism, hostname } from "node:os";

/** The working directory; null when it is not there any more. */
export function workingFolder(): string | null {
  try {
    return process.cwd();
  } catch {
    return null;
  }
}

/** The name of this host as the system tells it, with or without a domain. */
export function hostName(): string {
  return hostname();
}

/** The name up to the first dot. An address (`10.0.0.1`) stays whole. */
export function shortHost(name: string = hostname()): string {
  return /^[\d.]+$/.test(name) ? name : (name.split(".", 1)[0] ?? name);
}

/**
 * Processors that this process may use, which inside a batch job or a container can be fewer than the host has. At
 * least 1.
 */
export function cpuCount(): number {
  return Math.max(1, availableParallelism());
}

/**
 * What Linux tells of a process, from its state on: state, parent, group, ... The field that proc(5) numbers n is at
 * n - 3. Throws the error of the operating system when there is no such process.
 */
export function processFacts(pid: number | string): readonly string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  // The name of a program, in parentheses, may hold anything.
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

/** Whether the process has all rights: uid 0, on Windows an administrator. */
export function isRoot(env: Readonly<Record<string, string | undefined>> = process.env): boolean {
  if (process.getuid !== undefined) return process.getuid() === 0;
  try {
    // Only administrators may list this folder; asking is cheaper than starting a program that knows.
    readdirSync(`${env["SystemRoot"] ?? "C:\\Windows"}\\System32\\config`);
    return true;
  } catch {
    return false;
  }
}
