/*
 * The partitions of an SQLite file: files beside it, `<stem>.<number>`, that hold what was rotated out of it
 * (rotation.ts). Tells their names, which of them are partitions indeed, and which one a rotation is filling. Does not
 * know what is in them.
 */
import type { Database } from "bun:sqlite";
import { closeSync, lstatSync, openSync, readdirSync, readSync, statSync } from "node:fs";
import { basename, dirname, join, parse } from "node:path";
import { type Connection, holdsTasks } from "../../store/sqlite/connection.ts";

/** A row of table `rotation`: of partition `part` only rows up to number `upto` count. */
export interface UnderWay {
  readonly part: number;
  readonly token: string;
  readonly upto: number;
}

/** A file that is named like a partition. */
export interface Candidate {
  readonly part: number;
  readonly path: string;
}

/** `main.1` for `main.db`. What already looks like a partition has partitions of its own: `main.1.1`. */
export function partitionPath(file: string, part: number): string {
  return join(dirname(file), `${stemOf(file)}.${part}`);
}

function stemOf(file: string): string {
  const { name, ext, base } = parse(basename(file));
  return /^\.\d+$/.test(ext) ? base : name;
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

/** The first number from 1 on under which there is no file yet. */
export function freePart(file: string): number {
  let part = 1;
  while (lstatSync(partitionPath(file, part), { throwIfNoEntry: false }) !== undefined) part += 1;
  return part;
}

/** Whether a file is a partition. Throws when it cannot be read; it may well be one then. */
export function isPartition(path: string): boolean {
  return statSync(path).isFile() && hasDatabaseHeader(path) && holdsTasks(path);
}

/** SQLite's file format, section 1.3.1. */
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

/** The rotation that is under way in this file, or was left so; null: there is none. */
export function rotationUnderWay(connection: Connection): UnderWay | null {
  const { db } = connection;
  return connection.read(() => {
    if (!hasRotations(db)) return null;
    const row = db.query("select part, token, upto from rotation order by part limit 1").values()[0];
    return row === undefined ? null : { part: Number(row[0]), token: String(row[1]), upto: Number(row[2]) };
  });
}

/** Whether an open partition was made by this rotation. */
export function isFilledBy(db: Database, { token }: UnderWay): boolean {
  return hasRotations(db) && db.query("select 1 from rotation where token = ?").get(token) !== null;
}

/** A file that no program of today has written to has no such table. */
function hasRotations(db: Database): boolean {
  return db.query("select 1 from sqlite_master where name = 'rotation'").get() !== null;
}
