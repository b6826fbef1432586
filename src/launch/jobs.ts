/*
 * Calls a batch system: what has become of jobs, and away with those that wait. Knows no words of any batch system:
 * those are in submitted.ts.
 */
import type { Clock } from "../base/clock.ts";
import { messageOf } from "../base/errors.ts";
import type { Logger } from "../log/logger.ts";
import {
  type Call,
  cancelCall,
  isUnknownJob,
  type JobState,
  stateCall,
  statesIn,
  type Submitter,
} from "./submitted.ts";

/** The jobs of one launcher. */
export interface Jobs {
  /** How these jobs stand; null: the batch system does not say, now or too early after the last question. */
  states(jobs: readonly string[]): Promise<ReadonlyMap<string, JobState> | null>;
  /** Cancels these jobs. A batch system that cannot is told of in the log. */
  cancel(jobs: readonly string[]): Promise<void>;
}

export interface JobsOptions {
  readonly submitter: Submitter;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** The shortest time between two questions, milliseconds: batch systems have others to answer. */
  readonly pauseMs: number;
  readonly clock: Clock;
  readonly log: Logger;
}

/** The longest that a call may take, milliseconds. */
const longestCallMs = 30_000;
/** The largest number of jobs in one call: its command line has an end. */
const mostInCall = 500;

/** The jobs that a launcher submits. */
export function openJobs({ submitter, env, cwd, pauseMs, clock, log }: JobsOptions): Jobs {
  let askedAt = Number.NEGATIVE_INFINITY;
  let isSilent = false;

  async function call({ words }: Call): Promise<Answer> {
    log.debug(() => `Autoscale asks: ${words.join(" ")}`);
    const answer = await run(words, { env, cwd });
    const { status, said } = answer;
    if (status !== 0) log.debug(() => `${words[0]} ended with status ${status}: ${said.trim()}`);
    return answer;
  }

  async function statesOf(jobs: readonly string[]): Promise<ReadonlyMap<string, JobState> | null> {
    const asked = stateCall(submitter, jobs);
    const { status, printed, said } = await call(asked);
    const isAnswer = status === 0 || isUnknownJob(said);
    if (!isAnswer && !isSilent) log.warning(`Cannot ask for jobs: ${failureOf(asked, status, said)}`);
    if (isAnswer && isSilent) log.info("The batch system tells of jobs again");
    isSilent = !isAnswer;
    return isAnswer ? statesIn(submitter, jobs, printed) : null;
  }

  return {
    async states(jobs) {
      if (jobs.length === 0 || clock.now() - askedAt < pauseMs) return null;
      askedAt = clock.now();
      const found = new Map<string, JobState>();
      for (const part of parts(jobs)) {
        const states = await statesOf(part);
        if (states === null) return null;
        for (const [job, state] of states) found.set(job, state);
      }
      return found;
    },
    async cancel(jobs) {
      for (const part of parts(jobs)) {
        const asked = cancelCall(submitter, part);
        const { status, said } = await call(asked);
        if (status !== 0 && !isUnknownJob(said))
          log.warning(`Cannot cancel jobs (${part.join(", ")}): ${failureOf(asked, status, said)}`);
      }
    },
  };
}

/** How a call has failed, with its last words. */
function failureOf({ words }: Call, status: number, said: string): string {
  const last = said.trim().split("\n").at(-1) ?? "";
  if (status === notFound && !said.includes("\n")) return `${words[0]} cannot be called: ${last}`;
  return `${words[0]} ended with status ${status}${last === "" ? "" : `: ${last}`}`;
}

function parts(jobs: readonly string[]): string[][] {
  const found: string[][] = [];
  for (let from = 0; from < jobs.length; from += mostInCall) found.push(jobs.slice(from, from + mostInCall));
  return found;
}

interface Answer {
  readonly status: number;
  /** What came on its standard output. */
  readonly printed: string;
  /** What came on its standard error. */
  readonly said: string;
}

/** The status of a program that could not be started, as a shell has it. */
const notFound = 127;

async function run(words: readonly string[], place: Pick<JobsOptions, "env" | "cwd">): Promise<Answer> {
  try {
    const child = Bun.spawn([...words], {
      cwd: place.cwd,
      env: { ...place.env },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      timeout: longestCallMs,
      killSignal: "SIGKILL",
    });
    const [printed, said, status] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
    return { status, printed, said };
  } catch (error) {
    const isMissing = (error as { code?: unknown } | null)?.code === "ENOENT";
    return { status: notFound, printed: "", said: isMissing ? "it cannot be found on the PATH" : messageOf(error) };
  }
}
