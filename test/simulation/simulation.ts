/*
 * A whole cluster under a virtual clock: the real doors, reactors, recovery and sessions, on a network, a database and processes that fail as
 * the seed says. What may never happen is judged while it goes on (ledger.ts, model.ts, the reactors' own checks); at the end every task must
 * have come to its end, everybody must have gone home by himself, and in time.
 */
import { assert } from "../../src/base/assert.ts";
import { step as clientStep } from "../../src/client/reactor.ts";
import { step as serverStep } from "../../src/server/reactor.ts";
import { type ClientRun, startClient } from "./clients.ts";
import { type Cluster, counter, type Reactors } from "./cluster.ts";
import { ledger, type Sight } from "./ledger.ts";
import { isFinalFailure, model } from "./model.ts";
import { network } from "./network.ts";
import { type Death, draw, type Fault, type Mode, type Plan } from "./plan.ts";
import { random } from "./random.ts";
import { type ServerEnd, type ServerRun, startServer } from "./servers.ts";
import { submit, submitByQueue } from "./submitters.ts";
import { editSome } from "./users.ts";
import { epoch, world } from "./world.ts";

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

const stepLimit = 400_000;
/** An attempt that nobody answers, and the pause after it; and the longest pauses of a server between two calls of a database in trouble. */
const connectSlackMs = 20_000;
const storeSlackMs = 60_000;
/** How often the operator looks at what goes on. */
const tickMs = 500;

export function simulate(seed: number, options: SimulationOptions = {}): Summary {
  const its = world(seed, options.trace ?? null);
  const plan = draw(random(seed ^ 0x5eed));
  its.trace(() => `plan ${JSON.stringify({ ...plan, failingCalls: [...plan.failingCalls] })}`);
  const rows = model();
  const storedAt = new Map<string, number>();
  let storedLast = epoch;
  const judge = ledger(rows);
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

/** Starts everything, breaks some of it, mends it, and waits for the end. */
function operate(seed: number, cluster: Cluster): Summary {
  const { world: its, plan, network: net, model: rows, judge } = cluster;
  const { rng } = its;
  const servers: ServerRun[] = [];
  const clients: ClientRun[] = [];
  /** Who serves at each address; null: nobody just now, `closed`: nobody any more. */
  const posts: (ServerRun | null | "closed")[] = Array.from({ length: plan.servers }, () => null);
  let halted: number | null = null;
  let closedAt: number | null = null;
  /** The last thing that went wrong, was mended, or was new. */
  let disturbedAt = plan.calmAt;
  let submittersLeft = plan.submitters;
  /** Into the database, that somebody must run. */
  let submitsLeft = 0;

  const disturbed = (until = its.now()): void => {
    disturbedAt = Math.max(disturbedAt, until);
  };
  const alive = (): ClientRun[] => clients.filter(({ process }) => process.at !== "ended");

  const serving = (): ServerRun[] => posts.filter((post): post is ServerRun => post !== null && post !== "closed");

  function addServer(address: number, mode: Mode, feeds: boolean): void {
    disturbed();
    const isAlive = ({ id }: { readonly id: string }): boolean =>
      servers.some((run) => run.id === id && run.process.at !== "ended");
    const run = startServer(cluster, {
      mode,
      address,
      feeds,
      isAlive,
      onEnd: (its, end) => onEnd(address, its, end),
    });
    posts[address] = run;
    servers.push(run);
  }

  const successorMode = (): Mode => (plan.mode === "finite" ? "restart" : plan.mode);

  function follow(address: number, pauseMs: number): void {
    posts[address] = null;
    disturbed(its.now() + pauseMs);
    its.at(its.now() + pauseMs, () => addServer(address, successorMode(), false));
  }

  function onEnd(address: number, run: ServerRun, end: ServerEnd): void {
    if (end.kind === "failed") return follow(address, rng.between(0, 3000));
    const { haltedBy } = end.report;
    const left = rows.rows.filter((row) => row.ended === null);
    const scope = run.mode === "finite" || (run.mode === "local" && servers.length === 1) ? run.id : null;
    const own = scope === null ? left : left.filter((row) => row.task.submitId === scope);
    if (haltedBy !== null) halted = haltedBy;
    else if (!run.told && plan.servers === 1) {
      // A task that came at the last moment may not have been heard of.
      for (const { task } of own)
        assert((cluster.storedAt.get(task.id) ?? 0) >= run.lookedAt, `the run waits for task ${task.id}`);
    }
    const undone = (scope !== null && !run.told ? own : left).filter(
      ({ task }) => halted === null || task.group <= halted,
    );
    posts[address] = "closed";
    // What is left is the other's.
    if (posts.some((post) => post !== "closed")) return;
    if (plan.durable && (undone.length > 0 || (halted === null && submitsLeft > 0)))
      return follow(address, rng.between(0, 3000));
    closedAt = its.now();
    its.trace(() => "---- no server is needed any more");
  }

  /** Looks after what nobody else does: clients where there are none, the end of what runs forever. */
  function tick(): void {
    if (closedAt !== null) return;
    its.at(its.now() + tickMs, tick);
    if (serving().every(({ mode }) => mode === "local")) return endForever();
    if (alive().length === 0 && (its.now() >= plan.calmAt || rng.chance(0.3))) addClient();
    endForever();
  }

  function endForever(): void {
    const runs = serving().filter(({ told }) => !told);
    if (runs.length === 0 || submittersLeft + submitsLeft > 0 || its.now() < plan.calmAt) return;
    const states = runs.flatMap((run) => run.state() ?? []);
    if (plan.mode !== "forever" || states.length === 0) return;
    const open = rows.rows.filter((row) => row.ended === null);
    const told = states.flatMap(({ toldFailure }) => toldFailure?.group ?? []).toSorted((a, b) => b - a)[0];
    if (open.some((row) => told === undefined || row.task.group <= told)) return;
    if (told !== undefined && open.length > 0) halted = told;
    disturbed();
    for (const run of runs) run.stop("finish");
  }

  function addClient(): void {
    disturbed();
    clients.push(startClient(cluster));
  }

  // ---- what goes wrong

  function strike(fault: Fault): void {
    if (closedAt !== null && fault.kind.startsWith("server")) return;
    const all = alive();
    const victim = all[rng.between(0, all.length - 1)];
    const some = serving();
    const server = some[rng.between(0, some.length - 1)];
    its.trace(() => `---- ${JSON.stringify(fault)}`);
    switch (fault.kind) {
      case "server dies":
        return killServer(rng.between(0, posts.length - 1), fault.how, fault.pauses);
      case "server stops":
        if (server === undefined) return;
        return freeze(server.process, fault.forMs, server.stopped);
      case "server told":
        return tellServer(server, fault.how);
      case "database away":
        cluster.weather.awayUntil = its.now() + fault.forMs;
        return disturbed(its.now() + fault.forMs);
      case "client dies": {
        if (victim === undefined) return;
        victim.process.end(fault.how);
        const { follower } = fault;
        if (follower === null) return;
        disturbed(its.now() + follower);
        its.at(its.now() + follower, () => {
          if (closedAt === null) addClient();
        });
        return;
      }
      case "client stops":
        return victim === undefined ? undefined : freeze(victim.process, fault.forMs);
      case "client parted":
        if (victim === undefined) return;
        disturbed(its.now() + fault.forMs);
        return net.part(victim.process, its.now() + fault.forMs);
      case "link breaks":
        if (victim !== undefined) net.breakOne(victim.process);
        return;
      case "client told":
        if (fault.how === "kill") victim?.kill();
        else victim?.stop(fault.how);
        return;
    }
  }

  function killServer(address: number, how: Death, [pauseMs, ...more]: readonly number[]): void {
    const post = posts[address];
    if (post === undefined || post === null || post === "closed" || post.process.at === "ended") return;
    if (pauseMs === undefined) return;
    post.process.end(how);
    follow(address, pauseMs);
    if (more.length > 0) its.at(its.now() + pauseMs + rng.between(0, 3000), () => killServer(address, how, more));
  }

  function tellServer(run: ServerRun | undefined, how: Extract<Fault, { kind: "server told" }>["how"]): void {
    if (run === undefined) return;
    if (how !== "hurry") return run.stop(how);
    run.stop("abort");
    its.at(its.now() + rng.between(0, 1000), () => run.hurry());
  }

  function freeze(process: ClientRun["process"], forMs: number, then?: (ms: number) => void): void {
    if (process.at !== "running") return;
    process.stop();
    disturbed(its.now() + forMs);
    its.at(its.now() + forMs, () => {
      then?.(forMs);
      process.goOn();
    });
  }

  // ---- the run

  const feeds = plan.mode === "finite" || plan.mode === "local";
  if (!feeds)
    for (let left = plan.tasks; left > 0; submitsLeft++)
      left -= scheduleSubmit(Math.min(left, 20), () => submitsLeft--);
  else if (rng.chance(0.3)) scheduleSubmit(5, () => undefined);
  function scheduleSubmit(most: number, done: () => void): number {
    const count = rng.between(1, most);
    its.at(rng.chance(0.5) ? epoch : rng.between(epoch, plan.calmAt), () => {
      disturbed();
      done();
      submit(cluster, count);
    });
    return count;
  }
  for (let n = plan.submitters; n > 0; n--)
    its.at(rng.between(epoch + 100, plan.calmAt), () => {
      submittersLeft--;
      disturbed(its.now() + 30_000);
      if (closedAt === null) submitByQueue(cluster, rng.between(1, 20));
    });
  for (let n = plan.edits; n > 0; n--)
    its.at(rng.between(epoch, plan.calmAt), () => {
      if (closedAt !== null) return;
      disturbed();
      editSome(cluster);
    });
  its.at(epoch, () => addServer(0, plan.mode, feeds));
  for (let address = 1; address < plan.servers; address++) startLater(address, epoch + rng.between(0, 5000));
  function startLater(address: number, at: number): void {
    disturbed(at);
    its.at(at, () => {
      if (closedAt === null) addServer(address, plan.mode, false);
    });
  }
  if (plan.mode !== "local")
    for (let n = plan.clients; n > 0; n--)
      its.at(epoch + rng.between(0, 2000), () => {
        if (closedAt === null) addClient();
      });
  for (const fault of plan.faults) its.at(fault.at, () => strike(fault));
  its.at(epoch + tickMs, tick);

  let steps = 0;
  its.run((now, step) => {
    steps = step;
    assert(step < stepLimit, `the run comes to an end (${step} steps, ${(now - epoch) / 1000} s)`);
    assert(
      now < limitOf(plan, Math.max(disturbedAt, judge.startedAt(), cluster.storedLast()), closedAt),
      `the run ends in time (${(now - epoch) / 1000} s)`,
    );
  });

  // ---- the verdict

  assert(closedAt !== null, "the run does not fall asleep with work left");
  for (const { process } of [...servers, ...clients])
    assert(process.at === "ended", `${process.name} has come to its end`);
  assert(judge.running() === 0, "nothing runs any more");
  assert(net.open() === 0, "no connection is left open");
  judgeRows(cluster, halted, servers);
  return {
    seed,
    mode: plan.mode,
    digest: its.digest(),
    steps,
    rows: rows.rows.length,
    servers: servers.length,
    seen: judge.seen,
    halted: halted !== null,
    serverTailMs: closedAt - disturbedAt,
    tailMs: its.now() - disturbedAt,
  };
}

/** The virtual time at which everything must be over. */
function limitOf(plan: Plan, disturbedAt: number, closedAt: number | null): number {
  const { evictMs, graceMs, longMs, heartMs, reconnectMs, signalWaitMs, latencyMs, slowMs } = plan;
  // A task to its end, however hard that is to reach, and what follows from it.
  const usualMs = longMs + 5 * signalWaitMs + 20 * (latencyMs + slowMs) + 2 * tickMs;
  const last = Math.max(disturbedAt, closedAt ?? 0);
  // Of outcomes that another server records one hears at a poll. Else nobody waits for one, for the end of a grace, or for anything else when nothing went wrong; but a client may come too late.
  if (plan.faults.length === 0 && plan.failingCalls.size === 0)
    return last + usualMs + (plan.servers > 1 ? plan.pollMs : 0) + (closedAt === null ? 0 : plan.connectMs);
  if (closedAt !== null) return last + usualMs + reconnectMs + 3 * heartMs + connectSlackMs;
  return last + usualMs + 1.2 * evictMs + graceMs + storeSlackMs;
}

/** Every task came to one end. */
function judgeRows(
  { model: rows, plan, storedAt }: Cluster,
  halted: number | null,
  servers: readonly ServerRun[],
): void {
  const finite = servers.every((run, index) => index === 0 && (run.mode === "finite" || run.mode === "local"));
  for (const row of rows.rows) {
    const { id, group, attempt, submitId } = row.task;
    if (finite && submitId !== servers[0]?.id) {
      // But for what a person did.
      const still = row.ended === null || row.endedBy === "a person";
      assert(still && row.serverId === null, `task ${id} of somebody else is left alone`);
      continue;
    }
    if (row.ended === null) {
      const late = !plan.durable || (storedAt.get(id) ?? 0) >= servers.at(-1)!.lookedAt;
      assert(late || (halted !== null && group > halted), `task ${id} has an outcome`);
      // A server that died is on record as holding it until somebody buries that.
      const free = row.serverId === null || rows.servers.has(row.serverId);
      assert(free, `task ${id} that did not run is free`);
    }
    assert(attempt <= plan.attempts, `task ${id} is no attempt too many`);
    if (isFinalFailure(row)) assert(attempt === plan.attempts, `task ${id} got all its attempts`);
  }
}
