import { Database } from "bun:sqlite";
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UserError } from "../../../../src/base/errors.ts";
import type { Change, EditStore, Selection } from "../../../../src/history/history.ts";
import { openSqliteEdits } from "../../../../src/history/sqlite/edits.ts";
import { parseCondition } from "../../../../src/task/filter.ts";
import type { TaskField } from "../../../../src/task/field.ts";

let folder: string;
let db: Database;
let edits: EditStore;
/** Called once, when the next transaction begins. */
let meanwhile: (() => void) | null = null;
const at = new Date(2027, 0, 10, 12).getTime();

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hs-edits-"));
  const file = join(folder, "main.db");
  const echo = (sql: string): void => {
    if (sql !== "begin immediate") return;
    const action = meanwhile;
    meanwhile = null;
    action?.();
  };
  edits = openSqliteEdits({ file, pragmas: { synchronous: "off" }, echo });
  db = new Database(file);
});
afterEach(async () => {
  meanwhile = null;
  db.close();
  await edits.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Tasks named by a letter each, in order. */
function add(letters: string, more: Readonly<Record<string, string | number | null>> = {}): void {
  const names = Object.keys(more).map((name) => `, ${name}`);
  const marks = names.map((_, i) => `, ?${i + 2}`);
  for (const letter of letters) {
    db.run(
      `insert into task (id, "group", args, submit_id, submit_time, attempt, retried, tag${names.join("")})
       values (?1, 0, ?1, 's', '2027-01-10 11:00:00.000000', 1, 0, '{"part": 0}'${marks.join("")})`,
      [letter, ...Object.values(more)],
    );
  }
}

const select = (...where: string[]): Selection => ({
  where: where.map(parseCondition),
  orderBy: null,
  descending: false,
  limit: null,
});
const change = (selection: Selection, what: Partial<Change>) =>
  edits.change(selection, { action: null, fields: new Map(), tags: {}, removedTags: [], ...what }, at);
const column = (sql: string): unknown[] => db.query(sql).values().flat();

test("what ends after it was selected is not cancelled, and what is gone does not come back", async () => {
  add("abc");
  meanwhile = () => {
    db.run("update task set completion_time = 't', exit_status = 3 where id = 'a'");
    db.run("delete from task where id = 'c'");
  };
  expect(await change(select(), { action: "cancel", tags: { why: "late" } })).toEqual({ changed: 1, held: 0 });
  expect(column("select exit_status from task order by id")).toEqual([3, -1]);
  expect(column("select tag from task where id = 'a'")).toEqual(['{"part": 0}']);
});

test("a result that arrives after the selection stays, and what no longer matches is left alone", async () => {
  add("ab");
  meanwhile = () => {
    db.run("update task set command = 'ran', exit_status = 0, completion_time = 't' where id = 'a'");
    db.run("update task set args = 'other' where id = 'b'");
  };
  const fields = new Map<TaskField, string | number>([["timeout", 9]]);
  expect(await change(select("args ~ ^[ab]$"), { fields })).toEqual({ changed: 1, held: 0 });
  expect(db.query("select command, exit_status, timeout from task order by id").values()).toEqual([
    ["ran", 0, 9],
    [null, null, null],
  ]);
});

test("a task that is taken after the selection is told to its server", async () => {
  add("a");
  meanwhile = () => db.run("update task set server_id = 'other', schedule_time = 't' where id = 'a'");
  expect(await change(select(), { action: "delete" })).toEqual({ changed: 1, held: 1 });
  expect(db.query("select server_id, task_id, kind from recall").values()).toEqual([["other", "a", "deleted"]]);
});

test("rows may be numbered anew in between", async () => {
  add("abcd");
  db.run("delete from task where id = 'a'");
  meanwhile = () => db.run("update task set rowid = 10 - rowid");
  expect(await change(select("args == b"), { tags: { x: 1 } })).toEqual({ changed: 1, held: 0 });
  expect(column(`select id from task where tag like '%"x"%'`)).toEqual(["b"]);
});

test("a revert takes whole chains, selected by the links that it cuts", async () => {
  add("a", { exit_status: 1, next_id: "b" });
  add("b", { exit_status: 1, previous_id: "a", next_id: "c" });
  add("c", { exit_status: 1, previous_id: "b" });
  expect(await change(select("previous_id != null"), { action: "revert" })).toEqual({ changed: 2, held: 0 });
  expect(db.query("select id, previous_id, next_id, exit_status from task").values()).toEqual([
    ["a", null, "b", 1],
    ["b", "a", null, null],
    ["c", null, null, null],
  ]);
});

test("tags of older programs keep what JSON does not know", async () => {
  add("abc");
  db.run(`update task set tag = '{"n":NaN,"x":{"y": [1, "}"]},"big":12345678901234567890,"f":1.0}' where id = 'a'`);
  db.run("update task set tag = 'no tags' where id = 'b'");
  await change(select(), { tags: { "x.y": true } });
  expect(column("select tag from task order by id")).toEqual([
    '{"n": NaN, "x": {"y": [1, "}"]}, "big": 12345678901234567890, "f": 1.0, "x.y": true}',
    '{"x.y": true}',
    '{"part": 0, "x.y": true}',
  ]);
});

test("a value that a column does not take is a bad argument, and nothing is changed", async () => {
  add("ab");
  for (const [field, value] of [
    ["args", null],
    ["next_id", "x"],
  ] as const) {
    const refused = await change(select(), { fields: new Map([[field, value]]) }).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(UserError);
    expect(refused).toMatchObject({ status: 2, message: expect.stringContaining(field) });
  }
  expect(column("select args from task")).toEqual(["a", "b"]);
  expect(await change(select(), {})).toEqual({ changed: 0, held: 0 });
});
