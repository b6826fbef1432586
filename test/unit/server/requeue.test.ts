/* Tasks that ask to be run again by their exit status (task.requeue_status). */
import { expect, test } from "bun:test";
import { Bench, outcome, task } from "./bench.ts";

/** Has the client run the task once; it ends with a status after some time, milliseconds. */
function run(bench: Bench, id: string, exitStatus: number, tookMs: number): void {
  bench.give(task(id));
  const [given] = bench.assigned("a");
  const startTime = bench.now;
  bench.now += tookMs;
  bench.results("a", [{ ...outcome(given!, exitStatus), startTime, completionTime: bench.now }]);
}

test("such a task is acknowledged and freed, and that is no attempt and no failure", () => {
  const bench = new Bench({ requeueStatus: 85 });
  bench.register("a", 4);
  run(bench, "1", 85, 60_000);
  expect(bench.find("commit")?.commit).toMatchObject({ completed: [], reverted: ["1"] });
  expect(bench.told("a")).toContainEqual({ kind: "ack", tasks: [{ id: "1", lease: 1 }] });
  bench.committed();
  expect(bench.state.counts).toEqual({ succeeded: 0, failed: 0, cancelled: 0, retried: 0 });
});

test("without the setting it is a status like any other", () => {
  const bench = new Bench();
  bench.register("a", 4);
  run(bench, "1", 85, 60_000);
  expect(bench.find("commit")?.commit.completed).toMatchObject([{ id: "1", exitStatus: 85 }]);
});

test("after ten short runs in a row the next is a failure, and a long one begins the count anew", () => {
  const bench = new Bench({ requeueStatus: 85 });
  bench.register("a", 40);
  for (const tookMs of [...Array<number>(10).fill(9999), 10_000, ...Array<number>(10).fill(0)]) {
    run(bench, "1", 85, tookMs);
    expect(bench.find("commit")?.commit.reverted).toEqual(["1"]);
    bench.committed();
  }
  run(bench, "1", 85, 0);
  expect(bench.notes("warning")).toEqual([
    "A task that asks to be run again counts as failed after 10 runs of less than 10 seconds in a row (1)",
  ]);
  expect(bench.find("commit")?.commit).toMatchObject({ completed: [{ id: "1", exitStatus: 85 }], reverted: [] });
  expect(bench.state.shortRuns.size).toBe(0);
});

test("a cancelled task is not run again", () => {
  const bench = new Bench({ requeueStatus: 85 });
  bench.register("a", 4);
  bench.give(task("1"));
  const [one] = bench.assigned("a");
  bench.state.clients.get("a")!.held.get("1")!.cancelled = true;
  bench.results("a", [outcome(one!, 85)]);
  expect(bench.find("commit")?.commit.reverted ?? []).toEqual([]);
});
