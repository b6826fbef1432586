import { describe, expect, test } from "bun:test";
import { UserError } from "../../../src/base/errors.ts";
import type { CommandSpec, Option, Parsed } from "../../../src/args/spec.ts";
import { parseFlags, parseFloatText, parseInteger, quoted } from "../../../src/args/flags.ts";

const options: readonly Option[] = [
  { key: "threads", names: ["-N", "--num-threads", "--num-tasks"], kind: "integer", min: 0, help: "" },
  { key: "template", names: ["-t", "--template"], kind: "text", help: "" },
  { key: "tag", names: ["-T", "--tag"], kind: "words", help: "" },
  { key: "file", names: ["-f", "--task-file"], kind: "text", help: "" },
  { key: "delay", names: ["-d", "--delay-start"], kind: "float", help: "" },
  { key: "memory", names: ["-m", "--memory"], kind: "size", help: "" },
  { key: "timeout", names: ["-W", "--timeout"], kind: "seconds", min: 1, max: 604_800, help: "" },
  { key: "limit", names: ["-l", "--limit"], kind: "integer", help: "" },
  { key: "count", names: ["-c", "--count"], kind: "flag", help: "" },
  { key: "remaining", names: ["-R", "--remaining"], kind: "flag", help: "" },
  { key: "failed", names: ["-F", "--failed"], kind: "flag", help: "" },
  { key: "completed", names: ["-C", "--completed"], kind: "flag", help: "" },
  { key: "completed", names: ["--finished"], kind: "flag", help: "", hidden: true },
  { key: "ssh", names: ["--ssh"], kind: "optional", help: "" },
  { key: "sshArgs", names: ["--ssh-args"], kind: "text", help: "" },
  { key: "mode", names: ["-A", "--autoscaling"], kind: "optional", choices: ["fixed", "dynamic"], help: "" },
  { key: "format", names: ["--format"], kind: "text", choices: ["plain", "json"], help: "" },
  { key: "launcher", names: ["--launcher"], kind: "text", help: "" },
  { key: "auth", names: ["-k", "--auth"], kind: "text", help: "", secret: true },
  { key: "word", names: ["-w", "--word"], kind: "text", repeatable: true, help: "" },
];

const spec: CommandSpec = {
  name: "hs test",
  summary: "",
  usage: [],
  positionals: [{ key: "args", metavar: "ARGS", value: "file", min: 0, max: Infinity, help: "" }],
  sections: [{ title: "Options", options }],
  exclusive: [["failed", "remaining", "completed"]],
};

const pair: CommandSpec = {
  ...spec,
  positionals: [
    { key: "var", metavar: "VAR", value: "file", min: 1, max: 1, help: "" },
    { key: "value", metavar: "value", value: "file", min: 1, max: 1, help: "" },
  ],
};
const few: CommandSpec = {
  ...spec,
  positionals: [{ key: "file", metavar: "FILE", value: "file", min: 0, max: 1, help: "" }],
};

function parse(...words: string[]): Parsed {
  const parsed = parseFlags(spec, words);
  if (parsed === "help") throw new Error("asked for help");
  return parsed;
}

function complaint(words: readonly string[], by: CommandSpec = spec): string {
  try {
    parseFlags(by, words);
  } catch (error) {
    if (error instanceof UserError && error.status === 2 && error.logger === "") return error.message;
    throw error;
  }
  return "";
}

describe("values", () => {
  test.each([[["-N4"]], [["-N", "4"]], [["-N=4"]], [["--num-threads=4"]], [["--num-tasks", "4"]], [["--num-t", "4"]]])(
    "%p is four threads",
    (words) => {
      expect(parse(...words).number("threads")).toBe(4);
    },
  );
  test("a number may be negative wherever a value is due", () => {
    expect(parse("-d", "-30").number("delay")).toBe(-30);
    expect(parse("--delay-start=-30").number("delay")).toBe(-30);
    expect(parse("-d-.5").number("delay")).toBe(-0.5);
    expect(parse("-l", "-1").number("limit")).toBe(-1);
  });
  test("a number is a positional word where no value is due", () => {
    expect(parse("-1", "-c", "-2.5").words("args")).toEqual(["-1", "-2.5"]);
  });
  test("0 is an option of a command that has it, and other numbers stay numbers there", () => {
    const nul: Option = { key: "null", names: ["-0", "--null"], kind: "flag", help: "" };
    const withNul = { ...spec, sections: [{ title: "Options", options: [...options, nul] }] };
    const words = (...line: string[]): Parsed => parseFlags(withNul, line) as Parsed;
    expect(words("-0", "-0.5", "-1").words("args")).toEqual(["-0.5", "-1"]);
    expect(words("-0N4").number("threads")).toBe(4);
    expect(words("--ssh", "-0").flag("null")).toBe(true);
    expect(words("-c0").flag("null")).toBe(true);
    expect(words("-d", "-0.5").number("delay")).toBe(-0.5);
    expect(parse("-0").words("args")).toEqual(["-0"]);
  });
  test("a word with a blank may start with a dash", () => {
    expect(parse("--template", "-n {}").text("template")).toBe("-n {}");
    expect(parse("--ssh-args", "-o BatchMode=yes").text("sshArgs")).toBe("-o BatchMode=yes");
    expect(parse("-T", "-x y", "z").words("tag")).toEqual(["-x y", "z"]);
    expect(parse("-q x").words("args")).toEqual(["-q x"]);
  });
  test("a forgotten value does not swallow the option after it", () => {
    expect(complaint(["-f", "--launcher=srun -n4"])).toBe("argument -f/--task-file: expected one argument");
    expect(complaint(["-f", "-techo {}"])).toBe("argument -f/--task-file: expected one argument");
  });
  test("an equals sign takes any value, also an empty one and one that starts with a dash", () => {
    expect(parse("--template=-n").text("template")).toBe("-n");
    expect(parse("--template=").text("template")).toBe("");
    expect(parse("-t=a=b").text("template")).toBe("a=b");
    expect(parse("-ta=b").text("template")).toBe("a=b");
  });
  test("a dash alone is a word", () => {
    expect(parse("-f", "-", "-").text("file")).toBe("-");
    expect(parse("-").words("args")).toEqual(["-"]);
  });
  test("an empty word is a word", () => {
    expect(parse("-t", "", "").text("template")).toBe("");
    expect(parse("").words("args")).toEqual([""]);
  });
  test("the last one wins", () => {
    expect(parse("-N4", "-N5").number("threads")).toBe(5);
  });
  test("a repeatable option keeps every mention in order", () => {
    expect(parse("-wa", "-w", "b", "--word=c").words("word")).toEqual(["a", "b", "c"]);
  });
  test("sizes and times take units", () => {
    expect(parse("-m", "2GB").number("memory")).toBe(2147483648);
    expect(parse("-W", "1:30:00").number("timeout")).toBe(5400);
    expect(parse("-W10m").number("timeout")).toBe(600);
  });
});

describe("flags", () => {
  test("short flags cluster, and the last one may take a value", () => {
    const parsed = parse("-cRl5");
    expect([parsed.flag("count"), parsed.flag("remaining"), parsed.number("limit")]).toEqual([true, true, 5]);
    expect(parse("-cl", "5").number("limit")).toBe(5);
    expect(parse("-cl=5").number("limit")).toBe(5);
  });
  test("a flag that is not given is false", () => {
    expect(parse("x").flag("count")).toBe(false);
    expect(parse("x").given("count")).toBe(false);
  });
  test("a flag takes no value", () => {
    expect(complaint(["--count=yes"])).toBe("argument -c/--count: takes no value, but 'yes' was given");
    expect(complaint(["-c=yes"])).toBe("argument -c/--count: takes no value, but 'yes' was given");
  });
  test("a hidden second name sets the same key, and does not exclude itself", () => {
    expect(parse("--finished", "-C").flag("completed")).toBe(true);
  });
});

describe("multi-value and optional-value options", () => {
  test("words are taken up to the next option", () => {
    const parsed = parse("-T", "a", "b:1", "-c", "x");
    expect([parsed.words("tag"), parsed.words("args")]).toEqual([["a", "b:1"], ["x"]]);
  });
  test("the first -- ends them, and later ones are words", () => {
    const parsed = parse("-T", "a", "--", "echo", "--", "-c");
    expect([parsed.words("tag"), parsed.words("args")]).toEqual([["a"], ["echo", "--", "-c"]]);
  });
  test("repeated ones accumulate", () => {
    expect(parse("-T", "a", "b", "-c", "-T", "d").words("tag")).toEqual(["a", "b", "d"]);
  });
  test("an attached word is the only one", () => {
    const parsed = parse("-Tk:2", "echo", "--tag=j", "hi");
    expect([parsed.words("tag"), parsed.words("args")]).toEqual([
      ["k:2", "j"],
      ["echo", "hi"],
    ]);
  });
  test("an optional value is the next word unless it is an option", () => {
    expect(parse("--ssh", "a[1-3]").text("ssh")).toBe("a[1-3]");
    expect(parse("--ssh", "-c").text("ssh")).toBe("");
    expect(parse("--ssh").text("ssh")).toBe("");
    expect(parse("-Adynamic").text("mode")).toBe("dynamic");
    expect(parse("-c").text("ssh")).toBeUndefined();
  });
});

describe("positional words", () => {
  test("may stand anywhere", () => {
    expect(parse("args", "-l1", "id", "-c", "exit_status").words("args")).toEqual(["args", "id", "exit_status"]);
  });
  test("only the first -- is dropped", () => {
    expect(parse("echo", "--", "a", "--", "b").words("args")).toEqual(["echo", "a", "--", "b"]);
  });
  test("the earlier ones leave the later ones their share", () => {
    const parsed = parseFlags(pair, ["a.b", "-c", "-5"]);
    if (parsed === "help") throw new Error("help");
    expect([parsed.text("var"), parsed.text("value")]).toEqual(["a.b", "-5"]);
  });
  test("a hundred thousand of them are no trouble", () => {
    const words = Array.from({ length: 100_000 }, (_, index) => `w${index}`);
    expect(parse("--", ...words).words("args")).toHaveLength(100_000);
  });
});

describe("errors", () => {
  test.each([
    [["-t"], "argument -t/--template: expected one argument"],
    [["-t", "--count"], "argument -t/--template: expected one argument"],
    [["-t", "--", "x"], "argument -t/--template: expected one argument"],
    [["--num-threads"], "argument -N/--num-threads/--num-tasks: expected one argument"],
    [["-T"], "argument -T/--tag: expected at least one argument"],
    [["-T", "-c"], "argument -T/--tag: expected at least one argument"],
    [["-N", "abc"], "argument -N/--num-threads/--num-tasks: invalid int value: 'abc'"],
    [["-N", "1.5"], "argument -N/--num-threads/--num-tasks: invalid int value: '1.5'"],
    [
      ["-N", "9223372036854775807"],
      "argument -N/--num-threads/--num-tasks: '9223372036854775807' is too large (at most 9007199254740991)",
    ],
    [["-N="], "argument -N/--num-threads/--num-tasks: invalid int value: ''"],
    [["-N", "-1"], "argument -N/--num-threads/--num-tasks: must be 0 or more, not -1"],
    [["-W", "0"], "argument -W/--timeout: must be 1 or more, not 0"],
    [["-W", "2w"], "argument -W/--timeout: must be 604800 or less, not 2w"],
    [["-d", "soon"], "argument -d/--delay-start: invalid float value: 'soon'"],
    [["-m", "abc"], "argument -m/--memory: invalid size value: 'abc' (bytes, or with a unit as in 512MB or 1.5GB)"],
    [["-W", "abc"], "argument -W/--timeout: invalid time value: 'abc' (seconds, or as in 90s, 10m, 2h, 1:30:00)"],
    [["--format", "xml"], "argument --format: invalid choice: 'xml' (choose from 'plain', 'json')"],
    [["-Aslow"], "argument -A/--autoscaling: invalid choice: 'slow' (choose from 'fixed', 'dynamic')"],
    [["--format="], "argument --format: invalid choice: '' (choose from 'plain', 'json')"],
    [["-R", "-F"], "argument -F/--failed: not allowed with argument -R/--remaining"],
    [["-RF"], "argument -F/--failed: not allowed with argument -R/--remaining"],
    [["--finished", "-R"], "argument -R/--remaining: not allowed with argument --finished"],
    [["--ta", "x"], "ambiguous option: --ta could match --tag, --task-file"],
    [["--ta=x"], "ambiguous option: --ta could match --tag, --task-file"],
    [["echo", "-n", "hi"], "unrecognized arguments: -n hi"],
    [["--nothing=1", "-c", "--no", "x"], "unrecognized arguments: --nothing=1 --no x"],
    [["-cz"], "unrecognized arguments: -cz"],
  ])("%p: %s", (words, text) => {
    expect(complaint(words)).toBe(text);
  });
  test("surplus words are unrecognized", () => {
    expect(complaint(["a", "b", "-c", "d"], few)).toBe("unrecognized arguments: b d");
  });
  test("missing words are named all together", () => {
    expect(complaint(["-c"], pair)).toBe("the following arguments are required: VAR, value");
    expect(complaint(["-c", "x"], pair)).toBe("the following arguments are required: value");
  });
  test("the same exclusive option twice is no conflict", () => {
    expect(complaint(["-F", "--failed"])).toBe("");
  });
});

describe("help", () => {
  test.each([
    [["-h"]],
    [["--help"]],
    [["--hel"]],
    [["-ch"]],
    [["x", "-N4", "--help"]],
    [["-N", "abc", "-h"]],
    [["-t", "-h"]],
  ])("%p asks for it", (words) => {
    expect(parseFlags(spec, words)).toBe("help");
  });
  test("after -- it is a word", () => {
    expect(parse("--", "-h").words("args")).toEqual(["-h"]);
  });
  test("required words are not missed", () => {
    expect(parseFlags(pair, ["-h"])).toBe("help");
  });
});

describe("a question for what the command does not have is our mistake", () => {
  test("an unknown key", () => {
    expect(() => parse().flag("nope")).toThrow("assertion failed");
  });
  test("the wrong kind", () => {
    expect(() => parse().number("template")).toThrow("assertion failed");
    expect(() => parse().flag("limit")).toThrow("assertion failed");
  });
});

describe("numbers", () => {
  test.each([
    ["4", 4],
    ["+4", 4],
    ["-4", -4],
    [" 5 ", 5],
    ["1_000", 1000],
    ["007", 7],
    ["-0", 0],
    ["1__0", null],
    ["_1", null],
    ["1_", null],
    ["0x10", null],
    ["1e3", null],
    ["", null],
    ["- 4", null],
    ["99999999999999999999", null],
  ])("the integer of %p is %p", (text, value) => {
    expect(parseInteger(text)).toBe(value);
  });
  test.each([
    ["1.5", 1.5],
    [".5", 0.5],
    ["5.", 5],
    ["-1e3", -1000],
    ["1_0.2_5", 10.25],
    ["inf", null],
    ["nan", null],
    ["1e999", null],
    [".", null],
    ["", null],
  ])("the float of %p is %p", (text, value) => {
    expect(parseFloatText(text)).toBe(value);
  });
});

test.each([
  ["abc", "'abc'"],
  ["it's", `"it's"`],
  [`it's "it"`, `'it\\'s "it"'`],
  ["a\nb\u0001", "'a\\nb\\x01'"],
])("%p is shown as %s", (text, shown) => {
  expect(quoted(text)).toBe(shown);
});

test("where the values of secret options stand is told, also of those that do not count", () => {
  const words = ["a", "-k", "one", "-ktwo", "--auth=three", "-ck", "four", "--auth", "five", "--", "-k", "six"];
  const parsed = parseFlags(spec, words) as Parsed;
  expect(parsed.secrets).toEqual([
    { word: 2, value: "one" },
    { word: 3, value: "two" },
    { word: 4, value: "three" },
    { word: 6, value: "four" },
    { word: 8, value: "five" },
  ]);
  expect(parsed.text("auth")).toBe("five");
});
