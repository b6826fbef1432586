/*
 * From bytes to messages: a handshake, then frames. The same code runs over TCP, TLS and memory. It has no timers but
 * those of the Clock and no randomness but `nonce`, so a simulation can drive it.
 *
 * Invariant: nothing from a peer that has not proved the key gets beyond this file and handshake.ts, and they never
 * hold more than `mostBefore` bytes of it. PROTOCOL.md describes what is on the wire.
 */
import { counted } from "../base/units.ts";
import type { Clock, Timer } from "../base/clock.ts";
import { frameKey, frameMac, same, type Side, type Transcript } from "./auth.ts";
import type { ByteStream } from "./bytes.ts";
import { type Backlog, type Begun, finished, keepCount, newBacklog, rest } from "./backlog.ts";
import { decodeHost, decodePeer, encode } from "./codec.ts";
import type { Duplex, DuplexHandlers } from "./duplex.ts";
import { answerTo, farewell, greeting, type Handshake, newHandshake, refusedTls } from "./handshake.ts";
import type { Check } from "./guesses.ts";
import type { HostLink, PeerLink } from "./link.ts";
import type { HostMessage, PeerMessage } from "./message.ts";
import { WireProblem } from "./problem.ts";
import { hostRules, peerRules, type Rules } from "./rules.ts";

export interface SessionOptions {
  readonly key: string;
  readonly clock: Pick<Clock, "after" | "defer">;
  /** Makes 32 random bytes. */
  readonly nonce: () => Uint8Array;
  /** The longest time for the handshake, milliseconds. A peer then has as long to say its first message. */
  readonly handshakeMs: number;
  /** Has the proof of a peer checked, now or later; missing: now. For the side that listens. */
  readonly takeTurn?: (check: Check) => void;
  /** What all sessions of this process have to deal with; missing: the session has a backlog of its own. */
  readonly backlog?: Backlog;
}

/**
 * Where a session reports how its handshake ended: exactly one of the two is called, once. After `failed` the stream is
 * closed.
 */
export interface SessionAnswer<End> {
  /** Called with this side's end of the session. */
  readonly ready: (end: End) => void;
  readonly failed: (problem: WireProblem) => void;
}

/**
 * Ends the session of a peer that has not proved the key yet: `failed` is called with the problem. Does nothing after
 * `ready` or `failed`.
 */
export type GiveUp = (problem: WireProblem) => void;

/** The largest number of bytes that a peer may send before it has proved the key. */
const mostBefore = 4096;
/**
 * The largest number of bytes in one frame of the other side, once it has proved the key. What servers say comes in
 * small parts; a client may have to name many tasks in one hello.
 */
const mostInFrame: Readonly<Record<Side, number>> = { client: 16 * 1024 * 1024, server: 4 * 1024 * 1024 };
/** The largest number of bytes that are set aside for pieces of a frame to come, when pieces are small. */
const mostSpare = 64 * 1024;
/** The number of characters in the MAC of a frame. */
const macLength = 43;
/** The frame after which a connection ends in order. */
const endFrame = '{"kind":"end"}';
const newline = 0x0a;
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Opens the side that connects. `close` of the Duplex gets a WireProblem, or null for an orderly end. */
export function enter(stream: ByteStream, options: SessionOptions, answer: SessionAnswer<HostLink>): GiveUp {
  return open(stream, options, answer, "client", decodeHost, hostRules(), newBacklog(options.clock));
}

/** Opens the side that listens. `close` of the Duplex gets a WireProblem, or null for an orderly end. */
export function admit(stream: ByteStream, options: SessionOptions, answer: SessionAnswer<PeerLink>): GiveUp {
  const { backlog = newBacklog(options.clock) } = options;
  return open(stream, options, answer, "server", decodePeer, peerRules(backlog), backlog);
}

/** The state of the MACs in one direction of a session without TLS. */
interface Macs {
  readonly key: Uint8Array;
  /** The number of frames so far. */
  frames: number;
}

/** One side of a session; `In` is what it receives. */
interface Session<In> extends Begun {
  readonly stream: ByteStream;
  readonly handshake: Handshake;
  /**
   * Makes a message of a frame of this many bytes, and checks whether the peer may say it now. Throws a WireProblem if
   * not.
   */
  readonly read: (frame: string, bytes: number) => In;
  /** Whether the peer has said so much that it is not heard until it was answered. */
  readonly isFull: () => boolean;
  /** Forgets what the peer was not answered. */
  readonly over: () => void;
  readonly ready: () => void;
  readonly failed: (problem: WireProblem) => void;
  readonly clock: Pick<Clock, "after">;
  readonly handshakeMs: number;
  /** Calls `action` later in this turn of the event loop, or in the next one. */
  readonly soon: (action: () => void) => void;
  readonly takeTurn: (check: Check) => void;
  /** Whether the proof of the peer waits to be checked. */
  isWaiting: boolean;
  readonly backlog: Backlog;
  /** Ends the session of a peer that takes too long for the handshake, or for its first message; null: it has not. */
  timer: Timer | null;
  /** `over`: the handshake has failed, or the session has ended. */
  stage: "handshake" | "open" | "over";
  /** The number of bytes that came before the handshake was over. */
  received: number;
  /** The beginning of a line whose end has not come yet. The last piece has `spare` bytes of room at its end. */
  held: Uint8Array<ArrayBuffer>[];
  heldBytes: number;
  spare: number;
  /** Whether a peer that reads too little is not heard, until it has taken what waits for it. Only servers do that. */
  isClogged: boolean;
  /** Whether nothing is read from the peer for now. */
  isPaused: boolean;
  /** Null with TLS, and during the handshake. */
  macsOut: Macs | null;
  macsIn: Macs | null;
  /** Null until this side opens its Duplex. */
  handlers: DuplexHandlers<In> | null;
  /** Messages that came before `handlers`, in order. */
  early: In[];
  /** Whether this side has closed the session. */
  closing: boolean;
  /** How the open session ended; null: it has not, or the handlers have been told. */
  untold: { readonly error: Error | null } | null;
}

function open<Out extends PeerMessage | HostMessage, In extends PeerMessage | HostMessage>(
  stream: ByteStream,
  options: SessionOptions,
  answer: SessionAnswer<Duplex<Out, In>>,
  side: Side,
  decode: (text: string) => In,
  rules: Rules<Out, In>,
  backlog: Backlog,
): GiveUp {
  const { key, clock, handshakeMs, nonce } = options;
  const session: Session<In> = {
    stream,
    handshake: newHandshake(side, key, nonce(), stream.binding),
    read(frame, bytes) {
      const message = decode(frame);
      rules.received(message, bytes);
      return message;
    },
    isFull: rules.isFull,
    over: rules.over,
    late: (text) => giveUp(session, malformed(text), null),
    looks: 0,
    backlog,
    clock,
    handshakeMs,
    ready: () => answer.ready(endOf(session, rules)),
    failed: answer.failed,
    soon: clock.defer ?? queueMicrotask,
    takeTurn: options.takeTurn ?? ((check) => void check()),
    isWaiting: false,
    timer: null,
    stage: "handshake",
    received: 0,
    held: [],
    heldBytes: 0,
    spare: 0,
    isClogged: false,
    isPaused: false,
    macsOut: null,
    macsIn: null,
    handlers: null,
    early: [],
    closing: false,
    untold: null,
  };
  session.timer = clock.after(handshakeMs, () => {
    const within = `within ${counted(handshakeMs / 1000, "second")}`;
    const what = side === "server" ? "the client did not show that it knows the key" : "the server did not answer";
    if (!session.isWaiting) return giveUp(session, new WireProblem("silent", `${what} ${within}`), null);
    const text = `after many wrong keys from there it was not its turn ${within}`;
    giveUp(session, new WireProblem("busy", text), "guesses");
  });
  if (side === "client") writeLine(session, greeting(session.handshake));
  stream.open({
    data: (chunk) => takeBytes(session, chunk),
    drain() {
      session.isClogged = false;
      hearOrNot(session);
      session.handlers?.drain();
    },
    close: (error) => streamEnded(session, error),
  });
  return (problem) => {
    if (session.stage === "handshake") giveUp(session, problem, problem.kind === "busy" ? "busy" : null);
  };
}

/** This side's end of a session that is open. */
function endOf<Out extends PeerMessage | HostMessage, In>(
  session: Session<In>,
  rules: Pick<Rules<Out, In>, "sent">,
): Duplex<Out, In> {
  return {
    open(handlers) {
      session.handlers = handlers;
      session.soon(() => deliverEarly(session, handlers));
    },
    send(message) {
      if (session.stage === "over" || session.closing) return true;
      rules.sent(message);
      let goOn = true;
      for (const frame of encode(message)) goOn = writeFrame(session, frame);
      // Most of what a server says answers what it hears. If a client did the same, both might wait for each other.
      if (!goOn && session.handshake.side === "server") session.isClogged = true;
      hearOrNot(session);
      return goOn;
    },
    close() {
      if (session.stage === "over" || session.closing) return;
      session.closing = true;
      writeFrame(session, endFrame);
      session.stream.end();
      // The stream makes sure that this arrives. Whatever happens to the connection now counts as an orderly end.
      session.soon(() => end(session, null));
    },
  };
}

/** Reads nothing from a peer that reads nothing, or that is owed too many answers: what it says must not pile up. */
function hearOrNot<In>(session: Session<In>): void {
  const isPaused = session.isClogged || session.isFull();
  if (isPaused === session.isPaused) return;
  session.isPaused = isPaused;
  session.stream.listen(!isPaused);
}

function deliverEarly<In>(session: Session<In>, handlers: DuplexHandlers<In>): void {
  const { early } = session;
  // Messages that come while these are delivered are added at the end.
  for (let next = early[0], at = 0; next !== undefined; next = early[++at]) handlers.message(next);
  session.early = [];
  tell(session);
}

// ---- the handshake

function writeLine<In>({ stream }: Session<In>, fields: object): void {
  stream.write(Buffer.from(`${JSON.stringify(fields)}\n`));
}

/**
 * Ends a handshake, or a session that is open already. A peer that has not proved the key is told `word`; null: it is
 * told nothing.
 */
function giveUp<In>(session: Session<In>, problem: WireProblem, word: string | null): void {
  if (session.stage === "open") return fail(session, problem);
  if (session.stage === "over") return;
  leaveHandshake(session, "over");
  forget(session);
  if (word === null) session.stream.destroy();
  else {
    writeLine(session, farewell(word));
    session.stream.end();
  }
  session.failed(problem);
}

function leaveHandshake<In>(session: Session<In>, stage: "open" | "over"): void {
  session.stage = stage;
  forgetTimer(session);
}

function forgetTimer<In>(session: Session<In>): void {
  session.timer?.cancel();
  session.timer = null;
}

/** Gives up a peer that has proved the key and then does not say what it wants. */
function awaitFirst<In>(session: Session<In>): void {
  const { clock, handshakeMs } = session;
  session.timer = clock.after(handshakeMs, () => {
    const text = `it has not said what it wants within ${counted(handshakeMs / 1000, "second")}`;
    fail(session, new WireProblem("silent", text));
  });
}

function takeHandshakeLine<In>(session: Session<In>, line: string): void {
  const { handshake, takeTurn } = session;
  if (session.isWaiting) return giveUp(session, malformed("the client did not wait for an answer to its proof"), null);
  if (handshake.transcript === null) return void answerLine(session, line);
  session.isWaiting = true;
  takeTurn(() => {
    if (session.stage !== "handshake") return "gone";
    session.isWaiting = false;
    return answerLine(session, line) ? "right" : "wrong";
  });
}

/** Answers whether there was nothing wrong with the line. */
function answerLine<In>(session: Session<In>, line: string): boolean {
  const answer = answerTo(session.handshake, line);
  if (answer.kind === "refuse") {
    giveUp(session, answer.problem, answer.word);
    return false;
  }
  if (answer.line !== null) writeLine(session, answer.line);
  if (answer.kind === "shown") openUp(session, answer.transcript);
  return true;
}

function openUp<In>(session: Session<In>, transcript: Transcript): void {
  const { side, peerSide, secret, binding } = session.handshake;
  if (binding === null) {
    session.macsOut = { key: frameKey(secret, side, transcript), frames: 0 };
    session.macsIn = { key: frameKey(secret, peerSide, transcript), frames: 0 };
  }
  leaveHandshake(session, "open");
  if (side === "server") awaitFirst(session);
  session.ready();
}

// ---- bytes

function takeBytes<In>(session: Session<In>, chunk: Uint8Array): void {
  if (isOver(session)) return;
  if (session.stage === "handshake" && !isFit(session, chunk)) return;
  let from = 0;
  while (from < chunk.length) {
    const found = chunk.indexOf(newline, from);
    const to = found < 0 ? chunk.length : found;
    const most = session.stage === "open" ? mostInFrame[session.handshake.peerSide] : mostBefore;
    if (session.heldBytes + to - from > most)
      return giveUp(session, malformed(`a frame of more than ${most} bytes`), null);
    if (found < 0) return keep(session, chunk.subarray(from));
    let bytes = chunk.subarray(from, to);
    if (session.heldBytes > 0) {
      const { held, spare } = session;
      if (spare > 0) held.push(held.pop()!.subarray(0, -spare));
      bytes = Buffer.concat([...held, bytes]);
      forget(session);
    }
    from = to + 1;
    takeLine(session, bytes);
    if (isOver(session)) return;
  }
}

/** This is a function because the type checker would otherwise assume that the stage has not changed. */
function isOver<In>({ stage }: Session<In>): boolean {
  return stage === "over";
}

/** Whether these bytes may belong to a handshake. If not, the peer is given up. */
function isFit<In>(session: Session<In>, chunk: Uint8Array): boolean {
  const refusal = session.received === 0 ? refusedTls(session.handshake, chunk) : null;
  if (refusal !== null) {
    giveUp(session, refusal.problem, refusal.word);
    return false;
  }
  session.received += chunk.length;
  const line = chunk.indexOf(newline);
  if (session.received <= mostBefore || (line >= 0 && session.heldBytes + line <= mostBefore)) return true;
  const text = `the ${session.handshake.peerSide} sent ${counted(session.received, "byte")} that are not a handshake`;
  giveUp(session, malformed(text), null);
  return false;
}

function malformed(text: string): WireProblem {
  return new WireProblem("malformed", text);
}

/**
 * Keeps a copy of these bytes, which begin a line or go on with it. Pieces of any size take little more memory than
 * their bytes: small ones share a larger piece.
 */
function keep<In>(session: Session<In>, bytes: Uint8Array): void {
  const { held, spare, heldBytes } = session;
  const filled = Math.min(spare, bytes.length);
  if (filled > 0) {
    const last = held.at(-1)!;
    last.set(bytes.subarray(0, filled), last.length - spare);
  }
  const left = bytes.length - filled;
  if (left === 0) session.spare -= filled;
  else {
    const size = Math.max(left, Math.min(heldBytes, mostSpare));
    // This is a copy: a `slice` of a Buffer would keep the whole chunk that it is a part of.
    const piece = new Uint8Array(size);
    piece.set(bytes.subarray(filled));
    held.push(piece);
    session.spare = size - left;
  }
  session.heldBytes += bytes.length;
  if (session.stage === "open") keepCount(session.backlog, session, bytes.length);
}

function forget<In>(session: Session<In>): void {
  if (session.heldBytes === 0) return;
  finished(session.backlog, session, session.heldBytes);
  // The memory of a large frame is free at once. If it waited for the collector, it would be twice as much.
  if (session.heldBytes > mostSpare) for (const { buffer } of session.held) buffer.transfer(0);
  session.held = [];
  session.heldBytes = 0;
  session.spare = 0;
}

function takeLine<In>(session: Session<In>, bytes: Uint8Array): void {
  if (session.stage === "open") return takeFrame(session, bytes);
  const line = textOf(session, bytes);
  if (line !== null) takeHandshakeLine(session, line);
}

function takeFrame<In>(session: Session<In>, bytes: Uint8Array): void {
  const { macsIn, handshake } = session;
  let message: In;
  try {
    const frame = textOf(session, macsIn === null ? bytes : verified(macsIn, handshake.peerSide, bytes));
    if (frame === null) return;
    if (frame === endFrame) return end(session, null);
    message = session.read(frame, bytes.length);
  } catch (error) {
    if (!(error instanceof WireProblem)) throw error;
    return fail(session, error);
  }
  if (session.timer !== null) forgetTimer(session);
  if (session.isFull()) hearOrNot(session);
  if (session.handlers === null || session.early.length > 0) session.early.push(message);
  else session.handlers.message(message);
}

/** The text of a line. Null: it is not UTF-8, and the peer was given up. */
function textOf<In>(session: Session<In>, bytes: Uint8Array): string | null {
  try {
    return utf8.decode(bytes);
  } catch {
    giveUp(session, malformed(`the ${session.handshake.peerSide} sent bytes that are not UTF-8`), null);
    return null;
  }
}

/**
 * The frame without its MAC. Throws a WireProblem when the MAC is wrong. It works on bytes: as text, a frame of 60 KB
 * costs ten times as much (flattening, and UTF-8 once more).
 */
function verified(macs: Macs, peerSide: Side, bytes: Uint8Array): Uint8Array {
  const frame = bytes.subarray(macLength + 1);
  const shown = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(macLength, bytes.length)).toString("latin1");
  if (bytes[macLength] !== 0x20 || !same(shown, frameMac(macs.key, macs.frames, frame)))
    throw malformed(`frame ${macs.frames} of the ${peerSide} was changed, repeated or moved on its way`);
  macs.frames++;
  return frame;
}

function writeFrame<In>({ stream, macsOut }: Session<In>, frame: string): boolean {
  const bytes = Buffer.from(`${frame}\n`);
  if (macsOut !== null) stream.write(Buffer.from(`${frameMac(macsOut.key, macsOut.frames++, bytes.subarray(0, -1))} `));
  return stream.write(bytes);
}

// ---- the end

function streamEnded<In>(session: Session<In>, error: Error | null): void {
  const { peerSide } = session.handshake;
  if (session.stage === "open")
    return end(session, new WireProblem("lost", error?.message ?? `the ${peerSide} disconnected`));
  if (session.stage === "over") return;
  leaveHandshake(session, "over");
  const text = error?.message ?? `the ${peerSide} hung up before it was known`;
  session.failed(error instanceof WireProblem ? error : new WireProblem("lost", text));
}

/** Ends an open session with a peer that breaks the rules. The peer is not told why. */
function fail<In>(session: Session<In>, problem: WireProblem): void {
  finish(session, problem);
  session.stream.destroy();
  tell(session);
}

function end<In>(session: Session<In>, error: Error | null): void {
  if (session.stage === "over") return;
  finish(session, error);
  if (error === null && !session.closing) {
    // The other side waits for the same frame in answer.
    writeFrame(session, endFrame);
    session.stream.end();
  }
  tell(session);
}

function finish<In>(session: Session<In>, error: Error | null): void {
  session.stage = "over";
  session.untold = { error: session.closing ? null : error };
  forgetTimer(session);
  forget(session);
  rest(session.backlog);
  session.over();
}

/** Tells the handlers of the end, after the last message. */
function tell<In>(session: Session<In>): void {
  const { handlers, untold, early } = session;
  if (handlers === null || untold === null || early.length > 0) return;
  session.untold = null;
  handlers.close(untold.error);
}
