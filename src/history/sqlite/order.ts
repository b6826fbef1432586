/*
 * Rows in an order of their own. An order that no index serves is laid down first, as row numbers in a temporary table
 * that SQLite may put on disk. The order of submission has an index; it is gone along where that is quicker.
 */
import type { Condition } from "../../task/filter.ts";
import { isLatestFirst, type Selection } from "../history.ts";
import type { Cell } from "../../store/sqlite/row.ts";
import { comparedColumn } from "../condition.ts";
import { hasIndex, through, timeIndex } from "./indices.ts";
import { isTime, lengthOf, type RouteOf } from "./route.ts";
import { query, type Row, rowNumber, rowsOf, type TaskTable } from "./table.ts";
import { firstPage, largestPage } from "./walk.ts";
import { type Where, whereOf } from "./where.ts";

/** A route to more than one task. */
export type WalkedRoute = RouteOf<"table" | "entries" | "index">;

/** Rows on a route that match, in the order that the selection asks for. */
export function inOrder(table: TaskTable, columns: string, route: WalkedRoute, selection: Selection): Generator<Row> {
  const isWalked = selection.orderBy === "submit_time" && hasIndex(table, timeIndex);
  return (isWalked ? bySubmission : sorted)(table, columns, route, selection);
}

/** Lays down the row numbers that `select` answers, then goes along them. */
export function* laidDown(table: TaskTable, columns: string, select: string, cells: readonly Cell[]): Generator<Row> {
  const { connection } = table;
  const name = `laid_${++table.lists}`;
  const run = (sql: string): unknown => connection.read(() => connection.db.run(sql));
  run(`create temp table ${name} (place integer primary key, task integer not null)`);
  try {
    rowsOf(table, `insert into temp.${name} (task) ${select}`, ...cells);
    // "cross join": SQLite must go from the list to the table, not the other way round.
    const page = query(
      table,
      `select ${columns}, place from temp.${name} as list cross join task on task.rowid = list.task
       where place > ? order by place limit ?`,
    );
    try {
      let size = firstPage;
      for (let last: Cell = 0; ;) {
        const found = page.all(last, size);
        yield* found;
        if (found.length < size) return;
        last = found.at(-1)!.at(-1)!;
        size = Math.min(largestPage, size * 2);
      }
    } finally {
      page.close();
    }
  } finally {
    run(`drop table temp.${name}`);
  }
}

/** Rows on a route that match, in the order of a field, laid down. */
function sorted(table: TaskTable, columns: string, route: WalkedRoute, selection: Selection): Generator<Row> {
  const where = whereOf(selection.where, table.connection.times);
  const key = comparedColumn(selection.orderBy!);
  const equals = isLatestFirst(selection) ? "desc" : "asc";
  const order = `order by key ${selection.descending ? "desc" : "asc"}, row ${equals} limit ?`;
  // With tests in JavaScript nobody knows how many rows it takes.
  const limit = where.tests.length === 0 ? (selection.limit ?? -1) : -1;
  const select = (from: string, { sql }: Where): string => `select rowid as row, ${key} as key from ${from} and ${sql}`;
  const laid = (from: string, cells: readonly Cell[]): Generator<Row> =>
    laidDown(table, columns, `select row from (${from}) ${order}`, [...cells, limit]);
  if (route.kind === "index") return laid(select(through(route.index), where), where.cells);
  if (route.kind === "table") {
    const part = `task not indexed where rowid between ${route.from} and ${route.to ?? Number.MAX_SAFE_INTEGER}`;
    return laid(select(part, where), where.cells);
  }
  const { index, values, rest } = route;
  if (values.length === 0) return nothing();
  const each = select(`${through(index)} and ${index.column} is ?`, rest);
  const all = values.map(() => each).join(" union all ");
  return laid(
    all,
    values.flatMap((value) => [value, ...rest.cells]),
  );
}

/** No rows. */
export function* nothing(): Generator<Row> {}

/** In order of submission: along the index of times, unless what is asked for turns out to be rare there. */
function* bySubmission(table: TaskTable, columns: string, route: WalkedRoute, selection: Selection): Generator<Row> {
  const { fewRows } = table;
  let most = fewRows;
  const isRare = (looked: number, found: number): boolean => {
    if (route.kind === "table" || looked < most) return false;
    most *= 2;
    return found < looked / 2 && lengthOf(table, route, looked) < looked;
  };
  const isFew = route.kind !== "table" && lengthOf(table, route, fewRows) < fewRows;
  const seen = isFew ? 0 : yield* byTime(table, columns, selection, isRare);
  if (seen === null) return;
  let passed = 0;
  for (const row of sorted(table, columns, route, selection)) if (++passed > seen) yield row;
}

/** Conditions of a walk along the index of times. */
interface TimeBounds {
  /** Where it begins. Looked up once: in what follows it would only be in the way of the place reached. */
  readonly begin: Where;
  /** Where it ends. */
  readonly end: Where;
  /** Conditions on everything else. */
  readonly rest: Where;
}

function boundsOf(table: TaskTable, { where: conditions, descending }: Selection): TimeBounds {
  const before = descending ? ">" : "<";
  const onTime = conditions.filter(isTime);
  const end = onTime.flatMap((each): Condition[] => {
    if (each.operator === "==") return [{ ...each, operator: `${before}=` }];
    return each.operator.startsWith(before) ? [each] : [];
  });
  const rest = conditions.filter((each) => !isTime(each));
  const { times } = table.connection;
  return { begin: whereOf(onTime, times), end: whereOf(end, times), rest: whereOf(rest, times) };
}

/**
 * Along the index of times. Rows of equal times go the same way as the times: upwards, or downwards. The rows of one
 * time are read by row, then a stretch of the index up to another time, and so on.
 * `stop` is told of how many entries were looked at and how many rows were found. Returns null at the end; when it was
 * stopped before, the number of rows found.
 */
function* byTime(
  table: TaskTable,
  columns: string,
  selection: Selection,
  stop: (looked: number, found: number) => boolean,
): Generator<Row, number | null> {
  const [beyond, before, order] = selection.descending ? (["<", ">", "desc"] as const) : ([">", "<", "asc"] as const);
  const { begin, end, rest } = boundsOf(table, selection);
  const task = `task indexed by ${timeIndex}`;
  const byOrder = `order by submit_time ${order}`;
  const outermost = selection.descending ? Number.MAX_SAFE_INTEGER : Number.MIN_SAFE_INTEGER;
  const equal = query(
    table,
    `select ${columns} from ${task} where submit_time = ? and rowid ${beyond} ? and ${rest.sql}
     order by rowid ${order} limit ?`,
  );
  const nextTime = query(
    table,
    `select submit_time from ${task} where submit_time ${beyond} ? and ${end.sql} ${byOrder} limit 1 offset ?`,
  );
  const between = query(
    table,
    `select ${columns} from ${task} where submit_time ${beyond} ? and submit_time ${before} ? and ${rest.sql}
     ${byOrder}, rowid ${order}`,
  );
  try {
    let [size, looked, seen] = [firstPage, 0, 0];
    const first = `select submit_time from ${task} where ${begin.sql} ${byOrder} limit 1`;
    for (let at = rowsOf(table, first, ...begin.cells)[0]?.[0]; at !== undefined;) {
      for (let last = outermost; ;) {
        const found = equal.all(at, last, ...rest.cells, size);
        yield* found;
        seen += found.length;
        if (found.length < size) break;
        last = rowNumber(found.at(-1)!);
      }
      const next: Cell | undefined = nextTime.all(at, ...end.cells, size - 1)[0]?.[0];
      if (next === undefined) {
        const remaining = `submit_time ${beyond} ? and ${end.sql} and ${rest.sql} ${byOrder}, rowid ${order}`;
        yield* rowsOf(table, `select ${columns} from ${task} where ${remaining}`, at, ...end.cells, ...rest.cells);
        return null;
      }
      const found = between.all(at, next, ...rest.cells);
      yield* found;
      seen += found.length;
      looked += size;
      if (stop(looked, seen)) return seen;
      at = next;
      size = Math.min(largestPage, size * 2);
    }
    return null;
  } finally {
    for (const each of [equal, nextTime, between]) each.close();
  }
}
