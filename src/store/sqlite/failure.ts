/*
 * The table of errors of SQLite with what they mean for us. An error while opening is something that the user can put
 * right. An error during a run may pass (the server tries again), or no retry helps (the run ends).
 */
import { statSync } from "node:fs";
import { fileSizeLimit } from "../../base/limits.ts";
import { FatalError, runtimeError, TransientError, type UserError } from "../../base/errors.ts";

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

/** SQLite tells it as any other failed write. */
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
  if (code === "IOERR" && isAtSizeLimit(file)) return sizeLimited;
  return troubles[code] ?? null;
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

/** The error to throw for what went wrong with an open database. */
export function runFailure(error: unknown, file: string): unknown {
  const trouble = troubleOf(error, file);
  if (trouble === null) return error;
  return trouble.mayPass ? new TransientError(say(trouble, file)) : new FatalError(say(trouble, file));
}

/** Whether the file is there and can be read, but not written, by this error. */
export function isReadOnly(error: unknown): boolean {
  const code = codeOf(error);
  return code === "READONLY" || code === "CANTOPEN";
}
