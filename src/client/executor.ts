/*
 * The contract of what runs a task. The reactor decides when. An executor does it, and never throws for what a program
 * does.
 */
import type { Assignment, Outcome } from "../task/task.ts";

export type StopSignal = "SIGINT" | "SIGTERM" | "SIGKILL";

/** A started task. */
export interface Running {
  /** Process id (and process group id); null until the process exists. */
  readonly pid: number | null;
  /**
   * Sends a signal to the whole process group. A task without a process yet never starts, and ends with 128 + the
   * number of the signal. Does nothing when nobody of the group is left.
   */
  signal(signal: StopSignal): void;
  /** Whether any process of the group is left. May be true after the outcome (children of children). */
  groupAlive(): boolean;
}

export interface Executor {
  /** Tells whose tasks these are from now on, for their environment. */
  servedBy(serverId: string, serverHost: string): void;
  /** Starts a task. `template` null: the client's own. `done` is called exactly once, never from within `start`. */
  start(task: Assignment, template: string | null, done: (outcome: Outcome) => void): Running;
  /** Releases files. Tasks must have ended. */
  close(): void;
}
