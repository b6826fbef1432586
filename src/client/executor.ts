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
   * Sends a signal to the whole process group. A task without a process yet never starts, and ends with 128 + the
   * number of the signal. Does nothing when nobody of the group is left.
   */
  signal(signal: StopSignal): void;
  /** Whether any process of the group is left. It may be true even after the outcome (children of children). */
  groupAlive(): boolean;
}

/**
 * Takes the outcome of a task. `isUnread`: the task died of SIGPIPE, because nobody reads any more what this process
 * and its tasks write. Such a death says nothing of the task.
 */
export type Done = (outcome: Outcome, isUnread: boolean) => void;

export interface Executor {
  /** Tells which server's tasks run from now on; their environment names it. */
  servedBy(serverId: string, serverHost: string): void;
  /** Starts a task. `template` null: the client's own. `done` is called exactly once, never from within `start`. */
  start(task: Assignment, template: string | null, done: Done): Running;
  /** Releases files. It must not be called before all tasks have ended. */
  close(): void;
}
