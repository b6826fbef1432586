import { expect, test } from "bun:test";
import { warnSparingly } from "../../../src/log/sparing.ts";
import { makeLog } from "../../make.ts";

/** A minute is over when the test says so. */
function watch() {
  const said: string[] = [];
  const log = makeLog((level, text) => said.push(`${level} ${text}`));
  const timers = new Set<() => void>();
  const after = (_: number, action: () => void) => {
    timers.add(action);
    return { cancel: () => void timers.delete(action) };
  };
  const sparing = warnSparingly(log, { after }, { more: (count) => `${count} more within a minute` });
  const minute = (): void => {
    for (const action of Array.from(timers)) {
      timers.delete(action);
      action();
    }
  };
  const warn = (count: number): void => {
    for (let n = 0; n < count; n++) sparing.warn(`number ${n}`);
  };
  const warnings = (): readonly string[] => said.splice(0).filter((line) => line.startsWith("WARNING"));
  return { sparing, said, timers, minute, warn, warnings };
}

test("a few warnings are told one by one", () => {
  const { warn, warnings, minute } = watch();
  warn(2);
  expect(warnings()).toEqual(["WARNING number 0", "WARNING number 1"]);
  minute();
  expect(warnings()).toEqual([]);
});

test("of many in one minute the first are told, and then how many there were", () => {
  const { warn, said, warnings, minute } = watch();
  warn(2000);
  expect(said.filter((line) => line.startsWith("DEBUG"))).toHaveLength(1980);
  expect(warnings()).toHaveLength(20);
  minute();
  expect(warnings()).toEqual(["WARNING 1980 more within a minute"]);
  warn(1);
  expect(warnings()).toHaveLength(1);
});

test("at the end the rest is told, and no timer is left", () => {
  const { sparing, warn, timers, warnings } = watch();
  warn(21);
  sparing.close();
  expect(warnings().at(-1)).toBe("WARNING 1 more within a minute");
  expect(timers.size).toBe(0);
  sparing.close();
  expect(warnings()).toEqual([]);
});
