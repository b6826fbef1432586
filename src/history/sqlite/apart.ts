/*
 * Runs a statement that takes long (compacting, copying) in a thread of its own, with a connection of its own. While
 * SQLite works, nothing else of its thread gets a turn, and a program that hears no signal cannot end as it should.
 * Whoever ends the program ends the thread; the file is then as it was.
 */

import type { Way } from "../../store/sqlite/filesystem.ts";

interface Work {
  readonly way: Way;
  /** Statements that set these come first. */
  readonly pragmas: readonly string[];
  readonly sql: string;
  readonly values: readonly string[];
}

/** The rows, or what went wrong, as much of it as gets from thread to thread. */
type Ended = { readonly rows: readonly (readonly unknown[])[] } | { readonly message: string; readonly code: unknown };

/** The whole program of the thread: a text, so that it needs no file beside the executable. */
const program = `import { Database } from "bun:sqlite";
self.onmessage = ({ data: { way, pragmas, sql, values } }) => {
  let ended;
  try {
    const db = new Database(way.name, way.flags);
    for (const pragma of pragmas) db.run(pragma);
    ended = { rows: db.query(sql).values(...values) };
    db.close();
  } catch (error) {
    ended = { message: String(error.message), code: error.code };
  }
  postMessage(ended);
};`;

/** Answers the rows of the statement when it has ended. Throws what SQLite says, with its code. */
export async function runApart(work: Work): Promise<readonly (readonly unknown[])[]> {
  const url = URL.createObjectURL(new Blob([program], { type: "text/javascript" }));
  const thread = new Worker(url);
  try {
    const { promise, resolve, reject } = Promise.withResolvers<Ended>();
    thread.addEventListener("message", ({ data }: MessageEvent<Ended>) => resolve(data));
    thread.addEventListener("error", ({ message }) => reject(new Error(message)));
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
    thread.postMessage(work);
    const ended = await promise;
    if ("rows" in ended) return ended.rows;
    throw Object.assign(new Error(ended.message), { code: ended.code });
  } finally {
    thread.terminate();
    URL.revokeObjectURL(url);
  }
}
