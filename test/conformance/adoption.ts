/*
 * What every Store promises about clients, and about the tasks that they bring back to another server. Run against each
 * implementation, beside store.ts, which has the rest.
 */
import { everyFailure } from "../../src/task/retries.ts";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { newId } from "../../src/base/ids.ts";
import type { AdoptRequest, ClaimRequest, Store } from "../../src/store/store.ts";
import type { ClaimedTask, NewTask } from "../../src/task/task.ts";
import {
  claimed,
  client1,
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
  serverId,
  t0,
} from "./store.ts";

const client2 = "c1c1c1c1-0000-7000-8000-000000000002";
const client3 = "c1c1c1c1-0000-7000-8000-000000000003";

export function adoption(tasks: readonly { readonly id: string }[], fields: Partial<AdoptRequest> = {}): AdoptRequest {
  return {
    ids: ids(tasks),
    finished: [],
    from: [],
    scope: everything,
    serverId,
    serverHost: "login01",
    clientId: client1,
    clientHost: "node01",
    at: t0 + 6000,
    ...fields,
  };
}

export function adoptionConformance(title: string, open: () => Promise<OpenedStore>): void {
  describe(`store: ${title}`, () => {
    let opened: OpenedStore;
    let store: Store;
    beforeEach(async () => {
      opened = await open();
      store = opened.store;
    });
    afterEach(() => opened[Symbol.asyncDispose]());

    describe("clients", () => {
      const client = { id: client1, host: "node01", serverId, serverHost: "login01", connectedAt: t0 };

      test("what a server holds is with a client, or only waits for one", async () => {
        if (!store.durable) return;
        await store.addServer(makeServer(other));
        await store.insert([...makeTasks(4), ...makeTasks(1, { group: 4 })]);
        const [ended, running, , own] = claimed(await store.claim(request({ limit: 3, serverId: other }))).concat(
          claimed(await store.claim(request({ limit: 1 }))),
        );
        const at = (task: ClaimedTask) => ({ id: task.id, clientId: other, clientHost: "node01", at: 1 });
        await store.commit(makeCommit({ serverId: other, assigned: [at(ended!), at(running!)] }));
        await store.commit(makeCommit({ serverId: other, completed: [completion(ended!)] }));
        await store.commit(makeCommit({ assigned: [at(own!)] }));
        expect([await store.handedOut(other), await store.handedOut(serverId)]).toEqual([1, 1]);
        expect([await store.buryServer(other), await store.handedOut(other)]).toEqual([2, 0]);
      });

      test("clients come, go and come back, also those that nobody knows", async () => {
        await store.addClient(client);
        await store.addClient({ ...client, id: client2 });
        await store.addClient({ ...client, id: client3, serverId: other });
        expect(await store.clientsOf(serverId)).toEqual([client1, client2]);
        await store.endClient(client1, serverId, t0 + 1000, true);
        await store.endClient(client2, serverId, t0 + 1000, false);
        await store.endClient(newId(), serverId, t0, false);
        expect(await store.clientsOf(serverId)).toEqual([]);
        await store.addClient({ ...client, connectedAt: t0 + 2000 });
        expect(await store.clientsOf(serverId)).toEqual([client1]);
        expect(await store.clientsOf(newId())).toEqual([]);
        // Only its own server forgets a client.
        await store.forgetClient(client1, other);
        expect(await store.clientsOf(serverId)).toEqual([client1]);
        await store.forgetClient(client1, serverId);
        await store.endClient(client1, serverId, t0 + 3000, false);
        expect(await store.clientsOf(serverId)).toEqual([]);
      });

      test("a client that goes over to another server belongs to the other one", async () => {
        await store.addClient({ ...client, serverId: other });
        await store.addClient(client);
        expect([await store.clientsOf(other), await store.clientsOf(serverId)]).toEqual([[], [client1]]);
        // The other one gives it up when its grace is over.
        await store.endClient(client1, other, t0 + 1000, true);
        expect([await store.clientsOf(other), await store.clientsOf(serverId)]).toEqual([[], [client1]]);
      });

      test("the clients of a dead server can be asked for until it is buried and after", async () => {
        await store.addServer(makeServer(other));
        await store.addClient({ ...client, serverId: other });
        await store.buryServer(other);
        expect(await store.clientsOf(other)).toEqual([client1]);
      });
    });

    describe("adoption", () => {
      const dead = "55555555-5555-7555-8555-555555555555";
      const theirs = (fields: Partial<ClaimRequest> = {}): ClaimRequest => request({ serverId: dead, ...fields });
      beforeEach(() => store.addServer(makeServer(serverId)));

      test("a client takes along what it runs and has finished, also from a live server, which is told", async () => {
        if (!store.durable) return;
        await store.addServer(makeServer(other));
        const tasks = makeTasks(4);
        await store.insert(tasks);
        claimed(await store.claim(request({ serverId: other })));
        const [one, two, , done] = tasks as [NewTask, NewTask, NewTask, NewTask];
        const assigned = [
          { id: one.id, clientId: client1, clientHost: "node01" },
          { id: two.id, clientId: client2, clientHost: "node02" },
        ];
        await store.commit(makeCommit({ serverId: other, assigned }));
        // What has ended with a client it has run, if nobody else is on record with it.
        const finished = [two.id, done.id];
        expect(ids(await store.adopt(adoption(tasks, { finished })))).toEqual([one.id, done.id]);
        const told = await store.recalls(other);
        expect(told.map(({ id, kind }) => [id, kind])).toEqual([
          [one.id, "adopted"],
          [done.id, "adopted"],
        ]);
        expect(await store.recalls(serverId)).toEqual([]);
        // Once it is adopted, what its former server still says of it does not count.
        const late = { serverId: other, completed: [completion(one)], recalled: [] };
        expect(await store.commit(makeCommit(late))).toEqual({ refused: [one.id] });
        expect(await store.commit(makeCommit({ completed: [completion(one)] }))).toEqual({ refused: [] });
      });

      test("a server that does not yet know what it lost claims nothing until it has dealt with that", async () => {
        if (!store.durable) return;
        await store.addServer(makeServer(other));
        const [lost, waiting] = makeTasks(2) as [NewTask, NewTask];
        await store.insert([lost, waiting]);
        await store.claim(request({ serverId: other, limit: 1 }));
        await store.adopt(adoption([lost], { finished: [lost.id] }));
        expect(await store.claim(request({ serverId: other }))).toEqual({ kind: "recalled" });
        const [recall] = await store.recalls(other);
        expect(await store.recalls(other)).toEqual([recall!]);
        // Given back by who no longer has it, it stays with who has it.
        await store.commit(makeCommit({ serverId: other, reverted: [lost.id], recalled: [recall!.number] }));
        expect(await store.recalls(other)).toEqual([]);
        expect(ids(claimed(await store.claim(request({ serverId: other }))))).toEqual([waiting.id]);
      });

      test("who takes a task back again hears no more of its loss, and the end of a server ends its news", async () => {
        if (!store.durable) return;
        await store.addServer(makeServer(other));
        const [task, second] = makeTasks(2) as [NewTask, NewTask];
        await store.insert([task, second]);
        await store.claim(request({ serverId: other }));
        const both = { finished: [task.id, second.id] };
        await store.adopt(adoption([task, second], both));
        expect((await store.recalls(other)).length).toBe(2);
        await store.adopt(adoption([task], { finished: [task.id], serverId: other, from: [other] }));
        expect((await store.recalls(other)).map(({ id }) => id)).toEqual([second.id]);
        expect((await store.recalls(serverId)).map(({ id }) => id)).toEqual([task.id]);
        await store.endServer(other);
        expect(await store.recalls(other)).toEqual([]);
        await store.buryServer(serverId);
        expect(await store.recalls(serverId)).toEqual([]);
      });

      test("tasks of a dead server are held by its successor, as they were scheduled, and nobody else's", async () => {
        await store.addServer(makeServer(dead));
        const tasks = makeTasks(4);
        await store.insert(tasks);
        await store.claim(theirs({ limit: 3, at: t0 + 4000.5 }));
        const two = tasks.slice(0, 2);
        const adopted = await store.adopt(adoption(two, { from: [dead] }));
        const byId = adopted.toSorted((one, another) => one.submitTime - another.submitTime);
        expect(byId).toEqual(two.map((task) => ({ ...task, scheduleTime: t0 + 4000.5 })));
        // One was not asked for: only that comes back when the dead server is buried.
        expect(await store.buryServer(dead)).toBe(1);
        expect(ids(claimed(await store.claim(request({ serverId: other }))))).toEqual(ids(tasks.slice(2)));
        expect(await store.commit(makeCommit({ completed: two.map((task) => completion(task)) }))).toEqual({
          refused: [],
        });
      });

      test("a client that brings tasks goes over to the server with them, at once", async () => {
        await store.addClient({ id: client1, host: "node01", serverId: other, serverHost: "login01", connectedAt: t0 });
        await store.adopt(adoption([]));
        expect(await store.clientsOf(other)).toEqual([]);
        expect(await store.clientsOf(serverId)).toEqual([client1]);
      });

      test("a task that is free is adopted with the time of it, and claimed by nobody else", async () => {
        const tasks = [...makeTasks(3), makeTask({ attempt: 2 }), makeTask({ group: 2 })];
        await store.insert(tasks);
        const [first, second, third, again, later] = tasks as [NewTask, NewTask, NewTask, NewTask, NewTask];
        const adopted = await store.adopt(adoption([second, again, later]));
        expect(new Set(adopted)).toEqual(
          new Set([second, again, later].map((task) => ({ ...task, scheduleTime: t0 + 6000 }))),
        );
        expect(ids(claimed(await store.claim(request({ serverId: other, eager: true }))))).toEqual(ids([first, third]));
        await store.commit(makeCommit({ completed: [first, second, third, again].map((task) => completion(task)) }));
        expect(await store.claim(request({ serverId: other, group: 0 }))).toEqual({ kind: "none", unfinished: 1 });
      });

      test("a task that was given back is adopted like any that is free", async () => {
        const tasks = makeTasks(2);
        await store.insert(tasks);
        await store.claim(theirs());
        await store.commit(makeCommit({ serverId: dead, reverted: ids(tasks) }));
        expect(ids(await store.adopt(adoption([tasks[0]!])))).toEqual([tasks[0]!.id]);
        expect(ids(claimed(await store.claim(request({ serverId: other }))))).toEqual([tasks[1]!.id]);
      });

      test("what is on record as another client's is not adopted, whatever is said of it", async () => {
        if (!store.durable) return;
        const tasks = makeTasks(3);
        await store.addServer(makeServer(other));
        await store.insert(tasks);
        for (const holder of [other, dead, serverId]) {
          const [task] = claimed(await store.claim(request({ serverId: holder, limit: 1 })));
          const assigned = [{ id: task!.id, clientId: client2, clientHost: "node02" }];
          await store.commit(makeCommit({ serverId: holder, assigned }));
        }
        const asked = { finished: ids(tasks), from: [dead, serverId] };
        expect(await store.adopt(adoption(tasks, asked))).toEqual([]);
        expect(await store.recalls(other)).toEqual([]);
        expect(new Set(ids(await store.adopt(adoption(tasks, { ...asked, clientId: client2 }))))).toEqual(
          new Set(ids(tasks)),
        );
        // This server keeps the news that a task has gone, when somebody else asks for it in vain.
        await store.adopt(adoption(tasks, { ...asked, serverId: other, clientId: client2 }));
        const news = await store.recalls(serverId);
        expect(news.map(({ kind }) => kind)).toEqual(["adopted", "adopted", "adopted"]);
        await store.adopt(adoption(tasks, asked));
        expect(await store.recalls(serverId)).toEqual(news);
      });

      test("what a server without a row holds is adopted without being asked for by its name", async () => {
        const [task] = makeTasks(1);
        await store.insert([task!]);
        await store.claim(theirs());
        expect(ids(await store.adopt(adoption([task!])))).toEqual([task!.id]);
      });

      test("a task that has ended is not adopted, and neither is one that nobody knows", async () => {
        const [fine, failed, cancelled] = makeTasks(3) as [NewTask, NewTask, NewTask];
        await store.insert([fine, failed, cancelled]);
        await store.claim(theirs());
        const completed = [
          completion(fine),
          completion(failed, { exitStatus: 1 }),
          completion(cancelled, { exitStatus: -1 }),
        ];
        await store.commit(makeCommit({ serverId: dead, completed }));
        const asked = [fine, failed, cancelled, { id: newId() }];
        expect(await store.adopt(adoption(asked, { from: [dead] }))).toEqual([]);
        expect((await store.survey(everything)).unfinished).toBe(0);
      });

      test("what a live server holds stays with it", async () => {
        await store.addServer(makeServer(dead));
        await store.addServer(makeServer(other));
        const [task] = makeTasks(1) as [NewTask];
        await store.insert([task]);
        await store.claim(request({ serverId: other, limit: 1 }));
        expect(await store.adopt(adoption([task], { from: [dead, serverId] }))).toEqual([]);
        await store.commit(makeCommit({ reverted: [task.id] }));
        expect(await store.claim(request())).toEqual({ kind: "none", unfinished: 1 });
      });

      test("what the server holds itself is adopted only if it names itself", async () => {
        const [task] = makeTasks(1) as [NewTask];
        await store.insert([task]);
        await store.claim(request());
        expect(await store.adopt(adoption([task], { from: [dead] }))).toEqual([]);
        expect(ids(await store.adopt(adoption([task], { from: [dead, serverId] })))).toEqual([task.id]);
        await store.commit(makeCommit({ reverted: [task.id] }));
        expect(claimed(await store.claim(request())).length).toBe(1);
      });

      test("what is out of scope is left alone: other submissions, and what live servers reserve", async () => {
        await store.addServer(makeServer(other, { reserves: true }));
        const [own, reserved] = [makeTask(), makeTask({ submitId: other })];
        const foreign = makeTask({ submitId: newId() });
        await store.insert([own, reserved, foreign]);
        const all = [own, reserved, foreign];
        expect(ids(await store.adopt(adoption(all, { scope: mine })))).toEqual([own.id]);
        expect(ids(await store.adopt(adoption(all)))).toEqual([foreign.id]);
      });

      test("what a dead server reserved for itself is in the scope of its successor", async () => {
        await store.addServer(makeServer(dead, { reserves: true }));
        const tasks = makeTasks(2, { submitId: dead });
        await store.insert(tasks);
        await store.claim(theirs({ scope: { kind: "submission", id: dead }, limit: 1 }));
        expect(new Set(ids(await store.adopt(adoption(tasks, { from: [dead] }))))).toEqual(new Set(ids(tasks)));
      });

      test("what is adopted can be given back, and can fail and be tried again", async () => {
        const tasks = makeTasks(2);
        await store.insert(tasks);
        await store.claim(theirs());
        await store.adopt(adoption(tasks, { from: [dead] }));
        const [failed, returned] = tasks as [NewTask, NewTask];
        const retry = next(failed);
        await store.commit(
          makeCommit({
            completed: [completion(failed, { exitStatus: 1, retry: { task: retry, claimed: false } })],
            reverted: [returned.id],
          }),
        );
        expect(ids(claimed(await store.claim(request({ retries: everyFailure(2) }))))).toEqual([returned.id, retry.id]);
      });

      test("adopting twice is adopting once, and nothing is nothing", async () => {
        const [task] = makeTasks(1);
        await store.insert([task!]);
        expect(await store.adopt(adoption([]))).toEqual([]);
        expect(ids(await store.adopt(adoption([task!, task!])))).toEqual([task!.id]);
        expect(await store.adopt(adoption([task!]))).toEqual([]);
      });

      test("five thousand tasks are adopted at once", async () => {
        const tasks = makeTasks(10_000);
        await store.insert(tasks);
        await store.claim(theirs({ limit: 7500 }));
        const wanted = tasks.slice(4000, 9000);
        expect(new Set(ids(await store.adopt(adoption(wanted, { from: [dead] }))))).toEqual(new Set(ids(wanted)));
        expect(claimed(await store.claim(request({ serverId: other, limit: 10_000 }))).length).toBe(1000);
      });
    });
  });
}
