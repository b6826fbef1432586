/*
 * How tasks that wait come to run. They start in the order in which they came, while there are executors. Those that
 * ask for cores, memory or other resources wait for them in the pool (pool.ts), and keep no executor meanwhile. If the
 * rate is limited, the next start waits for its token (rate.ts). As pure as reactor.ts, which calls it.
 */
import { demandOf, describeLack, lackOf } from "../task/demand.ts";
import { type Assignment, sentinel } from "../task/task.ts";
import { unrun } from "../task/unrun.ts";
import { type ClientEffect, note } from "./effects.ts";
import { isTooEarly, isTooLong, refuse } from "./ending.ts";
import type { Origin } from "./executor.ts";
import { arrive, hold, lookAnew, next, putBack, release, takeOut, type Waiting } from "./pool.ts";
import { nextToken, returnToken, takeToken, tokensAt } from "./rate.ts";
import { type ClientState, deliver, isHere, type RunningTask, usableExecutors } from "./state.ts";

/** What tasks have whose submission the server did not tell of. */
const unknownOrigin: Origin = { template: null, cwd: null };

/** Starts what may start. */
export function startTasks(state: ClientState, now: number, effects: ClientEffect[]): void {
  state.nextStart = Number.POSITIVE_INFINITY;
  if (state.phase.at !== "working" || state.sleptUntil !== null) return;
  if (state.isPostponed && state.unacked.size > 0) return;
  state.isPostponed = false;
  const { inbox, pool } = state;
  if (pool.waiting > 0 && state.ending.end !== null) refuseLong(state, now, effects);
  while (pool.waiting > 0 && mayStart(state, now)) {
    const chosen = next(pool, now);
    if (chosen === null) break;
    startHolding(state, chosen, now, effects);
  }
  const again: Assignment[] = [];
  while (inbox.length > 0 && mayStart(state, now)) {
    const task = inbox.shift()!;
    if (isHere(state, task.id) || isTooEarly(state, limitOf(state, task))) again.push(task);
    else consider(state, task, now, effects);
  }
  for (const task of again.toReversed()) inbox.unshift(task);
}

/** Gives back those of the tasks in the pool for which too little of this host's time is left by now. */
function refuseLong(state: ClientState, now: number, effects: ClientEffect[]): void {
  const late = takeOut(state.pool, (task) => isTooLong(state, limitOf(state, task), now));
  for (const task of late) refuse(state, task, limitOf(state, task), now, effects);
}

/** Whether an executor is there to start a task, and the limit of the rate allows it. */
function mayStart(state: ClientState, now: number): boolean {
  if (state.running.size >= usableExecutors(state)) return false;
  const { bucket } = state;
  if (bucket === null || tokensAt(bucket, now) > 0) return true;
  state.nextStart = nextToken(bucket);
  return false;
}

/** Starts a task, or has it wait until there is what it asks for. What this client never has fails it. */
function consider(state: ClientState, task: Assignment, now: number, effects: ClientEffect[]): void {
  const { pool } = state;
  const limitMs = limitOf(state, task);
  if (isTooLong(state, limitMs, now)) return refuse(state, task, limitMs, now, effects);
  const demand = demandOf(task, pool.names);
  if (demand === null) return start(state, newRunning(task, limitMs, now), null, now, effects);
  const lack = lackOf(pool.capacity, demand);
  if (lack !== null) {
    note(effects, "error", `Insufficient resources for task (${task.id}): ${describeLack(lack)} (cancelled)`);
    state.owesCredit = true;
    return deliver(state, unrun(task, sentinel.insufficientResources, now), now);
  }
  const chosen = arrive(pool, task, demand, limitMs, now);
  if (chosen !== null) return startHolding(state, chosen, now, effects);
  // Its executor is free for others, which the server may have.
  state.owesCredit = true;
}

/** The time limit of a task here, milliseconds; Infinity: none. */
function limitOf({ settings }: ClientState, { timeout }: Assignment): number {
  const own = timeout === null || timeout === 0 ? Number.POSITIVE_INFINITY : timeout * 1000;
  return Math.min(own, settings.timeoutMs ?? Number.POSITIVE_INFINITY);
}

/** Starts a task that was chosen in the pool. */
function startHolding(state: ClientState, chosen: Waiting, now: number, effects: ClientEffect[]): void {
  const { task, limitMs, passesMs } = chosen;
  if (passesMs !== null)
    note(effects, "debug", () => {
      const opening = (passesMs / 1000).toFixed(1);
      return `Backfilling task (${task.id}): timeout=${limitMs / 1000} < ${opening} seconds`;
    });
  const entry = newRunning(task, limitMs, now);
  start(state, entry, hold(state.pool, chosen, entry), now, effects);
}

function newRunning(task: Assignment, limitMs: number, now: number): RunningTask {
  return {
    task,
    startedAt: now,
    limitMs,
    deadline: now + limitMs,
    stoodMs: 0,
    interruptAt: Number.POSITIVE_INFINITY,
    stopping: null,
    told: false,
    limitStatus: null,
    stoppedAt: Number.POSITIVE_INFINITY,
    nextAt: Number.POSITIVE_INFINITY,
    returned: false,
  };
}

/** Starts a task that has these devices, by their positions; null: none. */
function start(
  state: ClientState,
  entry: RunningTask,
  devices: readonly number[] | null,
  now: number,
  effects: ClientEffect[],
): void {
  const { task } = entry;
  state.running.set(task.id, entry);
  if (state.bucket !== null) {
    takeToken(state.bucket, now);
    // With a limited rate no more is fetched ahead than may start soon, so the next one has to be asked for.
    state.owesCredit = true;
  }
  if (state.settings.announce) note(effects, "info", () => `Running task (${task.id})`);
  effects.push({ kind: "start", task, origin: state.origins.get(task.submitId) ?? unknownOrigin, devices });
}

/** Takes back a task that was not started. It is the next to start, unless it is not to run any more. */
export function postpone(state: ClientState, id: string): void {
  const entry = state.running.get(id);
  if (entry === undefined) return;
  const { task, stopping, returned, limitMs } = entry;
  state.running.delete(id);
  const held = release(state.pool, id);
  if (state.bucket !== null) returnToken(state.bucket);
  state.isPostponed = true;
  if (state.phase.at === "working" && stopping === null && !returned)
    return held === null ? state.inbox.unshift(task) : putBack(state.pool, task, held, limitMs);
  state.outboxReturned.push({ id, lease: task.lease });
  state.owesCredit = true;
}

/** The time of a task counts from its start, which the system may have kept it from (`isWaiting`). */
export function countTime(state: ClientState, id: string, isWaiting: boolean, now: number): void {
  const entry = state.running.get(id);
  if (entry === undefined) return;
  entry.startedAt = now;
  entry.stoodMs = 0;
  entry.deadline = isWaiting ? Number.POSITIVE_INFINITY : now + entry.limitMs;
  // It reaches its limit at another time than those that wait for what it holds were told.
  if (state.pool.holders.has(id)) lookAnew(state.pool);
}
