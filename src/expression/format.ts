/*
 * Format specifications of f-strings, format() and str.format, and the older `%` formatting, by Python's "Format
 * Specification Mini-Language" and "printf-style String Formatting".
 *
 *   spec       = [ [ fill ] align ] [ sign ] [ "z" ] [ "#" ] [ "0" ] [ width ] [ "," | "_" ] [ "." precision ] [ type ]
 *   align      = "<" | ">" | "=" | "^"
 *   sign       = "+" | "-" | " "
 *   type       = "b" | "c" | "d" | "e" | "E" | "f" | "F" | "g" | "G" | "n" | "o" | "s" | "x" | "X" | "%"
 *
 *   old        = "%" [ "(" key ")" ] { flag } [ width | "*" ] [ "." [ precision | "*" ] ] old-type
 *   flag       = "#" | "0" | "-" | " " | "+"
 *   old-type   = "d" | "i" | "u" | "o" | "x" | "X" | "e" | "E" | "f" | "F" | "g" | "G" | "c" | "r" | "s" | "a" | "%"
 */
import { allowText, clipped } from "./bounds.ts";
import { fail } from "./failure.ts";
import { strftime } from "./dateformat.ts";
import { charCount, sliceText } from "../base/characters.ts";
import { fixed, floatText, isNegative, positional, scientific, significant, truncate } from "./float.ts";
import { integerText, toFloat } from "./integer.ts";
import { ascii, described, keyOf, numberOf, repr, text } from "./value.ts";
import type { Value } from "./value.ts";

interface Spec {
  readonly fill: string;
  readonly align: string;
  readonly sign: string;
  /** Whether a result of -0 is shown as 0. */
  readonly positiveZero: boolean;
  readonly alternate: boolean;
  readonly zero: boolean;
  readonly width: number;
  readonly grouping: string;
  readonly precision: number | null;
  readonly type: string;
}

const shape = /^(?:([^])?([<>=^]))?([-+ ])?(z)?(#)?(0)?(\d+)?([,_])?(?:\.(\d+))?([A-Za-z%])?$/u;

/**
 * Python's `format(value, spec)`, by the grammar above. Throws an ExpressionFailure for a specification that is
 * malformed or does not go with the value.
 */
export function formatValue(value: Value, spec: string): string {
  if (spec === "") return text(value);
  if (value !== null && typeof value === "object" && (value.kind === "moment" || value.kind === "day"))
    return strftime(value, spec);
  const parsed = expectSpec(spec);
  const number = numberOf(value);
  if (typeof number === "bigint") return formatInteger(number, parsed);
  if (typeof number === "number") return formatFloat(number, parsed);
  if (typeof value === "string") return formatText(value, parsed);
  return fail(`${described(value)} takes no format specification`);
}

function expectSpec(spec: string): Spec {
  const match = shape.exec(spec) ?? fail(`'${clipped(spec)}' is not a format specification`);
  const [, fill, align, sign, positiveZero, alternate, zero, width, grouping, precision, type] = match;
  allowText(Number(width ?? 0));
  return {
    fill: fill ?? (zero === undefined ? " " : "0"),
    align: align ?? "",
    sign: sign ?? "",
    positiveZero: positiveZero !== undefined,
    alternate: alternate !== undefined,
    zero: zero !== undefined,
    width: Number(width ?? 0),
    grouping: grouping ?? "",
    precision: precision === undefined ? null : Number(precision),
    type: type ?? "",
  };
}

function formatText(value: string, spec: Spec): string {
  if (spec.type !== "" && spec.type !== "s") fail(`the format type '${spec.type}' is not for text`);
  if (spec.sign !== "" || spec.alternate || spec.grouping !== "" || spec.align === "=" || spec.positiveZero) {
    fail("sign, '#', '=', 'z' and grouping are not for text");
  }
  const shown = spec.precision === null ? value : sliceText(value, { start: 0, stop: spec.precision, step: null });
  return pad(shown, spec, spec.align === "" ? "<" : spec.align);
}

function pad(shown: string, { fill, width }: Spec, align: string): string {
  const missing = width - charCount(shown);
  if (missing <= 0) return shown;
  const left = align === "<" ? 0 : align === ">" ? missing : Math.floor(missing / 2);
  return fill.repeat(left) + shown + fill.repeat(missing - left);
}

const radixes: Readonly<Record<string, number>> = { b: 2, o: 8, x: 16, X: 16 };

function formatInteger(value: bigint, spec: Spec): string {
  const { type } = spec;
  if (type !== "" && "eEfFgG%".includes(type)) return formatFloat(toFloat(value), spec);
  if (spec.precision !== null) fail("a precision is not for integers");
  if (spec.positiveZero) fail("'z' is not for integers");
  if (type === "c") {
    if (spec.grouping !== "" || spec.alternate || spec.sign !== "")
      fail("sign, '#' and grouping do not go with the format type 'c'");
    return padNumber("", "", charOf(value), "", spec);
  }
  if (type !== "" && !"bdnoxX".includes(type)) fail(`the format type '${type}' is not for integers`);
  if (spec.grouping !== "" && (type === "n" || (spec.grouping === "," && type !== "" && type !== "d"))) {
    fail(`'${spec.grouping}' does not go with the format type '${type}'`);
  }
  const radix = radixes[type] ?? 10;
  const size = value < 0n ? -value : value;
  const digits = radix === 10 ? integerText(size) : size.toString(radix);
  const prefix = spec.alternate && radix !== 10 ? `0${type}` : "";
  return padNumber(
    signOf(value < 0n, spec),
    prefix,
    type === "X" ? digits.toUpperCase() : digits,
    "",
    spec,
    radix === 10 ? 3 : 4,
  );
}

/** The character of a number; Python's `chr`. Throws an ExpressionFailure outside of Unicode. */
export function charOf(code: bigint): string {
  if (code < 0n || code > 0x10ffffn) fail("the number of a character is from 0 to 0x10ffff");
  return String.fromCodePoint(Number(code));
}

function signOf(negative: boolean, { sign }: Spec): string {
  return negative ? "-" : sign === "-" ? "" : sign;
}

function formatFloat(value: number, spec: Spec): string {
  const { type, precision } = spec;
  if (type !== "" && !"eEfFgGn%".includes(type)) fail(`the format type '${type}' is not for floats`);
  if (spec.grouping !== "" && type === "n") fail(`'${spec.grouping}' does not go with the format type 'n'`);
  const upper = type === "E" || type === "F" || type === "G";
  if (!Number.isFinite(value)) {
    const name = `${Number.isNaN(value) ? "nan" : "inf"}${type === "%" ? "%" : ""}`;
    return padNumber(signOf(value < 0, spec), "", upper ? name.toUpperCase() : name, "", spec);
  }
  const [body, tail] = floatBody(value, spec);
  const isZero = spec.positiveZero && !/[1-9]/.test(body);
  const point = body.search(/[.e%]/);
  const whole = point === -1 ? body : body.slice(0, point);
  const rest = (point === -1 ? "" : body.slice(point)) + tail;
  const sign = signOf(isNegative(value) && !isZero, spec);
  if (precision !== null) allowText(precision);
  return padNumber(sign, "", whole, upper ? rest.toUpperCase() : rest, spec, 3);
}

/** The digits of the absolute value, and what comes after them (an exponent or a percent sign). */
function floatBody(value: number, spec: Spec): readonly [string, string] {
  const size = Math.abs(value);
  const { precision, alternate } = spec;
  switch (spec.type.toLowerCase()) {
    case "e": {
      const [mantissa = "", exponent = ""] = scientific(significant(size, (precision ?? 6) + 1)).split("e");
      return [withPoint(mantissa, alternate), `e${exponent}`];
    }
    case "f":
      return [withPoint(fixed(size, precision ?? 6), alternate), ""];
    case "%": {
      if (!Number.isFinite(size * 100)) return ["inf", "%"];
      return [withPoint(fixed(size * 100, precision ?? 6), alternate), "%"];
    }
    case "g":
    case "n":
      return general(size, precision ?? 6, alternate, false);
    default: {
      if (precision !== null) return general(size, precision, alternate, true);
      const [mantissa = "", exponent] = floatText(size).split("e");
      return [
        exponent === undefined ? mantissa : withPoint(mantissa, alternate),
        exponent === undefined ? "" : `e${exponent}`,
      ];
    }
  }
}

/** The type `g`; without a type at least one digit follows the point, so that it still reads as a float. */
function general(size: number, precision: number, alternate: boolean, keepsPoint: boolean): readonly [string, string] {
  const count = Math.max(1, precision);
  const decimal = significant(size, count);
  const digits = alternate ? decimal.digits : decimal.digits.replace(/(?!^)0+$/, "");
  const shown = { ...decimal, digits };
  if (decimal.exponent < -4 || decimal.exponent >= count - (keepsPoint ? 1 : 0)) {
    const [mantissa = "", exponent = ""] = scientific(shown).split("e");
    return [withPoint(mantissa, alternate), `e${exponent}`];
  }
  const body = positional(shown);
  return [keepsPoint && !body.includes(".") ? `${body}.0` : withPoint(body, alternate), ""];
}

function withPoint(digits: string, wanted: boolean): string {
  return wanted && !digits.includes(".") ? `${digits}.` : digits;
}

/** Grouping of the digits before the point, and padding; zeros that fill are grouped like digits. */
function padNumber(sign: string, prefix: string, digits: string, rest: string, spec: Spec, group = 3): string {
  const align = spec.align === "" ? (spec.zero ? "=" : ">") : spec.align;
  let body = digits;
  const numeric = /^[0-9a-fA-F]+$/.test(digits) && spec.type !== "c";
  if (spec.grouping !== "" && numeric) {
    if (spec.fill === "0" && align === "=") {
      const room = spec.width - sign.length - prefix.length - rest.length;
      // Zeros fill up to the width. Where a separator would be the first character, one more zero stands before it.
      while (grouped(body, spec.grouping, group).length < room) body = `0${body}`;
    }
    body = grouped(body, spec.grouping, group);
  }
  const shown = body + rest;
  if (align !== "=") return pad(sign + prefix + shown, spec, align);
  const missing = spec.width - sign.length - prefix.length - charCount(shown);
  return sign + prefix + (missing > 0 ? spec.fill.repeat(missing) : "") + shown;
}

function grouped(digits: string, separator: string, size: number): string {
  const parts: string[] = [];
  for (let end = digits.length; end > 0; end -= size) parts.push(digits.slice(Math.max(0, end - size), end));
  return parts.reverse().join(separator);
}

const oldShape = /%(?:\(([^)]*)\))?([#0\- +]*)(\*|\d+)?(\.(\*|\d+)?)?([^])?/gu;

/**
 * Python's `template % value`, by the grammar above. Throws an ExpressionFailure where values and places do not fit
 * each other.
 */
export function formatPercent(template: string, value: Value): string {
  const dict = value !== null && typeof value === "object" && value.kind === "dict" ? value : null;
  const isTuple = value !== null && typeof value === "object" && value.kind === "tuple";
  const args: readonly Value[] = isTuple ? value.items : [value];
  let next = 0;
  let byKey = false;

  function take(): Value {
    if (next >= args.length) fail("'%' formatting has too few values");
    return args[next++] as Value;
  }

  function takeInteger(): number {
    const given = take();
    return typeof given === "bigint" ? Number(given) : fail("a '*' in '%' formatting takes an integer");
  }

  let length = 0;
  const result = template.replace(oldShape, (...found: unknown[]) => {
    const [, key, marks, width, point, precision, type] = found as [string, ...(string | undefined)[]];
    if (type === undefined) return fail("a '%' at the end of the format; write '%%' for the sign itself");
    if (type === "%") return "%";
    const flags = new Set(marks);
    let size = width === "*" ? takeInteger() : Number(width ?? 0);
    if (size < 0) {
      flags.add("-");
      size = -size;
    }
    const digits = precision === "*" ? Math.max(0, takeInteger()) : point === undefined ? null : Number(precision ?? 0);
    let given: Value;
    if (key !== undefined) {
      byKey = true;
      const entry = (dict ?? fail("'%(name)' formatting takes a dict")).entries.get(keyOf(key));
      given = (entry ?? fail(`the dict has no key '${key}'`))[1];
    } else given = take();
    allowText(size + (digits ?? 0));
    const piece = percentPiece(given, type, flags, size, digits);
    length += piece.length;
    allowText(length);
    return piece;
  });
  if (next < args.length && !byKey && dict === null) fail("'%' formatting has more values than places");
  return result;
}

function percentPiece(
  value: Value,
  type: string,
  flags: ReadonlySet<string>,
  width: number,
  precision: number | null,
): string {
  const align = flags.has("-") ? "<" : flags.has("0") ? "=" : ">";
  const spec: Spec = {
    fill: align === "=" ? "0" : " ",
    align,
    sign: flags.has("+") ? "+" : flags.has(" ") ? " " : "",
    positiveZero: false,
    alternate: flags.has("#"),
    zero: align === "=",
    width,
    grouping: "",
    precision,
    type,
  };
  const textSpec: Spec = {
    ...spec,
    fill: " ",
    align: align === "=" ? ">" : align,
    sign: "",
    alternate: false,
    type: "s",
  };
  switch (type) {
    case "s":
      return formatText(text(value), textSpec);
    case "r":
      return formatText(repr(value), textSpec);
    case "a":
      return formatText(ascii(repr(value)), textSpec);
    case "c": {
      const char = typeof value === "string" ? value : charOf(expectInteger(value, type));
      if (charCount(char) !== 1) fail("'%c' takes one character or its number");
      return formatText(char, { ...textSpec, precision: null });
    }
    case "d":
    case "i":
    case "u":
    case "o":
    case "x":
    case "X": {
      const number = numberOf(value);
      const whole = typeof number === "number" && "diu".includes(type) ? truncate(number) : expectInteger(value, type);
      const radix = radixes[type] ?? 10;
      const size = whole < 0n ? -whole : whole;
      const digits = (radix === 10 ? integerText(size) : size.toString(radix)).padStart(precision ?? 0, "0");
      const prefix = spec.alternate && radix !== 10 ? `0${type}` : "";
      return padNumber(signOf(whole < 0n, spec), prefix, type === "X" ? digits.toUpperCase() : digits, "", {
        ...spec,
        type: "d",
      });
    }
    case "e":
    case "E":
    case "f":
    case "F":
    case "g":
    case "G": {
      const number = numberOf(value) ?? fail(`'%${type}' takes a number, not ${described(value)}`);
      return formatFloat(typeof number === "bigint" ? toFloat(number) : number, spec);
    }
    default:
      return fail(`'%' formatting does not know the type '${type}'`);
  }
}

function expectInteger(value: Value, type: string): bigint {
  const number = numberOf(value);
  return typeof number === "bigint" ? number : fail(`'%${type}' takes an integer, not ${described(value)}`);
}
