/*
 * What a server notes for those who look at it: when tasks ended, how long they took, how long commits took, what
 * failed last. It is noted only from the first look on, batch by batch, and has a bounded size. Decides nothing.
 */
import { lineText } from "../base/wordlist.ts";
import type { Completion } from "../store/store.ts";
import { type ClaimedTask, isFailure, type Outcome, sentinel } from "../task/task.ts";
import {
  type Average,
  durationBounds,
  latencyBounds,
  type Meter,
  newAverage,
  newMeter,
  newPace,
  type Pace,
} from "../view/meters.ts";
import type { FailureView } from "../view/view.ts";

/** What a client has done since somebody looks. */
export interface Work {
  ended: number;
  failed: number;
}

/** An outcome that is recorded. `clientId` and `task`: null where they are not known. */
interface Ended {
  readonly clientId: string | null;
  readonly task: ClaimedTask | null;
  readonly outcome: Outcome;
  readonly completion: Completion;
}

/** What is noted from the first look on. */
export interface Sights {
  readonly pace: Pace;
  /** How long tasks took; and of late, on the average, seconds. */
  readonly durations: Meter;
  readonly duration: Average;
  /** How long commits took. */
  readonly latency: Meter;
  /** The last failures, the newest last. */
  readonly failures: FailureView[];
  readonly work: WeakMap<object, Work>;
  /**
   * The client that ran each of the tasks that ended last, by the id of the task, in two maps: the older one is dropped
   * when the newer is full. To delete the oldest of one map took 10 µs for each task.
   */
  ranAt: { newer: Map<string, string>; older: ReadonlyMap<string, string> };
}

/** The largest number of failures that are kept, and of characters that are kept of each. */
const mostFailures = 200;
const mostText = 1000;
/** The largest number of ended tasks in a map that tells who ran them. */
const mostEnded = 5000;

/** Nothing has been seen yet. `now`: milliseconds since 1970. */
export function newSights(now: number): Sights {
  return {
    pace: newPace(now),
    durations: newMeter(durationBounds),
    duration: newAverage(),
    latency: newMeter(latencyBounds),
    failures: [],
    work: new WeakMap(),
    ranAt: { newer: new Map(), older: new Map() },
  };
}

/** Notes outcomes that are recorded. */
export function noteEnds(
  sights: Sights,
  recorded: readonly Ended[],
  clients: ReadonlyMap<string, { readonly id: string }>,
  now: number,
): void {
  let [ended, failed] = [0, 0];
  for (const entry of recorded) {
    const { outcome, completion } = entry;
    const client = entry.clientId === null ? undefined : clients.get(entry.clientId);
    if (client !== undefined) noteClient(sights, client, entry);
    if (outcome.exitStatus === sentinel.cancelled) continue;
    ended++;
    if (completion.duration !== null) {
      sights.durations.add(completion.duration);
      sights.duration.add(completion.duration);
    }
    if (!isFailure(outcome.exitStatus)) continue;
    failed++;
    sights.failures.push(failureOf(entry));
  }
  if (sights.failures.length > mostFailures) sights.failures.splice(0, sights.failures.length - mostFailures);
  if (ended > 0) sights.pace.add(now, ended, failed);
}

/** The client that ran a task which has ended lately; undefined: it is not known. */
export function lastClientOf({ ranAt: { newer, older } }: Sights, id: string): string | undefined {
  return newer.get(id) ?? older.get(id);
}

function noteClient(sights: Sights, client: { readonly id: string }, { outcome }: Ended): void {
  let done = sights.work.get(client);
  if (done === undefined) sights.work.set(client, (done = { ended: 0, failed: 0 }));
  done.ended++;
  if (isFailure(outcome.exitStatus)) done.failed++;
  const { newer } = sights.ranAt;
  newer.set(outcome.id, client.id);
  if (newer.size >= mostEnded) sights.ranAt = { newer: new Map(), older: newer };
}

function failureOf({ outcome, completion, task, clientId }: Ended): FailureView {
  return {
    id: outcome.id,
    text: shownText(outcome.command ?? task?.args ?? ""),
    group: task?.group ?? 0,
    attempt: task?.attempt ?? 1,
    host: completion.clientHost,
    clientId,
    startTime: outcome.startTime,
    exitStatus: outcome.exitStatus,
    completionTime: outcome.completionTime,
    duration: completion.duration,
  };
}

/** The beginning of a command or a line, as people see it. */
export function shownText(text: string): string {
  return lineText(text.length > mostText ? text.slice(0, mostText) : text);
}
