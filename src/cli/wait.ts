/*
 * `hs wait`: blocks until a task has ended, looking at its row in the database again and again. The pause between two looks is a tenth of the time
 * waited so far, up to the interval: short tasks are noticed at once, long ones cost nothing.
 *
 * A failed attempt that is tried again is not the end: the chain of attempts is followed to its last one, whose status counts.
 */
import { systemClock } from "../base/clock.ts";
import type { Clock } from "../base/clock.ts";
import { TransientError, exitStatus, runtimeError } from "../base/errors.ts";
import type { Logger } from "../log/logger.ts";
import type { Records, TaskRecord } from "../history/history.ts";
import { sentinel } from "../task/task.ts";
import type { Command } from "./command.ts";
import type { CommandSpec, Option, Parsed } from "../args/spec.ts";
import { openHistory } from "./history.ts";
import { expectId, formatOf, formatOptions, notFound, taskText } from "./info.ts";
import { openOutput } from "../print/output.ts";
import type { Output } from "../print/output.ts";
import { themeFor, themeSetting } from "../print/theme.ts";

export const intervalOption: Option = {
  key: "interval",
  names: ["-n", "--interval"],
  kind: "seconds",
  metavar: "SEC",
  min: 0,
  help: "Longest pause between two looks at the database; the first ones are shorter.",
  fallback: "5",
};

const spec: CommandSpec = {
  name: "hs wait",
  summary: "Wait until a task has ended.",
  usage: ["hs wait ID [-n SEC] [-s | -r | -i [-f FORMAT | --json | --yaml]]"],
  positionals: [{ key: "id", metavar: "ID", min: 1, max: 1, help: "Id of the task (a UUID)." }],
  sections: [
    {
      title: "Options",
      options: [
        intervalOption,
        { key: "info", names: ["-i", "--info"], kind: "flag", help: "Then print the task, as hs info does." },
        ...formatOptions.map((option) => ({ ...option, help: `With --info: ${lowerFirst(option.help)}` })),
        { key: "status", names: ["-s", "--status"], kind: "flag", help: "Then print the exit status of the task." },
        { key: "return", names: ["-r", "--return"], kind: "flag", help: "End with the exit status of the task." },
      ],
    },
  ],
  exclusive: [
    ["info", "status", "return"],
    ["format", "json", "yaml"],
  ],
  epilog: [
    "A task that fails and is tried again has not ended: this waits for its last attempt (each attempt has an id of its own, named in the log), and",
    "the last attempt is what -i, -s and -r tell of. What was cancelled has ended, with status -1. There is no time limit.",
    "",
    "Exit status: 0 the task has ended, in whatever way (with -r: its own, modulo 256; cancelled is 255), 2 bad argument, 3 no database,",
    "4 interrupted, 5 there is no such task, or it was deleted meanwhile.",
  ].join("\n"),
};

function lowerFirst(text: string): string {
  return text.slice(0, 1).toLowerCase() + text.slice(1);
}

/** What `hs wait` needs of its surroundings, so that tests can hand it other ones. */
export interface WaitPorts {
  readonly records: () => Promise<Pick<Records, "find"> & { close(): Promise<void> }>;
  readonly stdout: () => Output;
  /** The value of console.theme; asked for only where there are colours. */
  readonly theme?: () => string | null;
  readonly log: Logger;
  readonly clock: Clock;
}

export const command: Command = {
  spec,
  bare: "usage",
  run: (parsed, context) =>
    wait(parsed, {
      records: () => openHistory(context),
      stdout: () => openOutput(1, context.env),
      theme: () => context.config().text(themeSetting),
      log: context.loggers("task"),
      clock: systemClock,
    }),
};

export async function wait(parsed: Parsed, ports: WaitPorts): Promise<number> {
  const id = expectId(parsed);
  const records = await ports.records();
  let task: TaskRecord;
  try {
    task = await untilEnded(id, { records, log: ports.log, clock: ports.clock, intervalMs: intervalOf(parsed) });
  } finally {
    await records.close();
  }
  if (parsed.flag("info")) {
    const stdout = ports.stdout();
    stdout.write(taskText(task, formatOf(parsed), themeFor(stdout, ports.theme)));
  } else if (parsed.flag("status")) ports.stdout().write(`${String(task.exit_status)}\n`);
  return parsed.flag("return") ? statusOf(task) : exitStatus.success;
}

const defaultIntervalSeconds = 5;

/** In milliseconds. */
export function intervalOf(parsed: Parsed): number {
  return (parsed.number(intervalOption.key) ?? defaultIntervalSeconds) * 1000;
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
  /** Told once when no server has taken the task after a while. */
  readonly onIdle?: (id: string) => void;
}

/** The record of the last attempt, once it has ended. Throws UserError when there is no such task, or no longer. */
export async function untilEnded(id: string, waiting: Waiting): Promise<TaskRecord> {
  const { log } = waiting;
  const look = lookout(waiting);
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

const meanings: Readonly<Record<number, string>> = {
  [sentinel.cancelled]: "it was cancelled",
  [sentinel.templateFailed]: "its template could not be expanded",
  [sentinel.insufficientResources]: "it needs more cores or memory than its client has",
};

function tellFailure(task: TaskRecord, log: Logger): void {
  const status = Number(task.exit_status);
  log.warning(`Non-zero exit status (${status}) for task (${String(task.id)})`);
  const meaning = meanings[status];
  if (meaning !== undefined) log.info(`Exit status ${status} of a task means: ${meaning}`);
}

type Look = (id: string) => Promise<TaskRecord | null>;

/** After this long without a server that takes the task, a person may want to know. */
const idleMs = 10_000;

/** Looks until the task has an exit status. */
async function ended(first: TaskRecord, look: Look, { clock, log, intervalMs, onIdle }: Waiting): Promise<TaskRecord> {
  const id = String(first.id);
  const startedAt = clock.now();
  let idle = false;
  for (let task = first; ;) {
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
      throw runtimeError("task", "NotFound", `No task with id=${id} any more: it was deleted while this waited for it`);
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

/** A database that goes away is waited for: looks again with growing pauses, and says so once. */
function lookout({ records, log, clock }: Waiting): Look {
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
        await pause(pauseAfter(clock.now() - goneAt, defaultIntervalSeconds * 1000), clock);
      }
    }
  };
}

function pause(ms: number, clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    clock.after(ms, resolve);
  });
}
