/*
 * The partitions of an SQLite file: files beside it, `<stem>.<number>`, that hold what was rotated out of it (rotation.ts), and the history
 * of both as one. Partitions are only looked at, as they are: those of older programs too, and other files of such a name not at all.
 *
 * While a rotation is under way, or after one that was killed, the last rows of its partition are still in the main file as well: there they count.
 */
import { closeSync, lstatSync, openSync, readdirSync, readSync, statSync } from "node:fs";
import { basename, dirname, join, parse } from "node:path";
import { messageOf, UserError } from "../../base/errors.ts";
import type { RecordStore } from "../open.ts";
import type { Records, Selection } from "../store.ts";
import { type OpenPart, type Part, unionRecords } from "../union.ts";
import { Connection, holdsTasks } from "./connection.ts";
import { openFailure } from "./failure.ts";
import { displayOf, prepareRecords, type SqliteRecords } from "./records.ts";
import type { SqliteOptions } from "./sqlite.ts";

export interface HistoryOptions extends Omit<SqliteOptions, "clock"> {
  /** Told each partition that is looked into, and each file that is none. */
  readonly debug?: ((text: string) => void) | null;
  /** Told each partition whose tasks cannot be shown. */
  readonly warn?: ((text: string) => void) | null;
}

/** A row of table `rotation`: of partition `part` only the first `moved` rows count. */
export interface UnderWay {
  readonly part: number;
  readonly token: string;
  readonly moved: number;
}

/** `main.1` for `main.db`. What already looks like a partition has partitions of its own: `main.1.1`. */
export function partitionPath(file: string, part: number): string {
  return join(dirname(file), `${stemOf(file)}.${part}`);
}

function stemOf(file: string): string {
  const { name, ext, base } = parse(basename(file));
  return /^\.\d+$/.test(ext) ? base : name;
}

export interface Candidate {
  readonly part: number;
  readonly path: string;
}

/** Whatever is named like a partition, by number. */
export function partitionCandidates(file: string): readonly Candidate[] {
  const folder = dirname(file);
  const prefix = `${stemOf(file)}.`;
  return readdirSync(folder)
    .filter((name) => name.startsWith(prefix) && /^\d+$/.test(name.slice(prefix.length)) && name !== basename(file))
    .map((name) => ({ part: Number(name.slice(prefix.length)), path: join(folder, name) }))
    .toSorted((one, other) => one.part - other.part || (one.path < other.path ? -1 : 1));
}

/** The first number from 1 on under which there is nothing yet. */
export function freePart(file: string): number {
  let part = 1;
  while (lstatSync(partitionPath(file, part), { throwIfNoEntry: false }) !== undefined) part += 1;
  return part;
}

/** Whether a file is a partition; an error: it may well be, but cannot be read. */
export function isPartition(path: string): boolean {
  return statSync(path).isFile() && hasDatabaseHeader(path) && holdsTasks(path);
}

const databaseHeader = Buffer.from("SQLite format 3\0");

function hasDatabaseHeader(path: string): boolean {
  const found = Buffer.alloc(databaseHeader.length);
  const descriptor = openSync(path, "r");
  try {
    return readSync(descriptor, found, 0, found.length, 0) === found.length && found.equals(databaseHeader);
  } finally {
    closeSync(descriptor);
  }
}

/** The rotation that is under way in this file, or was left so. */
export function rotationUnderWay(connection: Connection): UnderWay | null {
  return connection.read(() => {
    const { db } = connection;
    // A file that nobody of ours has written to has no such table.
    if (db.query("select 1 from sqlite_master where name = 'rotation'").get() === null) return null;
    const row = db.query("select part, token, moved from rotation order by part limit 1").values()[0];
    return row === undefined ? null : { part: Number(row[0]), token: String(row[1]), moved: Number(row[2]) };
  });
}

/** The history in a file and its partitions, for looking only; a file that cannot be written will do. */
export function openSqliteHistory(options: HistoryOptions): RecordStore {
  const connection = new Connection({ ...options, readOnly: true });
  const { file } = connection;
  const main = prepareRecords(connection);
  const state = (): string => JSON.stringify([partitionCandidates(file), rotationUnderWay(connection)]);

  function parts(): readonly Part[] {
    const underWay = rotationUnderWay(connection);
    return partitionCandidates(file).map(
      (candidate) => async () => openPart(candidate, candidate.part === underWay?.part ? underWay : null, options),
    );
  }

  const union = unionRecords(main, parts);
  return {
    ...union,
    title: `sqlite (${file})`,
    async count(selection: Selection) {
      // Tasks that are moved between two looks would be counted twice, or not at all.
      for (let looks = 1; ; looks++) {
        const before = state();
        const count = await union.count(selection);
        if (looks === mostLooks || state() === before) return count;
      }
    },
    async close() {
      connection.close();
    },
  };
}

/** A rotation moves thousands of tasks a second; who counts slower than that gets a number that was right in between. */
const mostLooks = 5;

function openPart({ path }: Candidate, underWay: UnderWay | null, options: HistoryOptions): OpenPart | null {
  const { debug, warn } = options;
  try {
    if (!isPartition(path)) {
      debug?.(`Ignored file that is no database partition (${path})`);
      return null;
    }
    const connection = new Connection({ ...options, file: path, readOnly: true, untouched: true });
    debug?.(`Attached database partition (${path})`);
    const records = prepareRecords(connection);
    const close = async (): Promise<void> => connection.close();
    if (underWay === null || !hasToken(connection, underWay.token)) return { ...records, close };
    return { ...firstOf(records, underWay.moved, connection), close };
  } catch (error) {
    const reason = openFailure(error, path);
    // Gone since it was listed.
    if ((error as { code?: unknown }).code === "ENOENT") return null;
    const text = reason instanceof UserError ? reason.message.replace(/^\w+: /, "") : `'${path}': ${messageOf(reason)}`;
    warn?.(`Database partition left out: ${text}`);
    return null;
  }
}

export function hasToken(connection: Connection, token: string): boolean {
  const { db } = connection;
  if (db.query("select 1 from sqlite_master where name = 'rotation'").get() === null) return false;
  return db.query("select 1 from rotation where token = ?").get(token) !== null;
}

/** Only the first rows of a partition: the others, a few thousand, are in the main file too. */
function firstOf(records: SqliteRecords, moved: number, connection: Connection): Records {
  const counts = (row: readonly unknown[]): boolean => (row[0] as number) <= moved;
  return {
    ...records,
    async *search({ fields, ...selection }) {
      let left = selection.limit ?? Number.POSITIVE_INFINITY;
      if (left <= 0) return;
      const show = fields.map(displayOf);
      for (const row of records.rows({ ...selection, limit: null }, fields)) {
        if (!counts(row)) continue;
        yield show.map((display, i) => display(row[i + 1] ?? null));
        left -= 1;
        if (left <= 0) return;
      }
    },
    async count(selection) {
      let count = await records.count({ ...selection, limit: null });
      const beyond = connection.read(() => connection.db.query("select id from task where rowid > ?").values(moved));
      for (const [id] of beyond) {
        const one = { kind: "field", field: "id", operator: "==", value: String(id) } as const;
        count -= await records.count({ ...selection, where: [...selection.where, one], limit: null });
      }
      return Math.min(count, selection.limit ?? count);
    },
    async find(id) {
      const where = [{ kind: "field", field: "id", operator: "==", value: id } as const];
      const [row] = records.rows({ where, orderBy: null, descending: false, limit: 1 }, []);
      return row !== undefined && counts(row) ? records.find(id) : null;
    },
  };
}
