/*
 * The failure file. It has what is still to do of a run, ready to be input again: tasks that failed for good, and
 * without a database those that were not run. Lines are separated as those of the input were. It is emptied at the
 * start of a run. What a line is that gives a task again is said in task/rerun.ts.
 *
 * A file that takes no more ends no run: one warning names it, what it lacks is kept in memory as far as there is room,
 * and is written when it takes lines again.
 */
import { closeSync, fstatSync, ftruncateSync, openSync, writeSync } from "node:fs";
import { runtimeError } from "../base/errors.ts";
import { type WriteSync, writeAll } from "../base/write.ts";
import { failureCode, failureReason } from "../base/paths.ts";
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
  /** The time, milliseconds; it may begin anywhere. */
  readonly now: () => number;
}

/** What a line gets by itself in a run with other options. */
const noDefaults: RerunForm["defaults"] = { cores: null, memory: null, timeout: null };

/** Empties the failure file. Throws a UserError when it cannot be opened; nothing throws later. */
export function openFailures(options: FailureOptions): FailureFile {
  const { inputForm, submitId, defaults, shell, log } = options;
  const name = options.path === "-" ? "the failures on standard output" : options.path;
  const { writeLine, close } = openSink(options);
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
      writeLine(text);
      if (lost.length === 0 || hasWarned) return;
      hasWarned = true;
      const why = inputForm.isVerbatim ? "lines that are taken as they are have none" : "no line can say them";
      log.warning(`Settings of tasks are left out of ${name}, since ${why}: ${lost.join(" ")} of task (${task.id})`);
    },
    writeLine,
    close,
  };
}

/** Where lines go, and those that could not be written yet. */
interface Sink {
  readonly options: FailureOptions;
  readonly descriptor: number;
  /** Whether it is a file of its own: half a line can be taken back from it. */
  readonly isFile: boolean;
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
}

/** The pause between two tries to write to a file that takes no more, milliseconds. */
const againMs = 1000;
/** How much is kept for a file that takes no more, bytes. */
const mostWaiting = 16 << 20;

function openSink(options: FailureOptions): Pick<FailureFile, "writeLine" | "close"> {
  const { path, inputForm } = options;
  const descriptor = openOrBlame(options);
  const sink: Sink = {
    options,
    descriptor,
    isFile: path !== "-" && fstatSync(descriptor).isFile(),
    position: 0,
    waiting: [],
    waitingBytes: 0,
    triedAt: 0,
    lost: 0,
    written: 0,
    isGone: false,
    hasWarned: false,
    isClosed: false,
  };
  return {
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

function nameOf(path: string): string {
  return path === "-" ? "the failures to standard output" : `the failure file '${path}'`;
}

function take(sink: Sink, line: Uint8Array): void {
  if (sink.isGone || sink.waitingBytes + line.length > mostWaiting) {
    sink.lost++;
    return;
  }
  sink.waiting.push(line);
  sink.waitingBytes += line.length;
  if (sink.waiting.length === 1 || sink.options.now() - sink.triedAt >= againMs) flush(sink);
}

/** Writes what waits, oldest first, as far as the file takes it. */
function flush(sink: Sink): void {
  const { descriptor, isFile, waiting } = sink;
  let done = 0;
  const writeTo: WriteSync = (fd, bytes, offset, length) => {
    const count = writeSync(fd, bytes, offset, length, isFile ? sink.position + offset : null);
    done = offset + count;
    return count;
  };
  let count = 0;
  try {
    for (const line of waiting) {
      done = 0;
      writeAll(descriptor, line, writeTo);
      sink.position += line.length;
      sink.waitingBytes -= line.length;
      sink.written++;
      count++;
    }
    waiting.length = 0;
  } catch (error) {
    waiting.splice(0, count);
    takeBack(sink, done);
    fail(sink, error);
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
  const { path, isDurable, now, log } = sink.options;
  sink.triedAt = now();
  const code = failureCode(error);
  // A pipe or a terminal that is gone does not come back.
  if (!sink.isFile && code !== "ENOSPC" && code !== "EDQUOT") giveUp(sink);
  if (sink.hasWarned) return;
  sink.hasWarned = true;
  const why = code === "EPIPE" ? "nobody reads it any more" : failureReason(error);
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
