/*
 * Words about files: the home folder, `~`, why a file operation failed, and replacing a file so that a reader sees the old text or
 * the new one and never a half.
 */
import {
  chmodSync,
  chownSync,
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { homedir } from "node:os";
import { basename, dirname, join } from "node:path";
import { uniqueName } from "./ids.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** The user's home folder: $HOME (on Windows %UserProfile%), else what the system knows, else the root folder. */
export function homeFolder(env: Environment): string {
  const named = process.platform === "win32" ? env["USERPROFILE"] : env["HOME"];
  if (named !== undefined && named !== "") return named;
  try {
    return homedir();
  } catch {
    // A user without an entry in passwd.
    return "/";
  }
}

/** `~` and `~/x` below the home folder; anything else, `~other/x` too, as it stands. */
export function expandHome(path: string, env: Environment): string {
  if (path === "~") return homeFolder(env);
  return path.startsWith("~/") || (process.platform === "win32" && path.startsWith("~\\"))
    ? join(homeFolder(env), path.slice(2))
    : path;
}

/** The middle of `EACCES: permission denied, open '/x'`, so that a message can name the file that the user knows. */
export function failureReason(thrown: unknown): string {
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return /^E[A-Z0-9]+: (.+?)(?:, \w+(?: '.*)?)?$/s.exec(message)?.[1] ?? message;
}

/** The `code` of an error of the operating system (`ENOENT`), else the empty text. */
export function failureCode(thrown: unknown): string {
  const code = (thrown as { code?: unknown } | null)?.code;
  return typeof code === "string" ? code : "";
}

/** The text of a file; null when there is no such file. Throws for everything else: no right to read, not UTF-8. */
export function readTextIfThere(path: string): string | null {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (thrown) {
    if (failureCode(thrown) === "ENOENT" || failureCode(thrown) === "ENOTDIR") return null;
    throw thrown;
  }
  return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
}

/**
 * Writes the text next to the file and moves it there in one step. An existing file keeps its mode and, where that is allowed, its
 * owner, and what a symbolic link points to is replaced rather than the link. `mode` is for a new file.
 */
export function replaceFile(path: string, text: string, mode: number): void {
  const target = realPath(path);
  const before = statSync(target, { throwIfNoEntry: false });
  const fresh = join(dirname(target), `.${basename(target)}.${uniqueName()}.tmp`);
  // Closed to others until it has the mode it shall have.
  const file = openSync(fresh, "wx", 0o600);
  try {
    try {
      const bytes = Buffer.from(text);
      for (let done = 0; done < bytes.length;) done += writeSync(file, bytes, done);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    if (before !== undefined) keepOwner(fresh, before);
    chmodSync(fresh, before === undefined ? mode : before.mode & 0o7777);
    renameSync(fresh, target);
  } catch (thrown) {
    rmSync(fresh, { force: true });
    throw thrown;
  }
}

/** Where a symbolic link leads, also for a file that is not there yet. */
export function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

function keepOwner(path: string, before: { readonly uid: number; readonly gid: number }): void {
  if (process.platform === "win32") return;
  const now = statSync(path);
  if (now.uid === before.uid && now.gid === before.gid) return;
  try {
    chownSync(path, before.uid, before.gid);
  } catch {
    // Only root may give files away; the text matters more than the owner.
  }
}
