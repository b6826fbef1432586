/* The course of tasks over time: nothing is lost when cells become one, and curves say what was added. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import {
  addStay,
  areaCurve,
  countCurve,
  extentOf,
  idleSpans,
  newCourse,
  type Stay,
  sumAt,
} from "../../../src/report/course.ts";

const ran = (from: number, to: number | null, client = "a"): Stay => ({
  waitedFrom: null,
  waitedTo: null,
  ranFrom: from,
  ranTo: to,
  endedAt: to,
  succeeded: true,
  client,
});

test("the area below a curve is the time that all tasks ran, however coarse the cells are", () => {
  const spans = fc.array(fc.tuple(fc.integer({ min: 0, max: 5_000_000 }), fc.integer({ min: 0, max: 900_000 })), {
    minLength: 1,
    maxLength: 60,
  });
  fc.assert(
    fc.property(spans, fc.integer({ min: 4, max: 200 }), (all, most) => {
      const course = newCourse(most);
      for (const [from, length] of all) addStay(course, ran(from, from + length, `client ${from % 3}`));
      expect(course.size).toBeLessThanOrEqual(most);
      const until = 10_000_000;
      const total = all.reduce((sum, [, length]) => sum + length, 0);
      const areaOf = (cells: typeof course.all): number =>
        sumAt(areaCurve(cells, course.widthMs, "running", until), until * 2);
      expect(areaOf(course.all)).toBeCloseTo(total, 3);
      const apart = [...course.clients.values()].reduce((sum, cells) => sum + areaOf(cells), 0);
      expect(apart).toBeCloseTo(total, 3);
      expect(sumAt(countCurve(course.all, course.widthMs, "succeeded"), until * 2)).toBe(all.length);
    }),
    { numRuns: 60 },
  );
});

test("a task that still runs goes on until now, and there are idle spans only where none ran", () => {
  const course = newCourse();
  addStay(course, ran(1000, 2000));
  addStay(course, ran(50_000, null));
  expect(extentOf(course, 90_000)).toEqual({ from: 1000, to: 90_000 });
  expect(idleSpans(course, 90_000)).toEqual([{ from: 2001, to: 50_000 }]);
  expect(sumAt(areaCurve(course.all, course.widthMs, "running", 90_000), 90_000)).toBe(41_000);
  const over = newCourse();
  addStay(over, ran(1000, 2000));
  expect([extentOf(over, 90_000), idleSpans(over, 90_000)]).toEqual([{ from: 1000, to: 2001 }, []]);
});

test("what more clients did than may be told apart stands under one name", () => {
  const course = newCourse(1000, 2);
  for (const client of ["a", "b", "c", "d"]) addStay(course, ran(0, 10, client));
  expect([...course.clients.keys()]).toEqual(["a", "b", ""]);
});
