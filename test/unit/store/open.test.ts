import { Database } from "bun:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../../src/base/clock.ts";
import { FatalError, TransientError, UserError } from "../../../src/base/errors.ts";
import { Connection } from "../../../src/store/sqlite/connection.ts";
import { fileSystemOf, isLocalType } from "../../../src/store/sqlite/filesystem.ts";
import { databaseOf, type DatabaseSettings, hasDatabase, openStore } from "../../../src/store/open.ts";
import { makeTask, makeTasks, request } from "../../conformance/store.ts";
import { openEdits, openRecords } from "../../../src/history/open.ts";

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hs-open-"));
  file = join(folder, "main.db");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const none = { provider: "sqlite", file: null, database: null, url: null };
const open = (path = file, pragmas: Record<string, unknown> = {}) =>
  openStore({ ...none, file: path, pragmas, clock: systemClock });

async function thrown(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error("nothing was thrown");
}

async function refusal(promise: Promise<unknown>): Promise<UserError> {
  const error = await thrown(promise);
  if (!(error instanceof UserError)) throw error;
  expect(error.message).not.toContain("\n");
  expect(error.logger).toBe("data");
  return error;
}

describe("settings", () => {
  test("name a file, by either word or by URL", () => {
    const fileOf = (settings: Partial<DatabaseSettings>): unknown => databaseOf({ ...none, ...settings });
    expect(fileOf({ file: "/a/b.db" })).toEqual({ kind: "sqlite", file: "/a/b.db" });
    expect(fileOf({ database: "/a/b.db" })).toEqual({ kind: "sqlite", file: "/a/b.db" });
    expect(fileOf({ file: "/x", url: "sqlite:////a/b.db" })).toEqual({ kind: "sqlite", file: "/a/b.db" });
    expect(fileOf({ url: "sqlite:///b.db?x=1" })).toEqual({ kind: "sqlite", file: "b.db" });
  });

  test("without a file, or with :memory:, name no database", () => {
    for (const path of [null, "", ":memory:"]) expect(hasDatabase({ ...none, file: path })).toBe(false);
    expect(hasDatabase({ ...none, url: "sqlite:///:memory:" })).toBe(false);
  });

  test("name PostgreSQL by provider or by URL, whatever the file is", () => {
    for (const provider of ["postgres", "postgresql"])
      expect(databaseOf({ ...none, provider, file: "/a/b.db" })).toEqual({ kind: "postgres" });
    for (const scheme of ["postgresql+psycopg", "postgresql", "postgres"])
      expect(databaseOf({ ...none, file: "/a/b.db", url: `${scheme}://u:p@h/d` })).toEqual({ kind: "postgres" });
  });

  test("that name something else are a configuration error that says so", () => {
    expect(() => databaseOf({ ...none, provider: "turso" })).toThrow("Unsupported database 'turso'");
    expect(() => databaseOf({ ...none, url: "sqlite+turso:///x" })).toThrow(
      "Unsupported provider in URL 'sqlite+turso'",
    );
    expect(() => databaseOf({ ...none, url: "main.db" })).toThrow("database.url");
    expect(() => databaseOf({ ...none, url: "sqlite://x" })).toThrow("three slashes");
  });

  test("without a database there is nothing to open", async () => {
    const error = await refusal(openStore({ ...none, pragmas: {}, clock: systemClock }));
    expect(error.status).toBe(3);
  });

  test("pragmas are set, and bad ones are a configuration error", async () => {
    await (await open(file, { journal_mode: "delete", user_version: 7, recursive_triggers: true })).close();
    const db = new Database(file);
    expect(db.query("pragma user_version").get()).toEqual({ user_version: 7 });
    db.close();
    for (const pragmas of [{ "x; drop table task": 1 }, { cache_size: [1] }]) {
      expect((await refusal(open(file, pragmas))).status).toBe(3);
    }
  });
});

describe("opening", () => {
  test("every statement that runs is told to who listens", async () => {
    const told: string[] = [];
    const store = await openStore({ ...none, file, pragmas: {}, clock: systemClock, echo: (sql) => told.push(sql) });
    expect(told).toEqual([]);
    await store.insert(makeTasks(1));
    await store.close();
    expect(told[0]).toBe("begin immediate");
    expect(told[1]).toStartWith("insert into task");
    expect(told[2]).toBe("commit");
  });

  test("the page cache is small, so that a bulk insert stays under 150 MB, unless the user says otherwise", () => {
    const cache = (pragmas: Record<string, unknown>): unknown => {
      const connection = new Connection({ file, pragmas, readOnly: false });
      try {
        return connection.db.query("pragma cache_size").get();
      } finally {
        connection.close();
      }
    };
    expect(cache({})).toEqual({ cache_size: -24576 });
    expect(cache({ cache_size: -65536 })).toEqual({ cache_size: -65536 });
  });

  test("makes folders, file and tables", async () => {
    const deep = join(folder, "a", "b", "main.db");
    const connection = new Connection({ file: deep, pragmas: {}, readOnly: false });
    expect(connection.created).toBe(true);
    connection.close();
    const store = await open(deep);
    expect(store.title).toBe(`sqlite (${deep})`);
    await store.close();
    expect(existsSync(deep)).toBe(true);
  });

  test("leaves no log behind when it is closed", async () => {
    const store = await open();
    await store.insert(makeTasks(10));
    store.onInsert(() => {});
    await store.claim(request());
    await store.close();
    expect(existsSync(`${file}-wal`)).toBe(false);
  });

  test("of a folder, of a file of something else and of another program's database is refused", async () => {
    expect((await refusal(open(folder))).message).toContain("is a folder");
    writeFileSync(
      file,
      "this is not a database, but long enough to have a header of one, which has a hundred bytes and more to it.",
    );
    const notOne = await refusal(open());
    expect(notOne.message).toBe(
      `'${file}' is not an SQLite database - set database.file to another path, or move this file away`,
    );
    expect(notOne.status).toBe(5);
    rmSync(file);
    const db = new Database(file);
    db.run("create table task (id integer primary key, title text)");
    db.close();
    expect((await refusal(open())).message).toContain(
      "belongs to another program (its table task has no column group)",
    );
    rmSync(file);
    const other = new Database(file);
    other.run("create table notes (text)");
    other.close();
    const before = readFileSync(file);
    expect((await refusal(open())).message).toBe(
      `'${file}' belongs to another program (it has a table notes and none of tasks) ` +
        `- set database.file to another path`,
    );
    expect(readFileSync(file).equals(before)).toBe(true);
  });

  test("under something that is no folder is refused", async () => {
    writeFileSync(file, "");
    expect((await refusal(open(join(file, "main.db")))).message).toContain("cannot be used (not a directory)");
  });

  test("where the log cannot be made is refused", async () => {
    mkdirSync(`${file}-wal`);
    expect((await refusal(open())).message).toMatch(/cannot be opened|failed/);
  });

  test("of a damaged file is refused, or the damage ends the run", async () => {
    const store = await open();
    await store.insert(makeTasks(500));
    await store.close();
    const bytes = readFileSync(file);
    bytes.fill(0x5a, 4096);
    writeFileSync(file, bytes);
    const error = await thrown(open().then((again) => again.claim(request())));
    expect(error instanceof UserError || error instanceof FatalError).toBe(true);
    expect(error.message).toContain("is damaged");
  });

  test("of a file that another program locks waits, then says so", async () => {
    await (await open()).close();
    const db = new Database(file);
    db.run("pragma locking_mode = exclusive");
    db.run("begin exclusive");
    const startedAt = systemClock.now();
    const error = await refusal(open(file, { busy_timeout: 20, journal_mode: "delete" }));
    expect(systemClock.now() - startedAt).toBeGreaterThanOrEqual(20);
    expect(error.message).toContain("is locked by another program");
    db.close();
  });
});

describe("during a run", () => {
  test("a lock that stays too long is trouble that may pass, and the write succeeds when it is gone", async () => {
    const store = await open(file, { busy_timeout: 20 });
    const db = new Database(file);
    db.run("begin immediate");
    const error = await thrown(store.insert(makeTasks(1)));
    expect(error).toBeInstanceOf(TransientError);
    expect(error.message).toContain(`'${file}' is locked`);
    db.run("rollback");
    db.close();
    await store.insert(makeTasks(1));
    await store.close();
  });

  test("a full disk is trouble that may pass, and leaves nothing half-done", async () => {
    const store = await open(file, { max_page_count: 64 });
    const one = makeTask();
    await store.insert([one]);
    const error = await thrown(store.insert(makeTasks(5000)));
    expect(error).toBeInstanceOf(TransientError);
    expect(error.message).toContain("no space left");
    const survey = await store.survey({ kind: "all" });
    expect([survey.unfinished, await store.total({ kind: "all" })]).toEqual([1, 1]);
    await store.insert(makeTasks(2));
    await store.close();
  });

  test("tables that vanish under a run end it", async () => {
    const store = await open();
    await store.insert(makeTasks(1));
    const db = new Database(file);
    db.run("drop table task");
    db.close();
    expect(await thrown(store.claim(request()))).toBeInstanceOf(FatalError);
    await store.close();
  });
});

/** Runs as somebody who may not write to `folder`, but read what is in it. */
async function withoutPermission<T>(work: () => Promise<T>): Promise<T> {
  const root = process.geteuid?.() === 0;
  chmodSync(folder, 0o555);
  for (const path of [file, `${file}-wal`, `${file}-shm`].filter((name) => existsSync(name))) chmodSync(path, 0o444);
  if (root) process.seteuid!(65_534);
  try {
    return await work();
  } finally {
    if (root) process.seteuid!(0);
    chmodSync(folder, 0o755);
  }
}

const posix = process.platform !== "win32";

describe("looking only", () => {
  const all = { fields: ["args"], where: [], orderBy: null, descending: false, limit: null } as const;

  test.if(posix)("a database that cannot be written will do, but not for a run", async () => {
    const store = await open();
    await store.insert(makeTasks(3));
    await store.close();
    await withoutPermission(async () => {
      const records = await openRecords({ ...none, file, pragmas: { journal_mode: "wal" } });
      expect(await records.count(all)).toBe(3);
      let seen = 0;
      for await (const _ of records.search({ ...all, orderBy: "args" })) seen++;
      expect(seen).toBe(3);
      await records.close();
      expect((await refusal(open())).message).toMatch(/cannot be (written|opened)/);
    });
  });

  test.if(posix)("a database that somebody else is writing to will do", async () => {
    const store = await open();
    await store.insert(makeTasks(3));
    await withoutPermission(async () => {
      const records = await openRecords({ ...none, file, pragmas: {} });
      expect(await records.count(all)).toBe(3);
      await records.close();
    });
    await store.close();
  });

  test("a database whose folder is not there is not made", async () => {
    const nowhere = join(file, "..", "no", "such", "main.db");
    const options = { ...none, file: nowhere, pragmas: {} };
    const message = `There is no database '${nowhere}': its folder does not exist`;
    const ways = [() => openRecords(options), () => openRecords({ ...options, ignorePartitions: true })];
    for (const way of [...ways, () => openEdits(options)]) {
      const refused = await refusal(way());
      expect([refused.status, refused.message.includes(message)]).toEqual([3, true]);
    }
    expect(existsSync(join(file, "..", "no"))).toBe(false);
  });

  test("a missing database is made, as by every command", async () => {
    const records = await openRecords({ ...none, file, pragmas: {} });
    expect(await records.count({ where: [], orderBy: null, descending: false, limit: null })).toBe(0);
    await records.close();
  });
});

describe("file systems", () => {
  test("only those known as local may have a write-ahead log", () => {
    for (const local of [0xef53, 0x58465342, 0x9123683e, 0x01021994]) expect(isLocalType(local)).toBe(true);
    // NFS, Lustre, GPFS, BeeGFS, CIFS, SMB2 (negative where it is taken for signed), FUSE, AFS, Ceph, 9p, and one
    // nobody knows.
    for (const remote of [
      0x6969,
      0x0bd00bd0,
      0x47504653,
      0x19830326,
      0xff534d42,
      0xfe534d42 | 0,
      0x65735546,
      0x5346414f,
      0xc36400,
      0x01021997,
      1,
    ]) {
      expect(isLocalType(remote)).toBe(false);
    }
  });

  test.if(process.platform === "linux")("a folder that cannot be asked counts as remote", () => {
    const unknown = { isLocal: false, freeBytes: Number.POSITIVE_INFINITY };
    expect(fileSystemOf(join(folder, "missing"))).toEqual(unknown);
  });
});
