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
