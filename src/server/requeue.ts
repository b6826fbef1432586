/*
 * Tasks that ask to be run again: they have saved what they did, and exit with the status that the user chose for that
 * (task.requeue_status), mostly because the time of their host is about to end. That costs no attempt.
 *
 * The rule that keeps a task from going round and round: after ten runs in a row of less than ten seconds the next such
 * run is a failure, like one with any other exit status. A run that lasted longer begins the count anew.
 *
 * As pure as reactor.ts, which calls it.
 */
import type { Outcome } from "../task/task.ts";
import { note, type ServerEffect } from "./effects.ts";
import type { ServerState } from "./state.ts";

/** A run that is over within this time is a short one, milliseconds. */
const shortMs = 10_000;
/** So many short runs in a row may end in this way. */
const mostShort = 10;
/** The largest number of tasks whose runs are counted. A full table starts anew. */
const mostCounted = 100_000;

/** Whether a task asks by its outcome to be run again, and has not asked too often. */
export function isRequest(state: ServerState, outcome: Outcome, effects: ServerEffect[]): boolean {
  const { requeueStatus } = state.settings;
  return requeueStatus !== null && outcome.exitStatus === requeueStatus && mayAsk(state, outcome, effects);
}

/** Counts a run that ended in this way. Answers false if it was one too many. */
function mayAsk({ shortRuns }: ServerState, outcome: Outcome, effects: ServerEffect[]): boolean {
  const { id, startTime, completionTime } = outcome;
  const isShort = completionTime - (startTime ?? completionTime) < shortMs;
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
