/*
 * Opens the history in a PostgreSQL database: to look, to change, to keep house. A database that is only looked at is
 * left as it is.
 */
import { catalogOf, catalogQuestion } from "../../store/postgres/catalog.ts";
import { openPostgres, type PostgresConnection, type PostgresOptions } from "../../store/postgres/connection.ts";
import { serverRows } from "../../store/postgres/servers.ts";
import { prepareTables, requireTables } from "../../store/postgres/schema.ts";
import type { EditStore, RecordStore, UpkeepStore } from "../history.ts";
import { postgresEdits } from "./edits.ts";
import { clientOf, obstaclesOf, submissionOf } from "./obstacles.ts";
import { outlookOf } from "./outlook.ts";
import { postgresRecords, type RecordsOptions } from "./partitions.ts";
import { postgresUpkeep } from "./upkeep.ts";

/** For looking only: nothing is made or changed. Throws UserError for what stands in the way. */
export async function openPostgresRecords(options: PostgresOptions & RecordsOptions): Promise<RecordStore> {
  const connection = await openPostgres({ ...options, watched: true, question: catalogQuestion });
  const { title, place, answer, close } = connection;
  return prepared(connection, async () => {
    const catalog = catalogOf(answer);
    requireTables(catalog, place);
    const { servers } = serverRows(connection.query, options.clock);
    return {
      title,
      ...postgresRecords(connection, { ...options, catalog }),
      servers,
      outlook: () => outlookOf(connection.query),
      obstacles: (query) => obstaclesOf(connection.query, query),
      submission: (id) => submissionOf(connection.query, id),
      client: (id) => clientOf(connection.query, id),
      close,
    };
  });
}

/**
 * For looking and changing, archived tasks left out. Brings older tables up to date, but makes none. Throws UserError
 * for what stands in the way.
 */
export async function openPostgresEdits(options: PostgresOptions): Promise<EditStore> {
  const connection = await openPostgres({ ...options, watched: true });
  await prepared(connection, () => prepareTables(connection, false));
  const records = postgresRecords(connection, { ignorePartitions: true });
  return { title: connection.title, ...records, ...postgresEdits(connection), close: connection.close };
}

/** For housekeeping. `create`: makes the tables where there are none. Throws UserError for what stands in the way. */
export async function openPostgresUpkeep(
  options: PostgresOptions & { readonly create: boolean },
): Promise<UpkeepStore> {
  const connection = await openPostgres({ ...options, watched: true });
  const created = await prepared(connection, () => prepareTables(connection, options.create));
  const { title, place, close } = connection;
  return { title, provider: "postgresql", place, created, ...postgresUpkeep(connection), close };
}

/** Does what comes before the first use. The connection is closed when that fails. */
async function prepared<T>(connection: PostgresConnection, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    await connection.close();
    throw error;
  }
}
