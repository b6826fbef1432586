/*
 * A file, a pipe or standard input as lines, in constant memory. Pulled: nothing is read while the consumer is busy. A
 * line that cannot be text (bytes that are not UTF-8, far too long) is a value with its number, not an exception. Knows
 * nothing of what lines mean.
 *
 * Bytes are split at 0x0A and only whole lines are decoded, many at once: no character is cut in two. White space at
 * the ends of a line, the CR of CR LF included, is left to who reads the line.
 */
import { accessSync, constants, fstatSync, read as readDescriptor, statSync } from "node:fs";
import type { Stats } from "node:fs";
import { messageOf, runtimeError } from "../base/errors.ts";

export interface BadLine {
  /** 1 for the first. */
  readonly number: number;
  readonly reason: string;
  /** The whole line; null when it cannot be written down again as it was. */
  readonly text: string | null;
}

/** Lines `first`, `first + 1`, ... */
export interface LineBatch {
  readonly first: number;
  readonly lines: readonly (string | BadLine)[];
}

export interface LineSource {
  /** `<stdin>`, or the path as given. */
  readonly name: string;
  /** A regular file that can be read again from its start. */
  readonly regular: boolean;
  /** Batches without end lines; never an empty one. One reading at a time. */
  read(): AsyncGenerator<LineBatch, void, void>;
  /** A reading that waits for input ends. */
  close(): Promise<void>;
}

/**
 * Most bytes of a line that is held in memory. What can be run is far less (task/line.ts); this bounds what a file
 * without line ends can do.
 */
export const longestLine = 2 ** 20;

/** The first batches are small, so that the first task does not wait for thousands of others to be parsed. */
const firstBatch = 64;
/** Some 15 ms of parsing and inserting; more would keep the event loop from its other duties. */
const largestBatch = 4096;

/** `-` is standard input. Throws UserError for what cannot be read. */
export function openLines(path: string): LineSource {
  if (path === "-") {
    const stats = attempt("<stdin>", () => fstatSync(0));
    refuseFolder("<stdin>", stats);
    // Bun.stdin would read a file from its start, even if a shell has read the first lines already.
    return lineSource("<stdin>", false, () => (stats.isFile() ? descriptorReader(0) : Bun.stdin.stream().getReader()));
  }
  const stats = attempt(path, () => {
    accessSync(path, constants.R_OK);
    return statSync(path);
  });
  refuseFolder(path, stats);
  return lineSource(path, stats.isFile(), () => Bun.file(path).stream().getReader());
}

const knownErrors: Readonly<Record<string, readonly [name: string, number: number, text: string]>> = {
  ENOENT: ["FileNotFoundError", 2, "No such file or directory"],
  EACCES: ["PermissionError", 13, "Permission denied"],
  EPERM: ["PermissionError", 1, "Operation not permitted"],
  ENOTDIR: ["NotADirectoryError", 20, "Not a directory"],
  EISDIR: ["IsADirectoryError", 21, "Is a directory"],
};

function attempt<T>(name: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw readError(name, error);
  }
}

function readError(name: string, error: unknown): Error {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const known = knownErrors[code];
  if (known === undefined) return runtimeError("submit", "OSError", `cannot read '${name}': ${messageOf(error)}`);
  return runtimeError("submit", known[0], `[Errno ${known[1]}] ${known[2]}: '${name}'`);
}

function refuseFolder(name: string, stats: Stats): void {
  if (stats.isDirectory()) throw readError(name, Object.assign(new Error("directory"), { code: "EISDIR" }));
}

export interface ByteReader {
  read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>;
  cancel(): Promise<void>;
}

/** `open` starts from the beginning each time. */
export function lineSource(name: string, regular: boolean, open: () => ByteReader): LineSource {
  let reader: ByteReader | null = null;
  let closed = false;

  async function* read(): AsyncGenerator<LineBatch, void, void> {
    const splitter = lineSplitter();
    let size = firstBatch;
    const current: ByteReader = open();
    reader = current;
    try {
      for (let ended = false; !ended && !closed;) {
        const chunk = await next(current);
        ended = chunk === null;
        const from = splitter.number();
        const lines = chunk === null ? splitter.end() : splitter.push(chunk);
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

/** Reads on from where the descriptor stands. */
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

interface LineSplitter {
  /** Of the next line. */
  number(): number;
  /** The lines that these bytes complete. */
  push(chunk: Uint8Array): (string | BadLine)[];
  /** The last line, if it has no line end. */
  end(): (string | BadLine)[];
}

const newline = 0x0a;

/**
 * Measured with lines of 30 bytes: 40 million a second where all is UTF-8; 2 million a second in chunks that hold a
 * byte that is not, where each line is decoded by itself.
 */
function lineSplitter(): LineSplitter {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let number = 1;
  /** The beginning of a line whose end has not come yet. */
  let held: Uint8Array[] = [];
  let heldBytes = 0;
  /** The line is longer than may be held: its bytes are only counted. */
  let dropping = false;

  function hold(bytes: Uint8Array): void {
    heldBytes += bytes.length;
    if (heldBytes > longestLine) {
      dropping = true;
      held = [];
    }
    // A copy, because a view would keep the whole chunk in memory.
    if (!dropping && bytes.length > 0) held.push(bytes.slice());
  }

  function release(rest: Uint8Array): Uint8Array {
    const bytes = held.length === 0 ? rest : Buffer.concat([...held, rest]);
    held = [];
    heldBytes = 0;
    return bytes;
  }

  function dropped(): BadLine {
    const bad = { number, reason: `it is ${heldBytes} bytes long, a line can have ${longestLine} at most`, text: null };
    number += 1;
    heldBytes = 0;
    dropping = false;
    return bad;
  }

  function decode(bytes: Uint8Array): (string | BadLine)[] {
    const text = decodeText(bytes);
    const lines = text === null ? eachLine(bytes) : text.split("\n");
    number += lines.length;
    return lines;
  }

  function decodeText(bytes: Uint8Array): string | null {
    try {
      return decoder.decode(bytes);
    } catch {
      return null;
    }
  }

  function eachLine(bytes: Uint8Array): (string | BadLine)[] {
    const lines: (string | BadLine)[] = [];
    for (let from = 0; from <= bytes.length;) {
      const found = bytes.indexOf(newline, from);
      const to = found < 0 ? bytes.length : found;
      const text = decodeText(bytes.subarray(from, to));
      lines.push(
        text ?? { number: number + lines.length, reason: "it is not UTF-8, iconv can convert it", text: null },
      );
      from = to + 1;
    }
    return lines;
  }

  return {
    number: () => number,
    push(chunk) {
      const last = chunk.lastIndexOf(newline);
      if (last < 0) {
        hold(chunk);
        return [];
      }
      let from = 0;
      const lines: (string | BadLine)[] = [];
      if (dropping) {
        from = chunk.indexOf(newline);
        heldBytes += from;
        lines.push(dropped());
        from += 1;
      }
      // Of a chunk that only ends the dropped line nothing is left to decode.
      if (from <= last) {
        const decoded = decode(release(chunk.subarray(from, last)));
        if (lines.length === 0) {
          hold(chunk.subarray(last + 1));
          return decoded;
        }
        for (const line of decoded) lines.push(line);
      }
      hold(chunk.subarray(last + 1));
      return lines;
    },
    end() {
      if (dropping) return [dropped()];
      return heldBytes === 0 ? [] : decode(release(new Uint8Array(0)));
    },
  };
}
