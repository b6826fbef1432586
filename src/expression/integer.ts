/*
 * Whole numbers of any size as Python has them: floor division, powers, exact division to floats, reading and printing.
 * Every operation that can grow its operands asks bounds.ts first.
 */
import { allowBits, maxBits, maxDigits, spend } from "./bounds.ts";
import { fail } from "./failure.ts";

/** Bits of the absolute value, for estimates: up to 3 too many for integers of more than 32 bits. */
export function bitsOf(value: bigint): number {
  const size = value < 0n ? -value : value;
  if (size <= 0xffffffffn) return size === 0n ? 0 : 32 - Math.clz32(Number(size));
  return size.toString(16).length * 4;
}

/** Bits of the absolute value; Python's `int.bit_length()`. */
export function exactBits(value: bigint): number {
  const size = value < 0n ? -value : value;
  return size === 0n ? 0 : size.toString(2).length;
}

const decimal = /^[+-]?[0-9]+(?:_[0-9]+)*$/;

/**
 * What Python's `int(text)` takes in base 10, white space at the ends apart; null for anything else, or for too many
 * digits.
 */
export function parseInteger(text: string): bigint | null {
  if (!decimal.test(text)) return null;
  const digits = text.replace(/_/g, "");
  if (digits.length > maxDigits + 1) return null;
  return digits.startsWith("+") ? BigInt(digits.slice(1)) : BigInt(digits);
}

const prefixes: Readonly<Record<string, number>> = { b: 2, o: 8, x: 16 };

/**
 * What Python's `int(text, base)` takes, with the prefixes of literals where they fit the base; null for anything else.
 * Throws an ExpressionFailure for a base that is neither 0 nor 2 to 36.
 */
export function parseInBase(text: string, base: number): bigint | null {
  if (base !== 0 && (base < 2 || base > 36)) fail("the base of int() must be 0 or from 2 to 36");
  const match = /^([+-]?)(?:0([bBoOxX])_?)?([0-9A-Za-z]+(?:_[0-9A-Za-z]+)*)$/.exec(text);
  if (match === null) return null;
  const [, sign = "", letter = "", body = ""] = match;
  const named = prefixes[letter.toLowerCase()];
  let radix = base;
  let digits = body.replace(/_/g, "").toLowerCase();
  if (named !== undefined && (base === 0 || base === named)) radix = named;
  // A letter that is no prefix of this base is a digit: 0b1 in base 16 is 0xb1.
  else if (named !== undefined) digits = `0${letter.toLowerCase()}${digits}`;
  else if (base === 0) {
    radix = 10;
    if (/^0+[1-9]/.test(digits)) return null;
  }
  if (digits.length > maxDigits) return null;
  let value = 0n;
  for (const char of digits) {
    const digit = Number.parseInt(char, 36);
    if (!(digit < radix)) return null;
    value = value * BigInt(radix) + BigInt(digit);
  }
  spend(digits.length * digits.length);
  return sign === "-" ? -value : value;
}

/** Python's `str(int)`. Throws an ExpressionFailure for more than 4300 digits. */
export function integerText(value: bigint): string {
  // A decimal digit takes 3.32 bits, the logarithm of 10: this cheap bound decides all but the border cases.
  if (bitsOf(value) > maxDigits * 3.32) {
    const digits = bitsOf(value) > maxDigits * 3.33 + 8 ? maxDigits + 1 : value.toString().replace("-", "").length;
    if (digits > maxDigits) fail(`an integer of more than ${maxDigits} digits cannot be printed`);
  }
  return value.toString();
}

/**
 * The result as it is. Throws an ExpressionFailure when it is too large. Costs nothing, while counting bits costs as
 * much as a sum.
 */
export function checked(result: bigint): bigint {
  return result < limit && result > lowest ? result : fail(`the integer would be larger than ${maxBits} bits`);
}

const limit = 1n << BigInt(maxBits);
const lowest = -limit;

/** An upper bound of the 64-bit words of an integer, coarse, for the price of a few comparisons. */
function wordCount(value: bigint): number {
  const size = value < 0n ? -value : value;
  for (const [most, count] of sizes) if (size < most) return count;
  return maxBits / 64;
}

const sizes = [64, 512, 4096, 16_384, 65_536].map((bits) => [1n << BigInt(bits), bits / 64] as const);

/** Python's `a * b` of integers. Throws an ExpressionFailure when the product is too large. */
export function multiply(a: bigint, b: bigint): bigint {
  spend(wordCount(a) * wordCount(b) + 20);
  return checked(a * b);
}

/** Python's `a // b` of integers: toward minus infinity. Throws an ExpressionFailure for a division by zero. */
export function floorDivide(a: bigint, b: bigint): bigint {
  if (b === 0n) fail("division by zero");
  const quotient = a / b;
  return a % b !== 0n && a < 0n !== b < 0n ? quotient - 1n : quotient;
}

/** Python's `a % b` of integers, with the sign of `b`. Throws an ExpressionFailure for a division by zero. */
export function floorRemainder(a: bigint, b: bigint): bigint {
  if (b === 0n) fail("division by zero");
  const rest = a % b;
  return rest !== 0n && rest < 0n !== b < 0n ? rest + b : rest;
}

/**
 * Python's `base ** exponent` of integers, for an exponent that is not negative. Throws an ExpressionFailure when the
 * power is too large.
 */
export function power(base: bigint, exponent: bigint): bigint {
  if (base === 0n || base === 1n || base === -1n) {
    if (exponent === 0n) return 1n;
    return base === -1n && exponent % 2n === 0n ? 1n : base;
  }
  // A lower bound of the bits of the result: (bits - 1) * exponent.
  const bits = Math.max(1, exactBits(base) - 1) * Number(exponent);
  allowBits(bits);
  allowBits(exactBits(base) * Number(exponent) - Number(exponent));
  return base ** exponent;
}

/**
 * Python's `pow(base, exponent, modulus)`; a negative exponent needs a base that is invertible. Throws an
 * ExpressionFailure when it is not, or the modulus is 0.
 */
export function modularPower(base: bigint, exponent: bigint, modulus: bigint): bigint {
  if (modulus === 0n) fail("the third argument of pow() must not be 0");
  const size = modulus < 0n ? -modulus : modulus;
  let factor = floorRemainder(base, size);
  let rest = exponent;
  if (exponent < 0n) {
    factor = inverse(factor, size);
    rest = -exponent;
  }
  let result = 1n % size;
  const words = bitsOf(size) / 64 + 1;
  for (; rest > 0n; rest >>= 1n) {
    spend(words * words * 4 + bitsOf(rest) / 8 + 100);
    if (rest & 1n) result = (result * factor) % size;
    factor = (factor * factor) % size;
  }
  return floorRemainder(result, modulus);
}

function inverse(value: bigint, modulus: bigint): bigint {
  let [a, b, x, y] = [value, modulus, 1n, 0n];
  while (b !== 0n) {
    spend(bitsOf(a) / 8 + 100);
    const quotient = a / b;
    [a, b, x, y] = [b, a - quotient * b, y, x - quotient * y];
  }
  if (a !== 1n && modulus !== 1n) fail("the base has no inverse for that modulus");
  return floorRemainder(x, modulus);
}

/** Python's `math.gcd(a, b)`: never negative, and 0 only of two zeros. */
export function gcd(a: bigint, b: bigint): bigint {
  let x = a < 0n ? -a : a;
  let y = b < 0n ? -b : b;
  while (y !== 0n) {
    spend(bitsOf(x) / 8 + 100);
    [x, y] = [y, x % y];
  }
  return x;
}

/**
 * The largest integer whose square is not above `value`; Python's `math.isqrt`. Throws an ExpressionFailure for a
 * negative number.
 */
export function integerRoot(value: bigint): bigint {
  if (value < 0n) fail("isqrt() of a negative number");
  if (value < 2n) return value;
  let guess = 1n << BigInt((exactBits(value) + 1) >> 1);
  for (;;) {
    spend((bitsOf(value) / 64) ** 2 + 100);
    const next = (guess + value / guess) >> 1n;
    if (next >= guess) return guess;
    guess = next;
  }
}

/** a / b to the nearest integer, ties to the even one; `b` is not 0. */
export function divideToEven(a: bigint, b: bigint): bigint {
  const quotient = floorDivide(a, b);
  const rest = floorRemainder(a, b);
  // rest and b have the same sign, so the doubled rest can be compared with b by size.
  const twice = rest * 2n;
  const order = b > 0n ? compareInts(twice, b) : compareInts(b, twice);
  if (order > 0 || (order === 0 && quotient % 2n !== 0n)) return quotient + 1n;
  return quotient;
}

function compareInts(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The nearest float; Python's `float(int)`. Throws an ExpressionFailure when it is too large. */
export function toFloat(value: bigint): number {
  const result = Number(value);
  if (!Number.isFinite(result)) fail("the integer is too large for a float");
  return result;
}

/**
 * Python's `a / b` of integers: the nearest float, also where neither operand fits a float exactly. Throws an
 * ExpressionFailure for a division by zero and a result too large.
 */
export function trueDivide(a: bigint, b: bigint): number {
  if (b === 0n) fail("division by zero");
  const safe = 9007199254740992n;
  if (a <= safe && a >= -safe && b <= safe && b >= -safe) return Number(a) / Number(b);
  const negative = a < 0n !== b < 0n;
  const top = a < 0n ? -a : a;
  const bottom = b < 0n ? -b : b;
  if (top === 0n) return negative ? -0 : 0;
  // 66 bits of quotient and a sticky bit below them; fewer where the result is subnormal, so that it is rounded only
  // once.
  let shift = 66 - (exactBits(top) - exactBits(bottom));
  if (shift > 1074 + 2) shift = 1074 + 2;
  const scaledTop = shift > 0 ? top << BigInt(shift) : top;
  const scaledBottom = shift < 0 ? bottom << BigInt(-shift) : bottom;
  let quotient = scaledTop / scaledBottom;
  if (quotient * scaledBottom !== scaledTop) quotient |= 1n;
  const size = scaleByTwo(quotient, -shift);
  if (!Number.isFinite(size)) fail("the result is too large for a float");
  return negative ? -size : size;
}

/** value * 2**exponent, rounded once. */
function scaleByTwo(value: bigint, exponent: number): number {
  if (exponent >= 0) return Number(value << BigInt(exponent));
  const bits = exactBits(value);
  // Below 2**-1022 a float has fewer than 53 bits: round to those by hand, as the hardware would.
  const lastBit = bits + exponent < -1021 ? -1074 : bits + exponent - 53;
  const drop = lastBit - exponent;
  const rounded = drop > 0 ? divideToEven(value, 1n << BigInt(drop)) : value << BigInt(-drop);
  // In two steps, since 2**-1074 times a number of 53 bits is exact but 2**1074 is no float.
  const half = Math.trunc(lastBit / 2);
  return Number(rounded) * 2 ** half * 2 ** (lastBit - half);
}
