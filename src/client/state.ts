/*
 * Everything a client knows between two events. No I/O, no clock.
 *
 * A task of this client is in one of these places. What is given back goes to `outboxReturned` and is forgotten:
 *
 *   assign --> inbox --start--> running --end--> unacked --ack--> forgotten
 *                |                 |
 *                |                 +--stopped and given back--> outboxReturned
 *                +--given back--> outboxReturned
 *
 * A task that ended while it was being stopped is also in `lingering`, until no process of its group is left. A task
 * that not even SIGKILL ended is in `abandoned`, beside its outcome, until it ends. `outbox` holds the part of
 * `unacked` that is not sent yet. A task that is assigned anew waits in `inbox` while something of its earlier run is
 * left here.
 */
import { assert } from "../base/assert.ts";
import { type Deque, deque } from "../base/deque.ts";
import type { Assignment, Outcome } from "../task/task.ts";
import type { LeaveKind, Lease } from "../wire/message.ts";
import type { ProblemKind } from "../wire/problem.ts";

export interface ClientSettings {
  readonly clientId: string;
  readonly host: string;
  readonly executors: number;
  /** The walltime limit of every task, milliseconds. Null: only the limit that a task has of its own. */
  readonly timeoutMs: number | null;
  /** Pause between SIGINT, SIGTERM and SIGKILL, milliseconds. */
  readonly signalWaitMs: number;
  /** The client leaves after this long without a task, milliseconds. Null: never. */
  readonly idleMs: number | null;
  /** Pause between two beats, milliseconds. */
  readonly heartMs: number;
  /** Most outcomes in one message. Null: as many as there are. */
  readonly bundleSize: number | null;
  /**
   * An outcome waits at most this long (ms) for others to share its frame, whatever the server allows. Null: as long as
   * the server says.
   */
  readonly bundleWaitMs: number | null;
  /** How long the first connection is tried, milliseconds. */
  readonly connectMs: number;
  /** How many servers there are to choose from. The first that answers is taken. */
  readonly servers: number;
  /** A client that has tasks of a server waits this long (ms) for that server alone before it asks others. */
  readonly loyalMs: number;
  /** How long a lost connection is tried again, milliseconds; what runs goes on meanwhile. */
  readonly reconnectMs: number;
  /**
   * The same when the port of the server is closed, or somebody else answers there. Shorter where no successor can
   * come.
   */
  readonly forsakenMs: number;
  /** Whether each started task gets a line of level INFO. */
  readonly announce: boolean;
}

/** How far a task that must end has been pushed. */
export type Stopping = "SIGINT" | "SIGTERM" | "SIGKILL";

export interface RunningTask {
  readonly task: Assignment;
  readonly startedAt: number;
  /** When it is over its walltime limit; Infinity: never. */
  readonly deadline: number;
  /** When it is interrupted because somebody wants it to stop; Infinity: nobody does. */
  interruptAt: number;
  /** Null: it is not being stopped. */
  stopping: Stopping | null;
  /** When the first signal was sent; Infinity: none. */
  stoppedAt: number;
  /** When the next, harder signal is due. */
  nextAt: number;
  /** Given back unfinished when it ends, instead of reported. */
  returned: boolean;
}

/** What may be left of a task that ended while it was being stopped. */
export interface Lingering {
  stopping: Stopping;
  /** When the next, harder signal is due. */
  nextAt: number;
  /** When the group is looked at again; Infinity while an answer is awaited. */
  lookAt: number;
}

/** `since`: when the connection was lost, or first tried. `tries`: the attempts that have failed since. */
export type Connection =
  /** An attempt is under way. */
  | { readonly at: "connecting"; readonly since: number; readonly tries: number }
  /** The next attempt is due at `retryAt`. */
  | { readonly at: "down"; readonly since: number; readonly tries: number; readonly retryAt: number }
  /** It is made. Until the server has said welcome it counts as one more attempt, so `since` and `tries` go on. */
  | { readonly at: "up"; readonly welcomedAt: number | null; readonly since: number; readonly tries: number };

export interface ClientState {
  readonly settings: ClientSettings;
  connection: Connection;
  /** The server that is asked, or was asked last. */
  server: number;
  /** Servers of which no better answer is to be expected. */
  readonly hopeless: Set<number>;
  /** The server wants no clients any more. */
  dismissed: boolean;
  /** A server has said welcome already. */
  met: boolean;
  /** What kept the client from its server since the connection was lost, or first tried. Each kind is told once. */
  readonly troubles: Set<ProblemKind>;
  /** When the server was last heard, or the connection made. */
  heardAt: number;
  phase:
    | { readonly at: "joining" }
    | { readonly at: "working" }
    | { readonly at: "leaving"; readonly how: LeaveKind; readonly reason: string }
    /** Said bye, waits for the end of the connection. */
    | { readonly at: "gone" }
    | { readonly at: "done" };
  /** When the client goes, whatever the server has not heard by then; Infinity: in its own time. */
  leaveBy: number;
  readonly inbox: Deque<Assignment>;
  readonly running: Map<string, RunningTask>;
  readonly lingering: Map<string, Lingering>;
  readonly unacked: Map<string, Outcome>;
  /** Why this client ends badly; null: it does not. */
  failure: ClientFailure | null;
  /** Credit is due although no outcome is: tasks were given back, or dropped. */
  owesCredit: boolean;
  /** Null until the first welcome. */
  serverId: string | null;
  /** For log lines. */
  serverName: string;
  /** Tasks whose process could not even be killed; each keeps an executor busy. */
  readonly abandoned: Set<string>;
  /** Outcomes not yet sent. Credit is granted again with them. */
  outbox: Outcome[];
  /** When the first of them came. */
  outboxSince: number;
  /** How long an outcome may wait for company, milliseconds; the server says. */
  companyMs: number;
  /** Tasks to give back with the next `returned`. */
  outboxReturned: Lease[];
  /** Credit that the server holds: it may send this many tasks without asking. */
  granted: number;
  /** The templates of submissions, by id. */
  readonly templates: Map<string, string | null>;
  /** When the last task ended, or work began. */
  idleSince: number;
  nextBeat: number;
  /** When the client wished to be woken at the latest. If it is much later now, it did not run meanwhile. */
  wakeAt: number;
  /** Beats sent and answered on this connection. */
  beats: { sent: number; heard: number };
  /**
   * The client did not run for a while: it starts nothing before the server has answered this beat (counted from 1), or
   * said welcome. Null: it is awake.
   */
  sleptUntil: number | null;
  /** Tasks finished per millisecond when it was last measured. It sets how many tasks are fetched ahead. */
  rate: number;
  /** When the present measurement began. */
  rateAt: number;
  /** Tasks finished since `rateAt`. */
  finished: number;
}

/** Why a client ended badly: the server could not be reached, or was lost for too long. */
export interface ClientFailure {
  readonly kind: ProblemKind;
  readonly text: string;
}

/** The state of a client that makes its first attempt to connect. `now`: milliseconds, of any clock. */
export function newState(settings: ClientSettings, now: number): ClientState {
  return {
    settings,
    connection: { at: "connecting", since: now, tries: 0 },
    server: 0,
    hopeless: new Set(),
    dismissed: false,
    met: false,
    troubles: new Set(),
    heardAt: now,
    phase: { at: "joining" },
    leaveBy: Number.POSITIVE_INFINITY,
    inbox: deque(),
    running: new Map(),
    lingering: new Map(),
    unacked: new Map(),
    failure: null,
    owesCredit: false,
    serverId: null,
    serverName: "unknown",
    abandoned: new Set(),
    outbox: [],
    outboxSince: now,
    companyMs: 0,
    outboxReturned: [],
    granted: 0,
    templates: new Map(),
    idleSince: now,
    nextBeat: now + settings.heartMs,
    wakeAt: Number.POSITIVE_INFINITY,
    beats: { sent: 0, heard: 0 },
    sleptUntil: null,
    rate: 0,
    rateAt: now,
    finished: 0,
  };
}

/** Whether something is left here of an earlier run of this task, for whose end the next one waits. */
export function isHere(state: ClientState, id: string): boolean {
  return state.running.has(id) || state.lingering.has(id) || state.abandoned.has(id);
}

/** Cross-checks the maps, for tests and simulations. Throws when they disagree. */
export function check(state: ClientState): void {
  const free = state.settings.executors - state.abandoned.size;
  assert(
    state.running.size <= Math.max(free, 0) || state.abandoned.size > 0,
    "no more tasks run than there are executors",
  );
  assert(state.granted >= 0, "the server does not overdraw its credit");
  for (const id of state.running.keys()) assert(!state.unacked.has(id), "a running task has no outcome yet");
  if (state.phase.at === "done") assert(state.running.size === 0, "nothing runs when done");
  const working = state.phase.at === "working";
  const startable = [...state.inbox.values()].some(({ id }) => !isHere(state, id));
  if (working && state.sleptUntil === null && startable)
    assert(state.running.size >= free, "no executor is idle while a task waits");
}

/** Notes an outcome to report. It is kept until the server has recorded it. */
export function deliver(state: ClientState, outcome: Outcome, now: number): void {
  state.unacked.set(outcome.id, outcome);
  if (state.outbox.length === 0) state.outboxSince = now;
  state.outbox.push(outcome);
  state.finished++;
}
