/*
 * Where a search begins, so that it reads what it asks for and not ten million rows: along the table between two rows,
 * at one row, or at the entries of a partial index that have certain values (open tasks and those that did not end
 * well; tags). A route decides only how to get there, never what is found: a missing index costs time, nothing else.
 */
import { type Condition, type FieldCondition, namesOneTask, type TagCondition } from "../../task/filter.ts";
import type { Tags } from "../../task/task.ts";
import type { Cell } from "../../store/sqlite/row.ts";
import { readTags } from "../../store/tags.ts";
import { isTag } from "../condition.ts";
import {
  distinctValues,
  hasIndex,
  type Index,
  statusIndex,
  tagIndex,
  tagTexts,
  through,
  timeIndex,
} from "./indices.ts";
import { numberOf, rowsOf, type TaskTable } from "./table.ts";
import { hasTag, isTimeRange, type Where, whereOf } from "./where.ts";

export type Route =
  /** Nothing can be found. */
  | { readonly kind: "none" }
  | { readonly kind: "one" }
  /** Along the table, from one row to the other; null: to its end. */
  | { readonly kind: "table"; readonly from: number; readonly to: number | null }
  /** To the entries with one of these values; `rest`: what is left to be tested there. */
  | { readonly kind: "entries"; readonly index: Index; readonly values: readonly Cell[]; readonly rest: Where }
  /** Through the whole index: too many values to go to one by one. */
  | { readonly kind: "index"; readonly index: Index };

export type RouteOf<Kind extends Route["kind"]> = Route & { kind: Kind };

/** Values gone to side by side, at most. */
const valueLimit = 64;
/** Entries of the index of times that are looked at to find where in the table they are: 20 ms. */
const rangeLimit = 1_000_000;
/** Where two indices would do, the number of rows up to which they are compared. */
const compareLimit = 20_000;

/** Tags that are in no index. */
export const plainTags: Tags = { part: 0 };

const isField = (condition: Condition): condition is FieldCondition => condition.kind === "field";

/** Whether the index of statuses can tell. */
export function isStatus(condition: Condition): condition is FieldCondition {
  return isField(condition) && condition.field === "exit_status" && condition.operator !== "~";
}

/** Whether the index of times of submission has what matches in one stretch. */
export function isTime(condition: Condition): condition is FieldCondition {
  return isTimeRange(condition, "submit_time");
}

const ended: FieldCondition = { kind: "field", field: "exit_status", operator: "!=", value: null };

/** The way to all tasks that match. */
export function findRoute(table: TaskTable, conditions: readonly Condition[]): Route {
  if (whereOf(conditions, table.connection.times).never) return { kind: "none" };
  if (conditions.some(namesOneTask)) return { kind: "one" };
  const [status, tag] = [byStatus(table, conditions), byTag(table, conditions)];
  if (status === null || tag === null) return status ?? tag ?? byTime(table, conditions);
  return lengthOf(table, status, compareLimit) < lengthOf(table, tag, compareLimit) ? status : tag;
}

/** How many rows lie on the way, counted up to `most`. */
export function lengthOf(table: TaskTable, route: Route, most: number): number {
  if (route.kind === "none" || route.kind === "one") return 1;
  if (route.kind === "table") return most;
  const { index } = route;
  if (route.kind === "index")
    return numberOf(table, `select count(*) from (select 1 from ${through(index)} limit ?)`, most);
  const sql = `select count(*) from (select 1 from ${through(index)} and ${index.column} is ? limit ?)`;
  let sum = 0;
  for (const value of route.values) {
    if (sum >= most) break;
    sum += numberOf(table, sql, value, most - sum);
  }
  return sum;
}

function byStatus(table: TaskTable, conditions: readonly Condition[]): Route | null {
  const own = conditions.filter(isStatus);
  if (own.length === 0 || !hasIndex(table, statusIndex.name)) return null;
  const where = whereOf(own, table.connection.times);
  // Tasks that have ended well are not in the index.
  if (statusMatches(table, 0, where)) return null;
  const values = statusesWith(table, own, where);
  if (values.length > valueLimit) return { kind: "index", index: statusIndex };
  return {
    kind: "entries",
    index: statusIndex,
    values,
    rest: whereOf(
      conditions.filter((each) => !isStatus(each)),
      table.connection.times,
    ),
  };
}

/** Whether a task with this status matches conditions on the status. */
export function statusMatches(table: TaskTable, status: number | null, where: Where): boolean {
  const one = "select 1 from (select cast(? as integer) as exit_status) where";
  return rowsOf(table, `${one} ${where.sql}`, status, ...where.cells).length > 0;
}

/** The values of exit_status that the index may hold and that match. */
function statusesWith(table: TaskTable, conditions: readonly FieldCondition[], where: Where): Cell[] {
  if (statusMatches(table, null, where)) {
    const others = [...conditions, ended];
    return [null, ...statusesWith(table, others, whereOf(others, table.connection.times))];
  }
  if (conditions.some(({ operator, value }) => operator === "==" && value === null)) return [];
  return distinctValues(table, statusIndex, where, valueLimit + 1).map(([value]) => value);
}

function byTag(table: TaskTable, conditions: readonly Condition[]): Route | null {
  const own = conditions.filter(isTag);
  if (own.length === 0 || !hasIndex(table, tagIndex.name) || haveTags(own, plainTags)) return null;
  const values = textsWith(table, own);
  if (values === null || values.length > valueLimit) return { kind: "index", index: tagIndex };
  return {
    kind: "entries",
    index: tagIndex,
    values,
    rest: whereOf(conditions.filter(isField), table.connection.times),
  };
}

/** Whether these tags match every condition. */
export function haveTags(conditions: readonly TagCondition[], tags: Tags): boolean {
  return conditions.every((condition) => hasTag(condition, tags));
}

/** Texts of tags in the index that match; null: there are too many to look at each. */
export function textsWith(table: TaskTable, conditions: readonly TagCondition[]): Cell[] | null {
  const texts = tagTexts(table)?.map(([text]) => text) ?? null;
  return texts === null ? null : texts.filter((text) => haveTags(conditions, readTags(text)));
}

/**
 * Times of submission mostly grow with the rows, so only the part of the table between the first and the last row in
 * question is of interest.
 */
function byTime(table: TaskTable, conditions: readonly Condition[]): Route {
  const all: Route = { kind: "table", from: 0, to: null };
  const own = conditions.filter(isTime);
  if (own.length === 0 || !hasIndex(table, timeIndex)) return all;
  const { sql, cells } = whereOf(own, table.connection.times);
  const inRange = `select rowid as row from task indexed by ${timeIndex} where ${sql} limit ?`;
  const [[count, first, last] = []] = rowsOf(
    table,
    `select count(*), min(row), max(row) from (${inRange})`,
    ...cells,
    rangeLimit,
  );
  if (count === rangeLimit) return all;
  return { kind: "table", from: Number(first ?? 0), to: Number(last ?? -1) };
}
