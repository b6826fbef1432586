import { expect, test } from "bun:test";
import { MemoryStore } from "../../../src/store/memory.ts";
import { adoptionConformance } from "../../conformance/adoption.ts";
import { setbackConformance } from "../../conformance/setbacks.ts";
import { serversConformance } from "../../conformance/servers.ts";
import { sourcesConformance } from "../../conformance/sources.ts";
import { claimed, completion, makeCommit, makeTasks, request, storeConformance } from "../../conformance/store.ts";

for (const conformance of [
  storeConformance,
  adoptionConformance,
  serversConformance,
  setbackConformance,
  sourcesConformance,
]) {
  conformance("memory", async () => {
    const store = new MemoryStore();
    return { store, [Symbol.asyncDispose]: () => store.close() };
  });
}

async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol("pending");
  return (await Promise.race([promise, Promise.resolve(pending)])) !== pending;
}

test("an insert above the capacity waits until enough is claimed", async () => {
  const store = new MemoryStore(10);
  await store.insert(makeTasks(10));
  const inserted = store.insert(makeTasks(5));
  expect(await isSettled(inserted)).toBe(false);
  await store.claim(request({ limit: 4 }));
  expect(await isSettled(inserted)).toBe(false);
  await store.claim(request({ limit: 1 }));
  await inserted;
});

test("tasks given back count as unscheduled again", async () => {
  const store = new MemoryStore(2);
  await store.insert(makeTasks(2));
  const tasks = claimed(await store.claim(request()));
  await store.commit(makeCommit({ reverted: tasks.map(({ id }) => id) }));
  const inserted = store.insert(makeTasks(1));
  expect(await isSettled(inserted)).toBe(false);
  await store.close();
  await inserted;
});

test("an ended task is forgotten: a long run keeps what is unfinished and no more", async () => {
  const store = new MemoryStore(100);
  const round = async (): Promise<void> => {
    const tasks = makeTasks(100);
    await store.insert(tasks);
    claimed(await store.claim(request({ group: 0 })));
    await store.commit(makeCommit({ completed: tasks.map((task, i) => completion(task, { exitStatus: i % 2 })) }));
  };
  for (let i = 0; i < 100; i++) await round();
  Bun.gc(true);
  const before = process.memoryUsage().heapUsed;
  for (let i = 0; i < 500; i++) await round();
  Bun.gc(true);
  // Fifty thousand tasks would take some 25 MB.
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(5_000_000);
  expect([await store.survey({ kind: "all" }), await store.total({ kind: "all" })]).toEqual([
    { unfinished: 0 },
    60_000,
  ]);
});
