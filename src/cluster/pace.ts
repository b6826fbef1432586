/*
 * How far the input of a run with a database may be ahead of its work. A file is read to its end: then all of it is
 * safe, whatever becomes of this process. What a program writes may never end (`yes`) and would fill the disk, so it is
 * read only while the number of waiting tasks is limited.
 */
import type { Clock } from "../base/clock.ts";
import { TransientError } from "../base/errors.ts";
import type { LineBatch } from "../submit/lines.ts";

/**
 * The largest number of tasks that wait or run: they take some 300 MB of database. A thousand clients of 200 executors
 * are busy with them for five rounds.
 */
const usualLimit = 1_000_000;
/** Pause between two questions whether there is room again, milliseconds. */
const askMs = 500;

export interface Pace {
  /** The number of tasks of the run that have not ended. */
  readonly unfinished: () => Promise<number>;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly limit?: number;
}

/** The batches of `batches`, each when there is room for it. Ends early when the signal is aborted. */
export async function* paced(batches: AsyncIterable<LineBatch>, pace: Pace): AsyncGenerator<LineBatch, void, void> {
  const { limit = usualLimit, signal } = pace;
  let room = limit;
  for await (const batch of batches) {
    room -= batch.lines.length;
    yield batch;
    while (room <= 0 && !signal.aborted) {
      room = limit - (await askedFor(pace, limit));
      if (room <= 0) await pause(pace);
    }
    if (signal.aborted) return;
  }
}

/** The number of unfinished tasks; a database in trouble counts as full. */
async function askedFor({ unfinished }: Pace, limit: number): Promise<number> {
  try {
    return await unfinished();
  } catch (error) {
    if (error instanceof TransientError) return limit;
    throw error;
  }
}

async function pause({ clock, signal }: Pace): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = clock.after(askMs, resolve);
  signal.addEventListener("abort", () => resolve(), { once: true });
  await promise;
  timer.cancel();
}
