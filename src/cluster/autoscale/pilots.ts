/*
 * The looks of `hs autoscale`: pilots for a server that runs elsewhere, as many as the tasks in its database call for.
 * Only numbers are known of that server: its tasks and its connected clients. A pilot is a job, or a process on this
 * host, that was launched before and is not over. The decision is in policy.ts.
 */
import type { Clock } from "../../base/clock.ts";
import { messageOf } from "../../base/errors.ts";
import { counted } from "../../base/units.ts";
import type { Jobs } from "../../launch/jobs.ts";
import { type JobState, jobIn, type Submitter } from "../../launch/submitted.ts";
import type { Logger } from "../../log/logger.ts";
import type { Backlog } from "../../store/store.ts";
import { hostName } from "../../base/process.ts";
import { isThere } from "../../base/process-source.ts";
import { processes } from "../../base/processes.ts";
import { alone, type Memory, type MemoryPlace, noLuck, type Pilot, readMemory, writeMemory } from "./pilot-file.ts";
import { decide, type Decision, describeSight, pressureOfBacklog, type Rules, type Sight } from "./policy.ts";

/** A launcher that submits, and the jobs of its batch system. */
export interface PilotJobs extends Jobs {
  readonly submitter: Submitter;
}

/** What a launcher has come to. */
export interface PilotLaunch {
  readonly pid: number;
  /** The exit status of a launcher that submits; null: it runs its pilot, and goes on. */
  readonly status: number | null;
  readonly printed: string;
  readonly lastLines: readonly string[];
}

export interface PilotOptions extends MemoryPlace {
  readonly rules: Rules;
  /** How many tasks call for a client; null: the policy does not ask. */
  readonly perClient: number | null;
  /** The launcher's words. */
  readonly words: readonly string[];
  /** The jobs of a launcher, by its words; null: it runs its pilots. */
  readonly jobsOf: (words: readonly string[]) => PilotJobs | null;
  /** Whether this look is the only one: whoever calls decides when to try again, and launches are never given up. */
  readonly isOnce: boolean;
  /** Whether this look forgets how earlier launches went. Absent: it does not. */
  readonly isFresh?: boolean;
  /** What is to be done, and how many clients are connected to servers that are alive. */
  readonly outlook: () => Promise<{ readonly backlog: Backlog; readonly clients: number }>;
  /** Runs the launcher's words. Throws a UserError if they cannot be run. */
  readonly launch: () => Promise<PilotLaunch>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** What a look has seen, and what was decided. */
export interface Look {
  readonly sight: Sight;
  readonly decision: Decision;
  /** How many jobs wait in a queue, and how many pilots run. */
  readonly waiting: number;
  readonly running: number;
  /** Whether a pilot was launched, or nothing was to be launched. */
  readonly isDone: boolean;
}

/** Looks once, and launches a pilot if that is decided. Throws UserError when another one does not stop looking. */
export async function lookOnce(options: PilotOptions): Promise<Look> {
  return alone(options.lib, options.clock, async () => {
    const found = await seen(options);
    const { rules, log } = options;
    const told = tellOver(found, options);
    log.debug(() => describeSight(rules, found.sight));
    const { luck } = told;
    const everCame = luck.everCame || options.isOnce;
    const decision = decide(rules, { ...found.sight, luck: { ...luck, everCame } });
    log.debug(decision.reason);
    const memory = { ...told, pilots: found.live.map(({ pilot }) => pilot) };
    if (decision.kind !== "add") {
      writeMemory(options, memory);
      return { ...found, decision, isDone: decision.kind === "wait" };
    }
    const after = await launchPilot(options, memory, found.sight.total);
    writeMemory(options, after);
    return { ...found, decision, isDone: after.pilots.length > memory.pilots.length };
  });
}

/** Looks without launching or remembering anything. */
export async function lookOnly(options: PilotOptions): Promise<Look> {
  const found = await seen(options);
  return { ...found, decision: decide(options.rules, found.sight), isDone: true };
}

interface Seen extends Pick<Look, "sight" | "waiting" | "running"> {
  readonly live: readonly Live[];
  readonly over: readonly Pilot[];
  readonly memory: Memory;
  readonly clients: number;
}

interface Live {
  readonly pilot: Pilot;
  readonly state: JobState;
}

async function seen(options: PilotOptions): Promise<Seen> {
  const { rules, perClient, clock } = options;
  const found = readMemory(options);
  const memory = options.isFresh === true ? { ...found, luck: noLuck } : found;
  const states = await statesOf(memory.pilots, options);
  const live = memory.pilots.flatMap((pilot): readonly Live[] => {
    const state = states.get(pilot) ?? "gone";
    return state === "gone" ? [] : [{ pilot, state }];
  });
  const over = memory.pilots.filter((pilot) => !live.some((each) => each.pilot === pilot));
  const waiting = live.filter(({ state }) => state === "waiting").length;
  const { backlog, clients } = await options.outlook();
  // A job that has just begun is no client yet, and clients may have been started by hand.
  const launched = Math.max(live.length, clients + waiting);
  const tasks = backlog.inGroup;
  const pressure = perClient === null ? null : pressureOfBacklog(tasks, perClient, rules.factor, launched);
  const sight: Sight = {
    now: clock.now(),
    group: backlog.group ?? 0,
    tasks,
    waiting: tasks,
    total: backlog.unfinished,
    registered: clients,
    launched,
    draining: 0,
    room: 0,
    pressure,
    luck: memory.luck,
  };
  return { sight, waiting, running: live.length - waiting, live, over, memory, clients };
}

/** How each pilot stands. A batch system that does not answer leaves everything as it was. */
async function statesOf(
  pilots: readonly Pilot[],
  { jobsOf, clock }: Pick<PilotOptions, "jobsOf" | "clock">,
): Promise<ReadonlyMap<Pilot, JobState>> {
  const found = new Map<Pilot, JobState>();
  const known = pilots.filter(({ at }) => clock.now() - at < forgottenMs);
  for (const some of Map.groupBy(known, ({ words }) => words.join("\0")).values()) {
    const ids = some.flatMap(({ job }) => (job === null ? [] : [job]));
    const states = ids.length === 0 ? null : await jobsOf(some[0]!.words)?.states(ids);
    for (const pilot of some) {
      if (pilot.job === null) found.set(pilot, isRunning(pilot) ? "running" : "gone");
      else found.set(pilot, states?.get(pilot.job) ?? "running");
    }
  }
  return found;
}

/** After this time a pilot counts as gone, whatever can be found out about it, milliseconds: 60 days. */
const forgottenMs = 60 * 86_400_000;

/** Whether the process of a pilot runs. On another host it is taken to do so. */
function isRunning({ pid, pidStart, host }: Pilot): boolean {
  if (host !== hostName()) return true;
  if (!isThere(pid)) return false;
  const state = pidStart === null ? null : processes().stateOf(pid);
  return state === null || state.startedAt === pidStart;
}

/** Tells of pilots that are over, and counts those that have come to nothing. */
function tellOver({ over, memory, sight, clients }: Seen, { log }: PilotOptions): Memory {
  let { luck } = memory;
  if (clients > 0) luck = { failures: 0, failedAt: 0, everCame: true };
  for (const pilot of over) {
    const name = nameOf(pilot);
    // No client is there, and nothing is done since: it may have failed at its start.
    const isVain = clients === 0 && sight.tasks > 0 && sight.total >= pilot.unfinished;
    if (isVain) {
      log.warning(`Autoscale client (${pilot.index}) ended and has run no task (${name})`);
      luck = { ...luck, failures: luck.failures + 1, failedAt: sight.now };
    } else log.info(`Autoscale client disconnected (${name})`);
  }
  return { ...memory, luck };
}

function nameOf({ job, pid }: Pilot): string {
  return job === null ? `${pid}` : `job ${job}`;
}

async function launchPilot(options: PilotOptions, memory: Memory, unfinished: number): Promise<Memory> {
  const { words, clock, log } = options;
  const submitter = options.jobsOf(words)?.submitter ?? null;
  const index = memory.launched + 1;
  const at = clock.now();
  const fail = (text: string): Memory => {
    log.warning(`Autoscale client (${index}) ${text}`);
    const luck = { ...memory.luck, failures: memory.luck.failures + 1, failedAt: at };
    return { ...memory, launched: index, luck };
  };
  let launch: PilotLaunch;
  try {
    launch = await options.launch();
  } catch (error) {
    return fail(`was not launched: ${messageOf(error)}`);
  }
  const { pid, status, printed, lastLines } = launch;
  if (status !== null && status !== 0)
    return fail(`exited with status ${status}${lastLines.length > 0 ? `: ${lastLines.join(" - ")}` : ""}`);
  const job = submitter === null ? null : jobIn(submitter, printed);
  if (submitter !== null && job === null)
    return fail(`exited with status 0: it printed no id of a job: ${printed.trim().slice(0, 200) || "nothing"}`);
  const host = hostName();
  const pidStart = processes().stateOf(pid)?.startedAt ?? null;
  const pilot: Pilot = { index, job, words, pid, pidStart, host, at, unfinished };
  log.info(`Autoscale adding client (${nameOf(pilot)})`);
  return { ...memory, launched: index, pilots: [...memory.pilots, pilot] };
}

/** What a look has seen, what it would do, and why, for people. `words`: the launcher's. */
export function describeLook({ sight, decision, waiting, running }: Look, words: string): string {
  const { tasks, group, total, registered } = sight;
  const seenText =
    `${counted(tasks, "task")} to do in group ${group}, ${total} in all; ${counted(registered, "client")} connected, ` +
    `${counted(waiting, "job")} waiting in the queue, ${counted(running, "pilot")} running`;
  const deed = decision.kind === "add" ? `Would launch: ${words}` : "Would launch nothing";
  return `${seenText}\n${deed}\nWhy: ${decision.reason.replace(/^Autoscale /, "")}\n`;
}
