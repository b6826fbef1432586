/*
 * The way to a database: which one the settings name, and opening it for servers and submitters. The driver is loaded
 * only when a database is opened. history/open.ts opens the same database for people.
 */
import { resolve } from "node:path";
import type { Clock } from "../base/clock.ts";
import { configurationError } from "../base/errors.ts";
import { userName } from "../base/accounts.ts";
import type { Echo } from "./sqlite/connection.ts";
import type { Environment, PostgresSettings, PostgresTarget } from "./postgres/settings.ts";
import type { Store } from "./store.ts";

/** The settings of section `database` that say where it is, as the user wrote them; null: not set. */
export interface DatabaseSettings {
  readonly provider: string | null;
  readonly file: string | null;
  /** For SQLite this is another word for `file`. */
  readonly database: string | null;
  readonly url: string | null;
  /**
   * The settings that only PostgreSQL has. They are read only when the database is one, because a password may be asked
   * of a program.
   */
  readonly postgres?: () => Omit<PostgresSettings, "url" | "database">;
  /** Variables that stand in for missing settings of PostgreSQL (PGHOST, PGPASSWORD, HOME for ~/.pgpass, ...). */
  readonly environment?: Environment;
  /** Told of a password file that is ignored. */
  readonly warn?: ((text: string) => void) | null;
}

/** What every way to open a database takes. */
export interface OpenOptions extends DatabaseSettings {
  /** Values by name, from section `database.pragmas`. */
  readonly pragmas: Readonly<Record<string, unknown>>;
  /** Called with each statement as it runs. */
  readonly echo?: Echo | null;
  /** Called with a text before something begins that will take a while. */
  readonly notice?: ((text: string) => void) | null;
  /** Called with the path of an SQLite database that was made. */
  readonly made?: ((file: string) => void) | null;
}

export interface StoreOptions extends OpenOptions {
  readonly clock: Clock;
  /** Makes the tables if they are missing. SQLite does that in any case. */
  readonly create?: boolean;
}

const sqliteSchemes = ["sqlite"];
const postgresSchemes = ["postgresql+psycopg", "postgresql", "postgres"];
const postgresProviders = ["postgres", "postgresql"];

/**
 * Which database the settings name; null: none. Throws UserError for settings that make no sense or that name an
 * unsupported database.
 */
export function databaseOf(
  settings: DatabaseSettings,
): { readonly kind: "sqlite"; readonly file: string } | { readonly kind: "postgres" } | null {
  const { url } = settings;
  if (url !== null && url !== "") {
    const scheme = /^([^:]*):\/\//.exec(url)?.[1];
    if (scheme === undefined)
      throw configurationError("data", "database.url is not a URL: write sqlite:///PATH or postgresql://HOST/DATABASE");
    if (postgresSchemes.includes(scheme)) return { kind: "postgres" };
    if (!sqliteSchemes.includes(scheme)) throw unsupported("provider in URL", scheme);
    const file = fileOfUrl(url);
    return file === null ? null : { kind: "sqlite", file };
  }
  const provider = settings.provider ?? "sqlite";
  if (postgresProviders.includes(provider)) return { kind: "postgres" };
  if (provider !== "sqlite") throw unsupported("database", provider);
  const file = settings.file ?? settings.database ?? "";
  return file === "" || file === ":memory:" ? null : { kind: "sqlite", file };
}

/** Whether the settings name a database. Throws UserError as databaseOf does. */
export function hasDatabase(settings: DatabaseSettings): boolean {
  return databaseOf(settings) !== null;
}

function fileOfUrl(url: string): string | null {
  const path = /^sqlite:\/\/\/([^?#]*)/.exec(url)?.[1];
  if (path === undefined)
    throw configurationError(
      "data",
      "database.url of an SQLite file has three slashes before its path: sqlite:///PATH",
    );
  return path === "" || path === ":memory:" ? null : path;
}

function unsupported(what: string, name: string): Error {
  const known = "sqlite and postgresql are there (database.provider, or the beginning of database.url)";
  return configurationError("data", `Unsupported ${what} '${name}': ${known}`);
}

/** A database that settings name: a file, or a server with all that is needed to get in. */
export type DatabaseTarget =
  { readonly kind: "sqlite"; readonly file: string } | { readonly kind: "postgres"; readonly target: PostgresTarget };

/** The database that the settings name. Throws UserError when they name none, or make no sense. */
export async function targetOf(settings: DatabaseSettings): Promise<DatabaseTarget> {
  const found = databaseOf(settings);
  if (found === null)
    throw configurationError(
      "data",
      "Missing database configuration - " +
        "set database.file (or HYPERSHELL_DATABASE_FILE) to a path, or database.provider",
    );
  if (found.kind === "sqlite") return found;
  const { postgresTarget } = await import("./postgres/settings.ts");
  const { url, database, environment = {} } = settings;
  const none = { host: null, port: null, user: null, password: null, schema: null, parameters: {} };
  const given = { ...(settings.postgres?.() ?? none), url, database };
  return {
    kind: "postgres",
    target: postgresTarget(given, environment, userName(environment), settings.warn ?? undefined),
  };
}

/** A database as prompts and log lines name it. */
export interface DatabasePlace {
  readonly provider: "sqlite" | "postgresql";
  /** The file, or host and name of the database. */
  readonly place: string;
}

/** The place of the database that the settings name. Does not open it. Throws UserError as targetOf does. */
export async function placeOf(settings: DatabaseSettings): Promise<DatabasePlace> {
  const found = await targetOf(settings);
  if (found.kind === "sqlite") return { provider: "sqlite", place: resolve(found.file) };
  const { placeOf: placeOfTarget } = await import("./postgres/connection.ts");
  return { provider: "postgresql", place: placeOfTarget(found.target) };
}

/**
 * Opens the database for servers and submitters. The file of an SQLite database is made if it is missing. Throws
 * UserError when the database cannot be opened.
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  const { pragmas, clock, echo = null, notice = null, made = null, create = false } = options;
  const found = await targetOf(options);
  if (found.kind === "postgres") {
    const { openPostgresStore } = await import("./postgres/postgres.ts");
    return openPostgresStore({ target: found.target, clock, echo, create });
  }
  const { openSqlite } = await import("./sqlite/sqlite.ts");
  return openSqlite({ file: found.file, pragmas, clock, echo, notice, made });
}
