import { expect, test } from "bun:test";
import { systemClock } from "../../../src/base/clock.ts";
import { newId } from "../../../src/base/ids.ts";
import { keepRest, type Rest, salvage } from "../../../src/cluster/salvage.ts";
import { MemoryStore } from "../../../src/store/memory.ts";
import type { NewTask } from "../../../src/task/task.ts";
import { taskFactory } from "../../../src/task/factory.ts";

const owner = { serverId: "s", serverHost: "h", scope: { kind: "all" }, at: 1 } as const;
const factory = taskFactory(
  { submitId: "s", submitHost: "h", group: 0, cores: null, memory: null, timeout: null, settings: [] },
  newId,
);

function task(args: string, group = 0): NewTask {
  return { ...factory.build(args, [], 1), group };
}

test("everything that waits is written down, whatever its group", async () => {
  const store = new MemoryStore();
  await store.insert([task("late", 3), task("one"), task("two")]);
  const lines: string[] = [];
  expect(await salvage(store, owner, Promise.resolve(), ({ args }) => lines.push(args))).toBe(3);
  expect(lines).toEqual(["one", "two", "late"]);
});

test("what is still being loaded is written down too, though the store has no room for it", async () => {
  const store = new MemoryStore(2);
  const lines: string[] = [];
  const load = async (): Promise<void> => {
    for (let n = 0; n < 50; n++) {
      await store.insert([task(`task ${n}`)]);
      await new Promise((resume) => setImmediate(resume));
    }
  };
  expect(await salvage(store, owner, load(), ({ args }) => lines.push(args))).toBe(50);
  expect(lines).toEqual(Array.from({ length: 50 }, (_, n) => `task ${n}`));
});

test("an input that cannot be read to its end does not keep what was read from being written", async () => {
  const store = new MemoryStore();
  await store.insert([task("one")]);
  const lines: string[] = [];
  expect(await salvage(store, owner, Promise.reject(new Error("broken")), ({ args }) => lines.push(args))).toBe(1);
});

/** What a run without a database leaves behind, with an input that goes on until it is stopped. */
function endlessRest(more: Partial<Rest>): Rest & { readonly stopped: () => boolean } {
  const reading = Promise.withResolvers<void>();
  let isStopped = false;
  const stopReading = (): void => {
    isStopped = true;
    reading.resolve();
  };
  const clock = { after: (_ms: number, action: () => void) => systemClock.after(0, action) };
  const rest = {
    store: new MemoryStore(),
    owner,
    loading: reading.promise,
    stopReading,
    write: () => undefined,
    clock,
  };
  return { ...rest, ...more, stopped: () => isStopped };
}

test("an input that goes on for too long is left to its writer, and what was read is written down", async () => {
  const store = new MemoryStore();
  await store.insert([task("one")]);
  const lines: string[] = [];
  const rest = endlessRest({ store, write: ({ args }) => lines.push(args) });
  expect(await keepRest(rest)).toBe(1);
  expect([rest.stopped(), lines]).toEqual([true, ["one"]]);
});

test("with a database nothing is written down: the rest of the input goes there", async () => {
  const rest = endlessRest({ store: { ...endlessRest({}).store, durable: true } });
  expect(await keepRest(rest)).toBe(0);
  expect(rest.stopped()).toBe(true);
});
