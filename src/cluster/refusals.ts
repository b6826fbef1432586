/*
 * What the log of a server tells of connections that came to nothing. Anybody who reaches the port can make as many of
 * them as he likes (a scanner, a probe of a load balancer, somebody who tries keys), and they shall not fill it: of
 * each minute the first lines are warnings, the rest is a number.
 */
import type { Clock, Timer } from "../base/clock.ts";
import type { Logger } from "../log/logger.ts";

export interface Refusals {
  readonly tell: (peer: string, reason: string) => void;
  /** Tells the number of those that were not told yet. */
  readonly close: () => void;
}

const warningsAMinute = 20;
const minuteMs = 60_000;

/** A teller of refused connections. */
export function tellRefusals(log: Logger, clock: Pick<Clock, "after">): Refusals {
  let count = 0;
  let minute: Timer | null = null;

  function close(): void {
    minute?.cancel();
    minute = null;
    const more = count - warningsAMinute;
    count = 0;
    if (more > 0) log.warning(`${more} more connection${more === 1 ? " was" : "s were"} refused within a minute`);
  }

  return {
    close,
    tell(peer, reason) {
      count++;
      minute ??= clock.after(minuteMs, close);
      const text = (): string => `Connection from ${peer} refused: ${reason}`;
      if (count <= warningsAMinute) log.warning(text);
      else log.debug(text);
    },
  };
}
