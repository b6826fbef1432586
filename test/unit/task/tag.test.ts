import { describe, expect, test } from "bun:test";
import { coerce } from "../../../src/task/coerce.ts";
import { parseTag, parseTags, requireTags } from "../../../src/task/tag.ts";
import type { TagValue } from "../../../src/task/task.ts";

describe("values", () => {
  test.each<[string, TagValue]>([
    ["null", null],
    ["None", null],
    ["true", true],
    ["FALSE", false],
    ["4", 4],
    ["-4", -4],
    ["+4", 4],
    ["007", 7],
    ["1_000", 1000],
    ["3.5", 3.5],
    ["1e3", 1000],
    ["nan", "nan"],
    ["inf", "inf"],
    ["-Infinity", "-Infinity"],
    ["1e999", "1e999"],
    ["0x10", "0x10"],
    ["abc.d_e+f-g", "abc.d_e+f-g"],
    ["", ""],
  ])("%p is %p", (text, value) => {
    expect(coerce(text)).toBe(value);
  });
});

describe("a tag", () => {
  test.each<[string, string, TagValue]>([
    ["key", "key", ""],
    ["key:", "key", ""],
    ["key:value", "key", "value"],
    [" key : value ", "key", "value"],
    ["a.b-c+d_E9:x", "a.b-c+d_E9", "x"],
    ["f:true", "f", true],
    ["k:null", "k", null],
    ["u:01", "u", "01"],
    ["u:7", "u", 7],
    ["x:nan", "x", "nan"],
  ])("%p is %s = %p", (word, key, value) => {
    expect(parseTag(word)).toEqual({ kind: "tag", key, value });
  });
  test.each<[string, ReturnType<typeof parseTag>]>([
    ["group:1", { kind: "group", value: 1 }],
    ["group:null", { kind: "group", value: 0 }],
    ["cores:4", { kind: "cores", value: 4 }],
    ["cores:0", { kind: "cores", value: null }],
    ["memory:2GB", { kind: "memory", value: 2147483648 }],
    ["memory:1024", { kind: "memory", value: 1024 }],
    ["memory:1.5", { kind: "memory", value: 1 }],
    ["memory:2G", { kind: "memory", value: 2147483648 }],
    ["timeout:30", { kind: "timeout", value: 30 }],
    ["timeout:10m", { kind: "timeout", value: 600 }],
    ["timeout:1:30:00", { kind: "timeout", value: 5400 }],
    ["timeout:none", { kind: "timeout", value: null }],
  ])("%p sets a column", (word, setting) => {
    expect(parseTag(word)).toEqual(setting);
  });
  test("of a partition is not the user's to set", () => {
    expect(parseTags(["part:7", "x"])).toEqual([{ kind: "tag", key: "x", value: "" }]);
  });
  test("that is bad on the command line is an argument error that names it", () => {
    expect(() => requireTags(["ok:1", "k:bad/value"])).toThrow(
      'bad tag "k:bad/value": a value may only hold A-Z a-z 0-9 _ . + -',
    );
    expect(() => requireTags(["site:", "b"])).toThrow("write site:b");
    for (const key of ["group", "cores", "timeout"])
      expect(() => requireTags([`${key}:2147483648`])).toThrow(`${key} is at most 2147483647`);
  });
});
