/*
 * What either side may say when: who speaks first, how many tasks were asked for, how many outcomes can come. A peer
 * that breaks a rule is cut off, so that nothing it says can fill memory or confuse a reactor. Each connection has an
 * object of its own. Knows only those fields of messages that count something.
 */
import { type Deque, deque } from "../base/deque.ts";
import type { Outcome } from "../task/task.ts";
import type { Backlog } from "./backlog.ts";
import { mostActed, mostAsks, mostCredit } from "./message.ts";
import {
  outputWindow,
  type ClientMessage,
  type HostMessage,
  type IntakeMessage,
  type PeerMessage,
  type ServerMessage,
  type SubmitterMessage,
  submitWindow,
  type WatcherMessage,
  type WatchMessage,
} from "./message.ts";
import { WireProblem } from "./problem.ts";

export interface Rules<Out, In> {
  sent(message: Out): void;
  /** Notes a message that came in a frame of this many bytes. Throws a WireProblem when it is out of place. */
  received(message: In, bytes: number): void;
  /** Whether the other side has said as much as may wait for an answer. More is read only after one. */
  readonly isFull: () => boolean;
  /** Called when the session has ended: nothing will be answered any more. */
  readonly over: () => void;
}

/** The largest number of bytes of tasks that are read from one submitter while the server stores them. */
const mostUnstored = 8 * 1024 * 1024;
/** The largest number of such bytes of all submitters. Beyond it each is heard only when all its tasks are stored. */
const mostUnstoredOfAll = 64 * 1024 * 1024;
/**
 * The largest number of bytes of outcomes that are read from one client while the store records them: 100,000 of the
 * usual size, so that a client that is not heard because of it has more in mind than work.
 */
const mostUnrecorded = 32 * 1024 * 1024;

type PeerRole = "client" | "submitter" | "watcher";

/** Which kind of peer says each message, and whether it may be the first of a connection. */
const ofPeers: Readonly<
  Record<ClientMessage["kind"], { readonly role: "client"; readonly first: boolean }> &
    Record<SubmitterMessage["kind"], { readonly role: "submitter"; readonly first: boolean }> &
    Record<WatcherMessage["kind"], { readonly role: "watcher"; readonly first: boolean }>
> = {
  hello: { role: "client", first: true },
  results: { role: "client", first: false },
  returned: { role: "client", first: false },
  beat: { role: "client", first: false },
  output: { role: "client", first: false },
  shown: { role: "client", first: false },
  bye: { role: "client", first: false },
  submitter: { role: "submitter", first: true },
  tasks: { role: "submitter", first: false },
  done: { role: "submitter", first: false },
  watcher: { role: "watcher", first: true },
  look: { role: "watcher", first: false },
  read: { role: "watcher", first: false },
  act: { role: "watcher", first: false },
};

/** Which kind of peer a server says each message to. */
const ofHosts: Readonly<
  Record<ServerMessage["kind"], "client"> &
    Record<IntakeMessage["kind"], "submitter"> &
    Record<WatchMessage["kind"], "watcher">
> = {
  welcome: "client",
  submission: "client",
  assign: "client",
  ack: "client",
  cancel: "client",
  drop: "client",
  beat: "client",
  taken: "client",
  show: "client",
  leave: "client",
  accepted: "submitter",
  stored: "submitter",
  refused: "submitter",
  watched: "watcher",
  view: "watcher",
  piece: "watcher",
  acted: "watcher",
  failed: "watcher",
};

/** Whether a message of a server is one for clients, not for submitters. */
export function isForClient(message: HostMessage): message is ServerMessage {
  return ofHosts[message.kind] === "client";
}

function outOfPlace(text: string): WireProblem {
  return new WireProblem("malformed", text);
}

/** Whether an outcome contradicts itself: the status is that of a program, and no program was started. */
function neverStarted({ exitStatus, startTime, command }: Outcome): boolean {
  return exitStatus >= 0 && exitStatus < 128 && (startTime === null || command === null);
}

/** How many bytes a piece of output has. */
function bytesOf({ data }: { readonly data: string }): number {
  const padding = data.endsWith("==") ? 2 : data.endsWith("=") ? 1 : 0;
  return (data.length / 4) * 3 - padding;
}

/** The largest number of beats of one client that are not answered. An honest one gives up its server after a few. */
const mostBeats = 1000;

/** The answers to questions of a watcher. */
const answers: ReadonlySet<HostMessage["kind"]> = new Set(["view", "piece", "acted", "failed"] as const);

/** What a peer has sent and was not answered, as frames: tasks of a submitter, or outcomes of a client. */
interface Unanswered {
  /** The number of bytes of these frames. */
  bytes: number;
  /** The number of tasks or outcomes in each, and of bytes; the first to be answered in front. */
  readonly frames: Deque<Frame>;
  /** The frame that is partly answered; null: there is none. */
  first: Frame | null;
}

interface Frame {
  items: number;
  readonly bytes: number;
}

function put(unanswered: Unanswered, items: number, bytes: number): void {
  if (items === 0) return;
  unanswered.frames.push({ items, bytes });
  unanswered.bytes += bytes;
}

/** Notes that so many are answered. Answers how many bytes fewer wait. */
function settle(unanswered: Unanswered, items: number): number {
  const before = unanswered.bytes;
  for (let left = items; left > 0;) {
    const first = (unanswered.first ??= unanswered.frames.shift() ?? null);
    if (first === null) break;
    if (first.items > left) {
      first.items -= left;
      break;
    }
    left -= first.items;
    unanswered.bytes -= first.bytes;
    unanswered.first = null;
  }
  return before - unanswered.bytes;
}

/** What a server has to count of a peer. */
interface Peer {
  readonly backlog: Pick<Backlog, "unstored">;
  /** The kind of peer; null until its first message. */
  role: PeerRole | null;
  /** The number of tasks that the client got on this connection and has not reported. */
  open: number;
  /** The number of tasks that the client has asked for and not got. */
  credit: number;
  /** The number of tasks of which the submitter does not know yet that they are stored. */
  unanswered: number;
  readonly waiting: Unanswered;
  /** The number of beats that were not answered. */
  beats: number;
  /** Whether the client was told to send what tasks print, and how many bytes of it were not answered. */
  prints: boolean;
  untaken: number;
  /** The number of questions to the client, or of the watcher, that are not answered. */
  asks: number;
  done: boolean;
}

/**
 * The rules at a server: what clients, submitters and watchers may say. Its `received` throws a WireProblem when a rule
 * is broken.
 */
export function peerRules(backlog: Pick<Backlog, "unstored">): Rules<HostMessage, PeerMessage> {
  const waiting: Unanswered = { bytes: 0, frames: deque(), first: null };
  const counts = { open: 0, credit: 0, unanswered: 0, beats: 0, untaken: 0, asks: 0 };
  const peer: Peer = { backlog, role: null, waiting, prints: false, done: false, ...counts };
  return {
    sent: (message) => noteSent(peer, message),
    isFull: () =>
      peer.role === "submitter"
        ? waiting.bytes > mostUnstored || (waiting.bytes > 0 && backlog.unstored > mostUnstoredOfAll)
        : waiting.bytes > mostUnrecorded,
    over() {
      if (peer.role === "submitter") backlog.unstored -= waiting.bytes;
      waiting.bytes = 0;
      waiting.frames.drain();
    },
    received: (message, bytes) => noteReceived(peer, message, bytes),
  };
}

function noteSent(peer: Peer, message: HostMessage): void {
  if (message.kind === "assign") {
    peer.open += message.tasks.length;
    peer.credit -= message.tasks.length;
  } else if (message.kind === "stored") {
    peer.unanswered -= message.count;
    peer.backlog.unstored -= settle(peer.waiting, message.count);
  } else if (message.kind === "ack") settle(peer.waiting, message.tasks.length);
  else if (message.kind === "beat") peer.beats--;
  else if (message.kind === "taken") peer.untaken -= message.bytes;
  else if (message.kind === "show") peer.asks++;
  else if (answers.has(message.kind)) peer.asks--;
  else if (message.kind === "welcome") peer.prints = message.prints !== undefined;
}

function noteReceived(peer: Peer, message: PeerMessage, bytes: number): void {
  const { kind } = message;
  const expected = ofPeers[kind];
  const { role } = peer;
  if (role === null) {
    if (!expected.first) throw outOfPlace(`the first message is ${kind}, not hello, submitter or watcher`);
    peer.role = expected.role;
  } else if (expected.first || expected.role !== role) {
    throw outOfPlace(`a ${role} says ${kind} out of turn`);
  }
  if (kind === "hello") {
    peer.open = message.running.length + message.finished.length;
    grant(peer, message.credit);
  } else if (kind === "results") {
    answer(peer, "outcomes", message.outcomes.length);
    for (const each of message.outcomes)
      if (neverStarted(each)) throw outOfPlace("the result of a task that was never started");
    grant(peer, message.credit);
    put(peer.waiting, message.outcomes.length, bytes);
  } else if (kind === "returned") answer(peer, "returns", message.tasks.length);
  else if (kind === "beat" && ++peer.beats > mostBeats)
    throw outOfPlace(`more than ${mostBeats} beats without an answer`);
  else if (kind === "output") {
    peer.untaken += bytesOf(message);
    if (!peer.prints) throw outOfPlace("output that nobody asked for");
    if (peer.untaken > outputWindow) throw outOfPlace("more output than a client may have under way");
  } else if (kind === "tasks") {
    peer.unanswered += message.tasks.length;
    if (peer.done || peer.unanswered > submitWindow) throw outOfPlace("more tasks than a submitter may have under way");
    if (message.tasks.length === 0) return;
    put(peer.waiting, message.tasks.length, bytes);
    peer.backlog.unstored += bytes;
  } else if (kind === "done") peer.done = true;
  else if (kind === "shown" && --peer.asks < 0) throw outOfPlace("more answers than questions");
  else if (expected.role === "watcher" && !expected.first) ask(peer, message);
}

function grant(peer: Peer, tasks: number): void {
  peer.credit += tasks;
  if (peer.credit > mostCredit) throw outOfPlace(`the client asks for more than ${mostCredit} tasks`);
}

function answer(peer: Peer, kind: string, tasks: number): void {
  peer.open -= tasks;
  if (peer.open < 0) throw outOfPlace(`more ${kind} than the client was given tasks`);
}

function ask(peer: Peer, message: PeerMessage): void {
  if (++peer.asks > mostAsks) throw outOfPlace(`more than ${mostAsks} questions without an answer`);
  if (message.kind === "act" && message.ids.length > mostActed)
    throw outOfPlace(`more than ${mostActed} tasks to change at once`);
}

/**
 * The rules at a client or submitter: what a server may say. Its `received` throws a WireProblem when a rule is broken.
 */
export function hostRules(): Rules<PeerMessage, HostMessage> {
  let credit = 0;
  let role: PeerRole = "client";
  let unanswered = 0;
  /** The number of submissions that were told of since the last tasks came. */
  let submissions = 0;
  /** The number of bytes of output that were sent and not answered. */
  let untaken = 0;
  /** The number of questions of the server, or to it, that are not answered. */
  let asks = 0;

  return {
    isFull: () => false,
    over: () => undefined,
    sent(message) {
      ({ role } = ofPeers[message.kind]);
      if (message.kind === "hello") credit = message.credit;
      else if (message.kind === "results") credit += message.credit;
      else if (message.kind === "tasks") unanswered += message.tasks.length;
      else if (message.kind === "output") untaken += bytesOf(message);
      else if (message.kind === "shown") asks--;
      else if (role === "watcher" && message.kind !== "watcher") asks++;
    },
    received(message) {
      const { kind } = message;
      if (ofHosts[kind] !== role) throw outOfPlace(`the server says ${kind} to a ${role}`);
      if (kind === "assign") {
        credit -= message.tasks.length;
        if (credit < 0) throw outOfPlace("more tasks than were asked for");
        submissions = 0;
      } else if (kind === "submission") {
        submissions++;
        if (submissions > credit) throw outOfPlace("more submissions than tasks were asked for");
      } else if (kind === "taken") {
        untaken -= message.bytes;
        if (untaken < 0) throw outOfPlace("more output taken than was sent");
      } else if (kind === "stored") {
        unanswered -= message.count;
        if (unanswered < 0) throw outOfPlace("more tasks stored than were sent");
      } else if (kind === "show") {
        if (++asks > mostAsks) throw outOfPlace(`more than ${mostAsks} questions without an answer`);
      } else if (answers.has(kind) && --asks < 0) throw outOfPlace("more answers than questions");
    },
  };
}
