/*
 * How many tasks match. An index alone is read where it can tell; otherwise rows are counted along their route, and
 * only conditions that SQL cannot tell need the rows themselves.
 */
import { type Condition, withoutFields } from "../../task/filter.ts";
import type { Selection } from "../history.ts";
import { isTag } from "../condition.ts";
import { hasIndex, type Index, statusIndex, tagIndex, through, timeIndex } from "./indices.ts";
import { findRoute, haveTags, isStatus, isTime, plainTags, statusMatches, textsWith } from "./route.ts";
import { matchingRows } from "./search.ts";
import { numberOf, type TaskTable } from "./table.ts";
import { countAlongTable, countEntries } from "./walk.ts";
import { whereOf } from "./where.ts";

/** The number of rows that match, up to the limit. */
export function countOf(table: TaskTable, asked: Selection): number {
  const selection = withoutFields(asked, table.connection.absent);
  const most = selection.limit ?? Number.POSITIVE_INFINITY;
  if (most <= 0) return 0;
  const quick = countByIndex(table, selection.where);
  return Math.min(quick ?? countOnRoute(table, selection, most), most);
}

function countOnRoute(table: TaskTable, selection: Selection, most: number): number {
  const route = findRoute(table, selection.where);
  if (route.kind === "entries" && route.rest.tests.length === 0) return countEntries(table, route);
  const where = whereOf(selection.where, table.connection.times);
  if (route.kind === "table" && where.tests.length === 0) return countAlongTable(table, where, route, most);
  let count = 0;
  for (const _ of matchingRows(table, { ...selection, orderBy: null }, [])) count++;
  return count;
}

/** The number of rows that match where only indices need to be read for it, else null. */
function countByIndex(table: TaskTable, conditions: readonly Condition[]): number | null {
  if (conditions.length === 0) return numberOf(table, "select count(*) from task");
  const where = whereOf(conditions, table.connection.times);
  if (where.never) return 0;
  if (conditions.every(isStatus) && hasIndex(table, statusIndex.name)) {
    const sql = `select count(*) from ${through(statusIndex)} and ${where.sql}`;
    const found = numberOf(table, sql, ...where.cells);
    // The index leaves out tasks that have ended well.
    return statusMatches(table, 0, where) ? found + countOutside(table, statusIndex) : found;
  }
  if (conditions.every(isTag) && hasIndex(table, tagIndex.name)) {
    const values = textsWith(table, conditions);
    if (values === null) return null;
    const sql = `select count(*) from ${through(tagIndex)} and tag = ?`;
    const found = values.reduce<number>((sum, value) => sum + numberOf(table, sql, value), 0);
    return haveTags(conditions, plainTags) ? found + countOutside(table, tagIndex) : found;
  }
  if (conditions.every(isTime) && hasIndex(table, timeIndex))
    return numberOf(table, `select count(*) from task indexed by ${timeIndex} where ${where.sql}`, ...where.cells);
  return null;
}

/** The number of rows that are not in a partial index. */
function countOutside(table: TaskTable, index: Index): number {
  return numberOf(table, "select count(*) from task") - numberOf(table, `select count(*) from ${through(index)}`);
}
