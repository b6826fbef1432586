/*
 * A run without a database that nobody is left to run: what has not finished is written down, ready to be input again. Knows the contract of a
 * store, and nothing of clients.
 */
import { fstatSync } from "node:fs";
import type { Scope, Store } from "../store/store.ts";

/** Whether all of an input can be read at once: what a program is still writing may never end. */
export function isAllThere(file: string, regular: boolean): boolean {
  if (file !== "-") return regular;
  try {
    return fstatSync(0).isFile();
  } catch {
    return false;
  }
}

const perClaim = 1000;

/** Takes every task out of the store, and those that are still being loaded, in order. Returns how many they were. */
export async function salvage(
  store: Pick<Store, "claim" | "onInsert">,
  owner: { readonly serverId: string; readonly serverHost: string; readonly scope: Scope; readonly at: number },
  loading: Promise<unknown>,
  write: (args: string) => void,
): Promise<number> {
  let count = 0;
  let loaded = false;
  let wake = (): void => {
    // Nobody waits.
  };
  store.onInsert(() => wake());
  const end = (): void => {
    loaded = true;
    wake();
  };
  loading.then(end, end);
  for (;;) {
    const last = loaded;
    // Of any group: whether an earlier one has ended does not matter any more.
    const claim = await store.claim({
      ...owner,
      group: Number.MAX_SAFE_INTEGER,
      limit: perClaim,
      attempts: Number.MAX_SAFE_INTEGER,
      eager: false,
    });
    if (claim.kind === "claimed") {
      for (const { args } of claim.tasks) write(args);
      count += claim.tasks.length;
    } else if (last) return count;
    else if (!loaded) await new Promise<void>((resolve) => (wake = resolve));
  }
}
