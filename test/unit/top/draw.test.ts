import { expect, test } from "bun:test";
import { difference, frameOf } from "../../../src/top/frame.ts";
import { textOf } from "../../../src/top/cells.ts";
import { draw } from "../../../src/top/draw.ts";
import { plainText } from "../../../src/top/plain.ts";
import { begin } from "../../../src/top/reading.ts";
import type { TopState } from "../../../src/top/state.ts";
import { at, stateOf, taskOf, viewOf } from "./views.ts";

const small = { columns: 80, rows: 24 };
const large = { columns: 200, rows: 60 };
const screen = (state: TopState): readonly string[] => draw(state, at).map((line) => textOf(line).trimEnd());

test("the most important comes first, and each list has its columns at 80 by 24", () => {
  const lines = screen(stateOf(small));
  expect(lines.slice(1)).toEqual([
    "█████████████████████████████████░░░░░░░░░░░░░░░░░░░░░░   60.0 %  0:00:09 left",
    "100 tasks   4 running   36 waiting   58 ok   2 failed",
    expect.stringMatching(/^rate 4\.50\/s {4}each 1\.25s {5}[ ▁▂▃▄▅▆▇█]{36} peak 9\.00\/s$/),
    "server login01 (77)  alive, up 1:00:00",
    " 1 Clients 1, executors 4",
    " HOST             STATE      RUNNING  CORES  MEMORY      ENDED   FAILED MORE",
    " node01           present        4/4      4  8.00GB         60        2 gpus:2…",
    " 2 Running 4                                                      longest first",
    " ID            TIME HOST             COMMAND",
    ">00000001   0:00:59 node01           echo 1",
    " 00000002   0:00:58 node01           echo 2",
    " 00000003   0:00:57 node01           echo 3",
    " 00000004   0:00:56 node01           echo 4",
    "",
    "",
    "",
    "",
    " 3 Last failures",
    " ID       STATUS      TOOK       AGO HOST             COMMAND",
    " 00000008      1    0.250s   0:00:05 node01           false 8",
    " 00000009      1    0.250s   0:00:05 node01           false 9",
    "",
    "? help  Tab list  / filter  s sort  ⏎ output  ␣ mark  c cancel  r revert  q quit",
  ]);
  expect(lines[0]).toStartWith("hs top  server login01:50001");
});

test("a large screen shows whole ids, more columns and a taller drawing", () => {
  const lines = screen(stateOf(large));
  expect(lines).toHaveLength(60);
  expect(lines.find((line) => line.includes("echo 1"))).toMatch(/^>0{8}-0000-7000-8000-0{11}1 .* {5}0 {4}1 c1 /);
  expect(lines.slice(3, 6).every((line) => /[▁▂▃▄▅▆▇█]/.test(line))).toBe(true);
  expect(lines.some((line) => line.includes("gpus:2 slurm 17"))).toBe(true);
});

test("no line is wider than the screen, whatever tasks are called, and none does anything to a terminal", () => {
  const texts = [
    "echo 漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字",
    "a\u001b[31mb\r\n\u202eevil",
    "👩‍👩‍👧‍👦".repeat(50),
    "x".repeat(10_000),
  ];
  const running = texts.map((text, index) => ({ ...taskOf(index, text), host: `h\u0007${"ö".repeat(30)}` }));
  for (const size of [small, large, { columns: 40, rows: 10 }, { columns: 7, rows: 3 }, { columns: 1, rows: 1 }]) {
    const lines = draw(stateOf(size, { view: viewOf({ running }) }), at).map(textOf);
    expect(lines).toHaveLength(size.rows);
    for (const line of lines) {
      expect(Bun.stringWidth(line)).toBeLessThanOrEqual(size.columns);
      expect(line).not.toMatch(/[\p{Cc}\u202e]/u);
    }
  }
});

test("a screen without colours has no colour codes, and still shows what is selected", () => {
  const lines = draw(stateOf(small), at);
  const codes = (coloured: boolean): Set<string> =>
    new Set(frameOf(lines, coloured).flatMap((line) => [...line.matchAll(/\[([0-9;]+)m/g)].map(([, code]) => code!)));
  expect([...codes(false)].toSorted()).toEqual(["0", "1", "2", "7"]);
  expect([...codes(true)]).toContain("32");
});

test("only what has changed is written, in one piece", () => {
  const before = ["one", "two", "three"];
  expect(difference(before, before)).toBe("");
  expect(difference(before, ["one", "2", "three"])).toBe("\u001b[2;1H\u001b[0m\u001b[2K2");
  expect(difference(null, ["one"])).toStartWith("\u001b[0m\u001b[2J");
});

test("a source that does not answer is said on the screen, with what was seen last", () => {
  const lines = screen(stateOf(small, { trouble: { text: "connection lost", since: at - 7000 } }));
  expect(lines[1]).toBe("Not answering for 0:00:07: connection lost");
  expect(lines).toHaveLength(24);
  expect(lines.some((line) => line.includes("echo 4"))).toBe(true);
});

test("the page of keys is whole on a small screen", () => {
  const lines = screen(stateOf(small, { page: "help" }));
  expect(lines.filter((line) => line.includes("…"))).toEqual([]);
  expect(lines.join("\n")).toContain("back to the lists");
});

test("an empty database says so", () => {
  const counts = { total: 0, remaining: 0, running: 0, succeeded: 0, failed: 0, cancelled: 0 };
  const nothing = { counts, servers: [], clients: [], running: [], failures: [], runningTotal: 0, clientsTotal: 0 };
  const lines = screen(stateOf(small, { view: viewOf({ ...nothing, rate: null, duration: null }) }));
  for (const text of ["No tasks yet", "No server runs", "  no task runs", "  no task has failed"])
    expect(lines).toContain(text);
});

test("an output is shown without what a terminal would obey", () => {
  const reading = { ...begin(taskOf(1), "stdout"), from: 0, lines: ["a\tb", "\u001b[2Jgone", ""], next: 12 };
  const lines = screen(stateOf(small, { page: "output", reading }));
  expect(lines[0]).toMatch(/^ stdout of 00000000-0000-7000-8000-000000000001 {2}echo 1 .*line 2\/2 {2}following/);
  expect(lines.slice(1, 3)).toEqual(["a        b", "\\x1b[2Jgone"]);
});

test("a snapshot has whole ids and commands, and nothing but text", () => {
  const text = plainText(viewOf({ running: [taskOf(5, `echo ${"long ".repeat(60)}\u001b`)] }), "");
  expect(text).toContain(taskOf(5).id);
  expect(text).toContain(`${"long ".repeat(60)}\\x1b\n`);
  expect(text).not.toMatch(/(?!\n)\p{Cc}/u);
});
