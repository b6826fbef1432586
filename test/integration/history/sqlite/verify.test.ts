/* What only an SQLite file can have wrong: pages, indices, clock, partitions. The rest: test/conformance/verify.ts. */
import { Database } from "bun:sqlite";
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../../../src/base/clock.ts";
import type { Fault } from "../../../../src/history/faults.ts";
import { openSqliteUpkeep } from "../../../../src/history/sqlite/upkeep.ts";
import { openSqliteCheck } from "../../../../src/history/sqlite/verify.ts";
import { openSqlite } from "../../../../src/store/sqlite/sqlite.ts";
import { makeTasks } from "../../../conformance/store.ts";

let folder: string;
let file: string;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "hs-verify-"));
  file = join(folder, "main.db");
  const store = openSqlite({ file, pragmas: { synchronous: "off" }, clock: systemClock });
  await store.insert(makeTasks(20));
  await store.close();
  run(
    `update task set completion_time = submit_time, schedule_time = submit_time, start_time = submit_time,
       exit_status = 0, command = args`,
  );
});
afterEach(() => rmSync(folder, { recursive: true }));

function run(...statements: readonly string[]): void {
  const db = new Database(file);
  try {
    for (const sql of statements) db.run(sql);
  } finally {
    db.close();
  }
}

async function look(repair = false): Promise<readonly Fault[]> {
  const store = openSqliteCheck({ file, pragmas: {} });
  const found: Fault[] = [];
  try {
    await store.check({ whole: true, isAlive: () => true, hasFile: null }, (fault) => void found.push(fault));
    if (repair) for (const fault of found) if (fault.mendable) await store.mend(fault, () => true);
    return found;
  } finally {
    await store.close();
  }
}

const kinds = (faults: readonly Fault[]): readonly string[] => faults.map(({ kind }) => kind);

async function rotate(): Promise<void> {
  const upkeep = openSqliteUpkeep({ file, pragmas: {}, clock: systemClock });
  await upkeep.rotate(await upkeep.nextPartition(), 1);
  await upkeep.close();
}

test("an index that does not fit its table is told, and made anew", async () => {
  const odd = "2027-01-01 00:00:00.000000";
  run(`update task set submit_time = '${odd}' where rowid = 3`, "pragma journal_mode = delete");
  // Another minute in the index than in the table.
  const bytes = readFileSync(file);
  const leafOfIndex = 0x0a;
  for (let page = 4096; page < bytes.length; page += 4096) {
    const at = bytes.indexOf(odd, page);
    if (bytes[page] === leafOfIndex && at >= page && at < page + 4096) bytes.write("01:00", at + 14);
  }
  writeFileSync(file, bytes);
  const [fault, ...others] = await look(true);
  expect([fault?.kind, fault?.place, fault?.mendable, others]).toEqual(["indices", "main.db", true, []]);
  expect(await look()).toEqual([]);
});

test("a clock that makes no sense is told, and left for a person", async () => {
  for (const broken of ["offset = 100000", "since_ms = -1", "since = 'yesterday'", "since = '2026-01-01 00:00:00'"]) {
    run("create table kept as select * from clock", `update clock set ${broken}`);
    expect([broken, kinds(await look(true))]).toEqual([broken, ["clock"]]);
    run("delete from clock", "insert into clock select * from kept", "drop table kept");
  }
  expect(await look()).toEqual([]);
  run("delete from clock");
  expect((await look())[0]).toMatchObject({ kind: "clock", other: "it has no row", mendable: false });
});

test("a partition that a rotation had begun to fill, and that is gone, is told until it is back", async () => {
  await rotate();
  const [partition, away] = [join(folder, "main.1"), join(folder, "away")];
  run("insert into rotation values (1, 'token', 20)");
  const db = new Database(partition);
  db.run("update rotation set token = 'token'");
  db.close();
  expect(await look()).toEqual([]);
  renameSync(partition, away);
  expect(await look()).toMatchObject([{ kind: "rotation", other: "1", mendable: false }]);
  renameSync(away, partition);
  expect(await look()).toEqual([]);
});

test("times and tags that no program writes are told", async () => {
  run(
    "update task set start_time = 'soon' where rowid = 1",
    "update task set tag = 'part: 0' where rowid = 2",
    // As version 2.8 writes them.
    `update task set submit_time = '2026-11-22 07:07:22', tag = '{"x": NaN, "part": 0}' where rowid = 3`,
  );
  expect(kinds(await look())).toEqual(["badTime", "badTags"]);
});

test("a file without a log is read as well, and so is one that holds no task", async () => {
  run("pragma journal_mode = delete");
  expect(await look()).toEqual([]);
  run("delete from task");
  expect(await look()).toEqual([]);
});

test("an attempt that is deleted while it is verified is told of nowhere, and mends nothing", async () => {
  const [first, second] = ["01900000-0000-7000-8000-000000000001", "01900000-0000-7000-8000-000000000002"];
  run(
    `update task set id = '${first}', exit_status = 1, retried = 1, next_id = '${second}' where rowid = 1`,
    // Of a program that tells of no submission.
    `update task set id = '${second}', submit_id = '5b2f1a34-8a51-4d6f-9a0e-0b5a3f7f2f10', attempt = 2,
       previous_id = '${first}', schedule_time = null, start_time = null, completion_time = null,
       exit_status = null, command = null where rowid = 2`,
    "insert into server (id, host, pid, reserves, started_at, beat_at) values ('s', 'h', 1, 0, 0, 0)",
  );
  await rotate();
  const inPartition = (sql: string): void => {
    const db = new Database(join(folder, "main.1"));
    db.run(sql);
    db.close();
  };
  const unlinked = `update task set next_id = null, retried = 0 where id = '${first}'`;
  const store = openSqliteCheck({ file, pragmas: {} });
  const lookDuring = async (meanwhile: () => void): Promise<Fault[]> => {
    const found: Fault[] = [];
    // It is asked when the main file is being read, before the partition is.
    const isAlive = (): boolean => (meanwhile(), true);
    await store.check({ whole: false, isAlive, hasFile: null }, (fault) => void found.push(fault));
    return found;
  };
  inPartition(unlinked);
  const [fault, ...others] = await lookDuring(() => undefined);
  expect([fault?.kind, fault?.place, fault?.mendable, others]).toEqual(["previousUnaware", "main.1", true, []]);
  inPartition(`update task set next_id = '${second}', retried = 1 where id = '${first}'`);
  const remove = (): void => {
    inPartition(unlinked);
    run(`delete from task where id = '${second}'`);
  };
  expect(await lookDuring(remove)).toEqual([]);
  expect(await store.mend(fault!, () => true)).toBe(false);
  expect(await lookDuring(() => undefined)).toEqual([]);
  await store.close();
});
