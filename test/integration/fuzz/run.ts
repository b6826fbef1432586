/*
 * Hostile peers at a real server, and hostile servers at real clients and submitters, all of whom know the key: real
 * sessions over memory, by seed. An honest client works at the same server, and honest tasks come in. Afterwards the
 * server must be alive, every honest task recorded, and every outcome that of a client that had the task.
 */
import { everyFailure } from "../../../src/task/retries.ts";
import { assert } from "../../../src/base/assert.ts";
import { systemClock } from "../../../src/base/clock.ts";
import { newId } from "../../../src/base/ids.ts";
import { runClient } from "../../../src/client/client.ts";
import type { Executor } from "../../../src/client/executor.ts";
import type { ClientSettings } from "../../../src/client/state.ts";
import { enqueue } from "../../../src/cluster/enqueue.ts";
import type { Logger } from "../../../src/log/logger.ts";
import { runServer, type Server } from "../../../src/server/door.ts";
import type { Admission, Store } from "../../../src/store/store.ts";
import type { NewTask, Submission } from "../../../src/task/task.ts";
import type { ByteStream } from "../../../src/wire/bytes.ts";
import { hostFields, peerFields } from "../../../src/wire/fields.ts";
import type { HostLink, PeerLink } from "../../../src/wire/link.ts";
import type { Lease } from "../../../src/wire/message.ts";
import { WireProblem } from "../../../src/wire/problem.ts";
import { until } from "../../e2e/harness.ts";
import { makeClaimed, makeOutcome, silentLog, warningLog } from "../../make.ts";
import { type Random, random } from "../../simulation/random.ts";
import { admitOn, enterOn, linkOf } from "../../unit/wire/ends.ts";
import { memoryBytes } from "../../unit/wire/memory.ts";
import { framesOf } from "./frames.ts";

export interface FuzzOptions {
  readonly store: Store;
  /** How many frames hostile peers send at least. */
  readonly frames: number;
  readonly seed: number;
  /** Called now and then with the number of frames so far. */
  readonly onProgress?: (frames: number) => void;
}

export interface FuzzReport {
  readonly frames: number;
  readonly sessions: number;
  /** How many sessions ended because of what was said in them. */
  readonly cutOff: number;
  /** Outcomes that were recorded, by the id of the task. */
  readonly recorded: ReadonlyMap<string, Recorded>;
  /** How many of them are of tasks that hostile clients had. */
  readonly byHostile: number;
  readonly warnings: number;
  /** The most memory of this process, bytes. */
  readonly mostMemory: number;
}

export interface Recorded {
  readonly clientId: string;
  readonly exitStatus: number;
}

/** What is known of the tasks at the server, from outside. */
interface Ledger {
  readonly store: Store;
  /** All tasks that were stored. */
  readonly tasks: Set<string>;
  /** Who was given each task, and who said hello with it. */
  readonly given: Map<string, Set<string>>;
  readonly brought: Map<string, Set<string>>;
  /** The tasks that the honest client was given last. */
  readonly ofHonest: Set<string>;
  readonly recorded: Map<string, Recorded>;
  /** Honest tasks of which no outcome is recorded yet. */
  readonly honest: Set<string>;
}

interface Fuzz {
  readonly options: FuzzOptions;
  readonly ledger: Ledger;
  readonly server: Server;
  readonly serverId: string;
  readonly honestId: string;
  /** What hostile peers have heard of, the latest last. */
  readonly leases: Lease[];
  readonly ids: string[];
  frames: number;
  sessions: number;
  cutOff: number;
  mostMemory: number;
}

const everything = { kind: "all" } as const;
const binding = new Uint8Array(32);
/** How many hostile sessions there are at once. */
const atOnce = 8;

/** Lets hostile peers speak. Throws when anything comes of it that must not. */
export async function fuzz(options: FuzzOptions): Promise<FuzzReport> {
  let warnings = 0;
  const ledger = ledgerOf(options.store);
  const serverId = newId();
  const honestId = newId();
  const now = Date.now();
  const row: Parameters<Store["addServer"]>[0] = {
    id: serverId,
    host: "here",
    pid: process.pid,
    pidStart: null,
    processTable: null,
    reserves: false,
    startedAt: now,
    beatAt: now,
  };
  const admission = await options.store.addServer(row);
  const log = warningLog(() => warnings++);
  const server = startServer(ledger, row, admission, log);
  server.inputEnded();
  const ids = [serverId, honestId];
  const counts = { frames: 0, sessions: 0, cutOff: 0, mostMemory: 0 };
  const its: Fuzz = { options, ledger, server, serverId, honestId, leases: [], ids, ...counts };
  const failed = server.finished.then(() => Promise.reject(new Error("the server has ended")));
  failed.catch(() => undefined);
  const honest = await openClient(its, honestId);
  const workers = Array.from({ length: atOnce }, (_, n) => work(its, random(options.seed * atOnce + n)));
  await Promise.race([Promise.all(workers), failed]);
  await Promise.race([untilRecorded(its), failed]);
  server.stop("finish");
  await server.finished;
  assert((await honest.finished) === null, "the honest client goes in order");
  const { recorded } = ledger;
  const byHostile = [...recorded.values()].filter(({ clientId }) => clientId !== honestId).length;
  const { frames, sessions, cutOff, mostMemory } = its;
  return { frames, sessions, cutOff, recorded, byHostile, warnings, mostMemory };
}

/** Throws when the tables of a store have other outcomes than were recorded. `outcomes` null: it keeps none. */
export async function sameOutcomes(
  { recorded }: FuzzReport,
  outcomes: (() => Promise<Map<string, Recorded>>) | null,
): Promise<void> {
  if (outcomes === null) return;
  const found = await outcomes();
  assert(found.size === recorded.size, `the tables have ${recorded.size} outcomes, not ${found.size}`);
  for (const [id, { clientId, exitStatus }] of recorded) {
    const row = found.get(id);
    assert(row?.clientId === clientId && row.exitStatus === exitStatus, `the outcome of ${id} is what its client said`);
  }
}

function startServer(
  { store }: Ledger,
  row: Parameters<Store["addServer"]>[0],
  { storeId, firstLease }: Admission,
  log: Logger,
): Server {
  const serverId = row.id;
  return runServer({
    store,
    enter: () => store.addServer(row),
    isAlive: (other) => other.id === serverId,
    clock: systemClock,
    log,
    onFailed: () => undefined,
    settings: {
      serverId,
      serverHost: "here",
      scope: everything,
      retries: everyFailure(1),
      retryDelayMs: 0,
      halt: null,
      poison: 0,
      requeueStatus: null,
      eager: false,
      forever: true,
      launchesClients: false,
      bundleSize: null,
      pollMs: 1000,
      evictMs: 60_000,
      graceMs: 100,
      durable: store.durable,
      companyMs: 0,
      firstLease,
      storeId,
      newId,
    },
  });
}

/** Notes what the store is told, and that it is right. */
function ledgerOf(store: Store): Ledger {
  const [tasks, honest, ofHonest] = [new Set<string>(), new Set<string>(), new Set<string>()];
  const [given, brought] = [new Map<string, Set<string>>(), new Map<string, Set<string>>()];
  const recorded = new Map<string, Recorded>();
  const told: Store = Object.create(store, {
    insert: {
      async value(added: readonly NewTask[]) {
        await store.insert(added);
        for (const { id } of added) {
          tasks.add(id);
          // A store in memory forgets what has ended: its id may come again.
          recorded.delete(id);
        }
      },
    },
    commit: {
      async value(order: Parameters<Store["commit"]>[0]) {
        const report = await store.commit(order);
        const refused = [...report.refused];
        // Of several outcomes of one task the first is recorded, and the others are refused.
        for (const { id, clientId, exitStatus } of order.completed.toReversed()) {
          const at = refused.indexOf(id);
          if (at >= 0) {
            refused.splice(at, 1);
            continue;
          }
          const whose = given.get(id);
          // A client that comes back brings what nobody else has. What somebody has is safe from others.
          const isOwn = whose?.has(clientId) === true || (brought.get(id)?.has(clientId) === true && !ofHonest.has(id));
          assert(isOwn, `${id} was given to ${clientId}, whose outcome is recorded`);
          assert(!recorded.has(id), `one outcome of ${id} is recorded`);
          recorded.set(id, { clientId, exitStatus });
          honest.delete(id);
          for (const each of [given, brought]) each.delete(id);
          ofHonest.delete(id);
        }
        return report;
      },
    },
  }) as Store;
  return { store: bound(told), tasks, given, brought, ofHonest, recorded, honest };
}

/** The store with its functions bound to it: those of a class may have private fields. */
function bound(told: Store): Store {
  const inner = Object.getPrototypeOf(told) as Store;
  return new Proxy(inner, {
    get(_, name: keyof Store) {
      if (Object.hasOwn(told, name)) return told[name];
      const value: unknown = inner[name];
      return typeof value === "function" ? (value as () => unknown).bind(inner) : value;
    },
  });
}

// ---- those who are honest

const settings: Omit<ClientSettings, "clientId"> = {
  secret: "only-mine",
  host: "honest",
  executors: 1,
  timeoutMs: null,
  signalWaitMs: 10,
  idleMs: null,
  heartMs: 10_000,
  bundleSize: null,
  bundleWaitMs: null,
  connectMs: 0,
  servers: 1,
  loyalMs: 0,
  reconnectMs: 0,
  forsakenMs: 0,
  announce: false,
};

/** Ends each task at once, with success. */
const executor: Executor = {
  servedBy: () => undefined,
  endsAt: () => undefined,
  start(task, _origin, ends) {
    const at = Date.now();
    setImmediate(() => ends.ended(makeOutcome(task, { startTime: at, completionTime: at }), false));
    return { pid: null, signal: () => undefined, alive: () => false, ignoresInterrupt: () => false };
  },
  close: () => undefined,
};

async function openClient(its: Fuzz, clientId: string): Promise<ReturnType<typeof runClient>> {
  const links = [await callServer(its)];
  const connect = (): Promise<HostLink> => {
    const next = links.pop();
    return next === undefined ? Promise.reject(new WireProblem("lost", "the server is gone")) : Promise.resolve(next);
  };
  return runClient({ connect, settings: { ...settings, clientId }, executor, clock: systemClock, log: silentLog });
}

const submission: Submission = {
  id: newId(),
  time: 1.7e12,
  host: "here",
  user: "me",
  cwd: "/",
  template: null,
  version: "1",
};

async function submitHonest({ ledger }: Fuzz, count: number): Promise<void> {
  const tasks = Array.from({ length: count }, (): NewTask => {
    const { scheduleTime: _, ...task } = makeClaimed(newId(), { submitId: submission.id, submitTime: Date.now() });
    return task;
  });
  for (const { id } of tasks) ledger.honest.add(id);
  await ledger.store.insert(tasks);
}

function untilRecorded({ ledger: { honest } }: Fuzz): Promise<void> {
  return until(
    () => honest.size === 0,
    () => `${honest.size} honest tasks are not recorded`,
    60_000,
  );
}

/** A connection to the server, of which the ledger hears who is given what. */
async function callServer(its: Fuzz): Promise<HostLink> {
  const [near, far] = memoryBytes({ binding });
  const [own, theirs] = await Promise.all([enterOn(near), admitOn(far)]);
  its.server.attach(watched(its, linkOf(theirs)));
  return linkOf(own);
}

/** A peer that has shown the key, and from then on says and hears frames as they stand. */
interface RawPeer {
  readonly stream: ByteStream;
  /** Called with each frame of the other side, from when it is set. */
  hears: (frame: string) => void;
  readonly over: Promise<void>;
  isOver: boolean;
}

/** A session of which one side is raw. `side` says which, and `take` gets the other. */
async function callRaw(side: "client" | "server", take: (link: HostLink | PeerLink) => void): Promise<RawPeer> {
  const [near, far] = memoryBytes({ binding });
  const over = Promise.withResolvers<void>();
  const peer: RawPeer = { stream: near, hears: () => undefined, over: over.promise, isOver: false };
  let isRaw = false;
  let held = "";
  function end(): void {
    peer.isOver = true;
    over.resolve();
  }
  const tapped: ByteStream = {
    ...near,
    open: (handlers) =>
      near.open({
        ...handlers,
        data(chunk) {
          if (!isRaw) return handlers.data(chunk);
          const frames = `${held}${Buffer.from(chunk).toString()}`.split("\n");
          held = frames.pop() ?? "";
          for (const frame of frames) peer.hears(frame);
        },
        close(error) {
          handlers.close(error);
          end();
        },
      }),
  };
  const [own, theirs] = await Promise.all(
    side === "client" ? [enterOn(tapped), admitOn(far)] : [admitOn(tapped), enterOn(far)],
  );
  isRaw = true;
  if ("problem" in own) throw own.problem;
  if ("problem" in theirs) throw theirs.problem;
  take(theirs.link);
  return peer;
}

function watched({ ledger, honestId }: Fuzz, link: PeerLink): PeerLink {
  const { tasks, given, brought, ofHonest } = ledger;
  let clientId = "";
  const note = (whose: Map<string, Set<string>>, id: string): void => {
    const known = whose.get(id);
    if (known === undefined) whose.set(id, new Set([clientId]));
    else known.add(clientId);
  };
  return {
    ...link,
    open: (handlers) =>
      link.open({
        ...handlers,
        message(message) {
          if (message.kind === "hello") {
            ({ clientId } = message);
            for (const { id } of [...message.running, ...message.finished]) if (tasks.has(id)) note(brought, id);
          }
          handlers.message(message);
        },
      }),
    send(message) {
      for (const { id } of message.kind === "assign" ? message.tasks : []) {
        note(given, id);
        if (clientId === honestId) ofHonest.add(id);
        else ofHonest.delete(id);
      }
      return link.send(message);
    },
  };
}

// ---- those who are hostile

async function work(its: Fuzz, rng: Random): Promise<void> {
  const { options } = its;
  while (its.frames < options.frames) {
    // No more than the honest client can do: what is measured is the memory of the server, not of a queue.
    if (its.sessions % 20 === 0 && its.ledger.honest.size < 400) await submitHonest(its, 40);
    const isAtServer = rng.chance(0.85);
    if (isAtServer) await attackServer(its, rng);
    else if (rng.chance(0.8)) await attackClient(its, rng);
    else await attackSubmitter(its, rng);
    if (++its.sessions % 100 === 0) {
      its.mostMemory = Math.max(its.mostMemory, process.memoryUsage.rss());
      options.onProgress?.(its.frames);
    }
  }
}

const kindsOf = (tables: object): readonly string[] => Object.keys(tables);
const [peerKinds, hostKinds] = [kindsOf(peerFields), kindsOf(hostFields)];

/** Sends a frame as it stands. */
function say(its: Fuzz, stream: ByteStream, frame: string | Uint8Array): void {
  its.frames++;
  stream.write(Buffer.concat([Buffer.from(frame), Buffer.from("\n")]));
}

const usualOfClients = ["results", "results", "results", "beat", "beat", "returned"];
const usualOfSubmitters = ["tasks"];

async function attackServer(its: Fuzz, rng: Random): Promise<void> {
  const peer = await callRaw("client", (link) => its.server.attach(watched(its, link as PeerLink)));
  const { stream } = peer;
  const answered = Promise.withResolvers<void>();
  /** Whoever reports more tasks than it was given is cut off, so mostly it names as many, and its own. */
  const known = { ids: its.ids, leases: its.leases as readonly Lease[], most: 3 };
  peer.hears = (frame) => {
    answered.resolve();
    if (!frame.startsWith('{"kind":"assign"')) return;
    const { tasks } = JSON.parse(frame) as { readonly tasks: readonly Lease[] };
    learn(its, tasks);
    known.leases = [...tasks, ...its.leases.slice(-2)];
    known.most = tasks.length;
  };
  const frames = framesOf(rng, peerFields, known);
  const isClient = rng.chance(0.7);
  const first = isClient ? "hello" : rng.chance(0.9) ? "submitter" : pick(rng, peerKinds);
  const own = isClient ? { credit: rng.between(0, 3), clientId: rng.chance(0.9) ? newId() : pick(rng, its.ids) } : {};
  const isFit = rng.chance(0.8);
  say(its, stream, isFit ? frames.fit(first, own) : frames.bent(first, own));
  // A server says nothing to a peer whose first message is bent and fits all the same, as long as it is none of a role.
  if (isFit) await Promise.race([answered.promise, peer.over]);
  else await new Promise<void>((resume) => setImmediate(resume));
  const most = rng.between(1, 100);
  if (!isClient) known.most = 40;
  else if (!its.leases.length) known.most = 0;
  for (let n = 0; n < most && !peer.isOver; n++) {
    const kind = rng.chance(0.02) ? pick(rng, peerKinds) : pick(rng, isClient ? usualOfClients : usualOfSubmitters);
    const few = kind === "results" ? { credit: rng.between(0, 2) } : {};
    say(its, stream, rng.chance(0.92) ? frames.fit(kind, few) : frames.bent(kind, few));
    if (kind === "results" || kind === "returned") known.most = 0;
    if (rng.chance(0.1)) await new Promise<void>((resume) => setImmediate(resume));
  }
  await new Promise<void>((resume) => setImmediate(resume));
  if (peer.isOver) its.cutOff++;
  else if (rng.chance(0.5)) stream.destroy();
  else {
    say(its, stream, '{"kind":"end"}');
    stream.end();
  }
}

/** Notes the tasks that a hostile client is given, to name them later. */
function learn(its: Fuzz, tasks: readonly Lease[]): void {
  for (const { id, lease } of tasks) {
    its.leases.push({ id, lease });
    its.ids.push(id);
  }
  its.leases.splice(0, its.leases.length - 20);
  its.ids.splice(2, its.ids.length - 40);
}

/** A real client, or submitter, at a server that is hostile. */
async function callHostile(its: Fuzz, rng: Random, first: string): Promise<HostLink> {
  const near = Promise.withResolvers<HostLink>();
  const peer = await callRaw("server", (link) => near.resolve(link as HostLink));
  const frames = framesOf(rng, hostFields, { ids: its.ids, leases: its.leases, most: 3 });
  const kinds = first === "welcome" ? hostKinds.slice(0, 8) : hostKinds.slice(8);
  const speak = (): void => {
    say(its, peer.stream, rng.chance(0.9) ? frames.fit(first) : frames.bent(first));
    const most = rng.between(1, 30);
    for (let n = 0; n < most; n++) {
      const kind = rng.chance(0.95) ? pick(rng, kinds) : pick(rng, hostKinds);
      say(its, peer.stream, rng.chance(0.85) ? frames.fit(kind) : frames.bent(kind));
    }
    setImmediate(() => (rng.chance(0.5) ? peer.stream.end() : peer.stream.destroy()));
  };
  let isSpeaking = false;
  peer.hears = () => {
    if (!isSpeaking) speak();
    isSpeaking = true;
  };
  return near.promise;
}

async function attackClient(its: Fuzz, rng: Random): Promise<void> {
  const links = [await callHostile(its, rng, "welcome")];
  const connect = (): Promise<HostLink> => {
    const next = links.pop();
    return next === undefined ? Promise.reject(new WireProblem("lost", "the server is gone")) : Promise.resolve(next);
  };
  const log = silentLog;
  const client = runClient({
    connect,
    settings: { ...settings, clientId: newId() },
    executor,
    clock: systemClock,
    log,
  });
  const timer = systemClock.after(2000, () => {
    client.stop("abort", "it takes too long");
    client.kill();
  });
  await client.finished;
  timer.cancel();
}

async function attackSubmitter(its: Fuzz, rng: Random): Promise<void> {
  const link = await callHostile(its, rng, "accepted");
  try {
    const queue = await enqueue(link, "there", submission, { clock: systemClock, heartMs: 1000 });
    await queue.insert([makeClaimed(newId(), { submitId: submission.id })]);
    await queue.close();
  } catch (error) {
    assert(error instanceof Error && error.name === "UserError", `a submitter fails in words, not by ${String(error)}`);
  }
}

function pick<T>(rng: Random, values: readonly T[]): T {
  return values[rng.between(0, values.length - 1)]!;
}
