/*
 * Where this process is and what it may: host, processors, rights. Facts of the operating system only.
 */
import { readFileSync, readdirSync, readlinkSync } from "node:fs";
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

/** The start time of a process in clock ticks since boot; null where that is not known. Source: proc(5), field 22. */
export function processStart(pid: number): string | null {
  try {
    return processFacts(pid)[19] ?? null;
  } catch {
    return null;
  }
}

/** It stays the same as long as this process lives; undefined: nobody has asked yet. */
let ownTable: string | null | undefined;

/**
 * The process table that this process sees: the boot of the machine, and the namespace in which processes are numbered.
 * Null where that is not known, or where /proc shows another table than ours. Source: random(4), pid_namespaces(7).
 */
export function processTable(): string | null {
  if (ownTable === undefined) ownTable = readProcessTable();
  return ownTable;
}

function readProcessTable(): string | null {
  try {
    if (readlinkSync("/proc/self") !== String(process.pid)) return null;
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
    const namespace = /\d+/.exec(readlinkSync("/proc/self/ns/pid"))?.[0];
    return boot === "" || namespace === undefined ? null : `${boot}/${namespace}`;
  } catch {
    return null;
  }
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
