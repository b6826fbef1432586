/*
 * Process groups of tasks: signals to a group, and whether any process of it is left. A group outlives its leader as
 * long as it has a member, and until then the kernel gives its number to nobody else. Knows nothing of tasks.
 */
import { constants } from "node:os";
import { processes } from "../base/processes.ts";
import type { Job } from "../base/windows.ts";
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
  // Windows has no groups: this is the process alone there. The processes of tasks have a job.
  const all = process.platform === "win32" ? leader : -leader;
  /** A member that was alive at the last look. Looking at one process is cheaper than looking at all of them. */
  let member: number | null = null;

  function kill(signal: StopSignal | 0): "reached" | "refused" | "gone" {
    if (gone) return "gone";
    try {
      process.kill(all, signal);
    } catch (error) {
      // EPERM: a process is there but runs as another user by now (sudo). A signal does not reach it, and the reactor
      // will say so.
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") return "refused";
      gone = ended();
      return "gone";
    }
    return "reached";
  }

  return {
    leader,
    signal: (signal) => void kill(signal),
    alive() {
      const found = kill(0);
      if (found === "gone") return false;
      // In a container whose first process does not collect dead processes, these keep their number, but they are not
      // alive.
      member = processes().memberOf(leader, member, found === "refused");
      return member !== null;
    },
  };
}

/**
 * The processes of a job of Windows, as a group. There are no signals there: the first one, whichever it is, ends them
 * all, with the exit status that a shell of Linux gives for it.
 */
export function groupOfJob(leader: number, job: Pick<Job, "end" | "alive">): Group {
  return { leader, signal: (signal) => job.end(128 + signalNumber(signal)), alive: () => job.alive() };
}
