/*
 * A glance at an SQLite file, along its indices (see history/overview.ts). Only partial indices and the index of links
 * are read; an older file without them is searched as `hs list` does.
 */
import { lineText } from "../../base/wordlist.ts";
import type { Condition } from "../../task/filter.ts";
import { sentinel } from "../../task/task.ts";
import type { FailureView } from "../../view/view.ts";
import { Connection, type SqliteOptions } from "../../store/sqlite/connection.ts";
import type { Cell } from "../../store/sqlite/row.ts";
import { serversIn } from "../../store/sqlite/servers.ts";
import { type EndedTask, type HandedOut, mostHeld, mostText, type Overview, type TaskCounts } from "../overview.ts";
import { countOf } from "./count.ts";
import { hasIndex, statusIndex, through } from "./indices.ts";
import { openPartition } from "./partition.ts";
import { partitionCandidates, rotationUnderWay } from "./partition-files.ts";
import { numberOf, type Row, rowsOf, type TaskTable, tableOf } from "./table.ts";

/** How long a look waits for the lock of somebody who writes, milliseconds. */
const patienceMs = 250;
/** The number of rows whose entries of an index are counted at once: 2 ms. */
const portion = 100_000;
/** Where row numbers are far apart, they are counted in so many portions. */
const mostPortions = 1000;
/** The largest number of groups, and of kinds of failures, that are looked into. */
const mostKinds = 1000;
const unfinishedIndex = "task_unfinished_group";

interface Glance {
  readonly connection: Connection;
  readonly table: TaskTable;
  /** The index that has every row by its link to an earlier attempt, which is mostly null; null: there is none. */
  readonly linkIndex: string | null;
  /** What was archived when it was last counted, and where it was then. */
  archived: { readonly where: string; readonly counts: TaskCounts } | null;
}

/**
 * Opens a file for a glance, which changes and makes nothing. Throws UserError for what stands in the way, also for a
 * file that is not there.
 */
export function openSqliteOverview(options: SqliteOptions): Overview {
  const connection = new Connection({ ...options, readOnly: true, untouched: true, patienceMs });
  const table = tableOf(connection, 0);
  const glance: Glance = { connection, table, linkIndex: linkIndexOf(table), archived: null };
  return {
    title: `sqlite (${connection.file})`,
    counts: () => counts(glance),
    state: async () => {
      connection.expectInPlace();
      return String(numberOf(table, "pragma data_version"));
    },
    handedOut: async () => handedOut(glance),
    failures: async (most) => failures(glance, most),
    latest: async (most) => latest(glance, most),
    clients: async () => clients(glance),
    servers: async () => serversIn(connection),
    waitingSince: async () => waitingSince(glance),
    close: async () => connection.close(),
  };
}

function linkIndexOf(table: TaskTable): string | null {
  const sql = `select list.name from pragma_index_list('task') as list
    where list."unique" and not list.partial
      and (select group_concat(name) from pragma_index_info(list.name)) = 'previous_id'`;
  const [[name = null] = []] = rowsOf(table, sql);
  return name === null ? null : String(name);
}

// ---- counts

const all: readonly Condition[] = [];
const isStatus = (value: number | null): readonly Condition[] => [
  { kind: "field", field: "exit_status", operator: "==", value },
];

async function counts(glance: Glance): Promise<TaskCounts> {
  const { connection } = glance;
  const { db } = connection;
  // Where there is a write-ahead log, a reader holds up nobody, and all counts are of one moment.
  const atOnce = connection.read(() => db.query("pragma journal_mode").values())[0]?.[0] === "wal";
  if (atOnce) connection.read(() => db.run("begin"));
  try {
    const archived = await countArchived(glance);
    const here = await countMain(glance);
    return sumOf(here, archived);
  } finally {
    if (atOnce && db.inTransaction) connection.read(() => db.run("commit"));
  }
}

function sumOf(one: TaskCounts, other: TaskCounts): TaskCounts {
  return {
    total: one.total + other.total,
    remaining: one.remaining + other.remaining,
    succeeded: one.succeeded + other.succeeded,
    failed: one.failed + other.failed,
    cancelled: one.cancelled + other.cancelled,
  };
}

async function countMain({ table, linkIndex }: Glance): Promise<TaskCounts> {
  if (linkIndex === null || !hasIndex(table, statusIndex.name)) {
    const count = async (where: readonly Condition[]): Promise<number> =>
      countOf(table, { where, orderBy: null, descending: false, limit: null });
    return countBy(count);
  }
  const entries = `${through(statusIndex)} and exit_status is ?`;
  const remaining = await countPortions(table, entries, null);
  let [failed, cancelled] = [0, 0];
  for (const status of statusesOf(table)) {
    const count = await countPortions(table, entries, status);
    failed += count;
    if (status === sentinel.cancelled) cancelled = count;
  }
  const first = await countPortions(table, `task indexed by "${linkIndex}" where previous_id is ?`, null);
  const again = numberOf(table, `select count(*) from task indexed by "${linkIndex}" where previous_id > ''`);
  const total = first + again;
  return { total, remaining, succeeded: Math.max(0, total - remaining - failed), failed, cancelled };
}

async function countBy(count: (where: readonly Condition[]) => Promise<number>): Promise<TaskCounts> {
  const total = await count(all);
  const remaining = await count(isStatus(null));
  const succeeded = await count(isStatus(0));
  const cancelled = await count(isStatus(sentinel.cancelled));
  return { total, remaining, succeeded, failed: total - remaining - succeeded, cancelled };
}

/** Counts the entries of an index with one value, which are in order of their rows, stretch by stretch. */
async function countPortions(table: TaskTable, entries: string, value: Cell): Promise<number> {
  const sql = `select count(*) from ${entries} and rowid > ? and rowid <= ?`;
  const ends = "select (select min(rowid) from task), (select max(rowid) from task)";
  const [[first = null, last = null] = []] = rowsOf(table, ends);
  if (first === null) return 0;
  const step = Math.max(portion, Math.ceil((Number(last) - Number(first)) / mostPortions));
  let sum = 0;
  for (let from = Number(first) - 1; from < Number(last); from += step) {
    sum += numberOf(table, sql, value, from, from + step);
    await new Promise(setImmediate);
  }
  return sum;
}

/** The exit statuses of failures, each found by a leap over the entries of the last. */
function statusesOf(table: TaskTable): readonly Cell[] {
  const next = (from: string): string =>
    `select exit_status from ${through(statusIndex)} and exit_status > ${from} order by exit_status limit 1`;
  return rowsOf(
    table,
    `with recursive leap (value) as (
       select (${next("-9e999")}) union all select (${next("leap.value")}) from leap where leap.value is not null
     )
     select value from leap where value is not null limit ?`,
    mostKinds,
  ).map(([value = null]) => value);
}

const nothing: TaskCounts = { total: 0, remaining: 0, succeeded: 0, failed: 0, cancelled: 0 };

/** Counts what was rotated into other files. It changes with each rotation only. */
async function countArchived(glance: Glance): Promise<TaskCounts> {
  const { connection } = glance;
  const listed = partitionCandidates(connection.file);
  if (listed.length === 0) return nothing;
  const underWay = rotationUnderWay(connection);
  const where = JSON.stringify([listed.map(({ path }) => path), underWay]);
  if (glance.archived?.where === where) return glance.archived.counts;
  let sum = nothing;
  for (const candidate of listed) {
    const partition = openPartition(candidate, underWay, { file: connection.file, pragmas: {} });
    if (partition === null) continue;
    try {
      const found = await countBy((conditions) =>
        partition.count({ where: conditions, orderBy: null, descending: false, limit: null }),
      );
      sum = sumOf(sum, found);
    } finally {
      await partition.close();
    }
    await new Promise(setImmediate);
  }
  glance.archived = { where, counts: sum };
  return sum;
}

// ---- tasks

/** The groups with unfinished tasks; `null` where the file has no index to find them by. */
function groupsOf(table: TaskTable): readonly Cell[] | null {
  if (!hasIndex(table, unfinishedIndex)) return null;
  const next = (from: string): string =>
    `select "group" from task indexed by ${unfinishedIndex} where completion_time is null and "group" > ${from}
     order by "group" limit 1`;
  return rowsOf(
    table,
    `with recursive leap (value) as (
       select (${next("-9e999")}) union all select (${next("leap.value")}) from leap where leap.value is not null
     )
     select value from leap where value is not null limit ?`,
    mostKinds,
  ).map(([value = null]) => value);
}

const shownText = `substr(coalesce(command, args), 1, ${mostText})`;
const taskColumns = `id, ${shownText}, "group", attempt, client_host, client_id, start_time`;

/** Times of older programs and fractions are read as they are everywhere. */
function taskOf([id, text, group, attempt, host, clientId, start]: Row, { connection }: Glance): HandedOut {
  return {
    id: String(id),
    text: lineText(String(text)),
    group: Number(group),
    attempt: Number(attempt),
    host: textOf(host),
    clientId: String(clientId),
    startTime: connection.times.parse(start),
  };
}

function textOf(cell: Cell | undefined): string | null {
  return cell === null || cell === undefined ? null : String(cell).slice(0, mostText);
}

function handedOut(glance: Glance): readonly HandedOut[] {
  const { table } = glance;
  const held = (index: string): string =>
    `select ${taskColumns} from task ${index} and schedule_time > '' and completion_time is null limit ?`;
  const groups = groupsOf(table);
  const rows: Row[] = [];
  if (groups === null) rows.push(...rowsOf(table, held("where exit_status is null"), mostHeld));
  for (const group of groups ?? []) {
    if (rows.length >= mostHeld) break;
    rows.push(...rowsOf(table, held(`indexed by ${unfinishedIndex} where "group" = ?`), group, mostHeld - rows.length));
  }
  return rows.filter((row) => textOf(row[5]) !== null).map((row) => taskOf(row, glance));
}

function waitingSince({ table, connection }: Glance): number | null {
  let oldest: number | null = null;
  for (const group of groupsOf(table) ?? []) {
    const [[time = null] = []] = rowsOf(
      table,
      `select submit_time from task indexed by ${unfinishedIndex}
       where "group" = ? and schedule_time is null and completion_time is null order by rowid limit 1`,
      group,
    );
    const at = connection.times.parse(time);
    if (at !== null && (oldest === null || at < oldest)) oldest = at;
  }
  return oldest;
}

/** Of each way to fail the tasks that were submitted last are read, and those that ended last of all are taken. */
function failures(glance: Glance, most: number): readonly FailureView[] {
  const { table, connection } = glance;
  if (most <= 0 || !hasIndex(table, statusIndex.name)) return [];
  const found: FailureView[] = [];
  for (const status of statusesOf(table)) {
    if (status === sentinel.cancelled) continue;
    const sql = `select ${taskColumns}, exit_status, completion_time, duration
      from ${through(statusIndex)} and exit_status = ? order by rowid desc limit ?`;
    for (const row of rowsOf(table, sql, status, most)) {
      const [exitStatus, completion, duration = null] = row.slice(7);
      found.push({
        ...taskOf(row, glance),
        clientId: textOf(row[5]),
        exitStatus: Number(exitStatus),
        completionTime: connection.times.parse(completion) ?? 0,
        duration: duration === null ? null : Number(duration),
      });
    }
  }
  return found.toSorted((one, other) => other.completionTime - one.completionTime).slice(0, most);
}

/**
 * Tasks are taken in the order of their rows, so those that ended last are just before the first that waits. Where
 * several groups are under way, those of the lowest are meant.
 */
function latest({ table, connection }: Glance, most: number): readonly EndedTask[] {
  const groups = groupsOf(table);
  const first = (group: Cell): Cell =>
    rowsOf(
      table,
      `select rowid from task indexed by ${unfinishedIndex}
       where "group" = ? and schedule_time is null and completion_time is null order by rowid limit 1`,
      group,
    )[0]?.[0] ?? null;
  let end: Cell = null;
  for (const group of groups ?? []) {
    end = first(group);
    if (end !== null) break;
  }
  const rows = rowsOf(
    table,
    `select completion_time, exit_status, duration from (
       select completion_time, exit_status, duration from task where rowid < ? order by rowid desc limit ?
     ) where exit_status is not null and completion_time is not null`,
    end ?? Number.MAX_SAFE_INTEGER,
    most,
  );
  return rows.flatMap(([completion, status, duration = null]) => {
    const completionTime = connection.times.parse(completion);
    if (completionTime === null || status === sentinel.cancelled) return [];
    return [{ completionTime, exitStatus: Number(status), duration: duration === null ? null : Number(duration) }];
  });
}

function clients({ table }: Glance): { readonly id: string; readonly host: string; readonly serverId: string }[] {
  if (numberOf(table, "select count(*) from sqlite_master where name = 'client'") === 0) return [];
  const sql = "select id, host, server_id from client where disconnected_at is null and not evicted";
  return rowsOf(table, sql).map(([id, host, server]) => ({
    id: String(id),
    host: String(host),
    serverId: String(server),
  }));
}
