/*
 * The partition that a rotation fills: rows of the main file are copied into it. Does not know which rows
 * (rotation.ts), nor how the file was made.
 */
import { Database } from "bun:sqlite";
import { addColumns, type Connection } from "../../store/sqlite/connection.ts";
import { clockColumns, clockTable } from "../../store/sqlite/schema.ts";
import { openFailure, runFailure } from "../../store/sqlite/failure.ts";

export interface Archive {
  /**
   * Writes these rows of the main file, which come after row `upto` and become those of partition `part`. Whatever was
   * beyond `upto` goes.
   */
  copy(rows: readonly number[], part: number, upto: number): void;
  /** Writes all clients of the main file. */
  copyClients(): void;
  /** Removes the rows after number `upto`. */
  keep(upto: number): void;
  close(): void;
}

/**
 * The tags with ?2 as their part. Every new task has the part at the end of its tags, where text can be replaced. Tags
 * of older programs are edited as JSON; those with NaN in them are no JSON and stay as they are.
 */
const taggedWithPart = `case when substr(tag, -10) = '"part": 0}' then substr(tag, 1, length(tag) - 2) || ?2 || '}'
  when json_valid(tag) and json_type(tag) = 'object' then json_set(tag, '$.part', ?2) else tag end`;

/**
 * Opens a partition to be filled from the main file, over a connection of its own. One statement over both files, in
 * the transaction of the main file, would end both transactions in the wrong order. Throws UserError when the partition
 * cannot be opened.
 */
export function openArchive(main: Connection, path: string): Archive {
  const db = new Database(path, { readwrite: true, create: false });
  const listed = "(select value from json_each(?1))";
  const inTransaction = (work: () => void): void => {
    try {
      // An immediate transaction would lock the main file for writing too.
      db.run("begin");
      work();
      db.run("commit");
    } catch (error) {
      if (db.inTransaction) db.run("rollback");
      throw runFailure(error, path);
    }
  };
  try {
    db.run("pragma busy_timeout = 5000");
    // A row that goes from the main file has to be on the disk here, whatever happens to the power.
    db.run("pragma synchronous = full");
    // An older program may have begun this rotation.
    addColumns(db);
    db.query("attach database ? as source").run(main.file);
    // The texts of times are copied as they are, so the clock they go by goes with them.
    db.run(clockTable);
    db.run(`insert or replace into main.clock (${clockColumns}) select ${clockColumns} from source.clock`);
  } catch (error) {
    db.close();
    throw openFailure(error, path);
  }
  // All columns that there are: a later version may have more.
  const names = db
    .query("select name from pragma_table_info('task', 'main')")
    .values()
    .map(([name]) => `"${String(name).replaceAll('"', '""')}"`);
  const values = names.map((name) => (name === '"tag"' ? taggedWithPart : name));
  const keepRows = db.query("delete from main.task where rowid > ?");
  return {
    copy(rows, part, upto) {
      const list = JSON.stringify(rows);
      inTransaction(() => {
        keepRows.run(upto);
        db.query(
          `insert into main.task (rowid, ${names.join(", ")})
           select rowid, ${values.join(", ")} from source.task where rowid in ${listed} order by rowid`,
        ).run(list, part);
        db.query(
          `insert or ignore into main.submission
           select id, time, host, user, cwd, template, version from source.submission
           where id in (select distinct submit_id from source.task where rowid in ${listed})`,
        ).run(list);
      });
    },
    copyClients() {
      const columns = "id, host, server_id, server_host, connected_at, disconnected_at, evicted";
      inTransaction(() =>
        db.run(`insert or replace into main.client (${columns}) select ${columns} from source.client`),
      );
    },
    keep(upto) {
      inTransaction(() => keepRows.run(upto));
    },
    close() {
      db.close();
    },
  };
}
