/*
 * The contract of a connection: ordered messages both ways, with back-pressure and one end. Server and client know nothing else
 * of it. Implementations: pipe.ts (in process). test/conformance/duplex.ts holds what all of them promise.
 */

export interface DuplexHandlers<In> {
  /** One message of the peer. Never called from within `send`. */
  readonly message: (message: In) => void;
  /** May write again, after `send` answered false. */
  readonly drain: () => void;
  /** The peer is gone; called exactly once, after the last message. `error` is null for an orderly close by either side. */
  readonly close: (error: Error | null) => void;
}

export interface Duplex<Out, In> {
  /** Starts delivery; nothing is delivered before. */
  open(handlers: DuplexHandlers<In>): void;
  /** Takes the message, in order. False: it was taken, but wait for `drain` before the next. Ignored after `close`. */
  send(message: Out): boolean;
  /** Delivers what was sent before, then ends the connection on both sides. */
  close(): void;
}
