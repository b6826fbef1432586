import { describe, expect, test } from "bun:test";
import { parseFlags } from "../../../src/args/flags.ts";
import { reader, settled, valuesOf, wordsOf } from "../../../src/args/settled.ts";
import type { CommandSpec, Option, Parsed } from "../../../src/args/spec.ts";
import { command as client } from "../../../src/cli/client.ts";
import { command as cluster } from "../../../src/cli/cluster.ts";
import { command as server } from "../../../src/cli/server.ts";
import type { Config } from "../../../src/config/load.ts";
import { findSetting, type Kind } from "../../../src/config/schema.ts";

const options = [
  { key: "poll", names: ["-Q", "--poll"], kind: "seconds", setting: "server.poll", help: "" },
  { key: "threads", names: ["-N", "--threads"], kind: "integer", preset: 1, help: "" },
  { key: "bind", names: ["-H", "--bind"], kind: "text", setting: "server.bind", help: "" },
  { key: "eager", names: ["--eager"], kind: "flag", setting: "server.eager", help: "" },
  { key: "capture", names: ["--capture"], kind: "flag", help: "" },
  { key: "template", names: ["-t", "--template"], kind: "text", help: "" },
  { key: "size", names: ["-b"], kind: "integer", setting: "server.bundlesize", help: "" },
] as const satisfies readonly Option[];

const spec = {
  name: "hs test",
  summary: "",
  usage: [],
  positionals: [],
  sections: [{ title: "Options", options }],
  exclusive: [],
} as const satisfies CommandSpec;

/** A configuration in which only these keys are set; a word in place of a number is null. */
function configWith(set: Readonly<Record<string, unknown>>): Config {
  const value = (key: string): unknown => set[key] ?? findSetting(key)?.fallback ?? null;
  const number = (key: string): unknown => (typeof value(key) === "number" ? value(key) : null);
  return { text: value, number, integer: number, boolean: (key: string) => value(key) === true } as unknown as Config;
}

function read(words: readonly string[], set: Readonly<Record<string, unknown>> = {}) {
  return reader(spec, parseFlags(spec, words) as Parsed, configWith(set));
}

describe("what an option comes to", () => {
  test("the command line has the first word, then the configuration, then the built-in value of the setting", () => {
    expect(read(["-Q", "5"], { "server.poll": 7 })("poll")).toBe(5);
    expect(read([], { "server.poll": 7 })("poll")).toBe(7);
    expect(read([])("poll")).toBe(30);
    expect(read(["-H", ""], { "server.bind": "a" })("bind")).toBe("");
    expect(read([])("bind")).toBe("localhost");
  });

  test("without a setting it is the preset, or nothing", () => {
    expect(read(["-N", "0"])("threads")).toBe(0);
    expect(read([])("threads")).toBe(1);
    expect(read([])("template")).toBeNull();
  });

  test("a setting that says 'auto' is no number", () => {
    expect(read([])("size")).toBeNull();
    expect(read([], { "server.bundlesize": 9 })("size")).toBe(9);
  });

  test("a flag is on when it is given or configured", () => {
    expect([read([])("eager"), read(["--eager"])("eager"), read([], { "server.eager": true })("eager")]).toEqual([
      false,
      true,
      true,
    ]);
    expect([read([])("capture"), read(["--capture"])("capture")]).toEqual([false, true]);
  });

  test("an option can be asked by itself", () => {
    expect(settled(options[0], parseFlags(spec, ["-Q9"]) as Parsed, configWith({}))).toBe(9);
  });
});

describe("words for another command", () => {
  test("say every value that is there, and nothing of the others", () => {
    expect(wordsOf(options, valuesOf(options, read(["-N0", "--capture", "-t", "echo {}"])))).toEqual(
      "-Q 30 -N 0 -H localhost --capture -t".split(" ").concat("echo {}"),
    );
    expect(wordsOf(options, { threads: null, capture: false })).toEqual([]);
  });

  test("mean to the parser what they were made of", () => {
    const values = valuesOf(options, read(["--template=-x {}", "-H=-a", "-b7", "--eager"]));
    expect(valuesOf(options, read(wordsOf(options, values)))).toEqual(values);
  });
});

/** The kinds of settings that an option of each kind can read. */
const readable: Readonly<Record<Option["kind"], readonly Kind[]>> = {
  flag: ["boolean"],
  text: ["text"],
  optional: ["text"],
  integer: ["integer", "number"],
  float: ["integer", "number"],
  size: ["integer", "number"],
  seconds: ["integer", "number"],
  words: [],
};

test.each([[cluster], [server], [client]])(
  "the setting of each option of $spec.name holds what the option takes",
  ({ spec: { sections } }) => {
    const wrong = sections
      .flatMap((section) => section.options)
      .filter(({ kind, setting }) => {
        const kinds = setting === undefined ? readable[kind] : (findSetting(setting)?.kinds ?? []);
        return setting !== undefined && !kinds.some((each) => readable[kind].includes(each));
      });
    expect(wrong).toEqual([]);
  },
);
