/*
 * Writing all of something to a descriptor, synchronously: it is out when the call returns. What a failure means is for
 * the caller to say.
 */
import { writeSync } from "node:fs";

export type WriteSync = (fd: number, bytes: Uint8Array, offset: number, length: number) => number;

let before: ((fd: number) => void) | null = null;

/**
 * `action` is called with the descriptor before anything is written here; null: nothing is. What waits for the same
 * reader is to go first.
 */
export function writeBefore(action: ((fd: number) => void) | null): void {
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
  before?.(fd);
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
