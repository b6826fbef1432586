/*
 * Whose each dispatch was that this server has given up: what its client has finished counts if nobody was faster.
 * Knows nothing of tasks and stores.
 */
import type { Lease } from "../wire/message.ts";
import { type ClientEntry, leaseKey, type ServerState } from "./state.ts";

/** The largest number of dispatches of which it is remembered whose they were. They take 15 MB. */
const mostLost = 50_000;

/** Remembers whose a dispatch was that is given up. */
export function rememberLost({ lost }: ServerState, client: ClientEntry, lease: Lease): void {
  lost.set(leaseKey(lease), client.id);
  if (lost.size <= mostLost) return;
  for (const oldest of lost.keys()) {
    lost.delete(oldest);
    return;
  }
}

/** Whether a dispatch that a client does not hold any more was its own. */
export function hadBefore({ lost, inherited, settings }: ServerState, client: ClientEntry, lease: Lease): boolean {
  if (lease.lease < settings.firstLease && inherited.has(client.id)) return true;
  return lost.size > 0 && lost.get(leaseKey(lease)) === client.id;
}
