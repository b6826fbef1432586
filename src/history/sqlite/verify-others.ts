/*
 * What is around the tasks of an SQLite file: the tables beside them, the rotation that is under way, tasks that are in
 * two files, and captured files.
 */
import { type CheckOptions, type Fault, faultOf } from "../faults.ts";
import { column } from "../condition.ts";
import { requiredFields } from "../../task/field.ts";
import type { Cell } from "../../store/sqlite/row.ts";
import type { UnderWay } from "./partition-files.ts";
import { rowsOf, tablesOf, type TaskFile, type TaskFiles, turn } from "./verify-files.ts";

type Tell = (fault: Fault) => void;

/** A clock is at most so many minutes from UTC: the zones of the world go from -12 to +14 hours. */
const farthestMinutes = 14 * 60;

/** Looks at recalls, clients, clocks, and at the rotation that is under way or was left so. */
export function checkTables({ main, partitions }: TaskFiles, underWay: UnderWay | null, tell: Tell): void {
  const { db, place } = main;
  const tables = tablesOf(db);
  if (tables.has("recall") && tables.has("server")) {
    const stray = rowsOf(
      db,
      "select count(*), min(task_id) from recall where server_id not in (select id from server)",
    )[0];
    tellRows("strayRecall", stray, true);
    const bad = rowsOf(
      db,
      `select count(*), min(task_id) from recall
       where kind not in ('cancelled', 'reverted', 'deleted', 'changed', 'adopted')`,
    )[0];
    tellRows("badRecall", bad, false);
  }
  for (const file of [main, ...partitions]) checkClock(file, tell);
  // A partition that a rotation has put rows into, and that is gone now.
  if (underWay !== null && underWay.upto > 0 && partitions.every(({ upto }) => upto !== underWay.upto))
    tell(faultOf("rotation", place, { other: String(underWay.part) }));

  function tellRows(kind: Fault["kind"], row: readonly Cell[] | undefined, mendable: boolean): void {
    const count = Number(row?.[0] ?? 0);
    if (count > 0) tell(faultOf(kind, place, { id: String(row?.[1]), count, mendable }));
  }
}

function checkClock({ db, place }: TaskFile, tell: Tell): void {
  if (!tablesOf(db).has("clock")) return;
  const rows = rowsOf(db, "select offset, since_ms, since from clock");
  const [offset, sinceMs, since] = rows[0] ?? [];
  const isSane =
    rows.length === 1 &&
    Number.isInteger(offset) &&
    Math.abs(Number(offset)) <= farthestMinutes &&
    typeof sinceMs === "number" &&
    sinceMs >= 0 &&
    typeof since === "string" &&
    (sinceMs === 0) === (since === "") &&
    (since === "" || /^\d{4}-\d\d-\d\d \d\d:\d\d:/.test(since));
  if (!isSane) tell(faultOf("clock", place, { other: rows.length === 0 ? "it has no row" : rows[0]!.join(", ") }));
}

/** Ids of one file that are read at once. */
const page = 5000;

/** The ids of a file, in order. */
class Ids {
  #ids: readonly string[] = [];
  #at = 0;
  constructor(readonly file: TaskFile) {
    this.#read("");
  }
  /** null: there are no more. */
  get id(): string | null {
    return this.#ids[this.#at] ?? null;
  }
  /** Goes to the next; answers whether a page was read for it. */
  step(): boolean {
    this.#at += 1;
    if (this.#at < this.#ids.length || this.#ids.length === 0) return false;
    this.#read(this.#ids.at(-1)!);
    return true;
  }
  #read(after: string): void {
    const { db, upto } = this.file;
    const condition = upto === Number.POSITIVE_INFINITY ? "" : `and rowid <= ${upto}`;
    const sql = `select id from task where id > ? ${condition} order by id limit ${page}`;
    this.#ids = rowsOf(db, sql, after).map(([id]) => String(id));
    this.#at = 0;
  }
}

/**
 * Tells tasks that are in two files. All files are read side by side in the order of their ids, which takes no memory.
 */
export async function checkDuplicates({ main, partitions }: TaskFiles, tell: Tell): Promise<void> {
  if (partitions.length === 0) return;
  const all = [main, ...partitions].map((file) => new Ids(file));
  for (;;) {
    let least: Ids | null = null;
    let isRead = false;
    for (const each of all) {
      if (each.id === null || (least !== null && each.id > least.id!)) continue;
      if (least !== null && each.id === least.id) {
        tellTwice(least.file, each.file, each.id, tell);
        isRead = each.step() || isRead;
      } else least = each;
    }
    if (least === null) return;
    isRead = least.step() || isRead;
    if (isRead) await turn();
  }
}

function tellTwice(one: TaskFile, other: TaskFile, id: string, tell: Tell): void {
  const isSame = contentOf(one, id) === contentOf(other, id);
  const kind = isSame ? "twice" : "twiceOtherwise";
  tell(faultOf(kind, one.place, { id, other: other.place, mendable: isSame }));
}

const recorded = requiredFields.filter((field) => field !== "tag").map(column);

/** What is recorded of a task, but for its tags, which name the partition, and what is newer than version 2.8. */
export function contentOf({ db }: Pick<TaskFile, "db">, id: string): string {
  return JSON.stringify(rowsOf(db, `select ${recorded.join(", ")} from task where id = ?`, id)[0] ?? []);
}

/** Looks for the captured files that tasks name. Answers how many are on other hosts. */
export async function checkCaptured(
  { main, partitions }: TaskFiles,
  hasFile: NonNullable<CheckOptions["hasFile"]>,
  tell: Tell,
): Promise<number> {
  let elsewhere = 0;
  for (const { db, place, upto } of [main, ...partitions]) {
    const limit = Math.min(upto, Number.MAX_SAFE_INTEGER);
    for (let after = 0; ;) {
      const rows = rowsOf(
        db,
        `select rowid, id, client_host, outpath, errpath, csvpath from task not indexed
         where rowid > ? and rowid <= ? and completion_time is not null
           and (outpath > '' or errpath > '' or csvpath > '') order by rowid limit ${page}`,
        after,
        limit,
      );
      for (const [, id, host, ...paths] of rows) {
        const task = { id: String(id), clientHost: host === null ? null : String(host) };
        for (const path of paths) {
          if (typeof path !== "string" || path === "") continue;
          const found = hasFile(task, path);
          if (found === null) elsewhere += 1;
          else if (!found) tell(faultOf("fileGone", place, { id: task.id, other: path }));
        }
      }
      const last = rows.at(-1)?.[0];
      if (typeof last !== "number") break;
      after = last;
      await turn();
    }
  }
  return elsewhere;
}
