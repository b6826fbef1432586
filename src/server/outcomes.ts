/*
 * The second half of the schedule: outcomes on their way into the store. What comes back from clients is turned into
 * completions with their next attempts. Completions are committed one batch at a time, and acknowledged when the store
 * has them. As pure as reactor.ts, which calls it.
 */
import { counted } from "../base/units.ts";
import { assert } from "../base/assert.ts";
import { lineText } from "../base/wordlist.ts";
import type { Commit, Completion } from "../store/store.ts";
import { describeFailure } from "../task/failure.ts";
import { isTriedAgain, memoryOfNext, retryDelayMs } from "../task/retries.ts";
import { type ClaimedTask, type NewTask, type Outcome, sentinel } from "../task/task.ts";
import { unrun } from "../task/unrun.ts";
import type { Lease, Start } from "../wire/message.ts";
import { delay } from "./delays.ts";
import { hadBefore } from "./lost.ts";
import { note, type ServerEffect, tell } from "./effects.ts";
import { isAside } from "./places.ts";
import { noteEnds } from "./sights.ts";
import { noteWork } from "./tally.ts";
import { handledRecalls, noticeRecalls, settleRecalls } from "./recalls.ts";
import { isRequest } from "./requeue.ts";
import {
  type ClientEntry,
  type Dispatch,
  type Held,
  disregard,
  giveBack,
  isLocal,
  isDisregarded,
  isRevoked,
  letGo,
  lookAgain,
  nameOf,
  runOf,
  type ServerState,
  type Settling,
  settlingAmong,
  withhold,
} from "./state.ts";
import { enqueueFirst, withdraw } from "./waiting.ts";

/**
 * How long the store is not told of a dispatch, milliseconds. Only `hs list` needs to know of it, and a task that is
 * over by then is spared the update (a third of what a short task costs the database).
 */
const assignedDelayMs = 500;
/**
 * The same time on one machine, milliseconds. After `kill -9` the next run tells from this what was running; clients on
 * other hosts tell themselves.
 */
const localAssignedDelayMs = 100;

/**
 * Whether a task has begun: on one machine it is among those that the client has had for longest, as many as run at
 * once. Clients on other hosts are not asked for more than they can start soon.
 */
function hasBegun({ clients, settings }: ServerState, id: string): boolean {
  const client = clients.get(settings.serverId);
  if (client === undefined) return true;
  let left = client.executors;
  for (const held of client.held.keys()) {
    if (left-- === 0) return false;
    if (held === id) return true;
  }
  return false;
}

function assignedDelayOf(state: ServerState): number {
  return isLocal(state) ? localAssignedDelayMs : assignedDelayMs;
}

/** How long the store is not told of a start, milliseconds, unless it is told of something else. */
const startedDelayMs = 500;

/** Takes from a client that tasks have run for a while. Only what it holds by that very dispatch counts. */
export function takeStarts(state: ServerState, client: ClientEntry, starts: readonly Start[], now: number): void {
  for (const { id, lease, startTime } of starts) {
    const held = client.held.get(id);
    if (held === undefined || held.lease !== lease) continue;
    held.startTime = startTime;
    // A store in memory is told of no starts.
    if (held.cancelled || !state.settings.durable) continue;
    state.outbox.started.set(id, { id, startTime, at: now });
  }
}

/**
 * Takes outcomes that have come from a client. Those that count wait for the next commit; the others are acknowledged
 * at once. An outcome counts if its client holds that very dispatch, or has held it and the task has no other outcome
 * yet: nobody ends a task of somebody else. An outcome that comes while another of the same task is on its way to the
 * store is acknowledged with that.
 */
export function takeOutcomes(
  state: ServerState,
  client: ClientEntry,
  outcomes: readonly Outcome[],
  now: number,
  effects: ServerEffect[],
): void {
  const unwanted: Lease[] = [];
  let onTheirWay: ReadonlySet<string> | null = null;
  let confirmed = 0;
  for (const outcome of outcomes) {
    const { id, lease } = outcome;
    if (isRevoked(state, outcome) || isDisregarded(client, outcome)) {
      // The task ended before its client heard that nobody wants it. If the client does not hear this answer, it may
      // send the outcome again.
      unwanted.push({ id, lease });
      continue;
    }
    const held = client.held.get(id);
    if (held === undefined || held.lease !== lease) {
      onTheirWay ??= settlingAmong(state, new Set(outcomes.map((each) => each.id)));
      if (onTheirWay.has(id)) settleLater(state, client, null, outcome, now);
      // It is with somebody else by now, or waits to be.
      else if (isRequest(state, client, outcome, now, effects)) unwanted.push({ id, lease });
      else if (hadBefore(state, client, outcome))
        settleLater(state, client, withdrawAnywhere(state, id, effects), outcome, now);
      else state.outbox.unwanted.push({ clientId: client.id, id, lease });
      continue;
    }
    // The client had the task, and nobody has said so yet.
    if (state.outbox.assigned.delete(id)) confirmed++;
    letGo(state, client, id);
    if (held.cancelled) {
      // The task's row has ended, or waits to be run again: nobody wants the outcome of this run.
      disregard(client, outcome);
      unwanted.push({ id, lease });
      continue;
    }
    if (isRequest(state, client, outcome, now, effects)) {
      giveBack(state, held.task);
      unwanted.push({ id, lease });
      continue;
    }
    settleLater(state, client, held.task, outcome, now);
    if (client.tally !== null) noteWork(client.tally, outcome);
  }
  if (confirmed > 0) note(effects, "debug", () => `Confirmed ${counted(confirmed, "task")} (${nameOf(client)})`);
  tell(effects, client.id, "ack", unwanted);
}

/**
 * Takes a task from the client that runs it now, or from those that wait, so that it does not run again. Null: this
 * server does not have it.
 */
function withdrawAnywhere(state: ServerState, id: string, effects: ServerEffect[]): ClaimedTask | null {
  const run = runOf(state, id);
  if (run === null) {
    const waiting = withdraw(state, new Set([id])).get(id) ?? null;
    if (waiting === null) withhold(state, id, "recalled");
    return waiting;
  }
  const { holder, held } = run;
  letGo(state, holder, id);
  tell(effects, holder.id, "drop", [{ id, lease: held.lease }]);
  return held.task;
}

/**
 * Ends a task that this server takes from a client and does not hand out again, with a status that is not a program's.
 */
export function endInstead(
  state: ServerState,
  client: ClientEntry,
  { task, lease }: Held,
  exitStatus: number,
  now: number,
): void {
  state.outbox.assigned.delete(task.id);
  settleLater(state, client, task, unrun({ id: task.id, lease }, exitStatus, now), now);
}

/** Lets an outcome wait for the next commit. */
function settleLater(
  state: ServerState,
  client: ClientEntry | null,
  task: ClaimedTask | null,
  outcome: Outcome,
  now: number,
): void {
  const completion = completionOf(state, client, task, outcome, now);
  state.outbox.completed.push({ clientId: client?.id ?? null, task, outcome, completion });
}

/** Ends a task that no client can meet. It has waited here, and never ran. `now`: milliseconds since 1970. */
export function endUnmet(state: ServerState, task: ClaimedTask, now: number): void {
  // No client has had it.
  const lease = { id: task.id, lease: 0 };
  settleLater(state, null, task, unrun(lease, sentinel.insufficientResources, now), now);
}

function completionOf(
  state: ServerState,
  client: ClientEntry | null,
  task: ClaimedTask | null,
  outcome: Outcome,
  now: number,
): Completion {
  const started = outcome.command === null ? null : outcome.startTime;
  const seconds = (ms: number) => Math.max(0, Math.round(ms) / 1000);
  return {
    ...outcome,
    clientId: client?.id ?? null,
    clientHost: client?.host ?? null,
    waited: started === null || task === null ? null : seconds(started - task.submitTime),
    duration: started === null ? null : seconds(outcome.completionTime - started),
    retry: task === null ? null : retryOf(state, task, outcome, now),
  };
}

/**
 * The next attempt of a task that failed; null: there is none. This server submits it, by its own clock (`now`): tasks
 * are claimed in the order of their submission, and the clock of a client may be late. The fields are named one by one,
 * because a copy of the task would take its schedule time along.
 */
function retryOf(state: ServerState, task: ClaimedTask, outcome: Outcome, now: number): Completion["retry"] {
  const { retries, retryDelayMs: pauseMs, eager, newId, serverHost } = state.settings;
  if (!isTriedAgain(retries, task.attempt, outcome.exitStatus)) return null;
  const next: NewTask = {
    id: newId(),
    group: task.group,
    args: task.args,
    submitId: task.submitId,
    submitTime: now,
    submitHost: serverHost,
    cores: task.cores,
    memory: memoryOfNext(task.memory, outcome.exitStatus, retries),
    timeout: task.timeout,
    attempt: task.attempt + 1,
    previousId: task.id,
    tag: task.tag,
  };
  // This server keeps the attempt itself until its pause is over.
  return { task: next, claimed: pauseMs > 0 || (eager && isItsTurn(state, task.group)) };
}

/** Whether a task of this group may be handed out: others may have come in a lower group since it was claimed. */
export function isItsTurn({ phase, group: present, isNewIn }: ServerState, group: number): boolean {
  return phase.at === "running" && (present === null || group <= present) && !(isNewIn && group > 0);
}

const lingering = { mayLinger: true };

/** Tells the store what has happened, unless a commit is still under way. */
export function commit(state: ServerState, now: number, effects: ServerEffect[]): void {
  if (state.settling !== null) return;
  const { outbox } = state;
  const assigned = dueDispatches(state, now);
  const { completed, reverted, unwanted } = outbox;
  const recalled = handledRecalls(state);
  const others = completed.length + reverted.length + recalled.length + assigned.length + unwanted.length;
  if (others === 0 && now < startsDueAt(state)) return;
  const started = [...outbox.started.values()];
  outbox.started.clear();
  noteConfirmed(assigned, effects);
  outbox.completed = [];
  outbox.reverted = [];
  outbox.unwanted = [];
  if (recalled.length > 0) state.recalls.state = { at: "settling" };
  state.settling = { outcomes: completed, frees: reverted.length > 0, unwanted };
  const order: Omit<Commit, "serverId" | "serverHost"> = {
    at: now,
    assigned,
    started,
    completed: completed.map((entry) => entry.completion),
    reverted,
    recalled,
    // The last ones do not linger: when a run says that it is done, everything is in its row.
    ...(isLocal(state) && state.holders.size > 0 ? lingering : null),
  };
  effects.push({ kind: "commit", commit: order, confirms: completed.length + unwanted.length > 0 });
}

function noteConfirmed(assigned: readonly Dispatch[], effects: ServerEffect[]): void {
  const counts = new Map<string, number>();
  for (const { clientId, clientHost } of assigned) {
    const client = `${clientHost}: ${clientId}`;
    counts.set(client, (counts.get(client) ?? 0) + 1);
  }
  for (const [client, count] of counts) note(effects, "debug", () => `Confirmed ${counted(count, "task")} (${client})`);
}

/** Takes those dispatches out of the outbox of which the store must be told by now. */
function dueDispatches(state: ServerState, now: number): Dispatch[] {
  const { assigned } = state.outbox;
  const due: Dispatch[] = [];
  if (assigned.size === 0) return due;
  const delayMs = assignedDelayOf(state);
  for (const dispatch of assigned.values()) {
    // They are in the order in which they begin.
    if (now - dispatch.at < delayMs || !hasBegun(state, dispatch.id)) break;
    due.push(dispatch);
    assigned.delete(dispatch.id);
  }
  return due;
}

/**
 * When the store must be told of the oldest dispatch that it does not know, milliseconds since 1970; infinity when
 * there is none.
 */
export function dispatchesDueAt(state: ServerState, now: number): number {
  for (const { id, at } of state.outbox.assigned.values()) {
    const dueAt = at + assignedDelayOf(state);
    // It begins when another ends, which wakes the server.
    return dueAt > now || hasBegun(state, id) ? dueAt : Number.POSITIVE_INFINITY;
  }
  return Number.POSITIVE_INFINITY;
}

/** When the store must be told that tasks run, milliseconds since 1970; infinity when there is nothing to tell. */
export function startsDueAt({ outbox }: ServerState): number {
  for (const { at } of outbox.started.values()) return at + startedDelayMs;
  return Number.POSITIVE_INFINITY;
}

/**
 * Ends the commit under way: its outcomes are acknowledged, and those that were recorded are counted. `refused` has an
 * id for each outcome that the store has turned down. Throws a bug when no commit is under way.
 */
export function settle(state: ServerState, refused: readonly string[], now: number, effects: ServerEffect[]): void {
  const { settling } = state;
  assert(settling !== null, "one commit at a time");
  state.settling = null;
  settleRecalls(state);
  // Most refusals mean that there are recalls. If they were not read first, a run might end as if nothing was left.
  if (refused.length > 0) noticeRecalls(state);
  const turnedDown = refused.length === 0 ? null : turnedDownOf(settling.outcomes, refused);
  const acks = new Map<string, Lease[]>();
  const acknowledge = (clientId: string | null, { id, lease }: Lease): void => {
    if (clientId === null) return;
    const list = acks.get(clientId);
    if (list === undefined) acks.set(clientId, [{ id, lease }]);
    else list.push({ id, lease });
  };
  for (const each of settling.unwanted) acknowledge(each.clientId, each);
  let frees = settling.frees || state.claim.at === "blocked";
  noteSights(state, settling.outcomes, turnedDown, now);
  for (const entry of settling.outcomes) {
    const { outcome } = entry;
    acknowledge(entry.clientId, outcome);
    if (turnedDown?.has(entry)) {
      // If the answer is lost with the connection, the client sends the outcome again, and the row may be free by then.
      const client = entry.clientId === null ? undefined : state.clients.get(entry.clientId);
      if (client !== undefined) disregard(client, outcome);
      note(effects, "debug", () => `Outcome dropped: task had already ended, or was taken back (${outcome.id})`);
      continue;
    }
    if (record(state, entry, now, effects)) frees = true;
  }
  for (const [clientId, tasks] of acks) if (state.clients.has(clientId)) tell(effects, clientId, "ack", tasks);
  if (frees) lookAgain(state);
}

/** Notes recorded outcomes for those who look, if anybody does. */
function noteSights(
  { sights, clients }: ServerState,
  settled: readonly Settling[],
  turnedDown: ReadonlySet<Settling> | null,
  now: number,
): void {
  if (sights === null || settled.length === 0) return;
  const recorded = turnedDown === null ? settled : settled.filter((entry) => !turnedDown.has(entry));
  noteEnds(sights, recorded, clients, now);
}

/**
 * The outcomes that the store has turned down. If two clients brought an outcome of the same task, the store has
 * recorded the first or none.
 */
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

function failureOf({ settings }: ServerState, { outcome, completion, task }: Settling): string {
  const { id, exitStatus, command, errpath } = outcome;
  const { clientHost } = completion;
  const host = clientHost === settings.serverHost ? null : clientHost;
  return describeFailure({ id, exitStatus, line: task?.args ?? command, errpath, host });
}

function tellPrinter({ task, outcome, completion }: Settling, effects: ServerEffect[]): void {
  const { id, lease, command } = outcome;
  const text = task === null ? (command ?? "") : lineText(task.args);
  effects.push({ kind: "recorded", run: { id, lease }, text, next: completion.retry?.task.id ?? null });
}

/**
 * Counts an outcome that is recorded, and goes on with its next attempt. Answers whether that attempt waits in the
 * store.
 */
function record(state: ServerState, entry: Settling, now: number, effects: ServerEffect[]): boolean {
  const { outcome, completion } = entry;
  if (state.losses.size > 0) state.losses.delete(outcome.id);
  const status = outcome.exitStatus;
  if (state.settings.prints === true) tellPrinter(entry, effects);
  note(effects, "debug", () => `Completed task (${outcome.id})`);
  if (status === 0) {
    state.counts.succeeded++;
    return false;
  }
  if (status === sentinel.cancelled) {
    state.counts.cancelled++;
    return false;
  }
  // What the server has decided it has told already, as an error.
  if (entry.clientId !== null) note(effects, "warning", failureOf(state, entry));
  const { retry } = completion;
  if (retry === null) {
    state.counts.failed++;
    const { task } = entry;
    const template = task === null ? null : (state.submissions.get(task.submitId)?.template ?? null);
    if (task !== null) effects.push({ kind: "failed", task, template });
    return false;
  }
  state.counts.retried++;
  if (!retry.claimed) return true;
  const claimed: ClaimedTask = { ...retry.task, scheduleTime: now };
  const { retryDelayMs: firstMs } = state.settings;
  if (firstMs > 0 && state.phase.at === "running")
    delay(state.delays, claimed, now + retryDelayMs(firstMs, claimed.attempt - 1));
  else if (isItsTurn(state, claimed.group) && !isAside(state, claimed)) enqueueFirst(state, claimed);
  else giveBack(state, claimed);
  return false;
}
