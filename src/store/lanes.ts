/*
 * The tasks of one group that wait in a store in memory, and the order in which they are taken: that of insertion,
 * next attempts first if they are wanted first. Knows neither groups nor whose tasks these are.
 */
import type { Deque } from "../base/deque.ts";
import type { NewTask } from "../task/task.ts";

/** An unfinished task. */
export interface Entry {
  readonly task: NewTask;
  /** Number in order of insertion. */
  readonly place: number;
  /** The server that holds the task; null while the task waits. */
  serverId: string | null;
  /** When the claim that holds the task was made (milliseconds since 1970); 0 while the task waits. */
  scheduleTime: number;
}

/** The tasks of one group that wait, each list in order of insertion. */
export interface Lane {
  readonly first: Deque<Entry>;
  readonly retries: Deque<Entry>;
  /** Tasks that were given back. They are sorted when next needed, with the last place first. */
  returned: Entry[];
  sorted: boolean;
}

/**
 * Takes at most `limit` waiting tasks that match, in order; with `eager`, next attempts first. Other tasks stay where
 * they are.
 */
export function takeNext(lane: Lane, limit: number, eager: boolean, mine: (entry: Entry) => boolean): Entry[] {
  if (!lane.sorted) {
    lane.returned.sort((left, right) => right.place - left.place);
    lane.sorted = true;
  }
  const taken: Entry[] = [];
  const others: Entry[] = [];
  if (eager) collectRetries(lane);
  while (taken.length < limit) {
    const entry = shiftNext(lane, eager);
    if (entry === undefined) break;
    (mine(entry) ? taken : others).push(entry);
  }
  if (others.length > 0) {
    lane.returned.push(...others);
    lane.sorted = false;
  }
  return taken;
}

/** Whether no task waits there. */
export function isEmpty(lane: Lane): boolean {
  return lane.first.length === 0 && lane.retries.length === 0 && lane.returned.length === 0;
}

/** Moves next attempts that were given back to the list of next attempts. */
function collectRetries(lane: Lane): void {
  const again = lane.returned.filter((entry) => entry.task.attempt > 1);
  if (again.length === 0) return;
  lane.returned = lane.returned.filter((entry) => entry.task.attempt === 1);
  again.push(...lane.retries.drain());
  again.sort((left, right) => left.place - right.place);
  for (const entry of again) lane.retries.push(entry);
}

/** Removes the next task in order of insertion; with `eager`, a next attempt if there is one. */
function shiftNext(lane: Lane, eager: boolean): Entry | undefined {
  const retry = lane.retries.shift();
  if (eager && retry !== undefined) return retry;
  const first = lane.first.shift();
  const returned = lane.returned.at(-1);
  let next = first;
  if (retry !== undefined && (next === undefined || retry.place < next.place)) next = retry;
  if (returned !== undefined && (next === undefined || returned.place < next.place)) next = returned;
  if (retry !== undefined && next !== retry) lane.retries.unshift(retry);
  if (first !== undefined && next !== first) lane.first.unshift(first);
  if (next === returned) lane.returned.pop();
  return next;
}
