/*
 * Which tasks a server gets next, in SQL: the lowest group with waiting tasks, the groups below it with tasks that
 * servers hold, and the claim itself.
 *
 * `reserved` are the submissions that finite runs keep for themselves; scope `all` leaves them out. Mostly there are
 * none. If there are, the waiting submissions are looked at one by one, so that a million reserved tasks at the front
 * cost nothing.
 */
import type { ClaimedTask } from "../../task/task.ts";
import type { Connection } from "./connection.ts";
import { type ClaimStatements, prepareClaimStatements } from "./claim-statements.ts";
import { heldTask, type HeldRows } from "./row.ts";
import type { Claim, ClaimRequest, Scope } from "../store.ts";
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
  /** What a claim would find. `open` means that tasks wait in this group, and that the run may take them. */
  look(request: ClaimRequest, reserved: readonly string[]): Claim | { readonly kind: "open"; readonly group: number };
  /** Takes at most `request.limit` tasks of `group`, in order. It must be called inside a transaction. */
  take(request: ClaimRequest, reserved: readonly string[], group: number): readonly ClaimedTask[];
  countUnfinished(scope: Scope, reserved: readonly string[]): number;
  /**
   * The groups with unfinished tasks of any submission, from the lowest up. Each is looked for when it is asked for.
   */
  unfinishedGroups(): Iterable<number>;
}

/** A submission, and one of its groups with unfinished tasks. */
interface Pair {
  readonly submitId: string;
  readonly group: number;
}

/** Prepares the queries behind a claim. The row of each claimed task is noted in `held`. */
export function prepareClaims(db: Connection, held: HeldRows): Claims {
  const its = prepareClaimStatements(db);
  return {
    recalled: (serverId) => its.anyRecall.get(serverId) !== null,
    reserved: (except) => its.reservedIds.values(except).map(([id]) => String(id)),
    look: (request, reserved) => look(its, request, reserved),
    take: (request, reserved, group) => take(its, { held, times: db.times }, request, reserved, group),
    countUnfinished: (scope, reserved) => countUnfinished(its, scope, reserved),
    *unfinishedGroups() {
      for (let group = number(its.groupOfAll(lowest)); group !== null; group = number(its.groupOfAll(group)))
        yield group;
    },
  };
}

function number(cell: unknown): number | null {
  return typeof cell === "number" ? cell : null;
}

function look(its: ClaimStatements, request: ClaimRequest, reserved: readonly string[]): ReturnType<Claims["look"]> {
  const { scope, group } = request;
  if (its.anyRecall.get(request.serverId) !== null) return { kind: "recalled" };
  const { busy, next } = groups(its, scope, reserved);
  if (next === null) return { kind: "none", unfinished: busy === null ? 0 : countUnfinished(its, scope, reserved) };
  if (group !== null && next <= group) return { kind: "open", group: next };
  if (busy !== null && busy < next)
    return { kind: "waiting", busyGroup: busy, unfinished: countIn(its, scope, reserved, busy) };
  if (group === null) return { kind: "open", group: next };
  return { kind: "advance", to: next, ...failuresIn(its, request, reserved, group) };
}

function take(
  its: ClaimStatements,
  { held, times }: { readonly held: HeldRows; readonly times: FileTimes },
  request: ClaimRequest,
  reserved: readonly string[],
  group: number,
): readonly ClaimedTask[] {
  const rows = request.eager ? pickEagerly(its, request, reserved, group) : pick(its, request, reserved, group);
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

/**
 * All submissions that are not reserved, each with its groups, in order. Null when there are too many to look at one by
 * one.
 */
function freePairs(its: ClaimStatements, reserved: readonly string[]): Pair[] | null {
  const taken = new Set(reserved);
  const pairs: Pair[] = [];
  for (let submitId = its.nextSubmission(""); typeof submitId === "string"; submitId = its.nextSubmission(submitId)) {
    if (taken.has(submitId)) continue;
    for (
      let group = number(its.groupOf(submitId, lowest));
      group !== null;
      group = number(its.groupOf(submitId, group))
    ) {
      if (pairs.length === pairLimit) return null;
      pairs.push({ submitId, group });
    }
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
      (group) => its.waitsFree(group, skip),
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

function countIn(its: ClaimStatements, scope: Scope, reserved: readonly string[], group: number): number {
  if (scope.kind === "submission") return number(its.countInGroup(scope.id, group)) ?? 0;
  if (reserved.length === 0) return number(its.countAllInGroup(group)) ?? 0;
  return number(its.countFreeInGroup(group, JSON.stringify(reserved))) ?? 0;
}

/** How many failures in the group nobody tries again, and the id of one. */
function failuresIn(
  its: ClaimStatements,
  request: ClaimRequest,
  reserved: readonly string[],
  group: number,
): { failed: number; example: string | null } {
  const { scope, attempts } = request;
  const [count, find] =
    scope.kind === "submission" ? [its.countFailuresOf, its.failureOf] : [its.countFailuresFree, its.failureFree];
  const whose = scope.kind === "submission" ? scope.id : JSON.stringify(reserved);
  const found = find(group, attempts, whose);
  if (typeof found !== "string") return { failed: 0, example: null };
  return { failed: number(count(group, attempts, whose)) ?? 0, example: found };
}

/** The rows of waiting tasks of the group, in order of submission. */
function pick(
  its: ClaimStatements,
  request: ClaimRequest,
  reserved: readonly string[],
  group: number,
): readonly number[] {
  const { scope, limit } = request;
  if (scope.kind === "submission") return its.pickOf(scope.id, group, limit);
  if (reserved.length === 0) return its.pickAll(group, limit);
  const pairs = freePairs(its, reserved)?.filter((pair) => pair.group === group);
  if (pairs === undefined) return its.pickFree(group, JSON.stringify(reserved), limit);
  const share = Math.min(limit, Math.ceil(mergeLimit / Math.max(1, pairs.length)));
  const rows = pairs.flatMap((pair) => its.pickOf(pair.submitId, group, share));
  return rows.sort((left, right) => left - right).slice(0, limit);
}

/** The rows of waiting tasks of the group, later attempts first. */
function pickEagerly(
  its: ClaimStatements,
  request: ClaimRequest,
  reserved: readonly string[],
  group: number,
): readonly number[] {
  const { scope, limit } = request;
  const first =
    scope.kind === "submission"
      ? its.pickRetriesOf(group, scope.id, limit)
      : its.pickRetriesFree(group, JSON.stringify(reserved), limit);
  if (first.length === 0) return pick(its, request, reserved, group);
  const seen = new Set(first);
  return [...first, ...pick(its, request, reserved, group).filter((row) => !seen.has(row))].slice(0, limit);
}

function isRange(rows: readonly number[]): boolean {
  for (let i = 1; i < rows.length; i++) if (rows[i] !== rows[i - 1]! + 1) return false;
  return true;
}
