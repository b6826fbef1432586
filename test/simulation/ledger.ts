/*
 * The judge of the simulation: who was given which task, where it runs, who was declared lost and whether rightly. It
 * sees what servers and clients do, not why, and throws at the moment a promise is broken.
 */
import { assert } from "../../src/base/assert.ts";
import type { ServerEffect } from "../../src/server/effects.ts";
import type { ServerEvent } from "../../src/server/event.ts";
import { check } from "../../src/server/check.ts";
import type { ServerState, Settling } from "../../src/server/state.ts";
import { demandOf, lackOf } from "../../src/task/demand.ts";
import type { Assignment } from "../../src/task/task.ts";
import type { Lease } from "../../src/wire/message.ts";
import type { Model } from "./model.ts";

/** One dispatch of a task to a client. */
interface Grant {
  readonly taskId: string;
  readonly lease: number;
  readonly clientId: string;
  /** Who has it on record as its client's. */
  serverId: string;
  /** Its client was declared lost, or ended: somebody else may run the task. */
  lost: boolean;
  /** Somebody wanted the task to be run anew: what comes of this run is nothing. */
  reverted: boolean;
  /** Servers that know. When all of them are gone, nobody does any more. */
  readonly known: Set<string>;
}

export interface Execution {
  readonly grant: Grant;
  /** A signal was sent to it, by its client or somebody else. */
  stopped: boolean;
  over: boolean;
  unwantedSince: number | null;
}

export interface Ledger {
  /** Watches one server; to be called with each of its steps. */
  server(serverId: string, graceMs: number, evictMs: number, now: number): ServerWatch;
  start(clientId: string, task: Assignment, now: number): Execution;
  ended(execution: Execution): void;
  /** Whatever the client has (of that server; else of all) may be given to others from now on. */
  lose(clientId: string, serverId?: string): void;
  /** The client is no more, and nothing of what it had. */
  clientEnded(clientId: string): void;
  /** A person changes the task: whoever has it may lose it. */
  meddle(taskId: string, kind: string, now: number): void;
  /** This server knows that the tasks were taken back, or takes what says so with it. */
  hears(serverId: string, tasks: readonly { readonly id: string }[]): void;
  /** How many tasks people have cancelled that this server held. */
  cancelledOf(serverId: string): number;
  /** Since when nobody wants what it runs; null: somebody does, or it cannot know. */
  unwantedSince(execution: Execution): number | null;
  /** `synced`: the client may forget outcomes, so they must survive a power cut. */
  acknowledged(tasks: readonly Lease[], synced: boolean): void;
  sees(sight: Sight): void;
  /** All that still run. */
  running(): number;
  /** When the last task was started. */
  startedAt(): number;
  /** How often what happened that is worth simulating. */
  readonly seen: ReadonlyMap<Sight, number>;
}

/** What the faults are for: none of it would happen without them. */
export type Sight =
  | "outcome refused"
  | "task given back"
  | "task signalled with its client"
  | "client resumes with running tasks"
  | "client resumes with outcomes"
  | "task adopted"
  | "task fenced"
  | "task without a place"
  | "task that nobody can run"
  | "client evicted"
  | "estate given up"
  | "server taken for dead"
  | "stranger"
  | "task repeated"
  | "task cancelled while it ran"
  | "task reverted while it ran"
  | "task deleted while it ran";

export interface ServerWatch {
  before(events: readonly ServerEvent[], now: number): void;
  after(state: ServerState, effects: readonly ServerEffect[], now: number): void;
  /** It was told to stop: clients are not waited for as long as usual. */
  impatient(): void;
  /** It was stopped for so long, and is to hold that against nobody. */
  stopped(ms: number): void;
}

/** What a server knows about the whereabouts of a client. */
interface Presence {
  heardAt: number;
  /** How long the server was stopped since. */
  stoppedMs: number;
  /** Told to leave, with nothing in hand. */
  leavingAt: number | null;
  goneAt: number | null;
  /** What it said it runs when it came, without what it has ended since. */
  claims: readonly Lease[];
  /** Declared lost since. */
  lost: boolean;
  dropped: Set<string>;
}

const key = ({ id, lease }: Lease): string => `${id} ${lease}`;

/** All that the judge knows. */
interface Book {
  readonly model: Model;
  /** Called when a server hands out a task: whether it is its turn. */
  readonly checkTurn: (serverId: string, task: Assignment) => void;
  readonly grants: Map<string, Grant>;
  readonly grantsOf: Map<string, Grant[]>;
  readonly executions: Map<string, Execution[]>;
  readonly cancelled: Map<string, number>;
  /** When a person last changed a task. */
  readonly meddled: Map<string, number>;
  readonly seen: Map<Sight, number>;
  running: number;
  startedAt: number;
}

function see({ seen }: Book, sight: Sight, times = 1): void {
  if (times > 0) seen.set(sight, (seen.get(sight) ?? 0) + times);
}

function grant(book: Book, serverId: string, clientId: string, task: Assignment): void {
  const { model, grants, grantsOf } = book;
  const row = model.row(task.id);
  // Of what a person does a server hears a little later.
  const meddledWith = book.meddled.has(task.id);
  assert(row !== undefined || meddledWith, "only stored tasks are handed out");
  // Of what another has recorded a server hears a little later.
  const isOver = row !== undefined && row.ended !== null && row.endedBy === serverId;
  assert(!isOver, `task ${task.id} is not handed out after its outcome was recorded`);
  assert(!grants.has(key(task)), "each dispatch of a task has a lease of its own");
  book.checkTurn(serverId, task);
  const made: Grant = {
    taskId: task.id,
    lease: task.lease,
    clientId,
    serverId,
    lost: meddledWith,
    reverted: false,
    known: new Set(),
  };
  grants.set(key(task), made);
  const others = grantsOf.get(clientId);
  if (others === undefined) grantsOf.set(clientId, [made]);
  else others.push(made);
}

function lose({ grantsOf }: Book, clientId: string, serverId?: string): void {
  for (const each of grantsOf.get(clientId) ?? [])
    if (serverId === undefined || each.serverId === serverId) each.lost = true;
}

function start(book: Book, clientId: string, task: Assignment, now: number): Execution {
  const { executions } = book;
  book.startedAt = now;
  const own = book.grants.get(key(task));
  assert(own !== undefined && own.clientId === clientId, "a client runs what it was given");
  const earlier = executions.get(task.id) ?? [];
  for (const { grant: other, stopped, over } of earlier) {
    assert(other !== own, `task ${task.id} is started once for each lease`);
    see(book, "task repeated");
    if (other.lost || own.lost) continue;
    assert(over, `task ${task.id} runs at ${clientId} and ${other.clientId} at once, which nobody has lost`);
    assert(stopped, `task ${task.id} has run at ${other.clientId}, which nobody has lost, and runs again`);
  }
  const outcome = book.model.row(task.id)?.ended ?? null;
  if (outcome !== null && !own.lost)
    assert(
      earlier.some((other) => other.grant.lost),
      `task ${task.id} starts after its outcome was recorded, although nobody was lost`,
    );
  const execution: Execution = { grant: own, stopped: false, over: false, unwantedSince: null };
  executions.set(task.id, [...earlier, execution]);
  book.running++;
  return execution;
}

function end(book: Book, execution: Execution): void {
  if (!execution.over) book.running--;
  execution.over = true;
}

function hears({ grants }: Book, serverId: string, tasks: readonly { readonly id: string }[]): void {
  const ids = new Set(tasks.map(({ id }) => id));
  if (ids.size === 0) return;
  for (const each of grants.values()) if (each.reverted && ids.has(each.taskId)) each.known.add(serverId);
}

function meddle(book: Book, taskId: string, kind: string, now: number): void {
  const { model, executions, cancelled } = book;
  book.meddled.set(taskId, now);
  for (const execution of executions.get(taskId) ?? []) {
    if (!execution.over && kind !== "changed") see(book, `task ${kind} while it ran` as Sight);
    execution.unwantedSince ??= kind === "changed" ? null : now;
  }
  const holder = model.row(taskId)?.serverId ?? null;
  if (holder !== null && kind === "cancelled") cancelled.set(holder, (cancelled.get(holder) ?? 0) + 1);
  for (const each of book.grants.values()) {
    if (each.taskId !== taskId) continue;
    each.lost = true;
    each.reverted ||= kind === "reverted" && each.serverId === holder && model.servers.has(holder);
  }
}

/** A client is no more. */
function endClient(book: Book, clientId: string): void {
  lose(book, clientId);
  for (const each of book.grantsOf.get(clientId) ?? []) {
    const own = book.executions.get(each.taskId)?.find((execution) => execution.grant === each);
    if (own !== undefined) end(book, own);
  }
}

function acknowledge({ model, grants, meddled }: Book, lease: Lease): void {
  const row = model.row(lease.id);
  // Another server has taken the task over, with an outcome or the client that runs it: no second outcome is wanted.
  const elsewhere = row !== undefined && row.serverId !== null && row.serverId !== grants.get(key(lease))?.serverId;
  const recorded = (row?.ended ?? null) !== null || model.isLingering(lease.id);
  // What a client brings that was given up does not count once another runs the task.
  const isLate = grants.get(key(lease))?.lost === true && row?.clientId !== null;
  assert(recorded || elsewhere || isLate || meddled.has(lease.id), `task ${lease.id} is acknowledged when it is safe`);
}

/** What the judge knows of one server. */
interface Watched {
  readonly book: Book;
  readonly serverId: string;
  readonly graceMs: number;
  readonly evictMs: number;
  readonly begunAt: number;
  readonly presences: Map<string, Presence>;
  impatient: boolean;
  /** Outcomes on their way to the store. */
  settling: readonly Settling[];
}

function accept({ book, serverId, settling }: Watched, refused: readonly string[]): void {
  for (const { outcome } of settling) {
    if (refused.includes(outcome.id)) continue;
    const own = book.grants.get(key(outcome));
    if (own === undefined) continue;
    const unheard = own.known.size > 0 && !own.known.has(serverId);
    assert(unheard || !own.reverted, `task ${outcome.id} is run anew, and what comes of its old run is not recorded`);
  }
}

/** Whether the server may give up the client. */
function isJustified({ presences, impatient, graceMs, evictMs }: Watched, clientId: string, now: number): boolean {
  const presence = presences.get(clientId);
  if (presence === undefined || impatient) return true;
  if (presence.goneAt !== null && now - presence.goneAt >= graceMs) return true;
  // It notices that it was stopped by a timer, some of which run longer.
  if (now - presence.heardAt - presence.stoppedMs >= evictMs * 0.8) return true;
  return presence.leavingAt !== null && now - Math.max(presence.leavingAt, presence.heardAt) >= graceMs;
}

function carryOut(its: Watched, state: ServerState, effect: ServerEffect, now: number): void {
  const { book, serverId, presences } = its;
  switch (effect.kind) {
    case "send":
      return checkSent(its, state, effect, now);
    case "endClient":
      if (effect.evicted) {
        see(book, "client evicted");
        assert(isJustified(its, effect.clientId, now), `${effect.clientId} is declared lost only when it is`);
        lose(book, effect.clientId, serverId);
        const presence = presences.get(effect.clientId);
        if (presence !== undefined) presence.lost = true;
      }
      return;
    case "commit":
      its.settling = state.settling?.outcomes ?? [];
      return see(book, "task given back", effect.commit.reverted.length);
    case "note": {
      // The commit may be much later, when larger clients are here.
      const id = effect.level === "error" ? unmetIn(effect.text) : undefined;
      if (id !== undefined) endUnmet(book, state, id);
      return;
    }
    case "bury": {
      see(book, "estate given up");
      const left = book.model.clientsOf(effect.serverId).filter((id) => !presences.has(id));
      if (left.length > 0 && !its.impatient)
        assert(now - its.begunAt >= its.graceMs, "clients of a dead server are given up only after the grace period");
      return;
    }
    default:
  }
}

/** The task that a server ends itself, by a line of its log. */
function unmetIn(text: string | (() => string)): string | undefined {
  return /^Insufficient resources for task \(([^)]+)\)/.exec(typeof text === "string" ? text : text())?.[1];
}

/** A server may end a task itself only if it has clients, none of which could ever run it. */
function endUnmet(book: Book, { clients, demands }: ServerState, id: string): void {
  see(book, "task that nobody can run");
  const task = book.model.row(id)?.task;
  const demand = task === undefined ? null : demandOf(task, demands.names);
  assert(clients.size > 0, `task ${id} is not given up where nobody has said what there is`);
  for (const { capacity } of clients.values())
    assert(demand !== null && capacity !== null && lackOf(capacity, demand) !== null, `no client can run task ${id}`);
}

function checkSent(
  { book, serverId, presences }: Watched,
  state: ServerState,
  { clientId, message }: Extract<ServerEffect, { kind: "send" }>,
  now: number,
): void {
  const presence = presences.get(clientId);
  if (message.kind === "assign") for (const task of message.tasks) grant(book, serverId, clientId, task);
  else if (message.kind === "drop") {
    see(book, "task fenced", message.tasks.length);
    for (const task of message.tasks) presence?.dropped.add(key(task));
  } else if (message.kind === "leave" && presence !== undefined) presence.leavingAt = now;
  else if (message.kind === "welcome") {
    const held = state.clients.get(clientId)?.held;
    // It is told who is here, and keeps what it has for its own server.
    if (held === undefined) return;
    for (const claim of presence?.claims ?? []) {
      const own = held?.get(claim.id)?.lease === claim.lease;
      assert(own || presence?.dropped.has(key(claim)), `what ${clientId} runs is its own, or it is told to stop`);
    }
  }
}

/** Notes what the server is about to learn. */
function note(its: Watched, event: ServerEvent, now: number): void {
  const { book, serverId, presences } = its;
  if (event.kind === "recalled") hears(book, serverId, event.recalls);
  if (event.kind === "registered" || event.kind === "buried") hears(book, serverId, event.revoked);
  if (event.kind === "rowMissed") {
    see(book, "server taken for dead");
    // What people wanted of its tasks went with its row.
    for (const each of book.grants.values()) if (each.serverId === serverId) each.reverted = false;
  }
  if (event.kind === "helloReceived") {
    const { clientId, running: claims, finished } = event.hello;
    if (claims.length > 0) see(book, "client resumes with running tasks");
    if (finished.length > 0) see(book, "client resumes with outcomes");
    presences.set(clientId, {
      heardAt: now,
      stoppedMs: 0,
      leavingAt: null,
      goneAt: null,
      claims,
      lost: false,
      dropped: new Set(),
    });
  } else if (event.kind === "received") {
    const presence = presences.get(event.clientId);
    if (presence === undefined) return;
    presence.heardAt = now;
    presence.stoppedMs = 0;
    const { message } = event;
    const gone = message.kind === "results" ? message.outcomes : message.kind === "returned" ? message.tasks : [];
    const ids = new Set(gone.map(({ id }) => id));
    presence.claims = presence.claims.filter(({ id }) => !ids.has(id));
  } else if (event.kind === "registered") {
    see(book, "task adopted", event.adopted.length);
    const adopted = new Set(event.adopted.map(({ id }) => id));
    for (const each of book.grantsOf.get(event.clientId) ?? [])
      if (adopted.has(each.taskId)) {
        each.serverId = serverId;
        // What it brought is answered when it is gone again.
        each.lost ||= presences.get(event.clientId)?.lost === true;
      }
  } else if (event.kind === "committed") {
    see(book, "outcome refused", event.report.refused.length);
    accept(its, event.report.refused);
  } else if (event.kind === "disconnected") {
    const presence = presences.get(event.clientId);
    if (presence !== undefined) presence.goneAt = now;
  }
}

function watchServer(its: Watched): ServerWatch {
  return {
    before(events, now) {
      for (const event of events) note(its, event, now);
    },
    after(state, effects, now) {
      check(state);
      for (const effect of effects) carryOut(its, state, effect, now);
    },
    impatient() {
      its.impatient = true;
    },
    stopped(ms) {
      for (const presence of its.presences.values()) presence.stoppedMs += ms;
    },
  };
}

export function ledger(model: Model, checkTurn: Book["checkTurn"]): Ledger {
  const book: Book = {
    model,
    checkTurn,
    grants: new Map(),
    grantsOf: new Map(),
    executions: new Map(),
    cancelled: new Map(),
    meddled: new Map(),
    seen: new Map(),
    running: 0,
    startedAt: 0,
  };
  return {
    server: (serverId, graceMs, evictMs, begunAt) =>
      watchServer({
        book,
        serverId,
        graceMs,
        evictMs,
        begunAt,
        presences: new Map(),
        impatient: false,
        settling: [],
      }),
    start: (clientId, task, now) => start(book, clientId, task, now),
    ended: (execution) => end(book, execution),
    lose: (clientId, serverId) => lose(book, clientId, serverId),
    hears: (serverId, tasks) => hears(book, serverId, tasks),
    meddle: (taskId, kind, now) => meddle(book, taskId, kind, now),
    cancelledOf: (serverId) => book.cancelled.get(serverId) ?? 0,
    unwantedSince: ({ unwantedSince }) => unwantedSince,
    clientEnded: (clientId) => endClient(book, clientId),
    acknowledged(tasks, synced) {
      for (const lease of tasks) {
        acknowledge(book, lease);
        const isSafe = !book.model.unsynced.has(lease.id) || book.meddled.has(lease.id);
        assert(!synced || isSafe, `task ${lease.id} is acknowledged when it survives a power cut`);
      }
    },
    sees: (sight) => see(book, sight),
    running: () => book.running,
    startedAt: () => book.startedAt,
    seen: book.seen,
  };
}
