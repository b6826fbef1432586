/*
 * Which tasks a server gets next, in SQL: the lowest group with waiting tasks, who still holds tasks below it, and the
 * claim itself. All of it reads the partial indices on unfinished tasks, so its cost follows what it takes, not the
 * size of the table.
 *
 * `reserved` are the submissions that finite runs keep for themselves; scope `all` leaves them out. Mostly there are
 * none. If there are, the waiting submissions are looked at one by one, so that a million reserved tasks at the front
 * cost nothing.
 */
import type { ClaimedTask } from "../../task/task.ts";
import type { Connection } from "./connection.ts";
import { claimColumns, claimedTask, type HeldRows } from "./row.ts";
import type { AdoptRequest, Claim, ClaimRequest, Scope } from "../store.ts";
import { formatTime, parseTime } from "../times.ts";

/** A number below every group. */
const lowest = Number.MIN_SAFE_INTEGER;
/** At most so many submissions are looked at one by one; with more of them, reserved tasks are skipped over instead. */
const pairLimit = 512;
/** At most so many tasks are looked at when several submissions wait side by side. */
const mergeLimit = 20_000;

/** Ids of one adopting statement. */
const adoptChunk = 1000;

const bySubmission = "task indexed by task_unfinished_submission";
const byGroup = "task indexed by task_unfinished_group";
const unfinished = "completion_time is null";
const waiting = "completion_time is null and schedule_time is null";
const failed = "retried = 0 and exit_status is not null and exit_status <> 0 and exit_status <> -1";
const notReserved = "submit_id not in (select value from json_each(?))";

export interface Claims {
  /** Whether others changed tasks of this server, of which it has yet to hear. */
  recalled(serverId: string): boolean;
  /** Submissions of live servers other than `except` that keep them for themselves. */
  reserved(except: string | null): readonly string[];
  /** What a claim would find; `open`: tasks wait in this group, and the run is there already. */
  look(request: ClaimRequest, reserved: readonly string[]): Claim | { readonly kind: "open"; readonly group: number };
  /** Inside a transaction: takes at most `request.limit` tasks of `group`, in order. */
  take(request: ClaimRequest, reserved: readonly string[], group: number): readonly ClaimedTask[];
  /** Inside a transaction, see Store.adopt; `reserved` without what the dead servers `from` reserved. */
  adopt(request: AdoptRequest, reserved: readonly string[]): readonly ClaimedTask[];
  countUnfinished(scope: Scope, reserved: readonly string[]): number;
  /** The lowest group above `above` with unfinished tasks, of whomever. */
  unfinishedGroup(above: number): number | null;
}

/** A submission and a group of it with unfinished tasks. */
interface Pair {
  readonly submitId: string;
  readonly group: number;
}

/** `held` is told the row of each task that is claimed. */
export function prepareClaims(db: Connection, held: HeldRows): Claims {
  const noted = (row: readonly unknown[], scheduleTime: number): ClaimedTask => {
    const task = claimedTask(row, scheduleTime);
    held.set(task.id, row[0] as number);
    return task;
  };
  const one = (sql: string) => {
    const statement = db.prepare(sql);
    return (...cells: (string | number)[]): unknown => statement.values(...cells)[0]?.[0] ?? null;
  };
  const column = (sql: string) => {
    const statement = db.prepare(sql);
    return (...cells: (string | number)[]): number[] => statement.values(...cells).map(([cell]) => cell as number);
  };
  const number = (cell: unknown): number | null => (typeof cell === "number" ? cell : null);

  const reservedIds = db.prepare("select id from server where reserves = 1 and id is not ? order by id");

  const groupOf = one(
    `select "group" from ${bySubmission} where ${unfinished} and submit_id = ? and "group" > ?
     order by "group" limit 1`,
  );
  const groupOfAll = one(`select "group" from ${byGroup} where ${unfinished} and "group" > ? order by "group" limit 1`);
  const waits = one(`select 1 from ${bySubmission} where ${waiting} and submit_id = ? and "group" = ? limit 1`);
  const waitsInAll = one(`select 1 from ${byGroup} where ${waiting} and "group" = ? limit 1`);
  // Through the table only while somebody reserves more submissions than are looked at one by one.
  const groupOfFree = one(
    `select "group" from ${byGroup} where ${unfinished} and "group" > ? and ${notReserved} order by "group" limit 1`,
  );
  const waitsFree = one(`select 1 from ${byGroup} where ${waiting} and "group" = ? and ${notReserved} limit 1`);

  const nextSubmission = one(
    `select submit_id from ${bySubmission} where ${unfinished} and submit_id > ? order by submit_id limit 1`,
  );

  const countOf = one(`select count(*) from ${bySubmission} where ${unfinished} and submit_id = ?`);
  const countAll = one(`select count(*) from ${byGroup} where ${unfinished}`);
  const countInGroup = one(
    `select count(*) from ${bySubmission} where ${unfinished} and submit_id = ? and "group" = ?`,
  );
  const countAllInGroup = one(`select count(*) from ${byGroup} where ${unfinished} and "group" = ?`);
  const countFreeInGroup = one(
    `select count(*) from ${byGroup} where ${unfinished} and "group" = ? and ${notReserved}`,
  );

  const failures = `from task indexed by task_failed where ${failed} and "group" = ? and attempt >= ?`;
  const countFailuresOf = one(`select count(*) ${failures} and submit_id = ?`);
  const countFailuresFree = one(`select count(*) ${failures} and ${notReserved}`);
  const failureOf = one(`select id ${failures} and submit_id = ? limit 1`);
  const failureFree = one(`select id ${failures} and ${notReserved} limit 1`);

  const pickOf = column(
    `select rowid from ${bySubmission} where ${waiting} and submit_id = ? and "group" = ? order by rowid limit ?`,
  );
  const pickAll = column(`select rowid from ${byGroup} where ${waiting} and "group" = ? order by rowid limit ?`);
  const pickFree = column(
    `select rowid from ${byGroup} where ${waiting} and "group" = ? and ${notReserved} order by rowid limit ?`,
  );
  const retries = `from task indexed by task_waiting_retry where ${waiting} and attempt > 1 and "group" = ?`;
  const pickRetriesOf = column(`select rowid ${retries} and submit_id = ? order by rowid limit ?`);
  const pickRetriesFree = column(`select rowid ${retries} and ${notReserved} order by rowid limit ?`);

  // Rows are read, then written. One statement with `returning` takes 1 µs a row more, because it keeps the rows in a
  // table of its own in between. Mostly rows follow each other without a gap: a range takes 0.6 µs a row less than a
  // list.
  const readRange = db.prepare(`select ${claimColumns} from task where rowid between ? and ? order by rowid`);
  const readList = db.prepare(`select ${claimColumns} from task where rowid in (select value from json_each(?))`);
  const holding = "update task set server_id = ?, server_host = ?, schedule_time = ?";
  const holdRange = db.prepare(`${holding} where rowid between ? and ?`);
  const holdList = db.prepare(`${holding} where rowid in (select value from json_each(?))`);

  // The join fixes the order: each id is looked up once, however large the table.
  const wanted = `json_each($ids) as wanted cross join task on task.id = wanted.value
    where completion_time is null and ($submission is null or submit_id = $submission)
    and submit_id not in (select value from json_each($reserved))`;
  const isAtClient = "(client_id = $clientId or task.id in (select value from json_each($finished)))";
  // A client that is on record as the runner has the task, whichever server handed it out; that server, if alive, is
  // told.
  const tellFormer = db.prepare(
    `insert into recall (server_id, task_id, kind) select task.server_id, task.id, 'adopted' from ${wanted}
     and schedule_time is not null and ${isAtClient} and server_id <> $serverId
     and server_id in (select id from server)`,
  );
  const adoptRows = db.prepare(
    `update task set server_id = $serverId, server_host = $serverHost, schedule_time = coalesce(schedule_time, $at),
       client_id = $clientId, client_host = $clientHost
     where rowid in (
       select task.rowid from ${wanted}
       and (schedule_time is null or server_id is null or server_id in (select value from json_each($from))
         or server_id not in (select id from server) or (server_id <> $serverId and ${isAtClient}))
     ) returning ${claimColumns}, schedule_time`,
  );

  /** Pairs of submissions that are free, in order; null when there are too many to look at one by one. */
  function freePairs(reserved: readonly string[]): Pair[] | null {
    const taken = new Set(reserved);
    const pairs: Pair[] = [];
    for (let submitId = nextSubmission(""); typeof submitId === "string"; submitId = nextSubmission(submitId)) {
      if (taken.has(submitId)) continue;
      for (let group = number(groupOf(submitId, lowest)); group !== null; group = number(groupOf(submitId, group))) {
        if (pairs.length === pairLimit) return null;
        pairs.push({ submitId, group });
      }
    }
    return pairs;
  }

  /** The lowest group with unfinished tasks, and the lowest with waiting ones. */
  function groups(scope: Scope, reserved: readonly string[]): { busy: number | null; next: number | null } {
    const skip = JSON.stringify(reserved);
    const walk = (above: (group: number) => unknown, isWaiting: (group: number) => unknown) => {
      const busy = number(above(lowest));
      let next = busy;
      // Groups run one after the other: few have tasks under way and none waiting.
      while (next !== null && isWaiting(next) === null) next = number(above(next));
      return { busy, next };
    };
    if (scope.kind === "submission") {
      return walk(
        (group) => groupOf(scope.id, group),
        (group) => waits(scope.id, group),
      );
    }
    if (reserved.length === 0) return walk(groupOfAll, waitsInAll);
    const pairs = freePairs(reserved);
    if (pairs === null) {
      return walk(
        (group) => groupOfFree(group, skip),
        (group) => waitsFree(group, skip),
      );
    }
    pairs.sort((left, right) => left.group - right.group);
    const next = pairs.find((pair) => waits(pair.submitId, pair.group) !== null);
    return { busy: pairs[0]?.group ?? null, next: next?.group ?? null };
  }

  function countUnfinished(scope: Scope, reserved: readonly string[]): number {
    if (scope.kind === "submission") return number(countOf(scope.id)) ?? 0;
    let count = number(countAll()) ?? 0;
    for (const id of reserved) count -= number(countOf(id)) ?? 0;
    return count;
  }

  function countIn(scope: Scope, reserved: readonly string[], group: number): number {
    if (scope.kind === "submission") return number(countInGroup(scope.id, group)) ?? 0;
    if (reserved.length === 0) return number(countAllInGroup(group)) ?? 0;
    return number(countFreeInGroup(group, JSON.stringify(reserved))) ?? 0;
  }

  function failuresIn(
    request: ClaimRequest,
    reserved: readonly string[],
    group: number,
  ): { failed: number; example: string | null } {
    const { scope, attempts } = request;
    const [count, find] = scope.kind === "submission" ? [countFailuresOf, failureOf] : [countFailuresFree, failureFree];
    const whose = scope.kind === "submission" ? scope.id : JSON.stringify(reserved);
    const found = find(group, attempts, whose);
    if (typeof found !== "string") return { failed: 0, example: null };
    return { failed: number(count(group, attempts, whose)) ?? 0, example: found };
  }

  function pick(request: ClaimRequest, reserved: readonly string[], group: number): readonly number[] {
    const { scope, limit } = request;
    if (scope.kind === "submission") return pickOf(scope.id, group, limit);
    if (reserved.length === 0) return pickAll(group, limit);
    const pairs = freePairs(reserved)?.filter((pair) => pair.group === group);
    if (pairs === undefined) return pickFree(group, JSON.stringify(reserved), limit);
    const share = Math.min(limit, Math.ceil(mergeLimit / Math.max(1, pairs.length)));
    const rows = pairs.flatMap((pair) => pickOf(pair.submitId, group, share));
    return rows.sort((left, right) => left - right).slice(0, limit);
  }

  function pickEagerly(request: ClaimRequest, reserved: readonly string[], group: number): readonly number[] {
    const { scope, limit } = request;
    const first =
      scope.kind === "submission"
        ? pickRetriesOf(group, scope.id, limit)
        : pickRetriesFree(group, JSON.stringify(reserved), limit);
    if (first.length === 0) return pick(request, reserved, group);
    const seen = new Set(first);
    return [...first, ...pick(request, reserved, group).filter((row) => !seen.has(row))].slice(0, limit);
  }

  const anyRecall = db.prepare("select 1 from recall where server_id = ? limit 1");
  // Recalls of an earlier move of the same tasks count no more.
  const forgetMoves = db.prepare(
    "delete from recall where server_id = ? and kind = 'adopted' and task_id in (select value from json_each(?))",
  );

  return {
    recalled: (serverId) => anyRecall.get(serverId) !== null,
    reserved: (except) => reservedIds.values(except).map(([id]) => String(id)),

    look(request, reserved) {
      const { scope, group } = request;
      if (anyRecall.get(request.serverId) !== null) return { kind: "recalled" };
      const { busy, next } = groups(scope, reserved);
      if (next === null) return { kind: "none", unfinished: busy === null ? 0 : countUnfinished(scope, reserved) };
      if (group !== null && next <= group) return { kind: "open", group: next };
      if (busy !== null && busy < next)
        return { kind: "waiting", busyGroup: busy, unfinished: countIn(scope, reserved, busy) };
      if (group === null) return { kind: "open", group: next };
      return { kind: "advance", to: next, ...failuresIn(request, reserved, group) };
    },

    take(request, reserved, group) {
      const rows = request.eager ? pickEagerly(request, reserved, group) : pick(request, reserved, group);
      if (rows.length === 0) return [];
      const holder = [request.serverId, request.serverHost, formatTime(request.at)] as const;
      if (isRange(rows)) {
        const [first, last] = [rows[0]!, rows.at(-1)!];
        const found = readRange.values(first, last);
        holdRange.run(...holder, first, last);
        return found.map((row) => noted(row, request.at));
      }
      const list = JSON.stringify(rows);
      const byRow = new Map(readList.values(list).map((row) => [row[0] as number, row]));
      holdList.run(...holder, list);
      return rows.map((row) => noted(byRow.get(row)!, request.at));
    },

    adopt(request, reserved) {
      const { scope, serverId, serverHost, clientId, clientHost, at } = request;
      const told = {
        $submission: scope.kind === "submission" ? scope.id : null,
        $reserved: JSON.stringify(reserved),
        $finished: JSON.stringify(request.finished),
        $serverId: serverId,
        $clientId: clientId,
      };
      const adopted = {
        ...told,
        $serverHost: serverHost,
        $clientHost: clientHost,
        $at: formatTime(at),
        $from: JSON.stringify(request.from),
      };
      const tasks: ClaimedTask[] = [];
      for (let i = 0; i < request.ids.length; i += adoptChunk) {
        const $ids = JSON.stringify(request.ids.slice(i, i + adoptChunk));
        tellFormer.run({ ...told, $ids });
        forgetMoves.run(serverId, $ids);
        for (const row of adoptRows.values({ ...adopted, $ids })) {
          tasks.push(noted(row, parseTime(row.at(-1)) ?? at));
        }
      }
      return tasks;
    },

    countUnfinished,
    unfinishedGroup: (above) => number(groupOfAll(above)),
  };
}

function isRange(rows: readonly number[]): boolean {
  for (let i = 1; i < rows.length; i++) if (rows[i] !== rows[i - 1]! + 1) return false;
  return true;
}
