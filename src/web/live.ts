/*
 * What all viewers of the page see together: one look at the source per second, however many they are, and none while
 * nobody looks. Each viewer is a stream of server-sent events that is written when its reader has taken what was there:
 * a slow one misses looks, and nothing waits for it. Knows neither HTTP nor who the viewers are.
 *
 * Counts are the same for everybody. Rows of tasks depend on the filter: of several filters one is looked for at each
 * look, the one that waits longest.
 */
import type { Clock, Timer } from "../base/clock.ts";
import { messageOf } from "../base/errors.ts";
import type { View, ViewSource } from "../view/view.ts";
import { rowsOf, wholeOf } from "./shown.ts";

export interface Live {
  /** A stream of events for one more viewer; null: there are as many as there may be. */
  join(filter: string): ReadableStream<Uint8Array> | null;
  /** A look that is at most a second old. Rejects as the source does. */
  latest(): Promise<View>;
  /** A look with a filter, for who asks once. Rejects as the source does. */
  look(filter: string): Promise<View>;
  viewers(): number;
  /** Tells all viewers why, and ends their streams. */
  close(why: string): void;
}

export interface LiveOptions {
  readonly source: ViewSource;
  readonly clock: Clock;
  /** The largest number of viewers at a time. */
  readonly most: number;
}

/** The largest number of clients, running tasks and failures that the page shows, each. */
const mostRows = 50;

/** The time between two looks, milliseconds. */
const lookMs = 1000;

/** How long a look may take before viewers are told, milliseconds. */
const patienceMs = 5000;

/** A viewer that takes nothing for so long has gone without a word, milliseconds. */
const silentMs = 30_000;

interface Event {
  /** They grow. */
  readonly number: number;
  readonly bytes: Uint8Array;
}

interface Viewer {
  readonly filter: string;
  /** The numbers of the last events that it has got. */
  seenFacts: number;
  seenRows: number;
  /** When it last took something, milliseconds since 1970. */
  tookAt: number;
  /** Whether it has been told all that there is. */
  isDone: boolean;
  /** Called when there is something new; null: it does not wait. */
  wake: (() => void) | null;
}

interface State {
  readonly options: LiveOptions;
  readonly viewers: Set<Viewer>;
  facts: Event | null;
  readonly rows: Map<string, Event>;
  /** When rows were last looked for, by filter. */
  readonly askedAt: Map<string, number>;
  events: number;
  timer: Timer | null;
  last: View | null;
  lastAt: number;
  looking: { readonly since: number; readonly view: Promise<View> } | null;
  isClosed: boolean;
}

/** Starts nothing: the first viewer does. */
export function newLive(options: LiveOptions): Live {
  const state: State = {
    options,
    viewers: new Set(),
    facts: null,
    rows: new Map(),
    askedAt: new Map(),
    events: 0,
    timer: null,
    last: null,
    lastAt: Number.NEGATIVE_INFINITY,
    looking: null,
    isClosed: false,
  };
  return {
    join: (filter) => join(state, filter),
    latest() {
      const isFresh = state.last !== null && options.clock.now() - state.lastAt < lookMs;
      return isFresh ? Promise.resolve(state.last!) : (state.looking?.view ?? look(state, ""));
    },
    look: (filter) => options.source.look({ most: mostRows, filter }),
    viewers: () => state.viewers.size,
    close(why) {
      state.timer?.cancel();
      state.facts = event(state, "end", { why });
      state.isClosed = true;
      wakeAll(state);
    },
  };
}

const encoder = new TextEncoder();

function event(state: State, name: string, data: unknown): Event {
  return { number: ++state.events, bytes: encoder.encode(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`) };
}

function wakeAll(state: State): void {
  for (const viewer of state.viewers) viewer.wake?.();
}

function join(state: State, filter: string): ReadableStream<Uint8Array> | null {
  const { clock, most } = state.options;
  if (state.isClosed || state.viewers.size >= most) return null;
  const viewer: Viewer = { filter, seenFacts: 0, seenRows: 0, tookAt: clock.now(), isDone: false, wake: null };
  state.viewers.add(viewer);
  if (state.timer === null) turn(state);
  return new ReadableStream<Uint8Array>(
    {
      // This is called only when the reader has taken what it had.
      async pull(controller) {
        viewer.tookAt = clock.now();
        while (!viewer.isDone && !give(state, viewer, controller)) {
          const { promise, resolve } = Promise.withResolvers<void>();
          viewer.wake = resolve;
          await promise;
          viewer.wake = null;
        }
        if (viewer.isDone) {
          leave(state, viewer);
          controller.close();
        }
      },
      cancel: () => leave(state, viewer),
    },
    { highWaterMark: 0 },
  );
}

/** Gives a viewer what is new to it. Answers whether there was anything. */
function give(state: State, viewer: Viewer, to: ReadableStreamDefaultController<Uint8Array>): boolean {
  const { facts } = state;
  const rows = state.rows.get(viewer.filter) ?? null;
  let gave = false;
  if (facts !== null && facts.number > viewer.seenFacts) {
    viewer.seenFacts = facts.number;
    to.enqueue(facts.bytes);
    gave = true;
  }
  if (rows !== null && rows.number > viewer.seenRows) {
    viewer.seenRows = rows.number;
    to.enqueue(rows.bytes);
    gave = true;
  }
  if (state.isClosed) viewer.isDone = true;
  return gave;
}

function leave(state: State, viewer: Viewer): void {
  viewer.isDone = true;
  state.viewers.delete(viewer);
  viewer.wake?.();
  const { filter } = viewer;
  if ([...state.viewers].some((other) => other.filter === filter)) return;
  state.rows.delete(filter);
  state.askedAt.delete(filter);
}

/** Looks, if somebody is there to see it, and comes again a second later. */
function turn(state: State): void {
  const { viewers, options } = state;
  const { clock } = options;
  state.timer = null;
  if (state.isClosed) return;
  const now = clock.now();
  // One that takes nothing has an event on its way since it took the last.
  for (const viewer of viewers) if (viewer.wake === null && now - viewer.tookAt > silentMs) leave(state, viewer);
  if (viewers.size === 0) return;
  state.timer = clock.after(lookMs, () => turn(state));
  if (state.looking === null) return void look(state, nextFilter(state)).catch(() => undefined);
  const waited = now - state.looking.since;
  if (waited > patienceMs) tell(state, `No answer for ${Math.round(waited / 1000)} seconds`);
}

/** The filter whose rows are the oldest. */
function nextFilter({ viewers, askedAt }: State): string {
  let next = "";
  let oldest = Number.POSITIVE_INFINITY;
  for (const { filter } of viewers) {
    const at = askedAt.get(filter) ?? Number.NEGATIVE_INFINITY;
    if (at >= oldest) continue;
    oldest = at;
    next = filter;
  }
  return next;
}

/** Looks once, and tells everybody. Rejects as the source does; then everybody is told why. */
async function look(state: State, filter: string): Promise<View> {
  const { source, clock } = state.options;
  const since = clock.now();
  // A source may throw at once.
  const view = Promise.resolve().then(() => source.look({ most: mostRows, filter }));
  state.looking = { since, view };
  if ([...state.viewers].some((viewer) => viewer.filter === filter)) state.askedAt.set(filter, since);
  try {
    const seen = await view;
    state.last = seen;
    state.lastAt = since;
    if (state.isClosed) return seen;
    state.facts = event(state, "view", wholeOf(seen));
    if (state.askedAt.has(filter)) state.rows.set(filter, event(state, "rows", rowsOf(seen, filter)));
    wakeAll(state);
    return seen;
  } catch (error) {
    if (!state.isClosed) tell(state, messageOf(error));
    throw error;
  } finally {
    state.looking = null;
  }
}

function tell(state: State, text: string): void {
  state.facts = event(state, "trouble", { text });
  wakeAll(state);
}
