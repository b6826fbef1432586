/*
 * The contracts of the history of tasks: it is searched (Records), changed by hand (Edits) and kept in order (Upkeep).
 * SQLite and PostgreSQL promise the same; test/conformance says what, and runs against both. Servers and submitters
 * need none of this: their contract is store/store.ts. Both contracts are about the same tables.
 */
import type { DatabasePlace } from "../store/open.ts";
import type { Backlog, ServerRow } from "../store/store.ts";
import type { FieldValue } from "../task/edit.ts";
import type { ClientRow, ObstacleQuery, Obstacles } from "./obstacles.ts";
import type { TaskField } from "../task/field.ts";
import type { Condition } from "../task/filter.ts";
import type { ShownRow, ShownValue, Submission, Tags } from "../task/task.ts";

/**
 * A task as people see it. Times are text: `2026-11-22 07:07:22.761974`, in PostgreSQL with its offset from UTC behind.
 */
export type TaskRecord = Readonly<Record<TaskField, ShownValue>>;

/** Which tasks, and in which order. */
export interface Selection {
  readonly where: readonly Condition[];
  readonly orderBy: TaskField | null;
  readonly descending: boolean;
  /** null: no limit. */
  readonly limit: number | null;
}

/**
 * Whether tasks come by time of submission downwards. Then those of one time come backwards too: tasks that were
 * submitted together have one time, and the latest of them is the last.
 */
export function isLatestFirst({ orderBy, descending }: Pick<Selection, "orderBy" | "descending">): boolean {
  return descending && orderBy === "submit_time";
}

export interface RecordQuery extends Selection {
  /** Fields wanted, in this order. A field may come twice. */
  readonly fields: readonly TaskField[];
}

/** The history of tasks, searched. */
export interface Records {
  /**
   * The tasks that match. Without an order they come in order of insertion, and so do equals within an order; nulls
   * come first in it, or last where it is descending. Only the latest first (see `isLatestFirst`) is the order of
   * insertion backwards. The first row comes at once, and memory does not grow with the number of rows.
   */
  search(query: RecordQuery): AsyncIterable<ShownRow>;
  /** The number of tasks that `search` would find. */
  count(selection: Selection): Promise<number>;
  /** The task with this id; null: there is none. */
  find(id: string): Promise<TaskRecord | null>;
  /** Ids that begin with `prefix` (see parseIdPrefix): all of them where there is one at most, else two. */
  idsWith(prefix: string): Promise<readonly string[]>;
  /** Every tag map that is in use, at least once each, in order of first appearance. Does not read every row. */
  tagSets(): AsyncIterable<Tags>;
}

/** What `hs update` does to each task that is selected. Everything named is done. */
export interface Change {
  /**
   * cancel: a task that has not ended gets exit status -1 and ends now; one that has ended is left alone.
   * revert: the task is as if never scheduled, without a result and without a next attempt of its own.
   * delete: the task is gone, and with it the links of other attempts to it, also in partitions. A failure whose next
   * attempt had not ended is a final failure again; one whose next attempt had ended stays one that was tried again.
   */
  readonly action: "cancel" | "revert" | "delete" | null;
  /** New values of fields; times are milliseconds since 1970. Never `id`, never `tag`. */
  readonly fields: ReadonlyMap<TaskField, FieldValue>;
  /** Tags to be set or replaced. All others stay, and stay in order. */
  readonly tags: Tags;
  readonly removedTags: readonly string[];
}

export interface ChangeReport {
  /** Tasks that are other than before. What was so already is not written, and does not count. */
  readonly changed: number;
  /** How many of them a server held. Each of these has a recall for its server. */
  readonly held: number;
}

/** The history of tasks, changed by hand. */
export interface Edits {
  /**
   * Changes what is selected, in transactions of at most some thousand rows, so that servers get their turn in between.
   * Only what is named is written: results that arrive at the same time stay, and no row comes back that is gone. When
   * it fails or is left half-way, what was changed stays so. `at`: the present time. `progress` is told each number of
   * tasks changed so far.
   */
  change(selection: Selection, change: Change, at: number, progress?: (changed: number) => void): Promise<ChangeReport>;
}

/** Housekeeping of a database. */
export interface Upkeep {
  /** Refreshes the statistics of the query planner. */
  optimize(): Promise<void>;
  /** The number of tasks, archived ones left out. */
  total(): Promise<number>;
  /** Gives back unused space. Answers how many bytes it was. */
  vacuum(): Promise<number>;
  /** Makes a compact copy in a new file. Throws UserError where the database has no such copies, or the file exists. */
  backup(path: string): Promise<void>;
  /** Tells where `rotate` will put what has ended: the next partition (a file, or a table). */
  nextPartition(): Promise<string>;
  /**
   * Moves what has ended for good into `into`, which nextPartition has told, and answers the number of tasks. Where
   * there is nothing to move nothing is made. A failure that was not tried again still decides what runs, so it is
   * moved only
   * - if it has had as many attempts as `attempts`, which a run with the present settings allows,
   * - if it belongs to no server's own submission, and
   * - if no task of a higher group waits.
   * `progress` is told each number of tasks moved so far.
   */
  rotate(into: string, attempts: number, progress?: (moved: number) => void): Promise<number>;
  /** Drops all tasks and clients; partitions stay. */
  truncate(): Promise<void>;
}

/** What every history can do that is open. */
interface Opened {
  /** For log lines: `sqlite (/path/main.db)`, `postgresql (host:5432/name)`. */
  readonly title: string;
  close(): Promise<void>;
}

/** What there is to do, and who is there to do it. */
export interface Outlook {
  /** All unfinished tasks, those included that a run keeps for itself. */
  readonly backlog: Backlog;
  /** How many clients each server has that neither left nor were given up, by the id of the server. */
  readonly clients: ReadonlyMap<string, number>;
}

/** The history of tasks, for looking only. */
export interface RecordStore extends Records, Opened {
  /** Rows of servers that have not ended, be they alive or dead; none where the database has no such rows yet. */
  servers(): Promise<readonly ServerRow[]>;
  /** Counts along indices of what is unfinished and connected, whatever else there is. */
  outlook(): Promise<Outlook>;
  /** What stands in the way of a task; null: the database is of an older program, which had no rules of groups. */
  obstacles(query: ObstacleQuery): Promise<Obstacles | null>;
  /** What is on record of a submission; null: nothing, because an older program made it. */
  submission(id: string): Promise<Pick<Submission, "cwd" | "template"> | null>;
  /** The client with this id; null: it is not on record. */
  client(id: string): Promise<ClientRow | null>;
}

/** The history of tasks, for looking and changing. */
export interface EditStore extends Records, Edits, Opened {}

/** For housekeeping. */
export interface UpkeepStore extends Upkeep, Opened, DatabasePlace {
  /** Whether opening made the tables. */
  readonly created: boolean;
}
