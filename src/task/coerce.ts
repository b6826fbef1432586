/* What the text of a tag or condition value means: null, a boolean, a number, else itself. */
import type { TagValue } from "./task.ts";

const integer = /^[-+]?\d+(?:_\d+)*$/;
const float = /^[-+]?(?:\d+(?:_\d+)*\.?(?:\d+(?:_\d+)*)?|\.\d+(?:_\d+)*)(?:[eE][-+]?\d+)?$/;
const words: ReadonlyMap<string, TagValue> = new Map<string, TagValue>([
  ["null", null],
  ["none", null],
  ["true", true],
  ["false", false],
]);

/** In this order: null, boolean, integer, float, text. `nan` and `inf` stay text (JSON has no word for them), as do integers beyond 2^53. */
export function coerce(text: string): TagValue {
  const trimmed = text.trim();
  const word = words.get(trimmed.toLowerCase());
  if (word !== undefined) return word;
  if (integer.test(trimmed)) {
    const value = Number(trimmed.replaceAll("_", ""));
    return Number.isSafeInteger(value) ? value + 0 : trimmed;
  }
  if (float.test(trimmed)) {
    const value = Number(trimmed.replaceAll("_", ""));
    return Number.isFinite(value) ? value : trimmed;
  }
  return text;
}
