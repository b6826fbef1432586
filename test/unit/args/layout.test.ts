import { expect, test } from "bun:test";
import { closing, usage, wrap } from "../../../src/args/layout.ts";

test("hsx speaks of hsx", () => {
  const page = { program: "hsx", width: 80, coloured: false };
  expect(usage({ usage: ["hs cluster [FILE] [options]"] }, page)).toBe("Usage:\n  hsx [FILE] [options]\n");
});

test("a word longer than the line is left whole", () => {
  expect(wrap("a bbbbbbbb c", 5, "  ")).toEqual(["  a", "  bbbbbbbb", "  c"]);
});

test("a usage line is broken between its parts, never within brackets", () => {
  const page = { program: "hs", width: 30, coloured: false };
  const line = "hs list [FIELD...] [-l NUM [-s FIELD]] [-c]";
  expect(usage({ usage: [line, "         [-g GROUP] [--retries] [-F]"] }, page).split("\n")).toEqual([
    "Usage:",
    "  hs list [FIELD...]",
    "          [-l NUM [-s FIELD]]",
    "          [-c]",
    "           [-g GROUP]",
    "          [--retries] [-F]",
    "",
  ]);
});

test("rows that are too long are filled beside their terms; those that fit stay as they are written", () => {
  const text = "Signals:\n  TERM   stop all that is under way\n  HUP    begin a new file";
  const page = { program: "hs", width: 24, coloured: false };
  expect(closing(text, page).split("\n")).toEqual([
    "Signals:",
    "  TERM  stop all that is",
    "        under way",
    "  HUP   begin a new file",
    "",
  ]);
  expect(closing(text, { ...page, width: 60 })).toBe(`${text}\n`);
});
