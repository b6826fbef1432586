/*
 * The module `math`: all of Python's but erf, erfc, gamma and lgamma, whose last digits would differ from one machine
 * to the next.
 *
 *   pi e tau inf nan
 *   acos acosh asin asinh atan atan2 atanh cbrt ceil comb copysign cos cosh degrees dist exp exp2 expm1 fabs factorial
 *   floor fmod frexp fsum gcd hypot isclose isfinite isinf isnan isqrt lcm ldexp log log10 log1p log2 modf nextafter
 *   perm pow prod radians remainder sin sinh sqrt sumprod tan tanh trunc ulp
 */
import { spend } from "./bounds.ts";
import { fail } from "./failure.ts";
import { expectFloat, expectInteger, expectNumber } from "./builtins.ts";
import { exactRatio, finite, floatPower, isNegative, truncate } from "./float.ts";
import { divideToEven, exactBits, gcd, integerRoot, multiply, trueDivide } from "./integer.ts";
import { add, times } from "./operators.ts";
import { signature } from "./signature.ts";
import { itemsOf, numberOf, tuple } from "./value.ts";
import type { Body, Value } from "./value.ts";

export const mathematics = new Map<string, Value>([
  ["pi", Math.PI],
  ["e", Math.E],
  ["tau", 2 * Math.PI],
  ["inf", Infinity],
  ["nan", Number.NaN],
]);

function define(shape: string, body: Body): void {
  const made = signature(`math.${shape}`, body);
  mathematics.set(made.name.slice(5), { kind: "function", signature: made, type: null });
}

/** Defines a function of one float. It fails outside of its domain, and where its result is too large for a float. */
function real(name: string, f: (x: number) => number): void {
  define(`${name}(x)`, ([value]) => {
    const x = expectFloat(value, `${name}()`);
    const y = f(x);
    if (Number.isNaN(y) && !Number.isNaN(x)) fail(`${name}() is not defined there`);
    if (!Number.isFinite(y) && !Number.isNaN(y) && Number.isFinite(x))
      fail(`the result of ${name}() is too large for a float, or infinite`);
    return y;
  });
}

real("acos", Math.acos);
real("acosh", Math.acosh);
real("asin", Math.asin);
real("asinh", Math.asinh);
real("atan", Math.atan);
real("atanh", Math.atanh);
real("cbrt", cubeRoot);
real("cos", Math.cos);
real("cosh", Math.cosh);
real("degrees", (x) => x * (180 / Math.PI));
real("exp", Math.exp);
real("exp2", (x) => 2 ** x);
real("expm1", Math.expm1);
real("fabs", Math.abs);
real("log1p", Math.log1p);
real("radians", (x) => x * (Math.PI / 180));
real("sin", Math.sin);
real("sinh", Math.sinh);
real("sqrt", Math.sqrt);
real("tan", Math.tan);
real("tanh", Math.tanh);

/** The engine's root may be off in its last bit: this is the float near it whose cube is nearest to `x`. */
function cubeRoot(x: number): number {
  const rough = Math.cbrt(x);
  if (!Number.isFinite(rough) || rough === 0) return rough;
  const [top, bottom] = exactRatio(x);

  function error(root: number): number {
    const [t, b] = exactRatio(root);
    const distance = t ** 3n * bottom - top * b ** 3n;
    return trueDivide(distance < 0n ? -distance : distance, bottom * b ** 3n);
  }

  return [neighbour(rough, false), neighbour(rough, true)].reduce(
    (best, next) => (error(next) < error(best) ? next : best),
    rough,
  );
}

define("atan2(y, x)", ([y, x]) => Math.atan2(expectFloat(y, "atan2()"), expectFloat(x, "atan2()")));
define("copysign(x, y)", ([x, y]) => {
  const size = Math.abs(expectFloat(x, "copysign()"));
  return isNegative(expectFloat(y, "copysign()")) ? -size : size;
});
define("pow(x, y)", ([x, y]) => floatPower(expectFloat(x, "pow()"), expectFloat(y, "pow()")));

// Logarithms, of integers of any size.

function logarithm(name: string, value: Value | undefined, f: (x: number) => number): number {
  const number = expectNumber(value, `${name}()`);
  if (!(number > 0)) {
    if (typeof number === "number" && Number.isNaN(number)) return number;
    fail(`${name}() of a number that is not above 0`);
  }
  if (typeof number === "number") return f(number);
  const bits = exactBits(number);
  if (bits <= 1023) return f(Number(number));
  return f(trueDivide(number, 1n << BigInt(bits))) + f(2) * bits;
}

define("log(x, base?)", ([x, base]) => {
  const top = logarithm("log", x, Math.log);
  if (base === undefined) return top;
  const bottom = logarithm("log", base, Math.log);
  return bottom === 0 ? fail("division by zero") : top / bottom;
});
define("log2(x)", ([x]) => logarithm("log2", x, Math.log2));
define("log10(x)", ([x]) => logarithm("log10", x, Math.log10));

// To integers.

function whole(name: string, f: (x: number) => number): void {
  define(`${name}(x)`, ([value]) => {
    const number = expectNumber(value, `${name}()`);
    return typeof number === "bigint" ? number : BigInt(f(finite(number)));
  });
}

whole("ceil", Math.ceil);
whole("floor", Math.floor);
define("trunc(x)", ([value]) => {
  const number = expectNumber(value, "trunc()");
  return typeof number === "bigint" ? number : truncate(number);
});

// Parts of floats.

define("fmod(x, y)", ([x, y]) => {
  const [a, b] = [expectFloat(x, "fmod()"), expectFloat(y, "fmod()")];
  if (b === 0 || (!Number.isFinite(a) && !Number.isNaN(a) && !Number.isNaN(b))) fail("fmod() is not defined there");
  return a % b;
});
define("remainder(x, y)", ([x, y]) => {
  const [a, b] = [expectFloat(x, "remainder()"), expectFloat(y, "remainder()")];
  if (Number.isNaN(a) || Number.isNaN(b)) return Number.NaN;
  if (b === 0 || !Number.isFinite(a)) fail("remainder() is not defined there");
  if (!Number.isFinite(b)) return a;
  const [[at, ab], [bt, bb]] = [exactRatio(a), exactRatio(b)];
  const quotient = divideToEven(at * bb, bt * ab);
  const rest = trueDivide(at * bb - quotient * bt * ab, ab * bb);
  return rest === 0 && isNegative(a) ? -0 : rest;
});
define("modf(x)", ([x]) => {
  const given = expectFloat(x, "modf()");
  if (!Number.isFinite(given)) return tuple([Number.isNaN(given) ? given : isNegative(given) ? -0 : 0, given]);
  const rest = given % 1;
  return tuple([rest === 0 && isNegative(given) ? -0 : rest, Math.trunc(given)]);
});
define("frexp(x)", ([x]) => {
  const given = expectFloat(x, "frexp()");
  if (given === 0 || !Number.isFinite(given)) return tuple([given, 0n]);
  const [top, bottom] = exactRatio(given);
  const exponent = exactBits(top) - (exactBits(bottom) - 1);
  return tuple([
    exponent > 0 ? trueDivide(top, bottom << BigInt(exponent)) : trueDivide(top << BigInt(-exponent), bottom),
    BigInt(exponent),
  ]);
});
define("ldexp(x, i)", ([x, i]) => {
  const given = expectFloat(x, "ldexp()");
  const exponent = Number(expectInteger(i, "ldexp()"));
  if (given === 0 || !Number.isFinite(given)) return given;
  if (exponent > 2200) fail("the result of ldexp() is too large for a float");
  if (exponent < -2200) return isNegative(given) ? -0 : 0;
  const [top, bottom] = exactRatio(given);
  return exponent > 0 ? trueDivide(top << BigInt(exponent), bottom) : trueDivide(top, bottom << BigInt(-exponent));
});

function neighbour(x: number, up: boolean): number {
  if (Number.isNaN(x) || x === (up ? Infinity : -Infinity)) return x;
  if (x === 0) return up ? Number.MIN_VALUE : -Number.MIN_VALUE;
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, x);
  view.setBigInt64(0, view.getBigInt64(0) + (x > 0 === up ? 1n : -1n));
  return view.getFloat64(0);
}

define("nextafter(x, y)", ([x, y]) => {
  const [from, to] = [expectFloat(x, "nextafter()"), expectFloat(y, "nextafter()")];
  return from === to || Number.isNaN(to) ? to : neighbour(from, to > from);
});
define("ulp(x)", ([x]) => {
  const size = Math.abs(expectFloat(x, "ulp()"));
  if (!Number.isFinite(size)) return size;
  const above = neighbour(size, true);
  return Number.isFinite(above) ? above - size : size - neighbour(size, false);
});

define("isnan(x)", ([x]) => Number.isNaN(expectFloat(x, "isnan()")));
define("isinf(x)", ([x]) => Math.abs(expectFloat(x, "isinf()")) === Infinity);
define("isfinite(x)", ([x]) => Number.isFinite(expectFloat(x, "isfinite()")));
define("isclose(a!, b!, *none, rel_tol=, abs_tol=)", ([x, y, relative, absolute]) => {
  const [a, b] = [expectFloat(x, "isclose()"), expectFloat(y, "isclose()")];
  const [rel, abs] = [expectFloat(relative ?? 1e-9, "isclose()"), expectFloat(absolute ?? 0, "isclose()")];
  if (rel < 0 || abs < 0) fail("the tolerances of isclose() must not be negative");
  if (a === b) return true;
  if (!Number.isFinite(a) || !Number.isFinite(b)) return false;
  const distance = Math.abs(a - b);
  return distance <= Math.abs(rel * b) || distance <= Math.abs(rel * a) || distance <= abs;
});

// Functions of several numbers.

/** The exact sum, rounded once. */
function exactSum(values: readonly number[]): number {
  const special = values.filter((value) => !Number.isFinite(value));
  if (special.length > 0) {
    const total = special.reduce((a, b) => a + b, 0);
    return Number.isNaN(total) && !special.some(Number.isNaN) ? fail("a sum of infinities of both signs") : total;
  }
  // In units of the smallest float: 2**-1074.
  let total = 0n;
  for (const value of values) {
    spend(200);
    const [top, bottom] = exactRatio(value);
    total += (top << 1074n) / bottom;
  }
  return trueDivide(total, 1n << 1074n);
}

function floats(values: readonly Value[], name: string): number[] {
  return values.map((value) => expectFloat(value, name));
}

/** The root of the sum of squares, from the exact sum. */
function norm(values: readonly number[]): number {
  if (values.some((value) => Math.abs(value) === Infinity)) return Infinity;
  if (values.some(Number.isNaN)) return Number.NaN;
  let total = 0n;
  for (const value of values) {
    spend(1000);
    const [top, bottom] = exactRatio(value);
    total += ((top << 1074n) / bottom) ** 2n;
  }
  if (total === 0n) return 0;
  // 128 bits of the root are far more than a float holds; what is cut off below them does not change it.
  const excess = Math.max(0, exactBits(total) - 256) & ~1;
  const root = integerRoot((total >> BigInt(excess)) << 128n) | 1n;
  const shift = excess / 2 - 64 - 1074;
  return shift >= 0 ? trueDivide(root << BigInt(shift), 1n) : trueDivide(root, 1n << BigInt(-shift));
}

define("fsum(values)", ([values]) => exactSum(floats(itemsOf(values ?? null), "fsum()")));
define("hypot(*values)", (_args, values) => norm(floats(values, "hypot()")));
define("dist(p, q)", ([p, q]) => {
  const [a, b] = [floats(itemsOf(p ?? null), "dist()"), floats(itemsOf(q ?? null), "dist()")];
  if (a.length !== b.length) fail("dist() takes two points of the same dimension");
  return norm(a.map((value, place) => value - (b[place] as number)));
});
define("prod(values, *none, start=)", ([values, start]) =>
  itemsOf(values ?? null).reduce<Value>((total, value) => times(total, value), start ?? 1n),
);
define("sumprod(p, q)", ([p, q]) => {
  const [a, b] = [itemsOf(p ?? null), itemsOf(q ?? null)];
  if (a.length !== b.length) fail("sumprod() takes two sequences of the same length");
  const products = a.map((value, place) => times(value, b[place] as Value));
  if (!products.some((product) => typeof product === "number"))
    return products.reduce<Value>((total, value) => add(total, value), 0n);
  // The products are exact, and their sum is rounded once.
  let total = 0n;
  for (const [place, value] of a.entries()) {
    spend(1000);
    const [x, y] = [exact(value), exact(b[place] as Value)];
    if (x === null || y === null) return exactSum(floats(products, "sumprod()"));
    total += (((x[0] << 2148n) / x[1]) * y[0]) / y[1];
  }
  return trueDivide(total, 1n << 2148n);
});

function exact(value: Value): readonly [bigint, bigint] | null {
  const number = numberOf(value);
  if (typeof number === "bigint") return [number, 1n];
  return number !== null && Number.isFinite(number) ? exactRatio(number) : null;
}

define("gcd(*values)", (_args, values) =>
  values.reduce<bigint>((found, value) => gcd(found, expectInteger(value, "gcd()")), 0n),
);
define("lcm(*values)", (_args, values) =>
  values.reduce<bigint>((found, value) => {
    const number = expectInteger(value, "lcm()");
    if (number === 0n || found === 0n) return 0n;
    const product = multiply(found, number) / gcd(found, number);
    return product < 0n ? -product : product;
  }, 1n),
);

// Counting.

define("isqrt(n)", ([n]) => integerRoot(expectInteger(n, "isqrt()")));
define("factorial(n)", ([n]) => {
  const count = expectInteger(n, "factorial()");
  return count < 0n ? fail("factorial() of a negative number") : falling(count, count);
});
define("perm(n, k?)", ([n, k]) => {
  const [count, chosen] = [expectInteger(n, "perm()"), expectInteger(k ?? n, "perm()")];
  if (count < 0n || chosen < 0n) fail("perm() of a negative number");
  return chosen > count ? 0n : falling(count, chosen);
});
define("comb(n, k)", ([n, k]) => {
  const [count, chosen] = [expectInteger(n, "comb()"), expectInteger(k, "comb()")];
  if (count < 0n || chosen < 0n) fail("comb() of a negative number");
  if (chosen > count) return 0n;
  const fewer = chosen * 2n > count ? count - chosen : chosen;
  let result = 1n;
  // Every step at least doubles the result, so that the limit of its size ends a loop that would take too long.
  for (let i = 1n; i <= fewer; i++) result = multiply(result, count - fewer + i) / i;
  return result;
});

/** The product of `k` factors: n, n - 1 and so on. */
function falling(n: bigint, k: bigint): bigint {
  let result = 1n;
  for (let i = 0n; i < k; i++) result = multiply(result, n - i);
  return result;
}
