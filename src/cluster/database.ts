/* From the configuration to the settings of a store: the one place that knows the keys of section `database`. */
import type { Config } from "../config/load.ts";
import type { Logger } from "../log/logger.ts";
import type { StoreOptions } from "../store/open.ts";

export function databaseSettings(config: Config, log: Logger): Omit<StoreOptions, "clock"> {
  const pragmas = config.raw("database.pragmas");
  return {
    provider: config.text("database.provider"),
    file: config.text("database.file"),
    database: config.text("database.database"),
    url: config.text("database.url"),
    echo: config.raw("database.echo") === true ? (sql) => log.info(sql) : null,
    pragmas: typeof pragmas === "object" && pragmas !== null ? { ...pragmas } : {},
  };
}
