/*
 * What people see of a run or of a database at one moment: counts, rates, who works, what runs, what failed last. A
 * view is plain data, so that it goes over the wire and into a page as it is. Where it comes from is a ViewSource: a
 * server in this process, a server elsewhere, or a database. Who shows it never asks which. Knows no I/O.
 */
import type { Capacity } from "../task/demand.ts";

/** How many tasks there are. `remaining`, `succeeded` and `failed` are what `hs list -R`, `-S` and `-F` count. */
export interface Counts {
  readonly total: number;
  /** Tasks that have not ended; those that run are among them. */
  readonly remaining: number;
  /** Tasks that a client runs, or is about to. */
  readonly running: number;
  readonly succeeded: number;
  readonly failed: number;
  /** Failed tasks that never ran because they were cancelled; `failed` has them, too. */
  readonly cancelled: number;
}

/**
 * Values by size: `counts[i]` values are at most `bounds[i]` and above the bound before; the last count has the rest.
 */
export interface Histogram {
  /** Seconds, growing. */
  readonly bounds: readonly number[];
  /** One more than bounds. */
  readonly counts: readonly number[];
  /** The sum of all values, seconds. */
  readonly sum: number;
}

/** A histogram, and whether it only grows (all tasks that a server has ended), or is a sample of late tasks. */
export interface Durations extends Histogram {
  readonly of: "all" | "sample";
}

/** A server that has not ended, be it alive or dead. */
export interface ServerView {
  readonly id: string;
  readonly host: string;
  readonly pid: number;
  /** Milliseconds since 1970; so is `beatAt`, its last sign of life. */
  readonly startedAt: number;
  readonly beatAt: number;
  readonly isAlive: boolean;
}

/** A client that has neither left nor been given up. */
export interface ClientView {
  readonly id: string;
  readonly host: string;
  /** The server that it works for. */
  readonly serverId: string | null;
  /** Null, as the others: not known. A database does not keep it. */
  readonly executors: number | null;
  readonly capacity: Capacity | null;
  /** The batch job or launch that brought it up. */
  readonly job: string | null;
  readonly running: number;
  /** How many of its tasks have ended, and how many of these failed; null: not known. */
  readonly ended: number | null;
  readonly failed: number | null;
  /** `present`, `away` (its connection is lost), `leaving`, `draining`; null: not known. */
  readonly standing: "present" | "away" | "leaving" | "draining" | null;
  /** When it was last heard, milliseconds since 1970; null: not known. */
  readonly heardAt: number | null;
}

/** A task that runs. */
export interface TaskView {
  readonly id: string;
  /** The command; where it is not known yet, the task as it was submitted. */
  readonly text: string;
  readonly group: number;
  readonly attempt: number;
  readonly host: string | null;
  readonly clientId: string | null;
  /** When it started, milliseconds since 1970; null: not known yet. */
  readonly startTime: number | null;
}

/** A task that has failed. A cancelled one is none, as in the summary of a run. */
export interface FailureView extends TaskView {
  readonly exitStatus: number;
  /** Milliseconds since 1970. */
  readonly completionTime: number;
  /** Seconds. */
  readonly duration: number | null;
}

/** How many tasks ended in each of the last intervals, the oldest first; the last interval is not over. */
export interface Throughput {
  readonly intervalMs: number;
  readonly ended: readonly number[];
  /** Those among `ended` that failed. */
  readonly failed: readonly number[];
}

/** What people see of a run or of a database at one moment. */
export interface View {
  /** Milliseconds since 1970, by the clock of the source. */
  readonly at: number;
  readonly source: { readonly kind: "server" | "database"; readonly title: string };
  readonly counts: Counts;
  /** Tasks that end in a second, of late; null: none has. */
  readonly rate: number | null;
  /** How long recent tasks took on the average, seconds; null: none has ended. */
  readonly duration: number | null;
  /** Seconds until all is done, if it goes on like this; null: nobody can tell. */
  readonly secondsLeft: number | null;
  readonly throughput: Throughput;
  readonly servers: readonly ServerView[];
  /** At most ViewQuery.most, the busiest first; `clientsTotal` counts all. */
  readonly clients: readonly ClientView[];
  readonly clientsTotal: number;
  /** At most ViewQuery.most, those that run longest first. `runningTotal`: how many the filter lets through. */
  readonly running: readonly TaskView[];
  readonly runningTotal: number;
  /** The last failures, at most ViewQuery.most, the newest first. */
  readonly failures: readonly FailureView[];
  /** How long tasks took. A database tells it of the tasks that ended last only. */
  readonly durations: Durations;
  /** How long the oldest waiting task has waited, seconds; null: none waits, or it is not known. */
  readonly queueAge: number | null;
  /** How long the store took for a transaction; null: the source has no store of its own. */
  readonly storeLatency: Histogram | null;
}

/** What is asked of a source. */
export interface ViewQuery {
  /** The largest number of clients, running tasks and failures, each. */
  readonly most: number;
  /** Only tasks whose text, host or id has these characters; empty: all. Counts and rates are of all tasks. */
  readonly filter: string;
}

/** A piece of what a task has printed. */
export interface OutputPiece {
  /** UTF-8 as far as it is; other bytes are replaced. */
  readonly text: string;
  /** Where the next piece begins, bytes from the start of the file. */
  readonly next: number;
  /** Whether more is there already. */
  readonly more: boolean;
  /** Whether the task has ended, so that nothing more will come. */
  readonly over: boolean;
}

/** Which output, and which part of it. */
export interface OutputQuery {
  /** The whole id of the task. */
  readonly id: string;
  readonly stream: "stdout" | "stderr";
  /** Bytes from the start; negative: so many bytes before the end. */
  readonly from: number;
  /** Bytes: 1 to `mostPiece`. */
  readonly most: number;
}

/** The most bytes of one piece of output. */
export const mostPiece = 65_536;

/** What can be done to tasks from a view. */
export type ViewAction = "cancel" | "revert";

/** Where views come from. A source is asked again and again, mostly every second or two. */
export interface ViewSource {
  /** Throws a UserError, a TransientError or a FatalError when the source does not answer. Only the second may pass. */
  look(query: ViewQuery): Promise<View>;
  /** Throws a UserError when there is no such output: why, and what to do. */
  output(query: OutputQuery): Promise<OutputPiece>;
  /** Answers how many tasks were changed. Throws a UserError when the source cannot do it. */
  act(action: ViewAction, ids: readonly string[]): Promise<number>;
  close(): Promise<void>;
}
