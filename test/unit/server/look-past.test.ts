/* What claims leave out, and when the store is looked at past what waits here. */
import { describe, expect, test } from "bun:test";
import { leastOf } from "../../../src/server/look-past.ts";
import type { TooMuch } from "../../../src/store/store.ts";
import type { ClaimRequest } from "../../../src/store/store.ts";
import type { ClaimedTask } from "../../../src/task/task.ts";
import { Bench, outcome, task } from "./bench.ts";

const need = (cores: number, memory = 0, tags: readonly string[] = [], timeout = 0): TooMuch => ({
  cores,
  memory,
  tags,
  timeout,
});

describe("of what is too much, the least is named", () => {
  test.each<[readonly TooMuch[], readonly TooMuch[]]>([
    [[], []],
    [[need(4), need(2), need(8)], [need(2)]],
    [
      [need(4), need(2, 10)],
      [need(2, 10), need(4)],
    ],
    [
      [need(1, 0, ["gpus"]), need(1, 0, ["gpus", "license"]), need(2)],
      [need(2), need(1, 0, ["gpus"])],
    ],
    [[need(1, 0, [], 60), need(1, 0, [], 30)], [need(1, 0, [], 30)]],
  ])("%j", (all, least) => {
    expect(leastOf(all)).toEqual(least);
  });

  test("by one condition for each kind of need, if there are too many", () => {
    const many = Array.from({ length: 20 }, (_, n) => need(n + 2, 100 - n));
    expect(leastOf([...many, need(0, 500), need(0, 400, ["a"]), need(0, 0, [], 9)])).toEqual([
      need(0, 0, [], 9),
      need(0, 500),
      need(2),
      need(0, 0, ["a"]),
    ]);
  });
});

const capacity = { cores: 4, memory: 2 ** 30, others: {} };

/** A server with two clients of four cores, and as many tasks that need four cores each as it takes. */
function open(): Bench {
  const bench = new Bench({ forever: true, mayGrow: true });
  bench.register("a", 4, { executors: 4, capacity });
  bench.register("b", 4, { executors: 4, capacity });
  // The first claim was made before the second client came.
  bench.give(four(1));
  let given = 1;
  for (let asked = wish(bench); asked !== null && asked.tooMuch.length === 0; asked = wish(bench))
    bench.give(...Array.from({ length: asked.limit }, () => four(++given)));
  return bench;
}

const four = (n: number): ClaimedTask => task(`${n}`, { submitTime: n, cores: 4 });

/** What the store is asked for and has not answered; null: nothing. */
const wish = (bench: Bench): Pick<ClaimRequest, "limit" | "tooMuch"> | null =>
  bench.state.claim.at === "asked" ? (bench.find("claim")?.request ?? null) : null;

test("clients with credit that nothing here can use are given what needs less, from behind all that waits", () => {
  const bench = open();
  expect(bench.state.holders.size).toBe(2);
  expect(wish(bench)).toMatchObject({ limit: 6, tooMuch: [need(4)] });
  bench.give(task("one", { submitTime: 1e6 }), task("two", { submitTime: 1e6 + 1, cores: 0 }));
  expect(bench.state.holders.size).toBe(4);
});

test("a look that finds nothing is not repeated at once, and sooner when there are new tasks", () => {
  const bench = open();
  bench.give();
  expect(bench.pass(999).some(({ kind }) => kind === "claim")).toBe(false);
  bench.pass(1000);
  expect(wish(bench)).toMatchObject({ tooMuch: [need(4)] });
  bench.give();
  bench.pass(2500);
  bench.on({ kind: "inserted" });
  expect(bench.pass(3100).some(({ kind }) => kind === "claim")).toBe(true);
});

test("with less than a window here, claims leave nothing out", () => {
  const bench = open();
  bench.give();
  for (let ended = 0; ended < 60; ended++) {
    const [lease] = bench.held("a");
    bench.results("a", [outcome(lease!)]);
    if (wish(bench) !== null) break;
    if (bench.state.settling !== null) bench.committed();
  }
  expect(wish(bench)?.tooMuch).toEqual([]);
});

test("beside neighbours nothing is kept for which there is no room, until there is", () => {
  const bench = new Bench({ forever: true, mayGrow: true });
  bench.on({ kind: "neighbours", count: 1 });
  bench.register("a", 4, { executors: 4, capacity });
  bench.register("b", 4, { executors: 4, capacity: { ...capacity, cores: 2 } });
  bench.give(four(1), four(2), task("3", { submitTime: 3, cores: 8 }), task("4", { submitTime: 4 }));
  expect(bench.find("commit")?.commit.reverted.toSorted()).toEqual(["2", "3"]);
  bench.committed();
  expect(wish(bench)?.tooMuch).toEqual([need(4)]);
  bench.give();
  expect(wish(bench)).toBeNull();
  // Room for four cores.
  bench.results("a", [outcome(bench.lease("1"))]);
  expect(wish(bench)?.tooMuch).toEqual([need(8)]);
});
