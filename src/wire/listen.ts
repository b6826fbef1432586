/*
 * Listens for connections over TCP, with TLS or without, and admits peers that prove that they know the key. The only
 * user of Bun.listen. Knows nothing of messages.
 */
import { counted } from "../base/units.ts";
import { randomBytes } from "node:crypto";
import { isIP } from "node:net";
import type { Timer } from "../base/clock.ts";
import { messageOf, runtimeError } from "../base/errors.ts";
import { isKnown } from "./addresses.ts";
import { type Guesses, noGuesses, takeTurn } from "./guesses.ts";
import type { PeerLink } from "./link.ts";
import { type ProblemKind, WireProblem } from "./problem.ts";
import { admit, type GiveUp, type SessionOptions } from "./session.ts";
import { bindingOf, passOn, placeOf, secureOptions, setUp, type Socket, streamOf } from "./socket.ts";
import type { SocketStream, TlsVersion } from "./socket.ts";

/** The certificate and key of the server (PEM), and the rules of TLS. */
export interface ServerTls {
  readonly cert: string;
  readonly key: string;
  readonly minVersion: TlsVersion;
  /** The ciphers in the notation of OpenSSL; null: its own choice. */
  readonly ciphers: string | null;
}

export interface ListenOptions extends Omit<SessionOptions, "nonce"> {
  /** A name or an address, IPv4 or IPv6. */
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** Null: no TLS, and every frame has a MAC. */
  readonly tls: ServerTls | null;
  /** Called with the connection of a peer that has proved that it knows the key. */
  readonly onSession: (link: PeerLink, peer: string) => void;
  /** Called when a connection came to nothing; `peer` is for the log. */
  readonly onProblem: (problem: WireProblem, peer: string) => void;
}

export interface Listener {
  readonly host: string;
  readonly port: number;
  /** Accepts no new connections. Those that are open stay. */
  close(): void;
}

/**
 * The largest number of connections whose peer has not proved the key yet. Beyond it the oldest makes room: honest
 * peers need milliseconds.
 */
const mostUnknown = 1024;

/** A connection whose peer has not proved the key yet. */
interface Unknown {
  readonly peer: string;
  /** Gives up its session; null: it has none, because its TLS handshake is not over. */
  giveUp: GiveUp | null;
  /** Ends a TLS handshake that takes too long; null without TLS. */
  readonly timer: Timer | null;
}

interface Listening {
  readonly options: ListenOptions;
  readonly guesses: Guesses;
  /** These connections, oldest first. */
  readonly unknown: Map<Socket, Unknown>;
}

/**
 * Listens until `close` is called. Throws a UserError (status 5) when the port is taken or the address
 * is not one of this host.
 */
export async function listen(options: ListenOptions): Promise<Listener> {
  const { host, port, tls } = options;
  const socket = handlersOf({
    options,
    guesses: noGuesses({ clock: options.clock, random: Math.random }),
    unknown: new Map(),
  });
  try {
    const listener = Bun.listen<SocketStream>({
      hostname: host,
      port,
      socket,
      ...(tls === null ? {} : { tls: tlsOptions(tls) }),
    });
    return { host: listener.hostname, port: listener.port, close: () => listener.stop(false) };
  } catch (error) {
    throw runtimeError("server", await cannotListen(error, host, port));
  }
}

function tlsOptions({ cert, key, minVersion, ciphers }: ServerTls): Bun.TLSOptions {
  return { cert, key, secureOptions: secureOptions(minVersion), ...(ciphers === null ? {} : { ciphers }) };
}

function handlersOf(listening: Listening): Bun.SocketHandler<SocketStream> {
  const { tls } = listening.options;
  return {
    ...passOn,
    open: (socket) => accept(listening, socket),
    handshake(socket, success) {
      if (tls === null) return;
      if (success) enterSession(listening, socket, bindingOf(socket));
      else give(listening, socket, "tls", noTls);
    },
    close(socket, error) {
      // If there is a stream, its session is told. The session says itself why it came to nothing, even when it ends
      // the connection in the middle of its own turn.
      if (socket.data === undefined) give(listening, socket, tls === null ? "lost" : "tls", noTls);
      else socket.data.closed(error ?? null);
    },
  };
}

function accept(listening: Listening, socket: Socket): void {
  const { options, unknown } = listening;
  const { tls, clock, handshakeMs } = options;
  setUp(socket);
  const { remoteAddress, remotePort } = socket;
  // A peer that never ends the TLS handshake gets no session, so no clock of a session would end it.
  const late = (): void =>
    give(listening, socket, "silent", `no TLS handshake within ${counted(handshakeMs / 1000, "second")}`);
  const timer = tls === null ? null : clock.after(handshakeMs, late);
  unknown.set(socket, { giveUp: null, peer: placeOf(remoteAddress, remotePort), timer });
  if (unknown.size > mostUnknown) {
    const [oldest] = unknown.keys();
    if (oldest !== undefined)
      give(listening, oldest, "busy", `made room: ${mostUnknown} others have not shown the key either`);
  }
  if (tls === null) enterSession(listening, socket, null);
}

function enterSession({ options, guesses, unknown }: Listening, socket: Socket, binding: Uint8Array | null): void {
  const entry = unknown.get(socket);
  if (entry === undefined || entry.giveUp !== null) return;
  const stream = streamOf(socket, entry.peer, binding, options.clock);
  socket.data = stream;
  entry.timer?.cancel();
  const from = socket.remoteAddress;
  entry.giveUp = admit(
    stream,
    { ...options, nonce: () => randomBytes(32), takeTurn: (check) => takeTurn(guesses, from, check) },
    {
      ready(link) {
        unknown.delete(socket);
        options.onSession(link, entry.peer);
      },
      failed(problem) {
        if (unknown.delete(socket)) options.onProblem(problem, entry.peer);
      },
    },
  );
}

/** Gives up a connection whose peer has not proved the key. If it has a session, the session tells of the problem. */
function give({ options, unknown }: Listening, socket: Socket, kind: ProblemKind, text: string): void {
  const entry = unknown.get(socket);
  if (entry === undefined) return;
  const problem = new WireProblem(kind, text);
  if (entry.giveUp !== null) return entry.giveUp(problem);
  entry.timer?.cancel();
  unknown.delete(socket);
  options.onProblem(problem, entry.peer);
  socket.terminate();
}

const noTls =
  "no connection with TLS could be made: the client may run with --no-tls, may not accept the certificate, " +
  "or there is no version or cipher of TLS in common";

async function cannotListen(error: unknown, host: string, port: number): Promise<string> {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const where = placeOf(host, port);
  switch (code) {
    case "EADDRINUSE":
      return `Address already in use: ${where} - another program listens there, choose another port with -p`;
    case "EADDRNOTAVAIL":
      return `Cannot assign requested address: ${where} - it is not an address of this host`;
    case "EACCES":
      return `Permission denied: ${where} - ports below 1024 need special rights`;
    default:
      if (isIP(host) === 0 && !(await isKnown(host)))
        return `Could not resolve host '${host}' - bind to an address of this host, or to 0.0.0.0 for all of them`;
      return `Cannot listen on ${where}: ${messageOf(error)}`;
  }
}
