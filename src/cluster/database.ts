/*
 * Makes the settings of a database from the configuration. No other file knows the keys of section `database`.
 */
import { configurationError } from "../base/errors.ts";
import type { Config } from "../config/load.ts";
import { whoElseWrites } from "../config/trust.ts";
import type { Logger } from "../log/logger.ts";
import type { OpenOptions } from "../store/open.ts";
import { keepFromDumps } from "./dumps.ts";

/** The keys that have a meaning of ours. Every other key is a parameter for the driver. */
const own = [
  "provider",
  "file",
  "database",
  "url",
  "schema",
  "host",
  "port",
  "user",
  "password",
  "echo",
  "connect_args",
  "pragmas",
];

/** The settings of the configured database. `log` gets its notices, and its statements if `database.echo` is set. */
export function databaseSettings(config: Config, log: Logger): OpenOptions {
  const told = new Set<string>();
  return {
    provider: config.text("database.provider"),
    file: config.text("database.file"),
    database: config.text("database.database"),
    url: config.text("database.url"),
    postgres: () => {
      keepFromDumps(config);
      return {
        host: config.text("database.host"),
        port: config.integer("database.port"),
        user: config.text("database.user"),
        password: config.text("database.password"),
        schema: config.text("database.schema"),
        parameters: parametersOf(config),
      };
    },
    environment: config.environment,
    echo: config.raw("database.echo") === true ? (sql) => log.info(sql) : null,
    notice: (text) => log.info(text),
    // A command may ask several times where its database is.
    warn(text) {
      if (!told.has(text)) log.warning(text);
      told.add(text);
    },
    made: isChosen(config) ? null : (file) => log.info(`Made the database ${file}${remedyOf(config)}`),
    pragmas: tableOf(config.raw("database.pragmas")),
  };
}

/**
 * To be called before tasks of an SQLite file are run: whoever can write it says what that is. Throws a UserError
 * (status 3) for a file of somebody else, and warns of one that others may write, unless the site is said to be shared.
 */
export function expectOwnFile(file: string, config: Config, log: Pick<Logger, "warning">): void {
  if (config.boolean("site.shared")) return;
  const others = whoElseWrites(file);
  if (others === null) return;
  const why = "and whoever can write it says what is run as you";
  const remedy = "if you trust them: HYPERSHELL_SITE_SHARED=true (site.shared)";
  if (others.owner !== null)
    throw configurationError(
      "data",
      `${file} belongs to ${others.owner}, ${why} - use a database of your own, or, ${remedy}`,
    );
  log.warning(`Others may write ${file} (${others.mode}), ${why} - chmod go-w ${file}, or, ${remedy}`);
}

/** Whether somebody has said where the database is to be. */
function isChosen(config: Config): boolean {
  return config.origin("database.file").source !== "preload" || (config.environment["HYPERSHELL_SITE"] ?? "") !== "";
}

/** For root, who may not have expected the place. */
function remedyOf({ site }: Config): string {
  return site.name === "system" ? ", which is root's (another place: 'hs init' for a project, or HYPERSHELL_SITE)" : "";
}

function tableOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {};
}

function parametersOf(config: Config): Readonly<Record<string, string>> {
  const all = { ...tableOf(config.raw("database")), ...tableOf(config.raw("database.connect_args")) };
  const entries = Object.entries(all).filter(
    ([name, value]) => !own.includes(name) && value !== null && typeof value !== "object",
  );
  return Object.fromEntries(entries.map(([name, value]) => [name, String(value)]));
}
