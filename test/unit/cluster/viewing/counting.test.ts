import { expect, test } from "bun:test";
import { newCounting } from "../../../../src/cluster/viewing/counting.ts";

/** A database with more tasks at each count, which takes as long as it is told. */
function open(tookMs: number) {
  let now = 0;
  const its = { counted: 0, state: "a", fails: false };
  const overview = {
    state: async () => its.state,
    async counts() {
      if (its.fails) throw new Error("locked");
      now += tookMs;
      its.counted++;
      return { total: its.counted, remaining: 0, succeeded: its.counted, failed: 0, cancelled: 0 };
    },
  };
  const counting = newCounting(overview, { now: () => now, after: () => ({ cancel: () => undefined }) });
  const total = async (): Promise<number> => (await counting.now()).counts.total;
  return { its, total, pass: (ms: number) => (now += ms) };
}

test("a small database is counted at each look, unless nobody has changed it", async () => {
  const { its, total } = open(5);
  expect([await total(), await total()]).toEqual([1, 1]);
  its.state = "b";
  expect(await total()).toBe(2);
});

test("a large one is counted in the background, and takes a tenth of the time", async () => {
  const { its, total, pass } = open(400);
  expect(await total()).toBe(1);
  its.state = "b";
  pass(3000);
  expect([await total(), its.counted]).toEqual([1, 1]);
  pass(2000);
  // This look begins to count, and does not wait for it.
  expect(await total()).toBe(1);
  await new Promise(setImmediate);
  expect([its.counted, await total()]).toEqual([2, 2]);
});

test("looks at the same time share a count", async () => {
  const { its, total } = open(400);
  expect(await Promise.all([total(), total(), total()])).toEqual([1, 1, 1]);
  expect(its.counted).toBe(1);
});

test("what stands in the way is told, and tried again", async () => {
  const { its, total } = open(5);
  its.fails = true;
  const reason = await total().catch(String);
  expect(reason).toBe("Error: locked");
  its.fails = false;
  expect(await total()).toBe(1);
});
