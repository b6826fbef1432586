/*
 * The failure file. It has what is still to do of a run, ready to be input again: tasks that failed for good, and
 * without a database those that were not run. Lines are separated as those of the input were. It is emptied at the
 * start of a run. What a line is that gives a task again is said in task/rerun.ts.
 *
 * A file that takes no more ends no run: one warning names it, what it lacks is kept in memory as far as there is room,
 * and is written when it takes lines again. A reader of standard output who takes nothing holds nothing up: lines wait
 * in the same way, and only the end of the run waits for that reader.
 */
import { closeSync, fstatSync, ftruncateSync, openSync, writeSync } from "node:fs";
import type { Clock, Timer } from "../base/clock.ts";
import { runtimeError } from "../base/errors.ts";
import { failureCode, failureReason } from "../base/paths.ts";
import { counted } from "../base/units.ts";
import { mayWrite } from "../base/unread.ts";
import { pieceBytes, reopened, type WriteSync, writeSome } from "../base/write.ts";
import type { Logger } from "../log/logger.ts";
import { shortened } from "../task/failure.ts";
import { isRewritable, type RerunForm, rerunLine } from "../task/rerun.ts";
import type { NewTask } from "../task/task.ts";

export interface FailureFile {
  /**
   * Writes the line that gives a task again, or warns that there is none. `template`: that of its submission; null:
   * none.
   */
  writeTask(task: NewTask, template: string | null): void;
  /** Writes a line as it is. */
  writeLine(text: string): void;
  /**
   * Resolves when no reader of standard output has lines to take any more. `patience` is asked again and again for how
   * long, milliseconds, a reader who takes nothing is waited for.
   */
  taken(patience: () => number): Promise<void>;
  /** Tries once more to write what is missing, and closes the file. Answers how many lines it lacks, at every call. */
  close(): number;
}

export interface FailureOptions {
  /** `-`: standard output. */
  readonly path: string;
  readonly inputForm: Pick<RerunForm, "end" | "isVerbatim">;
  /** The submission whose tasks get `defaults` if their lines do not say otherwise. */
  readonly submitId: string;
  readonly defaults: RerunForm["defaults"];
  /** The shell that runs tasks; null: the usual one. */
  readonly shell: string | null;
  /** Whether failures are in a database too; asked once something is wrong. */
  readonly isDurable: () => boolean;
  /** The name of the logger of errors. */
  readonly logger: string;
  readonly log: Pick<Logger, "warning" | "info">;
  readonly clock: Pick<Clock, "now" | "after">;
}

/** What a line gets by itself in a run with other options. */
const noDefaults: RerunForm["defaults"] = { cores: null, memory: null, timeout: null };

/** Empties the failure file. Throws a UserError when it cannot be opened; nothing throws later. */
export function openFailures(options: FailureOptions): FailureFile {
  const { inputForm, submitId, defaults, shell, log } = options;
  const name = options.path === "-" ? "the failures on standard output" : options.path;
  const sink = openSink(options);
  const isShellKnown = isRewritable(shell, process.platform);
  let hasWarned = false;
  return {
    writeTask(task, template) {
      const form = {
        ...inputForm,
        defaults: task.submitId === submitId ? defaults : noDefaults,
        mayRewrite: isShellKnown && (template === null || template.trim() === "{}"),
      };
      const { text, lost } = rerunLine(task, form);
      if (text === null) {
        const hint = inputForm.end === "\n" ? "; with --null items may have any character" : "";
        log.warning(`Task (${task.id}) is left out of ${name}: no line gives it again: ${shortened(task.args)}${hint}`);
        return;
      }
      sink.writeLine(text);
      if (lost.length === 0 || hasWarned) return;
      hasWarned = true;
      const why = inputForm.isVerbatim ? "lines that are taken as they are have none" : "no line can say them";
      log.warning(`Settings of tasks are left out of ${name}, since ${why}: ${lost.join(" ")} of task (${task.id})`);
    },
    ...sink,
  };
}

/** Where lines go, and those that could not be written yet. */
interface Sink {
  readonly options: FailureOptions;
  readonly descriptor: number;
  /** Whether it is a file of its own: half a line can be taken back from it. */
  readonly isFile: boolean;
  /** Writes to what is no file of its own, without a wait. */
  readonly writeTo: WriteSync;
  /** Where the next line of a file begins, bytes. */
  position: number;
  /** Whole lines that are not written, oldest first. Standard output may have taken a part of the first. */
  readonly waiting: Uint8Array[];
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

function openSink(options: FailureOptions): Pick<FailureFile, "writeLine" | "taken" | "close"> {
  const { path, inputForm } = options;
  const descriptor = openOrBlame(options);
  const isFile = path !== "-" && fstatSync(descriptor).isFile();
  const sink: Sink = {
    options,
    descriptor,
    isFile,
    writeTo: isFile ? writeSync : writerTo(descriptor),
    position: 0,
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
    writeLine: (text) => take(sink, Buffer.from(text + inputForm.end)),
    close: () => closeSink(sink),
  };
}

function openOrBlame({ path, logger }: FailureOptions): number {
  if (path === "-") return 1;
  try {
    return openSync(path, "w");
  } catch (error) {
    throw runtimeError(logger, `Cannot write ${nameOf(path)}: ${failureReason(error)}`);
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

function nameOf(path: string): string {
  return path === "-" ? "the failures to standard output" : `the failure file '${path}'`;
}

function take(sink: Sink, line: Uint8Array): void {
  if (sink.isGone || sink.waitingBytes + line.length > mostWaiting) {
    if (!sink.isGone) warn(sink, "nobody reads it");
    sink.lost++;
    return;
  }
  sink.waiting.push(line);
  sink.waitingBytes += line.length;
  if (sink.waiting.length === 1 || sink.options.clock.now() - sink.triedAt >= againMs) flush(sink);
}

/** Writes what waits, oldest first, as far as the file takes it. */
function flush(sink: Sink): void {
  const { descriptor, isFile, waiting } = sink;
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
    for (const line of waiting) {
      done = 0;
      if (writeSome(descriptor, line, writeTo) < line.length) break;
      sink.position += line.length;
      sink.waitingBytes -= line.length;
      sink.written++;
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
  const { clock, log } = sink.options;
  const { waiting } = sink;
  const since = clock.now();
  let isTold = false;
  while (sink.timer !== null) {
    const silentMs = clock.now() - Math.max(since, sink.takenAt);
    if (silentMs >= patience()) return;
    if (silentMs >= tellMs && !isTold) {
      isTold = true;
      const lines = `${counted(waiting.length, "failure")} ${waiting.length === 1 ? "is" : "are"} still to be read`;
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
    sink.waiting[0] = first.subarray(done);
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
  const { path, isDurable, log } = sink.options;
  const next = isDurable() ? "the run goes on, failures are in the database (hs list -F)" : "the run goes on without";
  log.warning(`Cannot write ${nameOf(path)}: ${why} - ${next}`);
}

function giveUp(sink: Sink): void {
  sink.isGone = true;
  sink.lost += sink.waiting.length;
  sink.waiting.length = 0;
  sink.waitingBytes = 0;
}

function closeSink(sink: Sink): number {
  if (sink.isClosed) return sink.lost;
  sink.isClosed = true;
  sink.timer?.cancel();
  const { path, log } = sink.options;
  if (sink.waiting.length > 0) flush(sink);
  giveUp(sink);
  if (sink.hasWarned && sink.lost === 0) log.info(`All lines are in ${nameOf(path)} by now`);
  if (path === "-") return sink.lost;
  if (sink.isFile && sink.written > 0 && fstatSync(sink.descriptor).nlink === 0) {
    sink.lost += sink.written;
    if (!sink.hasWarned) log.warning(`The failure file '${path}' was removed while it was written`);
  }
  try {
    closeSync(sink.descriptor);
  } catch (error) {
    // A file on another host may say only now that it has no room.
    if (!sink.hasWarned) log.warning(`Cannot write ${nameOf(path)}: ${failureReason(error)}`);
    sink.lost += sink.written;
  }
  return sink.lost;
}
