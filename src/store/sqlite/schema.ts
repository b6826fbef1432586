/*
 * The SQLite schema, in whole statements. `task` and `client` are those of version 2.8, column for column, and stay so.
 * Everything else is an addition, which is made when a database without it is opened for writing. Older programs go on
 * reading and writing such a file.
 *
 * To change it: add, never alter. A new table or index goes into `additions`, by name. A new column of `task` goes into
 * task/field.ts and nowhere else: new and old files get it by `addColumn`. A file that is opened only for reading stays
 * as it is, and is searched without the additions. Older files of ours have a table `schedule` (the group that was
 * scheduled last), which nobody reads any more.
 */
import { type FieldKind, kindOf, type TaskField } from "../../task/field.ts";

/** The names that a table of 2.8 has for its types. */
const columnTypes: Readonly<Record<FieldKind, string>> = {
  text: "TEXT",
  host: "TEXT",
  id: "TEXT",
  time: "DATETIME",
  whole: "INTEGER",
  count: "INTEGER",
  status: "INTEGER",
  seconds: "INTEGER",
  bytes: "INTEGER",
  float: "FLOAT",
  size: "FLOAT",
  span: "REAL",
  boolean: "BOOLEAN",
  tags: "JSON",
};

/**
 * The statement that adds a column which came after 2.8. It is null in rows that are there already, and in those that
 * older programs add.
 */
export function addColumn(field: TaskField): string {
  return `alter table task add column "${field}" ${columnTypes[kindOf(field)]}`;
}

export const taskTable = `create table task (
  id TEXT NOT NULL,
  "group" INTEGER NOT NULL,
  args TEXT NOT NULL,
  submit_id TEXT NOT NULL,
  submit_time DATETIME NOT NULL,
  submit_host TEXT,
  cores INTEGER,
  memory INTEGER,
  cores_max FLOAT,
  memory_max FLOAT,
  timeout INTEGER,
  server_id TEXT,
  server_host TEXT,
  schedule_time DATETIME,
  client_id TEXT,
  client_host TEXT,
  command TEXT,
  start_time DATETIME,
  completion_time DATETIME,
  exit_status INTEGER,
  outpath TEXT,
  errpath TEXT,
  csvpath TEXT,
  attempt INTEGER NOT NULL,
  retried BOOLEAN NOT NULL,
  waited REAL,
  duration REAL,
  previous_id TEXT,
  next_id TEXT,
  tag JSON NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (previous_id),
  UNIQUE (next_id)
)`;

const clientTable = `create table if not exists client (
  id TEXT NOT NULL,
  host TEXT NOT NULL,
  server_id TEXT NOT NULL,
  server_host TEXT NOT NULL,
  connected_at DATETIME,
  disconnected_at DATETIME,
  evicted BOOLEAN NOT NULL,
  PRIMARY KEY (id)
)`;

export const clockColumns = "one, offset, since_ms, since";

/**
 * The clock by which all of our times in a file are written, see FileClock in times.ts: minutes ahead of UTC, and since
 * when. What is older is local time of whoever wrote it. The row is made with the table, and never changed.
 */
export const clockTable = `create table if not exists clock (
  one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
  offset INTEGER NOT NULL,
  since_ms REAL NOT NULL,
  since TEXT NOT NULL
)`;

/**
 * The conditions of the partial indices for searching. A query may use one of them if it names the same condition, word
 * for word.
 */
export const unusualStatus = "exit_status is not 0";
export const unusualTag = `tag <> '{"part": 0}'`;

/**
 * The name of each addition in sqlite_master, and the statement that makes it. A column is named with its table:
 * `server.process_table`.
 */
export const additions: readonly (readonly [name: string, statement: string])[] = [
  ["client", clientTable],
  ["client_disconnected_at", "create index if not exists client_disconnected_at on client (disconnected_at)"],
  // One row for each submitting process. Its template applies to its tasks.
  [
    "submission",
    `create table if not exists submission (
      id TEXT NOT NULL PRIMARY KEY,
      time DATETIME NOT NULL,
      host TEXT NOT NULL,
      user TEXT NOT NULL,
      cwd TEXT NOT NULL,
      template TEXT,
      version TEXT NOT NULL
    )`,
  ],
  // Servers that have not ended. Times are in milliseconds since 1970 (UTC), because hosts in different zones compare
  // them.
  [
    "server",
    `create table if not exists server (
      id TEXT NOT NULL PRIMARY KEY,
      host TEXT NOT NULL,
      pid INTEGER NOT NULL,
      pid_start TEXT,
      reserves BOOLEAN NOT NULL,
      started_at REAL NOT NULL,
      beat_at REAL NOT NULL,
      process_table TEXT,
      first_lease INTEGER
    )`,
  ],
  // Of files that had the table before its last columns. A new file has them at once: two changes of a table take 2 ms.
  ["server.process_table", "alter table server add column process_table TEXT"],
  ["server.first_lease", "alter table server add column first_lease INTEGER"],
  // What the file itself is: its identity, and where the leases of the next server begin. The row is made by the first
  // server.
  [
    "store",
    `create table if not exists store (
      one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
      id TEXT NOT NULL,
      next_lease INTEGER NOT NULL
    )`,
  ],
  // News of tasks that a server held when somebody else changed them; see Recall in store.ts.
  [
    "recall",
    `create table if not exists recall (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      server_id TEXT NOT NULL,
      task_id TEXT NOT NULL,
      kind TEXT NOT NULL
    )`,
  ],
  // The rotation that is under way, see rotation.ts. In its partition, which is known by the token, only rows up to
  // `upto` count; all other rows are still here.
  [
    "rotation",
    `create table if not exists rotation (
      part INTEGER NOT NULL PRIMARY KEY,
      token TEXT NOT NULL,
      upto INTEGER NOT NULL
    )`,
  ],
  ["recall_server", "create index if not exists recall_server on recall (server_id)"],
  ["clock", clockTable],
  // Unfinished tasks of a submission, by group: first those that wait (schedule_time null, in order of insertion), then
  // those that are held. The index is partial, so its size follows the tasks to do, not the tasks done: a claim costs
  // the same in a table of ten million. The last column is always null, but without it SQLite would look it up in the
  // table.
  [
    "task_unfinished_submission",
    `create index if not exists task_unfinished_submission
      on task (submit_id, "group", schedule_time, completion_time) where completion_time is null`,
  ],
  // The same without the submission, for servers that take any free task.
  [
    "task_unfinished_group",
    `create index if not exists task_unfinished_group
      on task ("group", schedule_time, completion_time) where completion_time is null`,
  ],
  // Failures that were not tried again: they decide which tasks of higher groups may start. A successful task costs
  // this index nothing.
  [
    "task_failed",
    `create index if not exists task_failed on task ("group", submit_id, attempt, retried, exit_status)
      where retried = 0 and exit_status is not null and exit_status <> 0 and exit_status <> -1`,
  ],
  // Next attempts that wait, for servers that take them first. A first attempt costs this index nothing.
  [
    "task_waiting_retry",
    `create index if not exists task_waiting_retry on task ("group", submit_id)
      where attempt > 1 and schedule_time is null and completion_time is null`,
  ],
  // For people who search, see history/sqlite/where.ts. Together these three cost an insert 1 µs of 4, and an outcome
  // nothing that can be measured. This index has tasks that have not ended and those that did not succeed. It leaves
  // out the many that succeeded.
  ["task_status", `create index if not exists task_status on task (exit_status) where ${unusualStatus}`],
  // The tags of tasks that have any.
  ["task_tag", `create index if not exists task_tag on task (tag) where ${unusualTag}`],
  ["task_submit_time", "create index if not exists task_submit_time on task (submit_time)"],
];
