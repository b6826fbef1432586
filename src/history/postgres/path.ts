/*
 * A walk along the tasks in order of insertion (submit_time, id), or by time of submission downwards, in SQL: where it goes on, how far a page may look, and
 * how parts of the table, each with an index of its own in that order, become one. Knows nothing of who walks, or of what is done with rows.
 */
import type { Condition } from "../../task/filter.ts";
import { comparisonOf, type TaskField } from "../../task/field.ts";
import { type Bind, type Statement, statementOf } from "../../store/postgres/bind.ts";
import { instantText } from "../../store/postgres/cells.ts";
import type { Row } from "../../store/postgres/connection.ts";
import { typeOf } from "../../store/postgres/row.ts";
import { column } from "../condition.ts";
import { hasHash, whereOf } from "./where.ts";

/** Where a walk goes on: after this row, in its direction. */
export interface Place {
  readonly time: string;
  readonly id: string;
}

/** Parts of the table: by conditions as they stand, or by tag maps. */
export type Branches =
  | { readonly kind: "conditions"; readonly conditions: readonly string[] }
  | { readonly kind: "hashes"; readonly hashes: readonly string[] };

/** Each part by its own index, then put together; a plain `or` would make the planner sort the table. */
function merge(branches: Branches, bind: Bind, select: (branch: string) => string): string {
  if (branches.kind === "conditions") {
    if (branches.conditions.length === 0) return `(${select("false")})`;
    return branches.conditions.map((condition) => `(${select(condition)})`).join(" union all ");
  }
  const hashes = `unnest(${bind(branches.hashes)}::uuid[]) as wanted (hash)`;
  return `select part.* from ${hashes} cross join lateral (${select(hasHash("wanted.hash"))}) as part`;
}

/** What is walked along: a table, or parts of it, in a direction. */
export interface Path {
  readonly table: string;
  readonly branches: Branches;
  readonly descending: boolean;
}

/** The row that is `stretch` rows further, among those of the times; no row: there are less. */
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

/** Rows that match between two places; null: from the beginning, to the end. */
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
  return descending ? "order by submit_time desc, id" : "order by submit_time, id";
}

/** Times stand in it twice: of pairs the planner makes no range, and takes a narrow one for half of the table. */
export function beyond(place: Place | null, descending: boolean, bind: Bind): string {
  if (place === null) return "true";
  const [time, id] = [`${bind(place.time)}::timestamptz`, `${bind(place.id)}::uuid`];
  if (!descending) return `submit_time >= ${time} and (submit_time, id) > (${time}, ${id})`;
  return `submit_time <= ${time} and (submit_time < ${time} or id > ${id})`;
}

export function upTo(place: Place | null, descending: boolean, bind: Bind): string {
  if (place === null) return "true";
  const [time, id] = [`${bind(place.time)}::timestamptz`, `${bind(place.id)}::uuid`];
  if (!descending) return `submit_time <= ${time} and (submit_time, id) <= (${time}, ${id})`;
  return `submit_time >= ${time} and (submit_time > ${time} or id <= ${id})`;
}

export interface Columns {
  /** What is shown. */
  readonly fields: readonly TaskField[];
  /** What is looked at besides. */
  readonly tested: readonly TaskField[];
  /** Columns that the table lacks: they read as null. */
  readonly absent: ReadonlySet<TaskField>;
}

/** submit_time and id, by which rows have their place, then the fields. */
export function columnsOf({ fields, tested, absent }: Columns): string {
  const shown = fields.map((field) => shownColumn(field, absent));
  const looked = tested.map((field) => columnOf(field, absent));
  // Names may come twice.
  const named = [...shown, ...looked].map((each, i) => `${each} as c${i}`);
  return ["submit_time", "id", ...named].join(", ");
}

/** A column to be shown. Times as text: to read it as a number and to write that again takes a third of all the time that a row takes. */
export function shownColumn(field: TaskField, absent: ReadonlySet<TaskField>): string {
  const name = columnOf(field, absent);
  return comparisonOf(field) === "time" ? `${name}::text` : name;
}

/** A column of a table, or null of its type: tables of different age are put together in one statement. */
export function columnOf(field: TaskField, absent: ReadonlySet<TaskField>): string {
  return absent.has(field) ? `null::${typeOf(field)}` : column(field);
}

export function placeOf(row: Row): Place {
  return { time: instantText(Number(row[0])), id: String(row[1]) };
}
