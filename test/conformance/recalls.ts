/*
 * What every database promises when tasks are changed by hand while a server holds them: the server hears of it, what
 * it still says of them does not undo it, and it gets nothing anew that it still runs. Beside store.ts, which has the
 * rest of Store, and records.ts, which has the rest of Edits.
 */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { newId } from "../../src/base/ids.ts";
import type { ChangeReport, EditStore } from "../../src/history/history.ts";
import type { Recall, Store } from "../../src/store/store.ts";
import type { TaskField } from "../../src/task/field.ts";
import type { NewTask } from "../../src/task/task.ts";
import { adoption } from "./adoption.ts";
import { change } from "./history.ts";
import {
  claimed,
  client1,
  completion,
  everything,
  ids,
  makeCommit,
  makeServer,
  makeTasks,
  next,
  type OpenedStore,
  other,
  request,
  serverId,
  t0,
} from "./store.ts";

export interface EditedStore extends OpenedStore {
  /** The same database, as another process has it. */
  readonly edits: EditStore;
}

type Action = "cancel" | "revert" | "delete";
const actions: readonly Action[] = ["cancel", "revert", "delete"];
const later = t0 + 7500;

export function recallsConformance(title: string, open: () => Promise<EditedStore>): void {
  describe(`store: ${title}: tasks changed by hand`, () => {
    let opened: EditedStore;
    let store: Store;
    let edits: EditStore;
    beforeEach(async () => {
      opened = await open();
      ({ store, edits } = opened);
      await store.addServer(makeServer(serverId));
      await store.addServer(makeServer(other));
    });
    afterEach(() => opened[Symbol.asyncDispose]());

    /** So many tasks, all of them this server's. */
    async function held(count: number): Promise<NewTask[] & { 0: NewTask; 1: NewTask; 2: NewTask }> {
      const tasks = makeTasks(count);
      await store.insert(tasks);
      expect(ids(claimed(await store.claim(request())))).toEqual(ids(tasks));
      return tasks as NewTask[] & { 0: NewTask; 1: NewTask; 2: NewTask };
    }

    function edit(task: { readonly id: string }, what: Parameters<typeof change>[0]): Promise<ChangeReport> {
      const where = [{ kind: "field", field: "id", operator: "==", value: task.id }] as const;
      return edits.change({ where, orderBy: null, descending: false, limit: null }, change(what), later);
    }

    async function kinds(server = serverId): Promise<(readonly [string, Recall["kind"]])[]> {
      return (await store.recalls(server)).map(({ id, kind }) => [id, kind] as const);
    }

    async function settle(): Promise<void> {
      const recalled = (await store.recalls(serverId)).map(({ number }) => number);
      await store.commit(makeCommit({ recalled }));
    }

    async function cells(task: { readonly id: string }, ...fields: readonly TaskField[]): Promise<unknown[] | null> {
      const row = await edits.find(task.id);
      return row === null ? null : fields.map((field) => row[field]);
    }

    describe("recalls", () => {
      test("who holds a task hears what was done to it, oldest first, until it has seen to that", async () => {
        const [one, two, three] = await held(3);
        await edit(three, { action: "delete" });
        await edit(one, { action: "cancel" });
        await edit(two, { action: "revert" });
        expect(await kinds()).toEqual([
          [three.id, "deleted"],
          [one.id, "cancelled"],
          [two.id, "reverted"],
        ]);
        const [first, ...rest] = await store.recalls(serverId);
        expect(rest.every(({ number }, index) => number > [first!, ...rest][index]!.number)).toBe(true);
        expect(await kinds(other)).toEqual([]);
        await store.commit(makeCommit({ recalled: [first!.number] }));
        expect(await store.recalls(serverId)).toEqual(rest);
        await settle();
        expect(await store.recalls(serverId)).toEqual([]);
      });

      test("what nobody holds, and what has ended, is nobody's news", async () => {
        const [done] = await held(1);
        await store.commit(makeCommit({ completed: [completion(done)] }));
        const [waiting, gone] = makeTasks(2) as [NewTask, NewTask];
        await store.insert([waiting, gone]);
        await edit(waiting, { action: "cancel" });
        await edit(gone, { action: "delete" });
        expect((await edit(done, { action: "cancel" })).changed).toBe(0);
        expect(await edit(done, { tags: { x: 1 } })).toEqual({ changed: 1, held: 0 });
        expect(await store.recalls(serverId)).toEqual([]);
      });

      test("a server hears of changes that it goes by", async () => {
        const [one, two] = await held(2);
        await edit(one, { fields: new Map([["args", "echo new"]]) });
        await edit(two, { tags: { colour: "red" } });
        expect(await kinds()).toEqual([
          [one.id, "changed"],
          [two.id, "changed"],
        ]);
      });

      test("a server is woken when another process has changed what it holds", async () => {
        const [task] = await held(1);
        const { promise, resolve } = Promise.withResolvers<void>();
        store.onRecall(resolve);
        await edit(task, { action: "cancel" });
        await promise;
        expect(await kinds()).toEqual([[task.id, "cancelled"]]);
      });

      test("the recalls of a server end with it, however it ends", async () => {
        for (const end of [() => store.endServer(serverId), () => store.buryServer(serverId)]) {
          const [task] = await held(1);
          await edit(task, { action: "cancel" });
          await end();
          expect(await store.recalls(serverId)).toEqual([]);
          await store.addServer(makeServer(serverId));
        }
      });

      test("numbers grow, also when there was nothing left", async () => {
        const [one, two] = await held(2);
        await edit(one, { action: "cancel" });
        const [first] = await store.recalls(serverId);
        await settle();
        await edit(two, { action: "cancel" });
        const [second] = await store.recalls(serverId);
        expect(second!.number).toBeGreaterThan(first!.number);
      });
    });

    describe("claims", () => {
      test("a server with recalls gets nothing; other servers do", async () => {
        const [task] = await held(1);
        await edit(task, { action: "revert" });
        await store.insert(makeTasks(1));
        expect(await store.claim(request())).toEqual({ kind: "recalled" });
        expect(await store.claim(request({ limit: 0 }))).toEqual({ kind: "recalled" });
        expect(claimed(await store.claim(request({ serverId: other }))).length).toBe(2);
      });

      test("what was reverted is claimed again, by the same server too, once that has seen to it", async () => {
        const [task] = await held(1);
        await edit(task, { action: "revert" });
        await settle();
        expect(ids(claimed(await store.claim(request())))).toEqual([task.id]);
        expect(await store.commit(makeCommit({ completed: [completion(task)] }))).toEqual({ refused: [] });
      });

      test("what was changed while it waited with a server, and was given back, is claimed as it is now", async () => {
        const [task] = await held(1);
        await edit(task, {
          fields: new Map<TaskField, string | number>([
            ["args", "echo new"],
            ["timeout", 7],
          ]),
        });
        const recalled = (await store.recalls(serverId)).map(({ number }) => number);
        await store.commit(makeCommit({ recalled, reverted: [task.id] }));
        const [again] = claimed(await store.claim(request()));
        expect(again).toMatchObject({ id: task.id, args: "echo new", timeout: 7, cores: task.cores });
      });

      test("what was cancelled or deleted is never claimed again, and waits for nobody", async () => {
        const [one, two] = await held(2);
        await edit(one, { action: "cancel" });
        await edit(two, { action: "delete" });
        await settle();
        expect(await store.claim(request())).toEqual({ kind: "none", unfinished: 0 });
        expect((await store.survey(everything)).unfinished).toBe(0);
      });
    });

    describe("outcomes do not undo what was done by hand", () => {
      const shown = ["exit_status", "command", "client_id", "retried", "next_id"] as const;

      test("a cancelled task stays cancelled, before and after its server knows", async () => {
        for (const known of [false, true]) {
          const [task] = await held(1);
          await edit(task, { action: "cancel" });
          const ended = await cells(task, "completion_time", ...shown);
          if (known) await settle();
          const retry = next(task);
          const completed = [completion(task, { exitStatus: 130, retry: { task: retry, claimed: true } })];
          expect(await store.commit(makeCommit({ completed }))).toEqual({ refused: [task.id] });
          expect(await cells(task, "completion_time", ...shown)).toEqual(ended);
          expect(ended).toEqual([expect.any(String), -1, null, null, false, null]);
          expect(await edits.find(retry.id)).toBe(null);
          await settle();
        }
      });

      test("a deleted task stays away, and nothing follows it", async () => {
        for (const known of [false, true]) {
          const [task] = await held(1);
          await edit(task, { action: "delete" });
          if (known) await settle();
          const retry = next(task);
          const assigned = [{ id: task.id, clientId: client1, clientHost: "node01" }];
          const completed = [completion(task, { exitStatus: 1, retry: { task: retry, claimed: true } })];
          expect(await store.commit(makeCommit({ assigned }))).toEqual({ refused: [] });
          expect(await store.commit(makeCommit({ completed }))).toEqual({ refused: [task.id] });
          await store.commit(makeCommit({ reverted: [task.id] }));
          expect([await edits.find(task.id), await edits.find(retry.id)]).toEqual([null, null]);
          await settle();
        }
      });

      test("an outcome of a run before a revert is refused, also if its commit says that this is seen to", async () => {
        const [one, two, three] = await held(3);
        for (const task of [one, two]) await edit(task, { action: "revert" });
        const retry = next(one);
        const completed = [
          completion(one, { exitStatus: 1, retry: { task: retry, claimed: false } }),
          completion(three),
        ];
        expect(await store.commit(makeCommit({ completed }))).toEqual({ refused: [one.id] });
        const recalled = (await store.recalls(serverId)).map(({ number }) => number);
        const together = makeCommit({ completed: [completion(two)], recalled });
        expect(await store.commit(together)).toEqual({ refused: [two.id] });
        for (const task of [one, two])
          expect(await cells(task, "server_id", "schedule_time", ...shown)).toEqual([
            null,
            null,
            null,
            null,
            null,
            false,
            null,
          ]);
        expect(await cells(three, "exit_status")).toEqual([0]);
        expect(await edits.find(retry.id)).toBe(null);
        expect(ids(claimed(await store.claim(request())))).toEqual(ids([one, two]));
      });

      test("a dispatch of the run before a revert is not put on record", async () => {
        const [task] = await held(1);
        await edit(task, { action: "revert" });
        await store.commit(makeCommit({ assigned: [{ id: task.id, clientId: client1, clientHost: "node01" }] }));
        expect(await cells(task, "client_id", "client_host")).toEqual([null, null]);
      });

      test("since when a task runs is on record while it runs, and forgotten when it is to be run again", async () => {
        const tasks = await held(3);
        const [one, two, three] = tasks;
        const since = t0 + 5600.25;
        const started = tasks.map(({ id }) => ({ id, startTime: since }));
        expect(await store.commit(makeCommit({ started }))).toEqual({ refused: [] });
        const [first] = (await cells(one, "start_time")) as string[];
        expect(first).toMatch(/^2026-11-22 \d\d:41:03\.600250/);
        for (const task of tasks)
          expect(await cells(task, "start_time", "exit_status", "duration")).toEqual([first, null, null]);
        await edit(one, { action: "revert" });
        expect(await cells(one, "start_time")).toEqual([null]);
        await store.commit(makeCommit({ reverted: [two.id], completed: [completion(three)] }));
        expect(await cells(two, "start_time")).toEqual([null]);
        expect(await cells(three, "start_time", "exit_status")).not.toEqual([first, 0]);
      });

      test("a start is put on record only of a task that the server still holds, and that has not ended", async () => {
        const tasks = await held(4);
        const [one, two, three, four] = tasks as NewTask[] as [NewTask, NewTask, NewTask, NewTask];
        await edit(one, { action: "revert" });
        await edit(two, { action: "delete" });
        await edit(three, { action: "cancel" });
        const started = tasks.map(({ id }) => ({ id, startTime: t0 + 1 }));
        const order = { started, completed: [completion(four)], assigned: [] };
        expect(await store.commit(makeCommit(order))).toEqual({ refused: [] });
        expect(await store.commit(makeCommit({ started, serverId: other }))).toEqual({ refused: [] });
        expect(await cells(one, "start_time")).toEqual([null]);
        expect(await edits.find(two.id)).toBe(null);
        expect(await cells(three, "start_time")).toEqual([null]);
        expect(await cells(four, "exit_status")).toEqual([0]);
        expect(await cells(four, "start_time")).not.toEqual([null]);
      });

      test("what a dead server's tasks had on record of their start is gone when it is buried", async () => {
        const [task] = await held(1);
        await store.commit(makeCommit({ started: [{ id: task.id, startTime: t0 + 1 }] }));
        expect(await cells(task, "start_time")).not.toEqual([null]);
        expect(await store.buryServer(serverId)).toBe(1);
        expect(await cells(task, "start_time")).toEqual([null]);
      });

      test("what another server has claimed meanwhile is neither ended nor given back by the one before", async () => {
        const [task] = await held(1);
        await edit(task, { action: "revert" });
        expect(ids(claimed(await store.claim(request({ serverId: other }))))).toEqual([task.id]);
        const order = makeCommit({ completed: [completion(task)], reverted: [task.id] });
        expect(await store.commit(order)).toEqual({ refused: [task.id] });
        expect(await cells(task, "server_id", "exit_status")).toEqual([other, null]);
        const theirs = makeCommit({ serverId: other, completed: [completion(task, { exitStatus: 3 })] });
        expect(await store.commit(theirs)).toEqual({ refused: [] });
        expect(await cells(task, "exit_status")).toEqual([3]);
      });

      test("recalls of one server do not hinder the outcomes of another, nor those of its other tasks", async () => {
        const [mine, also] = await held(2);
        const [theirs] = makeTasks(1) as [NewTask];
        await store.insert([theirs]);
        await store.claim(request({ serverId: other }));
        await edit(mine, { action: "revert" });
        expect(await store.commit(makeCommit({ completed: [completion(also)] }))).toEqual({ refused: [] });
        const order = makeCommit({ serverId: other, completed: [completion(theirs)] });
        expect(await store.commit(order)).toEqual({ refused: [] });
      });

      test("tags and fields that were edited while a task ran survive its end", async () => {
        const [task] = await held(1);
        await edit(task, { tags: { colour: "red" }, removedTags: ["site"], fields: new Map([["args", "echo new"]]) });
        expect(await store.commit(makeCommit({ completed: [completion(task, { exitStatus: 4 })] }))).toEqual({
          refused: [],
        });
        const found = await edits.find(task.id);
        expect(found).toMatchObject({ args: "echo new", exit_status: 4, command: "echo", timeout: task.timeout });
        expect(found?.tag).toEqual({ n: 1.5, naked: "", flag: true, nul: null, part: 0, colour: "red" });
      });
    });

    describe("edits do not undo what came before them", () => {
      test("no change brings back a row that is gone, and none gives an ended task a second end", async () => {
        const [gone, done] = await held(2);
        await edit(gone, { action: "delete" });
        await settle();
        await store.commit(makeCommit({ completed: [completion(done, { exitStatus: 5 })] }));
        const none = { changed: 0, held: 0 };
        for (const action of actions) expect(await edit(gone, { action })).toEqual(none);
        expect(await edit(gone, { tags: { x: 1 }, fields: new Map([["args", "x"]]) })).toEqual(none);
        expect(await edit(done, { action: "cancel" })).toEqual(none);
        expect([await edits.find(gone.id), await cells(done, "exit_status")]).toEqual([null, [5]]);
      });

      test("a task that was cancelled can be reverted, and is then run like any other", async () => {
        const [task] = await held(1);
        await edit(task, { action: "cancel" });
        await edit(task, { action: "revert" });
        const late = makeCommit({ completed: [completion(task, { exitStatus: 130 })] });
        await settle();
        expect(ids(claimed(await store.claim(request())))).toEqual([task.id]);
        expect(await store.commit(makeCommit({ completed: [completion(task)] }))).toEqual({ refused: [] });
        expect(await store.commit(late)).toEqual({ refused: [task.id] });
        expect(await cells(task, "exit_status")).toEqual([0]);
      });
    });

    test("recalls of servers that left no row are thrown away with their tasks", async () => {
      const [mine, stray] = makeTasks(2) as [NewTask, NewTask];
      await store.insert([mine, stray]);
      const gone = newId();
      await store.claim(request({ limit: 1 }));
      await store.claim(request({ limit: 1, serverId: gone }));
      for (const task of [mine, stray]) await edit(task, { tags: { x: 1 } });
      expect([await kinds(), await kinds(gone)]).toEqual([[[mine.id, "changed"]], [[stray.id, "changed"]]]);
      expect(await store.revertOrphans()).toBe(1);
      expect([await kinds(), await kinds(gone)]).toEqual([[[mine.id, "changed"]], []]);
    });

    describe("clients that bring back tasks", () => {
      test("what was cancelled or deleted is adopted by nobody", async () => {
        const [one, two, three] = await held(3);
        await edit(one, { action: "cancel" });
        await edit(two, { action: "delete" });
        const asked = adoption([one, two, three], { from: [serverId], serverId: other });
        expect(ids(await store.adopt(asked))).toEqual([three.id]);
        expect(await edits.find(two.id)).toBe(null);
      });

      test("a task unknown to everybody is not adopted", async () => {
        expect(await store.adopt(adoption([{ id: newId() }]))).toEqual([]);
      });
    });
  });
}
