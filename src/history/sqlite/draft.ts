/*
 * Files that are made under another name, and get their own when they are whole. Whoever sees a file by its name never
 * sees half of it, and what already has that name is never overwritten. Does not know what is in them.
 */
import {
  chmodSync,
  chownSync,
  closeSync,
  fsyncSync,
  linkSync,
  lstatSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";

/** Makes an empty file, for those who may use the file `model`, as far as `limit` lets its mode be the same. */
export function createDraft(draft: string, model: string, limit = (mode: number): number => mode): void {
  const { mode, uid, gid } = statSync(model);
  closeSync(openSync(draft, "wx", 0o600));
  chmodSync(draft, limit(mode & 0o777));
  if (process.getuid?.() !== 0) return;
  try {
    chownSync(draft, uid, gid);
  } catch {
    // The file system has no owners, or root is nobody there.
  }
}

/**
 * Gives the file its name, on the disk too; false: something else has that name. Throws what the file system says where
 * it can do neither by a link nor by renaming.
 */
export function publishDraft(draft: string, path: string): boolean {
  const descriptor = openSync(draft, "r+");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  try {
    linkSync(draft, path);
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (code === "EEXIST") return false;
    if (typeof code !== "string" || !withoutLinks.has(code)) throw error;
    if (isThere(path)) return false;
    renameSync(draft, path);
  }
  return true;
}

/** Codes of errors of file systems that have no links. */
const withoutLinks: ReadonlySet<string> = new Set([
  "EPERM",
  "ENOTSUP",
  "EOPNOTSUPP",
  "ENOSYS",
  "EINVAL",
  "EMLINK",
  "EXDEV",
]);

/** Removes the file, if it is still there under this name, and the journal that SQLite keeps beside it. */
export function removeDraft(draft: string): void {
  rmSync(draft, { force: true });
  rmSync(`${draft}-journal`, { force: true });
}

/** Whether anything has that name; a link to nowhere counts too. */
export function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}
