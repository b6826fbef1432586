import { describe, expect, test } from "bun:test";
import { newTokenBucket, nextToken, returnToken, takeToken, tokensAt } from "../../../src/client/rate.ts";

/** The times (ms) at which tasks start, if there is always one to start and it does so as soon as it may. */
function starts(perSecond: number, untilMs: number): number[] {
  const bucket = newTokenBucket(perSecond, 0);
  const times: number[] = [];
  for (let now = 0; now < untilMs; now = nextToken(bucket)) {
    expect(takeToken(bucket, now)).toBe(true);
    times.push(now);
  }
  return times;
}

describe("a rate of starts", () => {
  test.each([
    [4, 2000, 8],
    [0.5, 10_000, 5],
    [0.3, 10_000, 3],
    [1, 3000, 3],
    [1000, 1000, 1000],
    [7, 10_000, 70],
  ])("of %d a second lets, in %d ms, %d start", (perSecond, untilMs, count) => {
    expect(Math.abs(starts(perSecond, untilMs).length - count)).toBeLessThanOrEqual(perSecond < 1 ? 1 : 0);
  });

  test("below one a second begins with a start, and keeps its pace", () => {
    expect(starts(0.5, 7000)).toEqual([0, 2000, 4000, 6000]);
  });

  test("lets a client that was late make up for a tenth of a second, and no more", () => {
    const bucket = newTokenBucket(100, 0);
    expect(tokensAt(bucket, 50)).toBe(6);
    expect(tokensAt(bucket, 10_000)).toBe(10);
    const slow = newTokenBucket(2, 0);
    expect(tokensAt(slow, 60_000)).toBe(1);
  });

  test("has a token again when a task did not start", () => {
    const bucket = newTokenBucket(1, 0);
    expect([takeToken(bucket, 0), takeToken(bucket, 0)]).toEqual([true, false]);
    returnToken(bucket);
    expect(takeToken(bucket, 0)).toBe(true);
    expect(nextToken(bucket)).toBe(1000);
  });

  test("does not run backwards with a clock that does", () => {
    const bucket = newTokenBucket(1, 1000);
    expect(takeToken(bucket, 1000)).toBe(true);
    expect([tokensAt(bucket, 0), tokensAt(bucket, 1999), tokensAt(bucket, 2000)]).toEqual([0, 0, 1]);
  });
});
