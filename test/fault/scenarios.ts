/*
 * What is done to a server and four clients on real connections, and what must be true afterwards. The suite runs each
 * scenario twice (lost.test.ts, restart.test.ts), `scripts/soak faults` as often as wished. A scenario answers how many
 * tasks ran twice and how many were on clients declared lost, and throws when something was lost, recorded twice, or
 * run again without need.
 *
 * Each task writes a line when it starts: its id, the client's id, and which of the four it is. All lines are of one
 * length, so that the size of the file tells how many tasks have started.
 */
import { statSync } from "node:fs";
import { join } from "node:path";
import { linesOf, type Running, type Site, until } from "../e2e/harness.ts";
import { inFile } from "../e2e/tables.ts";
import { expectSound, openSoundSite } from "./sound.ts";

export interface Tally {
  readonly tasks: number;
  readonly ranTwice: number;
  /** Were with a client that was declared lost, not recorded by then, and started there. */
  readonly onLost: number;
  /** Those of them whose outcome came back before they began elsewhere; all others ran twice. */
  readonly backInTime: number;
}

export interface Scenario {
  readonly name: string;
  /** What it shows, as a rule. */
  readonly rule: string;
  /** The seed decides when the fault comes. */
  readonly run: (seed: number) => Promise<Tally>;
}

const clientCount = 4;
const executors = 4;
const timeoutMs = 120_000;
/** `TASK_ID CLIENT_ID cN` and the line end. */
const lineBytes = 36 + 1 + 36 + 1 + 2 + 1;

interface Plan {
  readonly tasks: number;
  /** Every nth task goes on for half a second after its line. */
  readonly longEvery: number;
  readonly database: boolean;
  readonly env: Readonly<Record<string, string>>;
}

const usualPlan: Plan = { tasks: 5000, longEvery: 50, database: true, env: {} };

interface Cluster extends AsyncDisposable {
  readonly plan: Plan;
  readonly site: Site;
  readonly clients: readonly Running[];
  server: Running;
  /** Starts the server again, on the same port. */
  readonly restart: () => void;
}

/** A client that was declared lost, and the tasks that it had then. Only these may run twice. */
interface Loss {
  readonly client: string;
  readonly held: ReadonlySet<string>;
}

interface Start {
  readonly task: string;
  readonly client: string;
  readonly node: string;
}

// ---- the cluster

function freePort(): number {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = listener;
  listener.stop(true);
  return port;
}

async function openCluster(wanted: Plan): Promise<Cluster> {
  const site = openSoundSite();
  const ran = "echo $TASK_ID $TASK_CLIENT_ID $NODE >> ran";
  const lines = Array.from({ length: wanted.tasks }, (_, n) => {
    const long = n % wanted.longEvery === wanted.longEvery - 1;
    return `: ${n}; ${ran}${long ? "; sleep 0.5" : ""}\n`;
  });
  site.write("tasks.in", lines.join(""));
  const port = String(freePort());
  const env = {
    HYPERSHELL_SERVER_AUTH: "a-key-for-tests-only-of-32-bytes-or-more",
    HYPERSHELL_CLIENT_HEARTRATE: "1",
    ...wanted.env,
  };
  const serve = (words: readonly string[]): Running =>
    site.start(["hs", "server", ...words, "-H", "127.0.0.1", "-p", port], { env, timeoutMs });
  const server = serve(wanted.database ? ["tasks.in"] : ["tasks.in", "--no-db"]);
  const clients = Array.from({ length: clientCount }, (_, n) =>
    site.start(["hs", "client", "-H", "127.0.0.1", "-p", port, "-N", String(executors)], {
      env: { ...env, NODE: `c${n}` },
      timeoutMs,
    }),
  );
  const cluster: Cluster = {
    plan: wanted,
    site,
    clients,
    server,
    restart() {
      cluster.server = serve(["--restart"]);
    },
    [Symbol.asyncDispose]: () => site[Symbol.asyncDispose](),
  };
  return cluster;
}

function said({ server, clients }: Cluster): string {
  const voices = [server, ...clients].map(
    (one, n) => `--- ${n === 0 ? "server" : `client c${n - 1}`}\n${one.stderr()}`,
  );
  return voices.map((text) => text.slice(-3000)).join("\n");
}

function startedCount({ site }: Cluster): number {
  const size = statSync(join(site.work, "ran"), { throwIfNoEntry: false })?.size ?? 0;
  return Math.floor(size / lineBytes);
}

function starts({ site }: Cluster): Start[] {
  return site.lines("ran").map((line) => {
    const [task = "", client = "", node = ""] = line.split(" ");
    return { task, client, node };
  });
}

/** A part of the run, at a point between `from` and `to` that the seed decides; by then each client has had a task. */
async function someOf(cluster: Cluster, seed: number, from = 0.1, to = 0.7): Promise<void> {
  const { tasks, database } = cluster.plan;
  const fraction = (Math.imul(seed, 0x9e3779b1) >>> 0) / 2 ** 32;
  const wanted = tasks * (from + (to - from) * fraction);
  const otherwise = (): string => `${startedCount(cluster)} of ${tasks} tasks have started\n${said(cluster)}`;
  await until(() => startedCount(cluster) >= wanted, otherwise, timeoutMs);
  const nodes = (): number => new Set(starts(cluster).map(({ node }) => node)).size;
  await until(() => nodes() === clientCount, otherwise, timeoutMs);
  if (database) await until(() => stored(cluster) === tasks, otherwise, timeoutMs);
}

function clientIdOf(cluster: Cluster, n: number): string {
  const start = starts(cluster).find(({ node }) => node === `c${n}`);
  if (start === undefined) throw new Error(`client c${n} has started nothing\n${said(cluster)}`);
  return start.client;
}

// ---- what is on record

function query<T>({ site }: Cluster, sql: string, ...cells: string[]): T[] {
  return inFile(site.database, (database) => database.query<T, string[]>(sql).all(...cells), { readonly: true });
}

function stored(cluster: Cluster): number {
  return query<{ n: number }>(cluster, "select count(*) n from task")[0]?.n ?? 0;
}

/** The tasks whose outcome is recorded, in order; with a database those of one client, without one of all. */
function recorded(cluster: Cluster, client: string, log: string): string[] {
  if (cluster.plan.database) {
    const sql = "select id from task where client_id = ? and completion_time is not null";
    return query<{ id: string }>(cluster, sql, client).map(({ id }) => id);
  }
  return linesOf(log).flatMap((line) => /Completed task \((\S+)\)/.exec(line)?.[1] ?? []);
}

/**
 * What a client that is dead had begun and could not report; to be asked when the server has given up on it, or later.
 */
function lossOf(cluster: Cluster, client: string): Loss {
  const log = cluster.server.stderr();
  // Without a database the log is the record: up to the line that says that the client is lost.
  const end = log.indexOf("Evicting client");
  const known = new Set(recorded(cluster, client, end < 0 ? log : log.slice(0, end)));
  const begun = starts(cluster).flatMap((start) => (start.client === client ? [start.task] : []));
  return { client, held: new Set(begun.filter((task) => !known.has(task))) };
}

// ---- the end

/** Waits for the end, and checks it. `exact`: what was on lost clients cannot come back, so all of it ran twice. */
async function conclude(
  cluster: Cluster,
  losses: readonly (() => Loss)[],
  exact: boolean,
  gone: readonly Running[],
): Promise<Tally> {
  const { plan, site, server, clients } = cluster;
  const problems: string[] = [];
  const served = await server.ended;
  if (served.status !== 0) problems.push(`the server ended with status ${served.status}`);
  for (const [n, client] of clients.entries()) {
    if (gone.includes(client)) continue;
    const { status } = await client.ended;
    if (status !== 0) problems.push(`client c${n} ended with status ${status}`);
  }
  await site.deserted();

  const runs = new Map<string, string[]>();
  for (const { task, client } of starts(cluster)) runs.set(task, [...(runs.get(task) ?? []), client]);
  if (runs.size !== plan.tasks) problems.push(`${runs.size} of ${plan.tasks} tasks were run`);

  if (plan.database) {
    problems.push(...wrongRows(cluster, runs));
    await expectSound(site.database);
  } else problems.push(...wrongLog(served.stderr, plan.tasks));

  const onLost = new Set<string>();
  const allowed = new Map<string, number>();
  for (const { client, held } of losses.map((loss) => loss())) {
    for (const task of held) {
      if (runs.get(task)?.includes(client) !== true) continue;
      onLost.add(task);
      allowed.set(task, (allowed.get(task) ?? 1) + 1);
    }
  }
  const twice = [...runs].filter(([, ids]) => ids.length > 1);
  for (const [task, ids] of twice) {
    if (ids.length > (allowed.get(task) ?? 1)) problems.push(`task ${task} ran on ${ids.join(" and ")}`);
  }
  if (exact && twice.length !== onLost.size)
    problems.push(`${onLost.size} tasks were on lost clients, and ${twice.length} ran twice`);
  if (problems.length > 0) {
    const first = problems.slice(0, 10).join("\n");
    throw new Error(`${problems.length} problems:\n${first}\n${said(cluster)}`);
  }
  const ranTwice = twice.length;
  return { tasks: plan.tasks, ranTwice, onLost: onLost.size, backInTime: onLost.size - ranTwice };
}

interface Row {
  readonly id: string;
  readonly client_id: string | null;
  readonly exit_status: number | null;
  readonly attempt: number;
}

function wrongRows(cluster: Cluster, runs: ReadonlyMap<string, readonly string[]>): string[] {
  const rows = query<Row>(cluster, "select id, client_id, exit_status, attempt from task");
  const problems = rows.flatMap(({ id, client_id: client, exit_status: status, attempt }) => {
    if (status !== 0 || attempt !== 1) return [`row ${id} has status ${status} in attempt ${attempt}`];
    return runs.get(id)?.includes(client ?? "") === true ? [] : [`row ${id} names ${client}, which did not run it`];
  });
  if (rows.length !== cluster.plan.tasks) problems.push(`${rows.length} rows for ${cluster.plan.tasks} tasks`);
  return problems;
}

function wrongLog(log: string, tasks: number): string[] {
  const done = linesOf(log).flatMap((line) => /Completed task \((\S+)\)/.exec(line)?.[1] ?? []);
  const problems: string[] = [];
  if (new Set(done).size !== tasks) problems.push(`${new Set(done).size} of ${tasks} tasks are recorded`);
  if (done.length !== new Set(done).size) problems.push(`${done.length - new Set(done).size} tasks are recorded twice`);
  return problems;
}

/** Waits until the server has given up on this client, and on nobody else; looks now and then meanwhile. */
async function evicted(cluster: Cluster, client: string, look: () => void = () => undefined): Promise<void> {
  const { server } = cluster;
  const lines = (): readonly string[] => linesOf(server.stderr()).filter((line) => line.includes("Evicting client"));
  await until(
    () => {
      look();
      return lines().length > 0;
    },
    () => `nobody was evicted\n${said(cluster)}`,
    timeoutMs,
  );
  const others = lines().filter((line) => !line.includes(client));
  if (others.length > 0) throw new Error(`evicted: ${others.join("; ")}, not ${client}\n${said(cluster)}`);
}

// ---- the scenarios

async function serverKilled(seed: number): Promise<Tally> {
  await using cluster = await openCluster(usualPlan);
  await someOf(cluster, seed);
  cluster.server.kill("SIGKILL");
  await cluster.server.ended;
  cluster.restart();
  return await conclude(cluster, [], true, []);
}

async function clientKilled(seed: number, wanted: Plan): Promise<Tally> {
  await using cluster = await openCluster({ ...wanted, env: { HYPERSHELL_SERVER_GRACE: "1", ...wanted.env } });
  await someOf(cluster, seed);
  const victim = cluster.clients[seed % clientCount]!;
  const id = clientIdOf(cluster, seed % clientCount);
  victim.kill("SIGKILL");
  await victim.ended;
  await evicted(cluster, id);
  return await conclude(cluster, [() => lossOf(cluster, id)], true, [victim]);
}

async function bothKilled(seed: number): Promise<Tally> {
  await using cluster = await openCluster({ ...usualPlan, env: { HYPERSHELL_SERVER_GRACE: "5" } });
  await someOf(cluster, seed);
  const victim = cluster.clients[seed % clientCount]!;
  const id = clientIdOf(cluster, seed % clientCount);
  cluster.server.kill("SIGKILL");
  victim.kill("SIGKILL");
  await Promise.all([cluster.server.ended, victim.ended]);
  cluster.restart();
  return await conclude(cluster, [() => lossOf(cluster, id)], true, [victim]);
}

/**
 * Stopped, a client says nothing and its connection stays; its tasks run on. With an odd seed it goes on as soon as it
 * is evicted, and its outcomes may be the first; with an even one when all it had has begun elsewhere.
 */
async function clientStopped(seed: number): Promise<Tally> {
  // Work for longer than it takes to be evicted: ten seconds are the least that can be set.
  const wanted = { ...usualPlan, tasks: 1200, longEvery: 2, env: { HYPERSHELL_SERVER_EVICT: "10" } };
  await using cluster = await openCluster(wanted);
  await someOf(cluster, seed, 0.05, 0.2);
  const victim = cluster.clients[seed % clientCount]!;
  const id = clientIdOf(cluster, seed % clientCount);
  victim.kill("SIGSTOP");
  // Until it is evicted the rows say what it has, also what it has not begun: it may do so before it hears that it is
  // lost.
  let held: readonly string[] = [];
  const look = (): void => {
    const sql = "select id from task where client_id = ? and completion_time is null";
    const found = query<{ id: string }>(cluster, sql, id);
    if (found.length > 0) held = found.map((row) => row.id);
  };
  await evicted(cluster, id, look);
  const elsewhere = seed % 2 === 0;
  if (elsewhere)
    await until(
      () => areElsewhere(cluster, held, id),
      () => `not run again\n${said(cluster)}`,
    );
  victim.kill("SIGCONT");
  return await conclude(cluster, [() => ({ client: id, held: new Set(held) })], elsewhere, []);
}

function areElsewhere(cluster: Cluster, tasks: readonly string[], client: string): boolean {
  const others = new Set(starts(cluster).flatMap((start) => (start.client === client ? [] : [start.task])));
  return tasks.every((task) => others.has(task));
}

const inMemory: Plan = { ...usualPlan, database: false, env: { HYPERSHELL_LOGGING_LEVEL: "debug" } };

export const scenarios = {
  serverKilled: {
    name: "server",
    rule: "a server that is killed and started again gets everything back from its clients, and runs nothing twice",
    run: serverKilled,
  },
  clientKilled: {
    name: "client",
    rule: "of a client that is killed only what it was at runs again, elsewhere",
    run: (seed) => clientKilled(seed, usualPlan),
  },
  bothKilled: {
    name: "both",
    rule: "a server and a client that are killed together lose only what that client was at",
    run: bothKilled,
  },
  clientStopped: {
    name: "stopped",
    rule: "a client that is stopped until it is evicted and then goes on does no harm",
    run: clientStopped,
  },
  clientKilledInMemory: {
    name: "memory",
    rule: "without a database, too, nothing is lost with a client that is killed",
    run: (seed) => clientKilled(seed, inMemory),
  },
} satisfies Readonly<Record<string, Scenario>>;
