/*
 * Settings that this version accepts, and does not act on yet: nobody is to believe that a limit is kept. Which they
 * are is marked in config/schema.ts.
 */
import type { CommandSpec, Parsed } from "../args/spec.ts";
import type { Config } from "../config/load.ts";
import { findSetting, idleSettings } from "../config/schema.ts";
import type { Logger } from "../log/logger.ts";
import type { TaskSetting } from "../task/tag.ts";

/** What it says behind a name. */
export const noEffect = "no effect in this version yet";

/** Tells in one WARNING which options, tags of the command line and settings have no effect. */
export function warnOfIdleSettings(
  spec: CommandSpec,
  parsed: Parsed,
  config: Config,
  log: Logger,
  tags: readonly TaskSetting[] = [],
): void {
  const options = spec.sections.flatMap((section) => section.options);
  const given = options.filter(
    ({ key, setting }) => isIdle(setting) && parsed.given(key) && !isNothing(parsed.number(key)),
  );
  warnOfIdle([...given.map((option) => option.names.join("/")), ...idleTags(tags), ...idleKeys(config)], log);
}

/** The same for a command without such options. */
export function warnOfIdleTags(config: Config, log: Logger, tags: readonly TaskSetting[]): void {
  warnOfIdle([...idleTags(tags), ...idleKeys(config)], log);
}

function warnOfIdle(names: readonly string[], log: Logger): void {
  if (names.length > 0) log.warning(`${listed(names)} ${names.length === 1 ? "has" : "have"} ${noEffect}`);
}

function idleTags(tags: readonly TaskSetting[]): Iterable<string> {
  const needs = tags.filter(({ kind, value }) => (kind === "cores" || kind === "memory") && value !== null);
  return new Set(needs.map(({ kind }) => `${kind}:`));
}

function idleKeys(config: Config): string[] {
  return idleSettings.map(({ key }) => key).filter((key) => isSet(key, config));
}

function isIdle(key: string | undefined): boolean {
  return key !== undefined && findSetting(key)?.idle === true;
}

/** Whether somebody has set it to something that is to have an effect. */
function isSet(key: string, config: Config): boolean {
  if (config.origin(key).source === "default") return false;
  const value = config.raw(key);
  // The keys of a section speak for themselves.
  return !isNothing(value) && typeof value !== "object" && value !== findSetting(key)?.fallback;
}

function isNothing(value: unknown): boolean {
  return value === null || value === undefined || value === false || value === 0 || value === "";
}

function listed(names: readonly string[]): string {
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}
