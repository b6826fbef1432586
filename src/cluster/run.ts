/*
 * The story of `hsx` on one machine: open the store, look after what crashed runs left behind, start server, client and loader, listen to
 * signals, and tell at the end how it went. Nothing here decides about single tasks.
 */
import { join } from "node:path";
import { systemClock } from "../base/clock.ts";
import { messageOf, TransientError } from "../base/errors.ts";
import { newId } from "../base/ids.ts";
import { cpuCount, hostName, userName } from "../base/process.ts";
import type { Executor } from "../client/executor.ts";
import { createExecutor } from "../client/process.ts";
import type { Config } from "../config/load.ts";
import type { Logger, Loggers } from "../log/logger.ts";
import { type ServerReport, serverBeatMs } from "../server/door.ts";
import type { Scope, Store } from "../store/store.ts";
import type { LineSource } from "../submit/lines.ts";
import type { TaskFactory } from "../task/factory.ts";
import { databaseSettings } from "./database.ts";
import { type FailureFile, openFailures } from "./failures.ts";
import { isAlive, processStart } from "./liveness.ts";
import { type LocalRun, runLocal } from "./local.ts";
import { recover, watchServers } from "./recover.ts";
import { moreUrgent, onSignals, type StopName } from "./signals.ts";

export interface ClusterOptions {
  readonly instanceId: string;
  /** Of this program, for the submission's row. */
  readonly version: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly config: Config;
  readonly loggers: Loggers;
  /** Task file, `-` for standard input, null for none. */
  readonly file: string | null;
  readonly template: string | null;
  /** 0: as many as there are cores. */
  readonly executors: number;
  readonly attempts: number;
  readonly eager: boolean;
  readonly noDatabase: boolean;
  readonly restart: boolean;
  readonly forever: boolean;
  readonly bundleSize: number | null;
  readonly pollMs: number;
  readonly idleMs: number | null;
  /** Seconds; for new tasks and for every task that runs here. */
  readonly taskTimeout: number | null;
  readonly signalWaitMs: number;
  readonly delayMs: number;
  readonly capture: boolean;
  readonly output: string | null;
  readonly errors: string | null;
  readonly failures: string | null;
}

export interface ClusterReport {
  /** Everything that was asked for was done, and succeeded. */
  readonly complete: boolean;
  readonly stoppedBy: StopName | null;
}

/** A client whose connection broke keeps its tasks for this long. */
const graceMs = 60_000;

export async function runCluster(options: ClusterOptions): Promise<ClusterReport> {
  const { instanceId, loggers, config, restart, forever, attempts } = options;
  const log = loggers("server");
  const host = hostName();
  const clock = systemClock;
  const scope: Scope = restart || forever ? { kind: "all" } : { kind: "submission", id: instanceId };

  // Everything that can be wrong with files is found before the first task runs.
  const input = await openInput(options, host);
  const failures = options.failures === null ? null : openFailures(options.failures, "cluster");
  const executor = makeExecutor(options, host);
  const store = await chooseStore(options);

  const row = { id: instanceId, host, pid: process.pid, pidStart: processStart(process.pid) };
  await store.addServer({ ...row, reserves: scope.kind === "submission", startedAt: clock.now(), beatAt: clock.now() });
  const alive = (server: Parameters<typeof isAlive>[0]) =>
    server.id === instanceId || isAlive(server, host, clock.now());
  const recovery = await recover({ store, scope, forever, attempts, isAlive: alive, now: clock.now, newId, log });
  if (input !== null) {
    const { template, cwd } = options;
    await store.addSubmission({
      id: instanceId,
      time: clock.now(),
      host,
      user: userName(),
      cwd,
      template,
      version: options.version,
    });
  }

  const local = runLocal({
    store,
    clock,
    loggers,
    executor,
    group: recovery.group,
    clientDelayMs: options.delayMs,
    onFailed: (args) => failures?.write(args),
    server: {
      serverId: instanceId,
      serverHost: host,
      scope,
      attempts,
      eager: options.eager,
      forever,
      bundleSize: options.bundleSize,
      pollMs: options.pollMs,
      evictMs: (config.number("server.evict") ?? 600) * 1000,
      graceMs,
      // With tasks of a millisecond, a turn of the server for each costs more than the tasks' own bookkeeping. In a database each
      // outcome is recorded at once, so that a crash repeats nothing that had ended.
      companyMs: store.durable ? 0 : 3,
      // Microseconds since 1970: above every lease of an earlier server.
      firstLease: Math.floor(clock.now() * 1000),
      newId,
    },
    client: {
      clientId: instanceId,
      host,
      executors: options.executors === 0 ? cpuCount() : options.executors,
      timeoutMs: options.taskTimeout === null || options.taskTimeout === 0 ? null : options.taskTimeout * 1000,
      signalWaitMs: options.signalWaitMs,
      idleMs: options.idleMs,
      heartMs: (config.number("client.heartrate") ?? 10) * 1000,
      bundleSize: config.integer("client.bundlesize"),
      announce: announces(config),
    },
  });

  const unwatch =
    scope.kind === "all" ? watchServers({ store, isAlive: alive, clock, everyMs: serverBeatMs, log }) : null;
  const stopReading = new AbortController();
  let stoppedBy: StopName | null = null;
  const release = onSignals(
    {
      stop(how, signal) {
        stoppedBy = moreUrgent(stoppedBy, signal);
        stopReading.abort();
        local.stop(how, signal);
      },
      kill: local.kill,
    },
    loggers,
  );
  try {
    const loading = feed(input, store, local, stopReading.signal, options, failures);
    const report = await local.finished.finally(() => stopReading.abort());
    const loaded = await loading;
    unwatch?.();
    await endServer(store, instanceId, log);
    // After a signal what is left waits in the database; of what others may be at work on nothing can be said.
    const expected = store.durable && (stoppedBy !== null || scope.kind === "all");
    const left = expected ? 0 : (await store.survey(scope)).unfinished;
    return conclude(report, loaded, left, stoppedBy, loggers);
  } finally {
    release();
    unwatch?.();
    executor.close();
    failures?.close();
    await store.close();
  }
}

/** The row may stay when the database is in trouble: the process is gone then, and the next run buries it. */
async function endServer(store: Store, id: string, log: Logger): Promise<void> {
  try {
    await store.endServer(id);
  } catch (error) {
    if (!(error instanceof TransientError)) throw error;
    log.debug(() => `End of the server not written: ${messageOf(error)}`);
  }
}

interface Input {
  readonly source: LineSource;
  readonly factory: TaskFactory;
}

async function openInput(options: ClusterOptions, host: string): Promise<Input | null> {
  if (options.file === null) return null;
  const { openLines } = await import("../submit/lines.ts");
  const { taskFactory } = await import("../task/factory.ts");
  const { config, taskTimeout, instanceId } = options;
  const none = (value: number | null) => (value === null || value === 0 ? null : value);
  const defaults = {
    submitId: instanceId,
    submitHost: host,
    group: 0,
    cores: none(config.integer("task.cores")),
    memory: none(config.integer("task.memory")),
    timeout: none(taskTimeout),
    settings: [],
  };
  return { source: openLines(options.file), factory: taskFactory(defaults, newId) };
}

interface Fed {
  readonly stored: number;
  readonly bad: number;
}

/** Loads the input while the run goes on; resolves when the input has ended or reading was stopped. */
async function feed(
  input: Input | null,
  store: Store,
  local: LocalRun,
  signal: AbortSignal,
  options: ClusterOptions,
  failures: FailureFile | null,
): Promise<Fed> {
  if (input === null) {
    local.inputEnded();
    return { stored: 0, bad: 0 };
  }
  const { load } = await import("../submit/loader.ts");
  try {
    return await load({
      factory: input.factory,
      source: { ...input.source, read: () => noticed(input.source, local.inputResumed) },
      store,
      expand: null,
      bundleSize: options.bundleSize,
      clock: systemClock,
      log: options.loggers("submit"),
      patient: true,
      // A line that can be written down again can be mended there.
      onBad: ({ text }) => {
        if (text !== null) failures?.write(text);
      },
      onQuiet: local.inputQuiet,
      signal,
    });
  } catch (error) {
    // What was read so far is run to its end; then the run tells what was wrong with the rest.
    local.stop("finish", "input failed");
    await local.finished;
    throw error;
  } finally {
    local.inputEnded();
  }
}

/** The lines of a source; `onLines` is called when some were read. */
async function* noticed(source: LineSource, onLines: () => void): ReturnType<LineSource["read"]> {
  for await (const lines of source.read()) {
    onLines();
    yield lines;
  }
}

function conclude(
  report: ServerReport,
  fed: Fed,
  left: number,
  stoppedBy: StopName | null,
  loggers: Loggers,
): ClusterReport {
  const { succeeded, failed, cancelled, haltedBy } = report;
  const log = loggers("cluster");
  const bad = failed + fed.bad;
  const all = succeeded + cancelled + bad;
  if (bad > 0) log.warning(`${bad} of ${all} tasks failed`);
  if (left > 0) log.warning(`${left} tasks were not run`);
  return { complete: bad === 0 && left === 0 && haltedBy === null, stoppedBy };
}

async function chooseStore(options: ClusterOptions): Promise<Store> {
  const settings = options.noDatabase ? null : databaseSettings(options.config, options.loggers("data"));
  if (settings !== null) {
    const { databaseFile, openStore } = await import("../store/open.ts");
    if (databaseFile(settings) !== null) return openStore({ ...settings, clock: systemClock });
    options.loggers("server").warning("No database configured - automatically disabled");
  }
  const { MemoryStore } = await import("../store/memory.ts");
  return new MemoryStore();
}

function makeExecutor(options: ClusterOptions, host: string): Executor {
  const { config, env, cwd, instanceId, capture } = options;
  return createExecutor({
    environment: env,
    exports: config.exports(),
    cwd: config.text("task.cwd") ?? cwd,
    clientId: instanceId,
    clientHost: host,
    serverId: instanceId,
    serverHost: host,
    taskFolder: join(config.site.lib, "task"),
    shell: process.platform === "win32" ? (env["COMSPEC"] ?? "cmd.exe") : "/bin/sh",
    capture,
    outputPath: options.output,
    errorsPath: options.errors,
    template: options.template,
    clock: systemClock,
    log: options.loggers("client"),
  });
}

/** Whether each started task gets its INFO line: as `logging.tasks` says, else only when somebody asked for a level. */
function announces(config: Config): boolean {
  const wish = config.text("logging.tasks");
  if (wish === "true" || wish === "false") return wish === "true";
  const { source } = config.origin("logging.level");
  return source !== "default" && source !== "preload";
}
