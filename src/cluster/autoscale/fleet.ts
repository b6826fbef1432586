/*
 * The launches of an autoscaler, from their start to their end, and what can be seen of them at a look: which have
 * become clients, which wait in a queue, which leave, and which have failed. Pure: what launchers, batch systems and
 * the server say goes in, and what is to be told of it comes out. Processes are in scaler.ts, the decision is in
 * policy.ts.
 *
 * A launch and its client find each other by a name that the launcher hands on in its environment, or by the number of
 * the job. A client that names neither counts for the first launch that has none.
 */
import type { JobState } from "../../launch/submitted.ts";
import type { ClientLoad, ServerLoad } from "../../server/load.ts";
import type { Backlog } from "../../store/store.ts";
import { type Luck, pressureOf, type Rules, type Sight } from "./policy.ts";

/** How a launcher ended. */
export interface LaunchEnd {
  /** The exit status, as a shell tells it. */
  readonly status: number;
  /** The last lines that it wrote on its standard error. */
  readonly lastLines: readonly string[];
}

/** A launch that is not over. */
export interface Launch {
  /** The number of the launch, counted from 1. */
  readonly index: number;
  /** The name that the launcher hands on to its client. */
  readonly name: string;
  /** The number of the look at which it was launched: those of one look fail together. */
  readonly round: number;
  /** The id of the launcher's process; null: it could not be started. */
  readonly pid: number | null;
  /** The job that the launcher has submitted; null: none is known. */
  job: string | null;
  jobState: JobState;
  /** How the launcher ended; null: it runs. */
  end: LaunchEnd | null;
  /** Whether a client has ever come from it. */
  hasCome: boolean;
  /** The clients that it has now. */
  clients: readonly ClientLoad[];
}

export interface Fleet {
  readonly launches: Launch[];
  /** How many launches there have been. */
  launched: number;
  /** The number of looks, the start included. */
  round: number;
  /** The round of the failure that was counted last. */
  failedRound: number;
  luck: Luck;
  /** Clients of no launch: those of a launcher that has ended, and was taken for failed. */
  others: readonly ClientLoad[];
  /** How many looks in a row have seen tasks run and none that had ended. */
  silentLooks: number;
}

/** What is to be told of a launch that is over. */
export interface Over {
  readonly launch: Launch;
  /** `gone`: its client has left in order. `failed`: it ended badly, or before it became a client. */
  readonly kind: "gone" | "failed";
}

/** A fleet without a launch. */
export function newFleet(): Fleet {
  const luck = { failures: 0, failedAt: 0, everCame: false };
  return { launches: [], launched: 0, round: 0, failedRound: -1, luck, others: [], silentLooks: 0 };
}

/** Notes a new launch. `pid` as in Launch. */
export function addLaunch(fleet: Fleet, name: string, pid: number | null): Launch {
  const { round } = fleet;
  const index = ++fleet.launched;
  const launch: Launch = {
    index,
    name,
    round,
    pid,
    job: null,
    jobState: "waiting",
    end: null,
    hasCome: false,
    clients: [],
  };
  fleet.launches.push(launch);
  return launch;
}

/** How log lines call a launch: the process of its launcher, or its job. */
export function nameOfLaunch({ job, pid, index }: Launch): string {
  return job === null ? `${pid ?? `launch ${index}`}` : `job ${job}`;
}

/** Finds the clients of each launch among those that the server knows. */
export function match(fleet: Fleet, clients: readonly ClientLoad[]): void {
  const able = clients.filter(({ executors }) => executors > 0);
  const byJob = Map.groupBy(able, ({ job }) => job ?? "");
  const strays = [...(byJob.get("") ?? [])];
  for (const launch of fleet.launches) {
    const own = [...(byJob.get(launch.name) ?? []), ...(launch.job === null ? [] : (byJob.get(launch.job) ?? []))];
    const isThere = launch.end === null || launch.job !== null;
    if (own.length === 0 && isThere && strays.length > 0) own.push(strays.shift()!);
    launch.clients = own;
    if (own.length > 0 && !launch.hasCome) come(fleet, launch);
  }
  const matched = new Set(fleet.launches.flatMap((launch) => launch.clients));
  fleet.others = able.filter((client) => !matched.has(client));
}

/** Notes that a client has come. `job`: what brought it up, as it says; null: it does not say. */
export function arrive(fleet: Fleet, job: string | null): void {
  const isIts = (launch: Launch): boolean =>
    job === null ? !launch.hasCome && launch.end === null : launch.name === job || launch.job === job;
  const launch = fleet.launches.find(isIts);
  if (launch !== undefined && !launch.hasCome) come(fleet, launch);
  else fleet.luck = { failures: 0, failedAt: 0, everCame: true };
}

function come(fleet: Fleet, launch: Launch): void {
  launch.hasCome = true;
  launch.jobState = "running";
  fleet.luck = { failures: 0, failedAt: 0, everCame: true };
}

/** Takes those launches out of the fleet that are over, and answers them. `now`: milliseconds since 1970. */
export function clear(fleet: Fleet, now: number): readonly Over[] {
  const over = fleet.launches.flatMap((launch): readonly Over[] => {
    const kind = endOf(launch);
    return kind === null ? [] : [{ launch, kind }];
  });
  for (const { launch, kind } of over) {
    fleet.launches.splice(fleet.launches.indexOf(launch), 1);
    if (kind === "failed" && !launch.hasCome) fail(fleet, launch, now);
  }
  return over;
}

/** How a launch is over; null: it is not. */
function endOf({ end, job, jobState, hasCome, clients }: Launch): Over["kind"] | null {
  if (job === null) {
    // A launcher may leave its client behind.
    if (end === null || (end.status === 0 && clients.length > 0)) return null;
    return end.status === 0 && hasCome ? "gone" : "failed";
  }
  if (clients.length > 0) return null;
  // The batch system may take its time to notice that a job is over; its client has said goodbye.
  if (hasCome) return "gone";
  return jobState === "gone" ? "failed" : null;
}

function fail(fleet: Fleet, { round }: Launch, now: number): void {
  const { luck } = fleet;
  const isNew = round !== fleet.failedRound;
  fleet.failedRound = round;
  fleet.luck = { ...luck, failures: luck.failures + (isNew ? 1 : 0), failedAt: now };
}

/** What a look sees of the whole run. `now`: milliseconds since 1970. */
export function sightOf(fleet: Fleet, load: ServerLoad, backlog: Backlog, rules: Rules, now: number): Sight {
  const { running, held, rate, duration, heldBack } = load;
  // What failures hold back needs no client.
  const tasks = heldBack === null ? backlog.inGroup : Math.min(backlog.inGroup, running);
  fleet.silentLooks = running > 0 && rate === null ? fleet.silentLooks + 1 : 0;
  const draining = fleet.launches.filter(isDraining).length;
  const others = fleet.others.filter((client) => !client.isDraining).length;
  const registered = load.clients.filter(({ executors, isDraining: leaves }) => executors > 0 && !leaves).length;
  return {
    now,
    group: backlog.group ?? 0,
    tasks,
    waiting: Math.max(0, tasks - held),
    total: backlog.unfinished,
    registered,
    launched: fleet.launches.length - draining + others,
    draining,
    room: roomOf(fleet, load),
    pressure: pressureOf({ tasks, running, rate, duration, silentLooks: fleet.silentLooks }, rules.factor),
    luck: fleet.luck,
  };
}

function isDraining({ clients }: Launch): boolean {
  return clients.length > 0 && clients.every((client) => client.isDraining);
}

/**
 * How many tasks start without another launch: as many as clients ask for now, and as the launches to come will run if
 * they are like those that are here. Where tasks wait although clients ask for some, these cannot run them.
 */
function roomOf({ launches }: Fleet, { ready, credit }: ServerLoad): number {
  const coming = launches.filter(({ clients }) => clients.length === 0).length;
  const free = ready > 0 ? 0 : credit;
  return coming === 0 ? free : free + coming * sizeOf(launches);
}

/** How many tasks a launch runs at once, as far as the present ones show it; infinity: there are none. */
function sizeOf(launches: readonly Launch[]): number {
  const here = launches.filter(({ clients }) => clients.length > 0);
  if (here.length === 0) return Number.POSITIVE_INFINITY;
  const clients = here.flatMap((launch) => launch.clients);
  const sum = (of: (client: ClientLoad) => number): number => clients.reduce((total, each) => total + of(each), 0);
  return (sum(({ running }) => running) || sum(({ executors }) => executors)) / here.length;
}
