/*
 * Runs tasks as processes: expands the command, has it started (spawn.ts), and reports how it ended. Whatever a program
 * does or a system refuses is an Outcome. The reactor decides when a task starts and when it is stopped.
 *
 * Invariant: every start is answered exactly once, by an outcome or by the news that the task has no place to run in,
 * and never from within `start`.
 */
import { rmSync } from "node:fs";
import { resolve } from "node:path";
import { messageOf } from "../base/errors.ts";
import { osPaths } from "../base/ospath.ts";
import { failureCode, failureReason } from "../base/paths.ts";
import { quoterFor } from "../base/shell.ts";
import { isUnread } from "../base/unread.ts";
import { variableName } from "../base/variables.ts";
import { type Outcome, sentinel } from "../task/task.ts";
import type { ShellOutput, System } from "../base/system.ts";
import { variablesFor } from "./device-list.ts";
import { inherited, type Variables } from "./environment.ts";
import type { Executor, Origin, StopSignal } from "./executor.ts";
import { signalNumber } from "./group.ts";
import { guardOrphans, type OrphanGuard } from "./orphans.ts";
import { findPredecessors, type Predecessors } from "./predecessors.ts";
import { type Held, newScarcity, type Scarcity } from "./scarcity.ts";
import { type Losses, newLosses } from "./losses.ts";
import type { Monitor } from "./monitor.ts";
import type { ExecutorOptions } from "./options.ts";
import { directOutput, tellAfterOutput, tellOfSignal } from "./directing.ts";
import { openNamed, openShared, type Outputs, prepareFolder, removeEmpty } from "./outputs.ts";
import { printedBy } from "./printed.ts";
import { describeRefusal, whyNotEntered } from "./refusals.ts";
import { NoResults, prepareResults, type Results, resultsOf } from "./results.ts";
import {
  closeCaptured,
  discardCaptured,
  newSpawner,
  openCaptured,
  setServer,
  setUntil,
  spawnConfined,
  spawnDirect,
  spawnLiving,
  spawnShell,
} from "./spawn.ts";
import { undirect, wordsFor } from "./spawn.ts";
import { expansion, fileFacts } from "./templates.ts";
import { newTask, type Place, type Task } from "./started.ts";
import { type Finder, newFinder } from "./tree.ts";

export interface ProcessExecutor extends Executor {
  /** How many tasks were executed without a shell so far. */
  readonly directStarts: number;
  /** How many tasks were given to shells that live so far. */
  readonly livingStarts: number;
}

/** The exit status of a file that exists but cannot be executed, as in shells. */
const notExecutable = 126;
/** The exit status of a process if the system did not tell how it ended. */
const unknownStatus = 255;
/** What the system refuses while it is out of processes, files or memory. */
const passing = new Set(["EAGAIN", "ENOMEM", "EMFILE", "ENFILE"]);
/** The exit status of a task that SIGPIPE ended. */
const brokenPipe = 141;
const windows = process.platform === "win32";
/** What an outcome says of what its task has used, where nobody measured it. */
const unmeasured = { csvpath: null, coresMax: null, memoryMax: null };

/** The largest number of places other than the client's own that are kept. A full table starts anew. */
const mostPlaces = 64;

/** The state of an executor. */
interface State {
  readonly options: ExecutorOptions;
  readonly taskFolder: string;
  readonly outputs: Outputs;
  /** Where tasks run, unless it is in the directory of their submission. */
  readonly home: Place;
  readonly losses: Losses;
  /** How the files with the output of each task are named; null: there are none, or they are named after its id. */
  readonly results: Results | null;
  /** The directories of submissions, by path. */
  readonly places: Map<string, Place>;
  readonly alive: Map<Bun.Subprocess, Task>;
  /** The process ids of commands inside templates, which lead sessions of their own. */
  readonly asked: Set<number>;
  /** Null on Windows. */
  readonly guard: OrphanGuard | null;
  /** Finds the processes of tasks that are stopped. */
  readonly finder: Finder;
  /** Clients that were killed, whose tasks are ended before others start. */
  readonly predecessors: Predecessors;
  /** The task whose process is being started. */
  starting: Task | null;
  /** The number of tasks that were executed without a shell so far. */
  directStarts: number;
  /** The tasks that wait for room to start. */
  readonly scarcity: Scarcity;
  /** Why the system refused a start last; null: it never did. */
  lastRefusal: unknown;
}

/**
 * Makes an executor that runs tasks as processes. Throws a UserError when a file or folder for output cannot be
 * written, or the template is malformed.
 */
export function createExecutor(options: ExecutorOptions): ProcessExecutor {
  const state = openExecutor(options);
  const { guard, outputs, home, places } = state;
  return {
    get directStarts() {
      return state.directStarts;
    },
    get livingStarts() {
      return home.spawner.shells?.starts ?? 0;
    },
    servedBy(serverId, serverHost) {
      for (const { spawner } of [home, ...places.values()]) setServer(spawner, serverId, serverHost);
    },
    endsAt(until) {
      for (const { spawner } of [home, ...places.values()]) setUntil(spawner, until);
    },
    start(assignment, origin, ends, devices = null) {
      const own = devices === null ? null : variablesFor(options.devices(), devices);
      const task = newTask(assignment, placeOf(state, origin), ends, own, state.finder);
      begin(state, task, origin.template);
      return task;
    },
    close() {
      guard?.close();
      options.monitor?.close();
      options.jobs?.close();
      state.predecessors.close();
      state.losses.lookLast();
      for (const { spawner } of [home, ...places.values()]) spawner.shells?.dismiss();
      outputs.close();
    },
  };
}

function openExecutor(options: ExecutorOptions): State {
  const { clock, log, shell, capture, cwd } = options;
  const place = (path: string | null): string | null => (path === null ? null : resolve(cwd, path));
  const taskFolder = resolve(cwd, options.taskFolder);
  const base = inherited(options);
  // A malformed template is told before anything is made.
  const system = systemIn(options, base, cwd);
  const expand = expansion(options.template, system);
  const results = options.results === null ? null : resultsOf(options.results, system);
  if (capture) prepareFolder(taskFolder);
  if (results !== null) prepareFolder(results.folder, 0o777);
  const paths = { outputPath: place(options.outputPath), errorsPath: place(options.errorsPath) };
  const outputs = openShared(paths.outputPath, paths.errorsPath);
  options.sink?.opened(outputs.output ?? 1, outputs.errors ?? 2);
  const losses = newLosses({ folder: capture ? taskFolder : (results?.folder ?? null), ...paths, log });
  const alive = new Map<Bun.Subprocess, Task>();
  const asked = new Set<number>();
  const sessions = (): number[] => [...Array.from(alive.keys(), (child) => child.pid), ...asked];
  const spawner = newSpawner({
    shell,
    environment: { ...options, taskFolder },
    base,
    stdout: outputs.output ?? "inherit",
    stderr: outputs.errors ?? "inherit",
    onExit: (child, code, signal) => processEnded(state, child, code, signal),
    living: reusesShells(options)
      ? {
          clock,
          onEnd: (child, code, signal) => livingEnded(state, child, code, signal),
          onRefused: (child) => livingRefused(state, child),
        }
      : null,
    log,
  });
  const predecessors = findPredecessors({ folder: options.clientFolder, clientId: options.clientId, clock, log });
  const path = options.environment["PATH"];
  const guard = windows ? null : guardOrphans(options.clientId, path, clock, sessions, predecessors.note);
  const home: Place = { cwd, spawner, expand };
  const scarcity = newScarcity({ clock, isAlone: () => alive.size + asked.size === 0 });
  const finder = newFinder(options.clientId, clock.now);
  const parts = {
    options,
    taskFolder,
    outputs,
    losses,
    results,
    home,
    places: new Map(),
    alive,
    asked,
    guard,
    finder,
    scarcity,
    predecessors,
  };
  const state: State = { ...parts, starting: null, directStarts: 0, lastRefusal: null };
  return state;
}

/**
 * Whether tasks may share shells: nothing is to be done to the process of each alone. Where failures are printed among
 * what tasks print, a death of SIGPIPE is told from a status of 141, which a shell that lives does not tell apart.
 */
function reusesShells({ shellReuse, capture, results, monitor, pins, printsFailures }: ExecutorOptions): boolean {
  return shellReuse && !capture && results === null && monitor === null && pins === null && !printsFailures;
}

/** What templates may ask of the system. Their patterns ask for files in `cwd`. */
function systemIn({ clock, shell }: ExecutorOptions, base: Variables, cwd: string): System {
  const environment = (name: string): string | null => base[variableName(name)] ?? null;
  const quote = quoterFor(shell);
  return { paths: osPaths, quote, now: clock.now, environment, file: fileFacts(cwd) };
}

/** Where tasks of this origin run. */
function placeOf({ options, home, places }: State, { cwd }: Origin): Place {
  if (!options.inOrigin || cwd === null || cwd === home.cwd) return home;
  const known = places.get(cwd);
  if (known !== undefined) return known;
  if (places.size >= mostPlaces) places.clear();
  const { spawner } = home;
  const place: Place = {
    cwd,
    spawner: newSpawner({ ...spawner.options, environment: { ...spawner.environment, cwd } }),
    expand: expansion(options.template, systemIn(options, spawner.options.base, cwd)),
  };
  places.set(cwd, place);
  return place;
}

// ---- from the command to the process

function begin(state: State, task: Task, template: string | null): void {
  if (state.predecessors.isBusy()) {
    const again = (): void => begin(state, task, template);
    return hold(state, task, null, { again, giveUp: again });
  }
  try {
    const command = task.place.expand(template, task.assignment.args, (inner) => printed(state, task, inner));
    if (typeof command === "string") return launch(state, task, command);
    command.then(
      (text) => (task.stopped === null ? launch(state, task, text) : endStopped(state, task, task.stopped)),
      (error: unknown) => expansionFailed(state, task, template, error),
    );
  } catch (error) {
    expansionFailed(state, task, template, error);
  }
}

/** What a command inside the template prints. Its environment has what is known of the task so far. */
async function printed(state: State, task: Task, command: string): Promise<ShellOutput> {
  const { options, asked, guard } = state;
  const { cwd, spawner } = task.place;
  if (task.stopped !== null) throw new Error("stopped");
  spawner.viaShell.fill(task.assignment, null, options.clock.now(), task.own);
  const env = spawner.viaShell.variables;
  const { stderr } = spawner.options;
  guard?.taskStarts();
  const printing = printedBy(wordsFor(spawner, command), {
    cwd,
    env,
    stderr,
    task: { taskId: task.assignment.id, finder: state.finder },
    jobs: options.jobs,
  });
  const earlier = task.interrupt;
  task.interrupt = (signal) => {
    earlier?.(signal);
    printing.stop(signal);
  };
  asked.add(printing.pid);
  guard?.taskStarted();
  try {
    return await printing.ended;
  } finally {
    asked.delete(printing.pid);
    state.scarcity.freed();
  }
}

function expansionFailed(state: State, task: Task, template: string | null, error: unknown): void {
  const { clock, log } = state.options;
  if (task.stopped !== null) return endStopped(state, task, task.stopped);
  // Another command of the same template may still run.
  task.interrupt?.("SIGKILL");
  task.interrupt = null;
  const giveUp = (): void => {
    if (isUnplaced(state, task)) return;
    log.error(`Template expansion failed for task (${task.assignment.id}): ${messageOf(error)} (cancelled)`);
    task.startTime = clock.now();
    endLater(state, task, sentinel.templateFailed);
  };
  if (passing.has(failureCode(error))) hold(state, task, error, { again: () => begin(state, task, template), giveUp });
  else giveUp();
}

function launch(state: State, task: Task, command: string): void {
  const { options } = state;
  const { assignment } = task;
  const { spawner } = task.place;
  const startTime = options.clock.now();
  task.interrupt = null;
  if (state.scarcity.isScarce()) return holdLaunch(state, task, command, null);
  task.command = command;
  task.startTime = startTime;
  state.guard?.taskStarts();
  state.starting = task;
  try {
    if (keepsOutput(state)) nameCaptured(state, task);
    if (options.sink !== null && options.sink.unit !== null)
      directOutput(task, options.sink, keepsOutput(state), options.clock);
    options.pins?.pin(assignment.id, assignment.cores ?? 0);
    const child = spawn(state, task, command, startTime);
    const { pid } = child;
    task.pid = pid;
    task.outlet?.started();
    if (options.monitor !== null) watch(options.monitor, task, child);
    if (!task.over) state.alive.set(child, task);
    state.guard?.taskStarted();
    if (task.isHeld) task.ends.held(assignment.id, false);
    options.log.debug(() => `Running task (${assignment.id})[${pid}]: ${command}`);
  } catch (error) {
    options.pins?.release(assignment.id);
    task.outlet?.drop();
    task.outlet = null;
    notStarted(state, task, command, error);
  } finally {
    state.starting = null;
    options.pins?.unpin();
    if (keepsOutput(state)) closeCaptured(spawner);
    if (options.sink !== null) undirect(spawner);
  }
}

function spawn(state: State, task: Task, command: string, startTime: number): Bun.Subprocess {
  const { assignment } = task;
  const { spawner } = task.place;
  const { jobs } = state.options;
  if (jobs !== null) {
    const started = jobs.start(() => spawnShell(spawner, assignment, command, startTime, task.own));
    task.job = started.job;
    return started.child;
  }
  const entrance = state.options.monitor?.confine(assignment) ?? null;
  if (entrance !== null) return spawnConfined(spawner, assignment, command, startTime, task.own, entrance);
  const { outlet } = task;
  const mayLive = !task.isRefused && outlet?.isFile !== false;
  task.living = mayLive ? spawnLiving(spawner, assignment, command, startTime, task.own, outlet) : null;
  if (task.living !== null) return task.living;
  const child = spawnDirect(spawner, assignment, command, startTime, task.own);
  if (child === null) return spawnShell(spawner, assignment, command, startTime, task.own);
  task.direct = true;
  state.directStarts++;
  return child;
}

function watch(monitor: Monitor, task: Task, child: Bun.Subprocess): void {
  task.watch = monitor.watch(task.assignment, child.pid, task.ends);
  // It may have ended within its start.
  if (task.over) task.watch?.ended(child);
}

/** Whether the output of each task goes to files of its own. */
function keepsOutput({ options, results }: State): boolean {
  return options.capture || results !== null;
}

function nameCaptured(state: State, task: Task): void {
  const { losses, results } = state;
  const { spawner } = task.place;
  if (results === null) {
    const stem = `${state.taskFolder}${osPaths.separator}${task.assignment.id}`;
    [task.outpath, task.errpath] = [`${stem}.out`, `${stem}.err`];
  }
  try {
    if (results === null) openCaptured(spawner, task.outpath!, task.errpath!);
    else openResults(state, task, results);
  } catch (error) {
    if (!losses.isRefused(error)) throw error;
    discardCaptured(spawner);
    if (results === null) for (const path of [task.outpath, task.errpath]) rmSync(path!, { force: true });
    task.outpath = task.errpath = null;
  }
}

/** Opens the files of a task's results. Throws a NoResults that says which cannot be made, and why. */
function openResults({ options }: State, task: Task, results: Results): void {
  const { id, args } = task.assignment;
  try {
    const files = results.filesOf(args);
    prepareResults(files, options.numberOf?.(id) ?? null);
    [task.outpath, task.errpath] = [files.stdout, files.stderr];
    openCaptured(task.place.spawner, files.stdout, files.stderr, openNamed);
  } catch (error) {
    throw new NoResults(error);
  }
}

// ---- what the system refuses

function notStarted(state: State, task: Task, command: string, error: unknown): void {
  if (passing.has(failureCode(error))) holdLaunch(state, task, command, error);
  else giveUpStart(state, task, command, error);
}

function giveUpStart(state: State, task: Task, command: string, error: unknown): void {
  if (isUnplaced(state, task)) return;
  task.command = command;
  task.startTime ??= state.options.clock.now();
  const reason = error instanceof NoResults ? error.message : describeRefusal(error, command, state.options);
  state.options.log.error(`Cannot start task (${task.assignment.id}): ${reason}`);
  task.outpath = task.errpath = null;
  endLater(state, task, notExecutable);
}

/**
 * Whether the task could not be started because its submission's directory cannot be entered. That is no outcome: the
 * directory may be there again, or be there on another host.
 */
function isUnplaced(state: State, task: Task): boolean {
  if (task.place === state.home) return false;
  const reason = whyNotEntered(task.place.cwd);
  if (reason === null) return false;
  const { id } = task.assignment;
  if (task.outpath !== null) for (const path of [task.outpath, task.errpath!]) rmSync(path, { force: true });
  task.over = true;
  queueMicrotask(() => task.ends.unplaced(id, `${task.place.cwd} (${reason})`));
  return true;
}

/** Lets a task wait for room to start. `error`: why there is none; null: others wait already. */
function holdLaunch(state: State, task: Task, command: string, error: unknown): void {
  hold(state, task, error, {
    again: () => launch(state, task, command),
    giveUp: () => giveUpStart(state, task, command, error ?? state.lastRefusal),
  });
}

function hold(state: State, task: Task, error: unknown, { again, giveUp }: Held): void {
  const { options, scarcity } = state;
  const running = state.alive.size + state.asked.size;
  const held = {
    again() {
      task.interrupt = null;
      again();
    },
    giveUp() {
      task.interrupt = null;
      giveUp();
    },
  };
  if (error !== null) {
    if (running === 0) state.guard?.makeRoom();
    if (state.lastRefusal === null) {
      const reason = `The system lets no more tasks start (${failureReason(error)})`;
      const what = running > 0 ? `the next wait until others end (${running} run)` : "trying again for a minute";
      options.log.warning(`${reason}: ${what}`);
    }
    state.lastRefusal = error;
  }
  task.interrupt = (signal) => {
    scarcity.remove(held);
    endStopped(state, task, signal);
  };
  if (!task.isHeld) task.ends.held(task.assignment.id, true);
  task.isHeld = true;
  scarcity.hold(held);
}

// ---- the end

function processEnded(
  state: State,
  child: Bun.Subprocess,
  code: number | null,
  signal: NodeJS.Signals | number | null,
): void {
  // Bun may find out that a process has ended before it returns from starting it.
  const task = state.alive.get(child) ?? state.starting;
  if (task === null || task.over) return;
  state.alive.delete(child);
  const told = statusOf(code, signal);
  const status = task.job?.exitStatus(told) ?? told;
  task.isKilled = signal !== null;
  task.watch?.ended(child);
  // A signal that this client sent went to the whole group, so it would have ended the shell too.
  const ownSignal = signal === null || signal === task.signalled;
  if (task.direct && !ownSignal && task.place.spawner.withoutShell!.shell.reportsSignals)
    reportSignal(state, task, status);
  else if (task === state.starting) endLater(state, task, status);
  else end(state, task, status);
  state.scarcity.freed();
}

/** The exit status of a process as shells tell it. */
function statusOf(code: number | null, signal: NodeJS.Signals | number | null): number {
  return code ?? (signal === null ? unknownStatus : 128 + signalNumber(signal));
}

/** A task of a living shell has ended. */
function livingEnded(
  state: State,
  child: Bun.Subprocess,
  code: number | null,
  signal: NodeJS.Signals | number | null,
): void {
  const task = state.alive.get(child);
  if (task === undefined) return;
  state.alive.delete(child);
  const status = statusOf(code, signal);
  task.isKilled = signal !== null;
  end(state, task, status);
  state.scarcity.freed();
}

/** A living shell has gone before it began its task: a fresh one runs it. */
function livingRefused(state: State, child: Bun.Subprocess): void {
  const task = state.alive.get(child);
  if (task === undefined) return;
  state.alive.delete(child);
  task.place.spawner.shells?.dismiss();
  task.isRefused = true;
  task.living = null;
  task.pid = null;
  if (task.signalled !== null) endStopped(state, task, task.signalled);
  else launch(state, task, task.command!);
}

/** Has the shell tell of the signal that a program died of, and ends its task then. */
function reportSignal(state: State, task: Task, status: number): void {
  task.over = true;
  const completionTime = state.options.clock.now();
  const stderr = task.outlet?.stderr ?? state.home.spawner.options.stderr;
  tellOfSignal(state.options.shell, task.errpath ?? stderr, status, () => end(state, task, status, completionTime));
}

function end(state: State, task: Task, exitStatus: number, completionTime = state.options.clock.now()): void {
  task.over = true;
  state.options.pins?.release(task.assignment.id);
  // Where failures are printed too, their reader may go without harm to tasks that print nothing: a status that is
  // merely the same is a status.
  const isCut =
    exitStatus === brokenPipe &&
    task.outlet === null &&
    (task.isKilled || !state.options.printsFailures) &&
    isUnheard(state);
  if (isCut) state.options.onUnread();
  const tell = (): void => tellEnd(state, task, { exitStatus, completionTime, isCut });
  tellAfterOutput(task, tell);
}

function tellEnd(
  state: State,
  task: Task,
  { exitStatus, completionTime, isCut }: Pick<Outcome, "exitStatus" | "completionTime"> & { isCut: boolean },
): void {
  state.losses.look(completionTime);
  const measured = task.watch?.close(completionTime) ?? unmeasured;
  if (task.outpath !== null && state.results === null) {
    const removed = removeEmpty([task.outpath, task.errpath!], task.groupAlive);
    if (removed.includes(task.outpath)) task.outpath = null;
    if (removed.includes(task.errpath!)) task.errpath = null;
  }
  const outcome = {
    id: task.assignment.id,
    lease: task.assignment.lease,
    command: task.command,
    startTime: task.startTime,
    completionTime,
    exitStatus,
    outpath: task.outpath,
    errpath: task.errpath,
    csvpath: measured.csvpath,
    coresMax: measured.coresMax,
    memoryMax: measured.memoryMax,
  };
  task.ends.ended(outcome, isCut);
}

/** Whether tasks write where this process does, and nobody reads that any more. */
function isUnheard(state: State): boolean {
  if (keepsOutput(state)) return false;
  const { outputs } = state;
  return (outputs.output === null && isUnread(1)) || (outputs.errors === null && isUnread(2));
}

/** Ends a task later in this turn, because its end may be noticed within `start`. */
function endLater(state: State, task: Task, exitStatus: number): void {
  task.over = true;
  queueMicrotask(() => end(state, task, exitStatus));
}

/** Ends a task that was stopped before it had a process. */
function endStopped(state: State, task: Task, signal: StopSignal): void {
  task.interrupt = null;
  task.command = task.startTime = null;
  endLater(state, task, 128 + signalNumber(signal));
}
