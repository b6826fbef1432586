/*
 * The processes of tasks on Windows, which has neither process groups nor signals. Each task gets a job: it holds all
 * that the task starts, also what outlives its parent, and is ended at once and with a status that is chosen. The
 * client itself is in a job that ends with it, so that nothing goes on when it is killed: what a task starts before it
 * is in its own job is in that one, too. Exit statuses are read from the system, because Bun keeps the lowest 8 bits
 * only, and makes 256 a success. What is started does not hear Ctrl-C, as a task on Linux does not: the console sends
 * it to every process, and a program that ends by it may well say that it succeeded.
 *
 * Knows neither tasks nor clients. It is loaded on Windows only; what it asks of the system is in windows-kernel.ts.
 *
 * Source: learn.microsoft.com, "Job Objects", "Nested Jobs", "SetConsoleCtrlHandler".
 */
import type { Handle, Kernel } from "./windows-kernel.ts";

/** A process that was started, and all that it has started. */
export interface Job {
  /**
   * The exit status of the process, which has ended, from 0 to 2^32 - 1. `told` is what Bun says of it. It must be
   * asked exactly once: what the system has kept of the process is given up then.
   */
  exitStatus(told: number | null): number;
  /** Ends all its processes at once, which then have this exit status. */
  end(status: number): void;
  /** Whether any of its processes has not ended. */
  alive(): boolean;
}

export interface Jobs {
  /** Whether all processes end with this one. False: the system has refused that. */
  readonly endWithUs: boolean;
  /**
   * Starts a process by `spawn`, out of reach of Ctrl-C, and takes it into a job. A Ctrl-C that comes within the call
   * is lost (Ctrl-Break is not). Throws what `spawn` throws.
   */
  start<Child extends { readonly pid: number }>(spawn: () => Child): { readonly child: Child; readonly job: Job };
  /** Lets what is left of tasks go on when this process ends. */
  close(): void;
}

/** The exit status of a process if the system did not tell it, and Bun's part of it would mean success. */
const unknownStatus = 255;

/** So many jobs of tasks that have ended may be open before those without processes are looked for. */
const manyLeft = 64;

interface State {
  readonly kernel: Kernel;
  /** The job that this process is in; null: the system has refused one. */
  readonly own: Handle | null;
  /** Whether this process itself was started out of reach of Ctrl-C. It stays so then. */
  readonly ignoresInterrupt: boolean;
  /** Jobs whose first process has ended, but not all that it started. */
  left: JobState[];
  /** How many of them there may be before those that have ended are looked for. */
  lookAt: number;
}

interface JobState {
  readonly pid: number;
  /** The first process; null: it could not be opened, or was given up. */
  process: Handle | null;
  /** When that was started; null: not known. */
  readonly startedAt: bigint | null;
  /** Null: the system has refused one, or nothing is left in it. */
  job: Handle | null;
}

/** Prepares for processes to be started, by the kernel of Windows. */
export function newJobs(kernel: Kernel): Jobs {
  const own = kernel.newJob();
  const endWithUs = own !== null && kernel.endsWithUs(own, true) && kernel.join(own, null);
  const ignoresInterrupt = kernel.ignoresInterrupt();
  const state: State = { kernel, own: endWithUs ? own : null, ignoresInterrupt, left: [], lookAt: manyLeft };
  return {
    endWithUs,
    start(spawn) {
      const child = outOfReach(state, spawn);
      return { child, job: jobOf(state, child.pid) };
    },
    close() {
      if (state.own !== null) kernel.endsWithUs(state.own, false);
    },
  };
}

/** What is started inherits whether it hears Ctrl-C. Only this process is to hear it. */
function outOfReach<Child>({ kernel, ignoresInterrupt }: State, spawn: () => Child): Child {
  if (ignoresInterrupt) return spawn();
  kernel.ignoreInterrupt(true);
  try {
    return spawn();
  } finally {
    kernel.ignoreInterrupt(false);
  }
}

/** Takes a process that was started just now into a job. Bun has it open, so that the id is still its own. */
function jobOf(state: State, pid: number): Job {
  const { kernel } = state;
  const opened = kernel.open(pid);
  const job = opened === null ? null : kernel.newJob();
  const startedAt = opened === null ? null : kernel.startTime(opened);
  const one: JobState = { pid, process: opened, startedAt, job };
  if (job !== null && !kernel.join(job, opened)) closeJob(state, one);
  return {
    exitStatus(told) {
      const status = one.process === null ? null : kernel.exitStatus(one.process);
      leave(state, one);
      return status ?? (told || unknownStatus);
    },
    end(status) {
      if (one.job === null) {
        if (one.process !== null) kernel.end(one.process, status);
        return;
      }
      takeStrays(state, one);
      kernel.endAll(one.job, status);
    },
    alive() {
      if (one.job !== null) return kernel.members(one.job) > 0;
      return one.process !== null && !kernel.hasEnded(one.process);
    },
  };
}

/**
 * Takes into the job what its process has started before it was in it: on a busy machine this program may have stood
 * still in between. They are found by their parents.
 */
function takeStrays({ kernel, own }: State, { pid, job, startedAt }: JobState): void {
  const entries = kernel.processes();
  const parents = [pid];
  for (let parent = parents.pop(); parent !== undefined; parent = parents.pop()) {
    for (const entry of entries) {
      if (entry.parent !== parent || entry.pid === pid) continue;
      const found = kernel.open(entry.pid);
      if (found === null) continue;
      // An older process had a parent of the same number.
      const isOlder = startedAt !== null && (kernel.startTime(found) ?? startedAt) < startedAt;
      const isOurs = own === null || kernel.isIn(own, found);
      if (isOurs && !isOlder && !kernel.isIn(job!, found) && kernel.join(job!, found)) parents.push(entry.pid);
      kernel.close(found);
    }
  }
}

/** Gives up the first process, which has ended, and the job, if nothing is left in it. */
function leave(state: State, one: JobState): void {
  const { kernel } = state;
  if (one.process !== null) kernel.close(one.process);
  one.process = null;
  if (one.job === null) return;
  if (kernel.members(one.job) === 0) return closeJob(state, one);
  state.left.push(one);
  if (state.left.length < state.lookAt) return;
  for (const each of state.left) if (each.job !== null && kernel.members(each.job) === 0) closeJob(state, each);
  state.left = state.left.filter(({ job }) => job !== null);
  state.lookAt = state.left.length + manyLeft;
}

function closeJob({ kernel }: State, one: JobState): void {
  if (one.job !== null) kernel.close(one.job);
  one.job = null;
}
