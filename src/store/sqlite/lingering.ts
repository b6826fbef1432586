/*
 * Outcomes that are safe but not yet in their rows. In a local run each turn of the server has an outcome or two, and a
 * transaction for them would change some four pages of the file for each. So while outcomes come fast, they are
 * appended to a file beside the database, which survives the death of this process, and are recorded together a little
 * later. Whoever buries the server of a process that died reads that file first (left.ts). Knows no SQL.
 *
 * Measured with tasks that take no time, two at once, on a busy machine, in turn: the database writes 1.7 pages a task
 * instead of 6.4, and the whole process takes 111 µs a task instead of 157 (medians; without a database 47).
 */
import { closeSync, ftruncateSync, openSync, rmSync, writeSync } from "node:fs";
import type { Clock, Timer } from "../../base/clock.ts";
import { fileMode } from "../../base/modes.ts";
import type { Commit } from "../store.ts";
import { leftLine, leftPath } from "./left.ts";

/** For how long an outcome may wait for its row, milliseconds. Who looks into the database sees it that much later. */
const lingerMs = 20;
/** How many outcomes wait at most. */
const mostOutcomes = 1000;
/** A file that is longer than this is emptied when nothing of it is needed, bytes. */
const longFile = 4 * 1024 * 1024;

export interface Lingering {
  /** Whether outcomes wait for their rows. */
  readonly isAny: boolean;
  /**
   * Whether a commit may be kept. It may not if its caller asks for more than that outcomes are safe, or if nothing was
   * written just before: where outcomes are rare each has its transaction, and is seen at once.
   */
  mayKeep(commit: Commit): boolean;
  /** Keeps a commit for later, in a file. False: the file cannot be written, and the commit has to be. */
  keep(commit: Commit): boolean;
  /** Everything that was kept, as one commit; null: nothing was. */
  kept(): Commit | null;
  /** Notes that what was kept is recorded. */
  recorded(): void;
  /** Closes the file, and removes it unless something of it is not recorded. */
  close(): void;
}

interface State {
  readonly file: string;
  readonly clock: Clock;
  readonly onDue: () => void;
  kept: Commit[];
  /** How many outcomes are in `kept`. */
  outcomes: number;
  /** When outcomes were recorded last, milliseconds since 1970. */
  recordedAt: number;
  timer: Timer | null;
  log: { readonly path: string; readonly descriptor: number; length: number } | null;
  /** Whether the file could not be written: nothing lingers any more. */
  isBroken: boolean;
}

/** Makes the keeper of outcomes for the database `file`. `onDue` is called when what was kept should be recorded. */
export function newLingering(file: string, clock: Clock, onDue: () => void): Lingering {
  const state: State = {
    file,
    clock,
    onDue,
    kept: [],
    outcomes: 0,
    recordedAt: Number.NEGATIVE_INFINITY,
    timer: null,
    log: null,
    isBroken: false,
  };
  return {
    get isAny() {
      return state.kept.length > 0;
    },
    mayKeep: (commit) => mayKeep(state, commit),
    keep: (commit) => keep(state, commit),
    kept: () => together(state.kept),
    recorded: () => recorded(state),
    close: () => close(state),
  };
}

function mayKeep(state: State, commit: Commit): boolean {
  if (commit.mayLinger !== true || state.isBroken || state.outcomes >= mostOutcomes) return false;
  if (state.kept.length === 0 && state.clock.now() - state.recordedAt >= lingerMs) return false;
  return isPlain(commit);
}

function keep(state: State, commit: Commit): boolean {
  if (!append(state, commit)) return false;
  state.kept.push(commit);
  state.outcomes += commit.completed.length;
  state.timer ??= state.clock.after(lingerMs, () => {
    state.timer = null;
    state.onDue();
  });
  return true;
}

/** Whether a commit brings outcomes and nothing that others wait for: no next attempt, nothing that is given back. */
function isPlain({ assigned, started, completed, reverted, recalled }: Commit): boolean {
  if (completed.length === 0 || assigned.length + started.length + reverted.length + recalled.length > 0) return false;
  for (const { retry } of completed) if (retry !== null) return false;
  return true;
}

/** Appends a commit to the file. False: it cannot be done, and will not be tried again. */
function append(state: State, commit: Commit): boolean {
  const line = leftLine(commit);
  try {
    state.log ??= openLog(leftPath(state.file, commit.serverId));
    const written = writeSync(state.log.descriptor, line);
    state.log.length += written;
    if (written === line.length || written === Buffer.byteLength(line)) return true;
  } catch {
    // There is no room, no descriptor, or no right to make a file. The database says what is wrong, if it has to.
  }
  state.isBroken = true;
  return false;
}

function openLog(path: string): NonNullable<State["log"]> {
  return { path, descriptor: openSync(path, "a", fileMode()), length: 0 };
}

function together(kept: readonly Commit[]): Commit | null {
  const last = kept.at(-1);
  if (last === undefined || kept.length === 1) return last ?? null;
  return { ...last, completed: kept.flatMap(({ completed }) => completed) };
}

function recorded(state: State): void {
  state.recordedAt = state.clock.now();
  if (state.kept.length === 0) return;
  state.kept = [];
  state.outcomes = 0;
  state.timer?.cancel();
  state.timer = null;
  const { log } = state;
  if (log === null || log.length < longFile) return;
  try {
    ftruncateSync(log.descriptor, 0);
    log.length = 0;
  } catch {
    // What it has is in rows already. It takes nothing more.
    state.isBroken = true;
  }
}

function close(state: State): void {
  state.timer?.cancel();
  state.timer = null;
  const { log } = state;
  if (log === null) return;
  state.log = null;
  closeSync(log.descriptor);
  if (state.kept.length > 0) return;
  try {
    rmSync(log.path, { force: true });
  } catch {
    // The file system is read-only by now, say. All of it is in rows, so it does no harm; others tell what is wrong.
  }
}
