import { expect, test } from "bun:test";
import { moreUrgent } from "../../../src/cluster/signals.ts";

test("a run ends as its most urgent signal says, and of two equal ones as the last", () => {
  expect(moreUrgent(null, "SIGUSR1")).toBe("SIGUSR1");
  expect(moreUrgent("SIGUSR1", "SIGINT")).toBe("SIGINT");
  expect(moreUrgent("SIGINT", "SIGUSR2")).toBe("SIGINT");
  expect(moreUrgent("SIGINT", "SIGTERM")).toBe("SIGTERM");
});
