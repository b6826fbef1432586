/*
 * From lines to stored tasks: reads, builds, stores and counts, one batch after the other. The store sets the pace:
 * while it is busy, nothing is read. Bad lines are reported and left out; the caller decides what they mean for the
 * run.
 *
 * Tasks are stored as soon as they are read, and many at once only if many came at once. So `bundlewait` is always
 * kept, and `bundleSize` is an upper bound for one transaction.
 */
import { lineText } from "../base/wordlist.ts";
import { counted } from "../base/units.ts";
import { escapeByNumber } from "../base/escape.ts";
import type { Clock } from "../base/clock.ts";
import { RefusedValue, TransientError, UserError, exitStatus, messageOf, runtimeError } from "../base/errors.ts";
import type { Logger } from "../log/logger.ts";
import { newPatience, type Patience } from "../log/patience.ts";
import type { Store } from "../store/store.ts";
import type { TaskFactory } from "../task/factory.ts";
import type { Line, LineReader } from "../task/line.ts";
import type { NewTask } from "../task/task.ts";
import type { LineBatch, LineSource } from "./lines.ts";
import type { BadLine } from "./splitter.ts";

/**
 * Expands the submit-time template for a line. Throws an Error whose message tells the user what is wrong with this
 * line.
 */
export type Expand = (args: string) => string | Promise<string>;

export interface LoadOptions {
  readonly source: LineSource;
  readonly factory: TaskFactory;
  readonly store: Pick<Store, "insert" | "durable">;
  /** The submit-time template; null: lines are stored as they are. */
  readonly expand: Expand | null;
  /** The largest number of tasks in one transaction; null: as many as were read together. */
  readonly bundleSize: number | null;
  readonly clock: Clock;
  readonly log: Logger;
  /** Called with each bad line, after its ERROR line was logged. */
  readonly onBad?: (bad: BadLine) => void;
  /** Called after each batch with the numbers so far: tasks that are stored, and lines that are none. */
  readonly onStored?: (stored: number, bad: number) => void;
  /**
   * Called when nothing more was read for `quietMs`, because no line came or the store has no room. It is called once
   * per pause.
   */
  readonly onQuiet?: () => void;
  /** For how long a store in passing trouble (locked, disk full, gone) is asked again, milliseconds. */
  readonly patientMs: number;
  /** The same as long as nothing is stored, milliseconds: a database that takes nothing is no use to wait for. */
  readonly startMs?: number;
  /** Patience that is shared with everybody else in this process who uses the store. */
  readonly patience?: Patience;
  /** Ends the loading when aborted. Tasks that are not stored by then are left out. */
  readonly signal?: AbortSignal;
}

export interface Loaded {
  readonly stored: number;
  readonly bad: number;
  /** Whether the signal ended the loading before the end of the input. */
  readonly stopped: boolean;
  /** The number of the last line up to which everything is stored or reported as bad; 0: none is. */
  readonly lines: number;
}

/**
 * An input counts as quiet when it sends nothing for this long, milliseconds. A program that writes its lines one by
 * one is faster than that.
 */
const quietMs = 1000;

/** One input on its way to the store. */
interface Loading {
  readonly options: LoadOptions;
  readonly patience: Patience;
  readonly stamp: Stamper;
  /** Whether each line is logged. */
  readonly isTraced: boolean;
  /** The signal that may end the loading; null: nothing can end it. */
  readonly stopping: Abortion | null;
  /** Numbers of tasks and of lines. */
  stored: number;
  bad: number;
  /** The number of the last line that is dealt with. */
  lines: number;
  /** Whether a comment that is nearly settings was told of, since that is told only once. */
  isToldOfMarker: boolean;
}

/**
 * Reads the source to its end and stores its tasks. Rejects when the source cannot be read, when the store refuses, and
 * when the store is in trouble for too long.
 */
export async function load(options: LoadOptions): Promise<Loaded> {
  const { source, store, clock, log, onQuiet } = options;
  const committer = `committer: ${store.durable ? "database" : "no database"}`;
  const loading = newLoading(options);
  if (source.isTyped === true) log.info("Reading tasks from the terminal, end with Ctrl-D");
  for (const part of [source.name, "loader", committer]) log.debug(`Started (${part})`);
  let quiet = onQuiet === undefined ? null : clock.after(quietMs, onQuiet);
  try {
    for await (const batch of source.read()) {
      quiet?.cancel();
      const read = await tasksOf(loading, batch);
      if (onQuiet !== undefined) quiet = clock.after(quietMs, onQuiet);
      if (await insert(loading, read)) loading.lines = batch.first + batch.lines.length - 1;
      options.onStored?.(loading.stored, loading.bad);
      if (isAborted(loading)) break;
      // A store may answer without a turn of the event loop, but everything else in this process needs its turns.
      await new Promise<void>((resume) => setImmediate(resume));
    }
  } finally {
    quiet?.cancel();
    loading.stopping?.release();
  }
  const stopped = isAborted(loading);
  for (const part of [" (loader)", ` (${committer})`, ""]) {
    if (stopped) log.warning(`Stopping${part}`);
    else log.debug(`Done${part}`);
  }
  return { stored: loading.stored, bad: loading.bad, stopped, lines: loading.lines };
}

function newLoading(options: LoadOptions): Loading {
  const { source, clock, log, signal } = options;
  const patience = options.patience ?? newPatience(clock, log);
  const stopping = whenAborted(signal, () => {
    void source.close();
    patience.goOn();
  });
  const isTraced = log.enabled("TRACE");
  return {
    options,
    patience,
    stamp: stamper(clock),
    isTraced,
    stopping,
    stored: 0,
    bad: 0,
    lines: 0,
    isToldOfMarker: false,
  };
}

function isAborted({ options }: Loading): boolean {
  return options.signal?.aborted ?? false;
}

/** The tasks of a batch of lines. */
interface ReadBatch {
  readonly batch: LineBatch;
  readonly tasks: readonly NewTask[];
  /** The index of each task's line. */
  readonly places: readonly number[];
}

/** Reads the tasks of a batch of lines. Reports the lines that are none. */
async function tasksOf(loading: Loading, batch: LineBatch): Promise<ReadBatch> {
  const { first, lines } = batch;
  const { options, stamp, isTraced } = loading;
  const { factory, expand, log } = options;
  const tasks: NewTask[] = [];
  const places: number[] = [];
  stamp.newBatch();
  for (let index = 0; index < lines.length && !isAborted(loading); index += 1) {
    const text = lines[index]!;
    if (typeof text !== "string") {
      refuse(loading, text);
      continue;
    }
    let line = factory.read(text);
    tellOnce(loading, line, first + index);
    if (expand !== null && line.kind === "task") {
      line = await expanded(expand, line, factory.parse);
      tellOnce(loading, line, first + index);
    }
    if (line.kind === "task") {
      tasks.push(factory.build(line.args, line.settings, stamp.next()));
      places.push(index);
      if (isTraced) log.trace(`Loaded task (${lineText(line.args)})`);
    } else tellOf(loading, line, first + index, text);
  }
  return { batch, tasks, places };
}

/** Tells once of a comment that is nearly settings. `number` is that of the line. */
function tellOnce(loading: Loading, line: Line, number: number): void {
  const { log, source } = loading.options;
  if (!("near" in line) || loading.isToldOfMarker) return;
  loading.isToldOfMarker = true;
  log.warning(`${source.name}, line ${number}: ${describeNear(line.near)}`);
}

/** Says that a comment is probably meant for settings. */
export function describeNear(near: string): string {
  const shown = near.replace(/\s+/g, " ");
  return `'${shown}' is a plain comment - settings of tasks are written as '# HYPERSHELL: site:b timeout:10m'`;
}

/** Reports a line that is no task; `number` is its number, `text` its text. */
function tellOf(loading: Loading, line: Exclude<Line, { kind: "task" }>, number: number, text: string): void {
  const { log } = loading.options;
  if (line.kind === "bad") refuse(loading, { number, reason: line.reason, text: writable(text) });
  else if (line.kind === "settings") {
    const { words } = line;
    if (words.length > 0) log.debug(() => `Setting global attribute or tag: ${words.join(", ")}`);
  } else if (loading.isTraced) log.trace(line.kind === "blank" ? "Skipping empty line" : "Skipping comment");
}

function refuse(loading: Loading, line: BadLine): void {
  const { source, log, onBad } = loading.options;
  loading.bad += 1;
  log.error(() => describeBad(source.name, line));
  onBad?.(line);
}

/**
 * Stores the tasks of a batch, no more than `bundleSize` at once, and answers whether all are stored. A loading that is
 * stopped stores a batch that it has begun, unless the store makes it wait: the number of lines that is told then is
 * exact.
 */
async function insert(loading: Loading, read: ReadBatch): Promise<boolean> {
  const { options } = loading;
  const { tasks } = read;
  if (isAborted(loading)) return false;
  const largest = options.bundleSize ?? Infinity;
  for (let from = 0; from < tasks.length; from += largest) {
    if (isAborted(loading) && !options.store.durable) return false;
    const to = Math.min(tasks.length, from + largest);
    const { bad } = loading;
    if (!(await insertRange(loading, read, from, to))) return false;
    const stored = to - from - (loading.bad - bad);
    loading.stored += stored;
    options.log.debug(() => `Submitted ${counted(stored, "task")}`);
  }
  return true;
}

/**
 * Stores the tasks of a range of indices, and answers whether they are stored. If the database cannot keep a value of
 * one of them, its line is reported as bad, and all others are stored.
 */
async function insertRange(loading: Loading, read: ReadBatch, from: number, to: number): Promise<boolean> {
  const { tasks, batch, places } = read;
  try {
    return await insertPart(loading, to - from === tasks.length ? tasks : tasks.slice(from, to));
  } catch (error) {
    if (!(error instanceof RefusedValue)) throw error;
    if (to - from > 1) {
      const middle = (from + to) >> 1;
      return (await insertRange(loading, read, from, middle)) && insertRange(loading, read, middle, to);
    }
    const place = places[from]!;
    const text = String(batch.lines[place]);
    refuse(loading, { number: batch.first + place, reason: error.message, text: writable(text) });
    return true;
  }
}

/** Stores tasks in one transaction. Answers whether they are stored; no, if the loading was stopped meanwhile. */
async function insertPart(loading: Loading, part: readonly NewTask[]): Promise<boolean> {
  const { stopping } = loading;
  const inserted = insertPatiently(loading, part);
  if (!loading.options.store.durable) {
    await (stopping === null ? inserted : stopping.race(inserted));
    return !isAborted(loading);
  }
  try {
    await inserted;
    return true;
  } catch (error) {
    if (isAborted(loading) && (error instanceof Stopped || error instanceof TransientError)) return false;
    throw error;
  }
}

/** Thrown when the loading was ended: nobody waits for the database any more. */
class Stopped extends Error {}

function insertPatiently(loading: Loading, tasks: readonly NewTask[]): Promise<void> {
  const { store, clock, patientMs, startMs = patientMs } = loading.options;
  let since: number | null = null;
  return loading.patience.persist(
    "loader",
    () => {
      if (isAborted(loading) && since !== null) throw new Stopped();
      return store.insert(tasks);
    },
    (error) => {
      if (isAborted(loading)) return error;
      since ??= clock.now();
      if (clock.now() - since < (loading.stored === 0 ? startMs : patientMs)) return null;
      return runtimeError("submit", `${error.message} (stored so far: ${counted(loading.stored, "task")})`);
    },
  );
}

/**
 * Counts the tasks and the bad lines of a source as `parse` reads them, and collects the first `most` bad ones. Stores
 * nothing. It is for sources that can be read twice. `onRead` is told each number of lines read so far.
 */
export async function check(
  source: LineSource,
  expand: Expand | null,
  most: number,
  parse: LineReader,
  onRead: (lines: number) => void = () => undefined,
): Promise<{ readonly bad: number; readonly tasks: number; readonly examples: readonly BadLine[] }> {
  const examples: BadLine[] = [];
  let [bad, tasks] = [0, 0];
  const note = (line: BadLine): void => {
    bad += 1;
    if (examples.length < most) examples.push(line);
  };
  for await (const { first, lines } of source.read()) {
    for (const [index, text] of lines.entries()) {
      if (typeof text !== "string") {
        note(text);
        continue;
      }
      let line = parse(text);
      if (expand !== null && line.kind === "task") line = await expanded(expand, line, parse);
      if (line.kind === "bad") note({ number: first + index, reason: line.reason, text });
      else if (line.kind === "task") tasks += 1;
    }
    onRead(first + lines.length - 1);
  }
  return { bad, tasks, examples };
}

/**
 * A task with its command expanded, which `parse` reads again. The template may bring a comment and tags too
 * (`--template 'run {} # HYPERSHELL: n:{}'`); the line's own tags come after them and win. If the template fails for
 * this line, it is a bad line. Throws a UserError for a failure that concerns more than this line.
 */
export async function expanded(
  expand: Expand,
  { args, settings }: Extract<Line, { kind: "task" }>,
  parse: LineReader,
): Promise<Line> {
  let command: string;
  try {
    command = await expand(args);
  } catch (error) {
    if (error instanceof UserError && error.status !== exitStatus.badArgument) throw error;
    return { kind: "bad", reason: `template: ${messageOf(error)}` };
  }
  const line = parse(command);
  if (line.kind === "bad") return { kind: "bad", reason: `template: ${line.reason}` };
  if (line.kind !== "task") return { kind: "bad", reason: "template: it leaves no command" };
  return line.settings.length === 0 ? { ...line, settings } : { ...line, settings: [...line.settings, ...settings] };
}

/** A bad line for people: `tasks.in, line 7: bad tag "k:a/b": ... (echo 1 # HYPERSHELL: k:a/b)`. */
export function describeBad(name: string, { number, reason, text }: BadLine): string {
  const place = `${name}, line ${number}: ${reason}`;
  const shown = text?.trim() ?? "";
  if (shown === "") return place;
  return `${place} (${shown.length <= 200 ? shown : `${shown.slice(0, 200)}...`})`.replace(
    /[\0-\x1f\x7f]/g,
    escapeByNumber,
  );
}

/** The text of a line if it can stand in a file of lines. */
function writable(text: string): string {
  return text.endsWith("\r") ? text.slice(0, -1) : text;
}

/**
 * Makes submit times. Those of one batch count up in microseconds from the time when it was read, and are never below
 * earlier ones, so that tasks sort as their lines did.
 */
export interface Stamper {
  newBatch(): void;
  /** The next time, in milliseconds since 1970 with microseconds as its fraction. */
  next(): number;
}

/** A stamper that goes by this clock. */
export function stamper(clock: Clock): Stamper {
  // It counts whole microseconds: parts of them would be lost when times are written with six decimals.
  let last = 0;
  return {
    newBatch() {
      last = Math.max(last, Math.round(clock.now() * 1000));
    },
    next() {
      last += 1;
      return last / 1000;
    },
  };
}

interface Abortion {
  /**
   * Resolves with `waited` or with the signal, whichever is first. Unlike Promise.race it leaves nothing behind on the
   * signal.
   */
  race(waited: Promise<void>): Promise<void>;
  release(): void;
}

function whenAborted(signal: AbortSignal | undefined, action: () => void): Abortion | null {
  if (signal === undefined) return null;
  const waiting = new Set<() => void>();
  const react = (): void => {
    action();
    for (const resolve of waiting) resolve();
  };
  if (signal.aborted) react();
  else signal.addEventListener("abort", react, { once: true });
  return {
    async race(waited) {
      if (signal.aborted) return;
      const first = Promise.withResolvers<void>();
      waiting.add(first.resolve);
      waited.then(first.resolve, first.reject);
      await first.promise.finally(() => waiting.delete(first.resolve));
    },
    release: () => signal.removeEventListener("abort", react),
  };
}
