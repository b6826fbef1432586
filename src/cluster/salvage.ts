/*
 * What becomes of a run when nobody is left to run its tasks. With a database the tasks wait there; without one they
 * are written down, ready to be input again. Knows the contract of a store, and nothing of clients.
 */
import { everyFailure } from "../task/retries.ts";
import { fstatSync } from "node:fs";
import type { Clock } from "../base/clock.ts";
import type { Patience } from "../log/patience.ts";
import type { Scope, Store } from "../store/store.ts";
import type { ClaimedTask } from "../task/task.ts";

/**
 * Whether all of an input can be read at once: a program that is still writing may never end. `file`: a path, or `-`
 * for standard input; `regular`: whether that path is a regular file.
 */
export function isAllThere(file: string, regular: boolean): boolean {
  if (file !== "-") return regular;
  try {
    return fstatSync(0).isFile();
  } catch {
    return false;
  }
}

/** The server in whose name the tasks are claimed that are written down. */
export interface Owner {
  readonly serverId: string;
  readonly serverHost: string;
  readonly scope: Scope;
  readonly at: number;
}

/** What a run leaves behind when nobody is left to run it. */
export interface Rest {
  readonly store: Pick<Store, "durable" | "claim" | "onInsert">;
  readonly owner: Owner;
  /** The input on its way to the store. */
  readonly loading: Promise<unknown>;
  /** Ends the reading of an input that may never end; null: the input ends by itself. */
  readonly stopReading: (() => void) | null;
  readonly write: (task: ClaimedTask) => void;
  readonly clock: Pick<Clock, "after">;
}

/** How long the rest of a pipe is read, milliseconds. What comes later is left to its writer. */
const restMs = 5000;

/**
 * Reads the rest of the input into the database, or writes everything down. Answers the number of tasks that were
 * written down.
 */
export async function keepRest({ store, owner, loading, stopReading, write, clock }: Rest): Promise<number> {
  const timer = stopReading === null ? null : clock.after(restMs, stopReading);
  try {
    if (!store.durable) return await salvage(store, owner, loading, write);
    await loading;
    return 0;
  } finally {
    timer?.cancel();
  }
}

/** The largest number of tasks in one claim. */
const perClaim = 1000;
/** It does not matter any more whether a lower group has ended. */
const everyGroup = {
  group: "any",
  limit: perClaim,
  retries: everyFailure(2 ** 31 - 1),
  eager: false,
  aside: [],
  tooMuch: [],
} as const;

/** The calls of a store for `copyWaiting`, which are made again while it is in trouble. */
export function patientStore(store: Store, patience: Patience): Pick<Store, "claim" | "commit"> {
  return {
    claim: (request) => patience.persist("claim", () => store.claim(request)),
    commit: (order) => patience.persist("commit", () => store.commit(order)),
  };
}

/**
 * Writes down tasks that wait in a database, where they stay: the failures of a group keep those of higher groups from
 * running, and the next run would stop there again. Answers the number of tasks.
 */
export async function copyWaiting(
  store: Pick<Store, "claim" | "commit">,
  owner: Owner,
  write: (task: ClaimedTask) => void,
): Promise<number> {
  const claimed: string[] = [];
  for (;;) {
    const claim = await store.claim({ ...owner, ...everyGroup });
    if (claim.kind !== "claimed" || claim.tasks.length === 0) break;
    for (const task of claim.tasks) {
      write(task);
      claimed.push(task.id);
    }
  }
  const { serverId, serverHost, at } = owner;
  const nothing = { assigned: [], started: [], completed: [], recalled: [] };
  for (let from = 0; from < claimed.length; from += perClaim) {
    const reverted = claimed.slice(from, from + perClaim);
    await store.commit({ serverId, serverHost, at, ...nothing, reverted });
  }
  return claimed.length;
}

/**
 * Writes down every task of the store, and those that are still being loaded, in order. Answers the number of tasks.
 */
export async function salvage(
  store: Pick<Store, "claim" | "onInsert">,
  owner: Owner,
  loading: Promise<unknown>,
  write: (task: ClaimedTask) => void,
): Promise<number> {
  let count = 0;
  let loaded = false;
  let wake = (): void => {
    // Until somebody waits, waking does nothing.
  };
  store.onInsert(() => wake());
  const end = (): void => {
    loaded = true;
    wake();
  };
  loading.then(end, end);
  for (;;) {
    const last = loaded;
    const claim = await store.claim({ ...owner, ...everyGroup });
    if (claim.kind === "claimed") {
      for (const task of claim.tasks) write(task);
      count += claim.tasks.length;
    } else if (last) return count;
    else if (!loaded) await new Promise<void>((resolve) => (wake = resolve));
  }
}
