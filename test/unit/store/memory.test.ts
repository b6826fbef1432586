import { expect, test } from "bun:test";
import { messageOf } from "../../../src/base/errors.ts";
import { newId } from "../../../src/base/ids.ts";
import { everyFailure } from "../../../src/task/retries.ts";
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

test("long lines fill the memory no more than many: inserts wait, and fewer failures are kept", async () => {
  const store = new MemoryStore();
  const args = "x".repeat(1024 * 1024);
  await store.insert(makeTasks(64, { args }));
  const inserted = store.insert(makeTasks(2, { args }));
  expect(await isSettled(inserted)).toBe(false);
  const first = claimed(await store.claim(request({ limit: 1 })));
  expect(await isSettled(inserted)).toBe(false);
  const tasks = [...first, ...claimed(await store.claim(request({ limit: 40 })))];
  await inserted;
  const completed = tasks.map((task) => completion(task, { exitStatus: 1 }));
  await store.commit(makeCommit({ completed }));
  expect(await store.retryFailures({ kind: "all" }, everyFailure(2), 0, newId)).toBe(16);
});

test("large templates do not fill the memory: one too many is refused, and small ones are not", async () => {
  const store = new MemoryStore();
  const template = "x".repeat(1024 * 1024);
  const add = (n: number, fields: object): Promise<void> =>
    store.addSubmission({ id: `${n}`, time: 0, host: "h", user: "u", cwd: "/", template, version: "", ...fields });
  for (let n = 0; n < 64; n++) await add(n, {});
  await add(0, {});
  expect(await add(64, {}).catch(messageOf)).toMatch(/no room for more large templates/);
  await add(65, { template: "{}" });
  expect([await store.submission("64"), (await store.submission("65"))?.template]).toEqual([null, "{}"]);
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
