import { expect, test } from "bun:test";
import { posixPaths } from "../../../src/base/ospath.ts";
import { listText } from "../../../src/base/wordlist.ts";
import { parsedName, resultsOf } from "../../../src/client/results.ts";

const system = {
  paths: posixPaths,
  quote: (word: string) => word,
  now: () => 0,
  environment: () => null,
  file: () => null,
};
const stdoutOf = (pattern: string, args: string): string => resultsOf(pattern, system).filesOf(args).stdout;
const onPosix = test.skipIf(process.platform === "win32");

onPosix("a folder has one for each source and value, and characters that a name cannot have are escaped", () => {
  expect(resultsOf("/d", system).filesOf("a b")).toEqual({
    folder: "/d/1/a b",
    stdout: "/d/1/a b/stdout",
    stderr: "/d/1/a b/stderr",
    seq: "/d/1/a b/seq",
  });
  expect(stdoutOf("/d/", listText(["a b", "", "c/d"]))).toBe("/d/1/a b/2/3/c\\_d/stdout");
  expect(["x/y", "b\\c", "t\tb", "n\nl", "", ".", "..", "...", "\\_"].map((args) => stdoutOf("/d", args))).toEqual([
    "/d/1/x\\_y/stdout",
    "/d/1/b\\\\c/stdout",
    "/d/1/t\\tb/stdout",
    "/d/1/n\nl/stdout",
    "/d/1/stdout",
    "/d/1/\\./stdout",
    "/d/1/\\../stdout",
    "/d/1/.../stdout",
    "/d/1/\\\\_/stdout",
  ]);
});

onPosix("values that are too long for a name stay apart, with whole characters", () => {
  const names = ["a", "b"].map((end) => stdoutOf("/", "ü".repeat(200) + end).split("/")[2]!);
  expect(names[0]).not.toBe(names[1]!);
  for (const name of names) {
    expect(name).toMatch(/^ü{119}~[0-9a-f]{16}$/);
    expect(Buffer.byteLength(name)).toBeLessThanOrEqual(255);
  }
  expect(stdoutOf("/", "x".repeat(255))).toBe(`/1/${"x".repeat(255)}/stdout`);
});

onPosix("a name with patterns is made for each task, and ends with a slash where it is a folder", () => {
  const { folder, filesOf } = resultsOf("/o/my_{}", system);
  expect(folder).toBe("/o");
  expect(filesOf("a b")).toEqual({
    folder: "/o",
    stdout: "/o/my_a b",
    stderr: "/o/my_a b.err",
    seq: "/o/my_a b.seq",
  });
  expect(resultsOf("/o/{/-}/", system).filesOf("in/q.txt")).toMatchObject({ folder: "/o/q", seq: "/o/q/seq" });
  expect(stdoutOf("/o/{[1]}/{[0]}.txt", listText(["a", "b c"]))).toBe("/o/b c/a.txt");
  expect(stdoutOf("/o/\\{x/{= x.upper() =}.txt", "q")).toBe("/o/{x/Q.txt");
  expect(resultsOf("/o/\\{x", system).folder).toBe("/o/{x");
});

test("a name for which a shell would be needed, or that is malformed, is refused", () => {
  expect(() => parsedName("/o/{% date %}")).toThrow("{% %} is not allowed");
  expect(() => parsedName("/o/{= oops")).toThrow("has no '=}' at its end");
});
