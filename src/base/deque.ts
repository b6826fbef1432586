/*
 * A queue open at both ends in a ring buffer: constant time at either end, no moving of elements as Array.shift does.
 */

export interface Deque<T> {
  readonly length: number;
  push(value: T): void;
  unshift(value: T): void;
  shift(): T | undefined;
  /** The value that `shift` would take. */
  peek(): T | undefined;
  /** Takes everything, front first. */
  drain(): T[];
  /** Looks at everything, front first; nothing may be added or taken meanwhile. */
  values(): Iterable<T>;
}

/** An empty queue. It grows by doubling and never shrinks. */
export function deque<T>(): Deque<T> {
  let ring = new Array<T | undefined>(16);
  let head = 0;
  let length = 0;

  function grow(): void {
    if (length < ring.length) return;
    const bigger = new Array<T | undefined>(ring.length * 2);
    for (let i = 0; i < length; i++) bigger[i] = ring[(head + i) & (ring.length - 1)];
    ring = bigger;
    head = 0;
  }

  function shift(): T | undefined {
    if (length === 0) return undefined;
    const value = ring[head];
    ring[head] = undefined;
    head = (head + 1) & (ring.length - 1);
    length--;
    return value;
  }

  return {
    get length() {
      return length;
    },
    push(value) {
      grow();
      ring[(head + length) & (ring.length - 1)] = value;
      length++;
    },
    unshift(value) {
      grow();
      head = (head - 1) & (ring.length - 1);
      ring[head] = value;
      length++;
    },
    shift,
    peek: () => (length === 0 ? undefined : ring[head]),
    *values() {
      for (let i = 0; i < length; i++) yield ring[(head + i) & (ring.length - 1)]!;
    },
    drain() {
      const all: T[] = [];
      for (let value = shift(); value !== undefined; value = shift()) all.push(value);
      return all;
    },
  };
}
