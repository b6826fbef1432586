/*
 * The registration of clients, new and returning. As pure as reactor.ts, which calls it. A registration has three
 * steps:
 *
 * 1. `beginRegistration`: the hello has come. The tasks that the client brings are sorted. Those that this server knows
 *    are filed under the client's name, those that belong to somebody else are dropped, and the rest is left to the
 *    store.
 * 2. `askForRegistrations`: the store is asked to register the client and to hand over the tasks of that rest (effect
 *    `register`).
 * 3. `completeRegistration`: the store has answered (event `registered`). The client is welcomed, and drops the tasks
 *    that the store did not hand over.
 *
 * A task goes to a second client only when the first is known lost (roster.ts), so a client that comes back keeps what
 * it still has.
 */
import { counted } from "../base/units.ts";
import { assert } from "../base/assert.ts";
import { type Capacity, roomOf, take } from "../task/demand.ts";
import type { ClaimedTask } from "../task/task.ts";
import { type ClientMessage, type Lease, longestEvictMs } from "../wire/message.ts";
import { note, type ServerEffect, tell } from "./effects.ts";
import type { ServerEvent } from "./event.ts";
import { cancelAgain } from "./recalls.ts";
import { bury, leave, receive } from "./roster.ts";
import { seat, unseat } from "./dispatch.ts";
import { newTally } from "./tally.ts";
import {
  type ClientEntry,
  giveBack,
  hold,
  isDisregarded,
  isRevoked,
  leaseKey,
  letGo,
  lookAgain,
  nameOf,
  type Registration,
  type ServerState,
  settlingAmong,
  withhold,
  wantsToStay,
} from "./state.ts";
import { refile, withdraw } from "./waiting.ts";

type Hello = Extract<ClientMessage, { kind: "hello" }>;
type Registered = Extract<ServerEvent, { kind: "registered" }>;

/** The largest number of clients of other servers that are told of once. After that the first are told of again. */
const mostStrangers = 10_000;

// ---- the hello

/** Begins the registration of a client that has said hello, for the first time or again. */
export function beginRegistration(state: ServerState, hello: Hello, now: number, effects: ServerEffect[]): void {
  if (isElsewhere(state, hello)) return sendOn(state, hello, effects);
  const known = state.clients.get(hello.clientId);
  const client = newClient(state, known, hello, now);
  noteCapacity(state, client.capacity);
  state.demands.round++;
  if (known === undefined) state.demands.cameAt = now;
  if (known !== undefined) replace(state, known, client);
  state.clients.set(client.id, client);
  const [level, text] =
    known === undefined
      ? (["debug", "Registered client"] as const)
      : ([known.hasWorked ? "warning" : "refusal", "Existing client re-registered"] as const);
  note(effects, level, () => `${text} (${nameOf(client)})`);
  const registration: Registration = {
    number: state.registrations.nextNumber++,
    ...sortBrought(state, client, hello, effects),
    brought: [...hello.running, ...hello.finished],
    claimed: new Set(),
    isRenewal: false,
    backlog: [],
  };
  client.registration = registration;
  // The client of a run on one machine ends with its server, so no successor will look for it.
  if (client.id === state.settings.serverId) {
    ask(state, client, registration, effects);
    welcome(state, client, now, effects);
  } else state.registrations.waiting.add(client);
}

/**
 * Whether what the client has belongs to a store or to a run that this server knows nothing of. It would stop the tasks
 * and acknowledge outcomes that nobody has recorded.
 */
function isElsewhere({ settings }: ServerState, { store, run }: Hello): boolean {
  const { storeId, scope } = settings;
  return store !== undefined && (store !== storeId || (scope.kind === "submission" && run !== scope.id));
}

/** Tells a client who is here, so that it keeps its tasks and goes on looking for their server. */
function sendOn(state: ServerState, hello: Hello, effects: ServerEffect[]): void {
  const { clientId, host, running, finished } = hello;
  const level = state.strangers.has(clientId) ? "debug" : "warning";
  if (state.strangers.size >= mostStrangers) state.strangers.clear();
  state.strangers.add(clientId);
  const whose = hello.store === state.settings.storeId ? "run" : "database";
  const what = `${counted(running.length + finished.length, "task")} of another ${whose}`;
  note(
    effects,
    level,
    `A client that has ${what} looks for its own server, and is not served here (${host}: ${clientId})`,
  );
  sayWelcome(state, clientId, effects);
  effects.push({ kind: "disconnect", clientId });
}

function newClient({ settings }: ServerState, known: ClientEntry | undefined, hello: Hello, now: number): ClientEntry {
  const capacity = hello.capacity ?? null;
  const room = capacity === null ? null : roomOf(capacity);
  if (room !== null && known !== undefined)
    for (const { demand } of known.held.values()) if (demand !== null) take(room, demand);
  return {
    id: hello.clientId,
    host: hello.host,
    job: hello.job ?? null,
    executors: hello.executors,
    isDraining: false,
    tally: known?.tally ?? (settings.measures === true ? newTally() : null),
    capacity,
    room,
    until: capacity?.until ?? Number.POSITIVE_INFINITY,
    spent: known?.spent ?? new Set(),
    extra: 0,
    credit: hello.credit,
    held: known?.held ?? new Map(),
    weight: known?.weight ?? 0,
    isClogged: false,
    hasWorked: known?.hasWorked ?? false,
    disregarded: stillDisregarded(known, hello),
    known: new Set(),
    lastHeard: now,
    standing: { at: "registering" },
    registration: null,
  };
}

/** The most names of resources that are known, so that clients cannot fill the memory with new ones. */
const mostNames = 1000;

/** Learns names of resources, and that time is limited. What waits is sorted anew then. */
function noteCapacity(state: ServerState, capacity: Capacity | null): void {
  if (capacity === null) return;
  const { demands } = state;
  const before = demands.names.size;
  for (const name in capacity.others) if (demands.names.size < mostNames) demands.names.add(name);
  const isTimed = demands.isTimed || capacity.until !== undefined;
  if (demands.names.size === before && isTimed === demands.isTimed) return;
  demands.isTimed = isTimed;
  refile(state);
}

/** The dispatches that did not count on the connection before, and that the client still has. */
function stillDisregarded(known: ClientEntry | undefined, { running, finished }: Hello): Set<string> {
  const brought = [...running, ...finished].map(leaseKey);
  return new Set(brought.filter((key) => known?.disregarded.has(key) === true));
}

function replace(state: ServerState, known: ClientEntry, client: ClientEntry): void {
  unseat(state, known);
  state.registrations.waiting.delete(known);
  if (state.doubted.delete(known)) state.doubted.add(client);
  for (const id of client.held.keys()) state.holders.set(id, client);
}

/**
 * Sorts the tasks that a client brings. What this server knows is filed under the client's name. Answers the rest,
 * which the store is asked for.
 */
function sortBrought(
  state: ServerState,
  client: ClientEntry,
  hello: Hello,
  effects: ServerEffect[],
): Pick<Registration, "running" | "finished"> {
  // The row of a reverted task is free. If the store were asked for it, the task would come back to a run that nobody
  // wants.
  const isWanted = (lease: Lease): boolean => !isDisregarded(client, lease) && !isRevoked(state, lease);
  const dropped = hello.running.filter((lease) => !isWanted(lease));
  const running = hello.running.filter(isWanted);
  const finished = hello.finished.filter(isWanted);
  const brought = new Set([...running, ...finished].map(({ id }) => id));
  giveBackMissing(state, client, brought, effects);
  if (brought.size === 0) {
    tell(effects, client.id, "drop", dropped);
    return { running: [], finished: [] };
  }
  const waiting = withdraw(state, brought);
  const settling = settlingAmong(state, brought);
  const sort = (lease: Lease): "own" | "unknown" | "another's" => {
    const { id } = lease;
    const task = client.held.get(id)?.task ?? waiting.get(id);
    if (task !== undefined) {
      hold(state, client, task, lease.lease);
      return "own";
    }
    return state.holders.has(id) || settling.has(id) ? "another's" : "unknown";
  };
  // Beside neighbours the store is asked even for what is on record here: the client may have been at a neighbour
  // meanwhile, with the task. Only the store knows.
  const isForStore = (place: ReturnType<typeof sort>): boolean =>
    place === "unknown" || (place === "own" && state.neighbours > 0);
  const runningForStore = running.filter((lease) => {
    const place = sort(lease);
    if (place === "another's") dropped.push(lease);
    return isForStore(place);
  });
  // An outcome of a task that another client has by now may count (takeOutcomes), but nobody waits for it.
  const finishedForStore = finished.filter((lease) => isForStore(sort(lease)));
  tell(effects, client.id, "drop", dropped);
  return { running: runningForStore, finished: finishedForStore };
}

/** Gives back what a client held and does not bring back: it was lost on the way and has to run again. */
function giveBackMissing(
  state: ServerState,
  client: ClientEntry,
  brought: ReadonlySet<string>,
  effects: ServerEffect[],
): void {
  let missing = 0;
  for (const [id, held] of client.held) {
    if (brought.has(id)) continue;
    letGo(state, client, id);
    giveBack(state, held.task);
    missing++;
  }
  if (missing > 0)
    note(
      effects,
      "warning",
      `Reverting ${counted(missing, "task")} that did not reach their client (${nameOf(client)})`,
    );
}

// ---- this server was taken for dead

/** Notes that the store has to say which tasks the clients may keep. */
export function doubtClients(state: ServerState): void {
  for (const client of state.clients.values()) if (client.held.size > 0) state.doubted.add(client);
}

/**
 * Registers clients anew with the tasks that they hold, as if each had said hello with them. What they say waits until
 * the store has answered.
 */
function renewRegistrations(state: ServerState): void {
  for (const client of state.doubted) {
    if (client.registration !== null) continue;
    state.doubted.delete(client);
    const running = [...client.held].map(([id, { lease }]) => ({ id, lease }));
    client.registration = {
      number: state.registrations.nextNumber++,
      running,
      finished: [],
      brought: running,
      claimed: new Set(),
      isRenewal: true,
      backlog: [],
    };
    unseat(state, client);
    if (client.standing.at !== "away") client.standing = { at: "registering" };
    state.registrations.waiting.add(client);
  }
}

// ---- the question

/** Asks the store to register the clients for which it was not asked yet. */
export function askForRegistrations(state: ServerState, effects: ServerEffect[]): void {
  if (state.doubted.size > 0) renewRegistrations(state);
  for (const client of state.registrations.waiting) {
    const { registration } = client;
    assert(registration !== null, "who waits to be registered has a registration");
    const asksForTasks = registration.running.length + registration.finished.length > 0;
    // The commit under way might free a task just after the store has handed it over. A task that is to be given back
    // is on record as somebody else's until then, and would not be handed over.
    if (asksForTasks && (state.settling !== null || isReturning(state, registration))) continue;
    ask(state, client, registration, effects);
  }
}

/** Whether one of these tasks is given back with the next commit. */
function isReturning({ outbox }: ServerState, { running, finished }: Registration): boolean {
  if (outbox.reverted.length === 0) return false;
  const reverted = new Set(outbox.reverted);
  return running.some(({ id }) => reverted.has(id)) || finished.some(({ id }) => reverted.has(id));
}

function ask(state: ServerState, client: ClientEntry, registration: Registration, effects: ServerEffect[]): void {
  const { registrations, estates } = state;
  registrations.waiting.delete(client);
  // Some tasks may have been taken back since the hello.
  const wantedOf = (leases: readonly Lease[]): string[] =>
    leases.flatMap((lease) => (isDisregarded(client, lease) || registration.claimed.has(lease.id) ? [] : [lease.id]));
  const finished = wantedOf(registration.finished);
  const adopt = [...wantedOf(registration.running), ...finished];
  registrations.asked++;
  effects.push({
    kind: "register",
    clientId: client.id,
    host: client.host,
    number: registration.number,
    adopt,
    brings: registration.brought.length > 0,
    finished,
    from: [...estates.keys()],
  });
}

// ---- a claim that brings what a client is asking for

/** A client that is registering, and its dispatch of a task that this server knows nothing of. */
export interface Bringer {
  readonly client: ClientEntry;
  readonly lease: Lease;
}

/** Who brings tasks that the store is asked for, by the id of the task; null: nobody is registering. */
export function bringers({ registrations, clients }: ServerState): ReadonlyMap<string, Bringer> | null {
  if (registrations.asked === 0 && registrations.waiting.size === 0) return null;
  const found = new Map<string, Bringer>();
  for (const client of clients.values()) {
    const { running = [], finished = [] } = client.registration ?? {};
    for (const lease of [...running, ...finished]) if (!found.has(lease.id)) found.set(lease.id, { client, lease });
  }
  return found.size === 0 ? null : found;
}

/**
 * Leaves a task that was just claimed to the client that says it has it, as if it had waited here when the client came:
 * in the hands of another it would run twice. Answers false if that dispatch does not count, or another has the task.
 * `now` is in milliseconds since 1970.
 */
export function leaveToBringer(
  state: ServerState,
  { client, lease }: Bringer,
  task: ClaimedTask,
  now: number,
): boolean {
  const { id } = task;
  const holder = state.holders.get(id) ?? client;
  if (client.registration === null || holder !== client) return false;
  if (isDisregarded(client, lease) || isRevoked(state, lease)) return false;
  hold(state, client, task, lease.lease);
  state.outbox.assigned.set(id, { id, clientId: client.id, clientHost: client.host, at: now });
  client.registration.claimed.add(id);
  return true;
}

// ---- the answer

/**
 * Takes the store's answer. If the client has said hello again since, only the tasks that the store has handed over
 * count, and a later answer completes the registration.
 */
export function completeRegistration(
  state: ServerState,
  event: Registered,
  now: number,
  effects: ServerEffect[],
): void {
  state.registrations.asked--;
  const client = state.clients.get(event.clientId) ?? null;
  const registration = client?.registration ?? null;
  for (const each of event.revoked) state.revoked.set(each.id, each);
  for (const task of event.adopted) takeAdopted(state, client, registration, task);
  if (client === null || registration === null || registration.number !== event.number) return;
  if (asksAgain(state, client, registration, event.adopted)) return;
  client.registration = null;
  dropRevoked(state, client, registration, effects);
  dropRefused(state, client, registration, event.adopted, effects);
  if (client.standing.at === "registering") {
    if (registration.isRenewal) admit(state, client, now, effects);
    else welcome(state, client, now, effects);
  }
  for (const message of registration.backlog) {
    // It may have said bye, and whatever it says after that counts no more than on a connection of its own.
    if (state.clients.get(client.id) === client) receive(state, client, message, now, effects);
  }
  for (const [serverId, missing] of state.estates) {
    if (missing.delete(client.id) && missing.size === 0) bury(serverId, effects);
  }
  // The client was lost again meanwhile.
  if (client.standing.at === "away" && state.phase.at === "closing" && state.clients.get(client.id) === client)
    leave(state, client, state.phase.how, "no more tasks", now, effects);
}

/**
 * Asks the store once more for tasks that it did not hand over because they ran elsewhere, and that have ended at the
 * client meanwhile: an answer may take long, and what is finished is handed over more readily. Answers whether it does.
 */
function asksAgain(
  state: ServerState,
  client: ClientEntry,
  registration: Registration,
  adopted: readonly ClaimedTask[],
): boolean {
  const ended = new Set<string>();
  for (const message of registration.backlog)
    if (message.kind === "results") for (const { id, lease } of message.outcomes) ended.add(leaseKey({ id, lease }));
  if (ended.size === 0) return false;
  const own = new Set([...registration.claimed, ...adopted.map(({ id }) => id)]);
  const isOpen = ({ id }: Lease): boolean => !own.has(id);
  const running = registration.running.filter(isOpen);
  const late = running.filter((lease) => ended.has(leaseKey(lease)) && !isDisregarded(client, lease));
  if (late.length === 0) return false;
  client.registration = {
    ...registration,
    number: state.registrations.nextNumber++,
    running: running.filter((lease) => !late.includes(lease)),
    finished: [...registration.finished.filter(isOpen), ...late],
  };
  state.registrations.waiting.add(client);
  return true;
}

/** Takes a task that the store has handed over because a client has it. */
function takeAdopted(
  state: ServerState,
  client: ClientEntry | null,
  registration: Registration | null,
  task: ClaimedTask,
): void {
  const { id } = task;
  const ids = new Set([id]);
  withhold(state, id, "adopted");
  const isThis = (each: Lease): boolean => each.id === id;
  const lease = registration?.running.find(isThis) ?? registration?.finished.find(isThis);
  // An earlier connection has brought the task already, or another client that said it has it was faster.
  if (state.holders.has(id) || settlingAmong(state, ids).size > 0) return;
  withdraw(state, ids);
  // The client came when nobody was waited for, and has gone on with the task.
  if (client === null && state.abandoned) return;
  const isGivenBack = state.outbox.reverted.includes(id);
  if (client === null || lease === undefined || isDisregarded(client, lease) || isRevoked(state, lease)) {
    if (!isGivenBack) giveBack(state, task);
    return;
  }
  if (isGivenBack) state.outbox.reverted = state.outbox.reverted.filter((each) => each !== id);
  hold(state, client, task, lease.lease);
}

/** Stops those of the client's tasks that were taken back from a dead server. Their rows wait to be run again. */
function dropRevoked(
  state: ServerState,
  client: ClientEntry,
  { brought }: Registration,
  effects: ServerEffect[],
): void {
  const revoked = brought.filter((lease) => isRevoked(state, lease));
  for (const { id, lease } of revoked) {
    const held = client.held.get(id);
    if (held?.lease !== lease) continue;
    letGo(state, client, id);
    giveBack(state, held.task);
  }
  // A task that has ended at the client is named as well. There is nothing to stop, so that does no harm.
  tell(effects, client.id, "drop", revoked);
}

/** Drops those tasks that the store was asked for and did not hand over: they belong to somebody else. */
function dropRefused(
  state: ServerState,
  client: ClientEntry,
  { running, finished, claimed }: Registration,
  adopted: readonly ClaimedTask[],
  effects: ServerEffect[],
): void {
  // Whatever the store has answered about a task that was claimed meanwhile was true before that.
  const own = new Set([...claimed, ...adopted.map(({ id }) => id)]);
  for (const { id } of [...running, ...finished]) if (!own.has(id) && client.held.has(id)) letGo(state, client, id);
  const refused = running.filter(({ id }) => !client.held.has(id));
  tell(effects, client.id, "drop", refused);
  if (refused.length > 0)
    note(
      effects,
      client.hasWorked ? "warning" : "refusal",
      () => `Client runs ${counted(refused.length, "task")} that it has lost to others (${nameOf(client)})`,
    );
}

/** Welcomes the client, and admits it. */
function welcome(state: ServerState, client: ClientEntry, now: number, effects: ServerEffect[]): void {
  sayWelcome(state, client.id, effects);
  admit(state, client, now, effects);
}

/** Says who this server is, and what clients have to go by. */
function sayWelcome(state: ServerState, clientId: string, effects: ServerEffect[]): void {
  const { serverId, serverHost, companyMs, storeId: store, scope, durable } = state.settings;
  const evictMs = Math.min(state.settings.evictMs, longestEvictMs);
  const run = scope.kind === "submission" ? { run: scope.id } : {};
  const stay = wantsToStay(state) ? { stay: true } : {};
  const fleeting = durable ? {} : { fleeting: true };
  const message = {
    kind: "welcome",
    serverId,
    serverHost,
    companyMs,
    evictMs,
    store,
    ...run,
    ...fleeting,
    ...stay,
  } as const;
  effects.push({ kind: "send", clientId, message });
}

/** Lets the client have tasks from now on, or sends it away if the server is about to end. */
function admit(state: ServerState, client: ClientEntry, now: number, effects: ServerEffect[]): void {
  seat(state, client);
  client.lastHeard = now;
  cancelAgain(client, effects);
  lookAgain(state);
  if (state.phase.at === "closing") leave(state, client, state.phase.how, "no more tasks", now, effects);
}
