import { describe, expect, test } from "bun:test";
import { compileDate } from "../../../src/log/dates.ts";

const at = new Date(2026, 10, 2, 15, 4, 5, 67).getTime();

describe("compileDate", () => {
  test.each([
    ["%Y-%m-%d %H:%M:%S", "2026-11-02 15:04:05"],
    ["%F %T", "2026-11-02 15:04:05"],
    ["%a %A %b %B", "Mon Monday Nov November"],
    ["%I:%M %p", "03:04 PM"],
    ["%j %y %e", "306 26  2"],
    ["%f", "067000"],
    ["%U %W %V %G %u", "44 44 45 2026 1"],
    ["%%d", "%d"],
    ["%Q", "%Q"],
    ["at 100%", "at 100%"],
  ])("%p gives %p", (format, text) => {
    expect(compileDate(format)(at)).toBe(text);
  });
  test("the first days of January may be in the last ISO week of the year before", () => {
    expect(compileDate("%G-W%V-%u")(new Date(2027, 0, 1, 12).getTime())).toBe("2026-W53-5");
    expect(compileDate("%U %W")(new Date(2027, 0, 1, 12).getTime())).toBe("00 00");
  });
  test("the text changes with the second, not before", () => {
    const date = compileDate("%S");
    expect([at, at + 900, at + 1000, at].map((time) => date(time))).toEqual(["05", "05", "06", "05"]);
  });
});
