/*
 * The PostgreSQL schema, in whole statements. `task` and `client` are those of existing databases, column for column, with types that hold what they must
 * (memory beyond 2 GB, fractions of seconds); tables that another program made are used as they are. Everything else is an addition, made when a
 * database without it is opened for writing.
 *
 * To change it: add, never alter. A new table or index goes into `additions`, by name.
 */
import { runtimeError } from "../../base/errors.ts";
import { taskFields } from "../../task/task.ts";
import type { PostgresConnection, Query } from "./connection.ts";
import { databaseError } from "./failure.ts";

const taskTable = `create table task (
  id UUID NOT NULL PRIMARY KEY,
  "group" INTEGER NOT NULL,
  args TEXT NOT NULL,
  submit_id UUID NOT NULL,
  submit_time TIMESTAMPTZ NOT NULL,
  submit_host TEXT,
  cores INTEGER,
  memory BIGINT,
  cores_max DOUBLE PRECISION,
  memory_max DOUBLE PRECISION,
  timeout INTEGER,
  server_id UUID,
  server_host TEXT,
  schedule_time TIMESTAMPTZ,
  client_id UUID,
  client_host TEXT,
  command TEXT,
  start_time TIMESTAMPTZ,
  completion_time TIMESTAMPTZ,
  exit_status INTEGER,
  outpath TEXT,
  errpath TEXT,
  csvpath TEXT,
  attempt INTEGER NOT NULL,
  retried BOOLEAN NOT NULL,
  waited DOUBLE PRECISION,
  duration DOUBLE PRECISION,
  previous_id UUID UNIQUE,
  next_id UUID UNIQUE,
  tag JSONB NOT NULL
)`;

/** What the partial indices for searching hold: a query that names the same condition may use them. */
export const unusualStatus = "exit_status is distinct from 0";
export const unusualTag = `tag <> '{"part": 0}'::jsonb`;
export const finalFailure = "not retried and exit_status is not null and exit_status <> 0 and exit_status <> -1";

/** Name, and the statement that makes it. */
const additions: readonly (readonly [name: string, statement: string])[] = [
  [
    "client",
    `create table client (
      id UUID NOT NULL PRIMARY KEY,
      host TEXT NOT NULL,
      server_id UUID NOT NULL,
      server_host TEXT NOT NULL,
      connected_at TIMESTAMPTZ,
      disconnected_at TIMESTAMPTZ,
      evicted BOOLEAN NOT NULL
    )`,
  ],
  ["client_disconnected_at", "create index client_disconnected_at on client (disconnected_at)"],
  // One row for each submitting process; its template holds for its tasks.
  [
    "submission",
    `create table submission (
      id UUID NOT NULL PRIMARY KEY,
      time TIMESTAMPTZ NOT NULL,
      host TEXT NOT NULL,
      "user" TEXT NOT NULL,
      cwd TEXT NOT NULL,
      template TEXT,
      version TEXT NOT NULL
    )`,
  ],
  // Servers that have not ended. Times in milliseconds since 1970.
  [
    "server",
    `create table server (
      id UUID NOT NULL PRIMARY KEY,
      host TEXT NOT NULL,
      pid INTEGER NOT NULL,
      pid_start TEXT,
      reserves BOOLEAN NOT NULL,
      started_at DOUBLE PRECISION NOT NULL,
      beat_at DOUBLE PRECISION NOT NULL
    )`,
  ],
  // The group scheduled last, so that nobody has to look through all ended tasks for it.
  [
    "schedule",
    `create table schedule (one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1), "group" INTEGER, task_id UUID)`,
  ],
  // News of tasks that a server held when somebody else changed them, see Recall in store.ts.
  [
    "recall",
    `create table recall (
      id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      server_id UUID NOT NULL,
      task_id UUID NOT NULL,
      kind TEXT NOT NULL
    )`,
  ],
  ["recall_server", "create index recall_server on recall (server_id)"],
  // Unfinished tasks, partial, so that their size follows the tasks to do, not the tasks done. Waiting ones in the order in which they are claimed.
  [
    "task_waiting_submission",
    `create index task_waiting_submission on task (submit_id, "group", submit_time, id)
      where schedule_time is null and completion_time is null`,
  ],
  [
    "task_waiting_group",
    `create index task_waiting_group on task ("group", submit_time, id) where schedule_time is null and completion_time is null`,
  ],
  // What servers hold: few rows, so one index serves the questions by group, by submission and by server.
  [
    "task_held",
    `create index task_held on task ("group", submit_id, server_id) where schedule_time is not null and completion_time is null`,
  ],
  // Failures that were not tried again: what decides whether the next group may start. Costs successful tasks nothing.
  ["task_failed", `create index task_failed on task ("group", submit_id, attempt) where ${finalFailure}`],
  // Next attempts that wait, for servers that take them first. Costs first attempts nothing.
  [
    "task_waiting_retry",
    `create index task_waiting_retry on task ("group", submit_id)
      where attempt > 1 and schedule_time is null and completion_time is null`,
  ],
  // For people who search: the order in which tasks are listed, what did not end well, and tags of those that have any.
  ["task_order", "create index task_order on task (submit_time, id)"],
  ["task_status", `create index task_status on task (exit_status) where ${unusualStatus}`],
  ["task_tag", `create index task_tag on task (tag) where ${unusualTag}`],
];

/** Two that create at once take turns; the number is nobody else's. */
const creating = "select pg_advisory_xact_lock(4850183214)";

/** What stands in the schema that statements look into first. */
async function present(query: Query): Promise<Set<string>> {
  const rows = await query("select relname from pg_class where relnamespace = current_schema()::regnamespace");
  return new Set(rows.map(([name]) => String(name)));
}

async function checkTaskTable(query: Query, place: string): Promise<boolean> {
  const rows = await query(
    "select column_name from information_schema.columns where table_schema = current_schema() and table_name = 'task'",
  );
  if (rows.length === 0) return false;
  const columns = new Set(rows.map(([name]) => String(name)));
  const missing = taskFields.find((name) => !columns.has(name));
  if (missing === undefined) return true;
  throw databaseError(
    `'${place}' belongs to another program (its table task has no column ${missing}) - set database.schema or database.database to another`,
  );
}

/** Whether the tables had to be made. `create` false: throws UserError when there are none. Adds what is missing beside them. */
export async function prepareTables(connection: PostgresConnection, create: boolean): Promise<boolean> {
  const { query, place, schema } = connection;
  const [where] = await query("select current_schema()");
  if ((where?.[0] ?? null) === null && !create)
    throw databaseError(
      `there is no schema '${schema ?? "public"}' in '${place}' - create it, or set database.schema to another`,
    );
  const exists = await checkTaskTable(query, place);
  if (!exists && !create) throw uninitialized();
  if (exists) {
    const names = await present(query);
    if (additions.every(([name]) => names.has(name))) return false;
  }
  return connection.transaction(async (within) => {
    await within(creating);
    if ((where?.[0] ?? null) === null && schema !== null)
      await within(`create schema if not exists "${schema.replaceAll('"', '""')}"`);
    const created = !(await checkTaskTable(within, place));
    if (created) await within(taskTable);
    const names = await present(within);
    for (const [name, statement] of additions) if (!names.has(name)) await within(statement);
    if (created) await within('insert into schedule (one, "group", task_id) values (1, null, null)');
    return created;
  });
}

/** For who only looks: throws UserError when there is nothing to look at. */
export async function requireTables(connection: PostgresConnection): Promise<void> {
  if (!(await checkTaskTable(connection.query, connection.place))) throw uninitialized();
}

export async function tablesExist(connection: PostgresConnection): Promise<boolean> {
  return checkTaskTable(connection.query, connection.place);
}

/** Drops all tasks and clients; what else there is stays. */
export const truncateTables = "truncate task, client, submission, schedule, recall";

function uninitialized(): Error {
  return runtimeError("data", "DatabaseUninitialized", "Use 'initdb' to initialize the database");
}
