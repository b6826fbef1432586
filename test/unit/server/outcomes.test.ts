import { everyFailure } from "../../../src/task/retries.ts";
import { describe, expect, test } from "bun:test";
import { Bench, outcome, task } from "./bench.ts";

describe("recording", () => {
  test("an outcome is committed, and acknowledged only after the store has it", () => {
    const bench = new Bench();
    bench.register("a", 4);
    bench.give(task("1"));
    const [one] = bench.assigned("a");
    bench.results("a", [outcome(one!)]);
    expect(bench.find("commit")?.commit.completed[0]).toMatchObject({
      id: "1",
      exitStatus: 0,
      clientId: "a",
      duration: 0.01,
    });
    expect(bench.told("a").some((message) => message.kind === "ack")).toBe(false);
    bench.committed();
    expect(bench.told("a")).toContainEqual({ kind: "ack", tasks: [{ id: "1", lease: 1 }] });
    expect(bench.state.counts.succeeded).toBe(1);
  });

  test("the store hears of a dispatch only when the task still runs after half a second", () => {
    const bench = new Bench();
    bench.register("a", 4);
    bench.give(task("short"), task("long"));
    const [short] = bench.assigned("a");
    bench.results("a", [outcome(short!)]);
    expect(bench.find("commit")?.commit.assigned).toEqual([]);
    bench.committed();
    bench.now = 500;
    bench.on({ kind: "woken" });
    expect(bench.find("commit")?.commit.assigned.map(({ id, clientId }) => [id, clientId])).toEqual([["long", "a"]]);
  });

  test("the store hears soon of a task that its client says has run for a while, but not of others", () => {
    const bench = new Bench();
    bench.register("a", 4);
    bench.give(task("1"), task("2"), task("3"));
    const [one, two, three] = bench.assigned("a");
    bench.now = 500;
    bench.on({ kind: "woken" });
    bench.committed();
    bench.now = 1100;
    const started = [
      { id: "1", lease: one!.lease, startTime: 100 },
      { id: "2", lease: two!.lease + 1, startTime: 100 },
      { id: "3", lease: three!.lease, startTime: 100 },
      { id: "4", lease: 1, startTime: 100 },
    ];
    bench.on({ kind: "received", clientId: "a", message: { kind: "beat", started } });
    expect(bench.told("a")).toEqual([{ kind: "beat" }]);
    expect(bench.find("commit")).toBeUndefined();
    bench.on({ kind: "received", clientId: "a", message: { kind: "returned", tasks: [three!] } });
    expect(bench.find("commit")?.commit).toMatchObject({ reverted: ["3"], started: [{ id: "1", startTime: 100 }] });
    bench.committed();
    bench.on({ kind: "received", clientId: "a", message: { kind: "beat", started } });
    bench.pass(1700);
    expect(bench.find("commit")?.commit.started).toMatchObject([{ id: "1", startTime: 100 }]);
  });

  test("of a task that was taken back no start is told", () => {
    for (const kind of ["reverted", "deleted", "cancelled", "adopted"] as const) {
      const bench = new Bench();
      bench.register("a", 4);
      bench.give(task("1"));
      const [one] = bench.assigned("a");
      const started = [{ id: "1", lease: one!.lease, startTime: 100 }];
      const beat = { kind: "received", clientId: "a", message: { kind: "beat", started } } as const;
      bench.on(beat);
      bench.recalled(kind, "1");
      const { commit } = bench.find("commit")!;
      bench.committed();
      bench.on(beat);
      const later = bench.pass(2000).flatMap((effect) => (effect.kind === "commit" ? effect.commit.started : []));
      expect([kind, commit.started, later]).toEqual([kind, [], []]);
    }
  });

  test("a commit under way is the only one, and what comes meanwhile goes into the next", () => {
    const bench = new Bench();
    bench.register("a", 4);
    bench.give(task("1"), task("2"));
    const [one, two] = bench.assigned("a");
    bench.results("a", [outcome(one!)]);
    bench.results("a", [outcome(two!)]);
    expect(bench.find("commit")).toBeUndefined();
    bench.committed();
    expect(bench.find("commit")?.commit.completed.map(({ id }) => id)).toEqual(["2"]);
  });

  test("a refused outcome is acknowledged, not counted, and not reported as failed", () => {
    const bench = new Bench();
    bench.register("a", 4);
    bench.give(task("1"));
    const [one] = bench.assigned("a");
    bench.results("a", [outcome(one!, 1)]);
    bench.committed("1");
    expect(bench.told("a")).toContainEqual({ kind: "ack", tasks: [{ id: "1", lease: 1 }] });
    expect(bench.state.counts).toEqual({ succeeded: 0, failed: 0, cancelled: 0, retried: 0 });
    expect(bench.find("failed")).toBeUndefined();
  });

  test("of two outcomes of one task in a commit the first is recorded, and what follows from it is done", () => {
    const bench = new Bench({ retries: everyFailure(2) });
    bench.register("a", 4);
    bench.give(task("1"), task("2"));
    const [one, two] = bench.assigned("a");
    bench.results("a", [outcome(two!)]);
    bench.results("a", [outcome(one!, 1)], 0);
    bench.results("a", [outcome(one!)], 0);
    bench.committed();
    expect(bench.find("commit")?.commit.completed.map(({ id, exitStatus }) => [id, exitStatus])).toEqual([
      ["1", 1],
      ["1", 0],
    ]);
    bench.state.claim = { at: "empty", since: 0 };
    bench.committed("1");
    expect(bench.state.counts).toMatchObject({ succeeded: 1, retried: 1 });
    // Somebody may have changed it by hand: that is asked first.
    expect([bench.find("recalls") !== undefined, bench.find("claim")]).toEqual([true, undefined]);
    bench.on({ kind: "recalled", recalls: [] });
    expect(bench.find("claim")).toBeDefined();
  });

  test("a failure without attempts left is warned of and goes to the failure file", () => {
    const bench = new Bench();
    bench.register("a", 4);
    bench.give(task("1"));
    bench.results("a", [outcome(bench.assigned("a")[0]!, 3)]);
    bench.committed();
    expect(bench.notes("warning")).toEqual(["Non-zero exit status (3) for task (1): echo 1"]);
    expect(bench.find("failed")).toMatchObject({ kind: "failed", task: { args: "echo 1" }, template: null });
  });

  test("a cancelled task is neither a failure nor retried", () => {
    const bench = new Bench({ retries: everyFailure(3) });
    bench.register("a", 4);
    bench.give(task("1"));
    bench.results("a", [outcome(bench.assigned("a")[0]!, -1)]);
    expect(bench.find("commit")?.commit.completed[0]?.retry).toBeNull();
    bench.committed();
    expect(bench.state.counts).toEqual({ succeeded: 0, failed: 0, cancelled: 1, retried: 0 });
  });
});

describe("retries", () => {
  test("a failure with attempts left becomes a next attempt that keeps submission, resources, group and tags", () => {
    const bench = new Bench({ retries: everyFailure(2) });
    bench.register("a", 4);
    bench.give(task("1", { cores: 2, memory: 1024, timeout: 9, group: 5, tag: { x: 1, part: 0 } }));
    bench.results("a", [outcome(bench.assigned("a")[0]!, 1)]);
    const retry = bench.find("commit")?.commit.completed[0]?.retry;
    expect(retry).toMatchObject({
      claimed: false,
      task: {
        id: "new-1",
        attempt: 2,
        previousId: "1",
        cores: 2,
        memory: 1024,
        timeout: 9,
        group: 5,
        tag: { x: 1, part: 0 },
      },
    });
    bench.committed();
    expect(bench.find("failed")).toBeUndefined();
    // The store had been asked before the next attempt was in it: it is asked again.
    bench.claimed({ kind: "none", unfinished: 1 });
    expect(bench.find("claim")).toBeDefined();
  });

  test("a next attempt is submitted by the clock of the server, whatever that of the client says", () => {
    const bench = new Bench({ retries: everyFailure(2) });
    bench.now = 70_000;
    bench.register("a", 4);
    bench.give(task("1", { submitTime: 60_000 }));
    const late = { ...outcome(bench.assigned("a")[0]!, 1), startTime: 10, completionTime: 20 };
    bench.results("a", [late]);
    expect(bench.find("commit")?.commit.completed[0]?.retry?.task.submitTime).toBe(70_000);
  });

  test("an eager retry goes out before everything else, without another claim", () => {
    const bench = new Bench({ retries: everyFailure(2), eager: true });
    bench.register("a", 1);
    bench.give(task("1"), task("2"), task("3"));
    bench.results("a", [outcome(bench.assigned("a")[0]!, 1)], 0);
    bench.committed();
    bench.results("a", [], 1);
    expect(bench.assigned("a").map(({ id, attempt }) => [id, attempt])).toEqual([["new-1", 2]]);
  });

  test("an eager retry waits in the store when tasks of a lower group have come meanwhile", () => {
    const bench = new Bench({ retries: everyFailure(2), eager: true });
    bench.register("a", 2);
    bench.give(task("1", { group: 1 }), task("2", { group: 1 }));
    const [first, second] = bench.assigned("a");
    bench.results("a", [outcome(first!, 1)], 1);
    expect(bench.find("commit")?.commit.completed[0]?.retry?.claimed).toBe(true);
    // They come while the first outcome is on its way to the store, and before the second one.
    bench.give(task("low", { group: 0 }));
    bench.committed();
    expect(bench.find("commit")?.commit.reverted).toEqual(["new-1"]);
    bench.results("a", [outcome(second!, 1)], 0);
    bench.committed();
    expect(bench.find("commit")?.commit.completed[0]?.retry?.claimed).toBe(false);
  });

  test("the last attempt is final", () => {
    const bench = new Bench({ retries: everyFailure(2) });
    bench.register("a", 4);
    bench.give(task("1", { attempt: 2 }));
    bench.results("a", [outcome(bench.assigned("a")[0]!, 1)]);
    expect(bench.find("commit")?.commit.completed[0]?.retry).toBeNull();
  });
});
