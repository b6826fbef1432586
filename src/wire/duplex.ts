/*
 * The contract of a connection: ordered messages both ways, with back-pressure and one end. Server and client know
 * nothing else of it. Implementations: pipe.ts (in one process) and session.ts (over bytes).
 * test/conformance/duplex.ts holds what both promise.
 */

export interface DuplexHandlers<In> {
  /** Takes one message of the peer. Never called from within `send`. */
  readonly message: (message: In) => void;
  /** Messages may be sent again, after `send` answered false. */
  readonly drain: () => void;
  /**
   * The connection has ended. Called exactly once, after the last message; `error` is null for an orderly close by
   * either side.
   */
  readonly close: (error: Error | null) => void;
}

export interface Duplex<Out, In> {
  /** Starts delivery; nothing is delivered before. */
  open(handlers: DuplexHandlers<In>): void;
  /**
   * Takes the message, in order. False: it was taken, but the sender should wait for `drain`. Does nothing after
   * `close`.
   */
  send(message: Out): boolean;
  /** Delivers what was sent before, then ends the connection on both sides. */
  close(): void;
}
