/*
 * What a task has printed, read from the files in which it was captured. Knows where they are from the outcome.
 */
import { rmSync } from "node:fs";

/** Of more than this only the beginning is read, bytes. */
const mostPrinted = 16 << 20;

/** What was printed, and whether there was more. */
interface Printed {
  readonly text: string;
  readonly isCut: boolean;
}

/**
 * Reads a file of captured output, as UTF-8. Where there is none, as the file of a task that printed nothing, the text
 * is empty. Throws the error of the system for one that cannot be read.
 */
export async function printedIn(path: string | null): Promise<Printed> {
  if (path === null) return { text: "", isCut: false };
  const file = Bun.file(path);
  try {
    const isCut = file.size > mostPrinted;
    return { text: await (isCut ? file.slice(0, mostPrinted) : file).text(), isCut };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return { text: "", isCut: false };
    throw error;
  }
}

/** Removes files of captured output that nobody needs any more. */
export function forgetPrinted(paths: readonly (string | null)[]): void {
  for (const path of paths) if (path !== null) rmSync(path, { force: true });
}
