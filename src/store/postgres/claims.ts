/*
 * Which tasks a server gets next, in SQL for PostgreSQL: the lowest group with waiting tasks, the groups below it with
 * tasks that servers hold, and the claim itself. All statements read partial indices on unfinished tasks, so their cost
 * follows what they take, not the size of the table. Servers that claim at the same time skip each other's rows (`skip
 * locked`) and never wait.
 *
 * `reserved` are the submissions that finite runs keep for themselves; scope `all` leaves them out. Mostly there are
 * none. If there are, the waiting submissions are looked at one by one, so that a million reserved tasks at the front
 * cost nothing. The same goes for submissions whose tasks are held back by failures (setbacks.ts). As long as nothing
 * has failed in a lower group than the next, a claim does not ask whose failures there are.
 */
import type { ClaimedTask } from "../../task/task.ts";
import { type HeldPair, highestFree, holdersOf, isToTell, type Lowest, nowhere, summaryOf } from "../setbacks.ts";
import {
  type AdoptRequest,
  type Backlog,
  type Claim,
  type ClaimRequest,
  type HeldBack,
  mostPassedOver,
  type Scope,
} from "../store.ts";
import { instantText } from "./cells.ts";
import type { Query } from "./connection.ts";
import { claimColumns, claimedTask, storable } from "./row.ts";
import { finalFailure, held, waiting } from "./indices.ts";
import type { Setbacks } from "./setbacks.ts";

/**
 * The submissions with waiting tasks, found by going from one id to the next higher one. $1: the submissions to leave
 * out.
 */
const freeSubmissions = `with recursive hop as (
    (select submit_id from task where ${waiting.ofSubmission} order by submit_id limit 1)
    union all
    select (select task.submit_id from task where ${waiting.ofSubmission} and task.submit_id > hop.submit_id
      order by submit_id limit 1)
    from hop where hop.submit_id is not null
  ), free as materialized (select submit_id from hop where submit_id is not null and submit_id <> all ($1::uuid[]))`;

/** A scope as a condition on `submit_id` in SQL; its value is parameter $1. */
function within(scope: Scope, reserved: readonly string[]): { readonly sql: string; readonly value: unknown } {
  if (scope.kind === "submission") return { sql: "submit_id = $1::uuid", value: scope.id };
  if (reserved.length === 0) return { sql: "$1::uuid is null", value: null };
  return { sql: "submit_id <> all ($1::uuid[])", value: reserved };
}

function waitingIn(scope: Scope): string {
  return scope.kind === "submission" ? waiting.ofSubmission : waiting.ofAll;
}

/** Submissions that live servers other than `except` keep for themselves. */
export async function reservedIds(query: Query, except: string | null): Promise<string[]> {
  const rows = await query("select id from server where reserves and id is distinct from $1::uuid order by id", [
    except,
  ]);
  return rows.map(([id]) => String(id));
}

/** What a claim asks first. */
interface First {
  /** The lowest group with waiting tasks in scope; null: nothing waits. */
  readonly next: number | null;
  /** Whether there are recalls for this server. */
  readonly recalled: boolean;
  /** The lowest group below `next` with tasks in scope that a server holds; null: there is none. */
  readonly busy: number | null;
  /** Whether something has failed in a group below `next`, in whichever scope. */
  readonly failed: boolean;
}

async function askFirst(query: Query, { scope, serverId }: ClaimRequest, reserved: readonly string[]): Promise<First> {
  const { sql, value } = within(scope, reserved);
  const waits = waitingIn(scope);
  const first =
    scope.kind === "all" && reserved.length > 0
      ? `${freeSubmissions}, first as materialized (
           select min(lowest."group") as next from free cross join lateral (
             select "group" from task where ${waiting.ofSubmission} and task.submit_id = free.submit_id
             order by "group" limit 1) as lowest)`
      : `with first as materialized (
           select (select "group" from task where ${waits} and ${sql} order by "group" limit 1) as next)`;
  // The orders are there for the planner: without them it takes a walk through the table for a short way to some row.
  const [row] = await query(
    `${first} select next, exists (select 1 from recall where server_id = $2::uuid),
       (select "group" from task where ${held} and ${sql} and "group" < next order by "group" limit 1),
       (select "group" from task where ${finalFailure} and "group" < next order by "group" limit 1)
     from first`,
    [value, serverId],
  );
  const [next, recalled, busy, failed] = row ?? [];
  return { next: number(next), recalled: recalled === true, busy: number(busy), failed: number(failed) !== null };
}

function number(cell: unknown): number | null {
  return typeof cell === "number" ? cell : null;
}

/** The lowest group in scope with tasks that a server holds; null: there is none. */
async function heldGroup(query: Query, scope: Scope, reserved: readonly string[]): Promise<number | null> {
  const { sql, value } = within(scope, reserved);
  const [row] = await query(`select "group" from task where ${held} and ${sql} order by "group" limit 1`, [value]);
  return number(row?.[0]);
}

/** How many tasks of `group` in scope are held by servers; `group` null: of all groups. */
async function countHeld(
  query: Query,
  scope: Scope,
  reserved: readonly string[],
  group: number | null,
): Promise<number> {
  const { sql, value } = within(scope, reserved);
  const [row] = await query(
    `select count(*) from task where ${held} and ${sql} and ($2::int is null or "group" = $2::int)`,
    [value, group],
  );
  return Number(row?.[0]);
}

/** How many tasks in scope have not ended. */
export async function countUnfinished(query: Query, scope: Scope, reserved: readonly string[]): Promise<number> {
  const { sql, value } = within(scope, reserved);
  const [row] = await query(
    `select (select count(*) from task where ${waitingIn(scope)} and ${sql})
       + (select count(*) from task where ${held} and ${sql})`,
    [value],
  );
  return Number(row?.[0]);
}

/** What is to be done in scope, and which group is next. */
export async function backlog(query: Query, scope: Scope, reserved: readonly string[]): Promise<Backlog> {
  const { sql, value } = within(scope, reserved);
  const parts = [waitingIn(scope), held].map(
    (part) => `select "group", count(*) as tasks from task where ${part} and ${sql} group by "group"`,
  );
  const rows = await query(
    `select "group", sum(tasks) from (${parts.join(" union all ")}) as part group by "group" order by "group"`,
    [value],
  );
  const counts = rows.map(([group, tasks]) => ({ group: Number(group), tasks: Number(tasks) }));
  return {
    group: counts[0]?.group ?? null,
    inGroup: counts[0]?.tasks ?? 0,
    unfinished: counts.reduce((sum, { tasks }) => sum + tasks, 0),
  };
}

/** Tasks wait in this group, and the run may take them. */
export interface Open {
  readonly kind: "open";
  readonly group: number;
  /** Submissions that are left out: they are reserved, or held back. */
  readonly except: readonly string[];
}

/** What a claim would find. */
export async function look(
  query: Query,
  setbacks: Setbacks,
  request: ClaimRequest,
  reserved: readonly string[],
): Promise<Claim | Open> {
  const { scope, group } = request;
  const { next, recalled, busy, failed } = await askFirst(query, request, reserved);
  if (recalled) return { kind: "recalled" };
  if (next === null) return { kind: "none", unfinished: await countHeld(query, scope, reserved, null) };
  const open: Open = { kind: "open", group: next, except: reserved };
  if (group === "any") return open;
  if (failed) {
    const above = group === null || next > group;
    const failures = await setbacks.lowest(request, reserved, above);
    if (failures.overall < next) return lookPast(query, setbacks, request, reserved, failures);
  }
  if (busy !== null) return waitFor(query, scope, reserved, busy);
  if (group === null || next <= group) return open;
  return { kind: "advance", to: next, heldBack: null };
}

async function waitFor(query: Query, scope: Scope, reserved: readonly string[], busy: number): Promise<Claim> {
  return { kind: "waiting", busyGroup: busy, unfinished: await countHeld(query, scope, reserved, busy) };
}

/** Looks again, past tasks that are held back by failures below the group that would be next. */
async function lookPast(
  query: Query,
  setbacks: Setbacks,
  request: ClaimRequest,
  reserved: readonly string[],
  failures: Lowest,
): Promise<Claim | Open> {
  const { scope, group } = request;
  const pairs = await waitingPairs(query, scope, reserved);
  const behind: Pair[] = [];
  let next = Number.POSITIVE_INFINITY;
  for (const pair of pairs) {
    if (pair.group > highestFree(failures, pair.directory)) behind.push(pair);
    else next = Math.min(next, pair.group);
  }
  const busy = await heldGroup(query, scope, reserved);
  if (busy !== null && busy < next) return waitFor(query, scope, reserved, busy);
  if (Number.isFinite(next) && (group === null || next <= Number(group))) {
    const beside = behind.flatMap((pair) => (pair.group === next ? [pair.submitId] : []));
    return { kind: "open", group: next, except: [...reserved, ...beside] };
  }
  const heldBack = await describe(query, setbacks, request, reserved, behind, next);
  if (Number.isFinite(next)) return { kind: "advance", to: next, heldBack };
  return heldBack === null ? { kind: "none", unfinished: 0 } : { kind: "heldBack", heldBack };
}

/** A submission and one of its groups with waiting tasks. */
type Pair = Omit<HeldPair, "tasks">;

/** The groups with waiting tasks of each submission in scope, each found from the one before. */
async function waitingPairs(query: Query, scope: Scope, reserved: readonly string[]): Promise<Pair[]> {
  const { sql, value } = within(scope, reserved);
  const next = `select submit_id, "group" from task where ${waiting.ofSubmission}
    ${scope.kind === "submission" ? `and ${sql}` : ""}`;
  const rows = await query(
    `with recursive pair (submit_id, "group") as (
       (${next} order by submit_id, "group" limit 1)
       union all
       select next.* from pair cross join lateral (
         ${next} and (task.submit_id, task."group") > (pair.submit_id, pair."group")
         order by submit_id, "group" limit 1
       ) as next
     )
     select submit_id, "group", submission.cwd from pair left join submission on submission.id = pair.submit_id
     where ${sql}`,
    [value],
  );
  return rows.map(([submitId, group, cwd]) => ({
    submitId: String(submitId),
    group: Number(group),
    directory: typeof cwd === "string" ? cwd : nowhere,
  }));
}

/** Tells of the tasks that are held back, those of `pairs`; null: there are none (any more) in groups up to `to`. */
async function describe(
  query: Query,
  setbacks: Setbacks,
  request: ClaimRequest,
  reserved: readonly string[],
  pairs: readonly Pair[],
  to: number,
): Promise<HeldBack | null> {
  const rows = await query(
    `select counted.tasks from unnest($1::uuid[], $2::int[]) with ordinality as pair (submit_id, "group", place)
     cross join lateral (
       select count(*) as tasks from task
       where ${waiting.ofSubmission} and task.submit_id = pair.submit_id and task."group" = pair."group"
     ) as counted order by place`,
    [pairs.map(({ submitId }) => submitId), pairs.map((pair) => pair.group)],
  );
  const behind = pairs.flatMap((pair, i): HeldPair[] => {
    const tasks = Number(rows[i]?.[0]);
    return tasks > 0 ? [{ ...pair, tasks }] : [];
  });
  if (!isToTell(behind, to)) return null;
  return { ...summaryOf(behind), ...(await setbacks.list(request, reserved, holdersOf(behind))) };
}

/**
 * Takes at most `request.limit` tasks of what `look` found, in order. Tasks that another server is just taking are
 * skipped.
 */
export async function take(
  query: Query,
  request: ClaimRequest,
  { group, except }: Open,
): Promise<readonly ClaimedTask[]> {
  const { scope, limit, eager, serverId, serverHost, at } = request;
  // The statement that finds tasks also looks for recalls, at the same moment: a task that was just reverted may still
  // run here.
  const settled = "not exists (select 1 from recall where recall.server_id = $3::uuid)";
  const holding = `update task set server_id = $3::uuid, server_host = $4, schedule_time = $5::timestamptz
    from picked where task.id = picked.id returning ${claimColumns}`;
  const { sql, value } = within(scope, except);
  const claimOf = async (pick: string, count: number, ...more: readonly string[]): Promise<ClaimedTask[]> => {
    const rows = await query(
      // An update does not keep the order in which its rows were picked, so they are sorted again.
      `with ${pick}, taken as (${holding}) select * from taken order by submit_time, id`,
      [value, group, serverId, serverHost, instantText(at), count, ...more],
    );
    return rows.map(claimedTask);
  };
  if (request.tooMuch.length > 0) return takePast(request, { sql, except, settled }, claimOf);
  const lock = "limit $6 for update skip locked";
  const found: ClaimedTask[] = [];
  if (eager) {
    const retries = `picked as materialized (select id from task where ${waiting.again} and ${sql} and "group" = $2
      and ${settled} order by submit_time, id ${lock})`;
    found.push(...(await claimOf(retries, limit)));
    if (found.length >= limit) return found;
  }
  if (scope.kind === "all" && except.length > 0) {
    const pairs = `${freeSubmissions.replace("with ", "")}, best as materialized (
        select few.id from free cross join lateral (
          select id, submit_time from task
          where ${waiting.ofSubmission} and task.submit_id = free.submit_id and "group" = $2
          order by submit_time, id limit $6) as few
        order by few.submit_time, few.id limit $6
      ), picked as materialized (select id from task where ${waiting.asIs} and id = any (array(select id from best))
        and ${settled} for update skip locked)`;
    found.push(...(await claimOf(pairs, limit - found.length)));
    return found;
  }
  const plain = `picked as materialized (select id from task where ${waitingIn(scope)} and ${sql} and "group" = $2
    and ${settled} order by submit_time, id ${lock})`;
  found.push(...(await claimOf(plain, limit - found.length)));
  return found;
}

/** Whether a row of `few` does not need too much. $7: a list of the contract's TooMuch. */
const notTooMuch = `not exists (
    select 1 from jsonb_to_recordset($7::jsonb) as need (cores float8, memory float8, timeout float8, tags text[])
    where coalesce(few.cores, 0) >= need.cores and coalesce(few.memory, 0) >= need.memory
      and coalesce(few.timeout, 0) >= need.timeout and few.tag ?& need.tags)`;

/** Takes tasks as `take` does, but none that need too much. */
async function takePast(
  { scope, limit, eager, tooMuch }: ClaimRequest,
  { sql, except, settled }: { readonly sql: string; readonly except: readonly string[]; readonly settled: string },
  claimOf: (pick: string, count: number, ...more: readonly string[]) => Promise<ClaimedTask[]>,
): Promise<readonly ClaimedTask[]> {
  const few = (from: string, where: string): string =>
    `${from} (select id, submit_time, cores, memory, timeout, tag from task where ${where} and "group" = $2
       order by submit_time, id limit ${mostPassedOver}) as few
     where ${notTooMuch} order by few.submit_time, few.id limit $6`;
  const locked = (best: string): string => `best as materialized (select few.id from ${best}),
    picked as materialized (select id from task where ${waiting.asIs} and id = any (array(select id from best))
      and ${settled} for update skip locked)`;
  const needs = JSON.stringify(tooMuch);
  const found: ClaimedTask[] = [];
  if (eager) found.push(...(await claimOf(locked(few("", `${waiting.again} and ${sql}`)), limit, needs)));
  if (found.length >= limit) return found;
  const isApart = scope.kind === "all" && except.length > 0;
  const ofOne = few("free cross join lateral", `${waiting.ofSubmission} and task.submit_id = free.submit_id`);
  const pick = isApart
    ? `${freeSubmissions.replace("with ", "")}, ${locked(ofOne)}`
    : locked(few("", `${waitingIn(scope)} and ${sql}`));
  found.push(...(await claimOf(pick, limit - found.length, needs)));
  return found;
}

/** Tasks that claims of this server at these times took, and that are not on record for any client. */
export async function takenAt(
  query: Query,
  serverId: string,
  times: readonly number[],
): Promise<readonly ClaimedTask[]> {
  const rows = await query(
    `select ${claimColumns} from task where ${held} and server_id = $1::uuid and client_id is null
       and schedule_time = any ($2::timestamptz[])
     order by "group", submit_time, id`,
    [serverId, times.map(instantText)],
  );
  return rows.map(claimedTask);
}

/**
 * Takes over the tasks of a returning client, inside a transaction; see Store.adopt. `reserved` must not contain what
 * the dead servers `from` reserved.
 */
export async function adopt(
  query: Query,
  request: AdoptRequest,
  reserved: readonly string[],
): Promise<readonly ClaimedTask[]> {
  const { ids, finished, from, scope, serverId, serverHost, clientId, clientHost, at } = request;
  if (ids.length === 0) return [];
  const { sql, value } = within(scope, reserved);
  const moves = "(client_id = $2::uuid or task.id = any ($3::uuid[]))";
  const isNoOthers = "(client_id is null or client_id = $2::uuid)";
  // The former server of each task is told by a recall. A server without a row is not there to be told.
  await query(
    `insert into recall (server_id, task_id, kind) select server_id, id, 'adopted' from task
     where id = any ($5::uuid[]) and ${held} and ${sql} and ${isNoOthers} and ${moves}
       and server_id <> $4::uuid and server_id in (select id from server)`,
    [value, clientId, finished, serverId, ids],
  );
  const rows = await query(
    `update task set server_id = $4::uuid, server_host = $6, schedule_time = coalesce(schedule_time, $7::timestamptz),
       client_id = $2::uuid, client_host = $8
     where id = any ($5::uuid[]) and completion_time is null and ${sql} and ${isNoOthers}
     and (schedule_time is null or server_id is null or server_id = any ($9::uuid[])
       or not exists (select 1 from server where server.id = task.server_id) or (server_id <> $4::uuid and ${moves}))
     returning ${claimColumns}`,
    [value, clientId, finished, serverId, ids, serverHost, instantText(at), storable(clientHost), from],
  );
  const tasks = rows.map(claimedTask);
  if (tasks.length === 0) return [];
  // Recalls for this server from an earlier move of the same tasks no longer count.
  const taken = tasks.map(({ id }) => id);
  await query("delete from recall where server_id = $1::uuid and kind = 'adopted' and task_id = any ($2::uuid[])", [
    serverId,
    taken,
  ]);
  return tasks;
}
