/*
 * Servers of the simulation: the real door, reactor and recovery in a process that may die, stop and go on. What
 * src/cluster/serve.ts puts around a server is here in short.
 */
import { assert } from "../../src/base/assert.ts";
import type { Clock } from "../../src/base/clock.ts";
import { TransientError, UserError } from "../../src/base/errors.ts";
import { newLiveness } from "../../src/cluster/liveness.ts";
import { recover, watchServers } from "../../src/cluster/recover.ts";
import { runServer, type Server, serverBeatMs, type ServerReport } from "../../src/server/door.ts";
import { isBurying, type ServerSettings, type ServerState } from "../../src/server/state.ts";
import type { Admission, Scope, ServerRow, Store } from "../../src/store/store.ts";
import type { LeaveKind } from "../../src/wire/message.ts";
import { WireProblem } from "../../src/wire/problem.ts";
import { pipe } from "../../src/wire/pipe.ts";
import type { HostMessage, PeerMessage } from "../../src/wire/message.ts";
import { clientIn } from "./clients.ts";
import { type Cluster, directory, newTasks, resources } from "./cluster.ts";
import type { ServerWatch } from "./ledger.ts";
import type { Model } from "./model.ts";
import type { Mode } from "./plan.ts";
import { admitSession } from "./sessions.ts";
import { storage } from "./storage.ts";
import type { Process } from "./world.ts";

export interface ServerRun {
  readonly id: string;
  readonly process: Process;
  readonly mode: Mode;
  readonly scope: Scope;
  /** null: it has not come to that yet. */
  state(): ServerState | null;
  /** When the database last told it what there is: what comes later is not for it. */
  readonly lookedAt: number;
  stop(how: LeaveKind): void;
  hurry(): void;
  /** It was stopped for so long. */
  stopped(ms: number): void;
  /** Somebody told it to stop. */
  readonly told: boolean;
}

/**
 * How a server came to its end by itself: in order, or because the database failed when it started or when it was in a
 * hurry.
 */
export type ServerEnd = { readonly kind: "report"; readonly report: ServerReport } | { readonly kind: "failed" };

export interface ServerOrder {
  readonly mode: Mode;
  /** Where it listens. */
  readonly address: number;
  /** It reads input of its own. */
  readonly feeds: boolean;
  /** Which servers that left a row are still there. */
  readonly isAlive: (row: ServerRow) => boolean;
  readonly onEnd: (run: ServerRun, end: ServerEnd) => void;
}

/** A server, and the process it is in. */
interface Life {
  readonly cluster: Cluster;
  readonly order: ServerOrder;
  readonly id: string;
  readonly process: Process;
  readonly clock: Clock;
  readonly scope: Scope;
  readonly watch: ServerWatch;
  readonly reading: AbortController;
  /** null: it has not come to that yet. */
  server: Server | null;
  state: ServerState | null;
  lookedAt: number;
  told: boolean;
  /** Others took it for dead. */
  missed: boolean;
  hurried: boolean;
}

export function startServer(cluster: Cluster, order: ServerOrder): ServerRun {
  const { world, plan, model, judge } = cluster;
  const id = cluster.newId();
  const process = world.process(`server-${id.slice(-4)}`);
  // Each on a host of its own, whose clock tells another time; the database has its own.
  const skewMs = plan.skewMs === 0 ? 0 : world.rng.between(-plan.skewMs, plan.skewMs);
  const life: Life = {
    cluster,
    order,
    id,
    process,
    clock: { ...process.clock, now: () => world.now() + skewMs },
    scope: order.feeds ? { kind: "submission", id } : { kind: "all" },
    watch: judge.server(id, plan.graceMs, plan.evictMs, world.now()),
    reading: new AbortController(),
    server: null,
    state: null,
    lookedAt: 0,
    told: false,
    missed: false,
    hurried: false,
  };
  const rows: Model = {
    ...model,
    claim(request) {
      life.lookedAt = world.now();
      return model.claim(request);
    },
  };
  const store = storage(world, process, rows, cluster.weather);
  const run = runOf(life);
  serve(life, store)
    .then(
      (report) => {
        judgeEnd(life, report);
        process.end("done");
        order.onEnd(run, { kind: "report", report });
      },
      (error: unknown) => {
        const expected =
          life.server === null ? error instanceof TransientError : life.hurried && error instanceof UserError;
        if (!expected) return world.blame(error);
        cluster.network.deaf(process);
        process.end("failed");
        order.onEnd(run, { kind: "failed" });
      },
    )
    .catch(world.blame);
  return run;
}

/** What the operator may do with it, and see of it. */
function runOf(life: Life): ServerRun {
  const { cluster, id, process, order, watch } = life;
  const { world } = cluster;
  return {
    id,
    process,
    mode: order.mode,
    scope: life.scope,
    state: () => life.state,
    stopped: watch.stopped,
    get lookedAt() {
      return life.lookedAt;
    },
    get told() {
      return life.told;
    },
    stop(how) {
      life.told = true;
      world.mark(`${process.name} told ${how}`);
      world.trace(() => `${process.name} ---- told to stop (${how})`);
      if (how === "abort") watch.impatient();
      process.enter(() => {
        life.reading.abort();
        life.server?.stop(how);
      });
    },
    hurry() {
      life.hurried = true;
      watch.impatient();
      world.trace(() => `${process.name} ---- told to hurry`);
      process.enter(() => life.server?.hurry());
    },
  };
}

let pids = 0;

/** From its row in the database to its end. */
async function serve(life: Life, store: Store): Promise<ServerReport> {
  const { cluster, order, id, process, clock, scope } = life;
  const { plan, newId } = cluster;
  const { mode, feeds } = order;
  const { log } = process;
  const row = {
    id,
    host: "head",
    pid: ++pids,
    pidStart: null,
    processTable: null,
    reserves: feeds,
    startedAt: clock.now(),
    beatAt: clock.now(),
  };
  const admission = await store.addServer(row);
  const lives = plan.apart ? newLiveness(process.clock, null).isAlive : () => true;
  const isAlive = (other: ServerRow): boolean => other.id === id || (order.isAlive(other) && lives(other));
  const { estates } = await recover({
    ownId: id,
    store,
    scope,
    forever: mode === "forever",
    retries: plan.retries,
    remote: mode !== "local",
    isAlive,
    isProven: () => true,
    now: clock.now,
    newId,
    log,
  });
  if (feeds) {
    const submission = {
      id,
      time: clock.now(),
      host: "head",
      user: "",
      cwd: directory(cluster),
      template: null,
      version: "",
    };
    await store.addSubmission(submission);
  }
  const server = runServer({
    settings: settingsOf(life, admission),
    estates,
    store,
    enter: () => store.addServer({ ...row, startedAt: clock.now(), beatAt: clock.now() }),
    isAlive,
    clock,
    log,
    syncs: mode !== "local",
    onFailed: () => undefined,
    step: watched(life),
  });
  life.server = server;
  // It was told to before it was there.
  if (life.told) server.stop("finish");
  const unwatch =
    scope.kind === "all"
      ? watchServers({
          store,
          isAlive,
          isProven: () => true,
          unproven: [],
          clock,
          everyMs: serverBeatMs,
          graceMs: plan.graceMs,
          log,
        })
      : null;
  try {
    return await serveClients(life, server, store);
  } finally {
    unwatch?.end();
  }
}

function settingsOf({ cluster, order, id, scope }: Life, { storeId, firstLease }: Admission): ServerSettings {
  const { plan, newId } = cluster;
  return {
    serverId: id,
    serverHost: "head",
    storeId,
    scope,
    retries: plan.retries,
    retryDelayMs: plan.retryDelayMs,
    halt: null,
    requeueStatus: null,
    poison: plan.poison,
    eager: plan.eager,
    forever: order.mode === "forever",
    mayGrow: order.mode === "forever",
    resources: [...resources],
    launchesClients: plan.idling > 0 && plan.tasks % 2 === 0,
    bundleSize: plan.bundleSize,
    pollMs: plan.pollMs,
    evictMs: plan.evictMs,
    graceMs: plan.graceMs,
    durable: plan.durable,
    companyMs: plan.companyMs,
    firstLease,
    newId,
  };
}

async function serveClients(life: Life, server: Server, store: Store): Promise<ServerReport> {
  const { cluster, order, id, process, reading } = life;
  const { network } = cluster;
  const isOver = (): boolean => life.state?.phase.at === "done";
  const client = order.mode === "local" ? localClient(cluster, process, id, server, isOver) : null;
  if (client === null)
    network.listen(process, order.address, (stream) =>
      admitSession(cluster, process, stream, (link) => server.attach(link)),
    );
  const feeding = order.feeds
    ? feed(cluster, id, store, life.clock, server, reading.signal)
    : Promise.resolve(server.inputEnded());
  const report = await server.finished.finally(() => reading.abort());
  await Promise.all([feeding, client]);
  network.deaf(process);
  if (!report.abandoned) await endServer(store, id);
  return report;
}

/** What holds when it has ended by itself. */
function judgeEnd({ cluster, id, process, state, told, missed }: Life, report: ServerReport): void {
  assert(state !== null, "a server that ends has begun");
  checkEnd(state);
  // What others did to its tasks it did not hear when its row was gone.
  if (!told && !missed)
    assert(report.cancelled === cluster.judge.cancelledOf(id), "what was cancelled is counted once");
  assert(process.timers === 0, `${process.name} leaves no timer behind`);
  for (const each of cluster.model.rows)
    assert(
      report.abandoned || each.ended !== null || each.serverId !== id,
      `what ${process.name} held is free when it has ended`,
    );
}

function watched(life: Life): Cluster["reactors"]["server"] {
  const { process, watch } = life;
  const { world, reactors } = life.cluster;
  return (state, events, now) => {
    for (const event of events) {
      life.missed ||= event.kind === "rowMissed";
      world.mark(`${process.name} ${event.kind}`);
      world.trace(() => `${process.name} <--- ${JSON.stringify(event)}`);
    }
    watch.before(events, world.now());
    const effects = reactors.server(state, events, now);
    life.state = state;
    for (const effect of effects) {
      if (effect.kind !== "note" && effect.kind !== "wake")
        world.trace(() => `${process.name} ---> ${JSON.stringify(effect)}`);
    }
    watch.after(state, effects, world.now());
    return effects;
  };
}

/** In the same process; it has the server's id. Resolves at its end. */
function localClient(
  cluster: Cluster,
  process: Process,
  id: string,
  server: Server,
  isOver: () => boolean,
): Promise<unknown> {
  const [near, far] = pipe<PeerMessage, HostMessage>();
  server.attachOwn(far);
  // There is one connection, and no other after it.
  const ends = [near];
  const gone = (): Promise<never> => Promise.reject(new WireProblem("lost", "the server is gone"));
  const { finished } = clientIn(cluster, process, id, async () => ends.pop() ?? gone(), { isStuck: server.isStuck });
  return finished
    .then((failure) => {
      assert(failure === null || isOver(), "the client in the same process does not lose its server");
      server.stop("finish");
    })
    .catch(cluster.world.blame);
}

/** Reads the input: some lines now, some later, until somebody stops it. */
async function feed(
  cluster: Cluster,
  id: string,
  store: Store,
  clock: Clock,
  server: Server,
  signal: AbortSignal,
): Promise<void> {
  const { world, plan } = cluster;
  const { rng } = world;
  // Until it is calm, mostly: something should be going on while things go wrong.
  const slowest = rng.chance(0.7) ? (plan.calmAt - world.now()) / Math.max(1, plan.tasks / 20) : 300;
  for (let left = plan.tasks; left > 0 && !signal.aborted;) {
    const tasks = newTasks(cluster, id, Math.min(left, rng.between(1, 20)));
    left -= tasks.length;
    await patiently(clock, () => store.insert(tasks), signal);
    if (!rng.chance(0.5)) continue;
    const quiet = rng.chance(0.3);
    if (quiet) server.inputQuiet();
    await pause(clock, rng.between(0, Math.max(0, Math.round(slowest))), signal);
    if (quiet) server.inputResumed();
  }
  server.inputEnded();
}

async function patiently(clock: Clock, call: () => Promise<void>, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof TransientError)) throw error;
    }
    await pause(clock, 250, signal);
  }
}

async function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = clock.after(ms, resolve);
  signal.addEventListener("abort", () => resolve(), { once: true });
  await promise;
  timer.cancel();
}

async function endServer(store: Store, id: string): Promise<void> {
  try {
    await store.endServer(id);
  } catch (error) {
    if (!(error instanceof TransientError)) throw error;
  }
}

/** Nothing is left of a run that is over. */
function checkEnd(state: ServerState): void {
  const { outbox } = state;
  assert(state.clients.size === 0 && state.willing.size === 0, "no client is left at the end");
  assert(state.holders.size === 0 && state.ready.length === 0, "no task is left at the end");
  assert(outbox.completed.length === 0 && state.settling === null, "no outcome is left at the end");
  assert(
    outbox.reverted.length === 0 && outbox.assigned.size === 0 && outbox.started.size === 0,
    "nothing is left to be told to the store at the end",
  );
  const { asked, waiting } = state.registrations;
  assert(asked === 0 && waiting.size === 0 && !isBurying(state), "the end waits for the store");
}
