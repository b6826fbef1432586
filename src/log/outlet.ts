/*
 * Where the log goes: standard error, written so that a reader who does not read holds nothing up. What a pipe, a
 * socket or a terminal does not take at once waits in a queue of a megabyte and follows when there is room; what comes
 * on top is counted, and told when the log flows again. A closed pipe is forgotten; nothing here throws.
 *
 * Tasks write to the same pipe by descriptors of their own. So the pipe itself is left as it is, and opened once more
 * for writes that do not wait. Where it cannot be, as with sockets, the system is asked before each piece whether there
 * is room.
 */
import { fstatSync, writeSync } from "node:fs";
import { systemClock } from "../base/clock.ts";
import { pieceBytes, reopened, writeBefore } from "../base/write.ts";

export interface Outlet {
  /** Writes, now or later. False: the other end is gone for good, or there is no room and the text is lost. */
  write(text: string): boolean;
  /** `tell` is called with the number of lost lines when the log flows again. */
  onLost(tell: (lines: number) => void): void;
  /** Waits for what is in the queue, at most 3 seconds without anything being taken. */
  close(): void;
}

/** What an outlet has of the system. */
export interface OutletSystem {
  /** The number of bytes that were taken at once. Throws the errors of the operating system, EAGAIN for none. */
  readonly write: (bytes: Uint8Array) => number;
  /** Says that no turn of the event loop comes before the queue is written, so that nothing else is waited for. */
  readonly leave: () => void;
  readonly after: (ms: number, action: () => void) => void;
  readonly now: () => number;
  readonly sleep: (ms: number) => void;
  /** Whether another descriptor leads to the same place. */
  readonly isSame: (descriptor: number) => boolean;
}

/** How much waits for a reader, bytes. */
const mostWaiting = 1 << 20;
/** The longest pause before another try, milliseconds; the first is 5. */
const longestPauseMs = 100;
/** How long the end of the program waits for a reader who takes nothing, milliseconds. */
const partingMs = 3000;

interface State {
  readonly system: OutletSystem;
  readonly queue: Uint8Array[];
  waitingBytes: number;
  lost: number;
  tell: ((lines: number) => void) | null;
  isScheduled: boolean;
  pauseMs: number;
  isGone: boolean;
}

/** The outlet to a descriptor. `system` is a parameter so that a test can be a reader. */
export function outlet(descriptor: number, system: OutletSystem = systemOf(descriptor)): Outlet {
  const state: State = {
    system,
    queue: [],
    waitingBytes: 0,
    lost: 0,
    tell: null,
    isScheduled: false,
    pauseMs: 5,
    isGone: false,
  };
  return {
    write: (text) => write(state, Buffer.from(text)),
    onLost(tell) {
      state.tell = tell;
    },
    close() {
      if (state.queue.length === 0) return;
      state.system.leave();
      drain(state, partingMs);
    },
  };
}

function write(state: State, bytes: Uint8Array): boolean {
  if (state.isGone) return false;
  if (state.queue.length === 0) {
    const done = put(state, bytes);
    if (done === null) return false;
    if (done === bytes.length) {
      tellLost(state);
      return true;
    }
    bytes = bytes.subarray(done);
  }
  if (state.waitingBytes + bytes.length > mostWaiting) {
    state.lost++;
    return false;
  }
  state.queue.push(bytes);
  state.waitingBytes += bytes.length;
  // What is printed after a line of the log stays behind it.
  writeBefore((other, mayWait) => {
    if (!state.system.isSame(other)) return true;
    // What this waits for must not need a turn of the event loop.
    if (mayWait) state.system.leave();
    drain(state, mayWait ? Number.POSITIVE_INFINITY : 0);
    return state.queue.length === 0;
  });
  schedule(state);
  return true;
}

/** Writes what is taken at once. Answers how many bytes that was; null: they are lost. */
function put(state: State, bytes: Uint8Array): number | null {
  let done = 0;
  while (done < bytes.length) {
    try {
      done += state.system.write(bytes.subarray(done));
    } catch (thrown) {
      const { code } = thrown as { code?: unknown };
      if (code === "EINTR") continue;
      if (code === "EAGAIN") return done;
      // A full disk may have room again later; every other failure (EPIPE, EBADF, EIO of a lost terminal) is final.
      if (code === "ENOSPC" || code === "EDQUOT") state.lost++;
      else giveUp(state);
      return null;
    }
  }
  return done;
}

function giveUp(state: State): void {
  state.isGone = true;
  state.queue.length = 0;
  state.waitingBytes = 0;
  writeBefore(null);
}

function tellLost(state: State): void {
  if (state.lost === 0 || state.tell === null) return;
  const { lost } = state;
  state.lost = 0;
  state.tell(lost);
}

function schedule(state: State): void {
  if (state.isScheduled || state.queue.length === 0) return;
  state.isScheduled = true;
  state.system.after(state.pauseMs, () => {
    state.isScheduled = false;
    state.pauseMs = flush(state) ? 5 : Math.min(state.pauseMs * 2, longestPauseMs);
    schedule(state);
  });
}

/** Writes what waits, oldest first, as far as it is taken. Answers whether anything was. */
function flush(state: State): boolean {
  const { queue } = state;
  let wasTaken = false;
  while (queue.length > 0) {
    const first = queue[0]!;
    const done = put(state, first);
    if (state.isGone) return true;
    const gone = done ?? first.length;
    if (gone > 0) wasTaken = true;
    state.waitingBytes -= gone;
    if (gone < first.length) {
      queue[0] = first.subarray(gone);
      return wasTaken;
    }
    queue.shift();
  }
  writeBefore(null);
  tellLost(state);
  return wasTaken;
}

/** Waits until the queue is empty, or nothing was taken for so long. */
function drain(state: State, patienceMs: number): void {
  let since = state.system.now();
  for (let waitMs = 1; state.queue.length > 0; waitMs = Math.min(waitMs * 2, 50)) {
    if (flush(state)) {
      since = state.system.now();
      waitMs = 1;
    } else if (state.system.now() - since >= patienceMs) return;
    else state.system.sleep(waitMs);
  }
}

function systemOf(descriptor: number): OutletSystem {
  let writer: ((bytes: Uint8Array) => number) | null = null;
  const last = { isNear: false };
  return {
    leave() {
      last.isNear = true;
    },
    // The descriptor is looked at when there is something to log: most calls of `hs` log nothing.
    write: (bytes) => (writer ??= writerTo(descriptor, last))(bytes),
    after: (ms, action) => void systemClock.after(ms, action),
    now: systemClock.now,
    sleep: (ms) => Bun.sleepSync(ms),
    isSame(other) {
      try {
        const [one, two] = [fstatSync(descriptor), fstatSync(other)];
        return one.ino === two.ino && one.dev === two.dev;
      } catch {
        return false;
      }
    },
  };
}

function writerTo(descriptor: number, last: { readonly isNear: boolean }): (bytes: Uint8Array) => number {
  let isPatient: boolean;
  try {
    const facts = fstatSync(descriptor);
    isPatient = !facts.isFIFO() && !facts.isSocket() && !facts.isCharacterDevice();
  } catch {
    isPatient = true;
  }
  // A file is never full of what nobody reads.
  if (isPatient || process.platform === "win32") return (bytes) => writeSync(descriptor, bytes);
  const own = reopened(descriptor);
  if (own !== null) return (bytes) => writeSync(own, bytes);
  let mayWrite: ((descriptor: number) => boolean) | null = null;
  void import("../base/unread.ts").then((unread) => (mayWrite = unread.mayWrite));
  return (bytes) => {
    if (mayWrite === null ? !last.isNear : !mayWrite(descriptor))
      throw Object.assign(new Error("there is no room"), { code: "EAGAIN" });
    return writeSync(descriptor, bytes, 0, Math.min(bytes.length, pieceBytes));
  };
}
