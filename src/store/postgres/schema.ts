/*
 * The PostgreSQL schema, in whole statements. `task` and `client` are those of version 2.8, column for column, with
 * types that are large enough (memory beyond 2 GB, fractions of seconds, the unsigned exit statuses of Windows). Tables
 * that another program made are used as they are. Everything else is an addition, which is made when a database without
 * it is opened for writing.
 *
 * To change it: add, never alter. The one exception is `widenStatus`, which older programs do not notice. A new table
 * or index goes into `additions`, by name. A new column of `task` goes into task/field.ts and nowhere else: new and old
 * tables get it by `addColumn`. A database that is opened only for reading stays as it is, and is searched without the
 * additions. Older databases of ours have a table `schedule` (the group that was scheduled last), which nobody reads
 * any more.
 */
import { NoTables } from "../../base/errors.ts";
import { requiredFields, type TaskField } from "../../task/field.ts";
import type { PostgresConnection, Query } from "./connection.ts";
import { databaseError } from "./failure.ts";
import { finalFailure, held, plainTag, searchIndices, waiting } from "./indices.ts";
import { typeOf } from "./row.ts";
import { absentIn, type Catalog, readCatalog } from "./catalog.ts";

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
  exit_status BIGINT,
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

/**
 * By how much the counts of tasks are wrong; no row: they are right. Rows and counts are read at one moment, so others
 * may write meanwhile.
 */
export const wrongCounts = `select * from (
    select count(*) filter (where exit_status is null) - (select coalesce(sum(open), 0) from tally),
      count(*) filter (where exit_status = 0) - (select coalesce(sum(succeeded), 0) from tally),
      count(*) - (select coalesce(sum(total), 0) from tally),
      count(*) filter (where tag = ${plainTag}) - (select coalesce(sum(plain), 0) from tally)
    from task) as off (open, succeeded, total, plain)
  where (open, succeeded, total, plain) <> (0, 0, 0, 0)`;

/** Corrects the counts of tasks if they are wrong, by adding the differences. */
export const recount = `insert into tally ${wrongCounts}`;

/**
 * Counts of tasks, because counting a million entries of an index takes 60 ms at best. A trigger adds one row of
 * differences for each statement that writes tasks, whichever program runs it. The sum of these rows is exact in every
 * snapshot, and nobody waits for anybody. Now and then a writer merges rows that are not locked. Counting costs 0.5 to
 * 1 µs for each task (inserts take 6 µs, claims 10, outcomes 9) and 30 µs for each statement; the sum takes 1 ms.
 *
 * The function runs with the rights of the tables' owner, so that other users need none for it. For that reason it
 * looks only in its own schema.
 */
const tally = `do $do$
begin
  create table tally (open bigint not null, succeeded bigint not null, total bigint not null, plain bigint not null);
  execute format($make$
    create or replace function tally_tasks() returns trigger language plpgsql security definer
      set search_path = %I, pg_temp as $tally$
    declare
      sums tally%%rowtype;
    begin
      if tg_op = 'TRUNCATE' then
        delete from tally;
        return null;
      elsif tg_op = 'INSERT' then
        select count(*) filter (where exit_status is null), count(*) filter (where exit_status = 0), count(*),
          count(*) filter (where tag = ${plainTag}) into sums from added;
      elsif tg_op = 'DELETE' then
        select -count(*) filter (where exit_status is null), -count(*) filter (where exit_status = 0), -count(*),
          -count(*) filter (where tag = ${plainTag}) into sums from removed;
      else
        select coalesce(sum(n) filter (where exit_status is null), 0),
          coalesce(sum(n) filter (where exit_status = 0), 0), 0,
          coalesce(sum(n) filter (where tag = ${plainTag}), 0) into sums
          from (
            select 1 as n, exit_status, tag from added union all select -1, exit_status, tag from removed
          ) as changed;
      end if;
      if sums = row(0, 0, 0, 0)::tally then
        return null;
      end if;
      insert into tally values (sums.*);
      if random() < 0.02 and current_setting('transaction_isolation') = 'read committed' then
        with gone as (
          delete from tally
          where ctid = any (array(select ctid from tally limit 10000 for update skip locked)) returning *
        )
        insert into tally select sum(open), sum(succeeded), sum(total), sum(plain) from gone having count(*) > 0;
      end if;
      return null;
    end
    $tally$ $make$, current_schema());
  drop trigger if exists tally_insert on task;
  drop trigger if exists tally_delete on task;
  drop trigger if exists tally_update on task;
  drop trigger if exists tally_truncate on task;
  create trigger tally_insert after insert on task referencing new table as added
    for each statement execute function tally_tasks();
  create trigger tally_delete after delete on task referencing old table as removed
    for each statement execute function tally_tasks();
  create trigger tally_update after update on task referencing old table as removed new table as added
    for each statement execute function tally_tasks();
  create trigger tally_truncate after truncate on task for each statement execute function tally_tasks();
  ${recount};
end
$do$`;

/** The name of each addition, and the statement that makes it. A column is named with its table. */
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
  // One row for each submitting process. Its template applies to its tasks.
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
  ["server.process_table", "alter table server add column if not exists process_table TEXT"],
  ["server.first_lease", "alter table server add column if not exists first_lease BIGINT"],
  // What the database itself is: its identity, and where the leases of the next server begin. The row is made by the
  // first server.
  [
    "store",
    `create table store (
      one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
      id UUID NOT NULL,
      next_lease BIGINT NOT NULL
    )`,
  ],
  // News of tasks that a server held when somebody else changed them; see Recall in store.ts.
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
  // Unfinished tasks. These indices are partial, so their size follows the tasks to do, not the tasks done. Waiting
  // tasks are in the order in which they are claimed.
  [
    "task_waiting_submission",
    `create index task_waiting_submission on task (submit_id, "group", submit_time, id) where ${waiting.ofSubmission}`,
  ],
  ["task_waiting_group", `create index task_waiting_group on task ("group", submit_time, id) where ${waiting.ofAll}`],
  // Tasks that servers hold. They are few, so one index serves the questions by group, by submission and by server.
  ["task_held", `create index task_held on task ("group", submit_id, server_id) where ${held}`],
  // Failures that were not tried again: they decide which tasks of higher groups may start. A successful task costs
  // this index nothing.
  ["task_failed", `create index task_failed on task ("group", submit_id, attempt) where ${finalFailure}`],
  // Next attempts that wait, for servers that take them first. A first attempt costs this index nothing.
  ["task_waiting_retry", `create index task_waiting_retry on task ("group", submit_time, id) where ${waiting.again}`],
  // For people who search: tasks in the order in which they are listed, by how they ended; the tags of tasks that have
  // any; the number of tasks.
  ...searchIndices("task"),
  ["tally", tally],
];

/** Adds a column that came after 2.8. It is null in rows that are there already. */
const addColumn = (field: TaskField): string => `alter table task add column if not exists "${field}" ${typeOf(field)}`;

/** Takes a lock, so that two programs do not make the tables at the same time. The number has no other use. */
const creating = "select pg_advisory_xact_lock(4850183214)";

/** The names of everything in the schema where statements look first, and of the columns of servers. */
async function present(query: Query): Promise<Set<string>> {
  const rows = await query(
    `with ours as (
       select oid, relname from pg_class
       where relnamespace = (select oid from pg_namespace where nspname = current_schema())
     )
     select relname from ours union all
     select 'server.' || attname from ours join pg_attribute on attrelid = ours.oid
       where relname = 'server' and attnum > 0 and not attisdropped`,
  );
  return new Set(rows.map(([name]) => String(name)));
}

/** Whether there is a table of tasks. Throws UserError for one that is not ours. */
function isTaskTable({ columns }: Catalog, place: string): boolean {
  if (columns === null) return false;
  const missing = requiredFields.find((name) => !columns.has(name));
  if (missing === undefined) return true;
  throw databaseError(
    `'${place}' belongs to another program (its table task has no column ${missing}) - ` +
      "set database.schema or database.database to another",
  );
}

/**
 * Makes the tables, or adds what they lack. Answers whether they were made. Throws UserError when they belong to
 * another program, when the database can only be read, and when there are none and `create` is false.
 */
export async function prepareTables(connection: PostgresConnection, create: boolean): Promise<boolean> {
  const { query, place, schema } = connection;
  const [where] = await query("select current_schema(), current_setting('transaction_read_only')");
  if (where?.[1] === "on")
    throw databaseError(`'${place}' can only be read (by this user, or it is a standby) - use the primary server`);
  const catalog = await readCatalog(query);
  const exists = isTaskTable(catalog, place);
  if (!exists && !create) throw new NoTables();
  if (exists) {
    const names = await present(query);
    if (additions.every(([name]) => names.has(name)) && absentIn(catalog, "task").size === 0) return false;
  }
  return connection.transaction(async (within) => {
    await within(creating);
    if ((where?.[0] ?? null) === null && schema !== null)
      await within(`create schema if not exists "${schema.replaceAll('"', '""')}"`);
    const created = !isTaskTable(await readCatalog(within), place);
    if (created) await within(taskTable);
    for (const field of absentIn(await readCatalog(within), "task")) await within(addColumn(field));
    const names = await present(within);
    for (const [name, statement] of additions) if (!names.has(name)) await within(statement);
    return created;
  });
}

/** How long a change of a column waits for those who use the table, milliseconds. Everybody else waits behind it. */
const widenMs = 3000;

/**
 * Makes room for exit statuses of 2^31 and more, which only Windows has, in a table whose column is too narrow. That
 * writes the whole table anew (a second for a million rows), so it is done once, when the first such status comes.
 * Changes nothing if this user may not change the table, or if others keep it busy.
 */
export async function widenStatus({ transaction }: PostgresConnection): Promise<void> {
  try {
    await transaction(async (within) => {
      await within(`set local lock_timeout = ${widenMs}`);
      await within("alter table task alter column exit_status type bigint");
    });
  } catch {
    // The status is recorded as the largest that there is room for.
  }
}

/** Throws UserError when there are no tables of tasks to read, or when they belong to another program. */
export function requireTables(catalog: Catalog, place: string): void {
  if (!isTaskTable(catalog, place)) throw new NoTables();
}

/** Removes all tasks and clients. Everything else stays. */
export const truncateTables = "truncate task, client, submission, recall";
