/*
 * A connection that listens for notifications for as long as somebody wants them. It is made again when it is lost, and
 * it is checked at intervals. Knows nothing of what notifications mean.
 */
import type { Clock, Timer } from "../../base/clock.ts";
import type { Driver } from "./pool.ts";

export interface Listener {
  /** Stops listening, even if a connection is just being made. */
  close(): void;
}

export interface ListenerOptions {
  readonly channel: string;
  /** The statement that begins to listen to the channel. */
  readonly statement: string;
  /** Called with the payload of each notification. */
  readonly heard: (payload: string) => void;
  /** Called whenever listening begins. */
  readonly ready: () => void;
  /** Makes a driver; `more` is added to its usual options. */
  readonly driver: (more: object) => Driver;
  readonly clock: Clock;
  /** How long an answer may take before the connection counts as lost, milliseconds. */
  readonly answerMs: number;
}

/** The pause before another attempt to listen, milliseconds. */
const againMs = 1000;
/**
 * The pause between two checks of the connection, milliseconds. A connection that listens may carry nothing for days,
 * and networks forget such connections without a word.
 */
const checkMs = 30_000;

/** The state of one listener. */
interface Listening {
  readonly options: ListenerOptions;
  /** The connection in use; null while there is none. */
  current: Driver | null;
  /** What happens next: a check whether the connection still answers, or another attempt to listen. */
  next: Timer | null;
}

/** Begins to listen, and goes on until it is closed. */
export function startListening(options: ListenerOptions): Listener {
  const its: Listening = { options, current: null, next: null };
  attempt(its);
  return { close: () => drop(its) };
}

function attempt(its: Listening): void {
  const { channel, statement, heard, ready, driver } = its.options;
  const own = driver({
    idle_timeout: null,
    onnotify: (from: string, payload: string) => {
      if (from === channel && its.current === own) heard(payload);
    },
    // The driver also calls this after an attempt that failed.
    onclose: () => lose(its, own),
  });
  its.current = own;
  ask(its, own, statement, ready);
}

/** Runs a statement. When it is answered, the next check follows after a while. */
function ask(its: Listening, own: Driver, sql: string, answered: () => void): void {
  const { clock, answerMs } = its.options;
  its.next = clock.after(answerMs, () => lose(its, own));
  own.unsafe(sql).then(
    () => {
      if (its.current !== own) return;
      its.next?.cancel();
      its.next = clock.after(checkMs, () => ask(its, own, "select 1", () => undefined));
      answered();
    },
    () => lose(its, own),
  );
}

function lose(its: Listening, own: Driver): void {
  if (its.current !== own) return;
  drop(its);
  its.next = its.options.clock.after(againMs, () => attempt(its));
}

function drop(its: Listening): void {
  its.next?.cancel();
  const last = its.current;
  its.current = null;
  // Errors while closing are ignored: the connection is being discarded.
  last?.end({ timeout: 0 }).catch(() => undefined);
}
