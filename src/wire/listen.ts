/*
 * Listens for connections over TCP, with TLS or without, and admits peers that prove that they know the key. The only
 * user of Bun.listen. Knows nothing of messages.
 */
import { counted } from "../base/units.ts";
import { randomBytes } from "node:crypto";
import { isIP } from "node:net";
import type { Clock, Timer } from "../base/clock.ts";
import { allowAttempts, dropAttempts } from "../base/attempts.ts";
import { messageOf, runtimeError } from "../base/errors.ts";
import { descriptorLimit } from "../base/limits.ts";
import { isKnown } from "./addresses.ts";
import { type Backlog, newBacklog } from "./backlog.ts";
import { endGuesses, type Guesses, noGuesses, takeTurn } from "./guesses.ts";
import { endFloods, type Floods, noFloods, noteArrival } from "./floods.ts";
import type { PeerLink } from "./link.ts";
import { type ProblemKind, WireProblem } from "./problem.ts";
import { admit, type GiveUp, type SessionOptions } from "./session.ts";
import { bindingOf, passOn, placeOf, secureOptions, setUp, type Socket, streamOf } from "./socket.ts";
import type { SocketStream, TlsVersion } from "./socket.ts";
import {
  mayCome,
  networkOf,
  endArrivals,
  noStrangers,
  seat,
  sourceOf,
  type Stranger,
  type Strangers,
  unseat,
  whoGoes,
} from "./strangers.ts";

/** The certificate and key of the server (PEM), and the rules of TLS. */
export interface ServerTls {
  readonly cert: string;
  readonly key: string;
  readonly minVersion: TlsVersion;
  /** The ciphers in the notation of OpenSSL; null: its own choice. */
  readonly ciphers: string | null;
}

export interface ListenOptions extends Omit<SessionOptions, "nonce"> {
  readonly clock: Clock;
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
  /** Accepts no new connections, and gives up those whose peers have not proved the key. The others stay. */
  close(): void;
}

/**
 * The largest number of connections whose peer has not proved the key yet. Beyond it one of them makes room: honest
 * peers need milliseconds.
 */
const mostUnknown = 1024;

/** A connection whose peer has not proved the key yet. */
interface Unknown extends Stranger {
  readonly socket: Socket;
  readonly peer: string;
  /** Gives up its session; null: it has none, because its TLS handshake is not over. */
  giveUp: GiveUp | null;
  /** Ends a TLS handshake that takes too long; null without TLS. */
  readonly timer: Timer | null;
}

interface Listening {
  readonly options: ListenOptions;
  /** These connections, and those who wait among them. */
  readonly unknown: Map<Socket, Unknown>;
  readonly strangers: Strangers<Unknown>;
  readonly floods: Floods;
  /** The descriptor of the socket that listens; -1: it is not known. */
  descriptor: number;
  /** The wrong keys that came from each source. */
  readonly guesses: Guesses;
  /** What all sessions have to deal with. */
  readonly backlog: Backlog;
  /**
   * A socket with this descriptor, or a higher one, takes one of the last that this process may open: the system gives
   * the lowest that is free. They are kept for files, databases and processes.
   */
  readonly reservedFrom: number;
}

/**
 * Listens until `close` is called. Throws a UserError (status 5) when the port is taken or the address
 * is not one of this host.
 */
export async function listen(options: ListenOptions): Promise<Listener> {
  const { host, port, tls } = options;
  const listening = newListening(options);
  const socket = handlersOf(listening);
  try {
    const listener = Bun.listen<SocketStream>({
      hostname: host,
      port,
      socket,
      ...(tls === null ? {} : { tls: tlsOptions(tls) }),
    });
    listening.descriptor = descriptorOf(listener);
    return {
      host: listener.hostname,
      port: listener.port,
      close() {
        endFloods(listening.floods);
        endArrivals(listening.strangers);
        endGuesses(listening.guesses);
        listener.stop(false);
        for (const each of listening.unknown.keys()) give(listening, each, "lost", "the port is closed");
      },
    };
  } catch (error) {
    throw runtimeError("server", await cannotListen(error, host, port));
  }
}

function newListening(options: ListenOptions): Listening {
  const { clock, onProblem } = options;
  const limit = descriptorLimit();
  const strangers = noStrangers<Unknown>({
    clock,
    places: Math.min(mostUnknown, Math.floor(limit / 2)),
    random: Math.random,
    onRefused(source, refused) {
      const text = `${counted(refused, "connection")} of it within a second ${refused === 1 ? "was" : "were"} cut off`;
      onProblem(new WireProblem("busy", text), source);
    },
  });
  const reservedFrom = limit - Math.max(16, Math.min(256, limit / 8));
  const floods = noFloods({
    clock,
    shut: (sources) => listening.descriptor >= 0 && dropAttempts(listening.descriptor, sources?.map(networkOf) ?? null),
    open: () => allowAttempts(listening.descriptor),
  });
  const listening: Listening = {
    options,
    unknown: new Map(),
    strangers,
    floods,
    descriptor: -1,
    guesses: noGuesses({ clock, random: Math.random }),
    backlog: newBacklog(clock),
    reservedFrom,
  };
  return listening;
}

/** The options of Bun for a server with this certificate. */
export function tlsOptions({ cert, key, minVersion, ciphers }: ServerTls): Bun.TLSOptions {
  return { cert, key, secureOptions: secureOptions(minVersion), ...(ciphers === null ? {} : { ciphers }) };
}

function handlersOf(listening: Listening): Bun.SocketHandler<SocketStream> {
  const { tls } = listening.options;
  return {
    ...passOn,
    open: (socket) => accept(listening, socket),
    handshake(socket, success, error) {
      if (tls === null) return;
      if (success) enterSession(listening, socket, bindingOf(socket));
      else give(listening, socket, ...noHandshake(error));
    },
    close(socket, error) {
      // If there is a stream, its session is told. The session says itself why it came to nothing, even when it ends
      // the connection in the middle of its own turn.
      if (socket.data === undefined) give(listening, socket, "lost", hungUp);
      else socket.data.closed(error ?? null);
    },
  };
}

function accept(listening: Listening, socket: Socket): void {
  const { options, unknown, strangers, floods, reservedFrom } = listening;
  const { tls, clock, handshakeMs } = options;
  const { remoteAddress, remotePort } = socket;
  const source = sourceOf(remoteAddress);
  // This comes first, and makes nothing: it is what a flood costs.
  const flood = noteArrival(floods, source);
  if (flood > 0) {
    const text = `${counted(flood, "connection")} came at once: attempts of the busiest are dropped for a while`;
    options.onProblem(new WireProblem("busy", text), source);
  }
  if (!mayCome(strangers, source)) return socket.terminate();
  setUp(socket);
  // A peer that never ends the TLS handshake gets no session, so no clock of a session would end it.
  const late = (): void =>
    give(listening, socket, "silent", `no TLS handshake within ${counted(handshakeMs / 1000, "second")}`);
  const timer = tls === null ? null : clock.after(handshakeMs, late);
  const peer = placeOf(remoteAddress, remotePort);
  const entry: Unknown = { socket, source, since: clock.now(), index: 0, giveUp: null, peer, timer };
  const isFull = strangers.waiting.length >= strangers.places;
  if (isFull) makeRoom(listening, `made room: ${strangers.places} others have not shown the key either`);
  unknown.set(socket, entry);
  seat(strangers, entry);
  // It may be the newest that has to go, if there is no other.
  if (descriptorOf(socket) >= reservedFrom) makeRoom(listening, "made room: this process has no more descriptors");
  if (tls === null) enterSession(listening, socket, null);
}

/** Gives up one of the connections whose peers have not shown the key. */
function makeRoom(listening: Listening, text: string): void {
  const entry = whoGoes(listening.strangers);
  if (entry !== null) give(listening, entry.socket, "busy", text);
}

/** The number of the descriptor of a socket; -1: it is not known. */
function descriptorOf(socket: object): number {
  return "fd" in socket && typeof socket.fd === "number" ? socket.fd : -1;
}

function enterSession(listening: Listening, socket: Socket, binding: Uint8Array | null): void {
  const { options, unknown, backlog, guesses } = listening;
  const entry = unknown.get(socket);
  if (entry === undefined || entry.giveUp !== null) return;
  const stream = streamOf(socket, entry.peer, binding, options.clock);
  socket.data = stream;
  entry.timer?.cancel();
  entry.giveUp = admit(
    stream,
    { ...options, backlog, nonce: () => randomBytes(32), takeTurn: (check) => takeTurn(guesses, entry.source, check) },
    {
      ready(link) {
        forget(listening, entry);
        options.onSession(link, entry.peer);
      },
      failed(problem) {
        if (forget(listening, entry)) options.onProblem(problem, entry.peer);
      },
    },
  );
}

/** Gives up a connection whose peer has not proved the key. If it has a session, the session tells of the problem. */
function give(listening: Listening, socket: Socket, kind: ProblemKind, text: string): void {
  const entry = listening.unknown.get(socket);
  if (entry === undefined) return;
  const problem = new WireProblem(kind, text);
  if (entry.giveUp !== null) return entry.giveUp(problem);
  entry.timer?.cancel();
  forget(listening, entry);
  listening.options.onProblem(problem, entry.peer);
  socket.terminate();
}

/** Takes a connection off the list. Answers false if it was not on it. */
function forget({ unknown, strangers }: Listening, entry: Unknown): boolean {
  unseat(strangers, entry);
  return unknown.delete(entry.socket);
}

const hungUp = "the client hung up before it was known";

/** Why a handshake of TLS came to nothing. Whoever hangs up, or speaks HTTP, is mostly no client. */
function noHandshake(error: Error | null): [ProblemKind, string] {
  const code = error !== null && "code" in error ? error.code : "";
  if (code === "ECONNRESET") return ["lost", hungUp];
  if (error?.message.includes("HTTP_REQUEST") === true) return ["malformed", "the client speaks HTTP"];
  return ["tls", noTls];
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
