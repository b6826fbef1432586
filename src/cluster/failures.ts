/*
 * The failure file. It has the input lines of tasks that failed for good, ready to be input again: they are separated
 * as the input was. It is emptied at the start of a run.
 */
import { closeSync, openSync } from "node:fs";
import { messageOf, runtimeError } from "../base/errors.ts";
import { failureCode } from "../base/paths.ts";
import { writeAll } from "../base/write.ts";

export interface FailureFile {
  /** Throws a UserError when the file takes no more, and the error of the system when that is standard output. */
  write(args: string): void;
  close(): void;
}

/**
 * Empties the failure file; `-` is standard output. `end` is written behind each line. `logger` names the logger of
 * errors. Throws a UserError when it cannot be written.
 */
export function openFailures(path: string, end: string, logger: string): FailureFile {
  if (path === "-") return { write: (args) => printItem(args, end), close: () => undefined };
  const attempt = <T>(action: () => T): T => {
    try {
      return action();
    } catch (error) {
      throw runtimeError(logger, `Cannot write the failure file '${path}': ${messageOf(error)}`);
    }
  };
  const descriptor = attempt(() => openSync(path, "w"));
  return {
    write: (args) => attempt(() => writeItem(descriptor, args, end)),
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
