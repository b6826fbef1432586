/*
 * The outcomes of a run, as they are stored: seen at the store, which everything goes through, and kept for a program
 * that takes them one by one. Whoever takes none holds the run up, because no more input is read then. Knows what the
 * contract of a store says, and nothing of servers and clients.
 */
import { type Deque, deque } from "../base/deque.ts";
import type { Clock } from "../base/clock.ts";
import type { Commit, Completion, Recall, Scope, Store } from "../store/store.ts";
import { type ClaimedTask, type NewTask, sentinel } from "../task/task.ts";
import { unrun } from "../task/unrun.ts";

/** A task that has ended for good, with what is stored of it. */
export interface Ended {
  readonly task: ClaimedTask;
  readonly completion: Omit<Completion, "retry">;
  readonly serverId: string;
  readonly serverHost: string;
}

/** What goes by, and who is told. */
interface Seen {
  readonly clock: Clock;
  readonly tell: (ended: Ended) => void;
  /** The tasks that the server holds. */
  readonly held: Map<string, ClaimedTask>;
  /** What others did to tasks that the server holds, until it has dealt with that. */
  readonly recalls: Map<number, Recall>;
  /** Commits that failed, and may be stored all the same. */
  readonly doubtful: WeakSet<Commit>;
}

/**
 * Puts itself around a store. It calls `tell` with each outcome behind which no further attempt follows, once it is
 * stored, and `onInsert` with the number of tasks that are about to be stored. The store around throws what the store
 * within throws.
 */
export function watchStore(
  store: Store,
  { clock, tell, onInsert }: { clock: Clock; tell: (ended: Ended) => void; onInsert: (count: number) => void },
): { readonly store: Store; readonly held: () => number } {
  const seen: Seen = {
    clock,
    tell,
    held: new Map(),
    recalls: new Map(),
    doubtful: new WeakSet(),
  };
  const own: Pick<Store, "insert" | "claim" | "adopt" | "recalls" | "commit"> = {
    insert(tasks) {
      onInsert(tasks.length);
      return store.insert(tasks);
    },
    async claim(request) {
      const answer = await store.claim(request);
      if (answer.kind === "claimed") for (const task of answer.tasks) seen.held.set(task.id, task);
      return answer;
    },
    async adopt(request) {
      const tasks = await store.adopt(request);
      for (const task of tasks) seen.held.set(task.id, task);
      return tasks;
    },
    async recalls(serverId) {
      const recalls = await store.recalls(serverId);
      for (const recall of recalls) seen.recalls.set(recall.number, recall);
      return recalls;
    },
    async commit(order) {
      const report = await store.commit(order).catch((error: unknown) => {
        seen.doubtful.add(order);
        throw error;
      });
      // A commit that seemed to fail and was made again finds what it has stored itself.
      heed(seen, order, new Set(seen.doubtful.has(order) ? [] : report.refused));
      return report;
    },
  };
  const around = new Proxy(store, {
    get(target, key) {
      if (Object.hasOwn(own, key)) return own[key as keyof typeof own];
      const value: unknown = Reflect.get(target, key);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  return { store: around, held: () => seen.held.size };
}

function heed(seen: Seen, order: Commit, refused: ReadonlySet<string>): void {
  const { held } = seen;
  const { serverId, serverHost, at } = order;
  for (const id of order.reverted) held.delete(id);
  for (const done of order.completed) {
    const task = held.get(done.id);
    if (task === undefined || refused.has(done.id)) continue;
    held.delete(done.id);
    if (done.retry === null) seen.tell({ task, completion: done, serverId, serverHost });
    else if (done.retry.claimed) held.set(done.retry.task.id, { ...done.retry.task, scheduleTime: at });
  }
  for (const number of order.recalled) {
    const recall = seen.recalls.get(number);
    seen.recalls.delete(number);
    if (recall === undefined || recall.kind === "changed") continue;
    const task = held.get(recall.id);
    held.delete(recall.id);
    if (task === undefined || recall.kind !== "cancelled") continue;
    seen.tell({ task, completion: cancelled(task, seen.clock.now()), serverId, serverHost });
  }
}

/** What is stored of a task that somebody has cancelled. */
function cancelled({ id }: NewTask, completionTime: number): Ended["completion"] {
  const ended = unrun({ id, lease: 0 }, sentinel.cancelled, completionTime);
  return { ...ended, clientId: null, clientHost: null, waited: null, duration: null };
}

/** Outcomes between a run and the program that takes them. */
export interface Outcomes {
  readonly around: (store: Store) => Store;
  /** Resolves with true when more tasks may be stored, and with false when no more will be. */
  room(): Promise<boolean>;
  /** The next outcome; null: the run is over. Rejects with what ended the run otherwise. One call at a time. */
  next(): Promise<Ended | null>;
  /** The run is over; `failure`: for what reason, other than that everything is done. */
  end(failure: { readonly error: unknown } | null): void;
  /** Nothing more is stored. */
  close(): void;
  /** Nothing more is taken, and what was not taken is forgotten. */
  discard(): void;
}

interface Flow {
  readonly clock: Clock;
  readonly ended: Deque<Ended>;
  /** How many tasks are stored whose outcomes were not taken. */
  inside: number;
  store: Store | null;
  held: () => number;
  isClosed: boolean;
  isDiscarded: boolean;
  end: { readonly failure: { readonly error: unknown } | null } | null;
  /** Wakes the program, and the input; each waits for one thing at a time. */
  wakeTaker: (() => void) | null;
  wakeInput: (() => void) | null;
}

/** So many tasks of a run may be stored whose outcomes were not taken. It keeps 500 executors busy for some seconds. */
const mostInside = 2048;

/** Where nothing moves, the store is asked this often what is to be done, milliseconds. */
const lookMs = 250;

/** Makes the way of the outcomes of the run that `scope` names. */
export function openOutcomes(scope: Scope, clock: Clock): Outcomes {
  const flow: Flow = {
    clock,
    ended: deque<Ended>(),
    inside: 0,
    store: null,
    held: () => 0,
    isClosed: false,
    isDiscarded: false,
    end: null,
    wakeTaker: null,
    wakeInput: null,
  };
  return {
    around(store) {
      const watched = watchStore(store, {
        clock,
        onInsert: (count) => (flow.inside += count),
        tell(ended) {
          if (flow.isDiscarded) return;
          flow.ended.push(ended);
          wake(flow, "wakeTaker");
        },
      });
      flow.store = store;
      flow.held = watched.held;
      return watched.store;
    },
    room: () => room(flow, scope),
    next: () => next(flow),
    end(failure) {
      flow.end ??= { failure };
      wake(flow, "wakeTaker");
    },
    close() {
      flow.isClosed = true;
      wake(flow, "wakeInput");
    },
    discard() {
      flow.isDiscarded = true;
      flow.ended.drain();
    },
  };
}

function wake(flow: Flow, whom: "wakeTaker" | "wakeInput"): void {
  const waiting = flow[whom];
  flow[whom] = null;
  waiting?.();
}

async function next(flow: Flow): Promise<Ended | null> {
  for (;;) {
    const ended = flow.ended.shift();
    if (ended !== undefined) {
      flow.inside -= 1;
      wake(flow, "wakeInput");
      return ended;
    }
    if (flow.end !== null) {
      if (flow.end.failure !== null) throw flow.end.failure.error;
      return null;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    flow.wakeTaker = resolve;
    await promise;
  }
}

/**
 * Waits for room. Tasks that cannot run before others are there (a failure holds them back) take none: then nothing is
 * under way and nothing is left to take, so that reading goes on.
 */
async function room(flow: Flow, scope: Scope): Promise<boolean> {
  while (!flow.isClosed && flow.inside >= mostInside) {
    if (await isWoken(flow)) continue;
    const unfinished = await flow.store?.survey(scope).catch(() => null);
    if (unfinished === undefined || unfinished === null) continue;
    // Others may have ended tasks that no server of ours ever held.
    flow.inside = unfinished.unfinished + flow.ended.length;
    if (flow.ended.length === 0 && flow.held() === 0) break;
  }
  return !flow.isClosed;
}

/** Waits until an outcome is taken, but not long; whether one was. */
async function isWoken(flow: Flow): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  flow.wakeInput = () => resolve(true);
  const timer = flow.clock.after(lookMs, () => resolve(false));
  const woken = await promise;
  timer.cancel();
  return woken;
}
