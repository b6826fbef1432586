import { describe, expect, test } from "bun:test";
import { describeFailures, describeRun } from "../../../src/cluster/summary.ts";

const none = { succeeded: 0, failed: 0, cancelled: 0, retried: 0, bad: 0 };
const submission = { kind: "submission", id: "run" } as const;
const traces = { scope: submission, serverId: "run", durable: true, failures: null, missing: 0 };

describe("the failures of a run", () => {
  test("are counted, with a search that finds them", () => {
    expect(describeFailures({ ...none, succeeded: 285, failed: 15 }, traces)).toBe(
      "15 of 300 tasks failed (hs list -F -w submit_id==run)",
    );
    expect(describeFailures({ ...none, failed: 1 }, { ...traces, scope: { kind: "all" } })).toBe(
      "1 of 1 task failed (hs list -F -w server_id==run)",
    );
    expect(describeFailures({ ...none, failed: 1, retried: 2, cancelled: 1 }, traces)).toBe(
      "1 of 2 tasks failed (hs list -F -w submit_id==run retried==false exit_status!=-1)",
    );
    expect(describeFailures({ ...none, succeeded: 9, cancelled: 2 }, traces)).toBeNull();
  });

  test("may be lines that are not tasks, which no search finds", () => {
    expect(describeFailures({ ...none, succeeded: 1, bad: 1 }, traces)).toBe("1 of 2 tasks failed");
    expect(describeFailures({ ...none, failed: 2, bad: 1 }, traces)).toBe(
      "3 of 3 tasks failed, 1 of them a line that is not a task (hs list -F -w submit_id==run)",
    );
    expect(describeFailures({ ...none, failed: 2, bad: 2 }, traces)).toContain(
      ", 2 of them lines that are not tasks (",
    );
  });

  test("are in the failure file where there is no database", () => {
    const memory = { ...traces, durable: false };
    const tally = { ...none, succeeded: 1, failed: 2 };
    expect(describeFailures(tally, memory)).toBe("2 of 3 tasks failed (with -f FILE the lines of such tasks are kept)");
    expect(describeFailures(tally, { ...memory, failures: "f" })).toBe("2 of 3 tasks failed (their lines are in f)");
    expect(describeFailures({ ...none, failed: 1 }, { ...memory, failures: "f" })).toBe(
      "1 of 1 task failed (its line is in f)",
    );
    expect(describeFailures(tally, { ...memory, failures: "-" })).toBe("2 of 3 tasks failed");
    expect(describeFailures(tally, { ...memory, failures: "f", missing: 1 })).toBe(
      "2 of 3 tasks failed (1 line is missing in f)",
    );
    expect(describeFailures(tally, { ...memory, failures: "-", missing: 2 })).toBe(
      "2 of 3 tasks failed (2 lines are not printed)",
    );
  });
});

test("a run in one line: all of its tasks, the time, and what became of them", () => {
  expect(describeRun({ ...none, succeeded: 285, failed: 14, bad: 1 }, 0, 83_400)).toBe(
    "300 tasks in 0:01:23: 285 succeeded, 15 failed",
  );
  expect(describeRun({ ...none, succeeded: 1 }, null, 1500)).toBe("1 task in 0:00:01.500: 1 succeeded");
  expect(describeRun({ ...none, cancelled: 1 }, 3, 60_000)).toBe(
    "4 tasks in 0:01:00: 0 succeeded, 1 cancelled, 3 not run",
  );
  expect(describeRun(none, 0, 10)).toBeNull();
});
