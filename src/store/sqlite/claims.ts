/*
 * Which tasks a server gets next, in SQL: the lowest group with waiting tasks, the groups below it with tasks that
 * servers hold, and the claim itself.
 *
 * `reserved` are the submissions that finite runs keep for themselves; scope `all` leaves them out. Mostly there are
 * none. If there are, the waiting submissions are looked at one by one, so that a million reserved tasks at the front
 * cost nothing. The same goes for submissions whose tasks are held back by failures (setbacks.ts). As long as nothing
 * has failed in a lower group than the next, a claim does not ask whose failures there are.
 */
import type { ClaimedTask } from "../../task/task.ts";
import type { Connection } from "./connection.ts";
import { type ClaimStatements, prepareClaimStatements } from "./claim-statements.ts";
import { heldTask, type HeldRows } from "./row.ts";
import { type HeldPair, heldPlaces, highestFree, holdersOf, isToTell, type Lowest, summaryOf } from "../setbacks.ts";
import { type Backlog, type Claim, type ClaimRequest, type HeldBack, mostPassedOver, type Scope } from "../store.ts";
import type { Setbacks } from "./setbacks.ts";
import type { FileTimes } from "../times.ts";

/** A number below every group. */
const lowest = Number.MIN_SAFE_INTEGER;
/**
 * The largest number of submissions that are looked at one by one. If there are more, reserved tasks are skipped over
 * instead.
 */
const pairLimit = 512;
/** The largest number of tasks that are looked at when several submissions wait side by side. */
const mergeLimit = 20_000;

export interface Claims {
  /** Whether there are recalls for this server. */
  recalled(serverId: string): boolean;
  /** Submissions that live servers other than `except` keep for themselves. */
  reserved(except: string | null): readonly string[];
  /** What a claim would find. */
  look(request: ClaimRequest, reserved: readonly string[]): Claim | Open;
  /** Takes at most `request.limit` tasks of what `look` found, in order. It must be called inside a transaction. */
  take(request: ClaimRequest, open: Open): readonly ClaimedTask[];
  countUnfinished(scope: Scope, reserved: readonly string[]): number;
  backlog(scope: Scope, reserved: readonly string[]): Backlog;
  /**
   * The groups with unfinished tasks of any submission, from the lowest up. Each is looked for when it is asked for.
   */
  unfinishedGroups(): Iterable<number>;
}

/** Tasks wait in this group, and the run may take them. */
export interface Open {
  readonly kind: "open";
  readonly group: number;
  /** Submissions that are left out: they are reserved, or held back. */
  readonly except: readonly string[];
  /** Directories whose tasks are held back, if the submissions are too many to be named. */
  readonly places: readonly string[];
}

/** A submission, and one of its groups with unfinished tasks. */
interface Pair {
  readonly submitId: string;
  readonly group: number;
}

/** What a look works with. */
interface Its extends ClaimStatements {
  readonly setbacks: Setbacks;
}

/** Prepares the queries behind a claim. The row of each claimed task is noted in `held`. */
export function prepareClaims(db: Connection, held: HeldRows, setbacks: Setbacks): Claims {
  const its = { ...prepareClaimStatements(db), setbacks };
  return {
    recalled: (serverId) => its.anyRecall.get(serverId) !== null,
    reserved: (except) => its.reservedIds.values(except).map(([id]) => String(id)),
    look: (request, reserved) => look(its, request, reserved),
    take: (request, open) => take(its, { held, times: db.times }, request, open),
    countUnfinished: (scope, reserved) => countUnfinished(its, scope, reserved),
    backlog: (scope, reserved) => backlog(its, scope, reserved),
    *unfinishedGroups() {
      for (let group = number(its.groupOfAll(lowest)); group !== null; group = number(its.groupOfAll(group)))
        yield group;
    },
  };
}

function number(cell: unknown): number | null {
  return typeof cell === "number" ? cell : null;
}

function look(its: Its, request: ClaimRequest, reserved: readonly string[]): Claim | Open {
  const { scope, group } = request;
  if (its.anyRecall.get(request.serverId) !== null) return { kind: "recalled" };
  const { busy, next } = groups(its, scope, reserved);
  if (next === null) return { kind: "none", unfinished: busy === null ? 0 : countUnfinished(its, scope, reserved) };
  const open: Open = { kind: "open", group: next, except: reserved, places: [] };
  if (group === "any") return open;
  if (its.setbacks.isAnyBelow(next)) {
    const above = typeof group !== "number" || next > group;
    const failures = its.setbacks.lowest(request, reserved, above);
    if (failures.overall < next) return lookPast(its, request, reserved, failures);
  }
  if (busy !== null && busy < next)
    return { kind: "waiting", busyGroup: busy, unfinished: countIn(its, scope, reserved, busy) };
  if (group === null || next <= group) return open;
  return { kind: "advance", to: next, heldBack: null };
}

/** Looks again, past tasks that are held back by failures below the group that would be next. */
function lookPast(its: Its, request: ClaimRequest, reserved: readonly string[], failures: Lowest): Claim | Open {
  const { scope, group } = request;
  const pairs = scope.kind === "submission" ? pairsOf(its, scope.id) : freePairs(its, reserved);
  const found = pairs === null ? walkPast(its, reserved, failures) : searchPast(its, reserved, failures, pairs);
  const { busy, open } = found;
  if (busy !== null && (open === null || busy < open.group))
    return { kind: "waiting", busyGroup: busy, unfinished: countIn(its, scope, reserved, busy) };
  if (open !== null && (typeof group !== "number" || open.group <= group)) return open;
  const heldBack = describe(its, request, reserved, failures, open?.group ?? Number.POSITIVE_INFINITY);
  if (open !== null) return { kind: "advance", to: open.group, heldBack };
  return heldBack === null ? { kind: "none", unfinished: 0 } : { kind: "heldBack", heldBack };
}

/** The first group with tasks that may be taken, and the lowest with tasks under way, as far as that matters. */
interface Found {
  readonly busy: number | null;
  readonly open: Open | null;
}

/** Looks at these submissions one by one. */
function searchPast(its: Its, reserved: readonly string[], failures: Lowest, pairs: readonly Pair[]): Found {
  const free = new Map<string, number>();
  const isHeldBack = ({ submitId, group }: Pair): boolean => {
    let highest = free.get(submitId);
    if (highest === undefined)
      free.set(submitId, (highest = highestFree(failures, its.setbacks.directoryOf(submitId))));
    return group > highest;
  };
  let busy: number | null = null;
  for (const [group, some] of Map.groupBy(pairs, (pair) => pair.group)
    .entries()
    .toArray()
    .sort(byGroup)) {
    const held = some.filter(isHeldBack);
    const isOpen = some.some((pair) => !held.includes(pair) && its.waits(pair.submitId, group) !== null);
    if (isOpen) {
      const except = [...reserved, ...held.map(({ submitId }) => submitId)];
      return { busy, open: { kind: "open", group, except, places: [] } };
    }
    if (some.some(({ submitId }) => its.runs(submitId, group) !== null)) busy ??= group;
  }
  return { busy, open: null };
}

function byGroup([left]: readonly [number, unknown], [right]: readonly [number, unknown]): number {
  return left - right;
}

/** Looks at one group after the other. It is used while the waiting submissions are too many to look at one by one. */
function walkPast(its: Its, reserved: readonly string[], failures: Lowest): Found {
  const except = JSON.stringify(reserved);
  let busy: number | null = null;
  const after = (group: number): number | null => number(its.groupOfFree(group, except));
  for (let group = after(lowest); group !== null; group = after(group)) {
    const places = heldPlaces(failures, group);
    if (places !== null && its.waitsFree(group, except, JSON.stringify(places)) !== null)
      return { busy, open: { kind: "open", group, except: reserved, places } };
    if (its.runsFree(group, except) !== null) busy ??= group;
  }
  return { busy, open: null };
}

/** Tells of the tasks that are held back; null: there are none in groups up to `to`. */
function describe(
  its: Its,
  request: ClaimRequest,
  reserved: readonly string[],
  failures: Lowest,
  to: number,
): HeldBack | null {
  const { scope } = request;
  const pairs = scope.kind === "submission" ? pairsOf(its, scope.id) : freePairs(its, reserved, Infinity)!;
  const held = pairs.flatMap(({ submitId, group }): HeldPair[] => {
    const directory = its.setbacks.directoryOf(submitId);
    const tasks = group > highestFree(failures, directory) ? number(its.countWaiting(submitId, group)) : null;
    return tasks === null || tasks === 0 ? [] : [{ submitId, group, directory, tasks }];
  });
  if (!isToTell(held, to)) return null;
  return { ...summaryOf(held), ...its.setbacks.list(request, reserved, holdersOf(held)) };
}

function take(
  its: ClaimStatements,
  { held, times }: { readonly held: HeldRows; readonly times: FileTimes },
  request: ClaimRequest,
  open: Open,
): readonly ClaimedTask[] {
  const pickFrom = request.eager ? pickEagerly : pick;
  const rows = request.tooMuch.length === 0 ? pickFrom(its, request, open) : pickPast(its, request, open, pickFrom);
  if (rows.length === 0) return [];
  const holder = [request.serverId, request.serverHost, times.format(request.at)] as const;
  if (isRange(rows)) {
    const [first, last] = [rows[0]!, rows.at(-1)!];
    const found = its.readRange.values(first, last);
    its.holdRange.run(...holder, first, last);
    return found.map((row) => heldTask(held, row, request.at, times));
  }
  const list = JSON.stringify(rows);
  const byRow = new Map(its.readList.values(list).map((row) => [row[0] as number, row]));
  its.holdList.run(...holder, list);
  return rows.map((row) => heldTask(held, byRow.get(row)!, request.at, times));
}

/** The groups of a submission with unfinished tasks, in order. */
function pairsOf(its: ClaimStatements, submitId: string): Pair[] {
  const pairs: Pair[] = [];
  for (let group = number(its.groupOf(submitId, lowest)); group !== null; group = number(its.groupOf(submitId, group)))
    pairs.push({ submitId, group });
  return pairs;
}

/**
 * All submissions that are not left out, each with its groups, in order. Null when there are too many to look at one by
 * one.
 */
function freePairs(its: ClaimStatements, except: readonly string[], limit = pairLimit): Pair[] | null {
  const taken = new Set(except);
  const pairs: Pair[] = [];
  for (let submitId = its.nextSubmission(""); typeof submitId === "string"; submitId = its.nextSubmission(submitId)) {
    if (taken.has(submitId)) continue;
    pairs.push(...pairsOf(its, submitId));
    if (pairs.length > limit) return null;
  }
  return pairs;
}

/** The lowest group with unfinished tasks, and the lowest with waiting ones. */
function groups(
  its: ClaimStatements,
  scope: Scope,
  reserved: readonly string[],
): { busy: number | null; next: number | null } {
  const skip = JSON.stringify(reserved);
  const walk = (above: (group: number) => unknown, isWaiting: (group: number) => unknown) => {
    const busy = number(above(lowest));
    let next = busy;
    // Groups run one after the other, so few of them have tasks under way and none waiting.
    while (next !== null && isWaiting(next) === null) next = number(above(next));
    return { busy, next };
  };
  if (scope.kind === "submission") {
    return walk(
      (group) => its.groupOf(scope.id, group),
      (group) => its.waits(scope.id, group),
    );
  }
  if (reserved.length === 0) return walk(its.groupOfAll, its.waitsInAll);
  const pairs = freePairs(its, reserved);
  if (pairs === null) {
    return walk(
      (group) => its.groupOfFree(group, skip),
      (group) => its.waitsFree(group, skip, "[]"),
    );
  }
  pairs.sort((left, right) => left.group - right.group);
  const next = pairs.find((pair) => its.waits(pair.submitId, pair.group) !== null);
  return { busy: pairs[0]?.group ?? null, next: next?.group ?? null };
}

function countUnfinished(its: ClaimStatements, scope: Scope, reserved: readonly string[]): number {
  if (scope.kind === "submission") return number(its.countOf(scope.id)) ?? 0;
  let count = number(its.countAll()) ?? 0;
  for (const id of reserved) count -= number(its.countOf(id)) ?? 0;
  return count;
}

function backlog(its: ClaimStatements, scope: Scope, reserved: readonly string[]): Backlog {
  const { busy: group } = groups(its, scope, reserved);
  if (group === null) return { group, inGroup: 0, unfinished: 0 };
  const unfinished = countUnfinished(its, scope, reserved);
  // Mostly there is one group, and millions of entries are not counted twice.
  const highest = scope.kind === "all" ? number(its.highestOfAll()) : null;
  const inGroup = highest === group ? unfinished : countIn(its, scope, reserved, group);
  return { group, inGroup, unfinished };
}

function countIn(its: ClaimStatements, scope: Scope, reserved: readonly string[], group: number): number {
  if (scope.kind === "submission") return number(its.countInGroup(scope.id, group)) ?? 0;
  if (reserved.length === 0) return number(its.countAllInGroup(group)) ?? 0;
  return number(its.countFreeInGroup(group, JSON.stringify(reserved))) ?? 0;
}

/** The rows of waiting tasks of the group, in order of submission. */
function pick(its: ClaimStatements, { scope, limit }: ClaimRequest, open: Open): readonly number[] {
  const { group, except, places } = open;
  if (scope.kind === "submission") return its.pickOf(scope.id, group, limit);
  if (except.length === 0 && places.length === 0) return its.pickAll(group, limit);
  // If directories are named, the submissions are too many.
  const pairs = places.length > 0 ? null : freePairs(its, except);
  if (pairs === null) return its.pickFree(group, JSON.stringify(except), JSON.stringify(places), limit);
  const ofGroup = pairs.filter((pair) => pair.group === group);
  const share = Math.min(limit, Math.ceil(mergeLimit / Math.max(1, ofGroup.length)));
  const rows = ofGroup.flatMap((pair) => its.pickOf(pair.submitId, group, share));
  return rows.sort((left, right) => left - right).slice(0, limit);
}

/** The fewest waiting tasks that are looked at for some that do not need too much. */
const fewestLookedAt = 512;

/** The rows that `pickFrom` finds, without those of tasks that need too much. */
function pickPast(
  its: ClaimStatements,
  request: ClaimRequest,
  open: Open,
  pickFrom: (its: ClaimStatements, request: ClaimRequest, open: Open) => readonly number[],
): readonly number[] {
  const tooMuch = JSON.stringify(request.tooMuch);
  const found: number[] = [];
  let seen = 0;
  for (let most = Math.max(fewestLookedAt, 2 * request.limit); ; most = Math.min(most * 8, mostPassedOver)) {
    const rows = pickFrom(its, { ...request, limit: most }, open);
    const some = rows.slice(seen);
    const fitting = new Set(its.fitting()(JSON.stringify(some), tooMuch));
    for (const row of some) if (fitting.has(row) && found.length < request.limit) found.push(row);
    seen = rows.length;
    if (found.length >= request.limit || rows.length < most || most >= mostPassedOver) return found;
  }
}

/** The rows of waiting tasks of the group, later attempts first. */
function pickEagerly(its: ClaimStatements, request: ClaimRequest, open: Open): readonly number[] {
  const { scope, limit } = request;
  const { group, except, places } = open;
  const first =
    scope.kind === "submission"
      ? its.pickRetriesOf(group, scope.id, limit)
      : its.pickRetriesFree(group, JSON.stringify(except), JSON.stringify(places), limit);
  if (first.length === 0) return pick(its, request, open);
  const seen = new Set(first);
  return [...first, ...pick(its, request, open).filter((row) => !seen.has(row))].slice(0, limit);
}

function isRange(rows: readonly number[]): boolean {
  for (let i = 1; i < rows.length; i++) if (rows[i] !== rows[i - 1]! + 1) return false;
  return true;
}
