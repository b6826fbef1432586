/*
 * Looks through an SQLite file and its partitions for what cannot be, and mends it. Everything is read as it is at one
 * moment: the main file in one transaction, partitions up to the row that counted then. What is in a partition changes
 * only there. Reading goes by stretches, so that signals are heard.
 *
 * Where there is no write-ahead log (on network file systems), servers wait while the file is read.
 */
import { Database } from "bun:sqlite";
import { basename } from "node:path";
import { FatalError, messageOf, UserError } from "../../base/errors.ts";
import { Connection, type SqliteOptions } from "../../store/sqlite/connection.ts";
import { isUnwritable, openFailure, runFailure } from "../../store/sqlite/failure.ts";
import { isMountedReadOnly, wayToRead, wayToWrite } from "../../store/sqlite/filesystem.ts";
import { recordLeft } from "../../store/sqlite/left.ts";
import { serversIn } from "../../store/sqlite/servers.ts";
import { type CheckOptions, type Checked, type CheckStore, type Fault, faultOf, mends, takesOther } from "../faults.ts";
import { runApart } from "./apart.ts";
import { isFilledBy, isPartition, partitionCandidates, rotationUnderWay, type UnderWay } from "./partition-files.ts";
import type { TaskFile, TaskFiles } from "./verify-files.ts";
import { checkLinks } from "./verify-links.ts";
import { inFile, mendOthers } from "./verify-mends.ts";
import { checkCaptured, checkDuplicates, checkTables, contentOf } from "./verify-others.ts";
import { checkRows } from "./verify-rows.ts";

/** Opens a file to be verified; nothing is changed before `mend`. Throws UserError for what stands in the way. */
export function openSqliteCheck(options: SqliteOptions): CheckStore {
  const connection = new Connection({ ...options, readOnly: true, untouched: true });
  let writer: Connection | null = null;
  return {
    title: `sqlite (${connection.file})`,
    check: (asked, tell) => check(connection, options, asked, tell),
    async mend(fault, isAlive) {
      writer ??= new Connection({ ...options, readOnly: false });
      const isDead = serversIn(writer).some((server) => server.id === fault.id && !isAlive(server));
      if (isDead && fault.kind === "deadServer") recordLeft(writer, fault.id!);
      return (fault.kind !== "deadServer" || isDead) && mend(writer, fault);
    },
    async close() {
      connection.close();
      writer?.close();
    },
  };
}

type Tell = (fault: Fault) => void;

async function check(
  connection: Connection,
  options: SqliteOptions,
  asked: CheckOptions,
  tell: Tell,
): Promise<Checked> {
  const { db, file } = connection;
  // Pages that are damaged would break off whatever else is asked.
  await checkPages(file, asked.whole, tell);
  connection.read(() => db.run("begin"));
  const opened: Connection[] = [];
  try {
    const underWay = rotationUnderWay(connection);
    const { partitions, isComplete } = await openPartitions(connection, underWay, options, asked, opened, tell);
    const main = { place: basename(file), path: file, db, upto: Number.POSITIVE_INFINITY };
    const files: TaskFiles = { main, partitions, isComplete };
    return await checkAll(connection, files, underWay, asked, tell);
  } catch (thrown) {
    const error = runFailure(thrown, file);
    if (!(error instanceof FatalError)) throw error;
    tell(faultOf("damaged", basename(file), { other: error.message }));
    return { tasks: 0, partitions: opened.length, filesElsewhere: 0 };
  } finally {
    for (const each of opened) each.close();
    if (db.inTransaction) db.run("rollback");
  }
}

async function checkAll(
  connection: Connection,
  files: TaskFiles,
  underWay: UnderWay | null,
  asked: CheckOptions,
  tell: Tell,
): Promise<Checked> {
  const servers = serversIn(connection);
  const facts = {
    living: servers.filter(asked.isAlive).map(({ id }) => id),
    dead: servers.filter((server) => !asked.isAlive(server)),
  };
  checkTables(files, underWay, tell);
  let tasks = await checkRows(files.main, facts, tell);
  for (const partition of files.partitions) tasks += await checkRows(partition, null, tell);
  await checkLinks(files, tellingOfStill(files, tell));
  await checkDuplicates(files, tell);
  const filesElsewhere = asked.hasFile === null ? 0 : await checkCaptured(files, asked.hasFile, tell);
  return { tasks, partitions: files.partitions.length, filesElsewhere };
}

/**
 * Tells faults of links, but for those between two files of which somebody has changed a task since the main file was
 * read: a deletion takes links along in both, and they are not read at one moment.
 */
function tellingOfStill(files: TaskFiles, tell: Tell): Tell {
  const { main, partitions } = files;
  if (partitions.length === 0 || isMountedReadOnly(main.path)) return tell;
  return (fault) => {
    const now = new Database(main.path, { readonly: true });
    try {
      now.run("pragma busy_timeout = 5000");
      const isStill = (id: string | null): boolean => id === null || contentOf(main, id) === contentOf({ db: now }, id);
      if (isStill(fault.id) && isStill(fault.other)) tell(fault);
    } finally {
      now.close();
    }
  };
}

/** Faults that are told of one file; SQLite counts no further. */
const mostPages = 20;
/** What `reindex` mends: the table itself is sound. */
const ofIndex = /^(row \d+ missing from index|wrong # of entries in index|non-unique entry in index)/;

/** SQLite's own check, in a thread of its own: it takes a while, and reads all of the file. */
async function checkPages(path: string, whole: boolean, tell: Tell): Promise<void> {
  const place = basename(path);
  const sql = `pragma ${whole ? "integrity_check" : "quick_check"}(${mostPages})`;
  try {
    const work = { pragmas: ["pragma busy_timeout = 5000"], sql, values: [] };
    const way = isMountedReadOnly(path) ? wayToRead(path) : wayToWrite(path);
    const rows = await runApart({ ...work, way }).catch((error: unknown) => {
      if (!isUnwritable(error, path)) throw error;
      return runApart({ ...work, way: wayToRead(path) });
    });
    const texts = rows.map(([text]) => String(text)).filter((text) => text !== "ok");
    const index = texts.find((text) => ofIndex.test(text));
    if (index !== undefined) tell(faultOf("indices", place, { other: index, mendable: true }));
    for (const text of texts) if (!ofIndex.test(text)) tell(faultOf("damaged", place, { other: text.trim() }));
  } catch (thrown) {
    const error = runFailure(thrown, path);
    if (!(error instanceof FatalError)) throw error;
    tell(faultOf("damaged", place, { other: messageOf(thrown) }));
  }
}

/** Opens all partitions, which are closed by whoever closes `opened`. */
async function openPartitions(
  main: Connection,
  underWay: UnderWay | null,
  options: SqliteOptions,
  { whole }: CheckOptions,
  opened: Connection[],
  tell: Tell,
): Promise<Pick<TaskFiles, "partitions" | "isComplete">> {
  const partitions: TaskFile[] = [];
  let isComplete = true;
  for (const { part, path } of partitionCandidates(main.file)) {
    const place = basename(path);
    try {
      if (!isPartition(path)) continue;
      await checkPages(path, whole, tell);
      const connection = new Connection({ ...options, file: path, readOnly: true, untouched: true });
      opened.push(connection);
      const isFilled = part === underWay?.part && isFilledBy(connection.db, underWay);
      partitions.push({ place, path, db: connection.db, upto: isFilled ? underWay.upto : Number.POSITIVE_INFINITY });
    } catch (error) {
      // Gone since it was listed: a rotation that had nothing to move.
      if ((error as { code?: unknown }).code === "ENOENT") continue;
      const reason = openFailure(error, path);
      isComplete = false;
      tell(faultOf("partition", place, { other: reason instanceof UserError ? reason.message : messageOf(reason) }));
    }
  }
  return { partitions, isComplete };
}

/** Whether the other task of a link still names this one; somebody may have deleted it since. */
function isNamed({ db, file }: Connection, { kind, id, other }: Fault): boolean {
  const sql = `select 1 from task where id = ? and ${kind === "nextUnaware" ? "next_id" : "previous_id"} = ?`;
  const names = (there: Database): boolean => there.query(sql).get(other, id) !== null;
  return names(db) || partitionCandidates(file).some(({ path }) => isPartition(path) && inFile(path, names));
}

function mend(writer: Connection, fault: Fault): boolean {
  const { kind, id, other, place } = fault;
  const sql = mends[kind];
  const path = partitionCandidates(writer.file).find((each) => basename(each.path) === place)?.path;
  if (sql === undefined) return writer.write(() => mendOthers(writer, fault, path ?? null));
  const values = takesOther(sql) ? [id, other] : [id];
  if ((kind === "nextUnaware" || kind === "previousUnaware") && !isNamed(writer, fault)) return false;
  const statement = sql.replaceAll("TABLE", "task");
  if (place === basename(writer.file)) return writer.write(() => writer.db.query(statement).run(...values).changes > 0);
  if (path === undefined) return false;
  try {
    return inFile(path, (db) => {
      db.run("pragma synchronous = full");
      return db.query(statement).run(...values).changes > 0;
    });
  } catch (error) {
    throw runFailure(error, path);
  }
}
