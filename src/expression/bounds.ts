/*
 * How much an expression may do. Expressions come from the command line of a user, but run once for each of
 * a hundred million tasks: `9**9**9` must be an error message, not a client that hangs.
 *
 * Work is counted in units of roughly a nanosecond. An expression is evaluated in one go, so one counter serves all.
 */

import { fail } from "./failure.ts";

/** Longest text, in UTF-16 units; no command line is nearly as long. */
export const maxTextLength = 1 << 20;
const maxItems = 1 << 20;
/** Largest integer, in bits. */
export const maxBits = 1 << 17;
/** Most decimal digits that an integer may be read from or printed with; Python's own limit. */
export const maxDigits = 4300;

const maxWork = 5e8;
let work = 0;

/** Begins to count the work of an evaluation. */
export function startWork(): void {
  work = 0;
}

/**
 * Counts work, in units of roughly a nanosecond. Throws an ExpressionFailure when the evaluation has taken half a
 * second of it.
 */
export function spend(units: number): void {
  work += units;
  if (work > maxWork) fail("the expression takes too much work");
}

/**
 * To be asked before a text of `length` characters (UTF-16 units) is made. Throws an ExpressionFailure when that is too
 * many.
 */
export function allowText(length: number): void {
  if (length > maxTextLength) fail(`the text would be longer than ${maxTextLength} characters`);
  spend(length);
}

/**
 * To be asked before a list of `count` values is made or walked through. Throws an ExpressionFailure when that is too
 * many.
 */
export function allowItems(count: number): void {
  if (count > maxItems) fail(`more than ${maxItems} values at once`);
  spend(count * 10);
}

/** To be asked before an integer of `bits` bits is made. Throws an ExpressionFailure when that is too many. */
export function allowBits(bits: number): void {
  if (bits > maxBits) fail(`the integer would be larger than ${maxBits} bits`);
  spend((bits / 64) ** 2);
}

/** At most 80 characters of a text, for messages. */
export function clipped(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}...` : text;
}
