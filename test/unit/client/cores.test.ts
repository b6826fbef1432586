/* Processors of pinned tasks. */
import { expect, test } from "bun:test";
import { newCores } from "../../../src/client/cores.ts";
import { newPins } from "../../../src/client/pinning.ts";

test("each task has processors of its own, side by side where they are", () => {
  const cores = newCores([0, 1, 4, 5, 6, 7]);
  expect(cores.take("a", 1)).toEqual([0]);
  expect(cores.take("b", 3)).toEqual([4, 5, 6]);
  expect(cores.take("c", 2)).toEqual([1, 7]);
  cores.release("b");
  expect(cores.take("d", 0)).toEqual([4]);
});

test("a task that finds too few shares what nobody has alone, or else all", () => {
  const cores = newCores([0, 1, 2]);
  cores.take("a", 2);
  expect(cores.take("b", 2)).toEqual([2]);
  expect(cores.take("c", 1)).toEqual([2]);
  expect(cores.take("d", 1)).toEqual([0, 1, 2]);
  cores.release("b");
  cores.release("d");
  cores.release("a");
  expect(cores.take("e", 2)).toEqual([0, 1]);
});

test("the thread has all processors again after each start", () => {
  const set: (readonly number[])[] = [];
  const pins = newPins([0, 1, 2, 3], (processors) => set.push(processors) > 0);
  pins.pin("a", 2);
  pins.unpin();
  pins.unpin();
  pins.pin("b", 0);
  pins.unpin();
  pins.release("a");
  pins.pin("c", 2);
  expect(set).toEqual([[0, 1], [0, 1, 2, 3], [2], [0, 1, 2, 3], [0, 1]]);
});
