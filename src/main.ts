/*
 * The process: finds out whether it was called as hs or as hsx, hands over to cli/, and ends with the status that comes back.
 * The only process.exit.
 */
import { fstatSync } from "node:fs";
import { isatty } from "node:tty";
import { systemClock } from "./base/clock.ts";
import { exitStatus, messageOf } from "./base/errors.ts";
import { hostName } from "./base/process.ts";
import type { Surroundings } from "./cli/context.ts";
import { hs } from "./cli/hs.ts";
import { openOutput } from "./cli/output.ts";
import { programName } from "./cli/program.ts";
import { descriptor } from "./log/descriptor.ts";

const exit = (status: number): never => process.exit(status);

const surroundings: Surroundings = {
  program: programName(process.argv0, process.execPath),
  env: process.env,
  cwd: process.cwd(),
  hostname: hostName,
  startedAt: systemClock.now(),
  stdout: () => openOutput(1, process.env),
  stderr: descriptor(2).write,
  isTerminal: () => isatty(2),
  hasInput: () => {
    try {
      const stdin = fstatSync(0);
      return stdin.isFIFO() || stdin.isSocket() || stdin.isFile();
    } catch {
      // Closed: nothing to read.
      return false;
    }
  },
};

hs(process.argv.slice(2), surroundings, exit).then(exit, (thrown: unknown) => {
  // Only when even the reporting of errors failed.
  surroundings.stderr(`CRITICAL [hypershell] ${messageOf(thrown)}\n`);
  exit(exitStatus.internalError);
});
