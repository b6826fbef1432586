/*
 * The contract of an executor, which runs tasks. The reactor decides when. An executor never throws for what a program
 * does.
 */
import type { Assignment, Outcome } from "../task/task.ts";

export type StopSignal = "SIGINT" | "SIGTERM" | "SIGKILL";

/** A started task. */
export interface Running {
  /** Process id (and process group id); null until the process exists. */
  readonly pid: number | null;
  /**
   * Sends a signal to all processes of the task. A task without a process yet never starts, and ends with 128 + the
   * number of the signal. Does nothing when nobody is left.
   */
  signal(signal: StopSignal): void;
  /**
   * Whether any process of the task is left. It may be true even after the outcome (children of children). It is asked
   * again and again after a signal, until it is false.
   */
  alive(): boolean;
  /** Whether all that is left ignores SIGINT. False where the system does not tell. */
  ignoresInterrupt(): boolean;
}

/** What tasks have from their submission. */
export interface Origin {
  /** The template; null: there is none, so that the client's own holds. */
  readonly template: string | null;
  /** The directory that the submission came from; null: not known. */
  readonly cwd: string | null;
}

/** Who is told how tasks end. `ended` or `unplaced` is called exactly once for each task, never from within `start`. */
export interface Ends {
  /**
   * `isUnread`: the task died of SIGPIPE, because nobody reads any more what this process and its tasks write. Such a
   * death says nothing of the task.
   */
  ended(outcome: Outcome, isUnread: boolean): void;
  /** The task waits for room to start (processes, memory, files), or has begun after it has. */
  held(id: string, isWaiting: boolean): void;
  /**
   * The task has taken more memory than it asked for, bytes. `isKilled`: the kernel has ended it, and its outcome
   * follows.
   */
  overMemory(id: string, used: number, allowed: number, isKilled: boolean): void;
  /** The task was not started, and has no outcome, because its submission's directory cannot be entered. */
  unplaced(id: string, reason: string): void;
}

export interface Executor {
  /** Tells which server's tasks run from now on; their environment names it. */
  servedBy(serverId: string, serverHost: string): void;
  /** Tells when the time of this host is up, milliseconds since 1970; tasks that start from now on know it. */
  endsAt(until: number): void;
  /** `devices`: those that the task has, by their positions in the list of this host; null or not there: none. */
  start(task: Assignment, origin: Origin, ends: Ends, devices?: readonly number[] | null): Running;
  /** Releases files. It must not be called before all tasks have ended. */
  close(): void;
}
