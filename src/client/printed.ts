/*
 * Runs a command and reads what it prints, for commands inside templates. This is the only output of processes that
 * passes through this program, so it is bounded. Knows neither templates nor tasks.
 */
import { isCmd } from "../base/command-shell.ts";
import type { ShellOutput } from "../base/system.ts";
import type { Job, Jobs } from "../base/windows.ts";
import type { Variables } from "./environment.ts";
import type { StopSignal } from "./executor.ts";
import { groupOf, groupOfJob } from "./group.ts";
import { type Tree, treeOf, type TreeOptions } from "./tree.ts";

export interface Printing {
  /** The process id, which is also the id of its session. */
  readonly pid: number;
  /** Rejects when the command is stopped or prints more than a command line can hold. */
  readonly ended: Promise<ShellOutput>;
  /** Stops the command and its children. */
  stop(signal: StopSignal): void;
}

/** The largest number of bytes that may be printed. */
const mostPrinted = 1 << 20;

export interface PrintingOptions {
  readonly cwd: string;
  readonly env: Variables;
  readonly stderr: number | "inherit";
  /** The task that it is for, so that all its processes are found when it is stopped; null: none, it is not stopped. */
  readonly task: Pick<TreeOptions, "taskId" | "finder"> | null;
  /** See ExecutorOptions. */
  readonly jobs: Jobs | null;
}

/** Starts a command. Throws what Bun.spawn throws. */
export function printedBy(words: string[], { task, jobs, ...options }: PrintingOptions): Printing {
  const windows = process.platform === "win32";
  const spawn = () =>
    Bun.spawn(words, {
      ...options,
      stdin: "ignore",
      stdout: "pipe",
      detached: !windows,
      windowsVerbatimArguments: isCmd(words[0]!),
    });
  const { child, job } = jobs === null ? { child: spawn(), job: null } : jobs.start(spawn);
  const ended = (): boolean => child.exitCode !== null || child.signalCode !== null;
  const group = job === null ? groupOf(child.pid, ended) : groupOfJob(child.pid, job);
  const all = task === null ? group : treeOf({ ...task, group, ended, afterMs: null });
  let stopped = false;
  return {
    pid: child.pid,
    ended: read({ child, job, all, stopped: () => stopped }),
    stop(signal) {
      stopped = true;
      all.signal(signal);
    },
  };
}

interface Reading {
  readonly child: Bun.Subprocess<"ignore", "pipe", number | "inherit">;
  readonly job: Job | null;
  readonly all: Pick<Tree, "signal">;
  readonly stopped: () => boolean;
}

async function read({ child, job, all, stopped }: Reading): Promise<ShellOutput> {
  const output = child.stdout.getReader();
  // A process that left the group may hold the pipe open for ever, so the rest of a stopped command's output is not
  // waited for.
  const exited = child.exited.then(async (told) => {
    const status = job?.exitStatus(told) ?? told;
    if (stopped()) await output.cancel();
    return status;
  });
  const decoder = new TextDecoder();
  let text = "";
  let size = 0;
  for (let part = await output.read(); !part.done; part = await output.read()) {
    size += part.value.length;
    if (size > mostPrinted) {
      all.signal("SIGKILL");
      await output.cancel();
      await exited;
      throw new Error(`prints more than ${mostPrinted} bytes`);
    }
    text += decoder.decode(part.value, { stream: true });
  }
  const status = await exited;
  if (stopped()) throw new Error("stopped");
  return { status, output: text + decoder.decode() };
}
