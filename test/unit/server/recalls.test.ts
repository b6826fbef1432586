import { everyFailure } from "../../../src/task/retries.ts";
import { describe, expect, test } from "bun:test";
import type { Recall } from "../../../src/store/store.ts";
import { Bench, outcome, task } from "./bench.ts";

/** A server whose one client, `a`, takes so many of these tasks; the rest is ready. */
function open(ids: readonly string[], credit: number): Bench {
  const bench = new Bench({ retries: everyFailure(3), eager: true, firstLease: 100 }, { group: 0 });
  bench.registered("a", bench.hello("a", { credit })?.number);
  bench.give(...ids.map((id) => task(id)));
  return bench;
}

/**
 * The store may have handed over the row once more, to a client that came back with the task before this server heard
 * of it.
 */
const freed = (kind: Recall["kind"]): string[] => (kind === "reverted" ? ["a"] : []);

describe("a task that waits for a client", () => {
  test("is not handed out when it was cancelled, deleted or reverted, and only the cancelled one counts", () => {
    for (const kind of ["cancelled", "deleted", "reverted"] as const) {
      const bench = open(["a", "b"], 0);
      bench.recalled(kind, "a");
      expect(bench.ready()).toEqual(["b"]);
      expect(bench.find("commit")?.commit).toMatchObject({ completed: [], reverted: freed(kind), recalled: [1] });
      expect(bench.told()).toEqual([]);
      expect(bench.state.counts.cancelled).toBe(kind === "cancelled" ? 1 : 0);
    }
  });

  test("is given back when it was changed, to be claimed as it is now", () => {
    const bench = open(["a", "b"], 0);
    bench.recalled("changed", "a");
    expect(bench.ready()).toEqual(["b"]);
    expect(bench.find("commit")?.commit).toMatchObject({ reverted: ["a"], recalled: [1] });
  });
});

describe("a task that a client has", () => {
  test("is stopped when it was cancelled, counts once, is not tried again, and its outcome is not recorded", () => {
    const bench = open(["a"], 1);
    const lease = bench.lease("a");
    bench.recalled("cancelled", "a");
    expect(bench.told()).toEqual([{ kind: "cancel", tasks: [lease] }]);
    bench.committed();
    bench.results("a", [outcome(lease, 130)], 0);
    expect(bench.told()).toEqual([{ kind: "ack", tasks: [lease] }]);
    expect(bench.find("commit")).toBeUndefined();
    expect(bench.state.counts).toEqual({ succeeded: 0, failed: 0, cancelled: 1, retried: 0 });
  });

  test("is dropped when it was deleted or reverted, and is nobody's", () => {
    for (const kind of ["deleted", "reverted"] as const) {
      const bench = open(["a"], 1);
      const lease = bench.lease("a");
      bench.recalled(kind, "a");
      expect(bench.told()).toEqual([{ kind: "drop", tasks: [lease] }]);
      expect(bench.find("commit")?.commit).toMatchObject({ reverted: freed(kind), recalled: [1] });
      bench.committed();
      bench.results("a", [outcome(lease, 130)], 0);
      expect(bench.told()).toEqual([{ kind: "ack", tasks: [lease] }]);
      expect(bench.find("commit")).toBeUndefined();
      expect(bench.state.counts).toEqual({ succeeded: 0, failed: 0, cancelled: 0, retried: 0 });
    }
  });

  test("goes on when it was changed", () => {
    const bench = open(["a"], 1);
    bench.recalled("changed", "a");
    expect(bench.told()).toEqual([]);
    expect(bench.state.holders.size).toBe(1);
  });

  test("is given back once when its client has given it back before the server hears that it was reverted", () => {
    const bench = open(["a", "b"], 2);
    bench.results("a", [outcome(bench.lease("b"))], 0);
    bench.say("a", { kind: "returned", tasks: [bench.lease("a")] });
    expect(bench.state.settling).not.toBeNull();
    bench.recalled("reverted", "a");
    expect(bench.state.outbox.reverted).toEqual(["a"]);
  });

  test("is forgotten when its client took it to another server", () => {
    const bench = open(["a"], 1);
    bench.recalled("adopted", "a");
    expect(bench.state.holders.size).toBe(0);
  });

  test("may be claimed anew while its old run is being stopped, whose outcome does not count for the new one", () => {
    const bench = open(["a"], 2);
    const old = bench.lease("a");
    bench.quiet();
    bench.recalled("reverted", "a");
    bench.committed();
    bench.give(task("a"));
    const anew = bench.lease("a");
    expect(anew.lease).toBeGreaterThan(old.lease);
    bench.results("a", [outcome(old, 130)], 0);
    expect(bench.state.outbox.completed).toEqual([]);
    expect(bench.lease("a")).toEqual(anew);
    bench.results("a", [outcome(anew)], 0);
    expect(bench.find("commit")?.commit.completed.map(({ exitStatus }) => exitStatus)).toEqual([0]);
  });

  test("counts as cancelled, not as what came of it, if its outcome is on its way to the store by then", () => {
    const bench = open(["a"], 1);
    const lease = bench.lease("a");
    bench.results("a", [outcome(lease, 1)], 0);
    bench.recalled("cancelled", "a");
    bench.committed("a");
    expect(bench.state.counts).toEqual({ succeeded: 0, failed: 0, cancelled: 1, retried: 0 });
    expect(bench.ready()).toEqual([]);
  });
});

describe("a client that was away meanwhile", () => {
  test("hears that a task was cancelled when it is back", () => {
    const bench = open(["a"], 1);
    const lease = bench.lease("a");
    bench.lose("a");
    bench.recalled("cancelled", "a");
    const asked = bench.hello("a", { running: [lease] });
    expect(asked?.adopt).toEqual([]);
    bench.registered("a", asked?.number);
    expect(bench.told()).toContainEqual({ kind: "cancel", tasks: [lease] });
    expect(bench.state.counts.cancelled).toBe(1);
  });

  test("is told to drop what was reverted or deleted, which the store is not asked for: its row may be free", () => {
    for (const kind of ["reverted", "deleted"] as const) {
      const bench = open(["a", "b"], 2);
      const [gone, kept] = [bench.lease("a"), bench.lease("b")];
      bench.lose("a");
      bench.recalled(kind, "a");
      bench.committed();
      const asked = bench.hello("a", { running: [gone, kept] });
      expect(bench.told()).toEqual([{ kind: "drop", tasks: [gone] }]);
      expect(asked?.adopt).toEqual([]);
      expect(bench.lease("b")).toEqual(kept);
    }
  });

  test("brings the outcome of a run that was reverted for nothing, also when the task waits anew", () => {
    const bench = open(["a"], 1);
    const old = bench.lease("a");
    bench.quiet();
    bench.recalled("reverted", "a");
    bench.committed();
    bench.lose("a");
    bench.give(task("a"));
    const asked = bench.hello("a", { finished: [old] });
    expect(asked?.adopt).toEqual([]);
    expect(bench.ready()).toEqual(["a"]);
    bench.registered("a", asked?.number);
    bench.results("a", [outcome(old)], 0);
    expect(bench.told()).toContainEqual({ kind: "ack", tasks: [old] });
    expect(bench.state.outbox.completed).toEqual([]);
  });

  test("says again what was refused, if it did not hear the answer, for nothing", () => {
    const bench = open(["a"], 1);
    const old = bench.lease("a");
    bench.results("a", [outcome(old)], 0);
    bench.lose("a");
    bench.committed("a");
    expect(bench.hello("a", { finished: [old] })?.adopt).toEqual([]);
  });

  test("does not get what it brings if that was taken back while the store was asked for it", () => {
    for (const kind of ["cancelled", "reverted", "deleted"] as const) {
      const bench = open([], 2);
      bench.quiet();
      const lease = { id: "a", lease: 50 };
      const asked = bench.hello("a", { running: [lease] });
      expect(asked?.adopt).toEqual(["a"]);
      bench.recalled(kind, "a");
      bench.registered("a", asked?.number, [task("a")]);
      expect(bench.told()).toContainEqual({ kind: "drop", tasks: [lease] });
      expect(bench.state.holders.size).toBe(0);
      bench.results("a", [outcome(lease, 130)], 0);
      expect(bench.told()).toEqual([{ kind: "ack", tasks: [lease] }]);
      expect(bench.state.outbox.completed).toEqual([]);
    }
  });

  test("says again, before it hears of it, what was taken back on its way to the store: for nothing", () => {
    const bench = open(["a"], 1);
    const old = bench.lease("a");
    bench.results("a", [outcome(old)], 0);
    bench.lose("a");
    const asked = bench.hello("a", { finished: [old] });
    bench.results("a", [outcome(old)], 0);
    bench.recalled("reverted", "a");
    bench.registered("a", asked?.number);
    bench.committed("a");
    expect(bench.find("commit")?.commit).toMatchObject({ completed: [], recalled: [1] });
  });

  test("may bring back what it had taken to another server", () => {
    const bench = open(["a"], 1);
    const own = bench.lease("a");
    bench.lose("a");
    bench.recalled("adopted", "a");
    bench.committed();
    expect(bench.hello("a", { running: [own] })?.adopt).toEqual(["a"]);
  });
});

describe("questions", () => {
  test("nothing is claimed while recalls are open, and one question is under way at a time", () => {
    const bench = open([], 1);
    bench.quiet();
    bench.on({ kind: "recallsNoticed" });
    expect(bench.find("recalls")).toBeDefined();
    bench.on({ kind: "recallsNoticed" });
    expect(bench.find("recalls")).toBeUndefined();
    bench.on({ kind: "inserted" });
    expect(bench.find("claim")).toBeUndefined();
    bench.on({ kind: "recalled", recalls: [] });
    expect(bench.find("recalls")).toBeDefined();
    bench.on({ kind: "recalled", recalls: [] });
    expect(bench.find("claim")).toBeDefined();
  });

  test("a claim that is refused for recalls is made again when they are dealt with", () => {
    const bench = open(["a"], 2);
    expect(bench.state.claim.at).toBe("asked");
    bench.claimed({ kind: "recalled" });
    expect([bench.find("recalls"), bench.find("claim")]).toEqual([{ kind: "recalls" }, undefined]);
    bench.on({ kind: "recalled", recalls: [{ number: 1, id: "a", kind: "deleted" }] });
    expect([bench.find("commit") !== undefined, bench.find("claim")]).toEqual([true, undefined]);
    bench.committed();
    expect(bench.find("claim")).toBeDefined();
  });

  test("what a claim brings that was changed while it was under way is given back", () => {
    const bench = open(["a"], 2);
    bench.recalled("changed", "b");
    bench.committed();
    bench.give(task("b"));
    expect(bench.ready()).toEqual([]);
    expect(bench.find("commit")?.commit.reverted).toEqual(["b"]);
  });
});

test("a run does not end over an outcome that was refused before it knows why: the task may have been reverted", () => {
  const bench = open(["a"], 1);
  const lease = bench.lease("a");
  bench.quiet();
  bench.on({ kind: "inputEnded" });
  bench.quiet();
  bench.results("a", [outcome(lease)], 0);
  bench.committed("a");
  expect([bench.find("recalls") !== undefined, bench.told()]).toEqual([true, [{ kind: "ack", tasks: [lease] }]]);
  bench.on({ kind: "recalled", recalls: [{ number: 1, id: "a", kind: "reverted" }] });
  bench.committed();
  bench.give(task("a"));
  expect(bench.ready()).toEqual(["a"]);
});

test("a run ends at once when all that was left was cancelled or deleted, and counts only the cancelled", () => {
  const bench = open(["a", "b", "c"], 1);
  const lease = bench.lease("a");
  bench.on({ kind: "inputEnded" });
  bench.on({ kind: "recallsNoticed" });
  const kinds = { a: "cancelled", b: "cancelled", c: "deleted" } as const;
  const recalls = Object.entries(kinds).map(([id, kind], index) => ({ number: index + 1, id, kind }));
  bench.on({ kind: "recalled", recalls });
  bench.committed();
  bench.results("a", [outcome(lease, 130)], 0);
  bench.quiet();
  expect(bench.told()).toContainEqual({ kind: "leave", how: "finish", reason: "all tasks are done" });
  bench.say("a", { kind: "bye", reason: "told to" });
  expect(bench.find("finish")).toBeDefined();
  expect(bench.state.counts).toEqual({ succeeded: 0, failed: 0, cancelled: 2, retried: 0 });
});
