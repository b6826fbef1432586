/*
 * What a task is, in the shapes it takes on its way (see ARCHITECTURE.md, "The way of a task"): NewTask (submitted),
 * ClaimedTask (in the hands of a server), Assignment (handed to a client), Outcome (what came of one dispatch). Types
 * and constants only: wire/message.ts has the messages that carry them, field.ts the columns they are stored in.
 */

import type { WrittenNumber } from "./written.ts";

export type TagValue = string | number | boolean | null | WrittenNumber;

/** Order of keys is kept: it is what `hs list` shows. Every stored task has `part`. */
export type Tags = Readonly<Record<string, TagValue>>;

/** The value of a column as people see it: times are text as they are stored. */
export type ShownValue = TagValue | Tags;

/** Values in the order of the columns that were asked for. */
export type ShownRow = readonly ShownValue[];

/** A task as submitted. Times are milliseconds since 1970 (fraction: microseconds), sizes bytes, limits seconds. */
export interface NewTask {
  readonly id: string;
  readonly group: number;
  /** The input line without comment and inline tags. */
  readonly args: string;
  /** The submission: instance id of the submitting process. Retries keep the original's. */
  readonly submitId: string;
  readonly submitTime: number;
  readonly submitHost: string;
  readonly cores: number | null;
  readonly memory: number | null;
  readonly timeout: number | null;
  /** 1 for the first attempt. */
  readonly attempt: number;
  /** Row of the previous attempt. */
  readonly previousId: string | null;
  readonly tag: Tags;
}

/** One submitting process; its template holds for its tasks, also after a restart. */
export interface Submission {
  readonly id: string;
  readonly time: number;
  readonly host: string;
  readonly user: string;
  readonly cwd: string;
  /** Run-time template; null when the submitter named none (then the client's own, else `{}`). */
  readonly template: string | null;
  readonly version: string;
}

/** A task in the hands of a server: claimed, ready for a client. */
export interface ClaimedTask extends NewTask {
  readonly scheduleTime: number;
}

/** A dispatch of a task to a client. `lease` grows with each dispatch of the same task. */
export interface Assignment extends ClaimedTask {
  readonly lease: number;
}

/** What came of one dispatch. Failure is a record: whatever a program does ends up here. */
export interface Outcome {
  readonly id: string;
  readonly lease: number;
  /** The expanded command, null when expansion failed or the task never started. */
  readonly command: string | null;
  readonly startTime: number | null;
  readonly completionTime: number;
  /** From the program (0 to 255, on Windows to 2^32 - 1), 128 + signal number, or one of `sentinel`. */
  readonly exitStatus: number;
  readonly outpath: string | null;
  readonly errpath: string | null;
  readonly csvpath: string | null;
  readonly coresMax: number | null;
  readonly memoryMax: number | null;
}

/** Values of exit_status that no program produces. */
export const sentinel = {
  cancelled: -1,
  templateFailed: -2,
  insufficientResources: -3,
  overLimit: -4,
  overMemory: -5,
  clientLost: -6,
} as const;

/** A final status that counts as a failure (cancelled tasks do not). */
export function isFailure(status: number): boolean {
  return status !== 0 && status !== sentinel.cancelled;
}
