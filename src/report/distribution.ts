/*
 * How values are spread, in bounded memory: a few are kept one by one, many are counted in buckets that are 2 % wide,
 * so that each value is known to 1 %. Number, sum, least and most are exact in either case. Knows no tasks.
 */

/** With more values than this they are counted in buckets. */
const fewValues = 5000;
const logOfRatio = Math.log(1.02);

export interface Distribution {
  count: number;
  sum: number;
  /** Infinity without values, and `max` is -Infinity. */
  min: number;
  max: number;
  /** All values; null: there are too many. */
  few: number[] | null;
  /** Numbers of values by bucket: those above zero, those below it (by their size), and zeros. */
  readonly above: Map<number, number>;
  readonly below: Map<number, number>;
  zeros: number;
}

/** One without values. */
export function newDistribution(): Distribution {
  return {
    count: 0,
    sum: 0,
    min: Number.POSITIVE_INFINITY,
    max: Number.NEGATIVE_INFINITY,
    few: [],
    above: new Map(),
    below: new Map(),
    zeros: 0,
  };
}

/** What is nearer to zero is zero. */
const least = 1e-9;

/** Takes a value in. What is not finite is left out. */
export function addValue(to: Distribution, given: number): void {
  if (!Number.isFinite(given)) return;
  const value = Math.abs(given) < least ? 0 : given;
  to.count += 1;
  to.sum += value;
  if (value < to.min) to.min = value;
  if (value > to.max) to.max = value;
  if (to.few === null) return inBucket(to, value);
  to.few.push(value);
  if (to.few.length <= fewValues) return;
  for (const each of to.few) inBucket(to, each);
  to.few = null;
}

function inBucket(to: Distribution, value: number): void {
  if (value === 0) {
    to.zeros += 1;
    return;
  }
  const buckets = value > 0 ? to.above : to.below;
  const bucket = Math.floor(Math.log(Math.abs(value)) / logOfRatio);
  buckets.set(bucket, (buckets.get(bucket) ?? 0) + 1);
}

/** A value, and how many there are of it. */
type Weighted = readonly [value: number, count: number];

/** All values upwards, each with its number; in buckets: the middle of each. The numbers sum up to `count`. */
function weightedValues(of: Distribution): readonly Weighted[] {
  if (of.few !== null) return of.few.toSorted((one, other) => one - other).map((value) => [value, 1]);
  const within = (value: number): number => Math.min(Math.max(value, of.min), of.max);
  const middle = (bucket: number): number => Math.exp((bucket + 0.5) * logOfRatio);
  const below = [...of.below].map(([bucket, count]): Weighted => [within(-middle(bucket)), count]);
  const above = [...of.above].map(([bucket, count]): Weighted => [within(middle(bucket)), count]);
  const zeros: readonly Weighted[] = of.zeros > 0 ? [[0, of.zeros]] : [];
  return [...below, ...zeros, ...above].toSorted(([one], [other]) => one - other);
}

/**
 * The least value that at least this share (0 to 1) of the values do not exceed: the percentile by nearest rank. Null
 * without values.
 */
export function quantile(of: Distribution, share: number): number | null {
  if (of.count === 0) return null;
  if (share >= 1) return of.max;
  let left = Math.max(1, Math.ceil(share * of.count));
  for (const [value, count] of weightedValues(of)) {
    left -= count;
    if (left <= 0) return value;
  }
  return of.max;
}

/** The arithmetic mean; null without values. */
export function mean(of: Distribution): number | null {
  return of.count === 0 ? null : of.sum / of.count;
}

/** A part of a histogram: values from `from` up to, but not with, `to`. */
export interface Bin {
  readonly from: number;
  readonly to: number;
  readonly count: number;
}

export interface Histogram {
  /** Whether each bin is wider than the one before by a factor. */
  readonly isLogarithmic: boolean;
  readonly bins: readonly Bin[];
  /** Values below the first bin: negative ones, and zeros where bins are logarithmic. The rest is in the bins. */
  readonly beneath: number;
}

/** A few values that are far below the others would make a logarithmic histogram mostly empty. */
const mostDecades = 8;

/**
 * The values in 10 to 50 bins whose bounds are round numbers; the bins and `beneath` sum up to the number of values.
 */
export function histogramOf(of: Distribution): Histogram {
  const values = weightedValues(of);
  const positive = values.find(([value]) => value > 0)?.[0];
  if (of.count === 0 || positive === undefined) {
    return { isLogarithmic: false, bins: [], beneath: of.count };
  }
  const smallest = Math.max(positive, of.max / 10 ** mostDecades);
  const isLogarithmic = of.max / smallest > 30;
  const bounds = isLogarithmic ? logarithmic(smallest, of.max) : linear(Math.max(0, of.min), of.max);
  const counts = Array.from({ length: bounds.length - 1 }, () => 0);
  let beneath = 0;
  let at = 0;
  for (const [value, count] of values) {
    if (value < 0 || (isLogarithmic && value === 0)) {
      beneath += count;
      continue;
    }
    while (at < counts.length - 1 && value >= bounds[at + 1]!) at += 1;
    counts[at]! += count;
  }
  const bins = counts.map((count, i) => ({ from: bounds[i]!, to: bounds[i + 1]!, count }));
  return { isLogarithmic, bins, beneath };
}

/** Bounds ten to the decade, or five where there are many decades. */
function logarithmic(from: number, most: number): readonly number[] {
  const perDecade = Math.log10(most / from) > 4 ? 5 : 10;
  const first = Math.floor(Math.log10(from) * perDecade + 1e-9);
  const last = Math.floor(Math.log10(most) * perDecade + 1e-9) + 1;
  return Array.from({ length: last - first + 1 }, (_, i) => 10 ** ((first + i) / perDecade));
}

function linear(from: number, most: number): readonly number[] {
  // Equal values are one bin in the middle of some empty ones.
  const span = most > from ? most - from : Math.max(most, 1e-9);
  const step = roundStep(span / 24);
  const margin = most > from ? 0 : 4;
  const first = Math.max(0, Math.floor(from / step + 1e-9) - margin);
  const last = Math.floor(most / step + 1e-9) + 1 + margin;
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/** The least of 1, 2, 5, 10 ... that is not smaller, of any power of ten; `rough` is above 0. */
export function roundStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough));
  const times = rough / power;
  return power * (times <= 1.000001 ? 1 : times <= 2.000001 ? 2 : times <= 5.000001 ? 5 : 10);
}
