/*
 * The story of `hsx` with clients on other hosts: a server here that listens, and launchers (srun, mpirun, ssh) that
 * bring up its clients. Knows how they start and end together, and what it means when a launcher ends early. What every
 * server needs is in serve.ts.
 */
import { systemClock } from "../base/clock.ts";
import type { UserError } from "../base/errors.ts";
import { runtimeError } from "../base/errors.ts";
import { allowDescriptors } from "../base/limits.ts";
import { hostName } from "../base/process.ts";
import { type Arrivals, arrivals } from "../launch/arrivals.ts";
import { type Crew, type Ended, musterCrew } from "../launch/crew.ts";
import { type Launch, makeOrders } from "../launch/orders.ts";
import type { Logger } from "../log/logger.ts";
import { type LaunchedClient, type Listening, listenForClients, type ListeningOptions } from "./listening.ts";
import { settingsOfClients } from "./listening.ts";
import { type LoggedOptions, serveLogged } from "./joblog.ts";
import type { ClusterReport, Serving } from "./serve.ts";
import { moreUrgent, onSignals, type StopName } from "./signals.ts";
import { mostDescriptors } from "./standalone.ts";

export interface LaunchedOptions
  extends Omit<LoggedOptions, "logger" | "remote" | "launchesClients">, ListeningOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly launch: Launch;
}

/** The state of a run whose clients are launched. */
interface LaunchedRun {
  readonly options: LaunchedOptions;
  readonly log: Logger;
  readonly graceMs: number;
  readonly listening: Listening;
  readonly serving: Serving;
  readonly clients: Arrivals;
  /** The launchers; null: none is started yet. */
  crew: Crew | null;
  /** Whether the run ended because nobody was left to run tasks. */
  isDeserted: boolean;
  /** Whether the server has ended. */
  isOver: boolean;
  /** Whether the server has ended with a report, which is then the answer of the run. */
  isConcluded: boolean;
  stoppedBy: StopName | null;
}

const clock = systemClock;

/**
 * Runs a server here, and clients elsewhere, until everything is done. Throws a UserError when something is wrong with
 * the template, the launcher, the address or the files, and when all clients are gone before their tasks have ended.
 */
export async function runLaunched(options: LaunchedOptions): Promise<ClusterReport> {
  const run = await prepare(options);
  const { gate } = run.listening;
  const release = obeySignals(run);
  gate.open((link) => run.serving.server.attach(run.clients.watch(link)));
  try {
    run.crew = await launchClients(run);
    look(run);
    const report = await run.serving.finished;
    // Who stops a whole job may end the clients before this run hears of it.
    const isStopped = run.stoppedBy === "SIGINT" || run.stoppedBy === "SIGTERM";
    if (run.isDeserted && !isStopped && !isOrderly(run.crew, options.client)) throw desertion(run.crew, options);
    run.isConcluded = true;
    return { ...report, stoppedBy: run.stoppedBy ?? report.stoppedBy };
  } finally {
    run.isOver = true;
    await sendHome(run);
    gate.close();
    release();
  }
}

async function prepare(options: LaunchedOptions): Promise<LaunchedRun> {
  const { instanceId, loggers, config, launch } = options;
  const log = loggers("cluster");
  const host = hostName();
  const graceMs = config.integer("server.grace") * 1000;
  const listening = await listenForClients(options, launch.kind === "ssh" ? "ssh" : (launch.words[0] ?? ""), log);
  const { gate } = listening;
  const serving = await serveLogged({ ...options, logger: "cluster", remote: true, launchesClients: true }).catch(
    (error: unknown) => {
      gate.close();
      throw error;
    },
  );
  const run: LaunchedRun = {
    options,
    log,
    graceMs,
    listening,
    serving,
    clients: arrivals({ serverId: instanceId, serverHost: host, onClose: () => look(run) }),
    crew: null,
    isDeserted: false,
    isOver: false,
    isConcluded: false,
    stoppedBy: null,
  };
  return run;
}

/** Starts listening to signals. Answers a function that stops it. */
function obeySignals(run: LaunchedRun): () => void {
  const { serving, options } = run;
  return onSignals(
    {
      stop(how, signal) {
        run.stoppedBy = moreUrgent(run.stoppedBy, signal);
        serving.stop(how, signal);
        if (run.isOver && how === "abort") run.crew?.hurry();
      },
      running: serving.server.running,
      inTrouble: serving.inTrouble,
      kill() {
        serving.hurry();
        run.crew?.hurry();
      },
    },
    options.loggers,
    "server",
  );
}

/**
 * Starts the launchers; none if there is nothing to do. If one cannot be started, the run ends first. Throws the error
 * only then.
 */
async function launchClients(run: LaunchedRun): Promise<Crew> {
  const { options, log, listening, serving } = run;
  const { launch, client, env, config } = options;
  const { gate, announce, security } = listening;
  const plan = { ...client, host: announce, port: gate.port, tls: security.tls !== null };
  const settings = settingsOfClients(config);
  const made = makeOrders(launch, {
    plan,
    key: security.key,
    env: config.inheritable(env),
    settings,
    exports: config.exports(),
    log,
  });
  // A launcher is started with the limits that its tasks shall have: srun hands them on. What ssh starts has others.
  if (launch.kind === "ssh") allowDescriptors(mostDescriptors);
  try {
    return await musterCrew(serving.nothingToDo ? [] : made.orders, {
      id: options.instanceId,
      env: made.env,
      cwd: options.cwd,
      clock,
      log,
      onEnd: (end) => noteEnd(run, end),
    });
  } catch (error) {
    serving.stop("abort", null);
    await serving.finished;
    throw error;
  } finally {
    allowDescriptors(mostDescriptors);
  }
}

/** Ends the run when no launcher and no client is left: nobody would run the tasks. */
function look(run: LaunchedRun): void {
  const { options, graceMs, serving, clients, crew } = run;
  const { launch, client } = options;
  if (crew === null || serving.nothingToDo || !crew.ended) return;
  if (run.isOver || run.isDeserted || run.stoppedBy !== null) return;
  if (clients.count > 0 || clients.leaving) return;
  // A client whose ssh lost its connection may still run, and come back by itself.
  const broken = crew.ends.filter(({ status }) => launch.kind === "ssh" && status === sshFailure);
  const until = clients.ever ? Math.max(0, ...broken.map(({ at }) => at + graceMs)) : 0;
  if (clock.now() < until) {
    clock.after(until - clock.now() + 1, () => look(run));
    return;
  }
  // A launcher writes on our standard output what its clients print, and ends when nobody reads it.
  if (serving.noticeUnread()) return;
  run.isDeserted = true;
  if (isOrderly(crew, client)) serving.server.stop("finish");
  else serving.stop("abort", null);
}

/** The exit status of `ssh` itself, when the connection could not be made or broke. */
const sshFailure = 255;

/** Notes that a launcher has ended, and warns if something was wrong with it. */
function noteEnd(run: LaunchedRun, end: Ended): void {
  const { options, log, serving } = run;
  look(run);
  // A user who interrupted the run, or who reads why it failed, needs no more warnings. Otherwise the launcher may
  // belong to a host that was down and took no part.
  if (end.dismissed && run.isOver && !isHasty(run)) log.warning(overstaying(end, options.launch));
  // If nobody is left, the failure of the run tells of the last launcher's end. If nobody reads the output, that was
  // told.
  if (end.status !== 0 && !end.dismissed && !run.isDeserted && !serving.noticeUnread())
    log.warning(ending(end, options.launch));
}

/** Whether the run was interrupted, or has failed. */
function isHasty({ isConcluded, stoppedBy }: LaunchedRun): boolean {
  return !isConcluded || stoppedBy === "SIGINT" || stoppedBy === "SIGTERM";
}

/**
 * Time for clients to leave and launchers to end by themselves, milliseconds. The delay with which clients may start is
 * added to it.
 */
const patienceMs = 10_000;
/** The same time for a run that was interrupted or has failed. */
const shortPatienceMs = 3000;

/** Sends away clients that still come, and waits for the launchers to end. After a while it makes them end. */
async function sendHome(run: LaunchedRun): Promise<void> {
  const { options, listening, clients, crew } = run;
  listening.gate.open(clients.dismiss);
  // A launcher that has not brought up a client yet has nothing to finish.
  const shortMs = clients.ever ? shortPatienceMs : 0;
  await crew?.disband(isHasty(run) ? shortMs : patienceMs + Math.abs(options.client.delay) * 1000);
}

/** Whether the clients left in good order: they had been idle for as long as they were told to wait. */
function isOrderly(crew: Crew, client: LaunchedClient): boolean {
  return client.idle !== null && crew.ends.every(({ status }) => status === 0);
}

function ending(end: Ended, launch: Launch): string {
  return `${nameOf(end, launch)} ended with status ${end.status}${quoted(end.lastLines)}`;
}

function overstaying(end: Ended, launch: Launch): string {
  return `${nameOf(end, launch)} did not end when all was done, and was made to${quoted(end.lastLines)}`;
}

function nameOf({ name }: Ended, launch: Launch): string {
  return launch.kind === "ssh" ? `Client on ${name}` : `Launcher '${name}'`;
}

function quoted(lines: readonly string[]): string {
  return lines.length === 0 ? "" : `: ${lines.join(" - ")}`;
}

/** The error for a run that ended before its tasks did, with what became of them. */
function desertion(crew: Crew, { launch, noDatabase, failures }: LaunchedOptions): UserError {
  const bad = crew.ends.filter(({ status }) => status !== 0);
  const last = bad.at(-1);
  const how =
    last !== undefined
      ? ending(last, launch)
      : launch.kind === "ssh"
        ? "the clients ended before the tasks did"
        : `launcher '${launch.words[0] ?? ""}' ended before the tasks did`;
  const left = !noDatabase
    ? "what did not finish waits in the database (--restart)"
    : failures === null
      ? "what did not finish is lost"
      : "what did not finish is in the failure file";
  return runtimeError("cluster", `No client is left, ${left} - ${how}`);
}
