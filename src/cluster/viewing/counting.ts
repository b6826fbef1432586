/*
 * Counts the tasks of a database again and again, without taking more than a tenth of the time: small databases at
 * each look, large ones in the background. What nobody has changed is not counted again.
 */
import type { Clock } from "../../base/clock.ts";
import type { Overview, TaskCounts } from "../../history/overview.ts";

/** Counts and the moment when they held, milliseconds since 1970. */
export interface Counted {
  readonly counts: TaskCounts;
  readonly at: number;
}

/** Counts that are taken anew when it is worth it. */
export interface Counting {
  /** The counts as they are now, or were a moment ago. Throws what the database throws, if there are none yet. */
  now(): Promise<Counted>;
}

/** Counts that take less time than this are waited for at each look, milliseconds. */
const promptMs = 30;
/** Counting takes at most one in so many milliseconds. */
const share = 10;

/** Nothing is counted yet. */
export function newCounting(overview: Pick<Overview, "counts" | "state">, clock: Clock): Counting {
  let last: Counted | null = null;
  let underWay: Promise<Counted> | null = null;
  let tookMs = 0;
  let stateThen: string | null = null;

  async function count(): Promise<Counted> {
    const since = clock.now();
    const state = await overview.state();
    if (last !== null && state !== null && state === stateThen) return (last = { ...last, at: since });
    const counts = await overview.counts();
    stateThen = state;
    tookMs = clock.now() - since;
    return (last = { counts, at: clock.now() });
  }

  return {
    async now() {
      const isDue = last === null || tookMs < promptMs || clock.now() - last.at > share * tookMs;
      if (isDue && underWay === null) {
        underWay = count().finally(() => (underWay = null));
        // Who does not wait for it learns at the next look what is wrong.
        underWay.catch(() => undefined);
      }
      if (underWay === null || (last !== null && tookMs >= promptMs)) return last!;
      return underWay;
    },
  };
}
