/*
 * What the screen remembers between two keys: which list is chosen, what is selected, marked and typed, and the output
 * that is read. Plain data; press.ts changes it, draw.ts shows it.
 */
import type { ClientView, FailureView, OutputQuery, TaskView, View, ViewAction } from "../view/view.ts";

/** The lists, in their order on the screen. */
export const panels = ["clients", "running", "failures"] as const;
export type Panel = (typeof panels)[number];

/** Where the selection stands: on a row, or, where that has gone, at its place. */
export interface Cursor {
  readonly id: string | null;
  readonly index: number;
}

/** What a task has printed, as far as it was read. */
export interface Reading {
  readonly task: TaskView;
  readonly stream: OutputQuery["stream"];
  /** Lines as they came, the last perhaps without its end. */
  readonly lines: readonly string[];
  /** Bytes from the start of the file, of the first line and behind the last. `from` null: nothing was read yet. */
  readonly from: number | null;
  readonly next: number;
  readonly over: boolean;
  /** The first line on the screen, and how many columns are left out at the left. */
  readonly top: number;
  readonly left: number;
  /** Whether the end is shown, and new lines as they come. */
  readonly follows: boolean;
  /** Why nothing can be read; null: it can. */
  readonly failure: string | null;
}

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

export interface TopState {
  readonly view: View | null;
  /** Why the source does not answer, and since when (milliseconds since 1970); null: it does. */
  readonly trouble: { readonly text: string; readonly since: number } | null;
  readonly size: Size;
  readonly page: "lists" | "help" | "output";
  readonly focus: Panel;
  readonly cursors: Readonly<Record<Panel, Cursor>>;
  /** Which order each list is in, by its place in `orders`. */
  readonly sorts: Readonly<Record<Panel, number>>;
  readonly filter: string;
  /** The filter that is being typed; null: none is. */
  readonly typed: string | null;
  readonly marked: ReadonlySet<string>;
  readonly question: { readonly action: ViewAction; readonly ids: readonly string[] } | null;
  /** What is told at the bottom until the next key. */
  readonly message: { readonly text: string; readonly isBad: boolean } | null;
  readonly paused: boolean;
  readonly reading: Reading | null;
}

/** The screen before anything was seen. */
export function newState(size: Size, filter: string): TopState {
  const start: Cursor = { id: null, index: 0 };
  return {
    view: null,
    trouble: null,
    size,
    page: "lists",
    focus: "running",
    cursors: { clients: start, running: start, failures: start },
    sorts: { clients: 0, running: 0, failures: 0 },
    filter,
    typed: null,
    marked: new Set(),
    question: null,
    message: null,
    paused: false,
    reading: null,
  };
}

interface Order<T> {
  readonly name: string;
  readonly compare: ((one: T, other: T) => number) | null;
}

const text = (one: string | null, other: string | null): number =>
  (one ?? "") < (other ?? "") ? -1 : (one ?? "") > (other ?? "") ? 1 : 0;

/** The orders of each list. The first is that of the view. */
export const orders: {
  readonly clients: readonly Order<ClientView>[];
  readonly running: readonly Order<TaskView>[];
  readonly failures: readonly Order<FailureView>[];
} = {
  clients: [
    { name: "busiest first", compare: null },
    { name: "by host", compare: (one, other) => text(one.host, other.host) },
    { name: "most failures first", compare: (one, other) => (other.failed ?? 0) - (one.failed ?? 0) },
  ],
  running: [
    { name: "longest first", compare: null },
    { name: "newest first", compare: (one, other) => (other.startTime ?? 0) - (one.startTime ?? 0) },
    { name: "by host", compare: (one, other) => text(one.host, other.host) },
    { name: "by command", compare: (one, other) => text(one.text, other.text) },
  ],
  failures: [
    { name: "newest first", compare: null },
    { name: "by status", compare: (one, other) => one.exitStatus - other.exitStatus },
    { name: "longest first", compare: (one, other) => (other.duration ?? 0) - (one.duration ?? 0) },
    { name: "by command", compare: (one, other) => text(one.text, other.text) },
  ],
};

function ordered<T>(rows: readonly T[], { compare }: Order<T>): readonly T[] {
  return compare === null ? rows : rows.toSorted(compare);
}

/** The rows of the three lists as they are shown. */
export interface Rows {
  readonly clients: readonly ClientView[];
  readonly running: readonly TaskView[];
  readonly failures: readonly FailureView[];
}

/** The rows of all lists, in the chosen orders. */
export function rowsOf({ view, sorts }: Pick<TopState, "view" | "sorts">): Rows {
  return {
    clients: ordered(view?.clients ?? [], orders.clients[sorts.clients]!),
    running: ordered(view?.running ?? [], orders.running[sorts.running]!),
    failures: ordered(view?.failures ?? [], orders.failures[sorts.failures]!),
  };
}

/** Where the selection of a list is among its rows; -1: there are none. */
export function selectedIn(rows: readonly { readonly id: string }[], { id, index }: Cursor): number {
  const found = id === null ? -1 : rows.findIndex((row) => row.id === id);
  return found >= 0 ? found : Math.min(index, rows.length - 1);
}
