/*
 * Tasks that a signal of somebody else ended. Schedulers, service managers and people signal a whole job at once: this
 * client and its tasks, in any order. A task that ends so in the moment in which the client is told to stop was
 * interrupted, and is to be run again. Without that it has failed (out of memory, a `kill` by its user). So its outcome
 * is held back for `heldMs` before it counts; no other outcome is. A client that is killed meanwhile has reported
 * nothing, and the task is run again like any other that was running. As pure as reactor.ts, which calls it.
 */
import type { Outcome } from "../task/task.ts";
import type { LeaveKind } from "../wire/message.ts";
import type { ClientEffect } from "./effects.ts";
import { signalNumber } from "./group.ts";
import { type ClientState, deliver } from "./state.ts";
import { stopRest } from "./stopping.ts";

/** How long (ms) an outcome by a signal may turn out to be an interruption. */
export const heldMs = 2000;
/** An executor whose task was ended by a signal starts no other this long (ms), because the run may be about to end. */
const restMs = 200;

/** The exit status of a process that died by this signal, which a shell passes on for its child. */
const statusOf = (signal: NodeJS.Signals): number => 128 + signalNumber(signal);
const drained = statusOf("SIGUSR1");
/**
 * What ends all programs of a console of Windows at once: Ctrl-C, Ctrl-Break or the end of its window
 * (STATUS_CONTROL_C_EXIT), and the end of the session (DBG_TERMINATE_PROCESS). Source: ntstatus.h.
 */
const ofConsole = [0xc000_013a, 0x4001_0004];
const statuses: ReadonlySet<number> = new Set([
  ...(["SIGHUP", "SIGINT", "SIGQUIT", "SIGKILL", "SIGTERM", "SIGUSR2"] as const).map(statusOf),
  drained,
  ...ofConsole,
]);

/** Whether a task ended by one of the signals with which whole jobs are stopped. */
export function isBySignal({ exitStatus }: Outcome): boolean {
  return statuses.has(exitStatus);
}

/** Holds back the outcome of a task that a signal ended which this client did not send. */
export function holdBack(state: ClientState, outcome: Outcome, now: number): void {
  state.heldBack.set(outcome.id, { outcome, since: now, isResting: true });
  state.resting++;
}

/** Forgets a task whose outcome is held back. Answers whether there was one. */
export function forgetHeld(state: ClientState, id: string, effects: ClientEffect[]): boolean {
  if (!takeHeld(state, id)) return false;
  effects.push({ kind: "forget", id });
  return true;
}

function takeHeld(state: ClientState, id: string): boolean {
  if (state.heldBack.get(id)?.isResting === true) state.resting--;
  return state.heldBack.delete(id);
}

/** Whether a task that was ended by SIGUSR1 got it together with a client that drains since a moment ago. */
export function isDrainedWith({ phase }: ClientState, outcome: Outcome, now: number): boolean {
  if (phase.at !== "leaving" || phase.how !== "finish") return false;
  return outcome.exitStatus === drained && now - phase.since < heldMs;
}

/**
 * Gives back what was interrupted together with this client, which begins to leave, and stops what is left of it.
 * Answers how many tasks that is.
 */
export function giveBackHeld(state: ClientState, how: LeaveKind, now: number, effects: ClientEffect[]): number {
  let count = 0;
  for (const [id, { outcome }] of state.heldBack) {
    // Draining lets running tasks end: only the signal that asks for it was meant for this client too.
    if (how !== "abort" && !(how === "finish" && outcome.exitStatus === drained)) continue;
    takeHeld(state, id);
    stopRest(state, id, now, effects);
    state.outboxReturned.push({ id, lease: outcome.lease });
    count++;
  }
  return count;
}

/** Frees executors that have rested, and lets outcomes count that were held back for long enough. */
export function releaseHeld(state: ClientState, now: number, effects: ClientEffect[]): void {
  for (const [id, held] of state.heldBack) {
    if (held.isResting && now - held.since >= restMs) {
      held.isResting = false;
      state.resting--;
      state.owesCredit = true;
    }
    if (now - held.since < heldMs) continue;
    forgetHeld(state, id, effects);
    state.idleSince = now;
    deliver(state, held.outcome, now);
  }
}

/** When `releaseHeld` has something to do next, milliseconds; Infinity: nothing is held back. */
export function nextRelease({ heldBack }: ClientState): number {
  let at = Number.POSITIVE_INFINITY;
  for (const { since, isResting } of heldBack.values()) at = Math.min(at, since + (isResting ? restMs : heldMs));
  return at;
}
