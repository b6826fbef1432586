/*
 * A rotation is killed (kill -9) after each of its steps: every task is there once, wherever it is by then, and the
 * next rotation goes on where this one ended.
 */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../src/base/clock.ts";
import { openSqlite } from "../../src/store/sqlite/sqlite.ts";
import { openSqliteHistory } from "../../src/history/sqlite/partitions.ts";
import { openSqliteUpkeep } from "../../src/history/sqlite/upkeep.ts";
import type { Selection } from "../../src/history/history.ts";
import type { TaskField } from "../../src/task/field.ts";
import { makeTasks } from "../conformance/store.ts";
import { inFile } from "../e2e/tables.ts";
import { expectSound } from "./sound.ts";

/** More than two batches of a rotation. */
const finished = 4500;
const unfinished = 30;

let folder: string;
let file: string;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "hs-rotation-"));
  file = join(folder, "main.db");
  const store = openSqlite({ file, pragmas: {}, clock: systemClock });
  await store.insert(makeTasks(unfinished));
  await store.insert(makeTasks(finished));
  await store.close();
  inFile(file, (db) =>
    db.run(
      "update task set completion_time = submit_time, exit_status = rowid % 3 - 1, schedule_time = submit_time, " +
        "start_time = submit_time, command = args " +
        `where rowid > ${unfinished}`,
    ),
  );
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function rotator(step: number, ...more: readonly string[]): Promise<{ lines: string[]; killed: boolean }> {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "rotator.ts"), file, String(step), ...more], {
    stdout: "pipe",
    stderr: "inherit",
  });
  const text = await new Response(child.stdout).text();
  await child.exited;
  return { lines: text.trim().split("\n"), killed: child.signalCode === "SIGKILL" };
}

const everything: Selection = { where: [], orderBy: null, descending: false, limit: null };

async function ids(selection: Partial<Selection> = {}): Promise<string[]> {
  const history = openSqliteHistory({ file, pragmas: {} });
  const found: string[] = [];
  const fields: readonly TaskField[] = ["id"];
  for await (const [id] of history.search({ ...everything, ...selection, fields })) found.push(String(id));
  expect(await history.count({ ...everything, ...selection })).toBe(found.length);
  for (const id of [found[0], found.at(-1), found[unfinished + 100]]) {
    if (id !== undefined) expect(await history.find(id)).toMatchObject({ id });
  }
  await history.close();
  return found;
}

const rows = (path: string, sql: string): number =>
  existsSync(path) ? inFile(path, (db) => Number(db.query(`select count(*) from ${sql}`).values()[0]?.[0])) : 0;

function putBack(): void {
  inFile(file, (db) => {
    db.query("attach database ? as part").run(join(folder, "main.1"));
    db.run("insert into main.task select * from part.task");
  });
  rmSync(join(folder, "main.1"));
}

test("whatever step a rotation dies after, each task is there once, and the next one ends it", async () => {
  const expected = new Set(await ids());
  expect(expected.size).toBe(finished + unfinished);
  const open = await ids({ where: [{ kind: "field", field: "exit_status", operator: "==", value: null }] });
  for (let step = 1; ; step++) {
    const { lines, killed } = await rotator(step);
    await expectSound(file, ["noSubmission"]);
    const found = await ids();
    expect([step, lines.at(-1), found.length]).toEqual([step, lines.at(-1), expected.size]);
    expect(expected.symmetricDifference(new Set(found)).size).toBe(0);
    const few = await ids({ orderBy: "submit_time", descending: true, limit: 10 });
    expect([few.length, few.every((id) => expected.has(id))]).toEqual([10, true]);
    const failed = await ids({ where: [{ kind: "field", field: "exit_status", operator: "!=", value: 0 }] });
    expect(failed.length).toBe(finished / 1.5);
    if (!killed) {
      expect(lines.at(-1)).toBe("moved 4500");
      expect(step).toBeGreaterThan(10);
      break;
    }
    // On with it, and back to where it began for the next step.
    const again = await rotator(0);
    expect(again.killed).toBe(false);
    expect(readdirSync(folder).filter((name) => !/-(wal|shm)$/.test(name))).toEqual(["main.1", "main.db"]);
    expect(rows(join(folder, "main.1"), "task where json_extract(tag, '$.part') = 1 and exit_status is not null")).toBe(
      finished,
    );
    expect(expected.symmetricDifference(new Set(await ids())).size).toBe(0);
    await expectSound(file, ["noSubmission"]);
    expect(rows(file, "task")).toBe(unfinished);
    expect(rows(file, "rotation")).toBe(0);
    expect(new Set((await ids()).slice(0, unfinished))).toEqual(new Set(open));
    putBack();
  }
}, 120_000);

test("who reads while tasks are moved sees each of them once", async () => {
  const expected = new Set(await ids());
  // Before the first row, in the middle, and with one of two batches moved at the start.
  for (const [step, after] of [
    [0, 0],
    [0, 1],
    [0, 700],
    [0, finished],
    [5, 3000],
  ] as const) {
    if (step > 0) expect((await rotator(step)).lines.at(-1)).toBe("removed");
    const history = openSqliteHistory({ file, pragmas: {} });
    const found: string[] = [];
    const rotateNow = async (): Promise<void> => void (await rotator(0));
    const search = history.search({ ...everything, fields: ["id"] })[Symbol.asyncIterator]();
    if (after === 0) await rotateNow();
    for (let row = await search.next(); row.done !== true; row = await search.next()) {
      found.push(String(row.value[0]));
      if (found.length === after) await rotateNow();
    }
    await history.close();
    expect([after, found.length, expected.symmetricDifference(new Set(found)).size]).toEqual([after, expected.size, 0]);
    putBack();
  }
}, 30_000);

test("the first tasks in an order are all there if some are moved while they are searched", async () => {
  const all = await ids({ orderBy: "completion_time", descending: true });
  // Two thousand of them are moved when the main file is about to be read; the partition is new.
  let moved = false;
  const echo = (sql: string): void => {
    if (moved || !/completion_time/.test(sql)) return;
    moved = true;
    Bun.spawnSync([process.execPath, join(import.meta.dir, "rotator.ts"), file, "7"]);
  };
  const history = openSqliteHistory({ file, pragmas: {}, echo });
  const found: string[] = [];
  const search = { ...everything, orderBy: "completion_time", descending: true, limit: 10_000 } as const;
  for await (const [id] of history.search({ ...search, fields: ["id"] })) found.push(String(id));
  await history.close();
  expect([moved, rows(join(folder, "main.1"), "task") > 0]).toEqual([true, true]);
  expect(found).toEqual(all);
});

test("a partition whose writer died in a transaction is read as it was before", async () => {
  await rotator(0);
  const before = await ids();
  const { killed } = await rotator(0, join(folder, "main.1"));
  expect([killed, existsSync(join(folder, "main.1-journal"))]).toEqual([true, true]);
  const after = await ids();
  expect([after.length, after.every((id, i) => id === before[i])]).toEqual([before.length, true]);
  expect(rows(join(folder, "main.1"), "task where length(args) > 500")).toBe(0);
});

test("tasks that were truncated in the middle of a rotation do not come back", async () => {
  // After the copy, before the removal: these rows are in both files.
  expect((await rotator(4)).lines).toEqual(["noted", "built", "published", "copied"]);
  const upkeep = openSqliteUpkeep({ file, pragmas: {}, clock: systemClock });
  await upkeep.truncate();
  expect(await ids()).toHaveLength(0);
  expect(await upkeep.rotate(await upkeep.nextPartition(), 1)).toBe(0);
  await upkeep.close();
  expect(await ids()).toHaveLength(0);
  expect(existsSync(join(folder, "main.1"))).toBe(false);
});
