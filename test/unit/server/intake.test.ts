/*
 * The two ends of `hs submit --queue`, joined by a pipe: what one sends the other stores, and nothing counts before it
 * is.
 */
import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../../src/base/clock.ts";
import { TransientError } from "../../../src/base/errors.ts";
import { enqueue } from "../../../src/cluster/enqueue.ts";
import { takeSubmitter, type Intake, type IntakeOptions } from "../../../src/server/intake.ts";
import { MemoryStore } from "../../../src/store/memory.ts";
import { openStore } from "../../../src/store/open.ts";
import type { Scope, Store } from "../../../src/store/store.ts";
import type { NewTask, Submission } from "../../../src/task/task.ts";
import type { Duplex } from "../../../src/wire/duplex.ts";
import { type HostMessage, type PeerMessage, submitWindow } from "../../../src/wire/message.ts";
import { pipe } from "../../../src/wire/pipe.ts";
import { claimed, makeTask, makeTasks, request } from "../../conformance/store.ts";
import { until } from "../../e2e/harness.ts";
import { stoppedClock } from "../wire/ends.ts";
import { makeIntakeOptions } from "./bench.ts";

/** A heart that does not beat within a test. */
const heart = { clock: systemClock, heartMs: 600_000 };
const everything: Scope = { kind: "all" };
const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

const submission: Submission = {
  id: "55555555-5555-7555-8555-555555555555",
  time: 1_795_000_000_000,
  host: "laptop",
  user: "me",
  cwd: "/home/me",
  template: null,
  version: "1.0.0",
};

async function sqlite(): Promise<Store> {
  const folder = mkdtempSync(join(tmpdir(), "intake-"));
  folders.push(folder);
  const file = join(folder, "main.db");
  return openStore({ provider: "sqlite", file, database: null, url: null, pragmas: {}, clock: systemClock });
}

interface Meeting {
  readonly link: Duplex<PeerMessage, HostMessage>;
  /** Warnings of the server. */
  readonly warnings: string[];
  /** What the schedule was told. */
  readonly told: string[];
}

/** A server with this store, and a submitter's connection to it. */
function meet(store: IntakeOptions["store"], more: Partial<IntakeOptions> = {}): Meeting {
  const [serverEnd, link] = pipe<HostMessage, PeerMessage>();
  const warnings: string[] = [];
  const told: string[] = [];
  const options: IntakeOptions = {
    ...makeIntakeOptions(
      store,
      (text) => warnings.push(text),
      (what) => told.push(what),
    ),
    ...more,
  };
  let intake: Intake | null = null;
  serverEnd.open({
    message(message) {
      if (message.kind === "submitter") intake = takeSubmitter(serverEnd, message, options);
      else if (message.kind === "tasks" || message.kind === "done") intake?.receive(message);
    },
    drain: () => undefined,
    close: () => intake?.closed(),
  });
  return { link, warnings, told };
}

/** The messages that come over a link. */
function heard(link: Duplex<PeerMessage, HostMessage>): HostMessage[] {
  const messages: HostMessage[] = [];
  link.open({ message: (message) => messages.push(message), drain: () => undefined, close: () => undefined });
  return messages;
}

const failureOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "none",
    (error: Error) => error.message,
  );

const ids = (tasks: readonly NewTask[]): string[] => tasks.map(({ id }) => id);

for (const [kind, make] of [
  ["memory", async () => new MemoryStore()],
  ["sqlite", sqlite],
] as const) {
  test(`tasks are stored in order, under the submission they came with (${kind})`, async () => {
    const store = await make();
    const { link, told } = meet(store);
    const queue = await enqueue(link, "login07", submission, heart);
    const tasks = makeTasks(3, { submitId: submission.id });
    await queue.insert(tasks.slice(0, 2));
    await queue.insert(tasks.slice(2));
    await queue.close();
    expect(told).toEqual(["open", "close"]);
    const taken = claimed(await store.claim(request({ scope: everything })));
    expect(taken).toEqual(tasks.map((task, at) => ({ ...task, scheduleTime: taken[at]!.scheduleTime })));
    expect(await store.submission(submission.id)).toMatchObject({ host: "laptop", user: "me", cwd: "/home/me" });
    await store.close();
  });

  test(`a task that is there already is refused, and the server goes on (${kind})`, async () => {
    const store = await make();
    const [task, other] = makeTasks(2, { submitId: submission.id });
    const first = await enqueue(meet(store).link, "login07", submission, heart);
    await first.insert([task!]);
    await first.close();
    for (const again of [
      [other!, task!],
      [other!, other!],
    ]) {
      const second = await enqueue(meet(store).link, "login07", submission, heart);
      await second.insert(again);
      expect(await failureOf(second.close())).toBe(
        "The server refused this: a task with the same id is there already (0 of 2 tasks stored)",
      );
    }
    const third = await enqueue(meet(store).link, "login07", submission, heart);
    await third.insert([other!]);
    await third.close();
    expect(ids(claimed(await store.claim(request({ scope: everything }))))).toEqual(ids([task!, other!]));
    await store.close();
  });
}

test("a server with a submission of its own takes the tasks into it", async () => {
  const store = new MemoryStore();
  const scope: Scope = { kind: "submission", id: "66666666-6666-7666-8666-666666666666" };
  const queue = await enqueue(meet(store, { scope }).link, "login07", submission, heart);
  await queue.insert([makeTask({ submitId: submission.id })]);
  await queue.close();
  expect(claimed(await store.claim(request({ scope })))[0]?.submitId).toBe(scope.id);
});

test("what is not stored is not answered", async () => {
  const store = new MemoryStore();
  const inserted = Promise.withResolvers<void>();
  const { link } = meet({ ...bound(store), durable: true, insert: () => inserted.promise });
  const messages = heard(link);
  link.send({ kind: "submitter", submission });
  link.send({ kind: "tasks", tasks: makeTasks(2) });
  link.send({ kind: "done" });
  await until(() => messages.length > 0, "no answer");
  await turn();
  expect(messages.map(({ kind }) => kind)).toEqual(["accepted"]);
  inserted.resolve();
  await until(() => messages.length > 1, "no second answer");
  expect(messages[1]).toEqual({ kind: "stored", count: 2 });
});

test("a submitter stops at its window while the server has no room", async () => {
  const store = new MemoryStore(100);
  const { link } = meet(store);
  const queue = await enqueue(link, "login07", submission, heart);
  const tasks = makeTasks(submitWindow + 10, { submitId: submission.id });
  let done = false;
  const inserting = queue.insert(tasks).then(() => (done = true));
  await turn();
  expect(done).toBe(false);
  expect((await store.survey(everything)).unfinished).toBeLessThanOrEqual(submitWindow);
  const all: string[] = [];
  while (all.length < tasks.length) {
    const answer = await store.claim(request({ scope: everything, limit: 1000 }));
    if (answer.kind === "claimed") all.push(...ids(answer.tasks));
    await turn();
  }
  await inserting;
  await queue.close();
  expect(all).toEqual(ids(tasks));
});

test("what comes while the store is busy is stored at once", async () => {
  const store = new MemoryStore();
  const sizes: number[] = [];
  const go = Promise.withResolvers<void>();
  const { link } = meet({
    ...bound(store),
    insert(tasks) {
      sizes.push(tasks.length);
      return sizes.length === 1 ? go.promise : Promise.resolve();
    },
  });
  const queue = await enqueue(link, "login07", submission, heart);
  for (const task of makeTasks(10)) await queue.insert([task]);
  await turn();
  go.resolve();
  await queue.close();
  expect(sizes).toEqual([1, 9]);
});

test("a store in passing trouble is asked again, and that is said once", async () => {
  const store = new MemoryStore();
  let tries = 0;
  const { link, warnings } = meet({
    ...bound(store),
    insert: (tasks) => (++tries < 4 ? Promise.reject(new TransientError("disk full")) : store.insert(tasks)),
  });
  const queue = await enqueue(link, "login07", submission, heart);
  await queue.insert(makeTasks(1));
  await queue.close();
  expect([tries, warnings]).toEqual([
    4,
    ["Database trouble, trying again (submitter): disk full", "Database is back (submitter)"],
  ]);
});

test("a store beyond help refuses, with its reason", async () => {
  const broken = { ...bound(new MemoryStore()), insert: () => Promise.reject(new Error("'main.db' is damaged")) };
  const { link, warnings, told } = meet(broken);
  const queue = await enqueue(link, "login07", submission, heart);
  await queue.insert(makeTasks(1));
  const text = "the tasks could not be stored: 'main.db' is damaged";
  expect(await failureOf(queue.close())).toBe(`The server refused this: ${text} (0 of 1 task stored)`);
  expect(queue.broken.aborted).toBe(true);
  expect(await failureOf(queue.insert(makeTasks(1)))).toContain(text);
  expect(warnings).toEqual([`Submitter refused (laptop: ${submission.id}): ${text}`]);
  expect(told).toEqual(["open", "close"]);
});

test("a server that is about to end takes nothing more", async () => {
  const early = meet(new MemoryStore(), { closing: () => true });
  expect(await failureOf(enqueue(early.link, "login07", submission, heart))).toBe(
    "The server refused this: it is about to end (nothing was submitted)",
  );
  let closing = false;
  const late = await enqueue(meet(new MemoryStore(), { closing: () => closing }).link, "login07", submission, heart);
  await late.insert(makeTasks(1));
  await turn();
  closing = true;
  await late.insert(makeTasks(1));
  expect(await failureOf(late.close())).toBe("The server refused this: it is about to end (1 of 2 tasks stored)");
});

test("a server that goes away is told with what is stored", async () => {
  const [serverEnd, link] = pipe<HostMessage, PeerMessage>();
  serverEnd.open({
    message(message) {
      if (message.kind === "submitter")
        serverEnd.send({ kind: "accepted", serverId: "s", group: 4, groupReason: "because" });
      if (message.kind === "tasks") {
        serverEnd.send({ kind: "stored", count: 1 });
        serverEnd.close();
      }
    },
    drain: () => undefined,
    close: () => undefined,
  });
  const queue = await enqueue(link, "login07", submission, heart);
  await queue.insert(makeTasks(3));
  expect(await failureOf(queue.close())).toBe("The server disconnected - 1 of 3 tasks stored");
});

test("tasks that are not new are refused, each with what is wrong", async () => {
  const faults: readonly (readonly [Partial<NewTask>, string])[] = [
    [{ attempt: 2 }, "first attempt"],
    [{ previousId: "55555555-5555-7555-8555-555555555555" }, "first attempt"],
    [{ tag: {} }, "'part'"],
  ];
  for (const [fields, reason] of faults) {
    const store = new MemoryStore();
    const queue = await enqueue(meet(store).link, "login07", submission, heart);
    await queue.insert([makeTask(), makeTask(fields)]);
    expect(await failureOf(queue.close())).toContain(reason);
    expect((await store.survey(everything)).unfinished).toBe(0);
  }
});

test("a submitter that vanishes leaves what was answered, and frees the schedule", async () => {
  const store = new MemoryStore();
  const { link, told } = meet(store);
  const messages = heard(link);
  link.send({ kind: "submitter", submission });
  link.send({ kind: "tasks", tasks: makeTasks(2) });
  await until(() => messages.length > 1, "no answer");
  link.close();
  await until(() => told.includes("close"), "not told");
  expect(told).toEqual(["open", "close"]);
  expect((await store.survey(everything)).unfinished).toBe(2);
});

/** What is asked of a store, to be changed in part. */
function bound(store: MemoryStore): IntakeOptions["store"] {
  return {
    durable: store.durable,
    addSubmission: (row) => store.addSubmission(row),
    insert: (tasks) => store.insert(tasks),
    sync: () => store.sync(),
  };
}

/** All that is under way has been delivered. */
async function turn(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
}

test("a submitter that says nothing is given up, unless it waits for the store or shows that it lives", async () => {
  const store = new MemoryStore();
  const [lazy, waiting, alive] = [stoppedClock(), stoppedClock(), stoppedClock()];
  const silenceMs = 10_000;
  const pass = async (clock: ReturnType<typeof stoppedClock>, seconds: number): Promise<void> => {
    for (let second = 0; second < seconds; second++) {
      clock.pass(1000);
      await turn();
    }
  };

  const silent = meet(store, { clock: lazy, silenceMs });
  const queue = await enqueue(silent.link, "login07", submission, heart);
  await queue.insert(makeTasks(1));
  await pass(lazy, 9);
  expect(queue.broken.aborted).toBe(false);
  await pass(lazy, 2);
  const text = "the submitter has said nothing for 10 seconds";
  expect(await failureOf(queue.close())).toBe(`The server refused this: ${text} (1 of 1 task stored)`);
  expect(silent.warnings).toEqual([`Submitter refused (laptop: ${submission.id}): ${text}`]);
  expect(silent.told).toEqual(["open", "close"]);
  expect(lazy.left()).toBe(0);

  const stuck = Promise.withResolvers<void>();
  const slow = { ...bound(store), insert: () => stuck.promise };
  const patient = await enqueue(meet(slow, { clock: waiting, silenceMs }).link, "login07", submission, heart);
  await patient.insert(makeTasks(1));
  await pass(waiting, 30);
  stuck.resolve();
  await patient.close();

  const beating = { clock: alive, heartMs: 5000 };
  const fed = await enqueue(meet(store, { clock: alive, silenceMs }).link, "login07", submission, beating);
  await pass(alive, 60);
  await fed.insert(makeTasks(1));
  await fed.close();
  expect(alive.left()).toBe(0);
});
