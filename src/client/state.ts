/*
 * Everything a client knows between two events. No I/O, no clock.
 *
 * A task of this client is in one of these places. What is given back goes to `outboxReturned` and is forgotten:
 *
 *   assign --> inbox --start--> running --end--> unacked --ack--> forgotten
 *              |   |               |
 *              |   +--asks for what is not free--> pool --start--> running
 *              |                   |
 *              |                   +--ended by a signal--> heldBack --after a while--> unacked
 *              |                   |                          |
 *              |                   |                          +--the client stops--> outboxReturned
 *              |                   +--stopped, or not started, and given back--> outboxReturned
 *              +--given back, also from the pool--> outboxReturned
 *
 * A task that ended while it was being stopped is also in `lingering`, until no process of its group is left. A task
 * that not even SIGKILL ended is in `abandoned`, beside its outcome, until it ends. `outbox` holds the part of
 * `unacked` that is not sent yet. A task that is assigned anew waits in `inbox` while something of its earlier run is
 * left here.
 */
import { assert } from "../base/assert.ts";
import { type Deque, deque } from "../base/deque.ts";
import type { Capacity } from "../task/demand.ts";
import type { Assignment, Outcome } from "../task/task.ts";
import type { Ground, LeaveKind, Lease } from "../wire/message.ts";
import type { ProblemKind } from "../wire/problem.ts";
import type { End } from "./allocation.ts";
import type { Origin } from "./executor.ts";
import { checkPool, newPool, type Pool, takeOut, waitingIn } from "./pool.ts";
import { newTokenBucket, type TokenBucket } from "./rate.ts";

export interface ClientSettings {
  readonly clientId: string;
  /**
   * What this client says at each hello, so that nobody else can take its place at a server that knows it. Null: it has
   * the only connection there is.
   */
  readonly secret: string | null;
  /** What brought this client up, by which the run that did so knows it. Absent: nobody asks. */
  readonly job?: string;
  readonly host: string;
  readonly executors: number;
  /** What tasks may use here. */
  readonly capacity: Capacity;
  /** Names of resources that the configuration knows, whether they are here or not; absent: none but gpus. */
  readonly resources?: Iterable<string>;
  /** The most tasks that start in a second, above 0, also a fraction; null: no limit. */
  readonly ratelimit: number | null;
  /** The walltime limit of every task, milliseconds. Null: only the limit that a task has of its own. */
  readonly timeoutMs: number | null;
  /** Pause between SIGINT, SIGTERM and SIGKILL, milliseconds. */
  readonly signalWaitMs: number;
  /** Whether what tasks print can be sent to a server that prints it. Absent: it cannot. */
  readonly prints?: boolean;
  /** The client leaves after this long without a task, milliseconds. Null: never. */
  readonly idleMs: number | null;
  /** The longest pause between two beats, milliseconds. */
  readonly heartMs: number;
  /** The largest number of outcomes in one message. Null: no limit. */
  readonly bundleSize: number | null;
  /**
   * An outcome waits at most this long for others to share its frame, whatever the server allows, milliseconds. Null:
   * as long as the server says.
   */
  readonly bundleWaitMs: number | null;
  /** How long the client tries to make its first connection, milliseconds. */
  readonly connectMs: number;
  /** The number of servers to choose from. The first that answers is taken. */
  readonly servers: number;
  /** A client that has tasks of a server waits this long for that server alone before it asks others, milliseconds. */
  readonly loyalMs: number;
  /** How long the client tries to make a lost connection again, milliseconds. What runs goes on meanwhile. */
  readonly reconnectMs: number;
  /**
   * How long it tries if the port of the server is closed, or somebody else answers there, milliseconds. This is
   * shorter where no successor can come.
   */
  readonly forsakenMs: number;
  /** Whether each started task gets a line of level INFO. */
  readonly announce: boolean;
  /** Whether the client can show what its tasks have printed (ClientOptions.show). Absent: it cannot. */
  readonly shows?: boolean;
  /** When the time of this host is up; not there: that is not known from the start. */
  readonly end?: End;
  /** Whether a batch system was asked for it, and has not answered yet. */
  readonly asksForEnd?: boolean;
}

/** What is known of the end of this host's time, and what was refused because of it (ending.ts). */
export interface Ending {
  /** Null: the time is not limited, as far as is known. */
  end: End | null;
  /** Whether more is to be learned soon: tasks with a limit wait for that. */
  isAsked: boolean;
  /** How many tasks were given back lately. */
  refused: number;
  /** When these take up credit no more, milliseconds; Infinity: there are none. */
  refusedUntil: number;
  /** Whether the user was told that tasks are given back. */
  isTold: boolean;
}

/** The last signal that was sent to a task that must end. */
export type Stopping = "SIGINT" | "SIGTERM" | "SIGKILL";

export interface RunningTask {
  readonly task: Assignment;
  /** When the task was started; while it waits for room, when it was to start. */
  startedAt: number;
  /** The walltime limit, milliseconds; Infinity: none. */
  readonly limitMs: number;
  /** When the task reaches its walltime limit; Infinity: never, or it waits for room to start. */
  deadline: number;
  /** How long this client did not run meanwhile, milliseconds. That time does not count for the limit. */
  stoodMs: number;
  /** When the task is interrupted because somebody wants it to stop; Infinity: nobody does. */
  interruptAt: number;
  /** How far stopping it has come; null: it is not being stopped. */
  stopping: Stopping | null;
  /** Whether the server was told on this connection that it runs. */
  told: boolean;
  /** The status that it ends with because it is being stopped at a limit of its own; null: at none. */
  limitStatus: number | null;
  /** When the first signal was sent; Infinity: none. */
  stoppedAt: number;
  /** When the next, harder signal is due. */
  nextAt: number;
  /** Whether the task is given back unfinished when it ends, instead of reported. */
  returned: boolean;
}

/** The outcome of a task that a signal of somebody else ended (see interruption.ts). */
export interface HeldBack {
  readonly outcome: Outcome;
  /** When it was noticed. */
  since: number;
  /** Whether its executor waits before it starts another task. */
  isResting: boolean;
}

/** What may be left of a task that ended while it was being stopped: processes of its group. */
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
  /**
   * The connection is made. Until the server has said welcome it counts as one more attempt, so `since` and `tries` go
   * on.
   */
  | { readonly at: "up"; readonly welcomedAt: number | null; readonly since: number; readonly tries: number };

export interface ClientState {
  readonly settings: ClientSettings;
  connection: Connection;
  /** The server that is asked, or that was asked last, counted from 0. */
  server: number;
  /** Servers that will not give a better answer. */
  readonly hopeless: Set<number>;
  /** Whether the server wants no clients any more. */
  dismissed: boolean;
  /** Whether a server has ever said welcome. */
  met: boolean;
  /**
   * The kinds of trouble that kept the client from its server since the connection was lost, or first tried. Each kind
   * is logged once.
   */
  readonly troubles: Set<ProblemKind>;
  /** When the server was last heard, or else when the connection was made. */
  heardAt: number;
  phase:
    | { readonly at: "joining" }
    | { readonly at: "working" }
    | { readonly at: "leaving"; readonly how: LeaveKind; readonly reason: string; readonly since: number }
    /** The client has said bye and waits for the end of the connection. */
    | { readonly at: "gone" }
    | { readonly at: "done" };
  /** When the client goes, whatever the server has not heard by then; Infinity: it takes its time. */
  leaveBy: number;
  /** What has come, in that order. With a free executor a task starts, or goes on to the pool. */
  readonly inbox: Deque<Assignment>;
  /** What this host has for tasks, and those that wait for it. They came before everything in the inbox. */
  readonly pool: Pool;
  /** Holds back starts; null: their rate is not limited. */
  readonly bucket: TokenBucket | null;
  /** When the rate allows the next start, if there is an executor for it; Infinity: nothing waits for that. */
  nextStart: number;
  readonly running: Map<string, RunningTask>;
  readonly lingering: Map<string, Lingering>;
  /** Outcomes that do not count yet, by task. */
  readonly heldBack: Map<string, HeldBack>;
  /** How many executors rest because of them. */
  resting: number;
  readonly unacked: Map<string, Outcome>;
  /** Whether nothing starts before all that has ended is recorded: the store is in trouble. */
  isPostponed: boolean;
  /** Why this client ends badly; null: it does not. */
  failure: ClientFailure | null;
  /** Whether credit is due although no outcome is: tasks were given back, or dropped. */
  owesCredit: boolean;
  /** Null until the first welcome. */
  serverId: string | null;
  /** The store and run of the server that was last served, and so of the tasks here; null: not known. */
  ground: Ground | null;
  /** What the last hello named of it; null: nothing, so that any server will do. */
  named: Ground | null;
  /** What was found at the address of the server instead, as a key: each is told of once. */
  toldElsewhere: string | null;
  /** The pause between two beats, milliseconds: as it is set, or shorter where the server is less patient. */
  heartMs: number;
  /** The server's name for log lines. */
  serverName: string;
  /** Tasks whose process could not even be killed; each keeps an executor busy. */
  readonly abandoned: Set<string>;
  /** Outcomes not yet sent. Credit is granted again with them. */
  outbox: Outcome[];
  /** When the first of them was added. */
  outboxSince: number;
  /** How long the server lets an outcome wait for company, milliseconds. */
  companyMs: number;
  /** Tasks that the next `returned` gives back. */
  outboxReturned: Lease[];
  /** Credit that the server has: the number of tasks that it may send without being asked. */
  granted: number;
  /** What the server told of submissions, by id. */
  readonly origins: Map<string, Origin>;
  /** Submissions that the next `returned` names: their directory cannot be entered here. */
  missing: string[];
  /** When the last task ended, or work began. */
  idleSince: number;
  /** The client leaves after this long without a task, milliseconds. Null: never. */
  idleMs: number | null;
  /** Whether the server has said that more tasks may come: without any, the client is not idle then. */
  isKept: boolean;
  nextBeat: number;
  /** When the server is next told of tasks that have run for a while; Infinity: there is nothing to tell. */
  tellAt: number;
  /** When it was last told of such tasks. */
  toldAt: number;
  /** The latest time for which the client asked to be woken. If it is woken much later, it did not run meanwhile. */
  wakeAt: number;
  /** No task is over its limit before this time: after a standstill it may have ended unseen. */
  limitsFrom: number;
  /** The numbers of beats sent and answered on this connection. */
  beats: { sent: number; heard: number };
  /**
   * After a time in which the client did not run, it starts nothing before the server has answered this beat (counted
   * from 1), or has said welcome. Null: it is awake.
   */
  sleptUntil: number | null;
  /** The number of tasks that end per millisecond, as last measured. It sets how many tasks are fetched ahead. */
  rate: number;
  /** When the present measurement began. */
  rateAt: number;
  /** The number of tasks that ended since `rateAt`. */
  finished: number;
  readonly ending: Ending;
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
    pool: newPool(settings.capacity, settings.resources),
    bucket: settings.ratelimit === null ? null : newTokenBucket(settings.ratelimit, now),
    nextStart: Number.POSITIVE_INFINITY,
    running: new Map(),
    lingering: new Map(),
    heldBack: new Map(),
    resting: 0,
    unacked: new Map(),
    isPostponed: false,
    failure: null,
    owesCredit: false,
    serverId: null,
    ground: null,
    named: null,
    toldElsewhere: null,
    heartMs: settings.heartMs,
    serverName: "unknown",
    abandoned: new Set(),
    outbox: [],
    outboxSince: now,
    companyMs: 0,
    outboxReturned: [],
    granted: 0,
    origins: new Map(),
    missing: [],
    idleSince: now,
    idleMs: settings.idleMs,
    isKept: false,
    nextBeat: now + settings.heartMs,
    tellAt: Number.POSITIVE_INFINITY,
    toldAt: Number.NEGATIVE_INFINITY,
    wakeAt: Number.POSITIVE_INFINITY,
    limitsFrom: Number.NEGATIVE_INFINITY,
    beats: { sent: 0, heard: 0 },
    sleptUntil: null,
    rate: 0,
    rateAt: now,
    finished: 0,
    ending: {
      end: settings.end ?? null,
      isAsked: settings.asksForEnd === true,
      refused: 0,
      refusedUntil: Number.POSITIVE_INFINITY,
      isTold: false,
    },
  };
}

/** Whether something of an earlier run of this task is left here. The next run waits for its end. */
export function isHere(state: ClientState, id: string): boolean {
  return state.running.has(id) || state.lingering.has(id) || state.abandoned.has(id);
}

/** How many tasks may run at once just now. */
export function usableExecutors({ settings, abandoned, resting }: ClientState): number {
  return Math.max(0, settings.executors - abandoned.size - resting);
}

/** Cross-checks the maps, for tests and simulations. Throws a bug when they disagree. */
export function check(state: ClientState): void {
  const free = usableExecutors(state);
  assert(state.running.size <= free || state.abandoned.size > 0, "no more tasks run than there are executors");
  const resting = [...state.heldBack.values()].filter(({ isResting }) => isResting);
  assert(state.resting === resting.length, "an executor rests for each outcome that is held back since a moment ago");
  for (const id of state.heldBack.keys())
    assert(!state.unacked.has(id) && !state.running.has(id), "a task whose outcome is held back is nowhere else");
  assert(state.granted >= 0, "the server does not overdraw its credit");
  for (const id of state.running.keys()) assert(!state.unacked.has(id), "a running task has no outcome yet");
  if (state.phase.at === "done")
    assert(state.running.size + state.heldBack.size === 0, "nothing runs and nothing is held back when done");
  const working = state.phase.at === "working";
  const startable = !state.ending.isAsked && [...state.inbox.values()].some(({ id }) => !isHere(state, id));
  const isPostponed = state.isPostponed && state.unacked.size > 0;
  const isRationed = state.nextStart !== Number.POSITIVE_INFINITY;
  if (working && state.sleptUntil === null && startable && !isPostponed && !isRationed)
    assert(state.running.size >= free, "no executor is idle while a task waits");
  checkPool(state.pool, (id) => state.running.has(id) || state.abandoned.has(id));
  for (const { id } of waitingIn(state.pool)) assert(!isHere(state, id), "nothing is left here of what waits");
  if (working && state.sleptUntil === null && state.pool.waiting > 0 && !isPostponed && !isRationed)
    assert(state.pool.isSettled || state.running.size >= free, "no executor is idle while a task might start");
}

/** How many tasks wait to start. */
export function waitingCount({ inbox, pool }: ClientState): number {
  return inbox.length + pool.waiting;
}

/** The tasks that wait to start, the first first. */
export function allWaiting({ inbox, pool }: ClientState): Assignment[] {
  return [...waitingIn(pool), ...inbox.values()];
}

/** Takes out those of the waiting tasks for which `isTaken` answers true. */
export function takeWaiting({ inbox, pool }: ClientState, isTaken: (task: Assignment) => boolean): Assignment[] {
  const taken = pool.waiting === 0 ? [] : takeOut(pool, isTaken);
  for (const task of inbox.drain()) {
    if (isTaken(task)) taken.push(task);
    else inbox.push(task);
  }
  return taken;
}

/** Notes an outcome to report. It is kept until the server has recorded it. */
export function deliver(state: ClientState, outcome: Outcome, now: number): void {
  state.unacked.set(outcome.id, outcome);
  if (state.outbox.length === 0) state.outboxSince = now;
  state.outbox.push(outcome);
  state.finished++;
}
