/*
 * The indices that searches go along, and the distinct values in them. An index may be missing: a database of an older
 * program that is only looked at does not get one. Does not decide which index is used.
 */
import type { Cell } from "../../store/sqlite/row.ts";
import { unusualStatus, unusualTag } from "../../store/sqlite/schema.ts";
import { rowsOf, type TaskTable } from "./table.ts";
import { type Where, whereOf } from "./where.ts";

/** A partial index on one column, and the condition of its entries. */
export interface Index {
  readonly name: "task_status" | "task_tag";
  readonly column: "exit_status" | "tag";
  readonly holds: string;
}

export const statusIndex: Index = { name: "task_status", column: "exit_status", holds: unusualStatus };
export const tagIndex: Index = { name: "task_tag", column: "tag", holds: unusualTag };
export const timeIndex = "task_submit_time";

/** Distinct texts of tags, at most; with more of them, as when each task has its own, all entries are read. */
const textLimit = 10_000;

/** A value in an index, and the number of the first row that has it. */
export type Entry = readonly [value: Cell, row: number];

/** Whether the file has this index; the names are read when this is first asked. */
export function hasIndex(table: TaskTable, name: string): boolean {
  table.indices ??= new Set(
    rowsOf(table, "select name from sqlite_master where type = 'index'").map(([each]) => String(each)),
  );
  return table.indices.has(name);
}

/** `from` and the condition of a search through the entries of an index. */
export function through({ name, holds }: Index): string {
  return `task indexed by ${name} where ${holds}`;
}

/** The first `most` distinct values of an index that match. Each is found by a leap over the entries of the last. */
export function distinctValues(table: TaskTable, index: Index, where: Where, most: number): readonly Entry[] {
  const { column } = index;
  const next = (from: string): string =>
    `select ${column} from ${through(index)} and ${column} > ${from} and ${where.sql} order by ${column} limit 1`;
  return rowsOf(
    table,
    `with recursive leap (value) as (
       select (${next("-9e999")}) union all select (${next("leap.value")}) from leap where leap.value is not null
     )
     select value, (select rowid from ${through(index)} and ${column} = value order by rowid limit 1)
     from leap where value is not null limit ?`,
    ...where.cells,
    ...where.cells,
    most,
  ) as [Cell, number][];
}

/** Every text of tags in the index; null: there are too many. */
export function tagTexts(table: TaskTable): readonly Entry[] | null {
  const all = distinctValues(table, tagIndex, whereOf([], table.connection.times), textLimit + 1);
  return all.length > textLimit ? null : all;
}
