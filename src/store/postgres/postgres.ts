/*
 * The store in PostgreSQL, which several servers and submitters on several hosts may share. The statements are in
 * claims.ts, setbacks.ts, commits.ts and servers.ts; the tables and indices are in schema.ts. A store that adds or
 * frees tasks says so on a channel (news.ts), so that nobody has to ask again and again.
 *
 * A call whose answer is lost with the connection throws TransientError, although it may have been done. When it is
 * tried again, it does nothing twice: see doubts.ts.
 */
import type { Retries } from "../../task/retries.ts";
import { assert } from "../../base/assert.ts";
import type { Clock } from "../../base/clock.ts";
import type { ClaimedTask, NewTask } from "../../task/task.ts";
import type { AdoptRequest, Claim, ClaimRequest, Scope, Source, Store } from "../store.ts";
import { failureColumns, mostSorted, retryOf } from "../retry.ts";
import { instantText } from "./cells.ts";
import { adopt, backlog, countUnfinished, look, reservedIds, take, takenAt } from "./claims.ts";
import { clear, commitAll } from "./commits.ts";
import { openPostgres, type PostgresConnection, type Query } from "./connection.ts";
import { type Doubts, newDoubts } from "./doubts.ts";
import { isDouble, wasInTheWay } from "./failure.ts";
import { finalFailure, finalFailureAsIs, held, waiting } from "./indices.ts";
import { newNews, type News } from "./news.ts";
import { insertNew, insertRows, insertValues, storable } from "./row.ts";
import { prepareTables } from "./schema.ts";
import { addClient, endServer, serverRows } from "./servers.ts";
import { newSetbacks, type Setbacks } from "./setbacks.ts";
import type { PostgresTarget } from "./settings.ts";

export interface PostgresStoreOptions {
  readonly target: PostgresTarget;
  readonly clock: Clock;
  readonly echo: ((sql: string) => void) | null;
  /** Makes the tables if there are none. */
  readonly create: boolean;
}

/** How many rows one statement changes at most, so that others get their turn in between. */
const chunk = 1000;
/**
 * The pause while other servers are just taking all waiting tasks, milliseconds. It doubles from the first to the
 * longest.
 */
const firstCrowdedMs = 5;
const longestCrowdedMs = 200;
/** How often a transaction is tried again if another one stood in its way. */
const turns = 5;

/** The parts of an open store. */
interface Opened {
  readonly connection: PostgresConnection;
  readonly query: Query;
  readonly clock: Clock;
  readonly news: News;
  readonly doubts: Doubts;
  readonly setbacks: Setbacks;
  closed: boolean;
}

/** Opens the store. Throws UserError when the database cannot be reached or has no tables. */
export async function openPostgresStore(options: PostgresStoreOptions): Promise<Store> {
  const { clock } = options;
  const connection = await openPostgres({ ...options, steady: true });
  try {
    await prepareTables(connection, options.create);
  } catch (error) {
    await connection.close();
    throw error;
  }
  const { query } = connection;
  const news = newNews(connection, clock);
  const setbacks = newSetbacks(query, clock.now);
  const opened: Opened = { connection, query, clock, news, doubts: newDoubts(), setbacks, closed: false };
  return {
    durable: true,
    title: connection.title,
    ...serverRows(query, clock),
    async insert(tasks) {
      if (tasks.length === 0) return;
      await insertTasks(connection, tasks);
      news.announce();
    },
    async sync() {
      // The database server has synced each transaction before it answered (synchronous_commit).
    },
    onInsert(listener) {
      assert(!opened.closed, "nobody listens to a closed store");
      news.onTasks(listener);
    },
    onRecall(listener) {
      assert(!opened.closed, "nobody listens to a closed store");
      news.onRecalls(listener);
    },
    async unreserve(id) {
      await query("update server set reserves = false where id = $1::uuid", [id]);
      news.announce();
    },
    handedOut: (id) => handedOut(query, id),
    // Every commit is in the database when it is answered.
    recordLeft: async () => 0,
    buryServer: (id) => buryServer(opened, id),
    revertOrphans: () => revertOrphans(opened),
    claim: (request) => claim(opened, request),
    async commit(commit) {
      const attempt = opened.doubts.attempt(commit);
      const { refused, freed } = await inTurn(() => commitAll(connection, commit, attempt));
      opened.doubts.committed(commit);
      if (freed) news.announce();
      return { refused };
    },
    retryFailures: (scope, retries, at, newId) => retryFailures(opened, scope, retries, at, newId),
    async survey(scope) {
      return { unfinished: await countUnfinished(query, scope, await reservedIn(query, scope, null)) };
    },
    async unended(ids) {
      const found = await query("select id from task where id = any ($1::uuid[]) and completion_time is null", [ids]);
      return found.map(([id]) => id as string);
    },
    backlog: async (scope) => backlog(query, scope, await reservedIn(query, scope, null)),
    sources: (scope) => sources(query, scope),
    total: (scope) => total(query, scope),
    adopt: (request) => adoptTasks(opened, request),
    async close() {
      if (opened.closed) return;
      opened.closed = true;
      await news.told();
      await connection.close();
    },
  };
}

/** Submissions that servers other than `except` keep for themselves. Only scope `all` has to know them. */
async function reservedIn(query: Query, scope: Scope, except: string | null): Promise<readonly string[]> {
  return scope.kind === "all" ? reservedIds(query, except) : [];
}

async function claim(opened: Opened, request: ClaimRequest): Promise<Claim> {
  const { query, clock, doubts, setbacks } = opened;
  const { serverId, at } = request;
  if (doubts.fresh) {
    const found = await claimAgain(opened, request);
    if (found !== null) return found;
    doubts.looked();
  }
  const aside = request.scope.kind === "all" ? request.aside : [];
  const reserved = [...(await reservedIn(query, request.scope, serverId)), ...aside];
  for (let crowdedMs = firstCrowdedMs; ; crowdedMs = Math.min(crowdedMs * 2, longestCrowdedMs)) {
    const found = await look(query, setbacks, request, reserved);
    if (found.kind === "none" || found.kind === "waiting") return (await claimAgain(opened, request)) ?? found;
    if (found.kind !== "open") return found;
    const { group } = found;
    if (request.limit <= 0) return { kind: "claimed", group, tasks: [] };
    let tasks: readonly ClaimedTask[];
    try {
      tasks = await take(query, request, found);
    } catch (error) {
      doubts.claimLost(serverId, at);
      throw error;
    }
    if (tasks.length === 0 && request.tooMuch.length === 0) {
      // Another server is just taking the tasks that were found.
      const { promise, resolve } = Promise.withResolvers<void>();
      clock.after(crowdedMs, resolve);
      await promise;
      continue;
    }
    doubts.came(tasks);
    return { kind: "claimed", group, tasks };
  }
}

/** The tasks that earlier claims took whose answers were lost; null: there are none. */
async function claimAgain({ query, doubts }: Opened, { serverId, limit }: ClaimRequest): Promise<Claim | null> {
  const times = doubts.unanswered(serverId);
  if (times.length === 0) return null;
  const tasks = doubts.found(await takenAt(query, serverId, times), limit);
  if (tasks.length === 0) return null;
  doubts.came(tasks);
  return { kind: "claimed", group: tasks[0]!.group, tasks };
}

/**
 * Runs a transaction, and tries it again if another one stood in its way: servers and people may lock the same rows in
 * different orders.
 */
async function inTurn<T>(work: () => Promise<T>): Promise<T> {
  for (let left = turns; ; left--) {
    try {
      return await work();
    } catch (error) {
      if (left === 0 || !wasInTheWay(error)) throw error;
    }
  }
}

/** Gives back the held rows that match, a transaction for each chunk. Answers how many. */
async function release({ query, news }: Opened, condition: string, values: readonly unknown[]): Promise<number> {
  const chosen = `${held} and ${condition}`;
  let count = 0;
  for (;;) {
    // The condition is there twice: it must still hold when a row that others were changing comes free.
    const rows = await inTurn(() =>
      query(
        `with few as materialized (select id from task where ${chosen} limit ${chunk}),
           freed as (update task set ${clear} where ${chosen} and id = any (array(select id from few)) returning id)
         select (select count(*) from few), (select count(*) from freed)`,
        values,
      ),
    );
    const [seen, freed] = [Number(rows[0]?.[0]), Number(rows[0]?.[1])];
    count += freed;
    if (freed > 0) news.announce();
    if (seen < chunk) return count;
  }
}

async function handedOut(query: Query, id: string): Promise<number> {
  const theirs = "server_id = $1::uuid and client_id is not null";
  const [row] = await query(`select count(*) from task where ${held} and ${theirs}`, [id]);
  return Number(row?.[0]);
}

async function buryServer(opened: Opened, id: string): Promise<number> {
  // The row of the server goes last: if this process dies half-way, the next one to bury the server does the rest.
  const count = await release(opened, "server_id = $1::uuid", [id]);
  await endServer(opened.query, id);
  // What the server reserved is free now.
  opened.news.announce();
  return count;
}

async function revertOrphans(opened: Opened): Promise<number> {
  // The servers of these recalls are gone and will not ask for them.
  await opened.query("delete from recall where not exists (select 1 from server where server.id = recall.server_id)");
  const orphaned = "(server_id is null or not exists (select 1 from server where server.id = task.server_id))";
  return release(opened, orphaned, []);
}

async function total(query: Query, scope: Scope): Promise<number> {
  const reserved = await reservedIn(query, scope, null);
  const [row] =
    scope.kind === "submission"
      ? await query("select count(*) from task where submit_id = $1::uuid", [scope.id])
      : await query("select count(*) from task where submit_id <> all ($1::uuid[])", [reserved]);
  return Number(row?.[0]);
}

async function sources(query: Query, scope: Scope): Promise<readonly Source[]> {
  const [sql, value] =
    scope.kind === "submission"
      ? ["submit_id = any ($1::uuid[])", [scope.id]]
      : ["submit_id <> all ($1::uuid[])", await reservedIn(query, scope, null)];
  // Waiting and held tasks are counted apart, because each has an index of its own.
  const openIn = (condition: string): string =>
    `select submit_id, count(*) as open from task where ${condition} and ${sql} group by submit_id`;
  const rows = await query(
    `select cwd, host, count(distinct submit_id)::int, sum(open)::float8, min(time), max(time),
       min(submit_id::text)
     from (${openIn(waiting.ofSubmission)} union all ${openIn(held)}) as tasks
     left join submission on submission.id = submit_id
     group by cwd, host order by 4 desc, 6 desc`,
    [value],
  );
  return rows.map(([cwd, host, submissions, unfinished, first, last, example]) => ({
    cwd: typeof cwd === "string" ? cwd : null,
    host: typeof host === "string" ? host : null,
    submissions: Number(submissions),
    example: String(example),
    unfinished: Number(unfinished),
    first: typeof first === "number" ? first : null,
    last: typeof last === "number" ? last : null,
  }));
}

async function adoptTasks(
  { connection, query, news, doubts }: Opened,
  request: AdoptRequest,
): Promise<readonly ClaimedTask[]> {
  const { scope, serverId, serverHost, clientId, clientHost, at, from } = request;
  const reserved = (await reservedIn(query, scope, serverId)).filter((id) => !from.includes(id));
  const tasks = await inTurn(() =>
    connection.transaction(async (within) => {
      await addClient(within, [clientId, storable(clientHost), serverId, serverHost, instantText(at)]);
      const adopted = await adopt(within, request, reserved);
      if (adopted.length > 0) await news.tellRecall(within);
      return adopted;
    }),
  );
  doubts.came(tasks);
  return tasks;
}

async function retryFailures(
  { connection, query, news }: Opened,
  scope: Scope,
  retries: Retries,
  at: number,
  newId: () => string,
): Promise<number> {
  const reserved = await reservedIn(query, scope, null);
  const whose = scope.kind === "submission" ? "submit_id = any ($1::uuid[])" : "submit_id <> all ($1::uuid[])";
  const values = [scope.kind === "submission" ? [scope.id] : reserved, retries.attempts, retries.statuses];
  const left = `attempt < $2::int and ($3::bigint[] is null or exit_status::bigint = any ($3::bigint[])) and ${whose}`;
  const toTask = (row: readonly unknown[]): NewTask => retryOf(row, retries, at, newId());
  let count = 0;
  for (;;) {
    const rows = await query(
      `select id from task where ${finalFailure} and ${left} order by submit_time, id limit ${mostSorted}`,
      values,
    );
    for (let from = 0; from < rows.length; from += chunk) {
      const ids = rows.slice(from, from + chunk).map(([id]) => id);
      // The condition is there twice: others may have changed the row meanwhile.
      const some = `select ${failureColumns} from task
        where id = any ($4::uuid[]) and ${finalFailureAsIs} and ${left} order by submit_time, id for update`;
      const retried = await inTurn(() =>
        connection.transaction(async (within) => retry(within, (await within(some, [...values, ids])).map(toTask))),
      );
      count += retried;
      if (retried > 0) news.announce();
    }
    if (rows.length < mostSorted) return count;
  }
}

/** Stores next attempts of rows that this transaction has locked. Answers how many. */
async function retry(query: Query, tasks: readonly NewTask[]): Promise<number> {
  if (tasks.length === 0) return 0;
  const previous = tasks.map(({ previousId }) => previousId);
  await query("update task set previous_id = null where previous_id = any ($1::uuid[])", [previous]);
  await insertFree(query, tasks);
  await query(
    `update task set retried = true, next_id = pair.next_id from unnest($1::uuid[], $2::uuid[]) as pair (id, next_id)
     where task.id = pair.id`,
    [previous, tasks.map(({ id }) => id)],
  );
  return tasks.length;
}

/** Stores tasks that no server holds yet. Rows that are there already, from an earlier try, stay as they are. */
async function insertFree(query: Query, tasks: readonly NewTask[]): Promise<void> {
  await query(
    insertRows,
    insertValues(tasks, () => null),
  );
}

/** Stores new tasks; see Store.insert. Throws an Error when there is another task with one of the ids. */
async function insertTasks({ query, transaction }: PostgresConnection, tasks: readonly NewTask[]): Promise<void> {
  try {
    await query(
      insertNew,
      insertValues(tasks, () => null),
    );
  } catch (error) {
    if (!isDouble(error)) throw error;
    // The same tasks may be there from an earlier try whose answer was lost. All others are somebody else's.
    const own = new Map(tasks.map((task) => [task.id, task]));
    if (own.size < tasks.length) throw error;
    await transaction(async (within) => {
      const rows = await within("select id, submit_id, args from task where id = any ($1::uuid[])", [[...own.keys()]]);
      for (const [id, submitId, args] of rows) {
        const task = own.get(String(id))!;
        if (submitId !== task.submitId || args !== storable(task.args))
          throw new Error(`a task with the id ${task.id} is there already`, { cause: error });
      }
      await insertFree(within, tasks);
    });
  }
}
