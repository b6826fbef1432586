/*
 * The way to a database: which one the settings name, and opening it. The driver is loaded only when a database is opened.
 */
import type { Clock } from "../base/clock.ts";
import { configurationError } from "../base/errors.ts";
import type { Echo } from "./sqlite/connection.ts";
import type { Edits, Records, Store, Upkeep } from "./store.ts";

/** The settings of section `database` that name it, as they stand; null: not set. */
export interface DatabaseSettings {
  readonly provider: string | null;
  readonly file: string | null;
  /** For SQLite another word for `file`. */
  readonly database: string | null;
  readonly url: string | null;
}

export interface StoreOptions extends DatabaseSettings {
  /** Name and value of each, from `database.pragmas`. */
  readonly pragmas: Readonly<Record<string, unknown>>;
  readonly clock: Clock;
  /** Told each statement as it runs. */
  readonly echo?: Echo | null;
}

/** What every open database tells of itself. */
interface Opened {
  /** For log lines: `sqlite (/path/main.db)`, `postgresql (host:5432/name)`. */
  readonly title: string;
  close(): Promise<void>;
}

/** For servers and submitters. */
export interface DatabaseStore extends Store, Opened {
  /** Whether opening made the tables. */
  readonly created: boolean;
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

/** The file that the settings name; null: no database. Throws UserError for settings that make no sense or name what is not supported. */
export function databaseFile(settings: DatabaseSettings): string | null {
  const { url } = settings;
  if (url !== null && url !== "") return fileOfUrl(url);
  const provider = settings.provider ?? "sqlite";
  if (provider !== "sqlite") throw unsupported(`database.provider is '${provider}'`);
  const file = settings.file ?? settings.database ?? "";
  return file === "" || file === ":memory:" ? null : file;
}

function fileOfUrl(url: string): string | null {
  const scheme = /^([^:]*):\/\//.exec(url)?.[1];
  if (scheme === undefined)
    throw configurationError("data", `database.url is no URL: write sqlite:///PATH (or set database.file)`);
  if (scheme !== "sqlite") throw unsupported(`database.url begins with '${scheme}://'`);
  const path = /^sqlite:\/\/\/([^?#]*)/.exec(url)?.[1];
  if (path === undefined)
    throw configurationError(
      "data",
      "database.url of an SQLite file has three slashes before its path: sqlite:///PATH",
    );
  return path === "" || path === ":memory:" ? null : path;
}

function unsupported(what: string): Error {
  return configurationError(
    "data",
    `${what}, and this version supports only SQLite - set database.provider to 'sqlite', or database.file`,
  );
}

function requireFile(settings: DatabaseSettings): string {
  const file = databaseFile(settings);
  if (file === null)
    throw configurationError(
      "data",
      "No database configured - set database.file (or HYPERSHELL_DATABASE_FILE) to a path",
    );
  return file;
}

/** Opens the database, and makes its file and tables where they are missing. Throws UserError for what stands in the way. */
export async function openStore(options: StoreOptions): Promise<DatabaseStore> {
  const file = requireFile(options);
  const { openSqlite } = await import("./sqlite/sqlite.ts");
  return openSqlite({ file, pragmas: options.pragmas, clock: options.clock, echo: options.echo ?? null });
}

/** As openStore, but content with a database that can only be read. */
export async function openRecords(options: Omit<StoreOptions, "clock">): Promise<RecordStore> {
  const file = requireFile(options);
  const { openSqliteRecords } = await import("./sqlite/records.ts");
  return openSqliteRecords({ file, pragmas: options.pragmas, echo: options.echo ?? null });
}

/** As openStore, to keep house in it. */
export async function openUpkeep(
  options: StoreOptions,
): Promise<Pick<UpkeepStore, "optimize" | "place" | "created" | "close">> {
  const file = requireFile(options);
  const { openSqlite } = await import("./sqlite/sqlite.ts");
  const store = openSqlite({ file, pragmas: options.pragmas, clock: options.clock, echo: options.echo ?? null });
  return { ...store, place: store.file };
}
