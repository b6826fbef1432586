/*
 * Views of a database, whoever runs its tasks: numbers along indices, and rates from what changes between two looks.
 * Cancelling and reverting go the way of `hs update`.
 */
import { type Clock, systemClock } from "../../base/clock.ts";
import { runtimeError } from "../../base/errors.ts";
import { parseId } from "../../base/ids.ts";
import type { Config } from "../../config/load.ts";
import { openEdits, openGlance, openOverview } from "../../history/open.ts";
import type { HandedOut, Overview } from "../../history/overview.ts";
import type { Logger, Loggers } from "../../log/logger.ts";
import type { OpenOptions } from "../../store/open.ts";
import type { ServerRow } from "../../store/store.ts";
import { durationBounds, newAverage, newMeter, newPace, type Pace, timeLeft } from "../../view/meters.ts";
import type {
  ClientView,
  Counts,
  OutputPiece,
  OutputQuery,
  ServerView,
  TaskView,
  View,
  ViewAction,
  ViewQuery,
  ViewSource,
} from "../../view/view.ts";
import { type CapturePorts, capturePortsOf } from "../captured.ts";
import { databaseSettings } from "../database.ts";
import { type Liveness, newLiveness } from "../liveness.ts";
import { type Counted, type Counting, newCounting } from "./counting.ts";
import { newOutputs, type Outputs } from "./output.ts";

/** What a view of a database takes. */
export interface DatabaseViewing {
  readonly settings: OpenOptions;
  readonly ports: CapturePorts;
  readonly clock: Clock;
}

/** The database that is configured, and where this host keeps the output of tasks. */
export function databaseViewing(config: Config, loggers: Loggers, log: Logger): DatabaseViewing {
  const clock = systemClock;
  return { settings: databaseSettings(config, log), ports: capturePortsOf(config, loggers, clock), clock };
}

/** A source at work. */
interface State {
  readonly viewing: DatabaseViewing;
  readonly overview: Overview;
  readonly counting: Counting;
  readonly liveness: Liveness;
  readonly outputs: Outputs;
  /** How many tasks ended when; null: nobody has looked yet. */
  pace: Pace | null;
  /** The counts that the pace knows of. */
  known: Counted | null;
}

/**
 * Opens a source of views of the database. A look takes some milliseconds, also among ten million tasks; the first one
 * counts all of them. Throws UserError for what stands in the way, also for a database that is not there.
 */
export async function viewDatabase(viewing: DatabaseViewing): Promise<ViewSource> {
  const { settings, ports, clock } = viewing;
  const overview = await openOverview(settings);
  const state: State = {
    viewing,
    overview,
    counting: newCounting(overview, clock),
    liveness: newLiveness(clock),
    outputs: newOutputs(ports),
    pace: null,
    known: null,
  };
  return {
    look: (query) => look(state, query),
    output: (query) => outputOfRow(settings, state.outputs, query),
    act: (action, ids) => actOnRows(settings, action, ids, clock),
    async close() {
      state.outputs.close();
      await overview.close();
    },
  };
}

/** A piece of what a task of the database has printed. Throws UserError when there is none: why, and what to do. */
export async function outputOfRow(settings: OpenOptions, outputs: Outputs, query: OutputQuery): Promise<OutputPiece> {
  const records = await openGlance(settings);
  try {
    const task = parseId(query.id) === null ? null : await records.find(query.id);
    if (task === null) throw runtimeError("task", `There is no task with id ${query.id}`);
    return await outputs.piece(task, query);
  } finally {
    await records.close();
  }
}

/** Cancels or reverts tasks as `hs update` does. Answers how many were changed. Throws UserError for a bad id. */
export async function actOnRows(
  settings: OpenOptions,
  action: ViewAction,
  ids: readonly string[],
  clock: Clock,
): Promise<number> {
  for (const id of ids) if (parseId(id) === null) throw runtimeError("task", `There is no task with id ${id}`);
  const edits = await openEdits(settings);
  const change = { action, fields: new Map(), tags: {}, removedTags: [] } as const;
  let changed = 0;
  try {
    for (const value of ids) {
      const where = [{ kind: "field", field: "id", operator: "==", value } as const];
      changed += (await edits.change({ where, orderBy: null, descending: false, limit: 1 }, change, clock.now()))
        .changed;
    }
    return changed;
  } finally {
    await edits.close();
  }
}

/** The number of tasks that durations and the first rates are taken from. */
const sampleSize = 1000;

async function look(state: State, query: ViewQuery): Promise<View> {
  const { overview, counting, viewing } = state;
  const { clock } = viewing;
  const counted = await counting.now();
  const latest = await overview.latest(sampleSize);
  const handedOut = await overview.handedOut();
  const rows = await overview.servers();
  const now = clock.now();
  const pace = (state.pace ??= newPace(now));
  if (state.known === null)
    for (const { completionTime, exitStatus } of latest.toSorted(
      (one, other) => one.completionTime - other.completionTime,
    ))
      pace.add(completionTime, 1, exitStatus === 0 ? 0 : 1);
  noteCounts(state, pace, counted);
  const [durations, average] = [newMeter(durationBounds), newAverage()];
  for (const { duration } of latest) {
    if (duration === null) continue;
    durations.add(duration);
    average.add(duration);
  }
  const counts: Counts = {
    total: counted.counts.total,
    remaining: counted.counts.remaining,
    running: handedOut.length,
    succeeded: counted.counts.succeeded,
    failed: counted.counts.failed,
    cancelled: counted.counts.cancelled,
  };
  const [rate, duration] = [pace.rate(now), average.value()];
  const waitingSince = await overview.waitingSince();
  const clients = clientsOf(await overview.clients(), handedOut, rows, state.liveness);
  const { tasks, total } = chosen(handedOut, query);
  return {
    at: now,
    source: { kind: "database", title: overview.title },
    counts,
    rate,
    duration,
    secondsLeft: timeLeft({ ...counts, rate, duration }),
    throughput: pace.throughput(now),
    servers: rows.map((row) => serverOf(row, state.liveness)),
    clients: clients.slice(0, query.most),
    clientsTotal: clients.length,
    running: tasks,
    runningTotal: total,
    failures: await failuresOf(overview, query),
    durations: { ...durations.histogram(), of: "sample" },
    queueAge: waitingSince === null ? null : Math.max(0, (now - waitingSince) / 1000),
    storeLatency: null,
  };
}

/** Tells the pace what has ended since the last counts. What was deleted or reverted meanwhile is no end. */
function noteCounts(state: State, pace: Pace, counted: Counted): void {
  const last = state.known;
  state.known = counted;
  if (last === null || counted.at <= last.at) return;
  const [before, after] = [last.counts, counted.counts];
  const failed = Math.max(0, after.failed - after.cancelled - (before.failed - before.cancelled));
  const ended = failed + Math.max(0, after.succeeded - before.succeeded);
  pace.spread(last.at, counted.at, ended, failed);
}

/** A server as its row tells of it. */
export function serverOf(row: ServerRow, { isAlive }: Pick<Liveness, "isAlive">): ServerView {
  const { id, host, pid, startedAt, beatAt } = row;
  return { id, host, pid, startedAt, beatAt, isAlive: isAlive(row) };
}

/** The clients of servers that are there, the busiest first. */
function clientsOf(
  connected: Awaited<ReturnType<Overview["clients"]>>,
  handedOut: readonly HandedOut[],
  rows: readonly ServerRow[],
  { isAlive }: Liveness,
): readonly ClientView[] {
  const held = new Map<string, number>();
  for (const { clientId } of handedOut) held.set(clientId, (held.get(clientId) ?? 0) + 1);
  const alive = new Map(rows.map((row) => [row.id, isAlive(row)]));
  return connected
    .filter(({ serverId }) => alive.has(serverId))
    .map(({ id, host, serverId }): ClientView => ({
      id,
      host,
      serverId,
      executors: null,
      capacity: null,
      job: null,
      running: held.get(id) ?? 0,
      ended: null,
      failed: null,
      standing: alive.get(serverId) === true ? "present" : "away",
      heardAt: null,
    }))
    .toSorted((one, other) => other.running - one.running || (one.host < other.host ? -1 : 1));
}

function chosen(all: readonly TaskView[], { most, filter }: ViewQuery): { tasks: readonly TaskView[]; total: number } {
  const passed = filter === "" ? all : all.filter((task) => passes(task, filter));
  const start = ({ startTime }: TaskView): number => startTime ?? Number.POSITIVE_INFINITY;
  return {
    tasks: passed.toSorted((one, other) => start(one) - start(other) || 0).slice(0, most),
    total: passed.length,
  };
}

/** Of how many failures those are chosen that a filter lets through. */
const mostFiltered = 2000;

/** The last failures that a filter lets through. */
export async function failuresOf(overview: Overview, { most, filter }: ViewQuery): Promise<View["failures"]> {
  const found = await overview.failures(filter === "" ? most : Math.max(most, mostFiltered));
  return filter === "" ? found : found.filter((task) => passes(task, filter)).slice(0, most);
}

function passes({ text, host, id }: TaskView, filter: string): boolean {
  return text.includes(filter) || id.includes(filter) || (host?.includes(filter) ?? false);
}
