/*
 * What every run with a server shares, whether its clients are in this process, started by a launcher, or come by
 * themselves. Knows nothing of clients and sockets.
 *
 *    prepare                       the run                             conclude
 *   |-----------------------------|-----------------------------------|-------------------------------|
 *    input, failure file, store    startServer: store <=> clients      the server and the input ended
 *    enter: our row                watchOthers: servers that die       keepRest: nobody was left to run
 *    recover: what the dead left   loadInput: input -> store           endRow, what is left, the report
 *    addSubmission, if any         stop(how, signal), hurry()          everything is closed
 *
 * A UserError while a run is prepared means that none of its tasks has run. `serve` resolves when the run begins,
 * `finished` when everything is closed.
 */
import type { FailurePolicy } from "../server/failure-policy.ts";
import { systemClock } from "../base/clock.ts";
import { exitStatus, messageOf, TransientError, UserError } from "../base/errors.ts";
import { newId } from "../base/ids.ts";
import { userName } from "../base/accounts.ts";
import { hostName } from "../base/process.ts";
import { counted } from "../base/units.ts";
import { isPiped, isUnread } from "../base/unread.ts";
import type { Config } from "../config/load.ts";
import { resourceNames } from "../config/resource-names.ts";
import type { Logger, Loggers } from "../log/logger.ts";
import type { Sight } from "../progress/sight.ts";
import { newPatience, type Patience } from "../log/patience.ts";
import { runServer, type Server, type ServerReport, serverBeatMs } from "../server/door.ts";
import type { Printer } from "../output/printer.ts";
import type { Admission, Backlog, OwnStore, Scope, ServerRow, Store } from "../store/store.ts";
import type { Loaded } from "../submit/loader.ts";
import type { LeaveKind } from "../wire/message.ts";
import { chooseStore } from "./choose-store.ts";
import { entering } from "./entering.ts";
import { type FailureFile, openFailures } from "./failures.ts";
import { feed, type Input, type InputOptions, openInput, patientStartMs, taskDefaults } from "./feed.ts";
import { newLiveness } from "./liveness.ts";
import { recover, type Recovery, tellOfEstates, type Watch, watchServers } from "./recover.ts";
import * as printing from "./printing.ts";
import { type Seen, seenOf } from "./viewing/seen.ts";
import { readerPatience, watchReader } from "./reader.ts";
import { sightOf } from "./sight.ts";
import { expectPatience } from "./signs-of-life.ts";
import { copyWaiting, keepRest, patientStore, type Rest } from "./salvage.ts";
import { describeFailures, describeMissing, describeRun, type Tally } from "./summary.ts";
import { asSignalled, moreUrgent, type StopName, unreadText } from "./signals.ts";

/** What a caller asks of a run with a server. */
export interface ServeOptions extends InputOptions, printing.PrintingOptions {
  /** The version of this program, for the submission's row. */
  readonly version: string;
  readonly cwd: string;
  readonly config: Config;
  readonly loggers: Loggers;
  /** The logger of errors about files, and of the report at the end: `cluster` or `server`. */
  readonly logger: string;
  /** The template for the tasks of this input; null: none. */
  readonly template: string | null;
  readonly policy: FailurePolicy;
  readonly noDatabase: boolean;
  /** Whether missing tables are made in a database server. In a file they are always made. */
  readonly createTables: boolean;
  readonly restart: boolean;
  readonly forever: boolean;
  readonly bundleSize: number | null;
  readonly pollMs: number;
  /** The failure file; `-`: standard output. */
  readonly failures: string | null;
  /** The shell that runs tasks, as far as is known here; null: the usual one. */
  readonly shell: string | null;
  /** Whether one line of the log tells how the whole run went: somebody looks on. */
  readonly summary: boolean;
  /** Whether tasks print to the standard output of this process. */
  readonly printsTasks: boolean;
  /** Whether clients are other processes, which may outlive this one, and may have outlived an earlier one. */
  readonly remote: boolean;
  /** Whether this run launches its clients, all of them, and they stay while more tasks may come. */
  readonly launchesClients: boolean;
  /** Whether what each client does is measured, for an autoscaler. Absent: it is not. */
  readonly measures?: boolean;
  /** Called when the run begins, with what can be seen of it while it lasts. */
  readonly onServing?: (seen: Seen) => void;
  /** Called when the run begins, with what tells how far it is now. Absent: nobody looks on. */
  readonly onBegin?: (look: () => Sight) => void;
  /** Puts something around the store that sees what goes through. Absent: nothing does. */
  readonly around?: (store: Store) => Store;
}

export interface ClusterReport {
  /** Whether everything that was asked for was done and succeeded. */
  readonly complete: boolean;
  readonly stoppedBy: StopName | null;
  /** How many tasks ended, and how. */
  readonly tally: Tally;
  /** The number of tasks that were to be run and have not ended; null: the database did not tell. */
  readonly left: number | null;
}

export interface Serving {
  /** The server; connections go to its `attach`. */
  readonly server: Server;
  /** How much there is to do. Throws a TransientError while the database is in trouble. */
  backlog(): Promise<Backlog>;
  /** Whether the run ends by itself, even without a client. */
  readonly nothingToDo: boolean;
  /** Hands out nothing more. `signal` is the reason; null: something went wrong. A second call may be more urgent. */
  stop(how: LeaveKind, signal: StopName | null): void;
  /** Stops waiting for a database in trouble. */
  hurry(): void;
  /** Whether the database is in trouble. */
  inTrouble(): boolean;
  /** Stops the run because nobody reads any more what it and its tasks write. Running tasks may end. */
  stopUnread(): void;
  /** Stops the run, and answers true, if tasks or failures are printed on standard output and nobody reads it. */
  noticeUnread(): boolean;
  /** Resolves when the input is read to its end, or as far as it will be. Never rejects. */
  readonly inputEnded: Promise<void>;
  /** Resolves after the last outcome is recorded and the last client has left. Everything is closed by then. */
  readonly finished: Promise<ClusterReport>;
}

/** What a run works with before its server has entered the store. */
interface RunFacts {
  readonly options: ServeOptions;
  readonly host: string;
  readonly scope: Scope;
  readonly log: Logger;
  readonly graceMs: number;
  /** The names of resources that the configuration knows. */
  readonly resources: ReadonlySet<string>;
  readonly input: Input | null;
  readonly failures: FailureFile | null;
  readonly store: Store;
  /** What a store in this process alone tells of itself; null: the tasks are in a database. */
  readonly own: OwnStore | null;
  /** When the run began, milliseconds since 1970. */
  readonly since: number;
  /** What prints the output of tasks; null: nobody does. */
  readonly printer: Printer | null;
}

/** A run under way: what it works with, and how far it is. */
interface Run extends RunFacts {
  readonly patience: Patience;
  /** What the store answered when the server entered. */
  readonly admission: Admission;
  /** Writes the server's row. */
  readonly enter: () => Promise<Admission>;
  readonly isAlive: (server: ServerRow) => boolean;
  /** See Liveness. */
  readonly isProven: (server: ServerRow) => boolean;
  readonly recovery: Recovery;
  /** Ends the reading of the input. */
  readonly stopReading: AbortController;
  stoppedBy: StopName | null;
  /** Whether the run is to end before all its tasks have. */
  isLeaving: boolean;
  /** Whether no line has come for a while. */
  isQuiet: boolean;
  /** Whether the input was read to its end, or as far as it will be. */
  isLoaded: boolean;
  /** How many tasks of the input are stored, and how many of its lines are no tasks. */
  stored: number;
  bad: number;
  /** Whether a database in trouble is not waited for. */
  isHurried: boolean;
}

const clock = systemClock;

/**
 * Starts a run. Everything that can be wrong with files is found before the first task runs: throws a UserError then.
 * The server starts at once, and clients may be attached as soon as this resolves.
 */
export async function serve(options: ServeOptions): Promise<Serving> {
  const run = await prepare(options);
  const { input, recovery } = run;
  const server = startServer(run);
  const watch = watchOthers(run);
  const loading = loadInput(run, server, watch.settled);
  // Awaited in `conclude`; this only silences an early rejection.
  const inputEnded = loading.then(
    () => undefined,
    () => undefined,
  );
  const serving: Omit<Serving, "finished"> = {
    server,
    backlog: () => run.store.backlog(run.scope),
    nothingToDo: input === null && !options.forever && recovery.unfinished === 0 && recovery.unproven.length === 0,
    stop(how, signal) {
      if (signal !== null) run.stoppedBy = moreUrgent(run.stoppedBy, signal);
      if (!run.isLeaving) tellOfReading(run);
      leaveInput(run);
      server.stop(how);
    },
    stopUnread() {
      if (run.stoppedBy !== null) return;
      run.log.warning(unreadText);
      serving.stop("finish", "SIGPIPE");
    },
    noticeUnread() {
      const isGone = (options.printsTasks || options.failures === "-") && isUnread(1);
      if (isGone) serving.stopUnread();
      return isGone;
    },
    inTrouble: () => run.patience.inTrouble,
    hurry() {
      run.isHurried = true;
      leaveInput(run);
      server.hurry();
    },
    inputEnded,
  };
  options.onBegin?.(() => sightOf(run, server.glance()));
  // Failures are not missed where nobody reads them: the run goes on. A task that dies because nobody reads it ends it.
  run.printer?.tellUnread(serving.stopUnread);
  const unwatchReader = watchReader(serving.noticeUnread, options.failures !== "-" && isPiped(1));
  const unwatchAwaited = printing.watchAwaited(run.store, run.printer, clock);
  function unwatch(): void {
    unwatchAwaited();
    watch.end();
    unwatchReader();
  }
  options.onServing?.(seenOf(options, run, server));
  return { ...serving, finished: conclude(run, server, loading, unwatch) };
}

/** How long a database in trouble is waited for when only the end of a run is to be written, milliseconds. */
const endMs = 10_000;

async function prepare(options: ServeOptions): Promise<Run> {
  const { instanceId, loggers, config, restart, forever, remote } = options;
  const log = loggers("server");
  const host = hostName();
  const since = clock.now();
  const scope: Scope = restart || forever ? { kind: "all" } : { kind: "submission", id: instanceId };
  const graceMs = config.integer("server.grace") * 1000;
  if (remote) expectPatience(config);

  const resources = resourceNames(config);
  const input = await openInput(options, host, resources);
  const printer = printing.printerOf(options, clock, log);
  const failures = openFailureFile(options, printer, () => store.durable);
  const opened = await chooseStore(options);
  const store = options.around?.(opened) ?? opened;
  const own = opened.own ?? null;
  const facts = { options, host, scope, log, graceMs, resources, input, printer, failures, store, own, since };
  try {
    return await enterStore(facts);
  } catch (error) {
    failures?.close();
    await store.close();
    throw error;
  }
}

/** Writes the rows of the server and its submission, and deals with what dead servers have left. */
async function enterStore(facts: RunFacts): Promise<Run> {
  const { options, host, scope, log, graceMs, input, store } = facts;
  const { instanceId, forever, policy, remote } = options;
  const patience = newPatience(clock, log);
  const enter = entering(options.instanceId, { host, scope, store });
  const admission = await begin(patience, enter);
  const { isAlive, isProven } = newLiveness(clock);
  const alive = (server: ServerRow): boolean => server.id === instanceId || isAlive(server);
  const liveness = { ownId: instanceId, isAlive: alive, isProven };
  const recovering = {
    ...liveness,
    store,
    scope,
    forever,
    retries: policy.retries,
    remote,
    now: clock.now,
    newId,
    log,
  };
  const recovery = await begin(patience, () => recover(recovering));
  tellOfEstates(recovery, graceMs, log);
  if (input !== null) await addSubmission(options, { host, store, patience });
  return {
    ...facts,
    patience,
    admission,
    enter,
    isAlive: alive,
    isProven,
    recovery,
    stopReading: new AbortController(),
    stoppedBy: null,
    isLeaving: false,
    isQuiet: false,
    isLoaded: input === null,
    stored: 0,
    bad: 0,
    isHurried: false,
  };
}

function openFailureFile(options: ServeOptions, printer: Printer | null, isDurable: () => boolean): FailureFile | null {
  const { failures: path, inputForm, instanceId: submitId, shell, logger, loggers } = options;
  if (path === null) return null;
  const defaults = taskDefaults(options);
  const log = loggers(logger);
  const isClear = path === "-" ? (printer?.isClear ?? null) : null;
  return openFailures({ path, inputForm, submitId, defaults, shell, isClear, isDurable, logger, log, clock });
}

/** Makes a call to the store that comes before the first task. */
function begin<T>(patience: Patience, call: () => Promise<T>): Promise<T> {
  const since = clock.now();
  return patience.persist("start", call, (error) => (clock.now() - since < patientStartMs ? null : error));
}

/** Writes the row of the submission that the input becomes. */
async function addSubmission(
  { instanceId, template, cwd, version }: ServeOptions,
  { host, store, patience }: Pick<Run, "host" | "store" | "patience">,
): Promise<void> {
  const submission = { id: instanceId, time: clock.now(), host, user: userName(), cwd, template, version };
  await begin(patience, () => store.addSubmission(submission));
}

/**
 * How long outcomes wait for others, milliseconds: with tasks that take a millisecond, a turn of the server for each
 * outcome costs more than the tasks' own bookkeeping. In one process with a database, outcomes do not wait but are
 * recorded at once, so that a crash repeats nothing that had ended. Remote clients keep their outcomes over a crash of
 * the server.
 */
const localCompanyMs = 3;
const remoteCompanyMs = 10;

function startServer(run: Run): Server {
  const { options, host, scope, log, graceMs, failures, store, patience, admission, recovery } = run;
  const { config, remote } = options;
  const server: Server = runServer({
    estates: recovery.estates,
    store: printing.tellingClaims(store, run.printer, scope),
    ...(run.printer === null ? {} : { printer: run.printer }),
    enter: run.enter,
    isAlive: run.isAlive,
    clock,
    log,
    patience,
    syncs: remote,
    view: () => seenOf(options, run, server).view(),
    onFailed: (task, template) => failures?.writeTask(task, template ?? options.template),
    settings: {
      serverId: options.instanceId,
      serverHost: host,
      storeId: admission.storeId,
      scope,
      ...options.policy,
      forever: options.forever,
      mayGrow: options.forever || options.measures === true,
      resources: [...run.resources],
      launchesClients: options.launchesClients,
      measures: options.measures === true,
      prints: run.printer !== null,
      bundleSize: options.bundleSize,
      pollMs: options.pollMs,
      evictMs: config.number("server.evict") * 1000,
      graceMs,
      durable: store.durable,
      companyMs: remote ? remoteCompanyMs : store.durable ? 0 : localCompanyMs,
      firstLease: admission.firstLease,
      newId,
    },
  });
  return server;
}

/** Watches the servers beside this one, if the run takes any free task. */
function watchOthers({ options, scope, store, graceMs, log, isAlive, isProven, recovery }: Run): Watch {
  if (scope.kind !== "all") return { end: () => undefined, settled: Promise.resolve() };
  const unproven = options.forever ? [] : recovery.unproven;
  return watchServers({ store, isAlive, isProven, unproven, clock, everyMs: serverBeatMs, graceMs, log });
}

/**
 * Feeds the input to the store while the server is at work. `settled`: when it is known which other servers have died;
 * until then the run does not end, because it may have to take over their tasks.
 */
async function loadInput(run: Run, server: Server, settled: Promise<void>): Promise<Fed> {
  const { options, input, failures, store, patience, stopReading } = run;
  function inputEnded(): void {
    if (run.recovery.unproven.length === 0 || options.forever) return server.inputEnded();
    server.inputQuiet();
    void settled.then(server.inputEnded);
  }
  if (input === null) {
    inputEnded();
    return { bad: 0, stopped: false, lines: 0 };
  }
  const heard = {
    ...server,
    inputEnded,
    inputResumed() {
      run.isQuiet = false;
      server.inputResumed();
    },
  };
  return feed(input, {
    store: printing.tellingInput(store, run.printer, run.scope),
    server: heard,
    onQuiet() {
      run.isQuiet = true;
      server.inputQuiet();
      if (run.isLeaving) leaveInput(run);
    },
    onStored(stored, bad) {
      run.stored = stored;
      run.bad = bad;
    },
    // The user can correct a line that can be written down again.
    onBad: (text) => failures?.writeLine(text),
    scope: { kind: "submission", id: options.instanceId },
    bundleSize: options.bundleSize,
    log: options.loggers("submit"),
    patience,
    signal: stopReading.signal,
  }).finally(() => (run.isLoaded = true));
}

type Fed = Pick<Loaded, "bad" | "stopped" | "lines">;

/**
 * Whether a run that leaves still reads its input. In a database the tasks are safe for a later run. Without one they
 * can only be written down; a user who ends the run does not wait for a program that may write for ever.
 */
function isInputKept({ store, input, failures, stoppedBy, isHurried }: Run): boolean {
  // A program that writes for ever ends by SIGPIPE itself, once nobody reads what it writes.
  if (stoppedBy === "SIGPIPE" && input?.isAllThere !== true) return false;
  if (isHurried) return false;
  return store.durable || (failures !== null && (stoppedBy === null || input?.isAllThere === true));
}

/** Whether what is not run is kept: in a database, or in the failure file. */
function isRestKept(run: Run): boolean {
  return isInputKept(run) || (run.failures !== null && !run.isHurried && !run.store.durable);
}

/** Lets a run leave its input: at once, when it falls silent, or at its end. */
function leaveInput(run: Run): void {
  run.isLeaving = true;
  // A file is never silent: only the store makes it wait.
  const hasMore = run.input?.isAllThere === true || !run.isQuiet;
  if (!isInputKept(run) || !hasMore) run.stopReading.abort();
}

/** Tells a user who ends a run what it still waits for, if a file is not yet in the database. */
function tellOfReading(run: Run): void {
  const { input, store, log, stoppedBy } = run;
  if (stoppedBy === null || run.isLoaded || input === null || !input.isAllThere || !isInputKept(run)) return;
  const place = store.durable ? "stored" : "written to the failure file";
  log.warning(
    `The rest of ${input.source.name} is ${place} before the run ends (a second Ctrl-C or TERM leaves without it)`,
  );
}

/**
 * Waits for the end of the server and of the input, deals with what is left, closes everything, and reports how it
 * went.
 */
async function conclude(run: Run, server: Server, loading: Promise<Fed>, unwatch: () => void): Promise<ClusterReport> {
  const { store, failures, stopReading } = run;
  try {
    const report = await server.finished.catch((error: unknown) => {
      stopReading.abort();
      throw error;
    });
    if (!run.isLoaded) leaveInput(run);
    const { salvaged, loaded } = await readRest(run, loading).catch(async (error: unknown) => {
      // This process may go on after a run that failed, and its row would keep tasks from others.
      if (!report.abandoned) await endRow(run);
      throw error;
    });
    unwatch();
    if (report.heldBack > 0) await copyHeldBack(run);
    if (!report.abandoned) await endRow(run);
    const left = await leftOf(run);
    await printing.allPrinted(run.printer, clock, () => readerPatience(run));
    await failures?.taken(() => readerPatience(run));
    const missing = failures?.close() ?? 0;
    return reportOf(run, report, loaded, { left: left === null ? null : Math.max(left, salvaged), missing });
  } catch (error) {
    throw run.isHurried ? asSignalled(run.stoppedBy, error) : error;
  } finally {
    unwatch();
    failures?.close();
    await store.close();
  }
}

/** Waits for the end of the input, and writes down what nobody is left to run. Rejects as the input does. */
async function readRest(run: Run, loading: Promise<Fed>): Promise<{ salvaged: number; loaded: Fed }> {
  const salvaged = isRestKept(run) ? await keepRest(restOf(run, loading)) : 0;
  return { salvaged, loaded: await loading };
}

/** Writes down the tasks of higher groups that the failures of one have kept from running. */
async function copyHeldBack(run: Run): Promise<void> {
  const { options, host, scope, failures, store, patience } = run;
  const isOurs = scope.kind === "submission";
  if (failures === null || !store.durable || !isOurs || run.isHurried || run.stoppedBy !== null) return;
  const owner = { serverId: options.instanceId, serverHost: host, scope, at: clock.now() };
  await copyWaiting(patientStore(store, patience), owner, (task) => failures.writeTask(task, options.template));
}

function restOf({ options, host, scope, input, failures, store, stopReading }: Run, loading: Promise<Fed>): Rest {
  return {
    store,
    owner: { serverId: options.instanceId, serverHost: host, scope, at: clock.now() },
    loading,
    stopReading: input?.isAllThere === true ? null : () => stopReading.abort(),
    write: (task) => failures?.writeTask(task, options.template),
    clock,
  };
}

/**
 * Writes the end of the server's row. A database in trouble is waited for a little: all outcomes are recorded, and if
 * the row stays, the next run buries it, because the process is gone.
 */
async function endRow(run: Run): Promise<void> {
  const { options, store, patience, log } = run;
  const since = clock.now();
  const enough = (error: TransientError): Error | null =>
    run.isHurried || clock.now() - since >= endMs ? error : null;
  try {
    await patience.persist("server", () => store.endServer(options.instanceId), enough);
  } catch (error) {
    if (!(error instanceof TransientError)) throw error;
    log.debug(() => `Could not record the end of the server: ${messageOf(error)}`);
  }
}

/**
 * The number of tasks that this run was to run and that have not ended; null: the database is in trouble, and is not
 * waited for.
 */
async function leftOf(run: Run): Promise<number | null> {
  const { store, scope, patience } = run;
  const isStopped = store.durable && run.stoppedBy !== null;
  // In scope `all` other servers may be at work on the rest.
  if (!isStopped && store.durable && scope.kind === "all") return 0;
  const since = clock.now();
  const enough = (error: TransientError): Error | null => {
    if (isStopped) return run.isHurried || clock.now() - since >= endMs ? error : null;
    const text = `What is left is not known: ${error.message}`;
    return run.isHurried ? new UserError(exitStatus.interrupted, "server", text) : null;
  };
  try {
    return (await patience.persist("survey", () => store.survey(scope), enough)).unfinished;
  } catch (error) {
    if (isStopped && error instanceof TransientError) return null;
    throw error;
  }
}

/**
 * Tells of tasks that failed or were not run, and of lines that were not read. `left`: see leftOf; `missing`: how many
 * lines the failure file lacks.
 */
function reportOf(
  run: Run,
  report: ServerReport,
  fed: Fed,
  { left, missing }: { readonly left: number | null; readonly missing: number },
): ClusterReport {
  const { options, store, input, stoppedBy } = run;
  const log = options.loggers(options.logger);
  const tally = { ...report, bad: fed.bad };
  const { instanceId: serverId, failures } = options;
  const failed = describeFailures(tally, { scope: run.scope, serverId, durable: store.durable, failures, missing });
  if (failed !== null) log.warning(failed);
  if (fed.stopped && input !== null) {
    const where = `after ${counted(fed.lines, "line")}`;
    log.warning(
      `Stopped reading ${input.source.name} ${where} - what follows is not ${store.durable ? "stored" : "run"}`,
    );
  }
  if (left !== null && left > 0) {
    const text = `${counted(left, "task")} ${left === 1 ? "was" : "were"} not run`;
    const rest = left === 1 ? "it is in the database (run it" : "they are in the database (run them";
    if (store.durable && stoppedBy !== null) run.log.info(`${text} - ${rest} with --restart)`);
    else if (store.durable || failures === null || failures === "-") log.warning(text);
    else if (missing > 0) log.warning(`${text} - ${describeMissing(missing, failures)}`);
    else log.warning(`${text} - ${left === 1 ? "it is" : "they are"} in ${failures}`);
  }
  const summary = options.summary ? describeRun(tally, left, clock.now() - run.since) : null;
  if (summary !== null) log.info(summary);
  const isWhole = left === 0 && !fed.stopped && report.heldBack === 0 && report.missing.length === 0;
  const complete = failed === null && isWhole && run.printer?.hasLost() !== true;
  return { complete, stoppedBy, tally, left };
}
