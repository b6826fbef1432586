/*
 * The contracts of the history of tasks: it is searched (Records), changed by hand (Edits) and kept in order (Upkeep). SQLite and PostgreSQL
 * promise the same; test/conformance says what, and runs against both. Servers and submitters need none of this: their contract is
 * store/store.ts, and both look at the same tables.
 */
import type { DatabasePlace } from "../store/open.ts";
import type { FieldValue } from "../task/edit.ts";
import type { TaskField } from "../task/field.ts";
import type { Condition } from "../task/filter.ts";
import type { ShownRow, ShownValue, Tags } from "../task/task.ts";

/** A row as people see it: every field in display form except tag. Times are text as stored (`2026-11-22 07:07:22.761974`). */
export type TaskRecord = Readonly<Record<TaskField, ShownValue>>;

/** Which tasks, and in which order. */
export interface Selection {
  readonly where: readonly Condition[];
  readonly orderBy: TaskField | null;
  readonly descending: boolean;
  /** null: no limit. */
  readonly limit: number | null;
}

export interface RecordQuery extends Selection {
  /** Columns wanted, in this order; repeats allowed. */
  readonly fields: readonly TaskField[];
}

/** The history of tasks, searched. Implemented by stores with a database. */
export interface Records {
  /**
   * Rows in insertion order unless ordered (then, among equals, too); nulls first ascending, last descending. Streams: the first row comes at
   * once, and memory does not grow with the number of rows.
   */
  search(query: RecordQuery): AsyncIterable<ShownRow>;
  count(query: Selection): Promise<number>;
  find(id: string): Promise<TaskRecord | null>;
  /** Every tag map that is in use, at least once each, in order of first appearance. Does not read every row. */
  tagSets(): AsyncIterable<Tags>;
}

/** What `hs update` does to each task that is selected. Everything named is done. */
export interface Change {
  /**
   * cancel: tasks that have not ended get exit status -1 and end now; those that have are left alone. revert: as if never scheduled (no result, no
   * next attempt of its own). delete: the row is gone.
   */
  readonly action: "cancel" | "revert" | "delete" | null;
  /** New values of columns; times are milliseconds since 1970. Never `id`, never `tag`. */
  readonly fields: ReadonlyMap<TaskField, FieldValue>;
  /** Set or replaced; all other tags stay, and stay in order. */
  readonly tags: Tags;
  readonly removedTags: readonly string[];
}

export interface ChangeReport {
  /** Rows that were changed. */
  readonly changed: number;
  /** Those of them that a server held; each has a recall for it. */
  readonly held: number;
}

/** The history of tasks, changed by hand. */
export interface Edits {
  /**
   * In transactions of at most some thousand rows, so that servers get their turn in between. Only what is named is written: results that
   * arrive at the same time stay, and no row comes back that is gone. What was changed stays so when it fails or is left half-way: told
   * each number of rows changed so far.
   */
  change(selection: Selection, change: Change, at: number, progress?: (changed: number) => void): Promise<ChangeReport>;
}

/** Housekeeping of a database. */
export interface Upkeep {
  /** Refreshes the statistics of the query planner. */
  optimize(): Promise<void>;
  /** Tasks, archived ones left out. */
  total(): Promise<number>;
  /** Gives back unused space; answers how many bytes that were. */
  vacuum(): Promise<number>;
  /** A compact copy into a new file. Throws UserError where there is no such thing, or the file exists. */
  backup(path: string): Promise<void>;
  /** Where `rotate` will put what has ended: the next partition (a file, or a table). */
  nextPartition(): Promise<string>;
  /**
   * Moves what has ended for good into `into`, as nextPartition told it; answers the number of tasks. Nothing to move: nothing is made.
   * Of failures that were not tried again only those that have had `attempts` (as a run with the present settings allows), that belong to
   * no server's own submission, and for which no task of a higher group waits: those still decide what runs.
   * Told each number of tasks moved so far.
   */
  rotate(into: string, attempts: number, progress?: (moved: number) => void): Promise<number>;
  /** Drops all tasks and clients; partitions stay. */
  truncate(): Promise<void>;
}

/** What every open history tells of itself. */
interface Opened {
  /** For log lines: `sqlite (/path/main.db)`, `postgresql (host:5432/name)`. */
  readonly title: string;
  close(): Promise<void>;
}

/** The history of tasks, for looking only. */
export interface RecordStore extends Records, Opened {}

/** The history of tasks, for looking and changing. */
export interface EditStore extends Records, Edits, Opened {}

/** For housekeeping. */
export interface UpkeepStore extends Upkeep, Opened, DatabasePlace {
  /** Whether opening made the tables. */
  readonly created: boolean;
}
