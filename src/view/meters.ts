/*
 * Meters for views: how many tasks ended when, how fast they end, how long they take, how long the rest will take. They
 * are told numbers and times, and answer numbers; a batch of tasks is told at once. Knows no clock and no source.
 */
import type { Histogram, Throughput } from "./view.ts";

/** The bounds of the durations of tasks, seconds. */
export const durationBounds: readonly number[] = [
  0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 60, 300, 900, 3600, 14_400, 86_400,
];
/** The bounds of the time that a transaction takes, seconds. */
export const latencyBounds: readonly number[] = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10];

/** A histogram that grows. */
export interface Meter {
  /** Counts `times` values of `seconds` each. */
  add(seconds: number, times?: number): void;
  /** The histogram so far, a copy of its own. */
  histogram(): Histogram;
}

/** An empty histogram. `bounds`: seconds, growing. */
export function newMeter(bounds: readonly number[]): Meter {
  const counts = Array.from({ length: bounds.length + 1 }, () => 0);
  let sum = 0;
  return {
    add(seconds, times = 1) {
      let at = 0;
      while (at < bounds.length && seconds > bounds[at]!) at++;
      counts[at]! += times;
      sum += seconds * times;
    },
    histogram: () => ({ bounds, counts: [...counts], sum }),
  };
}

/** How many tasks ended, second by second. */
export interface Pace {
  /** Counts tasks that ended at `at` (milliseconds since 1970), among them those that failed. */
  add(at: number, ended: number, failed: number): void;
  /** Counts tasks of which it is known only that they ended between two times, evenly. */
  spread(from: number, to: number, ended: number, failed: number): void;
  throughput(now: number): Throughput;
  /** Tasks that end in a second, of late: in the last ten seconds, or where these are too few to tell in all. */
  rate(now: number): number | null;
}

/** One interval of the throughput, milliseconds. */
const intervalMs = 1000;
/** How many intervals are kept: two minutes. */
const intervals = 120;
/** The rate is that of so many intervals, if so many tasks ended in them. */
const lateIntervals = 10;
const lateTasks = 5;

/** Nothing has ended yet. `since`: when counting begins, milliseconds since 1970. */
export function newPace(since: number): Pace {
  const ended = new Float64Array(intervals);
  const failed = new Float64Array(intervals);
  /** The number of the newest interval. */
  let newest = Math.floor(since / intervalMs);
  /** When the first of the tasks ended that are counted; rates go no further back. */
  let first = since;

  /** Goes on to the interval of a time. */
  function reach(at: number): void {
    const number = Math.floor(at / intervalMs);
    for (let next = Math.max(newest + 1, number - intervals + 1); next <= number; next++) {
      ended[next % intervals] = 0;
      failed[next % intervals] = 0;
    }
    newest = Math.max(newest, number);
  }

  function add(at: number, tasks: number, failures: number): void {
    reach(at);
    const number = Math.floor(at / intervalMs);
    if (number <= newest - intervals || number < 0) return;
    first = Math.min(first, at);
    ended[number % intervals]! += tasks;
    failed[number % intervals]! += failures;
  }

  /** The sum of the newest intervals. */
  function sumOf(counts: Float64Array, most: number): number {
    let sum = 0;
    for (let back = 0; back < most; back++) sum += counts[(newest - back + intervals * 2) % intervals]!;
    return sum;
  }

  return {
    add,
    spread(from, to, tasks, failures) {
      const parts = Math.min(intervals, Math.max(1, Math.ceil((to - from) / intervalMs)));
      const share = (all: number, part: number): number =>
        Math.round((all * (part + 1)) / parts) - Math.round((all * part) / parts);
      for (let part = 0; part < parts; part++)
        add(from + ((to - from) * (part + 0.5)) / parts, share(tasks, part), share(failures, part));
      reach(to);
    },
    throughput(now) {
      reach(now);
      const inOrder = (counts: Float64Array): number[] =>
        Array.from({ length: intervals }, (_, i) => counts[(newest + 1 + i) % intervals]!);
      return { intervalMs, ended: inOrder(ended), failed: inOrder(failed) };
    },
    rate(now) {
      reach(now);
      for (const most of [lateIntervals, intervals]) {
        const sum = sumOf(ended, most);
        if (sum === 0 || (sum < lateTasks && most < intervals)) continue;
        const from = Math.max(first, (newest - most + 1) * intervalMs);
        return (sum / Math.max(now - from, intervalMs)) * 1000;
      }
      return null;
    },
  };
}

/** The average of late values: the newest count for more. */
export interface Average {
  add(value: number): void;
  /** Null: there was no value yet. */
  value(): number | null;
}

/** The weight of the newest value, when there are many. */
const newestWeight = 0.02;

/** An average of nothing yet. */
export function newAverage(): Average {
  let [average, count] = [0, 0];
  return {
    add(value) {
      count += 1;
      average += (value - average) * Math.max(1 / count, newestWeight);
    },
    value: () => (count === 0 ? null : average),
  };
}

/** What is known of the work that is left. */
export interface Prospect {
  /** Tasks that have not ended; `running` are among them. */
  readonly remaining: number;
  readonly running: number;
  /** Tasks that end in a second; null: none did of late. */
  readonly rate: number | null;
  /** How long a task takes, seconds; null: not known. */
  readonly duration: number | null;
}

/** How long what is left will take if it goes on like this, seconds; null: nobody can tell. */
export function timeLeft({ remaining, running, rate, duration }: Prospect): number | null {
  if (remaining === 0) return 0;
  if (rate !== null && rate > 0) return remaining / rate;
  return duration === null || running === 0 ? null : (remaining * duration) / running;
}
