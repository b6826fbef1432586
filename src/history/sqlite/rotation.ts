/*
 * Moves tasks that have ended for good out of an SQLite file into its next partition, while others use the file.
 *
 * Which tasks: those that were successful or cancelled, and failures with a next attempt. A failure without one may
 * still be tried again by a run that allows more attempts, and it holds up higher groups. So it moves only if all of
 * this is true: it has had the attempts of the present settings; it does not belong to a server's own submission (a
 * finite run may yet reach a group that its failure forbids); and no task of a higher group is unfinished. What is
 * unfinished stays, and keeps `part: 0`. PostgreSQL follows the same rule.
 *
 * How nothing gets lost or doubled, whenever the process dies: tasks go in the order of their rows, and keep the
 * numbers of these. Table `rotation` of the main file says up to which row number the partition counts, and changes in
 * the transactions that take rows away from the main file. Rows are written to the partition, and to the disk, before
 * they go from the main file. Readers ignore what is beyond that number (partition.ts); the next rotation removes it,
 * and goes on where this one ended. The write lock is held for one batch at a time, and no row can change between its
 * copy and its removal.
 */
import { Database } from "bun:sqlite";
import { readdirSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { assert } from "../../base/assert.ts";
import type { Clock } from "../../base/clock.ts";
import { uniqueName } from "../../base/ids.ts";
import type { Connection } from "../../store/sqlite/connection.ts";
import { type Archive, openArchive } from "./archive.ts";
import { createDraft, isThere, publishDraft, removeDraft } from "./draft.ts";
import { databaseError, openFailure } from "../../store/sqlite/failure.ts";
import {
  freePart,
  isFilledBy,
  isPartition,
  partitionPath,
  rotationUnderWay,
  type UnderWay,
} from "./partition-files.ts";
import { additions } from "../../store/sqlite/schema.ts";

export interface RotationOptions {
  /** Attempts that a run with the present settings allows. */
  readonly attempts: number;
  readonly clock: Clock;
  readonly progress?: ((moved: number) => void) | undefined;
  /** Told each step that is done, so that a test can end the process there. */
  readonly step?: ((name: string) => void) | undefined;
}

/** Rows of one transaction. It holds the write lock for some 40 ms, of which others wait about half. */
const batchRows = 2000;
/** Rows that one query without any lock looks at, for those that may go. */
const stretch = 50_000;

/** True for a task that may go. ?1: attempts, ?2: the highest group with unfinished tasks. */
const final = `completion_time is not null and exit_status is not null and (exit_status in (0, -1) or retried = 1
  or (attempt >= ?1 and "group" >= ?2 and submit_id not in (select id from server where reserves = 1)))`;

/** The partition that the next rotation fills: that of one that was begun, else the next free name. */
export function nextPart(main: Connection): string {
  const underWay = rotationUnderWay(main);
  const part = underWay !== null && canGoOn(main.file, underWay) ? underWay.part : freePart(main.file);
  return partitionPath(main.file, part);
}

/**
 * Moves tasks into `into`, which nextPart has told, and answers their number. Throws UserError when another rotation or
 * another program gets in between.
 */
export async function rotate(main: Connection, into: string, options: RotationOptions): Promise<number> {
  const { clock, progress, step = () => undefined } = options;
  const abandoned = rotationUnderWay(main);
  if (abandoned !== null && !canGoOn(main.file, abandoned)) forget(main, abandoned);
  const candidates = prepareCandidates(main, options.attempts);
  const begun = rotationUnderWay(main);
  if (begun === null && candidates.next(1, candidates.last()) === null) return 0;

  const underWay = begin(main, into, begun, step);
  const archive = openArchive(main, into);
  let moved = 0;
  try {
    const last = candidates.last();
    for (let from = underWay.upto + 1; ;) {
      const found = candidates.next(from, last);
      if (found === null) break;
      const startedAt = clock.now();
      moved += move(main, archive, underWay, candidates.recheck, found, step);
      progress?.(moved);
      from = found.at(-1)! + 1;
      // Others have waited; they get as long, unless there are none.
      await pause(clock, candidates.hasServers() ? clock.now() - startedAt : 0);
    }
    archive.copyClients();
    step("clients");
    finish(main, archive, into, underWay);
    step("finished");
  } finally {
    archive.close();
  }
  return moved;
}

function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => void clock.after(ms, resolve));
}

interface Candidates {
  /** The rowid of the last row of the table; nothing that comes later is moved. */
  last(): number;
  /**
   * At most a batch of rows from `from` to `to` that may go, in order; null: there are none. Only a guess, because
   * nothing is locked.
   */
  next(from: number, to: number): readonly number[] | null;
  /** Within the transaction that takes the rows: those of them that may go indeed. */
  recheck(rows: readonly number[]): readonly number[];
  /** Whether there is a server, which may be waiting for the lock of the file. */
  hasServers(): boolean;
}

function prepareCandidates(main: Connection, attempts: number): Candidates {
  const highest = main.prepare(
    'select max("group") from task indexed by task_unfinished_group where completion_time is null',
  );
  const least = main.prepare("select min(rowid) from task where rowid >= ?");
  const most = main.prepare("select max(rowid) from task");
  const some = main.prepare(
    `select rowid from task not indexed where rowid between ?3 and ?4 and ${final} order by rowid limit ${batchRows}`,
  );
  const again = main.prepare(
    `select rowid from task where rowid in (select value from json_each(?3)) and ${final} order by rowid`,
  );
  const anyServer = main.prepare("select 1 from server limit 1");

  const highestGroup = (): number => {
    const group = highest.values()[0]?.[0];
    return typeof group === "number" ? group : Number.MIN_SAFE_INTEGER;
  };
  const rowids = (rows: unknown[][]): number[] => rows.map(([row]) => row as number);
  const firstFrom = (from: number): number | null => {
    const row = main.read(() => least.values(from))[0]?.[0];
    return typeof row === "number" ? row : null;
  };

  return {
    last: () => Number(main.read(() => most.values())[0]?.[0] ?? 0),
    next(from, to) {
      for (let start = firstFrom(from); start !== null && start <= to; start = firstFrom(start + stretch)) {
        const end = Math.min(to, start + stretch - 1);
        const found = rowids(main.read(() => some.values(attempts, highestGroup(), start, end)));
        if (found.length > 0) return found;
      }
      return null;
    },
    recheck: (rows) => rowids(again.values(attempts, highestGroup(), JSON.stringify(rows))),
    hasServers: () => main.read(() => anyServer.values()).length > 0,
  };
}

/** One transaction in each of the two files; that of the partition is on the disk before that of the main file ends. */
function move(
  main: Connection,
  archive: Archive,
  { part, token }: UnderWay,
  recheck: Candidates["recheck"],
  found: readonly number[],
  step: (name: string) => void,
): number {
  return main.write(() => {
    const state = rotationUnderWay(main);
    if (state?.token !== token)
      throw databaseError(
        `another rotation of '${main.file}' was faster - nothing is lost, start again for what is left`,
      );
    // When two processes rotate at once, each goes on from where the other is.
    const rows = recheck(found).filter((row) => row > state.upto);
    if (rows.length === 0) return 0;
    archive.copy(rows, part, state.upto);
    step("copied");
    main.db.query("delete from task where rowid in (select value from json_each(?))").run(JSON.stringify(rows));
    main.db.query("update rotation set upto = ? where token = ?").run(rows.at(-1)!, token);
    step("removed");
    return rows.length;
  });
}

/** Notes a new rotation, or goes on with one that was begun, and sees to it that its partition is there. */
function begin(main: Connection, into: string, begun: UnderWay | null, step: (name: string) => void): UnderWay {
  const part = partOf(main.file, into);
  if (begun === null) {
    main.write(() => {
      const none = main.db.query("select 1 from rotation").get() === null;
      if (none) main.db.query("insert into rotation values (?, ?, 0)").run(part, uniqueName());
    });
  }
  const underWay = rotationUnderWay(main);
  if (underWay === null || underWay.part !== part)
    throw databaseError(`another process rotates '${main.file}' just now - start again when it is done`);
  step("noted");
  removeDrafts(into, underWay);
  if (!isThere(into)) build(main, into, underWay, step);
  if (isOurs(into, underWay)) return underWay;
  forget(main, underWay);
  throw databaseError(`'${into}' was made by another program in the meantime - start again`);
}

function partOf(file: string, into: string): number {
  const part = Number(into.slice(into.lastIndexOf(".") + 1));
  assert(partitionPath(file, part) === into, "a rotation goes into a partition of its file");
  return part;
}

/**
 * Makes a partition without rows. It is made under another name and then renamed, so that nobody finds it half made.
 */
function build(main: Connection, into: string, underWay: UnderWay, step: (name: string) => void): void {
  const draft = `${draftPrefix(into, underWay)}${process.pid}`;
  try {
    createDraft(draft, main.file);
    makeTables(main, draft, underWay);
    step("built");
    publishDraft(draft, into);
    step("published");
  } catch (error) {
    forget(main, underWay);
    throw openFailure(error, into);
  } finally {
    removeDraft(draft);
  }
}

/** The table of tasks is that of the main file, column for column, whoever made it. */
function makeTables(main: Connection, draft: string, underWay: UnderWay): void {
  const statementOf = (name: string): string =>
    String(main.db.query("select sql from sqlite_master where type = 'table' and name = ?").values(name)[0]?.[0]);
  const wanted = new Set(["client", "client_disconnected_at", "submission", "rotation"]);
  const searched = new Set(["task_status", "task_tag", "task_submit_time"]);
  const db = new Database(draft, { readwrite: true, create: false });
  try {
    db.run("pragma synchronous = full");
    db.run("begin immediate");
    db.run(statementOf("task"));
    for (const [name, statement] of additions) if (wanted.has(name) || searched.has(name)) db.run(statement);
    db.query("insert into rotation values (?, ?, 0)").run(underWay.part, underWay.token);
    db.run("commit");
  } finally {
    db.close();
  }
}

const draftPrefix = (into: string, { token }: UnderWay): string => `${into}.new-${token}-`;

/** Removes what processes left behind that died while they made the partition. */
function removeDrafts(into: string, underWay: UnderWay): void {
  const prefix = basename(draftPrefix(into, underWay));
  for (const name of readdirSync(dirname(into))) {
    if (name.startsWith(prefix) && !isRunning(Number.parseInt(name.slice(prefix.length), 10)))
      rmSync(join(dirname(into), name), { force: true });
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as { code?: unknown }).code === "EPERM";
  }
}

/** Whether the partition of a rotation is there, or was never made. */
function canGoOn(file: string, underWay: UnderWay): boolean {
  const path = partitionPath(file, underWay.part);
  if (!isThere(path)) return underWay.upto === 0;
  return isOurs(path, underWay);
}

function isOurs(path: string, underWay: UnderWay): boolean {
  try {
    if (!isPartition(path)) return false;
  } catch (error) {
    throw openFailure(error, path);
  }
  const db = new Database(path, { readwrite: true, create: false });
  try {
    return isFilledBy(db, underWay);
  } finally {
    db.close();
  }
}

function forget(main: Connection, { token }: UnderWay): void {
  main.write(() => main.db.query("delete from rotation where token = ?").run(token));
}

/**
 * Ends the rotation. From now on all rows of the partition count, so those that did not are removed. A partition
 * without any task is not kept: somebody has changed those that were to go.
 */
function finish(main: Connection, archive: Archive, into: string, { token }: UnderWay): void {
  main.write(() => {
    const state = rotationUnderWay(main);
    // Another process has finished it.
    if (state?.token !== token) return;
    if (state.upto > 0) archive.keep(state.upto);
    else {
      archive.close();
      rmSync(into, { force: true });
    }
    main.db.query("delete from rotation where token = ?").run(token);
  });
}
