/*
 * What a server concludes from the rows of all servers of its store: which have died, which take from the store beside
 * it, and which dispatches of a dead server no longer count. Rows go in; numbers and ranges of leases come out. It
 * reads nothing itself; the caller says who is alive.
 *
 * Leases grow from server to server: the store gives each a range above those of all before it (store/leases.ts).
 */
import { leaseCount } from "../store/leases.ts";
import type { Recall, ServerRow } from "../store/store.ts";
import type { Revoked } from "./event.ts";

export type IsAlive = (server: ServerRow) => boolean;

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
 * For a task that was taken back from this server: which leases no longer count, as seen by the server `serverId`.
 *
 * `below`: leases from here on are not its own, and later. `from`: leases below this may be those of a server that
 * entered before it and is at work, `serverId` or a neighbour. Without such a server it is 0, because a task that it
 * has adopted keeps the lease of a predecessor.
 */
export function revokedLeasesOf(
  row: ServerRow,
  serverId: string,
  servers: readonly ServerRow[],
  isAlive: IsAlive,
): Omit<Revoked, "id"> {
  const { firstLease } = row;
  const later = servers.flatMap((other) => (other.firstLease > firstLease ? [other.firstLease] : []));
  const isEarlier = (other: ServerRow): boolean =>
    other.firstLease < firstLease && (other.id === serverId || isAlive(other));
  return { from: servers.some(isEarlier) ? firstLease : 0, below: Math.min(...later, firstLease + leaseCount(row)) };
}

/** The tasks that were taken back from a server, each with the leases that no longer count. */
export function revokedBy(recalls: readonly Recall[], leases: Omit<Revoked, "id">): readonly Revoked[] {
  return recalls
    .filter(({ kind }) => kind === "reverted" || kind === "deleted" || kind === "cancelled")
    .map(({ id }) => ({ id, ...leases }));
}
