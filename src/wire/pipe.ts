/*
 * The Duplex within one process. Its two ends hand over messages as objects, without socket, port and JSON. Messages
 * are delivered in a microtask after the sender's turn, never from within `send`, so that no side is called while it is
 * at work.
 */
import type { Duplex, DuplexHandlers } from "./duplex.ts";

/** The number of messages that a side may have under way before `send` asks it to wait. */
const highWater = 1024;

interface End<In> {
  /** Null until the end is opened. */
  handlers: DuplexHandlers<In> | null;
  arriving: In[];
  /** Whether a delivery is due. */
  scheduled: boolean;
  /** Whether no message comes after those in `arriving`. */
  ended: boolean;
  /** Whether the handlers know of the end. */
  closed: boolean;
  /** Whether the peer was asked to wait, and must be told when there is room. */
  peerWaits: boolean;
}

function end<In>(): End<In> {
  return { handlers: null, arriving: [], scheduled: false, ended: false, closed: false, peerWaits: false };
}

/** Makes the two ends of a pipe. What one sends, the other receives. */
export function pipe<A, B>(): [Duplex<A, B>, Duplex<B, A>] {
  const left = end<B>();
  const right = end<A>();
  return [side(left, right), side(right, left)];
}

function side<Out, In>(own: End<In>, peer: End<Out>): Duplex<Out, In> {
  return {
    open(handlers) {
      own.handlers = handlers;
      schedule(own, peer);
    },
    send(message) {
      if (own.ended) return true;
      peer.arriving.push(message);
      schedule(peer, own);
      if (peer.arriving.length < highWater) return true;
      peer.peerWaits = true;
      return false;
    },
    close() {
      own.ended = true;
      peer.ended = true;
      schedule(own, peer);
      schedule(peer, own);
    },
  };
}

function schedule<In, Out>(own: End<In>, peer: End<Out>): void {
  if (own.scheduled || own.closed || own.handlers === null) return;
  own.scheduled = true;
  queueMicrotask(() => {
    own.scheduled = false;
    deliver(own, peer);
  });
}

function deliver<In, Out>(own: End<In>, peer: End<Out>): void {
  const handlers = own.handlers;
  if (handlers === null || own.closed) return;
  const batch = own.arriving;
  own.arriving = [];
  for (const message of batch) handlers.message(message);
  if (own.peerWaits) {
    own.peerWaits = false;
    peer.handlers?.drain();
  }
  if (own.ended && own.arriving.length === 0 && !own.closed) {
    own.closed = true;
    handlers.close(null);
  } else if (own.arriving.length > 0) {
    schedule(own, peer);
  }
}
