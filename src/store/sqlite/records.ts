/*
 * Looking through the tasks of an SQLite file, for people. Rows are read in pages, each a query of its own: memory stays flat, and no lock is
 * held while a pager waits for its reader. An order is laid down first, as row numbers in a temporary table that SQLite may put on disk.
 */
import { type TaskField, taskFields, type Tags } from "../../task/task.ts";
import type { Connection } from "./connection.ts";
import type { Cell } from "./row.ts";
import type { RecordQuery, Records, TaskRecord } from "../store.ts";
import { readTags } from "../tags.ts";
import { displayTime } from "../times.ts";
import { column, kindOf, type Where, whereOf } from "./where.ts";

type Value = string | number | boolean | null | Tags;

const pageRows = 500;

export function prepareRecords(connection: Connection): Records {
  const { db } = connection;
  let sorted = 0;

  const rows = (sql: string, cells: readonly Cell[]): Cell[][] =>
    connection.read(() => {
      const statement = db.prepare(sql);
      try {
        return statement.values(...cells) as Cell[][];
      } finally {
        statement.finalize();
      }
    });

  /** Pages of raw rows: a place to go on from, then `fields`. Tests in JavaScript are yet to be made. */
  function* pages(
    query: RecordQuery,
    where: Where,
    fields: readonly TaskField[],
    limit: number | null,
  ): Generator<Cell[][]> {
    if (query.orderBy !== null) {
      yield* sortedPages(query, where, fields, limit);
      return;
    }
    const columns = ["rowid", ...fields.map(column)].join(", ");
    // Along the table, whatever the planner thinks of an index: going on from a row must cost nothing.
    const from = where.unique ? "task" : "task not indexed";
    const sql = `select ${columns} from ${from} where rowid > ? and ${where.sql} order by rowid limit ?`;
    let last: Cell = 0;
    let left = limit ?? Number.POSITIVE_INFINITY;
    while (left > 0) {
      const count = Math.min(left, pageRows);
      const page = rows(sql, [last, ...where.cells, count]);
      if (page.length > 0) yield page;
      if (page.length < count) return;
      last = page[page.length - 1]![0]!;
      left -= page.length;
    }
  }

  function* sortedPages(
    query: RecordQuery,
    where: Where,
    fields: readonly TaskField[],
    limit: number | null,
  ): Generator<Cell[][]> {
    const name = `sorted_${++sorted}`;
    const direction = query.descending ? "desc" : "asc";
    const order = `${column(query.orderBy!)} ${direction}, rowid`;
    connection.read(() => {
      db.run(`create temp table ${name} (place integer primary key, task integer not null)`);
      const fill = db.prepare(
        `insert into temp.${name} (task) select rowid from task where ${where.sql} order by ${order}${limit === null ? "" : " limit ?"}`,
      );
      fill.run(...where.cells, ...(limit === null ? [] : [limit]));
      fill.finalize();
    });
    try {
      const columns = ["place", ...fields.map((field) => `task.${column(field)}`)].join(", ");
      // From the list to the table, not the other way round.
      const sql = `select ${columns} from temp.${name} as list cross join task on task.rowid = list.task where place > ? order by place limit ?`;
      for (let last: Cell = 0; ;) {
        const page = rows(sql, [last, pageRows]);
        if (page.length > 0) yield page;
        if (page.length < pageRows) return;
        last = page[page.length - 1]![0]!;
      }
    } finally {
      connection.read(() => db.run(`drop table temp.${name}`));
    }
  }

  /** Rows that pass every condition, with the place in front. */
  function* matches(query: RecordQuery, fields: readonly TaskField[]): Generator<Cell[]> {
    const where = whereOf(query.where);
    const { tests } = where;
    const all = [...fields, ...tests.map(({ field }) => field)];
    let left = query.limit ?? Number.POSITIVE_INFINITY;
    if (left <= 0) return;
    // With tests in JavaScript nobody knows how many rows it takes.
    for (const page of pages(query, where, all, tests.length === 0 ? query.limit : null)) {
      for (const row of page) {
        if (!tests.every(({ pattern }, i) => passes(pattern, row[1 + fields.length + i] ?? null))) continue;
        yield row;
        left -= 1;
        if (left <= 0) return;
      }
    }
  }

  return {
    async *search(query) {
      const show = query.fields.map(displayOf);
      for (const row of matches(query, query.fields)) {
        const shown = new Array<Value>(show.length);
        for (let i = 0; i < show.length; i++) shown[i] = show[i]!(row[i + 1] ?? null);
        yield shown;
      }
    },

    async count(query) {
      const where = whereOf(query.where);
      if (where.tests.length > 0) {
        let count = 0;
        for (const _ of matches({ ...query, fields: [], orderBy: null }, [])) count++;
        return count;
      }
      const limited =
        query.limit === null
          ? `select count(*) from task where ${where.sql}`
          : `select count(*) from (select 1 from task where ${where.sql} limit ?)`;
      return Number(rows(limited, query.limit === null ? where.cells : [...where.cells, query.limit])[0]?.[0]);
    },

    async *tagSets() {
      const seen = new Set<Tags>();
      const query: RecordQuery = { fields: ["tag"], where: [], orderBy: null, descending: false, limit: null };
      for (const row of matches(query, ["tag"])) {
        const tags = readTags(row[1]);
        if (seen.has(tags)) continue;
        seen.add(tags);
        yield tags;
      }
    },

    async find(id) {
      const row = rows(`select ${taskFields.map(column).join(", ")} from task where id = ?`, [id])[0];
      if (row === undefined) return null;
      return Object.fromEntries(taskFields.map((field, i) => [field, displayOf(field)(row[i] ?? null)])) as TaskRecord;
    },
  };
}

function passes(pattern: RegExp, cell: Cell): boolean {
  return cell !== null && pattern.test(String(cell));
}

function displayOf(field: TaskField): (cell: Cell) => Value {
  switch (kindOf(field)) {
    case "time":
      return (cell) => (typeof cell === "string" ? displayTime(cell) : cell);
    case "boolean":
      return (cell) => (typeof cell === "number" ? cell !== 0 : cell);
    case "tag":
      return readTags;
    default:
      return (cell) => cell;
  }
}
