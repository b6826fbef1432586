/*
 * A database that the reference wrote opens, is only added to, runs, retries, and stays readable and writable for the
 * reference.
 */
import { everyFailure } from "../../src/task/retries.ts";
import { Database } from "bun:sqlite";
import { afterEach, beforeEach, expect, test } from "bun:test";
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { newId } from "../../src/base/ids.ts";
import { Connection } from "../../src/store/sqlite/connection.ts";
import { taskFields } from "../../src/task/field.ts";
import { claimed, completion, makeCommit, makeTask, request } from "../conformance/store.ts";
import { expectSound } from "../fault/sound.ts";
import { openSqliteWithRecords } from "../sqlite.ts";

const fixtures = join(import.meta.dir, "reference-2.8.2");
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hs-compat-"));
  for (const name of ["main.db", "main.1"]) copyFileSync(join(fixtures, name), join(folder, name));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const open = (name: string) => openSqliteWithRecords(join(folder, name));
const everything = { kind: "all" } as const;

function inFile<T>(name: string, work: (db: Database) => T): T {
  const db = new Database(join(folder, name));
  try {
    return work(db);
  } finally {
    db.close();
  }
}

const sqlOf = (db: Database): Map<string, string | null> =>
  new Map(db.query("select name, sql from sqlite_master").values() as [string, string | null][]);

test("opening adds tables and indices, and changes neither what was there nor any row", async () => {
  const rowsOf = (db: Database): unknown[] => [
    ...db.query("select rowid, * from task").values(),
    ...db.query("select rowid, * from client").values(),
  ];
  for (const name of ["main.db", "main.1"]) {
    const before = inFile(name, (db) => ({ sql: sqlOf(db), rows: rowsOf(db) }));
    const connection = new Connection({ file: join(folder, name), pragmas: {}, readOnly: false });
    expect(connection.created).toBe(false);
    connection.close();
    await open(name).close();
    inFile(name, (db) => {
      const after = sqlOf(db);
      for (const [entry, sql] of before.sql) expect(after.get(entry)).toBe(sql);
      expect([...after.keys()]).toContain("submission");
      expect(rowsOf(db)).toEqual(before.rows);
      expect(db.query("pragma integrity_check").values()).toEqual([["ok"]]);
    });
  }
});

test("what the reference wrote is sound, before this program has written to it and after", async () => {
  await expectSound(join(folder, "main.db"));
  await open("main.db").close();
  await expectSound(join(folder, "main.db"));
});

test("rows of the reference are shown as the reference shows them", async () => {
  const expected = JSON.parse(readFileSync(join(fixtures, "list.json"), "utf8")) as Record<string, unknown>[];
  const shown: Record<string, unknown>[] = [];
  for (const name of ["main.db", "main.1"]) {
    const store = open(name);
    const query = { fields: taskFields, where: [], orderBy: null, descending: false, limit: null };
    for await (const row of store.search(query))
      shown.push(Object.fromEntries(taskFields.map((field, i) => [field, row[i]])));
    await store.close();
  }
  expect(shown).toEqual(expected);
});

test("unfinished tasks of the reference are claimed in groups, and their outcomes recorded", async () => {
  const store = open("main.db");
  const survey = await store.survey(everything);
  expect([survey.unfinished, await store.total(everything)]).toEqual([2, 3]);
  const [first] = claimed(await store.claim(request({ scope: everything })));
  expect(first).toMatchObject({
    args: 'echo "hello world"',
    group: 0,
    attempt: 1,
    cores: null,
    tag: { part: 0 },
    submitHost: "node01.example.edu",
    submitTime: new Date(2026, 10, 22, 7, 41, 9).getTime() + 574.602,
  });
  expect(await store.submission(first!.submitId)).toBeNull();
  await store.commit(makeCommit({ completed: [completion(first!)] }));
  expect(await store.claim(request({ scope: everything, group: 0 }))).toEqual({
    kind: "advance",
    to: 2,
    heldBack: null,
  });
  const [second] = claimed(await store.claim(request({ scope: everything, group: 2 })));
  expect(second).toMatchObject({ args: "echo later 2", tag: { batch: 2, part: 0 } });
  await store.close();
});

test("interrupted tasks of the reference are given back", async () => {
  inFile("main.db", (db) =>
    db.run(
      "update task set schedule_time = submit_time, server_id = 'gone', client_id = 'gone' " +
        "where completion_time is null",
    ),
  );
  const store = open("main.db");
  expect(await store.revertOrphans()).toBe(2);
  expect(claimed(await store.claim(request({ scope: everything }))).length).toBe(1);
  await store.close();
});

test("failures of the reference get another attempt that is linked and keeps what the task has", async () => {
  const store = open("main.1");
  expect(await store.retryFailures(everything, everyFailure(2), Date.now(), newId)).toBe(0);
  expect(await store.retryFailures(everything, everyFailure(3), Date.now(), newId)).toBe(2);
  const tasks = claimed(await store.claim(request({ scope: everything, retries: everyFailure(3) })));
  const again = tasks.find(({ args }) => args === "false");
  expect(again).toMatchObject({
    attempt: 3,
    previousId: "4cfed36f-05fc-4c9f-919c-2437f0a9bd9a",
    tag: { site: "b", n: 3, val: 1.5, part: 0 },
  });
  expect(await store.find("4cfed36f-05fc-4c9f-919c-2437f0a9bd9a")).toMatchObject({ retried: true, next_id: again!.id });
  await store.close();
});

test("text in number columns, as older programs stored it, stops nothing", async () => {
  inFile("main.db", (db) =>
    db.run("update task set cores = 'x', timeout = '10m', memory = 1.5, tag = '{\"a\": NaN}' where \"group\" = 0"),
  );
  const store = open("main.db");
  const [task] = claimed(await store.claim(request({ scope: everything })));
  expect(task).toMatchObject({ cores: null, timeout: null, memory: 1.5, tag: { a: "NaN" } });
  expect(await store.find(task!.id)).toMatchObject({ cores: "x", timeout: "10m" });
  await store.close();
});

test("statements as the reference writes them work beside an open store, and are seen there", async () => {
  const store = open("main.db");
  await store.addSubmission({
    id: newId(),
    time: Date.now(),
    host: "h",
    user: "u",
    cwd: "/",
    template: "echo {}",
    version: "1",
  });
  await store.insert([makeTask({ group: 7 })]);
  inFile("main.db", (db) => {
    const columns = taskFields.map((field) => `"${field}"`);
    const row = db.query(`select ${columns.join(", ")} from task where "group" = 2`).values()[0]!;
    row[0] = newId();
    db.query(`insert into task (${columns.join(", ")}) values (${columns.map(() => "?").join(", ")})`).run(
      ...(row as string[]),
    );
    db.run("update task set schedule_time = '2026-11-22 08:00:00.000000', server_id = 'x' where \"group\" = 0");
    expect(db.query("select count(*) from task where schedule_time is null").values()).toEqual([[3]]);
  });
  expect(await store.claim(request({ scope: everything, group: 0 }))).toEqual({
    kind: "waiting",
    busyGroup: 0,
    unfinished: 1,
  });
  expect((await store.survey(everything)).unfinished).toBe(4);
  await store.close();
});
