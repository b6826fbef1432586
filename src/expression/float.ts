/*
 * Floats as Python reads, prints, rounds and divides them. Digits are made from the exact binary value with big
 * integers, since Number.toFixed rounds ties up where Python rounds them to even.
 */
import { allowBits, maxDigits } from "./bounds.ts";
import { fail } from "./failure.ts";
import { divideToEven, exactBits, integerRoot, trueDivide } from "./integer.ts";

const digitRun = "[0-9]+(?:_[0-9]+)*";
const decimalShape = new RegExp(`^[+-]?(?:${digitRun}\\.?(?:${digitRun})?|\\.${digitRun})(?:[eE][+-]?${digitRun})?$`);
const special = /^([+-]?)(?:(inf|infinity)|nan)$/i;

/** What Python's `float(text)` takes, white space at the ends apart; null for anything else. */
export function parseFloatText(text: string): number | null {
  if (decimalShape.test(text)) return Number(text.replace(/_/g, ""));
  const match = special.exec(text);
  if (match === null) return null;
  if (match[2] === undefined) return Number.NaN;
  return match[1] === "-" ? -Infinity : Infinity;
}

/** A finite float as digits d.ddd times ten to an exponent. */
export interface Decimal {
  readonly negative: boolean;
  /** Without a point. The first digit is not 0, unless the value is 0. */
  readonly digits: string;
  /** The power of ten that the first digit counts. */
  readonly exponent: number;
}

/** The shortest digits that read back as the same float. */
function shortest(value: number): Decimal {
  const [mantissa = "", exponent = ""] = Math.abs(value).toExponential().split("e");
  return { negative: isNegative(value), digits: mantissa.replace(".", ""), exponent: Number(exponent) };
}

/** Whether a float has the sign bit of a negative number: -0 has, as `math.copysign` sees it in Python. */
export function isNegative(value: number): boolean {
  return value < 0 || Object.is(value, -0);
}

/** A finite float as a fraction whose denominator is a power of two; Python's `float.as_integer_ratio()`. */
export function exactRatio(value: number): readonly [bigint, bigint] {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  const bits = view.getBigUint64(0);
  const field = Number((bits >> 52n) & 0x7ffn);
  const fraction = bits & 0xfffffffffffffn;
  let mantissa = field === 0 ? fraction : fraction | 0x10000000000000n;
  let exponent = (field === 0 ? 1 : field) - 1075;
  if (mantissa === 0n) return [0n, 1n];
  while (exponent < 0 && (mantissa & 1n) === 0n) {
    mantissa >>= 1n;
    exponent++;
  }
  if (bits >> 63n) mantissa = -mantissa;
  return exponent >= 0 ? [mantissa << BigInt(exponent), 1n] : [mantissa, 1n << BigInt(-exponent)];
}

/** |value| * 10**places to the nearest integer, ties to even. */
function scaled(value: number, places: number): bigint {
  const [top, bottom] = exactRatio(Math.abs(value));
  return places >= 0
    ? divideToEven(top * 10n ** BigInt(places), bottom)
    : divideToEven(top, bottom * 10n ** BigInt(-places));
}

/**
 * A finite float with exactly `places` digits after the point, correctly rounded; the format type `f`. Throws an
 * ExpressionFailure for more than 4300 places.
 */
export function fixed(value: number, places: number): string {
  if (places > maxDigits) fail(`a precision may be at most ${maxDigits}`);
  const text = scaled(value, places)
    .toString()
    .padStart(places + 1, "0");
  const whole = text.slice(0, text.length - places);
  return places === 0 ? whole : `${whole}.${text.slice(text.length - places)}`;
}

/**
 * The first `count` (1 or more) significant digits of a finite float, correctly rounded; 0 has that many zeros. Throws
 * an ExpressionFailure for a count above 4300.
 */
export function significant(value: number, count: number): Decimal {
  if (count > maxDigits) fail(`a precision may be at most ${maxDigits}`);
  const negative = isNegative(value);
  if (value === 0) return { negative, digits: "0".repeat(count), exponent: 0 };
  let { exponent } = shortest(value);
  // The shortest digits may have been rounded up into the next power of ten: 1e-29 is a little less than that.
  const [top, bottom] = exactRatio(Math.abs(value));
  if (exponent < 0 ? top * 10n ** BigInt(-exponent) < bottom : top < bottom * 10n ** BigInt(exponent)) exponent--;
  const text = scaled(value, count - 1 - exponent).toString();
  if (text.length > count) return { negative, digits: text.slice(0, count), exponent: exponent + 1 };
  return { negative, digits: text, exponent };
}

/** `d.ddde+XX`; the format type `e`. */
export function scientific({ digits, exponent }: Decimal): string {
  const sign = exponent < 0 ? "-" : "+";
  const size = String(Math.abs(exponent)).padStart(2, "0");
  return `${digits[0]}${digits.length > 1 ? `.${digits.slice(1)}` : ""}e${sign}${size}`;
}

/** The digits with a point in its place, without an exponent. */
export function positional({ digits, exponent }: Decimal): string {
  if (exponent < 0) return `0.${"0".repeat(-exponent - 1)}${digits}`;
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, "0");
  const rest = digits.slice(exponent + 1);
  return rest === "" ? whole : `${whole}.${rest}`;
}

/** Python's `str(float)`: the shortest digits that read as the same float. */
export function floatText(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  const decimal = shortest(value);
  const sign = decimal.negative ? "-" : "";
  if (decimal.exponent < -4 || decimal.exponent >= 16) return sign + scientific(decimal);
  const text = positional(decimal);
  return sign + (text.includes(".") ? text : `${text}.0`);
}

/**
 * To the nearest integer, ties to even; Python's `round(float)`. Throws an ExpressionFailure for nan and the
 * infinities.
 */
export function roundToInteger(value: number): bigint {
  return divideToEven(...exactRatio(finite(value)));
}

/**
 * Python's `round(float, places)`: correctly rounded from the exact value, ties to even; `places` may be negative.
 * Throws an ExpressionFailure when the result is no float any more.
 */
export function roundTo(value: number, places: number): number {
  if (!Number.isFinite(value) || value === 0) return value;
  // No float has a digit 330 places behind the point, and none is as large as 10 to the 310th.
  if (places > 330) return value;
  if (places < -310) return isNegative(value) ? -0 : 0;
  const size = scaled(value, places);
  const text = places >= 0 ? `${size}e-${places}` : `${size}e${-places}`;
  const result = Number(text);
  if (!Number.isFinite(result)) fail("the rounded value is too large for a float");
  return value < 0 ? -result : result;
}

/** Toward zero; Python's `int(float)`. Throws an ExpressionFailure for nan and the infinities. */
export function truncate(value: number): bigint {
  return BigInt(Math.trunc(finite(value)));
}

/** The float as it is. Throws an ExpressionFailure for nan and the infinities, in the words of `int(float)`. */
export function finite(value: number): number {
  if (Number.isNaN(value)) fail("nan cannot be made an integer");
  if (!Number.isFinite(value)) fail("infinity cannot be made an integer");
  return value;
}

/**
 * Quotient and rest of floor division, the rest with the sign of `b`; Python's `divmod` of floats. Throws an
 * ExpressionFailure for a division by zero.
 */
export function floorDivmod(a: number, b: number): readonly [number, number] {
  if (b === 0) fail("division by zero");
  let rest = a % b;
  let quotient = (a - rest) / b;
  if (rest !== 0) {
    if (b < 0 !== rest < 0) {
      rest += b;
      quotient -= 1;
    }
  } else {
    rest = isNegative(b) ? -0 : 0;
  }
  if (quotient === 0 || Number.isNaN(quotient)) return [quotient === 0 ? (isNegative(a / b) ? -0 : 0) : quotient, rest];
  let floor = Math.floor(quotient);
  if (quotient - floor > 0.5) floor += 1;
  return [floor, rest];
}

/**
 * Exponents up to this size are computed exactly and rounded once, as a good libm does; the engine's pow may be off by
 * a unit.
 */
const exactExponent = 512;

/**
 * Python's `base ** exponent` of floats. Throws an ExpressionFailure for 0 to a negative power, a negative number to a
 * fractional one, and a result too large.
 */
export function floatPower(base: number, exponent: number): number {
  if (exponent === 0 || base === 1) return 1;
  if (base === 0 && exponent < 0) fail("0 cannot be raised to a negative power");
  if (base < 0 && Number.isFinite(base) && Number.isFinite(exponent) && !Number.isInteger(exponent)) {
    fail("a negative number to a fractional power is not a real number");
  }
  if (Math.abs(base) === 1 && !Number.isFinite(exponent)) return Number.isNaN(exponent) ? exponent : 1;
  const result = exactPower(base, exponent) ?? base ** exponent;
  if (!Number.isFinite(result) && Number.isFinite(base) && Number.isFinite(exponent))
    fail("the power is too large for a float");
  return result;
}

function exactPower(base: number, exponent: number): number | null {
  if (exponent === -0.5 && base > 0 && Number.isFinite(base)) return inverseRoot(base);
  if (!Number.isInteger(exponent) || Math.abs(exponent) > exactExponent || !Number.isFinite(base) || base === 0)
    return null;
  const rough = base ** exponent;
  if (!Number.isFinite(rough) || Math.abs(rough) < Number.MIN_VALUE * 2 ** 60) return null;
  const [top, bottom] = exactRatio(base);
  const size = BigInt(Math.abs(exponent));
  allowBits(Math.max(exactBits(top), exactBits(bottom)) * Number(size));
  return exponent > 0 ? trueDivide(top ** size, bottom ** size) : trueDivide(bottom ** size, top ** size);
}

/** 1 / sqrt(value), rounded once. */
function inverseRoot(value: number): number {
  const [top, bottom] = exactRatio(value);
  // 160 bits of the root, and a last bit for all that is cut off: no such number lies half way between two floats.
  const shift = 160n + BigInt(exactBits(top));
  return trueDivide(integerRoot((bottom << (2n * shift)) / top) | 1n, 1n << shift);
}
