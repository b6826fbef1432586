/*
 * What a process does while its database is in trouble: calls that may pass are made again, with pauses that double, and one WARNING tells when
 * the trouble begins, another when it is over, however many calls meet it. The first that gets through ends the pauses of all.
 */
import type { Clock } from "../base/clock.ts";
import { TransientError } from "../base/errors.ts";
import type { Logger } from "./logger.ts";

export interface Patience {
  /** `what`: whose call it is, for log lines. `giveUp`: asked at each failure; an error in place of a pause ends it. */
  persist<T>(what: string, call: () => Promise<T>, giveUp?: (error: TransientError) => Error | null): Promise<T>;
  /** Ends all pauses: who is waiting tries again, or gives up. */
  goOn(): void;
  /** Whether somebody waits for the database. */
  readonly inTrouble: boolean;
}

const firstPauseMs = 250;
const longestPauseMs = 30_000;

export function newPatience(clock: Clock, log: Logger): Patience {
  /** Calls that have failed and are not over. */
  let failing = 0;
  /** What ends each pause early. */
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
