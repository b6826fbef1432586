/*
 * Where a search begins, so that it reads what it asks for and not ten million rows: along the table between two rows, at one row, or at the
 * entries of a partial index that have certain values (open tasks and those that did not end well; tags). Decides only how to get there, never
 * what is found: an index that is missing (a database of an older program that is only looked at) costs time, nothing else.
 */
import { type Condition, type FieldCondition, namesOneTask, type TagCondition } from "../../task/filter.ts";
import type { Tags } from "../../task/task.ts";
import type { Connection } from "../../store/sqlite/connection.ts";
import type { Cell } from "../../store/sqlite/row.ts";
import { unusualStatus, unusualTag } from "../../store/sqlite/schema.ts";
import { readTags } from "../../store/tags.ts";
import { isTag } from "../condition.ts";
import { hasTag, isTimeRange, type Where, whereOf } from "./where.ts";

/** A partial index on one column, and the condition of its entries. */
interface Index {
  readonly name: "task_status" | "task_tag";
  readonly column: "exit_status" | "tag";
  readonly holds: string;
}

const statusIndex: Index = { name: "task_status", column: "exit_status", holds: unusualStatus };
export const tagIndex: Index = { name: "task_tag", column: "tag", holds: unusualTag };
export const timeIndex = "task_submit_time";

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

export interface Routes {
  has(index: string): boolean;
  find(conditions: readonly Condition[]): Route;
  /** How many rows lie on the way, counted up to `most`. */
  length(route: Route, most: number): number;
  /** The number of rows where only indices need to be read for it, else null. */
  count(conditions: readonly Condition[]): number | null;
  /** Every text of tags in the index, and the first row that has it; null: too many. */
  tagTexts(): readonly (readonly [text: Cell, row: number])[] | null;
}

/** Distinct texts of tags, at most; with more of them, as when each task has its own, the index is read from end to end. */
const textLimit = 10_000;
/** Values gone to side by side, at most. */
const valueLimit = 64;
/** Entries of the index of times that are looked at to find where in the table they are: 20 ms. */
const rangeLimit = 1_000_000;
/** Where two indices would do, the number of rows up to which they are compared. */
const compareLimit = 20_000;

const isField = (condition: Condition): condition is FieldCondition => condition.kind === "field";
const isStatus = (condition: Condition): condition is FieldCondition =>
  isField(condition) && condition.field === "exit_status" && condition.operator !== "~";
export const isTime = (condition: Condition): condition is FieldCondition => isTimeRange(condition, "submit_time");

const ended: FieldCondition = { kind: "field", field: "exit_status", operator: "!=", value: null };

/** `from` and the condition of a search through the entries of an index. */
export function through({ name, holds }: Index): string {
  return `task indexed by ${name} where ${holds}`;
}

export function prepareRoutes(connection: Connection): Routes {
  const { db } = connection;
  let names: ReadonlySet<unknown> | null = null;
  /** Looked up when it is first asked for: servers never search. */
  const has = (index: string): boolean => {
    names ??= new Set(rows("select name from sqlite_master where type = 'index'", []).flat());
    return names.has(index);
  };
  const rows = (sql: string, cells: readonly Cell[]): Cell[][] =>
    connection.read(() => {
      const statement = db.prepare(sql);
      try {
        return statement.values(...cells) as Cell[][];
      } finally {
        statement.finalize();
      }
    });
  const number = (sql: string, cells: readonly Cell[]): number => Number(rows(sql, cells)[0]?.[0] ?? 0);

  /** Distinct values of an index, each by a leap over the entries of the one before. */
  function leap(index: Index, where: Where, most: number): readonly (readonly [value: Cell, row: number])[] {
    const { column } = index;
    const next = (from: string): string =>
      `select ${column} from ${through(index)} and ${column} > ${from} and ${where.sql} order by ${column} limit 1`;
    return rows(
      `with recursive leap (value) as (
         select (${next("-9e999")}) union all select (${next("leap.value")}) from leap where leap.value is not null
       )
       select value, (select rowid from ${through(index)} and ${column} = value order by rowid limit 1)
       from leap where value is not null limit ?`,
      [...where.cells, ...where.cells, most],
    ) as [Cell, number][];
  }

  /** The values of exit_status that the index may hold and that match. */
  function statuses(conditions: readonly FieldCondition[], where: Where): Cell[] {
    if (matches(null, where)) return [null, ...statuses([...conditions, ended], whereOf([...conditions, ended]))];
    if (conditions.some(({ operator, value }) => operator === "==" && value === null)) return [];
    return leap(statusIndex, where, valueLimit + 1).map(([value]) => value);
  }

  function tagTexts(): readonly (readonly [text: Cell, row: number])[] | null {
    const all = leap(tagIndex, whereOf([]), textLimit + 1);
    return all.length > textLimit ? null : all;
  }

  /** Texts of tags that pass; null: too many to say. */
  function textsWith(conditions: readonly TagCondition[]): Cell[] | null {
    const texts = tagTexts()?.map(([text]) => text) ?? null;
    if (texts === null) return null;
    return texts.filter((text) => {
      const tags = readTags(text);
      return conditions.every((condition) => hasTag(condition, tags));
    });
  }

  /** Whether a task with this status matches conditions on it. */
  function matches(status: number | null, where: Where): boolean {
    const one = "select 1 from (select cast(? as integer) as exit_status) where";
    return rows(`${one} ${where.sql}`, [status, ...where.cells]).length > 0;
  }

  function byStatus(conditions: readonly Condition[]): Route | null {
    const own = conditions.filter(isStatus);
    if (own.length === 0 || !has(statusIndex.name)) return null;
    const where = whereOf(own);
    // Tasks that have ended well are not in the index.
    if (matches(0, where)) return null;
    const values = statuses(own, where);
    if (values.length > valueLimit) return { kind: "index", index: statusIndex };
    return { kind: "entries", index: statusIndex, values, rest: whereOf(conditions.filter((each) => !isStatus(each))) };
  }

  function byTag(conditions: readonly Condition[]): Route | null {
    const own = conditions.filter(isTag);
    if (own.length === 0 || !has(tagIndex.name)) return null;
    const plain: Tags = { part: 0 };
    if (own.every((condition) => hasTag(condition, plain))) return null;
    const values = textsWith(own);
    if (values === null || values.length > valueLimit) return { kind: "index", index: tagIndex };
    return { kind: "entries", index: tagIndex, values, rest: whereOf(conditions.filter(isField)) };
  }

  /** Times of submission mostly grow with the rows: only the part of the table between the first and the last in question is of interest. */
  function byTime(conditions: readonly Condition[]): Route {
    const all: Route = { kind: "table", from: 0, to: null };
    const own = conditions.filter(isTime);
    if (own.length === 0 || !has(timeIndex)) return all;
    const { sql, cells } = whereOf(own);
    const [[count, first, last] = []] = rows(
      `select count(*), min(row), max(row) from (select rowid as row from task indexed by ${timeIndex} where ${sql} limit ?)`,
      [...cells, rangeLimit],
    );
    if (count === rangeLimit) return all;
    return { kind: "table", from: Number(first ?? 0), to: Number(last ?? -1) };
  }

  function length(route: Route, most: number): number {
    if (route.kind === "none" || route.kind === "one") return 1;
    if (route.kind === "table") return most;
    const { index } = route;
    if (route.kind === "index") return number(`select count(*) from (select 1 from ${through(index)} limit ?)`, [most]);
    let sum = 0;
    for (const value of route.values) {
      if (sum >= most) break;
      const sql = `select count(*) from (select 1 from ${through(index)} and ${index.column} is ? limit ?)`;
      sum += number(sql, [value, most - sum]);
    }
    return sum;
  }

  function find(conditions: readonly Condition[]): Route {
    if (whereOf(conditions).never) return { kind: "none" };
    if (conditions.some(namesOneTask)) return { kind: "one" };
    const [status, tag] = [byStatus(conditions), byTag(conditions)];
    if (status === null || tag === null) return status ?? tag ?? byTime(conditions);
    return length(status, compareLimit) < length(tag, compareLimit) ? status : tag;
  }

  /** Rows that are in the index, and those that are not if `usual`. */
  const withUsual = (index: Index, usual: boolean, found: number): number =>
    usual
      ? number("select count(*) from task", []) - number(`select count(*) from ${through(index)}`, []) + found
      : found;

  function count(conditions: readonly Condition[]): number | null {
    if (conditions.length === 0) return number("select count(*) from task", []);
    if (whereOf(conditions).never) return 0;
    if (conditions.every(isStatus) && has(statusIndex.name)) {
      const where = whereOf(conditions);
      const found = number(`select count(*) from ${through(statusIndex)} and ${where.sql}`, where.cells);
      return withUsual(statusIndex, matches(0, where), found);
    }
    if (conditions.every(isTag) && has(tagIndex.name)) {
      const values = textsWith(conditions);
      if (values === null) return null;
      const plain: Tags = { part: 0 };
      const sql = `select count(*) from ${through(tagIndex)} and tag = ?`;
      const found = values.reduce<number>((sum, value) => sum + number(sql, [value]), 0);
      return withUsual(
        tagIndex,
        conditions.every((condition) => hasTag(condition, plain)),
        found,
      );
    }
    if (conditions.every(isTime) && has(timeIndex)) {
      const where = whereOf(conditions);
      return number(`select count(*) from task indexed by ${timeIndex} where ${where.sql}`, where.cells);
    }
    return null;
  }

  return { has, find, length, count, tagTexts };
}
