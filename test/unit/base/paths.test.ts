import { describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { expandHome, failureReason, homeFolder, readTextIfThere, replaceFile } from "../../../src/base/paths.ts";
import { temporaryFolder } from "../config/folder.ts";

describe("the home folder", () => {
  test("is $HOME, else what the system knows", () => {
    expect(homeFolder({ HOME: "/h" })).toBe("/h");
    expect(homeFolder({ HOME: "" })).toStartWith("/");
  });
  test.each([
    ["~", "/h"],
    ["~/x", "/h/x"],
    ["~other/x", "~other/x"],
    ["/a/~/x", "/a/~/x"],
    ["x", "x"],
  ])("makes %s %s", (path, expected) => {
    expect(expandHome(path, { HOME: "/h" })).toBe(expected);
  });
});

describe("the reason of a failure", () => {
  test("is the text without code, call and path", () => {
    try {
      statSync("/no such, folder/'x'");
    } catch (thrown) {
      expect(failureReason(thrown)).toBe("no such file or directory");
    }
    expect(failureReason(new Error("EACCES: permission denied, open '/a, b'"))).toBe("permission denied");
  });
  test("of a directory is told in plain words", () => {
    expect(() => readFileSync("/")).toThrow("EISDIR");
    try {
      readFileSync("/");
    } catch (thrown) {
      expect(failureReason(thrown)).toBe("it is a directory");
    }
  });
  test("of any other error is its message", () => {
    expect(failureReason(new Error("odd: very, odd"))).toBe("odd: very, odd");
  });
});

describe("a text file", () => {
  test("that is not there is null, also below a file", () => {
    using folder = temporaryFolder();
    folder.write("file", "");
    expect([readTextIfThere(folder.at("none")), readTextIfThere(folder.at("file/none"))]).toEqual([null, null]);
  });
  test("is replaced whole, or not at all and without a trace", () => {
    using folder = temporaryFolder();
    replaceFile(folder.at("a"), "x".repeat(100_000), () => 0o644);
    expect(readFileSync(folder.at("a"), "utf8")).toHaveLength(100_000);
    mkdirSync(folder.at("b"));
    writeFileSync(folder.at("b/in the way"), "");
    expect(() => replaceFile(folder.at("b"), "text", () => 0o644)).toThrow();
    expect(readdirSync(folder.path).toSorted()).toEqual(["a", "b"]);
  });
});
