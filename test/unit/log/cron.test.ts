import { afterEach, expect, test } from "bun:test";
import { parseTimes } from "../../../src/log/cron.ts";

const zone = process.env["TZ"] ?? "UTC";
afterEach(() => {
  process.env["TZ"] = zone;
});

function next(text: string, at: number): number | null {
  const times = parseTimes(text);
  if (times === null || times === "never") throw new Error(`${text}: ${times}`);
  return times(at);
}

test("times are those of the zone, also where the hour changes", () => {
  process.env["TZ"] = "Europe/Berlin";
  // 29 March 2026, 2:00 becomes 3:00; 25 October, 3:00 becomes 2:00.
  expect(next("0 0 * * *", Date.UTC(2026, 2, 28, 22))).toBe(Date.UTC(2026, 2, 28, 23));
  expect(next("0 0 * * *", Date.UTC(2026, 2, 29, 0))).toBe(Date.UTC(2026, 2, 29, 22));
  expect(next("30 2 * * *", Date.UTC(2026, 2, 28, 12))).toBeGreaterThan(Date.UTC(2026, 2, 29, 0));
  let at = Date.UTC(2026, 9, 24, 22);
  for (let hours = 0; hours < 6; hours += 1) {
    const found = next("@hourly", at)!;
    expect(found).toBeGreaterThan(at);
    at = found;
  }
  expect(at).toBeLessThanOrEqual(Date.UTC(2026, 9, 25, 5));
});
