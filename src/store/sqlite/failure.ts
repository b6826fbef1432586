/*
 * The table of errors of SQLite with what they mean for us. An error while opening is something that the user can put
 * right. An error during a run may pass (the server tries again), or no retry helps (the run ends).
 */
import { closeSync, openSync, statSync } from "node:fs";
import { devNull } from "node:os";
import { dirname } from "node:path";
import { fileSizeLimit } from "../../base/limits.ts";
import { FatalError, runtimeError, TransientError, type UserError } from "../../base/errors.ts";
import { failureCode } from "../../base/paths.ts";
import { fileSystemOf, isReadOnlyPlace } from "./filesystem.ts";

interface Trouble {
  /** A description of what is wrong, in which `FILE` stands for the file. */
  readonly what: string;
  readonly remedy: string;
  readonly mayPass: boolean;
}

/** Errors by primary result code. Source: https://www.sqlite.org/rescode.html */
const troubles: Readonly<Record<string, Trouble>> = {
  BUSY: {
    what: "FILE is locked by another program",
    remedy: "wait for it to finish, or close it; on a network file system its lock service may be at fault",
    mayPass: true,
  },
  LOCKED: { what: "FILE is locked", remedy: "try again", mayPass: true },
  FULL: {
    what: "no space left to write to FILE",
    remedy: "free space on that file system, or set database.file to another",
    mayPass: true,
  },
  IOERR: {
    what: "reading or writing FILE failed",
    remedy: "check the disk, its quota, and the connection to a network file system",
    mayPass: true,
  },
  CORRUPT: {
    what: "FILE is damaged",
    remedy: "restore a backup, or save what can be read with the command '.recover' of sqlite3",
    mayPass: false,
  },
  NOTADB: {
    what: "FILE is not an SQLite database",
    remedy: "set database.file to another path, or move this file away",
    mayPass: false,
  },
  READONLY: {
    what: "FILE cannot be written",
    remedy: "check the permissions of the file and its folder, or set database.file to another path",
    mayPass: false,
  },
  PERM: {
    what: "access to FILE is denied",
    remedy: "check the permissions of the file and its folder",
    mayPass: false,
  },
  AUTH: {
    what: "access to FILE is denied",
    remedy: "check the permissions of the file and its folder",
    mayPass: false,
  },
  CANTOPEN: {
    what: "FILE cannot be opened",
    remedy: "check that its folder exists and that you may write to both, or set database.file to another path",
    mayPass: false,
  },
  PROTOCOL: {
    what: "the locks of FILE do not work",
    remedy: "on a network file system set journal_mode to delete in [database.pragmas]",
    mayPass: true,
  },
  NOLFS: { what: "FILE is too large for its file system", remedy: "move it to another", mayPass: false },
  TOOBIG: { what: "a text is too large for FILE", remedy: "shorten the task (the limit is 1 GB)", mayPass: false },
  NOMEM: { what: "out of memory while using FILE", remedy: "free memory", mayPass: false },
};

/** The result code of an error, without `SQLITE_` and the extension; null for an error that SQLite did not raise. */
function codeOf(error: unknown): string | null {
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined;
  if (typeof code !== "string" || !code.startsWith("SQLITE_")) return null;
  return code.split("_")[1] ?? null;
}

/** SQLite tells these as any other failed write. */
const readOnlyDisk: Trouble = {
  what: "FILE is on a file system that is read-only",
  remedy: "have it mounted for writing (after an error of the disk: checked), or set database.file to another path",
  // Nobody can mount it anew while the file is open.
  mayPass: false,
};
const noDescriptor: Trouble = {
  what: "FILE cannot be used, because too many files are open",
  remedy: "raise the limit (ulimit -n)",
  mayPass: true,
};
const sizeLimited: Trouble = {
  what: "no space left to write to FILE, which is as large as a file may be here (ulimit -f)",
  remedy: "raise that limit, or set database.file to another",
  mayPass: true,
};
/** How close to the limit a file is that cannot grow any more, bytes: less than SQLite writes at once. */
const nearBytes = 65_536;

/** Whether a file of the database is as large as this process may make one. */
function isAtSizeLimit(file: string): boolean {
  const limit = fileSizeLimit();
  if (limit === Number.POSITIVE_INFINITY) return false;
  const sizes = ["", "-wal", "-journal", "-shm"].map(
    (end) => statSync(`${file}${end}`, { throwIfNoEntry: false })?.size,
  );
  return Math.max(...sizes.map((size) => size ?? 0)) + nearBytes >= limit;
}

function troubleOf(error: unknown, file: string): Trouble | null {
  const code = codeOf(error);
  if (code === null) return null;
  if (code === "ERROR" && /no such (table|index|column)/.test((error as Error).message)) {
    return { what: "the tables in FILE were changed by another program", remedy: "start again", mayPass: false };
  }
  if (failedWrites.has(code)) return writeTrouble(file) ?? troubles[code]!;
  return troubles[code] ?? null;
}

/** Codes of writes, and of files that cannot be made, that have several reasons. */
const failedWrites: ReadonlySet<string> = new Set(["IOERR", "READONLY", "CANTOPEN", "PROTOCOL"]);

/** Whether no file can be opened, whatever it is. */
function isWithoutDescriptor(): boolean {
  try {
    closeSync(openSync(devNull, "r"));
    return false;
  } catch (error) {
    return ["EMFILE", "ENFILE"].includes(failureCode(error));
  }
}

/** The reason for a failed write that the system gives when it is asked; null: none. */
function writeTrouble(file: string): Trouble | null {
  if (isWithoutDescriptor()) return noDescriptor;
  if (isAtSizeLimit(file)) return sizeLimited;
  const folder = dirname(file);
  const isThere = statSync(file, { throwIfNoEntry: false }) !== undefined;
  if (isReadOnlyPlace(isThere ? file : folder)) return readOnlyDisk;
  return fileSystemOf(folder).freeBytes === 0 ? troubles["FULL"]! : null;
}

function say(trouble: Trouble, file: string): string {
  return `${trouble.what.replace("FILE", () => `'${file}'`)} - ${trouble.remedy}`;
}

/** A UserError about the database; `text` is what the user reads. */
export function databaseError(text: string): UserError {
  return runtimeError("data", text);
}

/**
 * The error to throw for what went wrong while a database was opened. An error that SQLite did not raise comes back as
 * it is.
 */
export function openFailure(error: unknown, file: string): unknown {
  const trouble = troubleOf(error, file);
  return trouble === null ? error : databaseError(say(trouble, file));
}

/** The UserError for a database that is to be written and is on a file system that is mounted only for reading. */
export function readOnlyError(file: string): UserError {
  return databaseError(say(readOnlyDisk, file));
}

/** The error to throw for what went wrong with an open database. */
export function runFailure(error: unknown, file: string): unknown {
  const trouble = troubleOf(error, file);
  if (trouble === null) return error;
  return trouble.mayPass ? new TransientError(say(trouble, file)) : new FatalError(say(trouble, file));
}

/** Whether there was no room for a write, by this error. */
export function isFull(error: unknown, file: string): boolean {
  const trouble = troubleOf(error, file);
  return trouble === troubles["FULL"] || trouble === sizeLimited;
}

/** Whether the file may be read, but nothing can be written to it or made beside it, by this error. */
export function isUnwritable(error: unknown, file: string): boolean {
  const code = codeOf(error);
  if (code === "READONLY" || code === "CANTOPEN") return true;
  return isFull(error, file) || troubleOf(error, file) === readOnlyDisk;
}
