/*
 * What a word of the command line means as the value of a setting: by the kinds of a setting that is known, by its
 * looks for one that the user makes up.
 */
import { argumentError } from "../base/errors.ts";
import { nearestKey, problemOf } from "./check.ts";
import { findSetting, isOpenTable, isSection, openSection, splitVariant } from "./schema.ts";
import type { Setting } from "./schema.ts";
import { parseToml } from "./toml.ts";
import { coerceText, parseBoolean, parseInteger, parseNumber } from "./value.ts";
import type { Value } from "./value.ts";

/** A value given on the command line. */
export interface Given {
  readonly value: Value;
  /** As it goes into the file. */
  readonly source?: string;
}

/**
 * What `text` means for this key; `onUnknown` is told of a key that nobody knows, and may throw. Throws an argument
 * error where the text cannot mean anything.
 */
export function parseGiven(key: string, text: string, onUnknown: (text: string) => void): Given {
  if (/^(null|none)$/i.test(text)) return { value: null };
  const { base, variant } = splitVariant(key);
  const setting = findSetting(base);
  if (setting === undefined && variant === "" && isSection(key))
    throw argumentError(`argument VAR: ${key} is a section: name a setting in it`);
  if (setting === undefined && !isFree(base)) onUnknown(unknown(base));
  if (variant !== "") return { value: text };
  if (setting === undefined) return untyped(text);
  const given = typed(setting, text);
  const problem = problemOf(setting, given.value);
  if (problem !== null) throw argumentError(`argument value: ${key} ${problem}`);
  return given;
}

function typed(setting: Setting, text: string): Given {
  const { kinds } = setting;
  if (kinds.includes("boolean")) {
    const truth = parseBoolean(text);
    if (truth !== null) return { value: truth };
  }
  if (kinds.includes("integer") || kinds.includes("number")) {
    const number = numeric(text);
    if (number !== null) return kinds.includes("number") ? number : { value: number.value };
  }
  if ((kinds.includes("list") && text.startsWith("[")) || (kinds.includes("table") && text.startsWith("{"))) {
    const structure = structured(text);
    if (structure !== null) return structure;
  }
  return { value: text };
}

function untyped(text: string): Given {
  const structure = /^[[{]/.test(text) ? structured(text) : null;
  return structure ?? numeric(text) ?? { value: coerceText(text) };
}

function numeric(text: string): Given | null {
  const integer = parseInteger(text);
  if (integer !== null) return { value: integer };
  const number = parseNumber(text);
  if (number === null) return null;
  // TOML tells 2.0 from 2, a number here does not.
  return Number.isInteger(number) && Math.abs(number) < 1e15
    ? { value: number, source: number.toFixed(1) }
    : { value: number };
}

/** A list or table as TOML or JSON writes it; null for what is neither, which then is a text (`[gpu]node[01-04]`). */
function structured(text: string): Given | null {
  try {
    return { value: parseToml(`value = ${text}\n`, "")["value"]! };
  } catch {
    try {
      return { value: JSON.parse(text) as Value };
    } catch {
      return null;
    }
  }
}

/** Whether the user makes up the names there. */
function isFree(key: string): boolean {
  const parts = key.split(".");
  if (parts.some((_, at) => isOpenTable(findSetting(parts.slice(0, at).join("."))))) return true;
  return parts[0] === openSection && nearestKey(key) === null;
}

function unknown(key: string): string {
  const near = nearestKey(key);
  const meant = near === null ? "" : `; did you mean '${near}'?`;
  return `There is no setting '${key}'${meant}`;
}
