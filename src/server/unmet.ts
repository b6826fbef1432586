/*
 * Tasks that no client here could ever run, because they need more than the largest has. In a run whose clients are one
 * in this process that is known at once: such a task ends with status -3. Where other clients may come, the task waits
 * for them:
 *
 *    clients may come at any time (--forever)       for ever; one warning tells of it
 *    other servers have the same database           it is left to them, and to their clients
 *    otherwise                                      for the time of grace (server.grace) after the last client came
 *
 * What is no amount (`gpus:many`) nobody will ever have: the task ends at once.
 *
 * A task that is only too long for the time that clients have left never ends so: a later run has more time. When
 * nothing else is left to do, a run that would end such tasks for what they need ends without them (isStranded).
 *
 * Does not know which client gets what (placing.ts), nor how an outcome gets into the store (outcomes.ts).
 */
import { formatDuration } from "../base/units.ts";
import { describeLack, type Lack } from "../task/demand.ts";
import type { Lane } from "./demands.ts";
import { note, type ServerEffect } from "./effects.ts";
import { endUnmet } from "./outcomes.ts";
import { canMeet, everLacks, isInTime } from "./placing.ts";
import type { ClaimedTask } from "../task/task.ts";
import { isSpent } from "./requeue.ts";
import { isLocal, type ServerState } from "./state.ts";
import { drainLane } from "./waiting.ts";

/** The most needs that one line of the log names. */
const mostNamed = 3;

/** Looks at what waits here for a client that has enough, and ends what waits in vain. */
export function reviewUnmet(state: ServerState, now: number, effects: ServerEffect[]): void {
  const { demands, clients } = state;
  if (demands.count === 0 && !demands.isTold) return;
  // Without any client, nothing is known that was not known before.
  if (state.phase.at !== "running" || clients.size === 0) return;
  const unmet: Lane[] = [];
  for (const lane of demands.lanes.values()) if (isUnmet(state, lane, now)) unmet.push(lane);
  if (unmet.length === 0) {
    // What was left to neighbours is still unmet.
    if (demands.left.size === 0) demands.isTold = false;
    return;
  }
  const late = unmet.filter((lane) => isLate(state, lane));
  if (late.length > 0) tellOfLate(state, late[0]!, now, effects);
  const waiting = unmet.filter((lane) => !late.includes(lane) && !endIfVain(state, lane, now, effects));
  if (waiting.length > 0 && !demands.isTold) {
    demands.isTold = true;
    tellOf(state, waiting, now, effects);
  }
}

/** When some task is known to wait in vain, milliseconds since 1970, as is `now`; infinity: there is none. */
export function unmetTime(state: ServerState, now: number): number {
  let at = Number.POSITIVE_INFINITY;
  const { demands, clients, row } = state;
  if (demands.count === 0 || clients.size === 0 || row !== "known" || mayComeAtAnyTime(state)) return at;
  for (const { unmetSince } of demands.lanes.values())
    if (unmetSince !== null && givenUpAt(state, unmetSince) > now) at = Math.min(at, givenUpAt(state, unmetSince));
  return at;
}

/** Whether no client that is here could ever run the tasks of the lane. It is found out when clients come or go. */
function isUnmet({ clients, demands }: ServerState, lane: Lane, now: number): boolean {
  // Time goes by without them.
  if (lane.reviewed === demands.round && lane.timeout === null) return lane.unmetSince !== null;
  lane.reviewed = demands.round;
  for (const client of clients.values()) {
    if (!canMeet(client, lane, now)) continue;
    lane.unmetSince = null;
    return false;
  }
  lane.unmetSince ??= now;
  return true;
}

function mayComeAtAnyTime(state: ServerState): boolean {
  return !isLocal(state) && (state.settings.mayGrow || state.neighbours > 0);
}

function givenUpAt({ demands, settings }: ServerState, unmetSince: number): number {
  return Math.max(unmetSince, demands.cameAt) + settings.graceMs;
}

/** Ends the tasks of a lane if nobody will ever run them. Answers whether they are ended. */
function endIfVain(state: ServerState, lane: Lane, now: number, effects: ServerEffect[]): boolean {
  const isAmount = Object.values(lane.demand.others ?? {}).every((amount) => !Number.isNaN(amount));
  if (isAmount && mayWait(state, lane, now)) return false;
  const why = describeLack(smallestLack(state, lane, now));
  for (const task of drainLane(state, lane)) {
    note(effects, "error", `Insufficient resources for task (${task.id}): ${why} (cancelled)`);
    endUnmet(state, task, now);
  }
  return true;
}

/** Whether a client may still come that could run the tasks of a lane that is unmet. */
function mayWait(state: ServerState, { unmetSince }: Lane, now: number): boolean {
  return !isLocal(state) && (mayComeAtAnyTime(state) || now < givenUpAt(state, unmetSince ?? now));
}

/** Whether some client has all that the tasks of a lane need, but for the time. */
function isLate({ clients }: ServerState, lane: Lane): boolean {
  for (const client of clients.values()) if (everLacks(client, lane) === null) return true;
  return false;
}

/** Whether all that waits here takes longer than the clients have time, and none may come that has more. */
export function isStranded(state: ServerState, now: number): boolean {
  const { demands, ready, clients } = state;
  if (demands.count + ready.length === 0 || clients.size === 0) return false;
  for (const task of ready.values()) if (!isSpentEverywhere(state, task, now)) return false;
  for (const lane of demands.lanes.values()) {
    if (isUnmet(state, lane, now) && !mayWait(state, lane, now) && isLate(state, lane)) continue;
    for (const task of lane.tasks.values()) if (!isSpentEverywhere(state, task, now)) return false;
  }
  return true;
}

/** Whether a task has told every client that is here that its time is too short, and no other may come. */
function isSpentEverywhere(state: ServerState, task: ClaimedTask, now: number): boolean {
  for (const client of state.clients.values()) if (!isSpent(client, task)) return false;
  return isLocal(state) || (!mayComeAtAnyTime(state) && now >= givenUpAt(state, 0));
}

/** What the client lacks that comes nearest to what these tasks need. */
function smallestLack({ clients }: ServerState, lane: Lane, now: number): Lack {
  let smallest: Lack = { name: "clients", have: 0, need: 1 };
  let most = Number.NEGATIVE_INFINITY;
  for (const client of clients.values()) {
    const timeLeft = Math.max(0, Math.floor((client.until - now) / 1000));
    const inTime = isInTime(client, lane, now) ? null : { name: "timeout", have: timeLeft, need: lane.timeout ?? 0 };
    const lack = everLacks(client, lane) ?? inTime;
    if (lack === null) continue;
    const share = Number.isNaN(lack.need) ? -1 : lack.have / lack.need;
    if (share > most) [smallest, most] = [lack, share];
  }
  return smallest;
}

/** Says once that tasks wait for a client with more time. */
function tellOfLate(state: ServerState, lane: Lane, now: number, effects: ServerEffect[]): void {
  const first = lane.tasks.peek();
  if (state.demands.isLateTold || first === undefined) return;
  state.demands.isLateTold = true;
  const ends = [...state.clients.values()].map(({ until }) => until);
  const left = formatDuration(Math.max(0, Math.floor((Math.max(...ends) - now) / 1000)));
  const why = `${first.id} may take ${formatDuration(lane.timeout ?? 0)}, and ${left} is left`;
  note(effects, "warning", `Starting no task that may run beyond the time of its client: ${why}`);
}

/** Says once that tasks wait, and for what. */
function tellOf(state: ServerState, lanes: readonly Lane[], now: number, effects: ServerEffect[]): void {
  const needs = lanes.slice(0, mostNamed).map((lane) => {
    const first = lane.tasks.peek();
    return `${describeLack(smallestLack(state, lane, now))}${first === undefined ? "" : ` (${first.id})`}`;
  });
  const what = `${needs.join(", ")}${lanes.length > mostNamed ? " and others" : ""}`;
  const { graceMs, mayGrow } = state.settings;
  if (mayGrow) {
    note(effects, "warning", `Tasks wait for a client that is large enough: ${what} - all others go on`);
    return;
  }
  if (state.neighbours > 0) {
    note(effects, "warning", `Tasks are left to other servers, because no client here is large enough: ${what}`);
    return;
  }
  note(effects, "warning", `Waiting up to ${graceMs / 1000} s for a client that is large enough: ${what}`);
}
