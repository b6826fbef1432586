import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { displayTime, formatTime, parseTime } from "../../../src/store/times.ts";

const at = new Date(2026, 10, 22, 7, 40, 58).getTime();

describe("times", () => {
  test("are written to the microsecond, in local time, with six digits", () => {
    expect(formatTime(at)).toBe("2026-11-22 07:40:58.000000");
    expect(formatTime(at + 220.403)).toBe("2026-11-22 07:40:58.220403");
    expect(formatTime(at + 0.001)).toBe("2026-11-22 07:40:58.000001");
  });

  test("roll over where rounding says so", () => {
    expect(formatTime(at + 1999.9999)).toBe("2026-11-22 07:41:00.000000");
  });

  test("are read as they were written, in any order of minutes", () => {
    for (let i = 0; i < 5000; i++) {
      const time = at + ((i * 7_919_777) % 31_536_000_000) + (i % 1000) / 1000;
      expect(parseTime(formatTime(time))).toBeCloseTo(time, 3);
    }
  });

  test("without a fraction are read too, and what is no time is null", () => {
    expect(parseTime("2026-11-22 07:40:58")).toBe(at);
    expect(parseTime("2026-11-22 07:40:58.5")).toBe(at + 500);
    for (const bad of ["", "yesterday", null, 7, "2026-11-22", "2026-11-22 07:40:xx"])
      expect(parseTime(bad)).toBeNull();
  });

  test("are shown without a fraction that is exactly zero", () => {
    expect(displayTime("2026-11-22 07:40:58.000000")).toBe("2026-11-22 07:40:58");
    expect(displayTime("2026-11-22 07:40:58.100000")).toBe("2026-11-22 07:40:58.100000");
  });

  test("follow the zone through the change of summer time", async () => {
    const script = `
      import { formatTime, parseTime } from ${JSON.stringify(join(import.meta.dir, "../../../src/store/times.ts"))};
      const spring = Date.UTC(2026, 2, 29, 0, 59, 59), autumn = Date.UTC(2026, 9, 25, 0, 59, 59);
      for (const time of [spring, spring + 1000, autumn, autumn + 1000, autumn + 3601000])
        console.log(formatTime(time).slice(0, 19), parseTime(formatTime(time)) === time);`;
    const child = Bun.spawn([process.execPath, "-e", script], { env: { TZ: "Europe/Berlin" }, stdout: "pipe" });
    expect((await new Response(child.stdout).text()).trim().split("\n")).toEqual([
      "2026-03-29 01:59:59 true",
      "2026-03-29 03:00:00 true",
      "2026-10-25 02:59:59 true",
      // The hour that comes twice: the text is that of the first one.
      "2026-10-25 02:00:00 false",
      "2026-10-25 03:00:00 true",
    ]);
  });
});
