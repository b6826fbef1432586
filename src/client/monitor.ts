/*
 * Watches what tasks use, for --monitor and for task.enforce: one timer, and one look at all processes, for all tasks
 * of a client. It writes a CSV file and answers peaks (monitor-series.ts), warns of a task that uses more than it has
 * asked for, and tells of one that takes more memory than it may. Whose a process is: monitor-tree.ts. Where the kernel
 * keeps tasks within their memory (monitor-cgroup.ts), nobody looks for that. It stops no task: that is for the
 * reactor.
 *
 * A task is looked at soon after its start, a few times within its first second, and then once a second, at the same
 * moments for all tasks: the cost of a look at the whole host is shared. What a task that is over sooner has used, the
 * system tells at its end. Measured with 200 tasks of `sleep` for 30 seconds, on two cores with 530 processes that were
 * busy with other things: 1.0 % of a core with --monitor, 0.3 % without.
 */
import type { Clock, Timer } from "../base/clock.ts";
import { failureReason } from "../base/paths.ts";
import { formatDuration, formatSize } from "../base/units.ts";
import type { Logger } from "../log/logger.ts";
import type { Assignment } from "../task/task.ts";
import type { Ends } from "./executor.ts";
import { type Cgroups, openCgroups } from "./monitor-cgroup.ts";
import { prepareFolder } from "./outputs.ts";
import { addLine, closeSeries, createFile, leastSpanMs, openSeries, see, type Series } from "./monitor-series.ts";
import { openSource, type ProcessSource } from "./monitor-source.ts";
import { fell, findNew, finish, type Forest, measure, newForest, plant, type TaskTree } from "./monitor-tree.ts";

/** What the system tells of a process that has ended. */
interface Usage {
  /** The processor time of it and of all that it has waited for, milliseconds. */
  readonly usedMs: number;
  /** The largest resident size of one of them, bytes. */
  readonly peak: number;
}

/** What an outcome says of what its task has used. */
interface Measured {
  readonly csvpath: string | null;
  readonly coresMax: number | null;
  readonly memoryMax: number | null;
}

/** One task that is watched. */
export interface Watch {
  /** Notes what the system tells of its process, which has ended. */
  ended(child: Pick<Bun.Subprocess, "resourceUsage">): void;
  /** Ends the watch. `now`: when the task ended, milliseconds since 1970. Null: only its memory was watched. */
  close(now: number): Measured | null;
}

export interface Monitor {
  /**
   * The file into which a process writes to come under the memory limit of this task, which it has by then; null: the
   * kernel keeps it within no limit.
   */
  confine(task: Assignment): string | null;
  /** Watches a task whose process was started just now; null: nothing of it is asked for. */
  watch(task: Assignment, pid: number, ends: Ends): Watch | null;
  /** Ends all watching. */
  close(): void;
}

export interface MonitorOptions {
  readonly clientId: string;
  /** Whether each task gets a file of what it uses, and peaks; else only those are watched that may not use more. */
  readonly records: boolean;
  /** Whether tasks are kept within the memory that they have asked for. */
  readonly enforces: boolean;
  /** An absolute path; where the files are. It must be there if `records`. */
  readonly taskFolder: string;
  readonly clock: Clock;
  readonly log: Pick<Logger, "warning" | "debug" | "trace" | "enabled">;
}

/** Tolerances above what a task has asked for. Source: runtime.md, "Monitoring". */
const coresTolerance = 0.05;
const memoryTolerance = 5 * 2 ** 20;

/** At these ages a young task is looked at, milliseconds. */
const youngMs = [100, 300, 700] as const;
/** The time between two lines of a file, milliseconds. */
const lineMs = 1000;
/** The time between two looks at a task that has taken half of its memory, and may not take more, milliseconds. */
const guardMs = 250;
/** What is due within this time is looked at together, milliseconds. It is also the shortest time between two looks. */
const togetherMs = 100;

/** `process.resourceUsage` counts in this many bytes. Its peak may be rounded by so many. */
const ownPeakUnit = 1024;
const ownPeakSlack = 2 ** 20;

/** A task that is watched. */
interface Watched {
  readonly task: Assignment;
  readonly ends: Ends;
  readonly tree: TaskTree;
  readonly series: Series;
  readonly csvpath: string | null;
  /** The memory that it may take, bytes; null: any, or the kernel sees to it. */
  readonly limit: number | null;
  /** When it is looked at next, milliseconds since 1970. */
  dueAt: number;
  /** When its exact size may be asked for again, milliseconds since 1970. */
  exactAt: number;
  /**
   * The largest resident size that this program ever had, bytes. A child begins with it in the system's books (Linux
   * counts the memory that it had before it executed its program), so a smaller peak of its own is not known from
   * there.
   */
  readonly ownPeak: number;
  usage: Usage | null;
  hasToldOfCores: boolean;
  /** Whether it was told that it uses too much memory, by a warning or by its end. */
  hasToldOfMemory: boolean;
}

interface State {
  readonly options: MonitorOptions;
  readonly forest: Forest;
  readonly watched: Map<string, Watched>;
  /** Undefined: it was not needed yet. Null: the kernel cannot keep tasks within their memory here. */
  cgroups: Cgroups | null | undefined;
  timer: Timer | null;
  /** When the timer goes off, milliseconds since 1970. */
  timerAt: number;
  /** When the last look was, milliseconds since 1970. */
  lookedAt: number;
  /** Whether the answer to a look is awaited. */
  isLooking: boolean;
  isClosed: boolean;
  /** Whether it was told that files cannot be written. */
  hasToldOfFiles: boolean;
}

/**
 * Watches tasks of a client; null where the system does not tell what processes use. Throws a UserError when no files
 * can be made where they are to be.
 */
export async function openMonitor(options: MonitorOptions): Promise<Monitor | null> {
  if (options.records) prepareFolder(options.taskFolder);
  const source = await openSource(options.clientId);
  return source === null ? null : newMonitor(options, source);
}

/** Watches tasks by what `source` tells. */
export function newMonitor(options: MonitorOptions, source: ProcessSource): Monitor {
  const state: State = {
    options,
    forest: newForest(source, process.pid),
    watched: new Map(),
    cgroups: undefined,
    timer: null,
    timerAt: Number.POSITIVE_INFINITY,
    lookedAt: Number.NEGATIVE_INFINITY,
    isLooking: false,
    isClosed: false,
    hasToldOfFiles: false,
  };
  return {
    confine: (task) => confine(state, task),
    watch: (task, pid, ends) => watch(state, task, pid, ends),
    close() {
      state.isClosed = true;
      state.timer?.cancel();
      state.cgroups?.close();
    },
  };
}

// ---- a task

/** The memory that a task has asked for, and is to be kept within, bytes; null: any. */
function limitOf({ enforces }: MonitorOptions, { memory }: Assignment): number | null {
  return enforces && memory !== null && memory > 0 ? memory : null;
}

function confine(state: State, task: Assignment): string | null {
  const { options } = state;
  const limit = limitOf(options, task);
  if (limit === null) return null;
  if (state.cgroups === undefined) state.cgroups = openCgroups(options.clientId, options.log);
  return state.cgroups?.confine(task.id, limit) ?? null;
}

function watch(state: State, task: Assignment, pid: number, ends: Ends): Watch | null {
  const limit = limitOf(state.options, task);
  const isConfined = limit !== null && state.cgroups?.has(task.id) === true;
  const isSeen = state.options.records || (limit !== null && !isConfined);
  if (!isSeen && !isConfined) return null;
  const watched = isSeen ? begin(state, task, pid, isConfined ? null : limit, ends) : null;
  return {
    ended(child) {
      if (watched !== null) watched.usage = usageOf(child);
    },
    close(now) {
      const used = isConfined ? state.cgroups!.leave(task.id) : null;
      if (used !== null) ends.overMemory(task.id, used, limit!, true);
      return watched === null ? null : close(state, watched, now, used !== null);
    },
  };
}

function begin(state: State, task: Assignment, pid: number, limit: number | null, ends: Ends): Watched {
  const { options, forest } = state;
  const now = options.clock.now();
  const tree = plant(forest, task.id, pid);
  const [file, csvpath] = options.records ? openFile(state, task.id) : [null, null];
  const watched: Watched = {
    task,
    ends,
    tree,
    series: openSeries(file, now, tree.memory),
    csvpath,
    limit,
    dueAt: now + youngMs[0],
    exactAt: now,
    ownPeak: process.resourceUsage().maxRSS * ownPeakUnit,
    usage: null,
    hasToldOfCores: false,
    hasToldOfMemory: false,
  };
  state.watched.set(task.id, watched);
  setTimer(state, watched.dueAt);
  return watched;
}

function usageOf(child: Pick<Bun.Subprocess, "resourceUsage">): Usage | null {
  const usage = child.resourceUsage();
  return usage === undefined ? null : { usedMs: Number(usage.cpuTime.total) / 1000, peak: usage.maxRSS };
}

function openFile(state: State, id: string): readonly [file: number | null, csvpath: string | null] {
  const csvpath = `${state.options.taskFolder}/${id}.csv`;
  try {
    return [createFile(csvpath), csvpath];
  } catch (error) {
    tellOfFiles(state, error);
    return [null, null];
  }
}

function tellOfFiles(state: State, error: unknown): void {
  if (state.hasToldOfFiles) return;
  state.hasToldOfFiles = true;
  const { taskFolder, log } = state.options;
  const what = "lines of .csv files are lost; peaks are recorded all the same";
  log.warning(`The metrics of tasks cannot be written to '${taskFolder}': ${failureReason(error)} - ${what}`);
}

/** `isKilled`: the kernel has ended it for its memory, and that was told. */
function close(state: State, watched: Watched, now: number, isKilled: boolean): Measured | null {
  const { tree, series, usage, ownPeak, csvpath } = watched;
  state.watched.delete(watched.task.id);
  // What it has left running may have grown since the last look.
  if (tree.members.size > 1) measure(state.forest, tree);
  if (tree.memory > series.memory) see(series, tree.memory);
  if (usage !== null) finish(state.forest, tree, usage.usedMs);
  const isPeakKnown = usage !== null && usage.peak > ownPeak + ownPeakSlack;
  const peaks = closeSeries(series, now, tree.totalMs, isPeakKnown ? usage.peak : 0);
  fell(state.forest, tree);
  watched.hasToldOfMemory ||= isKilled;
  if (!state.options.records) return null;
  warnOfCores(state, watched);
  // Sizes together may be too large, but not that of a single process.
  if (watched.limit === null || isPeakKnown) warnOfMemory(state, watched);
  if (series.failure !== null) tellOfFiles(state, series.failure);
  return { csvpath, ...peaks };
}

// ---- looks

/** Looks at this time (milliseconds since 1970), or earlier if that is due for another task. */
function setTimer(state: State, wishedAt: number): void {
  const { clock } = state.options;
  const at = Math.max(wishedAt, state.lookedAt + togetherMs);
  if (at === Number.POSITIVE_INFINITY || (state.timer !== null && state.timerAt <= at)) return;
  state.timer?.cancel();
  state.timerAt = at;
  state.timer = clock.after(Math.max(0, at - clock.now()), () => {
    state.timer = null;
    look(state);
  });
}

function look(state: State): void {
  if (state.isLooking || state.isClosed || state.watched.size === 0) return;
  state.isLooking = true;
  state.forest.source.list((pids) => {
    state.isLooking = false;
    if (!state.isClosed) examineAll(state, pids);
  });
}

function examineAll(state: State, pids: readonly number[]): void {
  const now = state.options.clock.now();
  state.lookedAt = now;
  findNew(state.forest, pids);
  let next = Number.POSITIVE_INFINITY;
  for (const watched of state.watched.values()) {
    if (watched.dueAt <= now + togetherMs) examine(state, watched, now);
    next = Math.min(next, watched.dueAt);
  }
  setTimer(state, next);
}

function examine(state: State, watched: Watched, now: number): void {
  const { tree, series } = watched;
  measure(state.forest, tree);
  see(series, tree.memory);
  if (now - series.lineAt >= leastSpanMs && secondOf(now) > secondOf(series.lineAt)) {
    addLine(series, now, tree.totalMs);
    trace(state, watched, now);
    warnOfCores(state, watched);
  }
  if (watched.limit !== null) guard(state, watched, watched.limit, now);
  else warnOfMemory(state, watched);
  watched.dueAt = nextLook(watched, now);
}

/** The second of a look; one that comes a little too early is for the next. */
function secondOf(at: number): number {
  return Math.floor((at + togetherMs) / lineMs);
}

/** When a task that was looked at just now is to be looked at again, milliseconds since 1970. */
function nextLook({ series: { startedAt, memory }, limit }: Watched, now: number): number {
  for (const ageMs of youngMs) if (startedAt + ageMs > now + togetherMs) return startedAt + ageMs;
  const periodMs = limit !== null && memory > limit / 2 ? guardMs : lineMs;
  return (Math.floor((now + togetherMs) / periodMs) + 1) * periodMs;
}

function trace({ options: { log } }: State, { task, series, tree }: Watched, now: number): void {
  if (!log.enabled("TRACE")) return;
  const elapsed = formatDuration(Math.floor((now - series.startedAt) / 1000));
  const used = `cores: ${series.cores.toFixed(2)} memory: ${formatSize(tree.memory)}`;
  log.trace(`Waiting task completion (${task.id}) elapsed: ${elapsed} ${used}`);
}

// ---- too much

/** Tells of a task that takes more memory than it may. */
function guard(state: State, watched: Watched, limit: number, now: number): void {
  const { series, tree, task, ends } = watched;
  if (watched.hasToldOfMemory || series.memory <= limit + memoryTolerance || now < watched.exactAt) return;
  watched.exactAt = now + lineMs;
  // Resident sizes count what processes share once for each: workers that were forked with a large table have it once.
  let used = 0;
  for (const { pid, memory } of tree.members.values()) used += state.forest.source.share(pid) ?? memory;
  if (used <= limit) return;
  watched.hasToldOfMemory = true;
  ends.overMemory(task.id, used, limit, false);
}

function warnOfCores({ options }: State, watched: Watched): void {
  const { task, series } = watched;
  const { cores } = task;
  if (!options.records || watched.hasToldOfCores || cores === null || cores <= 0) return;
  if (series.coresMax <= cores + coresTolerance) return;
  watched.hasToldOfCores = true;
  const what = `cores ${series.coresMax.toFixed(2)} (used) > ${cores.toFixed(2)} (allocated)`;
  options.log.warning(`Resource limit exceeded (${task.id}): ${what}`);
}

function warnOfMemory({ options }: State, watched: Watched): void {
  const { task, series } = watched;
  const { memory } = task;
  if (!options.records || watched.hasToldOfMemory || memory === null || memory <= 0) return;
  if (series.memoryMax <= memory + memoryTolerance) return;
  watched.hasToldOfMemory = true;
  const what = `memory ${formatSize(series.memoryMax)} (used) > ${formatSize(memory)} (allocated)`;
  options.log.warning(`Resource limit exceeded (${task.id}): ${what}`);
}
