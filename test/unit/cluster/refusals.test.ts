import { expect, test } from "bun:test";
import { tellRefusals } from "../../../src/cluster/refusals.ts";
import { makeLog } from "../../make.ts";

/** A minute is over when the test says so. */
function watch() {
  const said: string[] = [];
  const log = makeLog((level, text) => said.push(`${level} ${text}`));
  const timers = new Set<() => void>();
  const refusals = tellRefusals(log, {
    after(_, action) {
      timers.add(action);
      return { cancel: () => void timers.delete(action) };
    },
  });
  const minute = (): void => {
    for (const action of Array.from(timers)) {
      timers.delete(action);
      action();
    }
  };
  const refuse = (count: number): void => {
    for (let n = 0; n < count; n++) refusals.tell(`10.0.0.1:${n}`, "no reason");
  };
  const warnings = (): readonly string[] => said.splice(0).filter((line) => line.startsWith("WARNING"));
  return { refusals, said, timers, minute, refuse, warnings };
}

test("a few connections that are refused are told one by one", () => {
  const { refuse, warnings, minute } = watch();
  refuse(2);
  expect(warnings()).toEqual([
    "WARNING Connection from 10.0.0.1:0 refused: no reason",
    "WARNING Connection from 10.0.0.1:1 refused: no reason",
  ]);
  minute();
  expect(warnings()).toEqual([]);
});

test("of many in one minute the first are told, and then how many there were", () => {
  const { refuse, said, warnings, minute } = watch();
  refuse(2000);
  expect(said.filter((line) => line.startsWith("DEBUG"))).toHaveLength(1980);
  expect(warnings()).toHaveLength(20);
  minute();
  expect(warnings()).toEqual(["WARNING 1980 more connections were refused within a minute"]);
  refuse(1);
  expect(warnings()).toHaveLength(1);
});

test("at the end the rest is told, and no timer is left", () => {
  const { refusals, refuse, timers, warnings } = watch();
  refuse(21);
  refusals.close();
  expect(warnings().at(-1)).toBe("WARNING 1 more connection was refused within a minute");
  expect(timers.size).toBe(0);
  refusals.close();
  expect(warnings()).toEqual([]);
});
