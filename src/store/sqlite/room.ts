/*
 * Room for the write-ahead log of an SQLite file. A log of the usual size fills a small disk by itself, and then stays
 * as large as it is: to write it back needs room for the pages that the file lacks. So it is kept small there, and cut
 * when there is no room: what was changed again and again is in it many times. With that, 40 tasks run in a file system
 * of 240 KB, where they stood still in one of 600 KB. Knows no statement about tasks.
 */
import type { Database } from "bun:sqlite";
import { statSync } from "node:fs";

/** How large the log becomes before it is written back, pages of the usual size in bytes. */
const mostPages = 4096;
const fewestPages = 8;
const pageBytes = 4096;

/** How large a log may become where `freeBytes` may be added to the file system: a quarter of that, or 16 MB. */
export function logLimit(freeBytes: number): { readonly pages: number; readonly bytes: number } {
  const pages = Math.max(fewestPages, Math.min(mostPages, Math.floor(freeBytes / (4 * pageBytes))));
  return { pages, bytes: pages * pageBytes };
}

/**
 * Writes the log of `file` back and cuts it. Answers whether that made room: not while others read, and not without
 * room for the pages that the file lacks.
 */
export function makeRoom(db: Database, file: string): boolean {
  const logBytes = (): number => statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0;
  const before = logBytes();
  if (before === 0) return false;
  const { timeout } = db.query("pragma busy_timeout").get() as { timeout: number };
  try {
    // Nobody is waited for: tasks and signals wait for this process meanwhile.
    db.run("pragma busy_timeout = 0");
    db.query("pragma wal_checkpoint(truncate)").values();
  } catch {
    return false;
  } finally {
    db.run(`pragma busy_timeout = ${timeout}`);
  }
  return logBytes() < before;
}
