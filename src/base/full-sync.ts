/*
 * Brings the data of a file to its disk. On macOS fdatasync(2) leaves it in the memory of the disk, which a power cut
 * empties; fcntl(2) has a word of its own for all of the way there.
 *
 * Source: fsync(2) and fcntl(2) of macOS, F_FULLFSYNC.
 */
import { fdatasync, fdatasyncSync } from "node:fs";
import { openLibc } from "./libc.ts";

const fullSync = 51;

const openFcntl = () => openLibc({ fcntl: { args: ["i32", "i32"], returns: "i32" } });
let known: { readonly library: ReturnType<typeof openFcntl> } | null = null;

/** Whether it is on the disk now. False: another system, or a file system that has no such word. */
function isFullySynced(descriptor: number): boolean {
  if (process.platform !== "darwin") return false;
  known ??= { library: openFcntl() };
  return known.library?.fcntl(descriptor, fullSync) === 0;
}

/** Resolves when the data of an open file survives a power cut. Rejects with the error of the operating system. */
export function syncData(descriptor: number): Promise<void> {
  if (isFullySynced(descriptor)) return Promise.resolve();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  fdatasync(descriptor, (error) => (error === null || error === undefined ? resolve() : reject(error)));
  return promise;
}

/** The same, and returns when it is done. Throws the error of the operating system. */
export function syncDataNow(descriptor: number): void {
  if (!isFullySynced(descriptor)) fdatasyncSync(descriptor);
}
