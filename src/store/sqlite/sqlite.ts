/*
 * The store in an SQLite file. Every call is one transaction, which is done when the call returns; it answers a promise
 * only because the contract wants one. The statements are in claims.ts, setbacks.ts, adoption.ts, commits.ts and
 * servers.ts; the tables and indices are in schema.ts.
 *
 * Measured in processor time, with 200,000 tasks waiting in the same table: 230,000 inserts a second in batches of
 * 4,096. A claim of one task takes 48 µs, a commit of one outcome 23 µs, of one dispatch 14 µs (BEGIN to COMMIT,
 * write-ahead log). In bundles of 64 they take some 7, 6 and 3 µs a task, in bundles of 1,000 to 4,000 some 4.5, 4.5
 * and 2. From insert to record a task costs 15 µs, and more than half of that keeps indices. In a table of ten million
 * the rates are lower by less than a tenth (scripts/bench records).
 */
import type { Retries } from "../../task/retries.ts";
import { assert } from "../../base/assert.ts";
import type { Clock, Timer } from "../../base/clock.ts";
import { FatalError, TransientError } from "../../base/errors.ts";
import type { ClaimedTask } from "../../task/task.ts";
import { failureColumns, mostSorted, retryOf } from "../retry.ts";
import type { AdoptRequest, Claim, ClaimRequest, Commit, CommitReport, Scope, Source, Store } from "../store.ts";
import { prepareAdoption } from "./adoption.ts";
import { prepareClaims } from "./claims.ts";
import { prepareCommits } from "./commits.ts";
import { Connection, type SqliteOptions } from "./connection.ts";
import { recordLeft } from "./left.ts";
import { type Lingering, newLingering } from "./lingering.ts";
import type { HeldRows } from "./row.ts";
import { prepareServers } from "./servers.ts";
import { prepareSetbacks } from "./setbacks.ts";
import { newWatch } from "./watch.ts";

/** How many rows one transaction changes at most, so that others get their turn in between. */
const chunk = 1000;

export interface SqliteStoreOptions extends SqliteOptions {
  readonly clock: Clock;
}

/**
 * Failures that get a next attempt; ?1: the attempts of a task, ?2: a submission or null, ?3: what is reserved, ?4: the
 * statuses that are tried again; null: all are.
 */
const triedAgain = `retried = 0 and exit_status is not null and exit_status <> 0 and exit_status <> -1
  and attempt < ?1 and (?2 is null or submit_id = ?2) and submit_id not in (select value from json_each(?3))
  and (?4 is null or exit_status in (select value from json_each(?4)))`;

type Prepared = ReturnType<typeof prepare>;
type Opened = Prepared & { readonly lingering: Lingering };

/** Prepares all statements of one open file, and what is remembered of it. */
function prepare(connection: Connection, clock: Clock) {
  const held: HeldRows = new Map();
  const setbacks = connection.read(() => prepareSetbacks(connection, clock.now));
  const claims = connection.read(() => prepareClaims(connection, held, setbacks));
  return {
    connection,
    claims,
    adopt: prepareAdoption(connection, held),
    commits: connection.read(() => prepareCommits(connection, held)),
    servers: prepareServers(connection, clock),
    watch: newWatch(connection, clock),
    unreserve: connection.prepare("update server set reserves = 0 where id = ?"),
    forgetStray: connection.prepare("delete from recall where server_id not in (select id from server)"),
    heldBy: connection.prepare(
      `select rowid from task indexed by task_unfinished_group
       where completion_time is null and "group" = ? and schedule_time > '' and server_id = ? limit ${chunk}`,
    ),
    handedOut: connection.prepare(
      `select count(*) from task indexed by task_unfinished_group
       where completion_time is null and "group" = ? and schedule_time > ''
         and server_id = ? and client_id is not null`,
    ),
    orphans: connection.prepare(
      `select rowid from task indexed by task_unfinished_group
       where completion_time is null and "group" = ? and schedule_time > ''
         and (server_id is null or server_id not in (select id from server)) limit ${chunk}`,
    ),
    failures: connection.prepare(
      `select rowid from task indexed by task_failed where ${triedAgain} order by rowid limit ${mostSorted}`,
    ),
    // Said once more of each: somebody may have changed the row meanwhile, or given its place to another.
    failuresAt: connection.prepare(
      `select ${failureColumns} from task not indexed
       where rowid in (select value from json_each(?5)) and ${triedAgain} order by rowid`,
    ),
    // ?1: a submission or null, ?2: what is reserved. Only the index of unfinished tasks is read.
    sources: connection.prepare(
      `select cwd, host, count(*), sum(open) as unfinished, min(time), max(time), min(submit_id) from (
         select submit_id, count(*) as open from task indexed by task_unfinished_submission
         where completion_time is null and (?1 is null or submit_id = ?1)
           and submit_id not in (select value from json_each(?2))
         group by submit_id
       ) left join submission on submission.id = submit_id
       group by cwd, host order by unfinished desc, max(time) desc`,
    ),
    clock,
    /** When the file had no recall, milliseconds since 1970. */
    unchangedAt: Number.NEGATIVE_INFINITY,
    /** The timer of the next sync that nobody asked for. */
    syncing: null as Timer | null,
    closed: false,
  };
}

/**
 * How long a task or an outcome may be at the mercy of a power cut, milliseconds, where nobody waits for a sync: on one
 * machine outcomes are not synced one by one.
 */
const unsyncedMs = 1000;

/** Has what was stored synced within a second. */
function syncLater(its: Opened): void {
  its.syncing ??= its.clock.after(unsyncedMs, () => {
    its.syncing = null;
    its.connection.sync().catch((error: unknown) => {
      // The next transaction throws what went wrong for good.
      if (error instanceof TransientError && !its.closed) syncLater(its);
    });
  });
}

/**
 * Opens the store. Makes the file and its tables if they are missing. Throws UserError when the file cannot be opened.
 */
export function openSqlite(options: SqliteStoreOptions): Store {
  const connection = new Connection({ ...options, readOnly: false });
  const its: Opened = {
    ...prepare(connection, options.clock),
    lingering: newLingering(connection.file, options.clock, () => recordSoon(its)),
  };
  const { claims, servers, watch } = its;
  const { connectClient, ...serverRows } = servers;
  return {
    durable: true,
    title: `sqlite (${connection.file})`,
    ...serverRows,
    async addServer(row) {
      // Others may have taken this server for dead, and have removed its file.
      settle(its);
      its.lingering.close();
      return serverRows.addServer(row);
    },
    async endServer(id) {
      settle(its);
      its.lingering.close();
      await serverRows.endServer(id);
    },
    async insert(tasks) {
      if (tasks.length === 0) return;
      connection.write(() => its.commits.insert(tasks));
      syncLater(its);
      watch.announce();
    },
    async sync() {
      settle(its);
      await connection.sync();
    },
    onInsert(wake) {
      assert(!its.closed, "nobody listens to a closed store");
      watch.onTasks(wake);
    },
    onRecall(wake) {
      watch.onRecalls(wake);
    },
    async unreserve(id) {
      connection.write(() => its.unreserve.run(id));
    },
    handedOut: async (id) => connection.read(() => handedOut(its, id)),
    recordLeft: async (id) => recordLeft(connection, id, its.commits),
    buryServer: (id) => buryServer(its, id),
    async revertOrphans() {
      // The servers of these recalls are gone and will not ask for them.
      if (watch.anyRecall() !== false) connection.write(() => its.forgetStray.run());
      return releaseHeld(its, (group) => its.orphans.values(group));
    },
    async claim(request) {
      settle(its);
      return claim(its, request);
    },
    commit: async (commit) => writeCommit(its, commit),
    async retryFailures(scope, retries, at, newId) {
      settle(its);
      return retryFailures(its, scope, retries, at, newId);
    },
    async survey(scope) {
      settle(its);
      const reserved = connection.read(() => reservedIn(its, scope, null));
      return { unfinished: connection.read(() => claims.countUnfinished(scope, reserved)) };
    },
    unended: async (ids) => unended(its, ids),
    async backlog(scope) {
      settle(its);
      const reserved = connection.read(() => reservedIn(its, scope, null));
      return connection.read(() => claims.backlog(scope, reserved));
    },
    async sources(scope) {
      settle(its);
      return connection.read(() => sources(its, scope));
    },
    total: async (scope) => connection.read(() => total(its, scope)),
    async addClient({ id, host, serverId, serverHost, connectedAt }) {
      connection.write(() => connectClient(id, host, serverId, serverHost, connectedAt));
    },
    async adopt(request) {
      settle(its);
      return adoptTasks(its, request);
    },
    async close() {
      if (its.closed) return;
      recordSoon(its);
      its.lingering.close();
      its.closed = true;
      its.syncing?.cancel();
      watch.close();
      // A descriptor must not be closed under a sync.
      await connection.synced();
      connection.close();
    },
  };
}

const noneRefused = { refused: [] };

/** Writes a commit, now or a moment later (lingering.ts). Answers the outcomes that were refused. */
function writeCommit(its: Opened, commit: Commit): CommitReport {
  const { connection, commits, lingering } = its;
  // An outcome of a task that somebody has changed may be refused, and the caller has to know.
  if (lingering.mayKeep(commit) && !mayBeRecalled(its) && lingering.keep(commit)) return noneRefused;
  const kept = lingering.kept();
  const refused = connection.write(() => {
    if (kept !== null) commits.commit(kept);
    return commits.commit(commit);
  });
  if (commit.completed.length === 0 && kept === null) return { refused };
  lingering.recorded();
  syncLater(its);
  return { refused };
}

/** For how long an answer holds that nobody has changed a task, milliseconds. To ask takes 10 microseconds. */
const unchangedMs = 5;

/** Whether somebody may have changed a task that a server holds. */
function mayBeRecalled(its: Opened): boolean {
  const now = its.clock.now();
  if (now - its.unchangedAt < unchangedMs) return false;
  if (its.watch.anyRecall() !== false) return true;
  its.unchangedAt = now;
  return false;
}

/** Records what lingers. */
function settle(its: Opened): void {
  const kept = its.lingering.kept();
  if (kept === null) return;
  its.connection.write(() => its.commits.commit(kept));
  its.lingering.recorded();
  syncLater(its);
}

/** Records what lingers, when nobody waits for it. What goes wrong is told by the next call, which tries it again. */
function recordSoon(its: Opened): void {
  try {
    if (!its.closed) settle(its);
  } catch (error) {
    if (!(error instanceof TransientError || error instanceof FatalError)) throw error;
  }
}

/** Submissions that servers other than `except` keep for themselves. Only scope `all` has to know them. */
function reservedIn({ claims }: Pick<Opened, "claims">, scope: Scope, except: string | null): readonly string[] {
  return scope.kind === "all" ? claims.reserved(except) : [];
}

/** Submissions that the claim leaves out because its server asked for that. */
function asideIn({ scope, aside }: ClaimRequest): readonly string[] {
  return scope.kind === "all" ? aside : [];
}

function claim({ connection, claims }: Opened, request: ClaimRequest): Claim {
  // A server that waits for tasks must not wait at a file that nobody else can see.
  connection.expectInPlace();
  for (;;) {
    const reserved = [
      ...connection.read(() => reservedIn({ claims }, request.scope, request.serverId)),
      ...asideIn(request),
    ];
    const found = connection.read(() => claims.look(request, reserved));
    if (found.kind !== "open") return found;
    const { group } = found;
    if (request.limit <= 0) return { kind: "claimed", group, tasks: [] };
    const tasks = connection.write(() =>
      // A recall may have come between the look and the claim.
      claims.recalled(request.serverId) ? null : claims.take(request, found),
    );
    if (tasks === null) return { kind: "recalled" };
    if (tasks.length > 0 || request.tooMuch.length > 0) return { kind: "claimed", group, tasks };
    // Another server took them between the look and the claim.
  }
}

/** Gives back what `pick` finds among the held rows of each group, a transaction for each chunk. Answers how many. */
function releaseHeld(
  { connection, claims, commits, watch }: Opened,
  pick: (group: number) => readonly (readonly unknown[])[],
): number {
  const rows = (group: number): number[] => pick(group).map(([row]) => row as number);
  let count = 0;
  for (const group of claims.unfinishedGroups()) {
    while (connection.read(() => rows(group)).length > 0) count += connection.write(() => commits.release(rows(group)));
  }
  if (count > 0) watch.announce();
  return count;
}

function handedOut({ claims, handedOut: count }: Opened, id: string): number {
  let sum = 0;
  for (const group of claims.unfinishedGroups()) sum += Number(count.values(group, id)[0]?.[0]);
  return sum;
}

async function buryServer(its: Opened, id: string): Promise<number> {
  // The row of the server goes last: if this process dies half-way, the next one to bury the server does the rest.
  recordLeft(its.connection, id, its.commits);
  const count = releaseHeld(its, (group) => its.heldBy.values(group, id));
  await its.servers.endServer(id);
  // What the server reserved is free now.
  its.watch.announce();
  return count;
}

function retryFailures(its: Opened, scope: Scope, retries: Retries, at: number, newId: () => string): number {
  const { connection, commits, watch } = its;
  const only = scope.kind === "submission" ? scope.id : null;
  const reserved = (): string => JSON.stringify(reservedIn(its, scope, null));
  const statuses = retries.statuses === null ? null : JSON.stringify(retries.statuses);
  const asked = (): [number, string | null, string, string | null] => [retries.attempts, only, reserved(), statuses];
  let count = 0;
  for (;;) {
    const places = connection.read(() => its.failures.values(...asked())).map(([rowid]) => rowid);
    for (let from = 0; from < places.length; from += chunk) {
      const some = JSON.stringify(places.slice(from, from + chunk));
      count += connection.write(() => {
        const rows = its.failuresAt.values(...asked(), some);
        for (const row of rows) commits.insertRetry(retryOf(row, retries, at, newId()));
        return rows.length;
      });
    }
    if (places.length < mostSorted) break;
  }
  if (count > 0) watch.announce();
  return count;
}

function unended(its: Opened, ids: readonly string[]): readonly string[] {
  settle(its);
  const { connection } = its;
  const sql = "select id from task where id in (select value from json_each(?)) and completion_time is null";
  const rows = connection.read(() => connection.db.query(sql).values(JSON.stringify(ids)));
  return rows.map(([id]) => id as string);
}

function total(its: Opened, scope: Scope): number {
  const count = (condition: string, ...cells: string[]): number =>
    its.connection.db.query(`select count(*) from task ${condition}`).values(...cells)[0]?.[0] as number;
  if (scope.kind === "submission") return count("where submit_id = ?", scope.id);
  const reserved = reservedIn(its, scope, null);
  if (reserved.length === 0) return count("");
  return count("where submit_id not in (select value from json_each(?))", JSON.stringify(reserved));
}

function sources(its: Opened, scope: Scope): readonly Source[] {
  const only = scope.kind === "submission" ? scope.id : null;
  const reserved = JSON.stringify(reservedIn(its, scope, null));
  return its.sources.values(only, reserved).map(([cwd, host, submissions, unfinished, first, last, example]) => ({
    cwd: typeof cwd === "string" ? cwd : null,
    host: typeof host === "string" ? host : null,
    submissions: Number(submissions),
    example: String(example),
    unfinished: Number(unfinished),
    first: its.connection.times.parse(first),
    last: its.connection.times.parse(last),
  }));
}

function adoptTasks(its: Opened, request: AdoptRequest): readonly ClaimedTask[] {
  const { scope, serverId, serverHost, clientId, clientHost, at, from } = request;
  return its.connection.write(() => {
    its.servers.connectClient(clientId, clientHost, serverId, serverHost, at);
    const reserved = reservedIn(its, scope, serverId);
    return its.adopt(
      request,
      reserved.filter((id) => !from.includes(id)),
    );
  });
}
