import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../src/base/clock.ts";
import { Connection } from "../../src/store/sqlite/connection.ts";
import { openSqliteRecords, prepareRecords, type SqliteRecords } from "../../src/history/sqlite/records.ts";
import { findRoute } from "../../src/history/sqlite/route.ts";
import { tableOf, type TaskTable } from "../../src/history/sqlite/table.ts";
import { openSqlite } from "../../src/store/sqlite/sqlite.ts";
import { parseCondition, parseTagFilter } from "../../src/task/filter.ts";
import { makeTask, t0 } from "./store.ts";

let folder: string;
let indexed: Connection;
let bare: Connection;
let table: TaskTable;
const tags = [{ part: 0 }, { site: "a", part: 0 }, { site: "b", n: 1, part: 0 }, { n: 1, part: 0 }];
const statuses = [0, 0, 1, null, -1, 0, 70, null];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "hs-route-"));
  const [file, copy] = [join(folder, "main.db"), join(folder, "bare.db")];
  const store = openSqlite({ file, pragmas: {}, clock: systemClock });
  // Times go down in pairs while rows go up.
  const task = (_: unknown, i: number) => makeTask({ submitTime: t0 - (i >> 1) * 1000, tag: tags[(i >> 2) % 4]! });
  await store.insert(Array.from({ length: 160 }, task));
  await store.close();
  indexed = new Connection({ file, pragmas: {}, readOnly: false });
  for (const [i, status] of statuses.entries())
    indexed.db.run(`update task set exit_status = ? where rowid % ${statuses.length} = ?`, [status, i]);
  // By hand: a status without an end, an end without a status, a number among times.
  indexed.db.run("update task set completion_time = submit_time where exit_status is not null and rowid <> 5");
  indexed.db.run("update task set completion_time = submit_time where rowid = 8");
  indexed.db.run("update task set submit_time = 2026 where rowid = 100");
  // Written by an older program, which knows numbers that JSON does not.
  indexed.db.run(`update task set tag = '{"site": "a", "n": NaN}' where rowid = 50`);
  indexed.db.run(`update task set tag = 'no tags' where rowid = 60`);
  indexed.db.run(`vacuum into '${copy}'`);
  bare = new Connection({ file: copy, pragmas: {}, readOnly: false });
  for (const name of ["task_status", "task_tag", "task_submit_time"]) bare.db.run(`drop index ${name}`);
  table = tableOf(indexed, 20_000);
});
afterAll(() => {
  indexed.close();
  bare.close();
  rmSync(folder, { recursive: true, force: true });
});

const nobody = "01900000-0000-7000-8000-000000000000";

const conditions = (text: string) =>
  text.split(" & ").map((each) => (each.includes(" ") ? parseCondition(each) : parseTagFilter(each)));

describe("a search begins", () => {
  const begins = (text: string): unknown => {
    const route = findRoute(table, conditions(text));
    if (route.kind !== "entries") return route.kind;
    return [route.index.name, route.values, route.rest.sql];
  };

  test("at what is open or did not end well, by each status that matches", () => {
    expect(begins("exit_status == null")).toEqual(["task_status", [null], "1"]);
    expect(begins("exit_status != 0")).toEqual(["task_status", [-1, 1, 70], "1"]);
    expect(begins("exit_status > 1")).toEqual(["task_status", [70], "1"]);
    expect(begins("exit_status == 1 & cores == 2")).toEqual(["task_status", [1], '"cores" = ?']);
    expect(begins("exit_status == 5")).toEqual(["task_status", [], "1"]);
    expect(begins("exit_status == null & exit_status > 1")).toEqual(["task_status", [], "1"]);
  });

  test("along the table for what most tasks are", () => {
    for (const each of ["exit_status == 0", "exit_status != null", "exit_status > -1", "part:0", "part", "cores == 2"])
      expect(begins(each)).toBe("table");
  });

  test("at tags that few tasks have, read as people see them", () => {
    expect(begins("site:a & cores == 2")).toMatchObject([
      "task_tag",
      ['{"site": "a", "n": NaN}', '{"site": "a", "part": 0}'],
      '"cores" = ?',
    ]);
    expect(begins("n:NaN")).toMatchObject(["task_tag", ['{"site": "a", "n": NaN}'], "1"]);
    expect(begins("none")).toMatchObject(["task_tag", [], "1"]);
  });

  test("where less is to be read", () => {
    expect(begins("exit_status == 1 & site")).toMatchObject(["task_status", [1], expect.any(String)]);
    expect(begins("n:NaN & exit_status == null")).toMatchObject(["task_tag", expect.any(Array), expect.any(String)]);
  });

  test("at the one row with an id, and nowhere if nothing can match", () => {
    expect(begins(`id == ${nobody} & exit_status == 1`)).toBe("one");
    expect(findRoute(table, [{ kind: "tagKey", key: "no$key" }, ...conditions("site:a")]).kind).toBe("none");
  });

  test("in the part of the table with times in question", () => {
    expect(findRoute(table, conditions("submit_time > 2026-11-22 07:40:57"))).toEqual({
      kind: "table",
      from: 1,
      to: 4,
    });
    expect(findRoute(table, conditions("submit_time > 2030-11-22 07:40"))).toEqual({ kind: "table", from: 0, to: -1 });
  });
});

test("without indices the same is found, counted and put in order", async () => {
  const texts = [
    "cores == 2",
    `id != ${nobody}`,
    "id ~ [05]$",
    "exit_status ",
    "site",
    "site:a",
    "site:b",
    "n:1",
    "n:NaN",
    "part:0",
    "no",
  ];
  const comparisons = ["== null", "!= null", "== 0", "!= 0", "== 1", "!= 1", "> 0", ">= 0", "< 1", "<= -1", "> 69"];
  const times = [
    "> 2026",
    "< 2026-11-22 07:40:30",
    ">= 2026-11-22 07:40:20.999",
    "== 2026-11-22 07:40:50",
    "!= 2027-01-01 00:00:00",
  ];
  const wheres = [
    "id ~ .",
    ...texts.filter((text) => !text.endsWith(" ")),
    ...comparisons.map((text) => `exit_status ${text}`),
    ...times.map((text) => `submit_time ${text}`),
    "exit_status != 0 & site:a",
    "site & n:1",
    "submit_time > 2026-11-22 07:40:30 & exit_status == null & site:b",
    "submit_time > 2026-11-22 07:40:20 & submit_time <= 2026-11-22 07:40:50 & submit_time != 2026-11-22 07:40:40",
  ].map(conditions);
  const [fast, slow] = [prepareRecords(indexed), prepareRecords(bare)];
  for (const where of wheres) {
    for (const orderBy of [null, "submit_time", "exit_status", "tag"] as const) {
      for (const [descending, limit] of [
        [false, null],
        [true, 7],
      ] as const) {
        const selection = { where, orderBy, descending: descending && orderBy !== null, limit };
        const found = (records: SqliteRecords): unknown[] =>
          [...records.rows(selection, ["submit_time", "tag"])].map((row) => row.slice(0, 3));
        const expected = found(slow);
        expect(found(fast)).toEqual(expected);
        expect(await fast.count(selection)).toBe(expected.length);
        expect(await slow.count(selection)).toBe(expected.length);
      }
    }
  }
});

test("an order by time goes along the index when much is to be put in order, and stops at both ends of a range", () => {
  const file = join(folder, "large.db");
  const connection = new Connection({ file, pragmas: { synchronous: "off" }, readOnly: false });
  connection.db.run(
    `with recursive n (i) as (select 1 union all select i + 1 from n where i < 21000)
     insert into task (id, "group", args, submit_id, submit_time, attempt, retried, tag)
     select 'id' || i, 0, i, 's', printf('2026-01-01 00:%02d:00', (i * 7) % 60), 1, 0, '{"part": 0}' from n`,
  );
  const records = prepareRecords(connection);
  const found = (where: string, descending: boolean, limit: number | null = null): readonly number[] =>
    [...records.rows({ where: conditions(where), orderBy: "submit_time", descending, limit }, ["submit_time"])].map(
      ([row]) => Number(row),
    );
  const expected = (from: number, to: number, descending: boolean): number[] => {
    const minute = (row: number): number => (row * 7) % 60;
    const sign = descending ? -1 : 1;
    return Array.from({ length: 21000 }, (_, i) => i + 1)
      .filter((row) => minute(row) >= from && minute(row) <= to)
      .toSorted((one, other) => sign * (minute(one) - minute(other) || one - other));
  };
  for (const descending of [false, true]) {
    expect(found("group == 0", descending)).toEqual(expected(0, 59, descending));
    expect(found("submit_time > 2026-01-01 00:49:30 & submit_time <= 2026-01-01 00:52:00", descending)).toEqual(
      expected(50, 52, descending),
    );
    expect(found("args ~ ^1", descending, 3)).toEqual(
      expected(0, 59, descending)
        .filter((row) => String(row).startsWith("1"))
        .slice(0, 3),
    );
  }
  // Rare tasks far from the beginning are put in order by themselves, after those that were found on the way.
  connection.db.run("update task set exit_status = 1 where rowid > 1000");
  connection.db.run("update task set exit_status = 0 where rowid % 60 < 58 and rowid > 1000");
  const failed = (row: number): boolean => row > 1000 && row % 60 >= 58;
  connection.db.run("update task set exit_status = 0 where rowid <= 1000");
  for (const descending of [false, true]) {
    for (const few of [100, 1000]) {
      const selection = {
        where: conditions("exit_status == 1"),
        orderBy: "submit_time",
        descending,
        limit: null,
      } as const;
      const rows = [...prepareRecords(connection, few).rows(selection, [])].map(([row]) => Number(row));
      expect(rows).toEqual(expected(0, 59, descending).filter(failed));
    }
  }
  connection.close();
});

describe("tag maps in use", () => {
  const listed = async (connection: Connection): Promise<unknown[]> => {
    const found: unknown[] = [];
    for await (const each of prepareRecords(connection).tagSets()) found.push(each);
    return found;
  };

  test("come in order of first appearance, with an index or without", async () => {
    const expected = [...tags, { site: "a", n: "NaN" }, {}];
    expect(await listed(indexed)).toEqual(expected);
    expect(
      (await listed(bare)).filter((each, i, all) => all.findIndex((other) => Bun.deepEquals(each, other)) === i),
    ).toEqual(expected);
  });
});

test("who only looks adds nothing to a database, who writes is told before it takes long", async () => {
  const file = join(folder, "old.db");
  const names = (): unknown[] => {
    const connection = new Connection({ file, pragmas: {}, readOnly: true });
    const found = connection.db.query("select name from sqlite_master").values().flat();
    connection.close();
    return found;
  };
  const first = new Connection({ file, pragmas: {}, readOnly: false });
  first.db.run("drop index task_tag");
  first.db.run(
    `insert into task (rowid, id, "group", args, submit_id, submit_time, attempt, retried, tag)
     values (1500000, 'i', 0, 'a', 's', 't', 1, 0, '{}')`,
  );
  first.close();
  await openSqliteRecords({ file, pragmas: {} }).close();
  expect(names()).not.toContain("task_tag");
  const told: string[] = [];
  const open = (): void =>
    new Connection({ file, pragmas: {}, readOnly: false, notice: (text) => told.push(text) }).close();
  open();
  open();
  expect(names()).toContain("task_tag");
  expect(told).toEqual([expect.stringContaining("1500000 rows")]);
});
