/*
 * Writing to a descriptor so that what was written is out when the call returns: a line logged just before the process
 * ends appears, and lines keep their order. A full pipe is waited for, a closed one is forgotten; nothing here throws.
 */
import { writeAll, type WriteSync } from "../base/write.ts";

export interface Descriptor {
  /** Writes all of it, however long the reader takes. False: the other end is gone for good, or the disk is full. */
  write(text: string): boolean;
}

/**
 * A descriptor to write to, by number. `writeTo` and `pauseMs` are parameters so that a test can be a slow or closed
 * reader.
 */
export function descriptor(fd: number, writeTo?: WriteSync, pauseMs?: (ms: number) => void): Descriptor {
  let closed = false;
  return {
    write(text) {
      if (closed) return false;
      try {
        writeAll(fd, Buffer.from(text), writeTo, pauseMs);
        return true;
      } catch (thrown) {
        const code = (thrown as { code?: unknown }).code;
        // A full disk may have room again later; every other failure (EPIPE, EBADF, EIO of a lost terminal) is final.
        closed = code !== "ENOSPC" && code !== "EDQUOT";
        return false;
      }
    },
  };
}
