/*
 * Runs tasks as processes: expands the command, starts `/bin/sh -c COMMAND` (or the program itself, see direct.ts) in a session of its own,
 * and tells how it ended. Whatever a program does or a system refuses is an Outcome. It decides nothing: when a task starts and when it
 * is stopped is the reactor's business.
 *
 * Invariant: every start is answered by exactly one outcome, never from within `start`.
 *
 * A start is the hottest path of a client. What keeps it short: options, argument list, environment and onExit are shared by all starts
 * (Bun.spawn reads them before it returns), nothing waits for a promise, no stream is opened. Measured on two cores, processor time of this
 * process per `sh -c true`, 16 at a time (the task itself takes 700 microseconds): Bun.spawn alone 53 microseconds, with 67 variables 71,
 * all of this file 90. The thread waits in vfork until the child has executed its program, so what it does besides counts twice. Tried
 * without effect: numbers instead of "inherit", an open /dev/null instead of "ignore", --smol, no JIT, no concurrent JIT or collector.
 */
import { closeSync, existsSync } from "node:fs";
import { resolve } from "node:path";
import type { Clock } from "../base/clock.ts";
import { messageOf } from "../base/errors.ts";
import { failureCode, failureReason } from "../base/paths.ts";
import type { Logger } from "../log/logger.ts";
import { type Assignment, type Outcome, sentinel } from "../task/task.ts";
import type { ShellOutput } from "../base/system.ts";
import { type Direct, openDirect, plainWords } from "./direct.ts";
import { type EnvironmentOptions, inherited, type TaskEnvironment, taskEnvironment } from "./environment.ts";
import type { Executor, Running, StopSignal } from "./executor.ts";
import { type Group, groupOf, signalNumber } from "./group.ts";
import { guardOrphans } from "./orphans.ts";
import { openAppended, openShared, openTruncated, prepareFolder } from "./outputs.ts";
import { printedBy } from "./printed.ts";
import { expansion, fileFacts } from "./templates.ts";

export interface ExecutorOptions extends EnvironmentOptions {
  /** `/bin/sh`; on Windows the path of cmd.exe. */
  readonly shell: string;
  /** Each task's output goes to files in `taskFolder`; not together with `outputPath` or `errorsPath`. */
  readonly capture: boolean;
  /** File for the standard output of all tasks; null: the client's own. */
  readonly outputPath: string | null;
  /** File for the standard error of all tasks; null: the client's own. */
  readonly errorsPath: string | null;
  /** The client's own template, for tasks whose submission has none; null: `{}`. */
  readonly template: string | null;
  readonly clock: Clock;
  /** Told why a task could not be run. */
  readonly log: Pick<Logger, "error" | "debug">;
}

export interface ProcessExecutor extends Executor {
  /** How many tasks were executed without a shell so far. */
  readonly directStarts: number;
}

/** Exit status of what is there but cannot be executed, as shells have it. */
const notExecutable = 126;
/** Exit status of a process whose end the system did not tell. */
const unknownStatus = 255;
/** Pauses between attempts to start while the system is out of processes, files or memory; milliseconds, 2.5 s in all. */
const pausesMs = [10, 20, 40, 80, 160, 320, 640, 1280] as const;
const passing = new Set(["EAGAIN", "ENOMEM", "EMFILE", "ENFILE"]);
/** The shell is asked what it does to plain commands (which takes a process) when this many of them have come by. */
const plainBeforeAsking = 8;

/** A task from its start to its end. */
interface Task extends Running {
  readonly assignment: Assignment;
  readonly done: (outcome: Outcome) => void;
  pid: number | null;
  command: string | null;
  startTime: number | null;
  outpath: string | null;
  errpath: string | null;
  /** It was executed without a shell. */
  direct: boolean;
  /** The signal that was sent last. */
  signalled: StopSignal | null;
  /** Its outcome is told, or about to be. */
  over: boolean;
  /** The signal that came before there was a process. */
  stopped: StopSignal | null;
  /** Ends what goes on before there is a process: commands of the template, a pause. */
  interrupt: ((signal: StopSignal) => void) | null;
}

/** Throws a UserError when a file or folder for output cannot be written, or the template is malformed. */
export function createExecutor(options: ExecutorOptions): ProcessExecutor {
  const { clock, log, shell, capture, cwd } = options;
  const windows = process.platform === "win32";
  const place = (path: string | null): string | null => (path === null ? null : resolve(cwd, path));
  const taskFolder = resolve(cwd, options.taskFolder);
  let everyTask: EnvironmentOptions = { ...options, taskFolder };
  const base = inherited(options);
  const viaShell = taskEnvironment(everyTask, base, true);
  const expand = expansion(options.template, {
    now: clock.now,
    environment: (name) => base[name] ?? null,
    file: fileFacts(cwd),
  });
  if (capture) prepareFolder(taskFolder);
  const outputs = openShared(place(options.outputPath), place(options.errorsPath));

  const alive = new Map<Bun.Subprocess, Task>();
  /** Leaders of the sessions of commands inside templates. */
  const asked = new Set<number>();
  const sessions = (): number[] => [...Array.from(alive.keys(), (child) => child.pid), ...asked];
  const guard = windows ? null : guardOrphans(options.clientId, options.environment["PATH"], clock, sessions);
  /** The task whose process is being started. */
  let starting: Task | null = null;

  let direct: Direct | null = null;
  let viaDirect: TaskEnvironment = viaShell;
  let plainSeen = 0;
  let directStarts = 0;

  const stdout: number | "inherit" = outputs.output ?? "inherit";
  const stderr: number | "inherit" = outputs.errors ?? "inherit";
  const shared = {
    // Processes inherit the working directory; naming it costs a system call and would fail once the folder is renamed.
    ...(cwd === process.cwd() ? {} : { cwd }),
    stdin: "ignore" as const,
    stdout,
    stderr,
    detached: !windows,
    onExit: processEnded,
  };
  const shellStart = { ...shared, env: viaShell.variables, windowsVerbatimArguments: windows };
  const directStart = { ...shared, env: viaShell.variables, argv0: "" };
  const shellWords = windows ? [shell, "/d", "/s", "/c", ""] : [shell, "-c", ""];
  // Without the two dashes the shell would take such a command for options.
  const signWords = [shell, "-c", "--", ""];

  // ---- from the command to the process

  function begin(task: Task, template: string | null, attempt: number): void {
    try {
      const command = expand(template, task.assignment.args, (inner) => printed(task, inner));
      if (typeof command === "string") return launch(task, command, 0);
      command.then(
        (text) => (task.stopped === null ? launch(task, text, 0) : endStopped(task, task.stopped)),
        (error: unknown) => expansionFailed(task, template, attempt, error),
      );
    } catch (error) {
      expansionFailed(task, template, attempt, error);
    }
  }

  /** What a command inside the template prints; it has the task's environment, as far as there is one. */
  async function printed(task: Task, command: string): Promise<ShellOutput> {
    if (task.stopped !== null) throw new Error("stopped");
    viaShell.fill(task.assignment, null, clock.now());
    const printing = printedBy(wordsFor(command), { cwd, env: viaShell.variables, stderr });
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
    }
  }

  function expansionFailed(task: Task, template: string | null, attempt: number, error: unknown): void {
    if (task.stopped !== null) return endStopped(task, task.stopped);
    // Another command of the same template may still run.
    task.interrupt?.("SIGKILL");
    task.interrupt = null;
    if (pause(task, attempt, error, () => begin(task, template, attempt + 1))) return;
    log.error(`Template expansion failed for task (${task.assignment.id}): ${messageOf(error)} (cancelled)`);
    task.startTime = clock.now();
    endLater(task, sentinel.templateFailed);
  }

  function launch(task: Task, command: string, attempt: number): void {
    task.interrupt = null;
    task.command = command;
    task.startTime = clock.now();
    starting = task;
    try {
      if (capture) openCaptured(task);
      const child = spawnDirect(task, command) ?? spawnShell(task, command);
      task.pid = child.pid;
      if (!task.over) alive.set(child, task);
      log.debug(() => `Running task (${task.assignment.id})[${child.pid}]: ${command}`);
    } catch (error) {
      notStarted(task, command, attempt, error);
    } finally {
      starting = null;
      if (capture) closeCaptured();
    }
    guard?.taskStarted();
  }

  function spawnShell(task: Task, command: string): Bun.Subprocess {
    viaShell.fill(task.assignment, command, task.startTime!);
    return Bun.spawn(wordsFor(command), shellStart);
  }

  /** Null: ask the shell. */
  function spawnDirect(task: Task, command: string): Bun.Subprocess | null {
    if (direct === null && plainSeen >= plainBeforeAsking) return null;
    const words = plainWords(command);
    if (words === null) return null;
    if (direct === null) {
      if (++plainSeen === plainBeforeAsking) askShell();
      return null;
    }
    const program = words[0]!;
    const file = direct.find(program);
    if (file === null) return null;
    viaDirect.fill(task.assignment, command, task.startTime!);
    if (direct.setsUnderscore) viaDirect.variables["_"] = file;
    directStart.argv0 = program;
    words[0] = file;
    try {
      const child = Bun.spawn(words, directStart);
      task.direct = true;
      directStarts++;
      return child;
    } catch {
      // No such file any more, no program, a script without `#!`, too long, too many: the shell knows what to do or say.
      return null;
    }
  }

  function askShell(): void {
    // Not awaited: it answers when it can, until then the shell does the work. It never rejects.
    void openDirect(shell, cwd, base).then((answer) => {
      if (answer === null) return;
      direct = answer;
      viaDirect = taskEnvironment(everyTask, answer.base, answer.anyName);
      directStart.env = viaDirect.variables;
      log.debug("Plain commands are executed without a shell");
    });
  }

  function wordsFor(command: string): string[] {
    const first = command.charCodeAt(0);
    const list = !windows && (first === 0x2b || first === 0x2d) ? signWords : shellWords;
    list[list.length - 1] = windows ? `"${command}"` : command;
    return list;
  }

  // ---- captured output

  function openCaptured(task: Task): void {
    task.outpath = `${taskFolder}/${task.assignment.id}.out`;
    task.errpath = `${taskFolder}/${task.assignment.id}.err`;
    shellStart.stdout = directStart.stdout = openTruncated(task.outpath);
    shellStart.stderr = directStart.stderr = openTruncated(task.errpath);
  }

  function closeCaptured(): void {
    if (typeof shellStart.stdout === "number") closeSync(shellStart.stdout);
    if (typeof shellStart.stderr === "number") closeSync(shellStart.stderr);
    shellStart.stdout = shellStart.stderr = "inherit";
  }

  // ---- what the system refuses

  function notStarted(task: Task, command: string, attempt: number, error: unknown): void {
    if (pause(task, attempt, error, () => launch(task, command, attempt + 1))) return;
    log.error(`Cannot start task (${task.assignment.id}): ${refusal(error, command)}`);
    task.outpath = task.errpath = null;
    endLater(task, notExecutable);
  }

  /** Whether it is worth another try, which then comes a little later. */
  function pause(task: Task, attempt: number, error: unknown, again: () => void): boolean {
    const delayMs = pausesMs[attempt];
    if (delayMs === undefined || !passing.has(failureCode(error))) return false;
    log.debug(() => `Cannot start task (${task.assignment.id}): ${failureReason(error)}, trying again`);
    const timer = clock.after(delayMs, () => {
      task.interrupt = null;
      again();
    });
    task.interrupt = (signal) => {
      timer.cancel();
      endStopped(task, signal);
    };
    return true;
  }

  function refusal(error: unknown, command: string): string {
    const code = failureCode(error);
    if (code === "E2BIG")
      return `the command (${command.length} characters) and its environment are more than the system takes`;
    if (code === "ERR_INVALID_ARG_VALUE") return "a command or a tag contains a zero byte";
    if (!existsSync(cwd)) return `the working directory "${cwd}" does not exist`;
    return `${failureReason(error)} (${shell} in "${cwd}")`;
  }

  // ---- the end

  function processEnded(child: Bun.Subprocess, code: number | null, signal: NodeJS.Signals | number | null): void {
    // Bun may find out that a process has ended before it returns from starting it.
    const task = alive.get(child) ?? starting;
    if (task === null || task.over) return;
    alive.delete(child);
    const status = code ?? (signal === null ? unknownStatus : 128 + signalNumber(signal));
    // What we sent ourselves went to the whole group: it would have ended the shell too.
    if (task.direct && signal !== null && signal !== task.signalled && direct!.reportsSignals)
      reportSignal(task, status);
    else if (task === starting) endLater(task, status);
    else end(task, status);
  }

  /**
   * Has the shell say on the task's standard error what it says of a program that dies by a signal: only the shell has the words. It
   * takes two processes, but few programs die so.
   */
  function reportSignal(task: Task, status: number): void {
    task.over = true;
    const completionTime = clock.now();
    const words = [shell, "-c", 'ulimit -c 0; "$0" -c "kill -$1 \\$\\$"; :', shell, `${status - 128}`];
    let captured: number | null = null;
    try {
      if (task.errpath !== null) captured = openAppended(task.errpath);
      Bun.spawn(words, {
        stdin: "ignore",
        stdout: "ignore",
        stderr: captured ?? stderr,
        detached: true,
        onExit: () => end(task, status, completionTime),
      });
    } catch {
      // The line is lost, the outcome is not.
      queueMicrotask(() => end(task, status, completionTime));
    } finally {
      if (captured !== null) closeSync(captured);
    }
  }

  function end(task: Task, exitStatus: number, completionTime = clock.now()): void {
    task.over = true;
    task.done({
      id: task.assignment.id,
      lease: task.assignment.lease,
      command: task.command,
      startTime: task.startTime,
      completionTime,
      exitStatus,
      outpath: task.outpath,
      errpath: task.errpath,
      csvpath: null,
      coresMax: null,
      memoryMax: null,
    });
  }

  /** For what may be found out within `start`. */
  function endLater(task: Task, exitStatus: number): void {
    task.over = true;
    queueMicrotask(() => end(task, exitStatus));
  }

  /** It was stopped before there was a process. */
  function endStopped(task: Task, signal: StopSignal): void {
    task.interrupt = null;
    task.command = task.startTime = null;
    endLater(task, 128 + signalNumber(signal));
  }

  return {
    get directStarts() {
      return directStarts;
    },
    servedBy(serverId, serverHost) {
      everyTask = { ...everyTask, serverId, serverHost };
      for (const { variables } of [viaShell, viaDirect]) {
        variables["TASK_SERVER_ID"] = serverId;
        variables["TASK_SERVER_HOST"] = serverHost;
      }
    },
    start(assignment, template, done) {
      const task = newTask(assignment, done);
      begin(task, template, 0);
      return task;
    },
    close() {
      guard?.close();
      outputs.close();
    },
  };
}

function newTask(assignment: Assignment, done: (outcome: Outcome) => void): Task {
  let group: Group | null = null;
  const task: Task = {
    assignment,
    done,
    pid: null,
    command: null,
    startTime: null,
    outpath: null,
    errpath: null,
    direct: false,
    signalled: null,
    over: false,
    stopped: null,
    interrupt: null,
    signal(signal) {
      if (task.pid !== null) {
        task.signalled = signal;
        group ??= groupOf(task.pid, () => task.over);
        group.signal(signal);
      } else if (!task.over) {
        task.stopped ??= signal;
        task.interrupt?.(signal);
      }
    },
    groupAlive() {
      if (!task.over) return true;
      if (task.pid === null) return false;
      group ??= groupOf(task.pid, () => task.over);
      return group.alive();
    },
  };
  return task;
}
