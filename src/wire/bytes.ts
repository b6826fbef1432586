/*
 * The contract of a stream of bytes: a TCP connection with TLS or without, or two ends in memory (tests). Bytes arrive
 * in order, in pieces of any size. It knows neither frames nor keys; session.ts makes a Duplex of it.
 */

export interface ByteHandlers {
  /** Called with what arrived. The bytes are only valid during the call: keep a copy. */
  readonly data: (bytes: Uint8Array) => void;
  /** Called when the stream may be written again, after `write` answered false. */
  readonly drain: () => void;
  /** Called exactly once, when nothing more comes. `error` is null if the other side ended in order. */
  readonly close: (error: Error | null) => void;
}

export interface ByteStream {
  /** The other side as log lines name it: `10.0.0.7:40112`. */
  readonly peer: string;
  /** 32 bytes that only the two ends of one TLS connection know (RFC 9266); null without TLS. */
  readonly binding: Uint8Array | null;
  /** Starts delivery. Nothing is delivered before. */
  open(handlers: ByteHandlers): void;
  /**
   * Takes all of the bytes, in order. Answers false if the writer should wait for `drain` before it writes more. Does
   * nothing after the end.
   */
  write(bytes: Uint8Array): boolean;
  /**
   * Whether bytes are delivered from now on; at first they are. What comes meanwhile waits in the system, and in the
   * end stops the other side.
   */
  listen(isOn: boolean): void;
  /** Sends what was written, then ends this direction. */
  end(): void;
  /** Ends the stream at once. What was not sent is lost. */
  destroy(): void;
}
