/*
 * What every run with a server shares, whether its clients are in this process, started by a launcher, or come by themselves: the store, what
 * earlier runs left behind, the input, the server, the failure file, and how it all ends. Knows nothing of clients and sockets.
 */
import { systemClock } from "../base/clock.ts";
import { exitStatus, messageOf, TransientError, UserError } from "../base/errors.ts";
import { newId } from "../base/ids.ts";
import { hostName, userName } from "../base/process.ts";
import { formatDuration } from "../base/units.ts";
import type { Config } from "../config/load.ts";
import type { Logger, Loggers } from "../log/logger.ts";
import { newPatience, type Patience } from "../log/patience.ts";
import { runServer, type Server, type ServerReport, serverBeatMs } from "../server/door.ts";
import { firstLeaseOf } from "../server/succession.ts";
import type { Scope, Store } from "../store/store.ts";
import type { LineSource } from "../submit/lines.ts";
import type { TaskFactory } from "../task/factory.ts";
import type { LeaveKind } from "../wire/message.ts";
import { databaseSettings } from "./database.ts";
import { paced } from "./pace.ts";
import { type FailureFile, openFailures } from "./failures.ts";
import { isAlive, processStart } from "./liveness.ts";
import { recover, watchServers } from "./recover.ts";
import { isAllThere, salvage } from "./salvage.ts";
import { moreUrgent, type StopName } from "./signals.ts";

export interface ServeOptions {
  readonly instanceId: string;
  /** Of this program, for the submission's row. */
  readonly version: string;
  readonly cwd: string;
  readonly config: Config;
  readonly loggers: Loggers;
  /** Who speaks in errors about files and at the end: `cluster` or `server`. */
  readonly logger: string;
  /** Task file, `-` for standard input, null for none. */
  readonly file: string | null;
  /** Of the tasks of this input; null: none. */
  readonly template: string | null;
  readonly attempts: number;
  readonly eager: boolean;
  readonly noDatabase: boolean;
  /** Makes missing tables in a database server; in a file they are made anyway. */
  readonly createTables: boolean;
  readonly restart: boolean;
  readonly forever: boolean;
  readonly bundleSize: number | null;
  readonly pollMs: number;
  /** Of tasks that do not say so themselves: cores, bytes, seconds; null or 0: none. */
  readonly taskCores: number | null;
  readonly taskMemory: number | null;
  readonly taskTimeout: number | null;
  /** The failure file; `-`: standard output. */
  readonly failures: string | null;
  /** Whether clients are other processes, which may outlive this one and may have outlived one before. */
  readonly remote: boolean;
}

export interface ClusterReport {
  /** Everything that was asked for was done, and succeeded. */
  readonly complete: boolean;
  readonly stoppedBy: StopName | null;
}

export interface Serving {
  /** Connections go to its `attach`. */
  readonly server: Server;
  /** The run ends by itself without any client. */
  readonly nothingToDo: boolean;
  /** Hands out nothing more. `signal` null: no signal, but something that went wrong. A second call may be more urgent. */
  stop(how: LeaveKind, signal: StopName | null): void;
  /** A database in trouble is not waited for. */
  hurry(): void;
  /** After the last outcome is recorded and the last client has left; everything is closed by then. */
  readonly finished: Promise<ClusterReport>;
}

/**
 * Everything that can be wrong with files is found before the first task runs: throws a UserError then. The server starts at once, its clients
 * may be attached as soon as this resolves.
 */
export async function serve(options: ServeOptions): Promise<Serving> {
  const { instanceId, loggers, config, restart, forever, attempts, remote } = options;
  const log = loggers("server");
  const host = hostName();
  const clock = systemClock;
  const scope: Scope = restart || forever ? { kind: "all" } : { kind: "submission", id: instanceId };
  const graceMs = (config.integer("server.grace") ?? 30) * 1000;

  const input = await openInput(options, host);
  const failures = options.failures === null ? null : openFailures(options.failures, options.logger);
  const store = await chooseStore(options);
  const patience = newPatience(clock, log);

  const row = { id: instanceId, host, pid: process.pid, pidStart: processStart(process.pid) };
  /** What comes before the first task. */
  function begin<T>(call: () => Promise<T>): Promise<T> {
    const since = clock.now();
    return patience.persist("start", call, (error) => (clock.now() - since < startMs ? null : error));
  }
  const reserves = scope.kind === "submission";
  const startedAt = await begin(() => {
    const now = clock.now();
    return store.addServer({ ...row, reserves, startedAt: now, beatAt: now });
  });
  const aheadMs = startedAt - clock.now();
  const alive = (server: Parameters<typeof isAlive>[0]) =>
    server.id === instanceId || isAlive(server, host, clock.now());
  const recovering = { store, scope, forever, attempts, remote, isAlive: alive, now: clock.now, newId, log };
  const recovery = await begin(() => recover(recovering));
  if (recovery.estates.length > 0) {
    const clients = recovery.estates.reduce((sum, estate) => sum + estate.clients.length, 0);
    const patience = formatDuration(graceMs / 1000);
    log.info(
      `Tasks that ${clients} clients of the previous server may have wait for these to come back, for ${patience}`,
    );
  }
  if (input !== null) {
    const { template, cwd } = options;
    const { version } = options;
    const submission = { id: instanceId, time: clock.now(), host, user: userName(), cwd, template, version };
    await begin(() => store.addSubmission(submission));
  }

  const server = runServer({
    group: recovery.group,
    estates: recovery.estates,
    store,
    isAlive: alive,
    clock,
    sharedNow: () => clock.now() + aheadMs,
    log,
    patience,
    onFailed: (args) => failures?.write(args),
    settings: {
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
      durable: store.durable,
      companyMs: remote ? remoteCompanyMs : store.durable ? 0 : localCompanyMs,
      // Microseconds since 1970: above every lease of an earlier server.
      firstLease: firstLeaseOf(startedAt),
      newId,
    },
  });
  const watchOptions = { store, isAlive: alive, clock, everyMs: serverBeatMs, graceMs, log };
  const unwatch = scope.kind === "all" ? watchServers(watchOptions) : null;

  const stopReading = new AbortController();
  let stoppedBy: StopName | null = null;
  /** Nobody is left to run tasks. They wait in the database or are written down, those too that have not been read yet. */
  let salvaging = false;
  const allThere = options.file !== null && isAllThere(options.file, input?.source.regular ?? false);
  function inputQuiet(): void {
    server.inputQuiet();
    if (salvaging && !allThere) stopReading.abort();
  }
  const reading = { signal: stopReading.signal, patience };
  const loading = feed(input, store, { ...server, inputQuiet }, reading, options, failures);
  // Whoever waits for the end hears of it; until then it is nobody's.
  loading.catch(() => undefined);

  /** The number of tasks that were written down. */
  async function keepRest(): Promise<number> {
    // What a program still writes may never end.
    const timer = allThere ? null : clock.after(restMs, () => stopReading.abort());
    const owner = { serverId: instanceId, serverHost: host, scope, at: clock.now() };
    try {
      if (!store.durable) return await salvage(store, owner, loading, (args) => failures?.write(args));
      await loading;
      return 0;
    } finally {
      timer?.cancel();
    }
  }

  /** Whoever had a run drained wants to know whether there is something to go on with. */
  async function tellKept(): Promise<void> {
    try {
      const { unfinished } = await store.survey(scope);
      if (unfinished === 0) return;
      log.info(`${unfinished} tasks were not run - they are in the database (run them with --restart)`);
    } catch (error) {
      if (!(error instanceof TransientError)) throw error;
    }
  }

  let hurried = false;
  function impatient({ message }: TransientError): Error | null {
    if (!hurried) return null;
    return new UserError(exitStatus.interrupted, "server", `What is left is not known: ${message}`);
  }

  /** The row may stay when the database is in trouble: the process is gone then, and the next run buries it. */
  async function endRow(patientMs: number): Promise<void> {
    const since = clock.now();
    const enough = (error: TransientError): Error | null =>
      hurried || clock.now() - since >= patientMs ? error : null;
    try {
      await patience.persist("server", () => store.endServer(instanceId), enough);
    } catch (error) {
      if (!(error instanceof TransientError)) throw error;
      log.debug(() => `End of the server not written: ${messageOf(error)}`);
    }
  }

  async function finish(): Promise<ClusterReport> {
    try {
      const report = await server.finished.finally(() => {
        if (!salvaging) stopReading.abort();
      });
      const salvaged = salvaging ? await keepRest() : 0;
      const loaded = await loading;
      unwatch?.();
      // After a signal what is left waits in the database; of what others may be at work on nothing can be said.
      const expected = store.durable && (stoppedBy !== null || scope.kind === "all");
      if (!report.abandoned) await endRow(expected ? endMs : Number.POSITIVE_INFINITY);
      const left = expected ? 0 : (await patience.persist("survey", () => store.survey(scope), impatient)).unfinished;
      const concluded = conclude(report, loaded, Math.max(left, salvaged), stoppedBy, loggers(options.logger));
      if (store.durable && isDraining(stoppedBy) && scope.kind === "submission") await tellKept();
      return concluded;
    } finally {
      unwatch?.();
      failures?.close();
      await store.close();
    }
  }

  return {
    server,
    nothingToDo: input === null && !forever && recovery.unfinished === 0,
    stop(how, signal) {
      if (signal !== null) stoppedBy = moreUrgent(stoppedBy, signal);
      salvaging = stoppedBy === null && (store.durable || failures !== null);
      if (!salvaging) stopReading.abort();
      server.stop(how);
    },
    hurry() {
      hurried = true;
      server.hurry();
    },
    finished: finish(),
  };
}

/**
 * With tasks of a millisecond, a turn of the server for each costs more than the tasks' own bookkeeping. In one process with a database
 * each outcome is recorded at once, so that a crash repeats nothing that had ended; remote clients keep outcomes over a crash of the server.
 */
const localCompanyMs = 3;
const remoteCompanyMs = 10;

function isDraining(stoppedBy: StopName | null): boolean {
  return stoppedBy === "SIGUSR1" || stoppedBy === "SIGUSR2";
}

/** A database that is in trouble when a run begins, or when only its end is to be written, is waited for this long, milliseconds. */
const startMs = 60_000;
const endMs = 10_000;

/** A pipe that has more to say than this, milliseconds, is left to who writes to it. */
const restMs = 5000;

interface Input {
  readonly source: LineSource;
  readonly factory: TaskFactory;
}

async function openInput(options: ServeOptions, host: string): Promise<Input | null> {
  if (options.file === null) return null;
  const { openLines } = await import("../submit/lines.ts");
  const { taskFactory } = await import("../task/factory.ts");
  const none = (value: number | null) => (value === null || value === 0 ? null : value);
  const defaults = {
    submitId: options.instanceId,
    submitHost: host,
    group: 0,
    cores: none(options.taskCores),
    memory: none(options.taskMemory),
    timeout: none(options.taskTimeout),
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
  server: Server,
  { signal, patience }: { readonly signal: AbortSignal; readonly patience: Patience },
  options: ServeOptions,
  failures: FailureFile | null,
): Promise<Fed> {
  if (input === null) {
    server.inputEnded();
    return { stored: 0, bad: 0 };
  }
  const { load } = await import("../submit/loader.ts");
  const scope: Scope = { kind: "submission", id: options.instanceId };
  const pace = { unfinished: async () => (await store.survey(scope)).unfinished, clock: systemClock, signal };
  // In memory the store itself makes the input wait.
  const bounded = store.durable && !input.source.regular;
  const lines = (): ReturnType<LineSource["read"]> => noticed(input.source, server.inputResumed);
  try {
    return await load({
      factory: input.factory,
      source: { ...input.source, read: () => (bounded ? paced(lines(), pace) : lines()) },
      store,
      expand: null,
      bundleSize: options.bundleSize,
      clock: systemClock,
      log: options.loggers("submit"),
      patientMs: Number.POSITIVE_INFINITY,
      patience,
      // A line that can be written down again can be mended there.
      onBad: ({ text }) => {
        if (text !== null) failures?.write(text);
      },
      onQuiet: server.inputQuiet,
      signal,
    });
  } catch (error) {
    // What was read so far is run to its end; then the run tells what was wrong with the rest.
    server.stop("finish");
    await server.finished;
    throw error;
  } finally {
    server.inputEnded();
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
  log: Logger,
): ClusterReport {
  const { succeeded, failed, cancelled, haltedBy } = report;
  const bad = failed + fed.bad;
  const all = succeeded + cancelled + bad;
  if (bad > 0) log.warning(`${bad} of ${all} tasks failed`);
  if (left > 0) log.warning(`${left} tasks were not run`);
  return { complete: bad === 0 && left === 0 && haltedBy === null, stoppedBy };
}

async function chooseStore(options: ServeOptions): Promise<Store> {
  const settings = options.noDatabase ? null : databaseSettings(options.config, options.loggers("data"));
  if (settings !== null) {
    const { hasDatabase, openStore } = await import("../store/open.ts");
    if (hasDatabase(settings)) return openStore({ ...settings, clock: systemClock, create: options.createTables });
    options.loggers("server").warning("No database configured - automatically disabled");
  }
  const { MemoryStore } = await import("../store/memory.ts");
  // A thousand clients want some tasks each; one is content with less memory.
  return new MemoryStore(options.remote ? 32_768 : undefined);
}
