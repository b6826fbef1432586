/*
 * Two ByteStreams in memory, joined: what one writes the other receives. Tests cut the bytes where they like and say
 * when things happen. It has no clock and no randomness of its own.
 */
import type { ByteHandlers, ByteStream } from "../../../src/wire/bytes.ts";

export interface MemoryOptions {
  /** How many of so many bytes (1 or more) arrive in the next chunk; missing: all. */
  readonly cut?: (bytes: number) => number;
  /** Calls back later, in order, never from within; missing: in a microtask. */
  readonly soon?: (action: () => void) => void;
  /** Bytes under way before a writer is asked to wait; missing: 1 MiB. */
  readonly highWater?: number;
  /** As if both were the ends of one TLS connection. */
  readonly binding?: Uint8Array;
}

interface End {
  handlers: ByteHandlers | null;
  arriving: Uint8Array[];
  arrivingBytes: number;
  /** No bytes come after those in `arriving`. */
  last: { readonly error: Error | null } | null;
  scheduled: boolean;
  /** Has ended its own direction. */
  ended: boolean;
  closed: boolean;
  /** The other side is to be told when there is room. */
  peerWaits: boolean;
  /** Its owner hears nothing for now. */
  isDeaf: boolean;
}

function end(): End {
  return {
    handlers: null,
    arriving: [],
    arrivingBytes: 0,
    last: null,
    scheduled: false,
    ended: false,
    closed: false,
    peerWaits: false,
    isDeaf: false,
  };
}

export function memoryBytes(options: MemoryOptions = {}): [ByteStream, ByteStream] {
  const left = end();
  const right = end();
  return [stream("left", left, right, options), stream("right", right, left, options)];
}

function stream(peer: string, own: End, other: End, options: MemoryOptions): ByteStream {
  const { cut = (bytes) => bytes, soon = queueMicrotask, highWater = 1024 * 1024 } = options;

  function schedule(to: End, from: End): void {
    if (to.scheduled || to.closed || to.isDeaf || to.handlers === null) return;
    to.scheduled = true;
    soon(() => {
      to.scheduled = false;
      deliver(to, from);
    });
  }

  /** One chunk, or the end. */
  function deliver(to: End, from: End): void {
    if (to.closed || to.isDeaf || to.handlers === null) return;
    if (to.arrivingBytes === 0) {
      if (to.last === null) return;
      to.closed = true;
      // Ended on one side is ended on both, as a half-closed socket is.
      to.ended = true;
      to.handlers.close(to.last.error);
      from.last ??= { error: null };
      return schedule(from, to);
    }
    const all = to.arriving.length === 1 ? to.arriving[0]! : Buffer.concat(to.arriving);
    const bytes = Math.min(all.length, Math.max(1, cut(all.length)));
    to.arriving = bytes === all.length ? [] : [all.subarray(bytes)];
    to.arrivingBytes = all.length - bytes;
    to.handlers.data(all.subarray(0, bytes));
    if (from.handlers !== null && to.peerWaits && to.arrivingBytes < highWater / 2) {
      to.peerWaits = false;
      from.handlers.drain();
    }
    schedule(to, from);
  }

  return {
    peer,
    binding: options.binding ?? null,
    open(handlers) {
      own.handlers = handlers;
      schedule(own, other);
    },
    write(bytes) {
      if (own.ended || other.closed || bytes.length === 0) return true;
      other.arriving.push(bytes.slice());
      other.arrivingBytes += bytes.length;
      schedule(other, own);
      if (other.arrivingBytes < highWater) return true;
      other.peerWaits = true;
      return false;
    },
    listen(isOn) {
      own.isDeaf = !isOn;
      if (isOn) schedule(own, other);
    },
    end() {
      own.isDeaf = false;
      schedule(own, other);
      if (own.ended) return;
      own.ended = true;
      other.last ??= { error: null };
      schedule(other, own);
    },
    destroy() {
      own.ended = true;
      for (const each of [own, other]) {
        each.arriving = [];
        each.arrivingBytes = 0;
      }
      own.last ??= { error: null };
      other.last ??= { error: new Error("connection reset by peer") };
      schedule(own, other);
      schedule(other, own);
    },
  };
}
