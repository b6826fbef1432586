/*
 * The end of the time that this host has, of a batch job mostly: no task starts whose limit reaches beyond it, and the
 * client leaves when it has come. As pure as reactor.ts, which calls it.
 *
 * A server that knows of the end (`until` in the hello) does not send such tasks. One that does not, because it is
 * older or the end was learned late, may send a task that was given back at once again. So each that is given back
 * takes up credit for a while, as if it ran: the client asks for others in its place only after that.
 */
import { formatMoment } from "../base/moment.ts";
import { counted, formatDuration } from "../base/units.ts";
import type { Assignment } from "../task/task.ts";
import { type ClientEffect, note } from "./effects.ts";
import { giveBack, leave } from "./leaving.ts";
import type { ClientState } from "./state.ts";

/** How long a task that was given back takes up credit, milliseconds. */
const pauseMs = 30_000;

/** Whether a task with this limit (ms, Infinity for none) could still run when the time is up. */
export function isTooLong({ ending: { end } }: ClientState, limitMs: number, now: number): boolean {
  return end !== null && limitMs !== Number.POSITIVE_INFINITY && now + limitMs > end.at;
}

/** Whether it is about to be known how much time is left for a task with this limit (ms, Infinity for none). */
export function isTooEarly({ ending }: ClientState, limitMs: number): boolean {
  return ending.isAsked && limitMs !== Number.POSITIVE_INFINITY;
}

/** Gives back a task whose limit reaches beyond the end. */
export function refuse(
  state: ClientState,
  task: Assignment,
  limitMs: number,
  now: number,
  effects: ClientEffect[],
): void {
  const { ending } = state;
  giveBack(state, [task]);
  ending.refused++;
  if (ending.refusedUntil === Number.POSITIVE_INFINITY) ending.refusedUntil = now + pauseMs;
  note(effects, "debug", () => `Giving back task whose limit reaches beyond the end (${task.id})`);
  if (ending.isTold || ending.end === null) return;
  ending.isTold = true;
  const limit = formatDuration(limitMs / 1000);
  const when = `${formatMoment(ending.end.at)}, when the time of this host is up (${ending.end.source})`;
  note(effects, "warning", `Starting no task that may run beyond ${when}: ${task.id} may take ${limit}`);
}

/** Lets the client ask for others in place of tasks that were given back long enough ago, and leave at the end. */
export function keepTime(state: ClientState, now: number, effects: ClientEffect[]): void {
  const { ending, phase } = state;
  if (now >= ending.refusedUntil) {
    ending.refused = 0;
    ending.refusedUntil = Number.POSITIVE_INFINITY;
    state.owesCredit = true;
  }
  if (ending.end === null || now < ending.end.at || (phase.at !== "joining" && phase.at !== "working")) return;
  const { size } = state.running;
  const rest = size === 0 ? "" : `, ${counted(size, "task")} still ${size === 1 ? "runs" : "run"}`;
  note(effects, "info", `The time of this host is up (${ending.end.source}): no more tasks start${rest}`);
  leave(state, "finish", "the time of its host is up", now, effects);
}

/** When `keepTime` has something to do next, milliseconds; Infinity: never. */
export function nextTime({ ending, phase }: ClientState): number {
  const isHere = phase.at === "joining" || phase.at === "working";
  return Math.min(
    isHere ? (ending.end?.at ?? Number.POSITIVE_INFINITY) : Number.POSITIVE_INFINITY,
    ending.refusedUntil,
  );
}
