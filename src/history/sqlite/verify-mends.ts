/*
 * Mends what takes more than one row of an SQLite file. All of it must be called inside a transaction of the main file.
 */
import { Database } from "bun:sqlite";
import { basename } from "node:path";
import { clearedFields } from "../../task/field.ts";
import type { Connection } from "../../store/sqlite/connection.ts";
import { column } from "../condition.ts";
import type { Fault } from "../faults.ts";
import { contentOf } from "./verify-others.ts";

const clear = clearedFields.map((field) => `${column(field)} = null`).join(", ");

/** Mends one fault; answers whether anything was written. `partition`: the path of the partition that it is about. */
export function mendOthers({ db, file }: Connection, fault: Fault, partition: string | null): boolean {
  const { kind, id } = fault;
  const change = (sql: string, ...cells: (string | null)[]): number => db.query(sql).run(...cells).changes;
  switch (kind) {
    case "deadServer": {
      const reverted = change(
        `update task set ${clear} where completion_time is null and schedule_time is not null and server_id = ?`,
        id,
      );
      change("delete from recall where server_id = ?", id);
      return change("delete from server where id = ?", id) + reverted > 0;
    }
    case "lostServer":
      return (
        change(
          `update task set ${clear} where completion_time is null and schedule_time is not null
             and server_id is ? and (server_id is null or server_id not in (select id from server))`,
          id === "" ? null : id,
        ) > 0
      );
    case "strayRecall":
      return change("delete from recall where server_id not in (select id from server)") > 0;
    case "indices":
      if (partition === null) db.run("reindex");
      else inFile(partition, (there) => there.run("reindex"));
      return true;
    case "twice":
      return partition === null && fault.place === basename(file) && removeTwin(db, file, fault);
    default:
      return false;
  }
}

/** Removes a task from the main file that is in a partition, too, with all that is recorded of it. */
function removeTwin(db: Database, file: string, { id, other }: Fault): boolean {
  const path = `${file.slice(0, file.length - basename(file).length)}${other}`;
  const isSame = inFile(path, (there) => contentOf({ db: there }, id!) === contentOf({ db }, id!));
  return isSame && db.query("delete from task where id = ?").run(id).changes > 0;
}

/** Runs `work` with a file that is there, opened for writing. Throws the errors of the library. */
export function inFile<T>(path: string, work: (db: Database) => T): T {
  const db = new Database(path, { readwrite: true, create: false });
  try {
    db.run("pragma busy_timeout = 5000");
    return work(db);
  } finally {
    db.close();
  }
}
