import { expect, test } from "bun:test";
import { drawPerf } from "../../../src/cli/perf.ts";
import { taskRecord } from "../print/rows.ts";

const mb = 2 ** 20;
const id = "cd20208b-069b-45ae-9e4e-3f79f57bde6d";
const csv = (...lines: readonly string[]): string => ["time,cores,memory", ...lines, ""].join("\n");

test("cores and memory are drawn as wide as the terminal, with their peaks and the time that it took", () => {
  const text = csv(
    "2026-11-30 16:44:05.000000,0.00,0",
    `2026-11-30 16:44:06.000000,1.00,${100 * mb}`,
    `2026-11-30 16:44:07.000000,2.00,${400 * mb}`,
    `2026-11-30 16:44:25.000000,0.25,${50 * mb}`,
  );
  expect(drawPerf(text, taskRecord({ id, cores: 1, memory: 200 * mb }), 31)!.split("\n")).toEqual([
    "cores: peak 2.00 (asked for: 1)",
    "    2.00 | █",
    "         | █",
    "         | █",
    "         |██",
    "         |██",
    "       0 |██▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆",
    "memory: peak 400MB (asked for: 200MB)",
    "   400MB | █",
    "         | █",
    "         | █",
    "         | █",
    "         |▄█",
    "       0 |██▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆",
    "          0:00:00      0:00:20",
    "",
  ]);
});

test("what is no line of numbers is passed over, and a terminal gets nothing of it", () => {
  const evil = "2026-11-30 16:44:05.000000,\u001b[2J,0";
  const drawing = drawPerf(csv(evil, "2026-11-30 16:44:05,1.00,5", "x"), taskRecord({ id }), 20)!;
  expect(drawing).not.toContain("\u001b");
  expect(drawing).toContain("cores: peak 1.00\n");
  expect(drawPerf(csv(), taskRecord({ id }), 80)).toBeNull();
  expect(drawPerf("", taskRecord({ id }), 80)).toBeNull();
});

test("a task that used nothing is an empty drawing, and a terminal that is too narrow gets one all the same", () => {
  const text = csv("2026-11-30 16:44:05.000000,0.00,0", "2026-11-30 16:44:06.000000,0.00,0");
  expect(drawPerf(text, taskRecord({ id }), 1)!.split("\n").slice(0, 2)).toEqual(["cores: peak 0.00", "    0.00 |"]);
});
