/*
 * What clients can still take, and how it is handed out. Only this file knows what credit is: a number of tasks. What
 * else a task needs, and which client has it, is the matter of placing.ts.
 *
 * Tasks that need nothing are one queue, and clients take turns. Knows nothing of the store, of outcomes, or of who the
 * clients are.
 */
import { counted } from "../base/units.ts";
import { demandOf } from "../task/demand.ts";
import type { Assignment, ClaimedTask } from "../task/task.ts";
import { delayedCount, mostDelayed } from "./delays.ts";
import { note, type ServerEffect } from "./effects.ts";
import type { SubmissionFacts } from "./event.ts";
import { isLacking } from "./places.ts";
import { isSpent } from "./requeue.ts";
import { pickAhead, pickFitting, takePassedOver } from "./placing.ts";
import { type ClientEntry, giveBack, hold, isLocal, type ServerState, weightOf } from "./state.ts";
import { leaveLanes } from "./look-past.ts";
import { waitingCount } from "./waiting.ts";

/**
 * Ready tasks are topped up to about the number of executors, within these bounds: enough that no client waits, and few
 * to give back.
 */
const readyFloor = 64;
const localReadyFloor = 256;
const readyCeiling = 4096;
/**
 * On one machine no more is kept ready than is handed out within this time (ms) at the present pace: it covers several
 * claims. What is held but has not begun is nobody else's, and has to be freed after `kill -9`.
 */
const aheadMs = 100;

/**
 * What one client may hold at most, as weightOf tells it, bytes: a share of `mostHeldByAll`, within these bounds. The
 * least is room for 4,000 short tasks. A client that asks for a million, and reads or runs none, fills no more.
 */
const mostHeldByAll = 128 * 1024 * 1024;
const leastHeld = 4 * 1024 * 1024;
const mostHeld = 32 * 1024 * 1024;
/** What one claim brings at most, roughly, and what waits here for a client, bytes: if tasks are as large as before. */
const mostClaimed = 64 * 1024 * 1024;

// ---- what clients can take

/** Lets the client take tasks from now on. */
export function seat(state: ServerState, client: ClientEntry): void {
  client.standing = { at: "present" };
  state.present.executors += client.executors;
  state.present.credit += client.credit;
  if (client.credit > 0) state.willing.add(client);
}

/** Lets the client take no more tasks. The caller decides where it stands instead. */
export function unseat(state: ServerState, client: ClientEntry): void {
  if (client.standing.at !== "present") return;
  state.present.executors -= client.executors;
  if (!state.barred.delete(client)) state.present.credit -= client.credit;
  state.willing.delete(client);
}

/** Notes that the client will take this many tasks more. */
export function grant(state: ServerState, client: ClientEntry, credit: number): void {
  client.credit += credit;
  if (client.standing.at !== "present" || state.barred.has(client)) return;
  state.present.credit += credit;
  if (client.credit > 0) state.willing.add(client);
}

/** Notes that the client takes no more tasks, whatever it has asked for: it leaves when what it runs has ended. */
export function drain(state: ServerState, client: ClientEntry): void {
  client.isDraining = true;
  if (client.standing.at === "present" && !state.barred.has(client)) state.present.credit -= client.credit;
  client.credit = 0;
  state.willing.delete(client);
}

/** Notes whether the connection of a client takes more: whoever reads nothing gets nothing. */
export function clog(state: ServerState, client: ClientEntry, isClogged: boolean): void {
  client.isClogged = isClogged;
  if (isClogged) bar(state, client);
}

function bar({ barred, willing, present }: ServerState, client: ClientEntry): void {
  if (client.standing.at !== "present" || barred.has(client)) return;
  barred.add(client);
  willing.delete(client);
  present.credit -= client.credit;
}

/** What a client may hold now, bytes. */
function mostHeldBy({ clients }: ServerState): number {
  return Math.min(mostHeld, Math.max(leastHeld, mostHeldByAll / clients.size));
}

/** Lets those clients take tasks again that read what they were sent and hold less than they may. */
function unbar(state: ServerState): void {
  const { barred, willing, present } = state;
  for (const client of barred) {
    if (client.isClogged || client.weight >= mostHeldBy(state)) continue;
    barred.delete(client);
    present.credit += client.credit;
    if (client.credit > 0) willing.add(client);
  }
}

/**
 * How many tasks to ask the store for; null: enough are ready. Without a client it is 0: nothing is taken then, but the
 * answer tells whether there is anything to do at all.
 */
export function shortage(state: ServerState): number | null {
  const { present, neighbours, meanWeight } = state;
  const { executors, credit } = present;
  if (executors === 0) return 0;
  if (delayedCount(state.delays) >= mostDelayed) return null;
  const fitting = Math.max(readyFloor, Math.floor(mostClaimed / meanWeight));
  // With neighbours, no tasks are kept ready here: the clients of another server might run them at once.
  const floor = isLocal(state) ? localReadyFloor : readyFloor;
  const most = neighbours > 0 ? 0 : Math.min(Math.max(executors, floor), readyCeiling, fitting);
  const target = isLocal(state) ? Math.min(most, Math.floor(state.pace.perMs * aheadMs)) : most;
  const limit = target + credit - waitingCount(state);
  return limit <= target / 2 ? null : Math.min(limit, readyCeiling * 4, fitting);
}

/** Notes how large the tasks are that come from the store: of large ones fewer are asked for. */
export function weigh(state: ServerState, tasks: readonly ClaimedTask[]): void {
  let weight = 0;
  for (const task of tasks) weight += weightOf(task);
  if (weight > 0) state.meanWeight = weight / tasks.length;
}

// ---- handing out

/** Hands ready tasks out to the clients that want some, the same number to each. */
export function dispatch(state: ServerState, now: number, effects: ServerEffect[]): void {
  if (state.phase.at !== "running") return;
  const { bundleSize } = state.settings;
  if (state.barred.size > 0) unbar(state);
  if (state.willing.size === 0) return;
  const most = mostHeldBy(state);
  const isMixed = state.demands.count > 0;
  for (let due = isMixed ? takePassedOver(state, now) : null; due !== null; due = takePassedOver(state, now))
    assign(state, due.client, [due.task], now, effects);
  const share = Math.max(1, Math.ceil(waitingCount(state) / state.willing.size));
  // `assign` puts a client with credit left at the end of the set, so this goes round and round while there are tasks.
  for (const client of state.willing) {
    const count = Math.min(client.credit, share, bundleSize ?? share, waitingCount(state));
    if (count === 0) return;
    const weight = most - client.weight;
    const picked = isMixed ? pickFitting(state, client, { count, weight }, now) : pick(state, client, count, weight);
    if (picked.length > 0) assign(state, client, picked, now, effects);
    if (client.weight >= most) bar(state, client);
  }
  if (state.demands.count > 0) dispatchAhead(state, now, effects);
}

/** Hands out what clients of short tasks have asked for beyond what they have room for. */
function dispatchAhead(state: ServerState, now: number, effects: ServerEffect[]): void {
  const most = mostHeldBy(state);
  for (const client of state.willing) {
    const count = Math.min(client.credit, state.settings.bundleSize ?? client.credit);
    const picked = pickAhead(state, client, { count, weight: most - client.weight }, now);
    if (picked.length > 0) assign(state, client, picked, now, effects);
    if (client.weight >= most) bar(state, client);
  }
}

/**
 * Takes at most `count` of the next ready tasks whose directory the client does not lack, and no more than have room:
 * the last one may be larger than what was left.
 */
function pick(state: ServerState, client: ClientEntry, count: number, room: number): ClaimedTask[] {
  const { ready, places } = state;
  const picked: ClaimedTask[] = [];
  const others: ClaimedTask[] = [];
  let left = room;
  while (picked.length < count && left > 0) {
    const task = ready.shift();
    if (task === undefined) break;
    if ((places.lacked.size > 0 && isLacking(state, client, task)) || isSpent(client, task)) others.push(task);
    else {
      picked.push(task);
      left -= weightOf(task);
    }
  }
  for (const task of others.toReversed()) ready.unshift(task);
  return picked;
}

/** Gives back the tasks that no client here can start now: the clients of other servers may. */
export function leaveToNeighbours(state: ServerState): void {
  if (state.neighbours === 0) return;
  if (state.demands.count > 0) leaveLanes(state);
  if (state.willing.size > 0 || state.ready.length === 0) return;
  for (const task of state.ready.drain()) giveBack(state, task);
}

/** What is known of a submission that has no row, as those of older programs. */
const unknownFacts: SubmissionFacts = { template: null, cwd: null };

/** Notes that tasks are handed out: their pace is measured over `aheadMs`, at first as soon as there is one. */
function measurePace({ pace, present }: ServerState, count: number, now: number): void {
  // What comes first fills executors that were free, whatever the pace is.
  if (pace.count === 0 && pace.perMs === 0) pace.from = now;
  pace.count += count;
  const spanMs = now - pace.from;
  const isFirst = pace.perMs === 0 && pace.count >= 2 * present.executors && spanMs > 0;
  if (spanMs < aheadMs && !isFirst) return;
  pace.perMs = pace.count / spanMs;
  pace.from = now;
  pace.count = 0;
}

/** Sends a client these tasks, which were ready. */
function assign(
  state: ServerState,
  client: ClientEntry,
  picked: readonly ClaimedTask[],
  now: number,
  effects: ServerEffect[],
): void {
  const tasks: Assignment[] = [];
  const count = picked.length;
  const { assigned } = state.outbox;
  const { isAny, names } = state.demands;
  for (const task of picked) {
    const lease = state.nextLease++;
    if (!client.known.has(task.submitId)) {
      client.known.add(task.submitId);
      const id = task.submitId;
      const { template, cwd } = state.submissions.get(id) ?? unknownFacts;
      effects.push({ kind: "send", clientId: client.id, message: { kind: "submission", id, template, cwd } });
    }
    hold(state, client, task, lease, isAny ? demandOf(task, names) : null);
    tasks.push({ ...task, lease });
    assigned.set(task.id, { id: task.id, clientId: client.id, clientHost: client.host, at: now });
    note(effects, "trace", () => `Scheduled task (${task.id})`);
  }
  client.credit -= count;
  state.present.credit -= count;
  measurePace(state, count, now);
  // Clients with credit take turns: this one is now the last to be served.
  state.willing.delete(client);
  if (client.credit > 0) state.willing.add(client);
  effects.push({ kind: "send", clientId: client.id, message: { kind: "assign", tasks } });
  note(effects, "debug", () => `Scheduled ${counted(count, "task")}`);
}
