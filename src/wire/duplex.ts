/*
 * The contract of a connection: ordered messages both ways, with back-pressure and one end. Server and client know
 * nothing else of it. It is implemented by pipe.ts (in one process) and session.ts (over bytes).
 * test/conformance/duplex.ts tests what both promise.
 */

export interface DuplexHandlers<In> {
  /** Called with each message of the peer, but never from within `send`. */
  readonly message: (message: In) => void;
  /** Called when messages may be sent again, after `send` answered false. */
  readonly drain: () => void;
  /**
   * Called exactly once, after the last message, when the connection has ended. `error` is null if either side closed
   * it in order.
   */
  readonly close: (error: Error | null) => void;
}

export interface Duplex<Out, In> {
  /** Starts delivery. Nothing is delivered before. */
  open(handlers: DuplexHandlers<In>): void;
  /**
   * Takes the message, in order. Answers false if the sender should wait for `drain` before it sends more. Does nothing
   * after `close`.
   */
  send(message: Out): boolean;
  /** Delivers what was sent before, and then ends the connection on both sides. */
  close(): void;
}
