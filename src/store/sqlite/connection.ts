/*
 * One open SQLite file: how it is opened (a journal that suits the file system, settings of the user, missing tables
 * added), how transactions begin and end, and how errors of the library turn into ours. Knows no statement about tasks.
 */
import { counted } from "../../base/units.ts";
import { Database, type Statement } from "bun:sqlite";
import { closeSync, existsSync, mkdirSync, openSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { systemClock } from "../../base/clock.ts";
import { configurationError, FatalError, messageOf, TransientError } from "../../base/errors.ts";
import { fileMode, folderMode } from "../../base/modes.ts";
import { failureReason } from "../../base/paths.ts";
import { laterFields, requiredFields, type TaskField } from "../../task/field.ts";
import { Durability } from "./durability.ts";
import { databaseError, isFull, isUnwritable, openFailure, readOnlyError, runFailure } from "./failure.ts";
import { fileSystemOf, isMountedReadOnly, wayToRead } from "./filesystem.ts";
import { logLimit, makeRoom } from "./room.ts";
import { type FileClock, fileTimes, type FileTimes, newFileClock } from "../times.ts";
import { addColumn, additions, clockColumns, taskTable } from "./schema.ts";

/** What every way to open a file takes. */
export interface SqliteOptions {
  readonly file: string;
  /** Pragmas of the user. They are set after ours, and replace ours of the same name. */
  readonly pragmas: Readonly<Record<string, unknown>>;
  /** Called with each statement as it runs. */
  readonly echo?: Echo | null;
  /** Called with a text before something begins that will take a while. */
  readonly notice?: ((text: string) => void) | null;
  /** Called with the path of a database that was made. */
  readonly made?: ((file: string) => void) | null;
}

export interface ConnectionOptions extends SqliteOptions {
  /**
   * The caller only reads: a database that cannot be written is opened all the same, and none is made in a folder that
   * is not there.
   */
  readonly readOnly: boolean;
  /**
   * The caller only reads, and the file must stay as it is: no setting and no table is changed. Only a transaction that
   * another process left half-done is rolled back.
   */
  readonly untouched?: boolean;
  /** How long such a caller waits for locks, ms; not given: 5000. */
  readonly patienceMs?: number;
}

export type Echo = (sql: string) => void;

export class Connection {
  readonly file: string;
  /** False if the file was opened only for reading. */
  readonly writable: boolean;
  readonly db: Database;
  /** Whether this opening made the tables. */
  readonly created: boolean;
  /** Columns that the table of tasks lacks. Only a file that is opened for reading can lack some. */
  readonly absent: ReadonlySet<TaskField>;
  /** The times in this file. */
  readonly times: FileTimes;
  readonly #statements: Statement[] = [];
  readonly #inode: number | undefined;
  readonly #begin: Statement;
  readonly #commit: Statement;
  readonly #durability: Durability;
  /** When the file was last seen in its place, milliseconds since 1970. */
  #inPlaceAt = -Infinity;
  /** How long a call usually waits for a lock, milliseconds, while it waits for less. Null: it waits that long. */
  #usualBusyMs: number | null = null;

  constructor(options: ConnectionOptions) {
    this.file = resolve(options.file);
    if (options.readOnly) expectFolder(this.file);
    checkPath(this.file, options.untouched !== true);
    const opened = openFile(this.file, options);
    const { echo } = options;
    this.db = echo === null || echo === undefined ? opened.db : echoing(opened.db, echo);
    this.writable = opened.writable;
    this.created = opened.created;
    if (opened.created) options.made?.(this.file);
    this.absent = new Set(absentFrom(opened.db));
    this.times = fileTimes(this.read(() => clockOf(opened.db)));
    this.#inode = statSync(this.file, { throwIfNoEntry: false })?.ino;
    this.#durability = new Durability(opened.db, this.file, opened.created);
    this.#begin = this.prepare("begin immediate");
    this.#commit = this.prepare("commit");
  }

  /** Prepares a statement, which stays prepared as long as the file is open. */
  prepare(sql: string): Statement {
    const statement = this.db.prepare(sql);
    this.#statements.push(statement);
    return statement;
  }

  /**
   * Runs `work` in a transaction of its own: all of it or nothing. Throws FatalError if the file is no longer where it
   * was opened.
   */
  write<T>(work: () => T): T {
    if (systemClock.now() - this.#inPlaceAt >= inPlaceMs) this.expectInPlace();
    this.#durability.change();
    try {
      const result = this.#transact(work);
      if (this.#usualBusyMs !== null) this.#waitAsUsual(this.#usualBusyMs);
      return result;
    } catch (error) {
      const failure = runFailure(error, this.file);
      if (failure instanceof TransientError && this.#usualBusyMs === null) this.#waitBriefly();
      throw failure;
    }
  }

  /** Runs `work` in a transaction; once more if there was no room and some could be made. Throws SQLite's errors. */
  #transact<T>(work: () => T, isSecond = false): T {
    try {
      this.#begin.run();
      const result = work();
      this.#commit.run();
      return result;
    } catch (error) {
      // Some errors end the transaction by themselves.
      if (this.db.inTransaction) this.db.run("rollback");
      if (isSecond || !isFull(error, this.file) || !makeRoom(this.db, this.file)) throw error;
    }
    return this.#transact(work, true);
  }

  /**
   * While a lock does not go away, each call waits for a second at most: nothing else is done meanwhile, and the
   * process must hear signals. Who cannot do without makes the call again.
   */
  #waitBriefly(): void {
    const { timeout } = this.db.query("pragma busy_timeout").get() as { timeout: number };
    if (timeout <= briefBusyMs) return;
    this.#usualBusyMs = timeout;
    this.db.run(`pragma busy_timeout = ${briefBusyMs}`);
  }

  #waitAsUsual(busyMs: number): void {
    this.#usualBusyMs = null;
    this.db.run(`pragma busy_timeout = ${busyMs}`);
  }

  /**
   * Throws FatalError if the file is no longer where it was opened. Writing to it would lose everything, without a word
   * from SQLite. This costs 7 µs.
   */
  expectInPlace(): void {
    if (this.#isInPlace()) {
      this.#inPlaceAt = systemClock.now();
      return;
    }
    throw new FatalError(
      `'${this.file}' was moved or deleted while it was in use - put it back and start again (a run with --restart)`,
    );
  }

  #isInPlace(): boolean {
    return process.platform === "win32" || statSync(this.file, { throwIfNoEntry: false })?.ino === this.#inode;
  }

  /** Runs `work`, which only reads, and translates errors. */
  read<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw runFailure(error, this.file);
    }
  }

  /**
   * Resolves when everything that was committed before the call survives a power cut. Rejects with FatalError when the
   * disk fails, or when the file is no longer where it was opened.
   */
  async sync(): Promise<void> {
    this.expectInPlace();
    await this.#durability.sync();
  }

  /** Resolves when no sync is under way, however it ended. */
  synced(): Promise<void> {
    return this.#durability.idle();
  }

  /**
   * Closes the file when everything that was committed survives a power cut. Throws FatalError when the disk fails, or
   * when something was committed to a file that is no longer where it was opened.
   */
  close(): void {
    const isLost = this.#durability.isChanged && !this.#isInPlace();
    this.#durability.end(() => {
      // A statement that is not finalized keeps the file open, with its locks and its log.
      for (const statement of this.#statements) statement.finalize();
      this.db.close();
    });
    if (isLost) this.expectInPlace();
  }
}

/**
 * How long it is believed that the file is where it was, milliseconds. What is written in this time may go to a file
 * that was just moved or deleted; the next call tells of it. In a local run of short tasks, which commits for each one,
 * a look every time is 1 % of the time.
 */
const inPlaceMs = 20;

/** How long a call waits for a lock after one has waited in vain, milliseconds. */
const briefBusyMs = 1000;

const running: ReadonlySet<unknown> = new Set(["run", "get", "all", "values"]);

/**
 * A database that calls `echo` with each statement. It is made only when somebody listens, so that nobody else pays for
 * it.
 */
function echoing(db: Database, echo: Echo): Database {
  const wrap = <T extends object>(
    target: T,
    call: (key: unknown, result: () => unknown, first: unknown) => unknown,
  ): T =>
    new Proxy(target, {
      get(_, key) {
        const value: unknown = Reflect.get(target, key, target);
        if (typeof value !== "function") return value;
        return (...args: unknown[]): unknown => call(key, () => Reflect.apply(value, target, args), args[0]);
      },
    });
  return wrap(db, (key, result, sql) => {
    if (key === "run") echo(String(sql));
    if (key !== "prepare" && key !== "query") return result();
    return wrap(result() as Statement, (ran, rows) => {
      if (running.has(ran)) echo(String(sql));
      return rows();
    });
  });
}

/**
 * For whoever has no use for a new database. Throws UserError for the file of one whose folder is not there: its path
 * was mistyped, or its disk is away.
 */
export function expectFolder(file: string): void {
  const folder = dirname(resolve(file));
  let found;
  try {
    found = statSync(folder, { throwIfNoEntry: false });
  } catch {
    // What is wrong with the path is told by checkPath.
    return;
  }
  if (found !== undefined) return;
  throw configurationError(
    "data",
    `There is no database '${resolve(file)}': its folder does not exist - ` +
      "check database.file (HYPERSHELL_DATABASE_FILE), or make it with 'hs initdb'",
  );
}

/** `makes`: a database that is not there is going to be made. */
function checkPath(file: string, makes: boolean): void {
  let found;
  try {
    found = statSync(file, { throwIfNoEntry: false });
    if (found === undefined) mkdirSync(dirname(file), { recursive: true, mode: folderMode() });
    if (found === undefined && makes) makeFile(file);
  } catch (error) {
    throw databaseError(
      `the folder of '${file}' cannot be used (${failureReason(error)}) - check its path and permissions, ` +
        "or set database.file to another",
    );
  }
  if (found?.isDirectory() !== true) return;
  throw databaseError(
    `'${file}' is a folder, not a database file - set database.file to a file in it, such as '${file}/main.db'`,
  );
}

/** Makes an empty file for a database, which SQLite then gives its own mode to all that it keeps beside it. */
function makeFile(file: string): void {
  try {
    closeSync(openSync(file, "wx", fileMode()));
  } catch {
    // Another process was quicker, or SQLite will say what stands in the way.
  }
}

interface Opened {
  readonly db: Database;
  readonly writable: boolean;
  readonly created: boolean;
}

function openFile(file: string, options: ConnectionOptions): Opened {
  // With what a crash left beside the file SQLite tries for ten seconds to write there.
  const isForReading = isMountedReadOnly(file);
  if (isForReading && !options.readOnly) throw readOnlyError(file);
  try {
    if (isForReading) return openForReading(file, options);
    return options.untouched === true ? openUntouched(file, options) : openForWriting(file, options);
  } catch (error) {
    if (!options.readOnly || !isUnwritable(error, file) || !existsSync(file)) throw openFailure(error, file);
  }
  try {
    return openForReading(file, options);
  } catch (error) {
    throw openFailure(error, file);
  }
}

function openForWriting(file: string, options: ConnectionOptions): Opened {
  const db = new Database(file, { readwrite: true, create: true });
  try {
    setPatience(db, options);
    // The check comes before any change: a file of another program must stay as it is.
    const known = checkTaskTable(db, file);
    setUp(db, file, options);
    const created = upgrade(db, file, known, options);
    return { db, writable: true, created };
  } catch (error) {
    db.close();
    throw error;
  }
}

/** Opens for reading, in a way that can roll back what a process left behind that died in a transaction. */
function openUntouched(file: string, options: ConnectionOptions): Opened {
  const db = new Database(file, { readwrite: true, create: false });
  try {
    db.run(`pragma busy_timeout = ${options.patienceMs ?? 5000}`);
    setPragmas(db, options.pragmas, (name) => name !== "journal_mode" && name !== "locking_mode");
    if (!checkTaskTable(db, file)) throw databaseError(`'${file}' has no tasks`);
    return { db, writable: false, created: false };
  } catch (error) {
    db.close();
    throw error;
  }
}

function openForReading(file: string, options: ConnectionOptions): Opened {
  const way = wayToRead(file);
  const db = new Database(way.name, way.flags);
  try {
    db.run("pragma busy_timeout = 5000");
    setPragmas(db, options.pragmas, (name) => name !== "journal_mode");
    if (!checkTaskTable(db, file))
      throw databaseError(`'${file}' has no tasks and cannot be written - set database.file to another path`);
    return { db, writable: false, created: false };
  } catch (error) {
    db.close();
    throw error;
  }
}

/** Sets busy_timeout before anything else: opening a locked file must wait, not fail. */
function setPatience(db: Database, { pragmas }: ConnectionOptions): void {
  db.run("pragma busy_timeout = 5000");
  setPragmas(db, pragmas, (name) => name === "busy_timeout");
}

function setUp(db: Database, file: string, options: ConnectionOptions): void {
  const own = new Set(Object.keys(options.pragmas).map((name) => name.toLowerCase()));
  const set = (name: string, value: string): void => {
    if (!own.has(name)) db.run(`pragma ${name} = ${value}`);
  };
  const { isLocal, freeBytes } = fileSystemOf(dirname(file));
  if (!own.has("journal_mode")) setJournal(db, isLocal ? "wal" : "delete");
  else unlessInUse(() => setPragmas(db, options.pragmas, (name) => name === "journal_mode"));
  // With a log every commit survives the death of the process. A power cut never damages the file; what it may take of
  // the last commits is said in durability.ts.
  // On macOS a sync leaves what is written in the memory of the disk, unless it is asked for all of it.
  if (process.platform === "darwin") for (const name of ["fullfsync", "checkpoint_fullfsync"]) set(name, "1");
  set("synchronous", journalOf(db) === "wal" ? "normal" : "full");
  // 24 MB at most: bulk inserts need the ends of all indices at hand, not more. A million lines submitted into an empty
  // table, and a second million after them, peak at 135 and 145 MB in 3.6 s; with 64 MB of cache it was 182 and 187 MB,
  // and no faster.
  set("cache_size", "-24576");
  // The log is written back to the file every 16 MB, and cut to that size: with the default of 4 MB, inserts in bulk
  // took a tenth longer. On a small disk it leaves most of the room for the file.
  const log = logLimit(freeBytes);
  set("wal_autocheckpoint", String(log.pages));
  set("journal_size_limit", String(log.bytes));
  setPragmas(db, options.pragmas, (name) => name !== "journal_mode" && name !== "busy_timeout");
}

function journalOf(db: Database): string {
  return (db.query("pragma journal_mode").get() as { journal_mode: string }).journal_mode;
}

function setJournal(db: Database, mode: "wal" | "delete"): void {
  const now = journalOf(db);
  if (now === mode || (mode === "delete" && now !== "wal")) return;
  unlessInUse(() => db.run(`pragma journal_mode = ${mode}`));
}

/**
 * Changes the journal. That is possible only while nobody else has the file open; otherwise the journal stays as it is,
 * since it works for the others and so works for us.
 */
function unlessInUse(change: () => unknown): void {
  try {
    change();
  } catch (error) {
    if ((error as { code?: unknown }).code !== "SQLITE_BUSY") throw error;
  }
}

function setPragmas(db: Database, pragmas: ConnectionOptions["pragmas"], wanted: (name: string) => boolean): void {
  for (const [name, value] of Object.entries(pragmas)) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
      throw configurationError("data", `'${name}' is not the name of an SQLite pragma (in [database.pragmas])`);
    }
    if (!wanted(name.toLowerCase())) continue;
    try {
      db.run(pragmaText(name, value));
    } catch (error) {
      if (!(error instanceof Error) || (error as { code?: unknown }).code !== "SQLITE_ERROR") throw error;
      throw configurationError(
        "data",
        `SQLite does not accept '${name} = ${String(value)}' (in [database.pragmas]): ${error.message}`,
      );
    }
  }
}

/**
 * The statement that sets a pragma. `name` must be a valid pragma name. Throws UserError for a value that is no number,
 * text or boolean.
 */
export function pragmaText(name: string, value: unknown): string {
  return `pragma ${name} = ${pragmaLiteral(name, value)}`;
}

function pragmaLiteral(name: string, value: unknown): string {
  if (typeof value === "number" && Number.isFinite(value)) return String(value);
  if (typeof value === "boolean") return value ? "1" : "0";
  if (typeof value === "string") return `'${value.replaceAll("'", "''")}'`;
  throw configurationError("data", `'${name}' needs a number, a text or true/false (in [database.pragmas])`);
}

/** The number of rows from which indices take seconds: with ten million about a minute. */
const manyRows = 1_000_000;

/** Makes the tables, or the additions that are missing. Answers whether the tables were made. */
function upgrade(db: Database, file: string, known: boolean, { readOnly, notice }: ConnectionOptions): boolean {
  if (!known) return create(db, file);
  // Reading works without the additions, and must not wait until ten million rows are in an index.
  if (readOnly) return false;
  addColumns(db);
  const present = namesIn(db);
  const missing = additions.filter(([name]) => !present.has(name));
  const rows = missing.length === 0 ? 0 : Number(db.query("select max(rowid) from task").values()[0]?.[0]);
  if (rows >= manyRows && missing.some(([, statement]) => / on task /.test(statement)))
    notice?.(`Adding indices to '${file}' (${counted(rows, "row")}) - this takes a while, once`);
  // Each statement is a transaction of its own, so that others who use the file get their turn in between.
  for (const [, statement] of missing) add(db, statement);
  if (missing.some(([name]) => name === "clock")) setClock(db);
  return false;
}

/** Makes an addition that may be there already: another process may have made it meanwhile. */
function add(db: Database, statement: string): void {
  try {
    db.run(statement);
  } catch (error) {
    if (!messageOf(error).startsWith("duplicate column name")) throw error;
  }
}

/**
 * Adds the columns that are newer than this file. This is quick, whatever the number of rows. Throws the errors of the
 * library.
 */
export function addColumns(db: Database): void {
  if (absentFrom(db).length === 0) return;
  db.run("begin immediate");
  try {
    // Another process may have added them meanwhile.
    for (const field of absentFrom(db)) db.run(addColumn(field));
    db.run("commit");
  } catch (error) {
    if (db.inTransaction) db.run("rollback");
    throw error;
  }
}

/** The columns added since 2.8 that the table of tasks lacks. */
function absentFrom(db: Database): readonly TaskField[] {
  if (laterFields.length === 0) return [];
  const columns = taskColumns(db);
  return laterFields.filter((field) => !columns.has(field));
}

/** Makes what is in a file besides the table of tasks. Throws the errors of the library. */
export function makeAdditions(db: Database): void {
  // New tables have their later columns at once.
  for (const [name, statement] of additions) if (!name.includes(".") || !namesIn(db).has(name)) add(db, statement);
}

/** Makes all tables, in one transaction. */
function create(db: Database, file: string): boolean {
  db.run("begin immediate");
  try {
    // Another process may have made the table meanwhile.
    const created = !checkTaskTable(db, file);
    if (created) db.run(taskTable);
    for (const field of absentFrom(db)) db.run(addColumn(field));
    makeAdditions(db);
    setClock(db);
    db.run("commit");
    return created;
  } catch (error) {
    if (db.inTransaction) db.run("rollback");
    throw error;
  }
}

/** Sets the clock of a file that has none, and takes it as it is where another process was first. */
function setClock(db: Database): void {
  const hasTasks = db.query("select 1 from task limit 1").values().length > 0;
  const { offset, sinceMs, since } = newFileClock(systemClock.now(), hasTasks);
  db.query(`insert or ignore into clock (${clockColumns}) values (1, ?, ?, ?)`).run(offset, sinceMs, since);
}

/** null: only older programs have written this file. */
function clockOf(db: Database): FileClock | null {
  if (db.query("select 1 from sqlite_master where type = 'table' and name = 'clock'").values().length === 0)
    return null;
  const [row] = db.query("select offset, since_ms, since from clock where one = 1").values();
  return row === undefined ? null : { offset: Number(row[0]), sinceMs: Number(row[1]), since: String(row[2]) };
}

function namesIn(db: Database): Set<string> {
  return new Set(
    db
      .query("select name from sqlite_master union all select 'server.' || name from pragma_table_info('server')")
      .values()
      .map(([name]) => String(name)),
  );
}

/** Whether this file is a database with tasks in it. Asks without changing it. Throws the errors of the library. */
export function holdsTasks(file: string): boolean {
  const db = new Database(file, { readwrite: true, create: false });
  try {
    db.run("pragma busy_timeout = 5000");
    const columns = taskColumns(db);
    return requiredFields.every((name) => columns.has(name));
  } finally {
    db.close();
  }
}

function taskColumns(db: Database): ReadonlySet<string> {
  return new Set(
    db
      .query("select name from pragma_table_info('task')")
      .values()
      .map(([name]) => String(name)),
  );
}

/** Whether the table of tasks is there. Throws UserError for a database of another program. */
function checkTaskTable(db: Database, file: string): boolean {
  // One query, not two: between two of them another process may make all the tables.
  const tables = db.query("select name from sqlite_master where type = 'table'").values().flat().map(String);
  if (!tables.includes("task")) {
    const ours = new Set(additions.map(([name]) => name));
    const theirs = tables.find((name) => !ours.has(name) && !name.startsWith("sqlite_"));
    if (theirs === undefined) return false;
    throw databaseError(
      `'${file}' belongs to another program (it has a table ${theirs} and none of tasks) - ` +
        "set database.file to another path",
    );
  }
  const columns = taskColumns(db);
  const missing = requiredFields.filter((name) => !columns.has(name));
  if (missing.length === 0) return true;
  throw databaseError(
    `'${file}' belongs to another program (its table task has no column ${missing[0]}) - ` +
      "set database.file to another path",
  );
}
