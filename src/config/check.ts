/*
 * Whether a configuration says what it may say: values that do not fit their setting end the program, keys that no
 * setting has are warned about. Only the value that is in force has to fit: a user can override what an administrator
 * got wrong.
 */
import { configurationError } from "../base/errors.ts";
import type { UserError } from "../base/errors.ts";
import { nearest } from "../base/nearest.ts";
import { findSetting, isOpenTable, isSection, openSection, sectionNames, settings, splitVariant } from "./schema.ts";
import type { Kind, Setting } from "./schema.ts";
import { hideSecrets } from "./secret.ts";
import type { Layer } from "./source.ts";
import { find, labelOf } from "./tree.ts";
import { isTable, kindOf, showValue } from "./value.ts";
import type { Table, Value } from "./value.ts";

const kindNames: Readonly<Record<Kind, string>> = {
  text: "text",
  integer: "an integer",
  number: "a number",
  boolean: "true or false",
  list: "a list",
  table: "a table",
};

/** What is wrong with a value for a setting, as the end of a sentence that begins with the key; null when it fits. */
export function problemOf(setting: Setting, value: Value): string | null {
  if (value === null) return null;
  if (!setting.kinds.some((kind) => isKind(value, kind)))
    return `must be ${expected(setting)}, not ${described(setting.key, value)}`;
  if (typeof value === "string" && setting.choices !== undefined) {
    const folded = value.trim().toLowerCase();
    if (!setting.choices.some((choice) => choice.toLowerCase() === folded)) {
      return `has the unrecognized value '${value}', expected ${expected(setting)}`;
    }
  }
  // It would become the name of a file, with the password in it.
  if (typeof value === "string" && setting.urlBelongsTo !== undefined && /^[a-z][\w.+-]*:\/\//i.test(value.trim()))
    return `must not be a URL: ${setting.urlBelongsTo} takes one (${variableOf(setting.urlBelongsTo)})`;
  if (typeof value === "number") {
    const { min, max } = setting;
    if (Number.isNaN(value) || (min !== undefined && value < min))
      return `must be at least ${min ?? 0}, not ${showValue(value)}`;
    if (max !== undefined && value > max) return `must be at most ${max}, not ${showValue(value)}`;
  }
  return null;
}

/** The variable of the environment that holds a setting: `HYPERSHELL_SERVER_PORT` of `server.port`. */
export function variableOf(key: string): string {
  return `HYPERSHELL_${key.replaceAll(".", "_").toUpperCase()}`;
}

function isKind(value: Value, kind: Kind): boolean {
  switch (kind) {
    case "text":
      return typeof value === "string";
    case "integer":
      return Number.isSafeInteger(value);
    case "number":
      return typeof value === "number";
    case "boolean":
      return typeof value === "boolean";
    case "list":
      return Array.isArray(value);
    case "table":
      return isTable(value);
  }
}

function expected({ kinds, choices, section }: Setting): string {
  const words = kinds.filter((kind) => kind !== "text" || choices === undefined).map((kind) => kindNames[kind]);
  if (section === true) words.push(kindNames.table);
  if (choices !== undefined) words.push(choices.length === 1 ? `'${choices[0]}'` : `one of: ${choices.join(", ")}`);
  return words.join(" or ");
}

function described(key: string, value: Value): string {
  const shown = isTable(value) || Array.isArray(value) ? "" : ` '${showValue(hideSecrets(key, value))}'`;
  return `${kindOf(value)}${shown}`;
}

/** Settings of the log file are refused by the log, all others by the configuration. */
export function refusal(setting: Setting, problem: string, label: string): UserError {
  const logger = setting.key.startsWith("logging.file") ? "core.logging" : "core.config";
  return configurationError(logger, `${setting.key} ${problem} (${label})`);
}

/**
 * Throws UserError (status 3) for a value that is in force and does not fit; the lines about unknown keys come back.
 */
export function checkLayers(layers: readonly Layer[]): string[] {
  const warnings: string[] = [];
  for (const layer of layers) {
    if (layer.source === "default" || layer.source === "preload") continue;
    warnings.push(...layer.warnings);
    checkTable(layer.tree, "", layer, layers, warnings);
  }
  return warnings;
}

function checkTable(table: Table, prefix: string, layer: Layer, layers: readonly Layer[], warnings: string[]): void {
  for (const [name, value] of Object.entries(table)) {
    const key = prefix + name;
    const { base, variant } = splitVariant(key);
    const setting = findSetting(base);
    const descends = isTable(value) && variant === "" && isSection(key);
    if (setting !== undefined && !descends) {
      // What a variable or a command says is checked when it is asked.
      if (variant !== "") continue;
      const problem = problemOf(setting, value);
      if (problem !== null && find(layers, key)?.layer === layer) throw refusal(setting, problem, labelOf(layer, key));
    } else if (descends) {
      checkTable(value, `${key}.`, layer, layers, warnings);
    } else if (setting === undefined && isSection(key)) {
      if (value === null) continue;
      const found = `not ${described(key, value)}`;
      throw configurationError("core.config", `${key} must be a table, ${found} (${labelOf(layer, key)})`);
    } else if (isTable(value) && layer.source === "env") {
      // Each variable is named, not the section that only its name suggests.
      checkTable(value, `${key}.`, layer, layers, warnings);
    } else {
      const near = nearestKey(base);
      if (prefix === `${openSection}.` && near === null) continue;
      warnings.push(unknownKey(key, value, near, layer));
    }
  }
}

function unknownKey(key: string, value: Value, near: string | null, layer: Layer): string {
  // What a misspelt key holds is as secret as what it was meant to hold.
  const meantValue = near === null ? value : hideSecrets(near, value);
  const shown = isTable(value) ? "" : `:${showValue(hideSecrets(key, meantValue))}`;
  const meant = near === null ? "" : `; did you mean '${near}'?`;
  return (
    `Ignoring unknown configuration parameter '${key}': found ${kindOf(value)}${shown} ` +
    `(${labelOf(layer, key)})${meant}`
  );
}

/**
 * The setting or section that a misspelt key was meant to be: near in its last part, or the same last part elsewhere.
 */
export function nearestKey(key: string): string | null {
  const dot = key.lastIndexOf(".");
  const section = key.slice(0, dot + 1);
  const siblings: string[] = [];
  for (const name of [...settings.map((each) => each.key), ...sectionNames]) {
    if (name.startsWith(section) && !name.slice(section.length).includes("."))
      siblings.push(name.slice(section.length));
  }
  const near = nearest(key.slice(dot + 1), siblings);
  if (near !== null) return section + near;
  // Not its neighbours again: the section that they have in common would make anything look near.
  const elsewhere = settings.filter((each) => section === "" || !each.key.startsWith(section));
  return nearest(
    key,
    elsewhere.filter((each) => !isOpenTable(each)).map((each) => each.key),
  );
}

/** What only a database server has. */
const serverKeys = ["database.host", "database.port", "database.user", "database.password"];

/**
 * Settings of the database that contradict each other, which could mean another database than the one in mind.
 * `labelOfGiven` tells where a key that was given has its value from (null: not given). Throws UserError (status 3).
 */
export function checkDatabase(provider: string | null, labelOfGiven: (key: string) => string | null): void {
  if (provider !== "sqlite" || labelOfGiven("database.url") !== null) return;
  for (const key of serverKeys) {
    const label = labelOfGiven(key);
    if (label !== null)
      throw configurationError(
        "data",
        `${key} cannot be given for SQLite - remove it, or set database.provider (${label})`,
      );
  }
  const file = labelOfGiven("database.file");
  const database = labelOfGiven("database.database");
  if (file !== null && database !== null)
    throw configurationError(
      "data",
      `database.file (${file}) and database.database (${database}) both name the SQLite file - remove one of them`,
    );
}
