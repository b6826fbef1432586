/*
 * Starts processes for tasks: `/bin/sh -c COMMAND`, or the program itself (see direct.ts), in a session of its own and
 * with the task's environment. Throws what Bun.spawn throws; knows neither attempts nor outcomes.
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
import type { Logger } from "../log/logger.ts";
import type { Assignment } from "../task/task.ts";
import { type Direct, openDirect, plainWords } from "./direct.ts";
import { type EnvironmentOptions, type TaskEnvironment, taskEnvironment, type Variables } from "./environment.ts";
import { openTruncated } from "./outputs.ts";

export type OnExit = (child: Bun.Subprocess, code: number | null, signal: NodeJS.Signals | number | null) => void;

export interface SpawnOptions {
  /** `/bin/sh`; on Windows the path of cmd.exe. */
  readonly shell: string;
  readonly environment: EnvironmentOptions;
  /** What tasks inherit. */
  readonly base: Variables;
  /** Where the output of all tasks goes: number of an open file, or the client's own. */
  readonly stdout: number | "inherit";
  readonly stderr: number | "inherit";
  readonly onExit: OnExit;
  readonly log: Pick<Logger, "debug">;
}

/** What Bun.spawn is told at every start. */
interface Start {
  readonly cwd?: string;
  readonly stdin: "ignore";
  stdout: number | "inherit";
  stderr: number | "inherit";
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
  /** Changes with the server. */
  environment: EnvironmentOptions;
  readonly viaShell: TaskEnvironment;
  readonly shellStart: Start & { readonly windowsVerbatimArguments: boolean };
  /** The argument lists of the shell; their last word is the command. */
  readonly shellWords: string[];
  /** The list for a command that begins with a sign: without the two dashes the shell would take it for options. */
  readonly signWords: string[];
  /** Null: the shell is not asked yet, has not answered, or does not behave as known. */
  withoutShell: WithoutShell | null;
  /** Plain commands so far, until the shell is asked about them. */
  plainSeen: number;
  /** Tasks that were executed without a shell so far. */
  directStarts: number;
}

const windows = process.platform === "win32";
/** The shell is asked what it does to plain commands (which takes a process) when this many of them have come by. */
const plainBeforeAsking = 8;

/** Makes what starts processes. Starts none yet. */
export function newSpawner(options: SpawnOptions): Spawner {
  const { shell, environment, base } = options;
  const viaShell = taskEnvironment(environment, base, true);
  return {
    options,
    environment,
    viaShell,
    shellStart: { ...startOf(options, viaShell.variables), windowsVerbatimArguments: windows },
    shellWords: windows ? [shell, "/d", "/s", "/c", ""] : [shell, "-c", ""],
    signWords: [shell, "-c", "--", ""],
    withoutShell: null,
    plainSeen: 0,
    directStarts: 0,
  };
}

function startOf({ environment, stdout, stderr, onExit }: SpawnOptions, env: Variables): Start {
  const { cwd } = environment;
  return {
    // Processes inherit the working directory; naming it costs a system call and would fail once the folder is renamed.
    ...(cwd === process.cwd() ? {} : { cwd }),
    stdin: "ignore",
    stdout,
    stderr,
    detached: !windows,
    onExit,
    env,
  };
}

/** Whose tasks these are from now on. */
export function setServer(spawner: Spawner, serverId: string, serverHost: string): void {
  spawner.environment = { ...spawner.environment, serverId, serverHost };
  for (const environment of [spawner.viaShell, spawner.withoutShell?.environment]) {
    if (environment === undefined) continue;
    environment.variables["TASK_SERVER_ID"] = serverId;
    environment.variables["TASK_SERVER_HOST"] = serverHost;
  }
}

/** Has the shell run a command. `startTime`: milliseconds since 1970. Throws what Bun.spawn throws. */
export function spawnShell(spawner: Spawner, task: Assignment, command: string, startTime: number): Bun.Subprocess {
  spawner.viaShell.fill(task, command, startTime);
  return Bun.spawn(wordsFor(spawner, command), spawner.shellStart);
}

/**
 * Runs a plain command without a shell. `startTime`: milliseconds since 1970. Null: the shell has to run it, because
 * the command is not plain, its program cannot be started, or what the shell does to plain commands is not known (yet).
 */
export function spawnDirect(
  spawner: Spawner,
  task: Assignment,
  command: string,
  startTime: number,
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
  environment.fill(task, command, startTime);
  if (shell.setsUnderscore) environment.variables["_"] = file;
  start.argv0 = program;
  start.stdout = spawner.shellStart.stdout;
  start.stderr = spawner.shellStart.stderr;
  words[0] = file;
  try {
    const child = Bun.spawn(words, start);
    spawner.directStarts++;
    return child;
  } catch {
    // No such file any more, no program, a script without `#!`, too long, too many: the shell knows what to do or say.
    return null;
  }
}

function askShell(spawner: Spawner): void {
  const { shell, base, log } = spawner.options;
  // Not awaited: until the answer comes the shell does the work. It never rejects.
  void openDirect(shell, spawner.environment.cwd, base).then((answer) => {
    if (answer === null) return;
    const environment = taskEnvironment(spawner.environment, answer.base, answer.anyName);
    const start = { ...startOf(spawner.options, environment.variables), argv0: "" };
    spawner.withoutShell = { shell: answer, environment, start };
    log.debug("Plain commands are executed without a shell");
  });
}

/** The words that have the shell run a command. They are only valid until the next call. */
export function wordsFor({ shellWords, signWords }: Spawner, command: string): string[] {
  const first = command.charCodeAt(0);
  const list = !windows && (first === 0x2b || first === 0x2d) ? signWords : shellWords;
  list[list.length - 1] = windows ? `"${command}"` : command;
  return list;
}

/**
 * Has the next process write to these files. Throws the errors of the file system; `closeCaptured` is due even then.
 */
export function openCaptured({ shellStart }: Spawner, outpath: string, errpath: string): void {
  shellStart.stdout = openTruncated(outpath);
  shellStart.stderr = openTruncated(errpath);
}

/** Closes the files of `openCaptured`: the process has its own numbers for them. */
export function closeCaptured({ shellStart }: Spawner): void {
  if (typeof shellStart.stdout === "number") closeSync(shellStart.stdout);
  if (typeof shellStart.stderr === "number") closeSync(shellStart.stderr);
  shellStart.stdout = shellStart.stderr = "inherit";
}
