/*
 * Starts processes for tasks: `SHELL -c COMMAND`, or the program itself (see direct.ts), in a session of its own and
 * with the task's environment; or has a shell that lives do it (see living-shell.ts). Throws what Bun.spawn throws;
 * knows neither attempts nor outcomes.
 *
 * A start is the hottest path of a client. What keeps it short: options, argument lists and environments are made once
 * and shared by all starts, which only set what differs (Bun.spawn reads them before it returns); nothing waits for a
 * promise, no stream is opened. Measured on two cores, processor time of this process per `sh -c true`, 16 at a time
 * (the task itself takes 700 microseconds): Bun.spawn alone 53 microseconds, with 67 variables 71, with everything that
 * an executor does 90. The thread waits in vfork until the child has executed its program, so what it does besides
 * counts twice. Tried without effect: numbers instead of "inherit", an open /dev/null instead of "ignore", --smol, no
 * JIT, no concurrent JIT or collector.
 */
import { closeSync } from "node:fs";
import { expectRoomInCmd, isCmd, wordsForSigns, wordsOfShell } from "../base/command-shell.ts";
import { workingFolder } from "../base/process.ts";
import type { Logger } from "../log/logger.ts";
import type { Assignment } from "../task/task.ts";
import { type Direct, openDirect, plainWords } from "./direct.ts";
import {
  type EnvironmentOptions,
  type Own,
  setDeadline,
  type TaskEnvironment,
  taskEnvironment,
  type Variables,
} from "./environment.ts";
import type { Shells, ShellOptions, TaskOutputs } from "./living-shell.ts";
import { openFresh } from "./outputs.ts";

export type OnExit = (child: Bun.Subprocess, code: number | null, signal: NodeJS.Signals | number | null) => void;

export interface SpawnOptions {
  /** `/bin/sh` or cmd.exe, or the one that the user chose. */
  readonly shell: string;
  readonly environment: EnvironmentOptions;
  /** The environment that tasks inherit. */
  readonly base: Variables;
  /** Where the output of all tasks goes: to an open file of this number, or to the client's own output. */
  readonly stdout: number | "inherit";
  readonly stderr: number | "inherit";
  readonly onExit: OnExit;
  /** Who is told of tasks in living shells; null: there are to be none. */
  readonly living: Pick<ShellOptions, "clock" | "onEnd" | "onRefused"> | null;
  readonly log: Pick<Logger, "debug">;
}

/** The options that Bun.spawn gets at every start. */
interface Start {
  readonly cwd?: string;
  readonly stdin: "ignore";
  stdout: number | "inherit" | "ignore";
  stderr: number | "inherit" | "ignore";
  readonly detached: boolean;
  readonly onExit: OnExit;
  env: Variables;
}

/** How plain commands are executed without a shell. */
interface WithoutShell {
  readonly shell: Direct;
  readonly environment: TaskEnvironment;
  readonly start: Start & { argv0: string };
}

export interface Spawner {
  readonly options: SpawnOptions;
  /** What the environments of tasks are made from. It changes with the server. */
  environment: EnvironmentOptions;
  readonly viaShell: TaskEnvironment;
  readonly shellStart: Start & { readonly windowsVerbatimArguments: boolean };
  /** The argument lists of the shell. Their last word is the command. */
  readonly shellWords: string[];
  /**
   * The list for a command that begins with a sign. Without the two dashes the shell would take the command for
   * options.
   */
  readonly signWords: string[];
  /**
   * What it takes to execute a plain command without the shell; null: the shell was not asked yet, has not answered, or
   * does not behave in a known way.
   */
  withoutShell: WithoutShell | null;
  /** The number of plain commands so far. It counts until the shell is asked about them. */
  plainSeen: number;
  /** The shells that live; null: there are none (yet). */
  shells: Shells | null;
  /** The number of commands so far, as long as there are none. */
  startsSeen: number;
  /** Whether the next process writes to files of its own, which are to be closed. */
  isCaptured: boolean;
}

const windows = process.platform === "win32";
/** After this many plain commands, the shell is asked what it does to them, which takes a process. */
const plainBeforeAsking = 8;
/** At this command the shell is asked whether it can live. That takes a process, too. */
const startsBeforeAsking = 16;

/** Makes a spawner, which starts no process yet. */
export function newSpawner(options: SpawnOptions): Spawner {
  const { shell, environment, base } = options;
  const viaShell = taskEnvironment(environment, base, true);
  return {
    options,
    environment,
    viaShell,
    shellStart: { ...startOf(options, viaShell.variables), windowsVerbatimArguments: isCmd(shell) },
    shellWords: wordsOfShell(shell),
    signWords: wordsForSigns(shell),
    withoutShell: null,
    plainSeen: 0,
    shells: null,
    isCaptured: false,
    startsSeen: options.living === null || cannotShare(options) ? Number.POSITIVE_INFINITY : 0,
  };
}

/** Whether shells must not outlive a task in this directory, which may be another one by then. */
const cannotShare = ({ environment: { cwd } }: SpawnOptions): boolean => windows || cwd !== workingFolder();

function startOf({ environment, stdout, stderr, onExit }: SpawnOptions, env: Variables): Start {
  const { cwd } = environment;
  return {
    // Processes inherit the working directory; naming it costs a system call and would fail once the folder is renamed.
    ...(cwd === workingFolder() ? {} : { cwd }),
    stdin: "ignore",
    stdout,
    stderr,
    detached: !windows,
    onExit,
    env,
  };
}

/** Sets the server whose tasks run from now on. */
export function setServer(spawner: Spawner, serverId: string, serverHost: string): void {
  spawner.environment = { ...spawner.environment, serverId, serverHost };
  for (const environment of [spawner.viaShell, spawner.withoutShell?.environment]) {
    if (environment === undefined) continue;
    environment.variables["TASK_SERVER_ID"] = serverId;
    environment.variables["TASK_SERVER_HOST"] = serverHost;
  }
  spawner.shells?.dismiss();
}

/** Sets when the time of this host is up, milliseconds since 1970. */
export function setUntil(spawner: Spawner, until: number): void {
  spawner.environment = { ...spawner.environment, until };
  for (const environment of [spawner.viaShell, spawner.withoutShell?.environment])
    if (environment !== undefined) setDeadline(environment.variables, until);
  spawner.shells?.dismiss();
}

/**
 * Has the shell run a command. `startTime`: milliseconds since 1970. `own`: see TaskEnvironment. Throws what Bun.spawn
 * throws.
 */
export function spawnShell(
  spawner: Spawner,
  task: Assignment,
  command: string,
  startTime: number,
  own: Own | null,
): Bun.Subprocess {
  spawner.viaShell.fill(task, command, startTime, own);
  return Bun.spawn(wordsFor(spawner, command), spawner.shellStart);
}

/** Enters the control group whose file of processes is `$0`, and becomes the program of the words after it. */
const enterScript = '{ echo 0 >"$0"; } 2>/dev/null; exec "$@"';

/** As spawnShell; the process enters a control group first. `entrance`: the file into which it writes for that. */
export function spawnConfined(
  spawner: Spawner,
  task: Assignment,
  command: string,
  startTime: number,
  own: Own | null,
  entrance: string,
): Bun.Subprocess {
  spawner.viaShell.fill(task, command, startTime, own);
  return Bun.spawn(["/bin/sh", "-c", enterScript, entrance, ...wordsFor(spawner, command)], spawner.shellStart);
}

/**
 * Runs a plain command without a shell. `startTime`: milliseconds since 1970. `own`: see TaskEnvironment. Answers null
 * if the shell has to run it: the command is not plain, its program cannot be started, or it is not known (yet) what
 * the shell does to plain commands.
 */
export function spawnDirect(
  spawner: Spawner,
  task: Assignment,
  command: string,
  startTime: number,
  own: Own | null,
): Bun.Subprocess | null {
  const { withoutShell } = spawner;
  if (withoutShell === null && spawner.plainSeen >= plainBeforeAsking) return null;
  const words = plainWords(command);
  if (words === null) return null;
  if (withoutShell === null) {
    if (++spawner.plainSeen === plainBeforeAsking) askShell(spawner);
    return null;
  }
  const { shell, environment, start } = withoutShell;
  const program = words[0]!;
  const file = shell.find(program);
  if (file === null) return null;
  environment.fill(task, command, startTime, own);
  if (shell.setsUnderscore) environment.variables["_"] = file;
  start.argv0 = program;
  start.stdout = spawner.shellStart.stdout;
  start.stderr = spawner.shellStart.stderr;
  words[0] = file;
  try {
    return Bun.spawn(words, start);
  } catch {
    // There is no such file any more, it is no program, it is a script without `#!`, or a limit is exceeded. The shell
    // knows what to do or say.
    return null;
  }
}

/**
 * Has a living shell run a command. `startTime`: milliseconds since 1970. `own`: see TaskEnvironment. Answers the
 * process of the shell; null if a fresh shell has to run it: the command is not among those that may, the task has
 * variables that cannot be set, or there are no such shells (yet). `outputs`: files of this process that the task
 * writes to; null: those of all tasks.
 */
export function spawnLiving(
  spawner: Spawner,
  task: Assignment,
  command: string,
  startTime: number,
  own: Own | null,
  outputs: TaskOutputs | null,
): Bun.Subprocess | null {
  const { shells, viaShell } = spawner;
  if (shells === null) {
    if (++spawner.startsSeen === startsBeforeAsking) askToLive(spawner);
    return null;
  }
  // bash starts a program no quicker than this process does.
  if (!shells.isDash && spawner.withoutShell !== null && plainWords(command) !== null) return null;
  if (!shells.takes(command)) return null;
  viaShell.fill(task, command, startTime, own);
  const names = viaShell.names();
  if (names === null) return null;
  try {
    return shells.run(command, names, outputs);
  } catch {
    // There is no room for one more: a fresh shell is told so, or finds some where those go that have nothing to do.
    shells.dismiss();
    return null;
  }
}

function askToLive(spawner: Spawner): void {
  const { living, shell, stdout, stderr, base, log } = spawner.options;
  const options = {
    ...living!,
    shell,
    cwd: null,
    variables: spawner.viaShell.variables,
    stdout: stdout === "inherit" ? 1 : stdout,
    stderr: stderr === "inherit" ? 2 : stderr,
  };
  // The answer is not awaited, as above.
  void import("./living-shell.ts")
    .then(({ openShells }) => openShells(options, base))
    .then((shells) => {
      if (shells === null) return;
      spawner.shells = shells;
      log.debug("Commands are run by shells that live");
    });
}

function askShell(spawner: Spawner): void {
  const { shell, base, log } = spawner.options;
  // The answer is not awaited: the shell does the work until it comes. The promise never rejects.
  void openDirect(shell, spawner.environment.cwd, base).then((answer) => {
    if (answer === null) return;
    const environment = taskEnvironment(spawner.environment, answer.base, answer.anyName);
    const start = { ...startOf(spawner.options, environment.variables), argv0: "" };
    spawner.withoutShell = { shell: answer, environment, start };
    log.debug("Plain commands are executed without a shell");
  });
}

/**
 * The words that have the shell run a command. They are only valid until the next call. Throws an Error for a command
 * that is longer than cmd.exe takes.
 */
export function wordsFor({ shellWords, signWords, shellStart }: Spawner, command: string): string[] {
  const first = command.charCodeAt(0);
  const list = first === 0x2b || first === 0x2d ? signWords : shellWords;
  if (shellStart.windowsVerbatimArguments) {
    list[list.length - 1] = `"${command}"`;
    expectRoomInCmd(list);
  } else list[list.length - 1] = command;
  return list;
}

/**
 * Has the next process write to these files, which `open` makes. Throws the errors of the file system;
 * `closeCaptured` must be called even then.
 */
export function openCaptured(
  spawner: Spawner,
  outpath: string,
  errpath: string,
  open: (path: string) => number = openFresh,
): void {
  const { shellStart } = spawner;
  spawner.isCaptured = true;
  shellStart.stdout = open(outpath);
  shellStart.stderr = open(errpath);
}

/** Has the next process write to nowhere, after `openCaptured` has failed. */
export function discardCaptured(spawner: Spawner): void {
  closeCaptured(spawner);
  spawner.shellStart.stdout = spawner.shellStart.stderr = "ignore";
}

/** Has the next process write to these descriptors. */
export function directTo({ shellStart }: Spawner, { stdout, stderr }: TaskOutputs): void {
  shellStart.stdout = stdout;
  shellStart.stderr = stderr;
}

/** Has processes write where all tasks do, after `directTo`. */
export function undirect({ shellStart, options }: Spawner): void {
  shellStart.stdout = options.stdout;
  shellStart.stderr = options.stderr;
}

/** Closes the files of `openCaptured`. The process has descriptors of its own for them. */
export function closeCaptured(spawner: Spawner): void {
  const { shellStart } = spawner;
  if (!spawner.isCaptured) return;
  spawner.isCaptured = false;
  if (typeof shellStart.stdout === "number") closeSync(shellStart.stdout);
  if (typeof shellStart.stderr === "number") closeSync(shellStart.stderr);
  shellStart.stdout = shellStart.stderr = "inherit";
}
