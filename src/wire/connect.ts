/*
 * Connects to a server over TCP, with TLS or without, and proves that it knows the key. The only user of Bun.connect.
 * Knows nothing of messages.
 */
import { counted } from "../base/units.ts";
import { randomBytes } from "node:crypto";
import { checkServerIdentity } from "node:tls";
import type { Timer } from "../base/clock.ts";
import { messageOf } from "../base/errors.ts";
import { resolve4And6 } from "./addresses.ts";
import { showFingerprint } from "./certificate.ts";
import type { HostLink } from "./link.ts";
import { type ProblemKind, WireProblem } from "./problem.ts";
import { enter, type SessionOptions } from "./session.ts";
import { bindingOf, passOn, placeOf, secureOptions, setUp, type Socket, streamOf } from "./socket.ts";
import type { SocketStream, TlsVersion } from "./socket.ts";

export interface ClientTls {
  /** The certificates to trust, PEM; null: the system's. It is used only when `trust` is "chain". */
  readonly ca: string | null;
  /**
   * Which certificate of the server is accepted:
   * `proof`: any, because the proof of the key is bound to this very channel;
   * `chain`: one signed by `ca` (and with the right name, if `servername` is set or `ca` is null);
   * `fingerprint`: the one with this fingerprint;
   * `none`: any, as with `proof`, but the user is told that this is insecure.
   */
  readonly trust: "proof" | "chain" | "fingerprint" | "none";
  /** SHA-256 of the certificate: 64 lower-case hex digits; null unless `trust` is "fingerprint". */
  readonly fingerprint: string | null;
  /**
   * The name that the certificate must have, which is also sent (SNI). Null: the name of the host, which is only
   * checked when the system's authorities are trusted.
   */
  readonly servername: string | null;
  readonly minVersion: TlsVersion;
  /** The ciphers in the notation of OpenSSL; null: its own choice. */
  readonly ciphers: string | null;
}

export interface ConnectOptions extends Omit<SessionOptions, "nonce"> {
  readonly host: string;
  readonly port: number;
  /** Null: no TLS, and every frame has a MAC. */
  readonly tls: ClientTls | null;
  /** The connection must be made within this time, milliseconds. */
  readonly connectMs: number;
  /** Finds the addresses of a name, which are tried in turn. If it is missing, the system's resolver does. */
  readonly resolve?: (host: string) => Promise<readonly string[]>;
}

/** Of a closed port, too, Bun says on Windows that the socket is open. Nobody is at the other end then. */
const opensUnconnected = process.platform === "win32";

const unanswered: ReadonlySet<ProblemKind> = new Set(["refused", "unreachable", "silent"]);

/** Connects to a server and proves that it knows the key. Throws a WireProblem when that fails. */
export async function connect(options: ConnectOptions): Promise<HostLink> {
  const { host } = options;
  const addresses = await resolved(options);
  let last: unknown = new WireProblem("unreachable", `Could not resolve host '${host}'`);
  for (const address of addresses) {
    try {
      return await connectTo(address, options);
    } catch (error) {
      last = error;
      // Another address may lead to the same server, so it is tried only if nobody answered at this one.
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
    const text = `No name server told the address of '${host}' within ${counted(connectMs / 1000, "second")}`;
    reject(new WireProblem("silent", text));
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

/** An attempt to connect to one address. */
interface Attempt {
  readonly address: string;
  readonly options: ConnectOptions;
  readonly made: PromiseWithResolvers<HostLink>;
  /** Null until the connection is open. */
  socket: Socket | null;
  /** Whether it has failed or has taken too long. */
  over: boolean;
  /** Ends it when nobody answers in time. */
  timer: Timer | null;
}

function connectTo(address: string, options: ConnectOptions): Promise<HostLink> {
  const { host, port, tls, clock, connectMs } = options;
  const made = Promise.withResolvers<HostLink>();
  const attempt: Attempt = { address, options, made, socket: null, over: false, timer: null };
  attempt.timer = clock.after(connectMs, () => {
    fail(attempt, "silent", `${host}:${port} did not answer within ${counted(connectMs / 1000, "second")}`);
  });
  const socket = handlersOf(attempt);
  Bun.connect<SocketStream>({
    hostname: address,
    port,
    socket,
    ...(tls === null ? {} : { tls: tlsOptions(tls) }),
  }).catch((error: unknown) => fail(attempt, ...notConnected(error, host, port)));
  return made.promise;
}

function tlsOptions({ trust, ca, servername, minVersion, ciphers }: ClientTls): Bun.TLSOptions {
  return {
    // The certificate is checked by `mistrust`, before anything is sent.
    rejectUnauthorized: false,
    ...(trust === "chain" && ca !== null ? { ca } : {}),
    ...(servername === null ? {} : { serverName: servername }),
    secureOptions: secureOptions(minVersion),
    ...(ciphers === null ? {} : { ciphers }),
  };
}

function handlersOf(attempt: Attempt): Bun.SocketHandler<SocketStream> {
  const { host, port, tls } = attempt.options;
  return {
    ...passOn,
    open(socket) {
      attempt.socket = socket;
      if (attempt.over) return socket.terminate();
      if (opensUnconnected && typeof socket.remoteAddress !== "string") return fail(attempt, ...refused(host, port));
      setUp(socket);
      if (tls === null) enterSession(attempt, socket, null);
    },
    handshake(socket, _success, error) {
      if (tls === null || attempt.over) return;
      // The argument `success` says too little: it is also false when only the name does not fit.
      if (!hasTls(socket)) return fail(attempt, "tls", noTlsThere(host, port));
      const wrong = mistrust(socket, tls, host, error);
      if (wrong !== null) return fail(attempt, "certificate", wrong);
      enterSession(attempt, socket, bindingOf(socket));
    },
    close(socket, error) {
      // A listener that is just ending resets connections too, so it is not known whether it speaks TLS.
      if (socket.data === undefined) fail(attempt, "lost", `${host}:${port} hung up`);
      socket.data?.closed(error ?? null);
    },
    connectError(_socket, error) {
      fail(attempt, ...notConnected(error, host, port));
    },
  };
}

function enterSession({ address, options, made, timer }: Attempt, socket: Socket, binding: Uint8Array | null): void {
  timer?.cancel();
  const stream = streamOf(socket, placeOf(address, options.port), binding, options.clock);
  socket.data = stream;
  enter(stream, { ...options, nonce: () => randomBytes(32) }, { ready: made.resolve, failed: made.reject });
}

function fail(attempt: Attempt, kind: ProblemKind, text: string): void {
  attempt.over = true;
  attempt.timer?.cancel();
  attempt.made.reject(new WireProblem(kind, text));
  attempt.socket?.terminate();
}

function hasTls(socket: Socket): boolean {
  const { name } = (socket.getCipher() ?? {}) as { readonly name?: string | null };
  return typeof name === "string" && name !== "";
}

function noTlsThere(host: string, port: number): string {
  const why = "the server may run with --no-tls, or there is no version or cipher of TLS in common";
  return `no connection with TLS could be made to ${host}:${port}: ${why}`;
}

function refused(host: string, port: number): [ProblemKind, string] {
  return ["refused", `Connection refused: there is no server at ${host}:${port}`];
}

function notConnected(error: unknown, host: string, port: number): [ProblemKind, string] {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  switch (code) {
    case "ECONNREFUSED":
      return refused(host, port);
    case "ENOTFOUND":
      return ["unreachable", `Could not resolve host '${host}'`];
    case "ETIMEDOUT":
      return ["silent", `${host}:${port} did not answer`];
    default:
      return ["unreachable", `cannot reach ${host}:${port}: ${messageOf(error)}`];
  }
}

/** Why the server's certificate is not accepted. Null: it is accepted, or the proof of the key makes up for it. */
function mistrust(socket: Socket, tls: ClientTls, host: string, error: Error | null): string | null {
  if (tls.trust === "proof" || tls.trust === "none") return null;
  const certificate = socket.getPeerCertificate();
  if (tls.trust === "fingerprint") {
    const shown = certificate.fingerprint256?.replaceAll(":", "").toLowerCase() ?? "";
    if (shown === tls.fingerprint) return null;
    const expected = showFingerprint(tls.fingerprint ?? "");
    return `Peer certificate fingerprint mismatch (expected ${expected}, got ${showFingerprint(shown)})`;
  }
  // An error about the name is left out here: names are checked below, if that was asked for.
  if (error !== null && !("code" in error && error.code === "ERR_TLS_CERT_ALTNAME_INVALID"))
    return `certificate verify failed: ${error.message}`;
  const name = tls.servername ?? (tls.ca === null ? host : null);
  const wrong = name === null ? undefined : checkServerIdentity(name, certificate);
  return wrong === undefined ? null : `certificate verify failed: ${wrong.message}`;
}
