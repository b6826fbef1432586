/*
 * The limits that control groups of Linux set to this process: its own group, and every group above it that can be
 * seen. Knows the files of both versions, and not what the numbers are used for.
 *
 * Source: Linux, cgroups(7); Documentation/admin-guide/cgroup-v2.rst (cpu.max, memory.max) and cgroup-v1/memory.rst;
 * proc(5), mountinfo.
 */
import type { Host } from "./host.ts";

export interface GroupLimits {
  /** Processors' worth of time, perhaps a fraction; Infinity: no limit. */
  readonly cpus: number;
  /** Bytes; Infinity: no limit. */
  readonly memory: number;
}

/** The place of a hierarchy in the file system. */
interface Mount {
  /** The group that is found at `at`. In a container it is mostly the container's own. */
  readonly root: string;
  readonly at: string;
  /** The controllers of version 1; null: it is version 2. */
  readonly controllers: readonly string[] | null;
}

/** The least of what the groups of this process may use. */
export function groupLimits(host: Host): GroupLimits {
  const memberships = host.read("/proc/self/cgroup");
  const mounts = memberships === null ? [] : mountsOf(host.read("/proc/self/mountinfo") ?? "");
  let cpus = Number.POSITIVE_INFINITY;
  let memory = Number.POSITIVE_INFINITY;
  for (const line of (memberships ?? "").split("\n")) {
    const [, names = "", path = ""] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (path === "") continue;
    const own = names.split(",");
    const isSecond = names === "";
    const mount = mounts.find(({ controllers }) =>
      isSecond ? controllers === null : controllers !== null && own.every((name) => controllers.includes(name)),
    );
    if (mount === undefined) continue;
    for (const folder of foldersOf(mount, path)) {
      if (isSecond || own.includes("cpu")) cpus = Math.min(cpus, isSecond ? cpuMax(host, folder) : quota(host, folder));
      const file = isSecond ? "memory.max" : "memory.limit_in_bytes";
      if (isSecond || own.includes("memory")) memory = Math.min(memory, bytesIn(host.read(`${folder}/${file}`)));
    }
  }
  return { cpus, memory };
}

/** The hierarchies that are mounted, from the text of mountinfo. */
function mountsOf(text: string): Mount[] {
  const found: Mount[] = [];
  for (const line of text.split("\n")) {
    if (!line.includes(" - cgroup")) continue;
    const [left = "", right = ""] = line.split(" - ", 2);
    const [, , , root = "/", at = ""] = left.split(" ").map(unescaped);
    const [type, , options = ""] = right.split(" ");
    if (type === "cgroup2") found.push({ root, at, controllers: null });
    else if (type === "cgroup") found.push({ root, at, controllers: options.split(",") });
  }
  return found;
}

/** A blank in a path is written as `\040`. */
function unescaped(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}

/** The folder of a group, and those of the groups above it, up to the place of the mount. */
function foldersOf({ root, at }: Mount, path: string): string[] {
  // A path that begins with `/..` leads out of what this process can see: the group at the mount is all there is.
  const isBelow = root === "/" ? !path.startsWith("/..") : path === root || path.startsWith(`${root}/`);
  const rest = isBelow ? path.slice(root === "/" ? 0 : root.length) : "";
  const parts = rest.split("/").filter((part) => part !== "");
  return [...parts.map((_, index) => `${at}/${parts.slice(0, parts.length - index).join("/")}`), at];
}

/** `max 100000`, or `150000 100000`: a quota for each period, microseconds. */
function cpuMax(host: Host, folder: string): number {
  const [, used, period] = /^(\d+) (\d+)/.exec(host.read(`${folder}/cpu.max`) ?? "") ?? [];
  return shareOf(Number(used), Number(period));
}

function quota(host: Host, folder: string): number {
  const used = Number(host.read(`${folder}/cpu.cfs_quota_us`) ?? "-1");
  return used > 0 ? shareOf(used, Number(host.read(`${folder}/cpu.cfs_period_us`) ?? "")) : Number.POSITIVE_INFINITY;
}

function shareOf(used: number, period: number): number {
  return used > 0 && period > 0 ? used / period : Number.POSITIVE_INFINITY;
}

/** Version 1 has no word for "no limit", but a number that no host has. */
const endless = 2 ** 60;

function bytesIn(text: string | null): number {
  const bytes = /^\d+/.test(text ?? "") ? Number(text) : Number.POSITIVE_INFINITY;
  return bytes < endless ? bytes : Number.POSITIVE_INFINITY;
}
