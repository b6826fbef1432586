/*
 * The terminal that the live line is drawn on: its size, whether this moment is one to draw in, and bytes that go there
 * at once or not at all. Tasks and the shell have the same terminal, so it is left as it is: what is changed belongs to
 * a descriptor of our own. Linux and macOS only. Knows no text.
 */
import { constants, openSync, writeSync } from "node:fs";
import { WriteStream } from "node:tty";
import { openLibc } from "../base/libc.ts";
import { reopened } from "../base/write.ts";

/** Columns and rows. */
export interface Size {
  readonly columns: number;
  readonly rows: number;
}

export interface Terminal {
  /** The size as it is now; null: it has none. */
  size(): Size | null;
  /**
   * Whether a line may be drawn now: this process is in the foreground, no program has taken the terminal for itself (a
   * pager, an editor, a question for a password), and no other line of ours is on it.
   */
  isFree(): boolean;
  /** Writes the text now. False: there is no room, and nothing of it is written. */
  write(text: string): boolean;
  /** Waits up to half a second until the rest of what was begun is written. */
  finish(): void;
}

const openFunctions = () =>
  openLibc({
    tcgetpgrp: { args: ["i32"], returns: "i32" },
    getpgrp: { args: [], returns: "i32" },
    tcgetattr: { args: ["i32", "ptr"], returns: "i32" },
    flock: { args: ["i32", "i32"], returns: "i32" },
  });
type Functions = NonNullable<ReturnType<typeof openFunctions>>;

interface State {
  readonly functions: Functions;
  /** Where it is drawn, with writes that do not wait. */
  readonly descriptor: number;
  readonly stream: WriteStream;
  /** Room for a struct termios. */
  readonly modes: DataView;
  /** Whether ours is the line of this terminal. */
  isLocked: boolean;
  rest: Uint8Array | null;
}

/** LOCK_EX | LOCK_NB. */
const lockNow = 6;
/** Where `c_lflag` is in a struct termios, bytes, and the flags of a terminal that nobody has taken for himself. */
const [flagsAt, canonical, echo] = process.platform === "darwin" ? [24, 0x100, 0x8] : [12, 0x2, 0x8];
/** How long the end waits for a terminal that takes nothing (Ctrl-S), milliseconds. */
const partingMs = 500;

/**
 * The terminal of standard error; null: a line cannot be drawn there, or must not. It is left open until the process
 * ends.
 */
export function openTerminal(env: Readonly<Record<string, string | undefined>>): Terminal | null {
  const name = env["TERM"] ?? "";
  if (name === "" || name === "dumb") return null;
  const functions = openFunctions();
  // A terminal that does not control this process is that of somebody else, as for a task of another run.
  if (functions === null || functions.tcgetpgrp(2) < 0) return null;
  const own = reopened(2);
  const descriptor = own ?? controlling();
  if (descriptor === null) return null;
  const modes = new DataView(new ArrayBuffer(256));
  const stream = new WriteStream(descriptor);
  // All terminals share the file /dev/tty: a lock on it would be one for all of them.
  const state: State = { functions, descriptor, stream, modes, isLocked: own === null, rest: null };
  return {
    size: () => sizeOf(state),
    isFree: () => isFree(state),
    write: (text) => write(state, text),
    finish: () => finish(state),
  };
}

/** Where the terminal itself cannot be opened once more: it is another user's (su), or this is not Linux. */
function controlling(): number | null {
  const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants;
  try {
    return openSync("/dev/tty", O_WRONLY | O_NONBLOCK | O_NOCTTY);
  } catch {
    return null;
  }
}

function sizeOf({ stream }: State): Size | null {
  try {
    // Without this the size is that of the start: Bun asks again only where it listens to SIGWINCH for a stream.
    // oxlint-disable-next-line no-underscore-dangle -- Node and Bun have it under this name
    (stream as WriteStream & { _refreshSize?: () => void })._refreshSize?.();
    const [columns, rows] = stream.getWindowSize();
    return columns > 0 && rows > 0 ? { columns, rows } : null;
  } catch {
    // The terminal is gone.
    return null;
  }
}

function isFree(state: State): boolean {
  const { functions, descriptor, modes } = state;
  if (functions.tcgetpgrp(2) !== functions.getpgrp()) return false;
  if (functions.tcgetattr(2, new Uint8Array(modes.buffer)) !== 0) return false;
  const wanted = canonical | echo;
  const isLittle = true;
  if ((modes.getUint32(flagsAt, isLittle) & wanted) !== wanted) return false;
  // It is freed with the descriptor, however this process ends.
  state.isLocked ||= functions.flock(descriptor, lockNow) === 0;
  return state.isLocked;
}

function write(state: State, text: string): boolean {
  if (!writeRest(state)) return false;
  state.rest = Buffer.from(text);
  const { length } = state.rest;
  writeRest(state);
  if (state.rest?.length !== length) return true;
  state.rest = null;
  return false;
}

/** Writes what is left of an earlier text, since half a sequence must not stay. Answers whether nothing is left now. */
function writeRest(state: State): boolean {
  while (state.rest !== null) {
    try {
      const done = writeSync(state.descriptor, state.rest);
      state.rest = done < state.rest.length ? state.rest.subarray(done) : null;
    } catch (thrown) {
      const { code } = thrown as { code?: unknown };
      if (code === "EINTR") continue;
      if (code === "EAGAIN") return false;
      // The terminal is gone, and with it whatever was on it.
      state.rest = null;
    }
  }
  return true;
}

function finish(state: State): void {
  for (let waitedMs = 0; !writeRest(state) && waitedMs < partingMs; waitedMs += 10) Bun.sleepSync(10);
}
