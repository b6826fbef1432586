/*
 * Looks again and again whether somebody still reads the standard output of a run. Knows nothing of what is written.
 */
import { systemClock } from "../base/clock.ts";

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
