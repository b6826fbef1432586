/*
 * What a client has done since it connected: how many tasks, and how fast. It is kept only where somebody asks
 * (ServerSettings.measures). Knows nothing of the schedule.
 */
import type { Outcome } from "../task/task.ts";

/** What a client has done since it connected. The times are by its own clock, milliseconds since 1970. */
export interface Tally {
  /** How many tasks have ended. */
  count: number;
  /** How long they took together, milliseconds. */
  tookMs: number;
  /** When the first of them started. Pauses in which nothing ran are left out: the time is moved by their length. */
  from: number;
  /** When the last of them ended. */
  until: number;
}

/** A tally of a client that has done nothing yet. */
export function newTally(): Tally {
  return { count: 0, tookMs: 0, from: 0, until: 0 };
}

/** Counts a task that has ended. One that never started, or whose start is not known, says nothing of the pace. */
export function noteWork(tally: Tally, { command, startTime, completionTime }: Outcome): void {
  if (command === null || startTime === null) return;
  if (tally.count === 0) tally.from = startTime;
  else if (startTime > tally.until) tally.from += startTime - tally.until;
  else tally.from = Math.min(tally.from, startTime);
  tally.count += 1;
  tally.tookMs += Math.max(0, completionTime - startTime);
  tally.until = Math.max(tally.until, completionTime);
}

/** How fast clients work together. Null: none of their tasks has ended, or all took no time. */
export interface Pace {
  /** How many tasks end in a second. */
  readonly rate: number | null;
  /** How long a task takes on the average, seconds. */
  readonly duration: number | null;
}

/** The pace of clients with these tallies; null among them: it was not measured. */
export function paceOf(tallies: readonly (Tally | null)[]): Pace {
  let [rate, count, tookMs] = [0, 0, 0];
  for (const tally of tallies) {
    if (tally === null || tally.count === 0 || tally.until <= tally.from) continue;
    rate += (tally.count / (tally.until - tally.from)) * 1000;
    count += tally.count;
    tookMs += tally.tookMs;
  }
  return { rate: rate > 0 ? rate : null, duration: tookMs > 0 ? tookMs / count / 1000 : null };
}
