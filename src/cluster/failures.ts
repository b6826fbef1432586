/*
 * The failure file. It has what is still to do of a run, ready to be input again: tasks that failed for good, and
 * without a database those that were not run. Lines are separated as those of the input were. It is emptied at the
 * start of a run. What a line is that gives a task again is said in task/rerun.ts; how lines are written, and what
 * follows where they cannot be, in line-file.ts.
 */
import type { Clock } from "../base/clock.ts";
import type { Logger } from "../log/logger.ts";
import { shortened } from "../task/failure.ts";
import { isRewritable, type RerunForm, rerunLine } from "../task/rerun.ts";
import type { NewTask } from "../task/task.ts";
import { type LineFile, openLineFile } from "./line-file.ts";

export interface FailureFile extends Omit<LineFile, "write"> {
  /**
   * Writes the line that gives a task again, or warns that there is none. `template`: that of its submission; null:
   * none.
   */
  writeTask(task: NewTask, template: string | null): void;
  /** Writes a line as it is. */
  writeLine(text: string): void;
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
  /** As in LineFileOptions. */
  readonly isClear?: (() => boolean) | null;
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
  const { path, inputForm, submitId, defaults, shell, isClear = null, isDurable, logger, log, clock } = options;
  const name = path === "-" ? "the failures on standard output" : path;
  const file = openLineFile({
    path,
    keeps: false,
    name: path === "-" ? "the failures to standard output" : `the failure file '${path}'`,
    line: "failure",
    isClear,
    next: () => (isDurable() ? "failures are in the database (hs list -F)" : null),
    logger,
    log,
    clock,
  });
  const writeLine = (text: string): void => file.write(text + inputForm.end);
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
    taken: file.taken,
    close: file.close,
  };
}
