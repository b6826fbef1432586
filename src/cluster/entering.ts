/*
 * The row of a server in its store: which process it is, and whether it reserves its tasks.
 */
import { systemClock } from "../base/clock.ts";
import { processes } from "../base/processes.ts";
import type { Admission, Scope, Store } from "../store/store.ts";

/** Answers a function that writes the row of the server with this id, see Store.addServer. */
export function entering(
  id: string,
  { host, scope, store }: { readonly host: string; readonly scope: Scope; readonly store: Pick<Store, "addServer"> },
): () => Promise<Admission> {
  const { pid } = process;
  const { table, stateOf } = processes();
  const where = { host, pid, pidStart: stateOf(pid)?.startedAt ?? null, processTable: table() };
  const reserves = scope.kind === "submission";
  return () => {
    const now = systemClock.now();
    return store.addServer({ id, ...where, reserves, startedAt: now, beatAt: now });
  };
}
