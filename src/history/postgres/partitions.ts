/*
 * Looking through all tasks of a PostgreSQL database, for people: table `task`, then what was archived from it, table
 * by table in the order of their numbers (`task_1`, `task_2`, ...). Each table is searched by records.ts.
 *
 * A rotation may overtake a search: it moves rows from `task` to a table that was not there when the search began.
 * Every task is found once nevertheless; each function below says how.
 */
import { laterFields, type TaskField } from "../../task/field.ts";
import { type Catalog, partitionsOf, readCatalog } from "../../store/postgres/catalog.ts";
import type { PostgresConnection, Row } from "../../store/postgres/connection.ts";
import type { ShownRow, Tags } from "../../task/task.ts";
import type { RecordQuery, Records, Selection, TaskRecord } from "../history.ts";
import { type PartOpener, unionRecords } from "../union.ts";
import { shownRows } from "./display.ts";
import { sortedOfAll } from "./order.ts";
import { type Place, placeOf } from "./path.ts";
import { cursorOf, matchingRows, passing } from "./search.ts";
import { recordsIn } from "./records.ts";
import { tableOf, type TaskTable, withImplied } from "./table.ts";
import { testsOf } from "./where.ts";

export interface RecordsOptions {
  readonly ignorePartitions: boolean;
  /** What was there a moment ago; saves the first questions. */
  readonly catalog?: Catalog;
  /** Told each partition that is found. */
  readonly debug?: ((text: string) => void) | null;
}

/** Table `task` and its partitions, and what is known of these. */
interface History {
  readonly connection: PostgresConnection;
  readonly options: RecordsOptions;
  /** Table `task`. */
  readonly main: TaskTable;
  readonly records: Records;
  /** The partitions that the given catalog lists. Null once they were used: there may be more by then. */
  listed: readonly string[] | null;
  /** Partitions that `debug` was told. */
  readonly told: Set<string>;
}

/** All tasks, archived ones too unless they are to be ignored: `task` first, then the partitions by number. */
export function postgresRecords(connection: PostgresConnection, options: RecordsOptions): Records {
  const { ignorePartitions, catalog } = options;
  const main = tableOf(connection, "task", catalog);
  const records = recordsIn(main);
  if (ignorePartitions) return records;
  const listed = catalog?.partitions ?? null;
  const history: History = { connection, options, main, records, listed, told: new Set() };
  return {
    search: (query) => search(history, query),
    count: (selection) => count(history, selection),
    find: (id) => find(history, id),
    idsWith: (prefix) => idsWith(history, prefix),
    tagSets: () => tagSets(history),
  };
}

/** The partitions that there are now, in the order of their numbers. */
async function partitionsNow(history: History): Promise<readonly string[]> {
  const { connection, options, told } = history;
  const names = history.listed ?? (await partitionsOf(connection.query));
  history.listed = null;
  for (const name of names) {
    if (!told.has(name)) options.debug?.(`Attached database partition (${name} in ${connection.place})`);
    told.add(name);
  }
  return names;
}

/** Whether the partitions are still these. No program of ours takes one away, so their number tells. */
async function isStill(history: History, { length }: readonly unknown[]): Promise<boolean> {
  return (await partitionsNow(history)).length === length;
}

function partitionOf({ connection, options }: History, name: string): TaskTable {
  return tableOf(connection, name, options.catalog);
}

/** The way to search depends on the order: only some orders have an index. */
function search(history: History, query: RecordQuery): AsyncIterable<ShownRow> {
  const { orderBy, fields } = query;
  if (orderBy === null) return shownRows(inTurn(history, query, fields), fields);
  if (orderBy === "submit_time") return bySubmission(history, query);
  return shownRows(inOrder(history, query, orderBy, fields), fields);
}

/** A partition that was not there when a search began: rows of it may have been given from `task` already. */
interface LatePartition {
  /** The search of `task` had come to this place when the partition was not there yet. What is behind it is to come. */
  readonly after: Place | null;
  /** The ids of the rows that were read from `task` beyond that place: they were given, and are not to come again. */
  readonly seen: ReadonlySet<unknown>;
}

/** How far a search in order of insertion is. */
interface Progress {
  /** Partitions that were there when it began. They are searched from their beginning. */
  readonly early: ReadonlySet<string>;
  readonly late: Map<string, LatePartition>;
  /** The last row of `task` that was given. */
  place: Place | null;
  /** How many rows are still wanted. */
  left: number;
}

/**
 * In order of insertion, table by table. What a rotation has moved before it came from `task` comes from the new
 * partition, from the place on that the search had reached when the partition was not there yet.
 */
async function* inTurn(
  history: History,
  selection: Selection,
  fields: readonly TaskField[],
): AsyncGenerator<readonly Row[]> {
  const early = new Set(await partitionsNow(history));
  const left = selection.limit ?? Number.POSITIVE_INFINITY;
  const progress: Progress = { early, late: new Map(), place: null, left };
  for await (const rows of matchingRows(history.main, selection, fields)) {
    await noteLate(history, progress, new Set(rows.map(([, id]) => id)));
    yield rows;
    progress.left -= rows.length;
    progress.place = placeOf(rows.at(-1)!);
  }
  if (progress.left <= 0) return;
  for (const name of await noteLate(history, progress, new Set())) {
    yield* restOf(history, name, progress, selection, fields);
    if (progress.left <= 0) return;
  }
}

/**
 * Notes partitions that are new since the last portion. `seen`: ids of the portion read since. Answers all partitions.
 */
async function noteLate(
  history: History,
  { early, late, place }: Progress,
  seen: ReadonlySet<unknown>,
): Promise<readonly string[]> {
  const names = await partitionsNow(history);
  for (const name of names) if (!early.has(name) && !late.has(name)) late.set(name, { after: place, seen });
  return names;
}

/** The rows of a partition that have not come from `task`, as many as are still wanted. */
async function* restOf(
  history: History,
  name: string,
  progress: Progress,
  selection: Selection,
  fields: readonly TaskField[],
): AsyncGenerator<readonly Row[]> {
  const { after = null, seen = null } = progress.late.get(name) ?? {};
  // As many more as may be left out.
  const limit = progress.left === Number.POSITIVE_INFINITY ? null : progress.left + (seen?.size ?? 0);
  for await (const rows of matchingRows(partitionOf(history, name), { ...selection, limit }, fields, after)) {
    const unseen = seen === null ? rows : rows.filter(([, id]) => !seen.has(id));
    yield unseen.length > progress.left ? unseen.slice(0, progress.left) : unseen;
    progress.left -= unseen.length;
    if (progress.left <= 0) return;
  }
}

/**
 * In an order that needs a sort, by one statement over all tables. It sees a rotation wholly or not at all, and gives
 * no row if there is a partition that it does not name; then it is put again.
 */
async function* inOrder(
  history: History,
  selection: Selection,
  orderBy: TaskField,
  fields: readonly TaskField[],
): AsyncGenerator<readonly Row[]> {
  const tests = testsOf(selection.where);
  const conditions = await withImplied(history.main, selection.where);
  const shape = { conditions, fields, tested: tests.map(({ field }) => field) };
  let left = selection.limit ?? Number.POSITIVE_INFINITY;
  for (let isNone = true; isNone && left > 0;) {
    const names = await partitionsNow(history);
    const statement = sortedOfAll(names, orderBy, shape, selection, await catalogWith(history, names));
    for await (const rows of cursorOf(history.connection, statement)) {
      if (rows.length > 0) isNone = false;
      const passed = passing(tests, rows, fields);
      yield passed.length > left ? passed.slice(0, left) : passed;
      left -= passed.length;
      if (left <= 0) return;
    }
    if (isNone && (await isStill(history, names))) return;
  }
}

/** What is known of these tables and of `task`. The database is asked only where some may lack a column. */
async function catalogWith(
  { connection, options: { catalog } }: History,
  names: readonly string[],
): Promise<Pick<Catalog, "absent">> {
  if (laterFields.length === 0) return { absent: new Map() };
  const isKnown = catalog !== undefined && names.every((name) => catalog.absent.has(name));
  return isKnown ? catalog : readCatalog(connection.query);
}

/** In order of submission each table has an index to walk along; what they give is merged. */
function bySubmission(history: History, query: RecordQuery): AsyncIterable<ShownRow> {
  const close = async (): Promise<void> => undefined;
  const open =
    (name: string): PartOpener =>
    async () => ({ ...recordsIn(partitionOf(history, name)), close });
  const parts = async (): Promise<readonly PartOpener[]> => (await partitionsNow(history)).map(open);
  const union = unionRecords(history.records, parts, { isStill: (asked) => isStill(history, [...asked]) });
  return union.search(query);
}

/** Counts again if there was a rotation in between: nobody knows which of its rows were counted. */
async function count(history: History, selection: Selection): Promise<number> {
  for (;;) {
    const names = await partitionsNow(history);
    let sum = await history.records.count(selection);
    for (const name of names) sum += await recordsIn(partitionOf(history, name)).count(selection);
    if (await isStill(history, names)) return selection.limit === null ? sum : Math.min(sum, selection.limit);
  }
}

/** Partitions are listed after `task` was searched, so a task that is moved meanwhile is found where it is then. */
async function find(history: History, id: string): Promise<TaskRecord | null> {
  const current = await history.records.find(id);
  if (current !== null) return current;
  for (const name of await partitionsNow(history)) {
    const archived = await recordsIn(partitionOf(history, name)).find(id);
    if (archived !== null) return archived;
  }
  return null;
}

/** As in `find`. */
async function idsWith(history: History, prefix: string): Promise<readonly string[]> {
  const ids = new Set(await history.records.idsWith(prefix));
  for (const name of await partitionsNow(history)) {
    if (ids.size > 1) break;
    for (const id of await recordsIn(partitionOf(history, name)).idsWith(prefix)) ids.add(id);
  }
  return [...ids];
}

/** As in `find`. Tags that several tables have come once for each. */
async function* tagSets(history: History): AsyncGenerator<Tags> {
  yield* history.records.tagSets();
  for (const name of await partitionsNow(history)) yield* recordsIn(partitionOf(history, name)).tagSets();
}
