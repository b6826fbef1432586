/*
 * Which client gets a task that needs something. The rule:
 *
 * 1. A task goes only to a client whose whole capacity can meet it, and whose time is not up before the task's timeout.
 *    There it waits for nothing: it is sent when there is room for it now. The oldest task for which there is room goes
 *    first, whatever older ones do not fit, so a large task holds up nobody.
 * 2. It is passed over by as many younger tasks as the clients here run at once, not more. Then it is sent to a client
 *    that can meet it although there is no room. The client has less than no room from then on: it gets no other task
 *    that needs something before this one has begun. Its pool lets others go ahead only if they do not delay it.
 * 3. Clients of short tasks ask for more than they run at once (client/report.ts). So many, and no more, are sent
 *    beyond what there is room for, so that a client is not idle while it waits for the next.
 * 4. If there is only one client it gets as many tasks that wait over there as it has executors, in the order of
 *    submission: its pool can choose among them, and whoever comes later finds the rest here. Only the client in the
 *    process of the server gets whatever it can ever run, as far as its credit goes: nobody comes beside it.
 *
 * Tasks that need nothing take part in the order of submission, and nothing else here concerns them.
 *
 * Knows nothing of credit, messages and leases: dispatch.ts sends what is picked here. All is decided by what waits and
 * by what clients hold; what no client can ever meet is the matter of unmet.ts.
 */
import { fits, type Lack, lackOf, release, take } from "../task/demand.ts";
import type { ClaimedTask } from "../task/task.ts";
import type { Lane } from "./demands.ts";
import { isLacking } from "./places.ts";
import { isSpent } from "./requeue.ts";
import { type ClientEntry, isLocal, type ServerState, weightOf } from "./state.ts";
import { shiftLane, unshiftLane } from "./waiting.ts";

/** Of what the client could never have enough for the tasks of a lane; null: it could meet them. */
export function everLacks({ capacity }: ClientEntry, { demand }: Lane): Lack | null {
  return capacity === null ? null : lackOf(capacity, demand);
}

/** Whether the client could run a task of the lane, if it had nothing else to do. `now`: milliseconds since 1970. */
export function canMeet(client: ClientEntry, lane: Lane, now: number): boolean {
  return isInTime(client, lane, now) && everLacks(client, lane) === null;
}

/** Whether the time of the client reaches as far as the time limit of these tasks. */
export function isInTime({ until }: ClientEntry, { timeout }: Lane, now: number): boolean {
  return timeout === null || now + timeout * 1000 <= until;
}

/** Whether there is room for a task of the lane at the client, now. */
function hasRoom({ room }: ClientEntry, { demand }: Lane): boolean {
  return room === null || fits(room, demand);
}

/** Whether more was sent to the client than there is room for. */
function isOverdrawn({ room }: ClientEntry): boolean {
  if (room === null) return false;
  if (room.cores < 0 || room.memory < 0) return true;
  for (const amount of room.others.values()) if (amount < 0) return true;
  return false;
}

/** How many more tasks a client may hold that wait over there for those that run. */
function spare(state: ServerState, client: ClientEntry): number {
  if (state.clients.size > 1) return 0;
  return isLocal(state) ? Number.POSITIVE_INFINITY : Math.max(0, client.executors - client.extra);
}

/** How much a pick may take. */
export interface Measure {
  readonly count: number;
  /** How much memory the tasks may take here, bytes, as weightOf tells it; the last one may be larger. */
  readonly weight: number;
}

/**
 * Takes tasks for a client out of what waits: those for which it has room now, and those that need nothing, the oldest
 * first. `now`: milliseconds since 1970.
 */
export function pickFitting(state: ServerState, client: ClientEntry, measure: Measure, now: number): ClaimedTask[] {
  const beyond = spare(state, client);
  const { picked, waiting } = pick(state, client, measure, beyond, now);
  if (beyond !== Number.POSITIVE_INFINITY) client.extra += waiting;
  return picked;
}

/**
 * Takes tasks for a client out of what waits, beyond what it has room for: as many as it asked for besides those that
 * it runs at once.
 */
export function pickAhead(state: ServerState, client: ClientEntry, measure: Measure, now: number): ClaimedTask[] {
  const ahead = client.held.size + client.credit - client.executors - client.extra;
  if (ahead <= 0) return [];
  const { picked } = pick(state, client, measure, ahead, now);
  client.extra += picked.length;
  return picked;
}

/** The order in which tasks go: that of their submission, but eager retries before all others. */
function isBefore(one: ClaimedTask, other: ClaimedTask, eager: boolean): boolean {
  if (eager && one.attempt > 1 !== other.attempt > 1) return one.attempt > 1;
  return one.submitTime < other.submitTime || (one.submitTime === other.submitTime && one.id < other.id);
}

interface Picked {
  readonly picked: ClaimedTask[];
  /** For how many of them the client has no room now. */
  readonly waiting: number;
}

/** Takes tasks out of their queues for a client. At most `beyond` of them are tasks for which it has no room. */
function pick(state: ServerState, client: ClientEntry, measure: Measure, beyond: number, now: number): Picked {
  const { ready, places, settings } = state;
  const lanes = [...state.demands.lanes.values()].filter((lane) => canMeet(client, lane, now));
  const picked: ClaimedTask[] = [];
  /** Those of them that need something, with their lanes. */
  const taken: { readonly task: ClaimedTask; readonly lane: Lane }[] = [];
  const passed: { readonly task: ClaimedTask; readonly lane: Lane | null }[] = [];
  let { weight } = measure;
  let waiting = 0;
  while (picked.length < measure.count && weight > 0) {
    let task = ready.peek();
    let lane: Lane | null = null;
    for (const each of lanes) {
      const first = each.tasks.peek();
      if (first === undefined || (waiting >= beyond && !hasRoom(client, each))) continue;
      if (task === undefined || isBefore(first, task, settings.eager)) [task, lane] = [first, each];
    }
    if (task === undefined) break;
    if (lane === null) ready.shift();
    else shiftLane(state, lane);
    if ((places.lacked.size > 0 && isLacking(state, client, task)) || isSpent(client, task)) {
      passed.push({ task, lane });
      continue;
    }
    if (lane !== null) {
      if (!hasRoom(client, lane)) waiting++;
      // Until it is held, what it takes is noted here.
      if (client.room !== null) take(client.room, lane.demand);
      taken.push({ task, lane });
    }
    picked.push(task);
    weight -= weightOf(task);
  }
  for (const { lane } of taken) if (client.room !== null) release(client.room, lane.demand);
  for (const { task, lane } of passed.toReversed()) {
    if (lane === null) ready.unshift(task);
    else unshiftLane(state, lane, task);
  }
  if (taken.length > 0) notePassed(lanes, taken, settings.eager);
  return { picked, waiting };
}

/** Notes that tasks which need something went ahead of older ones that their client could have met. */
function notePassed(lanes: readonly Lane[], taken: readonly { readonly task: ClaimedTask }[], eager: boolean): void {
  for (const lane of lanes) {
    const first = lane.tasks.peek();
    if (first === undefined) continue;
    for (const { task } of taken) if (isBefore(first, task, eager)) lane.passed++;
  }
}

/** A task whose turn it is, and the client that lets others wait for it. */
export interface Due {
  readonly client: ClientEntry;
  readonly task: ClaimedTask;
}

/** Takes a task that was passed over often enough out of its lane; null: there is none that can go now. */
export function takePassedOver(state: ServerState, now: number): Due | null {
  if (state.clients.size === 1 && isLocal(state)) return null;
  for (const lane of state.demands.lanes.values()) {
    if (lane.passed < Math.max(1, state.present.executors)) continue;
    const task = lane.tasks.peek();
    if (task === undefined) continue;
    const client = emptiest(state, lane, task, now);
    if (client === null) continue;
    shiftLane(state, lane);
    if (!hasRoom(client, lane)) client.extra++;
    return { client, task };
  }
  return null;
}

/** The client for which the task has to wait for least; null: none has credit that is not waiting for another such. */
function emptiest(state: ServerState, lane: Lane, task: ClaimedTask, now: number): ClientEntry | null {
  let best: ClientEntry | null = null;
  let least = Number.POSITIVE_INFINITY;
  for (const client of state.willing) {
    if (isOverdrawn(client) || !canMeet(client, lane, now)) continue;
    if ((state.places.lacked.size > 0 && isLacking(state, client, task)) || isSpent(client, task)) continue;
    const share = missingShare(client, lane);
    if (share < least) [best, least] = [client, share];
  }
  return best;
}

/** How much of what a task needs is taken at the client: 0 nothing, 1 all of one resource. */
function missingShare({ room }: ClientEntry, { demand }: Lane): number {
  if (room === null) return 0;
  const share = (need: number, free: number): number =>
    need === 0 || need <= free ? 0 : (need - Math.max(0, free)) / need;
  let most = Math.max(share(demand.cores, room.cores), share(demand.memory, room.memory));
  for (const name in demand.others) most = Math.max(most, share(demand.others[name]!, room.others.get(name) ?? 0));
  return most;
}
