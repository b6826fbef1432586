/*
 * A whole cluster under a virtual clock: the real doors, reactors, recovery and sessions, on a network, a database and
 * processes that fail as the seed says. What may never happen is judged while it goes on (ledger.ts, model.ts, the
 * reactors' own checks); at the end every task must have come to its end, everybody must have gone home by himself, and
 * in time.
 */
import { isTriedAgain } from "../../src/task/retries.ts";
import { assert } from "../../src/base/assert.ts";
import { step as clientStep } from "../../src/client/reactor.ts";
import { step as serverStep } from "../../src/server/reactor.ts";
import { type ClientRun, startClient } from "./clients.ts";
import { againMs } from "../../src/server/places.ts";
import { signalTasks } from "./executor.ts";
import { type Cluster, counter, type Reactors } from "./cluster.ts";
import { ledger, type Sight } from "./ledger.ts";
import { isFinalFailure, newModel, type Row } from "./model.ts";
import type { Scope } from "../../src/store/store.ts";
import { network } from "./network.ts";
import type { NewTask } from "../../src/task/task.ts";
import { type Death, draw, type Fault, type Mode, type Plan } from "./plan.ts";
import { random } from "./random.ts";
import { type ServerEnd, type ServerRun, startServer } from "./servers.ts";
import { submit, submitByQueue } from "./submitters.ts";
import { editSome } from "./users.ts";
import { epoch, newWorld } from "./world.ts";

export interface Summary {
  readonly seed: number;
  readonly mode: Mode;
  readonly digest: string;
  readonly steps: number;
  readonly rows: number;
  readonly servers: number;
  readonly seen: ReadonlyMap<Sight, number>;
  readonly halted: boolean;
  /** When the last server was at its end, and everybody, after the last thing that went wrong or ran, milliseconds. */
  readonly serverTailMs: number;
  readonly tailMs: number;
}

export interface SimulationOptions {
  readonly trace?: ((line: string) => void) | null;
  readonly reactors?: Partial<Reactors>;
}

/** The identity of the database, and of that of strangers. */
const storeIds = { own: "01900000-0000-7000-9000-000000000001", other: "01900000-0000-7000-9000-000000000002" };
const stepLimit = 400_000;
/**
 * An attempt that nobody answers, and the pause after it; and the longest pauses of a server between two calls of a
 * database in trouble.
 */
const connectSlackMs = 20_000;
const storeSlackMs = 60_000;
/** How often the operator looks at what goes on. */
const tickMs = 500;

export function simulate(seed: number, options: SimulationOptions = {}): Summary {
  const its = newWorld(seed, options.trace ?? null);
  const plan = draw(random(seed ^ 0x5eed));
  its.trace(() => `plan ${JSON.stringify({ ...plan, failingCalls: [...plan.failingCalls] })}`);
  const rows = newModel(storeIds.own);
  const storedAt = new Map<string, number>();
  /** When each next attempt was added. */
  const addedAt = new Map<string, number>();
  let storedLast = epoch;
  const judge = ledger(rows, (serverId, task) => checkTurn(cluster, serverId, task, addedAt));
  const cluster: Cluster = {
    world: its,
    plan,
    network: network(its, plan),
    model: {
      ...rows,
      insert(tasks) {
        for (const { id } of tasks) storedAt.set(id, its.now());
        storedLast = its.now();
        rows.insert(tasks);
      },
      commit(order) {
        const report = rows.commit(order);
        for (const { retry } of order.completed) if (retry !== null) addedAt.set(retry.task.id, its.now());
        return report;
      },
      retryFailures(scope, retries, at, newId) {
        return rows.retryFailures(scope, retries, at, () => {
          const id = newId();
          addedAt.set(id, its.now());
          return id;
        });
      },
      buryServer(id) {
        for (const client of rows.clientsOf(id)) judge.lose(client);
        // What comes between the last look and this goes with the server.
        judge.hears(id, rows.recalls(id));
        return rows.buryServer(id);
      },
    },
    judge,
    weather: { slowMs: plan.slowMs, durable: plan.durable, failing: plan.failingCalls, awayUntil: 0, calls: 0 },
    reactors: { server: serverStep, client: clientStep, ...options.reactors },
    newId: counter(),
    storedAt,
    storedLast: () => storedLast,
  };
  return operate(seed, cluster);
}

/**
 * A new task of a lower group is heard of within this time, milliseconds; and it takes a few questions to the database
 * until it goes first.
 */
const noticedMs = 300;
const questions = 8;

/**
 * Where nothing is wrong with the database, and no server is stopped, no task of a higher group is handed out when
 * tasks of lower groups have been there for a while.
 */
function checkTurn(
  { world, plan, model, storedAt }: Cluster,
  serverId: string,
  task: NewTask,
  addedAt: ReadonlyMap<string, number>,
): void {
  const isLate = plan.faults.some(({ kind }) => kind === "database away" || kind === "server stops");
  // Tasks whose directory is set aside hold up nobody.
  if (isLate || plan.failingCalls.size > 0 || plan.lacking) return;
  for (const { task: lower } of model.before(task, serverId, plan.retries)) {
    const forMs = world.now() - (addedAt.get(lower.id) ?? storedAt.get(lower.id) ?? epoch);
    assert(
      forMs < noticedMs + questions * plan.slowMs,
      `task ${lower.id} of group ${lower.group} goes before ${task.id} of group ${task.group}`,
    );
  }
}

/** A run as its operator sees it, who starts everything, breaks some of it, and mends it. */
interface Operation {
  readonly cluster: Cluster;
  readonly servers: ServerRun[];
  readonly clients: ClientRun[];
  /** Who serves at each address; null: nobody just now, `closed`: nobody any more. */
  readonly posts: (ServerRun | null | "closed")[];
  /** Whether a run has left tasks that failures hold back. */
  halted: boolean;
  closedAt: number | null;
  /** The last thing that went wrong, was mended, or was new. */
  disturbedAt: number;
  /** Submitters to the queue that have yet to come. */
  submittersLeft: number;
  /** Submissions into the database that have yet to come, and that somebody must run. */
  submitsLeft: number;
}

function disturbed(its: Operation, until = its.cluster.world.now()): void {
  its.disturbedAt = Math.max(its.disturbedAt, until);
}

const alive = ({ clients }: Operation): ClientRun[] => clients.filter(({ process }) => process.at !== "ended");

const serving = ({ posts }: Operation): ServerRun[] =>
  posts.filter((post): post is ServerRun => post !== null && post !== "closed");

function addServer(its: Operation, address: number, mode: Mode, feeds: boolean): void {
  const { cluster, servers, posts } = its;
  disturbed(its);
  const isAlive = ({ id }: { readonly id: string }): boolean =>
    servers.some((run) => run.id === id && run.process.at !== "ended");
  const onEnd = (run: ServerRun, end: ServerEnd): void => onServerEnd(its, address, run, end);
  const run = startServer(cluster, { mode, address, feeds, isAlive, onEnd });
  posts[address] = run;
  servers.push(run);
}

function addClient(its: Operation, isLarge = false): void {
  disturbed(its);
  its.clients.push(startClient(its.cluster, isLarge));
}

/** Another server takes the post after a pause. */
function follow(its: Operation, address: number, pauseMs: number): void {
  const { world, plan } = its.cluster;
  its.posts[address] = null;
  const at = world.now() + pauseMs;
  disturbed(its, at);
  if (plan.strangers && pauseMs > 100) visit(its, address, pauseMs - 1);
  world.at(at, () => addServer(its, address, plan.mode === "finite" ? "restart" : plan.mode, false));
}

/** A server with another database answers at an address for a while. */
function visit({ cluster }: Operation, address: number, forMs: number): void {
  const { world } = cluster;
  const model = newModel(storeIds.other);
  const elsewhere: Cluster = { ...cluster, model, judge: ledger(model, () => undefined) };
  const order = { mode: "forever", address, feeds: false, isAlive: () => true, onEnd: () => undefined } as const;
  const { process } = startServer(elsewhere, order);
  cluster.judge.sees("stranger");
  world.at(world.now() + forMs, () => process.end("killed"));
}

function onServerEnd(its: Operation, address: number, run: ServerRun, end: ServerEnd): void {
  const { cluster, posts, servers } = its;
  const { world, plan, model } = cluster;
  if (end.kind === "failed") return follow(its, address, world.rng.between(0, 3000));
  const isHeldBack = heldBackBy(cluster, run.scope);
  const left = model.rows.filter((row) => row.ended === null);
  const scope = run.mode === "finite" || (run.mode === "local" && servers.length === 1) ? run.id : null;
  const own = scope === null ? left : left.filter((row) => row.task.submitId === scope);
  if (end.report.heldBack > 0) its.halted = true;
  if (!run.told && plan.servers === 1) {
    // A task that came at the last moment may not have been heard of.
    for (const row of own)
      assert(
        isHeldBack(row) || (cluster.storedAt.get(row.task.id) ?? 0) >= run.lookedAt,
        `the run waits for task ${row.task.id}`,
      );
  }
  const undone = (scope !== null && !run.told ? own : left).filter((row) => !isHeldBack(row));
  posts[address] = "closed";
  // What is left is the other's.
  if (posts.some((post) => post !== "closed")) return;
  if (plan.durable && (undone.length > 0 || its.submitsLeft > 0))
    return follow(its, address, world.rng.between(0, 3000));
  its.closedAt = world.now();
  world.trace(() => "---- no server is needed any more");
}

/** Whether failures hold a row back for runs with this scope. */
function heldBackBy({ model, plan }: Cluster, scope: Scope): (row: Row) => boolean {
  return (row) => model.isHeldBack(row, scope, plan.retries);
}

/** Looks after what nobody else does: clients where there are none, the end of what runs forever. */
function tick(its: Operation): void {
  if (its.closedAt !== null) return;
  const { world, plan } = its.cluster;
  world.at(world.now() + tickMs, () => tick(its));
  if (serving(its).every(({ mode }) => mode === "local")) return endForever(its);
  const here = alive(its);
  if (here.length === 0 && (world.now() >= plan.calmAt || world.rng.chance(0.3))) addClient(its);
  // What waits for a client that is large enough gets one in the end.
  else if (plan.needs && plan.mode === "forever" && world.now() >= plan.calmAt && !here.some(({ isLarge }) => isLarge))
    addClient(its, true);
  endForever(its);
}

/** Tells servers that run forever to stop, once all is done that they can do. */
function endForever(its: Operation): void {
  const { world, plan, model } = its.cluster;
  const runs = serving(its).filter(({ told }) => !told);
  if (runs.length === 0 || its.submittersLeft + its.submitsLeft > 0 || world.now() < plan.calmAt) return;
  const states = runs.flatMap((run) => run.state() ?? []);
  if (plan.mode !== "forever" || states.length === 0) return;
  const open = model.rows.filter((row) => row.ended === null);
  const isHeldBack = heldBackBy(its.cluster, { kind: "all" });
  if (open.some((row) => row.serverId !== null || !isHeldBack(row))) return;
  if (open.length > 0) {
    // It is told before the end.
    if (states.every(({ toldHeldBack }) => toldHeldBack === null)) return;
    its.halted = true;
  }
  disturbed(its);
  for (const run of runs) run.stop("finish");
}

// ---- what goes wrong

function strike(its: Operation, fault: Fault): void {
  const { world, plan, network: net, weather } = its.cluster;
  const { rng } = world;
  if (its.closedAt !== null && fault.kind.startsWith("server")) return;
  const all = alive(its);
  const victim = all[rng.between(0, all.length - 1)];
  const some = serving(its);
  const server = some[rng.between(0, some.length - 1)];
  world.trace(() => `---- ${JSON.stringify(fault)}`);
  switch (fault.kind) {
    case "server dies":
      return killServer(its, rng.between(0, its.posts.length - 1), fault.how, fault.pauses);
    case "server stops":
      if (server === undefined) return;
      return freeze(its, server.process, fault.forMs, server.stopped);
    case "server told":
      return tellServer(its, server, fault.how);
    case "database away":
      weather.awayUntil = world.now() + fault.forMs;
      return disturbed(its, weather.awayUntil);
    case "client dies":
      return killClient(its, victim, fault.how, fault.follower);
    case "client stops":
      return victim === undefined ? undefined : freeze(its, victim.process, fault.forMs);
    case "client parted":
      if (victim === undefined) return;
      disturbed(its, world.now() + fault.forMs);
      return net.part(victim.process, world.now() + fault.forMs);
    case "link breaks":
      if (victim !== undefined) net.breakOne(victim.process);
      return;
    case "job signalled":
      return signalJob(its, victim ?? (plan.durable && server?.mode === "local" ? server : undefined), fault.laterMs);
    case "client told":
      if (fault.how === "kill") victim?.kill();
      else victim?.stop(fault.how);
      return;
  }
}

/** Stops tasks and whoever runs them by the same signal, in either order. */
function signalJob(its: Operation, run: ClientRun | ServerRun | undefined, laterMs: number): void {
  const { world } = its.cluster;
  if (run === undefined) return;
  const at = world.now() + Math.max(0, -laterMs);
  world.at(at, () => signalTasks(run.process));
  world.at(at + laterMs, () => {
    if (run.process.at !== "ended") run.stop("abort");
  });
}

/** `follower`: another client comes after so many milliseconds; null: none does. */
function killClient(its: Operation, victim: ClientRun | undefined, how: Death, follower: number | null): void {
  if (victim === undefined) return;
  victim.process.end(how);
  if (follower === null) return;
  const { world } = its.cluster;
  disturbed(its, world.now() + follower);
  world.at(world.now() + follower, () => {
    if (its.closedAt === null) addClient(its);
  });
}

function killServer(its: Operation, address: number, how: Death, [pauseMs, ...more]: readonly number[]): void {
  const { world } = its.cluster;
  const post = its.posts[address];
  if (post === undefined || post === null || post === "closed" || post.process.at === "ended") return;
  if (pauseMs === undefined) return;
  post.process.end(how);
  follow(its, address, pauseMs);
  if (more.length > 0)
    world.at(world.now() + pauseMs + world.rng.between(0, 3000), () => killServer(its, address, how, more));
}

function tellServer(
  { cluster: { world } }: Operation,
  run: ServerRun | undefined,
  how: Extract<Fault, { kind: "server told" }>["how"],
): void {
  if (run === undefined) return;
  if (how !== "hurry") return run.stop(how);
  run.stop("abort");
  world.at(world.now() + world.rng.between(0, 1000), () => run.hurry());
}

function freeze(its: Operation, process: ClientRun["process"], forMs: number, then?: (ms: number) => void): void {
  const { world } = its.cluster;
  if (process.at !== "running") return;
  process.stop();
  disturbed(its, world.now() + forMs);
  world.at(world.now() + forMs, () => {
    then?.(forMs);
    process.goOn();
  });
}

// ---- the run

/** Some time from now tasks come into the database; how many. */
function scheduleSubmit(its: Operation, most: number, done: () => void): number {
  const { world, plan } = its.cluster;
  const count = world.rng.between(1, most);
  world.at(world.rng.chance(0.5) ? epoch : world.rng.between(epoch, plan.calmAt), () => {
    disturbed(its);
    done();
    submit(its.cluster, count);
  });
  return count;
}

/** What people do: they submit, by the database and by the queue, and change tasks. */
function schedulePeople(its: Operation, feeds: boolean): void {
  const { cluster } = its;
  const { world, plan } = cluster;
  const { rng } = world;
  if (!feeds)
    for (let left = plan.tasks; left > 0; its.submitsLeft++)
      left -= scheduleSubmit(its, Math.min(left, 20), () => its.submitsLeft--);
  else if (rng.chance(0.3)) scheduleSubmit(its, 5, () => undefined);
  for (let n = plan.submitters; n > 0; n--)
    world.at(rng.between(epoch + 100, plan.calmAt), () => {
      its.submittersLeft--;
      disturbed(its, world.now() + 30_000);
      if (its.closedAt === null) submitByQueue(cluster, rng.between(1, 20));
    });
  for (let n = plan.edits; n > 0; n--)
    world.at(rng.between(epoch, plan.calmAt), () => {
      if (its.closedAt !== null) return;
      disturbed(its);
      editSome(cluster);
    });
}

/** Servers, clients, and what goes wrong with them. */
function scheduleProcesses(its: Operation, feeds: boolean): void {
  const { world, plan } = its.cluster;
  const unlessClosed = (action: () => void) => (): void => {
    if (its.closedAt === null) action();
  };
  world.at(epoch, () => addServer(its, 0, plan.mode, feeds));
  for (let address = 1; address < plan.servers; address++) {
    const at = epoch + world.rng.between(0, 5000);
    disturbed(its, at);
    world.at(
      at,
      unlessClosed(() => addServer(its, address, plan.mode, false)),
    );
  }
  if (plan.mode !== "local")
    for (let n = plan.clients; n > 0; n--)
      world.at(
        epoch + world.rng.between(0, 2000),
        unlessClosed(() => addClient(its)),
      );
  for (const fault of plan.faults) world.at(fault.at, () => strike(its, fault));
  world.at(epoch + tickMs, () => tick(its));
}

/** Starts everything, and waits for the end. */
function operate(seed: number, cluster: Cluster): Summary {
  const { world, plan, judge } = cluster;
  const its: Operation = {
    cluster,
    servers: [],
    clients: [],
    posts: Array.from({ length: plan.servers }, () => null),
    halted: false,
    closedAt: null,
    disturbedAt: plan.calmAt,
    submittersLeft: plan.submitters,
    submitsLeft: 0,
  };
  const feeds = plan.mode === "finite" || plan.mode === "local";
  schedulePeople(its, feeds);
  scheduleProcesses(its, feeds);
  let steps = 0;
  world.run((now, step) => {
    steps = step;
    assert(step < stepLimit, `the run comes to an end (${step} steps, ${(now - epoch) / 1000} s)`);
    assert(
      now < limitOf(plan, Math.max(its.disturbedAt, judge.startedAt(), cluster.storedLast()), its.closedAt),
      `the run ends in time (${(now - epoch) / 1000} s)`,
    );
  });
  return judgeRun(seed, its, steps);
}

/** The verdict on a run that is over. */
function judgeRun(seed: number, its: Operation, steps: number): Summary {
  const { cluster, servers, clients, closedAt, halted, disturbedAt } = its;
  const { world, plan, judge, network: net, model } = cluster;
  assert(closedAt !== null, "the run does not fall asleep with work left");
  for (const { process } of [...servers, ...clients])
    assert(process.at === "ended", `${process.name} has come to its end`);
  assert(judge.running() === 0, "nothing runs any more");
  assert(net.open() === 0, "no connection is left open");
  judgeRows(cluster, servers);
  if (plan.faults.length === 0 && plan.failingCalls.size === 0)
    assert(!judge.seen.has("client evicted"), "nobody is given up where nothing goes wrong");
  return {
    seed,
    mode: plan.mode,
    digest: world.digest(),
    steps,
    rows: model.rows.length,
    servers: servers.length,
    seen: judge.seen,
    halted,
    serverTailMs: closedAt - disturbedAt,
    tailMs: world.now() - disturbedAt,
  };
}

/** The virtual time at which everything must be over. */
function limitOf(plan: Plan, disturbedAt: number, closedAt: number | null): number {
  const { evictMs, graceMs, longMs, heartMs, reconnectMs, signalWaitMs, latencyMs, slowMs } = plan;
  // A task to its end, however hard that is to reach, and what follows from it.
  const onceMs = longMs + 5 * signalWaitMs + 20 * (latencyMs + slowMs) + 2 * tickMs;
  // A directory that a client lacked is tried again after a while, at a poll.
  const lackMs = plan.lacking ? againMs + plan.pollMs : 0;
  // For what no client has, each attempt waits for a client that comes late.
  const usualMs = onceMs + lackMs + (plan.needs ? plan.retries.attempts * (graceMs + plan.pollMs) : 0);
  const last = Math.max(disturbedAt, closedAt ?? 0, plan.lacking ? plan.calmAt : 0);
  // Of outcomes that another server records one hears at a poll. Else nobody waits for one, for the end of a grace, or
  // for anything else when nothing went wrong; but a client may come too late.
  if (plan.faults.length === 0 && plan.failingCalls.size === 0)
    return last + usualMs + (plan.servers > 1 ? plan.pollMs : 0) + (closedAt === null ? 0 : plan.connectMs);
  if (closedAt !== null) return last + usualMs + reconnectMs + 3 * heartMs + connectSlackMs;
  return last + usualMs + 1.2 * evictMs + graceMs + storeSlackMs;
}

/** Every task came to one end. */
function judgeRows(cluster: Cluster, servers: readonly ServerRun[]): void {
  const { model: rows, plan, storedAt } = cluster;
  const finite = servers.every((run, index) => index === 0 && (run.mode === "finite" || run.mode === "local"));
  for (const row of rows.rows) {
    const { id, attempt, submitId } = row.task;
    if (finite && submitId !== servers[0]?.id) {
      // But for what a person did.
      const still = row.ended === null || row.endedBy === "a person";
      assert(still && row.serverId === null, `task ${id} of somebody else is left alone`);
      continue;
    }
    if (row.ended === null) {
      const late = !plan.durable || (storedAt.get(id) ?? 0) >= servers.at(-1)!.lookedAt;
      assert(late || heldBackBy(cluster, servers.at(-1)!.scope)(row), `task ${id} has an outcome`);
      // A server that died is on record as holding it until somebody buries that.
      const free = row.serverId === null || rows.servers.has(row.serverId);
      assert(free, `task ${id} that did not run is free`);
    }
    assert(attempt <= plan.retries.attempts, `task ${id} is no attempt too many`);
    if (isFinalFailure(row))
      assert(!isTriedAgain(plan.retries, attempt, row.ended!.exitStatus), `task ${id} got all its attempts`);
  }
}
