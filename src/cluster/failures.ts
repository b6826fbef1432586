/*
 * The failure file. It has what is still to do of a run, ready to be input again: tasks that failed for good, and
 * without a database those that were not run. Lines are separated as those of the input were. It is emptied at the
 * start of a run. What a line is that gives a task again is said in task/rerun.ts.
 */
import { closeSync, openSync } from "node:fs";
import { runtimeError } from "../base/errors.ts";
import { writeAll } from "../base/write.ts";
import { failureCode, failureReason } from "../base/paths.ts";
import type { Logger } from "../log/logger.ts";
import { shortened } from "../task/failure.ts";
import { isRewritable, type RerunForm, rerunLine } from "../task/rerun.ts";
import type { NewTask } from "../task/task.ts";

export interface FailureFile {
  /**
   * Writes the line that gives a task again, or warns that there is none. `template`: that of its submission; null:
   * none. Throws a UserError when the file takes no more, and the error of the system when that is standard output.
   */
  writeTask(task: NewTask, template: string | null): void;
  /** Writes a line as it is. Throws as `writeTask`. */
  writeLine(text: string): void;
  close(): void;
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
  /** The name of the logger of errors. */
  readonly logger: string;
  readonly log: Pick<Logger, "warning">;
}

/** What a line gets by itself in a run with other options. */
const noDefaults: RerunForm["defaults"] = { cores: null, memory: null, timeout: null };

/** Empties the failure file. Throws a UserError when it cannot be written. */
export function openFailures(options: FailureOptions): FailureFile {
  const { path, inputForm, submitId, defaults, shell, log } = options;
  const { writeLine, close } = openFile(options);
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
      const name = path === "-" ? "the failures on standard output" : path;
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

function openFile({ path, inputForm, logger }: FailureOptions): Pick<FailureFile, "writeLine" | "close"> {
  const { end } = inputForm;
  if (path === "-") return { writeLine: (text) => printItem(text, end), close: () => undefined };
  const attempt = <T>(action: () => T): T => {
    try {
      return action();
    } catch (error) {
      throw runtimeError(logger, `Cannot write the failure file '${path}': ${failureReason(error)}`);
    }
  };
  const descriptor = attempt(() => openSync(path, "w"));
  return {
    writeLine: (text) => attempt(() => writeItem(descriptor, text, end)),
    close: () => closeSync(descriptor),
  };
}

/** Writes to standard output. That nobody reads it any more is for others to notice: the outcome is recorded still. */
function printItem(args: string, end: string): void {
  try {
    writeItem(1, args, end);
  } catch (thrown) {
    if (failureCode(thrown) !== "EPIPE") throw thrown;
  }
}

function writeItem(descriptor: number, args: string, end: string): void {
  writeAll(descriptor, Buffer.from(args + end));
}
