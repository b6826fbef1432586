/*
 * The story of `hsx -A`: a server here that runs for ever, and clients that an autoscaler brings up while tasks wait
 * for them. They leave by themselves when they are idle (-T), are drained, or reach the end of their job. Knows how the
 * server, the launchers and the autoscaler start and end together. What every server needs is in serve.ts.
 */
import { systemClock } from "../base/clock.ts";
import { type UserError, runtimeError } from "../base/errors.ts";
import { allowDescriptors, descriptorLimit } from "../base/limits.ts";
import { hostName } from "../base/process.ts";
import { type Arrivals, arrivals } from "../launch/arrivals.ts";
import { type OpenCrew, openCrew } from "../launch/crew.ts";
import { openJobs } from "../launch/jobs.ts";
import { launchVariable, type Order } from "../launch/launcher.ts";
import { orderClient } from "../launch/orders.ts";
import { jobIn, type Submitter, submitterOf } from "../launch/submitted.ts";
import type { Logger } from "../log/logger.ts";
import type { Rules } from "./autoscale/policy.ts";
import { newScaler, type Scaler, type ScalerOptions } from "./autoscale/scaler.ts";
import { type Listening, listenForClients, type ListeningOptions, settingsOfClients } from "./listening.ts";
import { type LoggedOptions, serveLogged } from "./joblog.ts";
import type { ClusterReport, Serving } from "./serve.ts";
import { moreUrgent, onSignals, type StopName } from "./signals.ts";
import { mostDescriptors } from "./standalone.ts";

export interface ScaledOptions
  extends Omit<LoggedOptions, "logger" | "remote" | "launchesClients" | "forever">, ListeningOptions {
  /** The words that start a client elsewhere; none: it is started here. */
  readonly launcher: readonly string[];
  readonly rules: Rules;
}

interface ScaledRun {
  readonly options: ScaledOptions;
  readonly log: Logger;
  readonly listening: Listening;
  readonly serving: Serving;
  readonly clients: Arrivals;
  readonly crew: OpenCrew;
  readonly scaler: Scaler;
  /** Why no client could be launched; null: some could, or may yet. */
  failure: string | null;
  /** Whether the server has ended. */
  isOver: boolean;
  stoppedBy: StopName | null;
}

const clock = systemClock;

/** The shortest time between two questions to a batch system, milliseconds. */
const askingPauseMs = 5000;

/**
 * Runs a server, and as many clients as the tasks call for, until a signal ends it. Throws a UserError when something
 * is wrong with the template, the launcher, the address or the files, and when no client can be launched.
 */
export async function runScaled(options: ScaledOptions): Promise<ClusterReport> {
  const log = options.loggers("cluster");
  const listening = await listenForClients(options, options.launcher[0] ?? options.client.program, log);
  const limit = raiseLimit();
  const serving = await serveLogged({
    ...options,
    logger: "cluster",
    remote: true,
    forever: true,
    launchesClients: false,
    measures: true,
  }).catch((error: unknown) => {
    listening.gate.close();
    throw error;
  });
  const run = assemble(options, { log, listening, serving, limit });
  const release = obeySignals(run);
  listening.gate.open((link) => serving.server.attach(run.clients.watch(link)));
  run.scaler.start();
  try {
    const report = await serving.finished;
    if (run.failure !== null && run.stoppedBy === null) throw failed(run.failure, options);
    return { ...report, stoppedBy: run.stoppedBy ?? report.stoppedBy };
  } finally {
    run.isOver = true;
    await sendHome(run);
    listening.gate.close();
    release();
  }
}

/**
 * Lets this process have a connection to each of many clients. Answers the limit before, which its launchers shall
 * have; null: it is the same.
 */
function raiseLimit(): number | null {
  const before = descriptorLimit();
  allowDescriptors(mostDescriptors);
  return descriptorLimit() === before ? null : before;
}

type Parts = Pick<ScaledRun, "log" | "listening" | "serving"> & { readonly limit: number | null };

function assemble(options: ScaledOptions, { log, listening, serving, limit }: Parts): ScaledRun {
  const { instanceId, config, cwd, rules, launcher } = options;
  const { gate, announce, security } = listening;
  const { order, env } = orderClient(launcher, cwd, {
    plan: { ...options.client, host: announce, port: gate.port, tls: security.tls !== null },
    key: security.key,
    env: config.inheritable(options.env),
    settings: settingsOfClients(config),
    exports: config.exports(),
    log,
  });
  const crew = openCrew({ id: instanceId, env, cwd, clock, log, onEnd: () => undefined });
  const limited = withLimit(order, limit);
  const submitter = submitterOf(launcher);
  const scaler = newScaler({
    rules,
    prefix: `hs-${instanceId}`,
    load: () => serving.server.load(),
    backlog: () => serving.backlog(),
    launch: (name) => crew.hire(limited, { [launchVariable]: name }),
    jobs: submitter === null ? null : jobsOf(submitter, options, log),
    onEnd(reason) {
      run.failure = reason;
      serving.stop("abort", null);
    },
    clock,
    log,
  });
  const clients = arrivals({
    serverId: instanceId,
    serverHost: hostName(),
    onClose: () => undefined,
    onHello: (job) => scaler.arrived(job),
  });
  const state = { failure: null, isOver: false, stoppedBy: null };
  const run: ScaledRun = { options, log, listening, serving, clients, crew, scaler, ...state };
  return run;
}

function jobsOf(submitter: Submitter, options: ScaledOptions, log: Logger): NonNullable<ScalerOptions["jobs"]> {
  const { config, env, cwd } = options;
  const jobs = openJobs({ submitter, env: config.inheritable(env), cwd, pauseMs: askingPauseMs, clock, log });
  return { ...jobs, idIn: (printed) => jobIn(submitter, printed) };
}

/** The order with a limit of open files: that of this process was raised for its connections. */
function withLimit(order: Order, limit: number | null): Order {
  if (limit === null || process.platform === "win32") return order;
  return { ...order, words: ["/bin/sh", "-c", `ulimit -Sn ${limit}; exec "$@"`, "sh", ...order.words] };
}

/** Starts listening to signals. Answers a function that stops it. */
function obeySignals(run: ScaledRun): () => void {
  const { serving, scaler, crew, options } = run;
  return onSignals(
    {
      stop(how, signal) {
        run.stoppedBy = moreUrgent(run.stoppedBy, signal);
        scaler.stop();
        serving.stop(how, signal);
        if (run.isOver && how === "abort") crew.hurry();
      },
      running: serving.server.running,
      inTrouble: serving.inTrouble,
      kill() {
        serving.hurry();
        crew.hurry();
      },
    },
    options.loggers,
    "server",
  );
}

/** Time for clients to leave and launchers to end by themselves, milliseconds. */
const patienceMs = 10_000;
/** The same time for a run that was interrupted or has failed. */
const shortPatienceMs = 3000;

/** Sends away clients that still come, waits for the launchers to end, and cancels the jobs that still wait. */
async function sendHome({ options, listening, clients, crew, scaler, stoppedBy, failure }: ScaledRun): Promise<void> {
  scaler.stop();
  listening.gate.open(clients.dismiss);
  const isHasty = failure !== null || stoppedBy === "SIGINT" || stoppedBy === "SIGTERM";
  const shortMs = clients.ever ? shortPatienceMs : 0;
  await Promise.all([
    crew.disband(isHasty ? shortMs : patienceMs + Math.abs(options.client.delay) * 1000),
    scaler.cancelJobs(),
  ]);
}

/** The error for a run without a client, with what became of its tasks. */
function failed(reason: string, { launcher, client, noDatabase, failures }: ScaledOptions): UserError {
  const kept = noDatabase
    ? failures === null
      ? "what was to be done is lost"
      : "what was to be done is in the failure file"
    : "what is to be done waits in the database (--restart)";
  const name = launcher[0] ?? client.program;
  return runtimeError("cluster", `No client could be launched by '${name}', ${kept} - ${reason}`);
}
