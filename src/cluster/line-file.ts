/*
 * A file, or standard output, that takes lines while a run goes on. Knows nothing of what they say.
 *
 * A file that takes no more ends no run: one warning names it, what it lacks is kept in memory as far as there is room,
 * and is written when it takes lines again. A reader of standard output who takes nothing holds nothing up: lines wait
 * in the same way, and only the end of the run waits for that reader.
 */
import { closeSync, constants, fstatSync, ftruncateSync, openSync, writeSync } from "node:fs";
import type { Clock, Timer } from "../base/clock.ts";
import { runtimeError } from "../base/errors.ts";
import { failureCode, failureReason } from "../base/paths.ts";
import { counted } from "../base/units.ts";
import { mayWrite } from "../base/unread.ts";
import { pieceBytes, reopened, type WriteSync, writeSome } from "../base/write.ts";
import type { Logger } from "../log/logger.ts";

export interface LineFile {
  /** Writes a line with its end, or so many lines at once, which are written whole or wait together. */
  write(text: string, lines?: number): void;
  /**
   * Resolves when no reader of standard output has lines to take any more. `patience` is asked again and again for how
   * long, milliseconds, a reader who takes nothing is waited for.
   */
  taken(patience: () => number): Promise<void>;
  /** Tries once more to write what is missing, and closes the file. Answers how many lines it lacks, at every call. */
  close(): number;
}

export interface LineFileOptions {
  /** `-`: standard output. */
  readonly path: string;
  /** Whether lines are added to what is there; else it is emptied. */
  readonly keeps: boolean;
  /** What messages call it: `the failure file 'PATH'`. */
  readonly name: string;
  /** What a line is, in the singular. */
  readonly line: string;
  /**
   * Whether nobody else is in the midst of something there, where a line would fall into it. Null or absent: nobody
   * ever is.
   */
  readonly isClear?: (() => boolean) | null;
  /** Where else to find what it lacks, asked once something is wrong; null: nowhere. */
  readonly next: () => string | null;
  /** The name of the logger of errors. */
  readonly logger: string;
  readonly log: Pick<Logger, "warning" | "info">;
  readonly clock: Pick<Clock, "now" | "after">;
}

/** Where lines go, and those that could not be written yet. */
interface Sink {
  readonly options: LineFileOptions;
  readonly descriptor: number;
  /** Whether it is a file of its own: half a line can be taken back from it. */
  readonly isFile: boolean;
  /** Writes to what is no file of its own, without a wait. */
  readonly writeTo: WriteSync;
  /** Where the next line of a file begins, bytes. */
  position: number;
  /** Whole lines that are not written, oldest first. Standard output may have taken a part of the first. */
  readonly waiting: { readonly bytes: Uint8Array; readonly lines: number }[];
  waitingBytes: number;
  /** When they were last tried, by the clock of the options. */
  triedAt: number;
  /** How many lines were given up. */
  lost: number;
  /** How many lines are written. */
  written: number;
  /** Whether it takes nothing any more, ever. */
  isGone: boolean;
  hasWarned: boolean;
  isClosed: boolean;
  /** The next try to write to a reader who took nothing, and the pause before it, milliseconds. */
  timer: Timer | null;
  pauseMs: number;
  /** When the reader took something last, by the clock of the options. */
  takenAt: number;
}

/** The pause between two tries to write to a file that takes no more, milliseconds. */
const againMs = 1000;
/** How much is kept for a file that takes no more, bytes. */
const mostWaiting = 16 << 20;
/** The first and the longest pause before another try with a reader who takes nothing, milliseconds. */
const firstPauseMs = 5;
const longestPauseMs = 100;
/** After this long the wait for a reader is told, milliseconds. */
const tellMs = 3000;

/**
 * Opens a file of lines. Throws a UserError when it cannot be opened; nothing throws later.
 */
export function openLineFile(options: LineFileOptions): LineFile {
  const { path, keeps } = options;
  const descriptor = openOrBlame(options);
  const facts = fstatSync(descriptor);
  const isFile = path !== "-" && facts.isFile();
  const sink: Sink = {
    options,
    descriptor,
    isFile,
    writeTo: isFile ? writeSync : writerTo(descriptor),
    position: keeps ? facts.size : 0,
    waiting: [],
    waitingBytes: 0,
    triedAt: 0,
    lost: 0,
    written: 0,
    isGone: false,
    hasWarned: false,
    isClosed: false,
    timer: null,
    pauseMs: firstPauseMs,
    takenAt: 0,
  };
  return {
    taken: (patience) => waitForReader(sink, patience),
    write: (text, lines = 1) => take(sink, Buffer.from(text), lines),
    close: () => closeSink(sink),
  };
}

function openOrBlame({ path, keeps, name, logger }: LineFileOptions): number {
  if (path === "-") return 1;
  try {
    // What is there already is kept by a file that is not opened for appending, too: half a line is taken back from it.
    return openSync(path, keeps ? constants.O_WRONLY | constants.O_CREAT : "w");
  } catch (error) {
    throw runtimeError(logger, `Cannot write ${name}: ${failureReason(error)}`);
  }
}

/** A way to write that does not wait for a reader. */
function writerTo(descriptor: number): WriteSync {
  const facts = fstatSync(descriptor);
  // A file is never full of what nobody reads.
  if (!facts.isFIFO() && !facts.isSocket() && !facts.isCharacterDevice()) return writeSync;
  const own = reopened(descriptor);
  if (own !== null) return (_, bytes, offset, length) => writeSync(own, bytes, offset, length);
  return (fd, bytes, offset, length) => {
    if (!mayWrite(fd)) throw Object.assign(new Error("there is no room"), { code: "EAGAIN" });
    return writeSync(fd, bytes, offset, Math.min(length, pieceBytes));
  };
}

function take(sink: Sink, bytes: Uint8Array, lines: number): void {
  if (sink.isGone || sink.waitingBytes + bytes.length > mostWaiting) {
    if (!sink.isGone) warn(sink, "nobody reads it");
    sink.lost += lines;
    return;
  }
  sink.waiting.push({ bytes, lines });
  sink.waitingBytes += bytes.length;
  if (sink.waiting.length === 1 || sink.options.clock.now() - sink.triedAt >= againMs) flush(sink);
}

/** Writes what waits, oldest first, as far as the file takes it. */
function flush(sink: Sink): void {
  const { descriptor, isFile, options, waiting } = sink;
  if (options.isClear?.() === false && !sink.isClosed) return comeBack(sink, false);
  let done = 0;
  const writeTo: WriteSync = (fd, bytes, offset, length) => {
    const some = isFile
      ? writeSync(fd, bytes, offset, length, sink.position + offset)
      : sink.writeTo(fd, bytes, offset, length);
    done = offset + some;
    return some;
  };
  let count = 0;
  let problem: unknown = null;
  try {
    for (const { bytes, lines } of waiting) {
      done = 0;
      if (writeSome(descriptor, bytes, writeTo) < bytes.length) break;
      sink.position += bytes.length;
      sink.waitingBytes -= bytes.length;
      sink.written += lines;
      count++;
      done = 0;
    }
  } catch (error) {
    problem = error;
  }
  const wasTaken = count > 0 || done > 0;
  waiting.splice(0, count);
  takeBack(sink, done);
  if (problem !== null) fail(sink, problem);
  else comeBack(sink, wasTaken);
}

/** Has a reader who did not take everything tried again. */
function comeBack(sink: Sink, wasTaken: boolean): void {
  const { clock } = sink.options;
  const now = clock.now();
  if (wasTaken) sink.takenAt = now;
  sink.triedAt = now;
  sink.pauseMs = wasTaken || sink.waiting.length === 0 ? firstPauseMs : Math.min(sink.pauseMs * 2, longestPauseMs);
  if (sink.waiting.length === 0 || sink.timer !== null || sink.isClosed) return;
  sink.timer = clock.after(sink.pauseMs, () => {
    sink.timer = null;
    flush(sink);
  });
}

async function waitForReader(sink: Sink, patience: () => number): Promise<void> {
  const { clock, line, log } = sink.options;
  const { waiting } = sink;
  const since = clock.now();
  let isTold = false;
  while (sink.timer !== null) {
    const silentMs = clock.now() - Math.max(since, sink.takenAt);
    if (silentMs >= patience()) return;
    if (silentMs >= tellMs && !isTold) {
      isTold = true;
      const count = linesIn(waiting);
      const lines = `${counted(count, line)} ${count === 1 ? "is" : "are"} still to be read`;
      log.warning(`The run is over, and ${lines} on standard output - Ctrl-C leaves without`);
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    clock.after(longestPauseMs, resolve);
    await promise;
  }
}

/** Leaves no half of a line behind, which might be another command. `done`: how many of its bytes are written. */
function takeBack(sink: Sink, done: number): void {
  const [first] = sink.waiting;
  if (done === 0 || first === undefined) return;
  if (!sink.isFile) {
    // What standard output has taken stays; the rest follows.
    sink.waiting[0] = { bytes: first.bytes.subarray(done), lines: first.lines };
    sink.waitingBytes -= done;
    return;
  }
  try {
    ftruncateSync(sink.descriptor, sink.position);
  } catch {
    // The next try writes to the same place.
  }
}

function fail(sink: Sink, error: unknown): void {
  sink.triedAt = sink.options.clock.now();
  const code = failureCode(error);
  // A pipe or a terminal that is gone does not come back.
  if (!sink.isFile && code !== "ENOSPC" && code !== "EDQUOT") giveUp(sink);
  warn(sink, code === "EPIPE" ? "nobody reads it any more" : failureReason(error));
}

/** Says once why lines are not written. */
function warn(sink: Sink, why: string): void {
  if (sink.hasWarned) return;
  sink.hasWarned = true;
  const { name, next, log } = sink.options;
  const where = next();
  log.warning(`Cannot write ${name}: ${why} - the run goes on${where === null ? " without" : `, ${where}`}`);
}

function linesIn(waiting: Sink["waiting"]): number {
  return waiting.reduce((sum, { lines }) => sum + lines, 0);
}

function giveUp(sink: Sink): void {
  sink.isGone = true;
  sink.lost += linesIn(sink.waiting);
  sink.waiting.length = 0;
  sink.waitingBytes = 0;
}

function closeSink(sink: Sink): number {
  if (sink.isClosed) return sink.lost;
  sink.isClosed = true;
  sink.timer?.cancel();
  const { path, name, log } = sink.options;
  if (sink.waiting.length > 0) flush(sink);
  giveUp(sink);
  if (sink.hasWarned && sink.lost === 0) log.info(`All lines are in ${name} by now`);
  if (path === "-") return sink.lost;
  if (sink.isFile && sink.written > 0 && fstatSync(sink.descriptor).nlink === 0) {
    sink.lost += sink.written;
    if (!sink.hasWarned) log.warning(`${startOf(name)} was removed while it was written`);
  }
  try {
    closeSync(sink.descriptor);
  } catch (error) {
    // A file on another host may say only now that it has no room.
    if (!sink.hasWarned) log.warning(`Cannot write ${name}: ${failureReason(error)}`);
    sink.lost += sink.written;
  }
  return sink.lost;
}

function startOf(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
