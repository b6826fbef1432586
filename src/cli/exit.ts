/*
 * The one table from what was thrown to what the user reads and the status the program ends with. Does not end it.
 */
import { escapeByNumber } from "../base/escape.ts";
import { mkdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FatalError, TransientError, UserError, exitStatus, messageOf, sentence } from "../base/errors.ts";
import { folderMode } from "../base/modes.ts";
import { compileDate } from "../log/dates.ts";
import type { Loggers } from "../log/logger.ts";
import { versionLine } from "./version.ts";

/** How an error ends the program. `silent`: nobody is left to read; `bug`: the stack goes into a file. */
interface Ending {
  readonly status: number;
  /** Name of the logger without `hypershell.`. */
  readonly logger: string;
  /** The CRITICAL line, newlines and all. */
  readonly text: string;
  readonly kind: "error" | "bug" | "silent";
}

/** Operating system errors that are the surroundings' fault, in the words of the system's manual. */
const systemErrors: Readonly<Record<string, string>> = {
  EACCES: "Permission denied",
  EADDRINUSE: "Address already in use",
  EADDRNOTAVAIL: "Cannot assign requested address",
  EBADF: "Bad file descriptor",
  ECONNREFUSED: "Connection refused",
  ECONNRESET: "Connection reset by peer",
  EDQUOT: "Disk quota exceeded",
  EEXIST: "File exists",
  EHOSTUNREACH: "No route to host",
  EIO: "Input/output error",
  EISDIR: "Is a directory",
  ELOOP: "Too many levels of symbolic links",
  EMFILE: "Too many open files",
  ENAMETOOLONG: "File name too long",
  ENETUNREACH: "Network is unreachable",
  ENFILE: "Too many open files in system",
  ENOENT: "No such file or directory",
  ENOMEM: "Cannot allocate memory",
  ENOSPC: "No space left on device",
  ENOTDIR: "Not a directory",
  EPERM: "Operation not permitted",
  EROFS: "Read-only file system",
  ESTALE: "Stale file handle",
  ETIMEDOUT: "Connection timed out",
  ETXTBSY: "Text file busy",
};

interface SystemError {
  readonly code: string;
  readonly syscall: string;
  readonly path?: string;
}

function asSystemError(thrown: unknown): SystemError | null {
  const error = thrown as Partial<SystemError> | null;
  if (!(thrown instanceof Error) || typeof error?.code !== "string" || typeof error.syscall !== "string") return null;
  return error as SystemError;
}

/** `No such file or directory: 'x'`; null for what is no known error of the operating system. */
export function systemErrorText(thrown: unknown): string | null {
  const error = asSystemError(thrown);
  const known = error === null ? undefined : systemErrors[error.code];
  if (error === null || known === undefined) return null;
  return `${known}${error.path === undefined ? "" : `: '${error.path}'`}`;
}

/** Whether a write failed because the reader of stdout has left (`hs list | head`). */
function isClosedOutput(thrown: unknown): boolean {
  const error = asSystemError(thrown);
  return error !== null && error.code === "EPIPE" && error.syscall === "write";
}

/** What a thrown value means for the end of the program: the exit status, and what is said on which logger. */
export function endingOf(thrown: unknown): Ending {
  if (isClosedOutput(thrown)) return { status: exitStatus.success, logger: "", text: "", kind: "silent" };
  if (thrown instanceof UserError) {
    return { status: thrown.status, logger: thrown.logger, text: thrown.message, kind: "error" };
  }
  const status = exitStatus.runtimeError;
  if (thrown instanceof TransientError || thrown instanceof FatalError) {
    return { status, logger: "data", text: sentence(thrown.message), kind: "error" };
  }
  const text = systemErrorText(thrown);
  if (text !== null) return { status, logger: "", text, kind: "error" };
  const name = thrown instanceof Error ? thrown.name : "Error";
  return { status, logger: "", text: `${name}: ${messageOf(thrown)}`, kind: "bug" };
}

/** Longer messages quote something long: its middle is left out. */
const longestLine = 2000;

/** One line, whatever the message, that does nothing to a terminal. */
export function oneLine(text: string): string {
  const line = text
    .split(/[\r\n]+/)
    .map((each) => each.trim())
    .filter((each) => each !== "")
    .join(" - ")
    .replace(/(?!\t)\p{Cc}/gu, escapeByNumber);
  if (line.length <= longestLine) return line;
  return `${line.slice(0, longestLine / 2)} [...] ${line.slice(-longestLine / 4)}`;
}

/** Where the last words go. */
export interface LastWords {
  readonly loggers: Loggers;
  /** To stderr as it stands. */
  readonly print: (text: string) => void;
  /** Asked only when a stack has to be written. */
  readonly logFolder: () => string;
  readonly now: number;
}

/** Says what has to be said and returns the exit status. */
export function report(thrown: unknown, { loggers, print, logFolder, now }: LastWords): number {
  const ending = endingOf(thrown);
  if (ending.kind === "silent") return ending.status;
  loggers(ending.logger).critical(oneLine(ending.text));
  if (thrown instanceof UserError && thrown.caret !== null) print(`${thrown.caret}\n`);
  if (ending.kind === "bug") loggers("").critical(writeTraceback(thrown, logFolder, now));
  return ending.status;
}

const fileTime = compileDate("%Y%m%d-%H%M%S");

/**
 * The line that tells where the stack is. The words of the command line are left out of the file: they may hold a key.
 */
function writeTraceback(thrown: unknown, logFolder: () => string, now: number): string {
  const file = `exception-${fileTime(now)}-${process.pid}.log`;
  const where = `${versionLine} on ${process.platform} ${process.arch}, ${new Date(now).toISOString()}`;
  const text = `${where}\n\n${stackOf(thrown)}\n`;
  let failure = "";
  for (const folder of [logFolder, tmpdir]) {
    try {
      const path = join(folder(), file);
      mkdirSync(folder(), { recursive: true, mode: folderMode() });
      writeFileSync(path, text, { mode: 0o600, flag: "wx" });
      return `Exception traceback written to ${path}`;
    } catch (error) {
      failure = messageOf(error);
    }
  }
  return `Exception traceback could not be written (${oneLine(failure)}): ${oneLine(stackOf(thrown))}`;
}

function stackOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const head = `${thrown.name}: ${thrown.message}`;
  const stack = thrown.stack ?? "";
  const own = stack.includes(thrown.message) ? stack : `${head}\n${stack}`;
  return thrown.cause === undefined ? own : `${own}\n\nCaused by: ${stackOf(thrown.cause)}`;
}
