import { expect, test } from "bun:test";
import { editTags, readTags, writeTags } from "../../../src/store/tags.ts";

test("tags are written with blanks after colon and comma, part last and 0", () => {
  expect(writeTags({})).toBe('{"part": 0}');
  expect(writeTags({ part: 3, site: "b", n: 1, f: 1.5, on: true, nul: null, naked: "" })).toBe(
    '{"site": "b", "n": 1, "f": 1.5, "on": true, "nul": null, "naked": "", "part": 0}',
  );
});

test("tags are read in any spacing, in their order", () => {
  expect(Object.entries(readTags('{"b":1,"a": "x" , "part":2}'))).toEqual([
    ["b", 1],
    ["a", "x"],
    ["part", 2],
  ]);
});

test("numbers that JSON does not have are read as text, and texts that look like them stay", () => {
  expect(readTags('{"a": NaN, "b": -Infinity, "c": "NaN", "d\\"": "x: NaN"}')).toEqual({
    a: "NaN",
    b: "-Infinity",
    c: "NaN",
    'd"': "x: NaN",
  });
});

test("what is no map of tags is an empty one", () => {
  for (const text of ["", "[1]", "null", "{broken", null, 7]) expect(readTags(text)).toEqual({});
});

test("a tag may have any name, that of the prototype too", () => {
  const text = '{"__proto__": 1, "constructor": 2, "part": 0}';
  expect(writeTags(readTags(text))).toBe(text);
});

test("edited tags stay in place, new ones go behind, removed ones go, and the rest stays as it is written", () => {
  const text = '{"a": 1.0,"b":{"c": [1, "}]"]}, "n":NaN , "d\\"\\u00fc": -1e400,"part": 0}';
  expect(editTags(text, {}, [])).toBe('{"a": 1.0, "b": {"c": [1, "}]"]}, "n": NaN, "d\\"ü": -1e400, "part": 0}');
  expect(editTags(text, { n: false, part: 2, "x.y": null, naked: "" }, ["a", 'd"ü', "none"])).toBe(
    '{"b": {"c": [1, "}]"]}, "n": false, "part": 2, "x.y": null, "naked": ""}',
  );
  expect(editTags("{}", { a: "b" }, [])).toBe('{"a": "b"}');
  expect(editTags(' { "a" : 1 } ', {}, ["a"])).toBe("{}");
});

test("what is no map of tags stays until a tag is set", () => {
  for (const text of ["", "[1]", '{"a"}', '{"a": }', '{"a": 1,}', '{"a": 1} x', '{"a: 1}', '{"a": "x}', "{broken"]) {
    expect(editTags(text, {}, ["a"])).toBe(text);
    expect(editTags(text, { a: 1 }, [])).toBe('{"a": 1}');
  }
});
