/*
 * Where the tasks of a run rest: in the database of the configuration, or in memory. Knows nothing of what is in it.
 */
import { systemClock } from "../base/clock.ts";
import type { Config } from "../config/load.ts";
import type { Loggers } from "../log/logger.ts";
import type { Store } from "../store/store.ts";
import { databaseSettings, expectOwnFile } from "./database.ts";

export interface StoreChoice {
  readonly config: Config;
  readonly loggers: Loggers;
  readonly noDatabase: boolean;
  /** Whether missing tables are made in a database server. In a file they are always made. */
  readonly createTables: boolean;
  /** Whether clients are other processes. */
  readonly remote: boolean;
}

/** Opens the store of a run. Throws what opening a database throws, and UserError for a file of somebody else. */
export async function chooseStore(options: StoreChoice): Promise<Store> {
  const settings = options.noDatabase ? null : databaseSettings(options.config, options.loggers("data"));
  if (settings !== null) {
    const { databaseOf, openStore } = await import("../store/open.ts");
    const found = databaseOf(settings);
    if (found?.kind === "sqlite") expectOwnFile(found.file, options.config, options.loggers("data"));
    if (found !== null) return openStore({ ...settings, clock: systemClock, create: options.createTables });
    options.loggers("server").warning("No database configured - automatically disabled");
  }
  const { MemoryStore } = await import("../store/memory.ts");
  // With a thousand clients many tasks must be at hand; with one client less memory will do.
  return new MemoryStore(options.remote ? 32_768 : undefined);
}
