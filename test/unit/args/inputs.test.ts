import { expect, test } from "bun:test";
import { splitInputs } from "../../../src/args/inputs.ts";

const sourcesOf = (line: string) => splitInputs(line.split(" ")).inputs?.sources;

test("words before ::: are left to the command, everything after it is input", () => {
  expect(splitInputs(["-t", "echo {}", ":::", "-N4", "--help", "--"])).toEqual({
    own: ["-t", "echo {}"],
    inputs: { sources: [[["-N4"], ["--help"], ["--"]]], leftOut: [] },
  });
  expect(splitInputs(["-N4", "file"])).toEqual({ own: ["-N4", "file"], inputs: null });
});

test("behind -- a ::: is a word like any other", () => {
  expect(splitInputs(["--", ":::", "a"])).toEqual({ own: ["--", ":::", "a"], inputs: null });
});

test("each ::: begins a source, :::+ is paired with the source before it", () => {
  expect(sourcesOf("::: a b ::: 1 2")).toEqual([
    [["a"], ["b"]],
    [["1"], ["2"]],
  ]);
  expect(sourcesOf("::: a b :::+ 1 2 :::+ x y ::: q")).toEqual([
    [
      ["a", "1", "x"],
      ["b", "2", "y"],
    ],
    [["q"]],
  ]);
  expect(sourcesOf(":::")).toEqual([[]]);
});

test("the shorter of two paired sources decides, and what is left over is told", () => {
  expect(splitInputs(":::,a,b,c,:::+,1".split(",")).inputs).toEqual({
    sources: [[["a", "1"]]],
    leftOut: [":::+ pairs 1 word with 3 words before it: 2 words left out"],
  });
  expect(splitInputs(":::,a,:::+,1,2".split(",")).inputs?.leftOut).toEqual([
    ":::+ pairs 2 words with 1 word before it: 1 word left out",
  ]);
});

test("a pair needs a source before it, and :::: is refused", () => {
  expect(() => splitInputs([":::+", "a"])).toThrow("there is no source before :::+");
  expect(() => splitInputs(["::::", "a"])).toThrow(":::: reads no files here");
  expect(() => splitInputs([":::", "a", "::::", "b"])).toThrow(":::: reads no files here");
});
