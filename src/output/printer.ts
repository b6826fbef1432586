/*
 * Prints what tasks print: line by line as it comes, the whole of a task when its outcome is recorded, or the whole of
 * each task in the order of the input. What comes of a task that has no outcome is never printed, except in lines. It
 * does not know whether tasks run in this process or elsewhere.
 */
import type { Clock } from "../base/clock.ts";
import { messageOf } from "../base/errors.ts";
import { visible } from "../base/escape.ts";
import { counted } from "../base/units.ts";
import type { Logger } from "../log/logger.ts";
import { newOrder, type Order } from "./order.ts";
import { newSpool, type Part, type Spool, tellFull } from "./spool.ts";
import { newWriter, type Target, targetOf, type Writer } from "./writer.ts";

export type PrintMode = "line" | "group" | "ordered";
export type Stream = "stdout" | "stderr";

/** One run of a task. */
export interface TaskRun {
  readonly id: string;
  readonly lease: number;
}

export interface PrinterOptions {
  readonly mode: PrintMode;
  /** Whether the input and a tab stand before each line. */
  readonly tagged: boolean;
  /** Whether tasks are printed in the order in which `expect` is told of any free task, each when it is taken. */
  readonly takesAny: boolean;
  /** Where files go that wait. */
  readonly folder: string;
  readonly clock: Pick<Clock, "after">;
  readonly log: Pick<Logger, "warning">;
}

export interface Printer {
  readonly mode: PrintMode;
  /** Calls this when nobody reads any more what is printed, in place of what it was given before. */
  tellUnread(action: () => void): void;
  /** Prints to these descriptors from now on, in place of 1 and 2. */
  printTo(stdout: number, stderr: number): void;
  /** A new file to which a task may write. Throws the errors of the file system. */
  openFile(): number;
  /** A run is over that has written to these files, which are the printer's from now on. */
  take(run: TaskRun, stdout: number, stderr: number): void;
  /**
   * A piece has come of what a run prints. `from`: where it begins in its stream, bytes; what has come already counts
   * once. `text`: the input of the task.
   */
  add(run: TaskRun, stream: Stream, from: number, bytes: Uint8Array, text: string): void;
  /** All of it has come: whatever comes again of this run does not count. */
  seal(run: TaskRun): void;
  /** The outcome of a run is recorded. `next`: the id of the next attempt; null: there is none. */
  recorded(run: TaskRun, text: string, next: string | null): void;
  /** The outcome of a run does not count, or it has none. */
  forget(run: TaskRun): void;
  /** What has come of runs that are not over, and for which `isOf` answers true, does not count: it comes again. */
  restart(isOf: (id: string) => boolean): void;
  /** In `ordered`: these tasks are to come, in this order, after those that were named before. */
  expect(ids: readonly string[]): void;
  /** In `ordered`: tasks that others wait for, at most `most`. */
  awaited(most: number): readonly string[];
  /** In `ordered`, of any free task: whether a task (null: none) was named and has not had its turn. */
  awaits(id: string | null): boolean;
  /** In `ordered`: a task will not end in this run. */
  skip(id: string): void;
  /** Whether so much waits for a reader that no more should come. */
  isFull(): boolean;
  whenRoom(go: () => void): void;
  /** Whether others may write a line to the same places. */
  isClear(): boolean;
  /** Prints what is left, and resolves when all is written. */
  finish(): Promise<void>;
  /** Whether something that tasks have printed could not be printed, though somebody was there to read it. */
  hasLost(): boolean;
  /** Gives up what a reader has not taken. */
  giveUp(): void;
}

/** What has come of one stream of a run. */
interface Channel {
  /** What waits: all of it, or in lines the beginning of a line. */
  readonly part: Part;
  /** How much has come, bytes. */
  size: number;
}

/** What has come of a run. */
interface Entry {
  readonly stdout: Channel;
  readonly stderr: Channel;
  isSealed: boolean;
  tag: Uint8Array | null;
}

interface State extends PrinterOptions {
  readonly spool: Spool;
  readonly writer: Writer;
  readonly order: Order<Entry> | null;
  readonly entries: Map<string, Entry>;
  readonly targets: { stdout: Target; stderr: Target };
  /** Called when nobody reads any more what is printed. */
  onUnread: () => void;
  /** How many pieces were not printed because there was no room for them to wait. */
  lost: number;
  isFullTold: boolean;
  hasLost: boolean;
}

const streams: readonly Stream[] = ["stdout", "stderr"];
/** The longest text of an input that stands before a line, in UTF-16 units. */
const longestTag = 4096;
const keyOf = ({ id, lease }: TaskRun): string => `${id} ${lease}`;

/** Makes a printer for this process. */
export function newPrinter(options: PrinterOptions): Printer {
  const spool = newSpool({ folder: options.folder, onFull: () => noteFull(state) });
  const writer = newWriter({
    spool,
    clock: options.clock,
    onTrouble: (target, reason, isUnread) => tellTrouble(state, target, reason, isUnread),
  });
  const state: State = {
    ...options,
    spool,
    writer,
    order: options.mode === "ordered" ? newOrder(spool.openFile, options.takesAny) : null,
    entries: new Map(),
    targets: { stdout: targetOf(1, "standard output"), stderr: targetOf(2, "standard error") },
    onUnread: () => undefined,
    lost: 0,
    isFullTold: false,
    hasLost: false,
  };
  return {
    mode: options.mode,
    tellUnread(action) {
      state.onUnread = action;
    },
    printTo(stdout, stderr) {
      if (stdout !== 1) state.targets.stdout = targetOf(stdout, "the file of standard output");
      if (stderr !== 2) state.targets.stderr = targetOf(stderr, "the file of standard error");
    },
    openFile: spool.openFile,
    take: (run, stdout, stderr) => takeFiles(state, run, stdout, stderr),
    add: (run, stream, from, bytes, text) => add(state, run, { stream, from, bytes, text }),
    seal(run) {
      const entry = state.entries.get(keyOf(run));
      if (entry !== undefined) entry.isSealed = true;
    },
    recorded: (run, text, next) => recorded(state, run, text, next),
    forget: (run) => forget(state, run),
    restart: (isOf) => restart(state, isOf),
    expect: (ids) => guarded(state, () => state.order?.expect(ids)),
    awaits: (id) => id !== null && state.order?.awaits(id) === true,
    awaited: (most) => state.order?.awaited(most) ?? [],
    skip(id) {
      state.order?.skip(id);
      printDue(state);
    },
    isFull: writer.isFull,
    whenRoom: writer.whenRoom,
    isClear: writer.isClear,
    finish: () => finish(state),
    hasLost: () => state.hasLost,
    giveUp: writer.giveUp,
  };
}

function tellTrouble(state: State, target: Target, reason: string, isUnread: boolean): void {
  const { log, onUnread } = state;
  if (isUnread) return onUnread();
  state.hasLost = true;
  log.warning(`The output of tasks cannot be written to ${target.name}: ${reason} - what comes from now on is lost`);
}

function entryOf({ spool, entries }: State, run: TaskRun): Entry {
  const key = keyOf(run);
  let entry = entries.get(key);
  if (entry === undefined) {
    const channel = (): Channel => ({ part: spool.newPart(), size: 0 });
    entry = { stdout: channel(), stderr: channel(), isSealed: false, tag: null };
    entries.set(key, entry);
  }
  return entry;
}

function takeFiles(state: State, run: TaskRun, stdout: number, stderr: number): void {
  const [out, err] = [state.spool.ofFile(stdout), state.spool.ofFile(stderr)];
  if (out.size + err.size === 0) return;
  const channel = (part: Part): Channel => ({ part, size: part.size });
  state.entries.set(keyOf(run), { stdout: channel(out), stderr: channel(err), isSealed: true, tag: null });
}

interface Piece {
  readonly stream: Stream;
  readonly from: number;
  readonly bytes: Uint8Array;
  readonly text: string;
}

function add(state: State, run: TaskRun, { stream, from, bytes, text }: Piece): void {
  const entry = entryOf(state, run);
  if (entry.isSealed) return;
  const channel = entry[stream];
  const fresh = from < channel.size ? bytes.subarray(channel.size - from) : bytes;
  if (fresh.length === 0) return;
  channel.size = from + bytes.length;
  guarded(state, () => {
    if (state.mode === "line") addLines(state, entry, stream, fresh, text);
    else state.spool.append(channel.part, fresh);
  });
}

/** Prints whole lines, and keeps the beginning of the next. */
function addLines(state: State, entry: Entry, stream: Stream, bytes: Uint8Array, text: string): void {
  const { spool, writer, targets } = state;
  const { part } = entry[stream];
  const end = bytes.lastIndexOf(0x0a) + 1;
  entry.tag ??= tagOf(state, text);
  if (end > 0) {
    const lines = moved(spool, part);
    spool.append(lines, bytes.subarray(0, end));
    writer.put(targets[stream], lines, entry.tag, false);
  }
  if (end < bytes.length) spool.append(part, bytes.subarray(end));
}

/** A part with all that this one had, which is empty then. */
function moved(spool: Spool, part: Part): Part {
  const whole = { ...part };
  Object.assign(part, spool.newPart());
  return whole;
}

function tagOf({ tagged }: State, text: string): Uint8Array | null {
  return tagged ? Buffer.from(`${visible(text.slice(0, longestTag))}\t`) : null;
}

function recorded(state: State, run: TaskRun, text: string, next: string | null): void {
  const { entries, order } = state;
  const key = keyOf(run);
  const entry = entries.get(key) ?? null;
  if (entry !== null) {
    entries.delete(key);
    entry.tag ??= tagOf(state, text);
  }
  if (order === null || (state.takesAny && !order.awaits(run.id))) {
    if (entry !== null) print(state, entry);
    return;
  }
  const earlier = order.put(run.id, entry, next);
  if (earlier !== null) drop(state, earlier);
  printDue(state);
  if (entry !== null && order.waiting > 0) guarded(state, () => park(state, entry));
}

function park({ spool }: State, entry: Entry): void {
  for (const stream of streams) spool.park(entry[stream].part);
}

function printDue(state: State): void {
  for (const entry of state.order?.due() ?? []) print(state, entry);
}

/** Prints what a run has printed; in lines, what is left of it. */
function print(state: State, entry: Entry): void {
  const { writer, targets, mode, tagged, spool } = state;
  for (const stream of streams) {
    const { part } = entry[stream];
    if (part.size > 0) writer.put(targets[stream], moved(spool, part), entry.tag, mode === "line" || tagged);
  }
}

function drop({ spool }: State, entry: Entry): void {
  for (const stream of streams) spool.drop(entry[stream].part);
}

function forget(state: State, run: TaskRun): void {
  const key = keyOf(run);
  const entry = state.entries.get(key);
  if (entry === undefined) return;
  state.entries.delete(key);
  // Lines that were printed stay so; the last one is printed, too.
  if (state.mode === "line") print(state, entry);
  else drop(state, entry);
}

function restart(state: State, isOf: (id: string) => boolean): void {
  if (state.mode === "line") return;
  for (const [key, entry] of state.entries) {
    if (entry.isSealed || !isOf(key.slice(0, key.indexOf(" ")))) continue;
    state.entries.delete(key);
    drop(state, entry);
  }
}

/** Tells once that tasks may have found no room for what they print. */
function noteFull(state: State): void {
  if (state.isFullTold) return;
  state.isFullTold = true;
  state.log.warning(tellFull(state.folder));
}

/** Does something that may find no room. What is lost then is told once, and counted. */
function guarded(state: State, action: () => void): void {
  try {
    action();
  } catch (error) {
    state.hasLost = true;
    if (++state.lost > 1) return;
    const { folder, log } = state;
    log.warning(`The output of tasks cannot wait in '${folder}': ${messageOf(error)} - TMPDIR names another folder`);
  }
}

async function finish(state: State): Promise<void> {
  const { order, entries, writer, spool, log, mode } = state;
  for (const entry of order?.rest() ?? []) print(state, entry);
  for (const entry of entries.values()) {
    if (mode === "line") print(state, entry);
    else drop(state, entry);
  }
  entries.clear();
  await writer.drained();
  order?.close();
  spool.close();
  if (state.lost > 0) {
    const verb = state.lost === 1 ? "is" : "are";
    log.warning(`${counted(state.lost, "piece")} of the output of tasks ${verb} lost: there was no room`);
  }
}
