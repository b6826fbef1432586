import { expect, test } from "bun:test";
import { byElapsed } from "../../../src/cli/elapsed.ts";
import type { TaskField } from "../../../src/task/field.ts";
import { parseCondition } from "../../../src/task/filter.ts";

const now = Date.UTC(2027, 0, 10, 12);
const of = (conditions: readonly string[], orderBy: TaskField | null = null, descending = false) =>
  byElapsed({ where: conditions.map(parseCondition), orderBy, descending, limit: null }, now);

test("who has run for longer has started earlier", () => {
  const pairs = [
    ["duration > 1h", "start_time < 2027-01-10 11:00:00.000Z"],
    ["duration >= 0.5", "start_time <= 2027-01-10 11:59:59.500Z"],
    ["duration < 1d", "start_time > 2027-01-09 12:00:00.000Z"],
    ["duration <= 0", "start_time >= 2027-01-10 12:00:00.000Z"],
    ["duration == null", "start_time == null"],
    ["duration != null", "start_time != null"],
    ["waited > 1", "waited > 1"],
  ] as const;
  for (const [asked, meant] of pairs) expect(of([asked]).where).toEqual([parseCondition(meant)]);
  expect(of(["duration < 1e300"]).where[0]).toMatchObject({ operator: ">" });
  expect(of([], "duration", true)).toMatchObject({ orderBy: "start_time", descending: false });
  expect(of([], "waited", true)).toMatchObject({ orderBy: "waited", descending: true });
});
