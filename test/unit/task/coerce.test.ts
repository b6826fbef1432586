import { describe, expect, test } from "bun:test";
import { coerce, coerceTag } from "../../../src/task/coerce.ts";
import type { TagValue } from "../../../src/task/task.ts";
import { WrittenNumber } from "../../../src/task/written.ts";

describe("coercion", () => {
  const cases: readonly (readonly [text: string, value: TagValue])[] = [
    ["null", null],
    ["NONE", null],
    ["true", true],
    ["False", false],
    ["4", 4],
    ["-4", -4],
    ["+4", 4],
    ["007", 7],
    ["1_000", 1000],
    ["-0", 0],
    ["9007199254740991", 9007199254740991],
    ["3.5", 3.5],
    ["1e3", 1000],
    [".5", 0.5],
    ["5.", 5],
    ["1_0.5", 10.5],
    ["-2E-3", -0.002],
  ];
  for (const [text, value] of cases) test(`${text} is ${String(value)}`, () => expect(coerce(text)).toBe(value));
  const texts = [
    "",
    "abc.d_e+f-g",
    "0x10",
    "nan",
    "NaN",
    "inf",
    "-inf",
    "infinity",
    "1e999",
    "1__0",
    "_1",
    "1_",
    "1.2.3",
    ".",
    "+",
    "e5",
    "1e",
    "nulls",
    "9007199254740993",
    "-123456789012345678901234567890",
  ];
  for (const text of texts) test(`${JSON.stringify(text)} stays text`, () => expect(coerce(text)).toBe(text));
});

describe("the value of a tag is a number only if it prints as it was written", () => {
  const texts = [
    "007",
    "1.10",
    "1_000",
    "123e45",
    "1e3",
    "12345678901234567890",
    "+4",
    "-0",
    "-0.0",
    ".5",
    "5.",
    "1e999",
    "1e+21",
    "5e-324",
  ];
  for (const text of texts) test(`${text} stays text`, () => expect(coerceTag(text)).toBe(text));
  const numbers: readonly (readonly [text: string, value: TagValue])[] = [
    ["0", 0],
    ["-4", -4],
    ["1.5", 1.5],
    ["1.0", new WrittenNumber("1.0")],
    ["9007199254740991", 9007199254740991],
    ["true", true],
    ["NONE", null],
  ];
  for (const [text, value] of numbers)
    test(`${text} is ${String(value)}`, () => expect(coerceTag(text)).toEqual(value));
});
