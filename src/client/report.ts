/*
 * What a client reports, and how many tasks it asks for: outcomes and tasks given back go out, with credit for others.
 * As pure as reactor.ts, which calls it.
 */
import type { ClientEffect } from "./effects.ts";
import { capacity, type ClientState } from "./state.ts";

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

/** How many tasks this client wants in all: those on the way, those that wait, and those that run. */
export function wanted(state: ClientState): number {
  const free = capacity(state);
  const ahead = Math.min(Math.floor(state.rate * aheadMs), 4 * free + 2);
  return free + ahead;
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
    credit = Math.max(0, wanted(state) - state.granted - state.inbox.length - state.running.size);
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

/** Whether outcomes wait for others to share their frame. They may while there is enough to start without asking. */
function awaitsCompany(state: ClientState, now: number): boolean {
  return (
    state.phase.at === "working" &&
    state.inbox.length > state.outbox.length &&
    now - state.outboxSince < state.companyMs
  );
}
