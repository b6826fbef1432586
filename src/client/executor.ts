/*
 * The contract of what runs a task. The reactor decides when; an executor does it and never throws for what a program does.
 */
import type { Assignment, Outcome } from "../task/task.ts";

export type StopSignal = "SIGINT" | "SIGTERM" | "SIGKILL";

/** A started task. */
export interface Running {
  /** Process id (and process group id); null until the process exists. */
  readonly pid: number | null;
  /** To the whole process group; before the process exists: it never starts and ends with 128 + the signal's number. Nothing after its end. */
  signal(signal: StopSignal): void;
  /** Whether any process of the group is left; may be true after the outcome (children of children). */
  groupAlive(): boolean;
}

export interface Executor {
  /** Whose tasks these are from now on, for their environment. */
  servedBy(serverId: string, serverHost: string): void;
  /** `template` null means the client's own. `done` is called exactly once, never from within `start`. */
  start(task: Assignment, template: string | null, done: (outcome: Outcome) => void): Running;
  /** Releases files; tasks must have ended. */
  close(): void;
}
