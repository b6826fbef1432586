import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { yamlMapping, yamlTags, yamlText } from "../../../src/print/yaml.ts";

describe("yaml text", () => {
  test.each([
    ["echo one", "echo one"],
    ["228208be-4003-40ac-8c11-f0a5cf512200", "228208be-4003-40ac-8c11-f0a5cf512200"],
    ["/site/lib/task/x.out", "/site/lib/task/x.out"],
    ["-n 4", "-n 4"],
    ["a:b", "a:b"],
    ["sleep 1; exit 3", "sleep 1; exit 3"],
    ["n", "n"],
  ])("%p stands as it is", (text, written) => {
    expect(yamlText(text)).toBe(written);
  });

  test.each([
    ["", "''"],
    ["2026-11-22 07:40:58.220403", "'2026-11-22 07:40:58.220403'"],
    ["null", "'null'"],
    ["~", "'~'"],
    ["No", "'No'"],
    ["TRUE", "'TRUE'"],
    ["12", "'12'"],
    ["1_000", "'1_000'"],
    ["010", "'010'"],
    ["0x1F", "'0x1F'"],
    ["1e3", "'1e3'"],
    ["12:30:45", "'12:30:45'"],
    [".inf", "'.inf'"],
    ["[ $X -eq 2 ] && true", "'[ $X -eq 2 ] && true'"],
    ["- x", "'- x'"],
    ["key: value", "'key: value'"],
    ["ends with:", "'ends with:'"],
    ["echo 1 # note", "'echo 1 # note'"],
    [" lead", "' lead'"],
    ["trail ", "'trail '"],
    ["'quoted'", "'''quoted'''"],
    ["<<", "'<<'"],
  ])("%p is quoted, as a reader could take it for something else", (text, written) => {
    expect(yamlText(text)).toBe(written);
  });

  test.each([
    ["ü", '"\\xfc"'],
    ["→", '"\\u2192"'],
    ["𝄞", '"\\U0001d11e"'],
    ['a\n"b"\\', '"a\\n\\"b\\"\\\\"'],
    ["\u0007", '"\\x07"'],
  ])("%p is ASCII in double quotes", (text, written) => {
    expect(yamlText(text)).toBe(written);
  });

  test("reads back as it was, whatever it is", () => {
    const piece = fc.constantFrom(
      "a",
      "1",
      "-",
      ":",
      " ",
      "#",
      "[",
      "{",
      "'",
      '"',
      "\\",
      "\n",
      "\t",
      ".",
      "e",
      "_",
      "null",
      "true",
      "ü",
      "𝄞",
    );
    const text = fc.oneof(
      fc.array(piece).map((pieces) => pieces.join("")),
      fc.string({ unit: "grapheme" }),
    );
    fc.assert(
      fc.property(text, (value) => {
        expect(Bun.YAML.parse(`key: ${yamlText(value)}\n`)).toEqual({ key: value });
      }),
      { numRuns: 500 },
    );
  });
});

describe("a yaml mapping", () => {
  test("keeps order, nests tags and knows null, booleans, numbers and floats", () => {
    const text = yamlMapping(
      [
        { key: "cores", value: null, isFloat: false },
        { key: "cores_max", value: 0, isFloat: true },
        { key: "waited", value: 1.25, isFloat: false },
        { key: "retried", value: false, isFloat: false },
        { key: "tag", value: { site: "b", flag: true, naked: "", val: 1.5, nul: null, part: 0 }, isFloat: false },
      ],
      null,
    );
    expect(text).toBe(`cores: null
cores_max: 0.0
waited: 1.25
retried: false
tag:
    site: b
    flag: true
    naked: ''
    val: 1.5
    nul: null
    part: 0
`);
  });

  test("writes no tags as {}", () => {
    expect(yamlMapping([{ key: "tag", value: {}, isFloat: false }], null)).toBe("tag: {}\n");
    expect(yamlTags({}, "", null)).toBe("");
  });

  test("writes a number with an exponent so that every version reads a number", () => {
    expect(yamlMapping([{ key: "x", value: 1e21, isFloat: false }], null)).toBe("x: 1.0e+21\n");
  });
});
