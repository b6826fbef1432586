/*
 * What the settings of [logging] mean together: whether there is a log file, and where a started task is told. Knows no
 * layouts and no files.
 */
import type { Config } from "./load.ts";
import { isTable } from "./value.ts";

/** The settings of the log file, as users wrote them. */
export interface FileSettings {
  /** null: the file of the role, in the site. */
  readonly path: string | null;
  readonly level: string;
  readonly style: string;
  /** null: that of the style. */
  readonly format: string | null;
  readonly rotate: string;
  /** null: full files stay as they are. */
  readonly compress: string | null;
  /** How many full files stay beside their archives. */
  readonly keep: number;
  /** Whether it has settings of its own: `logging.file` is more than a path or a yes. */
  readonly hasOwn: boolean;
}

const ownKeys = [
  "logging.file.path",
  "logging.file.level",
  "logging.file.style",
  "logging.file.format",
  "logging.file.rotate",
  "logging.file.compress",
  "logging.file.keep",
] as const;

/** Words for no file, which nobody means as its name. */
const offWords = ["<none>", "none", "disabled"];

/** The settings of the log file; null: there is none, because nobody has asked for one. */
export function fileSettings(config: Config): FileSettings | null {
  const isGiven = (key: string): boolean => !["default", "preload"].includes(config.origin(key).source);
  if (!isGiven("logging.file")) return null;
  const whole = config.raw("logging.file");
  if (!isTable(whole)) return typeof whole === "string" || whole === true ? single(config, whole) : null;
  // `[logging.file]` with nothing in it is a wish, an empty variable is none.
  const isWished = config.origin("logging.file").source !== "env";
  if (!isWished && !ownKeys.some((key) => isGiven(key) && config.raw(key) !== null)) return null;
  return settingsOf(config, config.text("logging.file.path"), true);
}

function single(config: Config, whole: string | true): FileSettings | null {
  const word = whole === true ? "enabled" : whole.trim().toLowerCase();
  if (word === "" || offWords.includes(word)) return null;
  return settingsOf(config, word === "enabled" ? null : config.text("logging.file"), false);
}

function settingsOf(config: Config, path: string | null, hasOwn: boolean): FileSettings {
  const named = (text: string | null): string | null =>
    text === null || ["", "<none>", "none"].includes(text.trim().toLowerCase()) ? null : text;
  return {
    path: named(path),
    level: config.text("logging.file.level"),
    style: config.text("logging.file.style"),
    format: config.text("logging.file.format"),
    rotate: named(config.text("logging.file.rotate")) ?? "never",
    compress: named(config.text("logging.file.compress"))?.trim().toLowerCase() ?? null,
    keep: config.integer("logging.file.keep") ?? 0,
    hasOwn,
  };
}

/** Whether somebody asked for a level on the console. Without that it tells nothing of what is as it should be. */
export function asksForLevel(config: Config): boolean {
  const { source } = config.origin("logging.level");
  return source !== "default" && source !== "preload";
}

/**
 * Where each started task gets an INFO line: as `logging.tasks` says; without it, on the console only when somebody
 * asked for a level, and in a log file always.
 */
export function startedTasks(config: Config): { readonly onConsole: boolean; readonly inFile: boolean } {
  const wish = config.text("logging.tasks");
  if (wish === "false") return { onConsole: false, inFile: false };
  return { onConsole: wish === "true" || asksForLevel(config), inFile: fileSettings(config) !== null };
}
