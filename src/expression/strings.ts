/*
 * The methods of text, all of Python's `str` but encode, format_map, maketrans and translate:
 *
 *   capitalize casefold center count endswith expandtabs find format index isalnum isalpha isascii isdecimal isdigit
 *   isidentifier islower isnumeric isprintable isspace istitle isupper join ljust lower lstrip partition removeprefix
 *   removesuffix replace rfind rindex rjust rpartition rsplit rstrip split splitlines startswith strip swapcase title
 *   upper zfill
 *
 * The text itself is the first argument of each. Places count code points.
 */
import { allowItems, allowText, spend } from "./bounds.ts";
import { fail } from "./failure.ts";
import {
  charCount,
  charsOf,
  offsetOf,
  placeOfOffset,
  splitAtBlanks,
  splitAtBlanksFromEnd,
  strip,
  stripEnd,
  stripStart,
  whitespace,
  wordsOf,
} from "../base/characters.ts";
import { formatTemplate } from "./formattemplate.ts";
import { signature } from "./signature.ts";
import { placesOf } from "../base/slice.ts";
import { described, isPrintable, itemsOf, list, numberOf, truth, tuple } from "./value.ts";
import type { Body, Signature, Value } from "./value.ts";

export const textMethods = new Map<string, Signature>();

function method(shape: string, body: Body): void {
  const made = signature(shape, body);
  textMethods.set(made.name, made);
}

/** A text. Throws an ExpressionFailure for anything else, in the name of `what`. */
export function expectText(value: Value | undefined, what: string): string {
  if (typeof value === "string") return value;
  return fail(`${what} takes a text, not ${described(value ?? null)}`);
}

/**
 * An integer as a number, `otherwise` when the argument was not given. Throws an ExpressionFailure for anything else,
 * in the name of `what`. Beyond 2 to the 53rd it is not exact, and far outside of any text or list.
 */
export function expectCount(value: Value | undefined, what: string, otherwise: number): number {
  if (value === undefined) return otherwise;
  const number = numberOf(value);
  return typeof number === "bigint" ? Number(number) : fail(`${what} takes an integer, not ${described(value)}`);
}

/**
 * The part of the text between two optional places, and the offset at which it begins; null when the start lies behind
 * the end.
 */
function window(text: string, start: Value | undefined, end: Value | undefined): readonly [string, number] | null {
  if ((start ?? null) === null && (end ?? null) === null) return [text, 0];
  const length = charCount(text);
  const from = (start ?? null) === null ? null : expectCount(start, "a place", 0);
  const to = (end ?? null) === null ? null : expectCount(end, "a place", 0);
  if (from !== null && from > length) return null;
  const { first, count } = placesOf({ start: from, stop: to, step: 1 }, length);
  const begin = placesOf({ start: null, stop: to, step: 1 }, length).count;
  if (first > begin) return null;
  const offset = offsetOf(text, first);
  return [text.slice(offset, offsetOf(text, first + count)), offset];
}

// Case.

method("lower(text)", ([text]) => grown(String(text).toLowerCase()));
method("upper(text)", ([text]) => grown(String(text).toUpperCase()));
method("casefold(text)", ([text]) => grown(String(text).replace(/ß/g, "ss").toLowerCase().replace(/ς/g, "σ")));
method("capitalize(text)", ([text]) => {
  const chars = Array.from(String(text));
  return grown(titleCase(chars[0] ?? "") + chars.slice(1).join("").toLowerCase());
});
method("swapcase(text)", ([text]) =>
  grown(
    Array.from(String(text), (char) => (/\p{Uppercase}/u.test(char) ? char.toLowerCase() : char.toUpperCase())).join(
      "",
    ),
  ),
);
method("title(text)", ([text]) => {
  let inWord = false;
  const shown = Array.from(String(text), (char) => {
    const result = inWord ? char.toLowerCase() : titleCase(char);
    inWord = cased.test(char);
    return result;
  });
  return grown(shown.join(""));
});

const cased = /[\p{Lu}\p{Ll}\p{Lt}]/u;

/** A letter whose upper case is several letters, such as a ligature, becomes a capital and small ones. */
function titleCase(char: string): string {
  const upper = char.toUpperCase();
  return upper.length > char.length ? upper.slice(0, 1) + upper.slice(1).toLowerCase() : upper;
}

function grown(text: string): string {
  allowText(text.length);
  return text;
}

// Tests.

function matches(pattern: RegExp): Body {
  return ([text]) => pattern.test(String(text));
}

method("isalnum(text)", matches(/^[\p{L}\p{N}]+$/u));
method("isalpha(text)", matches(/^\p{L}+$/u));
method("isascii(text)", matches(/^[\0-\x7f]*$/));
method("isdecimal(text)", matches(/^\p{Nd}+$/u));
method("isdigit(text)", matches(/^[\p{Nd}\u00b2\u00b3\u00b9\u2070\u2074-\u2079\u2080-\u2089]+$/u));
method("isidentifier(text)", matches(/^[\p{XID_Start}_]\p{XID_Continue}*$/u));
method("isnumeric(text)", matches(/^\p{N}+$/u));
method("isprintable(text)", ([text]) => isPrintable(String(text)));
method("isspace(text)", matches(new RegExp(`^[${whitespace}]+$`)));
method("islower(text)", ([text]) => /\p{Lowercase}/u.test(String(text)) && !/[\p{Lu}\p{Lt}]/u.test(String(text)));
method("isupper(text)", ([text]) => /\p{Uppercase}/u.test(String(text)) && !/[\p{Ll}\p{Lt}]/u.test(String(text)));
method("istitle(text)", ([text]) => {
  let inWord = false;
  let any = false;
  for (const char of String(text)) {
    const isCased = cased.test(char);
    if (isCased && /\p{Ll}/u.test(char) !== inWord) return false;
    inWord = isCased;
    any ||= isCased;
  }
  return any;
});

// Search.

function search(name: string, fromEnd: boolean, orFail: boolean): void {
  method(`${name}(text, part, start?, end?)`, ([text, part, start, end]) => {
    const whole = String(text);
    const wanted = expectText(part, `${name}()`);
    const seen = window(whole, start, end);
    spend(whole.length);
    const at = seen === null ? -1 : fromEnd ? seen[0].lastIndexOf(wanted) : seen[0].indexOf(wanted);
    if (at === -1 || seen === null) return orFail ? fail("the text does not occur") : -1n;
    return BigInt(placeOfOffset(whole, seen[1] + at));
  });
}

search("find", false, false);
search("rfind", true, false);
search("index", false, true);
search("rindex", true, true);

method("count(text, part, start?, end?)", ([text, part, start, end]) => {
  const seen = window(String(text), start, end);
  if (seen === null) return 0n;
  const wanted = expectText(part, "count()");
  return BigInt(wanted === "" ? charCount(seen[0]) + 1 : occurrences(seen[0], wanted));
});

function occurrences(text: string, part: string): number {
  spend(text.length);
  let count = 0;
  for (let at = text.indexOf(part); at !== -1; at = text.indexOf(part, at + part.length)) count++;
  return count;
}

function affix(name: "startsWith" | "endsWith"): void {
  const shown = name.toLowerCase();
  method(`${shown}(text, part, start?, end?)`, ([text, part, start, end]) => {
    const several = part !== undefined && part !== null && typeof part === "object" && part.kind === "tuple";
    const parts = several ? part.items : [part];
    const seen = window(String(text), start, end);
    return parts.some((one) => {
      const wanted = expectText(one, `${shown}()`);
      return seen !== null && seen[0][name](wanted);
    });
  });
}

affix("startsWith");
affix("endsWith");

method("removeprefix(text, part)", ([text, part]) => {
  const wanted = expectText(part, "removeprefix()");
  return String(text).startsWith(wanted) ? String(text).slice(wanted.length) : String(text);
});
method("removesuffix(text, part)", ([text, part]) => {
  const wanted = expectText(part, "removesuffix()");
  return wanted !== "" && String(text).endsWith(wanted) ? String(text).slice(0, -wanted.length) : String(text);
});

// Splitting and joining.

function expectSeparator(value: Value | undefined, name: string): string {
  const separator = expectText(value, `${name}()`);
  return separator === "" ? fail("the separator must not be empty") : separator;
}

function listOfTexts(parts: readonly string[]): Value {
  allowItems(parts.length);
  return list(parts);
}

method("split(text, sep=, maxsplit=)", ([text, sep, maxsplit]) => {
  const whole = String(text);
  const most = expectCount(maxsplit, "maxsplit", -1);
  spend(whole.length * 10);
  if (sep === undefined || sep === null) return listOfTexts(most < 0 ? wordsOf(whole) : splitAtBlanks(whole, most));
  const separator = expectSeparator(sep, "split");
  const parts = whole.split(separator);
  if (most < 0 || parts.length <= most + 1) return listOfTexts(parts);
  return listOfTexts([...parts.slice(0, most), parts.slice(most).join(separator)]);
});
method("rsplit(text, sep=, maxsplit=)", ([text, sep, maxsplit]) => {
  const whole = String(text);
  const most = expectCount(maxsplit, "maxsplit", -1);
  spend(whole.length * 10);
  if (sep === undefined || sep === null)
    return listOfTexts(most < 0 ? wordsOf(whole) : splitAtBlanksFromEnd(whole, most));
  const separator = expectSeparator(sep, "rsplit");
  const parts: string[] = [];
  let end = whole.length;
  while (most < 0 || parts.length < most) {
    const at = end < separator.length ? -1 : whole.lastIndexOf(separator, end - separator.length);
    if (at === -1) break;
    parts.push(whole.slice(at + separator.length, end));
    end = at;
  }
  return listOfTexts([...parts, whole.slice(0, end)].reverse());
});
method("splitlines(text, keepends=)", ([text, keepends]) => {
  const lines =
    String(text).match(/[^\n\r\v\f\x1c-\x1e\x85\u2028\u2029]*(?:\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]|$)/g) ?? [];
  // What is empty behind the last line end is no line.
  const found = lines.filter((line, index) => line !== "" || index < lines.length - 1);
  if (keepends !== undefined && truth(keepends)) return listOfTexts(found);
  return listOfTexts(found.map((line) => line.replace(/(?:\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029])$/, "")));
});
method("partition(text, sep)", ([text, sep]) => {
  const whole = String(text);
  const separator = expectSeparator(sep, "partition");
  const at = whole.indexOf(separator);
  return tuple(at === -1 ? [whole, "", ""] : [whole.slice(0, at), separator, whole.slice(at + separator.length)]);
});
method("rpartition(text, sep)", ([text, sep]) => {
  const whole = String(text);
  const separator = expectSeparator(sep, "rpartition");
  const at = whole.lastIndexOf(separator);
  return tuple(at === -1 ? ["", "", whole] : [whole.slice(0, at), separator, whole.slice(at + separator.length)]);
});
method("join(text, parts)", ([text, parts]) => {
  const separator = String(text);
  const texts = itemsOf(parts ?? null).map((part) => expectText(part, "join()"));
  allowText(texts.reduce((sum, part) => sum + part.length, separator.length * Math.max(0, texts.length - 1)));
  return texts.join(separator);
});
method("replace(text, old, new, count?)", ([text, old, fresh, count]) => {
  const whole = String(text);
  const [before, after] = [expectText(old, "replace()"), expectText(fresh, "replace()")];
  const limit = expectCount(count, "replace()", -1);
  const pieces = before === "" ? ["", ...Array.from(whole), ""] : whole.split(before);
  const cuts = limit < 0 ? pieces.length - 1 : Math.min(limit, pieces.length - 1);
  allowText(whole.length + cuts * (after.length - before.length));
  return (
    pieces.slice(0, cuts + 1).join(after) +
    pieces
      .slice(cuts + 1)
      .map((piece) => before + piece)
      .join("")
  );
});

// White space and width.

function stripper(name: string, start: boolean, end: boolean): void {
  method(`${name}(text, chars?)`, ([text, chars]) => {
    const whole = String(text);
    if (chars === undefined || chars === null)
      return start && end ? strip(whole) : start ? stripStart(whole) : stripEnd(whole);
    const unwanted = new Set(expectText(chars, `${name}()`));
    const all = charsOf(whole);
    let [from, to] = [0, all.length];
    while (start && from < to && unwanted.has(all[from] as string)) from++;
    while (end && to > from && unwanted.has(all[to - 1] as string)) to--;
    return whole.slice(offsetOf(whole, from), offsetOf(whole, to));
  });
}

stripper("strip", true, true);
stripper("lstrip", true, false);
stripper("rstrip", false, true);

function filler(name: string, left: (missing: number, width: number) => number): void {
  method(`${name}(text, width, fill?)`, ([text, width, fill]) => {
    const whole = String(text);
    const sign = expectText(fill ?? " ", `${name}()`);
    if (charCount(sign) !== 1) fail(`${name}() fills with exactly one character`);
    const wanted = expectCount(width, `${name}()`, 0);
    const missing = wanted - charCount(whole);
    if (missing <= 0) return whole;
    allowText(whole.length + missing * sign.length);
    const before = left(missing, wanted);
    return sign.repeat(before) + whole + sign.repeat(missing - before);
  });
}

filler("ljust", () => 0);
filler("rjust", (missing) => missing);
// When an odd number is missing, the left side gets the smaller half, unless the width is odd too, as in CPython.
filler("center", (missing, width) => Math.floor(missing / 2) + (missing & width & 1));

method("zfill(text, width)", ([text, width]) => {
  const whole = String(text);
  const missing = expectCount(width, "zfill()", 0) - charCount(whole);
  if (missing <= 0) return whole;
  allowText(whole.length + missing);
  const sign = /^[+-]/.exec(whole)?.[0] ?? "";
  return sign + "0".repeat(missing) + whole.slice(sign.length);
});

method("expandtabs(text, tabsize=)", ([text, tabsize]) => {
  const size = Math.max(0, expectCount(tabsize, "expandtabs()", 8));
  let column = 0;
  let shown = "";
  for (const char of String(text)) {
    if (char === "\t") {
      const count = size === 0 ? 0 : size - (column % size);
      allowText(shown.length + count);
      shown += " ".repeat(count);
      column += count;
    } else {
      shown += char;
      column = char === "\n" || char === "\r" ? 0 : column + 1;
    }
  }
  return shown;
});

method("format(text, *values)", ([text], values) => formatTemplate(String(text), values));
