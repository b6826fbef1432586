/*
 * The process: finds out whether it was called as hs or as hsx, hands over to cli/, and ends with the status that comes
 * back. The only process.exit is here.
 */
// oxlint-disable-next-line import/no-unassigned-import -- it comes first: signals are heeded from then on
import "./cli/early.ts";
import { fstatSync, readFileSync } from "node:fs";
import { isatty } from "node:tty";
import { systemClock } from "./base/clock.ts";
import { exitStatus, messageOf, UserError } from "./base/errors.ts";
import { hostName, workingFolder } from "./base/process.ts";
import { variablesOf } from "./base/variables.ts";
import type { Surroundings } from "./cli/context.ts";
import { hs } from "./cli/hs.ts";
import { openOutput } from "./print/output.ts";
import { programName } from "./cli/program.ts";
import { outlet } from "./log/outlet.ts";

const log = outlet(2);

function exit(status: number): never {
  log.close();
  process.exit(status);
}

/**
 * How long code is compiled late, milliseconds: what runs a few hundred times while the program starts is over before
 * machine code of it has paid. `echo true | hsx` took 30 ms and takes 24, a thousand tasks 200 and take 160 ms of
 * processor time; with five thousand tasks or more there is no difference. scripts/build has it begin so.
 */
const coldMs = 300;
systemClock.after(coldMs, () => Bun.unsafe.setJITPolicy(1));

const words = process.argv.slice(2);
const goneText = "The working directory is not there any more: go to one that is (cd), and try again";

const surroundings: Surroundings = {
  program: programName(process.argv0, process.execPath),
  env: variablesOf(process.env),
  get cwd() {
    const folder = workingFolder();
    if (folder === null) throw new UserError(exitStatus.runtimeError, "", goneText);
    return folder;
  },
  hostname: hostName,
  startedAt: systemClock.now(),
  stdout: () => openOutput(1, process.env),
  stderr: log.write,
  onLogLost: log.onLost,
  isTerminal: () => isatty(2),
  input: () => {
    try {
      const stdin = fstatSync(0);
      if (stdin.isFIFO() || stdin.isSocket() || stdin.isFile()) return "stream";
      return isatty(0) ? "none" : "device";
    } catch {
      // Closed: nothing to read.
      return "none";
    }
  },
  bytesOfWords: () => {
    try {
      const line = readFileSync("/proc/self/cmdline", "latin1").split("\0");
      return line
        .slice(0, -1)
        .slice(-words.length)
        .map((word) => Buffer.from(word, "latin1"));
    } catch {
      // Only Linux has it.
      return null;
    }
  },
};

hs(words, surroundings, exit).then(exit, (thrown: unknown) => {
  // Only when even the reporting of errors failed.
  surroundings.stderr(`CRITICAL [hypershell] ${messageOf(thrown)}\n`);
  exit(exitStatus.internalError);
});
