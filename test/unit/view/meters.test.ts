import { expect, test } from "bun:test";
import { newAverage, newMeter, newPace, timeLeft } from "../../../src/view/meters.ts";

const start = 1_700_000_000_000;
const sum = (numbers: readonly number[]): number => numbers.reduce((all, each) => all + each, 0);

test("a histogram counts a value at its bound below it, and what is larger than all bounds at the end", () => {
  const meter = newMeter([1, 10]);
  for (const value of [0.5, 1, 5, 10, 11]) meter.add(value);
  meter.add(100, 3);
  expect(meter.histogram()).toEqual({ bounds: [1, 10], counts: [2, 2, 4], sum: 327.5 });
});

test("a histogram that was handed out stays as it was", () => {
  const meter = newMeter([1]);
  const before = meter.histogram();
  meter.add(1);
  expect(before.counts).toEqual([0, 0]);
});

test("tasks are in the interval in which they ended, the newest interval last", () => {
  const pace = newPace(start);
  pace.add(start + 100, 3, 1);
  pace.add(start + 1100, 5, 0);
  const { ended, failed, intervalMs } = pace.throughput(start + 2500);
  expect(intervalMs).toBe(1000);
  expect(ended).toHaveLength(120);
  expect(ended.slice(-4)).toEqual([0, 3, 5, 0]);
  expect(failed.slice(-4)).toEqual([0, 1, 0, 0]);
});

test("what ended longer ago than all intervals is forgotten", () => {
  const pace = newPace(start);
  pace.add(start, 7, 7);
  expect(sum(pace.throughput(start + 119_000).ended)).toBe(7);
  expect(sum(pace.throughput(start + 120_000).ended)).toBe(0);
  expect(sum(pace.throughput(start + 10_000_000).failed)).toBe(0);
});

test("what is told late of long ago changes nothing that is newer", () => {
  const pace = newPace(start);
  pace.add(start + 500_000, 2, 0);
  pace.add(start, 9, 9);
  expect(sum(pace.throughput(start + 500_000).ended)).toBe(2);
});

test("tasks between two times are spread evenly, and none is lost by rounding", () => {
  const pace = newPace(start);
  pace.spread(start, start + 3000, 10, 1);
  const { ended, failed } = pace.throughput(start + 3000);
  expect(ended.slice(-4)).toEqual([3, 4, 3, 0]);
  expect(sum(failed)).toBe(1);
});

test("the rate is that of the last ten seconds, or of two minutes where few end", () => {
  const pace = newPace(start);
  expect(pace.rate(start + 5000)).toBeNull();
  for (let second = 0; second < 60; second++) pace.add(start + second * 1000, 20, 0);
  expect(pace.rate(start + 59_999)).toBeCloseTo(20, 1);
  expect(pace.rate(start + 100_000)).toBeCloseTo(12, 1);
  expect(pace.rate(start + 500_000)).toBeNull();
});

test("the rate of the first seconds does not count time before the start", () => {
  const pace = newPace(start);
  pace.add(start + 1900, 40, 0);
  expect(pace.rate(start + 2000)).toBeCloseTo(20, 5);
});

test("an average of few values is that of all, and later values take over", () => {
  const average = newAverage();
  expect(average.value()).toBeNull();
  average.add(1);
  average.add(3);
  expect(average.value()).toBe(2);
  for (let i = 0; i < 500; i++) average.add(10);
  expect(average.value()).toBeCloseTo(10, 1);
});

test("the time left goes by the rate, or by how long tasks take where none has ended of late", () => {
  expect(timeLeft({ remaining: 100, running: 4, rate: 5, duration: 60 })).toBe(20);
  expect(timeLeft({ remaining: 100, running: 4, rate: null, duration: 60 })).toBe(1500);
  expect(timeLeft({ remaining: 100, running: 0, rate: null, duration: 60 })).toBeNull();
  expect(timeLeft({ remaining: 100, running: 4, rate: null, duration: null })).toBeNull();
  expect(timeLeft({ remaining: 0, running: 0, rate: null, duration: null })).toBe(0);
});
