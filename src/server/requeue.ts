/*
 * Tasks that ask to be run again: they have saved what they did, and exit with the status that the user chose for that
 * (task.requeue_status), mostly because the time of their host is about to end. That costs no attempt.
 *
 * The rule that keeps a task from going round and round: after ten runs in a row of less than ten seconds the next such
 * run is a failure, like one with any other exit status. A run that lasted longer begins the count anew. A client that
 * has less than an hour left, or less than that run took, does not get the task again.
 *
 * As pure as reactor.ts, which calls it.
 */
import type { ClaimedTask, Outcome } from "../task/task.ts";
import { note, type ServerEffect } from "./effects.ts";
import type { ClientEntry, ServerState } from "./state.ts";

/** A run that is over within this time is a short one, milliseconds. */
const shortMs = 10_000;
/** So many short runs in a row may end in this way. */
const mostShort = 10;
/** With less time left than this (ms) a client does not get a task again that has asked to be run again. */
const leastLeftMs = 3_600_000;
/** The largest number of tasks whose runs are counted. A full table starts anew. */
const mostCounted = 100_000;

/**
 * Whether a task asks by its outcome to be run again, and has not asked too often. `now`: milliseconds since 1970, by
 * the clock of this server.
 */
export function isRequest(
  state: ServerState,
  client: ClientEntry,
  outcome: Outcome,
  now: number,
  effects: ServerEffect[],
): boolean {
  const { requeueStatus } = state.settings;
  if (requeueStatus === null || outcome.exitStatus !== requeueStatus) return false;
  if (!mayAsk(state, outcome, effects)) return false;
  if (client.until - now < Math.max(leastLeftMs, tookMs(outcome))) client.spent.add(outcome.id);
  return true;
}

/** Whether the client has too little time left for a task that it has had before. */
export function isSpent({ spent }: ClientEntry, { id }: ClaimedTask): boolean {
  return spent.size > 0 && spent.has(id);
}

function tookMs({ startTime, completionTime }: Outcome): number {
  return completionTime - (startTime ?? completionTime);
}

/** Counts a run that ended in this way. Answers false if it was one too many. */
function mayAsk({ shortRuns }: ServerState, outcome: Outcome, effects: ServerEffect[]): boolean {
  const { id } = outcome;
  const isShort = tookMs(outcome) < shortMs;
  const count = isShort ? (shortRuns.get(id) ?? 0) + 1 : 0;
  shortRuns.delete(id);
  if (count > mostShort) {
    const runs = `after ${mostShort} runs of less than ${shortMs / 1000} seconds`;
    note(effects, "warning", `A task that asks to be run again counts as failed ${runs} in a row (${id})`);
    return false;
  }
  if (shortRuns.size >= mostCounted) shortRuns.clear();
  if (count > 0) shortRuns.set(id, count);
  note(effects, "debug", () => `Task asks to be run again (${id})`);
  return true;
}
