/*
 * Housekeeping of an SQLite file: statistics, unused space, copies, and the way from what has ended to the next partition (rotation.ts).
 * Does not know who else uses the file: whether it may be emptied is for the caller to find out.
 */
import { statSync } from "node:fs";
import { resolve } from "node:path";
import type { Clock } from "../../base/clock.ts";
import { messageOf, TransientError, UserError } from "../../base/errors.ts";
import type { UpkeepStore } from "../history.ts";
import { runApart } from "./apart.ts";
import { Connection, pragmaText, type SqliteOptions } from "../../store/sqlite/connection.ts";
import { createDraft, isThere, publishDraft, removeDraft } from "./draft.ts";
import { databaseError, openFailure, runFailure } from "../../store/sqlite/failure.ts";
import { nextPart, rotate, type RotationOptions } from "./rotation.ts";
import { additions, taskTable } from "../../store/sqlite/schema.ts";

export interface UpkeepOptions extends SqliteOptions {
  readonly clock: Clock;
  /** Told steps and their numbers. */
  readonly debug?: ((text: string) => void) | null;
  readonly step?: RotationOptions["step"];
}

/** Compacting what remains after a rotation takes a second for 100 MB, and servers wait that long. */
const quicklyCompacted = 100 * 2 ** 20;

export function openSqliteUpkeep(options: UpkeepOptions): UpkeepStore {
  const { clock, debug, notice, step } = options;
  const pragmas = shared(options.pragmas);
  const connection = new Connection({ ...options, pragmas, readOnly: false });
  const { db, file } = connection;
  const count = (sql: string): number => Number(connection.read(() => db.query(sql).values())[0]?.[0]);

  /** A statement that lasts; signals are heard meanwhile. */
  async function last(sql: string, ...values: readonly string[]): Promise<void> {
    options.echo?.(sql);
    const own = Object.entries(pragmas).filter(([name]) => name.toLowerCase() !== "journal_mode");
    const said = ["pragma busy_timeout = 5000", ...own.map(([name, value]) => pragmaText(name, value))];
    await runApart({ file, pragmas: said, sql, values });
  }

  async function vacuum(): Promise<number> {
    const before = sizeOf();
    try {
      await last("vacuum");
    } catch (thrown) {
      const error = runFailure(thrown, file);
      if (!(error instanceof TransientError)) throw error;
      // The copy that is made first is not beside the file.
      throw new TransientError(`${error.message} (compacting needs as much again, there and in the folder of TMPDIR)`);
    }
    return Math.max(0, before - sizeOf());
  }

  /** Of the file, its log written back. */
  function sizeOf(): number {
    connection.read(() => db.query("pragma wal_checkpoint(truncate)").values());
    return statSync(file).size;
  }

  async function vacuumAfterRotation(): Promise<void> {
    const pages =
      count("select page_count from pragma_page_count") - count("select freelist_count from pragma_freelist_count");
    const bytes = pages * count("select page_size from pragma_page_size");
    const inUse = count("select count(*) from server") > 0;
    const later = `The space of the tasks that were moved stays with ${file} - 'hs initdb --vacuum' gives it back`;
    if (inUse && bytes > quicklyCompacted) {
      notice?.(`${later} when no server runs`);
      return;
    }
    debug?.(`Vacuuming main database (${file})`);
    try {
      await vacuum();
    } catch (error) {
      if (!(error instanceof TransientError)) throw error;
      notice?.(`${later} (now: ${error.message})`);
    }
  }

  return {
    provider: "sqlite",
    title: `sqlite (${file})`,
    place: file,
    created: connection.created,

    async optimize() {
      // 0x10000: all tables, not only those that this connection has searched.
      connection.read(() => db.run("pragma optimize = 0x10002"));
    },
    async total() {
      return count("select count(*) from task");
    },
    vacuum,
    async backup(path) {
      const target = resolve(path);
      const taken = (): Error =>
        databaseError(`'${path}' exists already, and a backup overwrites nothing - name another file`);
      const draft = `${target}.new-${process.pid}`;
      const remove = (): void => removeDraft(draft);
      process.on("exit", remove);
      try {
        if (isThere(target)) throw taken();
        createDraft(draft, file);
        await last("vacuum into ?", draft);
        if (!publishDraft(draft, target)) throw taken();
      } catch (error) {
        if (error instanceof UserError) throw error;
        const trouble = openFailure(error, path);
        throw trouble instanceof UserError
          ? trouble
          : databaseError(`'${path}' cannot be written: ${messageOf(error)}`);
      } finally {
        remove();
        process.off("exit", remove);
      }
    },
    async nextPartition() {
      return nextPart(connection);
    },
    async rotate(into, attempts, progress) {
      const moved = await rotate(connection, into, { attempts, clock, progress, step });
      if (moved > 0) {
        debug?.(`Dropped ${moved} completed tasks from main (${file})`);
        await vacuumAfterRotation();
      }
      return moved;
    },
    async truncate() {
      connection.write(() => {
        for (const table of ["task", "client", "submission", "server", "schedule", "recall"])
          db.run(`drop table if exists ${table}`);
        db.run(taskTable);
        for (const [, statement] of additions) db.run(statement);
        db.run('insert into schedule (one, "group", task_id) values (1, null, null)');
      });
      await vacuum();
    },
    async close() {
      connection.close();
    },
  };
}

/** Without what keeps everybody else out: a rotation reads the file a second time. */
function shared(pragmas: SqliteOptions["pragmas"]): SqliteOptions["pragmas"] {
  return Object.fromEntries(Object.entries(pragmas).filter(([name]) => name.toLowerCase() !== "locking_mode"));
}
