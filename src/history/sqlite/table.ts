/*
 * The table of tasks of an open file, as a search knows it, and the statements of a search: each is made when it is
 * needed and given back when it is done. Does not know what is searched for.
 */
import { taskFields, type TaskField } from "../../task/field.ts";
import type { Connection } from "../../store/sqlite/connection.ts";
import type { Cell } from "../../store/sqlite/row.ts";
import { column } from "../condition.ts";

export interface TaskTable {
  readonly connection: Connection;
  /** A search in order of submission sorts by itself when fewer rows than this are in question. */
  readonly fewRows: number;
  /** Names of the indices; null: not looked up yet. Servers never search, so they never need them. */
  indices: ReadonlySet<string> | null;
  /** Temporary lists of rows made so far; it numbers them. */
  lists: number;
}

/** A row of an answer. Where it is a task, its row number comes first. */
export type Row = readonly Cell[];

export interface Query {
  all(...cells: Cell[]): Cell[][];
  close(): void;
}

/** Nothing is read yet. */
export function tableOf(connection: Connection, fewRows: number): TaskTable {
  return { connection, fewRows, indices: null, lists: 0 };
}

/** A statement to be run several times; whoever asks for it closes it. Throws what failure.ts makes of a trouble. */
export function query({ connection }: TaskTable, sql: string): Query {
  const statement = connection.read(() => connection.db.prepare(sql));
  return {
    all: (...cells) => connection.read(() => statement.values(...cells)) as Cell[][],
    close: () => statement.finalize(),
  };
}

/** The answer of a statement that is run once. */
export function rowsOf(table: TaskTable, sql: string, ...cells: readonly Cell[]): Cell[][] {
  const once = query(table, sql);
  try {
    return once.all(...cells);
  } finally {
    once.close();
  }
}

/** The number that a statement answers, such as a count of rows; 0: it answers none. */
export function numberOf(table: TaskTable, sql: string, ...cells: readonly Cell[]): number {
  return Number(rowsOf(table, sql, ...cells)[0]?.[0] ?? 0);
}

/** The number of a row that stands for a task. */
export function rowNumber(row: Row): number {
  return row[0] as number;
}

/** Columns of an answer: the row number, then these fields, null where the file does not have the field yet. */
export function columnsOf({ connection }: TaskTable, fields: readonly TaskField[]): string {
  const { absent } = connection;
  const shown = fields.map((field) => (absent.has(field) ? "null" : `task.${column(field)}`));
  return ["task.rowid", ...shown].join(", ");
}

/** The task with this id, every field as it is stored, after its row number; null: there is none. */
export function taskRow(table: TaskTable, id: string): Row | null {
  return rowsOf(table, `select ${columnsOf(table, taskFields)} from task where id = ?`, id)[0] ?? null;
}
