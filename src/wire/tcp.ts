/*
 * Listening and connecting: TCP, with TLS or without, as ByteStreams with a session on top. The only user of Bun.listen and Bun.connect.
 *
 * What is written in one turn of the event loop goes out in one piece: a server that hands out many small frames pays for one system call, and
 * one TLS record, per connection and turn.
 */
import { constants, randomBytes } from "node:crypto";
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { checkServerIdentity } from "node:tls";
import type { Clock, Timer } from "../base/clock.ts";
import { messageOf, runtimeError } from "../base/errors.ts";
import type { ByteHandlers, ByteStream } from "./bytes.ts";
import type { Duplex } from "./duplex.ts";
import type { HostMessage, PeerMessage } from "./message.ts";
import { type ProblemKind, WireProblem } from "./problem.ts";
import { admit, enter, type GiveUp, type SessionOptions } from "./session.ts";

/** PEM texts and the rules of TLS. */
export interface ServerTls {
  readonly cert: string;
  readonly key: string;
  readonly minVersion: "TLSv1.2" | "TLSv1.3";
  readonly ciphers: string | null;
}

export interface ClientTls {
  /** PEM of the certificates to trust; null: the system's. Not looked at with `fingerprint`, or when `trust` is not "chain". */
  readonly ca: string | null;
  /**
   * `proof`: any certificate, because the proof of the key is bound to this very channel. `chain`: signed by `ca` (and the name, if
   * `servername` is set or `ca` is null). `fingerprint`: this very certificate. `none`: as `proof`, said to be insecure.
   */
  readonly trust: "proof" | "chain" | "fingerprint" | "none";
  /** SHA-256 of the certificate: 64 lower-case hex digits; null unless `trust` is "fingerprint". */
  readonly fingerprint: string | null;
  /** The name that the certificate must have, and that is sent (SNI); null: the host, only checked against the system's authorities. */
  readonly servername: string | null;
  readonly minVersion: "TLSv1.2" | "TLSv1.3";
  readonly ciphers: string | null;
}

export interface ListenOptions extends Omit<SessionOptions, "nonce"> {
  /** A name or an address, IPv4 or IPv6. */
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** null: no TLS, every frame has a MAC. */
  readonly tls: ServerTls | null;
  /** A peer that has shown the key. */
  readonly onSession: (link: Duplex<HostMessage, PeerMessage>, peer: string) => void;
  /** A connection that came to nothing; `peer` for the log. */
  readonly onProblem: (problem: WireProblem, peer: string) => void;
}

export interface Listener {
  readonly host: string;
  readonly port: number;
  /** No new connections; those that are open stay. */
  close(): void;
}

export interface ConnectOptions extends Omit<SessionOptions, "nonce"> {
  readonly host: string;
  readonly port: number;
  readonly tls: ClientTls | null;
  /** The connection must be made by then, milliseconds. */
  readonly connectMs: number;
  /** The addresses of a name, which are tried in turn; missing: the system's. */
  readonly resolve?: (host: string) => Promise<readonly string[]>;
}

/** Connections that have not shown the key. Beyond this the oldest of them makes room: honest ones are through in milliseconds. */
const mostUnknown = 1024;
/** What may wait in memory for a slow reader before the writer is asked to wait, bytes. */
const highWater = 1024 * 1024;
/** How long a connection that was ended waits for the other side to take what is left and to end it too, from the last bytes it took. */
const lingerMs = 10_000;

type Socket = Bun.Socket<Carrier>;

/** A socket as a ByteStream. */
interface Carrier extends ByteStream {
  readonly received: (bytes: Uint8Array) => void;
  readonly writable: () => void;
  readonly closed: (error: Error | null) => void;
}

function carrier(socket: Socket, peer: string, binding: Uint8Array | null, clock: Pick<Clock, "after">): Carrier {
  let handlers: ByteHandlers | null = null;
  const early: Uint8Array[] = [];
  let ended: { readonly error: Error | null } | null = null;
  let told = false;
  let pending: Uint8Array[] = [];
  let pendingBytes = 0;
  let scheduled = false;
  let asked = false;
  let ending = false;
  /** The system has no room: flushing goes on at its word. */
  let full = false;
  /** Ended here, and not yet there. */
  let lingering: Timer | null = null;

  function linger(): void {
    lingering?.cancel();
    lingering = clock.after(lingerMs, () => socket.terminate());
  }

  function schedule(): void {
    if (scheduled || full) return;
    scheduled = true;
    queueMicrotask(flush);
  }

  function flush(): void {
    scheduled = false;
    if (ended !== null) return;
    if (pendingBytes > 0) {
      const all = pending.length === 1 ? pending[0]! : Buffer.concat(pending, pendingBytes);
      const sent = Math.max(0, socket.write(all));
      pendingBytes = all.length - sent;
      pending = pendingBytes > 0 ? [all.subarray(sent)] : [];
      full = pendingBytes > 0;
    }
    if (pendingBytes > 0) return;
    // Only this direction: a socket that is closed while bytes come in takes back what it has sent (RST).
    if (ending) socket.shutdown();
    else if (asked) {
      asked = false;
      handlers?.drain();
    }
  }

  function tell(): void {
    if (handlers === null || ended === null || told) return;
    told = true;
    handlers.close(ended.error);
  }

  return {
    peer,
    binding,
    open(to) {
      handlers = to;
      for (const bytes of early.splice(0)) to.data(bytes);
      tell();
    },
    write(bytes) {
      if (ending || ended !== null) return true;
      pending.push(bytes);
      pendingBytes += bytes.length;
      schedule();
      if (pendingBytes < highWater) return true;
      asked = true;
      return false;
    },
    end() {
      if (ending || ended !== null) return;
      ending = true;
      linger();
      schedule();
    },
    destroy() {
      ending = true;
      pending = [];
      pendingBytes = 0;
      lingering?.cancel();
      socket.terminate();
    },
    received(bytes) {
      if (handlers === null) early.push(bytes.slice());
      else handlers.data(bytes);
    },
    writable() {
      full = false;
      if (ending) linger();
      flush();
    },
    closed(error) {
      lingering?.cancel();
      ended ??= { error };
      tell();
    },
  };
}

/** OpenSSL knows versions by what is left out. */
function secureOptions(minVersion: "TLSv1.2" | "TLSv1.3"): number {
  const older = constants.SSL_OP_NO_TLSv1 | constants.SSL_OP_NO_TLSv1_1;
  return minVersion === "TLSv1.3" ? older | constants.SSL_OP_NO_TLSv1_2 : older;
}

const bindingLabel = "EXPORTER-Channel-Binding";

function bindingOf(socket: Socket): Uint8Array {
  return socket.exportKeyingMaterial(32, bindingLabel, Buffer.alloc(0));
}

// ---- listening

/** A connection that has not shown the key. */
interface Unknown {
  readonly peer: string;
  /** Of its session; null: TLS is not there yet. */
  giveUp: GiveUp | null;
  /** Until when TLS must be there. */
  readonly timer: Timer | null;
}

/** Throws a UserError when the port is taken or the address is not this host's: `OSError: ...`, status 5. */
export async function listen(options: ListenOptions): Promise<Listener> {
  const { host, port, tls, onSession, onProblem } = options;
  const unknown = new Map<Socket, Unknown>();

  function enterSession(socket: Socket, binding: Uint8Array | null): void {
    const entry = unknown.get(socket);
    if (entry === undefined || entry.giveUp !== null) return;
    const stream = carrier(socket, entry.peer, binding, options.clock);
    socket.data = stream;
    entry.timer?.cancel();
    entry.giveUp = admit(
      stream,
      { ...options, nonce: () => randomBytes(32) },
      {
        ready(link) {
          unknown.delete(socket);
          onSession(link, entry.peer);
        },
        failed(problem) {
          if (!unknown.delete(socket)) return;
          onProblem(problem, entry.peer);
        },
      },
    );
  }

  /** A session tells itself why it came to nothing; this is about those that have none yet. */
  function give(socket: Socket, kind: ProblemKind, text: string): void {
    const entry = unknown.get(socket);
    if (entry === undefined) return;
    const problem = new WireProblem(kind, text);
    if (entry.giveUp !== null) return entry.giveUp(problem);
    entry.timer?.cancel();
    unknown.delete(socket);
    onProblem(problem, entry.peer);
    socket.terminate();
  }

  const handlers: Bun.SocketHandler<Carrier> = {
    open(socket) {
      socket.setNoDelay(true);
      socket.setKeepAlive(true, 60_000);
      const { remoteAddress, remotePort } = socket;
      // A peer that never ends the TLS handshake has no session whose clock would end it.
      const late = (): void => give(socket, "silent", `no TLS handshake within ${options.handshakeMs / 1000} seconds`);
      const timer = tls === null ? null : options.clock.after(options.handshakeMs, late);
      unknown.set(socket, { giveUp: null, peer: placeOf(remoteAddress, remotePort), timer });
      if (unknown.size > mostUnknown) {
        const [oldest] = unknown.keys();
        if (oldest !== undefined)
          give(oldest, "busy", `made room: ${mostUnknown} others have not shown the key either`);
      }
      if (tls === null) enterSession(socket, null);
    },
    handshake(socket, success) {
      if (tls === null) return;
      if (success) enterSession(socket, bindingOf(socket));
      else give(socket, "tls", noTls);
    },
    data: (socket, bytes) => socket.data?.received(bytes),
    drain: (socket) => socket.data?.writable(),
    end(socket) {
      socket.data?.closed(null);
      socket.end();
    },
    close(socket, error) {
      // A session tells itself why it came to nothing, if it ends the connection in the midst of its own turn too.
      if (socket.data === undefined) give(socket, tls === null ? "lost" : "tls", noTls);
      else socket.data.closed(error ?? null);
    },
    error: (socket, error) => socket.data?.closed(error),
  };

  try {
    const listener = Bun.listen<Carrier>({
      hostname: host,
      port,
      socket: handlers,
      ...(tls === null
        ? {}
        : {
            tls: {
              cert: tls.cert,
              key: tls.key,
              secureOptions: secureOptions(tls.minVersion),
              ...(tls.ciphers === null ? {} : { ciphers: tls.ciphers }),
            },
          }),
    });
    return { host: listener.hostname, port: listener.port, close: () => listener.stop(false) };
  } catch (error) {
    throw runtimeError("server", "OSError", await cannotListen(error, host, port));
  }
}

const noTls =
  "no TLS handshake came about (a client with --no-tls, one that does not accept the certificate, or no version or cipher in common?)";

function placeOf(address: string, port: number): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

async function cannotListen(error: unknown, host: string, port: number): Promise<string> {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const where = placeOf(host, port);
  switch (code) {
    case "EADDRINUSE":
      return `[Errno 98] Address already in use: ${where} - another server is there, choose another port with -p`;
    case "EADDRNOTAVAIL":
      return `[Errno 99] Cannot assign requested address: ${where} - it is not an address of this host`;
    case "EACCES":
      return `[Errno 13] Permission denied: ${where} - ports below 1024 need special rights`;
    default:
      if (isIP(host) === 0 && !(await isKnown(host)))
        return `Could not resolve host '${host}' - bind to an address of this host, or to 0.0.0.0 for all of them`;
      return `cannot listen on ${where}: ${messageOf(error)}`;
  }
}

// ---- connecting

const unanswered: ReadonlySet<ProblemKind> = new Set(["refused", "unreachable", "silent"]);

/** Rejects with a WireProblem. */
export async function connect(options: ConnectOptions): Promise<Duplex<PeerMessage, HostMessage>> {
  const { host } = options;
  const addresses = await resolved(options);
  let last: unknown = new WireProblem("unreachable", `Could not resolve host '${host}'`);
  for (const address of addresses) {
    try {
      return await connectTo(address, options);
    } catch (error) {
      last = error;
      // Another address may lead to the same server, but only where nobody answered.
      if (!(error instanceof WireProblem) || !unanswered.has(error.kind)) throw error;
    }
  }
  throw last;
}

async function resolved({
  host,
  clock,
  connectMs,
  resolve = resolve4And6,
}: ConnectOptions): Promise<readonly string[]> {
  const { promise, reject } = Promise.withResolvers<never>();
  // The system may ask one name server after the other, half a minute each.
  const timer = clock.after(connectMs, () => {
    reject(
      new WireProblem("silent", `no name server told the address of '${host}' within ${connectMs / 1000} seconds`),
    );
  });
  try {
    return await Promise.race([resolve(host), promise]);
  } catch (error) {
    if (error instanceof WireProblem) throw error;
    throw new WireProblem("unreachable", `Could not resolve host '${host}'`);
  } finally {
    timer.cancel();
  }
}

async function isKnown(host: string): Promise<boolean> {
  try {
    return (await resolve4And6(host)).length > 0;
  } catch {
    return false;
  }
}

async function resolve4And6(host: string): Promise<readonly string[]> {
  return (await lookup(host, { all: true })).map(({ address }) => address);
}

function connectTo(address: string, options: ConnectOptions): Promise<Duplex<PeerMessage, HostMessage>> {
  const { host, port, tls, clock } = options;
  const made = Promise.withResolvers<Duplex<PeerMessage, HostMessage>>();
  let socket: Socket | null = null;
  let over = false;
  const fail = (kind: ProblemKind, text: string): void => {
    over = true;
    timer.cancel();
    made.reject(new WireProblem(kind, text));
    socket?.terminate();
  };
  const timer = clock.after(options.connectMs, () => {
    fail("silent", `${host}:${port} did not answer within ${options.connectMs / 1000} seconds`);
  });

  function enterSession(to: Socket, binding: Uint8Array | null): void {
    timer.cancel();
    const stream = carrier(to, placeOf(address, port), binding, clock);
    to.data = stream;
    enter(stream, { ...options, nonce: () => randomBytes(32) }, { ready: made.resolve, failed: made.reject });
  }

  const handlers: Bun.SocketHandler<Carrier> = {
    open(opened) {
      socket = opened;
      if (over) return opened.terminate();
      opened.setNoDelay(true);
      opened.setKeepAlive(true, 60_000);
      if (tls === null) enterSession(opened, null);
    },
    handshake(opened, _success, error) {
      if (tls === null || over) return;
      // Not `success`: it is false too when the name does not fit.
      if (!hasTls(opened)) return fail("tls", noTlsThere(host, port));
      const wrong = mistrust(opened, tls, host, error);
      if (wrong !== null) return fail("certificate", wrong);
      enterSession(opened, bindingOf(opened));
    },
    data: (opened, bytes) => opened.data?.received(bytes),
    drain: (opened) => opened.data?.writable(),
    end(opened) {
      opened.data?.closed(null);
      opened.end();
    },
    close(opened, error) {
      // A listener that is just dying resets connections too: whether it speaks TLS is not known.
      if (opened.data === undefined) fail("lost", `${host}:${port} hung up`);
      opened.data?.closed(error ?? null);
    },
    error: (opened, error) => opened.data?.closed(error),
    connectError(_opened, error) {
      fail(...notConnected(error, host, port));
    },
  };

  Bun.connect<Carrier>({
    hostname: address,
    port,
    socket: handlers,
    ...(tls === null
      ? {}
      : {
          tls: {
            // Whom to trust is decided in `mistrust`, before anything is sent.
            rejectUnauthorized: false,
            ...(tls.trust === "chain" && tls.ca !== null ? { ca: tls.ca } : {}),
            ...(tls.servername === null ? {} : { serverName: tls.servername }),
            secureOptions: secureOptions(tls.minVersion),
            ...(tls.ciphers === null ? {} : { ciphers: tls.ciphers }),
          },
        }),
  }).catch((error: unknown) => fail(...notConnected(error, host, port)));
  return made.promise;
}

function hasTls(socket: Socket): boolean {
  const { name } = (socket.getCipher() ?? {}) as { readonly name?: string | null };
  return typeof name === "string" && name !== "";
}

function noTlsThere(host: string, port: number): string {
  return `no TLS handshake with ${host}:${port} came about - a server with --no-tls, or no version or cipher in common?`;
}

function notConnected(error: unknown, host: string, port: number): [ProblemKind, string] {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  switch (code) {
    case "ECONNREFUSED":
      return ["refused", `[Errno 111] Connection refused: no server at ${host}:${port}`];
    case "ENOTFOUND":
      return ["unreachable", `Could not resolve host '${host}'`];
    case "ETIMEDOUT":
      return ["silent", `${host}:${port} did not answer`];
    default:
      return ["unreachable", `cannot reach ${host}:${port}: ${messageOf(error)}`];
  }
}

/** Why the server's certificate is not the one that was asked for; null: it is, or its key will be proved. */
function mistrust(socket: Socket, tls: ClientTls, host: string, error: Error | null): string | null {
  if (tls.trust === "proof" || tls.trust === "none") return null;
  const certificate = socket.getPeerCertificate();
  if (tls.trust === "fingerprint") {
    const shown = certificate.fingerprint256?.replaceAll(":", "").toLowerCase() ?? "";
    if (shown === tls.fingerprint) return null;
    return `Peer certificate fingerprint mismatch (expected ${spaced(tls.fingerprint ?? "")}, got ${spaced(shown)})`;
  }
  // Names are looked at below, and only where one was asked for.
  if (error !== null && !("code" in error && error.code === "ERR_TLS_CERT_ALTNAME_INVALID"))
    return `certificate verify failed: ${error.message}`;
  const name = tls.servername ?? (tls.ca === null ? host : null);
  const wrong = name === null ? undefined : checkServerIdentity(name, certificate);
  return wrong === undefined ? null : `certificate verify failed: ${wrong.message}`;
}

function spaced(hex: string): string {
  return `SHA256:${(hex.toUpperCase().match(/../g) ?? []).join(":")}`;
}
