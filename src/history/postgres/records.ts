/*
 * Looking through the tasks in PostgreSQL, for people. Rows in order of insertion (submit_time, id) are read in pages, each a query of its own, so no
 * transaction is open while a pager waits for its reader: one would keep the database from cleaning up. Only other orders need a sort of the
 * whole, and a cursor that stays open while its rows are read.
 *
 * A page never makes the database look at more than a stretch of the table: rows that do not match are passed by in steps, along an index, whatever the
 * planner thinks of the conditions. Where a search begins is told by how tasks ended and by their tags. A table without the indices (of another program,
 * and only looked at) is sorted as a whole.
 */
import { type Condition, namesOneTask, withoutFields } from "../../task/filter.ts";
import { comparisonOf, laterFields, type TaskField, taskFields } from "../../task/field.ts";
import type { ShownRow, ShownValue, Tags } from "../../task/task.ts";
import { parseId } from "../../base/ids.ts";
import type { RecordQuery, Records, Selection, TaskRecord } from "../history.ts";
import { readTags } from "../../store/tags.ts";
import { type OpenPart, type PartOpener, unionRecords } from "../union.ts";
import { bindTo, type Statement, statementOf } from "../../store/postgres/bind.ts";
import { instantText, parseInstant } from "../../store/postgres/cells.ts";
import type { PostgresConnection, Row } from "../../store/postgres/connection.ts";
import { irregular, plainTag, statusClasses, tagHash, unusualTag } from "../../store/postgres/indices.ts";
import { type Shape, sortedOf, sortedOfAll } from "./order.ts";
import { absentIn, partitionsOf, type Catalog, readCatalog } from "../../store/postgres/catalog.ts";
import { aheadOf, type Branches, pageOf, type Path, type Place, placeOf, shownColumn } from "./path.ts";
import { isTag } from "../condition.ts";
import {
  classesOf,
  hasHash,
  holdsFor,
  holdsForPlain,
  isStatus,
  tagTest,
  type Test,
  testsOf,
  whereOf,
} from "./where.ts";

/** The first page is small, so that the first row comes at once. */
const firstPage = 100;
const largestPage = 2000;
/** Rows that a page may pass by: 100 ms. */
const firstStretch = 2000;
const largestStretch = 100_000;
/** Tag maps gone to side by side, at most: with more of them the table is read along. */
const hashLimit = 16;
/** Tag maps looked through for those that match; finding one takes 15 µs. */
const mapLimit = 10_000;

export interface PostgresRecords extends Records {
  /** Rows that match, in portions: submit_time and id, then `fields`, as the driver gives them. `after`: those behind it in order of insertion. */
  portions(selection: Selection, fields: readonly TaskField[], after?: Place | null): AsyncGenerator<readonly Row[]>;
  /** With what follows from them, by which an index is found. */
  withImplied(conditions: readonly Condition[]): Promise<readonly Condition[]>;
}

export interface RecordsOptions {
  readonly ignorePartitions: boolean;
  /** What was there a moment ago; saves the first questions. */
  readonly catalog?: Catalog;
  /** Told each partition that is found. */
  readonly debug?: ((text: string) => void) | null;
}

/** Of all tasks, archived ones too, unless they are to be ignored: what is current first, then what was archived, by number. */
export function postgresRecords(connection: PostgresConnection, options: RecordsOptions): Records {
  const { ignorePartitions, catalog, debug } = options;
  const main = recordsOf(connection, "task", catalog);
  if (ignorePartitions) return main;
  const told = new Set<string>();
  const partOf = (table: string): PostgresRecords => recordsOf(connection, table, catalog);
  let known = catalog?.partitions ?? null;

  async function partitions(): Promise<readonly string[]> {
    const tables = known ?? (await partitionsOf(connection.query));
    known = null;
    for (const table of tables) {
      if (!told.has(table)) debug?.(`Attached database partition (${table} in ${connection.place})`);
      told.add(table);
    }
    return tables;
  }

  /** What is known of these tables, and of `task`; asked only where some may lack a column. */
  async function catalogOfAll(tables: readonly string[]): Promise<Pick<Catalog, "absent">> {
    if (laterFields.length === 0) return { absent: new Map() };
    const isKnown = catalog !== undefined && tables.every((table) => catalog.absent.has(table));
    return isKnown ? catalog : readCatalog(connection.query);
  }

  /**
   * In order of insertion. A rotation may overtake it: what it has moved, and what was still to come, comes from its table, from the place
   * on that was reached when the table was not there yet.
   */
  async function* inTurn(selection: Selection, fields: readonly TaskField[]): AsyncGenerator<readonly Row[]> {
    const late = new Map<string, { readonly after: Place | null; readonly seen: ReadonlySet<unknown> }>();
    const early = new Set(await partitions());
    let tables: readonly string[] = [];
    let place: Place | null = null;
    const look = async (seen: ReadonlySet<unknown>): Promise<void> => {
      tables = await partitions();
      for (const table of tables) if (!early.has(table) && !late.has(table)) late.set(table, { after: place, seen });
    };
    let left = selection.limit ?? Number.POSITIVE_INFINITY;
    for await (const rows of main.portions(selection, fields)) {
      await look(new Set(rows.map(([, id]) => id)));
      yield rows;
      left -= rows.length;
      place = placeOf(rows.at(-1)!);
    }
    if (left <= 0) return;
    await look(new Set());
    for (const table of tables) {
      const { after = null, seen = null } = late.get(table) ?? {};
      // Some of those that come may be left out.
      const limit = left === Number.POSITIVE_INFINITY ? null : left + (seen?.size ?? 0);
      for await (const rows of partOf(table).portions({ ...selection, limit }, fields, after)) {
        const fresh = seen === null ? rows : rows.filter(([, id]) => !seen.has(id));
        yield fresh.length > left ? fresh.slice(0, left) : fresh;
        left -= fresh.length;
        if (left <= 0) return;
      }
    }
  }

  /** A rotation shows all at once: the statement sees it wholly or not at all, and gives no row if there is a partition that it does not know. */
  async function* inOrder(
    selection: Selection,
    orderBy: TaskField,
    fields: readonly TaskField[],
  ): AsyncGenerator<readonly Row[]> {
    const tests = testsOf(selection.where);
    const conditions = await main.withImplied(selection.where);
    const shape = { conditions, fields, tested: tests.map(({ field }) => field) };
    let left = selection.limit ?? Number.POSITIVE_INFINITY;
    for (let isNone = true; isNone && left > 0;) {
      const tables = await partitions();
      const { sql, values } = sortedOfAll(tables, orderBy, shape, selection, await catalogOfAll(tables));
      for await (const rows of connection.stream(sql, values, firstPage * 5)) {
        if (rows.length > 0) isNone = false;
        const passed = passing(tests, rows, fields);
        yield passed.length > left ? passed.slice(0, left) : passed;
        left -= passed.length;
        if (left <= 0) return;
      }
      if (isNone && (await partitions()).length === tables.length) return;
    }
  }

  return {
    async *search(query) {
      if (query.orderBy !== null && query.orderBy !== "submit_time") {
        yield* shown(inOrder(query, query.orderBy, query.fields), query.fields);
        return;
      }
      if (query.orderBy === null) {
        yield* shown(inTurn(query, query.fields), query.fields);
        return;
      }
      const open = (table: string) => async (): Promise<OpenPart> => ({
        ...partOf(table),
        close: async () => undefined,
      });
      const parts = async (): Promise<readonly PartOpener[]> => (await partitions()).map(open);
      const isStill = async (asked: Iterable<PartOpener>): Promise<boolean> =>
        (await partitions()).length === [...asked].length;
      yield* unionRecords(main, parts, { isStill }).search(query);
    },
    async count(selection) {
      for (;;) {
        const tables = await partitions();
        let count = await main.count(selection);
        for (const table of tables) count += await partOf(table).count(selection);
        // A rotation in between: nobody knows which of its rows were counted.
        if ((await partitions()).length === tables.length)
          return selection.limit === null ? count : Math.min(count, selection.limit);
      }
    },
    async find(id) {
      const current = await main.find(id);
      if (current !== null) return current;
      for (const table of await partitions()) {
        const archived = await partOf(table).find(id);
        if (archived !== null) return archived;
      }
      return null;
    },
    async *tagSets() {
      yield* main.tagSets();
      for (const table of await partitions()) yield* partOf(table).tagSets();
    },
  };
}

async function* shown(portions: AsyncIterable<readonly Row[]>, fields: readonly TaskField[]): AsyncGenerator<ShownRow> {
  const show = fields.map(displayOf);
  for await (const rows of portions) {
    for (const row of rows) {
      const cells = new Array<ShownValue>(show.length);
      for (let i = 0; i < show.length; i++) cells[i] = show[i]!(row[i + 2] ?? null);
      yield cells;
    }
  }
}

/** Of one table. */
export function recordsOf(connection: PostgresConnection, table: string, catalog?: Catalog): PostgresRecords {
  const { query } = connection;
  const ask = (statement: Statement): Promise<readonly Row[]> => query(statement.sql, statement.values);
  const stream = ({ sql, values }: Statement) => connection.stream(sql, values, firstPage * 5);

  const look = once(async () => (catalog?.indices.has(table) === true ? catalog : readCatalog(query)));
  const indexNames = async (): Promise<ReadonlySet<string>> => (await look()).indices.get(table) ?? new Set();
  const absentHere = async (): Promise<ReadonlySet<TaskField>> =>
    laterFields.length === 0 ? new Set() : absentIn(await look(), table);
  const isTallied = async (): Promise<boolean> => table === "task" && (await look()).tallied;

  const isIndexed = async (): Promise<boolean> => {
    const names = await indexNames();
    return Object.keys(statusClasses).every((each) => names.has(`${table}_${each}`));
  };
  const isRegular = once(async () => {
    if (!(await indexNames()).has(`${table}_irregular`)) return false;
    return (await query(`select 1 from ${table} where ${irregular} limit 1`)).length === 0;
  });

  /** What has no time of completion has no exit status, unless somebody has changed one of them by hand. */
  async function withImplied(conditions: readonly Condition[]): Promise<readonly Condition[]> {
    if (!conditions.some(isUnended) || !(await isRegular())) return conditions;
    return [...conditions, { kind: "field", field: "exit_status", operator: "==", value: null }];
  }

  /** Tag maps from one to the next, by a leap over the rows of each; $1: where to begin, $2: how many. With the first row of each. */
  const leap = `with recursive leap (hash) as (
      select (select ${tagHash} from ${table} where ${unusualTag} and ${tagHash} > $1::uuid order by 1 limit 1)
      union all
      select (select ${tagHash} from ${table} where ${unusualTag} and ${tagHash} > leap.hash order by 1 limit 1) from leap where leap.hash is not null
    ), hashes as (select hash from leap where hash is not null limit $2::int)
    select hash, first.submit_time, first.id, first.tag from hashes cross join lateral (
      select submit_time, id, tag from ${table} where ${hasHash("hash")} order by submit_time, id limit 1) as first`;
  const lowestHash = "00000000-0000-0000-0000-000000000000";

  /** Hashes of the tag maps that match; null: too many maps to look at, or no index of them. */
  async function hashesWith(conditions: readonly Condition[]): Promise<string[] | null> {
    if (!(await indexNames()).has(`${table}_tags`)) return null;
    const { sql, values } = statementOf(
      (bind) => {
        const tests = conditions.filter(isTag).map((condition) => tagTest("maps.tag", condition, bind));
        return `with maps as materialized (${leap}) select hash, (${tests.join(" and ")}) from maps`;
      },
      [lowestHash, mapLimit + 1],
    );
    const rows = await query(sql, values);
    if (rows.length > mapLimit) return null;
    return rows.filter(([, passes]) => passes === true).map(([hash]) => String(hash));
  }

  /** Parts of the table that have all rows that match, and that do not overlap. */
  async function branchesOf(conditions: readonly Condition[]): Promise<Branches> {
    const classes = classesOf(conditions);
    const byStatus: Branches = { kind: "conditions", conditions: classes.map((each) => statusClasses[each]) };
    const tags = conditions.filter(isTag);
    if (tags.length === 0 || classes.length === 0 || tags.every(holdsForPlain)) return byStatus;
    // Few tasks end badly.
    if (classes.length === 1 && classes[0] === "unsuccessful") return byStatus;
    const hashes = await hashesWith(conditions);
    if (hashes === null || hashes.length > hashLimit) return byStatus;
    return { kind: "hashes", hashes };
  }

  async function* portions(
    asked: Selection,
    fields: readonly TaskField[],
    after: Place | null = null,
  ): AsyncGenerator<readonly Row[]> {
    const absent = await absentHere();
    const selection = withoutFields(asked, absent);
    const { orderBy, descending, limit } = selection;
    const indexed = await isIndexed();
    const conditions = await withImplied(selection.where);
    const tests = testsOf(conditions);
    const shape: Shape = { conditions, fields, tested: tests.map(({ field }) => field), absent };
    if ((limit !== null && limit <= 0) || classesOf(conditions).length === 0) return;
    let left = limit ?? Number.POSITIVE_INFINITY;
    const found =
      conditions.some(namesOneTask) || (orderBy !== null && orderBy !== "submit_time") || !indexed
        ? stream(sortedOf(table, shape, selection, after))
        : walk(shape, orderBy !== null && descending, after, () => left);
    for await (const rows of found) {
      let passed = passing(tests, rows, fields);
      if (passed.length > left) passed = passed.slice(0, left);
      left -= passed.length;
      if (passed.length > 0) yield passed;
      if (left <= 0) return;
    }
  }

  /** In order of insertion, or by time of submission downwards. `left`: how many rows are still wanted. */
  async function* walk(
    shape: Shape,
    descending: boolean,
    after: Place | null,
    left: () => number,
  ): AsyncGenerator<readonly Row[]> {
    const branches = await branchesOf(shape.conditions);
    const path: Path = { table, branches, descending };
    // Where every row matches, a page passes none by.
    const plain = shape.conditions.every((each) => isTime(each) || (branches.kind === "conditions" && covers(each)));
    const times = shape.conditions.filter(isTime);
    const wanted = shape.tested.length === 0;
    let [page, stretch] = [firstPage, firstStretch];
    for (let place = after; ;) {
      const end: Place | null = plain ? null : await ahead(path, place, times, stretch);
      const size: number = wanted ? Math.min(page, left()) : page;
      const rows = await ask(pageOf(path, [place, end], shape.conditions, shape, size));
      if (rows.length > 0) yield rows;
      page = Math.min(largestPage, page * 2);
      if (rows.length === size) {
        place = placeOf(rows.at(-1)!);
        stretch = Math.max(firstStretch, Math.floor(stretch / 4));
        continue;
      }
      if (end === null) return;
      place = end;
      if (rows.length < size / 2) stretch = Math.min(largestStretch, stretch * 2);
    }
  }

  async function ahead(
    path: Path,
    place: Place | null,
    times: readonly Condition[],
    stretch: number,
  ): Promise<Place | null> {
    const [row] = await ask(aheadOf(path, place, times, stretch));
    return row === undefined ? null : placeOf(row);
  }

  /** A part of the table, to be counted. */
  async function countRows(condition: string, values: readonly unknown[], limit: number | null): Promise<number> {
    const [row] =
      limit === null
        ? await query(`select count(*) from ${table} where ${condition}`, values)
        : await query(
            `select count(*) from (select 1 from ${table} where ${condition} limit $${values.length + 1}::bigint) as few`,
            [...values, limit],
          );
    return Number(row?.[0]);
  }

  /** Where nothing but how tasks ended is asked for, most of the answer is known. */
  async function countByTally(conditions: readonly Condition[]): Promise<number | null> {
    if (!conditions.every((each) => isStatus(each) && each.operator !== "~") || !(await isTallied())) return null;
    const statuses = conditions.filter(isStatus);
    const [row] = await query("select sum(open), sum(succeeded), sum(total) - sum(open) - sum(succeeded) from tally");
    const [open = 0, succeeded = 0, unsuccessful = 0] = (row ?? []).map(Number);
    const known = { open, succeeded, unsuccessful };
    let count = 0;
    for (const each of classesOf(conditions)) {
      const values: unknown[] = [];
      if (statuses.every((condition) => holdsFor(condition, each) === true)) count += known[each];
      else {
        const sql = whereOf(conditions, bindTo(values));
        count += await countRows(`${statusClasses[each]} and ${sql}`, values, null);
      }
    }
    return count;
  }

  return {
    portions,
    withImplied,

    search: (query: RecordQuery) => shown(portions(query, query.fields), query.fields),

    async count(asked) {
      const selection = withoutFields(asked, await absentHere());
      const { limit } = selection;
      if (limit !== null && limit <= 0) return 0;
      const conditions = await withImplied(selection.where);
      const [tests, classes] = [testsOf(conditions), classesOf(conditions)];
      if (classes.length === 0) return 0;
      if (tests.length > 0) {
        let count = 0;
        for await (const rows of portions({ ...selection, orderBy: null, descending: false }, [])) count += rows.length;
        return count;
      }
      const known = await countByTally(conditions);
      if (known !== null) return limit === null ? known : Math.min(known, limit);
      const values: unknown[] = [];
      const where = whereOf(conditions, bindTo(values));
      const tags = conditions.filter(isTag);
      if (tags.length > 0 && !tags.every(holdsForPlain)) {
        const hashes = await hashesWith(conditions);
        if (hashes !== null)
          return countRows(
            `${where} and ${unusualTag} and ${tagHash} = any ($${values.length + 1}::uuid[])`,
            [...values, hashes],
            limit,
          );
      }
      if (!conditions.some(isTime)) return countRows(where, values, limit);
      let count = 0;
      for (const each of classes)
        count += await countRows(`${statusClasses[each]} and ${where}`, values, limit === null ? null : limit - count);
      return count;
    },

    async find(id) {
      if (parseId(id) === null) return null;
      const absent = await absentHere();
      const names = taskFields.map((field) => shownColumn(field, absent)).join(", ");
      const [row] = await query(`select ${names} from ${table} where id = $1::uuid`, [id]);
      if (row === undefined) return null;
      return Object.fromEntries(taskFields.map((field, i) => [field, displayOf(field)(row[i] ?? null)])) as TaskRecord;
    },

    async *tagSets() {
      if (!(await indexNames()).has(`${table}_tags`)) {
        yield* distinctTags(portions({ where: [], orderBy: null, descending: false, limit: null }, ["tag"]));
        return;
      }
      if (await hasPlainTags()) yield { part: 0 };
      const first = await query(leap, [lowestHash, mapLimit]);
      const inOrder = first.toSorted(([, one], [, other]) => Number(one) - Number(other));
      for (const [, , , tag] of inOrder) yield displayTags(tag);
      // With more of them than can be held, the rest is in no order.
      for (let rows = first; rows.length === mapLimit;) {
        rows = await query(leap, [rows.at(-1)![0], mapLimit]);
        for (const [, , , tag] of rows) yield displayTags(tag);
      }
    },
  };

  async function hasPlainTags(): Promise<boolean> {
    if (await isTallied()) {
      const [row] = await query("select sum(plain) from tally");
      return Number(row?.[0]) > 0;
    }
    return (await query(`select 1 from ${table} where tag = ${plainTag} limit 1`)).length > 0;
  }
}

async function* distinctTags(portions: AsyncIterable<readonly Row[]>): AsyncGenerator<Tags> {
  const seen = new Set<unknown>();
  for await (const rows of portions) {
    for (const [, , tag] of rows) {
      if (seen.has(tag)) continue;
      seen.add(tag);
      yield displayTags(tag);
    }
  }
}

function isUnended(condition: Condition): boolean {
  if (condition.kind !== "field" || condition.field !== "completion_time") return false;
  return condition.operator === "==" && condition.value === null;
}

/** A part of the order of insertion. */
function isTime(condition: Condition): boolean {
  return condition.kind === "field" && condition.field === "submit_time" && condition.operator !== "~";
}

/** Whether the parts of the table that are read hold nothing that the condition would leave out. */
function covers(condition: Condition): boolean {
  return isStatus(condition) && condition.operator !== "~" && holdsFor(condition, "unsuccessful") !== null;
}

/** What is tested stands behind the fields. */
function passing(tests: readonly Test[], rows: readonly Row[], fields: readonly TaskField[]): readonly Row[] {
  if (tests.length === 0) return rows;
  const from = 2 + fields.length;
  return rows.filter((row) => tests.every((test, i) => test.passes(row[from + i] ?? null)));
}

/** What is asked for again and again, asked once. */
function once<T>(work: () => Promise<T>): () => Promise<T> {
  let answer: Promise<T> | null = null;
  return () => (answer ??= work());
}

function displayOf(field: TaskField): (cell: unknown) => ShownValue {
  switch (comparisonOf(field)) {
    case "time":
      return (cell) => (cell === null ? null : displayTime(String(cell)));
    case "tags":
      return displayTags;
    default:
      return (cell) => cell as ShownValue;
  }
}

/**
 * As people see it: `2026-11-22 07:07:22.761974+00:00`; a fraction that is exactly zero is left out. `time` as PostgreSQL writes it, without zeros at
 * the end; null for what has no place on a calendar (`infinity`).
 */
function displayTime(time: string): string | null {
  if (time.endsWith("+00")) {
    const dot = time.indexOf(".");
    return dot < 0 ? `${time}:00` : `${time.slice(0, -3).padEnd(dot + 7, "0")}+00:00`;
  }
  const ms = parseInstant(time);
  if (ms === null) return null;
  const text = instantText(ms);
  const fraction = text.endsWith(".000000Z") ? "" : text.slice(19, -1);
  return `${text.slice(0, 10)} ${text.slice(11, 19)}${fraction}+00:00`;
}

/** PostgreSQL keeps keys in an order of its own; `part` is nobody's tag, so it comes last as everywhere. */
function displayTags(cell: unknown): Tags {
  const tags = readTags(cell);
  if (!Object.hasOwn(tags, "part")) return tags;
  const { part, ...others } = tags;
  return { ...others, part: part! };
}
