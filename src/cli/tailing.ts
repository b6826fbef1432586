/*
 * Following what a task prints, wherever it runs: its last lines, then what comes, until the task has ended. Output is
 * asked for piece by piece, again and again. Where a database tells of the task, a task that waits is waited for, one
 * that is run anew begins anew, and the next attempt of one that failed is followed, too. Knows no terminal.
 */
import type { Clock } from "../base/clock.ts";
import { runtimeError, TransientError, UserError } from "../base/errors.ts";
import { capturedFiles, mayBeEmpty, notEnded } from "../cluster/captured.ts";
import type { TaskRecord } from "../history/history.ts";
import type { Logger } from "../log/logger.ts";
import type { OutputPiece, OutputQuery, ViewSource } from "../view/view.ts";
import { notFound } from "./one-task.ts";
import { pauseAfter } from "./waiting.ts";

/** Where to begin. */
export interface Start {
  readonly unit: "lines" | "bytes";
  /** So many at the end; with `isFromStart` all from that one on, 1 being the first. */
  readonly count: number;
  readonly isFromStart: boolean;
}

export interface Tailing {
  readonly source: Pick<ViewSource, "output">;
  /** The record of a task, null for one that is not there; null: nothing tells of tasks but their output. */
  readonly look: ((id: string) => Promise<TaskRecord | null>) | null;
  readonly streams: readonly OutputQuery["stream"][];
  readonly start: Start;
  /** Whether to go on until the task has ended. */
  readonly follows: boolean;
  readonly write: (stream: OutputQuery["stream"], text: string) => void;
  readonly log: Logger;
  readonly clock: Clock;
}

/** One attempt of a task that is followed. */
interface Attempt {
  readonly id: string;
  readonly start: Start;
  /** Where the next piece of each stream begins, bytes. */
  readonly positions: Map<OutputQuery["stream"], number>;
  /** When the task was taken that this output is of, as its record has it. */
  takenAt: TaskRecord["schedule_time"];
  /** Whether it was told that there is nothing yet. */
  isTold: boolean;
}

/** The longest pause between two looks, milliseconds. */
const longestPauseMs = 250;
/** Bytes that are asked for at once. */
const pieceBytes = 65_536;
/** So many bytes before the end are searched for the last lines. */
const mostSearched = 64 << 20;

/**
 * Writes what a task has printed, and what it prints until it has ended. Answers its record, or that of its last
 * attempt; null: nothing tells. Throws UserError when there is no such output: why, and what to do.
 */
export async function follow(id: string, tailing: Tailing): Promise<TaskRecord | null> {
  const { look, log, follows } = tailing;
  const attempts = new Set<string>();
  let start = tailing.start;
  for (let current = id; ;) {
    attempts.add(current);
    await followAttempt({ id: current, start, positions: new Map(), takenAt: null, isTold: false }, tailing);
    const task = (await look?.(current)) ?? null;
    const next = task?.next_id;
    // A chain that bites its own tail was not made by this program, but must not keep us here for ever.
    if (!follows || task === null || typeof next !== "string" || attempts.has(next)) return task;
    log.info(`Task (${current}) failed with status ${String(task.exit_status)}, the next attempt follows (${next})`);
    start = wholly;
    current = next;
  }
}

const wholly: Start = { unit: "bytes", count: 1, isFromStart: true };

async function followAttempt(attempt: Attempt, tailing: Tailing): Promise<void> {
  const { look, follows, clock } = tailing;
  let quietSince = clock.now();
  for (;;) {
    const task = await recordOf(attempt, look);
    if (task !== null) noteRun(attempt, task, tailing);
    const printed = await printMore(attempt, task, tailing);
    if (printed === "again") continue;
    if (printed === "over" || !follows) return;
    const now = clock.now();
    if (printed === "some") quietSince = now;
    await new Promise<void>((resolve) => {
      clock.after(pauseAfter(now - quietSince, longestPauseMs), resolve);
    });
  }
}

async function recordOf({ id, positions, isTold }: Attempt, look: Tailing["look"]): Promise<TaskRecord | null> {
  if (look === null) return null;
  const task = await look(id);
  if (task !== null) return task;
  if (positions.size === 0 && !isTold) throw notFound(id);
  throw runtimeError("task", `No task with id=${id} any more: it was deleted while its output was followed`);
}

/** Begins anew with a task that is run once more: its client was lost, or somebody reverted it. */
function noteRun(attempt: Attempt, task: TaskRecord, { log }: Tailing): void {
  const { positions, takenAt } = attempt;
  attempt.takenAt = task.schedule_time;
  if (positions.size === 0 || takenAt === task.schedule_time) return;
  positions.clear();
  attempt.isTold = task.schedule_time === null;
  const what = attempt.isTold ? "waits to be run once more" : "is run once more, from its beginning";
  log.warning(`Task (${attempt.id}) ${what}`);
}

/** `over`: nothing more will come. `again`: the task is not what it was at the last look. */
type Printed = "none" | "some" | "over" | "again";

function isSame(one: TaskRecord, other: TaskRecord | null): boolean {
  return stages.every((field) => one[field] === other?.[field]);
}

const stages = ["schedule_time", "start_time", "exit_status"] as const;

/** Writes what is there by now. */
async function printMore(attempt: Attempt, task: TaskRecord | null, tailing: Tailing): Promise<Printed> {
  let isOver = true;
  let isSome = false;
  for (const stream of tailing.streams) {
    try {
      const before = attempt.positions.get(stream);
      const piece = before === undefined ? await begin(attempt, stream, tailing) : null;
      const ended = await drain(attempt, stream, piece, tailing);
      isOver &&= ended;
      isSome ||= attempt.positions.get(stream) !== before;
    } catch (error) {
      // It may have started or ended since the look.
      if (task !== null && !isSame(task, await recordOf(attempt, tailing.look))) return "again";
      if (!explain(error, attempt, task, stream, tailing)) isOver = false;
    }
  }
  return isOver ? "over" : isSome ? "some" : "none";
}

/** Writes pieces from where the last one ended, beginning with `first`; whether nothing more will come. */
async function drain(
  { id, positions }: Attempt,
  stream: OutputQuery["stream"],
  first: OutputPiece | null,
  { source, write, log }: Tailing,
): Promise<boolean> {
  for (let piece = first; ;) {
    if (piece !== null) positions.set(stream, piece.next);
    if (piece?.more === false) return piece.over;
    const from = positions.get(stream) ?? 0;
    piece = await source.output({ id, stream, from, most: pieceBytes });
    if (piece.next < from) {
      log.warning(`The file of ${stream} of task (${id}) is shorter than it was: what follows is all of it`);
      piece = await source.output({ id, stream, from: 0, most: pieceBytes });
    }
    if (piece.text !== "") write(stream, piece.text);
  }
}

/**
 * What it means that there is no output: whether there never will be any. Throws the error where it says what is wrong.
 */
function explain(
  error: unknown,
  attempt: Attempt,
  task: TaskRecord | null,
  stream: OutputQuery["stream"],
  { look, follows, log }: Tailing,
): boolean {
  // A database in trouble may be back at the next look.
  if (error instanceof TransientError && follows) return false;
  if (!(error instanceof UserError)) throw error;
  const { id, positions } = attempt;
  const hasEnded = task !== null && task.exit_status !== null;
  // Empty files are removed when a task ends.
  if (hasEnded && positions.has(stream)) return true;
  if (hasEnded && mayBeEmpty(task, capturedFiles[stream])) {
    if (!attempt.isTold) log.info(`Task (${id}) printed nothing, or its client ran without --capture`);
    attempt.isTold = true;
    return true;
  }
  const mayCome = look === null ? error.message.includes(notEnded) : task?.exit_status === null && !task.start_time;
  if (!mayCome || !follows) throw error;
  if (!attempt.isTold) log.info(`Waiting for task (${id}) to start`);
  attempt.isTold = true;
  return false;
}

// ---- where to begin

/** Writes what is to be seen of a stream first. Answers a piece that ends where the next one begins. */
async function begin(
  { id, start }: Attempt,
  stream: OutputQuery["stream"],
  { source, write }: Tailing,
): Promise<OutputPiece> {
  const read = (from: number): Promise<OutputPiece> => source.output({ id, stream, from, most: pieceBytes });
  const { unit, count, isFromStart } = start;
  if (isFromStart) {
    // Of a file that is shorter, everything that comes later is seen.
    const end = await read(-1);
    if (unit === "bytes") return { ...end, next: Math.min(Math.max(0, count - 1), end.next), more: true };
    return skipLines(Math.max(0, count - 1), read, (text) => write(stream, text));
  }
  if (count === 0) return read(-1).then((piece) => ({ ...piece, more: false }));
  if (unit === "bytes") {
    const piece = await read(-count);
    write(stream, piece.text);
    return piece;
  }
  const { text, piece } = await lastLines(count, read);
  write(stream, text);
  return piece;
}

async function skipLines(
  count: number,
  read: (from: number) => Promise<OutputPiece>,
  write: (text: string) => void,
): Promise<OutputPiece> {
  let left = count;
  for (let from = 0; ;) {
    const piece = await read(from);
    let index = 0;
    for (; left > 0; left--) {
      const end = piece.text.indexOf("\n", index);
      if (end < 0) break;
      index = end + 1;
    }
    if (left === 0) write(piece.text.slice(index));
    // A task that has not printed so much yet may do so later: its lines are seen then.
    if (left === 0 || !piece.more) return piece;
    from = piece.next;
  }
}

/** The last lines, and a piece that ends with them. */
async function lastLines(
  count: number,
  read: (from: number) => Promise<OutputPiece>,
): Promise<{ readonly text: string; readonly piece: OutputPiece }> {
  const { next: size } = await read(-1);
  for (let bytes = pieceBytes; ; bytes *= 8) {
    const start = Math.max(0, size - bytes);
    let text = "";
    let piece = await read(start);
    for (; ; piece = await read(piece.next)) {
      text += piece.text;
      if (!piece.more) break;
    }
    const from = startOfLast(text, count);
    if (from !== null) return { text: text.slice(from), piece };
    if (start === 0 || bytes >= mostSearched) return { text, piece };
  }
}

/** Where the last `count` lines of a text begin; null: it has fewer. The last one need not have ended. */
function startOfLast(text: string, count: number): number | null {
  let from = text.endsWith("\n") ? text.length - 1 : text.length;
  for (let left = count; left > 0; left--) {
    if (from <= 0) return null;
    from = text.lastIndexOf("\n", from - 1);
    if (from < 0) return null;
  }
  return from + 1;
}
