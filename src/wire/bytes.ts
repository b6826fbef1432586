/*
 * The contract of what carries bytes: a TCP connection, one with TLS, or two ends in memory. Bytes arrive in order, cut anywhere. Knows neither
 * frames nor keys; session.ts makes a Duplex of it.
 */

export interface ByteHandlers {
  /** The bytes are only valid during the call: keep a copy. */
  readonly data: (bytes: Uint8Array) => void;
  /** May write again, after `write` answered false. */
  readonly drain: () => void;
  /** Nothing more comes; called exactly once. `error` is null when the other side ended in order. */
  readonly close: (error: Error | null) => void;
}

export interface ByteStream {
  /** For log lines: `10.0.0.7:40112`. */
  readonly peer: string;
  /** What both ends of one TLS connection know and nobody else does (RFC 9266, 32 bytes); null without TLS. */
  readonly binding: Uint8Array | null;
  /** Starts delivery; nothing is delivered before. */
  open(handlers: ByteHandlers): void;
  /** Takes all of it, in order. False: it was taken, but wait for `drain` before the next. Ignored after the end. */
  write(bytes: Uint8Array): boolean;
  /** Sends what was written, then ends. */
  end(): void;
  /** Ends at once; what was not sent is lost. */
  destroy(): void;
}
