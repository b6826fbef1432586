/*
 * What the log of a server says of connections that came to nothing. Anybody who reaches the port can make as many of
 * them as they like (a scanner, a probe of a load balancer, somebody who tries keys), and must not fill the log. In
 * each minute the first lines are warnings; of the rest, only the number is logged.
 */
import { counted } from "../base/units.ts";
import type { Clock, Timer } from "../base/clock.ts";
import type { Logger } from "../log/logger.ts";

export interface Refusals {
  readonly tell: (peer: string, reason: string) => void;
  /** Logs the number of those that were not logged yet. */
  readonly close: () => void;
}

const warningsAMinute = 20;
const minuteMs = 60_000;

/** Makes a logger of refused connections. */
export function tellRefusals(log: Logger, clock: Pick<Clock, "after">): Refusals {
  let count = 0;
  let minute: Timer | null = null;

  function close(): void {
    minute?.cancel();
    minute = null;
    const more = count - warningsAMinute;
    count = 0;
    if (more > 0)
      log.warning(`${counted(more, "more connection")} ${more === 1 ? "was" : "were"} refused within a minute`);
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
