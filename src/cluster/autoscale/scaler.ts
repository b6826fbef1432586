/*
 * The autoscaler of a run: it looks at intervals, launches what the policy decides, and tells what becomes of launches.
 * Does the I/O and decides nothing: the decision is in policy.ts, what is known of launches in fleet.ts. Does not know
 * where tasks and clients come from.
 */
import type { Clock, Timer } from "../../base/clock.ts";
import { messageOf, TransientError } from "../../base/errors.ts";
import { formatDuration } from "../../base/units.ts";
import type { Jobs } from "../../launch/jobs.ts";
import type { LauncherEnd } from "../../launch/launcher.ts";
import type { Logger } from "../../log/logger.ts";
import type { ServerLoad } from "../../server/load.ts";
import type { Backlog } from "../../store/store.ts";
import {
  addLaunch,
  arrive,
  clear,
  type Fleet,
  type Launch,
  match,
  nameOfLaunch,
  newFleet,
  type Over,
  sightOf,
} from "./fleet.ts";
import { decide, describeSight, initialSize, type Rules } from "./policy.ts";

/** How a launcher was started. */
export interface Started {
  readonly pid: number;
  readonly ended: Promise<LauncherEnd>;
}

export interface ScalerOptions {
  readonly rules: Rules;
  /** What the names of launches begin with: no other run has it. */
  readonly prefix: string;
  readonly load: () => ServerLoad;
  readonly backlog: () => Promise<Backlog>;
  /** Starts a launcher that hands on this name to its client. Throws a UserError if it cannot be started. */
  readonly launch: (name: string) => Started;
  /** The jobs that the launcher submits, and how their ids are found in what it prints; null: it runs clients. */
  readonly jobs: (Jobs & { readonly idIn: (printed: string) => string | null }) | null;
  /** Called once if no client can be launched: all launches have failed, and no client has ever come. */
  readonly onEnd: (reason: string) => void;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface Scaler {
  /** Launches the clients to start with, and begins to look. */
  start(): void;
  /** Notes that a client has come; `job`: what brought it up, null: it does not say. */
  arrived(job: string | null): void;
  /** Launches nothing more. */
  stop(): void;
  /** Cancels the jobs from which no client has come. */
  cancelJobs(): Promise<void>;
}

/** A scaler at work. */
interface State {
  readonly options: ScalerOptions;
  readonly fleet: Fleet;
  /** The last words of the launch that failed last. */
  lastFailure: string;
  /** Launchers that may be about to submit a job. */
  readonly submitting: Set<Promise<unknown>>;
  timer: Timer | null;
  isOver: boolean;
}

/** An autoscaler that has not begun. */
export function newScaler(options: ScalerOptions): Scaler {
  const state: State = {
    options,
    fleet: newFleet(),
    lastFailure: "",
    submitting: new Set(),
    timer: null,
    isOver: false,
  };
  return {
    start() {
      const { rules, log } = options;
      const size = initialSize(rules);
      log.info(`Autoscale start (policy: ${rules.policy}, init-size: ${size})`);
      for (let count = 0; count < size; count++) launch(state);
      pause(state);
    },
    arrived: (job) => arrive(state.fleet, job),
    stop() {
      if (state.isOver) return;
      state.isOver = true;
      state.timer?.cancel();
      options.log.debug("Done (autoscaler)");
    },
    async cancelJobs() {
      await Promise.all(state.submitting);
      const waiting = state.fleet.launches.flatMap(({ job, hasCome }) => (job === null || hasCome ? [] : [job]));
      if (waiting.length > 0) await options.jobs?.cancel(waiting);
    },
  };
}

/** Waits for the next look. */
function pause(state: State): void {
  const { clock, log, rules } = state.options;
  log.trace(() => `Autoscale wait (${formatDuration(rules.periodMs / 1000)})`);
  state.timer = clock.after(rules.periodMs, () => {
    state.timer = null;
    void look(state)
      .catch((error: unknown) => {
        // A database that is away for a moment is nothing that an autoscaler could mend.
        if (!(error instanceof TransientError)) state.options.log.warning(`Autoscale look failed: ${messageOf(error)}`);
        else state.options.log.debug(`Autoscale look failed: ${error.message}`);
      })
      .finally(() => {
        if (!state.isOver) pause(state);
      });
  });
}

/** Looks once, and launches a client if the policy says so. */
async function look(state: State): Promise<void> {
  const { options, fleet } = state;
  const { rules, clock, log } = options;
  sweep(state);
  await askForJobs(state);
  const backlog = await options.backlog();
  if (state.isOver) return;
  sweep(state);
  fleet.round++;
  const sight = sightOf(fleet, options.load(), backlog, rules, clock.now());
  log.debug(() => describeSight(rules, sight));
  const { kind, reason } = decide(rules, sight);
  log.debug(reason);
  if (kind === "add") launch(state);
  else if (kind === "end") end(state, reason);
}

function end(state: State, reason: string): void {
  state.isOver = true;
  state.timer?.cancel();
  state.options.onEnd(state.lastFailure === "" ? reason : `${reason} - ${state.lastFailure}`);
}

/** Notes which clients are there, and tells of launches that are over. */
function sweep(state: State): void {
  const { fleet, options } = state;
  match(fleet, options.load().clients);
  for (const over of clear(fleet, options.clock.now())) tell(state, over);
}

function tell(state: State, { launch: gone, kind }: Over): void {
  const { log } = state.options;
  const { index, end: ending, hasCome, job } = gone;
  const name = nameOfLaunch(gone);
  log.trace(() => `Autoscale clean (${index}: ${name})`);
  if (kind === "gone") return log.info(`Autoscale client disconnected (${name})`);
  if (job !== null) state.lastFailure = `job ${job} ended before its client came`;
  else state.lastFailure = `exited with status ${ending?.status ?? 1}${wordsOf(gone)}`;
  const what = job === null ? `exited with status ${ending?.status ?? 1}` : `ended before it came (job ${job})`;
  if (!state.isOver) log.warning(`Autoscale client (${index}) ${what}${job === null ? wordsOf(gone) : ""}`);
  if (!hasCome) return;
  // The failure of a client that was there says nothing of launches.
  state.lastFailure = "";
}

function wordsOf({ end: ending, hasCome }: Launch): string {
  const lines = ending?.lastLines ?? [];
  if (lines.length > 0) return `: ${lines.join(" - ")}`;
  return hasCome || ending?.status !== 0 ? "" : ": no client had come";
}

/** Launches one more client. */
function launch(state: State): void {
  const { options, fleet } = state;
  const name = `${options.prefix}-${fleet.launched + 1}`;
  let started: Started;
  try {
    started = options.launch(name);
  } catch (error) {
    const failed = addLaunch(fleet, name, null);
    failed.end = { status: cannotStart, lastLines: [messageOf(error)] };
    return sweep(state);
  }
  const made = addLaunch(fleet, name, started.pid);
  // Of a job the id is not known yet.
  if (options.jobs === null) options.log.info(`Autoscale adding client (${started.pid})`);
  // This promise never rejects.
  const ended = started.ended.then((how) => noteEnd(state, made, how));
  if (options.jobs === null) return;
  state.submitting.add(ended);
  void ended.then(() => state.submitting.delete(ended));
}

/** The status of a launcher that cannot be started, as a shell has it. */
const cannotStart = 127;

function noteEnd(state: State, made: Launch, { status, lastLines, printed }: LauncherEnd): void {
  const { jobs, log } = state.options;
  made.end = { status, lastLines };
  if (jobs !== null && status === 0) {
    made.job = jobs.idIn(printed);
    if (made.job !== null) log.info(`Autoscale adding client (${nameOfLaunch(made)})`);
    else made.end = { status, lastLines: [`it printed no id of a job: ${printed.trim().slice(0, 200) || "nothing"}`] };
  }
  sweep(state);
}

/** Asks for the jobs from which no client has come. */
async function askForJobs(state: State): Promise<void> {
  const { fleet, options } = state;
  const silent = fleet.launches.filter(({ job, hasCome }) => job !== null && !hasCome);
  const states = await options.jobs?.states(silent.map(({ job }) => job!));
  if (states === null || states === undefined) return;
  for (const each of silent) each.jobState = states.get(each.job!) ?? "gone";
}
