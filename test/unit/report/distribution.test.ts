/* How values are spread: histograms lose none, percentiles are those of the sorted values. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { addValue, histogramOf, newDistribution, quantile } from "../../../src/report/distribution.ts";

function of(values: readonly number[]): ReturnType<typeof newDistribution> {
  const made = newDistribution();
  for (const value of values) addValue(made, value);
  return made;
}

const anyValues = fc.array(
  fc.oneof(fc.double({ min: -100, max: 1e7, noNaN: true }), fc.constantFrom(0, 1, 1, 0.001, 86_400)),
  { maxLength: 80 },
);

test("the bins of a histogram, and what is beneath them, sum up to the number of values", () => {
  fc.assert(
    fc.property(anyValues, (values) => {
      const { bins, beneath } = histogramOf(of(values));
      expect(bins.reduce((sum, { count }) => sum + count, beneath)).toBe(values.length);
      bins.forEach(({ from, to }, i) => {
        expect(to).toBeGreaterThan(from);
        if (i > 0) expect(from).toBe(bins[i - 1]!.to);
      });
    }),
    { numRuns: 150 },
  );
});

test("a percentile is the value of that rank", () => {
  const sorted = Array.from({ length: 100 }, (_, i) => i + 1);
  const values = of(sorted.toReversed());
  expect([0, 0.5, 0.95, 1].map((share) => quantile(values, share))).toEqual([1, 50, 95, 100]);
  expect(quantile(of([]), 0.5)).toBeNull();
  expect(quantile(of([3.25]), 0.99)).toBe(3.25);
});

test("of many values percentiles are right to 1 %, and number, sum, least and most are exact", () => {
  const many = Array.from({ length: 20_000 }, (_, i) => (i % 2 === 0 ? -1 : 1) * (i + 1) * 0.01);
  const made = of([...many, 0]);
  expect(made.few).toBeNull();
  expect([made.count, made.min, made.max]).toEqual([20_001, -199.99, 200]);
  expect(quantile(made, 0.75)! / 100).toBeWithin(0.99, 1.01);
  expect(quantile(made, 0.25)! / -100).toBeWithin(0.99, 1.01);
  expect(histogramOf(made).bins.reduce((sum, { count }) => sum + count, histogramOf(made).beneath)).toBe(20_001);
});
