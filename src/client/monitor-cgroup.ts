/*
 * Memory limits that the kernel keeps: a control group (version 2) for each task. That takes a part of the tree of
 * groups that is ours: the group of this process, if it may be written and, for root, was handed over (by systemd's
 * Delegate=, or as the root of a container). What is limited must not be in a group with groups below it, so all
 * processes of our group are moved into one below it, where the same limits hold for them; they go back at the end.
 *
 * A task enters its group by itself, before its program is started (spawn.ts): none of its memory is counted elsewhere,
 * and no child of it stays outside. When it wants more than it may have, and nothing can be freed, the kernel ends all
 * of its processes together. Knows no outcomes.
 *
 * Source: cgroups(7); Documentation/admin-guide/cgroup-v2.rst of Linux; systemd's CGROUP_DELEGATION.
 */
import { accessSync, constants, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { messageOf } from "../base/errors.ts";
import { openLibc } from "../base/libc.ts";
import type { Logger } from "../log/logger.ts";

export interface Cgroups {
  /**
   * Makes a group for a task that may take this many bytes, unless it has one, and answers the file into which a
   * process writes to enter it; null: that is not possible just now.
   */
  confine(id: string, bytes: number): string | null;
  /** Whether a task has a group. */
  has(id: string): boolean;
  /** Removes the group of a task that has ended. The bytes that it had taken if the kernel has ended it; else null. */
  leave(id: string): number | null;
  /** Removes all groups, and puts things back as they were. */
  close(): void;
}

/** What tests have of their own. */
export interface CgroupPorts {
  /** The contents of /proc/self/cgroup and /proc/self/mountinfo. */
  readonly membership: () => string;
  readonly mounts: () => string;
  /** Whether this group was handed over to whoever is root here. */
  readonly isHandedOver: (folder: string) => boolean;
  /** Removes a group that has no processes. Throws while it has some. */
  readonly remove: (folder: string) => void;
}

const systemPorts: CgroupPorts = {
  membership: () => readFileSync("/proc/self/cgroup", "latin1"),
  mounts: () => readFileSync("/proc/self/mountinfo", "latin1"),
  isHandedOver,
  remove: rmdirSync,
};

/** The group for processes that are in no task's. */
const restName = "hs-rest";
const taskPrefix = "hs-task-";

interface State {
  readonly ports: CgroupPorts;
  readonly log: Pick<Logger, "debug">;
  /** The group that has those of the tasks below it. */
  readonly base: string;
  /** The limits of tasks that have a group, bytes. */
  readonly limits: Map<string, number>;
  /** Groups that had processes when they were to be removed. */
  readonly left: Set<string>;
}

/** Groups below that of this process; null: the kernel keeps no limits for us here, for a reason that the log tells. */
export function openCgroups(
  clientId: string,
  log: Pick<Logger, "debug">,
  ports: CgroupPorts = systemPorts,
): Cgroups | null {
  try {
    const base = findBase(ports);
    enableMemory(base, ports);
    const groups = cgroupsOf({ ports, log, base, limits: new Map(), left: new Set() });
    probe(groups, `probe-${clientId}`);
    log.debug(`Memory limits are kept by the kernel (${base})`);
    return groups;
  } catch (error) {
    log.debug(`Memory limits are kept by looking at tasks, not by the kernel: ${messageOf(error)}`);
    return null;
  }
}

/** Has a process enter a group, as tasks will. Throws when it cannot, and puts things back as they were. */
function probe(groups: Cgroups, id: string): void {
  const file = groups.confine(id, 2 ** 30);
  const words = ["/bin/sh", "-c", 'echo 0 >"$0"', file ?? ""];
  const { success } = Bun.spawnSync(words, { stdin: "ignore", stdout: "ignore", stderr: "ignore" });
  groups.leave(id);
  if (file !== null && success) return;
  groups.close();
  throw new Error(file === null ? "no group can be made" : "no process can enter a group");
}

// ---- our part of the tree

/** The group below which groups can be made. Throws an error that says why there is none. */
function findBase(ports: CgroupPorts): string {
  const found = ownGroup(ports.membership(), ports.mounts());
  if (found === null) throw new Error("there is no cgroup v2 with this process here");
  const { folder, mount } = found;
  // Another client that shares our group has moved us.
  const base = basename(folder) === restName ? dirname(folder) : folder;
  const type = tryRead(join(base, "cgroup.type"));
  if (type !== null && type !== "domain") throw new Error(`${base} is of type ${type}`);
  if (!wordsIn(join(base, "cgroup.controllers")).includes("memory"))
    throw new Error(`${base} has no controller of memory`);
  for (const name of [".", "cgroup.procs", "cgroup.subtree_control"]) accessSync(join(base, name), constants.W_OK);
  // Root may write everywhere, but what systemd has made is systemd's.
  if (process.getuid?.() === 0 && base !== mount && !ports.isHandedOver(base))
    throw new Error(`${base} was not handed over (Delegate=)`);
  return base;
}

/**
 * The folder of this process's group, and where the tree is mounted; null: it is in none, or not in what is mounted.
 */
export function ownGroup(
  membership: string,
  mounts: string,
): { readonly folder: string; readonly mount: string } | null {
  const path = /^0::(\/.*)$/m.exec(membership)?.[1];
  if (path === undefined) return null;
  for (const line of mounts.split("\n")) {
    const [before = "", after = ""] = line.split(" - ");
    const [, , , root, mount] = before.split(" ");
    if (!after.startsWith("cgroup2 ") || root === undefined || mount === undefined) continue;
    const below = root === "/" ? "" : root;
    if (path !== below && !path.startsWith(`${below}/`)) continue;
    const rest = path.slice(below.length);
    if (rest.split("/").includes("..")) continue;
    return { folder: join(mount, rest).replace(/(?<=.)\/$/, ""), mount };
  }
  return null;
}

/** Whether an attribute of the folder says so, as systemd sets it. */
function isHandedOver(folder: string): boolean {
  const library = openLibc({ getxattr: { args: ["ptr", "ptr", "ptr", "usize"], returns: "i64" } });
  if (library === null) return false;
  const value = new Uint8Array(8);
  const text = (words: string): Uint8Array => Buffer.from(`${words}\0`);
  return ["user.delegate", "trusted.delegate"].some(
    (name) => Number(library.getxattr(text(folder), text(name), value, value.length)) > 0 && value[0] === 0x31,
  );
}

/** Lets groups below `base` have limits of memory. Throws when that cannot be, and leaves all as it was then. */
function enableMemory(base: string, ports: CgroupPorts): void {
  const control = join(base, "cgroup.subtree_control");
  if (wordsIn(control).includes("memory")) return;
  try {
    return writeFileSync(control, "+memory");
  } catch {
    // There are processes in it, at least this one.
  }
  const rest = join(base, restName);
  try {
    mkdirSync(rest, { recursive: true });
    moveAll(base, rest);
    writeFileSync(control, "+memory");
  } catch (error) {
    giveBack(base, ports);
    throw error;
  }
}

/** How often processes that were started meanwhile are moved too. */
const moves = 10;

function moveAll(from: string, to: string): void {
  for (let round = 0; round < moves; round++) {
    const pids = wordsIn(join(from, "cgroup.procs"));
    if (pids.length === 0) return;
    for (const pid of pids) {
      try {
        writeFileSync(join(to, "cgroup.procs"), pid);
      } catch (error) {
        // It has ended meanwhile.
        if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
      }
    }
  }
}

/** Puts back into `base` what was moved out of it, unless another client still has groups there. */
function giveBack(base: string, ports: CgroupPorts): void {
  const rest = join(base, restName);
  try {
    if (readdirSync(base).some((name) => name.startsWith(taskPrefix))) return;
    writeFileSync(join(base, "cgroup.subtree_control"), "-memory");
    moveAll(rest, base);
    ports.remove(rest);
  } catch {
    // It was not moved, or somebody makes groups there again. Nothing is limited by what is left.
  }
}

// ---- groups of tasks

/** How often the groups that are left are removed at the end, and the pause between, milliseconds. */
const removals = 5;
const removalMs = 10;

function cgroupsOf(state: State): Cgroups {
  const { base, limits, left, ports } = state;
  return {
    confine: (id, bytes) => confine(state, id, bytes),
    has: (id) => limits.has(id),
    leave: (id) => leave(state, id),
    close() {
      for (const id of limits.keys()) leave(state, id);
      // What was just killed may still be on its way out.
      for (let round = 0; left.size > 0 && round < removals; round++) {
        if (round > 0) Bun.sleepSync(removalMs);
        for (const folder of left) tryRemove(state, folder);
      }
      giveBack(base, ports);
    },
  };
}

const folderOf = ({ base }: State, id: string): string => join(base, `${taskPrefix}${id}`);

function confine(state: State, id: string, bytes: number): string | null {
  const folder = folderOf(state, id);
  try {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "memory.max"), `${bytes}`);
    // Not every kernel has these: a limit is one of memory and swap together, and nothing of the task outlives it.
    tryWrite(join(folder, "memory.swap.max"), "0");
    tryWrite(join(folder, "memory.oom.group"), "1");
  } catch (error) {
    state.log.debug(`No group can be made for task (${id}): ${messageOf(error)}`);
    tryRemove(state, folder);
    return null;
  }
  state.limits.set(id, bytes);
  return join(folder, "cgroup.procs");
}

function leave(state: State, id: string): number | null {
  const limit = state.limits.get(id);
  if (limit === undefined) return null;
  state.limits.delete(id);
  const folder = folderOf(state, id);
  const kills = countIn(join(folder, "memory.events"), "oom_kill");
  // A group that the task has made may have had a limit of its own. Older kernels do not tell whose it was.
  const own = countIn(join(folder, "memory.events.local"), "oom");
  const peak = Number(tryRead(join(folder, "memory.peak")) ?? limit);
  tryRemove(state, folder);
  return kills !== null && kills > 0 && own !== 0 ? peak : null;
}

/** The number behind a name in a file of events; null: it is not there. */
function countIn(path: string, name: string): number | null {
  const found = new RegExp(`^${name} (\\d+)$`, "m").exec(tryRead(path) ?? "");
  return found === null ? null : Number(found[1]);
}

/** Removes a group. One in which a task has left processes stays until the end. */
function tryRemove({ ports, left }: State, folder: string): void {
  try {
    ports.remove(folder);
    left.delete(folder);
  } catch {
    left.add(folder);
  }
}

// ---- files

function tryRead(path: string): string | null {
  try {
    return readFileSync(path, "latin1").trim();
  } catch {
    return null;
  }
}

function tryWrite(path: string, text: string): void {
  try {
    writeFileSync(path, text);
  } catch {
    // There is no such file.
  }
}

/** The words of a file: numbers or names. Throws the error of the file system. */
function wordsIn(path: string): readonly string[] {
  return readFileSync(path, "latin1").split(/\s+/).filter(Boolean);
}
