import { expect, test } from "bun:test";
import { newTally, noteWork, paceOf } from "../../../src/server/tally.ts";
import type { Outcome } from "../../../src/task/task.ts";

const outcome = (startTime: number | null, completionTime: number, command: string | null = "x"): Outcome =>
  ({ command, startTime, completionTime }) as Outcome;

test("the pace is what ended in the time from the first start to the last end", () => {
  const tally = newTally();
  for (const [from, to] of [
    [1000, 1500],
    [1000, 1250],
    [1250, 2000],
  ] as const)
    noteWork(tally, outcome(from, to));
  expect(paceOf([tally, null])).toEqual({ rate: 3, duration: 0.5 });
  expect(paceOf([tally, tally])).toEqual({ rate: 6, duration: 0.5 });
});

test("a pause in which nothing ran does not slow it down", () => {
  const tally = newTally();
  noteWork(tally, outcome(1000, 2000));
  noteWork(tally, outcome(62_000, 63_000));
  expect(paceOf([tally])).toEqual({ rate: 1, duration: 1 });
});

test("it is unknown until a task has ended that started", () => {
  const tally = newTally();
  noteWork(tally, outcome(null, 2000));
  noteWork(tally, outcome(1000, 2000, null));
  expect([paceOf([]), paceOf([tally]), paceOf([null])]).toEqual(
    Array.from({ length: 3 }, () => ({ rate: null, duration: null })),
  );
});
