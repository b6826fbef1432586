/* How far a server claims ahead of its clients, and what the store is told of what has begun. */
import { expect, test } from "bun:test";
import { Bench, outcome, task } from "./bench.ts";

/** The client in the same process has the server's id. */
const local = "server";

/** How many tasks the server has asked the store for and has not been given. */
const asked = (bench: Bench): number => bench.find("claim")?.request.limit ?? 0;

test("a server on one machine holds what its executors run, and no more while tasks take long", () => {
  const bench = new Bench();
  bench.hello(local);
  expect(asked(bench)).toBe(2);
  bench.give(task("1"), task("2"));
  expect(asked(bench)).toBe(0);
  for (let n = 1; n < 6; n++) {
    bench.pass(1000 * n);
    bench.results(local, [outcome(bench.lease(`${n}`))]);
    expect(asked(bench)).toBe(1);
    bench.give(task(`${n + 2}`));
    expect(asked(bench)).toBe(0);
    bench.committed();
    expect(bench.state.holders.size + bench.state.ready.length).toBe(2);
  }
});

test("a server on one machine claims ahead as fast as short tasks are handed out", () => {
  const bench = new Bench();
  bench.hello(local);
  let given = 0;
  let most = 0;
  for (let ended = 0; ended < 50; bench.now++) {
    for (let left = asked(bench); left > 0; left = asked(bench)) {
      most = Math.max(most, left);
      bench.give(...Array.from({ length: left }, () => task(`${++given}`)));
    }
    bench.results(local, [outcome(bench.lease(`${++ended}`))]);
    if (asked(bench) === 0) bench.committed();
  }
  expect(most).toBeGreaterThan(30);
});

test("a server with clients on other hosts keeps tasks at hand from the beginning", () => {
  const bench = new Bench();
  bench.register("client");
  expect(asked(bench)).toBeGreaterThan(60);
});

test("the store is told what runs on one machine, not what waits at its client", () => {
  const bench = new Bench();
  bench.hello(local, { credit: 4 });
  bench.give(task("1"), task("2"), task("3"), task("4"));
  bench.pass(500);
  const told = bench.effects.flatMap((effect) => (effect.kind === "commit" ? effect.commit.assigned : []));
  expect(told.map(({ id }) => id)).toEqual(["1", "2"]);
  bench.committed();
  expect(bench.pass(600).some(({ kind }) => kind === "commit")).toBe(false);
  bench.results(local, [outcome(bench.lease("1"))], 0);
  expect(bench.find("commit")?.commit.assigned.map(({ id }) => id)).toEqual(["3"]);
});

test("a client that does not read what it is sent gets nothing until it has", () => {
  const bench = new Bench();
  bench.register("client", 100);
  bench.register("other", 1);
  bench.give(task("1"), task("2"));
  bench.on({ kind: "clogged", clientId: "client" });
  expect(asked(bench)).toBeLessThanOrEqual(100);
  const before = bench.assigned("client").length;
  bench.say("other", { kind: "results", outcomes: [], credit: 5 });
  bench.give(task("3"), task("4"));
  expect(
    bench
      .assigned("other")
      .map(({ id }) => id)
      .slice(-2),
  ).toEqual(["3", "4"]);
  expect(bench.assigned("client")).toHaveLength(before);
  // It may come and go meanwhile.
  bench.lose("client");
  bench.register("client", 100);
  bench.on({ kind: "clogged", clientId: "client" });
  bench.on({ kind: "unclogged", clientId: "client" });
  bench.give(task("5"), task("6"), task("7"), task("8"), task("9"), task("10"));
  expect(bench.assigned("client").length).toBeGreaterThan(before);
});

test("what one client holds is bounded in bytes, whatever it asks for", () => {
  const bench = new Bench();
  bench.register("greedy", 1_000_000);
  const args = "x".repeat(1 << 20);
  bench.give(...Array.from({ length: 100 }, (_, n) => task(`${n}`, { args })));
  const held = bench.held("greedy");
  expect(held).toHaveLength(32);
  // As they end, others follow.
  bench.results(
    "greedy",
    held.slice(0, 10).map((lease) => outcome(lease)),
    10,
  );
  expect(bench.held("greedy")).toHaveLength(32);
  expect(asked(bench)).toBeLessThanOrEqual(64);
  // The more clients there are, the less each may hold.
  for (let n = 0; n < 31; n++) bench.register(`other ${n}`, 0);
  bench.results(
    "greedy",
    bench
      .held("greedy")
      .slice(0, 30)
      .map((lease) => outcome(lease)),
    0,
  );
  expect(bench.held("greedy")).toHaveLength(4);
  // What it gives back makes room, too.
  bench.say("greedy", { kind: "returned", tasks: bench.held("greedy").slice(0, 2) });
  expect(bench.held("greedy")).toHaveLength(4);
});
