/*
 * The input of a run. It is opened before the run begins, and its lines become stored tasks while the run goes on.
 * Knows the loader and how far it may be ahead, but nothing of clients and nothing of how a run ends.
 */
import { systemClock } from "../base/clock.ts";
import { newId } from "../base/ids.ts";
import type { Logger } from "../log/logger.ts";
import type { Patience } from "../log/patience.ts";
import type { Server } from "../server/door.ts";
import type { Scope, Store } from "../store/store.ts";
import type { WordInput } from "../submit/combinations.ts";
import type { LineSource } from "../submit/lines.ts";
import type { Loaded } from "../submit/loader.ts";
import type { TaskFactory } from "../task/factory.ts";
import type { LineReader } from "../task/line.ts";
import type { TaskSetting } from "../task/tag.ts";
import type { NewTask } from "../task/task.ts";
import { isAllThere } from "./salvage.ts";
import { paced } from "./pace.ts";

/** How long a database in trouble is waited for when a run begins and nothing is stored yet, milliseconds. */
export const patientStartMs = 60_000;

export interface InputOptions {
  /** The id of the submission that the tasks belong to. */
  readonly instanceId: string;
  /** Task file, `-` for standard input, null for none. */
  readonly file: string | null;
  /** Words of the command line that are the input instead; null: none. */
  readonly words: WordInput | null;
  /** Tasks of a program that runs this one, which are the input instead. Absent: none. */
  readonly tasks?: TaskInput;
  /** What ends an item of the file, and whether it is taken exactly as it is. */
  readonly inputForm: { readonly end: "\n" | "\0"; readonly isVerbatim: boolean };
  /** What a task gets if its line does not say so itself: cores, bytes, seconds; null or 0: none. */
  readonly taskCores: number | null;
  readonly taskMemory: number | null;
  readonly taskTimeout: number | null;
}

/** Tasks that do not come as lines of a file. */
export interface TaskInput {
  readonly source: LineSource;
  /** Reads what the source takes for a line. */
  readonly read: LineReader;
  /** What holds for all of them unless they say it themselves. */
  readonly group: number;
  readonly settings: readonly TaskSetting[];
}

export interface Input {
  readonly source: LineSource;
  readonly factory: TaskFactory;
  /** Whether all of it can be read at once. Otherwise a program may still be writing it, and may never end. */
  readonly isAllThere: boolean;
}

/** What a task of this run gets if its line does not say so itself; null: none. */
export function taskDefaults({
  taskCores,
  taskMemory,
  taskTimeout,
}: InputOptions): Pick<NewTask, "cores" | "memory" | "timeout"> {
  const none = (value: number | null) => (value === null || value === 0 ? null : value);
  return { cores: none(taskCores), memory: none(taskMemory), timeout: none(taskTimeout) };
}

/**
 * Opens the input of a run on this host, whose tasks may need these resources; null: it has none. Throws a UserError
 * when it cannot be read.
 */
export async function openInput(
  options: InputOptions,
  host: string,
  resources: ReadonlySet<string>,
): Promise<Input | null> {
  const { file, words, tasks, inputForm, instanceId } = options;
  if (file === null && words === null && tasks === undefined) return null;
  const { taskFactory } = await import("../task/factory.ts");
  const { exactLine, lineReader } = await import("../task/line.ts");
  const defaults = { submitId: instanceId, submitHost: host, group: 0, ...taskDefaults(options), settings: [] };
  if (tasks !== undefined) {
    const { source, read, group, settings } = tasks;
    return { source, factory: taskFactory({ ...defaults, group, settings }, newId, read), isAllThere: false };
  }
  const isExact = words !== null || inputForm.isVerbatim;
  const factory = taskFactory(defaults, newId, isExact ? exactLine : lineReader(resources));
  if (words !== null) {
    const { combinations } = await import("../submit/combinations.ts");
    return { source: combinations(words), factory, isAllThere: true };
  }
  const path = file ?? "-";
  const { openLines } = await import("../submit/lines.ts");
  const source = openLines(path, inputForm.end);
  return { source, factory, isAllThere: isAllThere(path, source.regular) };
}

/**
 * Looks whether the input of a run can be read, before anything is made for the run. Throws a UserError when it cannot.
 * `file`: a path, `-` for standard input, null for none.
 */
export async function checkInput(file: string | null): Promise<void> {
  if (file === null) return;
  const { openLines } = await import("../submit/lines.ts");
  openLines(file);
}

export interface FeedOptions {
  readonly store: Store;
  readonly server: Pick<Server, "inputResumed" | "inputEnded" | "stop" | "finished">;
  /** Called when nothing was read for a while. */
  readonly onQuiet: () => void;
  /** Called with the numbers so far: tasks that are stored, and lines that are none. */
  readonly onStored: (stored: number, bad: number) => void;
  /** Called with each line that is no task, if it can be written down again. */
  readonly onBad: (text: string) => void;
  readonly scope: Scope;
  readonly bundleSize: number | null;
  readonly log: Logger;
  /** Patience that is shared with everybody else in this process who uses the store. */
  readonly patience: Patience;
  /** Ends the reading when aborted. */
  readonly signal: AbortSignal;
}

/**
 * Loads the input, and tells the server when it ends. Resolves when the input has ended or reading was stopped. If the
 * input cannot be read to its end, or the store refuses, what was read so far is run first. Throws the error only then.
 */
export async function feed(input: Input, options: FeedOptions): Promise<Loaded> {
  const { store, server, onQuiet, onStored, onBad, scope, bundleSize, log, patience, signal } = options;
  const { load } = await import("../submit/loader.ts");
  const { source, factory } = input;
  const pace = { unfinished: async () => (await store.survey(scope)).unfinished, clock: systemClock, signal };
  // A store in memory makes the input wait by itself.
  const bounded = store.durable && !source.regular;
  const lines = (): ReturnType<LineSource["read"]> => noticed(source, server.inputResumed);
  try {
    return await load({
      factory,
      source: { ...source, read: () => (bounded ? paced(lines(), pace) : lines()) },
      store,
      expand: null,
      bundleSize,
      clock: systemClock,
      log,
      patientMs: Number.POSITIVE_INFINITY,
      startMs: patientStartMs,
      patience,
      onBad({ text }) {
        if (text !== null) onBad(text);
      },
      onQuiet,
      onStored,
      signal,
    });
  } catch (error) {
    server.stop("finish");
    await server.finished;
    throw error;
  } finally {
    server.inputEnded();
  }
}

/** The lines of a source; `onLines` is called when some were read. */
async function* noticed(source: LineSource, onLines: () => void): ReturnType<LineSource["read"]> {
  for await (const lines of source.read()) {
    onLines();
    yield lines;
  }
}
