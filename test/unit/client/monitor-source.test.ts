/* What the texts of Linux and macOS say of processes. */
import { describe, expect, test } from "bun:test";
import { parseStat, shareIn, unitsOf } from "../../../src/client/monitor-proc.ts";
import { rowsOfPs } from "../../../src/client/monitor-ps.ts";
import { emptyReading } from "../../../src/client/monitor-source.ts";

const units = { tickMs: 10, pageBytes: 4096 };
const rest = "0 -1 4194560 10 20 0 0 7 3 100 50 20 0 1 0 123456 9000000 250 18446744073709551615 1 1 0";

function parsed(text: string): ReturnType<typeof emptyReading> | null {
  const reading = emptyReading();
  const bytes = Buffer.from(text);
  return parseStat(bytes, bytes.length, units, reading) ? reading : null;
}

describe("a stat of /proc", () => {
  const numbers = { parent: 41, group: 42, session: 40, startedAt: 123_456 };
  const wanted = { ...numbers, ownMs: 100, childrenMs: 1500, memory: 250 * 4096 };

  test("has the parent, the times and the resident size, whatever the program is called", () => {
    for (const name of ["sh", "a b", "x) S 1 2 3", "))", "(", "", "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15"])
      expect([name, parsed(`42 (${name}) S 41 42 40 ${rest}`)]).toEqual([name, wanted]);
  });

  test("of a process that is not collected yet counts, of a dead one it does not", () => {
    expect(parsed(`42 (sh) Z 41 42 40 ${rest}`)).toEqual(wanted);
    expect(parsed(`42 (sh) X 41 42 40 ${rest}`)).toBeNull();
  });

  test("that is cut off, or is none, is nothing", () => {
    for (const text of ["", "42", "42 (sh)", "42 (sh) S 41 42", "no stat"]) expect(parsed(text)).toBeNull();
  });

  test("of this process can be read", async () => {
    const { procSource } = await import("../../../src/client/monitor-proc.ts");
    if (process.platform !== "linux") return;
    const source = procSource("nobody");
    const reading = emptyReading();
    expect(source.read(process.pid, reading)).toBe(true);
    expect(reading).toMatchObject({ parent: process.ppid });
    expect(reading.memory / process.memoryUsage().rss).toBeWithin(0.8, 1.25);
    expect(source.share(process.pid)!).toBeGreaterThan(2 ** 20);
    let found: readonly number[] = [];
    source.list((pids) => (found = pids));
    expect(found).toContain(process.pid);
    expect(source.read(2 ** 30, reading)).toBe(false);
    expect([source.taskOf(process.pid), source.taskOf(2 ** 30), source.share(2 ** 30)]).toEqual([null, null, null]);
  });
});

test("the units of /proc are what the kernel has told the program", () => {
  const vector = (...pairs: readonly (readonly [number, number])[]): Uint8Array =>
    new Uint8Array(new BigUint64Array(pairs.flat().map(BigInt)).buffer);
  expect(unitsOf(vector([33, 1], [6, 65_536], [17, 1000], [0, 0], [6, 1]))).toEqual({ tickMs: 1, pageBytes: 65_536 });
  expect(unitsOf(vector())).toEqual(units);
});

test("the share of what processes have in common is in smaps_rollup", () => {
  expect(shareIn("00400000-7ffd [rollup]\nRss:     9000 kB\nPss:     1500 kB\nPss_Anon: 7 kB\n")).toBe(1500 * 1024);
  expect(shareIn("")).toBeNull();
});

test("ps of macOS tells processes with their sizes and times", () => {
  const text =
    "    1     0     1  12000   1:02.34\n  517     1   517      8 1:02:03.50\n  9 1 9 0 2-03:00:00.00\nno row\n";
  const row = { session: 0, startedAt: 0, childrenMs: 0 };
  expect([...rowsOfPs(text)]).toEqual([
    [1, { ...row, parent: 0, group: 1, ownMs: 62_340, memory: 12_000 * 1024 }],
    [517, { ...row, parent: 1, group: 517, ownMs: 3_723_500, memory: 8192 }],
    [9, { ...row, parent: 1, group: 9, ownMs: 183_600_000, memory: 0 }],
  ]);
});
