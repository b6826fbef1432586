/*
 * Housekeeping of a PostgreSQL database: statistics, unused space, emptying. How tasks are archived is in rotation.ts.
 * Does not know who else uses the database.
 */
import { argumentError } from "../../base/errors.ts";
import { partitionsOf } from "../../store/postgres/catalog.ts";
import { type PostgresConnection, type Query, quoteIdentifier } from "../../store/postgres/connection.ts";
import { recount, truncateTables } from "../../store/postgres/schema.ts";
import type { Upkeep } from "../history.ts";
import { countOf } from "./count.ts";
import { nextPartition, rotate } from "./rotation.ts";
import { tableOf } from "./table.ts";

/** Tables that may have unused space, besides the partitions. */
const ours: readonly string[] = ["task", "client", "submission", "server", "recall", "tally"];

/** The classes of the catalog in our schema with one of the names in $1. */
const named = `pg_class where relnamespace = (select oid from pg_namespace where nspname = current_schema())
  and relname = any ($1::text[])`;

/** Housekeeping over a connection. Its `backup` always throws UserError: PostgreSQL has programs of its own for it. */
export function postgresUpkeep(connection: PostgresConnection): Upkeep {
  const { query } = connection;
  return {
    optimize: () => optimize(connection),
    total: () => countOf(tableOf(connection, "task"), { where: [], orderBy: null, descending: false, limit: null }),
    vacuum: () => vacuum(connection),
    async backup(path) {
      throw argumentError(
        `'${path}': backups are for SQLite - ` +
          `copy a PostgreSQL database with its own 'pg_dump --format=custom --file=${path} ...'`,
      );
    },
    nextPartition: () => nextPartition(query),
    rotate: (into, attempts, progress) => rotate(connection, into, attempts, progress),
    async truncate() {
      await query(truncateTables);
    },
  };
}

async function optimize({ query, script }: PostgresConnection): Promise<void> {
  const names = await tablesIn(query);
  if (names.includes("tally")) await query(recount);
  for (const name of names) await script(`analyze ${quoteIdentifier(name)}`);
}

/** Answers how many bytes were given back. Tables of others in the same database are theirs to look after. */
async function vacuum({ query, script }: PostgresConnection): Promise<number> {
  const names = await tablesIn(query);
  const before = await bytesOf(query, names);
  // One by one: vacuuming cannot be part of a transaction.
  for (const name of names) await script(`vacuum (analyze) ${quoteIdentifier(name)}`);
  return Math.max(0, before - (await bytesOf(query, names)));
}

/** Our tables that there are, partitions last. */
async function tablesIn(query: Query): Promise<readonly string[]> {
  const rows = await query(`select relname from ${named} and relkind = 'r'`, [ours]);
  return [...rows.map(([name]) => String(name)), ...(await partitionsOf(query))];
}

/** The bytes on disk of these tables, indices included. */
async function bytesOf(query: Query, names: readonly string[]): Promise<number> {
  const [row] = await query(`select sum(pg_total_relation_size(oid)) from ${named}`, [names]);
  return Number(row?.[0]);
}
