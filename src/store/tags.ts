/*
 * Tags as the database keeps them: one JSON text per row, written `{"site": "a", "part": 0}` (blanks after colon and
 * comma), because existing scripts compare that text. Read in any spacing, and with the NaN and Infinity that older
 * programs wrote.
 */
import type { TagValue, Tags } from "../task/task.ts";

const plain = '{"part": 0}';
let lastTags: Tags | null = null;
let lastText = plain;

/** `part` is written last and as 0: a row that is yet to run is in the main file. */
export function writeTags(tags: Tags): string {
  // Tasks of one submission mostly share the object.
  if (tags === lastTags) return lastText;
  let text = "{";
  for (const key in tags) {
    if (key !== "part") text += `${JSON.stringify(key)}: ${JSON.stringify(tags[key])}, `;
  }
  lastTags = tags;
  lastText = text === "{" ? plain : `${text}"part": 0}`;
  return lastText;
}

/** Tags read last, by text: neighbouring rows mostly have the same. Emptied when full, so that it stays small. */
const read = new Map<string, Tags>();
const readLimit = 256;

export function readTags(text: unknown): Tags {
  if (typeof text !== "string") return {};
  const known = read.get(text);
  if (known !== undefined) return known;
  const tags = parseTags(text);
  if (read.size >= readLimit) read.clear();
  read.set(text, tags);
  return tags;
}

function parseTags(text: string): Tags {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    try {
      // Outside quotes these can only be numbers that JSON does not have; they are shown as text.
      parsed = JSON.parse(
        text.replace(/"(?:[^"\\]|\\.)*"|-?\b(?:NaN|Infinity)\b/g, (word) => (word[0] === '"' ? word : `"${word}"`)),
      );
    } catch {
      return {};
    }
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) return {};
  // Through entries, so that a tag named __proto__ is a tag like any other.
  return Object.fromEntries(Object.entries(parsed).map(([key, value]) => [key, scalar(value)]));
}

function scalar(value: unknown): TagValue {
  if (value === null || typeof value === "string" || typeof value === "number" || typeof value === "boolean")
    return value;
  return JSON.stringify(value);
}

/** A key and its value as they are written. */
type Pair = readonly [key: string, value: string];

/**
 * The text with some tags set, where they stand or behind all others, and some removed. Everything else stays as it is
 * written, numbers that JSON or JavaScript does not have (NaN, 1.0, more than 53 bits) included; only the blanks
 * between are made the usual ones. What is no map of tags gives way to the first that is set.
 */
export function editTags(text: unknown, set: Tags, removed: readonly string[]): string {
  const old = typeof text === "string" ? pairsOf(text) : null;
  const added = Object.entries(set);
  if (old === null && added.length === 0) return String(text);
  const pairs = new Map(old);
  for (const [key, value] of added) pairs.set(key, JSON.stringify(value));
  for (const key of removed) pairs.delete(key);
  return `{${[...pairs].map(([key, value]) => `${JSON.stringify(key)}: ${value}`).join(", ")}}`;
}

const blanks = /[ \t\r\n]*/y;
const quotedText = /"(?:[^"\\]|\\.)*"/y;
/** Numbers and names, NaN included. */
const bareWord = /[^\s",:[\]{}]+/y;

/** pairs = "{" [ text ":" value { "," text ":" value } ] "}"; null for what is none. */
function pairsOf(text: string): Pair[] | null {
  let at = 0;
  const take = (pattern: RegExp): string | null => {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0] ?? null;
    at += found?.length ?? 0;
    return found;
  };
  const takeSign = (sign: string): boolean => {
    take(blanks);
    if (text[at] !== sign) return false;
    at += 1;
    return true;
  };
  /** A list or a map within is taken as it is. */
  const takeValue = (): string | null => {
    take(blanks);
    const start = at;
    for (let depth = 0; at < text.length;) {
      if (take(quotedText) === null && take(bareWord) === null) {
        const sign = text[at]!;
        if (depth === 0 && (sign === "," || sign === "}")) break;
        if (sign === '"') return null;
        if (sign === "{" || sign === "[") depth += 1;
        if (sign === "}" || sign === "]") depth -= 1;
        at += 1;
      }
    }
    const value = text.slice(start, at).trimEnd();
    return value === "" ? null : value;
  };

  if (!takeSign("{")) return null;
  const pairs: Pair[] = [];
  if (!takeSign("}")) {
    do {
      take(blanks);
      const key = take(quotedText);
      if (key === null || !takeSign(":")) return null;
      const value = takeValue();
      if (value === null) return null;
      pairs.push([textOf(key), value]);
    } while (takeSign(","));
    if (!takeSign("}")) return null;
  }
  take(blanks);
  return at === text.length ? pairs : null;
}

function textOf(quoted: string): string {
  try {
    return String(JSON.parse(quoted));
  } catch {
    return quoted.slice(1, -1);
  }
}
