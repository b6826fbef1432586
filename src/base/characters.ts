/*
 * Text as a sequence of code points, as Python has it, over the engine's UTF-16. Text without surrogates, nearly all of
 * it, takes the short way.
 */
import { placesOf, take } from "./slice.ts";
import type { Slice } from "./slice.ts";

const surrogate = /[\ud800-\udfff]/;

/** The characters (code points) of a text, by number: the text itself when it has no surrogates, else an array. */
export function charsOf(text: string): ArrayLike<string> & { readonly length: number } {
  return surrogate.test(text) ? Array.from(text) : text;
}

/** The number of characters (code points) of a text, as Python's `len` counts them. */
export function charCount(text: string): number {
  return charsOf(text).length;
}

/** The code points that a slice takes; Python's `text[start:stop:step]`. The step is not 0. */
/** `text[start:stop:step]` of Python. The step must not be 0. */
export function sliceText(text: string, slice: Slice): string {
  const chars = charsOf(text);
  const places = placesOf(slice, chars.length);
  if (typeof chars === "string" && places.step === 1) return chars.slice(places.first, places.first + places.count);
  return take(chars, places).join("");
}

/** The offset in UTF-16 units of the code point at `place`, which is at most the number of code points. */
export function offsetOf(text: string, place: number): number {
  const chars = charsOf(text);
  if (typeof chars === "string") return place;
  return take(chars, { first: 0, step: 1, count: place }).join("").length;
}

/** The number of code points before an offset in UTF-16 units. */
export function placeOfOffset(text: string, offset: number): number {
  return charCount(text.slice(0, offset));
}

/** White space as Python's `str` methods see it: not U+FEFF, but the separators U+001C to U+001F and U+0085. */
export const whitespace = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";

const leading = new RegExp(`^[${whitespace}]+`);
const space = new RegExp(`[${whitespace}]`);
const run = new RegExp(`[${whitespace}]+`);

/** Without white space at the start; Python's `str.lstrip()`. */
/** `str.lstrip()` of Python. */
export function stripStart(text: string): string {
  return text.replace(leading, "");
}

/** Without white space at the end; Python's `str.rstrip()`. */
/** `str.rstrip()` of Python. */
export function stripEnd(text: string): string {
  // A regular expression anchored at the end would take quadratic time on long runs in the middle.
  let end = text.length;
  while (end > 0 && space.test(text[end - 1] as string)) end--;
  return end === text.length ? text : text.slice(0, end);
}

/** Without white space at both ends; Python's `str.strip()`. */
/** `str.strip()` of Python. */
export function strip(text: string): string {
  return stripEnd(stripStart(text));
}

/** The words between runs of white space, none for blank text; Python's `str.split()`. */
export function wordsOf(text: string): string[] {
  const trimmed = strip(text);
  return trimmed === "" ? [] : trimmed.split(run);
}

/**
 * At most `count` cuts from the left, as Python's `str.split(None, count)` makes them: the last word keeps its inner
 * white space and what stands at its end.
 */
export function splitAtBlanks(text: string, count: number): string[] {
  const words: string[] = [];
  let rest = stripStart(text);
  while (rest !== "" && words.length < count) {
    const cut = rest.search(space);
    if (cut === -1) break;
    words.push(rest.slice(0, cut));
    rest = stripStart(rest.slice(cut));
  }
  return rest === "" ? words : [...words, rest];
}

/**
 * At most `count` cuts from the right, as Python's `str.rsplit(None, count)` makes them: the first word keeps its inner
 * white space.
 */
/** `str.rsplit(None, count)` of Python: at most `count` cuts from the right. */
export function splitAtBlanksFromEnd(text: string, count: number): string[] {
  const words: string[] = [];
  let rest = stripEnd(text);
  while (rest !== "" && words.length < count) {
    let cut = rest.length;
    while (cut > 0 && !space.test(rest[cut - 1] as string)) cut--;
    if (cut === 0) break;
    words.push(rest.slice(cut));
    rest = stripEnd(rest.slice(0, cut));
  }
  return (rest === "" ? words : [...words, rest]).reverse();
}
