/*
 * The links between attempts when one of them is deleted or reverted: they go with it, in the main file and in
 * partitions. What concerns a partition is on the disk there just before the transaction of the main file ends. If the
 * process dies in between, the two disagree in a way that `hs verify --repair` puts right without a loss.
 */
import { Database } from "bun:sqlite";
import { messageOf, TransientError } from "../../base/errors.ts";
import type { Connection } from "../../store/sqlite/connection.ts";
import { databaseError, runFailure } from "../../store/sqlite/failure.ts";
import type { Cell } from "../../store/sqlite/row.ts";
import { isPartition, partitionCandidates } from "./partition-files.ts";

/** A task that goes, or is reverted. */
export interface Leaving {
  readonly id: Cell;
  readonly previousId: Cell;
  readonly nextId: Cell;
  readonly hasEnded: boolean;
}

/** Both are to be called within a transaction. */
export interface Unlinker {
  /**
   * The attempt before it has no next one any more. If this one had not ended, that one is a final failure again; else
   * it stays one that was tried again.
   */
  fromPrevious(task: Leaving): void;
  /** The next attempt begins a chain of its own. */
  fromNext(task: Leaving): void;
  /**
   * Before the transaction ends: writes what is in partitions. Throws UserError when one of these cannot be changed,
   * TransientError when that may pass.
   */
  flush(): void;
  close(): void;
}

/** ?1: the attempt before, ?2: the one that goes, ?3: whether that one has ended. */
const forgetNext = "update task set next_id = null, retried = (retried and ?3) where id = ?1 and next_id = ?2";
/** ?1: the next attempt, ?2: the one that goes. */
const forgetPrevious = "update task set previous_id = null where id = ?1 and previous_id = ?2";

/** What is to be done in a partition; the first cell is the id of the row. */
interface Statement {
  readonly sql: string;
  readonly cells: readonly Cell[];
}

/** Prepares the statements for the main file. */
export function prepareUnlinker({ db, file }: Connection): Unlinker {
  const forward = db.prepare(forgetNext);
  // Also where the task that goes does not name its next attempt.
  const backward = db.prepare("update task set previous_id = null where previous_id = ?");
  const has = db.prepare("select 1 from task where id = ?");
  /** Rows that are not in the main file any more, or were never. */
  let gone = new Set<Cell>();
  let elsewhere: Statement[] = [];
  const isElsewhere = (id: Cell): boolean => id !== null && !gone.has(id) && has.values(id).length === 0;
  return {
    fromPrevious({ id, previousId, hasEnded }) {
      gone.add(id);
      if (previousId === null) return;
      const cells = [previousId, id, Number(hasEnded)];
      if (forward.run(...cells).changes === 0 && isElsewhere(previousId)) elsewhere.push({ sql: forgetNext, cells });
    },
    fromNext({ id, nextId }) {
      const { changes } = backward.run(id);
      if (changes === 0 && isElsewhere(nextId)) elsewhere.push({ sql: forgetPrevious, cells: [nextId, id] });
    },
    flush() {
      const statements = elsewhere;
      elsewhere = [];
      gone = new Set();
      if (statements.length > 0) for (const { path } of partitionCandidates(file)) changeIn(path, statements);
    },
    close() {
      for (const each of [forward, backward, has]) each.finalize();
    },
  };
}

/** Runs those statements whose row is in this partition. */
function changeIn(path: string, statements: readonly Statement[]): void {
  let db: Database | null = null;
  try {
    if (!isPartition(path)) return;
    db = new Database(path, { readwrite: true, create: false });
    db.run("pragma busy_timeout = 5000");
    // Whatever happens to the power: the main file must not be ahead.
    db.run("pragma synchronous = full");
    const has = db.query("select 1 from task where id = ?");
    const found = statements.filter(({ cells: [id = null] }) => has.get(id) !== null);
    if (found.length === 0) return;
    db.run("begin immediate");
    for (const { sql, cells } of found) db.query(sql).run(...cells);
    db.run("commit");
  } catch (error) {
    if (db?.inTransaction === true) db.run("rollback");
    const reason = runFailure(error, path);
    if (reason instanceof TransientError) throw reason;
    throw databaseError(`the attempt before one of these tasks may be in '${path}' (${messageOf(reason)})`);
  } finally {
    db?.close();
  }
}
