/*
 * The functions of expressions that need no module, and the methods of lists, tuples, dicts, ranges and numbers.
 *
 *   abs all any bin bool chr dict divmod enumerate float format hex int len list map max min oct ord pow quote range
 *   repr reversed round sorted str sum tuple zip
 *
 * What Python returns as an iterator is a list here. `quote` is not Python's: it makes one word for the shell.
 */
import { allowItems, clipped, spend } from "./bounds.ts";
import { fail } from "./failure.ts";
import { span } from "./calendar.ts";
import { charCount, strip } from "../base/characters.ts";
import { exactRatio, floorDivmod, parseFloatText, roundTo, roundToInteger, truncate } from "./float.ts";
import { charOf, formatValue } from "./format.ts";
import {
  divideToEven,
  exactBits,
  floorDivide,
  floorRemainder,
  modularPower,
  parseInBase,
  parseInteger,
  toFloat,
} from "./integer.ts";
import { add, raise, range } from "./operators.ts";
import { call, signature } from "./signature.ts";
import { expectCount, expectText } from "./strings.ts";
import type { System } from "../base/system.ts";
import { compare, described, equal, itemsOf, keyOf, list, numberOf, repr, text, truth, tuple } from "./value.ts";
import type { Body, Callable, Dict, Signature, TypeName, Value } from "./value.ts";

export const builtins = new Map<string, Callable>();

function define(shape: string, body: Body, type: TypeName | null = null): void {
  const made = signature(shape, body);
  builtins.set(made.name, { kind: "function", signature: made, type });
}

/**
 * An integer or a float; a boolean counts as 0 or 1. Throws an ExpressionFailure for anything else, in the name of
 * `what`.
 */
export function expectNumber(value: Value | undefined, what: string): bigint | number {
  return numberOf(value ?? null) ?? fail(`${what} takes a number, not ${described(value ?? null)}`);
}

/** An integer; a boolean counts as 0 or 1. Throws an ExpressionFailure for anything else, in the name of `what`. */
export function expectInteger(value: Value | undefined, what: string): bigint {
  const number = numberOf(value ?? null);
  return typeof number === "bigint" ? number : fail(`${what} takes an integer, not ${described(value ?? null)}`);
}

/**
 * A number as a float. Throws an ExpressionFailure for anything else, in the name of `what`, and for an integer too
 * large for a float.
 */
export function expectFloat(value: Value | undefined, what: string): number {
  const number = expectNumber(value, what);
  return typeof number === "bigint" ? toFloat(number) : number;
}

// Conversions.

define("bool(value?)", ([value]) => value !== undefined && truth(value), "bool");
define("str(value?)", ([value]) => (value === undefined ? "" : text(value)), "str");
define("quote(value)", ([value], _rest, { quote }) => quote(text(value ?? null)));
define("repr(value)", ([value]) => repr(value ?? null));
define("format(value, spec?)", ([value, spec]) => formatValue(value ?? null, expectText(spec ?? "", "format()")));
define(
  "int(value?, base=)",
  ([value, base]) => {
    if (value === undefined) return 0n;
    if (typeof value === "string") {
      const trimmed = strip(value);
      const found = base === undefined ? parseInteger(trimmed) : parseInBase(trimmed, expectCount(base, "int()", 10));
      return found ?? fail(`'${clipped(value)}' is not an integer`);
    }
    if (base !== undefined) fail("int() with a base takes a text");
    const number = expectNumber(value, "int()");
    return typeof number === "bigint" ? number : truncate(number);
  },
  "int",
);
define(
  "float(value?)",
  ([value]) => {
    if (value === undefined) return 0;
    if (typeof value === "string") return parseFloatText(strip(value)) ?? fail(`'${clipped(value)}' is not a number`);
    return expectFloat(value, "float()");
  },
  "float",
);
define("list(values?)", ([values]) => list(values === undefined ? [] : itemsOf(values)), "list");
define("tuple(values?)", ([values]) => tuple(values === undefined ? [] : itemsOf(values)), "tuple");
define(
  "dict(pairs?)",
  ([pairs]) => {
    if (pairs === undefined) return dictOf([]);
    if (pairs !== null && typeof pairs === "object" && pairs.kind === "dict") return pairs;
    return dictOf(itemsOf(pairs).map(pairOf));
  },
  "dict",
);

function pairOf(value: Value): readonly [Value, Value] {
  const pair = itemsOf(value);
  return pair.length === 2 ? [pair[0] as Value, pair[1] as Value] : fail("dict() takes a list of pairs");
}

/**
 * A dict of pairs, as a display makes it in Python: a key that is set again keeps its place and its first spelling.
 * Throws an ExpressionFailure for a key that cannot be one (`keyOf`).
 */
export function dictOf(pairs: readonly (readonly [Value, Value])[]): Dict {
  allowItems(pairs.length);
  const entries = new Map<string, readonly [Value, Value]>();
  // A key that is set again keeps its place and its first spelling, as in Python.
  for (const [key, value] of pairs) {
    const id = keyOf(key);
    entries.set(id, [entries.get(id)?.[0] ?? key, value]);
  }
  return { kind: "dict", entries };
}

define("chr(number)", ([number]) => charOf(expectInteger(number, "chr()")));
define("ord(char)", ([char]) => {
  const given = expectText(char, "ord()");
  return charCount(given) === 1 ? BigInt(given.codePointAt(0) ?? 0) : fail("ord() takes exactly one character");
});
define("bin(number)", ([number]) => based(expectInteger(number, "bin()"), 2, "0b"));
define("oct(number)", ([number]) => based(expectInteger(number, "oct()"), 8, "0o"));
define("hex(number)", ([number]) => based(expectInteger(number, "hex()"), 16, "0x"));

function based(number: bigint, radix: number, prefix: string): string {
  return number < 0n ? `-${prefix}${(-number).toString(radix)}` : prefix + number.toString(radix);
}

// Numbers.

define("abs(number)", ([value]) => {
  if (value !== undefined && value !== null && typeof value === "object" && value.kind === "span") {
    return value.micros < 0n ? span(-value.micros) : value;
  }
  const number = expectNumber(value, "abs()");
  return typeof number === "bigint" ? (number < 0n ? -number : number) : Math.abs(number);
});
define("divmod(a, b)", ([a, b]) => {
  const [x, y] = [expectNumber(a, "divmod()"), expectNumber(b, "divmod()")];
  if (typeof x === "bigint" && typeof y === "bigint") return tuple([floorDivide(x, y), floorRemainder(x, y)]);
  return tuple(floorDivmod(expectFloat(x, "divmod()"), expectFloat(y, "divmod()")));
});
define("pow(base!, exp!, mod=)", ([base, exponent, modulus]) => {
  if (modulus === undefined || modulus === null) return raise(base ?? null, exponent ?? null);
  return modularPower(expectInteger(base, "pow()"), expectInteger(exponent, "pow()"), expectInteger(modulus, "pow()"));
});
define("round(number!, ndigits=)", ([value, ndigits]) => {
  const number = expectNumber(value, "round()");
  if (ndigits === undefined || ndigits === null) return typeof number === "bigint" ? number : roundToInteger(number);
  const places = expectCount(ndigits, "round()", 0);
  if (typeof number === "number") return roundTo(number, places);
  if (places >= 0) return number;
  if (-places > exactBits(number) + 1) return 0n;
  const unit = 10n ** BigInt(-places);
  return divideToEven(number, unit) * unit;
});

// Sequences.

define("len(values)", ([value]) => {
  if (typeof value === "string") return BigInt(charCount(value));
  if (value !== null && typeof value === "object" && value.kind === "range") return value.length;
  return BigInt(itemsOf(value ?? null).length);
});
define("sum(values, start=)", ([values, start]) => {
  if (typeof start === "string") fail("sum() does not join texts; use ''.join()");
  return itemsOf(values ?? null).reduce<Value>((total, value) => add(total, value), start ?? 0n);
});
define("all(values)", ([values]) => itemsOf(values ?? null).every(truth));
define("any(values)", ([values]) => itemsOf(values ?? null).some(truth));
define("reversed(values)", ([values]) => {
  if (values !== null && typeof values === "object" && values.kind === "dict") fail("a dict cannot be reversed");
  return list([...itemsOf(values ?? null)].reverse());
});
define("enumerate(iterable!, start=)", ([values, start]) => {
  const first = expectInteger(start ?? 0n, "enumerate()");
  return list(itemsOf(values ?? null).map((value, place) => tuple([first + BigInt(place), value])));
});
define("zip(*values)", (_args, values) => {
  const columns = values.map(itemsOf);
  const length = columns.length === 0 ? 0 : Math.min(...columns.map((column) => column.length));
  return list(Array.from({ length }, (_, place) => tuple(columns.map((column) => column[place] as Value))));
});
define("map(function, values)", ([wanted, values], _rest, system) =>
  list(itemsOf(values ?? null).map((value) => apply(wanted ?? null, value, system))),
);
define("range(start, stop?, step?)", ([start, stop, step]) => {
  const first = expectInteger(start, "range()");
  if (stop === undefined) return range(0n, first, 1n);
  return range(first, expectInteger(stop, "range()"), expectInteger(step ?? 1n, "range()"));
});

function apply(wanted: Value, value: Value, system: System): Value {
  spend(100);
  if (wanted === null || typeof wanted !== "object" || wanted.kind !== "function")
    return fail(`${described(wanted)} is not a function`);
  return call(wanted.signature, [value], [], [], system);
}

define("sorted(values, *none, key=, reverse=)", ([values, key, reverse], rest, system) => {
  if (rest.length > 0) fail("sorted() takes one sequence; key and reverse go by name");
  const items = itemsOf(values ?? null);
  const keyed = items.map((item) => ({
    item,
    by: key === undefined || key === null ? item : apply(key, item, system),
  }));
  const sign = reverse !== undefined && truth(reverse) ? -1 : 1;
  // Array.sort is stable, and equal values keep their order in the reverse as well.
  keyed.sort((a, b) => sign * (compare(a.by, b.by) || 0));
  return list(keyed.map(({ item }) => item));
});

function extreme(name: string, better: (order: number) => boolean): void {
  define(`${name}(*values, key=, default=)`, ([key, otherwise], values, system) => {
    if (values.length === 0) fail(`${name}() needs values`);
    const items = values.length === 1 ? itemsOf(values[0] as Value) : values;
    if (items.length === 0) return otherwise === undefined ? fail(`${name}() of nothing`) : otherwise;
    let best = items[0] as Value;
    let bestBy = key === undefined || key === null ? best : apply(key, best, system);
    for (const item of items.slice(1)) {
      const by = key === undefined || key === null ? item : apply(key, item, system);
      if (better(compare(by, bestBy))) [best, bestBy] = [item, by];
    }
    return best;
  });
}

extreme("max", (order) => order > 0);
extreme("min", (order) => order < 0);

// Methods.

function methods(...entries: readonly (readonly [string, Body])[]): ReadonlyMap<string, Signature> {
  return new Map(entries.map(([shape, body]) => [shape.slice(0, shape.indexOf("(")), signature(shape, body)]));
}

export const sequenceMethods = methods(
  [
    "count(values, value)",
    ([values, value]) => BigInt(itemsOf(values ?? null).filter((item) => equal(item, value ?? null)).length),
  ],
  [
    "index(values, value)",
    ([values, value]) => {
      const place = itemsOf(values ?? null).findIndex((item) => equal(item, value ?? null));
      return place === -1 ? fail("the value does not occur") : BigInt(place);
    },
  ],
);

function entriesOf(value: Value | undefined): readonly (readonly [Value, Value])[] {
  return value !== undefined && value !== null && typeof value === "object" && value.kind === "dict"
    ? [...value.entries.values()]
    : [];
}

export const dictMethods = methods(
  [
    "get(dict, key, default?)",
    ([dict, key, otherwise]) => {
      const id = keyOf(key ?? null);
      return entriesOf(dict).find(([own]) => keyOf(own) === id)?.[1] ?? otherwise ?? null;
    },
  ],
  ["keys(dict)", ([dict]) => list(entriesOf(dict).map(([key]) => key))],
  ["values(dict)", ([dict]) => list(entriesOf(dict).map(([, value]) => value))],
  ["items(dict)", ([dict]) => list(entriesOf(dict).map(([key, value]) => tuple([key, value])))],
);

export const integerMethods = methods(
  ["bit_length(number)", ([number]) => BigInt(exactBits(expectInteger(number, "bit_length()")))],
  [
    "bit_count(number)",
    ([number]) => BigInt(expectInteger(number, "bit_count()").toString(2).replace(/[^1]/g, "").length),
  ],
  ["is_integer(number)", () => true],
  ["as_integer_ratio(number)", ([number]) => tuple([expectInteger(number, "as_integer_ratio()"), 1n])],
);

export const floatMethods = methods(
  ["is_integer(number)", ([number]) => Number.isInteger(number)],
  [
    "as_integer_ratio(number)",
    ([number]) => {
      const given = expectFloat(number, "as_integer_ratio()");
      return Number.isFinite(given) ? tuple(exactRatio(given)) : fail("the number is not finite");
    },
  ],
);
