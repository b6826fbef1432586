/*
 * What makes connections safe, from settings and options: which key, TLS or not, which certificate a server shows, and
 * which ones a client accepts. Only this file knows the policy; wire/ carries it out. No message contains a secret.
 */
import { join } from "node:path";
import type { Clock } from "../base/clock.ts";
import { systemClock } from "../base/clock.ts";
import { argumentError, configurationError, type UserError } from "../base/errors.ts";
import { secretDigits } from "../base/ids.ts";
import { failureCode, failureReason, isStandardInput } from "../base/paths.ts";
import { isLoopback } from "../base/loopback.ts";
import { networkName, shortHost } from "../base/process.ts";
import type { Config, Origin } from "../config/load.ts";
import type { Logger, Loggers } from "../log/logger.ts";
import { prepareKey } from "../wire/auth.ts";
import type { Certificate, HostNames } from "../wire/certificate.ts";
import type { ClientTls } from "../wire/connect.ts";
import type { ServerTls } from "../wire/listen.ts";
import { keepFromDumps } from "./dumps.ts";
import { readKeyFile } from "./key-file.ts";
import type { ClientAccess } from "./remote.ts";
import type { ServerAccess } from "./standalone.ts";

/** Options of the command line; null: not given, so the configuration counts. */
interface Words {
  readonly noTls: boolean;
  readonly key: string | null;
  readonly cert: string | null;
  readonly certKey: string | null;
  readonly ca: string | null;
  readonly config: Config;
  readonly loggers: Loggers;
}

export interface ServerSecurityOptions extends Words {
  /** The address where the server listens. */
  readonly bind: string;
}

export interface ClientSecurityOptions extends Words {
  readonly host: string;
  /** The logger of warnings. */
  readonly role: "client" | "submit" | "task" | "top";
}

/**
 * The key and the TLS of a server. Makes the certificate of this site if there is none. Throws a UserError for settings
 * that are unsafe, missing, or contradict each other.
 */
export async function serverSecurity(options: ServerSecurityOptions): Promise<ServerAccess> {
  const { loggers, bind } = options;
  const log = loggers("server");
  const key = await keyOf(options, log);
  if (key === "" || key === placeholder)
    throw argumentError(`Refusing to run server without authentication key (${waysToGiveIt})`);
  const hasTls = usesTls(options);
  const problem = keyProblem(key, !hasTls && !isLoopback(bind));
  if (problem?.refused === true) throw argumentError(problem.text);
  if (problem !== null) log.warning(problem.text);
  await prepareKey(key);
  if (!hasTls) {
    log.warning(tlsIsOff);
    return { key, tls: null };
  }
  return { key, tls: await certifiedTls(options) };
}

/** The TLS of a page that has no server beside it; null: TLS is off. Throws a UserError for a bad certificate. */
export async function pageSecurity(
  options: Pick<ServerSecurityOptions, "config" | "loggers" | "bind">,
): Promise<ServerTls | null> {
  const words = { ...options, noTls: false, key: null, cert: null, certKey: null, ca: null };
  return usesTls(words) ? certifiedTls(words) : null;
}

async function certifiedTls(options: ServerSecurityOptions): Promise<ServerTls> {
  const { cert, key } = await serverCertificate(options);
  const { config } = options;
  return { cert, key, minVersion: minVersionOf(config), ciphers: await ciphersOf(config) };
}

/**
 * The key and the TLS of a client, which needs no certificate. Throws a UserError for settings that are unsafe,
 * missing, or contradict each other.
 */
export async function clientSecurity(options: ClientSecurityOptions): Promise<ClientAccess> {
  const { config, loggers, host, role } = options;
  const log = loggers(role);
  const key = await keyOf(options, log);
  const hasTls = usesTls(options);
  if (key === "") throw argumentError(`The authentication key is empty (${waysToGiveIt})`);
  if (key === placeholder) log.warning("Using default authentication key - do not use this in production!");
  else {
    const problem = keyProblem(key, !hasTls && !isLoopback(host));
    if (problem?.refused === true) throw argumentError(problem.text);
    if (problem !== null) log.warning(problem.text);
  }
  await prepareKey(key);
  if (!hasTls) {
    log.warning(tlsIsOff);
    return { key, tls: null };
  }
  const trust = await trustOf(options);
  if (trust.trust === "none")
    loggers("core.tls").warning("TLS verification disabled (insecure mode) - no certificate is looked at");
  const tls: ClientTls = {
    ...trust,
    servername: given(config.text("server.tls.servername")),
    minVersion: minVersionOf(config),
    ciphers: await ciphersOf(config),
  };
  return { key, tls };
}

/** A random key for one run: 512 bits in hexadecimal. */
export function freshKey(): string {
  return secretDigits(128);
}

const waysToGiveIt =
  "'hs config set server.auth --generate' makes one; or HYPERSHELL_SERVER_AUTH, server.auth, --auth-file";
const placeholder = "<not-secure>";
const tlsIsOff = "TLS is disabled - this is not recommended for production!";
const safeLength = 16;

/**
 * What is wrong with a key; null: nothing. `exposed` means that anybody on the way of the connection can try guesses at
 * leisure.
 */
export function keyProblem(key: string, exposed: boolean): { readonly text: string; readonly refused: boolean } | null {
  if (!/^[\w.+/=-]+$/.test(key))
    return { text: 'Authentication key must contain only "[A-Za-z0-9._+/=-]"', refused: true };
  if (key.length >= safeLength) return null;
  if (exposed)
    return {
      text:
        `Authentication key must be at least ${safeLength} characters without TLS: ` +
        "what others see on the way is enough to guess a shorter one",
      refused: true,
    };
  return {
    text: `Authentication key should be at least ${safeLength} characters, shorter ones can be guessed`,
    refused: false,
  };
}

/** The key that was given, else that of the configuration; empty: there is none. */
async function keyOf({ key, config }: Words, log: Logger): Promise<string> {
  keepFromDumps(config);
  if (key !== null) return key;
  const path = keyFileOf(config);
  if (path === null) return config.text("server.auth") ?? "";
  const blame = (text: string): UserError => refusal(config, "server.authfile", `is no use: ${text}`);
  if (isStandardInput(path)) throw blame("standard input can be the key only by --auth-file");
  return readKeyFile(path, blame, log.warning);
}

/**
 * The file with the key, if that is what the configuration means: of `server.auth` and `server.authfile` the one that
 * was set with the higher precedence. Throws a UserError for both in one place.
 */
function keyFileOf(config: Config): string | null {
  const path = given(config.text("server.authfile"));
  if (path === null) return null;
  const [auth, file] = [config.origin("server.auth"), config.origin("server.authfile")];
  if (auth.source === file.source && !["", placeholder].includes(config.text("server.auth") ?? ""))
    throw refusal(config, "server.authfile", "and server.auth are both set in one place: keep one of them");
  const order: readonly Origin[] = ["default", "preload", "system", "user", "local", "env"];
  return order.indexOf(file.source) >= order.indexOf(auth.source) ? path : null;
}

function usesTls({ noTls, config }: Words): boolean {
  return !noTls && config.boolean("server.tls.enabled");
}

/** The value of a setting that may be switched off by a word; null: it is off. */
function given(text: string | null): string | null {
  return text === null || /^(?:|<none>|none)$/i.test(text.trim()) ? null : text.trim();
}

function minVersionOf(config: Config): "TLSv1.2" | "TLSv1.3" {
  return config.text("server.tls.min_version").endsWith("1.3") ? "TLSv1.3" : "TLSv1.2";
}

/**
 * The ciphers for TLS 1.2, all with an ephemeral key exchange. With that of RSA somebody in the middle could give two
 * connections the same secrets, and relay the proof of the key from one to the other (RFC 9266, section 4.2; the triple
 * handshake attack). TLS 1.3 has only such ciphers.
 */
const safeCiphers = "ECDHE+AESGCM:ECDHE+CHACHA20";
const unsafeCiphers = ":!kRSA:!kPSK";

async function ciphersOf(config: Config): Promise<string> {
  const wanted = given(config.text("server.tls.ciphers"));
  if (wanted === null) return safeCiphers;
  const ciphers = `${wanted}${unsafeCiphers}`;
  const { createSecureContext } = await import("node:tls");
  try {
    createSecureContext({ ciphers });
  } catch {
    const hint = "those of TLS 1.2 can be chosen by their OpenSSL names, and need a key exchange by ECDHE";
    throw refusal(config, "server.tls.ciphers", `names no cipher that can be used: ${hint}`);
  }
  return ciphers;
}

function refusal(config: Config, key: string, problem: string): UserError {
  return configurationError(
    key.startsWith("server.tls.") ? "core.tls" : "core.auth",
    `${key} ${problem} (${config.origin(key).label})`,
  );
}

/** Which certificates a client accepts. The first of these that is set counts: insecure, fingerprint, cafile. */
async function trustOf({ ca, config }: Words): Promise<Pick<ClientTls, "ca" | "trust" | "fingerprint">> {
  const nothing = { ca: null, fingerprint: null } as const;
  if (config.boolean("server.tls.insecure")) return { ...nothing, trust: "none" };
  const pinned = given(config.text("server.tls.fingerprint"));
  const cafile = ca ?? config.text("server.tls.cafile");
  if (pinned === null && isAutomatic(cafile)) return { ...nothing, trust: "proof" };
  if (pinned === null && given(cafile) === null) return { ...nothing, trust: "chain" };

  const { parseFingerprint, readAuthorities } = await import("../wire/certificate.ts");
  if (pinned === null) return { ...nothing, trust: "chain", ca: readAuthorities(cafile ?? "") };
  const fingerprint = parseFingerprint(pinned);
  if (fingerprint === null)
    throw refusal(
      config,
      "server.tls.fingerprint",
      "is not a SHA-256 fingerprint: 64 hex digits, as in SHA256:AB:CD:...",
    );
  return { ...nothing, trust: "fingerprint", fingerprint };
}

function isAutomatic(path: string | null): boolean {
  return path === null || path === "" || path === "<auto>";
}

async function serverCertificate(options: ServerSecurityOptions): Promise<Certificate> {
  const { config, loggers } = options;
  const log = loggers("core.tls");
  const files = userFiles(options);
  const certificates = await import("../wire/certificate.ts");
  const keyPath = files === null ? join(config.site.lib, "tls", certificates.keyFile) : files.key;
  const certificate =
    files === null ? await ownCertificate(options) : certificates.readCertificate(files.cert, files.key);
  if (certificates.isOpenToAll(keyPath))
    log.warning(`Every user of this host can read the private key ${keyPath} (chmod 600 mends it)`);
  if (certificate.expiresAt < systemClock.now())
    log.warning(`The certificate expired on ${new Date(certificate.expiresAt).toISOString().slice(0, 10)}`);
  return certificate;
}

/** The files of the user's own certificate and its key: both or none. */
function userFiles({ cert, certKey, config }: ServerSecurityOptions): { cert: string; key: string } | null {
  const certPath = cert ?? config.text("server.tls.cert");
  const keyPath = certKey ?? config.text("server.tls.key");
  if (isAutomatic(certPath) && isAutomatic(keyPath)) return null;
  if (!isAutomatic(certPath) && !isAutomatic(keyPath)) return { cert: certPath, key: keyPath };
  const [has, lacks] = isAutomatic(keyPath) ? ["cert", "key"] : ["key", "cert"];
  const what = lacks === "key" ? "the private key" : "the certificate";
  if ((has === "cert" ? cert : certKey) !== null)
    throw argumentError(`argument --tls-${has}: needs --tls-${lacks} too, ${what} that belongs to it`);
  throw refusal(config, `server.tls.${has}`, `needs server.tls.${lacks} too, ${what} that belongs to it`);
}

/**
 * The certificate of this site. Where no file can be kept, the run makes one of its own. Clients that go by the proof
 * of the key do not mind. The warning tells those that go by the certificate why it is refused.
 */
async function ownCertificate({ config, loggers }: Words): Promise<Certificate> {
  const log = loggers("core.tls");
  const { certificateFile, keepCertificate, makeCertificate, makeKey, pairOf, showFingerprint } =
    await import("../wire/certificate.ts");
  const folder = join(config.site.lib, "tls");
  const names = (): Promise<HostNames> => hostNames(systemClock);
  try {
    const { certificate, made } = await keepCertificate(folder, names, systemClock.now);
    const fingerprint = showFingerprint(certificate.fingerprint);
    if (made) {
      log.info(`Generated self-signed TLS certificate (${join(folder, certificateFile)})`);
      log.info(`Certificate fingerprint: ${fingerprint}`);
    } else log.trace(`Using existing TLS materials (${fingerprint})`);
    return certificate;
  } catch (error) {
    if (failureCode(error) === "") throw error;
    log.warning(`Made a certificate for this run only, because none can be kept in ${folder}: ${failureReason(error)}`);
  }
  const key = await makeKey();
  const certificate = pairOf(await makeCertificate(key, await names(), systemClock.now()), key);
  log.info(`Certificate fingerprint: ${showFingerprint(certificate.fingerprint)}`);
  return certificate;
}

/** How long a resolver may take to tell the domain of this host, milliseconds. It is asked once in ten years. */
const resolverMs = 1000;

/** The names of this host. If its own name has no domain, the resolver may know one. */
async function hostNames(clock: Clock): Promise<HostNames> {
  const name = networkName();
  const short = shortHost(name);
  if (name.includes(".")) return { full: name, short };
  const late = Promise.withResolvers<null>();
  const timer = clock.after(resolverMs, () => late.resolve(null));
  const full = await Promise.race([domainName(name), late.promise]);
  timer.cancel();
  return { full: full ?? name, short };
}

async function domainName(name: string): Promise<string | null> {
  const { lookup, lookupService } = await import("node:dns/promises");
  try {
    const { address } = await lookup(name);
    const found = (await lookupService(address, 0)).hostname;
    // Many hosts answer `localhost` when asked for the name of their own address.
    return found.includes(".") && !/^localhost\b/i.test(found) ? found : null;
  } catch {
    return null;
  }
}
