/*
 * The files that a verification looks through, and how it reads them: by stretches, between which signals are heard.
 */
import type { Database } from "bun:sqlite";
import type { Cell } from "../../store/sqlite/row.ts";

/** One file of tasks that is looked through. */
export interface TaskFile {
  /** As people are told: its name without the folder. */
  readonly place: string;
  readonly path: string;
  readonly db: Database;
  /** Rows after this number do not count: they are in the main file. */
  readonly upto: number;
}

/** Everything that is looked through. */
export interface TaskFiles {
  readonly main: TaskFile;
  readonly partitions: readonly TaskFile[];
  /** Whether each partition could be read, so that what is not found is nowhere. */
  readonly isComplete: boolean;
}

/** Gives everything else its turn, so that signals are heard. */
export const turn = (): Promise<void> => new Promise((resume) => setImmediate(resume));

/** The names of tables, of one file. A file that only older programs have written lacks some of ours. */
export function tablesOf(db: Database): ReadonlySet<string> {
  const rows = db.query("select name from sqlite_master where type = 'table'").values();
  return new Set(rows.map(([name]) => String(name)));
}

/** The rows of a statement that is run once. */
export function rowsOf(db: Database, sql: string, ...cells: readonly Cell[]): Cell[][] {
  const statement = db.prepare(sql);
  try {
    return statement.values(...cells) as Cell[][];
  } finally {
    statement.finalize();
  }
}
