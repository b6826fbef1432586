/*
 * The history in an SQLite file and its partitions as one, for looking only. Rotations may move tasks from the one to
 * the others meanwhile; each search and each count has every task once all the same.
 */
import type { ShownRow } from "../../task/task.ts";
import { Connection } from "../../store/sqlite/connection.ts";
import { serversIn } from "../../store/sqlite/servers.ts";
import type { RecordQuery, RecordStore, Selection } from "../history.ts";
import { fewRows, type PartOpener, unionRecords } from "../union.ts";
import { displayOf } from "./display.ts";
import { clientOf, obstaclesOf, submissionOf } from "./obstacles.ts";
import { outlookOf } from "./outlook.ts";
import { type HistoryOptions, openPartition, type Partition } from "./partition.ts";
import { type Candidate, partitionCandidates, rotationUnderWay, type UnderWay } from "./partition-files.ts";
import { prepareRecords, type SqliteRecords } from "./records.ts";
import { newRowSet } from "./row-set.ts";
import { rowNumber } from "./table.ts";

interface Whole {
  readonly connection: Connection;
  /** The main file. */
  readonly main: SqliteRecords;
  readonly options: HistoryOptions;
}

/**
 * The history in a file and its partitions, for looking only; a file that cannot be written will do. Throws UserError
 * for what stands in the way of the main file; a partition that cannot be read is left out.
 */
export function openSqliteHistory(options: HistoryOptions): RecordStore {
  const connection = new Connection({ ...options, readOnly: true });
  const whole: Whole = { connection, main: prepareRecords(connection), options };
  const union = unionRecords(whole.main, () =>
    partitionCandidates(connection.file).map((candidate) => async () => openNow(whole, candidate)),
  );
  return {
    ...union,
    title: `sqlite (${connection.file})`,
    search(query) {
      if (query.orderBy === null) return inTurn(whole, query);
      return query.limit !== null && query.limit <= fewRows ? firstFew(whole, query) : union.search(query);
    },
    count: async (selection) => count(whole, selection),
    servers: async () => serversIn(connection),
    outlook: async () => outlookOf(connection),
    obstacles: async (query) => obstaclesOf(connection, query),
    submission: async (id) => submissionOf(connection, id),
    client: async (id) => clientOf(connection, id),
    async close() {
      connection.close();
    },
  };
}

/** The partition as it counts just now. */
function openNow({ connection, options }: Whole, candidate: Candidate): Partition | null {
  return openPartition(candidate, rotationUnderWay(connection), options);
}

/**
 * Rows of the main file, then those of each partition, also of one that is made meanwhile. A row keeps its number when
 * it is moved, so what was shown in the main file is not shown again.
 */
async function* inTurn(whole: Whole, { fields, ...selection }: RecordQuery): AsyncGenerator<ShownRow> {
  const { connection, main } = whole;
  const display = displayOf(fields, connection.times);
  let left = selection.limit ?? Number.POSITIVE_INFINITY;
  if (left <= 0) return;
  const before = new Set(partitionCandidates(connection.file).map(({ part }) => part));
  const atFirst = rotationUnderWay(connection);
  const shown = newRowSet();
  for (const row of main.rows(selection, fields)) {
    shown.add(rowNumber(row));
    yield display(row);
    left -= 1;
    if (left <= 0) return;
  }
  for (const candidate of partitionCandidates(connection.file)) {
    const partition = openNow(whole, candidate);
    if (partition === null) continue;
    const { part } = candidate;
    /** Rows up to this number counted as archived when the search began, so they were not shown in the main file. */
    const old = before.has(part) ? (part === atFirst?.part ? atFirst.upto : Number.POSITIVE_INFINITY) : 0;
    const isWhole = old === Number.POSITIVE_INFINITY && partition.upto === Number.POSITIVE_INFINITY;
    // Unless all of its rows are shown, nobody knows how many it takes.
    const limit = isWhole && selection.limit !== null ? left : null;
    try {
      const displayHere = displayOf(fields, partition.times);
      for (const row of partition.rows({ ...selection, limit }, fields)) {
        const number = rowNumber(row);
        if (number > partition.upto || (number > old && shown.has(number))) continue;
        yield displayHere(row);
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

/**
 * Tasks may be moved meanwhile, so the main file is read together with the number up to which a partition counts, in
 * one transaction.
 */
async function atOneMoment<T>({ connection }: Whole, look: () => Promise<T>): Promise<Moment<T>> {
  const { db, file } = connection;
  for (;;) {
    const listed = partitionCandidates(file);
    // A transaction that reads holds up nobody where there is a write-ahead log; elsewhere it would.
    const atOnce = connection.read(() => db.query("pragma journal_mode").values())[0]?.[0] === "wal";
    if (atOnce) connection.read(() => db.run("begin"));
    try {
      const underWay = rotationUnderWay(connection);
      if (namesOf(partitionCandidates(file)) !== namesOf(listed)) continue;
      return { listed, underWay, inMain: await look() };
    } finally {
      if (atOnce) connection.read(() => db.run("commit"));
    }
  }
}

function namesOf(candidates: readonly Candidate[]): string {
  return candidates.map(({ path }) => path).join("\n");
}

/**
 * The first few in an order. Those of the main file are held in memory while the partitions are asked, as these were at
 * that moment.
 */
function firstFew(whole: Whole, asked: RecordQuery): AsyncIterable<ShownRow> {
  const { main, options } = whole;
  let [listed, underWay]: [readonly Candidate[], UnderWay | null] = [[], null];
  const search = async function* (query: RecordQuery): AsyncGenerator<ShownRow> {
    const moment = await atOneMoment(whole, () => Array.fromAsync(main.search(query)));
    ({ listed, underWay } = moment);
    yield* moment.inMain;
  };
  // The union asks for them one by one, after the main file.
  const parts = function* (): Generator<PartOpener> {
    for (const candidate of listed) yield async () => openPartition(candidate, underWay, options);
  };
  return unionRecords({ ...main, search }, parts).search(asked);
}

async function count(whole: Whole, selection: Selection): Promise<number> {
  const most = selection.limit ?? Number.POSITIVE_INFINITY;
  const { listed, underWay, inMain } = await atOneMoment(whole, () => whole.main.count(selection));
  let sum = inMain;
  for (const candidate of listed) {
    if (sum >= most) break;
    const partition = openPartition(candidate, underWay, whole.options);
    if (partition === null) continue;
    try {
      sum += await partition.count(selection);
    } finally {
      await partition.close();
    }
  }
  return Math.min(sum, most);
}
