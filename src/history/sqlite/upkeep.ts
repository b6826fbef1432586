/*
 * Housekeeping of an SQLite file: statistics, unused space, copies, and the way from what has ended to the next
 * partition (rotation.ts). Does not know who else uses the file: whether it may be emptied is for the caller to find
 * out.
 */
import { statSync } from "node:fs";
import { resolve } from "node:path";
import type { Clock } from "../../base/clock.ts";
import { counted } from "../../base/units.ts";
import { messageOf, TransientError, UserError } from "../../base/errors.ts";
import { copyMode } from "../../base/modes.ts";
import type { UpkeepStore } from "../history.ts";
import { runApart } from "./apart.ts";
import { Connection, makeAdditions, pragmaText, type SqliteOptions } from "../../store/sqlite/connection.ts";
import { createDraft, isThere, publishDraft, removeDraft } from "./draft.ts";
import { databaseError, openFailure, runFailure } from "../../store/sqlite/failure.ts";
import { wayToWrite } from "../../store/sqlite/filesystem.ts";
import { nextPart, rotate, type RotationOptions } from "./rotation.ts";
import { taskTable } from "../../store/sqlite/schema.ts";

export interface UpkeepOptions extends SqliteOptions {
  readonly clock: Clock;
  /** Told steps and their numbers. */
  readonly debug?: ((text: string) => void) | null;
  readonly step?: RotationOptions["step"];
}

/** Compacting what remains after a rotation takes a second for this many bytes, and servers wait that long. */
const quicklyCompacted = 100 * 2 ** 20;

/** An open file that is kept in order. */
interface Kept {
  readonly connection: Connection;
  /** Settings of the user, without what keeps everybody else out. */
  readonly pragmas: SqliteOptions["pragmas"];
  readonly options: UpkeepOptions;
}

/** For housekeeping; makes the file and its tables where they are missing. Throws UserError when it cannot be had. */
export function openSqliteUpkeep(options: UpkeepOptions): UpkeepStore {
  const pragmas = shared(options.pragmas);
  const connection = new Connection({ ...options, pragmas, readOnly: false });
  const kept: Kept = { connection, pragmas, options };
  return {
    provider: "sqlite",
    title: `sqlite (${connection.file})`,
    place: connection.file,
    created: connection.created,
    async optimize() {
      // 0x10000: all tables, not only those that this connection has searched.
      connection.read(() => connection.db.run("pragma optimize = 0x10002"));
    },
    total: async () => numberOf(kept, "select count(*) from task"),
    vacuum: async () => vacuum(kept),
    backup: async (path) => backup(kept, path),
    nextPartition: async () => nextPart(connection),
    async rotate(into, attempts, progress) {
      const { clock, step } = options;
      const moved = await rotate(connection, into, { attempts, clock, progress, step });
      if (moved > 0) {
        options.debug?.(`Dropped ${counted(moved, "completed task")} from main (${connection.file})`);
        await vacuumAfterRotation(kept);
      }
      return moved;
    },
    truncate: async () => truncate(kept),
    async close() {
      connection.close();
    },
  };
}

/** A rotation reads the file a second time, so nobody may lock it for good. */
function shared(pragmas: SqliteOptions["pragmas"]): SqliteOptions["pragmas"] {
  return Object.fromEntries(Object.entries(pragmas).filter(([name]) => name.toLowerCase() !== "locking_mode"));
}

function numberOf({ connection }: Kept, sql: string): number {
  return Number(connection.read(() => connection.db.query(sql).values())[0]?.[0]);
}

/** A statement that takes long; signals are heard meanwhile. */
async function runLong({ connection, pragmas, options }: Kept, sql: string, ...values: string[]): Promise<void> {
  options.echo?.(sql);
  const own = Object.entries(pragmas).filter(([name]) => name.toLowerCase() !== "journal_mode");
  const said = ["pragma busy_timeout = 5000", ...own.map(([name, value]) => pragmaText(name, value))];
  await runApart({ way: wayToWrite(connection.file), pragmas: said, sql, values });
}

/** Answers the number of bytes that the file is smaller after. */
async function vacuum(kept: Kept): Promise<number> {
  const before = sizeOf(kept);
  try {
    await runLong(kept, "vacuum");
  } catch (thrown) {
    const error = runFailure(thrown, kept.connection.file);
    if (!(error instanceof TransientError)) throw error;
    // The copy that is made first is not beside the file.
    throw new TransientError(`${error.message} (compacting needs as much again, there and in the folder of TMPDIR)`);
  }
  return Math.max(0, before - sizeOf(kept));
}

/** The size of the file in bytes, after its log is written back. */
function sizeOf({ connection }: Kept): number {
  connection.read(() => connection.db.query("pragma wal_checkpoint(truncate)").values());
  return statSync(connection.file).size;
}

async function vacuumAfterRotation(kept: Kept): Promise<void> {
  const { debug, notice } = kept.options;
  const { file } = kept.connection;
  const pages =
    numberOf(kept, "select page_count from pragma_page_count") -
    numberOf(kept, "select freelist_count from pragma_freelist_count");
  const bytes = pages * numberOf(kept, "select page_size from pragma_page_size");
  const inUse = numberOf(kept, "select count(*) from server") > 0;
  const later = `The space of the tasks that were moved stays with ${file} - 'hs initdb --vacuum' gives it back`;
  if (inUse && bytes > quicklyCompacted) {
    notice?.(`${later} when no server runs`);
    return;
  }
  debug?.(`Vacuuming main database (${file})`);
  try {
    await vacuum(kept);
  } catch (error) {
    if (!(error instanceof TransientError)) throw error;
    notice?.(`${later} (now: ${error.message})`);
  }
}

async function backup(kept: Kept, path: string): Promise<void> {
  const target = resolve(path);
  const taken = (): Error =>
    databaseError(`'${path}' exists already, and a backup overwrites nothing - name another file`);
  const draft = `${target}.new-${process.pid}`;
  const remove = (): void => removeDraft(draft);
  process.on("exit", remove);
  try {
    if (isThere(target)) throw taken();
    createDraft(draft, kept.connection.file, copyMode);
    await runLong(kept, "vacuum into ?", draft);
    if (!publishDraft(draft, target)) throw taken();
  } catch (error) {
    if (error instanceof UserError) throw error;
    const trouble = openFailure(error, path);
    throw trouble instanceof UserError ? trouble : databaseError(`'${path}' cannot be written: ${messageOf(error)}`);
  } finally {
    remove();
    process.off("exit", remove);
  }
}

async function truncate(kept: Kept): Promise<void> {
  const { connection } = kept;
  const { db } = connection;
  connection.write(() => {
    for (const table of ["task", "client", "submission", "server", "schedule", "recall"])
      db.run(`drop table if exists ${table}`);
    db.run(taskTable);
    makeAdditions(db);
  });
  await vacuum(kept);
}
