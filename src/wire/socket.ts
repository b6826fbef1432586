/*
 * A socket of Bun as a ByteStream, and what listening and connecting have in common: options of sockets and of TLS.
 * Knows neither sessions nor who is at the other end.
 *
 * Everything written in one turn of the event loop goes out in one piece. A server that hands out many small frames
 * then pays for one system call, and one TLS record, per connection and turn.
 */
import { constants } from "node:crypto";
import type { Clock, Timer } from "../base/clock.ts";
import { counted } from "../base/units.ts";
import type { ByteHandlers, ByteStream } from "./bytes.ts";

export type TlsVersion = "TLSv1.2" | "TLSv1.3";

/** The number of bytes that may wait in memory for a slow reader before the writer is asked to wait. */
const highWater = 1024 * 1024;
/**
 * After this side has ended a connection, it waits this long (ms) for the other side to take what is left and to end it
 * too. The time starts anew whenever the other side takes something.
 */
const lingerMs = 10_000;
/**
 * The number of bytes that may wait for a reader at all. Writers that heed `drain` stay far below; beyond it the other
 * side reads nothing, and the connection is given up.
 */
const mostPending = 64 * 1024 * 1024;
/** Pause (ms) after which the system probes an idle connection. */
const keepAliveMs = 60_000;

export type Socket = Bun.Socket<SocketStream>;

/** A socket as a ByteStream, with the functions that its callbacks call. */
export interface SocketStream extends ByteStream {
  readonly received: (bytes: Uint8Array) => void;
  readonly writable: () => void;
  readonly closed: (error: Error | null) => void;
}

interface State {
  readonly socket: Socket;
  readonly clock: Pick<Clock, "after">;
  /** Null until `open`. */
  handlers: ByteHandlers | null;
  /** Bytes that came before `open`. */
  readonly early: Uint8Array[];
  /** How the socket was closed; null: it is open. */
  ended: { readonly error: Error | null } | null;
  /** Whether `close` of the handlers was called. */
  told: boolean;
  pending: Uint8Array[];
  pendingBytes: number;
  /** Whether a `flush` is due at the end of this turn. */
  scheduled: boolean;
  /** Whether the writer waits for `drain`. */
  asked: boolean;
  /** Whether nothing is read from the socket for now. */
  isDeaf: boolean;
  /** Whether nothing more may be written. */
  ending: boolean;
  /** Whether the system has no room for more bytes. Flushing goes on when the socket is writable again. */
  full: boolean;
  /** The timer that ends a connection whose other side does not end it in its turn. */
  lingering: Timer | null;
  readonly flush: () => void;
}

/** Makes a ByteStream of an open socket. The callbacks of the socket must call `received`, `writable` and `closed`. */
export function streamOf(
  socket: Socket,
  peer: string,
  binding: Uint8Array | null,
  clock: Pick<Clock, "after">,
): SocketStream {
  const state: State = {
    socket,
    clock,
    handlers: null,
    early: [],
    ended: null,
    told: false,
    pending: [],
    pendingBytes: 0,
    scheduled: false,
    asked: false,
    isDeaf: false,
    ending: false,
    full: false,
    lingering: null,
    flush: () => flush(state),
  };
  return {
    peer,
    binding,
    open: (handlers) => open(state, handlers),
    write: (bytes) => write(state, bytes),
    listen: (isOn) => listen(state, isOn),
    end: () => end(state),
    destroy: () => destroy(state),
    received(bytes) {
      if (state.handlers === null) state.early.push(new Uint8Array(bytes));
      else state.handlers.data(bytes);
    },
    writable() {
      state.full = false;
      if (state.ending) linger(state);
      flush(state);
    },
    closed(error) {
      state.lingering?.cancel();
      state.ended ??= { error };
      tell(state);
    },
  };
}

function open(state: State, handlers: ByteHandlers): void {
  state.handlers = handlers;
  for (const bytes of state.early.splice(0)) handlers.data(bytes);
  tell(state);
}

function write(state: State, bytes: Uint8Array): boolean {
  if (state.ending || state.ended !== null) return true;
  state.pending.push(bytes);
  state.pendingBytes += bytes.length;
  schedule(state);
  if (state.pendingBytes < highWater) return true;
  state.asked = true;
  if (state.pendingBytes > mostPending) queueMicrotask(() => giveUp(state));
  return false;
}

/** Ends the connection to a side that takes nothing of what it is sent. */
function giveUp(state: State): void {
  if (state.ended !== null || state.pendingBytes === 0) return;
  state.ended = { error: new Error(`${counted(state.pendingBytes, "byte")} wait for it, and it reads nothing`) };
  destroy(state);
  tell(state);
}

/** A side that has ended its direction hears until the other has ended too, so it goes on reading. */
function listen(state: State, isOn: boolean): void {
  const { socket, ending, ended } = state;
  if (ended !== null || (ending && !isOn) || isOn !== state.isDeaf) return;
  state.isDeaf = !isOn;
  if (isOn) socket.resume();
  else socket.pause();
}

function end(state: State): void {
  if (state.ending || state.ended !== null) return;
  listen(state, true);
  state.ending = true;
  linger(state);
  schedule(state);
}

function destroy(state: State): void {
  state.ending = true;
  state.pending = [];
  state.pendingBytes = 0;
  state.lingering?.cancel();
  state.socket.terminate();
}

function linger(state: State): void {
  state.lingering?.cancel();
  state.lingering = state.clock.after(lingerMs, () => state.socket.terminate());
}

function schedule(state: State): void {
  if (state.scheduled || state.full) return;
  state.scheduled = true;
  queueMicrotask(state.flush);
}

function flush(state: State): void {
  state.scheduled = false;
  if (state.ended !== null) return;
  const { pending, socket } = state;
  if (state.pendingBytes > 0) {
    const all = pending.length === 1 ? pending[0]! : Buffer.concat(pending, state.pendingBytes);
    const sent = Math.max(0, socket.write(all));
    state.pendingBytes = all.length - sent;
    state.pending = state.pendingBytes > 0 ? [all.subarray(sent)] : [];
    state.full = state.pendingBytes > 0;
  }
  if (state.pendingBytes > 0) return;
  // Only this direction ends. A socket that is closed while bytes come in resets the connection (RST), and the other
  // side loses what it was sent last.
  if (state.ending) socket.shutdown();
  else if (state.asked) {
    state.asked = false;
    state.handlers?.drain();
  }
}

function tell(state: State): void {
  const { handlers, ended } = state;
  if (handlers === null || ended === null || state.told) return;
  state.told = true;
  handlers.close(ended.error);
}

/** Sets the options that every connection has: small frames go out at once, and a dead peer is noticed eventually. */
export function setUp(socket: Socket): void {
  socket.setNoDelay(true);
  socket.setKeepAlive(true, keepAliveMs);
}

/**
 * The callbacks that are the same on both sides: they pass on what happens to the stream of a socket, if it has one.
 */
export const passOn = {
  data: (socket: Socket, bytes: Uint8Array) => socket.data?.received(bytes),
  drain: (socket: Socket) => socket.data?.writable(),
  end(socket: Socket) {
    socket.data?.closed(null);
    socket.end();
  },
  error: (socket: Socket, error: Error) => socket.data?.closed(error),
};

/** The options of OpenSSL that exclude versions of TLS older than `minVersion`. */
export function secureOptions(minVersion: TlsVersion): number {
  const older = constants.SSL_OP_NO_TLSv1 | constants.SSL_OP_NO_TLSv1_1;
  return minVersion === "TLSv1.3" ? older | constants.SSL_OP_NO_TLSv1_2 : older;
}

const bindingLabel = "EXPORTER-Channel-Binding";

/** The channel binding `tls-exporter` (RFC 9266, 32 bytes) of a socket whose TLS handshake is over. */
export function bindingOf(socket: Socket): Uint8Array {
  return socket.exportKeyingMaterial(32, bindingLabel, Buffer.alloc(0));
}

/** A host and port as messages name them: `10.0.0.7:40112`, or `[::1]:40112`. */
export function placeOf(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
