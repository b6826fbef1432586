/*
 * Several histories searched as one: what is current, then what was archived, part by part. Does not know what a part is (a file, a table) nor
 * how it is found. A part is opened when its turn comes and closed after, so that their number has no limit; only a search in order
 * and without a small limit holds all of them open.
 */
import type { RecordQuery, Records, Selection } from "./history.ts";
import type { TaskField } from "../task/field.ts";
import type { ShownRow, ShownValue } from "../task/task.ts";

export interface OpenPart extends Records {
  close(): Promise<void>;
}

/** Opens a part; null: it is none after all. */
export type PartOpener = () => Promise<OpenPart | null>;

export interface UnionOptions {
  /**
   * Whether nothing was archived since those parts were listed, as far as it would show: asked by a search in order when it has all it needs and has not
   * said anything yet. Else it begins again.
   */
  readonly isStill?: (parts: Iterable<PartOpener>) => Promise<boolean>;
}

/** `parts` in their order; asked anew by each search, before it begins. */
export function unionRecords(
  main: Records,
  parts: () => Iterable<PartOpener> | Promise<Iterable<PartOpener>>,
  { isStill = async () => true }: UnionOptions = {},
): Records {
  async function* opened(from: Iterable<PartOpener>): AsyncGenerator<Records> {
    for (const open of from) {
      const part = await open();
      if (part === null) continue;
      try {
        yield part;
      } finally {
        await part.close();
      }
    }
  }

  async function* everywhere(): AsyncGenerator<Records> {
    // First, so that what is archived in the meantime does not come twice.
    yield* mainAnd(await parts());
  }

  async function* mainAnd(found: Iterable<PartOpener>): AsyncGenerator<Records> {
    yield main;
    yield* opened(found);
  }

  async function* inTurn(query: RecordQuery): AsyncGenerator<ShownRow> {
    let left = query.limit ?? Number.POSITIVE_INFINITY;
    if (left <= 0) return;
    for await (const records of everywhere()) {
      for await (const row of records.search({ ...query, limit: left === Number.POSITIVE_INFINITY ? null : left })) {
        yield row;
        left -= 1;
        if (left <= 0) return;
      }
    }
  }

  /** Each part's first rows, held in memory while the next part is asked. */
  async function* firstFew(query: RecordQuery, limit: number, before: Order): AsyncGenerator<ShownRow> {
    for (;;) {
      const found = await parts();
      let best: ShownRow[] = [];
      for await (const records of mainAnd(found)) {
        const rows: ShownRow[] = [];
        for await (const row of records.search(query)) rows.push(row);
        best = [...mergeLists(best, rows, before)].slice(0, limit);
      }
      if (!(await isStill(found))) continue;
      yield* best;
      return;
    }
  }

  async function* merged(query: RecordQuery, before: Order): AsyncGenerator<ShownRow> {
    for (let isOver = false; !isOver;) isOver = yield* mergedOnce(query, before);
  }

  /** false: it has to begin again. */
  async function* mergedOnce(query: RecordQuery, before: Order): AsyncGenerator<ShownRow, boolean> {
    const found = await parts();
    const open: OpenPart[] = [];
    const ways: AsyncIterator<ShownRow>[] = [main.search(query)[Symbol.asyncIterator]()];
    try {
      for (const part of found) {
        const records = await part();
        if (records === null) continue;
        open.push(records);
        ways.push(records.search(query)[Symbol.asyncIterator]());
      }
      const heads = await Promise.all(ways.map(headOf));
      if (!(await isStill(found))) return false;
      let left = query.limit ?? Number.POSITIVE_INFINITY;
      for (; left > 0; left -= 1) {
        let least: Head | null = null;
        // The earlier of equals wins.
        for (const head of heads) {
          if (head.row !== null && (least === null || before(head.row, least.row!))) least = head;
        }
        if (least === null) return true;
        yield least.row!;
        least.row = (await headOf(least.way)).row;
      }
      return true;
    } finally {
      for (const way of ways) await way.return?.();
      for (const part of open) await part.close();
    }
  }

  async function* inOrder(query: RecordQuery, field: TaskField): AsyncGenerator<ShownRow> {
    const { fields, limit, descending } = query;
    // What rows are ordered by goes along at the end.
    const wider: RecordQuery = { ...query, fields: [...fields, field] };
    const key = fields.length;
    const before: Order = (one, other) => {
      const order = compare(one[key] ?? null, other[key] ?? null);
      return descending ? order > 0 : order < 0;
    };
    const rows = limit !== null && limit <= fewRows ? firstFew(wider, limit, before) : merged(wider, before);
    for await (const row of rows) yield row.slice(0, key);
  }

  return {
    search: (query) => (query.orderBy === null ? inTurn(query) : inOrder(query, query.orderBy)),

    async count(selection: Selection) {
      const most = selection.limit ?? Number.POSITIVE_INFINITY;
      let count = 0;
      for await (const records of everywhere()) {
        if (count >= most) break;
        count += await records.count({ ...selection, limit: selection.limit === null ? null : most - count });
      }
      return count;
    },

    async find(id) {
      const current = await main.find(id);
      if (current !== null) return current;
      // Only now, so that what has just been archived is found where it is.
      for await (const part of opened(await parts())) {
        const archived = await part.find(id);
        if (archived !== null) return archived;
      }
      return null;
    },

    async *tagSets() {
      for await (const records of everywhere()) yield* records.tagSets();
    },
  };
}

/** At most so many rows of each part are held to find the first ones of all. */
export const fewRows = 10_000;

/** Whether the one comes before the other; equals do not. */
type Order = (one: ShownRow, other: ShownRow) => boolean;

interface Head {
  readonly way: AsyncIterator<ShownRow>;
  row: ShownRow | null;
}

async function headOf(way: AsyncIterator<ShownRow>): Promise<Head> {
  const next = await way.next();
  return { way, row: next.done === true ? null : next.value };
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

/** As databases order: null before numbers before texts. */
function compare(one: ShownValue, other: ShownValue): number {
  const rank = rankOf(one) - rankOf(other);
  if (rank !== 0 || one === null || other === null) return rank;
  if (typeof one === "object" || typeof other === "object")
    return compareTexts(JSON.stringify(one), JSON.stringify(other));
  if (typeof one === "string" || typeof other === "string") return compareTexts(String(one), String(other));
  return Number(one) - Number(other);
}

function rankOf(value: ShownValue): number {
  return value === null ? 0 : typeof value === "number" || typeof value === "boolean" ? 1 : 2;
}

/** By code points, as the bytes of UTF-8 are ordered; JavaScript's own order has the halves of surrogate pairs before U+E000. */
function compareTexts(one: string, other: string): number {
  const length = Math.min(one.length, other.length);
  for (let i = 0; i < length; i++) {
    if (one.charCodeAt(i) !== other.charCodeAt(i)) return pointAt(one, i) - pointAt(other, i);
  }
  return one.length - other.length;
}

function pointAt(text: string, at: number): number {
  const unit = text.charCodeAt(at);
  // The second half of a pair whose first halves are equal decides by itself.
  return unit >= 0xd800 && unit < 0xdc00 ? (text.codePointAt(at) ?? unit) : unit;
}
