/*
 * The contract of what carries bytes: a TCP connection with TLS or without, or two ends in memory (tests). Bytes arrive
 * in order, cut anywhere. Knows neither frames nor keys; session.ts makes a Duplex of it.
 */

export interface ByteHandlers {
  /** Takes what arrived. The bytes are only valid during the call: keep a copy. */
  readonly data: (bytes: Uint8Array) => void;
  /** The stream may be written again, after `write` answered false. */
  readonly drain: () => void;
  /** Nothing more comes. Called exactly once; `error` is null when the other side ended in order. */
  readonly close: (error: Error | null) => void;
}

export interface ByteStream {
  /** The other side, for log lines: `10.0.0.7:40112`. */
  readonly peer: string;
  /** 32 bytes that both ends of one TLS connection know and nobody else does (RFC 9266); null without TLS. */
  readonly binding: Uint8Array | null;
  /** Starts delivery; nothing is delivered before. */
  open(handlers: ByteHandlers): void;
  /**
   * Takes all of the bytes, in order. False: they were taken, but the writer should wait for `drain`. Does nothing
   * after the end.
   */
  write(bytes: Uint8Array): boolean;
  /** Sends what was written, then ends this direction. */
  end(): void;
  /** Ends at once. What was not sent is lost. */
  destroy(): void;
}
