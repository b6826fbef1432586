/*
 * Real tasks in a temporary folder, for tests of what runs them. Whatever a task of the place left running is killed
 * when the place is disposed of, found by the client id in its environment.
 */
import { mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../../src/base/clock.ts";
import { newId } from "../../../src/base/ids.ts";
import type { Ends, Running } from "../../../src/client/executor.ts";
import type { ExecutorOptions } from "../../../src/client/options.ts";
import { createExecutor, type ProcessExecutor } from "../../../src/client/process.ts";
import type { Assignment, Outcome } from "../../../src/task/task.ts";
import { makeAssignment } from "../../make.ts";

export interface Started {
  readonly running: Running;
  readonly outcome: Promise<Outcome>;
}

export interface TaskPlace extends Disposable {
  readonly folder: string;
  readonly clientId: string;
  /** What the executor had to say, as `level text`. */
  readonly notes: string[];
  readonly executor: ProcessExecutor;
  start(args: string, changes?: Partial<Assignment>, template?: string | null, cwd?: string | null): Started;
  /** Rejects where the task has no place to run in. */
  run(args: string, changes?: Partial<Assignment>, template?: string | null, cwd?: string | null): Promise<Outcome>;
  read(name: string): string;
}

/** `folder/NAME` for a path, as standard output of all tasks goes to `out` and standard error to `err` there. */
export function taskPlace(changes: Partial<ExecutorOptions> = {}): TaskPlace {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "hs-task-")));
  const clientId = newId();
  const notes: string[] = [];
  const note = (level: string) => (text: string | (() => string)) => {
    notes.push(`${level} ${typeof text === "string" ? text : text()}`);
  };
  const capture = changes.capture ?? false;
  const executor = createExecutor({
    devices: () => ({ count: 0, variables: [] }),
    pins: null,
    jobs: null,
    printsFailures: false,
    cwd: folder,
    inOrigin: false,
    shell: "/bin/sh",
    shellReuse: true,
    taskFolder: join(folder, "task"),
    clientFolder: join(folder, "client"),
    capture,
    results: null,
    numberOf: null,
    outputPath: capture ? null : join(folder, "out"),
    errorsPath: capture ? null : join(folder, "err"),
    template: null,
    environment: process.env,
    exports: {},
    clientId,
    clientHost: "here",
    serverId: "11111111-1111-7111-8111-111111111111",
    serverHost: "there",
    clock: systemClock,
    monitor: null,
    sink: null,
    onUnread() {
      notes.push("unread");
    },
    log: { error: note("error"), warning: note("warning"), debug: note("debug") },
    ...changes,
  });

  function start(
    args: string,
    assignment: Partial<Assignment> = {},
    template: string | null = null,
    cwd: string | null = null,
  ): Started {
    const { promise, resolve, reject } = Promise.withResolvers<Outcome>();
    const ends: Ends = {
      ended: resolve,
      overMemory: (_id, used, allowed, isKilled) => notes.push(`over ${used} > ${allowed} ${isKilled}`),
      unplaced: (id, reason) => reject(new Error(`${id}: ${reason}`)),
      held: (_id, isWaiting) => notes.push(isWaiting ? "held" : "begun"),
    };
    return {
      running: executor.start(newAssignment({ args, ...assignment }), { template, cwd }, ends),
      outcome: promise,
    };
  }

  return {
    folder,
    clientId,
    notes,
    executor,
    start,
    run: (...words) => start(...words).outcome,
    read: (name) => readFileSync(join(folder, name), "utf8"),
    [Symbol.dispose]() {
      executor.close();
      for (const pid of processesOf(clientId)) process.kill(pid, "SIGKILL");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export function newAssignment(changes: Partial<Assignment>): Assignment {
  const now = systemClock.now();
  const usual = { args: "true", submitId: newId(), submitTime: now, submitHost: "there", scheduleTime: now };
  return makeAssignment({ id: newId(), lease: 1 }, { ...usual, ...changes });
}

/** Living processes with this client's id in their environment. */
export function processesOf(clientId: string): number[] {
  return allProcesses().filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/environ`, "latin1").split("\0").includes(`TASK_CLIENT_ID=${clientId}`);
    } catch {
      return false;
    }
  });
}

export function allProcesses(): number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => Number.isInteger(pid));
}

/** Whether it runs; a dead one that nobody has collected does not. */
export function isRunning(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat[stat.lastIndexOf(")") + 2] !== "Z";
  } catch {
    return false;
  }
}
