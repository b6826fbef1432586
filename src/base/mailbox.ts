/*
 * The loop around a reactor: events are only pushed, from callbacks of any kind; a batch of all that came in is handed over at the
 * next turn of the event loop. Batching (and one transaction a batch) follows by itself: the busier, the larger.
 */

export interface Mailbox<Event> {
  /** Never calls the consumer from within. Ignored after `close`. */
  push(event: Event): void;
  /** What was pushed before is dropped. */
  close(): void;
}

/**
 * `consume` gets every event once, in order; an error it throws goes to `fail`, and nothing is consumed after it. `defer` says when the next turn
 * is: a simulation has turns of its own.
 */
export function mailbox<Event>(
  consume: (events: readonly Event[]) => void,
  fail: (error: unknown) => void,
  defer: (action: () => void) => void = setImmediate,
): Mailbox<Event> {
  let waiting: Event[] = [];
  let scheduled = false;
  let open = true;

  function turn(): void {
    scheduled = false;
    if (!open || waiting.length === 0) return;
    const batch = waiting;
    waiting = [];
    try {
      consume(batch);
    } catch (error) {
      open = false;
      fail(error);
    }
  }

  return {
    push(event) {
      if (!open) return;
      waiting.push(event);
      if (scheduled) return;
      scheduled = true;
      defer(turn);
    },
    close() {
      open = false;
      waiting = [];
    },
  };
}
