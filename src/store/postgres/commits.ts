/*
 * What becomes of tasks, in SQL for PostgreSQL. Ended tasks, assigned tasks and tasks that are given back take one
 * statement each, however many they are. Every statement guards itself: it touches no row that has ended, and none that
 * a person took away from this server.
 *
 * A commit whose answer was lost may have been done. When it is tried again, outcomes that are recorded exactly so
 * count as recorded. Rows are locked in the order of their ids, as by every statement that locks several.
 */
import { RefusedValue } from "../../base/errors.ts";
import { clearedFields, propertyOf, resultFields, type TaskField } from "../../task/field.ts";
import { largestNumber } from "../../task/tag.ts";
import type { Commit, Completion } from "../store.ts";
import { instantText } from "./cells.ts";
import type { PostgresConnection, Query } from "./connection.ts";
import type { Attempt } from "./doubts.ts";
import { arraysOf, type Holder, insertRows, insertValues, namesOf, storable, valuesOf } from "./row.ts";
import { widenStatus } from "./schema.ts";

/** Sets to null what a dispatch and an outcome write. Attempt, links and tags stay. */
export const clear = clearedFields.map((field) => `${field} = null`).join(", ");

const columns: readonly TaskField[] = ["id", "client_id", "client_host", ...resultFields, "next_id"];

/** The values of a commit as rows: parameters from `$first` on are arrays, one for each column. */
const doneFrom = (first: number): string => `unnest(${arraysOf(columns, first)}) as done (${namesOf(columns)})`;
const results = ["client_id", "client_host", ...resultFields].map((field) => `${field} = done.${field}`).join(", ");

/**
 * Records outcomes. $1: the server, $2: its host, $3: when; then an array for each column. Leaves alone what a person
 * took away.
 */
const complete = `update task set ${results}, schedule_time = coalesce(schedule_time, $3::timestamptz),
    server_id = coalesce(server_id, $1::uuid), server_host = coalesce(server_host, $2),
    retried = retried or done.next_id is not null, next_id = coalesce(done.next_id, task.next_id)
  from ${doneFrom(4)} where task.id = done.id and task.completion_time is null
    and not exists (select 1 from recall where recall.server_id = $1::uuid and recall.task_id = task.id
      and recall.kind in ('reverted', 'deleted', 'adopted'))
  returning task.id`;

/** The tasks that a person or another server has taken away from a server, which may not know it yet. */
const taken = `select task_id from recall where server_id = $1::uuid and kind in ('reverted', 'deleted', 'adopted')`;

const recorded = `select task.id from ${doneFrom(1)}
  join task on task.id = done.id
  where task.client_id = done.client_id and task.completion_time = done.completion_time
    and task.exit_status = done.exit_status and task.next_id is not distinct from coalesce(done.next_id, task.next_id)`;

const assign = `update task set client_id = given.client_id, client_host = given.client_host
  from unnest($2::uuid[], $3::uuid[], $4::text[]) as given (id, client_id, client_host)
  where task.id = given.id and task.completion_time is null and task.server_id = $1::uuid`;

const start = `update task set start_time = given.start_time
  from unnest($2::uuid[], $3::timestamptz[]) as given (id, start_time)
  where task.id = given.id and task.completion_time is null and task.server_id = $1::uuid`;

const giveBack = `update task set ${clear}
  where id = any ($2::uuid[]) and completion_time is null and server_id = $1::uuid`;

export interface Committed {
  readonly refused: readonly string[];
  /** Whether the commit made tasks available that could not be claimed before. */
  readonly freed: boolean;
}

/**
 * Writes a commit; see Store.commit. If PostgreSQL cannot keep a value of an outcome, that outcome is recorded without
 * what may be left out, and all others are recorded as they are. Throws what the connection throws.
 */
export async function commitAll(connection: PostgresConnection, commit: Commit, attempt: Attempt): Promise<Committed> {
  const { completed } = commit;
  try {
    return await runCommit(connection, commit, attempt);
  } catch (error) {
    if (!(error instanceof RefusedValue) || completed.length === 0) throw error;
  }
  if (completed.some(({ exitStatus }) => exitStatus > largestNumber)) await widenStatus(connection);
  return commitApart(connection, commit, attempt);
}

/** Writes a commit of which PostgreSQL has refused a value, in smaller and smaller parts. */
async function commitApart(connection: PostgresConnection, commit: Commit, attempt: Attempt): Promise<Committed> {
  const { completed } = commit;
  try {
    return await runCommit(connection, commit, attempt);
  } catch (error) {
    if (!(error instanceof RefusedValue) || completed.length === 0) throw error;
  }
  if (completed.length === 1)
    return runCommit(connection, { ...commit, completed: [bareOf(completed[0]!, commit.at)] }, attempt);
  const half = completed.length >> 1;
  const rest = { assigned: [], started: [], reverted: [], recalled: [] };
  const one = await commitApart(connection, { ...commit, ...rest, completed: completed.slice(0, half) }, attempt);
  const other = await commitApart(connection, { ...commit, completed: completed.slice(half) }, attempt);
  return { refused: [...one.refused, ...other.refused], freed: one.freed || other.freed };
}

/**
 * The outcome with nothing but how and when the task ended. A status that the column has no room for becomes its
 * largest.
 */
function bareOf(done: Completion, at: number): Completion {
  const { id, clientId, clientHost, retry } = done;
  const isWhole = Number.isInteger(done.exitStatus);
  const exitStatus = isWhole ? Math.max(-largestNumber, Math.min(largestNumber, done.exitStatus)) : largestNumber;
  return {
    id,
    clientId,
    clientHost,
    exitStatus,
    completionTime: at,
    retry,
    command: null,
    startTime: null,
    outpath: null,
    errpath: null,
    csvpath: null,
    coresMax: null,
    memoryMax: null,
    waited: null,
    duration: null,
  };
}

/**
 * Runs a commit in one transaction; see Store.commit. Begins anew when a task is taken away while its outcome is being
 * written. Throws what the connection throws.
 */
async function runCommit(connection: PostgresConnection, commit: Commit, attempt: Attempt): Promise<Committed> {
  const { assigned, completed, recalled, serverId } = commit;
  const outcomes = byId(firstOfEach(completed));
  const ended = new Set(outcomes.map(({ id }) => id));
  const given = byId(assigned.filter(({ id }) => !ended.has(id)));
  const started = byId(commit.started.filter(({ id }) => !ended.has(id)));
  const reverted = commit.reverted.filter((id) => !attempt.come.has(id)).toSorted();
  const kinds = [given.length, started.length, reverted.length, recalled.length].filter((count) => count > 0).length;

  const work = async (query: Query): Promise<Set<string>> => {
    const done = outcomes.length === 0 ? new Set<string>() : await completeAll(query, commit, outcomes, attempt);
    if (given.length > 0) {
      const clients = given.map(({ clientId }) => clientId);
      const hosts = given.map(({ clientHost }) => storable(clientHost));
      await query(assign, [serverId, given.map(({ id }) => id), clients, hosts]);
    }
    if (started.length > 0) {
      const times = started.map(({ startTime }) => instantText(startTime));
      await query(start, [serverId, started.map(({ id }) => id), times]);
    }
    if (reverted.length > 0) await query(giveBack, [serverId, reverted]);
    if (recalled.length > 0) await query("delete from recall where id = any ($1::bigint[])", [recalled]);
    return done;
  };

  for (;;) {
    try {
      // A single statement is a transaction by itself, which saves two round trips.
      const done = outcomes.length > 0 || kinds > 1 ? await connection.transaction(work) : await work(connection.query);
      const left = new Set(done);
      // If a commit has two outcomes of one task, the first was recorded and the second is refused.
      const refused = completed.filter(({ id }) => !left.delete(id)).map(({ id }) => id);
      const waits = outcomes.some(({ id, retry }) => retry !== null && !retry.claimed && done.has(id));
      return { refused, freed: reverted.length > 0 || waits };
    } catch (error) {
      if (!(error instanceof Overtaken)) throw error;
    }
  }
}

/** Thrown when a task was taken away while its outcome was being written. */
class Overtaken extends Error {}

function byId<T extends { readonly id: string }>(list: readonly T[]): readonly T[] {
  return list.toSorted((one, other) => (one.id < other.id ? -1 : 1));
}

function firstOfEach(completed: readonly Completion[]): readonly Completion[] {
  const seen = new Set<string>();
  return completed.filter(({ id }) => !seen.has(id) && seen.add(id));
}

/** Records outcomes, inside a transaction. Answers the ids of the tasks whose outcome is recorded. */
async function completeAll(
  query: Query,
  commit: Commit,
  all: readonly Completion[],
  { away, doubtful }: Attempt,
): Promise<Set<string>> {
  const outcomes = away.size === 0 ? all : all.filter(({ id }) => !away.has(id));
  const { serverId, serverHost } = commit;
  const at = instantText(commit.at);
  const values = resultValues(outcomes);
  const retries = outcomes.some(({ retry }) => retry !== null);
  if (retries) {
    // A row that was reverted by hand may have a next attempt already. That attempt is unlinked and begins a chain of
    // its own.
    const again = outcomes.flatMap(({ id, retry }) => (retry === null ? [] : [id]));
    const next = outcomes.flatMap(({ retry }) => retry?.task.id ?? []);
    await query("update task set previous_id = null where previous_id = any ($1::uuid[]) and id <> all ($2::uuid[])", [
      again,
      next,
    ]);
  }
  // After waiting for a row lock an UPDATE sees the new row but not recalls committed with it, so a second query reads
  // them.
  const [rows, lost] = await Promise.all([
    query(complete, [serverId, serverHost, at, ...values]),
    query(taken, [serverId]),
  ]);
  const done = new Set(rows.map(([id]) => String(id)));
  for (const [id] of lost) {
    away.add(String(id));
    if (done.has(String(id))) throw new Overtaken();
  }
  if (retries) {
    const own = outcomes.flatMap(({ id, retry }) => (retry !== null && done.has(id) ? [retry] : []));
    const holder: Holder = { serverId, serverHost, at };
    const tasks = own.map(({ task }) => task);
    if (own.length > 0)
      await query(
        insertRows,
        insertValues(tasks, (i) => (own[i]!.claimed ? holder : null)),
      );
  }
  if (doubtful && done.size < all.length)
    for (const [id] of await query(recorded, resultValues(all))) done.add(String(id));
  return done;
}

function resultValues(outcomes: readonly Completion[]): unknown[][] {
  return [
    outcomes.map(({ id }) => id),
    outcomes.map(({ clientId }) => clientId),
    outcomes.map(({ clientHost }) => (clientHost === null ? null : storable(clientHost))),
    ...resultFields.map((field) => valuesOf(field, propertyOf(field), outcomes)),
    outcomes.map(({ retry }) => retry?.task.id ?? null),
  ];
}
