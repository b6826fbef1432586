/*
 * The tasks of one table that match, in portions of rows. Order of insertion, or of submission downwards, is walked
 * along (walk.ts). Any other order needs a sort of the whole, and a cursor that stays open while its rows are read. So
 * does a table without our indices, which another program has made and which is only looked at.
 */
import { type Condition, namesOneTask, withoutFields } from "../../task/filter.ts";
import type { TaskField } from "../../task/field.ts";
import type { Statement } from "../../store/postgres/bind.ts";
import type { PostgresConnection, Row } from "../../store/postgres/connection.ts";
import type { Selection } from "../history.ts";
import { type Shape, sortedOf } from "./order.ts";
import type { Place } from "./path.ts";
import { absentOf, isWalkable, type TaskTable, withImplied } from "./table.ts";
import { firstPage, walk, type Wanted } from "./walk.ts";
import { classesOf, type Test, testsOf } from "./where.ts";

/**
 * Rows that match: submit_time and id, then `fields`, as the driver gives them. No portion is empty. `after`: only rows
 * behind that place in order of insertion. Throws UserError for a bad pattern, else as Query does.
 */
export async function* matchingRows(
  table: TaskTable,
  asked: Selection,
  fields: readonly TaskField[],
  after: Place | null = null,
): AsyncGenerator<readonly Row[]> {
  const absent = await absentOf(table);
  const selection = withoutFields(asked, absent);
  const { orderBy, descending, limit } = selection;
  const conditions = await withImplied(table, selection.where);
  const tests = testsOf(conditions);
  const wanted: Wanted = { left: limit ?? Number.POSITIVE_INFINITY };
  if (wanted.left <= 0 || classesOf(conditions).length === 0) return;
  const shape: Shape = { conditions, fields, tested: tests.map(({ field }) => field), absent };
  const found = (await isWalked(table, conditions, orderBy))
    ? walk(table, shape, orderBy !== null && descending, after, wanted)
    : cursorOf(table.connection, sortedOf(table.name, shape, selection, after));
  for await (const rows of found) {
    let passed = passing(tests, rows, fields);
    if (passed.length > wanted.left) passed = passed.slice(0, wanted.left);
    wanted.left -= passed.length;
    if (passed.length > 0) yield passed;
    if (wanted.left <= 0) return;
  }
}

/** Whether to walk along an index. A search for a single task is not worth it, and other orders have no index. */
async function isWalked(
  table: TaskTable,
  conditions: readonly Condition[],
  orderBy: TaskField | null,
): Promise<boolean> {
  if (conditions.some(namesOneTask) || (orderBy !== null && orderBy !== "submit_time")) return false;
  return isWalkable(table);
}

/** The rows of one statement by a cursor, which holds a transaction open for as long as they are read. */
export function cursorOf(connection: PostgresConnection, { sql, values }: Statement): AsyncIterable<readonly Row[]> {
  return connection.stream(sql, values, firstPage * 5);
}

/** Rows that pass the tests. The fields that are tested stand behind `fields`. */
export function passing(tests: readonly Test[], rows: readonly Row[], fields: readonly TaskField[]): readonly Row[] {
  if (tests.length === 0) return rows;
  const from = 2 + fields.length;
  return rows.filter((row) => tests.every((test, i) => test.passes(row[from + i] ?? null)));
}
