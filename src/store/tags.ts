/*
 * Tags as the database keeps them: one JSON text per row, written `{"site": "a", "part": 0}` (blanks after colon and comma), because
 * existing scripts compare that text. Read in any spacing, and with the NaN and Infinity that older programs wrote.
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
