/*
 * How fast the real server hands out tasks over real connections on loopback to clients that start nothing
 * (bench-clients.ts): tasks a second end to end, time until all are registered, memory, spread, and how long an idle
 * server takes from a new task to its start.
 *
 * On two cores that all of it shares: without a database 80,000 tasks a second, SQLite 44,000, PostgreSQL (fsync on)
 * 21,000.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { systemClock } from "../src/base/clock.ts";
import { newId } from "../src/base/ids.ts";
import { openStore } from "../src/store/open.ts";
import type { NewTask } from "../src/task/task.ts";
import { anyCertificate } from "../test/make.ts";
import { noPostgres, type Postgres, startPostgres } from "../test/systems/postgres.ts";
import { median, megabytes, statusBytes, table } from "./bench-measure.ts";
import { type ClientsReport, key, type ServerRun, startClients, startServer } from "./bench-server.ts";

const { values: flags } = parseArgs({
  options: {
    only: { type: "string", default: "rate,latency" },
    clients: { type: "string", default: "1,10,100,1000" },
    tasks: { type: "string", default: "300000" },
    stored: { type: "string", default: "100000" },
    stores: { type: "string", default: "none,sqlite,postgres" },
    tls: { type: "string", default: "yes,no" },
    executors: { type: "string", default: "192" },
  },
});
const parts = flags.only.split(",");
const stores = flags.stores.split(",");
const executors = Number(flags.executors);
const place = mkdtempSync(join(tmpdir(), "hs-bench-"));
let runs = 0;

/** A site of its own for each run. */
const newSite = (): string => join(place, `site${++runs}`);

interface Rate {
  readonly perSecond: number;
  readonly registeredSeconds: number;
  readonly peakBytes: number | null;
  readonly spread: string;
}

/** What the server is told of its database, in words and environment. */
type Stored = { readonly words: readonly string[]; readonly env: Readonly<Record<string, string>> };

async function measureRate(clients: number, tasks: number, { words, env }: Stored, tls: boolean): Promise<Rate> {
  // The tasks come when all clients are there: what is measured is the flow, not who came first.
  const server = await startServer(newSite(), ["-", ...words, ...(tls ? [] : ["--no-tls"])], { stdin: "pipe", env });
  let registeredSeconds = Number.NaN;
  let done: Extract<ClientsReport, { kind: "done" }> | null = null;
  let peakBytes: number | null = null;
  const sample = setInterval(() => {
    peakBytes = statusBytes(server.pid, "VmHWM") ?? peakBytes;
  }, 20);
  const run = startClients(
    { port: server.port, key, tls, clients, executors, taskMs: 0, reconnect: false },
    (report) => {
      if (report.kind === "done") done = report;
      if (report.kind !== "registered") return;
      registeredSeconds = report.seconds;
      server.write("true\n".repeat(tasks));
      server.close();
    },
  );
  const status = await server.ended;
  await run.ended;
  clearInterval(sample);
  const report = done as Extract<ClientsReport, { kind: "done" }> | null;
  if (status !== 0 || report === null) throw new Error(`the server ended with status ${status}`);
  if (report.acknowledged !== tasks) throw new Error(`${report.acknowledged} of ${tasks} tasks were acknowledged`);
  const inOrder = report.spread.toSorted((one, other) => one - other);
  return {
    perSecond: (tasks * 1000) / (report.lastAckAt - report.firstAssignAt),
    registeredSeconds,
    peakBytes,
    spread: `${inOrder[0]} / ${median(inOrder)} / ${inOrder.at(-1)}`,
  };
}

const names: Readonly<Record<string, string>> = { none: "no database", sqlite: "SQLite", postgres: "PostgreSQL" };
let postgres: Postgres | null = null;

/** A database of its own for each run. That of PostgreSQL waits for the disk, as Debian has it. */
async function storedIn(store: string): Promise<Stored> {
  if (store === "none") return { words: ["--no-db"], env: {} };
  if (store === "sqlite") return { words: [], env: {} };
  postgres ??= await startPostgres({ settings: ["fsync = on"] });
  return { words: ["--initdb"], env: postgres.env(await postgres.create()) };
}

async function rates(): Promise<void> {
  const rows: string[][] = [];
  for (const tls of flags.tls.split(",").map((word) => word === "yes")) {
    for (const store of stores) {
      for (const clients of flags.clients.split(",").map(Number)) {
        const tasks = Number(store === "none" ? flags.tasks : flags.stored);
        const rate = await measureRate(clients, tasks, await storedIn(store), tls);
        rows.push([
          `${tls ? "TLS" : "no TLS"}, ${names[store]}`,
          String(clients),
          String(tasks),
          Math.round(rate.perSecond).toLocaleString("en-US"),
          `${rate.registeredSeconds.toFixed(2)} s`,
          megabytes(rate.peakBytes),
          rate.spread,
        ]);
        console.error(`  ${rows.at(-1)!.join("  ")}`);
      }
    }
  }
  const head = ["server", "clients", "tasks", "tasks/s", "registered", "memory", "least / median / most"];
  console.log(table(`Tasks a second over loopback, clients of ${executors} executors that start nothing`, head, rows));
}

// ---- from a new task to its start

function makeTask(args: string, submitId: string): NewTask {
  return {
    id: newId(),
    group: 0,
    args,
    submitId,
    submitTime: systemClock.now(),
    submitHost: "bench",
    cores: null,
    memory: null,
    timeout: null,
    attempt: 1,
    previousId: null,
    tag: { part: 0 },
  };
}

type Submit = (args: string) => Promise<void>;

/** Milliseconds from the moment of each submission to its start at the only client, one after the other. */
async function pings(server: ServerRun, submit: Submit, count: number): Promise<number[]> {
  const waiting = new Map<string, (at: number) => void>();
  const ready = Promise.withResolvers<void>();
  const run = startClients(
    { port: server.port, key, tls: true, clients: 1, executors: 1, taskMs: 0, reconnect: false },
    (report) => {
      if (report.kind === "registered") ready.resolve();
      if (report.kind === "started") waiting.get(report.args)?.(report.at);
    },
  );
  await ready.promise;
  const waits: number[] = [];
  for (let n = 0; n < count; n++) {
    // Idle in between, and not in step with anything that the server does at intervals.
    await new Promise<void>((resume) => systemClock.after(30 + Math.random() * 300, resume));
    const args = `ping ${n}`;
    const started = Promise.withResolvers<number>();
    waiting.set(args, started.resolve);
    const at = systemClock.now();
    await submit(args);
    waits.push((await started.promise) - at);
  }
  server.kill();
  run.kill();
  await run.ended;
  return waits;
}

async function latencies(): Promise<void> {
  const rows: string[][] = [];
  const add = (name: string, limit: number, waits: readonly number[]): void => {
    const inOrder = waits.toSorted((one, other) => one - other);
    const p99 = inOrder[Math.min(inOrder.length - 1, Math.floor(inOrder.length * 0.99))]!;
    rows.push([
      name,
      `${median(waits).toFixed(1)} ms`,
      `${p99.toFixed(1)} ms`,
      p99 < limit ? `< ${limit} ms ok` : `< ${limit} ms MISSED`,
    ]);
  };
  const inProcess = await startServer(newSite(), ["--no-db", "-"], { stdin: "pipe" });
  add(
    "line on the server's standard input",
    20,
    await pings(inProcess, async (args) => inProcess.write(`${args}\n`), 100),
  );

  const forever = await startServer(newSite(), ["--no-db", "--forever"]);
  const { openQueue } = await import("../src/cluster/enqueue.ts");
  const submitId = newId();
  const submission = {
    id: submitId,
    time: systemClock.now(),
    host: "bench",
    user: "bench",
    cwd: "/",
    template: null,
    version: "",
  };
  const security = { key, tls: anyCertificate };
  const clock = systemClock;
  const queue = await openQueue({
    host: "127.0.0.1",
    port: forever.port,
    security,
    submission,
    clock,
    heartMs: 10_000,
  });
  add("submit --queue", 20, await pings(forever, async (args) => queue.insert([makeTask(args, submitId)]), 100));
  await queue.close().catch(() => undefined);

  const site = newSite();
  const stored = await startServer(site, ["--forever"]);
  const settings = {
    provider: "sqlite",
    file: join(site, "lib/main.db"),
    database: null,
    url: null,
    echo: null,
    pragmas: {},
  };
  const store = await openStore({ ...settings, clock: systemClock });
  add(
    "SQLite, from another process",
    300,
    await pings(stored, async (args) => store.insert([makeTask(args, submitId)]), 60),
  );
  await store.close();
  if (stores.includes("postgres")) await latencyOfPostgres(submitId, add);
  console.log(table("From a new task to its start, server idle", ["submitted by", "median", "p99", "wanted"], rows));
}

if (stores.includes("postgres") && noPostgres !== null) throw new Error(`${noPostgres} here: leave out with --stores`);
async function latencyOfPostgres(
  submitId: string,
  add: (name: string, limit: number, waits: readonly number[]) => void,
): Promise<void> {
  postgres ??= await startPostgres({ settings: ["fsync = on"] });
  const name = await postgres.create();
  const server = await startServer(newSite(), ["--forever", "--initdb"], { env: postgres.env(name) });
  const url = postgres.url(name);
  // Whoever is first makes the tables.
  const settings = { provider: null, file: null, database: null, url, pragmas: {}, clock: systemClock, create: true };
  const store = await openStore(settings);
  add(
    "PostgreSQL, from another process",
    300,
    await pings(server, async (args) => store.insert([makeTask(args, submitId)]), 60),
  );
  await store.close();
}

try {
  if (parts.includes("rate")) await rates();
  if (parts.includes("latency")) await latencies();
} finally {
  await (postgres as Postgres | null)?.[Symbol.asyncDispose]();
  rmSync(place, { recursive: true, force: true });
}
