/* The axis of time: places grow with time, and long breaks are cut short. */
import { expect, test } from "bun:test";
import { columnsOf, placeOf, ticksOf, timeAxis } from "../../../src/report/axis.ts";

const day = 86_400_000;

test("a long break takes little of the axis, and what is around it keeps its proportions", () => {
  const axis = timeAxis({ from: 0, to: 8 * day }, [{ from: 1000, to: 8 * day - 1000 }]);
  expect(axis.map(({ isCut }) => isCut)).toEqual([false, true, false]);
  expect(placeOf(axis, 500)).toBeCloseTo(0.245);
  expect(placeOf(axis, 8 * day - 500)).toBeCloseTo(0.755);
  expect([placeOf(axis, -5), placeOf(axis, 9 * day)]).toEqual([0, 1]);
});

test("columns follow each other without a gap, over any axis", () => {
  const axis = timeAxis({ from: 0, to: 100 * day }, [
    { from: day, to: 40 * day },
    { from: 41 * day, to: 99 * day },
  ]);
  const columns = columnsOf(axis, 50);
  columns.slice(1).forEach(({ from, start }, i) => {
    expect(from).toBeCloseTo(columns[i]!.to);
    expect(start).toBeCloseTo(columns[i]!.end);
  });
  expect([columns[0]!.start, columns.at(-1)!.end]).toEqual([0, 1]);
});

test("ticks are round times, however short or long the axis is", () => {
  for (const span of [1, 50, 1000, 60_000, 3_600_000, day, 400 * day, 9000 * day]) {
    const ticks = ticksOf(timeAxis({ from: 1_795_000_000_000, to: 1_795_000_000_000 + span }, []), 6);
    expect(ticks.length).toBeWithin(0, 14);
    for (const { place } of ticks) expect(place).toBeWithin(0, 1.0001);
  }
});
