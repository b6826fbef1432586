/*
 * The library of `hs`, for programs of Bun: `import { run } from "hypershell"`. It runs shell commands in bulk, in this
 * process or as a server and clients on many hosts, and searches what is stored of them. The other files of this room
 * do the work, and are loaded when they are called.
 *
 * Nothing here touches the process: no signals are heard, nothing is written to its terminal by itself, and nothing is
 * left behind that keeps it from ending. Calls do not know of each other.
 */
import { FatalError, TransientError, UserError } from "../base/errors.ts";
import type { Outcome, RunOptions, Summary, Tasks } from "./interface.ts";
import { UnfinishedError } from "./unfinished.ts";

/**
 * Runs commands on this host, several at a time, and gives each outcome as soon as it has ended for good, in the order
 * in which they end. The run begins when the first is asked for. Whoever takes no outcomes holds it up: some thousand
 * commands ahead no more are read. To leave the loop stops what runs, as Ctrl-C stops `hs`, and waits for that.
 *
 * A command that fails is an outcome like any other. Throws a UserError for options that mean nothing, a database that
 * cannot be opened, or an item of `tasks` that is no command; an UnfinishedError when tasks could not be run; the
 * reason of `signal` when it is aborted; and what `tasks` throws, after what ran by then has ended.
 *
 *     for await (const { args, exitStatus } of run(["echo a", "exit 3"], { executors: 2 })) console.log(args, exitStatus);
 */
export async function* run(tasks: Tasks, options: RunOptions = {}): AsyncGenerator<Outcome, Summary, void> {
  const { runTasks } = await import("./running.ts");
  return yield* runTasks(tasks, options);
}

export { FatalError, TransientError, UnfinishedError, UserError };
