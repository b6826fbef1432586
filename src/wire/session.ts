/*
 * From bytes to messages: handshake (version, mutual proof of the key), then frames. The same code runs over TCP, TLS and memory. No timers but
 * those of the Clock, no randomness but `nonce`, so a simulation can drive it.
 *
 * Invariant: nothing of a peer that has not shown the key reaches anyone but this file, and of it never more than `mostBefore` bytes.
 * PROTOCOL.md describes what is on the wire.
 */
import type { Clock } from "../base/clock.ts";
import { type Side, frameKey, frameMac, proof, same, type Transcript } from "./auth.ts";
import type { ByteStream } from "./bytes.ts";
import { decodeHost, decodePeer, encode } from "./codec.ts";
import type { Duplex, DuplexHandlers } from "./duplex.ts";
import { hostRules, peerRules, type Rules } from "./rules.ts";
import type { HostMessage, PeerMessage } from "./message.ts";
import { type ProblemKind, WireProblem } from "./problem.ts";

export interface SessionOptions {
  readonly key: string;
  readonly clock: Pick<Clock, "after" | "defer">;
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

/** Gives up a peer that has not shown the key yet, from outside: `failed` is called with the problem. Ignored after that or after `ready`. */
export type GiveUp = (problem: WireProblem) => void;

/** The version of the protocol; both sides must have the same. */
const protocolVersion = 1;
/** Bytes that a peer may send before it has shown the key. */
const mostBefore = 4096;
/** Characters of the MAC of a frame. */
const macLength = 43;
/** Bytes of one frame of a peer that has shown it. */
const mostInFrame = 16 * 1024 * 1024;
/** The frame after which a connection ends in order. */
const endFrame = '{"kind":"end"}';

/** The side that connects. The link's `close` gets a WireProblem, or null for an orderly end. */
export function enter(
  stream: ByteStream,
  options: SessionOptions,
  answer: SessionAnswer<Duplex<PeerMessage, HostMessage>>,
): GiveUp {
  return open(stream, options, answer, "client", decodeHost, hostRules);
}

/** The side that listens. */
export function admit(
  stream: ByteStream,
  options: SessionOptions,
  answer: SessionAnswer<Duplex<HostMessage, PeerMessage>>,
): GiveUp {
  return open(stream, options, answer, "server", decodePeer, peerRules);
}

const newline = 0x0a;
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function open<Out extends PeerMessage | HostMessage, In extends PeerMessage | HostMessage>(
  stream: ByteStream,
  options: SessionOptions,
  answer: SessionAnswer<Duplex<Out, In>>,
  side: Side,
  decode: (text: string) => In,
  makeRules: () => Rules<Out, In>,
): GiveUp {
  const { key, clock } = options;
  const soon = clock.defer ?? queueMicrotask;
  const peerSide: Side = side === "client" ? "server" : "client";
  const binding = stream.binding === null ? null : Buffer.from(stream.binding).toString("hex");
  const ownNonce = Buffer.from(options.nonce()).toString("hex");
  const rules = makeRules();

  let stage: "greeting" | "proof" | "open" | "over" = "greeting";
  let transcript: Transcript | null = null;
  /** Bytes before the handshake is over. */
  let received = 0;
  /** The beginning of a line whose end has not come yet. */
  let held: Uint8Array[] = [];
  let heldBytes = 0;

  /** Without TLS each frame has a MAC. */
  let macOut: Uint8Array | null = null;
  let macIn: Uint8Array | null = null;
  let sentFrames = 0;
  let receivedFrames = 0;

  let handlers: DuplexHandlers<In> | null = null;
  /** What came before `open`, in order. */
  let early: In[] = [];
  let ending: { readonly error: Error | null } | null = null;
  let closed = false;
  let closing = false;
  let told = false;

  const timer = clock.after(options.handshakeMs, () => {
    const what = side === "server" ? "the client did not show that it knows the key" : "the server did not answer";
    refuse("silent", `${what} within ${options.handshakeMs / 1000} seconds`, null);
  });

  if (side === "client") writeLine({ hypershell: protocolVersion, nonce: ownNonce });
  stream.open({ data, drain: () => handlers?.drain(), close: streamEnded });

  // ---- the handshake

  function writeLine(fields: object): void {
    stream.write(Buffer.from(`${JSON.stringify(fields)}\n`));
  }

  /** Ends an attempt; the peer is told by a word, if it may know. */
  function refuse(kind: ProblemKind, text: string, word: string | null): void {
    if (stage === "open") return fail(new WireProblem(kind, text));
    if (stage === "over") return;
    stage = "over";
    timer.cancel();
    forget();
    if (word === null) stream.destroy();
    else {
      writeLine({ hypershell: protocolVersion, error: word });
      stream.end();
    }
    answer.failed(new WireProblem(kind, text));
  }

  function greet(line: string): void {
    const fields = fieldsOf(line);
    if (fields === null) return refuse("malformed", strange(line), null);
    const { error, hypershell: version, nonce } = fields;
    if (typeof version !== "number") return refuse("malformed", strange(line), null);
    if (version !== protocolVersion) {
      const theirs = `speaks version ${version} of the protocol, this program version ${protocolVersion}`;
      return refuse("version", `the ${peerSide} ${theirs} - use the same version of hs on both sides`, "version");
    }
    if (typeof error === "string") return refuse(...toldBy(error));
    if (stage === "greeting") return exchange(nonce, fields["proof"]);
    checkProof(fields["proof"]);
  }

  function exchange(nonce: unknown, early: unknown): void {
    if (typeof nonce !== "string" || !/^[0-9a-f]{64}$/.test(nonce) || early !== undefined)
      return refuse("malformed", `the ${peerSide} began without a nonce`, null);
    const clientNonce = side === "client" ? ownNonce : nonce;
    const serverNonce = side === "client" ? nonce : ownNonce;
    transcript = { version: protocolVersion, clientNonce, serverNonce, binding };
    stage = "proof";
    // The client shows the key first, so that a scanner gets nothing to try keys on.
    if (side === "server") writeLine({ hypershell: protocolVersion, nonce: ownNonce });
    else writeLine({ hypershell: protocolVersion, proof: proof(key, "client", transcript) });
  }

  function checkProof(shown: unknown): void {
    if (transcript === null) return refuse("malformed", `the ${peerSide} is out of turn`, null);
    if (typeof shown !== "string" || !same(shown, proof(key, peerSide, transcript))) {
      if (side === "server") return refuse("key", "the client does not know the key, or somebody is in between", "key");
      return refuse("key", "the server does not know the key, or somebody is in between", null);
    }
    if (side === "server") writeLine({ hypershell: protocolVersion, proof: proof(key, "server", transcript) });
    if (binding === null) {
      macOut = frameKey(key, side, transcript);
      macIn = frameKey(key, peerSide, transcript);
    }
    timer.cancel();
    stage = "open";
    answer.ready(link);
  }

  function toldBy(word: string): [ProblemKind, string, null] {
    switch (word) {
      case "key":
        return ["key", `the ${peerSide} does not accept the key`, null];
      case "version":
        return ["version", `the ${peerSide} does not speak version ${protocolVersion} of the protocol`, null];
      case "busy":
        return ["busy", `the ${peerSide} has too many connections that are not known yet`, null];
      default:
        return ["malformed", `the ${peerSide} refuses: ${JSON.stringify(word.slice(0, 60))}`, null];
    }
  }

  function forget(): void {
    held = [];
    heldBytes = 0;
  }

  function strange(line: string): string {
    if (/^(?:GET|POST|HEAD|PUT|OPTIONS) |^HTTP\//.test(line)) return `the ${peerSide} speaks HTTP`;
    return `the ${peerSide} does not speak the protocol of hs: ${JSON.stringify(line.slice(0, 40))}`;
  }

  // ---- bytes

  function data(chunk: Uint8Array): void {
    if (stage === "over" || closed) return;
    if (stage !== "open") {
      if (received === 0 && looksLikeTls(chunk)) {
        const both = "use --no-tls on both sides or on neither";
        const text =
          side === "server"
            ? `the client speaks TLS, this server does not - ${both}`
            : `the server speaks TLS, this client does not - ${both}`;
        return refuse("tls", text, side === "server" ? "tls" : null);
      }
      received += chunk.length;
      const line = chunk.indexOf(newline);
      if (received > mostBefore && (line < 0 || heldBytes + line > mostBefore))
        return refuse("malformed", `the ${peerSide} sent ${received} bytes that are no handshake`, null);
    }
    let from = 0;
    while (from < chunk.length) {
      const found = chunk.indexOf(newline, from);
      const to = found < 0 ? chunk.length : found;
      const most = stage === "open" ? mostInFrame : mostBefore;
      if (heldBytes + to - from > most) return refuse("malformed", `a frame of more than ${most} bytes`, null);
      if (found < 0) {
        held.push(chunk.slice(from));
        heldBytes += to - from;
        return;
      }
      let bytes = chunk.subarray(from, to);
      if (heldBytes > 0) {
        bytes = Buffer.concat([...held, bytes]);
        forget();
      }
      from = to + 1;
      lineCame(bytes);
      if ((stage as string) === "over" || closed) return;
    }
  }

  function textOf(bytes: Uint8Array): string | null {
    try {
      return utf8.decode(bytes);
    } catch {
      refuse("malformed", `the ${peerSide} sent bytes that are not UTF-8`, null);
      return null;
    }
  }

  function lineCame(bytes: Uint8Array): void {
    if (stage !== "open") {
      const line = textOf(bytes);
      if (line !== null) greet(line);
      return;
    }
    let message: In;
    try {
      const frame = textOf(macIn === null ? bytes : verified(bytes, macIn));
      if (frame === null) return;
      if (frame === endFrame) return end(null);
      message = decode(frame);
      rules.received(message);
    } catch (error) {
      if (!(error instanceof WireProblem)) throw error;
      return fail(error);
    }
    if (handlers === null || early.length > 0) early.push(message);
    else handlers.message(message);
  }

  /** Bytes rather than text: as text a frame of 60 KB costs ten times as much (flattening, and UTF-8 once more). */
  function verified(bytes: Uint8Array, mac: Uint8Array): Uint8Array {
    const frame = bytes.subarray(macLength + 1);
    const shown = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(macLength, bytes.length)).toString("latin1");
    if (bytes[macLength] !== 0x20 || !same(shown, frameMac(mac, receivedFrames, frame)))
      throw new WireProblem(
        "malformed",
        `frame ${receivedFrames} of the ${peerSide} was changed, repeated or moved on its way`,
      );
    receivedFrames++;
    return frame;
  }

  // ---- the end

  function streamEnded(error: Error | null): void {
    if (stage === "open") return end(new WireProblem("lost", error?.message ?? `${peerSide} disconnected`));
    if (stage === "over") return;
    stage = "over";
    timer.cancel();
    const text = error?.message ?? `the ${peerSide} hung up before it was known`;
    answer.failed(error instanceof WireProblem ? error : new WireProblem("lost", text));
  }

  /** A peer that breaks the rules is told nothing more. */
  function fail(problem: WireProblem): void {
    finish(problem);
    stream.destroy();
    tell();
  }

  function end(error: Error | null): void {
    if (closed) return;
    finish(error);
    if (error === null && !closing) {
      // Answered in kind: the other side waits for it.
      writeFrame(endFrame);
      stream.end();
    }
    tell();
  }

  function finish(error: Error | null): void {
    ending ??= { error: closing ? null : error };
    closed = true;
    forget();
  }

  function tell(): void {
    if (handlers === null || ending === null || told || early.length > 0) return;
    told = true;
    handlers.close(ending.error);
  }

  function writeFrame(frame: string): boolean {
    const bytes = Buffer.from(`${frame}\n`);
    if (macOut !== null) stream.write(Buffer.from(`${frameMac(macOut, sentFrames++, bytes.subarray(0, -1))} `));
    return stream.write(bytes);
  }

  const link: Duplex<Out, In> = {
    open(to) {
      handlers = to;
      soon(() => {
        // What comes while these are delivered is added at the end.
        for (let next = early[0], at = 0; next !== undefined; next = early[++at]) to.message(next);
        early = [];
        tell();
      });
    },
    send(message) {
      if (closed || closing) return true;
      rules.sent(message);
      let goOn = true;
      for (const frame of encode(message)) goOn = writeFrame(frame);
      return goOn;
    },
    close() {
      if (closed || closing) return;
      closing = true;
      writeFrame(endFrame);
      stream.end();
      // The stream sees to it that this arrives; whatever happens to the connection now is in order.
      soon(() => end(null));
    },
  };

  return (problem) => {
    if (stage !== "open") refuse(problem.kind, problem.message, problem.kind === "busy" ? "busy" : null);
  };
}

/** A TLS record: handshake (0x16) or alert (0x15), version 3.x. */
function looksLikeTls(chunk: Uint8Array): boolean {
  return (chunk[0] === 0x16 || chunk[0] === 0x15) && (chunk.length < 2 || chunk[1] === 0x03);
}

function fieldsOf(line: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
