/*
 * The chains of attempts: whether the next attempt that a task names is there and names the task, and the other way
 * round, also where one of them was rotated into another file. Within a file the two are compared by SQLite, along the
 * indices of the links; only what does not fit comes here.
 */
import { backwardFault, type Fault, forwardFault, type LinkedRow } from "../faults.ts";
import type { Cell } from "../../store/sqlite/row.ts";
import { rowsOf, type TaskFile, type TaskFiles, turn } from "./verify-files.ts";

/** Links that one statement looks at. */
const stretch = 20_000;

const columns = (table: string): string =>
  ["id", "previous_id", "next_id", "retried", "attempt", "exit_status"].map((name) => `${table}.${name}`).join(", ");
const width = 6;

/** ?1 and ?2: links from after one up to the other; ?3: the last row that counts. */
const forwards = `select ${columns("task")}, ${columns("other")}
  from task left join task as other on other.id = task.next_id and other.rowid <= ?3
  where task.next_id > ?1 and task.next_id <= ?2 and task.rowid <= ?3
    and (other.id is null or other.previous_id is not task.id or other.attempt <> task.attempt + 1
      or not task.retried)`;
const backwards = `select ${columns("task")}, ${columns("other")}
  from task left join task as other on other.id = task.previous_id and other.rowid <= ?3
  where task.previous_id > ?1 and task.previous_id <= ?2 and task.rowid <= ?3
    and (other.id is null or other.next_id is not task.id)`;

/** Tells every link that does not fit. */
export async function checkLinks(files: TaskFiles, tell: (fault: Fault) => void): Promise<void> {
  const all = [files.main, ...files.partitions];
  for (const file of all) {
    const elsewhere = all.filter((each) => each !== file);
    await walk(file, "next_id", forwards, (row, found) => {
      const fault = forwardFault(row, found ?? findIn(elsewhere, row.nextId!), files.isComplete);
      if (fault !== null) tell(fault);
    });
    await walk(file, "previous_id", backwards, (row, found) => {
      const fault = backwardFault(row, found ?? findIn(elsewhere, row.previousId!), files.isComplete);
      if (fault !== null) tell(fault);
    });
  }
}

/** Calls `look` with each pair that the statement answers; null: the other one is not in this file. */
async function walk(
  file: TaskFile,
  link: "next_id" | "previous_id",
  sql: string,
  look: (row: LinkedRow, found: LinkedRow | null) => void,
): Promise<void> {
  const { db, place } = file;
  const upto = Math.min(file.upto, Number.MAX_SAFE_INTEGER);
  const end = db.prepare(
    `select max(${link}) from (select ${link} from task where ${link} > ? order by ${link} limit ${stretch})`,
  );
  const pairs = db.prepare(sql);
  try {
    for (let from = ""; ;) {
      const to = end.values(from)[0]?.[0];
      if (typeof to !== "string") return;
      for (const cells of pairs.values(from, to, upto) as Cell[][]) {
        const other = cells.slice(width);
        look(linkedRow(cells, place), other[0] === null ? null : linkedRow(other, place));
      }
      from = to;
      await turn();
    }
  } finally {
    end.finalize();
    pairs.finalize();
  }
}

function findIn(files: readonly TaskFile[], id: string): LinkedRow | null {
  for (const { db, place, upto } of files) {
    const sql = `select ${columns("task")} from task where id = ? and rowid <= ?`;
    const [row] = rowsOf(db, sql, id, Math.min(upto, Number.MAX_SAFE_INTEGER));
    if (row !== undefined) return linkedRow(row, place);
  }
  return null;
}

function linkedRow(cells: readonly Cell[], place: string): LinkedRow {
  const [id, previousId, nextId, retried, attempt, exitStatus] = cells;
  const text = (cell: Cell | undefined): string | null => (cell === null || cell === undefined ? null : String(cell));
  return {
    id: String(id),
    place,
    previousId: text(previousId),
    nextId: text(nextId),
    retried: Boolean(retried),
    attempt: Number(attempt),
    exitStatus: exitStatus === null ? null : Number(exitStatus),
  };
}
