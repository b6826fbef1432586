import { describe, expect, test } from "bun:test";
import { compileStrftime } from "../../../src/base/strftime.ts";
import type { CalendarTime } from "../../../src/base/strftime.ts";

/** Saturday, 2 January 2021, in the last ISO week of the year before. */
const time: CalendarTime = {
  year: 2021,
  month: 1,
  day: 2,
  hour: 15,
  minute: 4,
  second: 5,
  microsecond: 67,
  weekday: 5,
  dayOfYear: 2,
  isoWeek: () => [2020, 53],
  timestamp: () => 1_609_599_845,
  offset: () => "+0100",
  zoneName: () => "CET",
};

describe("what a format makes of a time", () => {
  // As `date -u -d '2021-01-02 15:04:05'` of the GNU C library prints them, but for %f, which is Python's, and the
  // zone.
  test.each([
    ["%a %A %b %B %h", "Sat Saturday Jan January Jan"],
    ["%C %d %e %g %G", "20 02  2 20 2020"],
    ["%f", "000067"],
    ["%H %I %k %l %M %S %p %P", "15 03 15  3 04 05 PM pm"],
    ["%j %m %s", "002 01 1609599845"],
    ["%u %w %U %V %W", "6 6 00 53 00"],
    ["%y %Y %z %Z", "21 2021 +0100 CET"],
    [
      "%c|%D|%F|%r|%R|%T|%x|%X",
      "Sat Jan  2 15:04:05 2021|01/02/21|2021-01-02|03:04:05 PM|15:04|15:04:05|01/02/21|15:04:05",
    ],
    ["%n%t%%", "\n\t%"],
    ["%-d %_d %0e %^a %^c", "2  2 02 SAT SAT JAN  2 15:04:05 2021"],
    ["%_-d %-_d", "2  2"],
    ["%Q %-Q % %é", "%Q %-Q % %é"],
    ["%%d 100%", "%d 100%"],
    ["", ""],
  ])("%p gives %p", (format, text) => expect(compileStrftime(format)(time)).toBe(text));
});

test("the zone and the week are asked for only where the format has them", () => {
  const never = (): never => {
    throw new Error("not asked for");
  };
  const plain = { ...time, isoWeek: never, timestamp: never, offset: never, zoneName: never };
  expect(compileStrftime("%F %T.%f")(plain)).toBe("2021-01-02 15:04:05.000067");
});
