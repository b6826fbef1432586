/*
 * What can be seen of a server at one moment: its clients, what they run, how fast tasks end. It visits each client and
 * each task that runs, so it is for one look in a second. As pure as reactor.ts.
 */
import type { ClientView, Throughput, TaskView, View, ViewQuery } from "../view/view.ts";
import type { Sights } from "./sights.ts";
import { shownText } from "./sights.ts";
import { type ClientEntry, type Held, runningOf, type ServerState } from "./state.ts";

/** The part of a view that a server knows by itself; the rest is in its store. */
export interface ServerLook extends Pick<
  View,
  | "rate"
  | "duration"
  | "clients"
  | "clientsTotal"
  | "running"
  | "runningTotal"
  | "failures"
  | "durations"
  | "storeLatency"
> {
  readonly throughput: Throughput;
  /** How many tasks run, or are about to start. */
  readonly runningCount: number;
  /** When the oldest task was submitted that waits here, milliseconds since 1970; null: none does. */
  readonly waitingSince: number | null;
}

/** What a line on a terminal needs of a server: a few numbers, which cost next to nothing. */
export interface ServerNumbers {
  /** Tasks whose last attempt has ended so, and attempts that were followed by another. */
  readonly succeeded: number;
  readonly failed: number;
  readonly cancelled: number;
  readonly retried: number;
  /** How many tasks run, or are about to start. */
  readonly running: number;
  /** How many clients are connected. */
  readonly clients: number;
  /** Tasks that end in a second, of late; null: none has. */
  readonly rate: number | null;
  /** How long recent tasks took on the average, seconds; null: none has ended. */
  readonly duration: number | null;
}

/** The numbers of a server now, milliseconds since 1970. */
export function numbersOf(state: ServerState, sights: Sights, now: number): ServerNumbers {
  let clients = 0;
  for (const { standing } of state.clients.values()) if (standing.at !== "away") clients++;
  const [rate, duration] = [sights.pace.rate(now), sights.duration.value()];
  return { ...state.counts, running: runningOf(state), clients, rate, duration };
}

/** What can be seen of a server now, milliseconds since 1970. */
export function lookAt(state: ServerState, sights: Sights, query: ViewQuery, now: number): ServerLook {
  const { most, filter } = query;
  const clients = [...state.clients.values()].map((client) => clientOf(state, client, sights));
  clients.sort((one, other) => other.running - one.running || (one.host < other.host ? -1 : 1));
  const { running, total } = runningTasks(state, query);
  const failures = filter === "" ? sights.failures : sights.failures.filter((task) => passes(task, filter));
  return {
    rate: sights.pace.rate(now),
    duration: sights.duration.value(),
    throughput: sights.pace.throughput(now),
    clients: clients.slice(0, most),
    clientsTotal: clients.length,
    running,
    runningTotal: total,
    runningCount: runningOf(state),
    failures: most <= 0 ? [] : failures.slice(-most).toReversed(),
    durations: { ...sights.durations.histogram(), of: "all" },
    storeLatency: sights.latency.histogram(),
    waitingSince: waitingSince(state),
  };
}

/** When the oldest task was submitted that waits here for a client. */
function waitingSince({ ready, demands }: ServerState): number | null {
  let oldest = ready.peek()?.submitTime ?? Number.POSITIVE_INFINITY;
  for (const { tasks } of demands.lanes.values())
    oldest = Math.min(oldest, tasks.peek()?.submitTime ?? Number.POSITIVE_INFINITY);
  return oldest === Number.POSITIVE_INFINITY ? null : oldest;
}

function clientOf({ settings }: ServerState, client: ClientEntry, sights: Sights): ClientView {
  const { id, host, executors, capacity, job, held, isDraining, standing, lastHeard } = client;
  const work = sights.work.get(client);
  const at = standing.at === "registering" ? "present" : standing.at;
  return {
    id,
    host,
    serverId: settings.serverId,
    executors,
    capacity,
    job,
    running: Math.min(held.size, executors),
    ended: work?.ended ?? 0,
    failed: work?.failed ?? 0,
    standing: at === "present" && isDraining ? "draining" : at,
    heardAt: lastHeard,
  };
}

/** Tasks that run: of each client as many as it has executors, those that it has had for longest. */
function runningTasks(state: ServerState, { most, filter }: ViewQuery): { running: TaskView[]; total: number } {
  const found: TaskView[] = [];
  for (const client of state.clients.values()) {
    let left = client.executors;
    for (const held of client.held.values()) {
      if (left-- === 0) break;
      const task = taskOf(client, held);
      if (filter === "" || passes(task, filter)) found.push(task);
    }
  }
  const start = ({ startTime }: TaskView): number => startTime ?? Number.MAX_VALUE;
  found.sort((one, other) => start(one) - start(other));
  return { running: found.slice(0, Math.max(0, most)), total: found.length };
}

function taskOf({ id: clientId, host }: ClientEntry, { task, startTime }: Held): TaskView {
  const { id, args, group, attempt } = task;
  return { id, text: shownText(args), group, attempt, host, clientId, startTime };
}

function passes({ text, host, id }: TaskView, filter: string): boolean {
  return text.includes(filter) || id.includes(filter) || (host?.includes(filter) ?? false);
}
