/*
 * What every Store promises about where tasks came from, and about submissions and tasks that a claim leaves out. Run
 * against each implementation, beside store.ts, which has the rest.
 */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { newId } from "../../src/base/ids.ts";
import type { ClaimRequest, Store, TooMuch } from "../../src/store/store.ts";
import type { NewTask, Submission } from "../../src/task/task.ts";
import {
  claimed,
  completion,
  everything,
  ids,
  makeCommit,
  makeServer,
  makeTask,
  makeTasks,
  mine,
  next,
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

    describe("too much", () => {
      const nothing: TooMuch = { cores: 0, memory: 0, tags: [], timeout: 0 };
      const plain = { cores: null, memory: null, timeout: null, tag: { part: 0 } };
      const one = (fields: Partial<NewTask>): NewTask => makeTask({ ...plain, ...fields });
      const tasks = (): NewTask[] => [
        one({ cores: 8 }),
        one({ memory: 2 ** 40 }),
        one({ cores: 4, timeout: 60, tag: { gpus: 1, part: 0 } }),
        one({ cores: 4, timeout: 60 }),
        one({ tag: { gpus: "many", "a.b-c": 0, part: 0 } }),
        one({}),
      ];
      const found = async (
        all: readonly NewTask[],
        tooMuch: Partial<TooMuch>[],
        fields: Partial<ClaimRequest> = {},
      ) => {
        const asked = request({ ...fields, tooMuch: tooMuch.map((each) => ({ ...nothing, ...each })) });
        const taken = claimed(await store.claim(asked));
        await store.commit(makeCommit({ reverted: ids(taken) }));
        return ids(taken).map((id) => ids(all).indexOf(id));
      };

      test("a claim passes over what needs as much as one of the needs in every respect", async () => {
        const all = tasks();
        await store.insert(all);
        for (const scope of [mine, everything]) {
          const claim = (...tooMuch: Partial<TooMuch>[]) => found(all, tooMuch, { scope });
          expect(await claim({ cores: 5 })).toEqual([1, 2, 3, 4, 5]);
          expect(await claim({ cores: 4 })).toEqual([1, 4, 5]);
          expect(await claim({ memory: 2 ** 40 })).toEqual([0, 2, 3, 4, 5]);
          expect(await claim({ memory: 2 ** 40 + 1, cores: 1 })).toEqual([0, 1, 2, 3, 4, 5]);
          expect(await claim({ cores: 4, timeout: 60 })).toEqual([0, 1, 4, 5]);
          expect(await claim({ tags: ["gpus"] })).toEqual([0, 1, 3, 5]);
          expect(await claim({ tags: ["gpus", "a.b-c"] })).toEqual([0, 1, 2, 3, 5]);
          expect(await claim({ tags: ["gpus"], cores: 4 }, { cores: 8 }, { memory: 1 })).toEqual([3, 4, 5]);
        }
      });

      test("it looks as far as it has to, takes no more than its limit, and holds the group", async () => {
        const many = makeTasks(3000, { ...plain, cores: 64 });
        const [few, above] = [makeTasks(3, plain), makeTask({ ...plain, group: 1 })];
        await store.insert([...many, ...few, above]);
        const [tooMuch, reserved] = [[{ cores: 64 }], { scope: everything, aside: [other] }];
        expect(await found(few, tooMuch, { limit: 2 })).toEqual([0, 1]);
        expect(await found(few, tooMuch, { ...reserved, limit: 2 })).toEqual([0, 1]);
        expect(await found(few, [...tooMuch, { memory: 1 }], { limit: 10 })).toEqual([0, 1, 2]);
        await store.claim(request({ tooMuch: [{ ...nothing, cores: 64 }], limit: 10 }));
        expect(await store.claim(request({ group: 0, tooMuch: [{ ...nothing, cores: 64 }] }))).toEqual({
          kind: "claimed",
          group: 0,
          tasks: [],
        });
      });

      test("eager claims take next attempts first, but none that need too much", async () => {
        const first = makeTasks(2, plain);
        const again = [next(first[0]!, { cores: 8 }), next(first[1]!)];
        const all = [...makeTasks(1, plain), ...again];
        await store.insert(all);
        expect(await found(all, [{ cores: 8 }], { eager: true })).toEqual([2, 0]);
      });
    });

    test("a task may end that no client has ever had", async () => {
      const task = makeTask();
      await store.insert([task]);
      await store.claim(request());
      const none = completion(task, {
        clientId: null,
        clientHost: null,
        command: null,
        startTime: null,
        exitStatus: -3,
      });
      expect((await store.commit(makeCommit({ completed: [none] }))).refused).toEqual([]);
      expect(await store.survey(mine)).toEqual({ unfinished: 0 });
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
