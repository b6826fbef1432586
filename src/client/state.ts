/*
 * Everything a client knows between two events. No I/O, no clock.
 *
 * A task of this client is in exactly one of these places: `inbox` (not started), `running`, `unacked` (ended, not yet recorded by
 * the server). A task that ended while it was being stopped may also be in `lingering`: processes of its group may be left.
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
  /** Walltime limit of every task, milliseconds; null: only the task's own. */
  readonly timeoutMs: number | null;
  /** Pause between SIGINT, SIGTERM and SIGKILL, milliseconds. */
  readonly signalWaitMs: number;
  /** Leaves after this long without a task, milliseconds; null: never. */
  readonly idleMs: number | null;
  readonly heartMs: number;
  /** Most outcomes in one frame; null: as many as there are. */
  readonly bundleSize: number | null;
  /** An outcome waits at most this long for others to share its frame, whatever the server allows, milliseconds; null: as the server says. */
  readonly bundleWaitMs: number | null;
  /** How long the first connection is tried, milliseconds. */
  readonly connectMs: number;
  /** Servers to choose from: the first that answers is taken. */
  readonly servers: number;
  /** Who has tasks of a server waits this long for that server alone before it asks others, milliseconds. */
  readonly loyalMs: number;
  /** How long a lost connection is tried again, milliseconds; what runs goes on meanwhile. */
  readonly reconnectMs: number;
  /** The same when its port is closed, or somebody else answers there: shorter where nobody can follow it. */
  readonly forsakenMs: number;
  /** Show the INFO line of each started task. */
  readonly announce: boolean;
}

/** How far a task that must end has been pushed. */
export type Stopping = "SIGINT" | "SIGTERM" | "SIGKILL";

export interface RunningTask {
  readonly task: Assignment;
  readonly startedAt: number;
  /** When it is stopped; Infinity: never. */
  readonly deadline: number;
  /** When it is interrupted because somebody wants it to stop; Infinity: nobody does. */
  interruptAt: number;
  /** null: not being stopped. */
  stopping: Stopping | null;
  /** When the first signal was sent; Infinity: none. */
  stoppedAt: number;
  /** When the next, harder signal is due. */
  nextAt: number;
  /** Given back unfinished when it ends, instead of reported. */
  returned: boolean;
}

export interface Lingering {
  stopping: Stopping;
  /** When the next, harder signal is due. */
  nextAt: number;
  /** When the group is looked at again; Infinity while an answer is awaited. */
  lookAt: number;
}

export type Connection =
  /** An attempt is under way; `since`: when the connection was lost, or first tried. */
  | { readonly at: "connecting"; readonly since: number; readonly tries: number }
  /** The next attempt is due at `retryAt`. */
  | { readonly at: "down"; readonly since: number; readonly tries: number; readonly retryAt: number }
  /** Until the server has said welcome this is an attempt like others, and `since` and `tries` go on. */
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
  /** What kept it from the server since it was lost, or first tried: each kind is told once. */
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
  /** When it goes, whatever the server has not heard by then; Infinity: in its own time. */
  leaveBy: number;
  readonly inbox: Deque<Assignment>;
  readonly running: Map<string, RunningTask>;
  readonly lingering: Map<string, Lingering>;
  readonly unacked: Map<string, Outcome>;
  /** Why this client ends badly; null: it does not. */
  failure: ClientFailure | null;
  /** Tasks went without an outcome: credit is to be granted without one. */
  owesCredit: boolean;
  serverId: string | null;
  /** For log lines. */
  serverName: string;
  /** Tasks whose process could not even be killed; each keeps an executor busy. */
  readonly abandoned: Set<string>;
  lostExecutors: number;
  /** Outcomes not yet sent, and credit not yet granted again. */
  outbox: Outcome[];
  /** When the first of them came. */
  outboxSince: number;
  /** How long an outcome may wait for company, milliseconds; the server says. */
  companyMs: number;
  outboxReturned: Lease[];
  /** Credit that the server holds: it may send this many tasks without asking. */
  granted: number;
  readonly templates: Map<string, string | null>;
  idleSince: number;
  nextBeat: number;
  /** When this client wished to be woken at the latest: if it is later by much, it did not run meanwhile. */
  wakeAt: number;
  /** Beats sent and answered on this connection. */
  beats: { sent: number; heard: number };
  /** It did not run for a while: nothing is started before this beat is answered, or the server says welcome; null: it is awake. */
  sleptUntil: number | null;
  /** Tasks finished per millisecond, smoothed: sets how many tasks are fetched ahead. */
  rate: number;
  rateAt: number;
  finished: number;
}

/** The server could not be reached, or was lost for too long. */
export interface ClientFailure {
  readonly kind: ProblemKind;
  readonly text: string;
}

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
    lostExecutors: 0,
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

/** Something of this task is left here from an earlier dispatch, which is being stopped: the next one waits for its end. */
export function isHere(state: ClientState, id: string): boolean {
  return state.running.has(id) || state.lingering.has(id) || state.abandoned.has(id);
}

/** Cross-checks the maps; throws when they disagree. For tests and simulations. */
export function check(state: ClientState): void {
  const free = state.settings.executors - state.lostExecutors;
  assert(
    state.running.size <= Math.max(free, 0) || state.lostExecutors > 0,
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

/** An outcome is kept until the server has recorded it. */
export function deliver(state: ClientState, outcome: Outcome, now: number): void {
  state.unacked.set(outcome.id, outcome);
  if (state.outbox.length === 0) state.outboxSince = now;
  state.outbox.push(outcome);
  state.finished++;
}
