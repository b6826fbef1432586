import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UserError } from "../../../../src/base/errors.ts";
import type { RecordQuery, RecordStore } from "../../../../src/history/history.ts";
import type { Store } from "../../../../src/store/store.ts";
import type { Condition, Operator } from "../../../../src/task/filter.ts";
import { type TaskField, taskFields } from "../../../../src/task/field.ts";
import type { TagValue, Tags } from "../../../../src/task/task.ts";
import { completion, makeCommit, makeTask, makeTasks, request, t0 } from "../../../conformance/store.ts";
import { openSqliteWithRecords } from "../../../sqlite.ts";

let folder: string;
let store: Store & RecordStore;

const tags: readonly Tags[] = [
  { site: "b", n: 1, part: 0 },
  { site: "B", n: 1.0, flag: true, part: 0 },
  { naked: "", n: 2.5, flag: false, part: 0 },
  { nul: null, n: "1", flag: 1, part: 0 },
  { "a.b-c+d": "x", zero: 0, part: 0 },
  { part: 0 },
];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "hs-records-"));
  store = openSqliteWithRecords(join(folder, "main.db"));
  // One hour apart; the first three end: 0, 3 and -1.
  const tasks = tags.map((tag, i) =>
    makeTask({
      args: `echo ${"abcdef"[i]} ÄÖ`,
      tag,
      group: i % 2,
      submitTime: t0 + i * 3_600_000,
      cores: i === 5 ? null : i,
    }),
  );
  await store.insert(tasks);
  await store.claim(request({ scope: { kind: "all" } }));
  const ends = [0, 3, -1].map((exitStatus, i) => completion(tasks[i]!, { exitStatus, duration: i + 0.5 }));
  await store.commit(makeCommit({ completed: ends }));
});
afterAll(async () => {
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});

const query = (fields: Partial<RecordQuery> = {}): RecordQuery => ({
  fields: ["args"],
  where: [],
  orderBy: null,
  descending: false,
  limit: null,
  ...fields,
});
const is = (field: TaskField, operator: Operator, value: TagValue): Condition => ({
  kind: "field",
  field,
  operator,
  value,
});
const hasTag = (key: string): Condition => ({ kind: "tagKey", key });
const tagIs = (key: string, value: TagValue): Condition => ({ kind: "tagValue", key, value });

/** The letters of the tasks that match, and that counting finds as many. */
async function found(where: readonly Condition[], more: Partial<RecordQuery> = {}): Promise<string> {
  let letters = "";
  for await (const [args] of store.search(query({ where, ...more }))) letters += String(args)[5];
  expect(await store.count(query({ where, ...more }))).toBe(letters.length);
  return letters;
}

describe("conditions", () => {
  test("none: every task, in order of insertion", async () => {
    expect(await found([])).toBe("abcdef");
  });

  test("numbers compare as numbers, and several conditions must all hold", async () => {
    expect(await found([is("cores", ">=", 3)])).toBe("de");
    expect(await found([is("cores", "<=", 2), is("cores", "!=", 1)])).toBe("ac");
    expect(await found([is("duration", ">", 1.4)])).toBe("bc");
  });

  test("a null field matches only == null", async () => {
    expect(await found([is("exit_status", "==", null)])).toBe("def");
    expect(await found([is("exit_status", "!=", null)])).toBe("abc");
    expect(await found([is("exit_status", "!=", 0)])).toBe("bc");
    expect(await found([is("cores", "<", 100)])).toBe("abcde");
    expect(await found([is("cores", ">", null)])).toBe("");
  });

  test("times compare as text: a part of a date will do", async () => {
    expect(await found([is("submit_time", ">", "2026-11-22 09")])).toBe("cdef");
    expect(await found([is("submit_time", "<", 2027)])).toBe("abcdef");
    expect(await found([is("submit_time", ">=", 2027)])).toBe("");
  });

  test("numbers and texts have no order among each other", async () => {
    expect(await found([is("exit_status", "<", "abc")])).toBe("");
    expect(await found([is("exit_status", "==", "abc")])).toBe("");
  });

  test("booleans are true or 1", async () => {
    expect(await found([is("retried", "==", false)])).toBe("abcdef");
    expect(await found([is("retried", "==", 1)])).toBe("");
  });

  test("a value is never part of the statement", async () => {
    expect(await found([is("args", "==", "x' or 1 --")])).toBe("");
    expect(await found([hasTag(`site") or 1 --`)])).toBe("");
    expect(await found([tagIs("site", "b' or 1 --")])).toBe("");
  });

  test("a regular expression is looked for anywhere, case counts unless it says otherwise", async () => {
    expect(await found([is("args", "~", "[ace] ")])).toBe("ace");
    expect(await found([is("args", "~", "äö$")])).toBe("");
    expect(await found([is("args", "~", "(?i:äö$)")])).toBe("abcdef");
    expect(await found([is("command", "~", ".")])).toBe("abc");
    expect(await found([is("submit_time", "~", " 0[89]:"), is("args", "~", "b|x")])).toBe("b");
  });

  test("a regular expression that is none, or for a number, is a bad argument", async () => {
    for (const condition of [is("args", "~", "("), is("exit_status", "~", "1"), is("args", "~", null)]) {
      const refused = store.count(query({ where: [condition] })).catch((error: unknown) => error);
      expect(await refused).toBeInstanceOf(UserError);
      expect(await refused).toMatchObject({ status: 2 });
    }
  });
});

describe("tags", () => {
  test("by key: any value, also empty, null and false", async () => {
    expect(await found([hasTag("site")])).toBe("ab");
    expect(await found([hasTag("naked")])).toBe("c");
    expect(await found([hasTag("nul")])).toBe("d");
    expect(await found([hasTag("flag")])).toBe("bcd");
    expect(await found([hasTag("a.b-c+d")])).toBe("e");
    expect(await found([hasTag("a")])).toBe("");
    expect(await found([hasTag("part"), hasTag("n"), hasTag("flag")])).toBe("bcd");
  });

  test("by value: of the same type, numbers by value, text with its case", async () => {
    expect(await found([tagIs("site", "b")])).toBe("a");
    expect(await found([tagIs("n", 1)])).toBe("ab");
    expect(await found([tagIs("n", 2.5)])).toBe("c");
    expect(await found([tagIs("n", "1")])).toBe("d");
    expect(await found([tagIs("flag", true)])).toBe("b");
    expect(await found([tagIs("flag", 1)])).toBe("d");
    expect(await found([tagIs("flag", false)])).toBe("c");
    expect(await found([tagIs("zero", false)])).toBe("");
    expect(await found([tagIs("nul", null)])).toBe("d");
    expect(await found([tagIs("missing", null)])).toBe("");
    expect(await found([tagIs("naked", "")])).toBe("c");
  });
});

describe("order and limit", () => {
  test("an order puts nulls first upwards and last downwards", async () => {
    expect(await found([], { orderBy: "cores" })).toBe("fabcde");
    expect(await found([], { orderBy: "cores", descending: true })).toBe("edcbaf");
    expect(await found([], { orderBy: "group" })).toBe("acebdf");
  });

  test("a limit counts what passes every condition", async () => {
    expect(await found([], { limit: 2 })).toBe("ab");
    expect(await found([is("args", "~", "[bdf]")], { limit: 2 })).toBe("bd");
    expect(await found([is("args", "~", "[bdf]")], { limit: 2, orderBy: "submit_time", descending: true })).toBe("fd");
    expect(await found([], { limit: 2, orderBy: "cores", descending: true })).toBe("ed");
    expect(await found([], { limit: 0 })).toBe("");
  });
});

describe("values", () => {
  test("are in display form, in the order asked for, repeats included", async () => {
    const fields: TaskField[] = ["retried", "tag", "submit_time", "cores_max", "group", "group", "duration"];
    for await (const row of store.search(query({ fields, limit: 1 }))) {
      expect(row).toEqual([false, { site: "b", n: 1, part: 0 }, "2026-11-22 07:40:58", null, 0, 0, 0.5]);
    }
  });

  test("a record has every field, and an unknown id has none", async () => {
    for await (const [id] of store.search(query({ fields: ["id"], limit: 1 }))) {
      expect(Object.keys((await store.find(String(id)))!)).toEqual([...taskFields]);
    }
    expect(await store.find("00000000-0000-0000-0000-000000000000")).toBeNull();
  });
});

test("a search of many pages shows every row once, ordered or not, and lets others write in between", async () => {
  const file = join(folder, "many.db");
  const many = openSqliteWithRecords(file, { journal_mode: "delete", busy_timeout: 0 });
  await many.insert(makeTasks(1203));
  for (const orderBy of [null, "args"] as const) {
    const seen = new Set<unknown>();
    for await (const [id] of many.search(query({ fields: ["id"], orderBy }))) {
      seen.add(id);
      if (seen.size !== 600) continue;
      const other = new Database(file);
      other.run("update task set tag = tag where rowid = 1");
      other.close();
    }
    expect(seen.size).toBe(1203);
  }
  // Left half-way, nothing stays behind.
  for await (const _ of many.search(query({ orderBy: "id" }))) break;
  await many.close();
});
