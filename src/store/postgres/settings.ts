/*
 * Turns what a user says about a PostgreSQL database (separate settings, or a URL) into where it is and how to get in.
 * Reads nothing but the files that libpq and its family read too: ~/.pgpass for the password, sslrootcert and the like
 * for certificates.
 *
 *   url = scheme "://" [ user [ ":" password ] "@" ] [ host [ ":" port ] ] "/" database [ "?" keys ]
 *   keys = key "=" value { "&" key "=" value }
 *   scheme = "postgresql" [ "+psycopg" ] | "postgres"
 *
 * User, password, host and database of a URL are percent-encoded where needed. Keys:
 * https://www.postgresql.org/docs/current/libpq-connect.html
 */
import { failureReason } from "../../base/paths.ts";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { isIP } from "node:net";
import { checkServerIdentity, type ConnectionOptions, createSecureContext } from "node:tls";
import { passwordFile, passwordFrom, usualSocketFolders } from "./passfile.ts";
import { trustRemedy, whyNotTrusted } from "./peer.ts";
import { configurationError, messageOf } from "../../base/errors.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** The settings as the user wrote them; null: not set. */
export interface PostgresSettings {
  readonly url: string | null;
  readonly database: string | null;
  readonly host: string | null;
  readonly port: number | null;
  readonly user: string | null;
  readonly password: string | null;
  readonly schema: string | null;
  /** All further keys of [database], and those of its `connect_args`. */
  readonly parameters: Readonly<Record<string, string>>;
}

export type Tls = false | "prefer" | ConnectionOptions;

export interface PostgresTarget {
  /** A name, an address, or the folder of a Unix socket. */
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: string | null;
  readonly schema: string | null;
  /** Whose a Unix socket has to be; null or missing: root's, ours, or that of the user postgres. */
  readonly peer?: string | null;
  readonly tls: Tls;
  /** How long one attempt to connect may take, seconds. */
  readonly connectSeconds: number;
  /** Parameters of the session, such as `application_name`. */
  readonly parameters: Readonly<Record<string, string>>;
}

const usualPort = 5432;
const usualConnectSeconds = 10;
const longestConnectSeconds = 3600;

/**
 * Where the database is, and how to get in. `osUser` is the name of the user in the operating system; `warn` is told of
 * a password file that is ignored. Throws UserError for settings that make no sense, and for a socket that may be a
 * trap.
 */
export function postgresTarget(
  settings: PostgresSettings,
  env: Environment,
  osUser: string,
  warn: (text: string) => void = () => undefined,
): PostgresTarget {
  const { url } = settings;
  const given = url === null || url === "" ? separate(settings) : parseUrl(url);
  const { host: wantedHost, port: wantedPort, database, parameters: all } = given;
  if (database === null || database === "")
    throw configurationError(
      "data",
      "Must provide 'database' if not SQLite (database.database, or the path of database.url)",
    );
  const { sslmode, sslrootcert, sslcert, sslkey, connect_timeout: timeout, host: socket, ...rest } = all;
  const { requirepeer = env["PGREQUIREPEER"] ?? "", passfile = env["PGPASSFILE"], ...others } = rest;
  const peer = filled(requirepeer);
  const parameters = forServer(others);
  const port = wantedPort ?? portOf(env["PGPORT"]) ?? usualPort;
  const remote = wantedHost ?? socket ?? (given.user !== null || wantedPort !== null ? "localhost" : null);
  const host = remote ?? env["PGHOST"] ?? socketFolder(port, peer) ?? "localhost";
  const user = given.user ?? env["PGUSER"] ?? osUser;
  const file = passfile ?? passwordFile(env);
  const found = given.password ?? env["PGPASSWORD"] ?? passwordFrom(file, { host, port, database, user }, warn);
  // A URL is often without its password, which is then asked of a program (database.password_eval).
  const password = found ?? filled(settings.password);
  if (given.user === null && given.password !== null)
    throw configurationError("data", "Must provide 'user' if 'password' provided (database.user)");
  if (given.user !== null && password === null && url === null)
    throw configurationError(
      "data",
      "Must provide 'password' if 'user' provided (database.password, PGPASSWORD or ~/.pgpass)",
    );
  return {
    host,
    port,
    database,
    user,
    password,
    schema: settings.schema === "" ? null : settings.schema,
    peer,
    tls: tlsOf(host, sslmode ?? env["PGSSLMODE"] ?? null, { sslrootcert, sslcert, sslkey }),
    connectSeconds: secondsOf(timeout ?? env["PGCONNECT_TIMEOUT"]),
    parameters,
  };
}

/**
 * Keys that only libpq understands. The server would refuse them. Leaving them out loses nothing: a connection that is
 * gone is noticed and replaced in any case, and a server that can only be read is reported.
 */
const ofLibpq: ReadonlySet<string> = new Set(
  `keepalives keepalives_idle keepalives_interval keepalives_count tcp_user_timeout target_session_attrs
   load_balance_hosts gssencmode channel_binding sslsni sslcompression fallback_application_name`.split(/\s+/),
);

/**
 * The parameters that the server is to get. Throws UserError for a key that libpq would insist on and that is not
 * supported here.
 */
function forServer(parameters: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  for (const key of ["gssencmode", "channel_binding"])
    if (parameters[key] === "require")
      throw configurationError(
        "data",
        `${key} = require is not supported - leave ${key} out of [database] or its URL, ` +
          "and let sslmode = verify-full tell whose server it is",
      );
  return Object.fromEntries(Object.entries(parameters).filter(([key]) => !ofLibpq.has(key)));
}

interface Given {
  readonly host: string | null;
  readonly port: number | null;
  readonly database: string | null;
  readonly user: string | null;
  readonly password: string | null;
  readonly parameters: Readonly<Record<string, string>>;
}

const filled = (text: string | null): string | null => (text === "" ? null : text);

function separate({ host, port, database, user, password, parameters }: PostgresSettings): Given {
  return { host: filled(host), port, database, user: filled(user), password: filled(password), parameters };
}

const strict = /^[^:]+:\/\/(?:([^@/?#]*)@)?(\[[^\]]*\]|[^:/?#]*)(?::(\d*))?(?:\/([^?#]*))?(?:\?([^#]*))?$/;
const loose = /^[^:]+:\/\/(?:(.*)@)?(\[[^\]]*\]|[^:/?#@]*)(?::(\d*))?(?:\/([^?#@]*))?(?:\?([^#@]*))?$/;

function parseUrl(url: string): Given {
  // A password may have an @ or a slash that was not encoded: the last @ before the host counts.
  const parts = loose.exec(url) ?? strict.exec(url);
  if (parts === null)
    throw configurationError("data", "database.url is not a URL: write postgresql://user:password@host:port/database");
  const [, login, host = "", port = "", path = "", query = ""] = parts;
  const [user, ...rest] = (login ?? "").split(":");
  const asked = Object.fromEntries(new URLSearchParams(query)) as Readonly<Record<string, string>>;
  // The keys may name each part of the URL as well. Their `host` is left to postgresTarget.
  const { port: askedPort, dbname, user: askedUser, password, ...parameters } = asked;
  return {
    host: filled(decoded(host).replace(/^\[(.*)\]$/, "$1")),
    port: port === "" ? portOf(askedPort) : expectPort(port),
    database: filled(decoded(path)) ?? dbname ?? null,
    user: (login === undefined ? null : filled(decoded(user ?? ""))) ?? askedUser ?? null,
    password: rest.length === 0 ? (password ?? null) : decoded(rest.join(":")),
    parameters,
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // A % that encodes nothing stands for itself.
    return text;
  }
}

function portOf(text: string | undefined): number | null {
  return text === undefined || text === "" ? null : expectPort(text);
}

function expectPort(text: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && port >= 1 && port <= 65535) return port;
  throw configurationError("data", `the port of the database must be a number from 1 to 65535, not '${text}'`);
}

function secondsOf(text: string | undefined): number {
  if (text === undefined || text === "") return usualConnectSeconds;
  const seconds = Number(text);
  if (!(seconds >= 0)) throw configurationError("data", `connect_timeout must be a number of seconds, not '${text}'`);
  // To libpq, 0 means no limit.
  return seconds === 0 ? longestConnectSeconds : Math.min(seconds, longestConnectSeconds);
}

/**
 * The folder of the server's socket: Debian and Red Hat use the first two, PostgreSQL itself the last. Throws UserError
 * where there is only a socket of somebody else: who made it may listen on localhost, too.
 */
function socketFolder(port: number, peer: string | null): string | null {
  const found = usualSocketFolders.filter((folder) => existsSync(socketIn(folder, port)));
  const trusted = found.find((folder) => whyNotTrusted(socketIn(folder, port), peer) === null);
  if (trusted !== undefined || found.length === 0) return trusted ?? null;
  const why = String(whyNotTrusted(socketIn(found[0]!, port), peer));
  throw configurationError("data", `There is no database.host, and the socket ${why} - ${trustRemedy}`);
}

/** The path of the socket in a folder. `port`: that of the server, from 1 to 65535. */
export function socketIn(folder: string, port: number): string {
  return join(folder, `.s.PGSQL.${port}`);
}

interface Files {
  readonly sslrootcert: string | undefined;
  readonly sslcert: string | undefined;
  readonly sslkey: string | undefined;
}

/**
 * TLS by `sslmode`, as in libpq: `require` encrypts, `verify-ca` also checks who signed the certificate, `verify-full`
 * also whose name it has.
 */
function tlsOf(host: string, mode: string | null, files: Files): Tls {
  // The path of a socket.
  if (host.startsWith("/")) return false;
  const { sslrootcert, sslcert, sslkey } = files;
  const own = {
    ...(sslrootcert === undefined || sslrootcert === "system" ? {} : { ca: read("sslrootcert", sslrootcert) }),
    ...(sslcert === undefined ? {} : { cert: read("sslcert", sslcert) }),
    ...(sslkey === undefined ? {} : { key: read("sslkey", sslkey) }),
  };
  try {
    // An empty context would read the certificates of the system, which takes 3 to 5 ms.
    if (Object.keys(own).length > 0) createSecureContext(own);
  } catch (error) {
    throw configurationError(
      "data",
      `the files of sslrootcert, sslcert and sslkey cannot be used (${messageOf(error)})`,
    );
  }
  const effective = mode ?? (sslrootcert === "system" ? "verify-full" : "prefer");
  switch (effective) {
    case "disable":
      return false;
    case "allow":
    case "prefer":
      return "prefer";
    case "require":
      // If a root certificate is given, the server's is checked against it, as in libpq.
      return sslrootcert === undefined
        ? { ...own, rejectUnauthorized: false }
        : { ...own, rejectUnauthorized: true, checkServerIdentity: () => undefined };
    case "verify-ca":
      return { ...own, rejectUnauthorized: true, checkServerIdentity: () => undefined };
    case "verify-full":
      // An IP address cannot be sent as the name of the server, but a certificate may be for one.
      return isIP(host) === 0
        ? { ...own, rejectUnauthorized: true, servername: host }
        : { ...own, rejectUnauthorized: true, checkServerIdentity: (_, found) => checkServerIdentity(host, found) };
    default:
      throw configurationError(
        "data",
        `sslmode must be one of disable, allow, prefer, require, verify-ca, verify-full, not '${effective}'`,
      );
  }
}

function read(key: string, path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw configurationError("data", `${key} '${path}' cannot be read: ${failureReason(error)}`);
  }
}
