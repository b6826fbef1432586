import { expect, test } from "bun:test";
import type { CommandSpec } from "../../../src/args/spec.ts";
import { help } from "../../../src/args/help.ts";
import { type Page, valueLabel } from "../../../src/args/layout.ts";

const spec: CommandSpec = {
  name: "hs cluster",
  summary: "Run tasks here and now.",
  usage: ["hs cluster [FILE] [options]"],
  positionals: [{ key: "file", metavar: "FILE", value: "file", min: 0, max: 1, help: "Task file." }],
  sections: [
    {
      title: "Options",
      options: [
        {
          key: "threads",
          names: ["-N", "--num-threads", "--num-tasks"],
          kind: "integer",
          help: "Tasks at once.",
          fallback: "1",
        },
        { key: "ssh", names: ["--ssh"], kind: "optional", metavar: "HOST", help: "One client per host." },
        { key: "tag", names: ["-t", "--tag"], kind: "words", metavar: "TAG", help: "Tags." },
        { key: "secret", names: ["--secret"], kind: "flag", help: "Not shown.", hidden: true },
      ],
    },
    {
      title: "Limits",
      options: [{ key: "memory", names: ["-m", "--memory"], kind: "size", metavar: "MEM", help: "Memory." }],
    },
  ],
  exclusive: [],
  epilog: "Examples:\n  hsx   tasks.in\n\nA closing\nremark.",
};

const plain: Page = { program: "hs", width: 80, coloured: false };

test("brackets within the name of a value stay: only part of it may be left out", () => {
  const option = { key: "web", names: ["--web"], kind: "text", metavar: "[ADDR:]PORT", help: "" } as const;
  expect(valueLabel(option)).toBe("[ADDR:]PORT");
  expect(valueLabel({ ...option, kind: "optional", metavar: "[HOST]" })).toBe("[HOST]");
});

test("a help page has usage, summary, arguments, options with defaults, and notes", () => {
  expect(help(spec, plain)).toBe(
    [
      "Usage:",
      "  hs cluster [FILE] [options]",
      "",
      "Run tasks here and now.",
      "",
      "Arguments:",
      "  FILE              Task file.",
      "",
      "Options:",
      "  -N, --num-threads, --num-tasks NUM",
      "                    Tasks at once. (default: 1)",
      "      --ssh [HOST]  One client per host.",
      "  -t, --tag TAG...  Tags.",
      "  -h, --help        Show this help and stop.",
      "",
      "Limits:",
      "  -m, --memory MEM  Memory.",
      "",
      "Examples:",
      "  hsx   tasks.in",
      "",
      "A closing remark.",
      "",
    ].join("\n"),
  );
});

test("with room without end every option is one line", () => {
  const lines = help(spec, { ...plain, width: Infinity }).split("\n");
  expect(lines).toContain("  -N, --num-threads, --num-tasks NUM  Tasks at once. (default: 1)");
});

test("commands below are listed", () => {
  expect(help(spec, plain, [{ name: "get", summary: "Show." }])).toContain("\nCommands:\n  get               Show.\n");
});

test("a command that declares its own help option keeps it", () => {
  const own = {
    ...spec,
    sections: [
      { title: "Options", options: [{ key: "help", names: ["-h", "--help"], kind: "flag" as const, help: "Mine." }] },
    ],
  };
  expect(help(own, plain).match(/--help/g)).toHaveLength(1);
});

test("lines fit the width where words allow it", () => {
  const long = { ...spec, positionals: [{ ...spec.positionals[0]!, help: "word ".repeat(60) }] };
  for (const width of [40, 60, 100]) {
    const lines = help(long, { ...plain, width })
      .split("\n")
      .filter((line) => line.includes("word"));
    expect(lines.length).toBeGreaterThan(1);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(width);
  }
});

test("colour changes nothing but colour", () => {
  const coloured = help(spec, { ...plain, coloured: true });
  expect(coloured).toContain("\u001b[1mUsage:\u001b[0m");
  expect(Bun.stripANSI(coloured)).toBe(help(spec, plain));
});
