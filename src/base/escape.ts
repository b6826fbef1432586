/*
 * Characters written as backslash escapes, as Python and YAML read them. Which characters need it is the caller's
 * decision.
 */

const named: Readonly<Record<string, string>> = { "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** One character as `\\`, `\n`, `\r` or `\t`, any other by its number. */
export function escapeCharacter(char: string): string {
  return named[char] ?? escapeByNumber(char);
}

/** One character (code point) by its number, in the shortest form: `\x1b`, `\u2028` or `\U0001f600`. */
export function escapeByNumber(char: string): string {
  const number = char.codePointAt(0)!.toString(16);
  if (number.length <= 2) return `\\x${number.padStart(2, "0")}`;
  return number.length <= 4 ? `\\u${number.padStart(4, "0")}` : `\\U${number.padStart(8, "0")}`;
}

/**
 * What does something to a terminal, or to the order in which it shows the text: C0, DEL and C1, the marks, embeddings,
 * overrides and isolates of direction, and the separators of lines and paragraphs.
 */
const unsafe = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;

/** Without `g`, which would make it remember where it was. */
const anyUnsafe = new RegExp(unsafe.source, "u");

/**
 * The text with all that could do something to a terminal written by its number, or as `\n`, `\r` or `\t`. `kept`: the
 * characters of these that stay.
 */
export function escapeControls(text: string, kept = ""): string {
  if (!anyUnsafe.test(text)) return text;
  return text.replace(unsafe, (char) => (kept.includes(char) ? char : escapeCharacter(char)));
}

/**
 * What a line cannot show as it is: control characters save the tab, ends of lines, what turns the direction of
 * writing, and halves of characters. It would move the cursor, forge a line, or make it read as another.
 */
const unseen = /(?!\t)[\p{Cc}\p{Cs}\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/u;
const everyUnseen = new RegExp(unseen, "gu");

/** The text with escapes for what a line cannot show. A usual line takes 0.1 µs. */
export function visible(text: string): string {
  return unseen.test(text) ? text.replace(everyUnseen, escapeCharacter) : text;
}
