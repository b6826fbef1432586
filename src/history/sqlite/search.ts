/*
 * Rows of the table of tasks that match: the route is found (route.ts), gone along (walk.ts, order.ts), and each row is
 * tested for what SQL cannot tell (where.ts).
 */
import { withoutFields } from "../../task/filter.ts";
import type { TaskField } from "../../task/field.ts";
import type { Selection } from "../history.ts";
import { through } from "./indices.ts";
import { inOrder, laidDown, nothing } from "./order.ts";
import { findRoute } from "./route.ts";
import { columnsOf, type Row, type TaskTable } from "./table.ts";
import { alongTable, byEntries, oneRow } from "./walk.ts";
import { type Test, whereOf } from "./where.ts";

/** Rows that match: the row number, then `fields`, as they are stored; what follows them is of no interest. */
export function* matchingRows(table: TaskTable, asked: Selection, fields: readonly TaskField[]): Generator<Row> {
  const selection = withoutFields(asked, table.connection.absent);
  const { tests } = whereOf(selection.where, table.connection.times);
  let left = selection.limit ?? Number.POSITIVE_INFINITY;
  if (left <= 0) return;
  for (const row of rowsOnRoute(table, columnsWith(table, fields, tests), selection)) {
    if (!passes(row, tests, fields.length)) continue;
    yield row;
    left -= 1;
    if (left <= 0) return;
  }
}

/**
 * Rows from number `from` on that match, in order of insertion, whatever the limit; like `matchingRows` otherwise. The
 * table is read to its end, so that no index has a say: for few rows.
 */
export function* matchingRowsFrom(table: TaskTable, from: number, asked: Selection): Generator<Row> {
  const where = whereOf(withoutFields(asked, table.connection.absent).where, table.connection.times);
  const route = { kind: "table", from, to: null } as const;
  for (const row of alongTable(table, columnsWith(table, [], where.tests), where, route)) {
    if (passes(row, where.tests, 0)) yield row;
  }
}

/** The fields that are tested follow those that are asked for. */
function columnsWith(table: TaskTable, fields: readonly TaskField[], tests: readonly Test[]): string {
  return columnsOf(table, [...fields, ...tests.map(({ field }) => field)]);
}

function passes(row: Row, tests: readonly Test[], fields: number): boolean {
  for (let i = 0; i < tests.length; i++) if (!tests[i]!.passes(row[1 + fields + i] ?? null)) return false;
  return true;
}

function rowsOnRoute(table: TaskTable, columns: string, selection: Selection): Generator<Row> {
  const where = whereOf(selection.where, table.connection.times);
  const route = findRoute(table, selection.where);
  if (route.kind === "none") return nothing();
  if (route.kind === "one") return oneRow(table, columns, where);
  if (selection.orderBy !== null) return inOrder(table, columns, route, selection);
  if (route.kind === "table") return alongTable(table, columns, where, route);
  if (route.kind === "entries") return byEntries(table, columns, route);
  const select = `select rowid from ${through(route.index)} and ${where.sql} order by rowid`;
  return laidDown(table, columns, select, where.cells);
}
