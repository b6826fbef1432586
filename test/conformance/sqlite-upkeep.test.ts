/*
 * What a rotation takes along and how it is written, and what becomes of one whose partition is in the way. The way
 * there is test/fault/rotation.test.ts.
 */
import { Database } from "bun:sqlite";
import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../src/base/clock.ts";
import { partitionPath } from "../../src/history/sqlite/partition-files.ts";
import { openSqliteHistory } from "../../src/history/sqlite/partitions.ts";
import { openSqlite } from "../../src/store/sqlite/sqlite.ts";
import { openSqliteUpkeep, type UpkeepOptions } from "../../src/history/sqlite/upkeep.ts";
import type { UpkeepStore } from "../../src/history/history.ts";
import { makeServer, makeTasks, mine } from "./store.ts";

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hs-upkeep-"));
  file = join(folder, "main.db");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A disk that needs no waiting for. */
const pragmas = { synchronous: "off" };
const ended = "update task set completion_time = submit_time, schedule_time = submit_time, exit_status = 0";

function inFile<T>(path: string, work: (db: Database) => T): T {
  const db = new Database(path);
  try {
    return work(db);
  } finally {
    db.close();
  }
}

const values = (name: string, sql: string): unknown[][] => inFile(join(folder, name), (db) => db.query(sql).values());

async function withTasks(count: number, changes: readonly string[] = []): Promise<void> {
  const store = openSqlite({ file, pragmas, clock: systemClock });
  await store.addSubmission({
    id: mine.id,
    time: 0,
    host: "h",
    user: "u",
    cwd: "/",
    template: "echo {}",
    version: "1",
  });
  await store.addSubmission({ id: "other", time: 0, host: "h", user: "u", cwd: "/", template: null, version: "1" });
  await store.addClient({ id: "c1", host: "node01", serverId: "s1", serverHost: "h", connectedAt: 0 });
  await store.insert(makeTasks(count));
  await store.close();
  inFile(file, (db) => changes.forEach((sql) => db.run(sql)));
}

async function upkeep<T>(work: (store: UpkeepStore) => Promise<T>, options: Partial<UpkeepOptions> = {}): Promise<T> {
  const store = openSqliteUpkeep({ file, pragmas, clock: systemClock, ...options });
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}

const rotate = (): Promise<number> => upkeep(async (store) => store.rotate(await store.nextPartition(), 1));

test("a moved task keeps everything but the part, and tags their spelling", async () => {
  const odd = [
    `{"a": NaN, "part": 0}`,
    `{"part":0,"b":true}`,
    "{}",
    `{"deep": {"part": 0}}`,
    "no tags",
    `{"x.y": 1, "part": 0}`,
  ];
  await withTasks(odd.length, [ended]);
  inFile(file, (db) => odd.forEach((tag, i) => db.query("update task set tag = ? where rowid = ?").run(tag, i + 1)));
  const columns = "rowid, id, args, submit_id, memory, waited, exit_status";
  const before = values("main.db", `select ${columns} from task`);
  expect(await rotate()).toBe(odd.length);
  expect(values("main.1", `select ${columns} from task`)).toEqual(before);
  expect(values("main.1", "select tag from task").flat()).toEqual([
    `{"a": NaN, "part": 1}`,
    `{"part":1,"b":true}`,
    `{"part":1}`,
    `{"deep":{"part":0},"part":1}`,
    "no tags",
    `{"x.y": 1, "part": 1}`,
  ]);
});

test("what is needed to understand tasks moves along: submissions, all clients, and the table as it is", async () => {
  await withTasks(2, [ended, "alter table task add column later TEXT", "update task set later = 'x'"]);
  chmodSync(file, 0o640);
  await rotate();
  expect(values("main.1", "select id, template from submission")).toEqual([[mine.id, "echo {}"]]);
  expect(values("main.1", "select id, host from client")).toEqual([["c1", "node01"]]);
  expect(values("main.db", "select id from client")).toEqual([["c1"]]);
  const shape = "select name, type from pragma_table_info('task')";
  expect(values("main.1", shape)).toEqual(values("main.db", shape));
  expect(values("main.1", "select later from task").flat()).toEqual(["x", "x"]);
  expect(values("main.1", "pragma journal_mode")).toEqual([["delete"]]);
  expect(statSync(join(folder, "main.1")).mode & 0o777).toBe(0o640);
});

test("a failure of a server's own submission stays until that server is gone", async () => {
  await withTasks(3, [
    ended,
    "update task set exit_status = 1 where rowid < 3",
    "update task set retried = 1 where rowid = 1",
  ]);
  const store = openSqlite({ file, pragmas, clock: systemClock });
  await store.addServer(makeServer(mine.id, { reserves: true }));
  expect(await rotate()).toBe(2);
  await store.endServer(mine.id);
  await store.close();
  expect(await rotate()).toBe(1);
  expect(values("main.2", "select exit_status, retried, tag from task")).toEqual([
    [1, 0, expect.stringContaining('"part": 2}')],
  ]);
});

test("what has completed in part only has not ended", async () => {
  await withTasks(3, [
    "update task set exit_status = 0 where rowid = 1",
    "update task set completion_time = submit_time where rowid = 2",
  ]);
  expect(await rotate()).toBe(0);
  expect(readdirSync(folder).filter((name) => name.startsWith("main.1"))).toEqual([]);
});

test("a file that takes the name meanwhile is left alone", async () => {
  await withTasks(3, [ended]);
  const steps: string[] = [];
  const take = (name: string): void => {
    steps.push(name);
    if (name === "noted") writeFileSync(join(folder, "main.1"), "mine");
  };
  const rotation = upkeep(async (store) => store.rotate(await store.nextPartition(), 1), { step: take });
  await rotation.then(
    () => expect.unreachable(),
    (error: unknown) => expect(String(error)).toContain("was made by another program in the meantime"),
  );
  expect(steps).toEqual(["noted"]);
  expect(await rotate()).toBe(3);
  expect(readdirSync(folder).filter((name) => /^main\.\d/.test(name))).toEqual(["main.1", "main.2"]);
});

test("a rotation whose partition somebody has removed is given up, and what is left goes elsewhere", async () => {
  await withTasks(3, [ended, "insert into rotation values (1, 'lost', 2)"]);
  expect(await upkeep((store) => store.nextPartition())).toBe(join(folder, "main.1"));
  expect(await rotate()).toBe(3);
  expect(values("main.db", "select * from rotation")).toEqual([]);
});

test("of two rotations at once the one that comes too late is told that nothing is lost", async () => {
  await withTasks(5000, [ended]);
  // As the other one does at its end.
  const finish = (): void => inFile(file, (db) => void db.run("delete from rotation"));
  const late = upkeep(async (store) => store.rotate(await store.nextPartition(), 1, finish));
  expect(await late.catch(String)).toContain("was faster - nothing is lost, start again for what is left");
  expect(values("main.1", "select count(*) from task")).toEqual([[2000]]);
  expect(await rotate()).toBe(3000);
});

test("partitions are named after the file without its extension", () => {
  for (const [name, expected] of [
    ["main.db", "main.3"],
    ["my.tasks.sqlite", "my.tasks.3"],
    ["tasks", "tasks.3"],
    [".db", ".db.3"],
    // A partition that is looked at by itself.
    ["main.1", "main.1.3"],
  ] as const)
    expect(partitionPath(join("/x", name), 3)).toBe(join("/x", expected));
});

test("a dot in the name stands for itself, and a file has no partition that is itself", async () => {
  await withTasks(1, [ended]);
  await rotate();
  inFile(file, (db) => db.query("vacuum into ?").run(join(folder, "mainx1")));
  const history = openSqliteHistory({ file: join(folder, "main.1"), pragmas });
  expect(await history.count({ where: [], orderBy: null, descending: false, limit: null })).toBe(1);
  await history.close();
});

test("truncating leaves the tables of a new database, and a small file", async () => {
  await withTasks(500, [ended]);
  const before = values("main.db", "select name, sql from sqlite_master order by name");
  await upkeep(async (store) => {
    expect(await store.total()).toBe(500);
    await store.truncate();
    expect(await store.total()).toBe(0);
  });
  expect(values("main.db", "select name, sql from sqlite_master order by name")).toEqual(before);
  expect(values("main.db", "select count(*) from client").flat()).toEqual([0]);
  expect(statSync(file).size).toBeLessThan(200_000);
  expect(existsSync(join(folder, "main.1"))).toBe(false);
});
