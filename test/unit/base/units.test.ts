import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { formatDuration, formatSize, parseSeconds, parseSize } from "../../../src/base/units.ts";

describe("a size", () => {
  test.each([
    ["1024", 1024],
    ["2GB", 2147483648],
    ["2gb", 2147483648],
    ["1.5gb", 1610612736],
    ["512 MB", 536870912],
    ["1TB", 1099511627776],
    ["10B", 10],
    ["2G", 2147483648],
    ["2GiB", 2147483648],
    ["1K", 1024],
    ["1KiB", 1024],
    ["1kb", 1024],
    ["3M", 3145728],
    ["3MiB", 3145728],
    ["1T", 1099511627776],
    ["1TiB", 1099511627776],
    ["1.5", 1],
    ["0.1KB", 102],
    [".5K", 512],
    ["1_000", 1000],
    [" 7 ", 7],
    ["0", 0],
  ])("%p is %p bytes", (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });
  test.each([
    "",
    " ",
    "abc",
    "-5",
    "+5",
    "2XB",
    "1PB",
    "5 apples",
    "1GBs",
    "Bi",
    "1 Bi",
    "KB",
    ".",
    "1e3",
    "9999999TB",
    "1,5GB",
    "512MB x",
  ])("%p is none", (text) => {
    expect(parseSize(text)).toBeNull();
  });
  test("shows three digits and the unit that keeps it below 1000", () => {
    const shown = [
      0,
      1,
      999,
      1000,
      1024,
      10240,
      104857600,
      155_189_248,
      1047527424,
      1048471142,
      2 ** 40,
      5 * 2 ** 60,
      -2048,
    ].map(formatSize);
    expect(shown).toEqual([
      "0.00B",
      "1.00B",
      "999B",
      "0.98KB",
      "1.00KB",
      "10.0KB",
      "100MB",
      "148MB",
      "999MB",
      "0.98GB",
      "1.00TB",
      "5120PB",
      "-2.00KB",
    ]);
  });
  test("is never shown with more digits because of rounding", () => {
    expect([9.999 * 1024, 99.99 * 1024, 999.7 * 1024].map(formatSize)).toEqual(["10.0KB", "100KB", "0.98MB"]);
  });
  test("of whole units reads back as itself", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 99 }), fc.constantFrom("B", "KB", "MB", "GB"), (number, unit) => {
        expect(parseSize(formatSize(parseSize(`${number}${unit}`)!))).toBe(parseSize(`${number}${unit}`));
      }),
    );
  });
});

describe("a span of time", () => {
  test.each([
    ["90", 90],
    ["90s", 90],
    ["10m", 600],
    ["10M", 600],
    ["2h", 7200],
    ["1d", 86400],
    ["1w", 604800],
    ["1:30:00", 5400],
    ["100:00:01", 360001],
    ["+5", 5],
    ["1_000", 1000],
    ["0", 0],
    [" 5 m ", 300],
  ])("%p is %p seconds", (text, seconds) => {
    expect(parseSeconds(text)).toBe(seconds);
  });
  test.each([
    "",
    "abc",
    "-1",
    "1.5",
    "1:30",
    "1:60:00",
    "1:30:60",
    "1:3:0",
    "10x",
    "m",
    "1h30m",
    "1e3",
    "99999999999999999999",
  ])("%p is none", (text) => {
    expect(parseSeconds(text)).toBeNull();
  });
  test.each([
    [0, "0:00:00"],
    [2, "0:00:02"],
    [60, "0:01:00"],
    [43384, "12:03:04"],
    [86405, "1 day, 0:00:05"],
    [183845, "2 days, 3:04:05"],
    [0.0123, "0:00:00.012"],
    [2.345, "0:00:02.345"],
    [9.9994, "0:00:09.999"],
    [9.9999, "0:00:10"],
    [10.9, "0:00:10"],
    [59.999, "0:00:59"],
    [-2, "-0:00:02"],
  ])("%p seconds show as %p", (seconds, text) => {
    expect(formatDuration(seconds)).toBe(text);
  });
  test("below a day, shown and read again, is the same in whole seconds", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 86_399 }), (seconds) =>
        expect(parseSeconds(formatDuration(seconds))).toBe(seconds),
      ),
    );
  });
});
