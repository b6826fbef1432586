/*
 * Looks again and again whether somebody still reads the standard output of a run, and says how long its end waits.
 * Knows nothing of what is written.
 */
import { systemClock } from "../base/clock.ts";
import type { StopName } from "./signals.ts";

/** The pause between two looks, milliseconds. */
const readerMs = 250;

/**
 * Looks until `noticeUnread` answers that nobody reads any more. Answers a function that ends it. `isNeeded` false:
 * nobody needs to look.
 */
export function watchReader(noticeUnread: () => boolean, isNeeded: boolean): () => void {
  if (!isNeeded) return () => undefined;
  function look(): void {
    if (!noticeUnread()) timer = systemClock.after(readerMs, look);
  }
  let timer = systemClock.after(readerMs, look);
  return () => timer.cancel();
}

/** How a run ends: by which signal, and whether nothing is waited for any more. */
interface Ending {
  readonly isHurried: boolean;
  readonly stoppedBy: StopName | null;
}

const partingMs = 3000;

/**
 * How long the end of a run waits for a reader of failures who takes nothing, milliseconds. A pager is waited for until
 * a signal comes.
 */
export function readerPatience({ isHurried, stoppedBy }: Ending): number {
  if (isHurried) return 0;
  return stoppedBy === null ? Number.POSITIVE_INFINITY : partingMs;
}
