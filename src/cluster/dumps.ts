/*
 * When a process that has keys and passwords in its memory lets nobody see it: always, unless the user asks for core
 * dumps. How that is done is known to base/dumps.ts.
 */
import { forbidDumps } from "../base/dumps.ts";
import type { Config } from "../config/load.ts";

/** To be called before a key or a password is read. */
export function keepFromDumps(config: Config): void {
  if (!config.boolean("site.dumpable")) forbidDumps();
}
