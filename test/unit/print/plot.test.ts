import { describe, expect, test } from "bun:test";
import { drawn, inColumns } from "../../../src/print/plot.ts";

const steps = (...pairs: readonly (readonly [number, number])[]): { at: number; value: number }[] =>
  pairs.map(([at, value]) => ({ at, value }));

describe("columns", () => {
  test("have the largest value of their time, and a value holds since the one before it", () => {
    expect(inColumns(steps([0, 9], [1, 1], [2, 2], [4, 4]), 4)).toEqual([1, 2, 4, 4]);
    expect(inColumns(steps([0, 0], [1, 1], [2, 7], [3, 3], [4, 4]), 2)).toEqual([7, 4]);
    expect(inColumns(steps([0, 0], [10, 3]), 3)).toEqual([3, 3, 3]);
  });

  test("show what was there for a moment only", () => {
    expect(inColumns(steps([0, 0], [500, 1], [501, 8], [1000, 1]), 10)).toEqual([1, 1, 1, 1, 1, 8, 1, 1, 1, 1]);
  });

  test("of no time at all have the last value", () => {
    expect(inColumns(steps([5, 1], [5, 3]), 3)).toEqual([3, 3, 3]);
    expect(inColumns([], 2)).toEqual([0, 0]);
  });
});

test("a drawing has eighths of a line, and shows the least that is more than nothing", () => {
  expect(drawn([0, 0.0001, 1, 2, 3, 4, 8, 9, 16, 99], 16, 2)).toEqual(["       ▁██", " ▁▁▂▃▄████"]);
});
