/*
 * Everything a server knows between two events, and `check`, which says whether it makes sense. No I/O, no clock, no randomness.
 *
 * A task that this server claimed is in exactly one of four places: `ready` (waiting for a client), a client's `held` (dispatched),
 * `outbox.completed` or `settling` (its outcome is being recorded), or on its way back to the store (`outbox.reverted`).
 *
 * A client is known from its hello on, but gets tasks only when the store knows it too (`standing` "joining" until then): a successor of this
 * server must find out whom to wait for.
 */
import { assert } from "../base/assert.ts";
import { type Deque, deque } from "../base/deque.ts";
import type { Completion, Scope } from "../store/store.ts";
import type { ClaimedTask, Outcome } from "../task/task.ts";
import type { ClientMessage, Lease, LeaveKind } from "../wire/message.ts";
import type { Revoked } from "./event.ts";

export interface ServerSettings {
  readonly serverId: string;
  readonly serverHost: string;
  readonly scope: Scope;
  /** Attempts a task has in all; 1 = no retries. */
  readonly attempts: number;
  readonly eager: boolean;
  /** Never ends by itself. */
  readonly forever: boolean;
  /** Most tasks in one frame to a client; null: as many as there are. */
  readonly bundleSize: number | null;
  /** Longest pause between two looks at the store when nothing wakes the server, milliseconds. */
  readonly pollMs: number;
  /** A client unheard of for this long is evicted, milliseconds. */
  readonly evictMs: number;
  /** A client whose connection broke keeps its tasks for this long, milliseconds. */
  readonly graceMs: number;
  /** The store outlives this server, and others may go on with it. */
  readonly durable: boolean;
  /** How long clients may keep an outcome to send it with others, milliseconds. */
  readonly companyMs: number;
  /** First lease; later ones grow. Must be above every lease of earlier servers. */
  readonly firstLease: number;
  readonly newId: () => string;
}

/** A dead server of which this one is the successor: its clients may still be at work. */
export interface Estate {
  readonly serverId: string;
  readonly clients: readonly string[];
}

export interface Dispatch {
  readonly id: string;
  readonly clientId: string;
  readonly clientHost: string;
  readonly at: number;
}

export interface Held {
  readonly task: ClaimedTask;
  readonly lease: number;
  /** Somebody cancelled it: its client is to stop it. */
  cancelled: boolean;
}

/** What a client that says hello brings along and this server knows nothing of. */
export interface Registration {
  /** Tells this connection of the client from an earlier one. */
  readonly number: number;
  readonly running: readonly Lease[];
  readonly finished: readonly Lease[];
  /** All that it has, known or not. */
  readonly brought: readonly Lease[];
  /** Messages that came before the store had answered. */
  readonly backlog: Exclude<ClientMessage, { kind: "hello" }>[];
}

export interface ClientEntry {
  readonly id: string;
  readonly host: string;
  readonly executors: number;
  /** Tasks it will still take. */
  credit: number;
  readonly held: Map<string, Held>;
  /** Dispatches that it was told to drop, or whose outcome was turned down: what it still says of them, or says again when it is back, does not count. */
  readonly dropped: Set<string>;
  /** Submissions whose template it was sent. */
  readonly known: Set<string>;
  lastHeard: number;
  standing:
    | { readonly at: "joining" }
    | { readonly at: "present" }
    | { readonly at: "leaving"; readonly since: number }
    | { readonly at: "away"; readonly since: number };
  /** null: the store knows the client, and what it brought is sorted out. */
  registration: Registration | null;
}

/** An outcome on its way to the store. `task` is null when this server does not know the task (it was reverted meanwhile). */
export interface Settling {
  readonly clientId: string;
  readonly task: ClaimedTask | null;
  readonly outcome: Outcome;
  readonly completion: Completion;
}

export interface Counts {
  /** Tasks whose last attempt ended in success, failed, or was cancelled. */
  succeeded: number;
  failed: number;
  cancelled: number;
  /** Attempts that were followed by another. */
  retried: number;
}

export interface ServerState {
  readonly settings: ServerSettings;
  /** `closing`: nothing new is handed out, clients are leaving, in this way. */
  phase: { readonly at: "running" } | { readonly at: "closing"; readonly how: LeaveKind } | { readonly at: "done" };
  input: "open" | "quiet" | "ended";
  /** The group being run; null before the first task. */
  group: number | null;
  /** Finite run: this group had final failures, higher groups were not started. */
  haltedBy: number | null;
  /** Forever: the group whose failure was last told, and with how many failures. */
  toldFailure: { readonly group: number; readonly failed: number } | null;
  readonly ready: Deque<ClaimedTask>;
  claim:
    | { readonly at: "asked" }
    /** Worth asking. */
    | { readonly at: "due" }
    /** The store had nothing; `since` is when it said so. Asked again when something changes, or at the next poll. */
    | { readonly at: "empty"; readonly since: number }
    /** There are tasks, but not now: no client to run them, or a higher group waits for a lower one. */
    | { readonly at: "blocked"; readonly since: number };
  /** Something changed while a claim was under way: an empty answer does not count. */
  claimStale: boolean;
  /** Other servers that take whatever is free. */
  neighbours: number;
  /** Idle polls so far without finding anything; the pause doubles. */
  idlePolls: number;
  readonly templates: Map<string, string | null>;
  readonly clients: Map<string, ClientEntry>;
  /** Clients with credit, in the order in which they are served next. */
  readonly willing: Set<ClientEntry>;
  /** Of all clients that are present: what they run at once, and what they will still take. */
  readonly present: { executors: number; credit: number };
  /** Clients that were not waited for may still be at work: what they have is theirs until this server is found to be gone. */
  abandoned: boolean;
  /** Who holds a task. */
  readonly holders: Map<string, ClientEntry>;
  nextLease: number;
  nextRegistration: number;
  /** Clients whose registration the store was not asked for yet. */
  readonly unasked: Set<ClientEntry>;
  /** Registrations that the store has not answered. */
  registering: number;
  /** Tasks that came with a client while a claim was under way, which may answer them too. */
  readonly adopted: Set<string>;
  /** Dead servers, and which of their clients have not come back yet. */
  readonly estates: Map<string, Set<string>>;
  /** When the last of them are given up. */
  estatesUntil: number;
  /** Estates that are being given up. */
  burying: number;
  /**
   * Tasks that somebody took back while a client had them that may be gone for now: it may come back with them when nobody remembers it. One for each
   * task that ran just then, which people do not do without end.
   */
  readonly revoked: Map<string, Revoked>;
  /** Submitters that are connected. */
  intakes: number;
  /**
   * News of tasks that others changed. `due`: there may be some; `told`: the next commit tells the store that they are dealt with, `settling`: that
   * commit is under way.
   */
  readonly recalls: {
    due: boolean;
    at: "idle" | "asked" | "told" | "settling";
    /** Those that came while a claim was under way, which may have taken the tasks before; and tasks whose outcome came then from who had them once. */
    readonly early: Set<string>;
  };
  readonly outbox: {
    /** Dispatches that the store does not know of yet, oldest first, by task. */
    readonly assigned: Map<string, Dispatch>;
    completed: Settling[];
    reverted: string[];
    /** Numbers of recalls. */
    recalled: readonly number[];
  };
  /** The commit under way; null: none. */
  settling: readonly Settling[] | null;
  /** A commit under way may make tasks schedulable. */
  settlingFrees: boolean;
  lastCheck: number;
  /** When this server wished to be woken at the latest: if it is later by much, it did not run meanwhile. */
  wakeAt: number;
  /** When the grace of a client that is away ends, at the earliest. */
  graceAt: number;
  readonly counts: Counts;
}

export function newState(
  settings: ServerSettings,
  group: number | null,
  now: number,
  estates: readonly Estate[] = [],
): ServerState {
  return {
    settings,
    phase: { at: "running" },
    input: "open",
    group,
    haltedBy: null,
    toldFailure: null,
    ready: deque(),
    claim: { at: "due" },
    claimStale: false,
    neighbours: 0,
    idlePolls: 0,
    templates: new Map(),
    clients: new Map(),
    willing: new Set(),
    present: { executors: 0, credit: 0 },
    abandoned: false,
    holders: new Map(),
    nextLease: settings.firstLease,
    nextRegistration: 1,
    unasked: new Set(),
    registering: 0,
    adopted: new Set(),
    estates: new Map(estates.map(({ serverId, clients }) => [serverId, new Set(clients)])),
    estatesUntil: now + settings.graceMs,
    burying: 0,
    revoked: new Map(),
    intakes: 0,
    recalls: { due: false, at: "idle", early: new Set() },
    outbox: { assigned: new Map(), completed: [], reverted: [], recalled: [] },
    settling: null,
    settlingFrees: false,
    lastCheck: now,
    wakeAt: now,
    graceAt: Number.POSITIVE_INFINITY,
    counts: { succeeded: 0, failed: 0, cancelled: 0, retried: 0 },
  };
}

/** Cross-checks every map and count; throws when they disagree. For tests and simulations: it visits everything. */
export function check(state: ServerState): void {
  let held = 0;
  for (const client of state.clients.values()) {
    held += client.held.size;
    for (const [id, entry] of client.held) {
      assert(entry.task.id === id, "a held task is filed under its own id");
      assert(state.holders.get(id) === client, "a task is held by one client");
    }
    assert(client.credit >= 0, "credit is never overdrawn");
    const serves = client.credit > 0 && client.standing.at === "present";
    assert(state.willing.has(client) === serves, "willing clients are those present with credit");
  }
  assert(held === state.holders.size, "the number of held tasks is right");
  const places = new Set<string>();
  for (const task of state.ready.values()) {
    assert(!state.holders.has(task.id) && !places.has(task.id), "a ready task is in one place");
    places.add(task.id);
  }
  for (const client of state.willing) assert(state.clients.get(client.id) === client, "willing clients are known");
  const present = [...state.clients.values()].filter((client) => client.standing.at === "present");
  const sum = (of: (client: ClientEntry) => number): number => present.reduce((total, client) => total + of(client), 0);
  assert(state.present.executors === sum((client) => client.executors), "the executors that are present are counted");
  assert(state.present.credit === sum((client) => client.credit), "the credit that is present is counted");
  if (state.phase.at !== "running") assert(state.ready.length === 0, "nothing is ready when closing");
  if (state.phase.at === "done")
    assert(held === 0 && state.registering === 0 && state.settling === null, "nothing is open when done");
}

/** A task that will not be run by whoever had it: schedulable again, by this server or (when closing) by a later one. */
export function giveBack(state: ServerState, task: ClaimedTask): void {
  state.outbox.assigned.delete(task.id);
  state.outbox.reverted.push(task.id);
}

/** Something changed: the store is worth asking again. */
export function lookAgain(state: ServerState): void {
  if (state.claim.at === "asked") state.claimStale = true;
  else state.claim = { at: "due" };
  state.idlePolls = 0;
}

/** A client has the task from now on. */
export function hold(state: ServerState, client: ClientEntry, task: ClaimedTask, lease: number): void {
  client.held.set(task.id, { task, lease, cancelled: client.held.get(task.id)?.cancelled ?? false });
  state.holders.set(task.id, client);
}

/** The client no longer has it; where it goes is the caller's affair. */
export function letGo(state: ServerState, client: ClientEntry, id: string): void {
  client.held.delete(id);
  state.holders.delete(id);
}

/** Whether somebody took the task back after this dispatch of it. */
export function isRevoked({ revoked }: ServerState, { id, lease }: Lease): boolean {
  const entry = revoked.size === 0 ? undefined : revoked.get(id);
  return entry !== undefined && lease >= entry.from && lease < entry.below;
}

/** The client takes tasks from now on. */
export function seat(state: ServerState, client: ClientEntry): void {
  client.standing = { at: "present" };
  state.present.executors += client.executors;
  state.present.credit += client.credit;
  if (client.credit > 0) state.willing.add(client);
}

/** It takes none any more; where it stands instead is the caller's affair. */
export function unseat(state: ServerState, client: ClientEntry): void {
  if (client.standing.at !== "present") return;
  state.present.executors -= client.executors;
  state.present.credit -= client.credit;
  state.willing.delete(client);
}
