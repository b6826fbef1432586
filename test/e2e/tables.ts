/*
 * A database file as it is, past hs, for tests of what is on record. Whoever reads while hs opens, closes or folds its
 * file together finds it locked for a moment: everybody here waits.
 */
import { Database } from "bun:sqlite";

const patienceMs = 10_000;

export function inFile<T>(path: string, work: (database: Database) => T, options?: { readonly readonly: true }): T {
  const database = new Database(path, options);
  try {
    database.run(`pragma busy_timeout = ${patienceMs}`);
    return work(database);
  } finally {
    database.close();
  }
}

/** What a query finds; nothing is written, and no file made. */
export function ask<Row>(path: string, sql: string): Row[] {
  return inFile(path, (database) => database.query<Row, []>(sql).all(), { readonly: true });
}

/** Changes the file by one statement. */
export function change(path: string, sql: string, ...values: readonly (string | number | null)[]): void {
  inFile(path, (database) => database.query(sql).run(...values));
}
