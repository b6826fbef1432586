/*
 * Several histories searched as one: what is current comes first, then what was archived, part by part. Does not know
 * what a part is (a file, a table), nor how it is found. A part is opened when its turn comes and closed after, so that
 * there can be any number of them. Only a search in order and without a small limit holds all of them open.
 */
import type { TaskField } from "../task/field.ts";
import type { ShownRow } from "../task/task.ts";
import { compareValues } from "./compare.ts";
import { isLatestFirst, type RecordQuery, type Records, type Selection, type TaskRecord } from "./history.ts";

export interface OpenPart extends Records {
  close(): Promise<void>;
}

/** Opens a part; null: it is none after all. */
export type PartOpener = () => Promise<OpenPart | null>;

export interface UnionOptions {
  /**
   * Whether the list of parts still holds: nothing was archived since, as far as it would show. A search in order asks
   * when it has all it needs and has not answered any row yet. If the answer is no, it begins again.
   */
  readonly isStill?: (parts: Iterable<PartOpener>) => Promise<boolean>;
}

interface Union {
  readonly main: Records;
  readonly parts: () => Iterable<PartOpener> | Promise<Iterable<PartOpener>>;
  readonly isStill: NonNullable<UnionOptions["isStill"]>;
}

/** A search in order with a limit of at most this many rows holds the first rows of each part in memory. */
export const fewRows = 10_000;

/** All of `main`, then of `parts` in their order. The parts are asked for anew by each search, before it begins. */
export function unionRecords(main: Records, parts: Union["parts"], options: UnionOptions = {}): Records {
  const union: Union = { main, parts, isStill: options.isStill ?? (async () => true) };
  return {
    search: (query) => (query.orderBy === null ? inTurn(union, query) : inOrder(union, query, query.orderBy)),
    count: async (selection) => count(union, selection),
    find: async (id) => find(union, id),
    idsWith: async (prefix) => idsWith(union, prefix),
    async *tagSets() {
      for await (const records of everywhere(union)) yield* records.tagSets();
    },
  };
}

/** The parts one by one, each open until the next is asked for. */
async function* opened(parts: Iterable<PartOpener>): AsyncGenerator<Records> {
  for (const open of parts) {
    const part = await open();
    if (part === null) continue;
    try {
      yield part;
    } finally {
      await part.close();
    }
  }
}

async function* everywhere({ main, parts }: Union): AsyncGenerator<Records> {
  // The parts are listed first, so that what is archived in the meantime does not come twice.
  const found = await parts();
  yield main;
  yield* opened(found);
}

async function count(union: Union, selection: Selection): Promise<number> {
  const most = selection.limit ?? Number.POSITIVE_INFINITY;
  let sum = 0;
  for await (const records of everywhere(union)) {
    if (sum >= most) break;
    sum += await records.count({ ...selection, limit: selection.limit === null ? null : most - sum });
  }
  return sum;
}

async function find({ main, parts }: Union, id: string): Promise<TaskRecord | null> {
  const current = await main.find(id);
  if (current !== null) return current;
  // The parts are listed only now, so that a task that has just been archived is found where it is.
  for await (const part of opened(await parts())) {
    const archived = await part.find(id);
    if (archived !== null) return archived;
  }
  return null;
}

async function idsWith(union: Union, prefix: string): Promise<readonly string[]> {
  // A task that is moved meanwhile may be met twice.
  const ids = new Set<string>();
  for await (const records of everywhere(union)) {
    for (const id of await records.idsWith(prefix)) ids.add(id);
    if (ids.size > 1) break;
  }
  return [...ids];
}

async function* inTurn(union: Union, query: RecordQuery): AsyncGenerator<ShownRow> {
  let left = query.limit ?? Number.POSITIVE_INFINITY;
  if (left <= 0) return;
  for await (const records of everywhere(union)) {
    for await (const row of records.search({ ...query, limit: left === Number.POSITIVE_INFINITY ? null : left })) {
      yield row;
      left -= 1;
      if (left <= 0) return;
    }
  }
}

/** Whether the one row comes before the other; of equals neither does. */
type Order = (one: ShownRow, other: ShownRow) => boolean;

async function* inOrder(union: Union, query: RecordQuery, field: TaskField): AsyncGenerator<ShownRow> {
  const { fields, limit, descending } = query;
  // What rows are ordered by goes along at the end of each row. Ids grow with the time at which they are made.
  const latestFirst = isLatestFirst(query);
  const wider: RecordQuery = { ...query, fields: latestFirst ? [...fields, field, "id"] : [...fields, field] };
  const key = fields.length;
  const before: Order = (one, other) => {
    const byField = compareValues(one[key] ?? null, other[key] ?? null);
    const order = byField === 0 && latestFirst ? compareValues(one[key + 1] ?? null, other[key + 1] ?? null) : byField;
    return descending ? order > 0 : order < 0;
  };
  const rows =
    limit !== null && limit <= fewRows ? firstFew(union, wider, limit, before) : merged(union, wider, before);
  for await (const row of rows) yield row.slice(0, key);
}

/** Holds the first rows of what was asked so far in memory while the next part is asked. */
async function* firstFew(
  { main, parts, isStill }: Union,
  query: RecordQuery,
  limit: number,
  before: Order,
): AsyncGenerator<ShownRow> {
  for (;;) {
    const found = await parts();
    let best: ShownRow[] = await Array.fromAsync(main.search(query));
    for await (const part of opened(found)) {
      const rows = await Array.fromAsync(part.search(query));
      best = mergeLists(best, rows, before).slice(0, limit);
    }
    if (!(await isStill(found))) continue;
    yield* best;
    return;
  }
}

function mergeLists(first: readonly ShownRow[], second: readonly ShownRow[], before: Order): ShownRow[] {
  const rows: ShownRow[] = [];
  let at = 0;
  for (const row of second) {
    while (at < first.length && !before(row, first[at]!)) rows.push(first[at++]!);
    rows.push(row);
  }
  for (; at < first.length; at++) rows.push(first[at]!);
  return rows;
}

/** The rows of a search of one history, and the next of them. */
interface Head {
  readonly rows: AsyncIterator<ShownRow>;
  /** null: there are no more. */
  row: ShownRow | null;
}

async function headOf(rows: AsyncIterator<ShownRow>): Promise<Head> {
  const next = await rows.next();
  return { rows, row: next.done === true ? null : next.value };
}

async function* merged(union: Union, query: RecordQuery, before: Order): AsyncGenerator<ShownRow> {
  for (let isOver = false; !isOver;) isOver = yield* mergedOnce(union, query, before);
}

/** Searches all histories side by side. Returns false when it has to begin again; no row has been answered then. */
async function* mergedOnce(
  { main, parts, isStill }: Union,
  query: RecordQuery,
  before: Order,
): AsyncGenerator<ShownRow, boolean> {
  const found = await parts();
  const open: OpenPart[] = [];
  const searches: AsyncIterator<ShownRow>[] = [main.search(query)[Symbol.asyncIterator]()];
  try {
    for (const part of found) {
      const records = await part();
      if (records === null) continue;
      open.push(records);
      searches.push(records.search(query)[Symbol.asyncIterator]());
    }
    const heads = await Promise.all(searches.map(headOf));
    if (!(await isStill(found))) return false;
    for (let left = query.limit ?? Number.POSITIVE_INFINITY; left > 0; left -= 1) {
      const least = leastOf(heads, before);
      if (least === null) return true;
      yield least.row!;
      least.row = (await headOf(least.rows)).row;
    }
    return true;
  } finally {
    for (const search of searches) await search.return?.();
    for (const part of open) await part.close();
  }
}

/** The head whose row comes next, the earlier of equals; null: there are no more rows. */
function leastOf(heads: readonly Head[], before: Order): Head | null {
  let least: Head | null = null;
  for (const head of heads) {
    if (head.row !== null && (least === null || before(head.row, least.row!))) least = head;
  }
  return least;
}
