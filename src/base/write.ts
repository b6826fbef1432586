/*
 * Writing to a descriptor, synchronously: all of something, so that it is out when the call returns, or what is taken
 * at once. What a failure means is for the caller to say.
 */
import { constants, openSync, writeSync } from "node:fs";

export type WriteSync = (fd: number, bytes: Uint8Array, offset: number, length: number) => number;

/** Of a pipe or socket that has room, this much is written without a wait, bytes: PIPE_BUF of POSIX. */
export const pieceBytes = 4096;

/** Answers whether the way is free: what waits for the same reader is written, with a wait if `mayWait`. */
type Before = (fd: number, mayWait: boolean) => boolean;

let before: Before | null = null;

/**
 * `action` is called with the descriptor before anything is written here; null: nothing is. What waits for the same
 * reader is to go first.
 */
export function writeBefore(action: Before | null): void {
  before = action;
}

/**
 * Returns when all bytes are written, however long the reader takes. Throws the error of the operating system (EPIPE,
 * ENOSPC ...). `writeTo` and `pauseMs` are parameters so that a test can be a slow reader, a closed pipe or a full
 * disk.
 */
export function writeAll(
  fd: number,
  bytes: Uint8Array,
  writeTo: WriteSync = writeSync,
  pauseMs: (ms: number) => void = Bun.sleepSync,
): void {
  before?.(fd, true);
  let done = 0;
  let waitMs = 1;
  while (done < bytes.length) {
    try {
      done += writeTo(fd, bytes, done, bytes.length - done);
      waitMs = 1;
    } catch (thrown) {
      const code = (thrown as { code?: unknown }).code;
      if (code === "EINTR") continue;
      if (code !== "EAGAIN") throw thrown;
      // A pipe that somebody made non-blocking (it is shared with them) is full: the reader gets time.
      pauseMs(waitMs);
      waitMs = Math.min(waitMs * 2, 50);
    }
  }
}

/**
 * Writes what is taken at once, and answers how many bytes that is. Throws the error of the operating system, but not
 * for a reader who takes nothing. `writeTo` must not wait.
 */
export function writeSome(fd: number, bytes: Uint8Array, writeTo: WriteSync): number {
  if (before?.(fd, false) === false) return 0;
  let done = 0;
  while (done < bytes.length) {
    try {
      done += writeTo(fd, bytes, done, bytes.length - done);
    } catch (thrown) {
      const code = (thrown as { code?: unknown }).code;
      if (code === "EAGAIN") break;
      if (code !== "EINTR") throw thrown;
    }
  }
  return done;
}

/**
 * A descriptor to the same pipe or terminal whose writes do not wait. The one that is shared with others, as tasks,
 * stays as it is. Null: there can be none.
 */
export function reopened(descriptor: number): number | null {
  if (process.platform !== "linux") return null;
  const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants;
  try {
    return openSync(`/proc/self/fd/${descriptor}`, O_WRONLY | O_NONBLOCK | O_NOCTTY);
  } catch {
    // A socket, a pipe that another user made, or one that nobody reads any more.
    return null;
  }
}
