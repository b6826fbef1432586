/*
 * What tasks have printed and nobody has read yet: in memory while it is little, else in files without a name, which
 * the system removes with this process, however it ends. Knows neither tasks nor where it is printed.
 */
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  rmSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isFull } from "../base/full.ts";
import { uniqueName } from "../base/ids.ts";
import { failureCode } from "../base/paths.ts";
import { writeAll } from "../base/write.ts";

/** A sequence of bytes that waits. Only its spool changes it. */
export interface Part {
  /** Bytes. */
  size: number;
  /** All of it, in order, where it is in memory. */
  chunks: Uint8Array[];
  /** The file that has it; null: it is in memory. */
  file: number | null;
  /** Where it begins in that file, bytes. */
  offset: number;
}

export interface Spool {
  /** A new file to which a task may write, by its descriptor. Throws the errors of the file system. */
  openFile(): number;
  /** What has been written to a file of `openFile`, which belongs to the spool from now on. */
  ofFile(file: number): Part;
  newPart(): Part;
  /** Adds a copy of these bytes. Throws the errors of the file system. */
  append(part: Part, bytes: Uint8Array): void;
  /** Makes room in memory, and among open files, if there is little: this part will wait. */
  park(part: Part): void;
  /** Reads up to `into.length` bytes from a place in the part. Answers how many. Throws as the file system does. */
  read(part: Part, at: number, into: Uint8Array): number;
  drop(part: Part): void;
  close(): void;
}

export interface SpoolOptions {
  /** Where files are made. */
  readonly folder: string;
  /** Called for each file of a task that is taken while the folder has no room: its end may be missing. */
  readonly onFull?: () => void;
  /** The largest number of bytes of one part in memory, and of all. */
  readonly mostInPart?: number;
  readonly mostInMemory?: number;
  /** The largest number of files of single parts that wait. */
  readonly mostFiles?: number;
}

interface State extends Required<SpoolOptions> {
  inMemory: number;
  files: number;
  /** One file for the parts that wait, how much of it is used, bytes, and by how many parts; null: it is not open. */
  shared: { readonly file: number; size: number; parts: number } | null;
  /** The paths of files that could not be made nameless. */
  readonly names: Map<number, string>;
}

/** A file that is larger than this is not copied to free a descriptor, bytes. */
const mostCopied = 16 << 20;
const pieceBytes = 256 * 1024;
/** Of open(2) on Linux: a file without a name. */
const tmpFile = 0o20200000;

/** Where files go that wait: the folder of temporary files. */
export function spoolFolder(): string {
  return tmpdir();
}

/** What a user reads when files that wait find no room in the folder. */
export function tellFull(folder: string): string {
  return (
    `The output of tasks cannot wait in '${folder}': its file system is full - what tasks print is cut there as long ` +
    "as that is so; their exit statuses stay their own; TMPDIR names another folder"
  );
}

/** Makes a spool. It opens no file before it needs one. */
export function newSpool(options: SpoolOptions): Spool {
  const state: State = {
    mostInPart: 64 * 1024,
    mostInMemory: 32 << 20,
    mostFiles: 256,
    onFull: () => undefined,
    ...options,
    inMemory: 0,
    files: 0,
    shared: null,
    names: new Map(),
  };
  return {
    openFile: () => openNameless(state),
    newPart: () => ({ size: 0, chunks: [], file: null, offset: 0 }),
    ofFile: (file) => takeFile(state, file),
    append: (part, bytes) => append(state, part, bytes),
    park: (part) => park(state, part),
    read: (part, at, into) => read(part, at, into),
    drop: (part) => drop(state, part),
    close() {
      if (state.shared !== null) closeFile(state, state.shared.file);
      state.shared = null;
    },
  };
}

function openNameless(state: State): number {
  const { O_RDWR, O_APPEND, O_CREAT, O_EXCL } = constants;
  if (process.platform === "linux") {
    try {
      return openSync(state.folder, O_RDWR | O_APPEND | tmpFile, 0o600);
    } catch (error) {
      // Some file systems have no such files (NFS).
      if (!["EOPNOTSUPP", "EISDIR", "EINVAL", "ENOENT"].includes(failureCode(error))) throw error;
    }
  }
  const path = join(state.folder, `hs-output-${uniqueName()}`);
  const file = openSync(path, O_RDWR | O_APPEND | O_CREAT | O_EXCL, 0o600);
  try {
    unlinkSync(path);
  } catch {
    state.names.set(file, path);
  }
  return file;
}

function closeFile(state: State, file: number): void {
  closeSync(file);
  const name = state.names.get(file);
  if (name === undefined) return;
  state.names.delete(file);
  rmSync(name, { force: true });
}

function takeFile(state: State, file: number): Part {
  const { size } = fstatSync(file);
  // What the task has written is still there, so a file system that was too small for it is full now. One that was
  // full before has not taken a byte.
  if (isFull(state.folder)) state.onFull();
  if (size > state.mostInPart || state.inMemory + size > state.mostInMemory) {
    state.files++;
    return { size, chunks: [], file, offset: 0 };
  }
  const chunks = size === 0 ? [] : [readWhole(file, size)];
  closeFile(state, file);
  state.inMemory += size;
  return { size, chunks, file: null, offset: 0 };
}

function readWhole(file: number, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let done = 0;
  while (done < size) {
    const some = readSync(file, bytes, done, size - done, done);
    if (some === 0) break;
    done += some;
  }
  return bytes.subarray(0, done);
}

function append(state: State, part: Part, bytes: Uint8Array): void {
  const { length } = bytes;
  const isLittle = part.size + length <= state.mostInPart && state.inMemory + length <= state.mostInMemory;
  if (part.file === null && isLittle) {
    part.chunks.push(bytes.slice());
    state.inMemory += length;
  } else {
    if (part.file === null || part.file === state.shared?.file) moveTo(state, part, openNameless(state));
    writeAll(part.file!, bytes, writeSync);
  }
  part.size += length;
}

/** Moves a part into a file of its own. */
function moveTo(state: State, part: Part, file: number): void {
  try {
    copyTo(part, file);
  } catch (error) {
    closeFile(state, file);
    throw error;
  }
  const { size } = part;
  drop(state, part);
  state.files++;
  Object.assign(part, { size, file, offset: 0 });
}

function copyTo(part: Part, file: number): void {
  const piece = new Uint8Array(Math.min(part.size, pieceBytes));
  for (let at = 0; at < part.size;) {
    const some = read(part, at, piece);
    if (some === 0) break;
    writeAll(file, piece.subarray(0, some), writeSync);
    at += some;
  }
}

function park(state: State, part: Part): void {
  if (part.size === 0) return;
  const hasRoom = part.file === null ? state.inMemory <= state.mostInMemory / 2 : state.files <= state.mostFiles;
  if (hasRoom || part.file === state.shared?.file || (part.file !== null && part.size > mostCopied)) return;
  state.shared ??= { file: openNameless(state), size: 0, parts: 0 };
  const { shared } = state;
  try {
    copyTo(part, shared.file);
  } catch (error) {
    ftruncateSync(shared.file, shared.size);
    throw error;
  }
  const { size } = part;
  drop(state, part);
  Object.assign(part, { size, file: shared.file, offset: shared.size });
  shared.size += size;
  shared.parts++;
}

function read({ chunks, file, offset, size }: Part, at: number, into: Uint8Array): number {
  if (file !== null) return readSync(file, into, 0, Math.min(into.length, size - at), offset + at);
  let from = at;
  let done = 0;
  for (const chunk of chunks) {
    if (from >= chunk.length) {
      from -= chunk.length;
      continue;
    }
    const some = chunk.subarray(from, from + into.length - done);
    into.set(some, done);
    done += some.length;
    from = 0;
    if (done === into.length) break;
  }
  return done;
}

/** Forgets the bytes of a part, which is empty then. */
function drop(state: State, part: Part): void {
  const { shared } = state;
  if (part.file === null) state.inMemory -= part.size;
  else if (part.file !== shared?.file) {
    state.files--;
    closeFile(state, part.file);
  } else if (--shared.parts === 0) {
    shared.size = 0;
    ftruncateSync(shared.file, 0);
  }
  Object.assign(part, { size: 0, chunks: [], file: null, offset: 0 });
}
