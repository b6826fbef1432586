import { expect, test } from "bun:test";
import { systemClock } from "../../../src/base/clock.ts";
import { newPatience } from "../../../src/log/patience.ts";
import type { ServerEvent } from "../../../src/server/event.ts";
import { carryOutInStore, lookAround, type Persistence, type StoreEffect } from "../../../src/server/persistence.ts";
import { MemoryStore } from "../../../src/store/memory.ts";
import type { Recall, ServerRow, Store } from "../../../src/store/store.ts";
import { completion } from "../../conformance/store.ts";
import { makeClaimed, makeServerRow, silentLog } from "../../make.ts";
import { makeSettings } from "./bench.ts";

/** A store with servers `self` and `dead`, and whatever else the test puts in place. */
function open(parts: Partial<Store> = {}) {
  const calls: string[] = [];
  const events: ServerEvent[] = [];
  const row = (id: string, firstLease: number): ServerRow => makeServerRow(id, { firstLease });
  const recalls: readonly Recall[] = [{ number: 1, id: "1", kind: "reverted" }];
  const store: Store = Object.assign(new MemoryStore(), { durable: true, ...parts });
  const fakes: Partial<Store> = {
    servers: async () => [row("dead", 1000), row("self", 5000), row("other", 7000)],
    recalls: async (id) => (id === "dead" ? recalls : []),
    addClient: async () => {},
    adopt: async ({ ids }) => ids.map((id) => makeClaimed(id)),
    submission: async () => null,
    endClient: async () => {},
    forgetClient: async () => {},
    buryServer: async () => 3,
  };
  for (const [name, fake] of Object.entries({ ...fakes, ...parts }))
    if (typeof fake === "function")
      Object.assign(store, {
        [name]: (...words: readonly unknown[]) => {
          calls.push(name);
          return (fake as (...words: readonly unknown[]) => unknown)(...words);
        },
      });
  const its: Persistence = {
    settings: makeSettings({ serverId: "self" }),
    store,
    clock: systemClock,
    enter: async () => ({ storeId: "store", firstLease: 1 }),
    isAlive: ({ id }) => id !== "dead",
    patience: newPatience(systemClock, silentLog),
    submissions: new Map(),
    push: (event) => events.push(event),
    fail(error) {
      throw error;
    },
    syncs: true,
    committed: () => undefined,
    commitSince: null,
    hurried: false,
    rows: Promise.resolve(),
  };
  const after = async (...effects: readonly StoreEffect[]): Promise<readonly ServerEvent[]> => {
    for (const effect of effects) carryOutInStore(its, effect);
    await its.rows;
    return events.splice(0);
  };
  return { its, calls, events, after };
}

type Register = Extract<StoreEffect, { kind: "register" }>;

function register(fields: Partial<Register> = {}): Register {
  const rest = { adopt: [], finished: [], brings: false, from: [] };
  return { kind: "register", clientId: "a", host: "node", number: 4, ...rest, ...fields };
}

test("a client that brings nothing is made known, and nothing else is asked", async () => {
  const { after, calls } = open();
  const registered = {
    kind: "registered",
    clientId: "a",
    number: 4,
    adopted: [],
    submissions: [],
    revoked: [],
  } as const;
  expect(await after(register())).toEqual([registered]);
  expect(calls).toEqual(["addClient"]);
});

test("what a client brings is adopted from predecessors, servers that died since, and the server itself", async () => {
  const froms: (readonly string[])[] = [];
  const { after } = open({
    async adopt({ ids, from }) {
      froms.push(from);
      return ids.map((id) => makeClaimed(id));
    },
  });
  const [event] = await after(register({ adopt: ["1"], brings: true, from: ["before"] }));
  expect(froms).toEqual([["before", "dead", "self"]]);
  expect(event).toMatchObject({
    adopted: [{ id: "1" }],
    submissions: [{ id: "submission", template: null, cwd: null }],
    revoked: [{ id: "1", from: 0, below: 5000 }],
  });
});

test("the end of a client does not overtake its registration", async () => {
  const begun = Promise.withResolvers<void>();
  const { after, calls } = open({ addClient: () => begun.promise });
  const done = after(
    register(),
    { kind: "endClient", clientId: "a", evicted: false, hasWorked: true },
    { kind: "endClient", clientId: "b", evicted: false, hasWorked: false },
  );
  await new Promise((resolve) => setImmediate(resolve));
  expect(calls).toEqual(["addClient"]);
  begun.resolve();
  await done;
  expect(calls).toEqual(["addClient", "endClient", "forgetClient"]);
});

test("outcomes that other processes may forget then are synced before they count as recorded", async () => {
  const disk = Promise.withResolvers<void>();
  const { its, after, calls, events } = open({ commit: async () => ({ refused: [] }), sync: () => disk.promise });
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  const nothing = { at: 1, assigned: [], started: [], completed: [], reverted: [], recalled: [] };
  const confirms = true;
  const ended = { kind: "commit", commit: { ...nothing, completed: [completion({ id: "1" })] }, confirms } as const;
  await after({ kind: "commit", commit: nothing, confirms: false });
  await turn();
  expect([calls.splice(0), events.splice(0).length]).toEqual([["commit"], 1]);
  await after(ended);
  await turn();
  expect([calls.splice(0), events.length]).toEqual([["commit", "sync"], 0]);
  disk.resolve();
  await turn();
  expect(events.splice(0)).toEqual([{ kind: "committed", report: { refused: [] } }]);
  carryOutInStore({ ...its, syncs: false }, ended);
  await turn();
  expect([calls, events.length]).toEqual([["commit"], 1]);
});

test("a dead server is buried after its recalls were read, which are gone with it", async () => {
  const { after, calls } = open();
  const [event] = await after({ kind: "bury", serverId: "dead" });
  expect(calls.slice(-3)).toEqual(["recalls", "servers", "buryServer"]);
  expect(event).toEqual({
    kind: "buried",
    serverId: "dead",
    reverted: 3,
    revoked: [{ id: "1", from: 0, below: 5000 }],
  });
});

test("servers that take whatever is free are counted, unless this one runs a submission of its own", async () => {
  const { its, events } = open();
  await lookAround(its);
  expect(events).toEqual([{ kind: "neighbours", count: 1 }]);
  await lookAround({ ...its, settings: makeSettings({ scope: { kind: "submission", id: "self" } }) });
  expect(events).toHaveLength(1);
});
