/* The rate of what was counted of late. */
import { expect, test } from "bun:test";
import { newPace, notePace, rateAt } from "../../../src/progress/pace.ts";

/** The rate after `seconds` of looks, five in a second. `doneAt`: how much is done after so many seconds. */
function after(seconds: number, running: number, doneAt: (seconds: number) => number): number | null {
  const pace = newPace();
  let rate: number | null = null;
  for (let at = 0; at <= seconds; at += 0.2) {
    notePace(pace, at * 1000, doneAt(at));
    rate = rateAt(pace, at * 1000, doneAt(at), running);
  }
  return rate;
}

test("nothing is known before anything ends, nor within the first second", () => {
  expect(after(100, 4, () => 0)).toBeNull();
  expect(after(0.8, 4, (at) => at * 10)).toBeNull();
});

test("a steady rate is told as it is, over minutes and over days", () => {
  for (const seconds of [3, 60, 3600, 20_000]) expect(after(seconds, 4, (at) => at * 10)).toBeCloseTo(10, 0);
});

test("what was long ago does not count where tasks are short", () => {
  expect(after(60, 4, (at) => (at < 50 ? at * 100 : 5000 + (at - 50) * 10))).toBeCloseTo(10, 0);
});

test("tasks that take a minute and end together have a rate over their whole time", () => {
  const together = (at: number): number => 4 * Math.floor(at / 60);
  for (const seconds of [61, 119, 1000, 5000]) {
    const rate = after(seconds, 4, together)!;
    expect(rate).toBeGreaterThan(0.5 * (4 / 60));
    expect(rate).toBeLessThan(1.6 * (4 / 60));
  }
});
