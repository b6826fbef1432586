/*
 * Parts of a file as bytes, by their place: an executable has 100 MB and more, of which headers and tables are read.
 * Knows no format.
 */
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";

export interface Bytes extends Disposable {
  readonly path: string;
  /** In bytes. */
  readonly size: number;
  /** A copy of `length` bytes from `at`; throws where the file ends before. */
  readonly read: (at: number, length: number) => Buffer<ArrayBuffer>;
  /** Replaces what is there. */
  readonly write: (at: number, bytes: Uint8Array) => void;
  /** Cuts the file, or adds zeros, so that it has `size` bytes. */
  readonly resize: (size: number) => void;
}

/** Opens a file to be read (`r`), or to be read and changed in place (`r+`). Throws where it cannot be opened. */
export function openBytes(path: string, mode: "r" | "r+"): Bytes {
  const file = openSync(path, mode);
  const sizeOf = (): number => fstatSync(file).size;
  return {
    path,
    get size() {
      return sizeOf();
    },
    read: (at, length) => {
      const size = sizeOf();
      if (at < 0 || length < 0 || at + length > size)
        throw new Error(`${path}: it ends at byte ${size}, and something is said to be at ${at} to ${at + length}`);
      const bytes = Buffer.alloc(length);
      readSync(file, bytes, 0, length, at);
      return bytes;
    },
    write: (at, bytes) => {
      writeSync(file, bytes, 0, bytes.byteLength, at);
    },
    resize: (size) => ftruncateSync(file, size),
    [Symbol.dispose]: () => closeSync(file),
  };
}
