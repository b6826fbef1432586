/*
 * How a client leaves: it gives back what has not started, waits for or stops what runs, waits until the server has
 * recorded what has ended, and says bye. As pure as reactor.ts, which calls it.
 */
import { counted, formatDuration } from "../base/units.ts";
import type { Assignment } from "../task/task.ts";
import type { LeaveKind } from "../wire/message.ts";
import { type ClientEffect, note } from "./effects.ts";
import { giveBackHeld } from "./interruption.ts";
import { sendReturned } from "./report.ts";
import { type ClientState, takeWaiting, waitingCount } from "./state.ts";
import { interrupt } from "./stopping.ts";

const urgency: Record<LeaveKind, number> = { finish: 0, interrupt: 1, abort: 2 };

/** Begins to leave. A client that is leaving already can only be told to leave in a more urgent way. */
export function leave(state: ClientState, how: LeaveKind, reason: string, now: number, effects: ClientEffect[]): void {
  const { phase } = state;
  if (phase.at === "gone" || phase.at === "done") return;
  if (phase.at === "leaving" && urgency[how] <= urgency[phase.how]) return;
  state.phase = { at: "leaving", how, reason, since: now };
  // The server is told at once of one that goes on for a while: others may be brought up in its place.
  if (state.running.size > 0 && !state.dismissed) state.nextBeat = now;
  giveBack(
    state,
    takeWaiting(state, () => true),
  );
  const cut = giveBackHeld(state, how, now, effects);
  if (cut > 0) note(effects, "info", () => `${counted(cut, "task")} ended by a signal just before - to be run again`);
  if (how === "finish") return;
  const { size } = state.running;
  if (how === "abort" && size > 0)
    note(effects, "info", () => `Stopping ${counted(size, "running task")} - to be run again`);
  for (const entry of state.running.values()) {
    if (how === "abort") entry.returned = true;
    interrupt(state, entry, now, effects);
  }
}

/** Notes tasks that the next `returned` gives back. */
export function giveBack(state: ClientState, tasks: readonly Assignment[]): void {
  for (const { id, lease } of tasks) state.outboxReturned.push({ id, lease });
}

/** When a client without a task leaves, milliseconds of the state's clock; infinity: not while things are so. */
export function idleUntil(state: ClientState): number {
  const { idleMs, isKept, phase, idleSince } = state;
  const isWaiting = idleMs !== null && !isKept && phase.at === "working" && isIdle(state);
  return isWaiting ? idleSince + idleMs : Number.POSITIVE_INFINITY;
}

/** Leaves after `idleMs` without a task. */
export function idle(state: ClientState, now: number, effects: ClientEffect[]): void {
  if (now < idleUntil(state)) return;
  note(effects, "debug", () => `Timeout reached (${formatDuration((now - state.idleSince) / 1000)})`);
  leave(state, "finish", "idle timeout", now, effects);
}

/** Whether the client has no task. */
function isIdle(state: ClientState): boolean {
  return state.running.size === 0 && waitingCount(state) === 0 && state.heldBack.size === 0;
}

/** Says bye when everything is reported, or finishes when there is no server to say it to. */
export function conclude(state: ClientState, now: number, effects: ClientEffect[]): void {
  const { phase } = state;
  if (!isEmpty(state)) return;
  if (now >= state.leaveBy) return finish(state, effects);
  if (phase.at !== "leaving") return;
  if (state.connection.at !== "up") {
    // A client with outcomes in hand waits for its server, unless it was told to abort.
    const inHand = state.unacked.size > 0 && phase.how !== "abort";
    if (inHand && state.failure === null) return;
    return finish(state, effects);
  }
  // `report` ran before tasks were given back in this very step, so these go out here.
  sendReturned(state, effects);
  if (state.outbox.length > 0 || state.unacked.size > 0) return;
  effects.push({ kind: "send", message: { kind: "bye", reason: phase.reason } });
  note(effects, "trace", () => `Heartbeat - final (${state.settings.host}: ${state.settings.clientId})`);
  state.phase = { at: "gone" };
}

/** Whether the client leaves, no process of a task is left, and no outcome is held back. */
export function isEmpty({ phase, running, lingering, heldBack }: ClientState): boolean {
  const isLeaving = phase.at === "leaving" || phase.at === "gone";
  return isLeaving && running.size === 0 && lingering.size === 0 && heldBack.size === 0;
}

/** The beginning of a sentence about outcomes that the server has not acknowledged. */
export function unconfirmed(count: number): string {
  return `The server has not confirmed ${counted(count, "task")} that ended here`;
}

/** Ends the client. */
export function finish(state: ClientState, effects: ClientEffect[]): void {
  const { unacked, ground } = state;
  if (unacked.size > 0 && ground !== null) effects.push({ kind: "keep", ground, outcomes: [...unacked.values()] });
  else if (unacked.size > 0) note(effects, "warning", `${unconfirmed(unacked.size)} and may be run again`);
  state.phase = { at: "done" };
  effects.push({ kind: "finish" });
}
