/*
 * Looking through the tasks of an SQLite file, for people. Rows are read in pages, each a query of its own: memory stays flat, and no lock is
 * held while a pager waits for its reader. An order that no index serves is laid down first, as row numbers in a temporary table that
 * SQLite may put on disk. Where a search begins is decided in route.ts; here it is walked.
 */
import { type Condition, withoutFields } from "../../task/filter.ts";
import { comparisonOf, type TaskField, taskFields } from "../../task/field.ts";
import type { ShownValue, Tags } from "../../task/task.ts";
import { Connection, type SqliteOptions } from "../../store/sqlite/connection.ts";
import type { RecordStore, Records, Selection, TaskRecord } from "../history.ts";
import { isTime, prepareRoutes, type Route, tagIndex, through, timeIndex } from "./route.ts";
import type { Cell } from "../../store/sqlite/row.ts";
import { unusualTag } from "../../store/sqlite/schema.ts";
import { readTags } from "../../store/tags.ts";
import { displayTime } from "../../store/times.ts";
import { column } from "../condition.ts";
import { type Where, whereOf } from "./where.ts";

type Row = readonly Cell[];
type WalkedRoute = Route & { kind: "table" | "entries" | "index" };

/** The first page is small, so that the first row comes at once. */
const firstPage = 50;
const largestPage = 1000;
/** Rows of the table that one query looks at, at most: 50 ms. Others write in between, where they have to wait for readers. */
const stretch = 50_000;
/** Rows in which tagSets expects the first task without tags, if there is any. */
const earlyRows = 10_000;

const plainTags: Tags = { part: 0 };

export interface SqliteRecords extends Records {
  /** Rows that match: the row number, then `fields`, as they are stored; what follows them is of no interest. */
  rows(selection: Selection, fields: readonly TaskField[]): Generator<Row>;
}

/** For looking only; a file that cannot be written will do. */
export function openSqliteRecords(options: SqliteOptions): RecordStore {
  const connection = new Connection({ ...options, readOnly: true });
  return {
    title: `sqlite (${connection.file})`,
    ...prepareRecords(connection),
    async close() {
      connection.close();
    },
  };
}

/** A search in order of submission sorts by itself when fewer than `fewRows` are in question. */
export function prepareRecords(connection: Connection, fewRows = 20_000): SqliteRecords {
  const { absent, db } = connection;
  const routes = prepareRoutes(connection);
  const shownColumn = (field: TaskField): string => (absent.has(field) ? "null" : `task.${column(field)}`);
  let laid = 0;

  interface Query {
    all(...cells: Cell[]): Cell[][];
    close(): void;
  }

  function query(sql: string): Query {
    const statement = connection.read(() => db.prepare(sql));
    return {
      all: (...cells) => connection.read(() => statement.values(...cells)) as Cell[][],
      close: () => statement.finalize(),
    };
  }

  function rowsOf(sql: string, ...cells: Cell[]): Cell[][] {
    const once = query(sql);
    try {
      return once.all(...cells);
    } finally {
      once.close();
    }
  }

  const numberOf = (sql: string, ...cells: Cell[]): number => Number(rowsOf(sql, ...cells)[0]?.[0]);

  function* one(columns: string, where: Where): Generator<Row> {
    yield* rowsOf(`select ${columns} from task where ${where.sql} order by rowid`, ...where.cells);
  }

  function* alongTable(columns: string, where: Where, route: Route & { kind: "table" }): Generator<Row> {
    const next = query("select min(rowid) from task where rowid >= ?");
    const page = query(
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
        from = found.length === size ? rowOf(found.at(-1)!) + 1 : end + 1;
        size = Math.min(largestPage, size * 2);
      }
    } finally {
      next.close();
      page.close();
    }
  }

  /** Each value has its rows in order; they are merged. */
  function* byEntries(columns: string, { index, values, rest }: Route & { kind: "entries" }): Generator<Row> {
    const page = query(
      `select ${columns} from ${through(index)} and ${index.column} is ? and rowid > ? and ${rest.sql} order by rowid limit ?`,
    );
    // Several are read in smaller pages: all of them are in memory.
    const largest = Math.ceil(largestPage / Math.max(1, values.length));
    function* entries(value: Cell): Generator<Row> {
      let size = Math.min(firstPage, largest);
      for (let last = Number.MIN_SAFE_INTEGER; ;) {
        const found = page.all(value, last, ...rest.cells, size);
        yield* found;
        if (found.length < size) return;
        last = rowOf(found.at(-1)!);
        size = Math.min(largest, size * 2);
      }
    }
    try {
      yield* merge(values.map(entries));
    } finally {
      page.close();
    }
  }

  /**
   * In order of submission, by the index of times. Among equal times upwards by row also when times go downwards, which no index does: so
   * the rows of a time, then a stretch of the index up to another time, and so on. Answers null at the end; the number of rows found when it was
   * stopped before, of so many looked at.
   */
  function* byTime(
    columns: string,
    { where: conditions, descending }: Selection,
    stop: (looked: number, found: number) => boolean,
  ): Generator<Row, number | null> {
    const [beyond, before, order] = descending ? (["<", ">", "desc"] as const) : ([">", "<", "asc"] as const);
    const bounds = conditions.filter(isTime);
    // Where it begins is looked up once; in all that follows it would only be in the way of the place reached.
    const ends = whereOf(
      bounds.flatMap((each): Condition[] => {
        if (each.operator === "==") return [{ ...each, operator: `${before}=` }];
        return each.operator.startsWith(before) ? [each] : [];
      }),
    );
    const rest = whereOf(conditions.filter((each) => !isTime(each)));
    const begin = whereOf(bounds);
    const task = `task indexed by ${timeIndex}`;
    const sorted = `order by submit_time ${order}`;
    const equal = query(
      `select ${columns} from ${task} where submit_time = ? and rowid > ? and ${rest.sql} order by rowid limit ?`,
    );
    const nextTime = query(
      `select submit_time from ${task} where submit_time ${beyond} ? and ${ends.sql} ${sorted} limit 1 offset ?`,
    );
    const between = query(
      `select ${columns} from ${task} where submit_time ${beyond} ? and submit_time ${before} ? and ${rest.sql} ${sorted}, rowid`,
    );
    try {
      let [size, looked, seen] = [firstPage, 0, 0];
      const first = `select submit_time from ${task} where ${begin.sql} ${sorted} limit 1`;
      for (let at = rowsOf(first, ...begin.cells)[0]?.[0]; at !== undefined;) {
        for (let last = Number.MIN_SAFE_INTEGER; ;) {
          const found = equal.all(at, last, ...rest.cells, size);
          yield* found;
          seen += found.length;
          if (found.length < size) break;
          last = rowOf(found.at(-1)!);
        }
        const next: Cell | undefined = nextTime.all(at, ...ends.cells, size - 1)[0]?.[0];
        if (next === undefined) {
          const remaining = `submit_time ${beyond} ? and ${ends.sql} and ${rest.sql} ${sorted}, rowid`;
          yield* rowsOf(`select ${columns} from ${task} where ${remaining}`, at, ...ends.cells, ...rest.cells);
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

  /** Lays down the row numbers that `select` answers, then goes along them. */
  function* laidDown(columns: string, select: string, cells: readonly Cell[]): Generator<Row> {
    const name = `laid_${++laid}`;
    connection.read(() => db.run(`create temp table ${name} (place integer primary key, task integer not null)`));
    try {
      rowsOf(`insert into temp.${name} (task) ${select}`, ...cells);
      // From the list to the table, not the other way round.
      const page = query(
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
      connection.read(() => db.run(`drop table temp.${name}`));
    }
  }

  /** Along the rows of a route in the order of a field. */
  function sorted(columns: string, route: WalkedRoute, selection: Selection) {
    const where = whereOf(selection.where);
    const field = column(selection.orderBy!);
    const order = `order by key ${selection.descending ? "desc" : "asc"}, row limit ?`;
    // With tests in JavaScript nobody knows how many rows it takes.
    const limit = where.tests.length === 0 ? (selection.limit ?? -1) : -1;
    const select = (from: string, { sql }: Where): string =>
      `select rowid as row, ${field} as key from ${from} and ${sql}`;
    if (route.kind !== "entries") {
      const from =
        route.kind === "index"
          ? through(route.index)
          : `task not indexed where rowid between ${route.from} and ${route.to ?? Number.MAX_SAFE_INTEGER}`;
      return laidDown(columns, `select row from (${select(from, where)}) ${order}`, [...where.cells, limit]);
    }
    const { index, values, rest } = route;
    if (values.length === 0) return nothing();
    const each = select(`${through(index)} and ${index.column} is ?`, rest);
    const all = values.map(() => each).join(" union all ");
    return laidDown(columns, `select row from (${all}) ${order}`, [
      ...values.flatMap((value) => [value, ...rest.cells]),
      limit,
    ]);
  }

  /** In order of submission: along the index of times, unless what is asked for turns out to be rare there. */
  function* bySubmission(columns: string, route: WalkedRoute, selection: Selection): Generator<Row> {
    let most = fewRows;
    const isRare = (looked: number, found: number): boolean => {
      if (route.kind === "table" || looked < most) return false;
      most *= 2;
      return found < looked / 2 && routes.length(route, looked) < looked;
    };
    const few = route.kind !== "table" && routes.length(route, fewRows) < fewRows;
    const seen = few ? 0 : yield* byTime(columns, selection, isRare);
    if (seen === null) return;
    let passed = 0;
    for (const row of sorted(columns, route, selection)) if (++passed > seen) yield row;
  }

  function walk(selection: Selection, columns: string): Generator<Row> {
    const { where: conditions, orderBy } = selection;
    const where = whereOf(conditions);
    const route = routes.find(conditions);
    if (route.kind === "none") return nothing();
    if (route.kind === "one") return one(columns, where);
    if (orderBy !== null) {
      const walked = orderBy === "submit_time" && routes.has(timeIndex);
      return walked ? bySubmission(columns, route, selection) : sorted(columns, route, selection);
    }
    if (route.kind === "table") return alongTable(columns, where, route);
    if (route.kind === "entries") return byEntries(columns, route);
    const select = `select rowid from ${through(route.index)} and ${where.sql} order by rowid`;
    return laidDown(columns, select, where.cells);
  }

  function* rows(asked: Selection, fields: readonly TaskField[]): Generator<Row> {
    const selection = withoutFields(asked, absent);
    const { tests } = whereOf(selection.where);
    let left = selection.limit ?? Number.POSITIVE_INFINITY;
    if (left <= 0) return;
    const columns = ["task.rowid", ...[...fields, ...tests.map(({ field }) => field)].map(shownColumn)];
    for (const row of walk(selection, columns.join(", "))) {
      if (!tests.every(({ passes }, i) => passes(row[1 + fields.length + i] ?? null))) continue;
      yield row;
      left -= 1;
      if (left <= 0) return;
    }
  }

  /** Counts along a route, up to `most`. */
  function countAlong(route: Route & { kind: "table" | "entries" }, where: Where, most: number): number {
    let count = 0;
    if (route.kind === "entries") {
      const { index, values } = route;
      const sql = `select count(*) from ${through(index)} and ${index.column} is ? and ${where.sql}`;
      for (const value of values) count += numberOf(sql, value, ...where.cells);
      return count;
    }
    const next = query("select min(rowid) from task where rowid >= ?");
    const page = query(`select count(*) from task not indexed where rowid between ? and ? and ${where.sql}`);
    try {
      for (let from = route.from; count < most;) {
        const start = next.all(from)[0]?.[0];
        if (typeof start !== "number" || (route.to !== null && start > route.to)) break;
        from = Math.min(start + stretch, (route.to ?? Number.MAX_SAFE_INTEGER) + 1);
        count += Number(page.all(start, from - 1, ...where.cells)[0]?.[0]);
      }
    } finally {
      next.close();
      page.close();
    }
    return count;
  }

  function countOf(asked: Selection): number {
    const selection = withoutFields(asked, absent);
    const most = selection.limit ?? Number.POSITIVE_INFINITY;
    if (most <= 0) return 0;
    const quick = routes.count(selection.where);
    if (quick !== null) return Math.min(quick, most);
    const route = routes.find(selection.where);
    const where = route.kind === "entries" ? route.rest : whereOf(selection.where);
    if (where.tests.length === 0 && (route.kind === "entries" || route.kind === "table"))
      return Math.min(countAlong(route, where, most), most);
    let count = 0;
    for (const _ of rows({ ...selection, orderBy: null }, [])) count++;
    return count;
  }

  /** The row of the first task without tags, if it is an early one; infinite: a later one; null: none. */
  function firstPlain(): number | null {
    const plain = `from task not indexed where not (${unusualTag})`;
    const early = `rowid < coalesce((select min(rowid) from task), 0) + ?`;
    const row = rowsOf(`select rowid ${plain} and ${early} order by rowid limit 1`, earlyRows)[0]?.[0];
    if (typeof row === "number") return row;
    // Counting is quick, and looking for it would mean to read all others.
    const tagged = numberOf(`select count(*) from ${through(tagIndex)}`);
    return tagged < numberOf("select count(*) from task") ? Number.POSITIVE_INFINITY : null;
  }

  /** Of each text of tags, the first row that has it. */
  function* firstTagged(): Generator<readonly [text: Cell, row: number]> {
    const few = routes.tagTexts();
    if (few !== null) {
      yield* few.toSorted(([, one], [, other]) => one - other);
      return;
    }
    const firsts = `select min(rowid) as first from ${through(tagIndex)} group by tag order by first`;
    for (const [row, text] of laidDown("task.rowid, task.tag", firsts, [])) yield [text ?? null, Number(row)];
  }

  function* tagSets(): Generator<Tags> {
    if (!routes.has(tagIndex.name)) {
      // Neighbours mostly have the same.
      const recent = new Set<Cell>();
      for (const [, text = null] of rows({ where: [], orderBy: null, descending: false, limit: null }, ["tag"])) {
        if (recent.has(text)) continue;
        if (recent.size === largestPage) recent.clear();
        recent.add(text);
        yield readTags(text);
      }
      return;
    }
    let plain = firstPlain();
    for (const [text, row] of firstTagged()) {
      if (plain !== null && plain < row) {
        yield plainTags;
        plain = null;
      }
      yield readTags(text);
    }
    if (plain !== null) yield plainTags;
  }

  return {
    rows,

    async *search({ fields, ...selection }) {
      const show = fields.map(displayOf);
      for (const row of rows(selection, fields)) {
        const shown = new Array<ShownValue>(show.length);
        for (let i = 0; i < show.length; i++) shown[i] = show[i]!(row[i + 1] ?? null);
        yield shown;
      }
    },

    count: async (selection) => countOf(selection),

    async *tagSets() {
      yield* tagSets();
    },

    async find(id) {
      const row = rowsOf(`select ${taskFields.map(shownColumn).join(", ")} from task where id = ?`, id)[0];
      if (row === undefined) return null;
      return Object.fromEntries(taskFields.map((field, i) => [field, displayOf(field)(row[i] ?? null)])) as TaskRecord;
    },
  };
}

function* nothing(): Generator<Row> {}

function rowOf(row: Row): number {
  return row[0] as number;
}

/** Rows of several ways, each in order, in one order. */
function* merge(ways: readonly Generator<Row>[]): Generator<Row> {
  const heads = ways.map((way) => ({ way, row: way.next().value as Row | undefined }));
  for (;;) {
    let least: (typeof heads)[number] | null = null;
    for (const head of heads) {
      if (head.row !== undefined && (least === null || rowOf(head.row) < rowOf(least.row!))) least = head;
    }
    if (least === null) return;
    yield least.row!;
    least.row = least.way.next().value as Row | undefined;
  }
}

/** From a cell as it is stored to the value that people see. */
export function displayOf(field: TaskField): (cell: Cell) => ShownValue {
  switch (comparisonOf(field)) {
    case "time":
      return (cell) => (typeof cell === "string" ? displayTime(cell) : cell);
    case "boolean":
      return (cell) => (typeof cell === "number" ? cell !== 0 : cell);
    case "tags":
      return readTags;
    default:
      return (cell) => cell;
  }
}
