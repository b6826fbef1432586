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

/** What a script prints in a zone. In this process a zone cannot be changed for good. */
async function inZone(zone: string, script: string): Promise<string[]> {
  const imports = `import { fileTimes, formatTime, newFileClock } from ${JSON.stringify(
    join(import.meta.dir, "../../../src/store/times.ts"),
  )};`;
  const child = Bun.spawn([process.execPath, "-e", imports + script], { env: { TZ: zone }, stdout: "pipe" });
  return (await new Response(child.stdout).text()).trim().split("\n");
}

describe("the times of a file", () => {
  const utc = { offset: 0, sinceMs: 0, since: "" };

  test("are written by the clock of the file, wherever the writer is", async () => {
    const script = `console.log(fileTimes({ offset: 60, sinceMs: 0, since: "" }).format(Date.UTC(2026, 6, 1, 12)))`;
    for (const zone of ["UTC", "America/New_York", "Europe/Berlin"])
      expect(await inZone(zone, script)).toEqual(["2026-07-01 13:00:00.000000"]);
  });

  test("are told apart and in order through the hour that comes twice", async () => {
    const lines = await inZone(
      "Europe/Berlin",
      `const times = fileTimes(newFileClock(Date.UTC(2026, 0, 1), false));
      const hour = Date.UTC(2026, 9, 25, 0, 30);
      const all = [0, 1, 2, 3].map((n) => hour + n * 1800000);
      const texts = all.map(times.format);
      console.log(texts.toSorted().join() === texts.join(), new Set(texts).size);
      console.log(all.every((ms, n) => times.parse(texts[n]) === ms));
      console.log(texts.map((text) => times.local(text).slice(11, 16)).join(" "));
      console.log(times.asked("2026-10-25 03:30"), times.format(Date.UTC(2026, 9, 25, 2, 30)).slice(0, 16));`,
    );
    expect(lines).toEqual(["true 4", "true", "02:30 02:00 02:30 03:00", "2026-10-25 03:30 2026-10-25 03:30"]);
  });

  test("are shown and asked for in local time", async () => {
    const lines = await inZone(
      "America/New_York",
      `const times = fileTimes(${JSON.stringify(utc)});
      console.log(times.local("2026-11-30 15:00:00.250000"), times.local("yesterday"));
      for (const text of ["2026", "2026-11", "2026-11-30", "2026-11-30 10", "2026-11-30 10:00", "2026-11-30 10:00:00",
        "2026-11-30 10:00:00.25x", "2026-07-01 10:00", "2026-13", "9", "2026-11-30T10", "null"])
        console.log(times.asked(text));`,
    );
    expect(lines).toEqual([
      "2026-11-30 10:00:00.250000 yesterday",
      "2026-01-01 05:00",
      "2026-11-01 04:00",
      "2026-11-30 05:00",
      "2026-11-30 15:00",
      "2026-11-30 15:00",
      "2026-11-30 15:00:00",
      "2026-11-30 15:00:00.25x",
      "2026-07-01 14:00",
      "2026-13",
      "9",
      "2026-11-30T10",
      "null",
    ]);
  });

  test("from before the clock stay as they are", async () => {
    const lines = await inZone(
      "Europe/Berlin",
      `const times = fileTimes(newFileClock(Date.UTC(2026, 10, 30), true));
      const old = "2026-07-01 12:00:00.000000";
      console.log(times.parse(old) === Date.UTC(2026, 6, 1, 10), times.local(old), times.asked("2026-07-01 12"));
      console.log(times.format(Date.UTC(2026, 6, 1, 10)), times.format(Date.UTC(2027, 6, 1, 10)));
      console.log(times.local("2027-07-01 11:00:00.000000"), times.asked("2027-07-01 12:00"));`,
    );
    expect(lines).toEqual([
      "true 2026-07-01 12:00:00.000000 2026-07-01 12",
      "2026-07-01 12:00:00.000000 2027-07-01 11:00:00.000000",
      "2027-07-01 12:00:00.000000 2027-07-01 11:00",
    ]);
  });
});
