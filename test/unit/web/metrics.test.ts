import { expect, test } from "bun:test";
import { metricsOf, newEndedCounter } from "../../../src/web/metrics.ts";
import { madeUp } from "./view.ts";

const facts = { version: '1"\\', viewers: 3, ended: { succeeded: 2, failed: 2, cancelled: 1 } };

test("states add up to all tasks, and buckets to all durations", () => {
  const text = metricsOf(madeUp(), facts);
  const states = [...text.matchAll(/^hypershell_tasks\{state="(\w+)"\} (\d+)$/gm)].map(([, state, n]) => [state, n]);
  expect(states).toEqual([
    ["waiting", "3"],
    ["running", "2"],
    ["succeeded", "2"],
    ["failed", "2"],
    ["cancelled", "1"],
  ]);
  expect(text).toContain('hypershell_task_duration_seconds_bucket{le="1.0"} 3\n');
  expect(text).toContain('hypershell_task_duration_seconds_bucket{le="+Inf"} 4\n');
  expect(text).toContain("# UNIT hypershell_queue_age_seconds seconds\n");
  expect(text).toContain('version="1\\"\\\\"');
  expect(text.endsWith("# EOF\n")).toBe(true);
});

test("the counter of ended tasks never falls", () => {
  const counter = newEndedCounter();
  const counts = madeUp().counts;
  expect(counter.count(madeUp())).toEqual({ succeeded: 2, failed: 2, cancelled: 1 });
  const reverted = { ...counts, failed: 1, cancelled: 0 };
  expect(counter.count(madeUp({ counts: reverted }))).toEqual({ succeeded: 2, failed: 2, cancelled: 1 });
  expect(counter.count(madeUp({ counts: { ...reverted, failed: 2 } })).failed).toBe(3);
});
