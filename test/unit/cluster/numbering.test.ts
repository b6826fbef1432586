import { expect, test } from "bun:test";
import { newId } from "../../../src/base/ids.ts";
import { newNumbering } from "../../../src/cluster/numbering.ts";

const tasks = (count: number) => Array.from({ length: count }, () => ({ id: newId() }));

test("tasks have their places in the input, whichever is asked for first, and tasks from elsewhere follow", () => {
  const numbers = newNumbering();
  const [first, second] = [tasks(64), tasks(5000)];
  numbers.add(first);
  numbers.add(second);
  // A store that was in trouble is given the same tasks again.
  numbers.add(second);
  expect([first[0]!, first[63]!, second[0]!, second[4999]!].map(({ id }) => numbers.of(id))).toEqual([1, 64, 65, 5064]);
  const [other, third] = [newId(), tasks(2)];
  expect([numbers.of(other), numbers.of(other)]).toEqual([5065, 5065]);
  numbers.add(third);
  expect(third.map(({ id }) => numbers.of(id))).toEqual([5066, 5067]);
});

test("the next attempt has the number of the one before, and what has ended is forgotten", () => {
  const numbers = newNumbering();
  const [task, other] = tasks(2);
  numbers.add([task!, other!]);
  const [again, last] = [newId(), newId()];
  numbers.end(task!.id, again);
  numbers.end(other!.id, null);
  expect(numbers.of(again)).toBe(1);
  numbers.end(again, last);
  expect(numbers.of(last)).toBe(1);
  numbers.end(last, null);
  expect(numbers.of(last)).toBe(3);
  expect(numbers.of(other!.id)).toBe(4);
});

test("ids that do not grow are numbered, too", () => {
  const numbers = newNumbering();
  const [first, second] = [tasks(3), tasks(3)];
  numbers.add(second);
  numbers.add(first.toReversed());
  expect([...second, ...first].map(({ id }) => numbers.of(id))).toEqual([1, 2, 3, 6, 5, 4]);
});
