import { describe, expect, test } from "bun:test";
import { type Cursor, cursorAt } from "../../../src/args/cursor.ts";
import type { CommandSpec } from "../../../src/args/spec.ts";

const spec: CommandSpec = {
  name: "hs try",
  summary: "Try.",
  usage: ["hs try"],
  positionals: [
    { key: "file", metavar: "FILE", value: "file", min: 0, max: 1, help: "A file." },
    {
      key: "field",
      metavar: "FIELD",
      value: "field",
      valueWith: { keys: "tagKey" },
      min: 0,
      max: Infinity,
      help: "F.",
    },
  ],
  sections: [
    {
      title: "Options",
      options: [
        { key: "format", names: ["-f", "--format"], kind: "text", choices: ["json", "csv"], help: "Format." },
        { key: "json", names: ["--json"], kind: "flag", help: "JSON." },
        { key: "keys", names: ["--keys"], kind: "flag", help: "Keys." },
        { key: "where", names: ["-w", "--where"], kind: "words", value: "condition", help: "Where." },
        { key: "host", names: ["-H", "--host"], kind: "text", value: "host", repeatable: true, help: "Host." },
        { key: "ssh", names: ["--ssh"], kind: "optional", value: "hosts", help: "Hosts." },
        { key: "number", names: ["-N"], kind: "integer", help: "Number." },
        { key: "quiet", names: ["-q"], kind: "flag", help: "Quiet." },
        { key: "secret", names: ["--secret"], kind: "flag", help: "Secret.", hidden: true },
      ],
    },
  ],
  exclusive: [["format", "json"]],
  takesInputs: true,
};

const at = (...words: readonly string[]): Cursor => cursorAt(spec, words.slice(0, -1), words.at(-1) ?? "");
const names = (cursor: Cursor): readonly string[] => cursor.options.map((option) => option.names[0] ?? "");

describe("options", () => {
  test("are offered where a word begins with a dash, hidden ones are not", () => {
    expect(names(at("-"))).toEqual(["-f", "--json", "--keys", "-w", "-H", "--ssh", "-N", "-q", "-h"]);
    expect(at("--jso").expected).toBeNull();
  });

  test("that were given are not offered again, unless they count more than once", () => {
    expect(names(at("-q", "-H", "a", "-w", "x==1", "-"))).toEqual([
      "-f",
      "--json",
      "--keys",
      "-w",
      "-H",
      "--ssh",
      "-N",
      "-h",
    ]);
    expect(names(at("-qN4", "--"))).not.toContain("-q");
  });

  test("that another excludes are not offered", () => {
    expect(names(at("--json", "--"))).not.toContain("-f");
    expect(names(at("--format=csv", "--"))).not.toContain("--json");
  });

  test("do not stand where a value has to follow, behind -- and in the input of :::", () => {
    for (const words of [
      ["-f", "--"],
      ["--", "--"],
      [":::", "--"],
    ])
      expect(names(at(...words))).toEqual([]);
  });
});

describe("values", () => {
  test("of an option follow it, or are joined to it", () => {
    const expected = { value: ["json", "csv"], help: "Format.", before: [] };
    expect(at("--format", "j")).toMatchObject({ expected, kept: "" });
    expect(at("--format=j")).toMatchObject({ expected, kept: "--format=" });
    expect(at("--form=j")).toMatchObject({ expected, kept: "--form=" });
    expect(at("-fj")).toMatchObject({ expected, kept: "-f" });
    expect(at("-qf=j")).toMatchObject({ expected, kept: "-qf=" });
    expect(at("-qf", "")).toMatchObject({ expected, kept: "" });
  });

  test("of an option with several words go on until another option", () => {
    expect(at("-w", "a==1", "b").expected).toEqual({ value: "condition", help: "Where.", before: ["a==1"] });
    expect(names(at("-w", "a==1", "-"))).toContain("-w");
    expect(at("-w", "a==1", "-q", "").expected?.value).toBe("file");
  });

  test("that may be left out make room for what else may stand there", () => {
    expect(at("--ssh", "n").expected?.value).toBe("hosts");
    expect(names(at("--ssh", "--"))).toContain("-N");
    expect(at("--ssh", "a,b", "").expected?.value).toBe("file");
  });

  test("that are numbers nobody can know", () => {
    expect(at("-N", "")).toMatchObject({ expected: null, options: [] });
    expect(at("-N", "4", "").expected?.value).toBe("file");
  });

  test("of arguments go by their place, and by what was given", () => {
    expect(at("").expected?.value).toBe("file");
    expect(at("a", "-q", "").expected).toEqual({ value: "field", help: "F.", before: [] });
    expect(at("a", "id", "").expected?.before).toEqual(["id"]);
    expect(at("--keys", "a", "").expected?.value).toBe("tagKey");
    expect(at("a", "-q", "b", "c")).toMatchObject({ positional: ["a", "b"], firstAt: 0 });
    expect(at("-q", "--", "-x", "")).toMatchObject({ positional: ["-x"], firstAt: 2 });
  });

  test("of the input behind ::: are files, as *.csv would name them", () => {
    expect(at("-q", ":::", "a", "").expected?.value).toBe("file");
  });
});

test("words that the parser would refuse end nothing: there is an answer for what can be understood", () => {
  expect(at("--nonsense", "a", "").expected?.value).toBe("field");
  expect(at("--", "a", "b").expected?.value).toBe("field");
  // Ambiguous.
  expect(at("--=x")).toMatchObject({ expected: null });
});
