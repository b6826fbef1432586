/*
 * What a client sends of the output of its tasks to a server that prints it: in pieces, as far as the server takes
 * them, and all of a task before its outcome. What the server has not acknowledged is kept and sent again on the next
 * connection. Knows neither the reactor nor processes.
 *
 * There is one queue. In it are pieces that have come in lines, whole tasks, and outcomes behind what belongs to them.
 */
import { type Deque, deque } from "../base/deque.ts";
import type { Part, Spool } from "../output/spool.ts";
import type { Outcome } from "../task/task.ts";
import type { HostLink } from "../wire/link.ts";
import { type ClientMessage, mostOutput, outputWindow, type PrintUnit, type ServerMessage } from "../wire/message.ts";
import type { Lease } from "../wire/message.ts";
import type { Sink } from "./sink.ts";

type Results = Extract<ClientMessage, { readonly kind: "results" }>;
type Stream = "stdout" | "stderr";

export interface Outgoing extends Sink {
  /** A connection was made, or lost; null: there is none. */
  connected(link: HostLink | null): void;
  /** Sends results, or has them wait for what their tasks have printed. */
  results(message: Results): void;
  /** Tasks are given back: nobody wants what they have printed. */
  returned(tasks: readonly Lease[]): void;
  /** Hears what the server says. */
  heard(message: ServerMessage): void;
  /** Answers of how many tasks the server has not got all that they have printed. */
  close(): number;
}

/** What a task has printed, until its outcome is acknowledged. */
interface Kept {
  readonly lease: Lease;
  readonly parts: Readonly<Record<Stream, Part>>;
  /** Whether all of it was sent on this connection. */
  isSent: boolean;
  /** The number of pieces in the queue. */
  queued: number;
}

type Item =
  /** A piece that has come; it is kept until the server has taken it. */
  | { readonly kind: "piece"; readonly kept: Kept; readonly stream: Stream; readonly from: number; bytes: Uint8Array }
  /** A stream of a task that is over. `at`: how much of it was sent, bytes. */
  | { readonly kind: "whole"; readonly kept: Kept; readonly stream: Stream; at: number }
  | { readonly kind: "outcome"; readonly kept: Kept; readonly outcome: Outcome };

type Piece = Extract<Item, { readonly kind: "piece" }>;

interface State {
  readonly spool: Spool;
  unit: PrintUnit | null;
  link: HostLink | null;
  /** Whether the server of this connection has said what it wants. */
  isWelcome: boolean;
  readonly kept: Map<string, Kept>;
  queue: Deque<Item>;
  /** How much of the queue is in memory, bytes. */
  queuedBytes: number;
  /** Pieces that were sent and not taken, the first first. */
  untaken: Piece[];
  /** How many bytes may be sent. */
  window: number;
  /** Results that came before the welcome. */
  early: Results[];
  readonly room: (() => void)[];
}

/** So many tasks, and so many bytes of pieces, may wait for the server before no more come. */
const mostKept = 200;
const mostQueued = 4 << 20;
const streams: readonly Stream[] = ["stdout", "stderr"];
const keyOf = ({ id, lease }: Lease): string => `${id} ${lease}`;

/** Makes the way to a server that prints. */
export function newOutgoing(spool: Spool): Outgoing {
  const state: State = {
    spool,
    unit: null,
    link: null,
    isWelcome: false,
    kept: new Map(),
    queue: deque(),
    queuedBytes: 0,
    untaken: [],
    window: outputWindow,
    early: [],
    room: [],
  };
  return {
    get unit() {
      return state.unit;
    },
    opened: () => undefined,
    openFile: spool.openFile,
    take(run, stdout, stderr) {
      const parts = { stdout: spool.ofFile(stdout), stderr: spool.ofFile(stderr) };
      if (parts.stdout.size + parts.stderr.size > 0) keep(state, run, parts);
    },
    add(task, stream, from, bytes) {
      const kept =
        state.kept.get(keyOf(task)) ?? keep(state, task, { stdout: spool.newPart(), stderr: spool.newPart() });
      for (let at = 0; at < bytes.length; at += mostOutput)
        enqueue(state, { kind: "piece", kept, stream, from: from + at, bytes: bytes.slice(at, at + mostOutput) });
      pump(state);
    },
    isFull: () => isFull(state),
    whenRoom: (go) => void (isFull(state) ? state.room.push(go) : go()),
    connected: (link) => connected(state, link),
    results(message) {
      if (state.isWelcome) sendResults(state, message);
      else state.early.push(message);
    },
    returned(tasks) {
      for (const task of tasks) forget(state, task);
    },
    heard: (message) => heard(state, message),
    close() {
      const lost = state.kept.size;
      for (const { lease } of state.kept.values()) forget(state, lease);
      spool.close();
      return lost;
    },
  };
}

function keep(state: State, { id, lease }: Lease, parts: Kept["parts"]): Kept {
  const kept: Kept = { lease: { id, lease }, parts, isSent: false, queued: 0 };
  state.kept.set(keyOf(kept.lease), kept);
  return kept;
}

function isFull({ kept, queuedBytes, unit }: State): boolean {
  return unit === "tasks" ? kept.size > mostKept : queuedBytes > mostQueued;
}

function tellOfRoom(state: State): void {
  if (state.room.length === 0 || isFull(state)) return;
  for (const go of state.room.splice(0)) go();
}

function enqueue(state: State, item: Item): void {
  item.kept.queued++;
  if (item.kind === "piece") state.queuedBytes += item.bytes.length;
  state.queue.push(item);
}

function connected(state: State, link: HostLink | null): void {
  state.link = link;
  state.isWelcome = false;
  state.window = outputWindow;
  state.early = [];
  // What the server had not taken goes first; whole tasks and outcomes are sent anew with their results.
  const pieces: Piece[] = [...state.untaken];
  for (const item of state.queue.drain()) if (item.kind === "piece") pieces.push(item);
  state.untaken = [];
  state.queuedBytes = 0;
  for (const kept of state.kept.values()) {
    kept.isSent = false;
    kept.queued = 0;
  }
  for (const piece of pieces) if (state.kept.has(keyOf(piece.kept.lease))) enqueue(state, piece);
}

function heard(state: State, message: ServerMessage): void {
  if (message.kind === "welcome") {
    state.isWelcome = true;
    state.unit = message.prints ?? null;
    for (const results of state.early.splice(0)) sendResults(state, results);
    pump(state);
  } else if (message.kind === "assign" && state.kept.size > 0) {
    // A task that is to be run anew: nobody wants what came of its earlier run.
    const ids = new Set(message.tasks.map(({ id }) => id));
    for (const { lease } of state.kept.values()) if (ids.has(lease.id)) forget(state, lease);
  } else if (message.kind === "ack") for (const task of message.tasks) forget(state, task);
  else if (message.kind === "taken") {
    state.window += message.bytes;
    settle(state, message.bytes);
    pump(state);
  }
}

/** Forgets pieces that the server has taken. */
function settle(state: State, bytes: number): void {
  let left = bytes;
  while (left > 0 && state.untaken.length > 0 && state.untaken[0]!.bytes.length <= left)
    left -= state.untaken.shift()!.bytes.length;
}

function forget(state: State, run: Lease): void {
  const key = keyOf(run);
  const kept = state.kept.get(key);
  if (kept === undefined) return;
  state.kept.delete(key);
  for (const stream of streams) state.spool.drop(kept.parts[stream]);
  tellOfRoom(state);
}

function sendResults(state: State, { kind, outcomes, credit }: Results): void {
  const now: Outcome[] = [];
  for (const outcome of outcomes) {
    const kept = state.unit === null ? undefined : state.kept.get(keyOf(outcome));
    const isWhole = kept !== undefined && kept.parts.stdout.size + kept.parts.stderr.size > 0;
    if (kept === undefined || (kept.isSent && kept.queued === 0) || (!isWhole && kept.queued === 0)) {
      now.push(outcome);
      continue;
    }
    if (isWhole)
      for (const stream of streams)
        if (kept.parts[stream].size > 0) enqueue(state, { kind: "whole", kept, stream, at: 0 });
    enqueue(state, { kind: "outcome", kept, outcome });
  }
  if (now.length > 0 || credit > 0) state.link?.send({ kind, outcomes: now, credit });
  pump(state);
}

/** Sends what the server takes. */
function pump(state: State): void {
  const { queue, link } = state;
  if (link === null || !state.isWelcome) return;
  let outcomes: Outcome[] = [];
  const tell = (): void => {
    if (outcomes.length > 0) link.send({ kind: "results", outcomes, credit: 0 });
    outcomes = [];
  };
  for (let item = queue.peek(); item !== undefined; item = queue.peek()) {
    if (item.kind === "outcome") {
      item.kept.isSent = true;
      outcomes.push(item.outcome);
    } else if (state.kept.has(keyOf(item.kept.lease)) && state.unit !== null && !sendItem(state, link, item)) break;
    item.kept.queued--;
    queue.shift();
  }
  tell();
  tellOfRoom(state);
}

/** Sends all of an item, or as much as the server takes. Answers whether it was all. */
function sendItem(state: State, link: HostLink, item: Exclude<Item, { readonly kind: "outcome" }>): boolean {
  const { kept, stream } = item;
  if (item.kind === "piece") {
    if (item.bytes.length > state.window) return false;
    say(state, link, { ...kept.lease, stream, from: item.from }, item.bytes);
    state.queuedBytes -= item.bytes.length;
    state.untaken.push(item);
    return true;
  }
  const part = kept.parts[stream];
  const buffer = new Uint8Array(Math.min(mostOutput, part.size));
  while (item.at < part.size) {
    const most = Math.min(buffer.length, state.window);
    if (most === 0) return false;
    const some = state.spool.read(part, item.at, buffer.subarray(0, most));
    if (some === 0) break;
    say(state, link, { ...kept.lease, stream, from: item.at }, buffer.subarray(0, some));
    item.at += some;
  }
  return true;
}

type Place = Lease & { readonly stream: Stream; readonly from: number };

function say(state: State, link: HostLink, place: Place, bytes: Uint8Array): void {
  state.window -= bytes.length;
  link.send({ kind: "output", ...place, data: Buffer.from(bytes).toString("base64") });
}
