/*
 * What a text on a command line, in a tag or in a condition stands for: null, a boolean, a number, or itself.
 *
 * `nan`, `inf` and numbers beyond the range of floats stay text, since JSON cannot hold them. Integers beyond 2^53 stay
 * text too, since they would lose digits.
 */
import type { TagValue } from "./task.ts";
import { WrittenNumber } from "./written.ts";

const digits = "[0-9]+(?:_[0-9]+)*";
const integer = new RegExp(`^[+-]?${digits}$`);
const float = new RegExp(`^[+-]?(?:${digits}\\.?(?:${digits})?|\\.${digits})(?:[eE][+-]?${digits})?$`);

/** The value of a text without white space at its ends. */
export function coerce(text: string): TagValue {
  switch (text.toLowerCase()) {
    case "null":
    case "none":
      return null;
    case "true":
      return true;
    case "false":
      return false;
  }
  const isInteger = integer.test(text);
  if (!isInteger && !float.test(text)) return text;
  const number = Number(text.replace(/_/g, ""));
  if (isInteger) return Number.isSafeInteger(number) ? number + 0 : text;
  return Number.isFinite(number) ? number : text;
}

/**
 * The value of a tag, without white space at its ends. A number is one only if it prints as it was written; so `007`,
 * `1.10`, `1_000` and `1e3` stay texts, and a version or a sample is found, shown and exported under its own name.
 * `1.0` is a number that keeps its form, as in older databases. One with an exponent is always a text: PostgreSQL would
 * write all its digits.
 */
export function coerceTag(text: string): TagValue {
  const value = coerce(text);
  if (typeof value !== "number") return value;
  if (`${value}` === text) return text.includes("e") ? text : value;
  return `${value}.0` === text ? new WrittenNumber(text) : text;
}
