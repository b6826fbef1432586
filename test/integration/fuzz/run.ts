/*
 * Hostile peers at a real server, and hostile servers at real clients and submitters, all of whom know the key: real
 * sessions, by seed. An honest client works at the same server, and an honest submitter brings tasks. Afterwards the
 * server must be alive, every honest task recorded, and every outcome that of a client that had the task.
 */
import { assert } from "../../../src/base/assert.ts";
import { systemClock } from "../../../src/base/clock.ts";
import { newId } from "../../../src/base/ids.ts";
import { runClient } from "../../../src/client/client.ts";
import type { Executor } from "../../../src/client/executor.ts";
import type { ClientSettings } from "../../../src/client/state.ts";
import { enqueue, type Queue } from "../../../src/cluster/enqueue.ts";
import { watch } from "../../../src/cluster/viewing/remote.ts";
import type { NewTask, Submission } from "../../../src/task/task.ts";
import type { ByteStream } from "../../../src/wire/bytes.ts";
import { hostFields, peerFields } from "../../../src/wire/fields.ts";
import type { HostLink } from "../../../src/wire/link.ts";
import type { Lease } from "../../../src/wire/message.ts";
import { WireProblem } from "../../../src/wire/problem.ts";
import { until } from "../../e2e/harness.ts";
import { makeClaimed, makeOutcome, silentLog } from "../../make.ts";
import { type Random, random } from "../../simulation/random.ts";
import { admitOn, enterOn, linkOf } from "../../unit/wire/ends.ts";
import { memoryBytes } from "../../unit/wire/memory.ts";
import { framesOf } from "./frames.ts";
import { judge, type Ledger, newLedger, type Recorded } from "./ledger.ts";
import { binding, type Target } from "./target.ts";

export interface FuzzOptions {
  readonly target: Target;
  /** How many frames hostile peers send at least. */
  readonly frames: number;
  readonly seed: number;
  /** Called now and then with the number of frames so far, and the memory of the server, bytes. */
  readonly onProgress?: (frames: number, memory: number) => void;
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
  /** The memory of the server's process at the end, bytes: then, and at most. */
  readonly memory: ReturnType<Target["memory"]>;
}

interface Fuzz {
  readonly options: FuzzOptions;
  readonly ledger: Ledger;
  /** What the honest submitter submits by. */
  readonly queue: Queue;
  /** What hostile peers have heard of, the latest last. */
  readonly leases: Lease[];
  readonly ids: string[];
  frames: number;
  sessions: number;
  cutOff: number;
}

/** How many hostile sessions there are at once. */
const atOnce = 8;

/** Lets hostile peers speak, and has the server finish. Throws when anything comes of it that must not. */
export async function fuzz(options: FuzzOptions): Promise<FuzzReport> {
  const { target } = options;
  const honestId = newId();
  const ledger = newLedger(honestId, target.forgets);
  target.listen((told) => judge(ledger, told));
  const queue = await enqueue(await callServer(target), "there", submission, { clock: systemClock, heartMs: 1000 });
  const ids = [target.serverId, honestId];
  const its: Fuzz = { options, ledger, queue, leases: [], ids, frames: 0, sessions: 0, cutOff: 0 };
  const honest = openHonest(its, await callServer(target));
  const workers = Array.from({ length: atOnce }, (_, n) => work(its, random(options.seed * atOnce + n)));
  await Promise.race([Promise.all(workers), target.failed]);
  await Promise.race([untilRecorded(its), target.failed]);
  const memory = target.memory();
  await queue.close();
  await Promise.race([target.stop(), target.failed]);
  assert((await honest.finished) === null, "the honest client goes in order");
  const { recorded } = ledger;
  const byHostile = [...recorded.values()].filter(({ clientId }) => clientId !== honestId).length;
  const { frames, sessions, cutOff } = its;
  return { frames, sessions, cutOff, recorded, byHostile, memory };
}

/** Throws when the tables of a store have other outcomes than were recorded. `found` null: it keeps none. */
export async function sameOutcomes(
  { recorded }: FuzzReport,
  found: ReadonlyMap<string, Recorded> | null,
): Promise<void> {
  if (found === null) return;
  assert(found.size === recorded.size, `the tables have ${recorded.size} outcomes, not ${found.size}`);
  for (const [id, { clientId, exitStatus }] of recorded) {
    const row = found.get(id);
    assert(row?.clientId === clientId && row.exitStatus === exitStatus, `the outcome of ${id} is what its client said`);
  }
}

// ---- those who are honest

const settings: Omit<ClientSettings, "clientId"> = {
  secret: "only-mine",
  host: "honest",
  executors: 1,
  capacity: { cores: 8, memory: 2 ** 33, others: {} },
  ratelimit: null,
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

/** The honest client. Now and then hostile peers overhear what it is given. */
function openHonest(its: Fuzz, link: HostLink): ReturnType<typeof runClient> {
  const rng = random(its.options.seed);
  const overheard: HostLink = {
    ...link,
    open: (handlers) =>
      link.open({
        ...handlers,
        message(message) {
          if (message.kind === "assign" && rng.chance(0.2)) learn(its, message.tasks);
          handlers.message(message);
        },
      }),
  };
  return startClient(its.ledger.honestId, overheard);
}

/** A client with one connection: when that is gone there is no other. */
function startClient(clientId: string, link: HostLink): ReturnType<typeof runClient> {
  const links = [link];
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

async function submitHonest({ ledger, queue }: Fuzz, count: number): Promise<void> {
  const tasks = Array.from({ length: count }, (): NewTask => {
    const { scheduleTime: _, ...task } = makeClaimed(newId(), { submitId: submission.id, submitTime: Date.now() });
    return task;
  });
  for (const { id } of tasks) ledger.honest.add(id);
  await queue.insert(tasks);
}

/** Waits for as long as outcomes are recorded: tasks of hostile peers may be before those that are waited for. */
async function untilRecorded({ ledger: { honest, recorded } }: Fuzz): Promise<void> {
  while (honest.size > 0) {
    const before = recorded.size;
    await until(
      () => honest.size === 0 || recorded.size > before,
      () => `${honest.size} honest tasks are not recorded, and nothing else is (${[...honest].slice(0, 3).join(", ")})`,
      60_000,
    );
  }
}

/** A connection to the server, of somebody honest. */
async function callServer(target: Target): Promise<HostLink> {
  return linkOf(await enterOn(await target.connect()));
}

/** A peer that has shown the key, and from then on says and hears frames as they stand. */
interface RawPeer {
  readonly stream: ByteStream;
  /** Called with each frame of the other side, from when it is set. */
  hears: (frame: string) => void;
  readonly over: Promise<void>;
  isOver: boolean;
}

/** A connection whose near side is raw once `shake` is over, which shows the key by that connection. */
async function callRaw(near: ByteStream, shake: (stream: ByteStream) => Promise<void>): Promise<RawPeer> {
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
  await shake(tapped);
  isRaw = true;
  return peer;
}

// ---- those who are hostile

async function work(its: Fuzz, rng: Random): Promise<void> {
  const { options } = its;
  while (its.frames < options.frames) {
    // No more than the honest client can do: what is measured is the memory of the server, not of a queue.
    if (its.sessions % 20 === 0 && its.ledger.honest.size < 400) await submitHonest(its, 40);
    const isAtServer = rng.chance(0.85);
    if (isAtServer) await attackServer(its, rng);
    else if (rng.chance(0.7)) await attackClient(its, rng);
    else if (rng.chance(0.3)) await attackWatcher(its, rng);
    else await attackSubmitter(its, rng);
    if (++its.sessions % 100 === 0) options.onProgress?.(its.frames, options.target.memory().now);
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
const usualOfWatchers = ["look", "look", "read", "act"];
/** What a hostile server says mostly, by what its peer says first. */
const hostKindsFor = {
  welcome: hostKinds.slice(0, hostKinds.indexOf("accepted")),
  accepted: ["accepted", "stored", "refused"],
  watched: ["watched", "view", "piece", "acted", "failed"],
} as const;

async function attackServer(its: Fuzz, rng: Random): Promise<void> {
  const peer = await callRaw(await its.options.target.connect(), async (near) => void linkOf(await enterOn(near)));
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
  // Honest tasks wait behind those of hostile submitters.
  const isClient = rng.chance(0.7) || its.ledger.honest.size > 200;
  const isWatcher = !isClient && rng.chance(0.3);
  const first = isClient ? "hello" : isWatcher ? "watcher" : rng.chance(0.9) ? "submitter" : pick(rng, peerKinds);
  const usual = isClient ? usualOfClients : isWatcher ? usualOfWatchers : usualOfSubmitters;
  const own = isClient ? { credit: rng.between(0, 3), clientId: rng.chance(0.9) ? newId() : pick(rng, its.ids) } : {};
  const isFit = rng.chance(0.8);
  say(its, stream, isFit ? frames.fit(first, own) : frames.bent(first, own));
  // A server says nothing to a peer whose first message is bent and fits all the same, as long as it is none of a role.
  if (isFit) await Promise.race([answered.promise, peer.over]);
  else await turn();
  const most = rng.between(1, 100);
  if (!isClient) known.most = 40;
  else if (!its.leases.length) known.most = 0;
  for (let n = 0; n < most && !peer.isOver; n++) {
    const kind = rng.chance(0.02) ? pick(rng, peerKinds) : pick(rng, usual);
    const few = kind === "results" ? { credit: rng.between(0, 2) } : {};
    say(its, stream, rng.chance(0.92) ? frames.fit(kind, few) : frames.bent(kind, few));
    if (kind === "results" || kind === "returned") known.most = 0;
    if (rng.chance(0.1)) await turn();
  }
  await heed(its, rng, peer, isClient);
}

/** Waits, mostly, until the server has dealt with what was said, and ends the session in one way or another. */
async function heed(its: Fuzz, rng: Random, peer: RawPeer, isClient: boolean): Promise<void> {
  const { stream, isOver: wasOver } = peer;
  if (rng.chance(0.9)) {
    const dealt = Promise.withResolvers<void>();
    const { hears } = peer;
    peer.hears = (frame) => {
      hears(frame);
      if (frame.startsWith('{"kind":"beat"')) dealt.resolve();
    };
    say(its, stream, isClient ? '{"kind":"beat"}' : '{"kind":"done"}');
    const timer = systemClock.after(50, dealt.resolve);
    await Promise.race([dealt.promise, peer.over]);
    timer.cancel();
  } else await turn();
  if (wasOver || (isClient && peer.isOver)) its.cutOff++;
  else if (rng.chance(0.5)) stream.destroy();
  else {
    say(its, stream, '{"kind":"end"}');
    stream.end();
  }
}

function turn(): Promise<void> {
  return new Promise((resume) => setImmediate(resume));
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
async function callHostile(its: Fuzz, rng: Random, first: keyof typeof hostKindsFor): Promise<HostLink> {
  const near = Promise.withResolvers<HostLink>();
  const [own, theirs] = memoryBytes({ binding });
  const peer = await callRaw(own, async (stream) => {
    const [, entered] = await Promise.all([admitOn(stream), enterOn(theirs)]);
    near.resolve(linkOf(entered));
  });
  const frames = framesOf(rng, hostFields, { ids: its.ids, leases: its.leases, most: 3 });
  const kinds = hostKindsFor[first];
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
  const client = startClient(newId(), await callHostile(its, rng, "welcome"));
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

async function attackWatcher(its: Fuzz, rng: Random): Promise<void> {
  const link = await callHostile(its, rng, "watched");
  try {
    const source = await watch(link, "there", { logger: "top", clock: systemClock });
    const asked = [
      source.look({ most: 10, filter: "" }),
      source.output({ id: newId(), stream: "stdout", from: 0, most: 100 }),
      source.act("cancel", [newId()]),
    ];
    for (const { status, reason } of (await Promise.allSettled(asked)) as { status: string; reason?: unknown }[])
      if (status === "rejected") throw reason;
    await source.close();
  } catch (error) {
    assert(error instanceof Error && error.name === "UserError", `a watcher fails in words, not by ${String(error)}`);
  }
}

function pick<T>(rng: Random, values: readonly T[]): T {
  return values[rng.between(0, values.length - 1)]!;
}
