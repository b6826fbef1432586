/*
 * One open SQLite file: how it is opened (journal by file system, settings of the user, missing tables added), how
 * transactions begin and end, and how errors of the library turn into ours. Knows no statement about tasks.
 */
import { Database, type Statement } from "bun:sqlite";
import { existsSync, mkdirSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { configurationError, FatalError } from "../../base/errors.ts";
import { laterFields, requiredFields, type TaskField } from "../../task/field.ts";
import { databaseError, isReadOnly, openFailure, runFailure } from "./failure.ts";
import { isLocalFileSystem } from "./filesystem.ts";
import { addColumn, additions, taskTable } from "./schema.ts";

/** What every way to open a file takes. */
export interface SqliteOptions {
  readonly file: string;
  /** Set after ours, and instead of ours where they name the same. */
  readonly pragmas: Readonly<Record<string, unknown>>;
  /** Told each statement as it runs. */
  readonly echo?: Echo | null;
  /** Told what will take a while, before it begins. */
  readonly notice?: ((text: string) => void) | null;
}

export interface ConnectionOptions extends SqliteOptions {
  /** Only to look at: a database that cannot be written will do. */
  readonly readOnly: boolean;
  /**
   * Taken as it is, to look at: no setting and no table is changed, and what another process left half-done is only
   * taken back.
   */
  readonly untouched?: boolean;
}

export type Echo = (sql: string) => void;

export class Connection {
  readonly file: string;
  /** False: opened for reading because writing was impossible. */
  readonly writable: boolean;
  readonly db: Database;
  /** Whether the tables were made by this opening. */
  readonly created: boolean;
  /** Columns that the tasks of this file do not have yet: a file that is only looked at gets none. */
  readonly absent: ReadonlySet<TaskField>;
  readonly #statements: Statement[] = [];
  readonly #inode: number | undefined;
  readonly #begin: Statement;
  readonly #commit: Statement;

  constructor(options: ConnectionOptions) {
    this.file = resolve(options.file);
    checkPath(this.file);
    const opened = openFile(this.file, options);
    const { echo } = options;
    this.db = echo === null || echo === undefined ? opened.db : echoing(opened.db, echo);
    this.writable = opened.writable;
    this.created = opened.created;
    this.absent = new Set(absentFrom(opened.db));
    this.#inode = statSync(this.file, { throwIfNoEntry: false })?.ino;
    this.#begin = this.prepare("begin immediate");
    this.#commit = this.prepare("commit");
  }

  /** A statement for as long as the file is open. */
  prepare(sql: string): Statement {
    const statement = this.db.prepare(sql);
    this.#statements.push(statement);
    return statement;
  }

  /** Runs `work` in a transaction of its own: wholly or not at all. */
  write<T>(work: () => T): T {
    try {
      this.#begin.run();
      const result = work();
      this.#commit.run();
      return result;
    } catch (error) {
      // Some errors end the transaction by themselves.
      if (this.db.inTransaction) this.db.run("rollback");
      throw runFailure(error, this.file);
    }
  }

  /**
   * Throws FatalError once the file is no longer where it was opened: what is written then goes nowhere, without a word
   * from SQLite.
   */
  expectInPlace(): void {
    if (process.platform === "win32") return;
    if (statSync(this.file, { throwIfNoEntry: false })?.ino === this.#inode) return;
    throw new FatalError(
      `'${this.file}' was moved or deleted while it was in use - start again with --restart if it is back`,
    );
  }

  /** Runs `work`, which only reads. */
  read<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw runFailure(error, this.file);
    }
  }

  close(): void {
    // A statement that is left keeps the file open, its locks and its log included.
    for (const statement of this.#statements) statement.finalize();
    this.db.close();
  }
}

const running: ReadonlySet<unknown> = new Set(["run", "get", "all", "values"]);

/** The same, but tells each statement; made only when somebody listens, so that nobody else pays. */
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

function checkPath(file: string): void {
  let found;
  try {
    found = statSync(file, { throwIfNoEntry: false });
    if (found === undefined) mkdirSync(dirname(file), { recursive: true });
  } catch (error) {
    const reason = error instanceof Error && "code" in error ? String(error.code) : "unknown error";
    const text = `the folder of '${file}' cannot be used (${reason}) - check its path and permissions, or set database.file to another`;
    throw databaseError(text);
  }
  if (found?.isDirectory() !== true) return;
  throw databaseError(
    `'${file}' is a folder, not a database file - set database.file to a file in it, such as '${file}/main.db'`,
  );
}

interface Opened {
  readonly db: Database;
  readonly writable: boolean;
  readonly created: boolean;
}

function openFile(file: string, options: ConnectionOptions): Opened {
  try {
    return options.untouched === true ? openUntouched(file, options) : openForWriting(file, options);
  } catch (error) {
    if (!options.readOnly || !isReadOnly(error) || !existsSync(file)) throw openFailure(error, file);
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
    // Before anything is changed: a file of another program stays as it is.
    const known = checkTaskTable(db, file);
    setUp(db, file, options);
    const created = upgrade(db, file, known, options);
    return { db, writable: true, created };
  } catch (error) {
    db.close();
    throw error;
  }
}

/** For reading, but able to take back what a process left behind that died in a transaction. */
function openUntouched(file: string, options: ConnectionOptions): Opened {
  const db = new Database(file, { readwrite: true, create: false });
  try {
    db.run("pragma busy_timeout = 5000");
    setPragmas(db, options.pragmas, (name) => name !== "journal_mode" && name !== "locking_mode");
    if (!checkTaskTable(db, file)) throw databaseError(`'${file}' has no tasks`);
    return { db, writable: false, created: false };
  } catch (error) {
    db.close();
    throw error;
  }
}

/** SQLITE_OPEN_READONLY | SQLITE_OPEN_URI */
const readOnlyUri = 0x01 | 0x40;

function openForReading(file: string, options: ConnectionOptions): Opened {
  // Without a log beside it nobody writes, so it may be read without the locks that a folder we cannot write to does
  // not allow.
  const still = existsSync(`${file}-wal`) || existsSync(`${file}-journal`) ? "" : "?immutable=1";
  const db = new Database(`file:${file.split("/").map(encodeURIComponent).join("/")}${still}`, readOnlyUri);
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

/** Before all else: whoever finds the file locked by others who open it too waits, and does not fail. */
function setPatience(db: Database, { pragmas }: ConnectionOptions): void {
  db.run("pragma busy_timeout = 5000");
  setPragmas(db, pragmas, (name) => name === "busy_timeout");
}

function setUp(db: Database, file: string, options: ConnectionOptions): void {
  const own = new Set(Object.keys(options.pragmas).map((name) => name.toLowerCase()));
  const set = (name: string, value: string): void => {
    if (!own.has(name)) db.run(`pragma ${name} = ${value}`);
  };
  if (!own.has("journal_mode")) setJournal(db, isLocalFileSystem(dirname(file)) ? "wal" : "delete");
  else unlessInUse(() => setPragmas(db, options.pragmas, (name) => name === "journal_mode"));
  // With a log every commit survives the death of the process; a power cut may take the last ones back, never damage
  // the file.
  set("synchronous", journalOf(db) === "wal" ? "normal" : "full");
  // 24 MB at most: bulk inserts need the ends of all indices at hand, not more. A million lines submitted into an empty
  // table, and a second million after them, peak at 135 and 145 MB in 3.6 s; with 64 MB of cache it was 182 and 187 MB,
  // and no faster.
  set("cache_size", "-24576");
  // The log is folded back every 16 MB, and cut to that size: with the default of 4 MB, inserts in bulk took a tenth
  // longer.
  set("wal_autocheckpoint", "4096");
  set("journal_size_limit", "16777216");
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

/** The journal can change only while nobody else has the file open. As it is, it works for them, so it works for us. */
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
      throw configurationError("data", `'${name}' is no name of an SQLite pragma (in [database.pragmas])`);
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

/** Of a name that is one. */
export function pragmaText(name: string, value: unknown): string {
  return `pragma ${name} = ${pragmaLiteral(name, value)}`;
}

function pragmaLiteral(name: string, value: unknown): string {
  if (typeof value === "number" && Number.isFinite(value)) return String(value);
  if (typeof value === "boolean") return value ? "1" : "0";
  if (typeof value === "string") return `'${value.replaceAll("'", "''")}'`;
  throw configurationError("data", `'${name}' needs a number, a text or true/false (in [database.pragmas])`);
}

/** From this many rows on, indices take seconds: with ten million about a minute. */
const manyRows = 1_000_000;

/** Whether the tables had to be made. Makes what is missing; looks first, because mostly nothing is. */
function upgrade(db: Database, file: string, known: boolean, { readOnly, notice }: ConnectionOptions): boolean {
  if (!known) return create(db, file);
  // Looking works without, and must not wait until ten million rows are in an index.
  if (readOnly) return false;
  addColumns(db);
  const present = namesIn(db);
  const missing = additions.filter(([name]) => !present.has(name));
  const rows = missing.length === 0 ? 0 : Number(db.query("select max(rowid) from task").values()[0]?.[0]);
  if (rows >= manyRows && missing.some(([, statement]) => / on task /.test(statement)))
    notice?.(`Adding indices to '${file}' (${rows} rows) - this takes a while, once`);
  // One by one: others who use the file get their turn in between.
  for (const [, statement] of missing) db.run(statement);
  return false;
}

/**
 * Adds the columns that came after this file was made; quick, whatever the number of rows. Throws what the library
 * says.
 */
export function addColumns(db: Database): void {
  if (absentFrom(db).length === 0) return;
  db.run("begin immediate");
  try {
    // Another process may have been faster.
    for (const field of absentFrom(db)) db.run(addColumn(field));
    db.run("commit");
  } catch (error) {
    if (db.inTransaction) db.run("rollback");
    throw error;
  }
}

/** Columns of today that the table of tasks lacks. */
function absentFrom(db: Database): readonly TaskField[] {
  if (laterFields.length === 0) return [];
  const columns = taskColumns(db);
  return laterFields.filter((field) => !columns.has(field));
}

/** Makes all tables, in one transaction. */
function create(db: Database, file: string): boolean {
  db.run("begin immediate");
  try {
    // Another process may have been faster.
    const created = !checkTaskTable(db, file);
    if (created) db.run(taskTable);
    for (const field of absentFrom(db)) db.run(addColumn(field));
    for (const [, statement] of additions) db.run(statement);
    if (created) db.run('insert into schedule (one, "group", task_id) values (1, null, null)');
    db.run("commit");
    return created;
  } catch (error) {
    if (db.inTransaction) db.run("rollback");
    throw error;
  }
}

function namesIn(db: Database): Set<string> {
  return new Set(
    db
      .query("select name from sqlite_master")
      .values()
      .map(([name]) => String(name)),
  );
}

/** Whether this file is a database with tasks in it; asks without changing it. Throws what the library says. */
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

/** Whether the table is there. Throws for a database of another program. */
function checkTaskTable(db: Database, file: string): boolean {
  // One look: between two of them another process may make all the tables.
  const tables = db.query("select name from sqlite_master where type = 'table'").values().flat().map(String);
  if (!tables.includes("task")) {
    const ours = new Set(additions.map(([name]) => name));
    const theirs = tables.find((name) => !ours.has(name) && !name.startsWith("sqlite_"));
    if (theirs === undefined) return false;
    throw databaseError(
      `'${file}' belongs to another program (it has a table ${theirs} and none of tasks) - set database.file to another path`,
    );
  }
  const columns = taskColumns(db);
  const missing = requiredFields.filter((name) => !columns.has(name));
  if (missing.length === 0) return true;
  throw databaseError(
    `'${file}' belongs to another program (its table task has no column ${missing[0]}) - set database.file to another path`,
  );
}
