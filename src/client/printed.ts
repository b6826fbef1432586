/*
 * Runs a command and reads what it prints, for commands inside templates. This is the only output of processes that
 * passes through this program, so it is bounded. Knows neither templates nor tasks.
 */
import { isCmd } from "../base/command-shell.ts";
import type { ShellOutput } from "../base/system.ts";
import type { Variables } from "./environment.ts";
import type { StopSignal } from "./executor.ts";
import { groupOf } from "./group.ts";
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
}

/** Starts a command. Throws what Bun.spawn throws. */
export function printedBy(words: string[], { task, ...options }: PrintingOptions): Printing {
  const windows = process.platform === "win32";
  const child = Bun.spawn(words, {
    ...options,
    stdin: "ignore",
    stdout: "pipe",
    detached: !windows,
    windowsVerbatimArguments: isCmd(words[0]!),
  });
  const ended = (): boolean => child.exitCode !== null || child.signalCode !== null;
  const group = groupOf(child.pid, ended);
  const all = task === null ? group : treeOf({ ...task, group, ended });
  let stopped = false;
  return {
    pid: child.pid,
    ended: read(child, all, () => stopped),
    stop(signal) {
      stopped = true;
      all.signal(signal);
    },
  };
}

async function read(
  child: Bun.Subprocess<"ignore", "pipe", number | "inherit">,
  all: Pick<Tree, "signal">,
  stopped: () => boolean,
): Promise<ShellOutput> {
  const output = child.stdout.getReader();
  // A process that left the group may hold the pipe open for ever, so the rest of a stopped command's output is not
  // waited for.
  const exited = child.exited.then(async (status) => {
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
