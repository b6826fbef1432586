/*
 * The clients of a server: how they join and come back, what happens to their tasks when they are gone, and what becomes of the clients
 * of a dead predecessor. As pure as reactor.ts, which calls it.
 *
 * A task goes to a second client only when the first is known lost: its connection was gone for longer than the grace period, it was silent
 * for too long, or it said itself that it does not have the task.
 */
import { assert, unreachable } from "../base/assert.ts";
import type { ClaimedTask } from "../task/task.ts";
import type { ClientMessage, Lease, LeaveKind } from "../wire/message.ts";
import { note, type ServerEffect } from "./effects.ts";
import type { ServerEvent } from "./event.ts";
import { takeOutcomes } from "./outcomes.ts";
import { cancelAgain } from "./recalls.ts";
import {
  type ClientEntry,
  giveBack,
  hold,
  isRevoked,
  letGo,
  lookAgain,
  type Registration,
  seat,
  type ServerState,
  unseat,
} from "./state.ts";

type Hello = Extract<ClientMessage, { kind: "hello" }>;
type Later = Exclude<ClientMessage, { kind: "hello" }>;

/** A server that is woken this much too late did not run meanwhile, milliseconds. */
const sleptMs = 1000;
/** Least time for a client without tasks to say goodbye, milliseconds: three of its heartbeats, as it is usual. */
const goodbyeMs = 30_000;
/** A server that ends tells a client whose connection broke so recently, milliseconds, when it is back: nobody else would, and it would try on for long. */
const partingMs = 2000;

// ---- joining

export function join(state: ServerState, hello: Hello, now: number, effects: ServerEffect[]): void {
  const known = state.clients.get(hello.clientId);
  const registration: Registration = {
    number: state.nextRegistration++,
    running: [],
    finished: [],
    brought: [...hello.running, ...hello.finished],
    backlog: [],
  };
  const client: ClientEntry = {
    id: hello.clientId,
    host: hello.host,
    executors: hello.executors,
    credit: hello.credit,
    held: known?.held ?? new Map(),
    dropped: stillDropped(known, hello),
    known: new Set(),
    lastHeard: now,
    standing: { at: "joining" },
    registration,
  };
  if (known !== undefined) {
    unseat(state, known);
    state.unasked.delete(known);
    for (const id of client.held.keys()) state.holders.set(id, client);
  }
  state.clients.set(client.id, client);
  const again = known !== undefined;
  note(
    effects,
    again ? "warning" : "debug",
    () => `${again ? "Existing client re-registered" : "Registered client"} (${name(client)})`,
  );
  const strangers = recognise(state, client, hello, effects);
  client.registration = { ...registration, ...strangers };
  // The client of a run on one machine dies with its server: no successor will look for it.
  if (client.id === state.settings.serverId) {
    ask(state, client, client.registration, effects);
    welcome(state, client, now, effects);
  } else state.unasked.add(client);
}

/** What it was told to drop before its connection broke, and still has. */
function stillDropped(known: ClientEntry | undefined, { running, finished }: Hello): Set<string> {
  const named = [...running, ...finished].map(({ id, lease }) => `${id} ${lease}`);
  return new Set(named.filter((name) => known?.dropped.has(name) === true));
}

function isDropped({ dropped }: ClientEntry, { id, lease }: Lease): boolean {
  return dropped.size > 0 && dropped.has(`${id} ${lease}`);
}

/** Sorts out what a client still has: what is known is put under its name, the rest is to be asked of the store. */
function recognise(
  state: ServerState,
  client: ClientEntry,
  hello: Hello,
  effects: ServerEffect[],
): Pick<Registration, "running" | "finished"> {
  // The row of a task that was reverted is free: it would come back to the run that nobody wants.
  const isWanted = (entry: Lease): boolean => !isDropped(client, entry) && !isRevoked(state, entry);
  const others: Lease[] = hello.running.filter((entry) => !isWanted(entry));
  const [runs, ended] = [hello.running.filter(isWanted), hello.finished.filter(isWanted)];
  const leases = new Map<string, number>();
  for (const { id, lease } of [...runs, ...ended]) leases.set(id, lease);
  giveBackMissing(state, client, leases, effects);
  if (leases.size === 0) {
    drop(client, others, effects);
    return { running: [], finished: [] };
  }

  const waiting = new Map<string, ClaimedTask>();
  for (const task of state.ready.values()) if (leases.has(task.id)) waiting.set(task.id, task);
  if (waiting.size > 0) for (const task of state.ready.drain()) if (!waiting.has(task.id)) state.ready.push(task);
  const recorded = recording(state, leases);
  const isStranger = (entry: Lease, running: boolean): boolean => {
    const { id, lease } = entry;
    const task = client.held.get(id)?.task ?? waiting.get(id);
    if (task !== undefined) {
      hold(state, client, task, lease);
      // It may have been at another server meanwhile, with the task: the store knows.
      return state.neighbours > 0;
    }
    if (!state.holders.has(id) && !recorded.has(id)) return true;
    // Somebody else has it: an outcome counts if it is the first, but nobody waits for it.
    if (running) others.push(entry);
    return false;
  };
  const running = runs.filter((entry) => isStranger(entry, true));
  const finished = ended.filter((entry) => isStranger(entry, false));
  drop(client, others, effects);
  return { running, finished };
}

/** Which of these tasks have an outcome that is on its way into the store. */
function recording(state: ServerState, ids: ReadonlyMap<string, number>): Set<string> {
  const found = new Set<string>();
  for (const { outcome } of state.settling ?? []) if (ids.has(outcome.id)) found.add(outcome.id);
  for (const { outcome } of state.outbox.completed) if (ids.has(outcome.id)) found.add(outcome.id);
  return found;
}

/** A client that came back tells what it still has; what it lost on the way is run again. */
function giveBackMissing(
  state: ServerState,
  client: ClientEntry,
  kept: ReadonlyMap<string, number>,
  effects: ServerEffect[],
): void {
  let missing = 0;
  for (const [id, held] of client.held) {
    if (kept.has(id)) continue;
    letGo(state, client, id);
    giveBack(state, held.task);
    missing++;
  }
  if (missing > 0)
    note(effects, "warning", `Reverting ${missing} tasks that did not reach their client (${name(client)})`);
}

/** Registrations that the store has not been asked for. */
export function askForClients(state: ServerState, effects: ServerEffect[]): void {
  for (const client of state.unasked) {
    const { registration } = client;
    assert(registration !== null, "who is to be asked for has something to ask");
    // What is under way to the store might free a task after it was adopted.
    const brings = registration.running.length + registration.finished.length > 0;
    if (brings && state.settling !== null) continue;
    ask(state, client, registration, effects);
  }
}

function ask(state: ServerState, client: ClientEntry, registration: Registration, effects: ServerEffect[]): void {
  state.unasked.delete(client);
  const wantedOf = (list: readonly Lease[]): string[] =>
    list.flatMap((entry) => (isDropped(client, entry) ? [] : [entry.id]));
  const finished = wantedOf(registration.finished);
  const adopt = [...wantedOf(registration.running), ...finished];
  const wanted = new Set(adopt);
  if (wanted.size > 0) state.outbox.reverted = state.outbox.reverted.filter((id) => !wanted.has(id));
  state.registering++;
  effects.push({
    kind: "register",
    clientId: client.id,
    host: client.host,
    number: registration.number,
    adopt,
    brings: registration.brought.length > 0,
    finished,
    from: [...state.estates.keys()],
  });
}

type Registered = Extract<ServerEvent, { kind: "registered" }>;

export function takeRegistered(state: ServerState, event: Registered, now: number, effects: ServerEffect[]): void {
  state.registering--;
  const client = state.clients.get(event.clientId);
  const registration = client?.registration ?? null;
  for (const each of event.revoked) state.revoked.set(each.id, each);
  for (const task of event.adopted) takeAdopted(state, client ?? null, registration, task);
  if (client === undefined || registration === null || registration.number !== event.number) return;
  client.registration = null;
  const revoked = registration.brought.filter((entry) => isRevoked(state, entry));
  for (const { id, lease } of revoked) {
    const held = client.held.get(id);
    if (held?.lease !== lease) continue;
    letGo(state, client, id);
    giveBack(state, held.task);
  }
  // Of what has ended at the client there is nothing to stop.
  drop(client, revoked, effects);
  const own = new Set(event.adopted.map((task) => task.id));
  for (const { id } of [...registration.running, ...registration.finished])
    if (!own.has(id) && client.held.has(id)) letGo(state, client, id);
  const fenced = registration.running.filter(({ id }) => !client.held.has(id));
  drop(client, fenced, effects);
  if (fenced.length > 0)
    note(effects, "warning", () => `Client runs ${fenced.length} tasks that are no longer its own (${name(client)})`);
  if (client.standing.at === "joining") welcome(state, client, now, effects);
  for (const message of registration.backlog) receive(state, client, message, now, effects);
  for (const [serverId, missing] of state.estates) {
    if (missing.delete(client.id) && missing.size === 0) bury(state, serverId, effects);
  }
  // It was lost again meanwhile.
  if (client.standing.at === "away" && state.phase.at === "closing")
    leave(state, client, state.phase.how, "no more tasks", now, effects);
}

/** A task that the store has handed over because a client has it. */
function takeAdopted(
  state: ServerState,
  client: ClientEntry | null,
  registration: Registration | null,
  task: ClaimedTask,
): void {
  const { id } = task;
  if (state.claim.at === "asked") state.adopted.add(id);
  // A claim or an earlier connection was faster.
  if (state.holders.has(id) || recording(state, new Map([[id, 0]])).size > 0) return;
  let waits = false;
  for (const other of state.ready.values()) if (other.id === id) waits = true;
  if (waits) for (const other of state.ready.drain()) if (other.id !== id) state.ready.push(other);
  const isThis = (entry: Lease): boolean => entry.id === id;
  const entry = registration?.running.find(isThis) ?? registration?.finished.find(isThis);
  // It came when nobody was waited for, and has gone on.
  if (client === null && state.abandoned) return;
  if (client === null || entry === undefined || isDropped(client, entry) || isRevoked(state, entry))
    giveBack(state, task);
  else hold(state, client, task, entry.lease);
}

function welcome(state: ServerState, client: ClientEntry, now: number, effects: ServerEffect[]): void {
  const { serverId, serverHost, companyMs } = state.settings;
  effects.push({ kind: "send", clientId: client.id, message: { kind: "welcome", serverId, serverHost, companyMs } });
  seat(state, client);
  client.lastHeard = now;
  cancelAgain(client, effects);
  lookAgain(state);
  if (state.phase.at === "closing") leave(state, client, state.phase.how, "no more tasks", now, effects);
}

function drop(client: ClientEntry, tasks: readonly Lease[], effects: ServerEffect[]): void {
  if (tasks.length > 0) effects.push({ kind: "send", clientId: client.id, message: { kind: "drop", tasks } });
}

// ---- what clients say

export function receive(
  state: ServerState,
  client: ClientEntry,
  message: Later,
  now: number,
  effects: ServerEffect[],
): void {
  client.lastHeard = now;
  if (message.kind === "beat") {
    note(effects, "trace", () => `Heartbeat - running (${name(client)})`);
    effects.push({ kind: "send", clientId: client.id, message: { kind: "beat" } });
    return;
  }
  if (client.standing.at === "joining") {
    client.registration?.backlog.push(message);
    return;
  }
  switch (message.kind) {
    case "results":
      takeOutcomes(state, client, message.outcomes, effects);
      return grant(state, client, message.credit);
    case "returned":
      for (const { id, lease } of message.tasks) {
        client.dropped.delete(`${id} ${lease}`);
        const held = client.held.get(id);
        if (held === undefined || held.lease !== lease) continue;
        letGo(state, client, id);
        giveBack(state, held.task);
      }
      return;
    case "bye":
      note(effects, "trace", () => `Client disconnected (${name(client)})`);
      note(effects, "debug", () => `Client leaves: ${message.reason} (${name(client)})`);
      return remove(state, client, false, effects);
    default:
      unreachable(message);
  }
}

function grant(state: ServerState, client: ClientEntry, credit: number): void {
  client.credit += credit;
  if (client.standing.at !== "present") return;
  state.present.credit += credit;
  if (client.credit > 0) state.willing.add(client);
}

// ---- being gone

export function disconnect(
  state: ServerState,
  clientId: string,
  error: string | null,
  now: number,
  effects: ServerEffect[],
): void {
  const client = state.clients.get(clientId);
  if (client === undefined) return;
  unseat(state, client);
  // What it had to do was done: it may have gone without a word.
  const level = client.standing.at === "leaving" && !isAwaited(client) ? "debug" : "warning";
  client.standing = { at: "away", since: now };
  if (state.phase.at === "closing" && state.phase.how === "abort" && !isAwaited(client))
    return remove(state, client, false, effects);
  state.graceAt = Math.min(state.graceAt, graceEnd(state, client));
  note(effects, level, () => `Lost connection to client (${name(client)})${error === null ? "" : `: ${error}`}`);
}

/**
 * A server that was stopped, or slept with its machine, could hear nobody: that time is held against no client. What is in the mailbox
 * now may be older than what is on its way.
 */
export function excuse(state: ServerState, now: number): void {
  const lateMs = now - state.wakeAt;
  if (lateMs < sleptMs) return;
  for (const client of state.clients.values()) {
    const { standing } = client;
    client.lastHeard += lateMs;
    if (standing.at === "away" || standing.at === "leaving")
      client.standing = { at: standing.at, since: standing.since + lateMs };
  }
  state.lastCheck += lateMs;
  state.graceAt += lateMs;
  state.estatesUntil += lateMs;
}

/** Silent clients and clients that did not come back in time lose their tasks to others. */
export function checkClients(state: ServerState, now: number, effects: ServerEffect[]): void {
  const { evictMs } = state.settings;
  if (now >= state.estatesUntil) {
    for (const [serverId, missing] of state.estates) {
      if (missing.size === 0) continue;
      note(effects, "warning", `${missing.size} clients of the previous server did not come back`);
      missing.clear();
      bury(state, serverId, effects);
    }
  }
  const regular = now - state.lastCheck >= evictMs / 10;
  if (!regular && now < state.graceAt) return;
  if (regular) {
    state.lastCheck = now;
    note(effects, "debug", () => `Checking clients (${state.clients.size} connected)`);
  }
  state.graceAt = Number.POSITIVE_INFINITY;
  for (const client of state.clients.values()) {
    const until = Math.min(graceEnd(state, client), silenceEnd(state, client, evictMs));
    if (now < until) {
      state.graceAt = Math.min(state.graceAt, graceEnd(state, client));
      continue;
    }
    if (isParting(state, client)) {
      remove(state, client, false, effects);
      continue;
    }
    note(effects, "warning", () => `Evicting client (${name(client)})`);
    remove(state, client, true, effects);
  }
}

/** Until when a client is waited for that is not there, or that has nothing left to do but say goodbye. */
function graceEnd(state: ServerState, client: ClientEntry): number {
  const { standing, lastHeard } = client;
  const { graceMs } = state.settings;
  if (standing.at === "away")
    return standing.since + (isParting(state, client) ? Math.min(partingMs, graceMs) : graceMs);
  if (standing.at !== "leaving" || isAwaited(client)) return Number.POSITIVE_INFINITY;
  return Math.max(standing.since, lastHeard) + Math.max(graceMs, goodbyeMs);
}

/** It has, or may have, something that is worth waiting for. */
function isAwaited({ held, registration }: ClientEntry): boolean {
  return held.size > 0 || registration !== null;
}

/** All that is left to do for a client that is away is to tell it to leave. */
function isParting({ phase }: ServerState, client: ClientEntry): boolean {
  return phase.at === "closing" && client.standing.at === "away" && !isAwaited(client);
}

/** Until when a client may be silent. The one in this process cannot be gone. */
function silenceEnd(state: ServerState, client: ClientEntry, evictMs: number): number {
  return client.id === state.settings.serverId ? Number.POSITIVE_INFINITY : client.lastHeard + evictMs;
}

/** Forgets a client; what it held goes back. */
function remove(state: ServerState, client: ClientEntry, evicted: boolean, effects: ServerEffect[]): void {
  if (client.held.size > 0) {
    note(effects, "warning", () => `Reverting orphaned tasks (${name(client)})`);
    for (const [id, held] of client.held) {
      letGo(state, client, id);
      giveBack(state, held.task);
    }
  }
  effects.push({ kind: "endClient", clientId: client.id, evicted });
  forget(state, client, effects);
}

function forget(state: ServerState, client: ClientEntry, effects: ServerEffect[]): void {
  unseat(state, client);
  state.unasked.delete(client);
  state.clients.delete(client.id);
  effects.push({ kind: "disconnect", clientId: client.id });
}

export function leave(
  state: ServerState,
  client: ClientEntry,
  how: LeaveKind,
  reason: string,
  now: number,
  effects: ServerEffect[],
): void {
  const { standing } = client;
  if (standing.at === "joining" || standing.at === "away") {
    // It is told when it is (back) here, if it is worth waiting for and there is patience to do so.
    if (how === "abort") {
      effects.push({ kind: "send", clientId: client.id, message: { kind: "leave", how, reason } });
      abandon(state, client, effects);
    } else if (now >= graceEnd(state, client)) remove(state, client, false, effects);
    else state.graceAt = Math.min(state.graceAt, graceEnd(state, client));
    return;
  }
  unseat(state, client);
  client.standing = { at: "leaving", since: now };
  state.graceAt = Math.min(state.graceAt, graceEnd(state, client));
  note(effects, "debug", () => `Disconnect requested (${name(client)})`);
  effects.push({ kind: "send", clientId: client.id, message: { kind: "leave", how, reason } });
}

/** Nobody is waited for any longer, but the client in the same process, which answers. */
export function abandonAll(state: ServerState, effects: ServerEffect[]): void {
  for (const client of state.clients.values()) {
    if (client.id !== state.settings.serverId) abandon(state, client, effects);
  }
}

/**
 * A client that is not waited for may go on with what it has, or take its time to stop it. In a database that stays on record as its own, and it as
 * this server's client: others take it when it has not come to them in time, as after a crash.
 */
function abandon(state: ServerState, client: ClientEntry, effects: ServerEffect[]): void {
  const count = Math.max(client.held.size, client.registration?.brought.length ?? 0);
  if (!state.settings.durable || count === 0) return remove(state, client, false, effects);
  note(effects, "warning", () => `Leaving ${count} tasks to a client that may still run them (${name(client)})`);
  state.abandoned = true;
  for (const id of client.held.keys()) {
    letGo(state, client, id);
    state.outbox.assigned.delete(id);
  }
  forget(state, client, effects);
}

// ---- a dead predecessor

function bury(state: ServerState, serverId: string, effects: ServerEffect[]): void {
  state.burying++;
  effects.push({ kind: "bury", serverId });
}

export function takeBuried(
  state: ServerState,
  { serverId, reverted, revoked }: Extract<ServerEvent, { kind: "buried" }>,
  effects: ServerEffect[],
): void {
  for (const each of revoked) state.revoked.set(each.id, each);
  assert(state.estates.delete(serverId), "an estate is given up once");
  state.burying--;
  if (reverted > 0) note(effects, "info", `Reverted ${reverted} tasks of a server that is gone`);
  lookAgain(state);
}

function name(client: ClientEntry): string {
  return `${client.host}: ${client.id}`;
}
