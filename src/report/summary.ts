/*
 * What a report tells of tasks, as plain data: made of a stream of records (tally.ts), drawn as a page (page.ts). Every
 * part has a bound, however many tasks there are. Times are milliseconds since 1970, spans are seconds, sizes bytes.
 */
import type { Course } from "./course.ts";
import type { Distribution } from "./distribution.ts";

/** The numbers that `hs list --count` gives with the same filters. */
export interface Counts {
  total: number;
  succeeded: number;
  failed: number;
  /** Those among the failed that were cancelled, and those that were tried again. */
  cancelled: number;
  retried: number;
  remaining: number;
  /** Those among the remaining that run, and those that are on record as running, but whose run is gone. */
  running: number;
  stranded: number;
  /** Second and later attempts. */
  later: number;
}

export type Ending = "succeeded" | "failed" | "running";

/** A task by itself, with what a table says of it. Texts are cut to some length. */
export interface Specimen {
  readonly id: string;
  readonly args: string;
  /** Null: it has not ended. */
  readonly exitStatus: number | null;
  readonly host: string | null;
  readonly startedAt: number | null;
  readonly duration: number | null;
  readonly memoryMax: number | null;
  readonly attempt: number;
}

/** A task that has run, or runs, on the timeline. */
export interface Bar extends Specimen {
  readonly client: string;
  readonly from: number;
  readonly to: number;
  readonly ending: Ending;
}

export interface StatusGroup {
  count: number;
  retried: number;
  /** The first of them. */
  readonly examples: Specimen[];
}

export interface AttemptGroup {
  count: number;
  succeeded: number;
  failed: number;
  retried: number;
}

/** Tasks that asked for the same. */
export interface RequestGroup {
  readonly cores: number | null;
  readonly memory: number | null;
  count: number;
  readonly coresMax: Distribution;
  readonly memoryMax: Distribution;
  /** How many used more than they asked for. */
  coresExceeded: number;
  memoryExceeded: number;
}

/** Tasks of one host, or one client, that ran there. */
export interface Workplace {
  host: string;
  tasks: number;
  succeeded: number;
  failed: number;
  running: number;
  /** The sum of all durations. */
  busy: number;
  longest: number;
  firstStart: number;
  lastEnd: number;
}

/** What cannot be right in times. It comes of clocks that differ, or were set. */
interface Oddities {
  /** Tasks that started before they were submitted, by the clocks of their hosts. */
  negativeWaits: number;
  /** Tasks that ended before they started. */
  negativeDurations: number;
  /** Tasks that ended and never started: cancelled, or refused. */
  neverStarted: number;
}

export interface Summary {
  /** When the report was made. */
  readonly at: number;
  readonly counts: Readonly<Counts>;
  readonly firstSubmit: number | null;
  readonly firstStart: number | null;
  readonly lastEnd: number | null;
  readonly course: Course;
  /** Null: there are too many tasks to draw each. */
  readonly bars: readonly Bar[] | null;
  /** Of tasks that have ended. */
  readonly durations: Distribution;
  readonly failedDurations: Distribution;
  readonly waits: {
    readonly untilScheduled: Distribution;
    readonly untilSent: Distribution;
    readonly untilStarted: Distribution;
  };
  /** By exit status; `Number.NaN`: all others, where there are very many. */
  readonly failures: ReadonlyMap<number, StatusGroup>;
  /** The longest first. */
  readonly slowest: readonly Specimen[];
  readonly attempts: ReadonlyMap<number, AttemptGroup>;
  readonly requests: ReadonlyMap<string, RequestGroup>;
  /** What was used in per cent of what was asked for. */
  readonly coresShare: Distribution;
  readonly memoryShare: Distribution;
  /** How many tasks were measured. */
  readonly measured: number;
  /** By name of the host; the empty name: all others, where there are very many. */
  readonly hosts: ReadonlyMap<string, Workplace>;
  /** By id of the client; the empty name as above. */
  readonly clients: ReadonlyMap<string, Workplace>;
  readonly oddities: Readonly<Oddities>;
}
