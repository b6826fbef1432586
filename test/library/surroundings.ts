/* A site of its own for each test of the library, and what a test collects. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A folder that is removed at the end of the block, to be the site. */
export function newSite(): { readonly site: string } & Disposable {
  const site = mkdtempSync(join(tmpdir(), "hs-library-"));
  return { site, [Symbol.dispose]: () => rmSync(site, { recursive: true, force: true }) };
}

/** Everything that an iterable gives. */
export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

/** What a promise rejects with. Throws where it does not. */
export async function failureOf(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    return error as Error;
  }
  throw new Error("nothing went wrong");
}

/** The processes of this user whose command line has a word in it. */
export function processesWith(word: string): string[] {
  const { stdout } = Bun.spawnSync(["ps", "-eo", "args"]);
  return stdout
    .toString()
    .split("\n")
    .filter((line) => line.includes(word));
}
