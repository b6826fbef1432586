/*
 * What a process does while its database is in trouble. Calls that may pass are made again, with pauses that double.
 * One WARNING says that the trouble begins and one that it is over, however many calls meet it. The first call that
 * gets through ends the pauses of all. Knows no database.
 */
import type { Clock } from "../base/clock.ts";
import { TransientError } from "../base/errors.ts";
import type { Logger } from "./logger.ts";

export interface Patience {
  /**
   * Calls until it gets through, and answers what came back. `what` says in log lines whose call it is. `giveUp` is
   * asked at each TransientError: null for another pause, or the error to end with. Throws that one, and any other
   * error at once.
   */
  persist<T>(what: string, call: () => Promise<T>, giveUp?: (error: TransientError) => Error | null): Promise<T>;
  /** Ends all pauses: each call that waits is made again, or given up. */
  goOn(): void;
  /** Whether a call has failed and is not over. */
  readonly inTrouble: boolean;
}

const firstPauseMs = 250;
const longestPauseMs = 30_000;

/**
 * The patience of one process with one database. Pauses grow from 250 ms to 30 s. Its `persist` throws every
 * error of the call that will not pass, and what `giveUp` answers.
 */
export function newPatience(clock: Clock, log: Logger): Patience {
  /** The number of calls that have failed and are not over. */
  let failing = 0;
  /** Ends of the pauses that are under way, early. */
  const pauses = new Set<() => void>();

  async function pause(pauseMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = clock.after(pauseMs, resolve);
    pauses.add(resolve);
    await promise;
    pauses.delete(resolve);
    timer.cancel();
  }

  function goOn(): void {
    for (const end of pauses) end();
  }

  return {
    goOn,
    get inTrouble() {
      return failing > 0;
    },
    async persist(what, call, giveUp = () => null) {
      let failed = false;
      try {
        for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
          try {
            const answer = await call();
            if (failed) {
              goOn();
              if (failing === 1) log.warning(`Database is back (${what})`);
            }
            return answer;
          } catch (error) {
            if (!(error instanceof TransientError)) throw error;
            const enough = giveUp(error);
            if (enough !== null) throw enough;
            if (!failed && failing++ === 0) log.warning(`Database trouble, trying again (${what}): ${error.message}`);
            failed = true;
            await pause(pauseMs);
          }
        }
      } finally {
        if (failed) failing--;
      }
    },
  };
}
