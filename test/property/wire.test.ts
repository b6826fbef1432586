/* Laws of what crosses the network. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import type { Assignment, NewTask, Outcome, Tags } from "../../src/task/task.ts";
import { decodeHost, decodePeer, encode } from "../../src/wire/codec.ts";
import type { View } from "../../src/view/view.ts";
import type { HostMessage, Lease, PeerMessage } from "../../src/wire/message.ts";
import { WireProblem } from "../../src/wire/problem.ts";
import { sessionPair } from "../unit/wire/ends.ts";

const count = fc.nat({ max: 1_000_000 });
const name = fc.uuid();
const text = fc.oneof(fc.string({ unit: "binary" }), fc.string({ unit: "grapheme" }), fc.constant("\ud800"));
/** What a path and a database can hold. */
const clean = text.map((value) => value.replaceAll("\0", "").toWellFormed());
/** -0 is 0 in JSON. */
const number = fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0);
const amount = fc.double({ noNaN: true, min: 0, max: 1e18 });
const time = fc.double({ noNaN: true, min: Date.UTC(1000, 0, 2), max: Date.UTC(9999, 11, 30) }).map((ms) => ms + 0);
const limit = fc.nat();
const optional = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(arbitrary, { nil: null });
const lease: fc.Arbitrary<Lease> = fc.record({ id: name, lease: count });
const start = fc.record({ id: name, lease: count, startTime: time });
const leases = fc.array(lease, { maxLength: 20 });
const tagsOf = (word: fc.Arbitrary<string>): fc.Arbitrary<Tags> =>
  fc.dictionary(
    word.filter((key) => key !== "__proto__"),
    fc.oneof(word, number, fc.boolean(), fc.constant(null)),
    { maxKeys: 4, noNullPrototype: true },
  );

const newTask: fc.Arbitrary<NewTask> = fc.record({
  id: name,
  group: limit,
  args: clean.filter((args) => args !== ""),
  submitId: fc.constantFrom("0b7c2b3e-0000-4000-8000-000000000001", "0b7c2b3e-0000-4000-8000-000000000002"),
  submitTime: time,
  submitHost: fc.oneof(fc.constant("n1"), clean),
  cores: optional(limit),
  memory: optional(fc.maxSafeNat()),
  timeout: optional(limit),
  attempt: count,
  previousId: optional(name),
  tag: tagsOf(clean),
});
const assignment: fc.Arbitrary<Assignment> = fc
  .tuple(
    newTask,
    fc.record({
      args: text,
      group: fc.integer(),
      cores: optional(fc.double({ noNaN: true, min: -9e15, max: 9e15 }).map((value) => value + 0)),
      tag: tagsOf(text),
    }),
    time,
    count,
  )
  .map(([task, theirs, scheduleTime, own]) => ({ ...task, ...theirs, scheduleTime, lease: own }));
const outcome: fc.Arbitrary<Outcome> = fc.record({
  id: name,
  lease: count,
  command: optional(text),
  startTime: optional(time),
  completionTime: time,
  exitStatus: fc.integer({ min: -(2 ** 31), max: 2 ** 32 - 1 }),
  outpath: optional(clean),
  errpath: optional(clean),
  csvpath: optional(clean),
  coresMax: optional(amount),
  memoryMax: optional(amount),
});

const piece = { text, next: fc.maxSafeNat(), more: fc.boolean(), over: fc.boolean() };
const outputQuery = {
  id: name,
  stream: fc.constantFrom("stdout" as const, "stderr" as const),
  from: fc.maxSafeInteger(),
  most: fc.integer({ min: 1, max: 65_536 }),
};
const numbers = fc.array(count, { maxLength: 5 });
const histogram = { bounds: numbers, counts: numbers, sum: count };
const taskView = {
  id: name,
  text,
  group: count,
  attempt: count,
  host: optional(text),
  clientId: optional(name),
  startTime: optional(time),
};
const view: fc.Arbitrary<View> = fc.record({
  at: time,
  source: fc.record({ kind: fc.constantFrom("server" as const, "database" as const), title: text }),
  counts: fc.record({
    total: count,
    remaining: count,
    running: count,
    succeeded: count,
    failed: count,
    cancelled: count,
  }),
  rate: optional(count),
  duration: optional(count),
  secondsLeft: optional(count),
  throughput: fc.record({ intervalMs: count, ended: numbers, failed: numbers }),
  servers: fc.array(
    fc.record({ id: name, host: text, pid: count, startedAt: time, beatAt: time, isAlive: fc.boolean() }),
    { maxLength: 2 },
  ),
  clients: fc.array(
    fc.record({
      id: name,
      host: text,
      serverId: optional(name),
      executors: optional(count),
      capacity: optional(fc.record({ cores: count, memory: count, others: fc.constant({ gpus: 2 }) })),
      job: optional(text),
      running: count,
      ended: optional(count),
      failed: optional(count),
      standing: optional(fc.constantFrom("present" as const, "away" as const)),
      heardAt: optional(time),
    }),
    { maxLength: 2 },
  ),
  clientsTotal: count,
  running: fc.array(fc.record(taskView), { maxLength: 2 }),
  runningTotal: count,
  failures: fc.array(
    fc.record({ ...taskView, exitStatus: fc.integer(), completionTime: time, duration: optional(count) }),
    { maxLength: 2 },
  ),
  durations: fc.record({ ...histogram, of: fc.constantFrom("all" as const, "sample" as const) }),
  queueAge: optional(count),
  storeLatency: optional(fc.record(histogram)),
});

const peerMessage: fc.Arbitrary<PeerMessage> = fc.oneof(
  fc.record({
    kind: fc.constant("hello" as const),
    clientId: name,
    host: fc.constantFrom("n1", "n2.cluster.example", "fe80::1%eth0"),
    executors: count,
    credit: count,
    running: leases,
    finished: leases,
  }),
  fc.record({
    kind: fc.constant("hello" as const),
    clientId: name,
    host: fc.constant("n1"),
    executors: count,
    credit: count,
    running: leases,
    finished: leases,
    capacity: fc.record(
      {
        cores: fc.double({ noNaN: true, min: 0, max: 1e6 }).map((value) => value + 0),
        memory: fc.maxSafeNat(),
        others: fc.dictionary(fc.constantFrom("gpus", "license", "a.b-c+d_1"), fc.nat(), { noNullPrototype: true }),
        until: time,
      },
      { requiredKeys: ["cores", "memory", "others"] },
    ),
  }),
  fc.record({ kind: fc.constant("results" as const), outcomes: fc.array(outcome), credit: count }),
  fc.record({ kind: fc.constant("returned" as const), tasks: leases }),
  fc.record({ kind: fc.constant("returned" as const), tasks: leases, missing: fc.array(name) }),
  fc.constant({ kind: "beat" as const }),
  fc.record({ kind: fc.constant("beat" as const), started: fc.array(start, { maxLength: 20 }) }),
  fc.record({
    kind: fc.constant("output" as const),
    id: name,
    lease: count,
    stream: fc.constantFrom("stdout" as const, "stderr" as const),
    from: fc.maxSafeNat(),
    data: fc.uint8Array({ maxLength: 50 }).map((bytes) => Buffer.from(bytes).toString("base64")),
  }),
  fc.record({ kind: fc.constant("shown" as const), ask: count, ...piece }),
  fc.record({ kind: fc.constant("shown" as const), ask: count, ...piece, refused: text }),
  fc.record({ kind: fc.constant("bye" as const), reason: text }),
  fc.constant({ kind: "watcher" as const }),
  fc.record({ kind: fc.constant("look" as const), ask: count, most: fc.nat({ max: 200 }), filter: text }),
  fc.record({ kind: fc.constant("read" as const), ask: count, ...outputQuery }),
  fc.record({
    kind: fc.constant("act" as const),
    ask: count,
    action: fc.constantFrom("cancel" as const, "revert" as const),
    ids: fc.array(name),
  }),
  fc.record({
    kind: fc.constant("submitter" as const),
    submission: fc.record({
      id: name,
      time,
      host: clean,
      user: clean,
      cwd: clean,
      template: optional(clean),
      version: clean,
    }),
  }),
  fc.record({ kind: fc.constant("tasks" as const), tasks: fc.array(newTask) }),
  fc.constant({ kind: "done" as const }),
);

const hostMessage: fc.Arbitrary<HostMessage> = fc.oneof(
  fc.record({
    kind: fc.constant("welcome" as const),
    serverId: name,
    serverHost: name,
    companyMs: fc.double({ min: 0, max: 3_600_000, noNaN: true }).map((value) => value + 0),
  }),
  fc.record({
    kind: fc.constant("welcome" as const),
    serverId: name,
    serverHost: name,
    companyMs: fc.nat(3_600_000),
    stay: fc.boolean(),
  }),
  fc.record({ kind: fc.constant("submission" as const), id: name, template: optional(text), cwd: optional(text) }),
  fc.record({ kind: fc.constant("assign" as const), tasks: fc.array(assignment) }),
  fc.record({ kind: fc.constantFrom("ack" as const, "cancel" as const, "drop" as const), tasks: leases }),
  fc.constant({ kind: "beat" as const }),
  fc.record({ kind: fc.constant("taken" as const), bytes: count }),
  fc.record({ kind: fc.constant("show" as const), ask: count, ...outputQuery }),
  fc.record({ kind: fc.constant("watched" as const), serverId: name, serverHost: fc.constant("n1") }),
  fc.record({ kind: fc.constant("view" as const), ask: count, view }),
  fc.record({ kind: fc.constant("piece" as const), ask: count, ...piece }),
  fc.record({ kind: fc.constant("acted" as const), ask: count, count }),
  fc.record({ kind: fc.constant("failed" as const), ask: count, reason: text }),
  fc.record({ kind: fc.constant("beat" as const), stay: fc.boolean() }),
  fc.record({
    kind: fc.constant("leave" as const),
    how: fc.constantFrom("finish" as const, "interrupt" as const, "abort" as const),
    reason: text,
  }),
  fc.record({ kind: fc.constant("accepted" as const), serverId: name, group: fc.integer(), groupReason: text }),
  fc.record({ kind: fc.constant("stored" as const), count }),
  fc.record({ kind: fc.constant("refused" as const), reason: text }),
);

/** Through bytes, as on the network. */
function carried(message: PeerMessage | HostMessage): string[] {
  return encode(message).map((frame) => {
    expect(frame).not.toContain("\n");
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Buffer.from(frame));
  });
}

test("what clients and submitters say is what the server reads", () => {
  fc.assert(
    fc.property(peerMessage, (message) => {
      expect(carried(message).map(decodePeer)).toEqual([message]);
    }),
    { numRuns: 500 },
  );
});

test("what servers say is what clients and submitters read", () => {
  fc.assert(
    fc.property(hostMessage, (message) => {
      expect(carried(message).map(decodeHost)).toEqual([message]);
    }),
    { numRuns: 500 },
  );
});

function refusesOrReads(frame: string): void {
  for (const decode of [decodePeer, decodeHost]) {
    try {
      decode(frame);
    } catch (error) {
      if (!(error instanceof WireProblem)) throw error;
      expect(error.kind).toBe("malformed");
      expect(error.message.length).toBeLessThan(220);
      expect(error.message).not.toMatch(/[\r\n]/);
    }
  }
}

test("no text makes the reader do anything but read or refuse", () => {
  fc.assert(fc.property(fc.oneof(fc.string({ unit: "binary" }), fc.json()), refusesOrReads), { numRuns: 2000 });
});

test("no message whose fields were exchanged makes the reader do anything but read or refuse", () => {
  const words =
    "hello results returned beat bye submitter tasks done welcome submission assign ack cancel drop leave accepted " +
    "stored refused __proto__ toString";
  const kinds = fc.constantFrom(...words.split(" "));
  const spoilt = fc
    .tuple(fc.oneof(peerMessage, hostMessage), fc.array(fc.tuple(fc.nat(), fc.jsonValue())), fc.option(kinds))
    .map(([message, changes, kind]) => {
      const value = JSON.parse(encode(message)[0] ?? "{}") as Record<string, unknown>;
      for (const [at, put] of changes) replace(value, at, put);
      return JSON.stringify(kind === null ? value : { ...value, kind });
    });
  fc.assert(fc.property(spoilt, refusesOrReads), { numRuns: 2000 });
});

/** Somewhere in it. */
function replace(value: object, at: number, put: unknown): void {
  const keys = Object.keys(value);
  const chosen = keys[at % Math.max(1, keys.length)];
  if (chosen === undefined) return;
  const inner = (value as Record<string, unknown>)[chosen];
  if (typeof inner === "object" && inner !== null && at % 3 !== 0) replace(inner, Math.floor(at / 3), put);
  else (value as Record<string, unknown>)[chosen] = put;
}

test("where bytes are cut makes no difference", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 500 }), { minLength: 1 }),
      fc.array(text, { maxLength: 10 }),
      fc.boolean(),
      async (lengths, reasons, tls) => {
        let turn = 0;
        const cut = (): number => lengths[turn++ % lengths.length]!;
        const [client, server] = await sessionPair(tls ? { cut, binding: new Uint8Array(32) } : { cut });
        const heard: string[] = [];
        const ended = Promise.withResolvers<Error | null>();
        const nothing = (): void => undefined;
        client.open({
          message: (message) => void (message.kind === "leave" && heard.push(message.reason)),
          drain: nothing,
          close: ended.resolve,
        });
        server.open({ message: nothing, drain: nothing, close: nothing });
        for (const reason of reasons) server.send({ kind: "leave", how: "finish", reason });
        server.close();
        expect(await ended.promise).toBeNull();
        expect(heard).toEqual(reasons);
      },
    ),
    { numRuns: 200 },
  );
});
