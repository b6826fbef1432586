/*
 * A history of tasks for tests, and what searching and changing it should give: a naive model in plain JavaScript, slow
 * and obvious. Knows no database.
 */
import { type Condition, type Operator, parseCondition, parseTagFilter } from "../../src/task/filter.ts";
import { type TaskField, taskFields } from "../../src/task/field.ts";
import type { ShownValue, Tags, TagValue } from "../../src/task/task.ts";
import { sameValue } from "../../src/store/tags.ts";
import type { OpenOptions } from "../../src/store/open.ts";
import type { CheckStore } from "../../src/history/faults.ts";
import { isLatestFirst } from "../../src/history/history.ts";
import type { Change, Edits, Outlook, RecordQuery, Records, Selection, TaskRecord } from "../../src/history/history.ts";
import { formatTime } from "../../src/store/times.ts";

/** A row with times in milliseconds since 1970. */
export type HistoryRow = Readonly<Record<TaskField, string | number | boolean | null | Tags>>;

export interface RecallRow {
  readonly serverId: string;
  readonly taskId: string;
  readonly kind: string;
}

/** A database with a way to put rows in that says nothing of how they came about. */
export interface OpenedHistory extends AsyncDisposable {
  readonly records: Records & Edits;
  /** Rows of table `task`, as they are. */
  readonly add: (rows: readonly HistoryRow[]) => Promise<void>;
  /** Rows of table `recall`, oldest first. */
  readonly recalls: () => Promise<readonly RecallRow[]>;
  /** Runs SQL in which TABLE stands for the table of tasks, or for that of partition 1. */
  readonly run: (sql: string, where?: "main" | "partition") => Promise<void>;
  /** Moves what has ended into the next partition. */
  readonly rotate: () => Promise<void>;
  readonly openCheck: () => Promise<CheckStore>;
  /** How programs find the database. */
  readonly settings: OpenOptions;
  readonly outlook: () => Promise<Outlook>;
  /** A task, wherever it is. */
  readonly findAnywhere: (id: string) => Promise<TaskRecord | null>;
  /** As the database shows a time. */
  readonly displayTime: (ms: number) => string;
  /** Whether the order of the keys of a tag map is the database's to keep. */
  readonly keepsTagOrder: boolean;
}

export const timeFields: readonly TaskField[] = ["submit_time", "schedule_time", "start_time", "completion_time"];

/** Where the suite lives: a zone that no server is in, and that is not a whole number of hours away from others. */
export const zone = "Asia/Kathmandu";

/** 2027-01-10 at noon, there. */
export const noon = Date.UTC(2027, 0, 10, 6, 15);

let made = 0;

/** UUIDs in order. */
export function uuid(n: number): string {
  return `01900000-0000-7000-8000-${n.toString(16).padStart(12, "0")}`;
}

/** A task that has ended well, a second after the one before; every field set but the links. */
export function endedRow(fields: Partial<HistoryRow> = {}): HistoryRow {
  const n = ++made;
  const submitted = noon + n * 1000 + 0.25;
  return {
    id: uuid(n),
    group: 0,
    args: `echo ${n}`,
    submit_id: uuid(1_000_000),
    submit_time: submitted,
    submit_host: "login01",
    cores: 2,
    memory: 1024,
    cores_max: 1.5,
    memory_max: 2048.5,
    timeout: 60,
    server_id: uuid(2_000_000),
    server_host: "server01",
    schedule_time: submitted + 100,
    client_id: uuid(3_000_000),
    client_host: "node01",
    command: `echo ${n}`,
    start_time: submitted + 200.125,
    completion_time: submitted + 1200.375,
    exit_status: 0,
    outpath: `/tmp/${n}.out`,
    errpath: `/tmp/${n}.err`,
    csvpath: `/tmp/${n}.csv`,
    attempt: 1,
    retried: false,
    waited: 0.2,
    duration: 1.25,
    previous_id: null,
    next_id: null,
    tag: { part: 0 },
    ...fields,
  };
}

const noResult = {
  client_id: null,
  client_host: null,
  command: null,
  start_time: null,
  completion_time: null,
  exit_status: null,
  outpath: null,
  errpath: null,
  csvpath: null,
  cores_max: null,
  memory_max: null,
  waited: null,
  duration: null,
} as const;

/** What a task has not that was never handed out. */
export const unscheduled = { ...noResult, server_id: null, server_host: null, schedule_time: null } as const;

/** A task that nobody has taken yet. */
export function newRow(fields: Partial<HistoryRow> = {}): HistoryRow {
  return endedRow({ ...unscheduled, ...fields });
}

/** A task that a server holds, with a client or not. */
export function heldRow(fields: Partial<HistoryRow> = {}): HistoryRow {
  return endedRow({ ...noResult, client_id: uuid(3_000_000), client_host: "node01", ...fields });
}

export function select(fields: Partial<Selection> = {}): Selection {
  return { where: [], orderBy: null, descending: false, limit: null, ...fields };
}

export function query(fields: readonly TaskField[], selection: Partial<Selection> = {}): RecordQuery {
  return { fields, ...select(selection) };
}

export function change(fields: Partial<Change>): Change {
  return { action: null, fields: new Map(), tags: {}, removedTags: [], ...fields };
}

/** By code points, as bytes of UTF-8 compare. */
function compareText(one: string, other: string): number {
  return Math.sign(Buffer.compare(Buffer.from(one), Buffer.from(other)));
}

function compare(one: string | number, other: string | number): number {
  if (typeof one === "string" && typeof other === "string") return compareText(one, other);
  return Math.sign(Number(one) - Number(other));
}

/** As conditions and orders see it: times as text, truth as a number. */
function comparable(row: HistoryRow, field: TaskField): string | number | null {
  const value = row[field];
  if (value === null) return null;
  if (timeFields.includes(field)) return formatTime(value as number);
  if (typeof value === "object") return JSON.stringify(value);
  return typeof value === "boolean" ? Number(value) : value;
}

const accepts: Readonly<Record<Exclude<Operator, "~">, (order: number) => boolean>> = {
  "==": (order) => order === 0,
  "!=": (order) => order !== 0,
  ">": (order) => order > 0,
  ">=": (order) => order >= 0,
  "<": (order) => order < 0,
  "<=": (order) => order <= 0,
};

function holds(row: HistoryRow, condition: Condition): boolean {
  if (condition.kind !== "field") {
    const tags = row.tag as Tags;
    if (!Object.hasOwn(tags, condition.key)) return false;
    return condition.kind === "tagKey" || sameValue(tags[condition.key], condition.value);
  }
  const { field, operator, value } = condition;
  const own = comparable(row, field);
  if (value === null) return operator === "==" ? own === null : own !== null;
  if (own === null) return false;
  if (operator === "~") return new RegExp(String(value)).test(String(own));
  return accepts[operator](compare(own, typeof value === "string" ? value : Number(value)));
}

/** The rows, which stand in order of insertion, that a selection means. */
export function selected(rows: readonly HistoryRow[], { where, orderBy, descending, limit }: Selection): HistoryRow[] {
  const found = rows.filter((row) => where.every((condition) => holds(row, condition)));
  // Of tasks that were submitted at one time the last is the latest.
  if (isLatestFirst({ orderBy, descending })) found.reverse();
  if (orderBy !== null) {
    const sign = descending ? -1 : 1;
    found.sort((a, b) => {
      const [one, other] = [comparable(a, orderBy), comparable(b, orderBy)];
      if (one === null || other === null) return sign * (Number(other === null) - Number(one === null));
      return sign * compare(one, other);
    });
  }
  return limit === null ? found : found.slice(0, limit);
}

type Shown = ShownValue;

/** As it is shown, by the database's way to show times. */
export function shown(row: HistoryRow, fields: readonly TaskField[], displayTime: (ms: number) => string): Shown[] {
  return fields.map((field) => {
    const value = row[field];
    return typeof value === "number" && timeFields.includes(field) ? displayTime(value) : value;
  });
}

const ended = (row: HistoryRow): boolean => row.completion_time !== null;
const held = (row: HistoryRow): boolean =>
  row.schedule_time !== null && row.completion_time === null && row.server_id !== null;

/** What a server must know of a task that it holds. */
const ofInterest: readonly TaskField[] = ["args", "group", "cores", "memory", "timeout"];

function recallKind(what: Change): string | null {
  if (what.action === "cancel") return "cancelled";
  if (what.action === "revert") return "reverted";
  if (what.action === "delete") return "deleted";
  const tagged = Object.keys(what.tags).length > 0 || what.removedTags.length > 0;
  return tagged || ofInterest.some((field) => what.fields.has(field)) ? "changed" : null;
}

export interface Changed {
  readonly rows: readonly HistoryRow[];
  readonly recalls: readonly RecallRow[];
  readonly report: { readonly changed: number; readonly held: number };
}

/** A row without its links to those that are deleted. A failure whose next attempt had not ended is final again. */
function unlinked(row: HistoryRow, ids: ReadonlySet<unknown>, rows: readonly HistoryRow[]): HistoryRow {
  let next = row;
  if (row.previous_id !== null && ids.has(row.previous_id)) next = { ...next, previous_id: null };
  if (row.next_id === null || !ids.has(row.next_id)) return next;
  const successor = rows.find(({ id }) => id === row.next_id);
  return { ...next, next_id: null, retried: row.retried === true && successor?.completion_time !== null };
}

/** What a change should leave behind. A cancellation selects among tasks that have not ended. */
export function changed(rows: readonly HistoryRow[], selection: Selection, what: Change, at: number): Changed {
  const among = what.action === "cancel" ? rows.filter((row) => !ended(row)) : rows;
  const wanted = selected(among, selection);
  const ids = new Set(wanted.map(({ id }) => id));
  const kind = recallKind(what);
  const byId = new Map<unknown, HistoryRow>();
  const after = rows.flatMap((row): HistoryRow[] => {
    const isWanted = ids.has(row.id);
    if (isWanted && what.action === "delete") return [];
    let next: HistoryRow = row;
    // The next attempt of a task that is reverted becomes a chain of its own.
    if (what.action === "revert" && row.previous_id !== null && ids.has(row.previous_id))
      next = { ...next, previous_id: null };
    if (what.action === "delete") next = unlinked(next, ids, rows);
    if (!isWanted) return [next];
    if (what.action === "cancel") next = { ...next, schedule_time: at, completion_time: at, exit_status: -1 };
    if (what.action === "revert") next = { ...next, ...unscheduled, retried: false, next_id: null };
    const tag: Record<string, TagValue> = { ...(row.tag as Tags), ...what.tags };
    for (const key of what.removedTags) delete tag[key];
    next = { ...next, tag, ...Object.fromEntries(what.fields) };
    byId.set(row.id, next);
    return [next];
  });
  // What was so already does not count. That the next attempt loses its link is no change of its own.
  const link = what.fields.has("previous_id") ? {} : { previous_id: null };
  const others = wanted.filter((row) => {
    const next = byId.get(row.id);
    return next === undefined || !Bun.deepEquals({ ...row, ...link }, { ...next, ...link });
  });
  const recalled = kind === null ? [] : others.filter(held);
  return {
    rows: after,
    recalls: recalled.map((row) => ({ serverId: String(row.server_id), taskId: String(row.id), kind: String(kind) })),
    report: { changed: others.length, held: recalled.length },
  };
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** Every row as the database shows it, in order of insertion. */
export async function everyRow(history: OpenedHistory): Promise<readonly (readonly Shown[])[]> {
  return collect(history.records.search(query(taskFields)));
}

export function allShown(rows: readonly HistoryRow[], history: OpenedHistory): readonly (readonly Shown[])[] {
  return rows.map((row) => shown(row, taskFields, history.displayTime));
}

/** As it is parsed; what a person would be refused, as it stands: a store answers it all the same. */
export function conditionOf(text: string): Condition {
  try {
    return parseCondition(text);
  } catch {
    const [, field, operator, value] = /^(\w+) (\S+) (.*)$/.exec(text)!;
    return { kind: "field", field: field as TaskField, operator: operator as Operator, value: value! };
  }
}

export function tagFilterOf(text: string): Condition {
  try {
    return parseTagFilter(text);
  } catch {
    const [key = "", value] = text.split(/:(.*)/s);
    return value === undefined ? { kind: "tagKey", key } : { kind: "tagValue", key, value };
  }
}
