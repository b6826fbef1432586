/*
 * A file that lines go to, without holding anybody up: they wait a moment, and are appended together by a thread of the
 * system, one piece after the other. The file is begun anew when it is full or when somebody asks for it; no line is
 * split, or lost. What cannot be written (a full disk, a folder that was taken away) waits, up to some megabytes, and
 * is tried again; a WARNING says so once. At the end of the process everything that waits is written before it is over.
 *
 * Which file it is, and that nobody else writes it, is slot.ts; when it is full is rotation.ts; the compression of full
 * ones is compressor.ts.
 */
import { failureCode } from "../base/paths.ts";
import { counted } from "../base/units.ts";
import type { Clock, Timer } from "../base/clock.ts";
import type { Sink } from "./console.ts";
import type { Line } from "./format.ts";
import type { Logger } from "./logger.ts";
import type { Naming, Policy } from "./rotation.ts";

/** A log file as it is now. */
export interface Opened {
  readonly descriptor: number;
  /** Bytes. */
  readonly size: number;
  /** When it was written last, ms since 1970. */
  readonly writtenAt: number;
}

/** What a log file has of the system. Every function may throw the errors of the operating system. */
export interface Files {
  /** Its path, for people. */
  readonly path: () => string;
  /** Opens it, or makes a new one. The first call chooses which file it is. */
  readonly open: () => Opened;
  readonly close: (descriptor: number) => void;
  /** Gives the file the name that is next, and answers it. */
  readonly rename: (naming: Naming, at: number) => string;
  /** Appends, and calls back with the failure, or null, and the number of bytes that were taken. */
  readonly append: (descriptor: number, bytes: Uint8Array, done: (failure: unknown, taken: number) => void) => void;
  readonly appendNow: (descriptor: number, bytes: Uint8Array) => number;
  /** The size of what is open, bytes, and whether it was removed, so that nobody will read it. */
  readonly look: (descriptor: number) => { readonly size: number; readonly isGone: boolean };
  /** Whether the path leads to what is open. */
  readonly isHere: (descriptor: number) => boolean;
  readonly sleep: (ms: number) => void;
}

export interface LogFileOptions {
  /** The least level number that is written. */
  readonly threshold: number;
  readonly render: (line: Line) => string;
  readonly policy: Policy;
  readonly files: Files;
  readonly clock: Clock;
  /** Says why something failed, for people. */
  readonly reasonOf: (failure: unknown) => string;
  /** For what the log file itself has to tell. Not asked before `open`: this file belongs to those loggers. */
  readonly log: () => Logger;
  /** Called with the name of each file that is full. */
  readonly onFull: (name: string) => void;
}

export interface LogFile extends Sink {
  /**
   * Opens the file. Lines that came before are the first in it. Throws nothing: what fails is told, and tried again.
   */
  open(): void;
  /** Begins a new file, whatever the policy. If another one took its place (logrotate), it only turns to that. */
  renew(): void;
  /** Writes everything that waits, now. Lines that come later are written at once. */
  flush(): void;
}

/** How long a line waits for company, milliseconds. */
const companyMs = 20;
/** So much is written together, characters. */
const piece = 1 << 18;
/** So much waits at most, characters. */
const mostWaiting = 1 << 23;
/** The pauses between two tries to write what could not be written, milliseconds. */
const retryMs = 1000;
/** How often the place of the file is looked at, milliseconds. */
const lookMs = 1000;
/** Within this time after a trouble was told another one is not, milliseconds: a disk may be full again and again. */
const silentMs = 60_000;
/** How long the path may lead elsewhere before a new file is made, milliseconds: whoever moved it may send a signal. */
const movedMs = 10_000;
/** How long a writing is waited for, milliseconds: at the end of the process, and when too much waits. */
const partingMs = 3000;
const crowdedMs = 200;

/** The logger of log files. Its lines do not make a file full, or each new file would begin with two of them. */
export const ownLogger = "core.logging";

interface Waiting {
  readonly text: string;
  /** ms since 1970. */
  readonly at: number;
  /** Whether it tells of the log file itself. */
  readonly isOwn: boolean;
}

/** A wish to begin a new file, in the place among the lines at which it came. */
const renewal: Waiting = { text: "", at: 0, isOwn: true };

interface State extends LogFileOptions {
  open: { readonly descriptor: number } | null;
  /** Bytes in the file. */
  size: number;
  /** Whether it has lines of others than this file itself. */
  isUsed: boolean;
  /** From this size on it is full, bytes. */
  limit: number;
  /** When it is full by its time, ms since 1970; null: never. */
  due: number | null;
  waiting: Waiting[];
  waitingSize: number;
  /** The rest of a piece of which the system took only a part. */
  rest: Uint8Array | null;
  /** What is being written, and where in the file it ends if all is well. */
  flying: { readonly bytes: Uint8Array; readonly end: number } | null;
  timer: Timer | null;
  /** Whether not everything can be written. */
  isInTrouble: boolean;
  /** When a trouble was told last, ms since 1970. */
  toldAt: number;
  lost: number;
  /** When the place of the file was looked at last, ms since 1970. */
  lookedAt: number;
  /** Since when the path leads elsewhere, ms since 1970; null: it leads here. */
  movedAt: number | null;
  /** Whether lines are being taken from those that wait: what is said meanwhile waits behind them. */
  isTaking: boolean;
  isLeaving: boolean;
}

/** A log file that is to be opened. */
export function newLogFile(options: LogFileOptions): LogFile {
  const state: State = {
    ...options,
    open: null,
    size: 0,
    isUsed: false,
    limit: Number.POSITIVE_INFINITY,
    due: null,
    waiting: [],
    waitingSize: 0,
    rest: null,
    flying: null,
    timer: null,
    isInTrouble: false,
    toldAt: Number.NEGATIVE_INFINITY,
    lost: 0,
    lookedAt: options.clock.now(),
    movedAt: null,
    isTaking: false,
    isLeaving: false,
  };
  return {
    threshold: options.threshold,
    write: (line) => add(state, line),
    open: () => void reopen(state),
    renew() {
      if (state.open === null) return;
      state.waiting.push(renewal);
      if (state.isLeaving) writeNow(state);
      else soon(state, 0);
    },
    flush() {
      state.isLeaving = true;
      if (land(state, partingMs)) writeNow(state);
    },
  };
}

function add(state: State, line: Line): void {
  const text = `${state.render(line)}\n`;
  if (state.waitingSize + text.length > mostWaiting && !state.isTaking && !makeRoom(state)) {
    state.lost += 1;
    return;
  }
  state.waiting.push({ text, at: line.at, isOwn: line.name === `hypershell.${ownLogger}` });
  state.waitingSize += text.length;
  if (state.isTaking) return;
  if (state.isInTrouble) soon(state, retryMs);
  else if (state.isLeaving) writeNow(state);
  else soon(state, state.waitingSize >= piece ? 0 : companyMs);
}

/** Writes the lines of somebody who logs megabytes without a pause. False: there is no room. */
function makeRoom(state: State): boolean {
  if (state.isInTrouble || !land(state, crowdedMs)) return false;
  writeNow(state);
  return !state.isInTrouble;
}

/** Has the lines that wait written in some time, milliseconds. */
function soon(state: State, waitMs: number): void {
  if (state.flying !== null || state.isLeaving) return;
  if (state.timer !== null && waitMs > 0) return;
  state.timer?.cancel();
  state.timer = state.clock.after(waitMs, () => {
    state.timer = null;
    turn(state);
  });
}

function turn(state: State): void {
  if (state.flying !== null || state.isLeaving) return;
  const bytes = take(state);
  if (bytes === null) return state.isInTrouble ? soon(state, retryMs) : undefined;
  const { descriptor } = state.open!;
  const flying = { bytes, end: state.size + bytes.length };
  state.flying = flying;
  state.files.append(descriptor, bytes, (failure, taken) => {
    // The end of the process has not waited for this answer.
    if (state.flying !== flying) return;
    state.flying = null;
    settle(state, bytes, failure, taken);
    if (hasMore(state)) soon(state, failure === null ? 0 : retryMs);
  });
}

function hasMore(state: State): boolean {
  return state.rest !== null || state.waiting.length > 0;
}

/** What became of a piece. A trouble is over when nothing waits any more. */
function settle(state: State, bytes: Uint8Array, failure: unknown, taken: number): void {
  state.size += taken;
  state.rest = taken < bytes.length ? bytes.subarray(taken) : null;
  if (failure !== null) return fail(state, failure);
  if (hasMore(state)) return;
  state.isInTrouble = false;
  if (state.lost === 0) return;
  const message = `${counted(state.lost, "line")} of the log ${state.lost === 1 ? "is" : "are"} lost: no room`;
  state.lost = 0;
  // Only in the file: the console has had all lines.
  add(state, { level: "WARNING", name: `hypershell.${ownLogger}`, message, at: state.clock.now() });
}

function fail(state: State, failure: unknown): void {
  state.isInTrouble = true;
  // Where there is room again, the same file will do; after anything else the path may lead to another.
  if (state.open !== null && !["ENOSPC", "EDQUOT", "EFBIG"].includes(failureCode(failure))) {
    state.files.close(state.open.descriptor);
    state.open = null;
  }
  const text = `Cannot write the log file (${state.files.path()}): ${state.reasonOf(failure)}`;
  warnSometimes(state, `${text} - the run goes on, and so does the log as soon as it can`);
}

function warnSometimes(state: State, text: string): void {
  const now = state.clock.now();
  if (now - state.toldAt < silentMs) return;
  state.toldAt = now;
  state.log().warning(text);
}

/** Opens the file if it is not open, and looks now and then whether it is still there. */
function isReady(state: State): boolean {
  if (state.open === null) return reopen(state);
  const { descriptor } = state.open;
  const now = state.clock.now();
  try {
    // Somebody may have emptied it (logrotate, copytruncate).
    const { size, isGone } = state.files.look(descriptor);
    state.size = size;
    if (!isGone && now - state.lookedAt < lookMs) return true;
    state.lookedAt = now;
    if (!isGone) {
      state.movedAt = state.files.isHere(descriptor) ? null : (state.movedAt ?? now);
      if (state.movedAt === null || now - state.movedAt < movedMs) return true;
    }
  } catch {
    // As on a network file system that has lost the file.
  }
  return reopen(state);
}

/** Opens the file that the path leads to now. False: it cannot be opened. */
function reopen(state: State): boolean {
  if (state.open !== null) state.files.close(state.open.descriptor);
  state.open = null;
  try {
    const { descriptor, size, writtenAt } = state.files.open();
    state.open = { descriptor };
    state.size = size;
    state.isUsed = size > 0;
    state.limit = state.policy.bytes ?? Number.POSITIVE_INFINITY;
    state.due = state.policy.next?.(size > 0 ? writtenAt : state.clock.now()) ?? null;
    state.movedAt = null;
    return true;
  } catch (thrown) {
    fail(state, thrown);
    return false;
  }
}

/** What is to be written next, into the file that is open by then. null: nothing can be written. */
function take(state: State): Uint8Array | null {
  state.isTaking = true;
  try {
    return isReady(state) ? nextPiece(state) : null;
  } finally {
    state.isTaking = false;
  }
}

/** The bytes to write next, into the file that is open; on the way a file that is full is exchanged. null: none. */
function nextPiece(state: State): Uint8Array | null {
  if (state.rest !== null) return state.rest;
  const texts: string[] = [];
  let [bytes, characters, taken] = [0, 0, 0];
  for (const line of state.waiting) {
    if (characters >= piece) break;
    if (line === renewal || isFull(state, line, bytes)) {
      // What belongs into the old file is written first.
      if (texts.length > 0) break;
      rotate(state, line === renewal ? state.clock.now() : line.at);
      if (state.open === null) break;
    }
    taken += 1;
    if (line === renewal) continue;
    texts.push(line.text);
    characters += line.text.length;
    if (state.policy.bytes !== null) bytes += Buffer.byteLength(line.text);
    if (!line.isOwn) state.isUsed = true;
  }
  state.waiting = state.waiting.slice(taken);
  state.waitingSize -= characters;
  return texts.length === 0 ? null : Buffer.from(texts.join(""));
}

/** Whether the file is full before a line, with so many bytes on their way to it. */
function isFull({ limit, size, isUsed, due }: State, line: Waiting, bytes: number): boolean {
  if (line.isOwn || !isUsed) return false;
  return size + bytes >= limit || (due !== null && line.at >= due);
}

/** Begins a new file. Where the path leads elsewhere by now, there is one already. */
function rotate(state: State, at: number): void {
  const { files, policy } = state;
  const { descriptor } = state.open!;
  let full: string | null = null;
  try {
    if (files.isHere(descriptor)) {
      if (files.look(descriptor).size === 0) return;
      full = files.rename(policy.naming, at);
    }
  } catch (thrown) {
    warnSometimes(state, `Cannot begin a new log file (${files.path()}): ${state.reasonOf(thrown)}`);
    // The next try is when as much has been written again, or at the next time.
    state.limit = state.size + (policy.bytes ?? Number.POSITIVE_INFINITY);
    state.due = policy.next?.(at) ?? null;
    return;
  }
  reopen(state);
  state.due = policy.next?.(at) ?? null;
  if (full !== null) state.onFull(full);
}

/**
 * Waits for what is being written, at most so many milliseconds. The event loop stands still meanwhile, so the size of
 * the file has to tell. False: it is not done yet.
 */
function land(state: State, patienceMs: number): boolean {
  const { flying, open } = state;
  if (flying === null || open === null) return true;
  for (let waitedMs = 0; state.files.look(open.descriptor).size < flying.end; waitedMs += 1) {
    if (waitedMs >= patienceMs) return false;
    state.files.sleep(1);
  }
  state.flying = null;
  settle(state, flying.bytes, null, flying.bytes.length);
  return true;
}

/** Writes everything that waits before it returns, unless it cannot be written. */
function writeNow(state: State): void {
  state.timer?.cancel();
  state.timer = null;
  while (hasMore(state)) {
    const bytes = take(state);
    if (bytes === null) break;
    try {
      settle(state, bytes, null, state.files.appendNow(state.open!.descriptor, bytes));
    } catch (thrown) {
      settle(state, bytes, thrown, 0);
      break;
    }
  }
  if (hasMore(state)) soon(state, retryMs);
}
