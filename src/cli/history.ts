/*
 * Opens the database of tasks for commands that only look into it: which one the configuration names, and what was
 * rotated out of it. A database that cannot be written will do. The driver is loaded when it is called, not before.
 */
import { databaseSettings } from "../cluster/database.ts";
import type { RecordStore } from "../history/history.ts";
import type { Context } from "./command.ts";

/** The tasks of the configured database, to be searched. `ignorePartitions`: only those in the main file. */
export async function openHistory(context: Context, ignorePartitions = false): Promise<RecordStore> {
  const log = context.loggers("task");
  const settings = databaseSettings(context.config(), context.loggers("data"));
  const { openRecords } = await import("../history/open.ts");
  return openRecords({
    ...settings,
    ignorePartitions,
    debug: (text) => log.debug(text),
    warn: (text) => log.warning(text),
  });
}
