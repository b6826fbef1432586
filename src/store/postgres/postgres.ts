/*
 * The store in PostgreSQL, which several servers and submitters on several hosts may share. Which statement serves what is in claims.ts and commits.ts;
 * the shape of tables and indices in schema.ts. Whoever adds or frees tasks says so on a channel (LISTEN/NOTIFY), so nobody has to ask again and again.
 *
 * A call whose answer is lost with the connection throws TransientError, and may have been done all the same. Tried again it does nothing twice,
 * see doubts.ts.
 */
import { assert } from "../../base/assert.ts";
import type { Clock } from "../../base/clock.ts";
import { FatalError, TransientError } from "../../base/errors.ts";
import type { ClaimedTask, Submission } from "../../task/task.ts";
import type { Claim, ClaimRequest, Recall, Scope, ServerRow, Store } from "../store.ts";
import { failureColumns, retryOf } from "../retry.ts";
import { adopt, countUnfinished, look, reservedIds, take, takenAt } from "./claims.ts";
import { clear, runCommit } from "./commits.ts";
import { instantText } from "./cells.ts";
import { channelOf, openPostgres, type Query, type Row } from "./connection.ts";
import { newDoubts } from "./doubts.ts";
import { wasInTheWay } from "./failure.ts";
import { insertRows, insertValues } from "./row.ts";
import { finalFailure, held, waiting } from "./indices.ts";
import { prepareTables } from "./schema.ts";
import type { PostgresTarget } from "./settings.ts";

export interface PostgresStoreOptions {
  readonly target: PostgresTarget;
  readonly clock: Clock;
  readonly echo: ((sql: string) => void) | null;
  /** Makes the tables if there are none. */
  readonly create: boolean;
}

/** Rows of one statement when many are changed: others get their turn in between. */
const chunk = 1000;
/** Pause when everything that waits is just being taken by others, milliseconds: doubles from the first to the longest. */
const firstCrowdedMs = 5;
const longestCrowdedMs = 200;

/** The last notification gets this long, milliseconds. */
const lastNewsMs = 2000;
/** A transaction that stood in the way of another is tried again this often, without a word. */
const turns = 5;

/** The time on the clock of the database, milliseconds. */
const theirNow = "extract(epoch from clock_timestamp()) * 1000";

/** What the channel says; everybody who listens looks for himself what there is. */
type News = "tasks" | "recall";

/** Throws UserError when there is no way in, or there are no tables. */
export async function openPostgresStore(options: PostgresStoreOptions): Promise<Store> {
  const { clock } = options;
  const connection = await openPostgres({ ...options, steady: true });
  const { query } = connection;
  try {
    await prepareTables(connection, options.create);
  } catch (error) {
    await connection.close();
    throw error;
  }
  const channel = channelOf(connection.schema);
  const onTasks: (() => void)[] = [];
  const onRecalls: (() => void)[] = [];
  let listening = false;
  let closed = false;
  const doubts = newDoubts();

  function wake(listeners: readonly (() => void)[]): void {
    for (const each of listeners) each();
  }

  function listen(): void {
    assert(!closed, "nobody listens to a closed store");
    if (listening) return;
    listening = true;
    const heard = (news: string): void => wake(news === "recall" ? onRecalls : onTasks);
    // While nobody listened anything may have come.
    const ready = (): void => {
      wake(onRecalls);
      wake(onTasks);
    };
    connection.listen(channel, heard, ready);
  }

  async function tell(within: Query, news: News): Promise<void> {
    await within("select pg_notify($1, $2)", [channel, news]);
  }

  let telling: Promise<void> | null = null;
  let newsDue = false;

  /**
   * Tasks wait that did not before. Others are told after the transaction, not in it: those that notify are committed one after the other in all of
   * PostgreSQL, each waiting for the disk in its turn. At most one notification is under way, and nobody waits for it. One that is lost with
   * the connection is made up for: who listens looks for himself at intervals, and whenever listening begins anew.
   */
  function announce(): void {
    wake(onTasks);
    newsDue = true;
    telling ??= tellOthers();
  }

  async function tellOthers(): Promise<void> {
    try {
      while (newsDue) {
        newsDue = false;
        await tell(query, "tasks");
      }
    } catch (error) {
      // Whoever asks next is told what is the matter.
      if (!(error instanceof TransientError || error instanceof FatalError)) throw error;
    } finally {
      telling = null;
    }
  }

  /** Whoever ends has said what there is; a database that has gone silent is not waited for. */
  async function newsTold(): Promise<void> {
    if (telling === null) return;
    const late = Promise.withResolvers<void>();
    const timer = clock.after(lastNewsMs, late.resolve);
    await Promise.race([telling, late.promise]);
    timer.cancel();
  }

  async function reservedIn(scope: Scope, except: string | null): Promise<readonly string[]> {
    return scope.kind === "all" ? reservedIds(query, except) : [];
  }

  let notedGroup: number | null = null;

  async function claim(request: ClaimRequest): Promise<Claim> {
    const { serverId, at } = request;
    if (doubts.fresh) {
      const found = await claimAgain(request);
      if (found !== null) return found;
      doubts.looked();
    }
    const reserved = await reservedIn(request.scope, serverId);
    for (let crowdedMs = firstCrowdedMs; ; crowdedMs = Math.min(crowdedMs * 2, longestCrowdedMs)) {
      const found = await look(query, request, reserved);
      if (found.kind === "none" || found.kind === "waiting") return (await claimAgain(request)) ?? found;
      if (found.kind !== "open") return found;
      const { group } = found;
      if (request.limit <= 0) return { kind: "claimed", group, tasks: [] };
      let tasks: readonly ClaimedTask[];
      try {
        tasks = await take(query, request, reserved, group);
      } catch (error) {
        doubts.claimLost(serverId, at);
        throw error;
      }
      if (tasks.length === 0) {
        // Another server is just taking them.
        const { promise, resolve } = Promise.withResolvers<void>();
        clock.after(crowdedMs, resolve);
        await promise;
        continue;
      }
      doubts.came(tasks);
      if (group !== notedGroup) await note(group, tasks.at(-1)!.id);
      return { kind: "claimed", group, tasks };
    }
  }

  /** What claims took whose answers were lost. */
  async function claimAgain({ serverId, limit }: ClaimRequest): Promise<Claim | null> {
    const times = doubts.unanswered(serverId);
    if (times.length === 0) return null;
    const tasks = doubts.found(await takenAt(query, serverId, times), limit);
    if (tasks.length === 0) return null;
    doubts.came(tasks);
    return { kind: "claimed", group: tasks[0]!.group, tasks };
  }

  /** Servers, and people, may lock the same rows in another order. */
  async function inTurn<T>(work: () => Promise<T>): Promise<T> {
    for (let left = turns; ; left--) {
      try {
        return await work();
      } catch (error) {
        if (left === 0 || !wasInTheWay(error)) throw error;
      }
    }
  }

  /** Only tells what to begin with some day: tasks that are claimed are not kept waiting for it. */
  async function note(group: number, taskId: string): Promise<void> {
    try {
      await query(
        `insert into schedule (one, "group", task_id) values (1, $1, $2::uuid)
         on conflict (one) do update set "group" = excluded."group", task_id = excluded.task_id`,
        [group, taskId],
      );
      notedGroup = group;
    } catch (error) {
      if (!(error instanceof TransientError)) throw error;
    }
  }

  /** Gives back held rows that match, a transaction for each chunk. */
  async function release(condition: string, values: readonly unknown[]): Promise<number> {
    const chosen = `${held} and ${condition}`;
    let count = 0;
    for (;;) {
      // The condition is there twice: it must still hold when a row that others changed comes free.
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
      if (freed > 0) announce();
      if (seen < chunk) return count;
    }
  }

  async function activeGroup(): Promise<{ group: number; reason: string }> {
    const latest = (task: Row): { group: number; reason: string } => ({
      group: Number(task[0]),
      reason: `most recently scheduled task: ${String(task[1])}`,
    });
    const [running] = await query(`select "group", id from task where ${held} order by schedule_time desc limit 1`);
    if (running !== undefined) return latest(running);
    const [any] = await query("select 1 from task limit 1");
    if (any === undefined) return { group: 0, reason: "no tasks submitted" };
    let [known] = await query('select "group", task_id from schedule where one = 1');
    if (known === undefined) {
      // Only a database that another program began has to be looked through, once.
      [known] = await query(
        'select "group", id from task where schedule_time is not null order by schedule_time desc limit 1',
      );
      await query(
        'insert into schedule (one, "group", task_id) values (1, $1::int, $2::uuid) on conflict (one) do nothing',
        [known?.[0] ?? null, known?.[1] ?? null],
      );
    }
    if (typeof known?.[0] === "number") return latest(known);
    const [first] = await query(`select "group" from task where ${waiting.ofAll} order by "group" limit 1`);
    return { group: Number(first?.[0] ?? 0), reason: "no tasks scheduled - defaulting to earliest group" };
  }

  return {
    durable: true,
    title: connection.title,

    async addSubmission(row) {
      await query(
        `insert into submission (id, time, host, "user", cwd, template, version) values ($1::uuid, $2, $3, $4, $5, $6, $7)
         on conflict (id) do nothing`,
        [row.id, row.time, row.host, row.user, row.cwd, row.template, row.version],
      );
    },
    async submission(id) {
      const [row] = await query(
        'select id, time, host, "user", cwd, template, version from submission where id = $1::uuid',
        [id],
      );
      if (row === undefined) return null;
      const [submission, time, host, user, cwd, template, version] = row as [
        string,
        number,
        string,
        string,
        string,
        string | null,
        string,
      ];
      return { id: submission, time, host, user, cwd, template, version } satisfies Submission;
    },
    async insert(tasks) {
      if (tasks.length === 0) return;
      await query(
        insertRows,
        insertValues(tasks, () => null),
      );
      announce();
    },
    onInsert(listener) {
      onTasks.push(listener);
      listen();
    },
    onRecall(listener) {
      onRecalls.push(listener);
      listen();
    },
    async recalls(serverId) {
      const rows = await query("select id, task_id, kind from recall where server_id = $1::uuid order by id", [
        serverId,
      ]);
      return rows.map(([number, id, kind]) => ({
        number: Number(number),
        id: String(id),
        kind: kind as Recall["kind"],
      }));
    },

    // Clocks of hosts differ, and whose clock is behind is not dead: servers go by the clock of the database.
    async addServer({ id, host, pid, pidStart, reserves }) {
      const [row] = await query(
        `insert into server (id, host, pid, pid_start, reserves, started_at, beat_at)
         values ($1::uuid, $2, $3, $4, $5::boolean, ${theirNow}, ${theirNow})
         on conflict (id) do update set host = excluded.host, pid = excluded.pid, pid_start = excluded.pid_start,
           reserves = excluded.reserves, started_at = excluded.started_at, beat_at = excluded.beat_at
         returning started_at`,
        [id, host, pid, pidStart, reserves],
      );
      return Number(row?.[0]);
    },
    async unreserve(id) {
      await query("update server set reserves = false where id = $1::uuid", [id]);
      announce();
    },
    async beatServer(id) {
      await query(`update server set beat_at = ${theirNow} where id = $1::uuid`, [id]);
    },
    async endServer(id) {
      await endServer(query, id);
    },
    async servers() {
      const rows = await query(
        `select id, host, pid, pid_start, reserves, started_at, ${theirNow} - beat_at from server order by started_at`,
      );
      const now = clock.now();
      return rows.map((row) => serverRow(row, now));
    },
    async buryServer(id) {
      // The row goes last: a gravedigger that dies half-way leaves the rest to the next.
      const count = await release("server_id = $1::uuid", [id]);
      await endServer(query, id);
      // What it reserved is free now.
      announce();
      return count;
    },
    async revertOrphans() {
      // Nobody will ask for them.
      await query("delete from recall where not exists (select 1 from server where server.id = recall.server_id)");
      return release("(server_id is null or not exists (select 1 from server where server.id = task.server_id))", []);
    },

    claim,
    async commit(commit) {
      const attempt = doubts.attempt(commit);
      const { refused, freed } = await inTurn(() => runCommit(connection, commit, attempt));
      doubts.committed(commit);
      if (freed) announce();
      return { refused };
    },
    async retryFailures(scope, attempts, at, newId) {
      const reserved = await reservedIn(scope, null);
      let count = 0;
      for (;;) {
        const retried = await inTurn(() =>
          connection.transaction((within) => retrySome(within, scope, reserved, attempts, at, newId)),
        );
        count += retried;
        if (retried === 0) return count;
        announce();
      }
    },
    async survey(scope) {
      const reserved = await reservedIn(scope, null);
      const unfinished = await countUnfinished(query, scope, reserved);
      return { unfinished };
    },
    async total(scope) {
      const reserved = await reservedIn(scope, null);
      const [row] =
        scope.kind === "submission"
          ? await query("select count(*) from task where submit_id = $1::uuid", [scope.id])
          : await query("select count(*) from task where submit_id <> all ($1::uuid[])", [reserved]);
      return Number(row?.[0]);
    },
    activeGroup,

    async addClient({ id, host, serverId, serverHost, connectedAt }) {
      await addClient(query, [id, host, serverId, serverHost, instantText(connectedAt)]);
    },
    async endClient(id, serverId, at, evicted) {
      await query(
        "update client set disconnected_at = $3, evicted = $4::boolean where id = $1::uuid and server_id = $2::uuid",
        [id, serverId, at, evicted],
      );
    },
    async clientsOf(serverId) {
      const rows = await query(
        "select id from client where disconnected_at is null and not evicted and server_id = $1::uuid order by connected_at",
        [serverId],
      );
      return rows.map(([id]) => String(id));
    },
    async adopt(request) {
      const { scope, serverId, serverHost, clientId, clientHost, at, from } = request;
      const reserved = (await reservedIn(scope, serverId)).filter((id) => !from.includes(id));
      const tasks = await inTurn(() =>
        connection.transaction(async (within) => {
          await addClient(within, [clientId, clientHost, serverId, serverHost, instantText(at)]);
          const adopted = await adopt(within, request, reserved);
          if (adopted.length > 0) await tell(within, "recall");
          return adopted;
        }),
      );
      doubts.came(tasks);
      return tasks;
    },

    async close() {
      if (closed) return;
      closed = true;
      await newsTold();
      await connection.close();
    },
  };
}

async function endServer(query: Query, id: string): Promise<void> {
  await query("with gone as (delete from recall where server_id = $1::uuid) delete from server where id = $1::uuid", [
    id,
  ]);
}

async function addClient(query: Query, values: readonly unknown[]): Promise<void> {
  await query(
    `insert into client (id, host, server_id, server_host, connected_at, disconnected_at, evicted)
     values ($1::uuid, $2, $3::uuid, $4, $5::timestamptz, null, false)
     on conflict (id) do update set host = excluded.host, server_id = excluded.server_id, server_host = excluded.server_host,
       connected_at = excluded.connected_at, disconnected_at = null, evicted = false`,
    values,
  );
}

/** Next attempts for failures that have some left. */
async function retrySome(
  query: Query,
  scope: Scope,
  reserved: readonly string[],
  attempts: number,
  at: number,
  newId: () => string,
): Promise<number> {
  const whose = scope.kind === "submission" ? "submit_id = any ($1::uuid[])" : "submit_id <> all ($1::uuid[])";
  const rows = await query(
    `select ${failureColumns} from task
     where ${finalFailure} and attempt < $2::int and ${whose} limit ${chunk} for update`,
    [scope.kind === "submission" ? [scope.id] : reserved, attempts],
  );
  if (rows.length === 0) return 0;
  const tasks = rows.map((row) => retryOf(row, at, newId()));
  const previous = tasks.map(({ previousId }) => previousId);
  await query("update task set previous_id = null where previous_id = any ($1::uuid[])", [previous]);
  await query(
    insertRows,
    insertValues(tasks, () => null),
  );
  await query(
    `update task set retried = true, next_id = pair.next_id from unnest($1::uuid[], $2::uuid[]) as pair (id, next_id)
     where task.id = pair.id`,
    [previous, tasks.map(({ id }) => id)],
  );
  return rows.length;
}

function serverRow(row: Row, now: number): ServerRow {
  const [id, host, pid, pidStart, reserves, startedAt, silentMs] = row;
  return {
    id: String(id),
    host: String(host),
    pid: Number(pid),
    pidStart: pidStart === null ? null : String(pidStart),
    reserves: reserves === true,
    startedAt: Number(startedAt),
    beatAt: now - Number(silentMs),
  };
}
