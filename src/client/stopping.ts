/*
 * Ends tasks before their time, by ever harder signals to their whole group: tasks over their limit, cancelled or
 * dropped, or all of them because the client leaves. As pure as reactor.ts, which calls it.
 */
import { formatDuration, formatSize } from "../base/units.ts";
import { lineText } from "../base/wordlist.ts";
import { type Outcome, sentinel } from "../task/task.ts";
import { type ClientEffect, note } from "./effects.ts";
import type { ClientEvent } from "./event.ts";
import { type ClientState, deliver, type Lingering, type RunningTask, type Stopping } from "./state.ts";

/**
 * A task gets no SIGINT this soon (ms) after its start: the shell catches it while it starts its first program, and
 * that program misses it (seen in 1 of 100 stops within 2 ms of the start).
 */
const settledMs = 100;

/**
 * While tasks have a limit, or are being stopped, the client looks at the time this often (ms), and so knows how long
 * it did not run (Ctrl-Z, a machine that slept): its tasks may have run on or not, and that time counts for nothing.
 */
const lookMs = 250;
/** A client that looks this much too late (ms) did not run meanwhile. */
const stoodMs = 100;
/** It hears within this time (ms) which tasks have ended meanwhile. */
const hearMs = 50;
/** A machine that is slow all the time is given `hearMs` this often (ms), so that limits are kept there too. */
const hearEveryMs = 1000;

/** Excuses tasks when the client was woken `lateMs` too late. */
export function excuseTasks(state: ClientState, lateMs: number, now: number): void {
  if (lateMs < stoodMs) return;
  if (now - state.limitsFrom > hearEveryMs) state.limitsFrom = now + hearMs;
  for (const entry of state.running.values()) {
    entry.deadline += lateMs;
    entry.nextAt += lateMs;
    entry.stoodMs += lateMs;
  }
  for (const rest of state.lingering.values()) rest.nextAt += lateMs;
  for (const held of state.heldBack.values()) held.since += lateMs;
}

/** When tasks are to be looked at again, milliseconds; Infinity: none has a limit or is being stopped. */
export function nextPush(state: ClientState, now: number): number {
  let at = Number.POSITIVE_INFINITY;
  for (const { stopping, deadline, interruptAt, nextAt } of state.running.values())
    at = Math.min(at, stopping === null ? Math.min(Math.max(deadline, state.limitsFrom), interruptAt) : nextAt);
  for (const { nextAt, lookAt } of state.lingering.values()) at = Math.min(at, nextAt, lookAt);
  return at === Number.POSITIVE_INFINITY ? at : Math.min(at, now + lookMs);
}

/** Begins to stop a task: at once, or when it is old enough. Does nothing to a task that is being stopped already. */
export function interrupt(state: ClientState, entry: RunningTask, now: number, effects: ClientEffect[]): void {
  if (entry.stopping !== null) return;
  entry.interruptAt = Math.min(entry.interruptAt, Math.max(now, entry.startedAt + settledMs));
  if (now >= entry.interruptAt) send(entry, "SIGINT", now, state, effects);
}

/** Sends a signal to a task. The next, harder one is due after `signalWaitMs`. */
export function send(
  entry: RunningTask,
  signal: "SIGINT" | "SIGTERM" | "SIGKILL",
  now: number,
  state: ClientState,
  effects: ClientEffect[],
): void {
  entry.stopping = signal;
  entry.stoppedAt = Math.min(entry.stoppedAt, now);
  entry.nextAt = now + state.settings.signalWaitMs;
  effects.push({ kind: "signal", id: entry.task.id, signal });
}

/**
 * Goes on stopping what is left of the group of a task that has ended. Its children may need their time to save, so the
 * next, harder signal comes when it was due for the task itself (`nextAt`).
 */
export function linger(
  state: ClientState,
  id: string,
  stopping: Stopping,
  nextAt: number,
  now: number,
  effects: ClientEffect[],
): void {
  state.lingering.set(id, { stopping, nextAt, lookAt: now });
  // A process that was being made at that moment has escaped the signal, and no harder one follows.
  if (stopping === "SIGKILL") effects.push({ kind: "signal", id, signal: "SIGKILL" });
}

/** Begins to stop what is left of the group of a task that has ended, and that is to be run again. */
export function stopRest(state: ClientState, id: string, now: number, effects: ClientEffect[]): void {
  effects.push({ kind: "signal", id, signal: "SIGINT" });
  linger(state, id, "SIGINT", now + state.settings.signalWaitMs, now, effects);
}

/** Sends a signal to what is left of a group. The next, harder one is due after `signalWaitMs`. */
export function sendToRest(
  id: string,
  rest: Lingering,
  signal: Stopping,
  now: number,
  state: ClientState,
  effects: ClientEffect[],
): void {
  rest.stopping = signal;
  rest.nextAt = now + state.settings.signalWaitMs;
  effects.push({ kind: "signal", id, signal });
}

/** Stops a task that has taken more memory than it asked for, unless it is being stopped anyway. */
export function stopOverMemory(
  state: ClientState,
  { id, used, allowed, isKilled }: Extract<ClientEvent, { kind: "overMemory" }>,
  now: number,
  effects: ClientEffect[],
): void {
  const entry = state.running.get(id);
  // It may have ended meanwhile. What is being stopped for another reason has its status from there.
  if (entry === undefined || entry.stopping !== null || entry.limitStatus !== null) return;
  const [taken, granted] = [formatSize(used), formatSize(allowed)];
  const text = isKilled
    ? `${taken} (used) of ${granted} (allocated), and it wanted more - ended by the kernel`
    : `${taken} (used) > ${granted} (allocated) - stopping it`;
  note(effects, "error", `Memory limit exceeded (${id}): ${text}`);
  entry.limitStatus = sentinel.overMemory;
  if (!isKilled) interrupt(state, entry, now, effects);
}

/** Stops tasks whose time has come, and sends the next signal to those that did not end by the last. */
export function pushStopping(state: ClientState, now: number, effects: ClientEffect[]): void {
  for (const [id, entry] of state.running) {
    if (entry.stopping === null) {
      if (now >= entry.interruptAt) interrupt(state, entry, now, effects);
      if (entry.stopping !== null || now < Math.max(entry.deadline, state.limitsFrom)) continue;
      const elapsed = formatDuration((now - entry.startedAt - entry.stoodMs) / 1000);
      const limit = formatDuration(entry.limitMs / 1000);
      note(effects, "warning", `Walltime limit exceeded (${id}): ${elapsed} > ${limit}`);
      entry.limitStatus = sentinel.overLimit;
      interrupt(state, entry, now, effects);
      continue;
    }
    if (now < entry.nextAt) continue;
    if (entry.stopping === "SIGINT") {
      note(effects, "error", `Interrupt ignored (${id})`);
      send(entry, "SIGTERM", now, state, effects);
    } else if (entry.stopping === "SIGTERM") {
      note(effects, "error", `Terminate ignored (${id})`);
      send(entry, "SIGKILL", now, state, effects);
    } else if (entry.stopping === "SIGKILL") {
      giveUp(state, entry, now, effects);
    }
  }
  for (const [id, rest] of state.lingering) {
    if (now >= rest.nextAt && !pushRest(id, rest, now, state, effects)) continue;
    if (now < rest.lookAt) continue;
    rest.lookAt = Number.POSITIVE_INFINITY;
    effects.push({ kind: "lookAtRest", id });
  }
}

/** Goes on to the next signal for what is left of a group. Answers false when there is none, and it is given up. */
function pushRest(id: string, rest: Lingering, now: number, state: ClientState, effects: ClientEffect[]): boolean {
  if (rest.stopping === "SIGKILL") {
    note(effects, "critical", `Processes of task ignored SIGKILL (${id})`);
    state.lingering.delete(id);
    effects.push({ kind: "forget", id });
    return false;
  }
  const isFirst = rest.stopping === "SIGINT";
  note(effects, "error", `Processes of task ignored ${isFirst ? "interrupt" : "terminate"} (${id})`);
  sendToRest(id, rest, isFirst ? "SIGTERM" : "SIGKILL", now, state, effects);
  return true;
}

/**
 * Gives up a task that not even SIGKILL ends (it hangs in the kernel). It is reported as killed, and its executor is
 * lost.
 */
function giveUp(state: ClientState, entry: RunningTask, now: number, effects: ClientEffect[]): void {
  const { id, lease } = entry.task;
  effects.push({ kind: "gaveUp", id });
  note(effects, "critical", `Shutting down executor (${state.settings.executors - state.abandoned.size})`);
  state.running.delete(id);
  state.abandoned.add(id);
  if (entry.returned) {
    state.outboxReturned.push({ id, lease });
    return;
  }
  const killed: Outcome = {
    id,
    lease,
    command: lineText(entry.task.args),
    startTime: entry.startedAt,
    completionTime: now,
    exitStatus: 137,
    outpath: null,
    errpath: null,
    csvpath: null,
    coresMax: null,
    memoryMax: null,
  };
  deliver(state, limited(entry, killed), now);
}

/** The statuses of a program that one of our signals has ended: SIGINT, SIGKILL, SIGTERM. */
const bySignal: ReadonlySet<number> = new Set([130, 137, 143]);

/**
 * The outcome of a task; if it was stopped at its limit of time or memory, with a status that tells this from an
 * interrupt. A program that caught the signal, and ended with a status of its own choice, is believed.
 */
export function limited({ limitStatus }: RunningTask, outcome: Outcome): Outcome {
  return limitStatus !== null && bySignal.has(outcome.exitStatus) ? { ...outcome, exitStatus: limitStatus } : outcome;
}
