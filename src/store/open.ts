/*
 * The way to a database: which one the settings name, and opening it. The driver is loaded only when a database is opened.
 */
import { resolve } from "node:path";
import { type Clock, systemClock } from "../base/clock.ts";
import { configurationError } from "../base/errors.ts";
import { userName } from "../base/process.ts";
import type { Echo } from "./sqlite/connection.ts";
import type { PostgresSettings } from "./postgres/settings.ts";
import type { Edits, Records, Store, Upkeep } from "./store.ts";

/** The settings of section `database` that name it, as they stand; null: not set. */
export interface DatabaseSettings {
  readonly provider: string | null;
  readonly file: string | null;
  /** For SQLite another word for `file`. */
  readonly database: string | null;
  readonly url: string | null;
  /** What only a PostgreSQL database has. Read when it is one: a password may be asked of a program. */
  readonly postgres?: () => Omit<PostgresSettings, "url" | "database">;
}

export interface RecordOptions extends DatabaseSettings {
  /** Name and value of each, from `database.pragmas`. */
  readonly pragmas: Readonly<Record<string, unknown>>;
  /** Told each statement as it runs. */
  readonly echo?: Echo | null;
  /** Told what will take a while, before it begins. */
  readonly notice?: ((text: string) => void) | null;
  /** Archived tasks are not looked at. */
  readonly ignorePartitions?: boolean;
  /** Told each place that archived tasks are read from, and steps of housekeeping. */
  readonly debug?: ((text: string) => void) | null;
  /** Told where tasks are that cannot be shown. */
  readonly warn?: ((text: string) => void) | null;
}

export interface StoreOptions extends RecordOptions {
  readonly clock: Clock;
  /** Makes the tables if they are missing. SQLite does that in any case. */
  readonly create?: boolean;
}

/** What every open database tells of itself. */
interface Opened {
  /** For log lines: `sqlite (/path/main.db)`, `postgresql (host:5432/name)`. */
  readonly title: string;
  close(): Promise<void>;
}

/** The history of tasks, for looking only. */
export interface RecordStore extends Records, Opened {}

/** The history of tasks, for looking and changing. */
export interface EditStore extends Records, Edits, Opened {}

/** For housekeeping. */
export interface UpkeepStore extends Upkeep, Opened {
  readonly provider: "sqlite" | "postgresql";
  /** The file, or host and name of the database: what prompts name. */
  readonly place: string;
  readonly created: boolean;
}

const sqliteSchemes = ["sqlite"];
const postgresSchemes = ["postgresql+psycopg", "postgresql", "postgres"];
const postgresProviders = ["postgres", "postgresql"];

/** What the settings name; null: no database. Throws UserError for settings that make no sense or name what is not supported. */
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

function requireDatabase(settings: DatabaseSettings): NonNullable<ReturnType<typeof databaseOf>> {
  const found = databaseOf(settings);
  if (found === null)
    throw configurationError(
      "data",
      "Missing database configuration - set database.file (or HYPERSHELL_DATABASE_FILE) to a path, or database.provider",
    );
  return found;
}

/** Where the PostgreSQL database is that the settings name. */
async function targetOf(settings: DatabaseSettings) {
  const { postgresTarget } = await import("./postgres/settings.ts");
  const none = { host: null, port: null, user: null, password: null, schema: null, parameters: {} };
  const more = settings.postgres?.() ?? none;
  return postgresTarget({ ...more, url: settings.url, database: settings.database }, process.env, userName());
}

/** What the settings name, as it is called in prompts and log lines, without opening it. */
export async function placeOf(
  settings: DatabaseSettings,
): Promise<{ readonly provider: UpkeepStore["provider"]; readonly place: string }> {
  const found = requireDatabase(settings);
  if (found.kind === "sqlite") return { provider: "sqlite", place: resolve(found.file) };
  const [{ placeOf: placeOfTarget }, target] = [await import("./postgres/connection.ts"), await targetOf(settings)];
  return { provider: "postgresql", place: placeOfTarget(target) };
}

/** Opens the database, and makes its file and tables where they are missing. Throws UserError for what stands in the way. */
export async function openStore(options: StoreOptions): Promise<Store> {
  const { pragmas, clock, echo = null, notice = null, create = false } = options;
  const found = requireDatabase(options);
  if (found.kind === "postgres") {
    const { openPostgresStore } = await import("./postgres/postgres.ts");
    return openPostgresStore({ target: await targetOf(options), clock, echo, create });
  }
  const { openSqlite } = await import("./sqlite/sqlite.ts");
  return openSqlite({ file: found.file, pragmas, clock, echo, notice });
}

/** As openStore, but content with a database that can only be read. */
export async function openRecords(options: RecordOptions): Promise<RecordStore> {
  const { pragmas, echo = null, debug = null, warn = null } = options;
  const found = requireDatabase(options);
  if (found.kind === "postgres") {
    const { openPostgresRecords } = await import("../history/postgres/open.ts");
    const { ignorePartitions = false } = options;
    return openPostgresRecords({ target: await targetOf(options), clock: systemClock, echo, ignorePartitions, debug });
  }
  const file = { file: found.file, pragmas, echo };
  if (options.ignorePartitions === true) {
    const { openSqliteRecords } = await import("../history/sqlite/records.ts");
    return openSqliteRecords(file);
  }
  const { openSqliteHistory } = await import("../history/sqlite/partitions.ts");
  return openSqliteHistory({ ...file, debug, warn });
}

/** As openStore, to search and change the history. */
export async function openEdits(options: RecordOptions): Promise<EditStore> {
  const { pragmas, echo = null, notice = null } = options;
  const found = requireDatabase(options);
  if (found.kind === "postgres") {
    const { openPostgresEdits } = await import("../history/postgres/open.ts");
    return openPostgresEdits({ target: await targetOf(options), clock: systemClock, echo });
  }
  const { openSqliteEdits } = await import("../history/sqlite/edits.ts");
  return openSqliteEdits({ file: found.file, pragmas, echo, notice });
}

/** As openStore, to keep house in it. */
export async function openUpkeep(options: StoreOptions): Promise<UpkeepStore> {
  const { pragmas, clock, echo = null, notice = null, debug = null } = options;
  const found = requireDatabase(options);
  if (found.kind === "postgres") {
    const { openPostgresUpkeep } = await import("../history/postgres/open.ts");
    return openPostgresUpkeep({ target: await targetOf(options), clock, echo, create: options.create ?? false });
  }
  const { openSqliteUpkeep } = await import("../history/sqlite/upkeep.ts");
  return openSqliteUpkeep({ file: found.file, pragmas, clock, echo, notice, debug });
}
