/*
 * Prints the files that were captured for a task, for `hs info` and `hs run`. Where they are is told in
 * cluster/captured.ts.
 */
import { closeSync, readSync } from "node:fs";
import type { Clock } from "../base/clock.ts";
import {
  type Captured,
  capturedFiles,
  type CapturePorts,
  capturePortsOf,
  isCaptured,
  mayBeEmpty,
  openHere,
  openThere,
} from "../cluster/captured.ts";
import type { TaskRecord } from "../history/history.ts";
import type { Logger } from "../log/logger.ts";
import type { Output } from "../print/output.ts";
import { breather } from "../print/render.ts";
import type { Context } from "./command.ts";

/** The files, the launchers and the log of this host. */
export function capturePorts(context: Context, clock: Clock): CapturePorts {
  return capturePortsOf(context.config(), context.loggers, clock);
}

/** Writes the file byte by byte. Throws UserError when it cannot be had. */
export async function printCaptured(
  task: TaskRecord,
  file: Captured,
  output: Output,
  ports: CapturePorts,
): Promise<void> {
  const here = openHere(task, file, ports);
  if (here === null && mayBeEmpty(task, file)) return sayEmpty(task, ports.log);
  const descriptor = here ?? (await openThere(task, file, ports));
  try {
    const buffer = Buffer.allocUnsafe(1 << 18);
    const breathe = breather(ports.clock);
    for (;;) {
      const length = readSync(descriptor, buffer);
      if (length === 0) return;
      output.write(buffer.subarray(0, length));
      const breath = breathe();
      if (breath !== null) await breath;
    }
  } finally {
    closeSync(descriptor);
  }
}

/** Says that nothing is known, unless the other stream shows that the output of the task was captured. */
function sayEmpty(task: TaskRecord, log: Logger): void {
  if (isCaptured(task, capturedFiles.stdout) || isCaptured(task, capturedFiles.stderr)) return;
  log.info(`Task (${String(task.id)}) printed nothing, or its client ran without --capture`);
}
