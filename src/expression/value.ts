/*
 * The values of expressions and what all of them can do: be true or false, equal, ordered, walked through, printed.
 * Values never change. A boolean is an integer where Python says so; integers are bigint, floats are number.
 */
import { escapeByNumber, escapeCharacter } from "../base/escape.ts";
import { allowItems, allowText, maxTextLength, spend } from "./bounds.ts";
import { fail } from "./failure.ts";
import { timestampOf } from "./calendar.ts";
import type { Day, Moment, Span, Zone } from "./calendar.ts";
import { dateRepr, dateText, momentText, spanText, zoneText } from "./dateformat.ts";
import { floatText } from "./float.ts";
import { integerText } from "./integer.ts";
import type { System } from "../base/system.ts";

export interface Sequence {
  readonly kind: "list" | "tuple";
  readonly items: readonly Value[];
}

export interface Dict {
  readonly kind: "dict";
  /** Pairs by the `keyOf` of their key, in the order in which they were set. */
  readonly entries: ReadonlyMap<string, readonly [key: Value, value: Value]>;
}

export interface Range {
  readonly kind: "range";
  readonly start: bigint;
  readonly stop: bigint;
  readonly step: bigint;
  readonly length: bigint;
}

/** The environment variables (`os.environ`). */
export interface Environment {
  readonly kind: "environment";
}

/** Arguments by place of the parameter, undefined where none was given; `rest` are those of a `*` parameter. */
export type Body = (args: readonly (Value | undefined)[], rest: readonly Value[], system: System) => Value;

export interface Parameter {
  readonly name: string;
  readonly required: boolean;
  readonly byName: boolean;
}

export interface Signature {
  readonly name: string;
  readonly parameters: readonly Parameter[];
  /** How many parameters take arguments by place. */
  readonly placed: number;
  readonly variadic: boolean;
  readonly body: Body;
}

/**
 * A function; `type` where it also is the name of a type, and has methods to be called with the value as first
 * argument.
 */
export interface Callable {
  readonly kind: "function";
  readonly signature: Signature;
  readonly type: TypeName | null;
}

export type Value =
  | null
  | boolean
  | bigint
  | number
  | string
  | Sequence
  | Dict
  | Range
  | Day
  | Moment
  | Span
  | Zone
  | Environment
  | Callable;

export type TypeName =
  | "none"
  | "bool"
  | "int"
  | "float"
  | "str"
  | "list"
  | "tuple"
  | "dict"
  | "range"
  | "day"
  | "moment"
  | "span"
  | "zone"
  | "environment"
  | "function";

/** A list of these items. */
export function list(items: readonly Value[]): Sequence {
  return { kind: "list", items };
}

/** A tuple of these items. */
export function tuple(items: readonly Value[]): Sequence {
  return { kind: "tuple", items };
}

/** The type of a value; Python's `type(value)`. */
export function typeOf(value: Value): TypeName {
  switch (typeof value) {
    case "boolean":
      return "bool";
    case "bigint":
      return "int";
    case "number":
      return "float";
    case "string":
      return "str";
    default:
      return value === null ? "none" : value.kind;
  }
}

const articles: Readonly<Record<TypeName, string>> = {
  none: "None",
  bool: "a boolean",
  int: "an integer",
  float: "a float",
  str: "a text",
  list: "a list",
  tuple: "a tuple",
  dict: "a dict",
  range: "a range",
  day: "a date",
  moment: "a datetime",
  span: "a timedelta",
  zone: "a time zone",
  environment: "os.environ",
  function: "a function",
};

/** What a value is, for messages: its type with an article. */
export function described(value: Value): string {
  return articles[typeOf(value)];
}

/** Python's `bool(value)`, section "Truth Value Testing" of its library reference. */
export function truth(value: Value): boolean {
  switch (typeof value) {
    case "boolean":
      return value;
    case "bigint":
      return value !== 0n;
    case "number":
      return value !== 0;
    case "string":
      return value !== "";
    default:
      if (value === null) return false;
      switch (value.kind) {
        case "list":
        case "tuple":
          return value.items.length > 0;
        case "dict":
          return value.entries.size > 0;
        case "range":
          return value.length > 0n;
        case "span":
          return value.micros !== 0n;
        default:
          return true;
      }
  }
}

/** An integer or a float, booleans counted as 0 and 1; null for anything else. */
export function numberOf(value: Value): bigint | number | null {
  if (typeof value === "boolean") return value ? 1n : 0n;
  return typeof value === "bigint" || typeof value === "number" ? value : null;
}

/** Python's `a == b`: numbers by their mathematical value, whatever their types. */
export function equal(a: Value, b: Value): boolean {
  spend(100);
  const x = numberOf(a);
  const y = numberOf(b);
  if (x !== null && y !== null) return compareNumbers(x, y) === 0;
  if (a === null || b === null || typeof a !== "object" || typeof b !== "object") return a === b;
  switch (a.kind) {
    case "list":
    case "tuple":
      if (b.kind !== a.kind || a.items.length !== b.items.length) return false;
      return a.items.every((item, index) => equal(item, b.items[index] as Value));
    case "dict": {
      if (b.kind !== "dict" || a.entries.size !== b.entries.size) return false;
      for (const [key, [, value]] of a.entries) {
        const other = b.entries.get(key);
        if (other === undefined || !equal(value, other[1])) return false;
      }
      return true;
    }
    case "range":
      if (b.kind !== "range" || a.length !== b.length) return false;
      return a.length === 0n || (a.start === b.start && (a.length === 1n || a.step === b.step));
    case "day":
      return b.kind === "day" && a.days === b.days;
    case "span":
    case "zone":
      return b.kind === a.kind && a.micros === b.micros;
    case "moment": {
      if (b.kind !== "moment" || (a.zone === null) !== (b.zone === null)) return false;
      return a.zone === null ? a.micros === b.micros : timestampOf(a) === timestampOf(b);
    }
    case "environment":
      return b.kind === "environment";
    case "function":
      return b.kind === "function" && a.signature === b.signature;
  }
}

/** Compares mathematical values, also of an integer and a float. NaN when one of them is nan. */
function compareNumbers(x: bigint | number, y: bigint | number): number {
  if (x < y) return -1;
  return x > y ? 1 : x <= y ? 0 : Number.NaN;
}

/** Compares code points, as Python does: UTF-16 units would put an emoji before U+E000. */
function compareText(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  spend(length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x === y) continue;
    const xSurrogate = x >= 0xd800 && x <= 0xdfff;
    const ySurrogate = y >= 0xd800 && y <= 0xdfff;
    return xSurrogate === ySurrogate ? x - y : xSurrogate ? 1 : -1;
  }
  return a.length - b.length;
}

/**
 * The order of two values: below 0, 0 or above; NaN where a float nan is involved, so that every comparison is false,
 * as in Python. Throws an ExpressionFailure for values that have no order.
 */
export function compare(a: Value, b: Value): number {
  spend(100);
  const x = numberOf(a);
  const y = numberOf(b);
  if (x !== null && y !== null) return compareNumbers(x, y);
  if (typeof a === "string" && typeof b === "string") return compareText(a, b);
  if (a !== null && b !== null && typeof a === "object" && typeof b === "object") {
    if ((a.kind === "list" && b.kind === "list") || (a.kind === "tuple" && b.kind === "tuple")) {
      const length = Math.min(a.items.length, b.items.length);
      for (let i = 0; i < length; i++) {
        const [left, right] = [a.items[i] as Value, b.items[i] as Value];
        if (!equal(left, right)) return compare(left, right);
      }
      return a.items.length - b.items.length;
    }
    if (a.kind === "day" && b.kind === "day") return a.days - b.days;
    if (a.kind === "span" && b.kind === "span") return order(a.micros, b.micros);
    if (a.kind === "moment" && b.kind === "moment") {
      if ((a.zone === null) !== (b.zone === null))
        fail("a datetime with a time zone cannot be compared with one without");
      return a.zone === null ? order(a.micros, b.micros) : order(timestampOf(a), timestampOf(b));
    }
  }
  return fail(`${described(a)} and ${described(b)} have no order`);
}

function order(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/**
 * The same text for values that are equal as keys of a dict: 1, 1.0 and True are one key, as in Python. Throws an
 * ExpressionFailure for what Python calls unhashable.
 */
export function keyOf(value: Value): string {
  const number = numberOf(value);
  if (typeof number === "bigint") return `n${number}`;
  if (typeof number === "number") return Number.isInteger(number) ? `n${BigInt(number)}` : `n${number}`;
  if (typeof value === "string") return `s${value}`;
  if (value === null) return "null";
  if (typeof value === "object") {
    switch (value.kind) {
      case "tuple": {
        allowItems(value.items.length);
        const keys = value.items.map(keyOf);
        allowText(keys.reduce((sum, key) => sum + key.length + 8, 2));
        return JSON.stringify(keys);
      }
      case "day":
        return `day${value.days}`;
      case "span":
        return `span${value.micros}`;
      case "moment":
        return value.zone === null ? `local${value.micros}` : `moment${timestampOf(value)}`;
      default:
        break;
    }
  }
  return fail(`${described(value)} cannot be a key of a dict`);
}

/**
 * The values of anything that can be walked through; Python's `list(value)`. Throws an ExpressionFailure for anything
 * else.
 */
export function itemsOf(value: Value): readonly Value[] {
  if (typeof value === "string") {
    allowItems(value.length);
    return Array.from(value);
  }
  if (value !== null && typeof value === "object") {
    switch (value.kind) {
      case "list":
      case "tuple":
        allowItems(value.items.length);
        return value.items;
      case "dict":
        return Array.from(value.entries.values(), ([key]) => key);
      case "range":
        allowItems(Number(value.length));
        return Array.from({ length: Number(value.length) }, (_, index) => value.start + BigInt(index) * value.step);
      default:
        break;
    }
  }
  return fail(`${described(value)} is not a sequence`);
}

/** Python's `str(value)`. Throws an ExpressionFailure for a function, and for the environment as a whole. */
export function text(value: Value): string {
  if (typeof value === "string") return value;
  if (value !== null && typeof value === "object") {
    switch (value.kind) {
      case "day":
        return dateText(value);
      case "moment":
        return momentText(value, " ", "auto");
      case "span":
        return spanText(value);
      case "zone":
        return zoneText(value);
      default:
        break;
    }
  }
  return repr(value);
}

/** Python's `repr(value)`. Throws an ExpressionFailure for a function, and for the environment as a whole. */
export function repr(value: Value): string {
  const pieces: string[] = [];
  let length = 0;

  function put(piece: string): void {
    length += piece.length;
    if (length > maxTextLength) allowText(length);
    pieces.push(piece);
  }

  function putAll(items: Iterable<readonly Value[]>, open: string, close: string): void {
    put(open);
    let first = true;
    for (const [item, paired] of items) {
      if (!first) put(", ");
      first = false;
      show(item as Value);
      if (paired === undefined) continue;
      put(": ");
      show(paired);
    }
    put(close);
  }

  function show(shown: Value): void {
    spend(50);
    if (typeof shown === "boolean") return put(shown ? "True" : "False");
    if (typeof shown === "bigint") return put(integerText(shown));
    if (typeof shown === "number") return put(floatText(shown));
    if (typeof shown === "string") return put(textRepr(shown));
    if (shown === null) return put("None");
    switch (shown.kind) {
      case "list":
        return putAll(
          shown.items.map((item) => [item]),
          "[",
          "]",
        );
      case "tuple":
        return putAll(
          shown.items.map((item) => [item]),
          "(",
          shown.items.length === 1 ? ",)" : ")",
        );
      case "dict":
        return putAll(shown.entries.values(), "{", "}");
      case "range":
        return put(`range(${shown.start}, ${shown.stop}${shown.step === 1n ? "" : `, ${shown.step}`})`);
      case "day":
      case "moment":
      case "span":
      case "zone":
        return put(dateRepr(shown));
      case "environment":
        return fail("os.environ as a whole cannot be printed; name a variable");
      case "function":
        return fail(`the function ${shown.signature.name} is not a value; call it`);
    }
  }

  show(value);
  return pieces.join("");
}

const unprintable = /[\p{C}\p{Z}]/gu;

/** Python's `str.isprintable()`: no character of Unicode's categories Other and Separator, the blank apart. */
export function isPrintable(value: string): boolean {
  return value.replace(/ /g, "").search(unprintable) === -1;
}

function textRepr(value: string): string {
  const quote = value.includes("'") && !value.includes('"') ? '"' : "'";
  spend(value.length * 10);
  const escaped = value
    .replace(/[\\\n\r\t]/g, escapeCharacter)
    .replace(unprintable, (char) => (char === " " ? char : escapeByNumber(char)));
  return quote + (quote === "'" ? escaped.replace(/'/g, "\\'") : escaped) + quote;
}

/** The text with escapes for everything beyond ASCII; what Python's `ascii` makes of a `repr`. */
export function ascii(shown: string): string {
  return shown.replace(/[^\0-\x7f]/gu, escapeByNumber);
}
