/*
 * What a client does with its tasks: `step(state, events, now)` changes the state and answers what is to be done. It
 * starts tasks on free executors (starting.ts), stops those over their limit by ever harder signals (stopping.ts),
 * keeps outcomes until the server has recorded them (report.ts), keeps up its connection (connection.ts), and leaves in
 * order (leaving.ts). No I/O, no clock.
 */
import { assert, unreachable } from "../base/assert.ts";
import { counted, formatDuration } from "../base/units.ts";
import type { Outcome } from "../task/task.ts";
import type { Lease } from "../wire/message.ts";
import { beat, excuse, keepConnection, loseConnection, sayHello, silenceMs } from "./connection.ts";
import { takeBeat, takeConnectFailed, takeWelcome } from "./connection.ts";
import { type ClientEffect, note } from "./effects.ts";
import { keepTime, nextTime } from "./ending.ts";
import type { ClientEvent } from "./event.ts";
import { forgetHeld, holdBack, isBySignal, isDrainedWith, nextRelease, releaseHeld } from "./interruption.ts";
import { conclude, giveBack, idle, idleUntil, isEmpty, leave } from "./leaving.ts";
import { release } from "./pool.ts";
import { mayTell, report, tellStarts, tellTime } from "./report.ts";
import { countTime, postpone, startTasks } from "./starting.ts";
import { type ClientState, deliver, type RunningTask, takeWaiting, waitingCount } from "./state.ts";
import { interrupt, limited, linger, nextPush, pushStopping, send, sendToRest } from "./stopping.ts";
import { stopOverMemory, stopRest } from "./stopping.ts";

/** The pause between two looks at the group of a stopped task, milliseconds. They go on until nothing of it is left. */
const lingerMs = 20;
/** A client that is told to go at once gives the server this long to hear what is given back, milliseconds. */
const partingMs = 1000;
/** Takes in what has happened, and answers what is to be done. `now` is in milliseconds of the state's clock. */
export function step(state: ClientState, events: readonly ClientEvent[], now: number): ClientEffect[] {
  const effects: ClientEffect[] = [];
  if (isDone(state)) return effects;
  excuse(state, now);
  for (const event of events) take(state, event, now, effects);
  keepConnection(state, now, effects);
  if (state.heldBack.size > 0) releaseHeld(state, now, effects);
  keepTime(state, now, effects);
  // Outcomes are reported before anything new starts, because a start takes the processor for a while.
  report(state, now, effects);
  startTasks(state, now, effects);
  if (state.owesCredit || state.outboxReturned.length > 0) report(state, now, effects);
  pushStopping(state, now, effects);
  idle(state, now, effects);
  tellStarts(state, now, effects);
  beat(state, now, effects);
  conclude(state, now, effects);
  if (isDone(state)) return effects;
  state.wakeAt = nextWake(state, now);
  effects.push({ kind: "wake", at: state.wakeAt });
  return effects;
}

function take(state: ClientState, event: ClientEvent, now: number, effects: ClientEffect[]): void {
  switch (event.kind) {
    case "received":
      return receive(state, event.message, now, effects);
    case "ended":
      return end(state, event, now, effects);
    case "unplaced":
      return takeUnplaced(state, event, now, effects);
    case "overMemory":
      return stopOverMemory(state, event, now, effects);
    case "postponed":
      return postpone(state, event.id);
    case "held":
      return countTime(state, event.id, event.isWaiting, now);
    case "restSeen": {
      const lingering = state.lingering.get(event.id);
      if (lingering === undefined) return;
      if (event.alive) {
        lingering.lookAt = now + lingerMs;
        // What cannot have heard the first signal needs no time to obey it.
        if (event.ignoreInterrupt === true && lingering.stopping === "SIGINT")
          sendToRest(event.id, lingering, "SIGTERM", now, state, effects);
        return;
      }
      state.lingering.delete(event.id);
      effects.push({ kind: "forget", id: event.id });
      return;
    }
    case "woken":
      return;
    case "idleLimited":
      state.idleMs = event.idleMs;
      state.idleSince = now;
      return;
    case "endLearned":
      state.ending.end = event.end;
      state.ending.isAsked = false;
      return;
    case "stopRequested":
      return leave(state, event.how, event.reason, now, effects);
    case "killRequested":
      for (const entry of state.running.values()) send(entry, "SIGKILL", now, state, effects);
      for (const [id, entry] of state.lingering) sendToRest(id, entry, "SIGKILL", now, state, effects);
      if (state.phase.at === "gone" || (state.phase.at === "leaving" && state.phase.how === "abort"))
        state.leaveBy = Math.min(state.leaveBy, now + partingMs);
      return;
    case "connected":
      return sayHello(state, now, effects);
    case "connectFailed":
      return takeConnectFailed(state, event, now, effects);
    case "disconnected":
      return loseConnection(state, event.error, now, effects);
    default:
      unreachable(event);
  }
}

type Received = Extract<ClientEvent, { kind: "received" }>["message"];

function receive(state: ClientState, message: Received, now: number, effects: ClientEffect[]): void {
  state.heardAt = now;
  switch (message.kind) {
    case "welcome":
      return takeWelcome(state, message, now, effects);
    case "beat":
      return takeBeat(state, message, now);
    case "drop":
      return drop(state, message.tasks, now, effects);
    case "submission":
      state.origins.set(message.id, { template: message.template, cwd: message.cwd });
      return;
    case "assign":
      state.granted -= message.tasks.length;
      assert(state.granted >= 0, "the session refuses assignments beyond the credit");
      note(effects, "debug", () => `Received ${counted(message.tasks.length, "task")} (${state.serverName})`);
      if (state.phase.at !== "working") return giveBack(state, message.tasks);
      // The time without any task does not count: the pace is measured while there is work.
      if (state.running.size === 0 && waitingCount(state) === 0) {
        state.rateAt = now;
        state.finished = 0;
      }
      for (const task of message.tasks) {
        forgetOutcome(state, task.id, effects);
        state.inbox.push(task);
      }
      return;
    case "ack":
      for (const { id, lease } of message.tasks) {
        if (state.unacked.get(id)?.lease === lease) state.unacked.delete(id);
      }
      return;
    case "cancel":
      return cancel(state, message.tasks, now, effects);
    case "leave":
      note(effects, "debug", "Disconnect received");
      state.dismissed = true;
      return leave(state, message.how, message.reason, now, effects);
    default:
      unreachable(message);
  }
}

/** Forgets the unacknowledged outcome of a task that is to be run anew. */
function forgetOutcome(state: ClientState, id: string, effects: ClientEffect[]): void {
  forgetHeld(state, id, effects);
  if (state.unacked.delete(id)) state.outbox = state.outbox.filter((outcome) => outcome.id !== id);
}

/**
 * Cancels tasks. Those that have not begun are given back. Those that run are stopped, and their outcomes are reported.
 */
function cancel(state: ClientState, tasks: readonly Lease[], now: number, effects: ClientEffect[]): void {
  const waiting = new Set<string>();
  for (const { id, lease } of tasks) {
    const entry = state.running.get(id);
    const held = state.heldBack.get(id)?.outcome;
    // What somebody cancelled is not run again, whatever ended it.
    if (held?.lease === lease && forgetHeld(state, id, effects)) deliver(state, held, now);
    // A task with another lease runs here, and this one may be waiting for its end.
    else if (entry?.task.lease !== lease) waiting.add(`${id} ${lease}`);
    else {
      note(effects, "warning", `Stopping task that was cancelled (${id})`);
      interrupt(state, entry, now, effects);
    }
  }
  if (waiting.size === 0) return;
  const taken = takeWaiting(state, ({ id, lease }) => waiting.has(`${id} ${lease}`));
  giveBack(state, taken);
  if (taken.length > 0) state.owesCredit = true;
}

/** Drops tasks that belong to somebody else by now. Those that run are stopped and given back. */
function drop(state: ClientState, tasks: readonly Lease[], now: number, effects: ClientEffect[]): void {
  const waiting = new Set<string>();
  for (const { id, lease } of tasks) {
    const entry = state.running.get(id);
    if (state.heldBack.get(id)?.outcome.lease === lease && forgetHeld(state, id, effects)) {
      state.outboxReturned.push({ id, lease });
      state.owesCredit = true;
    } else if (entry?.task.lease !== lease) waiting.add(`${id} ${lease}`);
    else {
      note(effects, "warning", `Stopping task that is not this client's any more (${id})`);
      entry.returned = true;
      interrupt(state, entry, now, effects);
    }
  }
  if (waiting.size === 0) return;
  const taken = takeWaiting(state, ({ id, lease }) => waiting.has(`${id} ${lease}`));
  if (taken.length > 0) state.owesCredit = true;
}

// ---- running

function end(
  state: ClientState,
  { outcome, isUnread }: { readonly outcome: Outcome; readonly isUnread: boolean },
  now: number,
  effects: ClientEffect[],
): void {
  const entry = state.running.get(outcome.id);
  if (entry === undefined) {
    assert(state.abandoned.delete(outcome.id), "a task that ends was running");
    release(state.pool, outcome.id);
    // Its outcome was reported long ago, without credit for another task, because its executor was lost.
    state.owesCredit = true;
    effects.push({ kind: "forget", id: outcome.id });
    return;
  }
  const { stopping } = entry;
  state.running.delete(outcome.id);
  release(state.pool, outcome.id);
  state.idleSince = now;
  // What nobody read is to be had only from another run.
  const isBack = isUnread || isUnfinished(state, entry, outcome, now);
  if (stopping === null && !isBack && entry.limitStatus === null && isBySignal(outcome)) {
    note(effects, "debug", () => `Task was ended by a signal (${outcome.id}: status ${outcome.exitStatus})`);
    return holdBack(state, outcome, now);
  }
  // What is left of the group of a stopped task is stopped too. A task that ended by itself may leave a daemon behind,
  // as in a shell.
  if (stopping !== null) linger(state, outcome.id, stopping, entry.nextAt, now, effects);
  else if (isBack && !isUnread) stopRest(state, outcome.id, now, effects);
  else effects.push({ kind: "forget", id: outcome.id });
  if (isBack) {
    state.outboxReturned.push({ id: outcome.id, lease: outcome.lease });
    state.owesCredit = true;
    return;
  }
  const { startTime, completionTime } = outcome;
  const elapsedMs = completionTime - (startTime ?? completionTime);
  note(effects, "debug", () => `Completed task (${outcome.id}) elapsed: ${formatDuration(elapsedMs / 1000)}`);
  deliver(state, limited(entry, outcome), now);
}

/**
 * Gives back a task that was not started, because the directory of its submission cannot be entered, and all others of
 * that submission: the server finds another client for them, or none.
 */
function takeUnplaced(
  state: ClientState,
  { id, reason }: Extract<ClientEvent, { kind: "unplaced" }>,
  now: number,
  effects: ClientEffect[],
): void {
  const entry = state.running.get(id);
  effects.push({ kind: "forget", id });
  state.owesCredit = true;
  release(state.pool, id);
  if (entry === undefined) {
    assert(state.abandoned.delete(id), "a task that was not started was to be");
    return;
  }
  const { submitId } = entry.task;
  state.running.delete(id);
  state.idleSince = now;
  giveBack(state, [entry.task]);
  if (!state.missing.includes(submitId)) {
    state.missing.push(submitId);
    // A server in the same process tells of it.
    const level = state.serverId === state.settings.clientId ? "debug" : "info";
    note(effects, level, `Giving back the tasks that were submitted from ${reason}`);
  }
  giveBack(
    state,
    takeWaiting(state, (task) => task.submitId === submitId),
  );
}

/** Whether a task that has ended is to be run again: it was cut off by us, or by whoever stopped us too. */
function isUnfinished(state: ClientState, entry: RunningTask, outcome: Outcome, now: number): boolean {
  if (!entry.returned) return isDrainedWith(state, outcome, now);
  // A task that ended before its signal came was not cut off, so its outcome counts, if it is none by another signal.
  // After the signal even status 0 may mean "stopped, as you wished".
  if (outcome.completionTime >= entry.stoppedAt || isBySignal(outcome)) return true;
  return [...state.inbox.values()].some(({ id }) => id === outcome.id);
}

// ---- time

function nextWake(state: ClientState, now: number): number {
  let at = isEmpty(state) ? state.leaveBy : Number.POSITIVE_INFINITY;
  if (state.connection.at === "down") at = Math.min(at, state.connection.retryAt);
  else if (state.connection.at === "up")
    at = Math.min(
      at,
      state.heardAt + silenceMs(state),
      state.phase.at === "gone" ? Number.POSITIVE_INFINITY : state.nextBeat,
    );
  let untold = Number.POSITIVE_INFINITY;
  for (const entry of state.running.values()) if (!entry.told) untold = Math.min(untold, entry.startedAt);
  state.tellAt = tellTime(state, untold);
  if (mayTell(state)) at = Math.min(at, state.tellAt);
  if (state.outbox.length > 0 && state.connection.at === "up") at = Math.min(at, state.outboxSince + state.companyMs);
  return Math.min(at, state.nextStart, idleUntil(state), nextPush(state, now), nextRelease(state), nextTime(state));
}

function isDone(state: ClientState): boolean {
  return state.phase.at === "done";
}
