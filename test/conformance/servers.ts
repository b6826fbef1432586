/*
 * What every Store promises about the rows of servers: heartbeats, leases, what is reserved, and what becomes of the
 * tasks of those that end or are buried. Run against each implementation, beside store.ts, which has the rest.
 */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { Store } from "../../src/store/store.ts";
import {
  claimed,
  completion,
  everything,
  ids,
  makeCommit,
  makeServer,
  makeTasks,
  type OpenedStore,
  other,
  request,
  serverId,
} from "./store.ts";

export function serversConformance(title: string, open: () => Promise<OpenedStore>): void {
  describe(`store: ${title}`, () => {
    let opened: OpenedStore;
    let store: Store;
    beforeEach(async () => {
      opened = await open();
      store = opened.store;
    });
    afterEach(() => opened[Symbol.asyncDispose]());

    describe("servers", () => {
      test("a server row is there until the server ends, with its last beat", async () => {
        const row = makeServer(serverId, { pidStart: null, processTable: null, reserves: true });
        const { firstLease } = await store.addServer(row);
        await store.addServer(makeServer(other));
        const at = Date.now();
        expect(await store.beatServer(serverId, at)).toBe(true);
        const [found] = (await store.servers()).filter(({ id }) => id === serverId);
        expect(found).toEqual({ ...row, startedAt: found!.startedAt, firstLease, beatAt: found!.beatAt });
        // Not to the millisecond: a database may have a clock of its own.
        expect(found!.beatAt).toBeGreaterThan(at - 1000);
        expect(found!.beatAt).toBeLessThanOrEqual(Date.now() + 1000);
        await store.endServer(serverId);
        expect(ids(await store.servers())).toEqual([other]);
        expect(await store.beatServer(serverId, at)).toBe(false);
      });

      test("each server gets leases above those of all before it, whatever its clock shows", async () => {
        const hour = 3_600_000;
        const admissions = [];
        for (const [id, startedAt] of [
          [serverId, Date.now() + hour],
          [other, Date.now()],
          [serverId, Date.now() - hour],
        ] as const)
          admissions.push(await store.addServer(makeServer(id, { startedAt, reserves: id === other })));
        const [first, second, third] = admissions.map(({ firstLease }) => firstLease) as [number, number, number];
        // Earlier versions counted microseconds since 1970: their leases are below these.
        expect(first).toBeGreaterThanOrEqual((Date.now() - hour) * 1000);
        expect(second - first).toBeGreaterThanOrEqual(2 ** 36);
        expect(third - second).toBeGreaterThanOrEqual(2 ** 30);
        expect(third).toBeLessThan(Number.MAX_SAFE_INTEGER);
        expect(new Set(admissions.map(({ storeId }) => storeId)).size).toBe(1);
        expect(admissions[0]!.storeId).toMatch(/^[0-9a-f-]{36}$/);
        const rows = await store.servers();
        expect(new Set(rows.map(({ firstLease }) => firstLease))).toEqual(new Set([second, third]));
      });

      test("what a server reserves can be given free; what it holds, and since when it is there, stays", async () => {
        const { firstLease } = await store.addServer(makeServer(other, { reserves: true }));
        await store.insert(makeTasks(2, { submitId: other }));
        const scope = { kind: "submission", id: other } as const;
        const [held] = claimed(await store.claim(request({ serverId: other, scope, limit: 1 })));
        await store.unreserve(other);
        const free = claimed(await store.claim(request({ scope: everything })));
        expect([free.length, ids(free).includes(held!.id)]).toEqual([1, false]);
        const [row] = await store.servers();
        expect([row?.id, row?.reserves, row?.firstLease]).toEqual([other, false, firstLease]);
      });

      test("a buried server gives back what it held, and only that", async () => {
        await store.addServer(makeServer(other, { reserves: true }));
        await store.insert([...makeTasks(4, { submitId: other }), ...makeTasks(2, { submitId: other, group: 4 })]);
        const theirs = { serverId: other, scope: { kind: "submission", id: other } } as const;
        const [first, , third] = claimed(await store.claim(request({ ...theirs, limit: 3 })));
        await store.claim(request({ scope: theirs.scope, limit: 1 }));
        await store.commit(makeCommit({ completed: [completion(first!)] }));
        expect(await store.buryServer(other)).toBe(2);
        expect(await store.servers()).toEqual([]);
        const again = claimed(await store.claim(request({ scope: everything })));
        expect(again.length).toBe(2);
        expect(ids(again)).toContain(third!.id);
      });

      test("listeners hear of a burial: what was reserved is free", async () => {
        await store.addServer(makeServer(other, { reserves: true }));
        await store.insert(makeTasks(1, { submitId: other }));
        expect(await store.claim(request({ scope: everything }))).toEqual({ kind: "none", unfinished: 0 });
        let heard = 0;
        store.onInsert(() => heard++);
        expect(await store.buryServer(other)).toBe(0);
        expect(heard).toBeGreaterThan(0);
        expect(claimed(await store.claim(request({ scope: everything })))).toHaveLength(1);
      });

      test("tasks held by nobody known are given back, those of known servers are not", async () => {
        await store.addServer(makeServer(serverId));
        const tasks = makeTasks(3);
        await store.insert(tasks);
        await store.claim(request({ limit: 1 }));
        await store.claim(request({ limit: 2, serverId: other }));
        expect(await store.revertOrphans()).toBe(2);
        expect(ids(claimed(await store.claim(request())))).toEqual(ids(tasks.slice(1)));
      });
    });
  });
}
