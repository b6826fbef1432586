import { expect, test } from "bun:test";
import { MemoryStore } from "../../../src/store/memory.ts";
import { claimed, completion, everything, makeCommit, makeTasks, request, serverId } from "../../conformance/store.ts";

test("a store in memory tells its counts, and cancels what waits and what is held", async () => {
  const store = new MemoryStore();
  const [waits, runs] = [makeTasks(2), makeTasks(2)];
  await store.insert(runs);
  expect(claimed(await store.claim(request({ scope: everything, limit: 2 })))).toHaveLength(2);
  await store.insert(waits);
  let woken = 0;
  store.onRecall(() => woken++);
  expect(store.own.cancel([waits[0]!.id, runs[0]!.id, "nobody"])).toBe(2);
  expect(store.own.cancel([waits[0]!.id])).toBe(0);
  expect(woken).toBe(1);
  expect(store.own.counts()).toEqual({ total: 4, unfinished: 2, succeeded: 0, cancelled: 2 });
  const recalls = await store.recalls(serverId);
  expect(recalls).toEqual([{ number: 1, id: runs[0]!.id, kind: "cancelled" }]);
  // Nothing is claimed before the server has dealt with it, and what comes of the run is refused.
  expect(await store.claim(request({ scope: everything }))).toEqual({ kind: "recalled" });
  const outcomes = [completion(runs[0]!), completion(runs[1]!)];
  const report = await store.commit(makeCommit({ completed: outcomes, recalled: [1] }));
  expect(report.refused).toEqual([runs[0]!.id]);
  expect(await store.recalls(serverId)).toEqual([]);
  expect(store.own.counts()).toEqual({ total: 4, unfinished: 1, succeeded: 1, cancelled: 2 });
  expect(store.own.waitingSince()).toBe(waits[1]!.submitTime);
  expect(claimed(await store.claim(request({ scope: everything }))).map(({ id }) => id)).toEqual([waits[1]!.id]);
});
