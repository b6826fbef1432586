/*
 * The operators of expressions on values: arithmetic, bits, membership, indexing and slicing, by Python's rules for
 * each pair of types.
 */
import { allowBits, allowItems, allowText } from "./bounds.ts";
import { fail } from "./failure.ts";
import { dayMicros, dayOf, moment, span, timestampOf } from "./calendar.ts";
import { charsOf, sliceText } from "../base/characters.ts";
import { exactRatio, finite, floorDivmod, floatPower } from "./float.ts";
import { formatPercent } from "./format.ts";
import {
  bitsOf,
  checked,
  divideToEven,
  floorDivide,
  floorRemainder,
  multiply,
  power,
  toFloat,
  trueDivide,
} from "./integer.ts";
import { placeOf, placesOf, take } from "../base/slice.ts";
import type { Slice } from "../base/slice.ts";
import type { System } from "../base/system.ts";
import { described, equal, itemsOf, keyOf, list, numberOf, repr, tuple } from "./value.ts";
import type { Range, Sequence, Value } from "./value.ts";

export type Binary = (a: Value, b: Value) => Value;

function unfit(sign: string, a: Value, b: Value): never {
  return fail(`'${sign}' does not go with ${described(a)} and ${described(b)}`);
}

/** Two integers, or two floats when one of the operands is a float; null when one is no number. */
function numbers(a: Value, b: Value): readonly [bigint, bigint] | readonly [number, number] | null {
  const x = numberOf(a);
  const y = numberOf(b);
  if (x === null || y === null) return null;
  if (typeof x === "bigint") return typeof y === "bigint" ? [x, y] : [toFloat(x), y];
  return [x, typeof y === "bigint" ? toFloat(y) : y];
}

function isBig(pair: readonly [bigint, bigint] | readonly [number, number]): pair is readonly [bigint, bigint] {
  return typeof pair[0] === "bigint";
}

function sequenceOf(value: Value): Sequence | null {
  return value !== null && typeof value === "object" && (value.kind === "list" || value.kind === "tuple")
    ? value
    : null;
}

function isKind<K extends "span" | "moment" | "day">(
  value: Value,
  kind: K,
): value is Extract<Value, { readonly kind: K }> {
  return value !== null && typeof value === "object" && value.kind === kind;
}

/** `a + b`. */
export const add: Binary = (a, b) => {
  const pair = numbers(a, b);
  if (pair !== null) return isBig(pair) ? checked(pair[0] + pair[1]) : pair[0] + pair[1];
  if (typeof a === "string" && typeof b === "string") {
    allowText(a.length + b.length);
    return a + b;
  }
  const [left, right] = [sequenceOf(a), sequenceOf(b)];
  if (left !== null && right !== null && left.kind === right.kind) {
    allowItems(left.items.length + right.items.length);
    return { kind: left.kind, items: [...left.items, ...right.items] };
  }
  if (isKind(a, "span") && isKind(b, "span")) return span(a.micros + b.micros);
  if (isKind(a, "moment") && isKind(b, "span")) return moment(a.micros + b.micros, a.zone);
  if (isKind(a, "span") && isKind(b, "moment")) return moment(a.micros + b.micros, b.zone);
  if (isKind(a, "day") && isKind(b, "span")) return dayOf(a.days + Number(floorDivide(b.micros, dayMicros)));
  if (isKind(a, "span") && isKind(b, "day")) return dayOf(b.days + Number(floorDivide(a.micros, dayMicros)));
  return unfit("+", a, b);
};

/** `a - b`. */
export const subtract: Binary = (a, b) => {
  const pair = numbers(a, b);
  if (pair !== null) return isBig(pair) ? checked(pair[0] - pair[1]) : pair[0] - pair[1];
  if (isKind(a, "span") && isKind(b, "span")) return span(a.micros - b.micros);
  if (isKind(a, "moment") && isKind(b, "span")) return moment(a.micros - b.micros, a.zone);
  if (isKind(a, "day") && isKind(b, "span")) return dayOf(a.days - Number(floorDivide(b.micros, dayMicros)));
  if (isKind(a, "day") && isKind(b, "day")) return span(BigInt(a.days - b.days) * dayMicros);
  if (isKind(a, "moment") && isKind(b, "moment")) {
    if ((a.zone === null) !== (b.zone === null)) fail("a datetime with a time zone does not go with one without");
    return span(a.zone === null ? a.micros - b.micros : timestampOf(a) - timestampOf(b));
  }
  return unfit("-", a, b);
};

function repeat(value: Value, count: bigint): Value | null {
  const times = Number(count < 0n ? 0n : count);
  if (typeof value === "string") {
    allowText(value.length * times);
    return value.repeat(value === "" ? 0 : times);
  }
  const sequence = sequenceOf(value);
  if (sequence === null) return null;
  allowItems(sequence.items.length * times);
  const items: Value[] = [];
  for (let i = 0; i < times && sequence.items.length > 0; i++) items.push(...sequence.items);
  return { kind: sequence.kind, items };
}

/** `a * b`. */
export const times: Binary = (a, b) => {
  const pair = numbers(a, b);
  if (pair !== null) return isBig(pair) ? multiply(pair[0], pair[1]) : pair[0] * pair[1];
  const [x, y] = [numberOf(a), numberOf(b)];
  if (isKind(a, "span") && y !== null) return scaleSpan(a.micros, y);
  if (isKind(b, "span") && x !== null) return scaleSpan(b.micros, x);
  const repeated = typeof y === "bigint" ? repeat(a, y) : typeof x === "bigint" ? repeat(b, x) : null;
  return repeated ?? unfit("*", a, b);
};

function scaleSpan(micros: bigint, factor: bigint | number): Value {
  if (typeof factor === "bigint") return span(multiply(micros, factor));
  const [top, bottom] = exactRatio(finite(factor));
  return span(divideToEven(micros * top, bottom));
}

/** `a / b`. */
export const divide: Binary = (a, b) => {
  const pair = numbers(a, b);
  if (pair !== null) {
    if (isBig(pair)) return trueDivide(pair[0], pair[1]);
    return pair[1] === 0 ? fail("division by zero") : pair[0] / pair[1];
  }
  if (isKind(a, "span")) {
    if (isKind(b, "span")) return trueDivide(a.micros, b.micros);
    const y = numberOf(b);
    if (y !== null && Number(y) === 0) fail("division by zero");
    if (typeof y === "bigint") return span(divideToEven(a.micros, y));
    if (typeof y === "number") {
      const [top, bottom] = exactRatio(finite(y));
      return span(divideToEven(a.micros * bottom, top));
    }
  }
  return unfit("/", a, b);
};

/** `a // b`. */
export const floorQuotient: Binary = (a, b) => {
  const pair = numbers(a, b);
  if (pair !== null) return isBig(pair) ? floorDivide(pair[0], pair[1]) : floorDivmod(pair[0], pair[1])[0];
  if (isKind(a, "span")) {
    if (isKind(b, "span")) return floorDivide(a.micros, b.micros);
    const y = numberOf(b);
    if (typeof y === "bigint") return span(floorDivide(a.micros, y));
  }
  return unfit("//", a, b);
};

/** `a % b`; the old formatting where `a` is a text. */
export const remainder: Binary = (a, b) => {
  if (typeof a === "string") return formatPercent(a, b);
  const pair = numbers(a, b);
  if (pair !== null) return isBig(pair) ? floorRemainder(pair[0], pair[1]) : floorDivmod(pair[0], pair[1])[1];
  if (isKind(a, "span") && isKind(b, "span")) return span(floorRemainder(a.micros, b.micros));
  return unfit("%", a, b);
};

/** `a ** b`. */
export const raise: Binary = (a, b) => {
  const pair = numbers(a, b);
  if (pair === null) return unfit("**", a, b);
  if (!isBig(pair)) return floatPower(pair[0], pair[1]);
  return pair[1] >= 0n ? power(pair[0], pair[1]) : floatPower(toFloat(pair[0]), toFloat(pair[1]));
};

function bitwise(
  sign: string,
  onInts: (a: bigint, b: bigint) => bigint,
  onBooleans?: (a: boolean, b: boolean) => boolean,
): Binary {
  return (a, b) => {
    if (onBooleans !== undefined && typeof a === "boolean" && typeof b === "boolean") return onBooleans(a, b);
    const [x, y] = [numberOf(a), numberOf(b)];
    return typeof x === "bigint" && typeof y === "bigint" ? onInts(x, y) : unfit(sign, a, b);
  };
}

/** `a & b`; of two booleans a boolean. */
export const bitAnd = bitwise(
  "&",
  (a, b) => a & b,
  (a, b) => a && b,
);
/** `a | b`; of two booleans a boolean. */
export const bitOr = bitwise(
  "|",
  (a, b) => a | b,
  (a, b) => a || b,
);
/** `a ^ b`; of two booleans a boolean. */
export const bitXor = bitwise(
  "^",
  (a, b) => a ^ b,
  (a, b) => a !== b,
);

function expectShift(count: bigint): bigint {
  return count < 0n ? fail("a shift by a negative number of bits") : count;
}

/** `a << b`. */
export const shiftLeft = bitwise("<<", (a, b) => {
  if (a === 0n) return 0n;
  allowBits(bitsOf(a) + Number(expectShift(b)));
  return a << b;
});
/** `a >> b`. */
export const shiftRight = bitwise(">>", (a, b) => {
  const count = expectShift(b);
  return count > BigInt(bitsOf(a)) ? (a < 0n ? -1n : 0n) : a >> count;
});

/** `-value`. Throws an ExpressionFailure for a value that is neither a number nor a timedelta. */
export function negate(value: Value): Value {
  const number = numberOf(value);
  if (number !== null) return -number;
  return isKind(value, "span") ? span(-value.micros) : fail(`'-' does not go with ${described(value)}`);
}

/**
 * `+value`; of a boolean an integer. Throws an ExpressionFailure for a value that is neither a number nor a timedelta.
 */
export function plus(value: Value): Value {
  const number = numberOf(value);
  if (number !== null) return number;
  return isKind(value, "span") ? value : fail(`'+' does not go with ${described(value)}`);
}

/** `~value`. Throws an ExpressionFailure for a value that is no integer. */
export function invert(value: Value): Value {
  const number = numberOf(value);
  return typeof number === "bigint" ? ~number : fail(`'~' does not go with ${described(value)}`);
}

/** `a is b`: the same value of the same type, since values have no identity here. */
export function identical(a: Value, b: Value): boolean {
  return typeof a === typeof b && (typeof a !== "object" || (a === null) === (b === null)) && equal(a, b);
}

/** `item in whole`. Throws an ExpressionFailure when `whole` holds no items, or is a text and the item is none. */
export function contains(item: Value, whole: Value, system: System): boolean {
  if (typeof whole === "string") {
    if (typeof item !== "string") fail(`only a text can be in a text, not ${described(item)}`);
    return whole.includes(item);
  }
  if (whole !== null && typeof whole === "object") {
    if (whole.kind === "dict") return whole.entries.has(keyOf(item));
    if (whole.kind === "environment") return typeof item === "string" && system.environment(item) !== null;
    if (whole.kind === "range") {
      const number = numberOf(item);
      if (number === null || (typeof number === "number" && !Number.isInteger(number))) return false;
      const offset = BigInt(number) - whole.start;
      return offset % whole.step === 0n && offset / whole.step >= 0n && offset / whole.step < whole.length;
    }
  }
  return itemsOf(whole).some((value) => equal(value, item));
}

/** `whole[key]`. Throws an ExpressionFailure when there is no such key or place, or `whole` cannot be indexed. */
export function index(whole: Value, key: Value, system: System): Value {
  if (whole !== null && typeof whole === "object") {
    if (whole.kind === "dict") return (whole.entries.get(keyOf(key)) ?? fail(`the dict has no key ${repr(key)}`))[1];
    if (whole.kind === "environment") {
      if (typeof key !== "string") fail("the name of an environment variable is a text");
      return system.environment(key) ?? fail(`there is no environment variable ${key}`);
    }
  }
  const number = numberOf(key);
  if (typeof number !== "bigint") return fail(`an index is an integer, not ${described(key)}`);
  if (typeof whole === "string") {
    const chars = charsOf(whole);
    return chars[expectPlace(number, chars.length)] as string;
  }
  const sequence = sequenceOf(whole);
  if (sequence !== null) return sequence.items[expectPlace(number, sequence.items.length)] as Value;
  if (whole !== null && typeof whole === "object" && whole.kind === "range") {
    const place = number < 0n ? number + whole.length : number;
    if (place < 0n || place >= whole.length) fail("index out of range");
    return whole.start + place * whole.step;
  }
  return fail(`${described(whole)} cannot be indexed`);
}

function expectPlace(number: bigint, length: number): number {
  return placeOf(Number(number), length) ?? fail("index out of range");
}

/** A bound of a slice. One that is too large to be an exact number lies outside of every sequence. */
function bound(value: Value): number | null {
  if (value === null) return null;
  const number = numberOf(value);
  if (typeof number !== "bigint") return fail(`the bounds of a slice are integers, not ${described(value)}`);
  return Math.max(-1e15, Math.min(1e15, Number(number)));
}

/**
 * `whole[start:stop:step]`; None for a bound that is left out. Throws an ExpressionFailure for a bound that is no
 * integer, a step 0, or what cannot be sliced.
 */
export function slice(whole: Value, start: Value, stop: Value, step: Value): Value {
  const cut: Slice = { start: bound(start), stop: bound(stop), step: bound(step) };
  if (cut.step === 0) fail("the step of a slice must not be 0");
  if (typeof whole === "string") {
    allowText(whole.length);
    return sliceText(whole, cut);
  }
  const sequence = sequenceOf(whole);
  if (sequence !== null) {
    allowItems(sequence.items.length);
    const taken = take(sequence.items, placesOf(cut, sequence.items.length));
    return sequence.kind === "list" ? list(taken) : tuple(taken);
  }
  if (whole !== null && typeof whole === "object" && whole.kind === "range") {
    const { first, step: stride, count } = placesOf(cut, Number(whole.length));
    const from = whole.start + BigInt(first) * whole.step;
    return range(from, from + BigInt(count * stride) * whole.step, BigInt(stride) * whole.step);
  }
  return fail(`${described(whole)} cannot be sliced`);
}

/** `range(start, stop, step)`. Throws an ExpressionFailure for a step 0. */
export function range(start: bigint, stop: bigint, step: bigint): Range {
  if (step === 0n) fail("the step of range() must not be 0");
  const distance = step > 0n ? stop - start : start - stop;
  const size = step > 0n ? step : -step;
  return { kind: "range", start, stop, step, length: distance > 0n ? (distance + size - 1n) / size : 0n };
}
