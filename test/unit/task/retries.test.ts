import { describe, expect, test } from "bun:test";
import {
  everyFailure,
  isTriedAgain,
  memoryOfNext,
  readMemoryFactor,
  readRetryOn,
  retryDelayMs,
} from "../../../src/task/retries.ts";
import { sentinel } from "../../../src/task/task.ts";

describe("which failures are tried again", () => {
  test("the words name statuses, in any order, each once", () => {
    expect(readRetryOn("exit=75")).toEqual([75]);
    expect(readRetryOn("signal=9, timeout,lost,memory,exit=75,exit=10-12,exit=11")).toEqual([
      -6, -5, -4, 10, 11, 12, 75, 137,
    ]);
    expect(readRetryOn("SIGNAL=SIGKILL,signal=term")).toEqual([137, 143]);
    expect(readRetryOn("exit=3221225477,template,resources")).toEqual([-3, -2, 3221225477]);
  });

  test.each(["", "exit", "exit=", "exit=0", "exit=9-3", "exit=1-999", "exit=4294967296", "signal=0", "signal=65"])(
    "%p names none",
    (text) => expect(readRetryOn(text)).toBeNull(),
  );
  test.each(["signal=KILLL", "75", "exit=75;lost", "exit=75,", "exit=x", "always"])("nor does %p", (text) =>
    expect(readRetryOn(text)).toBeNull(),
  );

  test("success and cancelled tasks never are, and no task has more attempts than it may", () => {
    expect([0, -1, 1, -4].map((status) => isTriedAgain(everyFailure(2), 1, status))).toEqual([
      false,
      false,
      true,
      true,
    ]);
    expect(isTriedAgain(everyFailure(2), 2, 1)).toBe(false);
    const some = { attempts: 3, statuses: [75], memoryFactor: 1 };
    expect([1, 75].map((status) => isTriedAgain(some, 2, status))).toEqual([false, true]);
  });
});

test("a pause doubles with each attempt, up to an hour or its own length", () => {
  expect([1, 2, 3, 4].map((attempt) => retryDelayMs(10_000, attempt))).toEqual([10_000, 20_000, 40_000, 80_000]);
  expect(retryDelayMs(10_000, 60)).toBe(3_600_000);
  expect(retryDelayMs(7_200_000, 5)).toBe(7_200_000);
});

test("the memory of the next attempt is a whole number of bytes, and none stays none", () => {
  const twice = { attempts: 2, statuses: null, memoryFactor: 1.5 };
  expect([null, 0, 5, Number.MAX_SAFE_INTEGER].map((memory) => memoryOfNext(memory, 1, twice))).toEqual([
    null,
    0,
    8,
    Number.MAX_SAFE_INTEGER,
  ]);
  expect(memoryOfNext(5, 1, everyFailure(2))).toBe(5);
  expect([sentinel.insufficientResources, sentinel.overMemory].map((status) => memoryOfNext(4, status, twice))).toEqual(
    [4, 6],
  );
  expect(["x2", "X1.5", "3", "1"].map(readMemoryFactor)).toEqual([2, 1.5, 3, 1]);
  expect(["", "x", "0.5", "-2", "x2x", "1025", "2e2", "inf"].map(readMemoryFactor)).toEqual(Array(8).fill(null));
});
