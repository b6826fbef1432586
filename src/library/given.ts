/*
 * The tasks of a program as a source of lines: an iterable of commands, read as there is room and no faster. Knows
 * nothing of where tasks go.
 */
import { argumentError } from "../base/errors.ts";
import { firstBatch, largestBatch, type LineBatch, type LineSource } from "../submit/lines.ts";
import { exactLine, type Line, type LineReader } from "../task/line.ts";
import { describeBadTag, parseTag, type TaskSetting } from "../task/tag.ts";
import type { TagValue, Tags, TaskRequest, Tasks } from "./interface.ts";

/** Tasks on their way in. */
export interface Given {
  readonly source: LineSource;
  /** Reads what the source takes for a line; to be asked once for each, in order. */
  readonly read: LineReader;
  /** Ends the reading at once, even one that waits, and lets the iterable end. */
  close(): void;
}

type Item = string | TaskRequest;
type Step = IteratorResult<Item>;

interface Reading {
  readonly iterator: Iterator<Item> | AsyncIterator<Item>;
  readonly resources: ReadonlySet<string>;
  /** What the lines that were read last say, in order. */
  readonly lines: Line[];
  /** What is asked of the iterable and not answered. */
  pending: Promise<Step> | null;
  /** How many items were read. */
  count: number;
  /** Whether the iterable has ended, or was let go. */
  isDone: boolean;
  /** What went wrong with the item behind those that were read; null: nothing. */
  failure: { readonly error: unknown } | null;
  isClosed: boolean;
  /** Ends a wait for the iterable. */
  wake: (() => void) | null;
}

/**
 * Makes a source of the tasks of a program. `room` resolves when more can be taken, or with false when nothing more
 * will be. Reading it throws what the iterable throws, and an argument error for an item that is no task, after
 * everything before that. Throws an argument error for what is no iterable.
 */
export function givenTasks(tasks: Tasks, resources: ReadonlySet<string>, room: () => Promise<boolean>): Given {
  const reading: Reading = {
    iterator: iteratorOf(tasks),
    resources,
    lines: [],
    pending: null,
    count: 0,
    isDone: false,
    failure: null,
    isClosed: false,
    wake: null,
  };
  function close(): void {
    reading.isClosed = true;
    reading.wake?.();
    letGo(reading);
  }
  return {
    source: {
      name: "<tasks>",
      regular: false,
      read: () => batches(reading, room),
      async close() {
        close();
      },
    },
    read: () => reading.lines.shift() ?? { kind: "blank" },
    close,
  };
}

function iteratorOf(tasks: Tasks): Reading["iterator"] {
  if (typeof tasks === "string") return [tasks][Symbol.iterator]();
  if (typeof tasks === "object" && tasks !== null) {
    if (Symbol.asyncIterator in tasks) return tasks[Symbol.asyncIterator]();
    if (Symbol.iterator in tasks) return tasks[Symbol.iterator]();
  }
  throw argumentError("tasks: must be a command, or an iterable of commands");
}

async function* batches(reading: Reading, room: () => Promise<boolean>): AsyncGenerator<LineBatch, void, void> {
  let size = firstBatch;
  try {
    while (!reading.isDone && !reading.isClosed && (await room())) {
      const first = reading.count + 1;
      const lines = await nextBatch(reading, size);
      if (lines.length > 0) yield { first, lines };
      if (reading.failure !== null) throw reading.failure.error;
      size = Math.min(size * 2, largestBatch / 4);
    }
  } finally {
    letGo(reading);
  }
}

/** The items that are there, at most so many; at least one, unless it was the last. */
async function nextBatch(reading: Reading, most: number): Promise<string[]> {
  const texts: string[] = [];
  // What has not been read of the batch before will not be.
  reading.lines.length = 0;
  /** The end of this turn of the event loop: no longer is waited for company. */
  let turn: Promise<null> | null = null;
  try {
    while (texts.length < most && !reading.isClosed) {
      const asked = reading.pending ?? reading.iterator.next();
      let step: Step | null;
      if ("then" in asked) {
        reading.pending = asked;
        if (texts.length > 0) turn ??= new Promise((resolve) => setImmediate(() => resolve(null)));
        step = await (turn === null ? arrival(reading, asked) : Promise.race([asked, turn]));
        if (step === null) break;
        reading.pending = null;
      } else step = asked;
      if (step.done === true) {
        reading.isDone = true;
        break;
      }
      texts.push(textOf(reading, step.value));
    }
  } catch (error) {
    // An iterable that throws has ended.
    if (reading.pending !== null) reading.isDone = true;
    reading.pending = null;
    reading.failure = { error };
  }
  return texts;
}

/** What the iterable answers; null: nobody waits for it any more. */
function arrival(reading: Reading, asked: Promise<Step>): Promise<Step | null> {
  return new Promise((resolve, reject) => {
    reading.wake = () => resolve(null);
    asked.then(resolve, reject);
  });
}

/** Lets an iterable end that is not read to its end. It is not waited for: it may be waiting itself. */
function letGo(reading: Reading): void {
  if (reading.isDone) return;
  reading.isDone = true;
  reading.pending?.catch(() => undefined);
  try {
    const left: unknown = reading.iterator.return?.();
    if (left instanceof Promise) left.catch(() => undefined);
  } catch {
    // Nobody is there to hear of it.
  }
}

/** The command of an item, whose line is noted. Throws an argument error for what is no task. */
function textOf(reading: Reading, item: Item): string {
  reading.count += 1;
  const blame = (reason: string): Error => argumentError(`task ${reading.count}: ${reason}`);
  const request: TaskRequest = typeof item === "string" ? { args: item } : item;
  if (typeof request !== "object" || request === null || typeof request.args !== "string")
    throw blame("must be a command, or an object with the command as its args");
  const line = exactLine(request.args);
  if (line.kind === "bad") throw blame(line.reason);
  if (line.kind !== "task") throw blame("the command is empty");
  if (typeof item === "string") reading.lines.push(line);
  else reading.lines.push({ ...line, settings: settingsOf(request, reading.resources, blame) });
  return request.args;
}

/** What a task says of itself. `blame` makes the error of what it cannot say, which is thrown. */
export function settingsOf(
  request: Omit<TaskRequest, "args">,
  resources: ReadonlySet<string>,
  blame: (reason: string) => Error,
): readonly TaskSetting[] {
  const { group, cores, memory, timeout, tags = {} } = request;
  const named = Object.entries({ group, cores, memory, timeout }).filter(([, value]) => value !== undefined);
  const settings: TaskSetting[] = [];
  for (const [key, value] of [...Object.entries(tags), ...named]) {
    const setting = parseTag(`${key}:${wordOf(value as TagValue)}`, resources);
    if ("reason" in setting) throw blame(describeBadTag(setting));
    if (setting.kind !== "tag" || setting.key !== "part") settings.push(setting);
  }
  return settings;
}

function wordOf(value: Tags[string]): string {
  return value === "" ? "" : String(value);
}
