/*
 * The loop around a reactor. Callbacks of any kind only push events. At the next turn of the event loop all that came
 * in is handed over as one batch. So batches, with one transaction each, form by themselves: the busier the process,
 * the larger the batch. Knows nothing of the events.
 */

export interface Mailbox<Event> {
  /** Never calls the consumer from within. Ignored after `close`. */
  push(event: Event): void;
  /** Drops what is still waiting. */
  close(): void;
}

/**
 * A mailbox whose `consume` gets every event once, in order. An error that it throws goes to `fail`, and nothing is
 * consumed after it. `defer` calls back at the next turn: a simulation has turns of its own.
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
