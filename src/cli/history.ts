/*
 * Opens the database of tasks for commands that only look into it: which one the configuration names. A database that cannot be written
 * will do. The driver is loaded when it is called, not before.
 */
import { databaseSettings } from "../cluster/database.ts";
import type { RecordStore } from "../store/open.ts";
import type { Context } from "./command.ts";

export async function openHistory(context: Context): Promise<RecordStore> {
  const settings = databaseSettings(context.config(), context.loggers("data"));
  const { openRecords } = await import("../store/open.ts");
  return openRecords(settings);
}
