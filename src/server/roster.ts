/*
 * The clients of a server once they are registered (registration.ts): what they say, how long they are waited for, what
 * happens to their tasks when they are gone, and what becomes of the clients of a dead predecessor. As pure as
 * reactor.ts, which calls it.
 *
 * A task goes to a second client only when the first is known lost: its connection was gone for longer than the grace
 * period, it was silent for too long, or it said itself that it does not have the task.
 */
import { counted } from "../base/units.ts";
import { assert, unreachable } from "../base/assert.ts";
import { type ClaimedTask, sentinel } from "../task/task.ts";
import type { ClientMessage, LeaveKind } from "../wire/message.ts";
import { rememberLost } from "./lost.ts";
import { note, type ServerEffect } from "./effects.ts";
import type { ServerEvent } from "./event.ts";
import { endInstead, takeOutcomes, takeStarts } from "./outcomes.ts";
import { drain, grant, unseat } from "./dispatch.ts";
import { takeLack } from "./places.ts";
import {
  type ClientEntry,
  giveBack,
  type Held,
  leaseKey,
  letGo,
  lookAgain,
  nameOf,
  type ServerState,
  wantsToStay,
} from "./state.ts";

/**
 * A server that is woken this much too late did not run meanwhile (it was stopped, or asleep with its machine),
 * milliseconds.
 */
const sleptMs = 1000;
/**
 * A client without tasks has at least this long to say goodbye, milliseconds: three of its heartbeats at their usual
 * pace.
 */
const goodbyeMs = 30_000;
/**
 * A closing server waits this long for an idle client whose connection just broke, so that it can tell it to leave,
 * milliseconds. Otherwise the client would retry for minutes. Any server waits no longer for one that never had a task.
 */
const partingMs = 2000;

// ---- what clients say

const plainBeat = { kind: "beat" } as const;
const stayingBeat = { kind: "beat", stay: true } as const;

/**
 * Takes what a client says after its hello. While the client registers, everything except beats waits until the store
 * has answered.
 */
export function receive(
  state: ServerState,
  client: ClientEntry,
  message: Exclude<ClientMessage, { kind: "hello" | "output" | "shown" }>,
  now: number,
  effects: ServerEffect[],
): void {
  client.lastHeard = now;
  if (message.kind === "beat") {
    if (message.started !== undefined) takeStarts(state, client, message.started, now);
    if (message.leaving === true) drain(state, client);
    note(effects, "trace", () => `Heartbeat - running (${nameOf(client)})`);
    const answer = wantsToStay(state) ? stayingBeat : plainBeat;
    effects.push({ kind: "send", clientId: client.id, message: answer });
    return;
  }
  if (client.standing.at === "registering") {
    client.registration?.backlog.push(message);
    return;
  }
  switch (message.kind) {
    case "results":
      takeOutcomes(state, client, message.outcomes, now, effects);
      return grant(state, client, message.credit);
    case "returned":
      if (message.missing !== undefined) takeLack(state, client, message.missing, now);
      for (const each of message.tasks) {
        client.disregarded.delete(leaseKey(each));
        const held = client.held.get(each.id);
        if (held === undefined || held.lease !== each.lease) continue;
        if (message.missing === undefined) limitTime(client, held.task, now);
        letGo(state, client, each.id);
        giveBack(state, held.task);
      }
      return;
    case "bye":
      note(effects, "trace", () => `Client disconnected (${nameOf(client)})`);
      note(effects, "debug", () => `Client leaves: ${message.reason} (${nameOf(client)})`);
      return remove(state, client, false, now, effects);
    default:
      unreachable(message);
  }
}

/**
 * Takes a client's word for it that a task did not fit into its time: its clock may be ahead of ours, and it would get
 * the same task again and again.
 */
function limitTime(client: ClientEntry, { timeout }: ClaimedTask, now: number): void {
  if (timeout === null || client.until === Number.POSITIVE_INFINITY) return;
  client.until = Math.min(client.until, now + timeout * 1000 - 1);
}

// ---- being gone

/**
 * Notes that the connection of a client ended. Its tasks stay its own for the grace period. `error` null: the
 * connection ended in order.
 */
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
  // A client that was told to leave and has nothing left to do may go without saying bye.
  const isExpected = client.standing.at === "leaving" && !isAwaited(client);
  const level = isExpected ? "debug" : client.hasWorked ? "warning" : "refusal";
  client.standing = { at: "away", since: now };
  if (state.phase.at === "closing" && state.phase.how === "abort" && !isAwaited(client))
    return remove(state, client, false, now, effects);
  state.graceAt = Math.min(state.graceAt, graceEnd(state, client));
  note(effects, level, () => `Lost connection to client (${nameOf(client)})${error === null ? "" : `: ${error}`}`);
}

/**
 * Excuses the silence of all clients while this server itself did not run: it was stopped, or asleep with its machine,
 * and could hear nobody. What is in the mailbox does not tell, because newer messages may be on their way.
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

/** Gives up clients that were silent for too long or did not come back in time: their tasks go to others. */
export function checkClients(state: ServerState, now: number, effects: ServerEffect[]): void {
  const { evictMs } = state.settings;
  if (now >= state.estatesUntil) giveUpEstates(state, effects);
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
      note(effects, "debug", () => `Client did not come back (${nameOf(client)})`);
      remove(state, client, false, now, effects);
      continue;
    }
    const level = client.hasWorked ? "warning" : "refusal";
    note(effects, level, () => `Evicting client (${nameOf(client)}): ${reasonFor(state, client)}`);
    remove(state, client, true, now, effects);
  }
}

/** Why a client is given up. */
function reasonFor({ settings }: ServerState, { standing }: ClientEntry): string {
  if (standing.at === "away") return `it did not come back within ${settings.graceMs / 1000} s (server.grace)`;
  return `it showed no sign of life for ${settings.evictMs / 1000} s (server.evict)`;
}

/**
 * Until when the server waits for a client that is away, or that has nothing left to do except say goodbye:
 * milliseconds since 1970, infinity for all others.
 */
function graceEnd(state: ServerState, client: ClientEntry): number {
  const { standing, lastHeard } = client;
  const { graceMs } = state.settings;
  if (standing.at === "away")
    return standing.since + (isParting(state, client) ? Math.min(partingMs, graceMs) : graceMs);
  if (standing.at !== "leaving" || isAwaited(client)) return Number.POSITIVE_INFINITY;
  return Math.max(standing.since, lastHeard) + Math.max(graceMs, goodbyeMs);
}

/** Whether the client has, or may have, tasks that are worth waiting for. */
function isAwaited({ held, registration }: ClientEntry): boolean {
  return held.size > 0 || registration !== null;
}

/** Whether the only thing left to do for a client that is away is to tell it to leave, or to stay if it is new. */
function isParting({ phase }: ServerState, client: ClientEntry): boolean {
  return client.standing.at === "away" && !isAwaited(client) && (phase.at === "closing" || !client.hasWorked);
}

/**
 * Until when a client may be silent, milliseconds since 1970; infinity for the one in this process, which cannot be
 * gone.
 */
function silenceEnd(state: ServerState, client: ClientEntry, evictMs: number): number {
  return client.id === state.settings.serverId ? Number.POSITIVE_INFINITY : client.lastHeard + evictMs;
}

/** Forgets a client, and gives back what it held. */
function remove(state: ServerState, client: ClientEntry, evicted: boolean, now: number, effects: ServerEffect[]): void {
  if (client.held.size > 0) {
    note(effects, "warning", () => `Reverting orphaned tasks (${nameOf(client)})`);
    // It runs those that it has had for longest, as many as it has executors.
    let running = evicted ? client.executors : 0;
    for (const [id, held] of client.held) {
      rememberLost(state, client, { id, lease: held.lease });
      letGo(state, client, id);
      if (running-- > 0 && isPoison(state, id)) giveUp(state, client, held, now, effects);
      else giveBack(state, held.task);
    }
  }
  effects.push({ kind: "endClient", clientId: client.id, evicted, hasWorked: client.hasWorked });
  forget(state, client, effects);
}

/** Counts that a client was lost while it ran this task. Answers whether that has been so too often. */
function isPoison({ losses, settings }: ServerState, id: string): boolean {
  if (settings.poison === 0) return false;
  const count = (losses.get(id) ?? 0) + 1;
  losses.set(id, count);
  return count >= settings.poison;
}

/** Ends a task that takes its clients down: the next one would be lost too. */
function giveUp(state: ServerState, client: ClientEntry, held: Held, now: number, effects: ServerEffect[]): void {
  const { poison } = state.settings;
  const lost = `${counted(poison, "client")} ${poison === 1 ? "was" : "were"} lost while it ran`;
  note(effects, "error", `Giving up task (${held.task.id}): ${lost} (server.poison)`);
  endInstead(state, client, held, sentinel.clientLost, now);
}

function forget(state: ServerState, client: ClientEntry, effects: ServerEffect[]): void {
  unseat(state, client);
  state.demands.round++;
  state.registrations.waiting.delete(client);
  state.doubted.delete(client);
  state.clients.delete(client.id);
  effects.push({ kind: "disconnect", clientId: client.id });
}

/**
 * Tells a client to leave in this way, at once or when it is back. A client that is not worth waiting for is forgotten.
 * `reason` is for people.
 */
export function leave(
  state: ServerState,
  client: ClientEntry,
  how: LeaveKind,
  reason: string,
  now: number,
  effects: ServerEffect[],
): void {
  const { standing } = client;
  if (standing.at === "registering" || standing.at === "away") {
    // A client that is away is told when it is back, if it is worth waiting for and the end is not urgent.
    if (how === "abort") {
      effects.push({ kind: "send", clientId: client.id, message: { kind: "leave", how, reason } });
      abandon(state, client, now, effects);
    } else if (now >= graceEnd(state, client)) remove(state, client, false, now, effects);
    else state.graceAt = Math.min(state.graceAt, graceEnd(state, client));
    return;
  }
  unseat(state, client);
  client.standing = { at: "leaving", since: now };
  state.graceAt = Math.min(state.graceAt, graceEnd(state, client));
  note(effects, "debug", () => `Disconnect requested (${nameOf(client)})`);
  effects.push({ kind: "send", clientId: client.id, message: { kind: "leave", how, reason } });
}

/** Stops waiting for all clients except the one in the same process, which answers. */
export function abandonAll(state: ServerState, now: number, effects: ServerEffect[]): void {
  for (const client of state.clients.values()) {
    if (client.id !== state.settings.serverId) abandon(state, client, now, effects);
  }
}

/**
 * Forgets a client without waiting for it. The client may go on with what it has, or take its time to stop it. In a
 * database its tasks stay on record as its own, and it stays on record as this server's client. If it does not come to
 * another server in time, other servers take its tasks, as after a crash.
 */
function abandon(state: ServerState, client: ClientEntry, now: number, effects: ServerEffect[]): void {
  const count = Math.max(client.held.size, client.registration?.brought.length ?? 0);
  if (!state.settings.durable || count === 0) return remove(state, client, false, now, effects);
  note(
    effects,
    "warning",
    () => `Leaving ${counted(count, "task")} to a client that may still run (${nameOf(client)})`,
  );
  state.abandoned = true;
  for (const id of client.held.keys()) {
    letGo(state, client, id);
    state.outbox.assigned.delete(id);
  }
  forget(state, client, effects);
}

// ---- a dead predecessor

/** Asks the store to free what is left of a dead server's tasks: all its clients are back, or given up. */
export function bury(serverId: string, effects: ServerEffect[]): void {
  effects.push({ kind: "bury", serverId });
}

/** Stops waiting for the clients of dead servers that have not come back. */
function giveUpEstates(state: ServerState, effects: ServerEffect[]): void {
  for (const [serverId, missing] of state.estates) {
    if (missing.size === 0) continue;
    note(effects, "warning", `${counted(missing.size, "client")} of the previous server did not come back`);
    missing.clear();
    bury(serverId, effects);
  }
}

/** Notes that a dead server is buried: what it left is free. Throws a bug when that was not asked for. */
export function takeBuried(
  state: ServerState,
  { serverId, reverted, revoked }: Extract<ServerEvent, { kind: "buried" }>,
  effects: ServerEffect[],
): void {
  for (const each of revoked) state.revoked.set(each.id, each);
  assert(state.estates.delete(serverId), "an estate is given up once");
  if (reverted > 0) note(effects, "info", `Reverted ${counted(reverted, "task")} of a server that is gone`);
  lookAgain(state);
}
