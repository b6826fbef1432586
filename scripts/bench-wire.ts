/*
 * How fast the real server hands out tasks over real connections on loopback to clients that start nothing (bench-clients.ts): tasks a second end to
 * end, time until all are registered, memory, spread, and how long an idle server takes from a new task to its start.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { systemClock } from "../src/base/clock.ts";
import { newId } from "../src/base/ids.ts";
import { openStore } from "../src/store/open.ts";
import type { NewTask } from "../src/task/task.ts";
import { median, megabytes, statusBytes, table } from "./bench-measure.ts";
import type { ClientsPlan, ClientsReport } from "./bench-clients.ts";

const root = resolve(import.meta.dir, "..");
const hs = join(root, "dist/hs");
const { values: flags } = parseArgs({
  options: {
    only: { type: "string", default: "rate,latency" },
    clients: { type: "string", default: "1,10,100,1000" },
    tasks: { type: "string", default: "300000" },
    stored: { type: "string", default: "100000" },
    executors: { type: "string", default: "192" },
  },
});
const parts = flags.only.split(",");
const executors = Number(flags.executors);
const key = "a-key-for-measurements-only";
const place = mkdtempSync(join(tmpdir(), "hs-bench-"));
let runs = 0;

interface ServerRun {
  readonly port: number;
  readonly pid: number;
  readonly site: string;
  readonly write: (text: string) => void;
  /** Ends the standard input. */
  readonly close: () => void;
  readonly ended: Promise<number>;
  readonly kill: () => void;
}

async function startServer(words: readonly string[], stdin: "pipe" | "ignore" = "ignore"): Promise<ServerRun> {
  const site = join(place, `site${++runs}`);
  const child = Bun.spawn([hs, "server", "-p", "0", "-k", key, ...words], {
    env: { ...process.env, HYPERSHELL_SITE: site, HYPERSHELL_LOGGING_LEVEL: "info", HYPERSHELL_LOGGING_TASKS: "false" },
    stdin,
    stdout: "ignore",
    stderr: "pipe",
  });
  const port = Promise.withResolvers<number>();
  void (async () => {
    let text = "";
    const decoder = new TextDecoder();
    for await (const chunk of child.stderr) {
      text += decoder.decode(chunk);
      const found = /Server listening on \S+:(\d+)/.exec(text);
      if (found !== null) port.resolve(Number(found[1]));
    }
    port.reject(new Error(`the server did not start: ${text}`));
  })();
  return {
    port: await port.promise,
    pid: child.pid,
    site,
    write(line) {
      const input = child.stdin;
      if (input === undefined || typeof input === "number") throw new Error("standard input is closed");
      void input.write(line);
      void input.flush();
    },
    close() {
      const input = child.stdin;
      if (input !== undefined && typeof input !== "number") void input.end();
    },
    ended: child.exited,
    kill: () => child.kill("SIGKILL"),
  };
}

/** Starts the clients; `onReport` sees each line. */
function startClients(
  plan: ClientsPlan,
  onReport: (report: ClientsReport) => void,
): { ended: Promise<void>; kill(): void } {
  const child = Bun.spawn([process.execPath, join(root, "scripts/bench-clients.ts"), JSON.stringify(plan)], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
  });
  const ended = (async () => {
    let rest = "";
    const decoder = new TextDecoder();
    for await (const chunk of child.stdout) {
      rest += decoder.decode(chunk, { stream: true });
      const lines = rest.split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) onReport(JSON.parse(line) as ClientsReport);
    }
    await child.exited;
  })();
  return { ended, kill: () => child.kill("SIGKILL") };
}

interface Rate {
  readonly perSecond: number;
  readonly registeredSeconds: number;
  readonly peakBytes: number | null;
  readonly spread: string;
}

async function measureRate(clients: number, tasks: number, stored: boolean, tls: boolean): Promise<Rate> {
  // The tasks come when all clients are there: what is measured is the flow, not who came first.
  const server = await startServer(["-", ...(stored ? [] : ["--no-db"]), ...(tls ? [] : ["--no-tls"])], "pipe");
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

async function rates(): Promise<void> {
  const rows: string[][] = [];
  for (const tls of [true, false]) {
    for (const stored of [false, true]) {
      for (const clients of flags.clients.split(",").map(Number)) {
        const tasks = Number(stored ? flags.stored : flags.tasks);
        const rate = await measureRate(clients, tasks, stored, tls);
        rows.push([
          `${tls ? "TLS" : "no TLS"}, ${stored ? "SQLite" : "no database"}`,
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
  const inProcess = await startServer(["--no-db", "-"], "pipe");
  add(
    "line on the server's standard input",
    20,
    await pings(inProcess, async (args) => inProcess.write(`${args}\n`), 100),
  );

  const forever = await startServer(["--no-db", "--forever"]);
  const { openQueue } = await import("../src/cluster/enqueue.ts");
  const submitId = newId();
  const tls = {
    ca: null,
    trust: "proof",
    fingerprint: null,
    servername: null,
    minVersion: "TLSv1.2",
    ciphers: null,
  } as const;
  const submission = {
    id: submitId,
    time: systemClock.now(),
    host: "bench",
    user: "bench",
    cwd: "/",
    template: null,
    version: "",
  };
  const security = { key, tls };
  const queue = await openQueue({ host: "127.0.0.1", port: forever.port, security, submission, clock: systemClock });
  add("submit --queue", 20, await pings(forever, async (args) => queue.insert([makeTask(args, submitId)]), 100));
  await queue.close().catch(() => undefined);

  const stored = await startServer(["--forever"]);
  const settings = {
    provider: "sqlite",
    file: join(stored.site, "lib/main.db"),
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
  console.log(table("From a new task to its start, server idle", ["submitted by", "median", "p99", "wanted"], rows));
}

try {
  if (parts.includes("rate")) await rates();
  if (parts.includes("latency")) await latencies();
} finally {
  rmSync(place, { recursive: true, force: true });
}
