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
 * A limit of this process: the one that counts, and the one up to which it may be raised, each a number or `unlimited`.
 * Null where it is not known. `name` is the one of /proc/self/limits, such as `Max open files`. Source: proc(5).
 */
export function processLimit(name: string): { readonly soft: string; readonly hard: string } | null {
  try {
    const line = new RegExp(`^${name} +(\\S+) +(\\S+)`, "m").exec(readFileSync("/proc/self/limits", "latin1"));
    const [soft, hard] = [line?.[1], line?.[2]];
    return soft === undefined || hard === undefined ? null : { soft, hard };
  } catch {
    return null;
  }
}

/** Whether the process has all rights: uid 0, on Windows an administrator. */
export function isRoot(env: Readonly<Record<string, string | undefined>> = process.env): boolean {
  if (process.getuid !== undefined) return process.getuid() === 0;
  try {
    // Only administrators may list this folder; asking is cheaper than starting a program that knows.
    readdirSync(`${env["SYSTEMROOT"] ?? "C:\\Windows"}\\System32\\config`);
    return true;
  } catch {
    return false;
  }
}
