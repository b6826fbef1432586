/*
 * Which output is next where all of it is printed in the order of the input. The ids that are to come are in a file, 16
 * bytes each, so that ten million of them take no memory; what has ended before its turn is kept by its id. Knows
 * neither bytes nor where they go.
 *
 * A task that is tried again keeps its place, and only the output of its last attempt counts.
 */
import { closeSync, readSync, writeSync } from "node:fs";
import { writeAll } from "../base/write.ts";

export interface Order<Output> {
  /** These tasks are to come, after all that were named before. Throws the errors of the file system. */
  expect(ids: readonly string[]): void;
  /** A task has ended. `next`: the id of its next attempt; null: there is none. Answers an output that is void now. */
  put(id: string, output: Output | null, next: string | null): Output | null;
  /** A task will not end here: nobody waits for it any more. */
  skip(id: string): void;
  /** The outputs whose turn it is, each once. */
  due(): Output[];
  /** Everything that is left, in order, whatever has not come. */
  rest(): Output[];
  /**
   * The next attempts, or the tasks themselves, for which others wait: at most `most` of them, the first first. Empty:
   * nobody waits.
   */
  awaited(most: number): string[];
  /** Whether a task was named, or is the next attempt of one that was, and its turn has not come. */
  awaits(id: string): boolean;
  /** How many outputs wait for others. */
  readonly waiting: number;
  close(): void;
}

interface Ended<Output> {
  readonly output: Output | null;
  /** Whether no other attempt will take its place. */
  readonly isFinal: boolean;
}

const idBytes = 16;
/** How many ids are read at once. */
const readAhead = 4096;

interface State<Output> {
  readonly openFile: () => number;
  /** Has the ids; null: none was named yet. */
  file: number | null;
  /** How much of it was read, and written, bytes. */
  read: number;
  written: number;
  /** Those that were named and have not had their turn; null: nobody asks. */
  readonly named: Set<string> | null;
  /** Those that were read, from `at` on. */
  ids: string[];
  at: number;
  /** What has ended before its turn; null: it will not come. */
  readonly ended: Map<string, Ended<Output> | null>;
  /** The first attempt of each next one that is under way, and the reverse. */
  readonly firstOf: Map<string, string>;
  readonly lastOf: Map<string, string>;
}

/** Makes an order. `openFile` makes a file that the order closes. `isAsked`: whether `awaits` is called. */
export function newOrder<Output>(openFile: () => number, isAsked: boolean): Order<Output> {
  const state: State<Output> = {
    openFile,
    file: null,
    read: 0,
    written: 0,
    named: isAsked ? new Set() : null,
    ids: [],
    at: 0,
    ended: new Map(),
    firstOf: new Map(),
    lastOf: new Map(),
  };
  const { named, ended, firstOf } = state;
  return {
    get waiting() {
      return ended.size;
    },
    expect: (ids) => expect(state, ids),
    awaits: (id) => named?.has(firstOf.get(id) ?? id) === true,
    put: (id, output, next) => put(state, id, output, next),
    skip(id) {
      const first = firstOf.get(id) ?? id;
      const entry = ended.get(first) ?? null;
      forget(state, first);
      ended.set(first, entry === null ? null : { output: entry.output, isFinal: true });
    },
    due: () => takeAll(state, (entry) => entry === undefined || entry?.isFinal === false),
    rest() {
      const found = takeAll(state, () => false);
      // Of these nobody was told that they come.
      for (const entry of ended.values()) if (entry !== null && entry.output !== null) found.push(entry.output);
      ended.clear();
      return found;
    },
    awaited: (most) => awaited(state, most),
    close() {
      if (state.file !== null) closeSync(state.file);
      Object.assign(state, { file: null, read: 0, written: 0, ids: [], at: 0 });
    },
  };
}

function expect<Output>(state: State<Output>, ids: readonly string[]): void {
  if (state.named !== null) for (const id of ids) state.named.add(id);
  state.file ??= state.openFile();
  const bytes = Buffer.from(ids.join("").replaceAll("-", ""), "hex");
  writeAll(state.file, bytes, writeSync);
  state.written += bytes.length;
}

/** The first that has not had its turn; null: all have. */
function head<Output>(state: State<Output>): string | null {
  const { file, written } = state;
  if (state.at < state.ids.length) return state.ids[state.at]!;
  if (file === null || state.read === written) return null;
  const bytes = Buffer.alloc(Math.min(readAhead * idBytes, written - state.read));
  state.read += readSync(file, bytes, 0, bytes.length, state.read);
  state.ids = [];
  for (let from = 0; from < bytes.length; from += idBytes) state.ids.push(idOf(bytes, from));
  state.at = 0;
  return state.ids[0]!;
}

function put<Output>(state: State<Output>, id: string, output: Output | null, next: string | null): Output | null {
  const { ended, firstOf, lastOf } = state;
  const first = firstOf.get(id) ?? id;
  const earlier = ended.get(first) ?? null;
  forget(state, first);
  if (next !== null) {
    lastOf.set(first, next);
    firstOf.set(next, first);
  }
  ended.set(first, { output, isFinal: next === null });
  return earlier?.output ?? null;
}

/** Forgets the next attempt of a task. */
function forget<Output>({ firstOf, lastOf }: State<Output>, id: string): void {
  const last = lastOf.get(id);
  if (last === undefined) return;
  lastOf.delete(id);
  firstOf.delete(last);
}

/** The outputs of the first ones, up to one for which `isStop` answers true. They have had their turn. */
function takeAll<Output>(state: State<Output>, isStop: (entry: Ended<Output> | null | undefined) => boolean): Output[] {
  const { ended, named } = state;
  const found: Output[] = [];
  for (let id = head(state); id !== null && ended.size > 0; id = head(state)) {
    const entry = ended.get(id);
    if (isStop(entry)) break;
    ended.delete(id);
    named?.delete(id);
    forget(state, id);
    state.at++;
    const output = entry?.output ?? null;
    if (output !== null) found.push(output);
  }
  return found;
}

function awaited<Output>(state: State<Output>, most: number): string[] {
  const { ended, lastOf } = state;
  const found: string[] = [];
  head(state);
  if (ended.size === 0) return found;
  for (let place = state.at; place < state.ids.length && found.length < most; place++) {
    const id = state.ids[place]!;
    const entry = ended.get(id);
    if (entry === undefined || entry?.isFinal === false) found.push(lastOf.get(id) ?? id);
  }
  return found;
}

function idOf(bytes: Buffer, from: number): string {
  const hex = bytes.toString("hex", from, from + idBytes);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
