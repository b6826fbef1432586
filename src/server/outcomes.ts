/*
 * The second half of the schedule: outcomes on their way into the store. What comes back from clients is turned into completions with
 * their next attempts, committed one batch at a time, and acknowledged when the store has it. As pure as reactor.ts, which calls it.
 */
import { assert } from "../base/assert.ts";
import type { Commit, Completion } from "../store/store.ts";
import { type ClaimedTask, isFailure, type NewTask, type Outcome, sentinel } from "../task/task.ts";
import type { Lease } from "../wire/message.ts";
import { note, type ServerEffect } from "./effects.ts";
import { noticeRecalls, settleRecalls } from "./recalls.ts";
import {
  type ClientEntry,
  type Dispatch,
  giveBack,
  isRevoked,
  letGo,
  lookAgain,
  type ServerState,
  type Settling,
} from "./state.ts";

/**
 * The store is told of a dispatch only after this long, for nothing but `hs list` waits for it: tasks that are over by then are spared the
 * update (a third of what a short task costs the database).
 */
const assignedDelayMs = 500;

export function takeOutcomes(
  state: ServerState,
  client: ClientEntry,
  outcomes: readonly Outcome[],
  effects: ServerEffect[],
): void {
  const gone: Lease[] = [];
  for (const outcome of outcomes) {
    const { id, lease } = outcome;
    if (isRevoked(state, outcome) || (client.dropped.size > 0 && client.dropped.has(`${id} ${lease}`))) {
      // It ended before it heard that nobody wants to know. Nor will anybody if it does not hear the answer and says it again.
      gone.push({ id, lease });
      continue;
    }
    const held = client.held.get(outcome.id);
    const current = held !== undefined && held.lease === outcome.lease;
    state.outbox.assigned.delete(outcome.id);
    if (current) letGo(state, client, outcome.id);
    if (current && held.cancelled) {
      // Its row has ended, or waits to be run again: this is the end of a run that nobody wants.
      client.dropped.add(`${id} ${lease}`);
      gone.push({ id, lease });
      continue;
    }
    // A lease that was given up: the outcome counts if the task has none yet.
    const task = current ? held.task : recallTask(state, outcome.id, effects);
    if (task === null && state.claim.at === "asked") state.recalls.early.add(id);
    state.outbox.completed.push({
      clientId: client.id,
      task,
      outcome,
      completion: completionOf(state, client, task, outcome),
    });
  }
  if (gone.length > 0) effects.push({ kind: "send", clientId: client.id, message: { kind: "ack", tasks: gone } });
}

/** What this server knows of a task that another client runs by now, or that waits (then it need not run again). */
function recallTask(state: ServerState, id: string, effects: ServerEffect[]): ClaimedTask | null {
  const holder = state.holders.get(id);
  const held = holder?.held.get(id);
  if (holder !== undefined && held !== undefined) {
    letGo(state, holder, id);
    const message = { kind: "drop", tasks: [{ id, lease: held.lease }] } as const;
    effects.push({ kind: "send", clientId: holder.id, message });
    return held.task;
  }
  let found: ClaimedTask | null = null;
  for (const task of state.ready.values()) if (task.id === id) found = task;
  if (found !== null) for (const task of state.ready.drain()) if (task.id !== id) state.ready.push(task);
  return found;
}

function completionOf(state: ServerState, client: ClientEntry, task: ClaimedTask | null, outcome: Outcome): Completion {
  const started = outcome.command === null ? null : outcome.startTime;
  const seconds = (ms: number) => Math.max(0, Math.round(ms) / 1000);
  return {
    id: outcome.id,
    clientId: client.id,
    clientHost: client.host,
    command: outcome.command,
    startTime: outcome.startTime,
    completionTime: outcome.completionTime,
    exitStatus: outcome.exitStatus,
    outpath: outcome.outpath,
    errpath: outcome.errpath,
    csvpath: outcome.csvpath,
    coresMax: outcome.coresMax,
    memoryMax: outcome.memoryMax,
    waited: started === null || task === null ? null : seconds(started - task.submitTime),
    duration: started === null ? null : seconds(outcome.completionTime - started),
    retry: task === null ? null : retryOf(state, task, outcome),
  };
}

function retryOf(state: ServerState, task: ClaimedTask, outcome: Outcome): Completion["retry"] {
  const { attempts, eager, newId, serverHost } = state.settings;
  if (!isFailure(outcome.exitStatus) || task.attempt >= attempts) return null;
  const next: NewTask = {
    id: newId(),
    group: task.group,
    args: task.args,
    submitId: task.submitId,
    submitTime: outcome.completionTime,
    submitHost: serverHost,
    cores: task.cores,
    memory: task.memory,
    timeout: task.timeout,
    attempt: task.attempt + 1,
    previousId: task.id,
    tag: task.tag,
  };
  return { task: next, claimed: eager && state.phase.at === "running" };
}

export function commit(state: ServerState, now: number, effects: ServerEffect[]): void {
  if (state.settling !== null) return;
  const { outbox } = state;
  const assigned = dueDispatches(state, now);
  const { completed, reverted, recalled } = outbox;
  if (completed.length + reverted.length + recalled.length + assigned.length === 0) return;
  noteConfirmed(assigned, effects);
  outbox.completed = [];
  outbox.reverted = [];
  outbox.recalled = [];
  if (recalled.length > 0) state.recalls.at = "settling";
  state.settling = completed;
  state.settlingFrees = reverted.length > 0;
  const order: Omit<Commit, "serverId" | "serverHost"> = {
    at: now,
    assigned,
    completed: completed.map((entry) => entry.completion),
    reverted,
    recalled,
  };
  effects.push({ kind: "commit", commit: order });
}

function noteConfirmed(assigned: readonly Dispatch[], effects: ServerEffect[]): void {
  const counts = new Map<string, number>();
  for (const { clientId, clientHost } of assigned) {
    const client = `${clientHost}: ${clientId}`;
    counts.set(client, (counts.get(client) ?? 0) + 1);
  }
  for (const [client, count] of counts) note(effects, "debug", () => `Confirmed ${count} tasks (${client})`);
}

function dueDispatches(state: ServerState, now: number): Dispatch[] {
  const { assigned } = state.outbox;
  const due: Dispatch[] = [];
  for (const dispatch of assigned.values()) {
    if (now - dispatch.at < assignedDelayMs) break;
    due.push(dispatch);
    assigned.delete(dispatch.id);
  }
  return due;
}

/** When the store is to be told of the oldest dispatch that it does not know. */
export function toldAt(state: ServerState): number {
  for (const { at } of state.outbox.assigned.values()) return at + assignedDelayMs;
  return Number.POSITIVE_INFINITY;
}

export function settle(state: ServerState, refused: readonly string[], now: number, effects: ServerEffect[]): void {
  const settled = state.settling;
  assert(settled !== null, "one commit at a time");
  state.settling = null;
  settleRecalls(state);
  // There is news, mostly; without it a run might end as if nothing was left.
  if (refused.length > 0) noticeRecalls(state);
  const turnedDown = refused.length === 0 ? null : turnedDownOf(settled, refused);
  const acks = new Map<string, Lease[]>();
  let frees = state.settlingFrees || state.claim.at === "blocked";
  for (const entry of settled) {
    const { outcome } = entry;
    const ack = { id: outcome.id, lease: outcome.lease };
    const list = acks.get(entry.clientId);
    if (list === undefined) acks.set(entry.clientId, [ack]);
    else list.push(ack);
    if (turnedDown?.has(entry)) {
      // If the answer is lost with the connection it comes again, and the row may be free by then.
      state.clients.get(entry.clientId)?.dropped.add(`${outcome.id} ${outcome.lease}`);
      note(effects, "debug", () => `Outcome dropped: task had already ended, or was taken back (${outcome.id})`);
      continue;
    }
    if (record(state, entry, now, effects)) frees = true;
  }
  for (const [clientId, tasks] of acks) {
    if (state.clients.has(clientId)) effects.push({ kind: "send", clientId, message: { kind: "ack", tasks } });
  }
  if (frees) lookAgain(state);
}

/** Two clients may have brought an outcome of the same task: the store has taken the first, or none. */
function turnedDownOf(settled: readonly Settling[], refused: readonly string[]): Set<Settling> {
  const left = new Map<string, number>();
  for (const id of refused) left.set(id, (left.get(id) ?? 0) + 1);
  const found = new Set<Settling>();
  for (const entry of settled.toReversed()) {
    const count = left.get(entry.outcome.id) ?? 0;
    if (count === 0) continue;
    left.set(entry.outcome.id, count - 1);
    found.add(entry);
  }
  return found;
}

/** One outcome is in the store. True: a next attempt waits there. */
function record(state: ServerState, entry: Settling, now: number, effects: ServerEffect[]): boolean {
  const { outcome, completion } = entry;
  const status = outcome.exitStatus;
  note(effects, "debug", () => `Completed task (${outcome.id})`);
  if (status === 0) {
    state.counts.succeeded++;
    return false;
  }
  if (status === sentinel.cancelled) {
    state.counts.cancelled++;
    return false;
  }
  note(effects, "warning", `Non-zero exit status (${status}) for task (${outcome.id})`);
  const { retry } = completion;
  if (retry === null) {
    state.counts.failed++;
    if (entry.task !== null) effects.push({ kind: "failed", args: entry.task.args });
    return false;
  }
  state.counts.retried++;
  if (!retry.claimed) return true;
  const claimed: ClaimedTask = { ...retry.task, scheduleTime: now };
  if (state.phase.at === "running") state.ready.unshift(claimed);
  else giveBack(state, claimed);
  return false;
}
