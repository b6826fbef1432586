import { describe, expect, test } from "bun:test";
import type { Assignment } from "../../../src/task/task.ts";
import { Bench, outcome, task } from "./bench.ts";

/** A client of 8 cores, 8 GB, 2 GPUs. `rate`: tasks per millisecond that it is used to; if 0, none is fetched ahead. */
function bench(more: ConstructorParameters<typeof Bench>[0] = {}, rate = 0.2): Bench {
  const capacity = { cores: 8, memory: 8 * 2 ** 30, others: { gpus: 2, license: 1 } };
  return new Bench({ executors: 3, capacity, ...more }, rate).welcome();
}

const cores = (id: string, number: number, timeout: number | null = null): Assignment =>
  task(id, { cores: number, timeout });

const credit = (of: Bench): number =>
  of.sent().reduce((sum, message) => sum + (message.kind === "results" ? message.credit : 0), 0);

describe("tasks that ask for resources", () => {
  test("the fourth of eight tasks jumps ahead of the third, and nobody else jumps", () => {
    const client = bench();
    const first = cores("1", 4, 60);
    const second = cores("2", 3, 30);
    const third = cores("3", 8);
    const fourth = cores("4", 1, 5);
    const rest = ["5", "6", "7", "8"].map((id) => cores(id, 4));
    client.assign(first, second, third);
    expect(client.started()).toEqual(["1", "2"]);
    client.assign(fourth);
    expect(client.started()).toEqual(["4"]);
    expect(client.notes("debug").filter((line) => line.startsWith("Backfilling"))).toEqual([
      "Backfilling task (4): timeout=5 < 60.0 seconds",
    ]);
    client.assign(...rest);
    const told: string[] = [];
    const order: string[] = [];
    const end = (of: Assignment): void => {
      client.pass(client.now + 1000);
      client.ended(of);
      order.push(...client.started());
      told.push(...client.notes("debug").filter((line) => line.startsWith("Backfilling")));
    };
    end(second);
    end(fourth);
    expect(order).toEqual([]);
    end(first);
    expect(order).toEqual(["3"]);
    end(third);
    for (const each of rest) end(each);
    expect(order).toEqual(["3", "5", "6", "7", "8"]);
    expect(told).toEqual([]);
  });

  test("tasks without a limit jump ahead of nobody, nor does anybody while nobody can say how long it takes", () => {
    const client = bench();
    client.assign(cores("1", 4, 60), cores("2", 8), cores("3", 1));
    expect(client.started()).toEqual(["1"]);
    const endless = bench();
    endless.assign(cores("1", 4), cores("2", 8), cores("3", 1, 1));
    expect(endless.started()).toEqual(["1"]);
  });

  test("the limit that a client has for all tasks counts as one of their own", () => {
    const client = bench({ timeoutMs: 10_000 });
    client.assign(cores("1", 4), cores("2", 8), cores("3", 1, 60), cores("4", 1, 9));
    expect(client.started()).toEqual(["1", "4"]);
  });

  test("a task that asks for nothing waits for an executor only", () => {
    const client = bench();
    client.assign(cores("1", 8), cores("2", 8), task("3"), task("4"), task("5"));
    expect(client.started()).toEqual(["1", "3", "4"]);
  });

  test("what ends makes room in the order in which tasks came", () => {
    const client = bench({ executors: 8 });
    const [a, b] = [cores("a", 8), cores("b", 2)];
    client.assign(a, b, cores("c", 7), cores("d", 1));
    expect(client.started()).toEqual(["a"]);
    client.ended(a);
    expect(client.started()).toEqual(["b"]);
    client.ended(b);
    expect(client.started()).toEqual(["c", "d"]);
  });

  test("memory and resources by name are counted too, fractions without drift", () => {
    const client = bench({ executors: 30 });
    const parts = Array.from({ length: 21 }, (_, at) => task(`g${at}`, { tag: { part: 0, gpus: 0.1 } }));
    client.assign(...parts);
    expect(client.started()).toHaveLength(20);
    for (const part of parts.slice(0, 20)) client.ended(part);
    client.ended(parts[20]!);
    expect(client.state.pool.room.others.get("gpus")).toBe(2);
    client.assign(task("m", { memory: 8 * 2 ** 30 }), task("n", { memory: 1 }));
    expect(client.started()).toEqual(["m"]);
    client.assign(task("x", { tag: { part: 0, license: 1 } }), task("y", { tag: { part: 0, license: 1 } }));
    expect(client.started()).toEqual([]);
  });

  test("a part of a GPU is a part of one, and whole GPUs are nobody else's", () => {
    const client = bench({ executors: 8 });
    const part = (id: string, amount: number): Assignment => task(id, { tag: { part: 0, gpus: amount } });
    const halves = ["1", "2", "3", "4", "5", "6", "7", "8"].map((id) => part(id, 0.5));
    const devices = (): unknown[] =>
      client.effects.flatMap((effect) => (effect.kind === "start" ? [[effect.task.id, effect.devices]] : []));
    client.assign(...halves);
    expect(devices()).toEqual([
      ["1", [0]],
      ["2", [0]],
      ["3", [1]],
      ["4", [1]],
    ]);
    client.ended(halves[0]!);
    expect(devices()).toEqual([["5", [0]]]);
    for (const each of halves.slice(1)) client.ended(each);
    const [one, other] = [part("a", 0.6), part("b", 0.6)];
    client.assign(one, other, part("c", 0.7), task("d"));
    expect(client.started()).toEqual(["a", "b", "d"]);
    client.ended(other);
    expect(devices()).toEqual([["c", [1]]]);
    client.assign(part("e", 2));
    client.ended(one);
    expect(client.started()).toEqual([]);
  });

  test.each([
    ["cores: 8 < 9", { cores: 9 }],
    ["memory: 8.00GB < 9.00GB", { memory: 9 * 2 ** 30 }],
    ["license: 1 < 2", { tag: { part: 0, license: 2 } }],
    ["gpus: 2 < 3", { tag: { part: 0, gpus: 3 } }],
  ])("what the client never has fails the task: %s", (lack, more) => {
    const client = bench();
    const big = task("big", more);
    client.assign(big, task("small"));
    expect(client.started()).toEqual(["small"]);
    expect(client.notes("error")).toEqual([`Insufficient resources for task (big): ${lack} (cancelled)`]);
    expect(client.sent()).toMatchObject([
      { kind: "results", outcomes: [{ id: "big", exitStatus: -3, startTime: null, command: null }] },
    ]);
    client.ack(big);
    expect(client.state.unacked.size).toBe(0);
  });

  test("of those that wait as many more are asked for, so that others can start", () => {
    const client = bench({ executors: 2 }, 0);
    client.assign(cores("1", 8), cores("2", 8));
    expect(credit(client)).toBe(1);
    client.assign(cores("3", 8));
    expect(credit(client)).toBe(1);
    client.assign(task("4"));
    expect([client.started(), credit(client)]).toEqual([["4"], 0]);
  });

  test("what waits is given back when the client leaves, and named when it says hello again", () => {
    const client = bench();
    const [a, b, c] = [cores("a", 8), cores("b", 8), cores("c", 8)];
    client.assign(a, b, c);
    client.on({ kind: "disconnected", error: null });
    client.on({ kind: "connected" });
    const [hello] = client.sent();
    expect(hello).toMatchObject({ running: [a, b, c].map(({ id, lease }) => ({ id, lease })) });
    client.welcome();
    client.on({ kind: "stopRequested", how: "finish", reason: "SIGUSR1" });
    expect(client.sent()[0]).toEqual({ kind: "returned", tasks: [b, c].map(({ id, lease }) => ({ id, lease })) });
    client.ended(a);
    client.ack(a);
    expect(client.sent().at(-1)).toMatchObject({ kind: "bye" });
  });

  test("what waits can be cancelled and dropped; whoever waited behind it starts", () => {
    const client = bench();
    const [a, b, c, d] = [cores("a", 4), cores("b", 8), cores("c", 8), cores("d", 4)] as const;
    client.assign(a, b, c, d);
    client.on({ kind: "received", message: { kind: "cancel", tasks: [{ id: b.id, lease: b.lease }] } });
    expect(client.sent()).toContainEqual({ kind: "returned", tasks: [{ id: b.id, lease: b.lease }] });
    expect(client.started()).toEqual([]);
    client.on({ kind: "received", message: { kind: "drop", tasks: [{ id: c.id, lease: c.lease }] } });
    expect(client.started()).toEqual(["d"]);
  });

  test("what waits goes with the submission whose directory is not there", () => {
    const client = bench();
    const [a, b, c] = [cores("a", 8), cores("b", 8), task("c", { cores: 8, submitId: "other" })] as const;
    client.assign(a, b, c);
    client.on({ kind: "unplaced", id: "a", reason: "/gone" });
    expect(client.sent()[0]).toMatchObject({ kind: "returned", tasks: [{ id: "a" }, { id: "b" }] });
    expect(client.started()).toEqual(["c"]);
  });

  test("a task that was put off is the first to start, with what it had", () => {
    const client = bench();
    const [a, b] = [cores("a", 8, 9), cores("b", 8)];
    client.assign(a, b);
    client.on({ kind: "postponed", id: "a" });
    expect(client.started()).toEqual(["a"]);
  });

  test("a task that cannot be killed keeps what it has until it ends", () => {
    const client = bench({ signalWaitMs: 10 });
    const [a, b] = [cores("a", 8, 1), cores("b", 1)];
    client.assign(a, b);
    client.pass(2000);
    expect([...client.state.abandoned]).toEqual(["a"]);
    expect(client.started()).toEqual([]);
    client.ended(a);
    expect(client.started()).toEqual(["b"]);
  });

  test("a task that the system kept from starting reaches its limit later, and more may jump meanwhile", () => {
    const client = bench();
    client.assign(cores("a", 4, 10), cores("b", 8), cores("c", 1, 15));
    expect(client.started()).toEqual(["a"]);
    client.pass(9000);
    client.on({ kind: "held", id: "a", isWaiting: true });
    client.pass(9500);
    client.on({ kind: "held", id: "a", isWaiting: false });
    expect(client.started()).toEqual([]);
    client.assign(cores("d", 1, 8));
    expect(client.started()).toEqual(["d"]);
  });
});

test("what waits is given back when too little of the host's time is left for it", () => {
  const client = bench({ end: { at: 100_000, source: "--until" } });
  const [a, b, c] = [cores("a", 8, 60), cores("b", 8, 60), cores("c", 1)];
  client.assign(a, b, c);
  expect(client.started()).toEqual(["a"]);
  client.pass(50_000);
  expect([...client.state.pool.line.values()].filter(({ isGone }) => !isGone).map(({ task: { id } }) => id)).toEqual([
    "c",
  ]);
  client.ended(a);
  expect(client.started()).toEqual(["c"]);
});

describe("a limited rate", () => {
  test("spaces starts, with one timer for the next, and asks for no more than may start", () => {
    const client = bench({ ratelimit: 0.5 }, 0);
    expect(client.state.granted).toBe(2);
    client.assign(task("a"), task("b"));
    expect([client.started(), client.wake()]).toEqual([["a"], 1000]);
    client.pass(1999);
    expect(client.state.running.size).toBe(1);
    expect(client.wake()).toBe(2000);
    client.now = 2000;
    client.on({ kind: "woken" });
    expect([client.started(), credit(client)]).toEqual([["b"], 1]);
  });

  test("does not wake a client that has nothing to start", () => {
    const client = bench({ ratelimit: 0.01 });
    client.assign(task("a"));
    client.ended(client.state.running.get("a")!.task);
    client.ack({ ...client.state.unacked.get("a")! } as never);
    expect(client.wake()).toBe(10_000);
  });

  test("holds back those that wait in the pool too, and counts one that was put off once", () => {
    const client = bench({ ratelimit: 1 });
    const [a, b] = [cores("a", 8), cores("b", 8)];
    client.assign(a, b);
    client.on({ kind: "ended", outcome: outcome(a), isUnread: false });
    expect(client.started()).toEqual([]);
    client.pass(1000);
    expect(client.started()).toEqual(["b"]);
    client.ack(a);
    client.on({ kind: "postponed", id: "b" });
    expect(client.started()).toEqual(["b"]);
  });
});
