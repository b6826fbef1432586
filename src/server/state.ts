/*
 * Everything that a server knows between two events; check.ts says whether it makes sense. No I/O, no clock, no
 * randomness.
 *
 * The places of a task. A task that this server holds is in exactly one of them: the queue `ready`, one of the lanes in
 * `demands`, where tasks wait that need something of their client (`ready` below means both), `delays` (a next attempt
 * before its time), a client's `held` (`holders` tells whose), `completed` and `reverted` in the outbox, or `settling`,
 * the commit under way.
 *
 *        its client brings it, and the store hands it over
 *      +--------------------------------------------+
 *      |                                            v
 *    store --claim--> ready --assign--> held (by a client) --results--> completed --commit--> settling --> store
 *      ^                |                     |                                                  |
 *      |                | stop, recall        | returned, or its client is lost                  | next attempt
 *      |                v                     v                                                  v
 *      +---commit--- reverted <---------------+                              ready (eager retries), or the store
 *
 * An outcome of a task that this server does not hold goes the same way from `completed` on, with `task` null. What
 * happens to a task without this server (a person changes it, its client takes it elsewhere) is known only when its
 * recall has come; see recalls.ts.
 *
 * The standings of a client:
 *
 *     hello               registered              told to leave
 *    -------> registering <----------> present ------------------> leaving
 *              ^       |                  |                           |
 *        hello |       v                  v   its connection breaks   |
 *              +----- away <--------------+---------------------------+
 *
 * A client in any standing may be forgotten: it says bye, is silent for too long, is away for longer than its grace, or
 * nobody waits for it any more. A server that was taken for dead registers its clients anew. While it registers, a
 * client gets no task: a successor of this server must find out from the store which clients to wait for. Only the
 * client in the same process is present at once, because it ends with its server.
 */
import { type Deque, deque } from "../base/deque.ts";
import { type Delays, newDelays } from "./delays.ts";
import type { FailurePolicy } from "./failure-policy.ts";
import type { Completion, HeldBack, Scope } from "../store/store.ts";
import { type Capacity, type Demand, demandOf, release, type Room, take } from "../task/demand.ts";
import type { ClaimedTask, Outcome } from "../task/task.ts";
import type { ClientMessage, Lease, LeaveKind } from "../wire/message.ts";
import { type Demands, newDemands } from "./demands.ts";
import type { Revoked, SubmissionFacts } from "./event.ts";
import type { Sights } from "./sights.ts";
import type { Tally } from "./tally.ts";

export interface ServerSettings extends FailurePolicy {
  readonly serverId: string;
  readonly serverHost: string;
  /** The identity of the store, see Admission. */
  readonly storeId: string;
  readonly scope: Scope;
  /** Whether the server goes on when nothing is left to do. */
  readonly forever: boolean;
  /**
   * Whether clients may come at any time that have more than those that are here: tasks that need more wait for them.
   * Otherwise such a task fails.
   */
  readonly mayGrow: boolean;
  /** Names of resources that tasks may need, besides those that clients have. */
  readonly resources: readonly string[];
  /** Whether this run has launched its clients, all of them: they ask it whether they are idle. */
  readonly launchesClients: boolean;
  /** The largest number of tasks in one frame to a client; null: no limit. */
  readonly bundleSize: number | null;
  /** The longest pause between two looks at the store when nothing wakes the server, milliseconds. */
  readonly pollMs: number;
  /** A client that was not heard for this long is evicted, milliseconds. */
  readonly evictMs: number;
  /** A client whose connection broke keeps its tasks for this long, milliseconds. */
  readonly graceMs: number;
  /** Whether the store outlives this server, so that others may go on with it. */
  readonly durable: boolean;
  /** For how long clients may keep an outcome to send it together with others, milliseconds. */
  readonly companyMs: number;
  /** The first lease; later ones grow. It must be above every lease of earlier servers. */
  readonly firstLease: number;
  /** Whether what each client does is measured, for an autoscaler. Absent: it is not. */
  readonly measures?: boolean;
  /** Whether a printer is told of each outcome that is recorded. Absent: it is not. */
  readonly prints?: boolean;
  readonly newId: () => string;
}

/** What a dead server left to this one, its successor: clients, at least one, that may still be at work. */
export interface Estate {
  readonly serverId: string;
  readonly clients: readonly string[];
}

/** A task that was handed out, and when, as the store is told. */
export interface Dispatch {
  readonly id: string;
  readonly clientId: string;
  readonly clientHost: string;
  readonly at: number;
}

/** A task of which a client has told that it runs; `at`: when it did, milliseconds since 1970. */
export interface Started {
  readonly id: string;
  /** By the clock of the client, milliseconds since 1970. */
  readonly startTime: number;
  readonly at: number;
}

export interface Held {
  readonly task: ClaimedTask;
  readonly lease: number;
  /** What it takes of its client's room; null: nothing. */
  readonly demand: Demand | null;
  /** Whether somebody cancelled the task: its client is to stop it. */
  cancelled: boolean;
  /** When its client began to run it, milliseconds since 1970; null: it has not told yet. */
  startTime: number | null;
}

/** A registration that the store has not answered. */
export interface Registration {
  /** A number that tells this connection of the client from an earlier one. */
  readonly number: number;
  /** Tasks that the client runs and this server knows nothing of: the store is asked for them. */
  readonly running: readonly Lease[];
  /** Tasks that have ended at the client and that this server knows nothing of. */
  readonly finished: readonly Lease[];
  /** All tasks that the client has, known or not. */
  readonly brought: readonly Lease[];
  /** Those of `running` and `finished` that a claim has brought meanwhile, and that were left to the client. */
  readonly claimed: Set<string>;
  /** Whether the client was registered before, and was not told that it is registered anew. */
  readonly isRenewal: boolean;
  /** Messages that came before the store had answered. */
  readonly backlog: Exclude<ClientMessage, { kind: "hello" | "output" | "shown" }>[];
}

/** Where a client stands; times are milliseconds since 1970. */
export type Standing =
  | { readonly at: "registering" }
  | { readonly at: "present" }
  | { readonly at: "leaving"; readonly since: number }
  | { readonly at: "away"; readonly since: number };

export interface ClientEntry {
  readonly id: string;
  readonly host: string;
  /** What brought the client up, as it says itself; null: it does not say. */
  readonly job: string | null;
  readonly executors: number;
  /** Whether the client has said that it takes no more tasks. */
  isDraining: boolean;
  /** What it has done; null: nobody wants to know. */
  readonly tally: Tally | null;
  /** What it may hand out to tasks; null: it does not say, as older clients, and gets every task. */
  readonly capacity: Capacity | null;
  /**
   * What of the capacity is left by all tasks that it holds. It is less than nothing where some of them wait over there
   * until others end. Null: as for the capacity.
   */
  readonly room: Room | null;
  /** When its time is up, by the clock of this server, milliseconds since 1970; infinity: it is not limited. */
  until: number;
  /** Tasks for which it has too little time left, as they have told by their exit status; see requeue.ts. */
  readonly spent: Set<string>;
  /** How many of the tasks that it holds were sent although there was no room for them, and may wait over there. */
  extra: number;
  /** How many more tasks the client will take. */
  credit: number;
  readonly held: Map<string, Held>;
  /** How much memory these tasks take here, roughly, bytes. */
  weight: number;
  /** Whether its connection takes no more for now, because the client does not read what it is sent. */
  isClogged: boolean;
  /** Whether the client has ever had a task here. One that has not is nothing to wait for, and leaves no trace. */
  hasWorked: boolean;
  /**
   * Dispatches, by `leaseKey`, that the client was told to drop, or whose outcome was turned down. What the client
   * still says of them does not count, not even when it says it again on a new connection.
   */
  readonly disregarded: Set<string>;
  /** Submissions that the client was told of. */
  readonly known: Set<string>;
  /** When the client was last heard of, milliseconds since 1970. */
  lastHeard: number;
  standing: Standing;
  /**
   * The registration under way, which goes on when the connection breaks. Null: the store knows the client and has
   * answered for what it brought.
   */
  registration: Registration | null;
}

/**
 * An outcome on its way to the store. `task` is null when this server does not have the task: it was reverted
 * meanwhile, or another outcome of it is ahead.
 */
export interface Settling {
  /** Null: no client has told of it, the server has decided it. */
  readonly clientId: string | null;
  readonly task: ClaimedTask | null;
  readonly outcome: Outcome;
  readonly completion: Completion;
}

export interface Counts {
  /** Tasks whose last attempt ended in success. */
  succeeded: number;
  /** Tasks whose last attempt failed. */
  failed: number;
  /** Tasks that were cancelled. */
  cancelled: number;
  /** Attempts that were followed by another. */
  retried: number;
}

/** What this server knows of tasks that the store may have for it; times are milliseconds since 1970. */
export type ClaimState =
  | {
      readonly at: "asked";
      /**
       * Whether something has changed since the store was asked: if so, an answer that there is nothing does not count.
       */
      stale: boolean;
      /** Whether this server may have been taken for dead since: what was claimed is given back, whatever it is. */
      isDoubtful: boolean;
      /**
       * Tasks that this claim must not hand out although it may bring them. `adopted`: a client came with the task
       * meanwhile. `recalled`: the task was recalled since the claim was sent, or finished meanwhile by a former
       * holder.
       */
      readonly withheld: Map<string, "adopted" | "recalled">;
      /** When it was asked, milliseconds since 1970. */
      readonly since: number;
      /** Whether tasks were left out because they need too much. */
      readonly isPast: boolean;
    }
  /** The store is worth asking. */
  | { readonly at: "due" }
  /**
   * The store had nothing; `since` is when it said so. It is asked again when something changes, or at the next poll.
   */
  | { readonly at: "empty"; readonly since: number }
  /**
   * There are tasks, but not now: no client is there to run them, a higher group waits for a lower one, or failures
   * hold them back.
   */
  | { readonly at: "blocked"; readonly since: number };

/** How far one answer to `recalls` has come; see recalls.ts. */
export type RecallState =
  | { readonly at: "idle" }
  | { readonly at: "asked" }
  /** All of the answer is dealt with: the next commit tells the store so, by these numbers. */
  | { readonly at: "handled"; readonly numbers: readonly number[] }
  /** That commit is under way. */
  | { readonly at: "settling" };

/** The commit under way. */
export interface CommitInFlight {
  readonly outcomes: readonly Settling[];
  /** Whether the commit gives tasks back. */
  readonly frees: boolean;
  /** Outcomes that do not count, to be acknowledged after it. */
  readonly unwanted: readonly Unwanted[];
}

/**
 * An outcome that does not count, because its client does not have the task: perhaps it was recorded long ago. It is
 * acknowledged only after a commit, with which everything that is recorded is safe.
 */
export interface Unwanted extends Lease {
  readonly clientId: string;
}

export interface ServerState {
  readonly settings: ServerSettings;
  /** `closing`: nothing new is handed out, and clients are told to leave in this way. */
  phase: { readonly at: "running" } | { readonly at: "closing"; readonly how: LeaveKind } | { readonly at: "done" };
  /** `open`: lines are coming in. `quiet`: none came for a while. `ended`: none will come. */
  input: "open" | "quiet" | "ended";
  /** The group that is being run: of the tasks that were claimed last, or waited for; null before the first. */
  group: number | null;
  /** The tasks that failures hold back, when there is nothing else to do; null: there are others, or none. */
  heldBack: HeldBack | null;
  /** What the log was told last of tasks that are held back, as a key, and how loudly. */
  toldHeldBack: { readonly key: string; readonly level: "warning" | "critical" } | null;
  /** Whether tasks may have been added since the store was asked. They may be in a lower group than those here. */
  isNewIn: boolean;
  /** Tasks that wait for a client, whichever it is, the next one in front. */
  readonly ready: Deque<ClaimedTask>;
  /** Tasks that wait for a client that has what they need; see waiting.ts. */
  readonly demands: Demands;
  /** Next attempts that wait for the end of their pause. */
  readonly delays: Delays;
  /** How many clients were lost that ran each of these tasks. */
  readonly losses: Map<string, number>;
  claim: ClaimState;
  /** The number of other servers that take any free task. */
  neighbours: number;
  /**
   * Whether this server counts as alive for others. `doubted`: it did not run for long, and has asked. `lost`: they
   * took it for dead and freed what it held; its row is being written again. Nothing is handed out unless it is
   * `known`.
   */
  row: "known" | "doubted" | "lost";
  /** Clients that held tasks when the server was taken for dead: the store has yet to say which are still theirs. */
  readonly doubted: Set<ClientEntry>;
  /** Clients, by id, that came with tasks of another store or run and were told so. */
  readonly strangers: Set<string>;
  /** The number of polls in a row that found nothing. The pause before the next doubles with each. */
  idlePolls: number;
  /** The submissions that this server has met, as far as it remembers them; see submissions.ts. */
  readonly submissions: Map<string, SubmissionFacts>;
  /** The number of characters in what is known of them. */
  submissionText: number;
  /** The directories of submissions that clients could not enter; see places.ts. */
  readonly places: {
    /** The clients that lack each, and when they said so, milliseconds since 1970. */
    readonly lacked: Map<string, Map<string, number>>;
    /** Those that no client here can enter. Their tasks stay in the store. */
    readonly aside: Set<string>;
    /** Those that were told of when they were set aside. */
    readonly warned: Set<string>;
    /** What clients have said since the last look. */
    readonly told: { readonly cwd: string; readonly client: ClientEntry }[];
  };
  readonly clients: Map<string, ClientEntry>;
  /** Clients that are present, have credit and are not barred, in the order in which they are served next. */
  readonly willing: Set<ClientEntry>;
  /** Clients that are present and get nothing for now: they do not read, or hold too much already. */
  readonly barred: Set<ClientEntry>;
  /**
   * How many tasks all present clients run at once, and how many more they will take (barred ones: none). The sums are
   * kept because every step needs them.
   */
  readonly present: { executors: number; credit: number };
  /** How much memory a task took on the average of those that were claimed last, bytes; at first a careful guess. */
  meanWeight: number;
  /** How fast tasks are handed out: how many per millisecond, as last measured, and how many since `from`. */
  readonly pace: { perMs: number; from: number; count: number };
  /**
   * Whether clients that were not waited for may still be at work. Their tasks are theirs until this server is found to
   * be gone.
   */
  abandoned: boolean;
  /** The client that holds each task, by the id of the task. */
  readonly holders: Map<string, ClientEntry>;
  nextLease: number;
  readonly registrations: {
    nextNumber: number;
    /** Clients whose registration the store has yet to be asked for. */
    readonly waiting: Set<ClientEntry>;
    /** The number of registrations that the store has not answered. A client that came twice counts twice. */
    asked: number;
  };
  /** Dead servers, each with the clients that have not come back yet. A server without such clients is being buried. */
  readonly estates: Map<string, Set<string>>;
  /** When the clients that have not come back are given up, milliseconds since 1970. */
  estatesUntil: number;
  /**
   * Tasks that somebody took back while a client had them. The client may be away and come back with them when nobody
   * else remembers. There is one entry for each task that ran when it was taken back; people do not do that without
   * end.
   */
  readonly revoked: Map<string, Revoked>;
  /**
   * The client that had each dispatch, by `leaseKey`, when it was given up: its outcome still counts if the task has no
   * other by then. The oldest are forgotten.
   */
  readonly lost: Map<string, string>;
  /** The clients of dead servers: what these have finished may be of a dispatch that this server knows nothing of. */
  readonly inherited: ReadonlySet<string>;
  /** The number of submitters that are connected. */
  intakes: number;
  /** What others did to tasks of this server. `due`: the store may have recalls that no question has covered. */
  readonly recalls: { due: boolean; state: RecallState };
  /** What the next commit tells the store. */
  readonly outbox: {
    /** Dispatches that the store does not know of yet, oldest first, by task. */
    readonly assigned: Map<string, Dispatch>;
    /** Tasks that have run for a while, of which the store does not know it yet, the first told first. */
    readonly started: Map<string, Started>;
    completed: Settling[];
    reverted: string[];
    unwanted: Unwanted[];
  };
  /** The commit under way; null: there is none. */
  settling: CommitInFlight | null;
  /** When the server last checked all clients, milliseconds since 1970. */
  lastCheck: number;
  /** The latest time for which the server asked to be woken. If it is woken much later, it did not run meanwhile. */
  wakeAt: number;
  /** The earliest end of the grace of a client that is away. */
  graceAt: number;
  /** How many runs in a row were short, of tasks that asked to be run again; see requeue.ts. */
  readonly shortRuns: Map<string, number>;
  readonly counts: Counts;
  /** What is noted for those who look; null: nobody has looked yet. */
  sights: Sights | null;
}

/** Which of these tasks have an outcome that is on its way into the store. */
export function settlingAmong({ settling, outbox }: ServerState, ids: ReadonlySet<string>): ReadonlySet<string> {
  const found = new Set<string>();
  for (const { outcome } of settling?.outcomes ?? []) if (ids.has(outcome.id)) found.add(outcome.id);
  for (const { outcome } of outbox.completed) if (ids.has(outcome.id)) found.add(outcome.id);
  return found;
}

/** How many tasks run now: a client starts as many as it has executors, and the rest of what it holds waits there. */
export function runningOf({ clients }: ServerState): number {
  let sum = 0;
  for (const { held, executors } of clients.values()) sum += Math.min(held.size, executors);
  return sum;
}

/** Whether the clients are one, in this process. It has the server's id. */
export function isLocal({ clients, settings }: ServerState): boolean {
  return clients.has(settings.serverId);
}

/** The state of a server that starts at `now` (milliseconds since 1970). */
export function newState(settings: ServerSettings, now: number, estates: readonly Estate[] = []): ServerState {
  return {
    settings,
    phase: { at: "running" },
    input: "open",
    group: null,
    heldBack: null,
    toldHeldBack: null,
    isNewIn: false,
    ready: deque(),
    demands: newDemands(settings.resources, now),
    delays: newDelays(),
    losses: new Map(),
    claim: { at: "due" },
    neighbours: 0,
    row: "known",
    doubted: new Set(),
    strangers: new Set(),
    idlePolls: 0,
    submissions: new Map(),
    submissionText: 0,
    places: { lacked: new Map(), aside: new Set(), warned: new Set(), told: [] },
    clients: new Map(),
    willing: new Set(),
    barred: new Set(),
    present: { executors: 0, credit: 0 },
    meanWeight: 64 * 1024,
    pace: { perMs: 0, from: now, count: 0 },
    abandoned: false,
    holders: new Map(),
    nextLease: settings.firstLease,
    registrations: { nextNumber: 1, waiting: new Set(), asked: 0 },
    estates: new Map(estates.map(({ serverId, clients }) => [serverId, new Set(clients)])),
    estatesUntil: now + settings.graceMs,
    revoked: new Map(),
    lost: new Map(),
    inherited: new Set(estates.flatMap(({ clients }) => clients)),
    intakes: 0,
    recalls: { due: false, state: { at: "idle" } },
    outbox: { assigned: new Map(), started: new Map(), completed: [], reverted: [], unwanted: [] },
    settling: null,
    lastCheck: now,
    wakeAt: now,
    graceAt: Number.POSITIVE_INFINITY,
    shortRuns: new Map(),
    counts: { succeeded: 0, failed: 0, cancelled: 0, retried: 0 },
    sights: null,
  };
}

/**
 * Gives up a task that will not be run by the client that had it. This server, or (when closing) a later one, may claim
 * it again.
 */
export function giveBack(state: ServerState, task: ClaimedTask): void {
  state.outbox.assigned.delete(task.id);
  state.outbox.reverted.push(task.id);
}

/** Notes that something has changed: the store is worth asking again. */
export function lookAgain(state: ServerState): void {
  if (state.claim.at === "asked") state.claim.stale = true;
  else state.claim = { at: "due" };
  state.idlePolls = 0;
}

/** Makes sure that a task which the claim under way may bring is not handed out; see ClaimState. */
export function withhold({ claim }: ServerState, id: string, why: "adopted" | "recalled"): void {
  if (claim.at === "asked" && claim.withheld.get(id) !== "adopted") claim.withheld.set(id, why);
}

/**
 * How much memory a task takes that a client holds, roughly, bytes: 900 are measured for a short one, in all the maps
 * and messages that know of it.
 */
export function weightOf({ args }: ClaimedTask): number {
  return 1024 + args.length;
}

/** Notes that the client has the task from now on. `demand`: what it takes of its room, where that is known. */
export function hold(
  state: ServerState,
  client: ClientEntry,
  task: ClaimedTask,
  lease: number,
  demand: Demand | null = demandOf(task, state.demands.names),
): void {
  const earlier = client.held.get(task.id);
  if (client.room !== null) {
    if (earlier !== undefined && earlier.demand !== null) release(client.room, earlier.demand);
    if (demand !== null) take(client.room, demand);
  }
  client.held.set(task.id, {
    task,
    lease,
    demand,
    cancelled: earlier?.cancelled ?? false,
    startTime: earlier?.startTime ?? null,
  });
  client.weight += weightOf(task) - (earlier === undefined ? 0 : weightOf(earlier.task));
  client.hasWorked = true;
  state.holders.set(task.id, client);
}

/** Notes that the client no longer has the task. The caller decides where it goes. */
export function letGo(state: ServerState, client: ClientEntry, id: string): void {
  const held = client.held.get(id);
  if (held !== undefined) {
    client.weight -= weightOf(held.task);
    if (held.demand !== null) vacate(client, held.demand);
  }
  client.held.delete(id);
  state.holders.delete(id);
  state.outbox.started.delete(id);
}

function vacate(client: ClientEntry, demand: Demand): void {
  if (client.room !== null) release(client.room, demand);
  // Whichever ended, one that waited over there can begin.
  if (client.extra > 0) client.extra--;
}

/** A task that a client has. */
export interface Run {
  readonly holder: ClientEntry;
  readonly held: Held;
}

/** The run of a task at a client; null: no client has it. */
export function runOf({ holders }: ServerState, id: string): Run | null {
  const holder = holders.get(id);
  const held = holder?.held.get(id);
  return holder === undefined || held === undefined ? null : { holder, held };
}

/** Whether somebody took the task back after this dispatch of it. */
export function isRevoked({ revoked }: ServerState, { id, lease }: Lease): boolean {
  const entry = revoked.size === 0 ? undefined : revoked.get(id);
  return entry !== undefined && lease >= entry.from && lease < entry.below;
}

/** Makes this dispatch one that does not count: what the client says of it is ignored from now on. */
export function disregard({ disregarded }: ClientEntry, lease: Lease): void {
  disregarded.add(leaseKey(lease));
}

/** Whether what the client says of this dispatch does not count. */
export function isDisregarded({ disregarded }: ClientEntry, lease: Lease): boolean {
  return disregarded.size > 0 && disregarded.has(leaseKey(lease));
}

/** A dispatch as one word, for sets. */
export function leaseKey({ id, lease }: Lease): string {
  return `${id} ${lease}`;
}

/** Whether the store is at work on what a dead server left behind. */
export function isBurying({ estates }: ServerState): boolean {
  for (const missing of estates.values()) if (missing.size === 0) return true;
  return false;
}

/** Whether clients of a dead server may still come back. */
export function isAwaitingEstates({ estates }: ServerState): boolean {
  for (const missing of estates.values()) if (missing.size > 0) return true;
  return false;
}

/** Whether clients without tasks are to stay: this run has launched them, and more tasks may come. */
export function wantsToStay({ settings, input, phase }: ServerState): boolean {
  return settings.launchesClients && phase.at === "running" && (settings.forever || input !== "ended");
}

/** The name of a client in log lines. */
export function nameOf(client: ClientEntry): string {
  return `${client.host}: ${client.id}`;
}
