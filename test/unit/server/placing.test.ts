/* Which client gets a task that needs something; the rule is told in placing.ts. */
import { describe, expect, test } from "bun:test";
import type { Capacity } from "../../../src/task/demand.ts";
import type { ClaimedTask } from "../../../src/task/task.ts";
import { Bench, outcome, task } from "./bench.ts";

const capacity = (cores: number, others: Capacity["others"] = {}): Capacity => ({ cores, memory: 2 ** 30, others });

/** The `n`-th task, which needs these cores. */
const needing = (n: number, cores: number, fields: Partial<ClaimedTask> = {}): ClaimedTask =>
  task(`${n}`, { submitTime: n, cores, ...fields });

function come(bench: Bench, clientId: string, cores: number, executors = cores, others: Capacity["others"] = {}): void {
  bench.register(clientId, executors, { executors, capacity: capacity(cores, others) });
}

const ids = (bench: Bench, clientId: string): string[] => bench.held(clientId).map(({ id }) => id);

/** A task of this client ends, and it asks for another. */
function end(bench: Bench, clientId: string, id: string, credit = 1): void {
  bench.results(clientId, [outcome(bench.lease(id))], credit);
  if (bench.state.settling !== null) bench.committed();
}

test("a task goes to a client whose capacity can meet it, and those behind it are not held up", () => {
  const bench = new Bench({ forever: true, mayGrow: true });
  come(bench, "small", 4);
  come(bench, "large", 16);
  bench.give(needing(1, 8), needing(2, 2), needing(3, 32), needing(4, 8), needing(5, 2), task("6", { submitTime: 6 }));
  expect(ids(bench, "large")).toContain("1");
  expect([...ids(bench, "small"), ...ids(bench, "large")].toSorted()).toEqual(["1", "2", "4", "5", "6"]);
  expect(ids(bench, "small")).not.toContain("4");
  expect(bench.state.demands.count).toBe(1);
});

test("a client gets what it has room for now, and the rest waits for whoever has room first", () => {
  const bench = new Bench();
  come(bench, "a", 4);
  come(bench, "b", 4);
  bench.give(...[1, 2, 3, 4, 5].map((n) => needing(n, 4)));
  expect(ids(bench, "a")).toHaveLength(1);
  expect(ids(bench, "b")).toEqual(["2"]);
  end(bench, "b", "2");
  expect(ids(bench, "a")).toEqual(["1"]);
  expect(ids(bench, "b")).toEqual(["3"]);
});

test("memory and named resources count like cores, and a task needs all of what it asks for", () => {
  const bench = new Bench({ forever: true, mayGrow: true });
  come(bench, "a", 8, 8, { license: 1 });
  come(bench, "b", 8, 8, { gpus: 2 });
  bench.give(
    task("1", { submitTime: 1, memory: 2 ** 30 }),
    task("2", { submitTime: 2, memory: 2 ** 29 }),
    task("3", { submitTime: 3, memory: 2 ** 30 }),
    ...[4, 5, 6].map((n) => task(`${n}`, { submitTime: n, tag: { gpus: 0.75, part: 0 } })),
    task("7", { submitTime: 7, tag: { license: 1, part: 0 } }),
    task("8", { submitTime: 8, tag: { license: 1, gpus: 1, part: 0 } }),
  );
  expect([...ids(bench, "a"), ...ids(bench, "b")].toSorted()).toEqual(["1", "2", "4", "5", "7"]);
  expect(ids(bench, "b").filter((id) => id === "4" || id === "5")).toHaveLength(2);
  expect(ids(bench, "a")).toContain("7");
});

test("a large task is passed over by as many as run at once, then a client lets others wait for it", () => {
  const bench = new Bench();
  come(bench, "a", 4);
  come(bench, "b", 4);
  bench.give(...[1, 2, 3, 4, 5, 6, 7, 8].map((n) => needing(n, 1)));
  bench.give(needing(9, 4), ...Array.from({ length: 60 }, (_, n) => needing(10 + n, 1)));
  let ended = 0;
  // Each task that ends makes room for one small one.
  while (!bench.state.holders.has("9")) {
    const client = ended % 2 === 0 ? "a" : "b";
    end(bench, client, ids(bench, client)[0]!);
    expect(++ended).toBeLessThan(12);
  }
  expect(ended).toBe(9);
  // Its client gets no other one before it can run.
  const holder = bench.state.holders.get("9")!;
  const before = ids(bench, holder.id);
  for (const id of before.filter((each) => each !== "9")) end(bench, holder.id, id);
  expect(ids(bench, holder.id)).toEqual(["9"]);
  end(bench, holder.id, "9");
  expect(ids(bench, holder.id)).toHaveLength(4);
});

test("clients of short tasks get as many ahead as they ask for, and no more", () => {
  const bench = new Bench();
  come(bench, "a", 4, 2);
  come(bench, "b", 4, 2);
  // Each wants three more than it runs at once.
  bench.say("a", { kind: "results", outcomes: [], credit: 3 });
  bench.say("b", { kind: "results", outcomes: [], credit: 3 });
  bench.give(...Array.from({ length: 20 }, (_, n) => needing(n + 1, 4)));
  expect(ids(bench, "a")).toHaveLength(4);
  expect(ids(bench, "b")).toHaveLength(4);
  end(bench, "a", ids(bench, "a")[0]!);
  expect(ids(bench, "a")).toHaveLength(4);
});

test("a client that is alone gets what waits there in the order of submission", () => {
  const bench = new Bench({ forever: true, mayGrow: true });
  come(bench, "a", 8, 3);
  bench.give(needing(1, 4), needing(2, 3), needing(3, 9), needing(4, 8), needing(5, 1), task("6", { submitTime: 6 }));
  expect(ids(bench, "a")).toEqual(["1", "2", "4"]);
  end(bench, "a", "1");
  expect(ids(bench, "a")).toEqual(["2", "4", "5"]);
});

test("a client that is alone keeps as many waiting as it has executors, and a later one finds the rest", () => {
  const bench = new Bench();
  come(bench, "a", 2, 4);
  bench.give(...Array.from({ length: 24 }, (_, n) => needing(n + 1, 2)));
  // One runs over there. For each of the others the client asks for one more, which might start at once.
  for (let n = 0; n < 8; n++)
    bench.say("a", { kind: "results", outcomes: [], credit: 3 - bench.state.clients.get("a")!.credit });
  expect(ids(bench, "a")).toEqual(["1", "2", "3", "4", "5"]);
  end(bench, "a", "1");
  expect(ids(bench, "a")).toEqual(["2", "3", "4", "5", "6"]);
  come(bench, "b", 2, 4);
  for (let n = 7; n <= 10; n++) end(bench, "b", `${n}`);
  expect(ids(bench, "b")).toContain("11");
  expect(ids(bench, "a")).toEqual(["2", "3", "4", "5", "6"]);
});

test("a large task does not wait for ever at a client that is alone and always has something smaller to do", () => {
  const bench = new Bench();
  come(bench, "a", 4, 4);
  bench.give(...[1, 2, 3, 4].map((n) => needing(n, 1)));
  bench.give(needing(5, 4), ...Array.from({ length: 60 }, (_, n) => needing(6 + n, 1)));
  let ended = 0;
  while (!bench.state.holders.has("5")) {
    end(bench, "a", ids(bench, "a")[0]!);
    expect(++ended).toBeLessThan(10);
  }
});

test("the client in the process of the server gets whatever it can ever run, as far as its credit goes", () => {
  const bench = new Bench();
  come(bench, bench.state.settings.serverId, 2, 4);
  bench.give(...Array.from({ length: 24 }, (_, n) => needing(n + 1, 2)));
  bench.say(bench.state.settings.serverId, { kind: "results", outcomes: [], credit: 10 });
  expect(ids(bench, bench.state.settings.serverId)).toHaveLength(14);
});

test("a client of an older version gets everything", () => {
  const bench = new Bench();
  bench.register("old", 5);
  bench.give(needing(1, 4), needing(2, 1000), task("3", { submitTime: 3, tag: { gpus: "many", part: 0 } }));
  expect(ids(bench, "old")).toEqual(["1", "2", "3"]);
  expect(bench.state.outbox.completed).toEqual([]);
});

describe("a client whose time is limited", () => {
  const timed = (bench: Bench, clientId: string, until: number): void =>
    void bench.register(clientId, 2, { capacity: { ...capacity(4), until } });

  test("gets no task whose limit is beyond it, also of those that need nothing else", () => {
    const bench = new Bench({ forever: true, mayGrow: true });
    timed(bench, "a", 60_000);
    const tasks = [
      task("1", { submitTime: 1, timeout: 61 }),
      needing(2, 1, { timeout: 59 }),
      task("3", { submitTime: 3 }),
    ];
    bench.give(...tasks);
    expect(ids(bench, "a")).toEqual(["2", "3"]);
    come(bench, "b", 4);
    expect(ids(bench, "b")).toEqual(["1"]);
  });

  test("is believed that a task did not fit any more, even if its clock is ahead", () => {
    const bench = new Bench({ forever: true, mayGrow: true });
    timed(bench, "a", 60_000);
    bench.give(task("1", { submitTime: 1, timeout: 30 }), task("2", { submitTime: 2, timeout: 10 }));
    bench.say("a", { kind: "returned", tasks: [bench.lease("1")] });
    bench.committed();
    bench.give(task("1", { submitTime: 1, timeout: 30 }));
    expect(ids(bench, "a")).toEqual(["2"]);
    expect(bench.state.demands.count).toBe(1);
  });
});

test("a client that comes back has the room that its tasks leave", () => {
  const bench = new Bench();
  come(bench, "a", 4);
  come(bench, "b", 4);
  bench.give(needing(1, 3), needing(2, 3));
  const running = bench.held("a");
  bench.lose("a");
  bench.hello("a", { credit: 3, executors: 4, capacity: capacity(4), running });
  bench.registered("a", bench.find("register")?.number);
  expect(bench.state.clients.get("a")?.room?.cores).toBe(1);
  end(bench, "a", running[0]!.id);
  expect(bench.state.clients.get("a")?.room?.cores).toBe(4);
});

test("tasks that need something stay in the order of those that need nothing", () => {
  const bench = new Bench();
  come(bench, "a", 1, 1);
  bench.give(task("1", { submitTime: 1 }), needing(2, 1), task("3", { submitTime: 3 }), needing(4, 1));
  const order: string[] = [];
  for (let n = 0; n < 4; n++) {
    const [id] = ids(bench, "a");
    order.push(id!);
    end(bench, "a", id!);
  }
  expect(order).toEqual(["1", "2", "3", "4"]);
});
