/*
 * A file, a pipe or standard input as lines, in constant memory. Nothing is read while the consumer is busy.
 * splitter.ts makes lines of bytes. Knows nothing of what lines mean.
 */
import { accessSync, closeSync, constants, fstatSync, openSync, read as readDescriptor, statSync } from "node:fs";
import type { Stats } from "node:fs";
import { isatty } from "node:tty";
import { runtimeError } from "../base/errors.ts";
import { failureCode, failureReason } from "../base/paths.ts";
import { type BadLine, type LineEnd, newSplitter, splitChunk, splitRest } from "./splitter.ts";

/** A batch of consecutive lines: `first` is the number of its first line. */
export interface LineBatch {
  readonly first: number;
  readonly lines: readonly (string | BadLine)[];
}

export interface LineSource {
  /** The name for messages: `<stdin>`, or the path as it was given. */
  readonly name: string;
  /** Whether it is a regular file, which can be read again from its start. */
  readonly regular: boolean;
  /** Whether somebody types it at a terminal. */
  readonly isTyped?: boolean;
  /** The batches of lines, without their line ends; no batch is empty. Only one reading at a time is allowed. */
  read(): AsyncGenerator<LineBatch, void, void>;
  /** Ends a reading, even one that waits for input. */
  close(): Promise<void>;
}

/**
 * The size of the first batches, in lines. They are small, so that the first task does not wait for thousands of others
 * to be parsed.
 */
export const firstBatch = 64;
/**
 * The size of the largest batch, in lines: it takes some 15 ms to parse and insert. More would keep the event loop from
 * its other duties.
 */
export const largestBatch = 4096;

/**
 * Opens a source of lines that end with `end`; the path `-` is standard input. Throws UserError when it cannot be read.
 */
export function openLines(path: string, end: LineEnd = "\n"): LineSource {
  if (path === "-") {
    const stats = attempt("<stdin>", () => fstatSync(0));
    refuseFolder("<stdin>", stats);
    // Bun.stdin would read a file from its start, even if a shell has read the first lines already.
    const open = () => (stats.isFile() ? descriptorReader(0) : Bun.stdin.stream().getReader());
    return { ...lineSource("<stdin>", false, open, end), isTyped: isatty(0) };
  }
  const stats = attempt(path, () => {
    accessSync(path, constants.R_OK);
    return statSync(path);
  });
  refuseFolder(path, stats);
  if (stats.isCharacterDevice()) return lineSource(path, false, () => deviceReader(path), end);
  return lineSource(path, stats.isFile(), () => Bun.file(path).stream().getReader(), end);
}

function attempt<T>(name: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw readError(name, error);
  }
}

function readError(name: string, error: unknown): Error {
  const reason = failureCode(error) === "EISDIR" ? "it is a directory" : failureReason(error);
  return runtimeError("submit", `Cannot read '${name}': ${reason}`);
}

function refuseFolder(name: string, stats: Stats): void {
  if (stats.isDirectory()) throw readError(name, Object.assign(new Error("directory"), { code: "EISDIR" }));
}

export interface ByteReader {
  read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>;
  cancel(): Promise<void>;
}

/**
 * Makes a source of lines that end with `end`; `open` starts from the beginning each time. Reading it throws a
 * UserError when the bytes cannot be read.
 */
export function lineSource(name: string, regular: boolean, open: () => ByteReader, end: LineEnd = "\n"): LineSource {
  let reader: ByteReader | null = null;
  let closed = false;

  async function* read(): AsyncGenerator<LineBatch, void, void> {
    const splitter = newSplitter(end);
    let size = firstBatch;
    const current = attempt(name, open);
    reader = current;
    try {
      for (let ended = false; !ended && !closed;) {
        const chunk = await next(current);
        ended = chunk === null;
        const from = splitter.number;
        const lines = chunk === null ? splitRest(splitter) : splitChunk(splitter, chunk);
        for (let at = 0; at < lines.length && !closed; size = Math.min(size * 2, largestBatch)) {
          yield { first: from + at, lines: at === 0 && lines.length <= size ? lines : lines.slice(at, at + size) };
          at += size;
        }
      }
    } finally {
      if (reader === current) reader = null;
      await current.cancel().catch(() => undefined);
    }
  }

  async function next(current: ByteReader): Promise<Uint8Array | null> {
    try {
      const { done, value } = await current.read();
      return done || value === undefined ? null : value;
    } catch (error) {
      if (closed) return null;
      throw readError(name, error);
    }
  }

  return {
    name,
    regular,
    read,
    async close() {
      closed = true;
      await reader?.cancel().catch(() => undefined);
    },
  };
}

/** A reader of a device such as /dev/null, which Bun.file refuses. */
function deviceReader(path: string): ByteReader {
  const descriptor = openSync(path, "r");
  let open = true;
  return {
    ...descriptorReader(descriptor),
    async cancel() {
      if (open) closeSync(descriptor);
      open = false;
    },
  };
}

/** A reader that goes on from where the descriptor stands. */
function descriptorReader(descriptor: number): ByteReader {
  return {
    read: () =>
      new Promise((resolve, reject) => {
        const bytes = new Uint8Array(2 ** 18);
        readDescriptor(descriptor, bytes, 0, bytes.length, null, (error, count) => {
          if (error !== null) reject(error);
          else resolve(count === 0 ? { done: true } : { done: false, value: bytes.subarray(0, count) });
        });
      }),
    cancel: () => Promise.resolve(),
  };
}
