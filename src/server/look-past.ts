/*
 * What a claim leaves out, so that tasks which cannot run now do not keep others from those who could run them. A
 * server holds a window of tasks that wait. If all of these need something for which no client has room, while clients
 * have credit to spare, the store is asked for tasks that need less than any of them, past whatever stands in between.
 *
 * Beside neighbours nothing is kept for which there is no room: it is given back, and what it needs is noted, so that
 * the next claim does not bring it again. As soon as a client has room for it, claims bring it.
 *
 * Such a look may read many rows to find nothing, so it is not repeated before a pause that is ten times as long.
 */
import { type Demand, fits } from "../task/demand.ts";
import type { TooMuch } from "../store/store.ts";
import type { Lane } from "./demands.ts";
import { canMeet } from "./placing.ts";
import { giveBack, type ServerState } from "./state.ts";
import { drainLane, waitingCount } from "./waiting.ts";

/** The least pause between two looks if the first has found nothing, milliseconds. */
const leastPauseMs = 1000;
/** A look takes at most this part of the time: the pause is so many times as long. */
const pauseFactor = 10;
/** The most conditions of one claim. If there are more, simpler ones that leave out more take their place. */
const mostConditions = 8;
/** The most needs that are noted beside neighbours. If there are more, all are forgotten, and found again. */
const mostLeft = 256;
/** If so many tasks wait in lanes, only tasks that need nothing are asked for. */
const mostInLanes = 4096;

/** Gives back what waits in lanes: neighbours may have room for it. */
export function leaveLanes(state: ServerState): void {
  const { lanes, left } = state.demands;
  if (left.size + lanes.size > mostLeft) left.clear();
  for (const lane of lanes.values()) {
    left.set(lane.key, lane);
    for (const task of drainLane(state, lane)) giveBack(state, task);
  }
}

/** What the next claim leaves out beside neighbours. `now`: milliseconds since 1970. */
export function leftOut(state: ServerState, now: number): readonly TooMuch[] {
  const { left } = state.demands;
  if (left.size === 0) return [];
  for (const [key, lane] of left) {
    if (state.neighbours > 0 && !isRoomFor(state, lane, now)) continue;
    left.delete(key);
    // What was found too much a moment ago may be there for the taking.
    state.demands.lookAt = now;
  }
  return leastOf([...left.values()].map(tooMuchOf));
}

function isRoomFor({ willing }: ServerState, lane: Lane, now: number): boolean {
  for (const client of willing)
    if ((client.room === null || fits(client.room, lane.demand)) && canMeet(client, lane, now)) return true;
  return false;
}

/** How to look past what waits here. */
export interface LookPast {
  readonly limit: number;
  readonly tooMuch: readonly TooMuch[];
}

/**
 * Whether, and for what, the store is asked although enough tasks wait: clients have credit that none of these can use.
 * Null: it is of no use, or not yet. `now`: milliseconds since 1970.
 */
export function lookPast(state: ServerState, now: number): LookPast | null {
  const { demands, ready, willing, present, neighbours } = state;
  if (demands.count === 0 || ready.length > 0 || willing.size === 0 || neighbours > 0) return null;
  if (now < demands.lookAt) return null;
  const all = [...demands.lanes.values()].map(tooMuchOf);
  const tooMuch = waitingCount(state) >= mostInLanes ? anything(demands.names) : leastOf(all);
  return { limit: Math.min(present.credit, mostInLanes), tooMuch };
}

/** Notes what came of a claim that left something out. It took `tookMs` (milliseconds) and found `count` tasks. */
export function noteLook(state: ServerState, count: number, tookMs: number, now: number): void {
  const { demands, settings } = state;
  const leastMs = Math.max(leastPauseMs, pauseFactor * tookMs);
  demands.lookMs = count > 0 ? 0 : Math.max(leastMs, Math.min(2 * demands.lookMs, settings.pollMs));
  demands.lookAt = now + demands.lookMs;
}

/** Notes that tasks were added to the store: the next look may find some of them. */
export function lookSooner({ demands }: ServerState, now: number): void {
  demands.lookMs = Math.min(demands.lookMs, leastPauseMs);
  demands.lookAt = Math.min(demands.lookAt, now + demands.lookMs);
}

/**
 * When the store is to be looked at again, past what waits; milliseconds since 1970, infinity: there is no reason, or
 * this step had its chance.
 */
export function lookTime({ demands, willing }: ServerState, now: number): number {
  const isOpen = demands.count + demands.left.size > 0 && willing.size > 0 && demands.lookAt > now;
  return isOpen ? demands.lookAt : Number.POSITIVE_INFINITY;
}

function tooMuchOf({ demand, timeout }: { readonly demand: Demand; readonly timeout: number | null }): TooMuch {
  const { cores, memory, others } = demand;
  return { cores, memory, tags: others === null ? [] : Object.keys(others), timeout: timeout ?? 0 };
}

/** The least of these: whatever needs as much as one of them all needs as much as one of the least. */
export function leastOf(all: readonly TooMuch[]): readonly TooMuch[] {
  const least: TooMuch[] = [];
  for (const each of all.toSorted(bySize)) if (!least.some((other) => isWithin(other, each))) least.push(each);
  return least.length <= mostConditions ? least : simplified(least);
}

/** One that is within another comes before it. */
function bySize(one: TooMuch, other: TooMuch): number {
  return (
    one.tags.length - other.tags.length ||
    one.cores - other.cores ||
    one.memory - other.memory ||
    one.timeout - other.timeout
  );
}

/** Whether whatever needs as much as `other` needs as much as `one`. */
function isWithin(one: TooMuch, other: TooMuch): boolean {
  return (
    one.cores <= other.cores &&
    one.memory <= other.memory &&
    one.timeout <= other.timeout &&
    one.tags.every((tag) => other.tags.includes(tag))
  );
}

const nothing: TooMuch = { cores: 0, memory: 0, tags: [], timeout: 0 };

/** One condition for each kind of need, which leaves out whatever these leave out, and more. */
function simplified(all: readonly TooMuch[]): readonly TooMuch[] {
  const kindOf = ({ cores, memory, tags: [tag] }: TooMuch): string =>
    tag !== undefined ? `tag ${tag}` : cores > 0 ? "cores" : memory > 0 ? "memory" : "timeout";
  return [...Map.groupBy(all, kindOf).values()].map((some): TooMuch => {
    const { cores, memory, tags } = some[0]!;
    const [tag] = tags;
    if (tag !== undefined) return { ...nothing, tags: [tag] };
    if (cores > 0) return { ...nothing, cores: Math.min(...some.map((each) => each.cores)) };
    if (memory > 0) return { ...nothing, memory: Math.min(...some.map((each) => each.memory)) };
    return { ...nothing, timeout: Math.min(...some.map(({ timeout }) => timeout)) };
  });
}

/** Leaves out whatever needs anything. Amounts are whole, or tags. */
function anything(names: ReadonlySet<string>): readonly TooMuch[] {
  return simplified([
    { ...nothing, cores: 1 },
    { ...nothing, memory: 1 },
    ...[...names].map((name) => ({ ...nothing, tags: [name] })),
  ]);
}
