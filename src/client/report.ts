/*
 * What a client reports, and how many tasks it asks for: outcomes and tasks given back go out, with credit for others.
 * As pure as reactor.ts, which calls it.
 */
import type { ClientEffect } from "./effects.ts";
import type { Start } from "../wire/message.ts";
import { tokensAt } from "./rate.ts";
import { type ClientState, usableExecutors, waitingCount } from "./state.ts";

/**
 * Tasks are fetched ahead for this long at the present rate, milliseconds: it covers the way to the server and back. A
 * client does not keep longer tasks from others that could start them at once.
 */
const aheadMs = 100;

/** Measures how fast tasks end. It is done once a step, so that tasks that ended together count together. */
function measurePace(state: ClientState, now: number): void {
  const span = now - state.rateAt;
  // The first round of short tasks already tells their pace, although it is over sooner.
  const first = state.rate === 0 && state.finished >= state.settings.executors && span > 0;
  if (state.finished === 0 || !(span >= aheadMs || first)) return;
  state.rate = state.finished / span;
  state.finished = 0;
  state.rateAt = now;
}

/**
 * A client looks past this many tasks that wait for cores, memory and the like for one that can start: it fetches so
 * many more than it has executors. The others that wait are kept from nobody who could run them: the server knows what
 * its clients have.
 */
const mostPassed = 64;

/**
 * How many tasks this client wants in all at `now` (milliseconds): those on the way, those that wait, and those that
 * run.
 */
export function wanted(state: ClientState, now: number): number {
  const { running, pool, bucket } = state;
  const executors = usableExecutors(state);
  const ahead = Math.min(Math.floor(state.rate * aheadMs), 4 * executors + 2);
  // With a limited rate, one more than may start now is here when its time comes.
  const startable = bucket === null ? executors : Math.min(executors, running.size + tokensAt(bucket, now) + 1);
  // A task that was given back because it takes too long is not asked for again at once.
  return Math.max(0, startable + ahead + Math.min(pool.waiting, mostPassed) - state.ending.refused);
}

/** Sends outcomes and tasks given back, and asks for others. */
export function report(state: ClientState, now: number, effects: ClientEffect[]): void {
  measurePace(state, now);
  if (state.connection.at !== "up") return;
  sendReturned(state, effects);
  const owes = state.owesCredit && state.phase.at === "working";
  if (state.outbox.length === 0 ? !owes : awaitsCompany(state, now)) return;
  let credit = 0;
  if (state.phase.at === "working") {
    credit = Math.max(0, wanted(state, now) - state.granted - waitingCount(state) - state.running.size);
    state.granted += credit;
  }
  state.owesCredit = false;
  const size = state.settings.bundleSize ?? Math.max(1, state.outbox.length);
  for (let from = 0; from === 0 || from < state.outbox.length; from += size) {
    const outcomes = state.outbox.slice(from, from + size);
    effects.push({ kind: "send", message: { kind: "results", outcomes, credit: from === 0 ? credit : 0 } });
  }
  state.outbox = [];
}

/** Sends what is given back. */
export function sendReturned(state: ClientState, effects: ClientEffect[]): void {
  const { outboxReturned: tasks, missing } = state;
  if (tasks.length === 0) return;
  const message =
    missing.length === 0 ? ({ kind: "returned", tasks } as const) : { kind: "returned" as const, tasks, missing };
  effects.push({ kind: "send", message });
  state.outboxReturned = [];
  state.missing = [];
}

/**
 * The server is told of a task that has run for this long, milliseconds. Most tasks are over by then, and cost nothing:
 * their outcome says when they started.
 */
const tellAfterMs = 1000;
/** The pause between two messages about such tasks, milliseconds. */
const tellPauseMs = 500;
/** The most tasks that one message names: it must fit into one frame. */
const mostTold = 2000;

/** When the server is to be told of running tasks, the oldest of which it does not know started at `untold`. */
export function tellTime({ toldAt }: ClientState, untold: number): number {
  return Math.max(untold + tellAfterMs, toldAt + tellPauseMs);
}

/** Whether there is a server that can be told what runs. */
export function mayTell({ connection, phase, sleptUntil }: ClientState): boolean {
  const isHeard = connection.at === "up" && connection.welcomedAt !== null;
  return isHeard && phase.at !== "gone" && sleptUntil === null;
}

/** Tells the server, with a beat, of tasks that have run for a while, so that others can see what runs. */
export function tellStarts(state: ClientState, now: number, effects: ClientEffect[]): void {
  if (now < state.tellAt || !mayTell(state)) return;
  const started: Start[] = [];
  for (const entry of state.running.values()) {
    if (entry.told || now - entry.startedAt < tellAfterMs) continue;
    entry.told = true;
    started.push({ id: entry.task.id, lease: entry.task.lease, startTime: entry.startedAt });
    if (started.length === mostTold) break;
  }
  if (started.length === 0) return;
  state.toldAt = now;
  state.nextBeat = now + state.heartMs;
  state.beats.sent++;
  effects.push({ kind: "send", message: { kind: "beat", started } });
}

/** Whether outcomes wait for others to share their frame. They may while there is enough to start without asking. */
function awaitsCompany(state: ClientState, now: number): boolean {
  return (
    state.phase.at === "working" &&
    state.inbox.length > state.outbox.length &&
    now - state.outboxSince < state.companyMs
  );
}
