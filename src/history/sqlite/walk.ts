/*
 * Rows in order of insertion, along a route (route.ts). They are read in pages, each a query of its own: memory stays
 * flat, and no lock is held while a pager waits for its reader.
 */
import type { Cell } from "../../store/sqlite/row.ts";
import { through } from "./indices.ts";
import type { RouteOf } from "./route.ts";
import { numberOf, query, type Row, rowNumber, rowsOf, type TaskTable } from "./table.ts";
import type { Where } from "./where.ts";

/** Rows of the first page. It is small, so that the first row comes at once. */
export const firstPage = 50;
/** Rows of a page, at most; pages double up to it. */
export const largestPage = 1000;
/**
 * Rows of the table that one query looks at, at most: 50 ms. Others write in between, where they have to wait for
 * readers.
 */
const stretch = 50_000;

const firstFrom = "select min(rowid) from task where rowid >= ?";

/** The task that the conditions name. */
export function* oneRow(table: TaskTable, columns: string, where: Where): Generator<Row> {
  yield* rowsOf(table, `select ${columns} from task where ${where.sql} order by rowid`, ...where.cells);
}

/** Rows of a part of the table that match. */
export function* alongTable(table: TaskTable, columns: string, where: Where, route: RouteOf<"table">): Generator<Row> {
  const next = query(table, firstFrom);
  const page = query(
    table,
    `select ${columns} from task not indexed where rowid between ? and ? and ${where.sql} order by rowid limit ?`,
  );
  try {
    let size = firstPage;
    for (let from = route.from; ;) {
      const start = next.all(from)[0]?.[0];
      if (typeof start !== "number" || (route.to !== null && start > route.to)) return;
      const end = Math.min(start + stretch - 1, route.to ?? Number.MAX_SAFE_INTEGER);
      const found = page.all(start, end, ...where.cells, size);
      yield* found;
      from = found.length === size ? rowNumber(found.at(-1)!) + 1 : end + 1;
      size = Math.min(largestPage, size * 2);
    }
  } finally {
    next.close();
    page.close();
  }
}

/** The number of rows of a part of the table that match; it may stop counting at `most`. */
export function countAlongTable(table: TaskTable, where: Where, route: RouteOf<"table">, most: number): number {
  const next = query(table, firstFrom);
  const page = query(table, `select count(*) from task not indexed where rowid between ? and ? and ${where.sql}`);
  try {
    let count = 0;
    for (let from = route.from; count < most;) {
      const start = next.all(from)[0]?.[0];
      if (typeof start !== "number" || (route.to !== null && start > route.to)) break;
      from = Math.min(start + stretch, (route.to ?? Number.MAX_SAFE_INTEGER) + 1);
      count += Number(page.all(start, from - 1, ...where.cells)[0]?.[0]);
    }
    return count;
  } finally {
    next.close();
    page.close();
  }
}

/** Rows at certain values of an index that match. Each value has its rows in order; they are merged. */
export function* byEntries(table: TaskTable, columns: string, route: RouteOf<"entries">): Generator<Row> {
  const { index, values, rest } = route;
  const page = query(
    table,
    `select ${columns} from ${through(index)} and ${index.column} is ? and rowid > ? and ${rest.sql}
     order by rowid limit ?`,
  );
  // A page of each value is in memory at the same time, so each is smaller.
  const largest = Math.ceil(largestPage / Math.max(1, values.length));
  function* entries(value: Cell): Generator<Row> {
    let size = Math.min(firstPage, largest);
    for (let last = Number.MIN_SAFE_INTEGER; ;) {
      const found = page.all(value, last, ...rest.cells, size);
      yield* found;
      if (found.length < size) return;
      last = rowNumber(found.at(-1)!);
      size = Math.min(largest, size * 2);
    }
  }
  try {
    yield* merged(values.map(entries));
  } finally {
    page.close();
  }
}

/** The number of rows at certain values of an index that match. */
export function countEntries(table: TaskTable, { index, values, rest }: RouteOf<"entries">): number {
  const sql = `select count(*) from ${through(index)} and ${index.column} is ? and ${rest.sql}`;
  let count = 0;
  for (const value of values) count += numberOf(table, sql, value, ...rest.cells);
  return count;
}

/** Rows of several generators, each in order of row numbers, in one such order. */
function* merged(sources: readonly Generator<Row>[]): Generator<Row> {
  const heads = sources.map((source) => ({ source, row: source.next().value as Row | undefined }));
  for (;;) {
    let least: (typeof heads)[number] | null = null;
    for (const head of heads) {
      if (head.row !== undefined && (least === null || rowNumber(head.row) < rowNumber(least.row!))) least = head;
    }
    if (least === null) return;
    yield least.row!;
    least.row = least.source.next().value as Row | undefined;
  }
}
