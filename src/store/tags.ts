/*
 * Tags as the database keeps them: one JSON text per row. It is written like `{"site": "a", "part": 0}`, with blanks
 * after colon and comma, because existing scripts compare that text. Any spacing can be read, and so can the NaN and
 * Infinity that older programs wrote.
 */
import type { TagValue, Tags } from "../task/task.ts";
import { keepForm, parseWritten, WrittenNumber } from "../task/written.ts";

const plain = '{"part": 0}';
let lastTags: Tags | null = null;
let lastText = plain;

/** Whether two values of a tag are the same. Numbers are by their value: `1` is `1.0`. */
export function sameValue(one: TagValue | undefined, other: TagValue): boolean {
  return plainValue(one) === plainValue(other);
}

/** The value that a database compares. */
export function plainValue<T extends TagValue | undefined>(value: T): Exclude<T, WrittenNumber> | number {
  return value instanceof WrittenNumber ? value.value : (value as Exclude<T, WrittenNumber>);
}

/** The text of tags for a new row. `part` is written last and as 0: a row that is yet to run is in the main file. */
export function writeTags(tags: Tags): string {
  // Tasks of one submission mostly share the object of their tags.
  if (tags === lastTags) return lastText;
  let text = "{";
  for (const key in tags) {
    if (key !== "part") text += `${JSON.stringify(key)}: ${JSON.stringify(tags[key])}, `;
  }
  lastTags = tags;
  lastText = text === "{" ? plain : `${text}"part": 0}`;
  return lastText;
}

/**
 * The tags of texts read lately, because neighbouring rows mostly have the same. The map is emptied when it is full, so
 * that it stays small.
 */
const read = new Map<string, Tags>();
const readLimit = 256;

/** The tags of a stored text. A value that is no such text has none. */
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
    parsed = parseWritten(text);
  } catch {
    try {
      // Outside quotes, NaN and Infinity can only be numbers that JSON does not have. They are shown as text.
      parsed = JSON.parse(
        text.replace(/"(?:[^"\\]|\\.)*"|-?\b(?:NaN|Infinity)\b/g, (word) => (word[0] === '"' ? word : `"${word}"`)),
        keepForm,
      );
    } catch {
      return {};
    }
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) return {};
  // Object.fromEntries makes a tag named __proto__ a tag like any other.
  return Object.fromEntries(Object.entries(parsed).map(([key, value]) => [key, scalar(value)]));
}

function scalar(value: unknown): TagValue {
  if (value === null || typeof value === "string" || typeof value === "number" || typeof value === "boolean")
    return value;
  if (value instanceof WrittenNumber) return value;
  return JSON.stringify(value);
}

/** A key and its value as they are written. */
type Pair = readonly [key: string, value: string];

/**
 * The text with some tags set and some removed. A tag that is there already keeps its place; a new one comes last. The
 * text of all other tags stays as it is, because JavaScript cannot keep every number in it (NaN, 1.0, more than 53
 * bits); only the blanks between tags become the usual ones. A text that is no map of tags is replaced as soon as a tag
 * is set.
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
/** A number or a name such as NaN. */
const bareWord = /[^\s",:[\]{}]+/y;

/** pairs = "{" [ text ":" value { "," text ":" value } ] "}"; null for a text that does not match. */
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
  /** Takes a value as text. Lists and maps are not looked into. */
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
