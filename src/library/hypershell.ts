/*
 * The library of `hs`, for programs of Bun: `import { run } from "hypershell"`. It runs shell commands in bulk, in this
 * process or as a server and clients on many hosts, and searches what is stored of them. The other files of this room
 * do the work, and are loaded when they are called.
 *
 * Nothing here touches the process: no signals are heard, nothing is written to its terminal by itself, and nothing is
 * left behind that keeps it from ending. Calls do not know of each other.
 */
import { FatalError, TransientError, UserError } from "../base/errors.ts";
import type {
  ChangeOptions,
  Client,
  CommonOptions,
  ConnectOptions,
  CountOptions,
  Outcome,
  RunOptions,
  SearchOptions,
  ServeOptions,
  Server,
  SubmitOptions,
  Submitted,
  Summary,
  Tags,
  Task,
  TaskRequest,
  Tasks,
} from "./interface.ts";
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
 * @example
 * for await (const { args, ok } of run(["make -C a", "make -C b"], { executors: 2 })) console.log(args, ok);
 */
export async function* run(tasks: Tasks, options: RunOptions = {}): AsyncGenerator<Outcome, Summary, void> {
  const { runTasks } = await import("./running.ts");
  return yield* runTasks(tasks, options);
}

/**
 * Stores commands for servers to run, in the database of the configuration, another one, or that of a server. Resolves
 * when all of them are stored. Throws a UserError for options that mean nothing, a database or server that cannot be
 * used, or an item of `tasks` that is no command (those before it are stored); the reason of `signal` when it is
 * aborted; and what `tasks` throws.
 *
 * @example
 * const { id, count } = await submit(["sleep 1", "sleep 2"], { tags: { site: "b" } });
 */
export async function submit(tasks: Tasks, options: SubmitOptions = {}): Promise<Submitted> {
  const { submitTasks } = await import("./submitting.ts");
  return submitTasks(tasks, options);
}

/**
 * Starts a server in this process, to which clients and submitters come, and resolves when it listens. Throws a
 * UserError for options that mean nothing, a port that is not free or a database that cannot be opened; and the reason
 * of `signal` when it is aborted.
 *
 * @example
 * await using server = await serve({ database: "tasks.db", bind: "0.0.0.0" });
 */
export async function serve(options: ServeOptions = {}): Promise<Server> {
  const { startServer } = await import("./serving.ts");
  return startServer(options);
}

/**
 * Starts a client in this process, which runs the tasks of a server, and resolves when the server has taken it in.
 * Throws a UserError for options that mean nothing and a server that cannot be reached; and the reason of `signal` when
 * it is aborted.
 *
 * @example
 * await using client = await connect({ address: server.address, key: server.key, executors: 4 });
 */
export async function connect(options: ConnectOptions = {}): Promise<Client> {
  const { startClient } = await import("./connecting.ts");
  return startClient(options);
}

/**
 * Gives the tasks of a database that match, as they are found: the first at once, however many there are. Throws a
 * UserError for a condition that means nothing and a database that cannot be opened; and the reason of `signal` when it
 * is aborted.
 *
 * @example
 * for await (const task of search({ status: "failed", where: "duration >= 10m" })) console.log(task.id, task.args);
 */
export async function* search(options: SearchOptions = {}): AsyncGenerator<Task, void, void> {
  const { searchTasks } = await import("./searching.ts");
  yield* searchTasks(options);
}

/** The number of tasks that `search` would find. Throws a UserError as it does. */
export async function count(options: CountOptions = {}): Promise<number> {
  const { countTasks } = await import("./searching.ts");
  return countTasks(options);
}

/**
 * Cancels the tasks that match and have not ended, wherever they are: those that run are stopped. Resolves with their
 * number. Throws a UserError as `search` does.
 */
export async function cancel(options: ChangeOptions): Promise<number> {
  const { changeTasks } = await import("./searching.ts");
  return changeTasks("cancel", options);
}

/**
 * Makes the tasks that match as if they had never been run, so that they are run again. Resolves with their number.
 * Throws a UserError as `search` does.
 */
export async function revert(options: ChangeOptions): Promise<number> {
  const { changeTasks } = await import("./searching.ts");
  return changeTasks("revert", options);
}

/**
 * Removes the tasks that match from the database; those that run are stopped. Resolves with their number. Throws a
 * UserError as `search` does.
 */
export async function remove(options: ChangeOptions): Promise<number> {
  const { changeTasks } = await import("./searching.ts");
  return changeTasks("delete", options);
}

export { FatalError, TransientError, UnfinishedError, UserError };
export type {
  ChangeOptions,
  Client,
  CommonOptions,
  ConnectOptions,
  CountOptions,
  Outcome,
  RunOptions,
  SearchOptions,
  ServeOptions,
  Server,
  SubmitOptions,
  Submitted,
  Summary,
  Tags,
  Task,
  TaskRequest,
  Tasks,
};
