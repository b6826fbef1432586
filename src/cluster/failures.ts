/*
 * The failure file. It has the input lines of tasks that failed for good, ready to be input again: they are separated
 * as the input was. It is emptied at the start of a run.
 */
import { closeSync, openSync } from "node:fs";
import { messageOf, runtimeError } from "../base/errors.ts";
import { writeAll } from "../base/write.ts";

export interface FailureFile {
  write(args: string): void;
  close(): void;
}

/**
 * Empties the failure file; `-` is standard output. `end` is written behind each line. `logger` names the logger of
 * errors. Throws a UserError when it cannot be written.
 */
export function openFailures(path: string, end: string, logger: string): FailureFile {
  let descriptor: number;
  try {
    descriptor = path === "-" ? 1 : openSync(path, "w");
  } catch (error) {
    throw runtimeError(logger, "OSError", `cannot write the failure file '${path}': ${messageOf(error)}`);
  }
  return {
    write(args) {
      writeAll(descriptor, Buffer.from(args + end));
    },
    close() {
      if (path !== "-") closeSync(descriptor);
    },
  };
}
