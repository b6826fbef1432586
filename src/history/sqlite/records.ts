/*
 * Looking through the tasks of one SQLite file, for people. How rows are found is in search.ts; what was archived into
 * other files is in partitions.ts.
 */
import { idsFrom } from "../../base/ids.ts";
import { type TaskField, taskFields } from "../../task/field.ts";
import { Connection, type SqliteOptions } from "../../store/sqlite/connection.ts";
import { serversIn } from "../../store/sqlite/servers.ts";
import type { RecordStore, Records, Selection, TaskRecord } from "../history.ts";
import { countOf } from "./count.ts";
import { displayOf } from "./display.ts";
import { clientOf, obstaclesOf, submissionOf } from "./obstacles.ts";
import { outlookOf } from "./outlook.ts";
import { matchingRows, matchingRowsFrom } from "./search.ts";
import { type Row, rowsOf, tableOf, taskRow } from "./table.ts";
import { tagSets } from "./tags.ts";

export interface SqliteRecords extends Records {
  /** Rows that match: the row number, then `fields`, as they are stored; what follows them is of no interest. */
  rows(selection: Selection, fields: readonly TaskField[]): Generator<Row>;
  /** The number of rows from number `row` on that match, whatever the limit. Reads all of these rows. */
  countFrom(row: number, selection: Selection): number;
}

/** For looking only; a file that cannot be written will do. Throws UserError for what stands in the way. */
export function openSqliteRecords(options: SqliteOptions): RecordStore {
  return recordsOf(new Connection({ ...options, readOnly: true }));
}

/**
 * For a glance, which changes nothing, makes nothing and hardly waits. Throws UserError for what stands in the way,
 * also for a file that is not there.
 */
export function openSqliteGlance(options: SqliteOptions): RecordStore {
  return recordsOf(new Connection({ ...options, readOnly: true, untouched: true, patienceMs: 100 }));
}

function recordsOf(connection: Connection): RecordStore {
  return {
    title: `sqlite (${connection.file})`,
    ...prepareRecords(connection),
    servers: async () => serversIn(connection),
    outlook: async () => outlookOf(connection),
    obstacles: async (query) => obstaclesOf(connection, query),
    submission: async (id) => submissionOf(connection, id),
    client: async (id) => clientOf(connection, id),
    async close() {
      connection.close();
    },
  };
}

/**
 * The records of an open file. `fewRows`: a search in order of submission sorts by itself when fewer rows are in
 * question, instead of going along the index of times.
 */
export function prepareRecords(connection: Connection, fewRows = 20_000): SqliteRecords {
  const table = tableOf(connection, fewRows);
  return {
    rows: (selection, fields) => matchingRows(table, selection, fields),
    countFrom(row, selection) {
      let count = 0;
      for (const _ of matchingRowsFrom(table, row, selection)) count++;
      return count;
    },
    async *search({ fields, ...selection }) {
      const display = displayOf(fields, connection.times);
      for (const row of matchingRows(table, selection, fields)) yield display(row);
    },
    count: async (selection) => countOf(table, selection),
    async *tagSets() {
      yield* tagSets(table);
    },
    async idsWith(prefix) {
      const ids = "select id from task where id between ? and ? limit 2";
      return rowsOf(table, ids, ...idsFrom(prefix)).map(([id]) => String(id));
    },
    async find(id) {
      // Who waits for a task asks again and again, and must not wait at a file that nobody writes to any more.
      connection.expectInPlace();
      const row = taskRow(table, id);
      if (row === null) return null;
      const values = displayOf(taskFields, connection.times)(row);
      return Object.fromEntries(taskFields.map((field, i) => [field, values[i]])) as TaskRecord;
    },
  };
}
