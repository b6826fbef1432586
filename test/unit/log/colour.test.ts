import { expect, test } from "bun:test";
import { ansi, wantsColour } from "../../../src/log/colour.ts";

test.each([
  [{}, true, true],
  [{}, false, false],
  [{ NO_COLOR: "1" }, true, false],
  [{ NO_COLOR: "" }, true, true],
  [{ FORCE_COLOR: "1" }, false, true],
  [{ FORCE_COLOR: "" }, false, false],
  [{ FORCE_COLOR: "1", NO_COLOR: "1" }, false, true],
])("with %p and terminal %p colour is %p", (env, isTerminal, coloured) => {
  expect(wantsColour(env as Record<string, string>, isTerminal)).toBe(coloured);
});

test("codes are empty without colour", () => {
  expect(ansi("red", false)).toBe("");
  expect(ansi("red", true)).toBe("\u001b[31m");
});
