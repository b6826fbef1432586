/*
 * Tasks that wait for a client: those that any client can run in the queue `ready`, those that need something of it in
 * lanes, one for each different need. Whoever puts tasks there, looks for them or takes them away does it here; only
 * dispatch.ts and placing.ts take some to hand them out.
 *
 * Does not know which client a task is for, nor why a task is given back.
 */
import { deque } from "../base/deque.ts";
import { type Demand, demandOf } from "../task/demand.ts";
import type { ClaimedTask } from "../task/task.ts";
import { delayedCount, takeDelayed } from "./delays.ts";
import type { Lane } from "./demands.ts";
import { giveBack, type ServerState } from "./state.ts";

/** What a task needs that can only wait for the end of a client's time. */
const nothing: Demand = { cores: 0, memory: 0, others: null };

/** How many tasks wait for a client. */
export function waitingCount({ ready, demands }: ServerState): number {
  return ready.length + demands.count;
}

/** Lets a task wait for a client, behind those that wait already. */
export function enqueue(state: ServerState, task: ClaimedTask): void {
  const lane = laneOf(state, task);
  if (lane === null) return state.ready.push(task);
  lane.tasks.push(task);
  state.demands.count++;
}

/** Lets a task wait for a client, before all others that need the same. */
export function enqueueFirst(state: ServerState, task: ClaimedTask): void {
  const lane = laneOf(state, task);
  if (lane === null) return state.ready.unshift(task);
  lane.tasks.unshift(task);
  state.demands.count++;
}

/** The lane for a task; null: any client can run it. */
function laneOf({ demands }: ServerState, task: ClaimedTask): Lane | null {
  const demand = demandOf(task, demands.names);
  const timeout = demands.isTimed ? task.timeout : null;
  if (demand === null && timeout === null) return null;
  if (demand !== null) demands.isAny = true;
  const key = keyOf(demand ?? nothing, timeout);
  let lane = demands.lanes.get(key);
  if (lane === undefined) {
    lane = { key, demand: demand ?? nothing, timeout, tasks: deque(), passed: 0, unmetSince: null, reviewed: -1 };
    demands.lanes.set(key, lane);
  }
  return lane;
}

/** A text that two needs have in common only if they are the same. `timeout`: seconds; null: none. */
function keyOf({ cores, memory, others }: Demand, timeout: number | null): string {
  const start = `${cores} ${memory} ${timeout ?? ""}`;
  if (others === null) return start;
  const names = Object.keys(others).toSorted();
  return `${start} ${names.map((name) => `${name}:${others[name]}`).join(" ")}`;
}

/** Takes the first task of a lane. The lane goes with its last one. */
export function shiftLane({ demands }: ServerState, lane: Lane): ClaimedTask | undefined {
  const task = lane.tasks.shift();
  if (task === undefined) return undefined;
  demands.count--;
  lane.passed = 0;
  if (lane.tasks.length === 0) demands.lanes.delete(lane.key);
  return task;
}

/** Puts back the task that was just taken from a lane. */
export function unshiftLane({ demands }: ServerState, lane: Lane, task: ClaimedTask): void {
  lane.tasks.unshift(task);
  demands.count++;
  demands.lanes.set(lane.key, lane);
}

/** Takes all tasks of a lane. */
export function drainLane({ demands }: ServerState, lane: Lane): readonly ClaimedTask[] {
  demands.lanes.delete(lane.key);
  demands.count -= lane.tasks.length;
  return lane.tasks.drain();
}

/** Takes all tasks that wait for a client, in the order in which they came as far as that is known. */
export function drainWaiting(state: ServerState): readonly ClaimedTask[] {
  const tasks = state.ready.drain();
  if (state.demands.count === 0) return tasks;
  for (const lane of state.demands.lanes.values()) tasks.push(...drainLane(state, lane));
  return tasks.sort((one, other) => one.submitTime - other.submitTime);
}

/** Everything that waits for a client. Nothing may be added or taken meanwhile. */
export function* waitingTasks({ ready, demands }: ServerState): Iterable<ClaimedTask> {
  yield* ready.values();
  if (demands.count > 0) for (const { tasks } of demands.lanes.values()) yield* tasks.values();
}

/** Sorts anew what waits: what counts as a need has changed. */
export function refile(state: ServerState): void {
  for (const task of drainWaiting(state)) enqueue(state, task);
}

/** Gives back the tasks of higher groups than this that wait for a client here: others go first. */
export function giveBackAbove(state: ServerState, group: number): void {
  if (waitingCount(state) === 0 || state.group === null || state.group <= 0) return;
  takeOut(state, (task) => {
    if (task.group <= group) return false;
    giveBack(state, task);
    return true;
  });
}

/** Takes those of the tasks that wait here, for a client or for their time. Answers them by id. */
export function withdraw(
  state: ServerState,
  ids: { readonly has: (id: string) => boolean },
): ReadonlyMap<string, ClaimedTask> {
  const found = new Map<string, ClaimedTask>();
  for (const task of waitingTasks(state)) if (ids.has(task.id)) found.set(task.id, task);
  if (found.size > 0) takeOut(state, ({ id }) => found.has(id));
  if (delayedCount(state.delays) > 0) for (const task of takeDelayed(state.delays, ids)) found.set(task.id, task);
  return found;
}

/** Takes the tasks out of their queues of which `isOut` says so. The others stay in their order. */
function takeOut(state: ServerState, isOut: (task: ClaimedTask) => boolean): void {
  for (const task of state.ready.drain()) if (!isOut(task)) state.ready.push(task);
  const { demands } = state;
  for (const lane of demands.lanes.values()) {
    const first = lane.tasks.peek();
    for (const task of lane.tasks.drain()) {
      if (isOut(task)) demands.count--;
      else lane.tasks.push(task);
    }
    if (lane.tasks.peek() !== first) lane.passed = 0;
    if (lane.tasks.length === 0) demands.lanes.delete(lane.key);
  }
}
