/*
 * Who and where this process is: host, user, processors, rights. Facts of the operating system only.
 */
import { readFileSync, readdirSync } from "node:fs";
import { availableParallelism, hostname, userInfo } from "node:os";

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

/** The user's login name; `uid:1234` when nothing knows a name (containers often run without an entry in passwd). */
export function userName(env: Readonly<Record<string, string | undefined>> = process.env): string {
  for (const variable of ["LOGNAME", "USER", "LNAME", "USERNAME"]) {
    const name = env[variable];
    if (name !== undefined && name !== "") return name;
  }
  const uid = process.getuid?.();
  if (uid === undefined) return userInfo().username;
  // Not os.userInfo(): Bun answers "unknown" there when $USER is not set.
  return nameOfUser(uid) ?? `uid:${uid}`;
}

function nameOfUser(uid: number): string | null {
  try {
    for (const line of readFileSync("/etc/passwd", "utf8").split("\n")) {
      const [name, , id] = line.split(":");
      if (name !== undefined && name !== "" && id === String(uid)) return name;
    }
  } catch {
    // No passwd file: the number has to do.
  }
  return null;
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
