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

let ownName: string | null = null;

/**
 * The name of this host as the system tells it, with or without a domain. It stays the same: that of macOS changes with
 * the network, so there it is the one that the settings have.
 */
export function hostName(): string {
  return process.platform === "darwin" ? (ownName ??= settledName() ?? hostname()) : hostname();
}

/** The name by which this host is known in its network just now. */
export function networkName(): string {
  return hostname();
}

function settledName(): string | null {
  try {
    return nameInSettings(readFileSync("/Library/Preferences/SystemConfiguration/preferences.plist", "utf8"));
  } catch {
    return null;
  }
}

/**
 * The name of a host in the settings of macOS: the one that somebody has given it, else the one that it has among its
 * neighbours. Null: there is none. Source: scutil(8), HostName and LocalHostName.
 */
export function nameInSettings(text: string): string | null {
  const own = /<key>ComputerName<\/key>(?:(?!<\/dict>)[^])*?<key>HostName<\/key>\s*<string>([^<]+)</.exec(text)?.[1];
  const local = /<key>LocalHostName<\/key>\s*<string>([^<]+)</.exec(text)?.[1];
  return own ?? (local === undefined ? null : `${local}.local`);
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
