/* Opens the history in a PostgreSQL database: to look, to change, to keep house. What is only looked at is left as it is. */
import type { EditStore, RecordStore, UpkeepStore } from "../history.ts";
import { openPostgres, type PostgresConnection, type PostgresOptions } from "../../store/postgres/connection.ts";
import { postgresEdits } from "./edits.ts";
import { postgresRecords, type RecordsOptions } from "./records.ts";
import { prepareTables, requireTables } from "../../store/postgres/schema.ts";
import { catalogOf, catalogQuestion } from "../../store/postgres/catalog.ts";
import { postgresUpkeep } from "./upkeep.ts";

export async function openPostgresRecords(options: PostgresOptions & RecordsOptions): Promise<RecordStore> {
  const connection = await openPostgres({ ...options, watched: true, question: catalogQuestion });
  const { title, place, answer, close } = connection;
  return prepared(connection, async () => {
    const catalog = catalogOf(answer);
    requireTables(catalog, place);
    return { title, ...postgresRecords(connection, { ...options, catalog }), close };
  });
}

export async function openPostgresEdits(options: PostgresOptions): Promise<EditStore> {
  const connection = await openPostgres({ ...options, watched: true });
  await prepared(connection, () => prepareTables(connection, false));
  const records = postgresRecords(connection, { ignorePartitions: true });
  return { title: connection.title, ...records, ...postgresEdits(connection), close: connection.close };
}

export async function openPostgresUpkeep(
  options: PostgresOptions & { readonly create: boolean },
): Promise<UpkeepStore> {
  const connection = await openPostgres({ ...options, watched: true });
  const created = await prepared(connection, () => prepareTables(connection, options.create));
  const { title, place, close } = connection;
  return { title, provider: "postgresql", place, created, ...postgresUpkeep(connection), close };
}

async function prepared<T>(connection: PostgresConnection, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    await connection.close();
    throw error;
  }
}
