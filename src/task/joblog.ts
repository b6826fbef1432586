/*
 * Lines of a job log as GNU Parallel writes them (`--joblog`, version 20221122), so that scripts which read those read
 * ours. Knows no file.
 *
 *   Seq  Host  Starttime  JobRuntime  Send  Receive  Exitval  Signal  Command      (a TAB between two)
 *
 * Starttime and JobRuntime are seconds with three decimals, the latter at least ten characters wide. In a command a NUL
 * stands for each line end, so that a job is one line; TABs stay, since the command comes last. Send and Receive are
 * bytes that went to and came from a job through that program. Nothing goes through this one, so they are 0.
 */
import { constants } from "node:os";
import { lineText } from "../base/wordlist.ts";
import { type Outcome, sentinel } from "./task.ts";

/** The first line, without its end. */
export const jobLogHeader = "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand";

export interface Job extends Pick<Outcome, "startTime" | "completionTime" | "exitStatus"> {
  /** Its place in the input, from 1 on; the same for each attempt. */
  readonly seq: number;
  /** The host that ran it; null: this one. */
  readonly host: string | null;
  /** Seconds; null: it never ran. */
  readonly duration: number | null;
  /** What was run, or was to be. */
  readonly command: string;
}

/** The line of a job, with its end. */
export function jobLine({ seq, host, startTime, completionTime, duration, exitStatus, command }: Job): string {
  const startedAt = ((startTime ?? completionTime) / 1000).toFixed(3);
  const runtime = (duration ?? 0).toFixed(3).padStart(10);
  const [exitval, signal] = endOf(exitStatus);
  const text = lineText(command).replaceAll("\n", "\0");
  return `${seq}\t${host ?? ":"}\t${startedAt}\t${runtime}\t0\t0\t${exitval}\t${signal}\t${text}\n`;
}

/** There, a job has -1 that was ended for its time or memory, and -2 if it did not run. */
const ended = -1;
const neverRan = -2;

const withoutProgram: Readonly<Record<number, readonly [exitval: number, signal: number]>> = {
  [sentinel.overLimit]: [ended, constants.signals.SIGTERM],
  [sentinel.overMemory]: [ended, constants.signals.SIGTERM],
  [sentinel.clientLost]: [ended, 0],
  [sentinel.templateFailed]: [neverRan, 0],
  [sentinel.insufficientResources]: [neverRan, 0],
  [sentinel.cancelled]: [neverRan, 0],
};

const signals: ReadonlySet<number> = new Set(Object.values(constants.signals));

/**
 * An exit status as the two columns that it has there. A task that a signal ended has status 128 and the number of the
 * signal, as in shells; the same status of a program that chose it cannot be told from that.
 */
function endOf(status: number): readonly [exitval: number, signal: number] {
  const other = withoutProgram[status];
  if (other !== undefined) return other;
  return process.platform !== "win32" && signals.has(status - 128) ? [0, status - 128] : [status, 0];
}
