/*
 * What every Store promises of tasks that failures hold back, stated once. Which group comes first is in store.ts.
 */
import { everyFailure } from "../../src/task/retries.ts";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { newId } from "../../src/base/ids.ts";
import type { Claim, HeldBack, Store } from "../../src/store/store.ts";
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

export function setbackConformance(title: string, open: () => Promise<OpenedStore>): void {
  describe(`store: ${title} > failures`, () => {
    let opened: OpenedStore;
    let store: Store;
    beforeEach(async () => {
      opened = await open();
      store = opened.store;
    });
    afterEach(() => opened[Symbol.asyncDispose]());

    const third = "55555555-5555-7555-8555-555555555555";
    const submission = (id: string, cwd: string): Submission => ({
      id,
      time: t0,
      host: "login01",
      user: "me",
      cwd,
      template: null,
      version: "1",
    });
    const all = request({ scope: everything });

    /** Claims the tasks of the lowest group and records how they ended. */
    async function end(tasks: readonly NewTask[], exitStatus: number, asked = all): Promise<void> {
      const got = ids(claimed(await store.claim(asked)));
      expect(got).toEqual(ids(tasks));
      await store.commit(makeCommit({ completed: tasks.map((task) => completion(task, { exitStatus })) }));
    }

    test("a failure holds back higher groups: none cancelled, tried again, or to be tried", async () => {
      const tasks = makeTasks(5, { group: 1 });
      const high = [makeTask({ group: 2 }), makeTask({ group: 3 })];
      await store.insert([...tasks, ...high]);
      await store.claim(request());
      const [fine, failed, cancelled, early, again] = tasks as [NewTask, NewTask, NewTask, NewTask, NewTask];
      const retry = next(again, { attempt: 3 });
      await store.commit(
        makeCommit({
          completed: [
            completion(fine),
            completion(failed, { exitStatus: 1 }),
            completion(cancelled, { exitStatus: -1 }),
            completion(early, { exitStatus: -2 }),
            completion(again, { exitStatus: 2, retry: { task: retry, claimed: true } }),
          ],
        }),
      );
      const waiting = { kind: "waiting", busyGroup: 1 };
      for (const group of [null, 1]) expect(await store.claim(request({ group }))).toMatchObject(waiting);
      await store.commit(makeCommit({ completed: [completion(retry, { exitStatus: 3 })] }));
      const heldBack = { tasks: 2, waiting: [{ submitId: mine.id, group: 2 }], submissions: 1, reasons: 1 };
      const setback = { submitId: mine.id, origin: null, group: 1 };
      for (const scope of [mine, everything])
        expect(await store.claim(request({ scope, group: 1, retries: everyFailure(3) }))).toEqual({
          kind: "heldBack",
          heldBack: { ...heldBack, setbacks: [{ ...setback, failed: 1, example: retry.id }] },
        });
      for (const group of [null, 1, 7]) {
        const answer = await store.claim(request({ group, retries: everyFailure(1) }));
        expect(answer).toMatchObject({
          kind: "heldBack",
          heldBack: { ...heldBack, setbacks: [{ ...setback, failed: 3 }] },
        });
      }
      expect(await store.claim(request({ group: 1, retries: everyFailure(4) }))).toMatchObject({
        kind: "advance",
        to: 2,
      });
    });

    test("a failure holds back what was submitted from the same directory, and nothing else", async () => {
      await store.addSubmission(submission(mine.id, "/data/a"));
      await store.addSubmission(submission(other, "/data/b"));
      await store.addSubmission(submission(third, "/data/a"));
      const bad = makeTask({ group: 1 });
      await store.insert([bad]);
      await end([bad], 1);
      const [held, low] = [makeTask({ submitId: third, group: 2 }), makeTask({ submitId: third, group: 1 })];
      const [beside, above] = [makeTask({ submitId: other, group: 2 }), makeTask({ submitId: other, group: 3 })];
      await store.insert([held, low, beside, above]);
      // Not held back: the failure is in the same group.
      await end([low], 0);
      const heldBack: HeldBack = {
        tasks: 1,
        waiting: [{ submitId: third, group: 2 }],
        submissions: 1,
        setbacks: [{ submitId: mine.id, origin: { cwd: "/data/a", time: t0 }, group: 1, failed: 1, example: bad.id }],
        reasons: 1,
      };
      expect(await store.claim({ ...all, group: 1 })).toEqual({ kind: "advance", to: 2, heldBack });
      await end([beside], 0, { ...all, group: 2 });
      expect(await store.claim({ ...all, group: 2 })).toEqual({ kind: "advance", to: 3, heldBack });
      expect(await store.claim({ ...all, group: 3, limit: 0 })).toEqual({ kind: "claimed", group: 3, tasks: [] });
      const [running] = claimed(await store.claim({ ...all, group: 3 }));
      expect(await store.claim({ ...all, group: 3 })).toEqual({ kind: "waiting", busyGroup: 3, unfinished: 1 });
      await store.commit(makeCommit({ completed: [completion(running!)] }));
      for (const group of [null, 3])
        expect(await store.claim({ ...all, group })).toEqual({ kind: "heldBack", heldBack });
      // A run of that submission alone counts its own failures only.
      const own = request({ scope: { kind: "submission", id: third }, group: 1 });
      expect(await store.claim(own)).toEqual({ kind: "advance", to: 2, heldBack: null });
      // Another attempt goes first, and frees the rest when it succeeds.
      const [again] = [await store.retryFailures(everything, everyFailure(2), t0 + 99_000, newId)];
      expect(again).toBe(1);
      const tried = claimed(await store.claim({ ...all, group: 3 }));
      expect(tried.map(({ group, attempt }) => [group, attempt])).toEqual([[1, 2]]);
      await store.commit(makeCommit({ completed: [completion(tried[0]!)] }));
      expect(await store.claim({ ...all, group: 1 })).toEqual({ kind: "advance", to: 2, heldBack: null });
    });

    test("where no directory is recorded, a failure holds back all, and all hold back", async () => {
      await store.addSubmission(submission(other, "/data/b"));
      await store.addSubmission(submission(third, "/data/c"));
      const bad = makeTask();
      const high = [makeTask({ submitId: other, group: 1 }), makeTask({ submitId: third, group: 1 })];
      await store.insert([bad, ...high]);
      await end([bad], 1);
      expect(await store.claim({ ...all, group: 0 })).toMatchObject({
        kind: "heldBack",
        heldBack: { tasks: 2, submissions: 2, reasons: 1, setbacks: [{ submitId: mine.id, origin: null, group: 0 }] },
      });
      await store.retryFailures(everything, everyFailure(2), t0 + 99_000, newId);
      await store.commit(
        makeCommit({ completed: [completion(claimed(await store.claim({ ...all, retries: everyFailure(2) }))[0]!)] }),
      );
      await end(high, 1, { ...all, retries: everyFailure(2), group: 1 });
      const nobodys = makeTask({ group: 2 });
      await store.insert([nobodys]);
      expect(await store.claim({ ...all, group: 1 })).toMatchObject({
        kind: "heldBack",
        heldBack: { tasks: 1, waiting: [{ submitId: mine.id, group: 2 }], reasons: 2 },
      });
    });

    test("what another run reserves does not count, and counts when it has ended", async () => {
      await store.addSubmission(submission(other, "/data/a"));
      await store.addSubmission(submission(mine.id, "/data/a"));
      await store.addServer(makeServer(other, { reserves: true }));
      const bad = makeTask({ submitId: other });
      await store.insert([bad, makeTask({ group: 1 })]);
      await end([bad], 1, request({ scope: { kind: "submission", id: other } }));
      expect(await store.claim({ ...all, group: 0 })).toEqual({ kind: "advance", to: 1, heldBack: null });
      await store.endServer(other);
      expect(await store.claim({ ...all, group: 0 })).toMatchObject({ kind: "heldBack" });
    });

    test("later attempts that are held back are not taken either", async () => {
      await store.addSubmission(submission(mine.id, "/data/a"));
      await store.addSubmission(submission(other, "/data/b"));
      const [bad, high] = [makeTask(), makeTask({ group: 1 })];
      await store.insert([high]);
      const [first] = claimed(await store.claim(all));
      await store.insert([bad]);
      await end([bad], 1);
      const retry = { task: next(high), claimed: false };
      await store.commit(makeCommit({ completed: [completion(first!, { exitStatus: 1, retry })] }));
      const free = makeTask({ submitId: other, group: 1 });
      await store.insert([free]);
      const eager = { ...all, eager: true, attempts: 1, group: 1 };
      expect(ids(claimed(await store.claim(eager)))).toEqual([free.id]);
    });

    test("many submissions are told apart by their directories, whether they are held back or not", async () => {
      const bad = makeTask();
      await store.addSubmission(submission(mine.id, "/data/a"));
      await store.insert([bad]);
      await end([bad], 1);
      const free: NewTask[] = [];
      for (let i = 0; i < 1300; i++) {
        const task = makeTask({ submitId: newId(), group: 1 + (i % 2) });
        await store.addSubmission(submission(task.submitId, i % 3 === 0 ? "/data/a" : `/data/${i % 7}`));
        await store.insert([task]);
        if (i % 3 !== 0) free.push(task);
      }
      const got: string[] = [];
      let claim: Claim;
      for (let group: number | null = 0; ;) {
        claim = await store.claim({ ...all, group, limit: 300, eager: group === 2 });
        if (claim.kind === "advance") group = claim.to;
        if (claim.kind !== "claimed") {
          if (claim.kind === "advance") continue;
          break;
        }
        got.push(...ids(claim.tasks));
        await store.commit(makeCommit({ completed: claim.tasks.map((task) => completion(task)) }));
      }
      expect(got).toEqual(
        ids([...free.filter((task) => task.group === 1), ...free.filter((task) => task.group === 2)]),
      );
      expect(claim).toMatchObject({ kind: "heldBack", heldBack: { tasks: 434, submissions: 434, reasons: 1 } });
    });
  });
}
