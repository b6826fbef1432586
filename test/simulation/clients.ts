/*
 * Clients of the simulation: the real door and reactor in a process that may die, stop and go on, on streams that may
 * break.
 */
import { assert } from "../../src/base/assert.ts";
import { runClient } from "../../src/client/client.ts";
import { check, type ClientFailure, type ClientSettings, type ClientState } from "../../src/client/state.ts";
import type { Executor } from "../../src/client/executor.ts";
import type { Duplex } from "../../src/wire/duplex.ts";
import type { HostMessage, LeaveKind, PeerMessage } from "../../src/wire/message.ts";
import { demandOf, lackOf, roomOf, take } from "../../src/task/demand.ts";
import type { NewTask } from "../../src/task/task.ts";
import { type Cluster, drawCapacity, largest, resources } from "./cluster.ts";
import { simulatedExecutor, withLostPlaces } from "./executor.ts";
import { enterSession } from "./sessions.ts";
import type { Process } from "./world.ts";

export interface ClientRun {
  readonly id: string;
  readonly process: Process;
  /** Whether it has as much of everything as any task that can be run needs. */
  readonly isLarge: boolean;
  stop(how: LeaveKind): void;
  kill(): void;
  readonly finished: Promise<ClientFailure | null>;
}

/** A client with a process of its own. */
export function startClient(cluster: Cluster, isLarge = false): ClientRun {
  const { world, network, newId, plan } = cluster;
  const id = newId();
  /** Which of them it asks first. */
  const first = world.rng.between(0, plan.servers - 1);
  const process = world.process(`client-${id.slice(-4)}`);
  const connect = async (server: number): Promise<Duplex<PeerMessage, HostMessage>> =>
    enterSession(cluster, process, await network.connect(process, (first + server) % plan.servers));
  const run = clientIn(cluster, process, id, connect, { isLarge });
  run.finished
    .then((failure) => {
      world.trace(() => `${process.name} ---- ended${failure === null ? "" : `: ${failure.kind} ${failure.text}`}`);
      assert(process.timers === 0, `${process.name} leaves no timer behind`);
      process.end("done");
    })
    .catch(world.blame);
  return run;
}

/**
 * Sees to it that on one machine nothing starts while outcomes wait for the database for longer than it usually takes:
 * a crash would repeat all that ended meanwhile.
 */
function recordsOf({ world, plan, model }: Cluster, process: Process) {
  /** The database is back then, although the client may not have heard of it. */
  const isSafe = (id: string): boolean => model.isLingering(id) || (model.row(id)?.ended ?? null) !== null;
  /** A commit may wait for another; each call and its answer take their time. */
  const usualMs = 100 + 6 * plan.slowMs;
  let waiting = new Map<string, { readonly since: number; readonly stops: number }>();
  return {
    see({ unacked }: ClientState): void {
      const now = { since: world.now(), stops: process.stops };
      // As soon as one is recorded the database is back, and takes those that came meanwhile next.
      const isBack = waiting.keys().some((id) => !unacked.has(id));
      waiting = new Map([...unacked.keys()].map((id) => [id, (isBack ? null : waiting.get(id)) ?? now]));
    },
    guard(start: Executor["start"]): Executor["start"] {
      return (...words) => {
        for (const [id, { since, stops }] of waiting)
          assert(
            stops !== process.stops || world.now() - since <= usualMs || waiting.keys().some(isSafe),
            `nothing starts while the outcome of ${id} cannot be recorded`,
          );
        return start(...words);
      };
    },
  };
}

/** No client is ever asked for what it cannot have. */
function expectCapable({ clientId, capacity }: ClientSettings, task: NewTask): void {
  const demand = demandOf(task, resources);
  const lack = demand === null ? null : lackOf(capacity, demand);
  assert(lack === null, `client ${clientId} gets no task ${task.id} that it has too little for`);
}

/** What runs takes no more than there is. */
function expectRoom({ capacity }: ClientSettings, { running }: ClientState): void {
  const room = roomOf(capacity);
  for (const { task } of running.values()) {
    const demand = demandOf(task, resources);
    if (demand !== null) take(room, demand);
  }
  const isOver = room.cores < 0 || [...room.others.values()].some((amount) => amount < 0);
  assert(!isOver, "what runs at a client fits into what it has");
}

/** The client in this process, which may be a server's too. */
export function clientIn(
  cluster: Cluster,
  process: Process,
  id: string,
  connect: (server: number) => Promise<Duplex<PeerMessage, HostMessage>>,
  { isStuck, isLarge = false }: { readonly isStuck?: () => boolean; readonly isLarge?: boolean } = {},
): ClientRun {
  const { world, plan, judge, reactors } = cluster;
  const { rng } = world;
  const local = process.name.startsWith("server");
  const settings: ClientSettings = {
    clientId: id,
    secret: `of-${id}`,
    host: process.name,
    executors: rng.between(1, 4),
    capacity: drawCapacity(cluster, isLarge),
    ratelimit: null,
    timeoutMs: rng.chance(0.1) ? 3000 : null,
    signalWaitMs: plan.signalWaitMs,
    idleMs: !local && rng.chance(plan.idling) ? rng.between(500, 5000) : null,
    heartMs: plan.heartMs,
    bundleSize: rng.chance(0.3) ? rng.between(1, 3) : null,
    bundleWaitMs: rng.chance(0.2) ? 1 : null,
    servers: local ? 1 : plan.servers,
    loyalMs: plan.loyalMs,
    connectMs: local ? 0 : plan.connectMs,
    reconnectMs: local ? 0 : plan.reconnectMs,
    forsakenMs: local ? 0 : plan.reconnectMs,
    announce: false,
  };
  let last: ClientState | null = null;
  /** Somebody is in a hurry: outcomes are not waited for. */
  let hurried = false;
  const usual = simulatedExecutor(world, process, () => id, judge, {
    ...plan,
    slowestMs: plan.latencyMs + plan.slowMs,
    quiet: plan.faults.length === 0 && plan.failingCalls.size === 0,
  });
  const executor = withLostPlaces(usual, world, process, judge, plan);
  const records = recordsOf(cluster, process);
  process.onEnd(() => judge.clientEnded(id));
  const client = runClient({
    connect,
    settings,
    executor: local && plan.durable ? { ...executor, start: records.guard(executor.start) } : executor,
    clock: process.clock,
    log: process.log,
    ...(isStuck === undefined ? {} : { isStuck }),
    step(state, events, now) {
      last = state;
      for (const event of events) {
        world.mark(`${process.name} ${event.kind}`);
        world.trace(() => `${process.name} <--- ${JSON.stringify(event)}`);
        if (event.kind === "stopRequested") hurried ||= event.how === "abort";
        if (event.kind !== "received") continue;
        const { message } = event;
        if (message.kind === "assign") for (const task of message.tasks) expectCapable(settings, task);
        if (message.kind === "leave") hurried ||= message.how === "abort";
        if (message.kind === "cancel") executor.cancelled(message.tasks);
        if (message.kind === "ack") judge.acknowledged(message.tasks, !local);
      }
      const effects = reactors.client(state, events, now);
      records.see(state);
      check(state);
      expectRoom(settings, state);
      for (const effect of effects) {
        if (effect.kind !== "note" && effect.kind !== "wake")
          world.trace(() => `${process.name} ---> ${JSON.stringify(effect)}`);
        if (effect.kind !== "send" || effect.message.kind !== "results") continue;
        for (const outcome of effect.message.outcomes)
          assert(!executor.isInterrupted(outcome), `${outcome.id}, which was stopped with its client, has not failed`);
      }
      return effects;
    },
  });
  const finished = client.finished.then((failure) => {
    assert(last !== null && last.running.size === 0 && last.inbox.length === 0, "a client ends when nothing runs");
    assert(last.lingering.size === 0, "a client ends when nothing is left of what it ran");
    if (failure === null && !hurried)
      assert(last.unacked.size === 0, "a client that ends well has delivered everything");
    if (failure !== null)
      assert(
        ["refused", "silent", "lost"].includes(failure.kind),
        `a client ends badly only when its server is gone (${failure.kind})`,
      );
    return failure;
  });
  return {
    id,
    process,
    isLarge:
      largest.cores === settings.capacity.cores && largest.others["license"] === settings.capacity.others["license"],
    stop: (how) => process.enter(() => client.stop(how, "told to")),
    kill: () => process.enter(client.kill),
    finished,
  };
}
