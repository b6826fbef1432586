/*
 * Changing tasks of an SQLite file by hand. Which tasks are meant is laid down first, by id, in a temporary table. Then
 * they are changed in transactions of some thousand rows, each of which tests the conditions again: what has ended in
 * the meantime is not cancelled. A server is told of each task that it held, in the transaction that changes the task.
 *
 * Tags are edited as text, so that all that is not named stays as it was written, even numbers that JSON does not have.
 */
import { systemClock } from "../../base/clock.ts";
import { argumentError, TransientError } from "../../base/errors.ts";
import type { Condition } from "../../task/filter.ts";
import type { TaskField } from "../../task/field.ts";
import { Connection, expectFolder, type SqliteOptions } from "../../store/sqlite/connection.ts";
import type { Change, ChangeReport, EditStore, Edits, Selection } from "../history.ts";
import { prepareRecords, type SqliteRecords } from "./records.ts";
import { prepareUnlinker } from "./unlink.ts";
import { type Cell, cellOf } from "../../store/sqlite/row.ts";
import { editTags } from "../../store/tags.ts";
import type { FileTimes } from "../../store/times.ts";
import { guardsOf, isTagged, recallOf, revertedFields, selectionOf } from "../change.ts";
import { column } from "../condition.ts";
import { whereOf } from "./where.ts";

/** Rows of one transaction, which takes 20 ms. */
const chunk = 2000;
/** Times that a transaction is tried. Each waits for the lock as long as the busy timeout says, mostly 5 s. */
const attempts = 6;

/** For looking and changing. Throws UserError for what stands in the way. */
export function openSqliteEdits(options: SqliteOptions): EditStore {
  expectFolder(options.file);
  const connection = new Connection({ ...options, readOnly: false });
  const records = prepareRecords(connection);
  return {
    title: `sqlite (${connection.file})`,
    ...records,
    ...prepareEdits(connection, records),
    async close() {
      connection.close();
    },
  };
}

function prepareEdits(connection: Connection, records: SqliteRecords): Edits {
  const { db } = connection;
  let laid = 0;

  /** Lays down the ids of the tasks that are meant, in order, in a temporary table; answers how many there are. */
  async function layDown(name: string, selection: Selection): Promise<number> {
    connection.read(() => db.run(`create temp table ${name} (place integer primary key, task text not null)`));
    const add = connection.read(() => db.prepare(`insert into temp.${name} (task) select value from json_each(?)`));
    let count = 0;
    let ids: Cell[] = [];
    const flush = (): void => {
      connection.read(() => add.run(JSON.stringify(ids)));
      count += ids.length;
      ids = [];
    };
    try {
      for (const [, id = null] of records.rows(selection, ["id"])) {
        ids.push(id);
        if (ids.length < chunk) continue;
        flush();
        await turn();
      }
      flush();
    } finally {
      add.finalize();
    }
    return count;
  }

  async function persist<T>(work: () => T): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return connection.write(work);
      } catch (error) {
        if (!(error instanceof TransientError) || attempt === attempts) throw constraintOf(error);
      }
    }
  }

  const anyServer = (): boolean => connection.read(() => db.query("select 1 from server limit 1").get()) !== null;

  return {
    async change(selection, change, at, progress) {
      const chosen = selectionOf(selection, change);
      const name = `chosen_${++laid}`;
      let [changed, held] = [0, 0];
      try {
        const count = await layDown(name, chosen);
        const editor = connection.read(() => prepareEditor(connection, name, chosen.where, change, at));
        try {
          for (let from = 1; from <= count; from += chunk) {
            const startedAt = systemClock.now();
            const report = await persist(() => editor.edit(from, from + chunk - 1));
            changed += report.changed;
            held += report.held;
            progress?.(changed);
            // Whoever waits for the lock looks only now and then, so it stays free for as long as we had it.
            await (anyServer() ? pause(systemClock.now() - startedAt) : turn());
          }
        } finally {
          editor.close();
        }
      } finally {
        connection.read(() => db.run(`drop table if exists temp.${name}`));
      }
      return { changed, held };
    },
  };
}

/** What a task that goes, or is reverted, says of other attempts. */
const links = ["previous_id", "next_id", "completion_time is not null"];

interface Editor {
  /** Inside a transaction: changes the tasks from one place of the list to another. */
  edit(from: number, to: number): ChangeReport;
  close(): void;
}

function prepareEditor(
  connection: Connection,
  list: string,
  conditions: readonly Condition[],
  change: Change,
  at: number,
): Editor {
  const { db } = connection;
  const { action, tags, removedTags } = change;
  const { sql, cells, tests } = whereOf(guardsOf(conditions, change), connection.times);
  const columns = ["task.rowid", "id", "tag", ...links, ...tests.map(({ field }) => column(field))].join(", ");
  const sets = setsOf(change, at, connection.times);
  const assignments = [...sets.keys()].map((name) => `${column(name)} = ?`);
  const values = [...sets.values()];
  const differs = [...sets.keys()].map((name) => `${column(name)} is not ?`).join(" or ") || "0";
  const find = db.prepare(
    `select ${differs}, case when schedule_time is not null and completion_time is null then server_id end, ${columns}
     from temp.${list} as list cross join task on task.id = list.task
     where place between ? and ? and ${sql} order by place`,
  );
  const set = (names: readonly string[]) => db.prepare(`update task set ${names.join(", ")} where rowid = ?`);
  const write = action === "delete" || assignments.length === 0 ? null : set(assignments);
  const writeTagged = action === "delete" || !isTagged(change) ? null : set([...assignments, "tag = ?"]);
  const remove = db.prepare("delete from task where rowid = ?");
  const unlinker = prepareUnlinker(connection);
  const tell = db.prepare("insert into recall (server_id, task_id, kind) values (?, ?, ?)");
  const kind = recallOf(change);
  const edited = new Map<Cell, string>();

  /** Many tasks have the same text, so texts are edited once. */
  function tagOf(text: Cell): string {
    let found = edited.get(text);
    if (found === undefined) {
      found = editTags(text, tags, removedTags);
      if (edited.size >= chunk) edited.clear();
      edited.set(text, found);
    }
    return found;
  }

  return {
    edit(from, to) {
      let [changed, held] = [0, 0];
      for (const found of find.values(...values, from, to, ...cells) as Cell[][]) {
        const [isOther, server, row, id, tag, previousId, nextId, hasEnded, ...tested] = found;
        if (!tests.every(({ passes }, i) => passes(tested[i] ?? null))) continue;
        const leaving = { id: id!, previousId: previousId!, nextId: nextId!, hasEnded: hasEnded === 1 };
        if (action === "revert" || action === "delete") unlinker.fromNext(leaving);
        if (action === "delete") unlinker.fromPrevious(leaving);
        const text = writeTagged === null ? tag : tagOf(tag ?? null);
        if (action !== "delete" && isOther !== 1 && text === tag) continue;
        changed += 1;
        if (kind !== null && server !== null) {
          tell.run(server!, id!, kind);
          held += 1;
        }
        if (action === "delete") {
          remove.run(row!);
          continue;
        }
        if (text !== tag) writeTagged?.run(...values, text!, row!);
        else write?.run(...values, row!);
      }
      unlinker.flush();
      return { changed, held };
    },
    close() {
      for (const each of [find, write, writeTagged, remove, tell]) each?.finalize();
      unlinker.close();
    },
  };
}

/** Columns and their new values, but for tags. */
function setsOf({ action, fields }: Change, at: number, times: FileTimes): ReadonlyMap<TaskField, Cell> {
  const sets = new Map<TaskField, Cell>();
  if (action === "cancel") {
    sets.set("schedule_time", times.format(at));
    sets.set("completion_time", times.format(at));
    sets.set("exit_status", -1);
  }
  if (action === "revert") {
    for (const field of revertedFields) sets.set(field, null);
    sets.set("retried", 0);
  }
  for (const [field, value] of fields) sets.set(field, cellOf(field, value, times));
  return sets;
}

/** Says which column does not take its new value; every other error stays as it is. */
function constraintOf(error: unknown): unknown {
  if (!(error instanceof Error) || !("code" in error)) return error;
  const name = /task\.(\w+)/.exec(error.message)?.[1] ?? "a field";
  if (error.code === "SQLITE_CONSTRAINT_NOTNULL") return argumentError(`${name} cannot be null`);
  if (error.code === "SQLITE_CONSTRAINT_UNIQUE") return argumentError(`${name} cannot be the same for two tasks`);
  return error;
}

/** Gives everything else its turn, so that signals are heard: Ctrl-C. */
const turn = (): Promise<void> => new Promise((resume) => setImmediate(resume));

function pause(ms: number): Promise<void> {
  return new Promise((resume) => systemClock.after(ms, resume));
}
