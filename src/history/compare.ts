/*
 * The order of values, as databases have it: for rows of several histories that are shown in one order. Does not know
 * which column the values are from.
 */
import type { ShownValue } from "../task/task.ts";

/**
 * Below zero: `one` comes first. Null comes before numbers, numbers before texts; booleans are numbers, tags are texts.
 */
export function compareValues(one: ShownValue, other: ShownValue): number {
  const rank = rankOf(one) - rankOf(other);
  if (rank !== 0 || one === null || other === null) return rank;
  if (typeof one === "object" || typeof other === "object")
    return compareTexts(JSON.stringify(one), JSON.stringify(other));
  if (typeof one === "string" || typeof other === "string") return compareTexts(String(one), String(other));
  return Number(one) - Number(other);
}

function rankOf(value: ShownValue): number {
  return value === null ? 0 : typeof value === "number" || typeof value === "boolean" ? 1 : 2;
}

/**
 * By code points, which is also the order of the bytes in UTF-8. JavaScript's own order has the halves of surrogate
 * pairs before U+E000.
 */
function compareTexts(one: string, other: string): number {
  const length = Math.min(one.length, other.length);
  for (let i = 0; i < length; i++) {
    if (one.charCodeAt(i) !== other.charCodeAt(i)) return pointAt(one, i) - pointAt(other, i);
  }
  return one.length - other.length;
}

function pointAt(text: string, at: number): number {
  const unit = text.charCodeAt(at);
  // A second half decides by itself: the first halves before it are equal.
  return unit >= 0xd800 && unit < 0xdc00 ? (text.codePointAt(at) ?? unit) : unit;
}
