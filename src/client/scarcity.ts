/*
 * Tasks that cannot start for want of processes, memory or files, in the order in which they came. While other tasks of
 * this client run, the next one waits until one of them ends. Alone it is tried again and again for a minute: others
 * may use up what there is. Knows no processes.
 */
import type { Clock, Timer } from "../base/clock.ts";

/** A task that waits for room. */
export interface Held {
  /** Tries again. If there is still no room, it asks to wait again at once, or later. */
  readonly again: () => void;
  /** Gives up: there was no room for too long. */
  readonly giveUp: () => void;
}

export interface Scarcity {
  /** Whether tasks wait: who comes now waits behind them. */
  isScarce(): boolean;
  /** Lets a task wait. */
  hold(held: Held): void;
  /** Removes a task that is not to start any more. */
  remove(held: Held): void;
  /** Says that a task has ended: there may be room. */
  freed(): void;
}

export interface ScarcityOptions {
  readonly clock: Clock;
  /** Whether nothing of this client runs whose end would make room. */
  readonly isAlone: () => boolean;
}

/** The first and the longest pause before another attempt, milliseconds. */
const firstPauseMs = 10;
const longestPauseMs = 1000;
/** How long tasks wait while nothing else of this client runs, milliseconds. */
const aloneMs = 60_000;

interface State extends ScarcityOptions {
  readonly waiting: Held[];
  timer: Timer | null;
  pauseMs: number;
  /** Since when nothing of this client runs while tasks wait; null: something does, or none waits. */
  aloneSince: number | null;
  isTrying: boolean;
  /** Whether the task that is tried has asked to wait again. */
  isRefused: boolean;
}

/** Makes the list of those who wait, which is empty. */
export function newScarcity(options: ScarcityOptions): Scarcity {
  const state: State = {
    ...options,
    waiting: [],
    timer: null,
    pauseMs: firstPauseMs,
    aloneSince: null,
    isTrying: false,
    isRefused: false,
  };
  return {
    isScarce: () => state.waiting.length > 0 && !state.isTrying,
    hold(held) {
      if (state.isTrying) {
        state.isRefused = true;
        state.waiting.unshift(held);
      } else state.waiting.push(held);
      schedule(state);
    },
    remove(held) {
      const at = state.waiting.indexOf(held);
      if (at >= 0) state.waiting.splice(at, 1);
    },
    freed() {
      // Bun may find out that a process has ended while it starts another.
      if (state.waiting.length > 0) queueMicrotask(() => tryAgain(state));
    },
  };
}

function schedule(state: State): void {
  if (state.timer !== null || state.waiting.length === 0) return;
  state.timer = state.clock.after(state.pauseMs, () => {
    state.timer = null;
    state.pauseMs = Math.min(state.pauseMs * 2, longestPauseMs);
    tryAgain(state);
  });
}

function tryAgain(state: State): void {
  if (state.isTrying) return;
  state.isTrying = true;
  state.isRefused = false;
  while (!state.isRefused) {
    const held = state.waiting.shift();
    if (held === undefined) break;
    held.again();
    if (state.isRefused) break;
    state.pauseMs = firstPauseMs;
    state.aloneSince = null;
  }
  state.isTrying = false;
  look(state);
  schedule(state);
}

/** Gives up if nothing of this client has run for too long. */
function look(state: State): void {
  const now = state.clock.now();
  if (state.waiting.length === 0 || !state.isAlone()) state.aloneSince = null;
  else {
    state.aloneSince ??= now;
    if (now - state.aloneSince < aloneMs) return;
    state.aloneSince = null;
    for (const held of state.waiting.splice(0)) held.giveUp();
  }
}
