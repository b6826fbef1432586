import { describe, expect, test } from "bun:test";
import type { ServerEffect } from "../../../src/server/effects.ts";
import type { ServerEvent } from "../../../src/server/event.ts";
import { step } from "../../../src/server/reactor.ts";
import { check, newState, type ServerSettings } from "../../../src/server/state.ts";
import type { Claim, Recall } from "../../../src/store/store.ts";
import type { ClaimedTask, Outcome } from "../../../src/task/task.ts";
import type { HostMessage, Lease } from "../../../src/wire/message.ts";

const settings: ServerSettings = {
  serverId: "server",
  serverHost: "host",
  scope: { kind: "all" },
  attempts: 3,
  eager: true,
  forever: false,
  bundleSize: null,
  pollMs: 30_000,
  evictMs: 600_000,
  graceMs: 30_000,
  durable: true,
  companyMs: 0,
  firstLease: 100,
  newId: () => "retry",
};

function task(id: string): ClaimedTask {
  const rest = { cores: null, memory: null, timeout: null, attempt: 1, previousId: null, tag: { part: 0 } };
  return { id, group: 0, args: `echo ${id}`, submitId: "s", submitTime: 0, submitHost: "h", scheduleTime: 1, ...rest };
}

function outcome({ id, lease }: Lease, exitStatus = 0): Outcome {
  const rest = { outpath: null, errpath: null, csvpath: null, coresMax: null, memoryMax: null };
  return { id, lease, command: "x", startTime: 1, completionTime: 2, exitStatus, ...rest };
}

/** A server whose one client takes so many of these tasks; the rest is ready. */
function open(ids: readonly string[], credit: number) {
  const state = newState(settings, 0, 0);
  let effects: ServerEffect[] = [];
  let numbers = 0;
  const bench = {
    state,
    on(...events: ServerEvent[]) {
      effects = step(state, events, 0);
      check(state);
    },
    find<K extends ServerEffect["kind"]>(kind: K): Extract<ServerEffect, { kind: K }> | undefined {
      return effects.find((effect): effect is Extract<ServerEffect, { kind: K }> => effect.kind === kind);
    },
    told: (): HostMessage[] => effects.flatMap((each) => (each.kind === "send" ? [each.message] : [])),
    hello(running: readonly Lease[] = [], finished: readonly Lease[] = []) {
      const hello = { kind: "hello", clientId: "a", host: "node", executors: 2, credit, running, finished } as const;
      bench.on({ kind: "joined", hello });
      return bench.find("register");
    },
    registered(number: number | undefined, adopted: readonly ClaimedTask[] = []) {
      bench.on({ kind: "registered", clientId: "a", number: number ?? -1, adopted, templates: [], revoked: [] });
    },
    answer(claim: Claim) {
      bench.on({ kind: "claimed", claim, templates: [] });
    },
    results(...outcomes: readonly Outcome[]) {
      bench.on({ kind: "received", clientId: "a", message: { kind: "results", outcomes, credit: 0 } });
    },
    committed(...refused: readonly string[]) {
      bench.on({ kind: "committed", report: { refused } });
    },
    /** What was asked of the store meanwhile brings nothing. */
    quiet() {
      while (state.claim.at === "asked") bench.answer({ kind: "none", unfinished: 1 });
    },
    /** Somebody did this to these tasks, and the store says so. */
    recalled(kind: Recall["kind"], ...tasks: readonly string[]) {
      bench.on({ kind: "recallsNoticed" });
      expect(bench.find("recalls")).toBeDefined();
      bench.on({ kind: "recalled", recalls: tasks.map((id) => ({ number: ++numbers, id, kind })) });
    },
    lease: (id: string): Lease => ({ id, lease: state.holders.get(id)?.held.get(id)?.lease ?? -1 }),
    ready: () => [...state.ready.values()].map(({ id }) => id),
  };
  bench.registered(bench.hello()?.number);
  bench.answer({ kind: "claimed", group: 0, tasks: ids.map(task) });
  return bench;
}

/** The store may have handed over the row once more, to a client that came back with the task before this server heard of it. */
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
    bench.results(outcome(lease, 130));
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
      bench.results(outcome(lease, 130));
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

  test("is forgotten when its client took it to another server", () => {
    const bench = open(["a"], 1);
    bench.recalled("adopted", "a");
    expect(bench.state.holders.size).toBe(0);
  });

  test("may be claimed anew while its old run is still being stopped, whose outcome is not taken for the new one's", () => {
    const bench = open(["a"], 2);
    const old = bench.lease("a");
    bench.quiet();
    bench.recalled("reverted", "a");
    bench.committed();
    bench.answer({ kind: "claimed", group: 0, tasks: [task("a")] });
    const anew = bench.lease("a");
    expect(anew.lease).toBeGreaterThan(old.lease);
    bench.results(outcome(old, 130));
    expect(bench.state.outbox.completed).toEqual([]);
    expect(bench.lease("a")).toEqual(anew);
    bench.results(outcome(anew));
    expect(bench.find("commit")?.commit.completed.map(({ exitStatus }) => exitStatus)).toEqual([0]);
  });

  test("counts as cancelled, not as what came of it, if its outcome is on its way to the store by then", () => {
    const bench = open(["a"], 1);
    const lease = bench.lease("a");
    bench.results(outcome(lease, 1));
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
    bench.on({ kind: "disconnected", clientId: "a", error: null });
    bench.recalled("cancelled", "a");
    const asked = bench.hello([lease]);
    expect(asked?.adopt).toEqual([]);
    bench.registered(asked?.number);
    expect(bench.told()).toContainEqual({ kind: "cancel", tasks: [lease] });
    expect(bench.state.counts.cancelled).toBe(1);
  });

  test("is told to drop what was reverted or deleted, which the store is not asked for: its row may be free", () => {
    for (const kind of ["reverted", "deleted"] as const) {
      const bench = open(["a", "b"], 2);
      const [gone, kept] = [bench.lease("a"), bench.lease("b")];
      bench.on({ kind: "disconnected", clientId: "a", error: null });
      bench.recalled(kind, "a");
      bench.committed();
      const asked = bench.hello([gone, kept]);
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
    bench.on({ kind: "disconnected", clientId: "a", error: null });
    bench.answer({ kind: "claimed", group: 0, tasks: [task("a")] });
    const asked = bench.hello([], [old]);
    expect(asked?.adopt).toEqual([]);
    expect(bench.ready()).toEqual(["a"]);
    bench.registered(asked?.number);
    bench.results(outcome(old));
    expect(bench.told()).toContainEqual({ kind: "ack", tasks: [old] });
    expect(bench.state.outbox.completed).toEqual([]);
  });

  test("says again what was refused, if it did not hear the answer, for nothing", () => {
    const bench = open(["a"], 1);
    const old = bench.lease("a");
    bench.results(outcome(old));
    bench.on({ kind: "disconnected", clientId: "a", error: null });
    bench.committed("a");
    expect(bench.hello([], [old])?.adopt).toEqual([]);
  });

  test("does not get what it brings if that was taken back while the store was asked for it", () => {
    for (const kind of ["cancelled", "reverted", "deleted"] as const) {
      const bench = open([], 2);
      bench.quiet();
      const lease = { id: "a", lease: 50 };
      const asked = bench.hello([lease]);
      expect(asked?.adopt).toEqual(["a"]);
      bench.recalled(kind, "a");
      bench.registered(asked?.number, [task("a")]);
      expect(bench.told()).toContainEqual({ kind: "drop", tasks: [lease] });
      expect(bench.state.holders.size).toBe(0);
      bench.results(outcome(lease, 130));
      expect(bench.told()).toEqual([{ kind: "ack", tasks: [lease] }]);
      expect(bench.state.outbox.completed).toEqual([]);
    }
  });

  test("says again, before it hears of it, what was taken back on its way to the store: for nothing", () => {
    const bench = open(["a"], 1);
    const old = bench.lease("a");
    bench.results(outcome(old));
    bench.on({ kind: "disconnected", clientId: "a", error: null });
    const asked = bench.hello([], [old]);
    bench.results(outcome(old));
    bench.recalled("reverted", "a");
    bench.registered(asked?.number);
    bench.committed("a");
    expect(bench.find("commit")?.commit).toMatchObject({ completed: [], recalled: [1] });
  });

  test("may bring back what it had taken to another server", () => {
    const bench = open(["a"], 1);
    const own = bench.lease("a");
    bench.on({ kind: "disconnected", clientId: "a", error: null });
    bench.recalled("adopted", "a");
    bench.committed();
    expect(bench.hello([own])?.adopt).toEqual(["a"]);
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
    bench.answer({ kind: "recalled" });
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
    bench.answer({ kind: "claimed", group: 0, tasks: [task("b")] });
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
  bench.results(outcome(lease));
  bench.committed("a");
  expect([bench.find("recalls") !== undefined, bench.told()]).toEqual([true, [{ kind: "ack", tasks: [lease] }]]);
  bench.on({ kind: "recalled", recalls: [{ number: 1, id: "a", kind: "reverted" }] });
  bench.committed();
  bench.answer({ kind: "claimed", group: 0, tasks: [task("a")] });
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
  bench.results(outcome(lease, 130));
  bench.quiet();
  expect(bench.told()).toContainEqual({ kind: "leave", how: "finish", reason: "all tasks are done" });
  bench.on({ kind: "received", clientId: "a", message: { kind: "bye", reason: "told to" } });
  expect(bench.find("finish")).toBeDefined();
  expect(bench.state.counts).toEqual({ succeeded: 0, failed: 0, cancelled: 2, retried: 0 });
});
