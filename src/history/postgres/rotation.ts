/*
 * The way of what has ended from table `task` to a table of its own (`task_1`, `task_2`, ...), a partition, which
 * searches find as they find the partitions of SQLite. Which tasks have ended for good is said in history.ts
 * (Upkeep.rotate) and in the header of sqlite/rotation.ts.
 *
 * A rotation is one transaction: whoever looks sees every task once, before, during and after it, and a rotation that
 * dies leaves nothing behind. Servers go on meanwhile: only `hs update` waits for rows of tasks that have ended.
 */
import { taskFields } from "../../task/field.ts";
import { statementOf } from "../../store/postgres/bind.ts";
import type { PostgresConnection, Query } from "../../store/postgres/connection.ts";
import { databaseError } from "../../store/postgres/failure.ts";
import { plainTag, searchIndices, statusClasses } from "../../store/postgres/indices.ts";
import { column } from "../condition.ts";
import { beyond, type Place, placeOf, upTo } from "./path.ts";

/** Rows that one statement looks at, so that a rotation can say how far it is: half a second. */
const stretch = 50_000;

/** Lets two rotations take turns. The number is nobody else's. */
const takeTurn = "select pg_advisory_xact_lock(4850183215)";

/** The name of the next partition: the first number that is free, whatever kind of thing has the name. */
export async function nextPartition(query: Query): Promise<string> {
  const rows = await query(
    `select relname from pg_class where relname ~ '^task_[0-9]+$'
     and relnamespace = (select oid from pg_namespace where nspname = current_schema())`,
  );
  const taken = new Set(rows.map(([name]) => String(name)));
  let number = 1;
  while (taken.has(`task_${number}`)) number += 1;
  return `task_${number}`;
}

/**
 * As Upkeep.rotate: answers the number of tasks moved. Throws UserError when another rotation has taken the name `into`
 * meanwhile, else as Query does.
 */
export async function rotate(
  connection: PostgresConnection,
  into: string,
  attempts: number,
  progress: ((moved: number) => void) | undefined,
): Promise<number> {
  const moved = await connection.transaction(async (query) => {
    await query(takeTurn);
    if (into !== (await nextPartition(query)))
      throw databaseError(
        `another rotation of '${connection.place}' was faster - nothing is lost, start again for what is left`,
      );
    return moveEnded(query, into, attempts, progress);
  });
  if (moved > 0) for (const name of [into, "task"]) await connection.script(`vacuum (analyze) ${name}`);
  return moved;
}

/** $1: attempts, $2: the highest group with unfinished tasks. */
const final = `completion_time is not null and exit_status is not null and (exit_status in (0, -1) or retried
  or (attempt >= $1::int and "group" >= $2::bigint and submit_id not in (select id from server where reserves)))`;

/** The values of the parameters of `final`. */
type Rule = readonly [attempts: number, group: number];

/** Below every group. */
const lowest = -(2 ** 31);

/** Inside a transaction. `into` is a name that nextPartition gave. Without a task to move no table is made. */
async function moveEnded(
  query: Query,
  into: string,
  attempts: number,
  progress: ((moved: number) => void) | undefined,
): Promise<number> {
  const [row] = await query('select max("group") from task where completion_time is null');
  const rule: Rule = [attempts, typeof row?.[0] === "number" ? row[0] : lowest];
  if ((await query(`select 1 from task where ${final} limit 1`, rule)).length === 0) return 0;

  await query(`create table ${into} (like task)`);
  let moved = 0;
  // Each class has its index in order of insertion.
  for (const ended of [statusClasses.succeeded, statusClasses.unsuccessful]) {
    for (let place: Place | null = null; ;) {
      const end = await placeAfter(query, ended, place);
      moved += await moveStretch(query, into, ended, [place, end], rule);
      progress?.(moved);
      if (end === null) break;
      place = end;
    }
  }
  await makeIndices(query, into);
  return moved;
}

/** The place that is a stretch further; null: there are fewer rows. */
async function placeAfter(query: Query, ended: string, place: Place | null): Promise<Place | null> {
  const { sql, values } = statementOf(
    (bind) => `select submit_time, id from task where ${ended} and ${beyond(place, false, bind)}
      order by submit_time, id offset ${stretch - 1} limit 1`,
  );
  const [row] = await query(sql, values);
  return row === undefined ? null : placeOf(row);
}

/** Moves what has ended for good between two places. Answers the number of rows. */
async function moveStretch(
  query: Query,
  into: string,
  ended: string,
  [place, end]: readonly [Place | null, Place | null],
  rule: Rule,
): Promise<number> {
  const part = Number(into.slice("task_".length));
  const others = taskFields
    .filter((field) => field !== "tag")
    .map(column)
    .join(", ");
  const { sql, values } = statementOf((bind) => {
    const range = `${beyond(place, false, bind)} and ${upTo(end, false, bind)}`;
    return `with gone as (delete from task where ${ended} and ${range} and ${final} returning *),
      kept as (
        insert into ${into} (${others}, tag)
        select ${others}, tag || '{"part": ${part}}' from gone order by submit_time, id returning 1
      )
      select count(*) from kept`;
  }, rule);
  const [counted] = await query(sql, values);
  return Number(counted?.[0]);
}

/** Indices are made when the table is full, which is quicker than to keep them while it fills. */
async function makeIndices(query: Query, table: string): Promise<void> {
  await query(`alter table ${table} add primary key (id)`);
  for (const link of ["previous_id", "next_id"])
    await query(`create unique index ${table}_${link} on ${table} (${link}) where ${link} is not null`);
  for (const [, statement] of searchIndices(table)) await query(statement);
  // No archived task is without tags of its own. An empty index says so at once.
  await query(`create index ${table}_plain on ${table} (id) where tag = ${plainTag}`);
}
