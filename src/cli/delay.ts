/*
 * How long a client waits before it connects (`-d/--delay-start`). It is asked once, so that the time that is logged is
 * the time that is waited.
 */
import { counted } from "../base/units.ts";
import type { Logger } from "../log/logger.ts";

/** The time to wait, seconds: `wished`, or a random part of it when that is negative. */
export function startDelay(wished: number, log: Pick<Logger, "debug">): number {
  const delay = wished < 0 ? Math.random() * -wished : wished;
  if (wished < 0) log.debug(`Waiting random (${delay.toFixed(1)} seconds)`);
  if (wished > 0) log.debug(`Waiting (${counted(delay, "second")})`);
  return delay;
}
