/*
 * Waiting for the end of a task, by looking at its row in the database again and again. The pause between two looks is
 * a tenth of the time waited so far, up to the interval: short tasks are noticed at once, long ones cost nothing.
 *
 * A failed attempt that is tried again is not the end: the chain of attempts is followed to its last one, whose status
 * counts.
 */
import { TransientError, runtimeError } from "../base/errors.ts";
import type { Clock } from "../base/clock.ts";
import type { Logger } from "../log/logger.ts";
import type { Records, TaskRecord } from "../history/history.ts";
import { statusMeanings } from "../task/failure.ts";
import type { Option, ParsedWith } from "../args/spec.ts";
import { type Sight, sight } from "../progress/sight.ts";
import { spanText } from "../progress/text.ts";
import { notFound } from "./one-task.ts";

export const intervalOption = {
  key: "interval",
  names: ["-n", "--interval"],
  kind: "seconds",
  metavar: "SEC",
  min: 0,
  help: "Longest pause between two looks at the database; the first ones are shorter.",
  preset: 5,
} as const satisfies Option;

/** The longest pause between two looks at the database, in milliseconds. */
export function intervalOf(parsed: ParsedWith<typeof intervalOption>): number {
  return (parsed.number("interval") ?? intervalOption.preset) * 1000;
}

/** The exit status of a task as one of a process: modulo 256, but never 0 for what is not a success. */
export function statusOf(task: TaskRecord): number {
  const status = Number(task.exit_status);
  return status === 0 ? 0 : status & 0xff || 1;
}

export interface Waiting {
  readonly records: Pick<Records, "find">;
  readonly log: Logger;
  readonly clock: Clock;
  /** The longest pause. */
  readonly intervalMs: number;
  /** Told what was found at each look. */
  readonly onLook?: (task: TaskRecord) => void;
  /** Told once when no server has taken the task after a while. */
  readonly onIdle?: (id: string) => void;
}

/** The record of the last attempt, once it has ended. Throws UserError when there is no such task, or no longer. */
export async function untilEnded(id: string, waiting: Waiting): Promise<TaskRecord> {
  const { log } = waiting;
  const look = patientLook(waiting);
  let task = await look(id);
  if (task === null) throw notFound(id);
  log.info(`Waiting on task (${id})`);
  const attempts = new Set<string>();
  for (;;) {
    task = await ended(task, look, waiting);
    attempts.add(String(task.id));
    if (task.exit_status !== 0) tellFailure(task, log);
    const next = task.next_id;
    // A chain that bites its own tail was not made by this program, but must not keep us here for ever.
    const later: TaskRecord | null = typeof next === "string" && !attempts.has(next) ? await look(next) : null;
    if (later === null) break;
    log.info(`Waiting on task (${String(later.id)}) - attempt ${String(later.attempt)} of the same command`);
    task = later;
  }
  log.info(`Task completed (${String(task.completion_time)})`);
  return task;
}

function tellFailure(task: TaskRecord, log: Logger): void {
  const status = Number(task.exit_status);
  log.warning(`Non-zero exit status (${status}) for task (${String(task.id)})`);
  const meaning = statusMeanings[status];
  if (meaning !== undefined) log.info(`Exit status ${status} of a task means: ${meaning}`);
}

/** What is seen of a task that is waited for, at a time in milliseconds since 1970; null: it was not looked for yet. */
export function sightOfTask(task: TaskRecord | null, now: number): Sight {
  if (task === null) return sight({ note: "searching" });
  const { start_time: start, schedule_time: scheduled, client_host: host } = task;
  if (scheduled === null) return sight({ note: "waiting for a server" });
  const at = typeof start === "string" ? Date.parse(start.replace(" ", "T")) : Number.NaN;
  const where = typeof host === "string" ? ` on ${host}` : "";
  if (Number.isNaN(at)) return sight({ note: `handed out${where}` });
  return sight({ note: `running${where}, ${spanText(Math.max(0, Math.floor((now - at) / 1000)))}` });
}

type Look = (id: string) => Promise<TaskRecord | null>;

/** After this long without a server that takes the task, a person may want to know. */
const idleMs = 10_000;

/** Looks until the task has an exit status. */
async function ended(
  first: TaskRecord,
  look: Look,
  { clock, log, intervalMs, onIdle, onLook }: Waiting,
): Promise<TaskRecord> {
  const id = String(first.id);
  const startedAt = clock.now();
  let idle = false;
  for (let task = first; ;) {
    onLook?.(task);
    if (task.exit_status !== null) return task;
    const waitedMs = clock.now() - startedAt;
    if (!idle && waitedMs >= idleMs && task.schedule_time === null) {
      idle = true;
      onIdle?.(id);
    }
    const pauseMs = pauseAfter(waitedMs, intervalMs);
    log.trace(() => `Task (${id}) has not ended - looking again in ${(pauseMs / 1000).toFixed(2)} seconds`);
    await pause(pauseMs, clock);
    const found = await look(id);
    if (found === null) {
      throw runtimeError("task", `No task with id=${id} any more: it was deleted while this waited for it`);
    }
    task = found;
  }
}

/** A look costs some 50 µs with SQLite and a round trip with PostgreSQL. */
const shortestMs = 20;

/** Milliseconds to the next look. */
export function pauseAfter(waitedMs: number, intervalMs: number): number {
  return Math.max(shortestMs, Math.min(waitedMs / 10, intervalMs));
}

/**
 * Looks a task up. A database that goes away is waited for, with growing pauses, and that is said once. The look throws
 * what else the database says.
 */
export function patientLook({ records, log, clock }: Pick<Waiting, "records" | "log" | "clock">): Look {
  return async (id) => {
    let goneAt: number | null = null;
    for (;;) {
      try {
        const task = await records.find(id);
        if (goneAt !== null) log.info("The database is back");
        return task;
      } catch (error) {
        if (!(error instanceof TransientError)) throw error;
        if (goneAt === null) log.warning(`Waiting for the database: ${error.message}`);
        goneAt ??= clock.now();
        await pause(pauseAfter(clock.now() - goneAt, intervalOption.preset * 1000), clock);
      }
    }
  };
}

function pause(ms: number, clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    clock.after(ms, resolve);
  });
}
