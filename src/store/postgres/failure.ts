/*
 * The table of errors of PostgreSQL, and of the connection to it, with what they mean for us. An error while opening is
 * something that the user can put right. An error during a run may pass (the server tries again), or no retry helps
 * (the run ends). No text contains a password.
 */
import { FatalError, RefusedValue, runtimeError, TransientError, UserError } from "../../base/errors.ts";

interface Trouble {
  /** A description of what is wrong, in which `PLACE` stands for the database. */
  readonly what: string;
  readonly remedy: string;
  readonly mayPass: boolean;
}

const gone: Trouble = {
  what: "the connection to PLACE was lost",
  remedy: "check that the server runs and the network",
  mayPass: true,
};

/** The connection ended before the server said a word. */
const hungUp: Trouble = {
  what: "PLACE ended the connection at once",
  remedy: "check that it is a PostgreSQL (database.host, database.port), and its log",
  mayPass: true,
};

const noTls: Trouble = {
  what: "PLACE has no TLS, which sslmode asks for, or ended the connection",
  remedy:
    "let the server have TLS (ssl = on in postgresql.conf); without it whoever is on the way reads the password " +
    "and the tasks, so set sslmode to less than that only where nobody can be",
  mayPass: false,
};

/** Errors of the network and of the driver, by their code. */
const byName: Readonly<Record<string, Trouble>> = {
  ECONNREFUSED: {
    what: "nobody listens at PLACE",
    remedy: "check database.host, database.port, and that the server runs",
    mayPass: true,
  },
  ENOENT: {
    what: "there is no socket for PLACE",
    remedy: "set database.host, or check that the server runs",
    mayPass: true,
  },
  EACCES: {
    what: "the socket of PLACE may not be used",
    remedy: "set database.host, or ask its owner",
    mayPass: false,
  },
  ENOTFOUND: { what: "the host of PLACE is not known", remedy: "check database.host", mayPass: true },
  EAI_AGAIN: {
    what: "the host of PLACE could not be looked up",
    remedy: "check database.host and the network",
    mayPass: true,
  },
  EHOSTUNREACH: { what: "there is no way to PLACE", remedy: "check the network", mayPass: true },
  ENETUNREACH: { what: "there is no way to PLACE", remedy: "check the network", mayPass: true },
  ETIMEDOUT: {
    what: "PLACE did not answer in time",
    remedy: "check database.host, database.port and the network",
    mayPass: true,
  },
  CONNECT_TIMEOUT: {
    what: "PLACE did not answer in time",
    remedy: "check database.host, database.port and the network",
    mayPass: true,
  },
  ECONNRESET: gone,
  EPIPE: gone,
  CONNECTION_CLOSED: gone,
  CONNECTION_DESTROYED: gone,
  CONNECTION_ENDED: gone,
  ERR_SSL_WRONG_VERSION_NUMBER: {
    what: "PLACE does not answer as PostgreSQL does",
    remedy: "check database.host and database.port",
    mayPass: false,
  },
  SASL_SIGNATURE_MISMATCH: {
    what: "PLACE does not know the password itself",
    remedy: "check that it is the server you mean",
    mayPass: false,
  },
  AUTH_TYPE_NOT_IMPLEMENTED: {
    what: "PLACE asks for a way of authentication that is not supported",
    remedy: "let it ask for scram-sha-256 (pg_hba.conf)",
    mayPass: false,
  },
};

/**
 * Errors of the server by SQLSTATE, or by its first two characters. Source:
 * https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
const byState: Readonly<Record<string, Trouble>> = {
  "22": {
    what: "PLACE cannot keep a value",
    remedy: "give one that its column holds (those of other programs may be narrow)",
    mayPass: false,
  },
  "54": {
    what: "a value is too large for PLACE",
    remedy: "give a smaller one",
    mayPass: false,
  },
  "22023": { what: "PLACE does not take a setting", remedy: "correct it in [database] or its URL", mayPass: false },
  "28P01": {
    what: "wrong user or password for PLACE",
    remedy: "check database.user and database.password",
    mayPass: false,
  },
  "28": {
    what: "PLACE lets this user not in",
    remedy: "check database.user, and pg_hba.conf of the server",
    mayPass: false,
  },
  "3D000": {
    what: "there is no database PLACE",
    remedy: "check database.database, or create it (createdb)",
    mayPass: false,
  },
  "3F000": {
    what: "there is no such schema in PLACE, or it is closed to this user",
    remedy: "check database.schema, or create it",
    mayPass: false,
  },
  "42501": {
    what: "this user may not do that in PLACE",
    remedy: "ask its owner for the rights on schema and tables",
    mayPass: false,
  },
  "42704": {
    what: "PLACE does not know a setting",
    remedy: "leave it out of [database] or its URL",
    mayPass: false,
  },
  "42P01": { what: "the tables in PLACE were changed by another program", remedy: "start again", mayPass: false },
  "42703": { what: "the tables in PLACE were changed by another program", remedy: "start again", mayPass: false },
  "53100": { what: "no space left for PLACE", remedy: "free space on the server", mayPass: true },
  "53300": {
    what: "PLACE has too many connections",
    remedy: "end some, or raise max_connections of the server",
    mayPass: true,
  },
  "53": { what: "PLACE is out of resources", remedy: "look at the log of the server", mayPass: true },
  "57P01": { what: "PLACE is shutting down", remedy: "start it again", mayPass: true },
  "57P02": { what: "PLACE has crashed", remedy: "look at the log of the server", mayPass: true },
  "57P03": { what: "PLACE is starting up or shutting down", remedy: "wait a moment", mayPass: true },
  "57": { what: "PLACE has ended the statement", remedy: "look at the log of the server", mayPass: true },
  "40": { what: "PLACE took back what others did at the same time", remedy: "try again", mayPass: true },
  "55P03": { what: "a row in PLACE is locked by another program", remedy: "wait for it to finish", mayPass: true },
  "25006": { what: "PLACE can only be read", remedy: "use the primary server", mayPass: true },
  "08": gone,
  "58": { what: "PLACE cannot read or write its files", remedy: "look at the log of the server", mayPass: true },
  XX: { what: "PLACE is damaged", remedy: "look at the log of the server", mayPass: false },
};

function codeOf(error: unknown): string | null {
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined;
  return typeof code === "string" ? code : null;
}

function troubleOf(error: unknown): Trouble | null {
  const code = codeOf(error);
  if (code === null) return null;
  const known = byName[code] ?? byState[code] ?? byState[code.slice(0, 2)];
  if (known !== undefined) return known;
  // Bun has names of its own for what goes wrong with TLS.
  if (/CERT|SSL|TLS|SELF_SIGNED|UNABLE_TO/.test(code))
    return {
      what: `PLACE cannot be trusted (${code})`,
      remedy: "check sslmode and sslrootcert in [database]",
      mayPass: false,
    };
  return null;
}

/**
 * Whether the error came from the server itself. It is recognised by its fields, because classes have other names in
 * the compiled program.
 */
export function isAnswer(error: unknown): error is Error & { readonly severity: unknown } {
  return error instanceof Error && "severity" in error;
}

/** Whether the server, or this user, has as many connections as it may. */
export function isFull(error: unknown): boolean {
  return codeOf(error) === "53300";
}

/** What the server itself says of its trouble. It is shown because a code may have more than one cause. */
function detail(error: unknown): string {
  const code = codeOf(error);
  const said = isAnswer(error) ? error.message : "";
  return said === "" || code === "28P01" ? "" : ` (${said})`;
}

function say(trouble: Trouble, error: unknown, place: string): string {
  return `${trouble.what.replace("PLACE", () => `'${place}'`)}${detail(error)} - ${trouble.remedy}`;
}

/** A UserError about the database; `text` is what the user reads. */
export function databaseError(text: string): UserError {
  return runtimeError("data", text);
}

/**
 * The error to throw for what went wrong while a database was opened. An error that is no trouble of the database comes
 * back as it is.
 */
export function openFailure(error: unknown, place: string, tlsRequired: boolean): unknown {
  const found = troubleOf(error);
  // A server without TLS answers so, but the driver only tells that the connection ended.
  const trouble = found !== gone ? found : tlsRequired ? noTls : hungUp;
  return trouble === null ? error : databaseError(say(trouble, error, place));
}

/** The error to throw for what went wrong with an open database. */
export function runFailure(error: unknown, place: string): unknown {
  if (error instanceof UserError || error instanceof TransientError || error instanceof FatalError) return error;
  const trouble = troubleOf(error);
  if (trouble === null) return error;
  const text = say(trouble, error, place);
  if (trouble.mayPass) return new TransientError(text, { cause: error });
  return trouble === byState["22"] || trouble === byState["54"] ? new RefusedValue(text) : new FatalError(text);
}

/** Whether a row could not be added because there is one with the same value where no two may have one. */
export function isDouble(error: unknown): boolean {
  return codeOf(error) === "23505";
}

/**
 * Whether a transaction was undone only because another one stood in its way (a deadlock). If it is tried again, it
 * will succeed.
 */
export function wasInTheWay(error: unknown): boolean {
  return error instanceof TransientError && codeOf(error.cause)?.startsWith("40") === true;
}
