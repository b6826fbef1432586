/*
 * Next attempts that this server holds until their pause is over, the first due in front. Knows nothing of clients and
 * of groups.
 */
import type { ClaimedTask } from "../task/task.ts";

/** The largest number of attempts that wait: with as many, no new tasks are claimed. They take 60 MB. */
export const mostDelayed = 100_000;

export interface Delayed {
  readonly task: ClaimedTask;
  /** Milliseconds since 1970. */
  readonly dueAt: number;
}

export interface Delays {
  /** In order from `first` on; what is before it is over. */
  list: Delayed[];
  first: number;
}

/** Nothing that waits. */
export function newDelays(): Delays {
  return { list: [], first: 0 };
}

/** How many attempts wait. */
export function delayedCount({ list, first }: Delays): number {
  return list.length - first;
}

/** Holds an attempt until `dueAt`, milliseconds since 1970. */
export function delay({ list, first }: Delays, task: ClaimedTask, dueAt: number): void {
  // Most have the same pause, so the place is mostly at the end.
  let at = list.length;
  while (at > first && list[at - 1]!.dueAt > dueAt) at--;
  list.splice(at, 0, { task, dueAt });
}

/** When the first of them is due, milliseconds since 1970; infinity when none waits. */
export function nextDueAt({ list, first }: Delays): number {
  return list[first]?.dueAt ?? Number.POSITIVE_INFINITY;
}

/** Takes out the next attempt due at `now` (milliseconds since 1970; infinity: whenever); null: there is none. */
export function takeDue(delays: Delays, now: number): ClaimedTask | null {
  const next = delays.list[delays.first];
  if (next === undefined || next.dueAt > now) return null;
  delays.first++;
  // Half of the list may be over: moving the rest costs each attempt one step.
  if (delays.first * 2 >= delays.list.length) {
    delays.list = delays.list.slice(delays.first);
    delays.first = 0;
  }
  return next.task;
}

/** Takes out those with these ids. */
export function takeDelayed(delays: Delays, ids: { readonly has: (id: string) => boolean }): ClaimedTask[] {
  const left: Delayed[] = [];
  const found: ClaimedTask[] = [];
  for (const each of delays.list.slice(delays.first)) {
    if (ids.has(each.task.id)) found.push(each.task);
    else left.push(each);
  }
  if (found.length > 0) Object.assign(delays, { list: left, first: 0 });
  return found;
}

/** Those that wait, the first due in front. */
export function delayedTasks({ list, first }: Delays): readonly ClaimedTask[] {
  return list.slice(first).map(({ task }) => task);
}
