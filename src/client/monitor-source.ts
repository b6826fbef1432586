/*
 * What the system tells of processes while tasks are monitored, whichever system it is: the seam behind which /proc
 * (monitor-proc.ts) and ps (monitor-ps.ts) are. Knows no tasks.
 */
import { existsSync } from "node:fs";

/** What is known of a process at one moment. One object is filled again and again. */
export interface Reading {
  parent: number;
  group: number;
  /** 0 where the system does not tell. */
  session: number;
  /** Tells it from a later process with the same number. Always 0 where the system does not tell. */
  startedAt: number;
  /** The processor time of its own, milliseconds. */
  ownMs: number;
  /** The processor time of those children that have ended and were waited for, milliseconds. */
  childrenMs: number;
  /** The resident size, bytes. */
  memory: number;
}

export interface ProcessSource {
  /** Whether times of children that have ended are counted with their parent. */
  readonly countsChildren: boolean;
  /** By how much the times of a process may be too small, milliseconds. */
  readonly roundedMs: number;
  /** Finds out which processes there are, and calls `then` with their numbers, at once or later; [] on a failure. */
  list(then: (pids: readonly number[]) => void): void;
  /** Fills `into`, and answers whether there is such a process. */
  read(pid: number, into: Reading): boolean;
  /** The task of this client that the environment of a process names; null: none, or it is not shown. */
  taskOf(pid: number): string | null;
  /**
   * The memory of a process with its share of what it has in common with others, bytes. It takes the system longer
   * than a reading. Null where it does not tell.
   */
  share(pid: number): number | null;
}

/** A reading that is yet to be filled. */
export function emptyReading(): Reading {
  return { parent: 0, group: 0, session: 0, startedAt: 0, ownMs: 0, childrenMs: 0, memory: 0 };
}

/** What tells of processes on this system; null: nothing does. */
export async function openSource(clientId: string): Promise<ProcessSource | null> {
  if (process.platform === "linux" && existsSync("/proc/self/stat"))
    return (await import("./monitor-proc.ts")).procSource(clientId);
  if (process.platform === "darwin") return (await import("./monitor-ps.ts")).psSource();
  return null;
}
