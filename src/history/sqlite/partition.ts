/*
 * One partition, opened to be searched. It is taken as it is: one of an older program too, and a file that is none not
 * at all.
 *
 * While a rotation is under way, or after one that was killed, the last rows of the partition that it fills are still
 * in the main file as well. They count there, not here.
 */
import { messageOf, UserError } from "../../base/errors.ts";
import { Connection, type SqliteOptions } from "../../store/sqlite/connection.ts";
import type { FileTimes } from "../../store/times.ts";
import { openFailure } from "../../store/sqlite/failure.ts";
import type { OpenPart } from "../union.ts";
import { displayOf } from "./display.ts";
import { type Candidate, isFilledBy, isPartition, type UnderWay } from "./partition-files.ts";
import { prepareRecords, type SqliteRecords } from "./records.ts";
import { rowNumber } from "./table.ts";

export interface HistoryOptions extends SqliteOptions {
  /** Told each partition that is looked into, and each file that is none. */
  readonly debug?: ((text: string) => void) | null;
  /** Told each partition whose tasks cannot be shown. */
  readonly warn?: ((text: string) => void) | null;
}

export interface Partition extends SqliteRecords, OpenPart {
  /** The number of the last row that counts. `rows` and `tagSets` have those after it too. */
  readonly upto: number;
  readonly times: FileTimes;
}

/** null: the file is no partition, is gone, or cannot be read; `warn` is told of the last. */
export function openPartition(
  { part, path }: Candidate,
  underWay: UnderWay | null,
  options: HistoryOptions,
): Partition | null {
  const { debug, warn } = options;
  try {
    if (!isPartition(path)) {
      debug?.(`Ignored file that is not a database partition (${path})`);
      return null;
    }
    const connection = new Connection({ ...options, file: path, readOnly: true, untouched: true });
    debug?.(`Attached database partition (${path})`);
    const records = prepareRecords(connection);
    const close = async (): Promise<void> => connection.close();
    if (part !== underWay?.part || !isFilledBy(connection.db, underWay))
      return { ...records, upto: Number.POSITIVE_INFINITY, times: connection.times, close };
    return { ...recordsUpTo(underWay.upto, records, connection), upto: underWay.upto, times: connection.times, close };
  } catch (error) {
    // Gone since it was listed.
    if ((error as { code?: unknown }).code === "ENOENT") return null;
    const reason = openFailure(error, path);
    const text = reason instanceof UserError ? reason.message.replace(/^\w+: /, "") : `'${path}': ${messageOf(reason)}`;
    warn?.(`Database partition left out: ${text}`);
    return null;
  }
}

/** Only rows up to number `last`, as far as what is shown, counted and found; those beyond are a few thousand. */
function recordsUpTo(last: number, records: SqliteRecords, connection: Connection): SqliteRecords {
  /** How many rows are beyond, and the number of the last: another answer when a rotation has written meanwhile. */
  const beyond = (): string =>
    connection
      .read(() => connection.db.query("select count(*), max(rowid) from task where rowid > ?").values(last))
      .join();
  return {
    ...records,
    async *search({ fields, ...selection }) {
      let left = selection.limit ?? Number.POSITIVE_INFINITY;
      if (left <= 0) return;
      const display = displayOf(fields, connection.times);
      for (const row of records.rows({ ...selection, limit: null }, fields)) {
        if (rowNumber(row) > last) continue;
        yield display(row);
        left -= 1;
        if (left <= 0) return;
      }
    },
    /**
     * All rows that match are counted, by an index where there is one, and those beyond `last` are taken off. For
     * example: the partition has rows 1 to 12,000, and only those up to 10,000 count; 300 rows are failures, and
     * reading the 2,000 rows from 10,001 on finds that 40 of the failures are among them. So 260 failures count.
     */
    async count(selection) {
      const all = { ...selection, limit: null };
      const before = beyond();
      let count = (await records.count(all)) - records.countFrom(last + 1, all);
      if (beyond() !== before) {
        // A rotation has written rows in between: nobody knows which of them were counted, so each row is looked at.
        count = 0;
        for (const row of records.rows({ ...all, orderBy: null }, [])) if (rowNumber(row) <= last) count += 1;
      }
      return Math.min(count, selection.limit ?? count);
    },
    async find(id) {
      const where = [{ kind: "field", field: "id", operator: "==", value: id } as const];
      const [row] = records.rows({ where, orderBy: null, descending: false, limit: 1 }, []);
      return row !== undefined && rowNumber(row) <= last ? records.find(id) : null;
    },
  };
}
