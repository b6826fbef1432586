/* Moments as people write them. */
import { expect, test } from "bun:test";
import { formatMoment, parseMoment } from "../../../src/base/moment.ts";

const at = (...[year, month, day, hour, minute, second]: [number, number, number, number, number, number]): number =>
  new Date(year, month - 1, day, hour, minute, second).getTime();
const now = at(2026, 11, 30, 16, 30, 0);

test.each([
  ["+3600", now + 3_600_000],
  ["+90m", now + 5_400_000],
  ["+1:30:00", now + 5_400_000],
  [" +2h ", now + 7_200_000],
  ["18:00", at(2026, 11, 30, 18, 0, 0)],
  ["9:05", at(2026, 12, 1, 9, 5, 0)],
  ["16:30", at(2026, 12, 1, 16, 30, 0)],
  ["16:30:01", at(2026, 11, 30, 16, 30, 1)],
  ["2026-12-24", at(2026, 12, 24, 0, 0, 0)],
  ["2026-12-24T18:00", at(2026, 12, 24, 18, 0, 0)],
  ["2026-12-24 18:00:30", at(2026, 12, 24, 18, 0, 30)],
  ["2026-12-24T18:00Z", Date.UTC(2026, 11, 24, 18)],
  ["2026-12-24T18:00:00.123+01:00", Date.UTC(2026, 11, 24, 17)],
  ["2026-12-24T18:00:00-0530", Date.UTC(2026, 11, 24, 23, 30)],
  ["@1795975200", 1_795_975_200_000],
] as [string, number][])("'%s'", (text, moment) => expect(parseMoment(text, now)).toBe(moment));

test.each([
  "",
  "+",
  "++5",
  "+-5",
  "3600",
  "25:00",
  "18:60",
  "tomorrow",
  "2026-02-30",
  "2026-13-01",
  "2026-1-1",
  "@",
  "@-1",
  "@1.5",
])("'%s' is none", (text) => expect(parseMoment(text, now)).toBeNull());

test("a moment is shown as local time", () => expect(formatMoment(now)).toBe("2026-11-30 16:30:00"));
