/*
 * Takes records of tasks in, one by one, and makes the summary of a report. Memory does not grow with their number:
 * from some number on, single tasks are given up, and rare groups become one. Does not read a clock, or a database.
 */
import type { TaskField } from "../task/field.ts";
import type { ShownRow, ShownValue } from "../task/task.ts";
import { sentinel } from "../task/task.ts";
import { addStay, type Course, newCourse } from "./course.ts";
import { addValue, newDistribution } from "./distribution.ts";
import type { AttemptGroup, Bar, RequestGroup, Specimen, StatusGroup, Summary, Workplace } from "./summary.ts";

/** The fields of a record, in this order. */
export const tallied = [
  "id",
  "args",
  "submit_time",
  "schedule_time",
  "start_time",
  "completion_time",
  "exit_status",
  "client_id",
  "client_host",
  "cores",
  "memory",
  "cores_max",
  "memory_max",
  "attempt",
  "retried",
  "waited",
  "duration",
] as const satisfies readonly TaskField[];

type Tallied = (typeof tallied)[number];
const at = Object.fromEntries(tallied.map((field, i) => [field, i])) as Readonly<Record<Tallied, number>>;

/** Each task has a bar up to this number of them. */
export const mostBars = 10_000;
const mostSlowest = 20;
const mostExamples = 3;
const mostStatuses = 500;
const mostAttempts = 50;
const mostRequests = 200;
const mostPlaces = 5000;
/** Characters of a task that are kept. */
const mostCharacters = 240;

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

/** A summary in the making, and what is known before the first record. */
export interface Tally {
  readonly summary: Mutable<Summary> & {
    readonly counts: Mutable<Summary["counts"]>;
    readonly oddities: Mutable<Summary["oddities"]>;
  };
  readonly failures: Map<number, StatusGroup>;
  readonly attempts: Map<number, AttemptGroup>;
  readonly requests: Map<string, RequestGroup>;
  readonly hosts: Map<string, Workplace>;
  readonly clients: Map<string, Workplace>;
  readonly slowest: Specimen[];
  bars: Bar[] | null;
  readonly known: Known;
}

export interface Known {
  /** The time of the report, milliseconds since 1970. */
  readonly now: number;
  /** Ids of clients that are gone, though they never said so: what they ran runs no more. */
  readonly gone: ReadonlySet<string>;
  /** Makes a reader of times as records have them; each column gets one. Null: it is no time. */
  readonly reader: () => (text: string) => number | null;
}

/** A tally of no tasks yet. */
export function newTally(known: Known, course: Course = newCourse()): Tally {
  const [failures, attempts, requests] = [new Map(), new Map(), new Map()];
  const [hosts, clients, slowest]: [Tally["hosts"], Tally["clients"], Specimen[]] = [new Map(), new Map(), []];
  const zero = { total: 0, succeeded: 0, failed: 0, cancelled: 0, retried: 0, remaining: 0, running: 0 };
  const summary = {
    at: known.now,
    counts: { ...zero, stranded: 0, later: 0 },
    firstSubmit: null,
    firstStart: null,
    lastEnd: null,
    course,
    bars: null,
    durations: newDistribution(),
    failedDurations: newDistribution(),
    waits: {
      untilScheduled: newDistribution(),
      untilSent: newDistribution(),
      untilStarted: newDistribution(),
    },
    failures,
    slowest,
    attempts,
    requests,
    coresShare: newDistribution(),
    memoryShare: newDistribution(),
    measured: 0,
    hosts,
    clients,
    oddities: { negativeWaits: 0, negativeDurations: 0, neverStarted: 0 },
  };
  return { summary, failures, attempts, requests, hosts, clients, slowest, bars: [], known };
}

/** The finished summary. */
export function summaryOf(tally: Tally): Summary {
  return { ...tally.summary, bars: tally.bars };
}

/** Returns a function that takes a record in, with the fields of `tallied`. */
export function adder(tally: Tally): (row: ShownRow) => void {
  const { reader } = tally.known;
  const [submitted, scheduled, started, completed] = [reader(), reader(), reader(), reader()];
  return (row) => {
    const times: Times = {
      submitted: timeOf(submitted, row[at.submit_time]),
      scheduled: timeOf(scheduled, row[at.schedule_time]),
      started: timeOf(started, row[at.start_time]),
      completed: timeOf(completed, row[at.completion_time]),
    };
    add(tally, row, times);
  };
}

function timeOf(read: (text: string) => number | null, value: ShownValue | undefined): number | null {
  return typeof value === "string" ? read(value) : null;
}

function numberOf(value: ShownValue | undefined): number | null {
  return typeof value === "number" ? value : null;
}

function textOf(value: ShownValue | undefined): string | null {
  return typeof value === "string" ? value : null;
}

/** Milliseconds since 1970; null: it has not come to that. */
interface Times {
  readonly submitted: number | null;
  readonly scheduled: number | null;
  readonly started: number | null;
  readonly completed: number | null;
}

type Standing = "succeeded" | "failed" | "running" | "stranded" | "waiting";

function add(tally: Tally, row: ShownRow, times: Times): void {
  const { summary, known } = tally;
  const status = numberOf(row[at.exit_status]);
  const client = textOf(row[at.client_id]);
  const isGone = client !== null && known.gone.has(client);
  const standing: Standing =
    status !== null
      ? status === 0
        ? "succeeded"
        : "failed"
      : times.started === null && row[at.start_time] === null
        ? "waiting"
        : isGone
          ? "stranded"
          : "running";
  count(tally, row, status, standing);
  if (times.submitted !== null) summary.firstSubmit = Math.min(summary.firstSubmit ?? Infinity, times.submitted);
  const ended = status === null ? null : times.completed;
  const duration = durationOf(tally, row, times, standing);
  addWaits(tally, row, times);
  addStay(summary.course, {
    waitedFrom: times.submitted,
    waitedTo: times.started ?? ended,
    ranFrom: standing === "stranded" ? null : times.started,
    ranTo: ended,
    endedAt: ended,
    succeeded: standing === "succeeded",
    client: times.started === null ? null : client,
  });
  if (status !== null) {
    if (duration !== null) addValue(summary.durations, duration);
    if (status !== 0 && duration !== null) addValue(summary.failedDurations, duration);
    if (times.started === null) summary.oddities.neverStarted += 1;
  }
  if (status !== null && status !== 0) addFailure(tally, row, status, times, duration);
  if (duration !== null) addSlow(tally, row, status, times, duration);
  addUse(tally, row);
  if (times.started !== null && standing !== "stranded") {
    addPlaces(tally, row, times.started, ended, standing, duration);
    addBar(tally, row, times.started, ended, standing, duration);
  }
}

function count({ summary, attempts }: Tally, row: ShownRow, status: number | null, standing: Standing): void {
  const { counts } = summary;
  const isRetried = row[at.retried] === true;
  const attempt = numberOf(row[at.attempt]) ?? 1;
  counts.total += 1;
  if (attempt > 1) counts.later += 1;
  if (standing === "succeeded" || standing === "failed") counts[standing] += 1;
  else counts.remaining += 1;
  if (standing === "running" || standing === "stranded") counts[standing] += 1;
  if (status === sentinel.cancelled) counts.cancelled += 1;
  if (standing === "failed" && isRetried) counts.retried += 1;
  const key = Math.min(attempt, mostAttempts);
  let group = attempts.get(key);
  if (group === undefined) attempts.set(key, (group = { count: 0, succeeded: 0, failed: 0, retried: 0 }));
  group.count += 1;
  if (standing === "succeeded" || standing === "failed") group[standing] += 1;
  if (standing === "failed" && isRetried) group.retried += 1;
}

/** How long the task ran, or has run, seconds; null: it did not, or nobody knows. */
function durationOf({ summary, known }: Tally, row: ShownRow, times: Times, standing: Standing): number | null {
  const { started, completed } = times;
  if (standing === "running") return started === null ? null : Math.max(0, known.now - started) / 1000;
  if (standing === "waiting" || standing === "stranded" || started === null) return null;
  const duration = numberOf(row[at.duration]) ?? (completed === null ? null : (completed - started) / 1000);
  if (duration !== null && duration < 0) summary.oddities.negativeDurations += 1;
  return duration;
}

function addWaits({ summary }: Tally, row: ShownRow, { submitted, scheduled, started }: Times): void {
  const { untilScheduled, untilSent, untilStarted } = summary.waits;
  if (submitted !== null && scheduled !== null) addValue(untilScheduled, (scheduled - submitted) / 1000);
  if (scheduled !== null && started !== null) addValue(untilSent, (started - scheduled) / 1000);
  if (started === null) return;
  const waited = numberOf(row[at.waited]) ?? (submitted === null ? null : (started - submitted) / 1000);
  if (waited === null) return;
  addValue(untilStarted, waited);
  if (waited < 0) summary.oddities.negativeWaits += 1;
}

function addFailure(tally: Tally, row: ShownRow, status: number, times: Times, duration: number | null): void {
  const { failures } = tally;
  const key = failures.has(status) || failures.size < mostStatuses ? status : Number.NaN;
  let group = failures.get(key);
  if (group === undefined) failures.set(key, (group = { count: 0, retried: 0, examples: [] }));
  group.count += 1;
  if (row[at.retried] === true) group.retried += 1;
  if (group.examples.length < mostExamples) group.examples.push(specimen(row, status, times.started, duration));
}

function addSlow({ slowest }: Tally, row: ShownRow, status: number | null, times: Times, duration: number): void {
  if (slowest.length >= mostSlowest && duration <= (slowest.at(-1)!.duration ?? 0)) return;
  let place = slowest.length;
  while (place > 0 && (slowest[place - 1]!.duration ?? 0) < duration) place -= 1;
  slowest.splice(place, 0, specimen(row, status, times.started, duration));
  if (slowest.length > mostSlowest) slowest.pop();
}

/** A copy, because a slice would keep a text of any length in memory; without half characters. */
function shortCopy(text: string): string {
  const short = text.length <= mostCharacters ? text : `${text.slice(0, mostCharacters)}…`;
  return Buffer.from(short.toWellFormed()).toString();
}

function specimen(row: ShownRow, exitStatus: number | null, startedAt: number | null, duration: number | null) {
  return {
    id: String(row[at.id]),
    args: shortCopy(textOf(row[at.args]) ?? ""),
    exitStatus,
    host: textOf(row[at.client_host]),
    startedAt,
    duration,
    memoryMax: numberOf(row[at.memory_max]),
    attempt: numberOf(row[at.attempt]) ?? 1,
  };
}

function addUse({ summary, requests }: Tally, row: ShownRow): void {
  const [cores, memory] = [numberOf(row[at.cores]), numberOf(row[at.memory])];
  const [coresMax, memoryMax] = [numberOf(row[at.cores_max]), numberOf(row[at.memory_max])];
  const isMeasured = coresMax !== null || memoryMax !== null;
  if (isMeasured) summary.measured += 1;
  if (!isMeasured && cores === null && memory === null) return;
  const key = `${cores} ${memory}`;
  const isKnown = requests.has(key) || requests.size < mostRequests;
  let group = requests.get(isKnown ? key : "");
  if (group === undefined) {
    const asked = isKnown ? { cores, memory } : { cores: Number.NaN, memory: Number.NaN };
    const used = { coresMax: newDistribution(), memoryMax: newDistribution() };
    group = { ...asked, count: 0, ...used, coresExceeded: 0, memoryExceeded: 0 };
    requests.set(isKnown ? key : "", group);
  }
  group.count += 1;
  if (coresMax !== null) {
    addValue(group.coresMax, coresMax);
    if (cores !== null && coresMax > cores) group.coresExceeded += 1;
    if (cores !== null && cores > 0) addValue(summary.coresShare, (100 * coresMax) / cores);
  }
  if (memoryMax !== null) {
    addValue(group.memoryMax, memoryMax);
    if (memory !== null && memoryMax > memory) group.memoryExceeded += 1;
    if (memory !== null && memory > 0) addValue(summary.memoryShare, (100 * memoryMax) / memory);
  }
}

function addPlaces(
  { summary, hosts, clients, known }: Tally,
  row: ShownRow,
  from: number,
  ended: number | null,
  standing: Standing,
  duration: number | null,
): void {
  const host = textOf(row[at.client_host]) ?? "";
  const to = ended ?? known.now;
  summary.firstStart = Math.min(summary.firstStart ?? Infinity, from);
  if (ended !== null) summary.lastEnd = Math.max(summary.lastEnd ?? -Infinity, ended);
  for (const [places, name] of [
    [hosts, host],
    [clients, textOf(row[at.client_id]) ?? ""],
  ] as const) {
    const key = places.has(name) || places.size < mostPlaces ? name : "";
    let place = places.get(key);
    if (place === undefined) {
      const none = { tasks: 0, succeeded: 0, failed: 0, running: 0, busy: 0, longest: 0 };
      places.set(key, (place = { host: key === "" ? "" : host, ...none, firstStart: from, lastEnd: to }));
    }
    place.tasks += 1;
    if (standing === "succeeded" || standing === "failed" || standing === "running") place[standing] += 1;
    place.busy += Math.max(0, duration ?? 0);
    place.longest = Math.max(place.longest, duration ?? 0);
    if (from < place.firstStart) place.firstStart = from;
    if (to > place.lastEnd) place.lastEnd = to;
  }
}

function addBar(
  tally: Tally,
  row: ShownRow,
  from: number,
  ended: number | null,
  standing: Standing,
  duration: number | null,
): void {
  if (tally.bars === null) return;
  if (tally.bars.length >= mostBars) {
    tally.bars = null;
    return;
  }
  const to = Math.max(from, ended ?? tally.known.now);
  const ending = standing === "succeeded" || standing === "failed" ? standing : "running";
  const client = textOf(row[at.client_id]) ?? "";
  tally.bars.push({ ...specimen(row, numberOf(row[at.exit_status]), from, duration), client, from, to, ending });
}
