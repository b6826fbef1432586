import { expect, test } from "bun:test";
import { escapeByNumber, escapeCharacter } from "../../../src/base/escape.ts";

test.each([
  ["\n", "\\n", "\\x0a"],
  ["\r", "\\r", "\\x0d"],
  ["\t", "\\t", "\\x09"],
  ["\\", "\\\\", "\\x5c"],
  ["\0", "\\x00", "\\x00"],
  ["\u001b", "\\x1b", "\\x1b"],
  ["\u009f", "\\x9f", "\\x9f"],
  ["\u2028", "\\u2028", "\\u2028"],
  ["\ud800", "\\ud800", "\\ud800"],
  ["😀", "\\U0001f600", "\\U0001f600"],
])("%j is %s, by number %s", (char, escaped, byNumber) => {
  expect(escapeCharacter(char)).toBe(escaped);
  expect(escapeByNumber(char)).toBe(byNumber);
});
