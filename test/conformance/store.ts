/*
 * What every Store promises, stated once. Each implementation runs this suite; new behaviour is added here, never to
 * one store's tests.
 */
import { everyFailure } from "../../src/task/retries.ts";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { messageOf } from "../../src/base/errors.ts";
import { newId } from "../../src/base/ids.ts";
import type { Claim, ClaimRequest, Commit, Completion, Scope, ServerRow, Store } from "../../src/store/store.ts";
import type { ClaimedTask, NewTask } from "../../src/task/task.ts";
import { WrittenNumber } from "../../src/task/written.ts";

export const t0 = new Date(2026, 10, 22, 7, 40, 58).getTime();

let lastTask = 0;

/** A task with every field set, so that none can be lost unseen. */
export function makeTask(fields: Partial<NewTask> = {}): NewTask {
  const n = ++lastTask;
  return {
    id: newId(),
    group: 0,
    args: `echo 'täsk ${n}' "{}" \\ \t漢`,
    submitId: "11111111-1111-7111-8111-111111111111",
    submitTime: t0 + n + 0.125,
    submitHost: "login01",
    cores: 2,
    memory: 8 * 2 ** 30,
    timeout: 60,
    attempt: 1,
    previousId: null,
    tag: { site: "b", n: 1.5, naked: "", flag: true, nul: null, part: 0 },
    ...fields,
  };
}

export function makeTasks(count: number, fields: Partial<NewTask> = {}): NewTask[] {
  return Array.from({ length: count }, () => makeTask(fields));
}

export const mine = { kind: "submission", id: "11111111-1111-7111-8111-111111111111" } as const;
export const other = "22222222-2222-7222-8222-222222222222";
export const client1 = "c1c1c1c1-0000-7000-8000-000000000001";
export const serverId = "33333333-3333-7333-8333-333333333333";
export const everything: Scope = { kind: "all" };

export function request(fields: Partial<ClaimRequest> = {}): ClaimRequest {
  return {
    serverId,
    serverHost: "login01",
    at: t0 + 5000,
    scope: mine,
    group: null,
    limit: 100,
    retries: everyFailure(1),
    eager: false,
    aside: [],
    tooMuch: [],
    ...fields,
  };
}

export function completion(task: { readonly id: string }, fields: Partial<Completion> = {}): Completion {
  return {
    id: task.id,
    clientId: client1,
    clientHost: "node01",
    command: "echo",
    startTime: t0 + 6000,
    completionTime: t0 + 7000.5,
    exitStatus: 0,
    outpath: null,
    errpath: null,
    csvpath: null,
    coresMax: null,
    memoryMax: null,
    waited: 1,
    duration: 1.001,
    retry: null,
    ...fields,
  };
}

export function makeCommit(fields: Partial<Commit>): Commit {
  return {
    serverId,
    serverHost: "login01",
    at: t0 + 8000,
    assigned: [],
    started: [],
    completed: [],
    reverted: [],
    recalled: [],
    ...fields,
  };
}

export function makeServer(id: string, fields: Partial<ServerRow> = {}): ServerRow {
  return {
    id,
    host: "login01",
    pid: 4242,
    pidStart: "99",
    processTable: "boot/1",
    reserves: false,
    startedAt: t0,
    firstLease: 0,
    beatAt: t0,
    ...fields,
  };
}

export function claimed(claim: Claim): readonly ClaimedTask[] {
  if (claim.kind !== "claimed") throw new Error(`expected tasks, got ${JSON.stringify(claim)}`);
  return claim.tasks;
}

/** The next attempt, submitted after every task that was made with it, however many were made before them. */
export function next(task: NewTask, fields: Partial<NewTask> = {}): NewTask {
  const submitTime = task.submitTime + 9000;
  return { ...task, id: newId(), attempt: task.attempt + 1, previousId: task.id, submitTime, ...fields };
}

export const ids = (tasks: readonly { readonly id: string }[]): string[] => tasks.map(({ id }) => id);

export interface OpenedStore extends AsyncDisposable {
  readonly store: Store;
}

export function storeConformance(title: string, open: () => Promise<OpenedStore>): void {
  describe(`store: ${title}`, () => {
    let opened: OpenedStore;
    let store: Store;
    beforeEach(async () => {
      opened = await open();
      store = opened.store;
    });
    afterEach(() => opened[Symbol.asyncDispose]());

    describe("claims", () => {
      test("a task comes out as it went in, with the time of the claim", async () => {
        const task = makeTask();
        await store.insert([task]);
        const tasks = claimed(await store.claim(request({ at: t0 + 5000.25 })));
        expect(tasks).toEqual([{ ...task, scheduleTime: t0 + 5000.25 }]);
      });

      test("a second task with an id that is there is refused, and with it all that came along", async () => {
        const [first, later] = makeTasks(2);
        await store.insert([first!]);
        const forged = makeTask({ id: first!.id, args: "echo forged" });
        expect(await store.insert([later!, forged]).catch(messageOf)).toMatch(/already|unique/i);
        expect(claimed(await store.claim(request()))).toMatchObject([{ id: first!.id, args: first!.args }]);
      });

      test("no text and no time of a task or an outcome is too odd to be stored in some way", async () => {
        const odd = makeTask({
          args: "echo \ud800\0",
          submitTime: 8.64e15,
          submitHost: "n\0\udc00",
          tag: { "\ud800": "a\0b\\\ud834\udd1e", e: new WrittenNumber("1.50"), part: 0 },
        });
        const tasks = [odd, makeTask()];
        await store.insert(tasks);
        const taken = claimed(await store.claim(request()));
        expect(ids(taken).toSorted()).toEqual(ids(tasks).toSorted());
        const outcome = {
          command: "\ud800\0",
          outpath: "/\0",
          clientHost: "\0",
          completionTime: 1e17,
          startTime: -1e300,
        };
        const completed = [completion(odd, outcome), completion(tasks[1]!, { exitStatus: 3_221_225_477 })];
        expect(await store.commit(makeCommit({ completed }))).toEqual({ refused: [] });
        expect((await store.survey(mine)).unfinished).toBe(0);
      });

      test("it tells which of some tasks have not ended", async () => {
        const [over, left] = [makeTask(), makeTask()];
        await store.insert([over, left]);
        await store.claim(request());
        await store.commit(makeCommit({ completed: [completion(over)] }));
        expect(await store.unended([left.id, makeTask().id, over.id])).toEqual([left.id]);
        expect(await store.unended([])).toEqual([]);
      });

      test("unset resources stay unset", async () => {
        const task = makeTask({ cores: null, memory: null, timeout: null, tag: { part: 0 } });
        await store.insert([task]);
        expect(claimed(await store.claim(request()))[0]).toMatchObject({
          cores: null,
          memory: null,
          timeout: null,
          tag: { part: 0 },
        });
      });

      test("tasks come in order of insertion, at most as many as asked for, each once", async () => {
        const tasks = makeTasks(50);
        await store.insert(tasks.slice(0, 20));
        await store.insert(tasks.slice(20));
        const got: string[] = [];
        for (const limit of [1, 7, 30]) {
          const part = claimed(await store.claim(request({ limit })));
          expect(part.length).toBe(limit);
          got.push(...ids(part));
        }
        got.push(...ids(claimed(await store.claim(request()))));
        expect(got).toEqual(ids(tasks));
        expect(await store.claim(request())).toEqual({ kind: "none", unfinished: 50 });
      });

      test("an empty store has none", async () => {
        expect(await store.claim(request())).toEqual({ kind: "none", unfinished: 0 });
        expect(await store.claim(request({ scope: everything, group: 3 }))).toEqual({ kind: "none", unfinished: 0 });
      });

      test("a limit of nothing tells only whether there is something", async () => {
        const [task] = makeTasks(1);
        await store.insert([task!]);
        expect(await store.claim(request({ limit: 0 }))).toEqual({ kind: "claimed", group: 0, tasks: [] });
        expect(claimed(await store.claim(request())).length).toBe(1);
      });

      test("the lowest group comes first, and one group at a time", async () => {
        const low = makeTasks(2, { group: -1 });
        const high = makeTasks(3, { group: 7 });
        await store.insert([...high, ...low]);
        expect(await store.claim(request())).toMatchObject({
          kind: "claimed",
          group: -1,
          tasks: [{ id: low[0]!.id }, { id: low[1]!.id }],
        });
      });

      test("a higher group waits until the tasks below it have ended", async () => {
        const [low] = makeTasks(1, { group: 2 });
        const [high] = makeTasks(1, { group: 5 });
        await store.insert([low!, high!]);
        await store.claim(request());
        expect(await store.claim(request({ group: 2 }))).toEqual({ kind: "waiting", busyGroup: 2, unfinished: 1 });
        expect(await store.claim(request({ group: null }))).toEqual({ kind: "waiting", busyGroup: 2, unfinished: 1 });
        await store.commit(makeCommit({ completed: [completion(low!)] }));
        expect(await store.claim(request({ group: 2 }))).toEqual({ kind: "advance", to: 5, heldBack: null });
        expect(ids(claimed(await store.claim(request({ group: 5 }))))).toEqual([high!.id]);
      });

      test("a task that comes late into a lower group is taken at once", async () => {
        const high = makeTasks(2, { group: 5 });
        await store.insert(high);
        await store.claim(request({ limit: 1 }));
        const [late] = makeTasks(1, { group: 1 });
        await store.insert([late!]);
        expect(await store.claim(request({ group: 5 }))).toMatchObject({
          kind: "claimed",
          group: 1,
          tasks: [{ id: late!.id }],
        });
        // The rest of the higher group waits for it, in whichever group the run was.
        const waiting = { kind: "waiting", busyGroup: 1, unfinished: 1 } as const;
        for (const group of [null, 1, 5]) expect(await store.claim(request({ group }))).toEqual(waiting);
        await store.commit(makeCommit({ completed: [completion(late!)] }));
        expect(await store.claim(request({ group: 1 }))).toEqual({ kind: "advance", to: 5, heldBack: null });
        expect(ids(claimed(await store.claim(request({ group: 5 }))))).toEqual([high[1]!.id]);
      });

      test("who claims from any group takes all, whatever runs or has failed", async () => {
        const tasks = [2, 0, 1].map((group) => makeTask({ group }));
        await store.insert(tasks);
        const any = request({ group: "any" });
        const [first] = claimed(await store.claim(any));
        await store.commit(makeCommit({ completed: [completion(first!, { exitStatus: 1 })] }));
        const got = [first!, ...claimed(await store.claim(any)), ...claimed(await store.claim(any))];
        expect(got.map(({ group }) => group)).toEqual([0, 1, 2]);
        expect(await store.claim(any)).toEqual({ kind: "none", unfinished: 2 });
      });

      test("eager claims take next attempts first", async () => {
        const tasks = makeTasks(4);
        await store.insert(tasks);
        const [first] = claimed(await store.claim(request({ limit: 1 })));
        const retry = next(first!);
        await store.commit(
          makeCommit({ completed: [completion(first!, { exitStatus: 1, retry: { task: retry, claimed: false } })] }),
        );
        const [eager, plain] = claimed(await store.claim(request({ eager: true, limit: 2 })));
        expect(eager!.id).toBe(retry.id);
        expect(plain!.id).toBe(tasks[1]!.id);
        expect(ids(claimed(await store.claim(request())))).toEqual(ids(tasks.slice(2)));
      });

      test("a claim that is not eager takes next attempts in their turn", async () => {
        const tasks = makeTasks(3);
        await store.insert(tasks);
        const [first] = claimed(await store.claim(request({ limit: 1 })));
        const retry = next(first!);
        await store.commit(
          makeCommit({ completed: [completion(first!, { exitStatus: 1, retry: { task: retry, claimed: false } })] }),
        );
        expect(ids(claimed(await store.claim(request())))).toEqual([tasks[1]!.id, tasks[2]!.id, retry.id]);
      });
    });

    describe("scope", () => {
      test("a run takes only its own submission, whatever waits before it", async () => {
        const foreign = makeTasks(30, { submitId: other, group: -3 });
        const own = makeTasks(3);
        await store.insert([...foreign.slice(0, 15), ...own, ...foreign.slice(15)]);
        expect(ids(claimed(await store.claim(request())))).toEqual(ids(own));
        expect(await store.claim(request({ group: 0 }))).toEqual({ kind: "none", unfinished: 3 });
        expect((await store.survey(mine)).unfinished).toBe(3);
        expect((await store.survey(everything)).unfinished).toBe(33);
      });

      test("scope all takes from every submission, in order", async () => {
        const tasks = Array.from({ length: 10 }, (_, i) => makeTask({ submitId: i % 2 === 0 ? mine.id : other }));
        await store.insert(tasks);
        expect(ids(claimed(await store.claim(request({ scope: everything }))))).toEqual(ids(tasks));
      });

      test("scope all leaves alone what a live server reserves, also when that comes first and lower", async () => {
        await store.addServer(makeServer(other, { reserves: true }));
        const reserved = makeTasks(600, { submitId: other, group: -1 });
        const free = Array.from({ length: 6 }, (_, i) =>
          makeTask({ submitId: `44444444-4444-7444-8444-44444444444${i % 3}`, group: i % 2 }),
        );
        await store.insert([...reserved, ...free]);
        const all = request({ scope: everything });
        expect(ids(claimed(await store.claim({ ...all, limit: 2 })))).toEqual([free[0]!.id, free[2]!.id]);
        expect(ids(claimed(await store.claim(all)))).toEqual([free[4]!.id]);
        expect(await store.claim({ ...all, group: 0 })).toEqual({ kind: "waiting", busyGroup: 0, unfinished: 3 });
        const completed = [free[0]!, free[2]!, free[4]!].map((task) => completion(task));
        await store.commit(makeCommit({ completed }));
        expect(await store.claim({ ...all, group: 0 })).toEqual({ kind: "advance", to: 1, heldBack: null });
        expect(ids(claimed(await store.claim({ ...all, group: 1 })))).toEqual([free[1]!.id, free[3]!.id, free[5]!.id]);
        expect(await store.claim({ ...all, group: 1 })).toEqual({ kind: "none", unfinished: 3 });
        expect((await store.survey(everything)).unfinished).toBe(3);
      });

      test("many submissions beside a reserved one are all served", async () => {
        await store.addServer(makeServer(other, { reserves: true }));
        const free = Array.from({ length: 700 }, () => makeTask({ submitId: newId() }));
        await store.insert([...makeTasks(50, { submitId: other }), ...free]);
        const got: string[] = [];
        for (;;) {
          const claim = await store.claim(request({ scope: everything, limit: 64 }));
          if (claim.kind !== "claimed") break;
          got.push(...ids(claim.tasks));
        }
        expect(got.sort()).toEqual(ids(free).sort());
      });

      test("what a server reserved is free when it has ended", async () => {
        await store.addServer(makeServer(other, { reserves: true }));
        await store.insert(makeTasks(2, { submitId: other }));
        const all = request({ scope: everything });
        expect(await store.claim(all)).toEqual({ kind: "none", unfinished: 0 });
        await store.endServer(other);
        expect(claimed(await store.claim(all)).length).toBe(2);
      });

      test("a server is not kept from what it reserves itself", async () => {
        await store.addServer(makeServer(serverId, { reserves: true }));
        await store.insert(makeTasks(2, { submitId: serverId }));
        expect(claimed(await store.claim(request({ scope: everything }))).length).toBe(2);
      });
    });

    describe("commits", () => {
      test("an outcome is recorded once; a second one is refused, and so is one for an unknown task", async () => {
        const [task] = makeTasks(1);
        await store.insert([task!]);
        await store.claim(request());
        expect(await store.commit(makeCommit({ completed: [completion(task!)] }))).toEqual({ refused: [] });
        const late = makeCommit({ completed: [completion(task!, { exitStatus: 1 }), completion({ id: newId() })] });
        expect(await store.commit(late)).toEqual({ refused: late.completed.map(({ id }) => id) });
      });

      test("what was stored is synced on request, and once for all who ask at a time", async () => {
        const syncs = [store.sync(), store.insert(makeTasks(1)), store.sync(), store.sync()];
        await Promise.all([...syncs, store.insert(makeTasks(1)), store.sync()]);
        expect(await store.survey(everything)).toEqual({ unfinished: 2 });
      });

      test("a refused outcome starts no next attempt", async () => {
        const [task] = makeTasks(1);
        await store.insert([task!]);
        await store.claim(request());
        await store.commit(makeCommit({ completed: [completion(task!)] }));
        const retry = { task: next(task!), claimed: false };
        await store.commit(makeCommit({ completed: [completion(task!, { exitStatus: 1, retry })] }));
        expect(await store.claim(request())).toEqual({ kind: "none", unfinished: 0 });
      });

      test("a next attempt waits its turn, with everything the task had", async () => {
        const [task] = makeTasks(1, { group: 3 });
        await store.insert([task!]);
        await store.claim(request());
        const retry = next(task!);
        await store.commit(
          makeCommit({ completed: [completion(task!, { exitStatus: 1, retry: { task: retry, claimed: false } })] }),
        );
        expect(claimed(await store.claim(request()))).toEqual([{ ...retry, scheduleTime: t0 + 5000 }]);
      });

      test("a next attempt that is claimed at once belongs to the server and is given to nobody", async () => {
        const [task] = makeTasks(1);
        await store.insert([task!]);
        await store.claim(request());
        const retry = next(task!);
        await store.commit(
          makeCommit({ completed: [completion(task!, { exitStatus: 1, retry: { task: retry, claimed: true } })] }),
        );
        expect(await store.claim(request())).toEqual({ kind: "none", unfinished: 1 });
        expect(await store.commit(makeCommit({ completed: [completion(retry)] }))).toEqual({ refused: [] });
        expect((await store.survey(mine)).unfinished).toBe(0);
      });

      test("what is given back comes again, before what was behind it", async () => {
        const tasks = makeTasks(6);
        await store.insert(tasks);
        await store.claim(request({ limit: 4 }));
        await store.commit(makeCommit({ reverted: [tasks[2]!.id, tasks[1]!.id] }));
        expect(ids(claimed(await store.claim(request({ limit: 3 }))))).toEqual([
          tasks[1]!.id,
          tasks[2]!.id,
          tasks[4]!.id,
        ]);
      });

      test("an ended task is not given back, and what another server holds neither", async () => {
        const [done, held] = makeTasks(2) as [NewTask, NewTask];
        await store.insert([done, held]);
        await store.claim(request({ limit: 1 }));
        await store.claim(request({ limit: 1, serverId: other }));
        await store.commit(makeCommit({ completed: [completion(done)] }));
        await store.commit(makeCommit({ reverted: [done.id, held.id] }));
        expect(await store.claim(request())).toEqual({ kind: "none", unfinished: 1 });
      });

      test("a late outcome of a task that was given back is taken, and the task not run again", async () => {
        const tasks = makeTasks(2);
        await store.insert(tasks);
        await store.claim(request());
        await store.commit(makeCommit({ reverted: ids(tasks) }));
        expect(await store.commit(makeCommit({ completed: [completion(tasks[0]!)] }))).toEqual({ refused: [] });
        expect(ids(claimed(await store.claim(request())))).toEqual([tasks[1]!.id]);
      });

      test("assignments, outcomes and returns may come together and name the same task", async () => {
        const tasks = makeTasks(3);
        await store.insert(tasks);
        await store.claim(request());
        const assigned = tasks.map(({ id }) => ({ id, clientId: client1, clientHost: "node01" }));
        const order = makeCommit({ assigned, completed: [completion(tasks[0]!)], reverted: [tasks[1]!.id] });
        expect(await store.commit(order)).toEqual({ refused: [] });
        expect(ids(claimed(await store.claim(request())))).toEqual([tasks[1]!.id]);
      });
    });

    describe("failures of before", () => {
      async function fail(task: NewTask, status = 1): Promise<void> {
        await store.insert([task]);
        await store.claim(request({ scope: { kind: "submission", id: task.submitId }, limit: 1, group: task.group }));
        await store.commit(makeCommit({ completed: [completion(task, { exitStatus: status })] }));
      }

      test("a failed task with attempts left gets another one, once", async () => {
        const task = makeTask();
        await fail(task);
        await fail(makeTask(), -1);
        const id = newId();
        expect(await store.retryFailures(mine, everyFailure(1), t0, newId)).toBe(0);
        expect(await store.retryFailures(mine, everyFailure(2), t0 + 4000, () => id)).toBe(1);
        expect(await store.retryFailures(mine, everyFailure(2), t0, newId)).toBe(0);
        expect(claimed(await store.claim(request({ retries: everyFailure(2) })))).toEqual([
          { ...task, id, attempt: 2, previousId: task.id, submitTime: t0 + 4000, scheduleTime: t0 + 5000 },
        ]);
      });

      for (const [when, fields] of [["one after the other", {}] as const, ["at once", { submitTime: t0 }] as const])
        test(`failures are tried again as they were submitted (${when}), whichever failed first`, async () => {
          const tasks = makeTasks(6, fields);
          await store.insert(tasks);
          await store.claim(request());
          for (const which of [3, 1, 5, 0, 4, 2]) {
            const exitStatus = 1 + (which % 3);
            await store.commit(makeCommit({ completed: [completion(tasks[which]!, { exitStatus })] }));
          }
          expect(await store.retryFailures(mine, everyFailure(2), t0 + 8500, newId)).toBe(6);
          const again = claimed(await store.claim(request({ retries: everyFailure(2) })));
          expect(again.map(({ previousId }) => previousId)).toEqual(ids(tasks));
        });

      test("only failures with these statuses are tried again, and the others are final at once", async () => {
        const [final, again, tooLarge] = [
          makeTask({ memory: 1000 }),
          makeTask({ memory: 1001 }),
          makeTask({ memory: 1002 }),
        ];
        await fail(final, 1);
        await fail(again, 75);
        await fail(tooLarge, -3);
        await store.insert([makeTask({ group: 1 })]);
        const retries = { attempts: 3, statuses: [75, -4, -3], memoryFactor: 1.5 };
        const heldBack = { setbacks: [{ group: 0, failed: 1, example: final.id }] };
        expect(await store.claim(request({ group: 0, retries }))).toMatchObject({ kind: "heldBack", heldBack });
        expect(await store.claim(request({ group: 0, retries, scope: everything }))).toMatchObject({ heldBack });
        expect(await store.retryFailures(mine, retries, t0 + 4000, newId)).toBe(2);
        const tried = claimed(await store.claim(request({ retries })));
        // More would be even harder to find for the task that no client had enough for.
        expect(tried).toMatchObject([
          { previousId: again.id, attempt: 2, memory: 1502 },
          { previousId: tooLarge.id, attempt: 2, memory: 1002 },
        ]);
        expect(await store.retryFailures(everything, { ...retries, statuses: [2] }, t0, newId)).toBe(0);
      });

      test("a failure that is tried again no longer counts against its group", async () => {
        const task = makeTask();
        await fail(task);
        await store.insert([makeTask({ group: 1 })]);
        const heldBack = { tasks: 1, setbacks: [{ group: 0, failed: 1 }] };
        expect(await store.claim(request({ group: 0 }))).toMatchObject({ kind: "heldBack", heldBack });
        const id = newId();
        await store.retryFailures(mine, everyFailure(2), t0, () => id);
        await store.claim(request({ group: 0 }));
        await store.commit(makeCommit({ completed: [completion({ id })] }));
        expect(await store.claim(request({ group: 0 }))).toEqual({ kind: "advance", to: 1, heldBack: null });
      });

      test("failures out of scope are left as they are", async () => {
        await fail(makeTask({ submitId: other }));
        expect(await store.retryFailures(mine, everyFailure(5), t0, newId)).toBe(0);
        await store.addServer(makeServer(other, { reserves: true }));
        expect(await store.retryFailures(everything, everyFailure(5), t0, newId)).toBe(0);
        await store.endServer(other);
        expect(await store.retryFailures(everything, everyFailure(5), t0, newId)).toBe(1);
      });
    });

    test("a survey counts what is to be done, the total all rows", async () => {
      const tasks = makeTasks(3);
      await store.insert(tasks);
      await store.claim(request({ limit: 2 }));
      await store.commit(makeCommit({ completed: [completion(tasks[0]!)] }));
      expect([await store.survey(everything), await store.total(everything)]).toEqual([{ unfinished: 2 }, 3]);
    });

    test("the backlog counts the lowest group with unfinished tasks, and all of them", async () => {
      expect(await store.backlog(everything)).toEqual({ group: null, inGroup: 0, unfinished: 0 });
      const low = makeTasks(3, { group: 2 });
      await store.insert([...makeTasks(4, { group: 7 }), ...low]);
      await store.insert(makeTasks(5, { group: 1, submitId: other }));
      expect(await store.backlog(everything)).toEqual({ group: 1, inGroup: 5, unfinished: 12 });
      expect(await store.backlog(mine)).toEqual({ group: 2, inGroup: 3, unfinished: 7 });
      // What a run keeps for itself is nobody else's work.
      await store.addServer(makeServer(other, { reserves: true }));
      expect(await store.backlog(everything)).toEqual({ group: 2, inGroup: 3, unfinished: 7 });
      await store.endServer(other);
      await store.claim(request({ scope: mine, limit: 3 }));
      await store.commit(makeCommit({ completed: low.map((task) => completion(task)) }));
      expect(await store.backlog(mine)).toEqual({ group: 7, inGroup: 4, unfinished: 4 });
    });

    test("a submission is found again, an unknown one is null", async () => {
      const row = {
        id: newId(),
        time: t0,
        host: "login01",
        user: "ü",
        cwd: "/home/ü",
        template: "echo {}",
        version: "1.0",
      };
      await store.addSubmission(row);
      await store.addSubmission({ ...row, id: other, template: null });
      expect(await store.submission(row.id)).toEqual(row);
      expect((await store.submission(other))?.template).toBeNull();
      expect(await store.submission(newId())).toBeNull();
    });

    test("an insert calls those who listen; an insert of nothing need not", async () => {
      let calls = 0;
      store.onInsert(() => calls++);
      await store.insert([]);
      await store.insert(makeTasks(2));
      expect(calls).toBeGreaterThan(0);
    });

    test("closing twice is closing once", async () => {
      await store.close();
      await store.close();
    });
  });
}
