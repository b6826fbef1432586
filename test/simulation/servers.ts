/*
 * Servers of the simulation: the real door, reactor and recovery in a process that may die, stop and go on. What src/cluster/serve.ts puts around
 * a server is here in short.
 */
import { assert } from "../../src/base/assert.ts";
import type { Clock } from "../../src/base/clock.ts";
import { TransientError, UserError } from "../../src/base/errors.ts";
import { recover, watchServers } from "../../src/cluster/recover.ts";
import { runServer, type Server, serverBeatMs, type ServerReport } from "../../src/server/door.ts";
import { isBurying, type ServerState } from "../../src/server/state.ts";
import { firstLeaseOf } from "../../src/server/succession.ts";
import type { Scope, ServerRow, Store } from "../../src/store/store.ts";
import type { LeaveKind } from "../../src/wire/message.ts";
import { WireProblem } from "../../src/wire/problem.ts";
import { pipe } from "../../src/wire/pipe.ts";
import type { HostMessage, PeerMessage } from "../../src/wire/message.ts";
import { clientIn } from "./clients.ts";
import { type Cluster, newTasks } from "./cluster.ts";
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

/** How a server came to its end by itself: in order, or because the database failed when it started or when it was in a hurry. */
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

let pids = 0;

export function startServer(cluster: Cluster, order: ServerOrder): ServerRun {
  const { world, plan, network, model, judge, newId } = cluster;
  const { mode, feeds } = order;
  const id = newId();
  const process = world.process(`server-${id.slice(-4)}`);
  const { log } = process;
  // Each on a host of its own, whose clock tells another time; the database has its own.
  const skewMs = plan.skewMs === 0 ? 0 : world.rng.between(-plan.skewMs, plan.skewMs);
  const clock = { ...process.clock, now: () => world.now() + skewMs };
  const rows: Model = {
    ...model,
    claim(request) {
      lookedAt = world.now();
      return model.claim(request);
    },
  };
  const store = storage(world, process, rows, cluster.weather);
  const scope: Scope = feeds ? { kind: "submission", id } : { kind: "all" };
  const watch = judge.server(id, plan.graceMs, plan.evictMs, world.now());
  let server: Server | null = null;
  let state: ServerState | null = null;
  let lookedAt = 0;
  let told = false;
  let hurried = false;
  const reading = new AbortController();

  const run: ServerRun = {
    id,
    process,
    mode,
    state: () => state,
    stopped: watch.stopped,
    get lookedAt() {
      return lookedAt;
    },
    get told() {
      return told;
    },
    stop(how) {
      told = true;
      world.mark(`${process.name} told ${how}`);
      world.trace(() => `${process.name} ---- told to stop (${how})`);
      if (how === "abort") watch.impatient();
      process.enter(() => {
        reading.abort();
        server?.stop(how);
      });
    },
    hurry() {
      hurried = true;
      watch.impatient();
      world.trace(() => `${process.name} ---- told to hurry`);
      process.enter(() => server?.hurry());
    },
  };

  async function main(): Promise<ServerReport> {
    const row: ServerRow = {
      id,
      host: "head",
      pid: ++pids,
      pidStart: null,
      reserves: feeds,
      startedAt: clock.now(),
      beatAt: clock.now(),
    };
    const startedAt = await store.addServer(row);
    const aheadMs = startedAt - clock.now();
    const isAlive = (other: ServerRow): boolean => other.id === id || order.isAlive(other);
    const { group, estates } = await recover({
      store,
      scope,
      forever: mode === "forever",
      attempts: plan.attempts,
      remote: mode !== "local",
      isAlive,
      now: clock.now,
      newId,
      log,
    });
    if (feeds) {
      const submission = { id, time: clock.now(), host: "head", user: "", cwd: "/", template: null, version: "" };
      await store.addSubmission(submission);
    }
    server = runServer({
      settings: {
        serverId: id,
        serverHost: "head",
        scope,
        attempts: plan.attempts,
        eager: plan.eager,
        forever: mode === "forever",
        bundleSize: plan.bundleSize,
        pollMs: plan.pollMs,
        evictMs: plan.evictMs,
        graceMs: plan.graceMs,
        durable: plan.durable,
        companyMs: plan.companyMs,
        firstLease: firstLeaseOf(startedAt),
        newId,
      },
      group,
      estates,
      store,
      isAlive,
      clock,
      sharedNow: () => clock.now() + aheadMs,
      log,
      onFailed: () => undefined,
      step: watched(cluster, process, watch, (its) => {
        state = its;
      }),
    });
    // It was told to before it was there.
    if (told) server.stop("finish");
    const unwatch =
      scope.kind === "all"
        ? watchServers({ store, isAlive, clock, everyMs: serverBeatMs, graceMs: plan.graceMs, log })
        : null;
    try {
      return await serveClients(server);
    } finally {
      unwatch?.();
    }
  }

  async function serveClients(its: Server): Promise<ServerReport> {
    const client = mode === "local" ? localClient(cluster, process, id, its, () => state?.phase.at === "done") : null;
    if (client === null)
      network.listen(process, order.address, (stream) =>
        admitSession(cluster, process, stream, (link) => its.attach(link)),
      );
    const feeding = feeds ? feed(cluster, id, store, clock, its, reading.signal) : Promise.resolve(its.inputEnded());
    const report = await its.finished.finally(() => reading.abort());
    await Promise.all([feeding, client]);
    network.deaf(process);
    if (!report.abandoned) await endServer(store, id);
    return report;
  }

  main()
    .then(
      (report) => {
        assert(state !== null, "a server that ends has begun");
        checkEnd(state);
        if (!told) assert(report.cancelled === judge.cancelledOf(id), "what was cancelled is counted once");
        assert(process.timers === 0, `${process.name} leaves no timer behind`);
        for (const each of model.rows)
          assert(
            report.abandoned || each.ended !== null || each.serverId !== id,
            `what ${process.name} held is free when it has ended`,
          );
        process.end("done");
        order.onEnd(run, { kind: "report", report });
      },
      (error: unknown) => {
        const expected = server === null ? error instanceof TransientError : hurried && error instanceof UserError;
        if (!expected) return world.blame(error);
        network.deaf(process);
        process.end("failed");
        order.onEnd(run, { kind: "failed" });
      },
    )
    .catch(world.blame);
  return run;
}

function watched(
  { world, reactors }: Cluster,
  process: Process,
  watch: ServerWatch,
  onState: (state: ServerState) => void,
): Cluster["reactors"]["server"] {
  return (state, events, now) => {
    for (const event of events) {
      world.mark(`${process.name} ${event.kind}`);
      world.trace(() => `${process.name} <--- ${JSON.stringify(event)}`);
    }
    watch.before(events, world.now());
    const effects = reactors.server(state, events, now);
    onState(state);
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
  server.attach(far);
  // There is one connection, and no other after it.
  const ends = [near];
  const gone = (): Promise<never> => Promise.reject(new WireProblem("lost", "the server is gone"));
  const { finished } = clientIn(cluster, process, id, async () => ends.pop() ?? gone());
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
    outbox.reverted.length === 0 && outbox.assigned.size === 0,
    "nothing is left to be told to the store at the end",
  );
  const { asked, waiting } = state.registrations;
  assert(asked === 0 && waiting.size === 0 && !isBurying(state), "the end waits for the store");
}
