/*
 * What the tasks of a client ask of its host, and which of those that wait may start: cores, memory, and whatever else
 * is counted there by name. Only tasks that ask for something come here. No I/O and no clock: whoever asks says what
 * time it is.
 *
 * The rule. The task that has waited longest starts as soon as what it asks for is free. While it is not, a later task
 * may start before it (backfill) that fits in what is free, has a time limit, and reaches that before the first task
 * could start: when those of the running tasks that have a limit, in the order in which they reach it, have left
 * enough. So nobody waits longer for one that came later.
 *
 * Priority. A task that is passed over rises by one, and the highest goes first. Whoever starts passes over all that
 * came before it and still wait, so these keep their order and stay ahead of all that come later: the order of priority
 * is the order in which they came, and nothing needs to be counted.
 */
import { assert } from "../base/assert.ts";
import { type Deque, deque } from "../base/deque.ts";
import { builtInResources, type Capacity, type Demand, fits, gpus, type Room } from "../task/demand.ts";
import { release as giveBack, roomOf, take } from "../task/demand.ts";
import type { Assignment } from "../task/task.ts";
import { type Devices, newDevices } from "./devices.ts";

/** A task that waits, or that has just been chosen. */
export interface Waiting {
  readonly task: Assignment;
  readonly demand: Demand;
  /** The time limit that it will have, milliseconds; Infinity: none. */
  readonly limitMs: number;
  /** Its place in the order: the lower one came first. */
  readonly place: number;
  /** Whether it waits no more. It may still stand in a queue, where it is passed by. */
  isGone: boolean;
  /** How long the first of those that wait may have to wait yet, milliseconds; null: this one passes over nobody. */
  passesMs: number | null;
}

/** A task that holds what it asked for. */
interface Holder {
  readonly demand: Demand;
  /** The running task, which knows when it reaches its limit. */
  readonly running: { readonly deadline: number };
}

/** Waiting tasks that ask for the same and have the same limit. Any of them will do, so only the first is looked at. */
interface Kind {
  readonly demand: Demand;
  readonly limitMs: number;
  readonly queue: Deque<Waiting>;
}

export interface Pool {
  readonly capacity: Capacity;
  /** The names of resources. */
  readonly names: ReadonlySet<string>;
  /** What is free. */
  readonly room: Room;
  /** Which task has which GPUs: two halves that are free on two of them are not one. */
  readonly devices: Devices;
  /** What holds something, by task. */
  readonly holders: Map<string, Holder>;
  /** All that wait, the first first. */
  readonly line: Deque<Waiting>;
  /** Those of them that have a limit, by what they ask for and their limit. */
  readonly kinds: Map<string, Kind>;
  /** How many wait. */
  waiting: number;
  /** The places of the task that comes next, and of the one that was put back last at the front. */
  readonly places: { last: number; first: number };
  /** Whether none of those that wait may start before something changes. */
  isSettled: boolean;
  /** How long the first has to wait, milliseconds, as it was worked out at `at`; null: it has to be worked out anew. */
  opening: { readonly at: number; readonly ms: number } | null;
}

/** A pool with all of this free, and nobody in it. `resources`: more names of resources, of which nothing is here. */
export function newPool(capacity: Capacity, resources: Iterable<string> = []): Pool {
  // What a host has is found out when the first task asks for something: most runs have none.
  let room: Room | null = null;
  let devices: Devices | null = null;
  return {
    capacity,
    names: new Set([...builtInResources, ...resources, ...Object.keys(capacity.others)]),
    get room() {
      return (room ??= roomOf(capacity));
    },
    get devices() {
      return (devices ??= newDevices(Math.floor(capacity.others[gpus] ?? 0)));
    },
    holders: new Map(),
    line: deque(),
    kinds: new Map(),
    waiting: 0,
    places: { last: 0, first: 0 },
    isSettled: true,
    opening: null,
  };
}

/**
 * Lets a task come that asks for no more than there is in all. Answers it if it may start at once; null: it waits.
 * `limitMs`: its time limit, milliseconds, Infinity for none. `now`: milliseconds. It is called after `next` has
 * answered null.
 */
export function arrive(pool: Pool, task: Assignment, demand: Demand, limitMs: number, now: number): Waiting | null {
  assert(pool.isSettled || pool.waiting === 0, "those that wait are asked before those that come");
  const { places } = pool;
  const waiting: Waiting = { task, demand, limitMs, place: places.last++, isGone: false, passesMs: null };
  const isFirst = pool.waiting === 0;
  if (isFree(pool, demand) && (isFirst || isBackfill(pool, limitMs, now))) {
    waiting.isGone = true;
    if (!isFirst) waiting.passesMs = openingMs(pool, now);
    return waiting;
  }
  if (isFirst) {
    pool.isSettled = true;
    pool.opening = null;
  }
  pool.waiting++;
  pool.line.push(waiting);
  if (isLimited(waiting)) kindOf(pool, waiting).queue.push(waiting);
  return null;
}

/** Puts back a chosen task, which did not start, in front of all others. `limitMs` as in `arrive`. */
export function putBack(pool: Pool, task: Assignment, demand: Demand, limitMs: number): void {
  const { places } = pool;
  const waiting: Waiting = { task, demand, limitMs, place: --places.first, isGone: false, passesMs: null };
  pool.waiting++;
  pool.line.unshift(waiting);
  if (isLimited(waiting)) kindOf(pool, waiting).queue.unshift(waiting);
  lookAnew(pool);
}

function isLimited({ limitMs }: { readonly limitMs: number }): boolean {
  return limitMs !== Number.POSITIVE_INFINITY;
}

function kindOf({ kinds }: Pool, { demand, limitMs }: Waiting): Kind {
  const { cores, memory, others } = demand;
  const key = `${limitMs} ${cores} ${memory} ${others === null ? "" : JSON.stringify(others)}`;
  let kind = kinds.get(key);
  if (kind === undefined) {
    kind = { demand, limitMs, queue: deque() };
    kinds.set(key, kind);
  }
  return kind;
}

/** Notes that something has changed: some of those that wait may be able to start. */
export function lookAnew(pool: Pool): void {
  pool.isSettled = false;
  pool.opening = null;
}

/** Takes the next of those that wait that may start now; null: none may. `now`: milliseconds. */
export function next(pool: Pool, now: number): Waiting | null {
  if (pool.isSettled) return null;
  const first = firstOf(pool.line);
  const isFirst = first === undefined || isFree(pool, first.demand);
  const chosen = isFirst ? first : backfill(pool, now);
  if (chosen === undefined) {
    pool.isSettled = true;
    return null;
  }
  chosen.isGone = true;
  pool.waiting--;
  if (isFirst) pool.opening = null;
  else chosen.passesMs = openingMs(pool, now);
  tidy(pool);
  return chosen;
}

/** The first of a queue that still waits. Those before it are taken out. */
function firstOf(queue: Deque<Waiting>): Waiting | undefined {
  for (;;) {
    const waiting = queue.shift();
    if (waiting?.isGone === true) continue;
    if (waiting !== undefined) queue.unshift(waiting);
    return waiting;
  }
}

/** The earliest of those that may start before the first; undefined: none may. */
function backfill(pool: Pool, now: number): Waiting | undefined {
  let earliest: Waiting | undefined;
  for (const [key, { demand, limitMs, queue }] of pool.kinds) {
    const waiting = firstOf(queue);
    if (waiting === undefined) pool.kinds.delete(key);
    else if (earliest !== undefined && waiting.place > earliest.place) continue;
    else if (isFree(pool, demand) && isBackfill(pool, limitMs, now)) earliest = waiting;
  }
  return earliest;
}

/** Whether all that a task asks for is free. */
function isFree({ room, devices }: Pool, demand: Demand): boolean {
  if (!fits(room, demand)) return false;
  const amount = demand.others?.[gpus] ?? 0;
  return amount === 0 || devices.fits(amount);
}

/** Whether a task with this limit is over before the first of those that wait could start. */
function isBackfill(pool: Pool, limitMs: number, now: number): boolean {
  return limitMs !== Number.POSITIVE_INFINITY && limitMs < openingMs(pool, now);
}

/**
 * How long the first of those that wait has to wait at most, milliseconds. -Infinity: nobody can say, because tasks
 * without a limit hold what it needs.
 */
function openingMs(pool: Pool, now: number): number {
  if (pool.opening?.at !== now) pool.opening = { at: now, ms: findOpening(pool, now) };
  return pool.opening.ms;
}

function findOpening({ line, holders, room }: Pool, now: number): number {
  const first = firstOf(line);
  if (first === undefined) return Number.NEGATIVE_INFINITY;
  const limited = [...holders.values()].filter(({ running }) => running.deadline !== Number.POSITIVE_INFINITY);
  limited.sort((a, b) => a.running.deadline - b.running.deadline);
  const then: Room = { ...room, others: new Map(room.others) };
  for (const { demand, running } of limited) {
    giveBack(then, demand);
    if (fits(then, first.demand)) return running.deadline - now;
  }
  return Number.NEGATIVE_INFINITY;
}

/** Forgets those that wait no more when they are more than the others. */
function tidy(pool: Pool): void {
  const { line, waiting, kinds } = pool;
  if (line.length < 64 || line.length < 2 * waiting) return;
  kinds.clear();
  for (const each of line.drain()) {
    if (each.isGone) continue;
    line.push(each);
    if (isLimited(each)) kindOf(pool, each).queue.push(each);
  }
}

/**
 * Notes that a chosen task starts: it holds what it asked for until `release`. Answers which GPUs it has, by their
 * positions in the list of this host; null: it asked for none.
 */
export function hold(
  { room, devices, holders }: Pool,
  { task, demand }: Waiting,
  running: { readonly deadline: number },
): readonly number[] | null {
  take(room, demand);
  holders.set(task.id, { demand, running });
  const amount = demand.others?.[gpus] ?? 0;
  return amount === 0 ? null : devices.take(task.id, amount);
}

/** Notes that a task has ended, and answers what it held; null: nothing. */
export function release(pool: Pool, id: string): Demand | null {
  const holder = pool.holders.get(id);
  if (holder === undefined) return null;
  pool.holders.delete(id);
  giveBack(pool.room, holder.demand);
  pool.devices.release(id);
  lookAnew(pool);
  return holder.demand;
}

/** All that wait, the first first. */
export function* waitingIn({ line }: Pool): Iterable<Assignment> {
  for (const { isGone, task } of line.values()) if (!isGone) yield task;
}

/** Takes out those of the waiting tasks for which `isTaken` answers true. */
export function takeOut(pool: Pool, isTaken: (task: Assignment) => boolean): Assignment[] {
  const taken: Assignment[] = [];
  for (const waiting of pool.line.values()) {
    if (waiting.isGone || !isTaken(waiting.task)) continue;
    waiting.isGone = true;
    pool.waiting--;
    taken.push(waiting.task);
  }
  if (taken.length > 0) lookAnew(pool);
  return taken;
}

/**
 * Cross-checks the sums and queues, for tests and simulations. Throws a bug when they disagree. `isBusy` tells whether
 * a task may hold anything.
 */
export function checkPool(pool: Pool, isBusy: (id: string) => boolean): void {
  const { room, capacity, holders, line, waiting } = pool;
  const whole: Room = { ...room, others: new Map(room.others) };
  for (const [id, { demand }] of holders) {
    assert(isBusy(id), "only tasks that run hold something");
    giveBack(whole, demand);
  }
  const all = roomOf(capacity);
  for (const [name, amount] of amounts(all)) {
    const free = new Map(amounts(room)).get(name)!;
    assert(free >= 0, `no more is handed out than there is (${name}: ${free})`);
    assert(new Map(amounts(whole)).get(name) === amount, `what is free and what is held is all there is (${name})`);
  }
  const inLine = [...line.values()].filter(({ isGone }) => !isGone);
  assert(inLine.length === waiting, "as many wait as are counted");
  const [first] = inLine;
  if (first !== undefined && pool.isSettled) assert(!isFree(pool, first.demand), "the first does not wait for nothing");
}

function amounts({ cores, memory, others }: Room): [string, number][] {
  return [["cores", cores], ["memory", memory], ...others];
}
