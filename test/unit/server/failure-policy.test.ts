import { describe, expect, test } from "bun:test";
import {
  delay,
  type Delays,
  delayedCount,
  delayedTasks,
  newDelays,
  takeDelayed,
  takeDue,
} from "../../../src/server/delays.ts";
import { describeHalt, isReached, readHalt } from "../../../src/server/failure-policy.ts";
import { everyFailure } from "../../../src/task/retries.ts";
import { Bench, outcome, task } from "./bench.ts";

describe("--halt", () => {
  test("is a number of failures, or a part of the tasks that ended", () => {
    expect([readHalt("3"), readHalt(" 20% "), readHalt("0.5%")]).toEqual([
      { kind: "count", count: 3 },
      { kind: "share", percent: 20 },
      { kind: "share", percent: 0.5 },
    ]);
    const bad = ["", "0", "-1", "1.5", "0%", "101%", "%", "3 %", "many", "1e3", "now,fail=1"];
    expect(bad.map(readHalt)).toEqual(bad.map(() => null));
  });

  test("a part counts from the tenth ended task on", () => {
    const half = readHalt("50%")!;
    expect(isReached(half, { failed: 9, succeeded: 0 })).toBe(false);
    expect(isReached(half, { failed: 5, succeeded: 5 })).toBe(true);
    expect(isReached(half, { failed: 5, succeeded: 6 })).toBe(false);
    expect(isReached(readHalt("100%")!, { failed: 10, succeeded: 0 })).toBe(true);
    expect(describeHalt(half, { failed: 5, succeeded: 5 }, false)).toBe(
      "Nothing more is started: 5 of 10 failed (--halt 50%) - what runs may end",
    );
  });

  test("nothing more is handed out after it, and what runs may end", () => {
    const bench = new Bench({ halt: readHalt("1") });
    bench.register("a", 2);
    bench.give(task("1"), task("2"), task("3"), task("4"));
    const [one, two] = bench.assigned("a");
    bench.results("a", [outcome(one!, 1)], 0);
    bench.committed();
    expect(bench.notes("error")).toEqual([
      expect.stringMatching(
        /^Nothing more is started: 1 task failed \(--halt 1\) - .* --restart goes on with the rest$/,
      ),
    ]);
    expect(bench.told("a")).toContainEqual({ kind: "leave", how: "finish", reason: "too many tasks failed" });
    expect(bench.state.phase).toEqual({ at: "closing", how: "finish" });
    expect(bench.find("commit")?.commit.reverted).toEqual(["3", "4"]);
    bench.committed();
    bench.results("a", [outcome(two!)], 0);
    bench.committed();
    expect(bench.state.counts).toMatchObject({ failed: 1, succeeded: 1 });
  });

  test("attempts that are followed by another do not count", () => {
    const bench = new Bench({ halt: readHalt("1"), retries: everyFailure(2) });
    bench.register("a", 2);
    bench.give(task("1"));
    bench.results("a", [outcome(bench.assigned("a")[0]!, 1)]);
    bench.committed();
    expect(bench.state.phase.at).toBe("running");
  });
});

describe("--retry-on", () => {
  test("other failures are final at once", () => {
    const bench = new Bench({ retries: { attempts: 3, statuses: [75], memoryFactor: 1 } });
    bench.register("a", 4);
    bench.give(task("1"), task("2"));
    const [one, two] = bench.assigned("a");
    bench.results("a", [outcome(one!, 1), outcome(two!, 75)]);
    const completed = bench.find("commit")?.commit.completed;
    expect(completed?.map(({ retry }) => retry?.task.attempt ?? null)).toEqual([null, 2]);
  });
});

describe("--retry-memory", () => {
  test("the next attempt asks for more", () => {
    const bench = new Bench({ retries: { attempts: 3, statuses: null, memoryFactor: 2 } });
    bench.register("a", 4);
    bench.give(task("1", { memory: 1000 }));
    bench.results("a", [outcome(bench.assigned("a")[0]!, 137)]);
    expect(bench.find("commit")?.commit.completed[0]?.retry?.task.memory).toBe(2000);
  });
});

describe("--retry-delay", () => {
  const settings = { retries: everyFailure(3), retryDelayMs: 10_000 };

  test("the next attempt is handed out when its pause is over, and each pause is longer", () => {
    const bench = new Bench(settings);
    bench.register("a", 1);
    bench.give(task("1"));
    bench.results("a", [outcome(bench.assigned("a")[0]!, 1)]);
    // The server keeps it: nobody else can claim it.
    expect(bench.find("commit")?.commit.completed[0]?.retry).toMatchObject({ claimed: true });
    bench.committed();
    expect(bench.assigned("a")).toEqual([]);
    expect(delayedCount(bench.state.delays)).toBe(1);
    bench.pass(9_999);
    expect(bench.assigned("a")).toEqual([]);
    bench.pass(10_000);
    expect(bench.assigned("a").map(({ id }) => id)).toEqual(["new-1"]);
    bench.results("a", [outcome(bench.assigned("a")[0]!, 1)]);
    bench.committed();
    bench.pass(29_999);
    expect(bench.assigned("a")).toEqual([]);
    bench.pass(30_000);
    expect(bench.assigned("a").map(({ id }) => id)).toEqual(["new-2"]);
  });

  test("a run does not end while an attempt waits, and gives it back when it is told to stop", () => {
    const bench = new Bench(settings);
    bench.register("a", 1);
    bench.give(task("1"));
    bench.results("a", [outcome(bench.assigned("a")[0]!, 1)]);
    bench.committed();
    bench.on({ kind: "inputEnded" });
    bench.state.claim = { at: "empty", since: 0 };
    bench.on({ kind: "woken" });
    expect(bench.state.phase.at).toBe("running");
    bench.on({ kind: "stopRequested", how: "finish" });
    expect(bench.find("commit")?.commit.reverted).toEqual(["new-1"]);
  });

  test("one that was cancelled meanwhile is dropped", () => {
    const bench = new Bench(settings);
    bench.register("a", 1);
    bench.give(task("1"));
    bench.results("a", [outcome(bench.assigned("a")[0]!, 1)]);
    bench.committed();
    bench.on({ kind: "recallsNoticed" });
    bench.on({ kind: "recalled", recalls: [{ number: 1, id: "new-1", kind: "cancelled" }] });
    bench.committed();
    expect(delayedCount(bench.state.delays)).toBe(0);
    bench.pass(40_000);
    expect(bench.assigned("a")).toEqual([]);
  });

  test("attempts go in the order in which they are due", () => {
    const delays: Delays = newDelays();
    for (const [id, dueAt] of [
      ["a", 5],
      ["b", 3],
      ["c", 5],
      ["d", 9],
      ["e", 1],
    ] as const)
      delay(delays, task(id), dueAt);
    const left = (): string[] => delayedTasks(delays).map(({ id }) => id);
    expect(left()).toEqual(["e", "b", "a", "c", "d"]);
    expect([takeDue(delays, 0), takeDue(delays, 4)?.id, takeDue(delays, 4)?.id, takeDue(delays, 4)]).toEqual([
      null,
      "e",
      "b",
      null,
    ]);
    expect(takeDelayed(delays, new Set(["c", "x"])).map(({ id }) => id)).toEqual(["c"]);
    expect([left(), delayedCount(delays), takeDue(delays, Infinity)?.id]).toEqual([["a", "d"], 2, "a"]);
  });
});

describe("server.poison", () => {
  /** A client with two executors comes, is given the tasks, and is lost. */
  function lose(bench: Bench, name: string, ...ids: string[]): void {
    bench.register(name, 4);
    bench.give(...ids.map((id) => task(id)));
    expect(bench.assigned(name)).toHaveLength(ids.length);
    // The store is told who has them.
    bench.pass(bench.now + 1000);
    bench.committed();
    bench.on({ kind: "disconnected", clientId: name, error: "reset" });
    bench.pass(bench.now + bench.state.settings.graceMs);
    expect(bench.notes("warning").join()).toContain("Evicting client");
  }

  test("a task is given up when that many clients were lost that ran it, and only then", () => {
    const bench = new Bench({ poison: 2 });
    lose(bench, "a", "1", "2", "waits");
    expect(bench.find("commit")?.commit).toMatchObject({ completed: [], reverted: ["1", "2", "waits"] });
    bench.committed();
    lose(bench, "b", "1", "3", "waits");
    expect(bench.notes("error")).toEqual(["Giving up task (1): 2 clients were lost while it ran (server.poison)"]);
    const order = bench.find("commit")?.commit;
    expect(order?.completed).toMatchObject([{ id: "1", exitStatus: -6, command: null, retry: null, clientId: "b" }]);
    expect(order?.reverted).toEqual(["3", "waits"]);
    bench.committed();
    expect(bench.state.counts.failed).toBe(1);
    expect([...bench.state.losses.keys()]).toEqual(["2", "3"]);
  });

  test("0 gives none up", () => {
    const bench = new Bench({ poison: 0 });
    for (const name of ["a", "b", "c", "d", "e", "f"]) {
      lose(bench, name, "1");
      expect(bench.find("commit")?.commit.reverted).toEqual(["1"]);
      bench.committed();
    }
  });
});
