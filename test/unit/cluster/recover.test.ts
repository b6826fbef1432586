import { expect, test } from "bun:test";
import { watchServers } from "../../../src/cluster/recover.ts";
import { MemoryStore } from "../../../src/store/memory.ts";
import { claimed, makeServer, makeTask, request } from "../../conformance/store.ts";
import { silentLog } from "../../make.ts";

const nothing = (): void => {};
test("tasks of a server that dies beside a run are free at the next look, those of the living are not", async () => {
  const store = new MemoryStore();
  const dead = "22222222-2222-7222-8222-222222222222";
  const living = "44444444-4444-7444-8444-444444444444";
  const tasks = [makeTask({ submitId: dead }), makeTask({ submitId: living })];
  for (const id of [dead, living]) await store.addServer(makeServer(id, { reserves: true }));
  await store.insert(tasks);
  let look = nothing;
  let set = Promise.withResolvers<void>();
  const clock = {
    now: () => 0,
    after(_delayMs: number, action: () => void) {
      look = action;
      set.resolve();
      return { cancel: nothing };
    },
  };
  const { end } = watchServers({
    store,
    isAlive: ({ id }) => id === living,
    isProven: () => true,
    unproven: [],
    clock,
    everyMs: 1,
    graceMs: 0,
    log: silentLog,
  });
  expect((await store.claim(request({ scope: { kind: "all" } }))).kind).toBe("none");
  set = Promise.withResolvers<void>();
  look();
  await set.promise;
  expect(claimed(await store.claim(request({ scope: { kind: "all" } }))).map(({ id }) => id)).toEqual([tasks[0]!.id]);
  end();
});
