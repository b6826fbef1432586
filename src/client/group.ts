/*
 * Process groups of tasks: signals to a group, and whether any process of it is left. A group outlives its leader as
 * long as it has a member, and until then the kernel gives its number to nobody else. Knows nothing of tasks.
 */
import { readdirSync } from "node:fs";
import { constants } from "node:os";
import { processFacts } from "../base/process.ts";
import type { StopSignal } from "./executor.ts";

export interface Group {
  /** The process id of its leader, which is the number of the group. */
  readonly leader: number;
  /** Sends a signal to all members. Does nothing when the leader has ended and no other member is left. */
  signal(signal: StopSignal): void;
  /**
   * Whether a process of the group other than the leader is left. It should be asked only after the leader has ended.
   */
  alive(): boolean;
}

/** The number of a signal. Bun reports signals by name, and real-time signals by number. */
export function signalNumber(signal: NodeJS.Signals | number): number {
  return typeof signal === "number" ? signal : constants.signals[signal];
}

/** The group of which the process `leader` is the leader; `ended` tells whether the leader has ended. */
export function groupOf(leader: number, ended: () => boolean): Group {
  /** True once no process is left: the number may belong to somebody else by now. */
  let gone = false;
  /** A member that was alive at the last look. Looking at one process is cheaper than looking at all of them. */
  let member: number | null = null;

  function kill(signal: StopSignal | 0): boolean {
    if (gone) return false;
    try {
      process.kill(-leader, signal);
    } catch (error) {
      // EPERM: a process is there but runs as another user by now (sudo). A signal does not reach it, and the reactor
      // will say so.
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") return true;
      gone = ended();
      return false;
    }
    return true;
  }

  if (process.platform === "win32") return tree(leader, ended);
  return {
    leader,
    signal: (signal) => void kill(signal),
    alive() {
      if (!kill(0)) return false;
      if (process.platform !== "linux") return true;
      // In a container whose first process does not collect dead processes, these keep their number, but they are not
      // alive.
      if (member !== null && isMember(member, leader)) return true;
      member = findMember(leader);
      return member !== null;
    },
  };
}

function findMember(group: number): number | null {
  for (const entry of readdirSync("/proc")) {
    const pid = Number(entry);
    if (Number.isInteger(pid) && isMember(pid, group)) return pid;
  }
  return null;
}

/** Whether a process is alive and in this group. In proc(5), the fields after the name are state, parent, group. */
function isMember(pid: number, group: number): boolean {
  try {
    const [state, , processGroup] = processFacts(pid);
    return processGroup === `${group}` && state !== "Z" && state !== "X";
  } catch {
    // The process has ended meanwhile.
    return false;
  }
}

/**
 * A stand-in for a group on Windows, which has neither groups nor signals: the process is ended with everything that it
 * started. What survives that cannot be found.
 */
function tree(leader: number, ended: () => boolean): Group {
  return {
    leader,
    signal() {
      if (ended()) return;
      Bun.spawn(["taskkill", "/PID", `${leader}`, "/T", "/F"], { stdin: "ignore", stdout: "ignore", stderr: "ignore" });
    },
    alive: () => false,
  };
}
