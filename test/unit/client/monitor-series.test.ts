import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { addLine, closeSeries, createFile, openSeries, see } from "../../../src/client/monitor-series.ts";

let folder = "";
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), "hs-series-"))));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const start = new Date(2026, 10, 30, 16, 44, 5, 123).getTime() + 0.456;
const mb = 2 ** 20;

function linesOf(path: string): string[] {
  return readFileSync(path, "utf8").split("\n");
}

describe("the file", () => {
  test("has a line for the start, one for each second, and one for the end, in the form of the interface", () => {
    const path = join(folder, "a.csv");
    const series = openSeries(createFile(path), start, mb);
    see(series, 300 * mb);
    see(series, 200 * mb);
    addLine(series, start + 1000, 1980);
    see(series, 100 * mb);
    addLine(series, start + 2000, 2480);
    expect(closeSeries(series, start + 3000, 2480, 0)).toEqual({ coresMax: 1.98, memoryMax: 300 * mb });
    expect(linesOf(path)).toEqual([
      "time,cores,memory",
      "2026-11-30 16:44:05.123456,0.00,0",
      `2026-11-30 16:44:06.123456,1.98,${300 * mb}`,
      `2026-11-30 16:44:07.123456,0.50,${100 * mb}`,
      `2026-11-30 16:44:08.123456,0.00,${100 * mb}`,
      "",
    ]);
  });

  test("of a task that was over before anybody looked has what the system told of it", () => {
    const path = join(folder, "b.csv");
    const series = openSeries(createFile(path), start, mb);
    expect(closeSeries(series, start + 200, 300, 310 * mb)).toEqual({ coresMax: 1.5, memoryMax: 310 * mb });
    expect(linesOf(path).slice(1)).toEqual([
      "2026-11-30 16:44:05.123456,0.00,0",
      `2026-11-30 16:44:05.323456,1.50,${310 * mb}`,
      "",
    ]);
  });
});

test("ticks of the processor make no peak of a last moment: it is taken together with the time before", () => {
  const series = openSeries(null, start, mb);
  addLine(series, start + 1000, 1000);
  expect(closeSeries(series, start + 1010, 1030, 0).coresMax).toBe(1.02);
});

test("a peak of one process that is smaller than what was seen of all changes nothing", () => {
  const series = openSeries(null, start, mb);
  see(series, 500 * mb);
  expect(closeSeries(series, start + 1010, 0, 300 * mb)).toEqual({ coresMax: 0, memoryMax: 500 * mb });
  expect(closeSeries(openSeries(null, start, 0), start, 0, 0)).toEqual({ coresMax: 0, memoryMax: null });
});

test("a file that cannot be written ends, and the peaks go on", () => {
  if (process.platform !== "linux") return;
  const series = openSeries(createFile("/dev/full"), start, mb);
  expect(series.failure).toMatchObject({ code: "ENOSPC" });
  addLine(series, start + 1000, 1000);
  expect(closeSeries(series, start + 2000, 1000, 0).coresMax).toBe(1);
});
