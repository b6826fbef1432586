/*
 * Ends tasks before their time, by ever harder signals to their whole group: tasks over their limit, cancelled or
 * dropped, or all of them because the client leaves. As pure as reactor.ts, which calls it.
 */
import { formatDuration } from "../base/units.ts";
import { lineText } from "../base/wordlist.ts";
import { type Outcome, sentinel } from "../task/task.ts";
import { type ClientEffect, note } from "./effects.ts";
import { type ClientState, deliver, type RunningTask } from "./state.ts";

/**
 * A task gets no SIGINT this soon (ms) after its start: the shell catches it while it starts its first program, and
 * that program misses it (seen in 1 of 100 stops within 2 ms of the start).
 */
const settledMs = 100;

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

/** Stops tasks whose time has come, and sends the next signal to those that did not end by the last. */
export function pushStopping(state: ClientState, now: number, effects: ClientEffect[]): void {
  for (const [id, entry] of state.running) {
    if (entry.stopping === null) {
      if (now >= entry.interruptAt) interrupt(state, entry, now, effects);
      if (entry.stopping !== null || now < entry.deadline) continue;
      const elapsed = formatDuration((now - entry.startedAt) / 1000);
      const limit = formatDuration((entry.deadline - entry.startedAt) / 1000);
      note(effects, "warning", `Walltime limit exceeded (${id}): ${elapsed} > ${limit}`);
      entry.overLimit = true;
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
  for (const [id, entry] of state.lingering) {
    if (now >= entry.nextAt) {
      if (entry.stopping === "SIGKILL") {
        note(effects, "critical", `Processes of task ignored SIGKILL (${id})`);
        state.lingering.delete(id);
        effects.push({ kind: "forget", id });
        continue;
      }
      entry.stopping = "SIGKILL";
      entry.nextAt = now + state.settings.signalWaitMs;
      effects.push({ kind: "signal", id, signal: "SIGKILL" });
    }
    if (now < entry.lookAt) continue;
    entry.lookAt = Number.POSITIVE_INFINITY;
    effects.push({ kind: "lookAtGroup", id });
  }
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
  deliver(state, entry.overLimit ? limited(killed) : killed, now);
}

/** The statuses of a program that one of our signals has ended: SIGINT, SIGKILL, SIGTERM. */
const bySignal: ReadonlySet<number> = new Set([130, 137, 143]);

/**
 * The outcome of a task that was stopped at its walltime limit, with a status that tells this from an interrupt. A
 * program that caught the signal, and ended with a status of its own choice, is believed.
 */
export function limited(outcome: Outcome): Outcome {
  return bySignal.has(outcome.exitStatus) ? { ...outcome, exitStatus: sentinel.overLimit } : outcome;
}
