/* The live line at every width, and the line at the end. */
import { expect, test } from "bun:test";
import { sight } from "../../../src/progress/sight.ts";
import { grouped, lineText, rateText, spanText, summaryText } from "../../../src/progress/text.ts";

const unknown = { rate: null, secondsLeft: null };
const run = sight({ done: 12, total: 60, failed: 1, running: 4 });
const large = sight({ done: 120_000, total: 1_000_000, failed: 1234, cancelled: 5, running: 64, clients: 16 });
const speed = { rate: 3.21, secondsLeft: 15 };

test("a run is told as far as it is known", () => {
  const text = (seen: Parameters<typeof sight>[0]): string => lineText(sight(seen), unknown, 99);
  expect(lineText(run, speed, 80)).toBe("12 of 60 done, 1 failed, 4 running, 3.2/s, 15 s left");
  expect(text({ done: 12, running: 4 })).toBe("12 done, 4 running");
  expect(text({ done: 12, total: 4096, isOpen: true })).toBe("12 of 4,096+ done");
  expect(text({ done: 0, total: 3, running: 0, clients: 0, note: "waiting for clients" })).toBe(
    "waiting for clients, 0 of 3 done",
  );
  expect(text({ done: 1, total: 3, running: 1, clients: 1 })).toBe("1 of 3 done, 1 running, 1 client");
  expect(text({ note: "searching" })).toBe("searching");
  expect(text({ verb: "stored", done: 7 })).toBe("7 stored");
});

test("what does not fit is left out, the least important first", () => {
  const fast = { rate: 1234.4, secondsLeft: 713 };
  const at = (width: number): string => lineText(large, fast, width);
  expect(at(200)).toBe(
    "120,000 of 1,000,000 done, 1,234 failed, 5 cancelled, 64 running, 1,234/s, 12 min left, 16 clients, " +
      "[##------------------] 12%",
  );
  expect(at(99)).toBe(
    "120,000 of 1,000,000 done, 1,234 failed, 5 cancelled, 64 running, 1,234/s, 12 min left, 16 clients",
  );
  expect(at(80)).toBe("120,000 of 1,000,000 done, 1,234 failed, 64 running, 1,234/s, 12 min left");
  expect(at(60)).toBe("120,000 of 1,000,000 done, 1,234 failed, 12 min left");
  expect(at(30)).toBe("120,000 of 1,000,000 done");
  expect(at(20)).toBe("120,000/1,000,000");
  expect(at(10)).toBe("12%");
  expect(lineText(run, speed, 20)).toBe("12 of 60 done");
});

test("no line is longer than the terminal is wide, nor empty, nor more than one line", () => {
  const notes = [null, "waiting for the database", "running on a-host.with.a.very.long.name.example.org, 12 s"];
  const seens = [run, large, sight({ done: 5 }), sight({}), sight({ done: 10_000, total: 10_001, isOpen: true })];
  for (let width = 1; width <= 200; width++)
    for (const seen of seens)
      for (const note of notes) {
        const text = lineText({ ...seen, note }, speed, width);
        expect(text.length).toBeLessThanOrEqual(width);
        expect(text).toMatch(/^[ -~]*$/);
        if (seen.done !== null || note !== null) expect(text).not.toBe("");
      }
});

test("a hundred percent is when all is done, and the bar is full then only", () => {
  const wide = (done: number): string => lineText(sight({ done, total: 100_000 }), unknown, 120);
  expect(wide(99_999)).toEndWith("[###################-] 99%");
  expect(wide(100_000)).toEndWith("[####################] 100%");
  expect(wide(0)).toEndWith("[--------------------] 0%");
});

test("times have their two largest units, and rates the unit that makes them readable", () => {
  expect([2.345, 9.96, 59.4, 119.6, 300, 7200, 12_000, 172_800, 180_000].map(spanText)).toEqual([
    "2.3 s",
    "10 s",
    "59 s",
    "2 min",
    "5 min",
    "2 h",
    "3 h 20 min",
    "2 d",
    "2 d 2 h",
  ]);
  const rates = [12_345.6, 99.96, 3.21, 0.5, 0.001];
  expect(rates.map(rateText)).toEqual(["12,346/s", "100/s", "3.2/s", "30.0/min", "3.6/h"]);
  expect([0, 999, 1000, 1_234_567].map(grouped)).toEqual(["0", "999", "1,000", "1,234,567"]);
});

test("the line at the end tells what was done, how long it took and how fast it was", () => {
  expect(summaryText(sight({ done: 4, failed: 1 }), 2345)).toBe("4 done, 1 failed, 2.3 s, 1.7 tasks/s");
  expect(summaryText(sight({ verb: "moved", done: 120_000 }), 60_000)).toBe("120,000 moved, 60 s, 2,000 tasks/s");
  expect(summaryText(sight({ done: 0 }), 5000)).toBe("0 done, 5.0 s");
  expect(summaryText(sight({ note: "compacting" }), 5000)).toBeNull();
});
