/*
 * Paths and files: the home folder, `~`, why a file operation failed, and replacing a file so that a reader sees the
 * old text or the new one and never a half. Does not know what is in the files.
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

/** The path with `~` or `~/` at its start replaced by the home folder. Any other path, `~other/x` too, as it stands. */
export function expandHome(path: string, env: Environment): string {
  if (path === "~") return homeFolder(env);
  return path.startsWith("~/") || (process.platform === "win32" && path.startsWith("~\\"))
    ? join(homeFolder(env), path.slice(2))
    : path;
}

/** Whether a path means standard input. */
export function isStandardInput(path: string): boolean {
  return /^(?:-|\/dev\/stdin|\/dev\/fd\/0|\/proc\/self\/fd\/0)$/.test(path);
}

/**
 * The middle of `EACCES: permission denied, open '/x'`, so that a message can name the file as the user knows it. The
 * whole message of any other error.
 */
export function failureReason(thrown: unknown): string {
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  if (failureCode(thrown) === "EISDIR") return "it is a directory";
  return /^E[A-Z0-9]+: (.+?)(?:, \w+(?: '.*)?)?$/s.exec(message)?.[1] ?? message;
}

/** The `code` of an error of the operating system (`ENOENT`), else the empty text. */
export function failureCode(thrown: unknown): string {
  const code = (thrown as { code?: unknown } | null)?.code;
  return typeof code === "string" ? code : "";
}

/**
 * The text of a file; null when there is no such file. Throws the error of the operating system when it cannot be read,
 * and TypeError when it is not UTF-8.
 */
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
 * Writes the text next to the file and moves it there in one step. An existing file keeps its mode and, where that is
 * allowed, its owner. Of a symbolic link the file it leads to is replaced, not the link. `modeOf` tells the mode from
 * that of the former file; 0: there was none. Throws the error of the operating system, and then leaves nothing behind.
 */
export function replaceFile(path: string, text: string, modeOf: (mode: number) => number): void {
  const target = realPath(path);
  const before = statSync(target, { throwIfNoEntry: false });
  const fresh = join(dirname(target), `.${basename(target)}.${uniqueName()}.tmp`);
  // Nobody else may read it until it has its final mode.
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
    chmodSync(fresh, modeOf(before === undefined ? 0 : before.mode & 0o7777));
    renameSync(fresh, target);
  } catch (thrown) {
    rmSync(fresh, { force: true });
    throw thrown;
  }
}

/** The path with its symbolic links followed; the path itself when there is no such file. */
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
