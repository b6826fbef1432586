/*
 * Housekeeping of a PostgreSQL database: statistics, unused space, and the way from what has ended to a table of its own (`task_1`, `task_2`, ...), which
 * `hs list` finds as it finds partitions of SQLite. Which tasks have ended for good is said in store.ts (Upkeep.rotate) and in the header of
 * sqlite/rotation.ts.
 *
 * A rotation is one transaction: whoever looks sees every task once, before, during and after it, and a rotation that dies leaves nothing behind. Servers go
 * on meanwhile: nobody but `hs update` waits for rows of tasks that have ended. Does not know who else uses the database.
 */
import { argumentError } from "../../base/errors.ts";
import { taskFields } from "../../task/field.ts";
import type { Upkeep } from "../history.ts";
import type { Bind } from "../../store/postgres/bind.ts";
import { type PostgresConnection, type Query, quoteIdentifier } from "../../store/postgres/connection.ts";
import { databaseError } from "../../store/postgres/failure.ts";
import { recordsOf } from "./records.ts";
import { plainTag, searchIndices, statusClasses } from "../../store/postgres/indices.ts";
import { recount, truncateTables } from "../../store/postgres/schema.ts";
import { partitionsOf } from "../../store/postgres/catalog.ts";
import { beyond, type Place, placeOf, upTo } from "./path.ts";
import { column } from "../condition.ts";

/** Rows looked at by one statement of a rotation, so that it can say how far it is: half a second. */
const stretch = 50_000;

/** Two rotations take turns; the number is nobody else's. */
const rotating = "select pg_advisory_xact_lock(4850183215)";

/** Tables that may have unused space. */
const ours: readonly string[] = ["task", "client", "submission", "server", "schedule", "recall", "tally"];

export function postgresUpkeep(connection: PostgresConnection): Upkeep {
  const { query, place } = connection;

  async function tables(): Promise<readonly string[]> {
    const rows = await query(
      "select relname from pg_class where relnamespace = (select oid from pg_namespace where nspname = current_schema()) and relkind = 'r' and relname = any ($1::text[])",
      [ours],
    );
    return [...rows.map(([name]) => String(name)), ...(await partitionsOf(query))];
  }

  async function bytesOf(names: readonly string[]): Promise<number> {
    const [row] = await query(
      `select sum(pg_total_relation_size(oid)) from pg_class
       where relnamespace = (select oid from pg_namespace where nspname = current_schema()) and relname = any ($1::text[])`,
      [names],
    );
    return Number(row?.[0]);
  }

  return {
    async optimize() {
      const names = await tables();
      if (names.includes("tally")) await query(recount);
      for (const name of names) await connection.script(`analyze ${quoteIdentifier(name)}`);
    },

    total: () => recordsOf(connection, "task").count({ where: [], orderBy: null, descending: false, limit: null }),

    async vacuum() {
      const names = await tables();
      const before = await bytesOf(names);
      // One by one: it cannot be part of a transaction. Tables of others in the database are theirs to look after.
      for (const name of names) await connection.script(`vacuum (analyze) ${quoteIdentifier(name)}`);
      return Math.max(0, before - (await bytesOf(names)));
    },

    async backup(path) {
      throw argumentError(
        `'${path}': backups are for SQLite - copy a PostgreSQL database with its own 'pg_dump --format=custom --file=${path} ...'`,
      );
    },

    nextPartition: () => nextPartition(query),

    async rotate(into, attempts, progress) {
      const moved = await connection.transaction(async (within) => {
        await within(rotating);
        if (into !== (await nextPartition(within)))
          throw databaseError(
            `another rotation of '${place}' was faster - nothing is lost, start again for what is left`,
          );
        return rotate(within, into, attempts, progress);
      });
      if (moved > 0) for (const name of [into, "task"]) await connection.script(`vacuum (analyze) ${name}`);
      return moved;
    },

    async truncate() {
      await connection.transaction(async (within) => {
        await within(truncateTables);
        await within('insert into schedule (one, "group", task_id) values (1, null, null)');
      });
    },
  };
}

/** The first number that is free, whatever has the name. */
async function nextPartition(query: Query): Promise<string> {
  const rows = await query(
    "select relname from pg_class where relnamespace = (select oid from pg_namespace where nspname = current_schema()) and relname ~ '^task_[0-9]+$'",
  );
  const taken = new Set(rows.map(([name]) => String(name)));
  let number = 1;
  while (taken.has(`task_${number}`)) number += 1;
  return `task_${number}`;
}

/** $1: attempts, $2: the highest group with unfinished tasks. */
const final = `completion_time is not null and exit_status is not null and (exit_status in (0, -1) or retried
  or (attempt >= $1::int and "group" >= $2::bigint and submit_id not in (select id from server where reserves)))`;

/** Below every group. */
const lowest = -(2 ** 31);

/** Inside a transaction. `into` is a name that nextPartition gave. */
async function rotate(
  query: Query,
  into: string,
  attempts: number,
  progress: ((moved: number) => void) | undefined,
): Promise<number> {
  const [row] = await query('select max("group") from task where completion_time is null');
  const rule = [attempts, typeof row?.[0] === "number" ? row[0] : lowest] as const;
  if ((await query(`select 1 from task where ${final} limit 1`, rule)).length === 0) return 0;

  await query(`create table ${into} (like task)`);
  const part = Number(into.slice("task_".length));
  const others = taskFields.filter((field) => field !== "tag").map(column);
  let moved = 0;
  // Each has its index in order of insertion.
  for (const ended of [statusClasses.succeeded, statusClasses.unsuccessful]) {
    for (let place: Place | null = null; ;) {
      const end = await placeAfter(query, ended, place);
      const values: unknown[] = [...rule];
      const bind: Bind = (value) => `$${values.push(value)}`;
      const range = `${beyond(place, false, bind)} and ${upTo(end, false, bind)}`;
      const [counted] = await query(
        `with gone as (delete from task where ${ended} and ${range} and ${final} returning *),
         kept as (
           insert into ${into} (${others.join(", ")}, tag)
           select ${others.join(", ")}, tag || '{"part": ${part}}' from gone order by submit_time, id returning 1
         )
         select count(*) from kept`,
        values,
      );
      moved += Number(counted?.[0]);
      progress?.(moved);
      if (end === null) break;
      place = end;
    }
  }

  await query(`alter table ${into} add primary key (id)`);
  for (const link of ["previous_id", "next_id"])
    await query(`create unique index ${into}_${link} on ${into} (${link}) where ${link} is not null`);
  for (const [, statement] of searchIndices(into)) await query(statement);
  // Empty: says at once that there are none.
  await query(`create index ${into}_plain on ${into} (id) where tag = ${plainTag}`);
  return moved;
}

/** The row that is a stretch further; null: there are less. */
async function placeAfter(query: Query, ended: string, place: Place | null): Promise<Place | null> {
  const values: unknown[] = [];
  const from = beyond(place, false, (value) => `$${values.push(value)}`);
  const [row] = await query(
    `select submit_time, id from task where ${ended} and ${from} order by submit_time, id offset ${stretch - 1} limit 1`,
    values,
  );
  return row === undefined ? null : placeOf(row);
}
