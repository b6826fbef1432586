import { expect, test } from "bun:test";
import { hostName } from "../../../src/base/process.ts";
import { tellOfContinued, tellOfLeft } from "../../../src/cluster/sources.ts";
import type { Logger } from "../../../src/log/logger.ts";
import type { Source } from "../../../src/store/store.ts";
import { silentLog } from "../../make.ts";

const t0 = new Date(2026, 10, 22, 7, 40, 58, 125).getTime();

function source(fields: Partial<Source> = {}): Source {
  const rest = { cwd: "/a", host: hostName(), submissions: 1, example: "e1", unfinished: 3, first: t0, last: t0 };
  return { ...rest, ...fields };
}

function heard(tell: (log: Logger) => void): string[] {
  const lines: string[] = [];
  tell({ ...silentLog, info: (text) => void lines.push(typeof text === "string" ? text : text()) });
  return lines;
}

test("a run says how many tasks it continues, submitted where and when", () => {
  const sources = [
    source({ unfinished: 40, submissions: 3, last: t0 + 60_000 }),
    source({ cwd: "/b", host: "login99", unfinished: 1 }),
    source({ cwd: null, host: null, first: null, last: null, unfinished: 2 }),
  ];
  expect(heard((log) => tellOfContinued(sources, log))).toEqual([
    "Continuing 40 tasks submitted from /a in 3 submissions, from 2026-11-22 07:40:58 to 2026-11-22 07:41:58",
    "Continuing 1 task submitted from /b (login99) on 2026-11-22 07:40:58",
    "Continuing 2 tasks of an older program",
  ]);
});

test("submissions of the same second have one time", () => {
  const sources = [source({ submissions: 2, last: t0 + 100 })];
  expect(heard((log) => tellOfContinued(sources, log))).toEqual([
    "Continuing 3 tasks submitted from /a in 2 submissions on 2026-11-22 07:40:58",
  ]);
});

test("of many directories the first few are named", () => {
  const sources = [1, 2, 3, 4, 5, 6].map((n) => source({ cwd: `/${n}`, unfinished: 7 - n }));
  const lines = heard((log) => tellOfContinued(sources, log));
  expect(lines.length).toBe(5);
  expect(lines.at(-1)).toBe("Continuing 3 tasks submitted from 2 other directories");
  expect(heard((log) => tellOfContinued(sources.slice(0, 5), log)).at(-1)).toBe(
    "Continuing 2 tasks submitted from 1 other directory",
  );
});

test("what is left alone can be run, or dropped by a filter that is true of nothing else", () => {
  const one = [source({ unfinished: 1 })];
  expect(heard((log) => tellOfLeft(one, t0, false, log))).toEqual([
    "Database has 1 unfinished task of earlier runs - left alone (run it with --restart)",
    "To drop it instead: hs update --cancel --remaining -w submit_id==e1",
  ]);
  const two = [source({ submissions: 2 })];
  expect(heard((log) => tellOfLeft(two, t0, true, log))).toEqual([
    "Database has 3 unfinished tasks of earlier runs - left alone (run them with --restart)",
    "To drop them instead: hs update --cancel --remaining -w 'submit_time<2026-11-22 07:40:58.125000'",
  ]);
  // Other runs may be at work on tasks that are as old.
  expect(heard((log) => tellOfLeft(two, t0, false, log)).length).toBe(1);
  expect(heard((log) => tellOfLeft([], t0, true, log))).toEqual([]);
});
