/*
 * The only place that reads the time or sets a timer. Reactors get `now` as an argument; doors and executors get a
 * Clock, so that a simulation can put its own in place.
 */

export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Milliseconds since 1970-01-01 UTC, with microseconds in the fraction; never goes backwards within one process. */
  now(): number;
  /**
   * What the clock of the host shows, milliseconds since 1970-01-01 UTC. It goes on while the host sleeps, and jumps
   * when somebody sets it. A clock without it does neither.
   */
  readonly shown?: () => number;
  /** Calls `action` once, `delayMs` milliseconds (0 or more) from now. */
  after(delayMs: number, action: () => void): Timer;
  /**
   * Calls `action` at the next turn of the event loop, never from within. A clock without it leaves that to
   * `setImmediate`.
   */
  readonly defer?: (action: () => void) => void;
}

/** By how much the clock of the host is ahead of `clock` since this process started, milliseconds; 0 without a jump. */
export function jumpedMs(clock: Clock): number {
  return clock.shown === undefined ? 0 : clock.shown() - clock.now();
}

export const systemClock: Clock = {
  now: () => performance.timeOrigin + performance.now(),
  shown: Date.now,
  after(delayMs, action) {
    const handle = setTimeout(action, Math.min(delayMs, 0x7fffffff));
    return { cancel: () => clearTimeout(handle) };
  },
};
