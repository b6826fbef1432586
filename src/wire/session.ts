/*
 * From bytes to messages: handshake (version, mutual proof of the key), then frames. The same code runs over TCP, TLS and memory. No timers but
 * those of the Clock, no randomness but `nonce`, so a simulation can drive it.
 */
import type { Clock } from "../base/clock.ts";
import type { ByteStream } from "./bytes.ts";
import type { Duplex } from "./duplex.ts";
import type { HostMessage, PeerMessage } from "./message.ts";
import type { WireProblem } from "./problem.ts";

export interface SessionOptions {
  readonly key: string;
  readonly clock: Pick<Clock, "after">;
  /** 32 random bytes. */
  readonly nonce: () => Uint8Array;
  /** The handshake must be over by then, milliseconds. */
  readonly handshakeMs: number;
}

/** Called exactly once, one or the other. After `failed` the stream is closed. */
export interface SessionAnswer<Link> {
  readonly ready: (link: Link) => void;
  readonly failed: (problem: WireProblem) => void;
}

/** The side that connects. The link's `close` gets a WireProblem, or null for an orderly end. */
export declare function enter(
  stream: ByteStream,
  options: SessionOptions,
  answer: SessionAnswer<Duplex<PeerMessage, HostMessage>>,
): void;

/** The side that listens. */
export declare function admit(
  stream: ByteStream,
  options: SessionOptions,
  answer: SessionAnswer<Duplex<HostMessage, PeerMessage>>,
): void;
