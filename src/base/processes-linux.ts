/*
 * Processes as Linux tells of them, in /proc.
 *
 * Measured: 10 microseconds for each process. So nobody looks while all goes well.
 *
 * Source: proc(5), random(4), pid_namespaces(7).
 */
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync, readSync } from "node:fs";
import type { Processes, ProcessRow, ProcessState } from "./process-source.ts";

/** What almost every environment has room in, bytes. */
const roomBytes = 1 << 16;

/** It stays the same as long as this process lives; undefined: nobody has asked yet. */
let ownTable: string | null | undefined;

/** What /proc tells. */
export const linuxProcesses: Processes = {
  table: () => (ownTable === undefined ? (ownTable = readTable()) : ownTable),
  stateOf(pid) {
    try {
      return stateIn(processFacts(pid));
    } catch {
      return null;
    }
  },
  isStill(pid, startedAt) {
    const state = linuxProcesses.stateOf(pid);
    return state !== null && !state.isOver && state.startedAt === startedAt;
  },
  memberOf: (group, last) => (last !== null && isMember(last, group) ? last : findMember(group)),
  all: allProcesses,
  openFiles: filesInUse,
};

/**
 * What Linux tells of a process, from its state on: state, parent, group, ... The field that proc(5) numbers n is at
 * n - 3. Throws the error of the operating system when there is no such process.
 */
export function processFacts(pid: number | string): readonly string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  // The name of a program, in parentheses, may hold anything.
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

/** The boot of the machine, and the namespace in which processes are numbered. */
function readTable(): string | null {
  try {
    if (readlinkSync("/proc/self") !== String(process.pid)) return null;
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
    const namespace = /\d+/.exec(readlinkSync("/proc/self/ns/pid"))?.[0];
    return boot === "" || namespace === undefined ? null : `${boot}/${namespace}`;
  } catch {
    return null;
  }
}

function stateIn(facts: readonly string[]): ProcessState {
  return { startedAt: facts[19] ?? "", isOver: hasEnded(facts[0]) };
}

/** Whether the state of a process is that of one that has ended, and was not waited for yet. */
function hasEnded(state: string | undefined): boolean {
  return state === "Z" || state === "X";
}

function findMember(group: number): number | null {
  for (const entry of readdirSync("/proc")) {
    const pid = Number(entry);
    if (Number.isInteger(pid) && isMember(pid, group)) return pid;
  }
  return null;
}

/** Whether a process is alive and in this group. */
function isMember(pid: number, group: number): boolean {
  try {
    const [state, , processGroup] = processFacts(pid);
    return processGroup === `${group}` && !hasEnded(state);
  } catch {
    // The process has ended meanwhile.
    return false;
  }
}

function allProcesses(mark: string): readonly ProcessRow[] {
  const rows: ProcessRow[] = [];
  const room = Buffer.allocUnsafe(roomBytes);
  for (const entry of namesIn("/proc")) {
    if (!/^\d/.test(entry)) continue;
    try {
      const stat = readWhole(`/proc/${entry}/stat`, room).toString("latin1");
      // The name of a program, in parentheses, may hold anything.
      const end = stat.lastIndexOf(")");
      const facts = stat.slice(end + 2).split(" ");
      const state = facts[0]!;
      if (hasEnded(state)) continue;
      const [parent, group, session] = [Number(facts[1]), Number(facts[2]), Number(facts[3])];
      const name = stat.slice(stat.indexOf("(") + 1, end);
      // The kernel's own threads are children of process 2, and have nothing of all that.
      const environment = parent === 2 && session === 0 ? null : environmentOf(entry, mark, room);
      rows.push({ pid: Number(entry), parent, group, session, startedAt: facts[19]!, name, environment });
    } catch {
      // It has ended meanwhile.
    }
  }
  return rows;
}

/** The content of a file. What comes back may lie in `room`, and is valid until the next call with the same. */
function readWhole(path: string, room: Buffer): Buffer {
  const file = openSync(path, "r");
  try {
    const size = readSync(file, room, 0, room.length, 0);
    if (size < room.length) return room.subarray(0, size);
  } finally {
    closeSync(file);
  }
  return readFileSync(path);
}

/**
 * The environment of a process, as in its row; null where `mark` is not in it, or it is not shown. It is read into
 * `room` where it has room there.
 */
export function environmentOf(pid: string, mark: string, room: Buffer): string | null {
  try {
    const bytes = readWhole(`/proc/${pid}/environ`, room);
    return bytes.includes(mark) ? `\0${bytes.toString("latin1")}` : null;
  } catch {
    return null;
  }
}

function filesInUse(): ReadonlySet<string> {
  const found = new Set<string>();
  for (const pid of namesIn("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    for (const descriptor of namesIn(`/proc/${pid}/fd`)) {
      try {
        found.add(readlinkSync(`/proc/${pid}/fd/${descriptor}`));
      } catch {
        // It was closed meanwhile.
      }
    }
  }
  return found;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    // Out of descriptors, or it is not there any more.
    return [];
  }
}
