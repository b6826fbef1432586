/*
 * Writing to a descriptor so that what was written is out when the call returns: a line logged just before the process ends
 * appears, and lines keep their order. A full pipe is waited for, a closed one is forgotten; nothing here throws.
 */
import { writeSync } from "node:fs";

export interface Descriptor {
  /** Writes all of it, however long the reader takes. False: the other end is gone (for good), or the disk is full. */
  write(text: string): boolean;
}

export type WriteSync = (fd: number, bytes: Uint8Array, offset: number, length: number) => number;

/** `writeTo` and `pauseMs` are parameters so that a test can be a slow or closed reader. */
export function descriptor(
  fd: number,
  writeTo: WriteSync = writeSync,
  pauseMs: (ms: number) => void = Bun.sleepSync,
): Descriptor {
  let closed = false;
  return {
    write(text) {
      if (closed) return false;
      const bytes = Buffer.from(text);
      let done = 0;
      let waitMs = 1;
      while (done < bytes.length) {
        try {
          done += writeTo(fd, bytes, done, bytes.length - done);
          waitMs = 1;
        } catch (thrown) {
          const code = (thrown as { code?: unknown }).code;
          if (code === "EINTR") continue;
          if (code === "EAGAIN") {
            pauseMs(waitMs);
            waitMs = Math.min(waitMs * 2, 50);
            continue;
          }
          // A full disk may have room again later; every other failure (EPIPE, EBADF, EIO of a lost terminal) is final.
          closed = code !== "ENOSPC" && code !== "EDQUOT";
          return false;
        }
      }
      return true;
    },
  };
}
