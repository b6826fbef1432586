/*
 * What a run says of itself at its end: how many tasks failed and where to look, and on a terminal the whole of it in
 * one line. Knows numbers and words, no store and no server.
 */
import { counted, formatDuration } from "../base/units.ts";
import type { ServerReport } from "../server/door.ts";
import type { Scope } from "../store/store.ts";

/** How a run went. */
export interface Tally extends Pick<ServerReport, "succeeded" | "failed" | "cancelled" | "retried"> {
  /** Lines of the input that are no tasks; they count as failed. */
  readonly bad: number;
}

/** Where the tasks of a run can be looked at when it is over. */
interface Traces {
  readonly scope: Scope;
  readonly serverId: string;
  /** Whether they are in a database. */
  readonly durable: boolean;
  /** The failure file; `-`: standard output; null: there is none. */
  readonly failures: string | null;
  /** How many lines the failure file lacks, because it could not be written. */
  readonly missing: number;
}

/** Of how many lines nothing is left in the failure file. */
export function describeMissing(missing: number, failures: string): string {
  const place = failures === "-" ? "not printed" : `missing in ${failures}`;
  return `${counted(missing, "line")} ${missing === 1 ? "is" : "are"} ${place}`;
}

/** `15 of 300 tasks failed (where to look)`; null: none did. */
export function describeFailures(tally: Tally, traces: Traces): string | null {
  const { succeeded, failed, cancelled, bad } = tally;
  const lost = failed + bad;
  if (lost === 0) return null;
  const lines = bad === 1 ? "a line that is not a task" : "lines that are not tasks";
  const kinds = failed === 0 || bad === 0 ? "" : `, ${bad} of them ${lines}`;
  const hint = hintOf(tally, traces);
  const look = hint === null ? "" : ` (${hint})`;
  return `${lost} of ${counted(succeeded + cancelled + lost, "task")} failed${kinds}${look}`;
}

function hintOf({ failed, cancelled, retried, bad }: Tally, traces: Traces): string | null {
  const { scope, serverId, durable, failures, missing } = traces;
  if (!durable) {
    if (failures === null) return "with -f FILE the lines of such tasks are kept";
    if (missing > 0) return describeMissing(missing, failures);
    const subject = failed + bad === 1 ? "its line is" : "their lines are";
    return failures === "-" ? null : `${subject} in ${failures}`;
  }
  if (failed === 0) return null;
  // A run of its own submission may have had help from other servers; one that takes any task knows only its own.
  const whose = scope.kind === "submission" ? `submit_id==${scope.id}` : `server_id==${serverId}`;
  // What the option -F finds beside final failures.
  const earlier = retried > 0 ? " retried==false" : "";
  const revoked = cancelled > 0 ? " exit_status!=-1" : "";
  return `hs list -F -w ${whose}${earlier}${revoked}`;
}

/**
 * All of a run in one line; null: nothing was to be done. `left`: the number of tasks that were not run; null: not
 * known. `elapsedMs`: how long the run took, milliseconds.
 */
export function describeRun(
  { succeeded, failed, cancelled, bad }: Tally,
  left: number | null,
  elapsedMs: number,
): string | null {
  const ended = succeeded + failed + cancelled + bad;
  if (ended === 0 && (left ?? 0) === 0) return null;
  const parts = [`${succeeded} succeeded`];
  if (failed + bad > 0) parts.push(`${failed + bad} failed`);
  if (cancelled > 0) parts.push(`${cancelled} cancelled`);
  if (left !== null && left > 0) parts.push(`${left} not run`);
  return `${counted(ended + (left ?? 0), "task")} in ${formatDuration(elapsedMs / 1000)}: ${parts.join(", ")}`;
}
