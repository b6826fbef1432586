/*
 * What becomes of a run when nobody is left to run its tasks. With a database the tasks wait there; without one they
 * are written down, ready to be input again. Knows the contract of a store, and nothing of clients.
 */
import { fstatSync } from "node:fs";
import type { Clock } from "../base/clock.ts";
import type { Scope, Store } from "../store/store.ts";

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
  readonly write: (args: string) => void;
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

/**
 * Writes down every task of the store, and those that are still being loaded, in order. Answers the number of tasks.
 */
export async function salvage(
  store: Pick<Store, "claim" | "onInsert">,
  owner: Owner,
  loading: Promise<unknown>,
  write: (args: string) => void,
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
    // It does not matter any more whether a lower group has ended.
    const claim = await store.claim({
      ...owner,
      group: "any",
      limit: perClaim,
      attempts: Number.MAX_SAFE_INTEGER,
      eager: false,
      aside: [],
    });
    if (claim.kind === "claimed") {
      for (const { args } of claim.tasks) write(args);
      count += claim.tasks.length;
    } else if (last) return count;
    else if (!loaded) await new Promise<void>((resolve) => (wake = resolve));
  }
}
