/*
 * Writes to the outputs of this process, one thing after the other, without ever waiting for a reader: what he does not
 * take waits, and so does everything behind it. Several small things go out in one write. Knows neither tasks nor
 * modes.
 */
import { fstatSync, write, writeSync } from "node:fs";
import type { Clock } from "../base/clock.ts";
import { type Deque, deque } from "../base/deque.ts";
import { failureCode, failureReason } from "../base/paths.ts";
import { reopened } from "../base/write.ts";
import type { Part, Spool } from "./spool.ts";

/** A descriptor that is written to. */
export interface Target {
  /** Where it leads, for a message: `standard output`. */
  readonly name: string;
  readonly descriptor: number;
  /** The descriptor whose writes do not wait; null: there is none, or the writes of `descriptor` never do. */
  readonly own: number | null;
  /** Whether a write may wait for a reader. */
  readonly mayWait: boolean;
  /** Whether nothing can be written to it any more. */
  isGone: boolean;
}

/** Something to write. */
interface Item {
  readonly target: Target;
  readonly part: Part;
  /** What stands before each line; null: the bytes go out as they are. */
  readonly tag: Uint8Array | null;
  /** Whether a line end is added if there is none. */
  readonly ends: boolean;
}

export interface Writer {
  /** Takes a part, which the writer drops when it is written. `tag` stands before each of its lines. */
  put(target: Target, part: Part, tag: Uint8Array | null, ends: boolean): void;
  /** Whether so much waits for a reader that no more should come. */
  isFull(): boolean;
  /** Calls this when there is room again. */
  whenRoom(go: () => void): void;
  /** Whether nothing is half written: others may write a line. */
  isClear(): boolean;
  /** Resolves when everything is written that will be. */
  drained(): Promise<void>;
  /** Gives up what waits. */
  giveUp(): void;
}

export interface WriterOptions {
  readonly spool: Spool;
  readonly clock: Pick<Clock, "after">;
  /** Called once for each target that is gone or takes no more; `isUnread`: nobody reads it any more. */
  readonly onTrouble: (target: Target, reason: string, isUnread: boolean) => void;
  /** The number of waiting bytes and parts above which the writer is full. */
  readonly mostBytes?: number;
  readonly mostParts?: number;
}

/** How much goes out in one write, bytes. */
const pieceBytes = 256 * 1024;
/** After so many bytes others have their turn. */
const turnBytes = 8 << 20;
/** The pause before another try where a descriptor that is shared was made not to wait, milliseconds. */
const againMs = 3;

interface State extends WriterOptions {
  readonly queue: Deque<Item>;
  readonly most: { readonly bytes: number; readonly parts: number };
  /** The sum of what is in the queue, bytes. */
  waiting: number;
  /** The first item, and how much of it was read, bytes; null: the next one is in the queue. */
  item: Item | null;
  at: number;
  /** Whether the next byte of the first item begins a line. */
  isAtStart: boolean;
  /** What goes out next, and where. */
  readonly out: Uint8Array;
  outSize: number;
  target: Target | null;
  /** Whether a write waits for its reader. */
  isBlocked: boolean;
  /** Whether the pump is at work, or will be. */
  isPumping: boolean;
  readonly room: (() => void)[];
  readonly idle: (() => void)[];
}

/** A target for a descriptor of this process. `name`: see Target. */
export function targetOf(descriptor: number, name: string): Target {
  let isFile = true;
  try {
    const facts = fstatSync(descriptor);
    isFile = !(facts.isFIFO() || facts.isSocket() || facts.isCharacterDevice());
  } catch {
    // It is closed: the first write tells.
  }
  return { name, descriptor, own: isFile ? null : reopened(descriptor), mayWait: !isFile, isGone: false };
}

/** Makes a writer. */
export function newWriter(options: WriterOptions): Writer {
  const { mostBytes = 16 << 20, mostParts = 4096 } = options;
  const state: State = {
    ...options,
    most: { bytes: mostBytes, parts: mostParts },
    queue: deque(),
    waiting: 0,
    item: null,
    at: 0,
    isAtStart: true,
    out: new Uint8Array(pieceBytes),
    outSize: 0,
    target: null,
    isBlocked: false,
    isPumping: false,
    room: [],
    idle: [],
  };
  return {
    put(target, part, tag, ends) {
      state.waiting += part.size;
      state.queue.push({ target, part, tag, ends });
      if (!state.isBlocked && !state.isPumping) schedule(state);
    },
    isFull: () => isFull(state),
    whenRoom: (go) => void (isFull(state) ? state.room.push(go) : go()),
    isClear: () => !state.isBlocked && state.outSize === 0 && state.item === null,
    drained() {
      const { promise, resolve } = Promise.withResolvers<void>();
      state.idle.push(resolve);
      if (!state.isBlocked && !state.isPumping) schedule(state);
      return promise;
    },
    giveUp: () => giveUp(state),
  };
}

function isFull({ isBlocked, isPumping, waiting, queue, most }: State): boolean {
  return (isBlocked || isPumping) && (waiting > most.bytes || queue.length > most.parts);
}

/** Lets what comes in this turn go out together. */
function schedule(state: State): void {
  state.isPumping = true;
  queueMicrotask(() => pump(state));
}

function pump(state: State): void {
  let done = 0;
  for (;;) {
    const item = (state.item ??= next(state));
    if (item === null) {
      if (!flush(state)) return;
      break;
    }
    if (state.target !== item.target && !flush(state)) return;
    state.target = item.target;
    const before = state.at;
    const isFilled = fill(state, item);
    done += Math.max(0, state.at - before);
    if (isFilled && !flush(state)) return;
    if (done < turnBytes) continue;
    setImmediate(() => pump(state));
    return tellOfRoom(state);
  }
  state.isPumping = false;
  tellOfRoom(state);
  for (const resolve of state.idle.splice(0)) resolve();
}

function next(state: State): Item | null {
  state.at = 0;
  state.isAtStart = true;
  return state.queue.shift() ?? null;
}

const piece = new Uint8Array(pieceBytes);

/**
 * Moves what fits from the first item into what goes out next, and leaves the item when all of it is there. Answers
 * whether that must be written before more fits.
 */
function fill(state: State, item: Item): boolean {
  const { part, tag, ends, target } = item;
  const room = pieceBytes - state.outSize;
  // Each byte may be a line of its own.
  const most = tag === null ? room : Math.floor(room / (tag.length + 2));
  if (most === 0) return true;
  if (target.isGone) state.at = part.size;
  if (state.at < part.size) {
    const some = readSome(state, part, Math.min(most, part.size - state.at));
    if (some === 0) state.at = part.size;
    else if (tag === null) state.outSize += some;
    else addTagged(state, piece.subarray(0, some), tag);
    state.at += some;
    if (some > 0) state.isAtStart = lastByte(state) === 0x0a;
  }
  if (state.at < part.size) return state.outSize === pieceBytes;
  if (ends && !state.isAtStart && !target.isGone) {
    if (state.outSize === pieceBytes) return true;
    state.out[state.outSize++] = 0x0a;
  }
  state.waiting -= part.size;
  state.spool.drop(part);
  state.item = null;
  return false;
}

const lastByte = ({ out, outSize }: State): number | undefined => out[outSize - 1];

/** Reads without a tag to where it goes out, with one to `piece`. A file that cannot be read is told like a target. */
function readSome(state: State, part: Part, most: number): number {
  const item = state.item!;
  const into = item.tag === null ? state.out.subarray(state.outSize, state.outSize + most) : piece.subarray(0, most);
  try {
    return state.spool.read(part, state.at, into);
  } catch (error) {
    state.onTrouble(item.target, failureReason(error), false);
    return 0;
  }
}

function addTagged(state: State, bytes: Uint8Array, tag: Uint8Array): void {
  let { isAtStart } = state;
  for (let from = 0; from < bytes.length;) {
    const end = bytes.indexOf(0x0a, from);
    const to = end < 0 ? bytes.length : end + 1;
    if (isAtStart) {
      state.out.set(tag, state.outSize);
      state.outSize += tag.length;
    }
    state.out.set(bytes.subarray(from, to), state.outSize);
    state.outSize += to - from;
    isAtStart = end >= 0;
    from = to;
  }
}

/** Writes what goes out next. Answers whether all of it is written; if not, the pump goes on when the reader does. */
function flush(state: State): boolean {
  const { target, out, outSize } = state;
  if (outSize === 0 || target === null) return true;
  if (state.isBlocked) return false;
  let done = 0;
  while (done < outSize && !target.isGone) {
    if (target.mayWait && target.own === null) break;
    try {
      done += writeSync(target.own ?? target.descriptor, out, done, outSize - done);
    } catch (error) {
      const code = failureCode(error);
      if (code === "EAGAIN") break;
      if (code !== "EINTR") lose(state, target, error);
    }
  }
  if (done === outSize || target.isGone) {
    state.outSize = 0;
    return true;
  }
  state.isBlocked = true;
  waitForReader(state, target, done);
  return false;
}

/** Has a thread wait for the reader. */
function waitForReader(state: State, target: Target, from: number): void {
  const { out, outSize, clock } = state;
  write(target.descriptor, out, from, outSize - from, null, (error, some) => {
    let done = from;
    if (error === null) done += some;
    else if (failureCode(error) !== "EAGAIN") lose(state, target, error);
    if (done < outSize && !target.isGone) {
      if (error === null) waitForReader(state, target, done);
      else clock.after(againMs, () => waitForReader(state, target, done));
      return;
    }
    state.outSize = 0;
    state.isBlocked = false;
    pump(state);
  });
}

function lose(state: State, target: Target, error: unknown): void {
  target.isGone = true;
  const code = failureCode(error);
  state.onTrouble(target, failureReason(error), code === "EPIPE" || code === "EIO");
}

function tellOfRoom(state: State): void {
  if (state.room.length === 0 || isFull(state)) return;
  for (const go of state.room.splice(0)) go();
}

function giveUp(state: State): void {
  const { spool, queue } = state;
  if (state.item !== null) spool.drop(state.item.part);
  for (const { part } of queue.drain()) spool.drop(part);
  state.item = null;
  state.waiting = 0;
  tellOfRoom(state);
  for (const resolve of state.idle.splice(0)) resolve();
}
