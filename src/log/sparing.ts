/*
 * Warnings that strangers, or peers that break the rules, can bring about as often as they like: they must not fill the
 * log. In each span of time the first lines are warnings; of the rest, only the number is logged. Knows nothing of
 * connections.
 */
import type { Clock, Timer } from "../base/clock.ts";
import type { Logger, Text } from "./logger.ts";

export interface SparingLog {
  /** Logs a warning, or a line of level DEBUG if there were too many within this span. */
  readonly warn: (text: Text) => void;
  /** Logs the number of those that were no warnings. */
  readonly close: () => void;
}

export interface SparingOptions {
  /** The number of warnings in one span; missing: 20. */
  readonly most?: number;
  /** How long a span lasts, from the first warning on, milliseconds; missing: a minute. */
  readonly spanMs?: number;
  /** Makes the line about a number (1 or more) of events that were no warnings. */
  readonly more: (count: number) => string;
}

/** Makes such a log. */
export function warnSparingly(
  log: Logger,
  clock: Pick<Clock, "after">,
  { most = 20, spanMs = 60_000, more }: SparingOptions,
): SparingLog {
  let count = 0;
  let span: Timer | null = null;

  function close(): void {
    span?.cancel();
    span = null;
    const left = count - most;
    count = 0;
    if (left > 0) log.warning(more(left));
  }

  return {
    close,
    warn(text) {
      count++;
      span ??= clock.after(spanMs, close);
      if (count <= most) log.warning(text);
      else log.debug(text);
    },
  };
}
