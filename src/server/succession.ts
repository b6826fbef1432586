/*
 * What a server concludes from the rows of all servers of its store: which have died, which take from the store beside
 * it, and which dispatches of a dead server no longer count. Rows go in; numbers and ranges of leases come out. It
 * reads nothing itself; the caller says who is alive.
 *
 * Leases grow with the time at which servers start: the leases of a server are above all that an earlier server can
 * have handed out.
 */
import type { Recall, ServerRow } from "../store/store.ts";
import type { Revoked } from "./event.ts";

export type IsAlive = (server: ServerRow) => boolean;

/**
 * The first lease of a server that started at `time` (milliseconds since 1970, by the clock that all servers of its
 * store share). It leaves room for a thousand leases a millisecond, more than any server hands out.
 */
export function firstLeaseOf(time: number): number {
  return Math.floor(time * 1000);
}

/** The servers that left a row behind when they died. */
export function deadOf(servers: readonly ServerRow[], isAlive: IsAlive): readonly ServerRow[] {
  return servers.filter((row) => !isAlive(row));
}

/** The servers that are alive, without this one. */
export function neighboursOf(servers: readonly ServerRow[], serverId: string, isAlive: IsAlive): readonly ServerRow[] {
  return servers.filter((row) => row.id !== serverId && isAlive(row));
}

/** How many of these servers take any free task: a finite run takes only its own submission. */
export function countTakers(servers: readonly ServerRow[]): number {
  return servers.filter((row) => !row.reserves).length;
}

/**
 * The servers that may be on record as holding what a client brings: predecessors, servers that died beside this one,
 * and this one itself.
 */
export function formerHolders(
  predecessors: readonly string[],
  dead: readonly ServerRow[],
  serverId: string,
): readonly string[] {
  return [...predecessors, ...dead.map(({ id }) => id), serverId];
}

/**
 * For a task that was taken back from this dead server: which of its leases no longer count.
 *
 * `below`: leases from here on are those of a server that started after it. If there is none, `below` is the first
 * lease of a server that would start `now` (milliseconds since 1970 by the shared clock). `from`: leases below this may
 * be those of a neighbour that started before it and is still at work. Without such a neighbour it is 0.
 */
export function revokedLeasesOf(
  dead: ServerRow,
  servers: readonly ServerRow[],
  neighbours: readonly ServerRow[],
  now: number,
): Omit<Revoked, "id"> {
  const later = servers.filter((row) => row.startedAt > dead.startedAt);
  const below = firstLeaseOf(Math.min(...later.map((row) => row.startedAt), now));
  const from = neighbours.some((row) => row.startedAt < dead.startedAt) ? firstLeaseOf(dead.startedAt) : 0;
  return { from, below };
}

/** The tasks that were taken back from a dead server, each with the leases that no longer count. */
export function revokedBy(recalls: readonly Recall[], leases: Omit<Revoked, "id">): readonly Revoked[] {
  return recalls
    .filter(({ kind }) => kind === "reverted" || kind === "deleted" || kind === "cancelled")
    .map(({ id }) => ({ id, ...leases }));
}
