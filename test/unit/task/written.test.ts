import { expect, test } from "bun:test";
import { coerceTag } from "../../../src/task/coerce.ts";
import { parseWritten, WrittenNumber } from "../../../src/task/written.ts";

test("JSON keeps numbers in the form in which they were written", () => {
  const forms = ["1.0", "1000.0", "-2.0", "1e+16", "1.10", "12345678901234567890", "1E3", "0.10"];
  const text = `{"a":[${forms.join(",")}],"b":1,"c":1.5,"d":"1.0","e":true,"f":null}`;
  expect(JSON.stringify(parseWritten(text))).toBe(text);
  const { a, b, c } = parseWritten(text) as { a: unknown[]; b: unknown; c: unknown };
  expect(a.every((value) => value instanceof WrittenNumber)).toBe(true);
  expect([b, c]).toEqual([1, 1.5]);
  expect(String(a[0])).toBe("1.0");
});

test("numbers that print as they were written are plain numbers", () => {
  expect(parseWritten('{"n":10,"x":0.5,"y":100,"z":-3}')).toEqual({ n: 10, x: 0.5, y: 100, z: -3 });
});

test("a tag that is a whole number with a fraction keeps it, and what would print otherwise is text", () => {
  expect(coerceTag("1.0")).toEqual(new WrittenNumber("1.0"));
  expect(coerceTag("1000.0")).toEqual(new WrittenNumber("1000.0"));
  for (const text of ["007", "1.10", "1_000", "1e3", "123e45", "12345678901234567890", "+1", "1.00", "-0.0"])
    expect(coerceTag(text)).toBe(text);
  for (const text of ["1", "-1", "1.5", "0"]) expect(coerceTag(text)).toBe(Number(text));
});
