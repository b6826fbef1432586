/*
 * The way to a database: which one the settings name, and opening it for servers and submitters. The driver is loaded
 * only when a database is opened. For people the same database is opened by history/open.ts.
 */
import { resolve } from "node:path";
import type { Clock } from "../base/clock.ts";
import { configurationError } from "../base/errors.ts";
import { userName } from "../base/process.ts";
import type { Echo } from "./sqlite/connection.ts";
import type { Environment, PostgresSettings, PostgresTarget } from "./postgres/settings.ts";
import type { Store } from "./store.ts";

/** The settings of section `database` that name it, as they stand; null: not set. */
export interface DatabaseSettings {
  readonly provider: string | null;
  readonly file: string | null;
  /** For SQLite another word for `file`. */
  readonly database: string | null;
  readonly url: string | null;
  /** What only a PostgreSQL database has. Read when it is one: a password may be asked of a program. */
  readonly postgres?: () => Omit<PostgresSettings, "url" | "database">;
  /** What stands in for settings of PostgreSQL that are not given (PGHOST, PGPASSWORD, HOME for ~/.pgpass, ...). */
  readonly environment?: Environment;
}

/** What every way to open a database takes. */
export interface OpenOptions extends DatabaseSettings {
  /** Name and value of each, from `database.pragmas`. */
  readonly pragmas: Readonly<Record<string, unknown>>;
  /** Told each statement as it runs. */
  readonly echo?: Echo | null;
  /** Told what will take a while, before it begins. */
  readonly notice?: ((text: string) => void) | null;
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
 * What the settings name; null: no database. Throws UserError for settings that make no sense or name what is not
 * supported.
 */
export function databaseOf(
  settings: DatabaseSettings,
): { readonly kind: "sqlite"; readonly file: string } | { readonly kind: "postgres" } | null {
  const { url } = settings;
  if (url !== null && url !== "") {
    const scheme = /^([^:]*):\/\//.exec(url)?.[1];
    if (scheme === undefined)
      throw configurationError("data", "database.url is no URL: write sqlite:///PATH or postgresql://HOST/DATABASE");
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

/** Whether the settings name a database. Throws as the opening functions do. */
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

/** The database that the settings name, wherever it is. */
export type DatabaseTarget =
  { readonly kind: "sqlite"; readonly file: string } | { readonly kind: "postgres"; readonly target: PostgresTarget };

/** Where the database is that the settings name. Throws UserError when they name none, or make no sense. */
export async function targetOf(settings: DatabaseSettings): Promise<DatabaseTarget> {
  const found = databaseOf(settings);
  if (found === null)
    throw configurationError(
      "data",
      "Missing database configuration - set database.file (or HYPERSHELL_DATABASE_FILE) to a path, or database.provider",
    );
  if (found.kind === "sqlite") return found;
  const { postgresTarget } = await import("./postgres/settings.ts");
  const { url, database, environment = {} } = settings;
  const none = { host: null, port: null, user: null, password: null, schema: null, parameters: {} };
  const given = { ...(settings.postgres?.() ?? none), url, database };
  return { kind: "postgres", target: postgresTarget(given, environment, userName(environment)) };
}

/** A database as prompts and log lines name it. */
export interface DatabasePlace {
  readonly provider: "sqlite" | "postgresql";
  /** The file, or host and name of the database. */
  readonly place: string;
}

/** What the settings name, without opening it. Throws UserError as targetOf does. */
export async function placeOf(settings: DatabaseSettings): Promise<DatabasePlace> {
  const found = await targetOf(settings);
  if (found.kind === "sqlite") return { provider: "sqlite", place: resolve(found.file) };
  const { placeOf: placeOfTarget } = await import("./postgres/connection.ts");
  return { provider: "postgresql", place: placeOfTarget(found.target) };
}

/**
 * Opens the database for servers and submitters, and makes its file where it is missing. Throws UserError for what
 * stands in the way.
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  const { pragmas, clock, echo = null, notice = null, create = false } = options;
  const found = await targetOf(options);
  if (found.kind === "postgres") {
    const { openPostgresStore } = await import("./postgres/postgres.ts");
    return openPostgresStore({ target: found.target, clock, echo, create });
  }
  const { openSqlite } = await import("./sqlite/sqlite.ts");
  return openSqlite({ file: found.file, pragmas, clock, echo, notice });
}
