/*
 * The statements of a walk along the tasks of a table, in order of insertion (submit_time, id) or backwards: where it
 * goes on, how far a page may look, and how parts of the table, each with an index of its own in that order, become
 * one. Asks nothing itself: the walk is in walk.ts.
 */
import type { Condition } from "../../task/filter.ts";
import { type Bind, type Statement, statementOf } from "../../store/postgres/bind.ts";
import { instantText } from "../../store/postgres/cells.ts";
import type { Row } from "../../store/postgres/connection.ts";
import { type Columns, columnsOf } from "./columns.ts";
import { hasHash, whereOf } from "./where.ts";

/** A row's place in the order. A walk goes on behind it, in its direction. */
export interface Place {
  /** The time of submission as the text of a parameter. */
  readonly time: string;
  readonly id: string;
}

/** Parts of the table: those that meet SQL conditions, or those with the tag maps of these hashes. */
export type Branches =
  | { readonly kind: "conditions"; readonly conditions: readonly string[] }
  | { readonly kind: "hashes"; readonly hashes: readonly string[] };

/** Reads each part by its own index and puts them together; a plain `or` would make the planner sort the table. */
function merge(branches: Branches, bind: Bind, select: (branch: string) => string): string {
  if (branches.kind === "conditions") {
    if (branches.conditions.length === 0) return `(${select("false")})`;
    return branches.conditions.map((condition) => `(${select(condition)})`).join(" union all ");
  }
  const hashes = `unnest(${bind(branches.hashes)}::uuid[]) as wanted (hash)`;
  return `select part.* from ${hashes} cross join lateral (${select(hasHash("wanted.hash"))}) as part`;
}

/** What is walked along: parts of a table, in a direction. */
export interface Path {
  readonly table: string;
  readonly branches: Branches;
  readonly descending: boolean;
}

/**
 * A query for the row that is `stretch` rows further, among those within the times. It answers no row if there are
 * fewer.
 */
export function aheadOf(path: Path, place: Place | null, times: readonly Condition[], stretch: number): Statement {
  const { table, branches, descending } = path;
  const order = walkOrder(descending);
  return statementOf((bind) => {
    const most = bind(stretch);
    const inside = `${beyond(place, descending, bind)} and ${whereOf(times, bind)}`;
    const select = (branch: string): string =>
      `select submit_time, id from ${table} where ${branch} and ${inside} ${order} limit ${most}::bigint`;
    return `select * from (${merge(branches, bind, select)}) as rows ${order} offset ${most}::bigint - 1 limit 1`;
  });
}

/** A query for the first `size` rows that match between two places; null: from the beginning, or to the end. */
export function pageOf(
  path: Path,
  [place, end]: readonly [Place | null, Place | null],
  conditions: readonly Condition[],
  columns: Columns,
  size: number,
): Statement {
  const { table, branches, descending } = path;
  const order = walkOrder(descending);
  return statementOf((bind) => {
    const most = bind(size);
    const sql = whereOf(conditions, bind);
    const inside = `${beyond(place, descending, bind)} and ${upTo(end, descending, bind)} and ${sql}`;
    const select = (branch: string): string =>
      `select ${columnsOf(columns)} from ${table} where ${branch} and ${inside} ${order} limit ${most}::bigint`;
    return `select * from (${merge(branches, bind, select)}) as rows ${order} limit ${most}::bigint`;
  });
}

function walkOrder(descending: boolean): string {
  return descending ? "order by submit_time desc, id desc" : "order by submit_time, id";
}

/**
 * The condition of what is behind a place; null: of everything. The time stands in it twice: the planner makes no range
 * of a comparison of pairs, and takes a narrow one for half of the table.
 */
export function beyond(place: Place | null, descending: boolean, bind: Bind): string {
  if (place === null) return "true";
  const [time, id] = [`${bind(place.time)}::timestamptz`, `${bind(place.id)}::uuid`];
  if (!descending) return `submit_time >= ${time} and (submit_time, id) > (${time}, ${id})`;
  return `submit_time <= ${time} and (submit_time, id) < (${time}, ${id})`;
}

/**
 * The condition of what comes no later than a place; null: of everything. The time stands in it twice, as in beyond.
 */
export function upTo(place: Place | null, descending: boolean, bind: Bind): string {
  if (place === null) return "true";
  const [time, id] = [`${bind(place.time)}::timestamptz`, `${bind(place.id)}::uuid`];
  if (!descending) return `submit_time <= ${time} and (submit_time, id) <= (${time}, ${id})`;
  return `submit_time >= ${time} and (submit_time, id) >= (${time}, ${id})`;
}

/** The place of a row that begins with submit_time and id. */
export function placeOf(row: Row): Place {
  return { time: instantText(Number(row[0])), id: String(row[1]) };
}
