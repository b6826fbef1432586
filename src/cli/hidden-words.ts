/*
 * Secrets among the words of the command line, which every user of this host can read (`ps`), and which the runtime
 * prints when it crashes: the program starts anew without them, and finds them in a pipe. Linux only; elsewhere they
 * stay where they are.
 */
import type * as ffi from "bun:ffi";
import { closeSync, fstatSync, readSync, writeSync } from "node:fs";
import type { SecretWord } from "../args/spec.ts";
import { ownVariables, ownWords, startAnew } from "../base/anew.ts";
import { openLibc } from "../base/libc.ts";

/** What stands in place of a secret: the descriptor of the pipe that has it. No key has such characters. */
const reference = /^<fd:(\d+)>$/;

/** The number of bytes that a pipe takes at least without anybody reading. Source: pipe(7), PIPE_BUF. */
const mostInPipe = 4096;

/**
 * Starts the program anew without `secrets`, which stand among `words`, the last words of the command line. Comes back
 * if that cannot be done, or if it was done before.
 */
export function hideWords(words: readonly string[], secrets: readonly SecretWord[]): void {
  const open = secrets.filter(({ value }) => !reference.test(value));
  const last = Buffer.from(open.at(-1)?.value ?? "");
  if (process.platform !== "linux" || last.length === 0 || last.length > mostInPipe) return;
  let ends: readonly number[] = [];
  try {
    const own = ownWords();
    const before = own.length - words.length;
    const [reading, writing] = (ends = openPipe());
    if (reading === undefined || writing === undefined) return;
    for (const { word, value } of open) {
      const bytes = own[before + word]!;
      // The value is the end of its word, with the NUL behind it.
      const kept = bytes.subarray(0, bytes.length - 1 - Buffer.byteLength(value));
      own[before + word] = Buffer.concat([kept, Buffer.from(`<fd:${reading}>\0`)]);
    }
    writeSync(writing, last);
    closeSync(writing);
    ends = [reading];
    startAnew(own, ownVariables());
  } catch {
    // It goes on as it is.
  }
  for (const end of ends) closeSync(end);
}

/** A pipe that stays open when the program starts anew, the end to read from first; empty where there is none. */
function openPipe(): readonly number[] {
  const { ptr } = process.getBuiltinModule("bun:ffi") as typeof ffi;
  const library = openLibc({ pipe: { args: ["ptr"], returns: "i32" } });
  const ends = new Int32Array(2);
  return library?.pipe(ptr(ends)) === 0 ? [...ends] : [];
}

/** The secret that a word of the command line is, or refers to since the program has started anew. */
export function secretOf(word: string): string {
  const [, digits] = reference.exec(word) ?? [];
  if (digits === undefined) return word;
  const end = Number(digits);
  try {
    if (!fstatSync(end).isFIFO()) return word;
    const bytes = Buffer.alloc(mostInPipe);
    const size = readSync(end, bytes, 0, mostInPipe, null);
    closeSync(end);
    return bytes.toString("utf8", 0, size);
  } catch {
    return word;
  }
}
