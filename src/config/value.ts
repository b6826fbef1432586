/*
 * Values of a configuration: what they are, how text becomes one, how they are named and shown in messages. Knows no
 * settings and no sources.
 */

export type Scalar = string | number | boolean | Date | null;
export type Value = Scalar | readonly Value[] | Table;
export interface Table {
  [key: string]: Value;
}

/** Whether a value is a table: neither a list nor a date. */
export function isTable(value: unknown): value is Table {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

/** The value under a key of the table itself; undefined when there is none. */
export function own(table: Table, key: string): Value | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}

/**
 * As Python's int(): blanks around, single underscores between digits. null for what is no integer, or too large to be
 * exact.
 */
export function parseInteger(text: string): number | null {
  const digits = text.trim();
  if (!/^[-+]?\d+(_\d+)*$/.test(digits)) return null;
  const number = Number(digits.replaceAll("_", ""));
  return Number.isSafeInteger(number) ? number : null;
}

/** As Python's float(), with inf and nan. null for what is no number. */
export function parseNumber(text: string): number | null {
  const trimmed = text.trim();
  const special = /^([-+]?)(inf|infinity|nan)$/i.exec(trimmed);
  if (special !== null) return special[2]!.toLowerCase() === "nan" ? NaN : special[1] === "-" ? -Infinity : Infinity;
  if (!/^[-+]?(\d+(_\d+)*\.?(\d+(_\d+)*)?|\.\d+(_\d+)*)(e[-+]?\d+(_\d+)*)?$/i.test(trimmed)) return null;
  return Number(trimmed.replaceAll("_", ""));
}

/** true or false in any case, else null. */
export function parseBoolean(text: string): boolean | null {
  const word = text.trim().toLowerCase();
  return word === "true" ? true : word === "false" ? false : null;
}

/** What an untyped text most likely means: a boolean, an integer, a number, else the text. */
export function coerceText(text: string): Scalar {
  return parseBoolean(text) ?? parseInteger(text) ?? parseNumber(text) ?? text;
}

/** The kind of a value, in the words of TOML. */
export function kindOf(value: Value): string {
  if (value === null) return "null";
  if (typeof value === "string") return "string";
  if (typeof value === "boolean") return "boolean";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "float";
  if (value instanceof Date) return "date";
  return Array.isArray(value) ? "array" : "table";
}

/**
 * The value as messages and `hs config get` show it: texts as they are, everything else as JSON with blanks after `,`
 * and `:`.
 */
export function showValue(value: Value): string {
  return typeof value === "string" ? value : value instanceof Date ? value.toISOString() : json(value);
}

function json(value: Value): string {
  if (typeof value === "number") return showNumber(value);
  if (value instanceof Date) return JSON.stringify(value.toISOString());
  if (Array.isArray(value)) return `[${value.map(json).join(", ")}]`;
  if (!isTable(value)) return JSON.stringify(value);
  const fields = Object.entries(value).map(([key, each]) => `${JSON.stringify(key)}: ${json(each)}`);
  return `{${fields.join(", ")}}`;
}

/**
 * Readable by TOML too: JSON has no words for some of these, and digits alone would be an integer, of which TOML has
 * fewer.
 */
export function showNumber(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  return Number.isInteger(value) && !Number.isSafeInteger(value) ? value.toExponential() : String(value);
}
