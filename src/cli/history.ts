/*
 * Opens the database of tasks for commands that only look into it: which one the configuration names. A database that cannot be written
 * will do. The driver is loaded when it is called, not before.
 */
import type { RecordStore } from "../store/open.ts";
import type { Context } from "./command.ts";

export async function openHistory(context: Context): Promise<RecordStore> {
  const config = context.config();
  const pragmas = config.raw("database.pragmas");
  const { openRecords } = await import("../store/open.ts");
  return openRecords({
    provider: config.text("database.provider"),
    file: config.text("database.file"),
    database: config.text("database.database"),
    url: config.text("database.url"),
    pragmas: typeof pragmas === "object" && pragmas !== null ? { ...pragmas } : {},
  });
}
