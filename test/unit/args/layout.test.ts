import { expect, test } from "bun:test";
import { usage, wrap } from "../../../src/args/layout.ts";

test("hsx speaks of hsx", () => {
  const page = { program: "hsx", width: 80, coloured: false };
  expect(usage({ usage: ["hs cluster [FILE] [options]"] }, page)).toBe("Usage:\n  hsx [FILE] [options]\n");
});

test("a word longer than the line is left whole", () => {
  expect(wrap("a bbbbbbbb c", 5, "  ")).toEqual(["  a", "  bbbbbbbb", "  c"]);
});
