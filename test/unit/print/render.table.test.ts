import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { displayWidth, table, wrap } from "../../../src/print/table.ts";

function draw(names: readonly string[], rows: readonly (readonly string[])[], width: number, coloured = false): string {
  const drawn = table(
    names.map((name) => ({ name, expected: 12 })),
    width,
    coloured,
  );
  return rows.map((row) => drawn.row(row)).join("") + drawn.end();
}

describe("a table", () => {
  test("is as wide as its content needs", () => {
    const rows = [
      ["echo out; echo err >&2", "0"],
      ["false", "1"],
    ];
    expect(draw(["args", "exit_status"], rows, 80)).toBe(`┏━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━┓
┃ args                   ┃ exit_status ┃
┡━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━┩
│ echo out; echo err >&2 │ 0           │
│ false                  │ 1           │
└────────────────────────┴─────────────┘
`);
  });

  test("shrinks the widest columns first, breaks at blanks, and cuts words that do not fit", () => {
    const rows = [["228208be-4003-40ac-8c11-f0a5cf512200", "make all the programs", "0"]];
    expect(draw(["id", "args", "exit_status"], rows, 44)).toBe(`┏━━━━━━━━━━━━━━┳━━━━━━━━━━━━━┳━━━━━━━━━━━━━┓
┃ id           ┃ args        ┃ exit_status ┃
┡━━━━━━━━━━━━━━╇━━━━━━━━━━━━━╇━━━━━━━━━━━━━┩
│ 228208be-40… │ make all    │ 0           │
│              │ the         │             │
│              │ programs    │             │
└──────────────┴─────────────┴─────────────┘
`);
  });

  test("knows no markup", () => {
    expect(draw(["args"], [["echo [red]x[/red] [/foo] \\["]], 80)).toContain("│ echo [red]x[/red] [/foo] \\[ │\n");
  });

  test("counts wide characters as two columns and combining ones as none", () => {
    const drawn = draw(
      ["args", "x"],
      [
        ["日本語", "1"],
        ["e\u0301clair", "2"],
      ],
      80,
    );
    expect(drawn).toContain("│ 日本語 │ 1 │\n");
    expect(drawn).toContain("│ e\u0301clair │ 2 │\n");
  });

  test("of more columns than the width can show becomes a block of lines for each row, in which nothing is cut", () => {
    const names = ["id", "args", "command", "submit_host", "exit_status"];
    const row = [
      "228208be-4003-40ac-8c11-f0a5cf512200",
      "make all",
      "make all the programs",
      "node01.example.edu",
      "0",
    ];
    expect(draw(names, [row, row], 44)).toBe(`┏━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━━━━━┓
┃ field       ┃ value                      ┃
┡━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━━━━━┩
│ id          │ 228208be-4003-40ac-8c11-f0 │
│             │ a5cf512200                 │
│ args        │ make all                   │
│ command     │ make all the programs      │
│ submit_host │ node01.example.edu         │
│ exit_status │ 0                          │
├─────────────┼────────────────────────────┤
│ id          │ 228208be-4003-40ac-8c11-f0 │
│             │ a5cf512200                 │
│ args        │ make all                   │
│ command     │ make all the programs      │
│ submit_host │ node01.example.edu         │
│ exit_status │ 0                          │
└─────────────┴────────────────────────────┘
`);
  });

  test("with a bold head is the same table", () => {
    const rows = [["make all the programs", "0"]];
    const coloured = draw(["args", "exit_status"], rows, 40, true);
    expect(coloured).toContain("\u001b[1margs\u001b[0m");
    expect(Bun.stripANSI(coloured)).toBe(draw(["args", "exit_status"], rows, 40));
  });

  test("keeps no more rows than it needs to find its widths", () => {
    const drawn = table([{ name: "args", expected: 24 }], 80, false);
    const texts = Array.from({ length: 3000 }, (_, index) => drawn.row([`line ${index}`]));
    expect(texts.findIndex((text) => text !== "")).toBe(999);
    expect(texts[2999]).toBe("│ line 2999                │\n");
    expect(texts.join("") + drawn.end()).toContain("│ line 0                   │\n");
  });

  test("keeps little text, however long the values are", () => {
    const drawn = table([{ name: "args", expected: 24 }], 80, false);
    const texts = Array.from({ length: 40 }, () => drawn.row(["x".repeat(100_000)]));
    expect(texts.findIndex((text) => text !== "")).toBeLessThan(12);
    expect(texts[39]).toBe(`│ ${"x".repeat(75)}… │\n`);
  });

  test("never exceeds the width, and each line of it is equally wide", () => {
    const cell = fc
      .oneof(fc.string({ maxLength: 60 }), fc.string({ unit: "grapheme-composite", maxLength: 30 }))
      .map((text) => text.replace(/\p{C}|\s/gu, " "));
    fc.assert(
      fc.property(
        fc
          .integer({ min: 1, max: 8 })
          .chain((columns) =>
            fc.tuple(
              fc.constant(columns),
              fc.array(fc.array(cell, { minLength: columns, maxLength: columns }), { maxLength: 5 }),
            ),
          ),
        fc.integer({ min: 40, max: 120 }),
        ([columns, rows], width) => {
          const names = Array.from({ length: columns }, (_, index) => `field${index}`);
          const lines = draw(names, rows, width).trimEnd().split("\n");
          const widths = new Set(lines.map(displayWidth));
          expect(widths.size).toBe(1);
          expect(Math.max(...widths)).toBeLessThanOrEqual(width);
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe("wrapping", () => {
  test.each([
    ["make all the programs", 11, ["make all", "the", "programs"]],
    ["short", 5, ["short"]],
    ["", 5, [""]],
    ["a  b", 3, ["a", "b"]],
    ["a  b", 4, ["a  b"]],
    ["one verylongword two", 6, ["one", "veryl…", "two"]],
    ["日本語文", 5, ["日本…"]],
  ])("%p at %p columns", (text, width, lines) => {
    expect(wrap(text, width, "cut")).toEqual(lines);
  });

  test("folds a long word into lines, and loses nothing of it", () => {
    expect(wrap("see /a/very/long/path now", 8, "fold")).toEqual(["see", "/a/very/", "long/pat", "h now"]);
    expect(wrap("日本語文", 5, "fold")).toEqual(["日本", "語文"]);
    expect(wrap("日本", 1, "fold")).toEqual(["日", "本"]);
  });
});
