/*
 * What every call of the library works with: the environment, the configuration with what the call says above it, and
 * loggers. A call has its own of each, and changes nothing of the process: it hears no signals, writes to no terminal,
 * and leaves modes of files, limits of memory dumps and the working directory as they are.
 */
import { resolve } from "node:path";
import { systemClock } from "../base/clock.ts";
import { argumentError } from "../base/errors.ts";
import { newId } from "../base/ids.ts";
import { workingFolder } from "../base/process.ts";
import { type Config, loadConfig } from "../config/load.ts";
import type { Line } from "../log/format.ts";
import { makeLoggers } from "../log/console.ts";
import { levels } from "../log/levels.ts";
import type { Loggers } from "../log/logger.ts";
import type { CommonOptions, DatabaseOptions, LogLevel } from "./interface.ts";

/** The surroundings of a call. */
export interface Setting {
  /** The id of this run, server, client or submission. */
  readonly id: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly config: Config;
  readonly loggers: Loggers;
  /** Whether tasks are not stored. */
  readonly noDatabase: boolean;
}

/**
 * The setting of a call. `usual`: the database where the call names none. Throws a UserError for options and
 * configurations that mean nothing.
 */
export function settingOf(options: CommonOptions & DatabaseOptions, usual: boolean): Setting {
  const env = { ...(options.env ?? process.env) };
  const folder = workingFolder();
  if (folder === null && options.cwd === undefined)
    throw argumentError("the working directory is not there any more: give cwd");
  const cwd = resolve(folder ?? "/", options.cwd ?? "");
  const { site, database = usual } = options;
  const seen = site === undefined ? env : { ...env, HYPERSHELL_SITE: resolve(cwd, site) };
  // Whether a site is one of several users must not decide how other calls make their files.
  const found = loadConfig(seen, cwd, undefined, () => undefined);
  const config = withOwn(found, databaseKeys(database, cwd));
  const loggers = loggersOf(options);
  for (const warning of found.warnings) loggers("core.config").warning(warning);
  for (const notice of found.notices) loggers("core.config").info(notice);
  return { id: newId(), env, cwd, config, loggers, noDatabase: database === false };
}

/** The keys of the configuration that say where the database is, as a call has them; null: the call says nothing. */
function databaseKeys(database: string | boolean, cwd: string): Readonly<Record<string, string | null>> {
  if (typeof database === "boolean") return {};
  if (database === "") throw argumentError("database: the name is empty");
  const keys = { "database.url": null, "database.database": null };
  if (/^[a-z][a-z+]*:\/\//i.test(database)) return { ...keys, "database.url": database };
  return { ...keys, "database.provider": "sqlite", "database.file": resolve(cwd, database) };
}

/** A configuration with some values above it. */
function withOwn(config: Config, own: Readonly<Record<string, string | null>>): Config {
  const has = (key: string): boolean => Object.hasOwn(own, key);
  const values: Pick<Record<keyof Config, unknown>, "text" | "raw" | "origin" | "boolean"> = {
    text: (key: Parameters<Config["text"]>[0]) => (has(key) ? own[key] : config.text(key)),
    raw: (key: string) => (has(key) ? own[key] : config.raw(key)),
    origin: (key: string) => (has(key) ? { source: "env", label: "from: the option database" } : config.origin(key)),
    // Whether the memory of the process may be seen is the business of the program that uses the library.
    boolean: (key: Parameters<Config["boolean"]>[0]) => key === "site.dumpable" || config.boolean(key),
  };
  return { ...config, ...values } as Config;
}

/** The names of the levels that a program can ask for. */
const levelNames: readonly LogLevel[] = ["TRACE", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];

function loggersOf({ log, logLevel = "INFO" }: CommonOptions): Loggers {
  if (!levelNames.includes(logLevel)) throw argumentError(`logLevel: must be one of ${levelNames.join(", ")}`);
  if (log === undefined) return makeLoggers([], systemClock);
  const write = ({ level, name, message, at }: Line): void => {
    try {
      log({ level: level as LogLevel, name, message, time: new Date(at) });
    } catch {
      // A run must not come to grief because somebody who looks on does.
    }
  };
  return makeLoggers([{ threshold: levels[logLevel].number, write }], systemClock);
}

/**
 * The number that an option has. Throws an argument error where it is not one from `least` to `most`, or has a fraction
 * where it must be `whole`.
 */
export function numberIn<T>(
  name: string,
  value: number | undefined,
  usual: T,
  { least = 0, most = 2 ** 31 - 1, whole = true },
): number | T {
  if (value === undefined) return usual;
  if (typeof value === "number" && value >= least && value <= most && (!whole || Number.isInteger(value))) return value;
  const kind = whole ? "whole number" : "number";
  throw argumentError(`${name}: must be a ${kind} from ${least} to ${most}, not ${String(value)}`);
}
