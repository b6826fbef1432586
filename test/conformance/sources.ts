/*
 * What every Store promises about where tasks came from, and about submissions that a claim leaves out. Run against
 * each implementation, beside store.ts, which has the rest.
 */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { newId } from "../../src/base/ids.ts";
import type { Store } from "../../src/store/store.ts";
import type { Submission } from "../../src/task/task.ts";
import {
  claimed,
  completion,
  everything,
  ids,
  makeCommit,
  makeServer,
  makeTask,
  mine,
  type OpenedStore,
  other,
  request,
  t0,
} from "./store.ts";

export function sourcesConformance(title: string, open: () => Promise<OpenedStore>): void {
  describe(`store: ${title}`, () => {
    let opened: OpenedStore;
    let store: Store;
    beforeEach(async () => {
      opened = await open();
      store = opened.store;
    });
    afterEach(() => opened[Symbol.asyncDispose]());

    describe("aside", () => {
      test("submissions that a claim sets aside hold up nothing, whatever their groups", async () => {
        const gone = makeTask({ submitId: other, group: 0 });
        const [one, two] = [makeTask({ group: 0 }), makeTask({ group: 1 })];
        await store.insert([gone, one, two]);
        const aside = { scope: everything, aside: [other] };
        expect(ids(claimed(await store.claim(request(aside))))).toEqual([one.id]);
        expect(await store.claim(request({ ...aside, group: 0 }))).toMatchObject({ kind: "waiting", unfinished: 1 });
        await store.commit(makeCommit({ completed: [completion(one)] }));
        expect(await store.claim(request({ ...aside, group: 0 }))).toMatchObject({ kind: "advance", to: 1 });
        expect(ids(claimed(await store.claim(request({ ...aside, group: 1 }))))).toEqual([two.id]);
        await store.commit(makeCommit({ completed: [completion(two)] }));
        expect(await store.claim(request({ ...aside, group: 1 }))).toEqual({ kind: "none", unfinished: 0 });
        expect((await store.survey(everything)).unfinished).toBe(1);
        expect(ids(claimed(await store.claim(request({ scope: everything }))))).toEqual([gone.id]);
      });

      test("failures of what is set aside do not count, and a run does not set aside its own", async () => {
        const [failed, later] = [makeTask({ submitId: other }), makeTask({ group: 1 })];
        await store.insert([failed, later]);
        await store.claim(request({ scope: everything }));
        await store.commit(makeCommit({ completed: [completion(failed, { exitStatus: 1 })] }));
        const all = { scope: everything, group: 0 };
        expect(await store.claim(request(all))).toMatchObject({ kind: "heldBack" });
        expect(await store.claim(request({ ...all, aside: [other] }))).toEqual({
          kind: "advance",
          to: 1,
          heldBack: null,
        });
        const own = request({ group: 1, aside: [mine.id] });
        expect(ids(claimed(await store.claim(own)))).toEqual([later.id]);
      });
    });

    test("sources tell where unfinished tasks came from, most of them first", async () => {
      expect(await store.sources(everything)).toEqual([]);
      const from = (id: string, cwd: string, time: number): Submission => {
        return { id, time, host: "login01", user: "u", cwd, template: null, version: "1.0" };
      };
      const [first, second, ended] = [newId(), newId(), newId()].toSorted() as [string, string, string];
      for (const one of [from(first, "/b", t0), from(second, "/b", t0 + 1000), from(ended, "/c", t0)])
        await store.addSubmission(one);
      await store.addSubmission(from(other, "/a", t0 + 500.125));
      const done = makeTask({ submitId: ended });
      const tasks = [1, 2].map(() => makeTask({ submitId: first })).concat(makeTask({ submitId: second }));
      await store.insert([done, ...tasks, makeTask({ submitId: other }), makeTask()]);
      await store.claim(request({ scope: { kind: "submission", id: ended } }));
      await store.claim(request({ scope: { kind: "submission", id: first }, limit: 1 }));
      await store.commit(makeCommit({ completed: [completion(done)] }));
      const b = {
        cwd: "/b",
        host: "login01",
        submissions: 2,
        example: first,
        unfinished: 3,
        first: t0,
        last: t0 + 1000,
      };
      const at = t0 + 500.125;
      const a = { cwd: "/a", host: "login01", submissions: 1, example: other, unfinished: 1, first: at, last: at };
      const old = { cwd: null, host: null, submissions: 1, example: mine.id, unfinished: 1, first: null, last: null };
      const found = await store.sources(everything);
      expect(found[0]).toEqual(b);
      expect(found.toSorted((left, right) => (left.cwd ?? "").localeCompare(right.cwd ?? ""))).toEqual([old, a, b]);
      expect(await store.sources(mine)).toEqual([old]);
      await store.addServer(makeServer(other, { reserves: true }));
      expect((await store.sources(everything)).map(({ cwd }) => cwd)).toEqual(["/b", null]);
    });
  });
}
