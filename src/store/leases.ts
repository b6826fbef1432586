/*
 * How the stores hand out leases: each server that enters gets a range of numbers of its own, above all that others had
 * before. A counter in the store says where the next range begins. The clock only ever moves it forward, so that it is
 * also above the leases of earlier versions, which counted microseconds since 1970, and above those that were handed
 * out after a backup was made from which the store was restored.
 */

/** The latest beginning of a range: leases are exact in JSON up to 2^53. */
export const lastFirstLease = 2 ** 53 - 2 ** 37;

/**
 * The first lease that the clock alone suggests at `now`, milliseconds since 1970. A wrong clock is believed up to the
 * year 2096.
 */
export function leaseAt(now: number): number {
  return Math.min(Math.max(0, Math.floor(now * 1000)), 4e15);
}

/**
 * How many leases a server gets. A run that reserves its own tasks gets enough for a thousand million of them, so that
 * millions of runs fit; one that goes on gets enough for a year of 2,000 tasks a second.
 */
export function leaseCount({ reserves }: { readonly reserves: boolean }): number {
  return reserves ? 2 ** 30 : 2 ** 36;
}
