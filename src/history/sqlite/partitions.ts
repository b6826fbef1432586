/*
 * The partitions of an SQLite file: files beside it, `<stem>.<number>`, that hold what was rotated out of it (rotation.ts), and the history
 * of both as one. Partitions are only looked at, as they are: those of older programs too, and other files of such a name not at all.
 *
 * While a rotation is under way, or after one that was killed, the last rows of its partition are still in the main file as well: there they count.
 */
import { closeSync, lstatSync, openSync, readdirSync, readSync, statSync } from "node:fs";
import { basename, dirname, join, parse } from "node:path";
import { messageOf, UserError } from "../../base/errors.ts";
import type { ShownRow } from "../../task/task.ts";
import type { RecordQuery, RecordStore } from "../history.ts";
import { fewRows, type OpenPart, type PartOpener, unionRecords } from "../union.ts";
import { Connection, holdsTasks, type SqliteOptions } from "../../store/sqlite/connection.ts";
import { openFailure } from "../../store/sqlite/failure.ts";
import { displayOf, prepareRecords, type SqliteRecords } from "./records.ts";

export interface HistoryOptions extends SqliteOptions {
  /** Told each partition that is looked into, and each file that is none. */
  readonly debug?: ((text: string) => void) | null;
  /** Told each partition whose tasks cannot be shown. */
  readonly warn?: ((text: string) => void) | null;
}

/** A row of table `rotation`: of partition `part` only rows up to number `upto` count. */
export interface UnderWay {
  readonly part: number;
  readonly token: string;
  readonly upto: number;
}

/** `main.1` for `main.db`. What already looks like a partition has partitions of its own: `main.1.1`. */
export function partitionPath(file: string, part: number): string {
  return join(dirname(file), `${stemOf(file)}.${part}`);
}

function stemOf(file: string): string {
  const { name, ext, base } = parse(basename(file));
  return /^\.\d+$/.test(ext) ? base : name;
}

interface Candidate {
  readonly part: number;
  readonly path: string;
}

/** Whatever is named like a partition, by number. */
function partitionCandidates(file: string): readonly Candidate[] {
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
    const row = db.query("select part, token, upto from rotation order by part limit 1").values()[0];
    return row === undefined ? null : { part: Number(row[0]), token: String(row[1]), upto: Number(row[2]) };
  });
}

/** The history in a file and its partitions, for looking only; a file that cannot be written will do. */
export function openSqliteHistory(options: HistoryOptions): RecordStore {
  const connection = new Connection({ ...options, readOnly: true });
  const { db, file } = connection;
  const main = prepareRecords(connection);
  const open = (candidate: Candidate): Partition | null =>
    openPartition(candidate, rotationUnderWay(connection), options);

  const union = unionRecords(main, () => partitionCandidates(file).map((candidate) => async () => open(candidate)));

  /**
   * Rows of the main file, then those of each partition, also of one that is made meanwhile. A row keeps its number when it is moved, so what was
   * shown in the main file is not shown again.
   */
  async function* inTurn({ fields, ...selection }: RecordQuery): AsyncGenerator<ShownRow> {
    const show = fields.map(displayOf);
    let left = selection.limit ?? Number.POSITIVE_INFINITY;
    if (left <= 0) return;
    const before = new Set(partitionCandidates(file).map(({ part }) => part));
    const atFirst = rotationUnderWay(connection);
    const shown = rowSet();
    for (const row of main.rows(selection, fields)) {
      shown.add(row[0] as number);
      yield show.map((display, i) => display(row[i + 1] ?? null));
      left -= 1;
      if (left <= 0) return;
    }
    for (const candidate of partitionCandidates(file)) {
      const partition = open(candidate);
      if (partition === null) continue;
      const { part } = candidate;
      const old = before.has(part) ? (part === atFirst?.part ? atFirst.upto : Number.POSITIVE_INFINITY) : 0;
      const whole = old === Number.POSITIVE_INFINITY && partition.upto === Number.POSITIVE_INFINITY;
      const limit = whole && selection.limit !== null ? left : null;
      try {
        for (const row of partition.rows({ ...selection, limit }, fields)) {
          const number = row[0] as number;
          if (number > partition.upto || (number > old && shown.has(number))) continue;
          yield show.map((display, i) => display(row[i + 1] ?? null));
          left -= 1;
          if (left <= 0) return;
        }
      } finally {
        await partition.close();
      }
    }
  }

  /** What the main file holds at one moment, and where everything else is then. */
  interface Moment<T> {
    readonly listed: readonly Candidate[];
    readonly underWay: UnderWay | null;
    readonly inMain: T;
  }

  /** Up to where the partition counts at the moment that the main file is read: tasks may be moved meanwhile. */
  async function atOneMoment<T>(look: () => Promise<T>): Promise<Moment<T>> {
    for (;;) {
      const listed = partitionCandidates(file);
      // With a write-ahead log this holds up nobody; else it would.
      const atOnce = connection.read(() => db.query("pragma journal_mode").values())[0]?.[0] === "wal";
      if (atOnce) connection.read(() => db.run("begin"));
      try {
        const underWay = rotationUnderWay(connection);
        const names = (candidates: readonly Candidate[]): string => candidates.map(({ path }) => path).join("\n");
        if (names(partitionCandidates(file)) !== names(listed)) continue;
        return { listed, underWay, inMain: await look() };
      } finally {
        if (atOnce) connection.read(() => db.run("commit"));
      }
    }
  }

  /** The first few in an order: those of the main file are held in memory while the partitions are asked, as they were at that moment. */
  function firstFew(query: RecordQuery): AsyncIterable<ShownRow> {
    let [listed, underWay]: [readonly Candidate[], UnderWay | null] = [[], null];
    const search = async function* (wider: RecordQuery): AsyncGenerator<ShownRow> {
      const moment = await atOneMoment(() => Array.fromAsync(main.search(wider)));
      ({ listed, underWay } = moment);
      yield* moment.inMain;
    };
    // Asked for one by one, after the main file.
    const parts = function* (): Generator<PartOpener> {
      for (const candidate of listed) yield async () => openPartition(candidate, underWay, options);
    };
    return unionRecords({ ...main, search }, parts).search(query);
  }

  return {
    ...union,
    title: `sqlite (${file})`,
    search: (query) =>
      query.orderBy === null
        ? inTurn(query)
        : query.limit !== null && query.limit <= fewRows
          ? firstFew(query)
          : union.search(query),
    async count(selection) {
      const most = selection.limit ?? Number.POSITIVE_INFINITY;
      const { listed, underWay, inMain } = await atOneMoment(() => main.count(selection));
      let count = inMain;
      for (const candidate of listed) {
        if (count >= most) break;
        const partition = openPartition(candidate, underWay, options);
        if (partition === null) continue;
        try {
          count += await partition.count(selection);
        } finally {
          await partition.close();
        }
      }
      return Math.min(count, most);
    },
    async close() {
      connection.close();
    },
  };
}

interface Partition extends SqliteRecords, OpenPart {
  /** Of the last row that counts. */
  readonly upto: number;
}

function openPartition(
  { part, path }: Candidate,
  underWay: UnderWay | null,
  options: HistoryOptions,
): Partition | null {
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
    if (part !== underWay?.part || !hasToken(connection, underWay.token))
      return { ...records, upto: Number.POSITIVE_INFINITY, close };
    return { ...upTo(underWay.upto, records, connection), upto: underWay.upto, close };
  } catch (error) {
    // Gone since it was listed.
    if ((error as { code?: unknown }).code === "ENOENT") return null;
    const reason = openFailure(error, path);
    const text = reason instanceof UserError ? reason.message.replace(/^\w+: /, "") : `'${path}': ${messageOf(reason)}`;
    warn?.(`Database partition left out: ${text}`);
    return null;
  }
}

function hasToken(connection: Connection, token: string): boolean {
  const { db } = connection;
  if (db.query("select 1 from sqlite_master where name = 'rotation'").get() === null) return false;
  return db.query("select 1 from rotation where token = ?").get(token) !== null;
}

/** So many rows are looked up one by one, at most: 0.3 s. */
const fewBeyond = 5000;

/** Only rows up to a number: the others, a few thousand, are in the main file too. */
function upTo(last: number, records: SqliteRecords, connection: Connection): SqliteRecords {
  const counts = (row: readonly unknown[]): boolean => (row[0] as number) <= last;
  const idsBeyond = (): readonly string[] =>
    connection
      .read(() => connection.db.query("select id from task where rowid > ? limit ?").values(last, fewBeyond))
      .map(([id]) => String(id));
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
      const beyond = idsBeyond();
      let count = await records.count({ ...selection, limit: null });
      const same = idsBeyond().length === beyond.length && beyond.length < fewBeyond;
      if (same) {
        for (const id of beyond) {
          const one = { kind: "field", field: "id", operator: "==", value: id } as const;
          count -= await records.count({ ...selection, where: [...selection.where, one], limit: null });
        }
      } else {
        // Tasks are being moved just now.
        count = 0;
        for (const row of records.rows({ ...selection, orderBy: null, limit: null }, [])) if (counts(row)) count += 1;
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

interface RowSet {
  add(row: number): void;
  has(row: number): boolean;
}

const chunkBits = 2 ** 16;

/** A bit for each row: 1.3 MB for ten million. */
function rowSet(): RowSet {
  const chunks = new Map<number, Uint8Array>();
  return {
    add(row) {
      const [at, bit] = [Math.floor(row / chunkBits), row % chunkBits];
      let chunk = chunks.get(at);
      if (chunk === undefined) chunks.set(at, (chunk = new Uint8Array(chunkBits / 8)));
      chunk[bit >> 3]! |= 1 << (bit & 7);
    },
    has(row) {
      const bit = row % chunkBits;
      const chunk = chunks.get(Math.floor(row / chunkBits));
      return chunk !== undefined && (chunk[bit >> 3]! & (1 << (bit & 7))) !== 0;
    },
  };
}
