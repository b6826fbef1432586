import { expect, test } from "bun:test";
import { drainText, moreUrgent } from "../../../src/cluster/signals.ts";

test("a run ends as its most urgent signal says, and of two equal ones as the last", () => {
  expect(moreUrgent(null, "SIGUSR1")).toBe("SIGUSR1");
  expect(moreUrgent("SIGUSR1", "SIGINT")).toBe("SIGINT");
  expect(moreUrgent("SIGINT", "SIGUSR2")).toBe("SIGINT");
  expect(moreUrgent("SIGINT", "SIGTERM")).toBe("SIGTERM");
});

test("a run that drains says how many tasks still run, or are stopped", () => {
  expect([0, 1, 2].map((running) => drainText("SIGUSR1", running))).toEqual([
    "SIGUSR1: draining, no task runs",
    "SIGUSR1: draining, 1 task still runs",
    "SIGUSR1: draining, 2 tasks still run",
  ]);
  expect([0, 1, 2].map((running) => drainText("SIGUSR2", running))).toEqual([
    "SIGUSR2: draining, no task runs",
    "SIGUSR2: draining, 1 task is stopped",
    "SIGUSR2: draining, 2 tasks are stopped",
  ]);
});
