/*
 * A piece of a file of text that may still grow: whole characters only, so that pieces put together are the text. Knows
 * no paths.
 */
import { fstatSync, readSync } from "node:fs";

/** A piece of a file. */
export interface Excerpt {
  /** Bytes that are no UTF-8 are replaced. */
  readonly text: string;
  /** Where the next piece begins, bytes from the start. */
  readonly next: number;
  /** Whether there is more already. */
  readonly more: boolean;
}

/** The most bytes of a character. */
const longestCharacter = 4;

/**
 * Reads at most `most` bytes (at least 4) from byte `from` on; negative: so many before the end. A character that is
 * there only in part is left for the next piece, unless the file `isWhole` and ends with it. Throws the errors of the
 * file system.
 */
export function excerptOf(descriptor: number, from: number, most: number, isWhole: boolean): Excerpt {
  const { size } = fstatSync(descriptor);
  const start = from < 0 ? Math.max(0, size + from) : Math.min(from, size);
  const bytes = Buffer.alloc(Math.min(Math.max(most, longestCharacter), size - start));
  const length = bytes.length === 0 ? 0 : readSync(descriptor, bytes, 0, bytes.length, start);
  const read = bytes.subarray(0, length);
  const skipped = from < 0 && start > 0 ? continuationsOf(read) : 0;
  const isEnd = start + length >= size;
  const end = isEnd && isWhole ? length : length - partialOf(read);
  return {
    text: read.subarray(skipped, end).toString("utf8"),
    next: start + end,
    more: start + end < size && !(isEnd && end < length),
  };
}

/** How many bytes at the start belong to a character that began before. */
function continuationsOf(bytes: Uint8Array): number {
  let count = 0;
  while (count < longestCharacter - 1 && count < bytes.length && (bytes[count]! & 0xc0) === 0x80) count++;
  return count;
}

/** How many bytes at the end are the beginning of a character whose rest is missing (RFC 3629, section 3). */
function partialOf(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(longestCharacter - 1, bytes.length); back++) {
    const byte = bytes[bytes.length - back]!;
    if ((byte & 0xc0) === 0x80) continue;
    const length = byte >= 0xf0 && byte < 0xf8 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return byte < 0xf8 && length > back ? back : 0;
  }
  return 0;
}
