/*
 * The store in an SQLite file. Every call is one transaction and is done when it returns; the promises are for the contract's sake. Which
 * statement serves what is in claims.ts and commits.ts; the shape of the tables and indices in schema.ts.
 *
 * Measured in processor time, with 200,000 tasks waiting in the same table: 230,000 inserts a second in batches of 4,096; a claim of one
 * task 48 µs, a commit of one outcome 23 µs, of one dispatch 14 µs (BEGIN to COMMIT, write-ahead log); in bundles of 64 some 7, 6 and 3 µs a
 * task, in bundles of 1,000 to 4,000 some 4.5, 4.5 and 2: from insert to record a task costs 15 µs. More than
 * half of that keeps indices. In a table of ten million the rates are the same, but for a tenth (scripts/bench records).
 */
import { assert } from "../../base/assert.ts";
import type { Clock, Timer } from "../../base/clock.ts";
import type { Submission } from "../../task/task.ts";
import { prepareClaims } from "./claims.ts";
import { prepareCommits } from "./commits.ts";
import { Connection, type SqliteOptions } from "./connection.ts";
import type { HeldRows } from "./row.ts";
import { failureColumns, retryOf } from "../retry.ts";
import type { Claim, Recall, Scope, ServerRow, Store } from "../store.ts";
import { formatTime, parseTime } from "../times.ts";

/** How often another process' commits are looked for while somebody listens; a look costs 2 µs. */
const watchMs = 100;
/** Rows of one transaction when many are changed: others get their turn in between. */
const chunk = 1000;

export interface SqliteStoreOptions extends SqliteOptions {
  readonly clock: Clock;
}

export function openSqlite(options: SqliteStoreOptions): Store {
  const connection = new Connection({ ...options, readOnly: false });
  const { db, file } = connection;
  const listeners: (() => void)[] = [];
  const recallListeners: (() => void)[] = [];
  let watching: Timer | null = null;
  let closed = false;

  const held: HeldRows = new Map();
  const claims = connection.read(() => prepareClaims(connection, held));
  const commits = connection.read(() => prepareCommits(connection, held));
  const dataVersion = connection.prepare("pragma data_version");
  const addSubmission = connection.prepare(
    "insert into submission (id, time, host, user, cwd, template, version) values (?, ?, ?, ?, ?, ?, ?) on conflict (id) do nothing",
  );
  const findSubmission = connection.prepare(
    "select id, time, host, user, cwd, template, version from submission where id = ?",
  );
  const addServer = connection.prepare(
    "insert or replace into server (id, host, pid, pid_start, reserves, started_at, beat_at) values (?, ?, ?, ?, ?, ?, ?)",
  );
  const unreserve = connection.prepare("update server set reserves = 0 where id = ?");
  const beatServer = connection.prepare("update server set beat_at = ? where id = ?");
  const endServer = connection.prepare("delete from server where id = ?");
  const someRecall = connection.prepare("select 1 from recall limit 1");
  const recallsOf = connection.prepare("select id, task_id, kind from recall where server_id = ? order by id");
  const forgetRecalls = connection.prepare("delete from recall where server_id = ?");
  const forgetStray = connection.prepare("delete from recall where server_id not in (select id from server)");
  const allServers = connection.prepare(
    "select id, host, pid, pid_start, reserves, started_at, beat_at from server order by started_at",
  );
  const addClient = connection.prepare(
    `insert into client (id, host, server_id, server_host, connected_at, disconnected_at, evicted) values (?, ?, ?, ?, ?, null, 0)
     on conflict (id) do update set host = excluded.host, server_id = excluded.server_id, server_host = excluded.server_host,
       connected_at = excluded.connected_at, disconnected_at = null, evicted = 0`,
  );
  const endClient = connection.prepare(
    "update client set disconnected_at = ?, evicted = ? where id = ? and server_id = ?",
  );
  const clientsOf = connection.prepare(
    "select id from client where disconnected_at is null and evicted = 0 and server_id = ? order by connected_at",
  );

  const heldBy = connection.prepare(
    `select rowid from task indexed by task_unfinished_group
     where completion_time is null and "group" = ? and schedule_time > '' and server_id = ? limit ${chunk}`,
  );
  const orphans = connection.prepare(
    `select rowid from task indexed by task_unfinished_group
     where completion_time is null and "group" = ? and schedule_time > '' and (server_id is null or server_id not in (select id from server))
     limit ${chunk}`,
  );
  const failures = connection.prepare(
    `select ${failureColumns} from task indexed by task_failed
     where retried = 0 and exit_status is not null and exit_status <> 0 and exit_status <> -1
     and attempt < ?1 and (?2 is null or submit_id = ?2) and submit_id not in (select value from json_each(?3)) limit ${chunk}`,
  );

  const anyTask = connection.prepare("select 1 from task limit 1");
  const latestHeld = connection.prepare(
    `select schedule_time, id from task indexed by task_unfinished_group
     where completion_time is null and "group" = ? and schedule_time > '' order by schedule_time desc limit 1`,
  );
  const noted = connection.prepare('select "group", task_id from schedule where one = 1');
  const note = connection.prepare(
    'insert into schedule (one, "group", task_id) values (1, ?1, ?2) on conflict (one) do update set "group" = ?1, task_id = ?2',
  );
  const latestOfAll =
    'select "group", id from task where schedule_time is not null order by schedule_time desc limit 1';
  let notedGroup: number | null = null;

  function wakeAll(): void {
    for (const wake of listeners) wake();
  }

  function watch(): void {
    let last = version();
    const look = (): void => {
      if (closed) return;
      watching = options.clock.after(watchMs, look);
      const now = version();
      // A look that failed says nothing: the next one will.
      if (now === null || now === last) return;
      last = now;
      if (anyRecall() !== false) for (const wake of recallListeners) wake();
      wakeAll();
    };
    watching = options.clock.after(watchMs, look);
  }

  /** Changes when another process has committed; null when that cannot be told just now. */
  function version(): number | null {
    try {
      return (dataVersion.get() as { data_version: number }).data_version;
    } catch {
      return null;
    }
  }

  /** null when that cannot be told just now. */
  function anyRecall(): boolean | null {
    try {
      return someRecall.get() !== null;
    } catch {
      return null;
    }
  }

  async function claim(request: Parameters<Store["claim"]>[0]): Promise<Claim> {
    for (;;) {
      const reserved = connection.read(() => (request.scope.kind === "all" ? claims.reserved(request.serverId) : []));
      const found = connection.read(() => claims.look(request, reserved));
      if (found.kind !== "open") return found;
      const { group } = found;
      if (request.limit <= 0) return { kind: "claimed", group, tasks: [] };
      const tasks = connection.write(() => {
        // It may have come between the look and the claim.
        if (claims.recalled(request.serverId)) return null;
        const taken = claims.take(request, reserved, group);
        const last = taken.at(-1);
        if (last !== undefined && group !== notedGroup) note.run(group, last.id);
        return taken;
      });
      if (tasks === null) return { kind: "recalled" };
      if (tasks.length > 0) {
        notedGroup = group;
        return { kind: "claimed", group, tasks };
      }
      // Another server took them between the look and the claim.
    }
  }

  /** Gives back what `pick` finds among the held rows of each group, a transaction for each chunk. */
  function releaseHeld(pick: (group: number) => number[]): number {
    let count = 0;
    let group = claims.unfinishedGroup(Number.MIN_SAFE_INTEGER);
    while (group !== null) {
      const current = group;
      const some = connection.read(() => pick(current)).length > 0;
      if (some) count += connection.write(() => commits.release(pick(current)));
      else group = claims.unfinishedGroup(current);
    }
    if (count > 0) wakeAll();
    return count;
  }

  const rowids = (rows: unknown[][]): number[] => rows.map(([row]) => row as number);

  function activeGroup(): { group: number; reason: string } {
    if (anyTask.get() === null) return { group: 0, reason: "no tasks submitted" };
    let latest: readonly [time: string, group: number, id: string] | null = null;
    const first = claims.unfinishedGroup(Number.MIN_SAFE_INTEGER);
    for (let group = first; group !== null; group = claims.unfinishedGroup(group)) {
      const row = latestHeld.values(group)[0] as [string, string] | undefined;
      if (row !== undefined && (latest === null || row[0] > latest[0])) latest = [row[0], group, row[1]];
    }
    if (latest !== null) return { group: latest[1], reason: `most recently scheduled task: ${latest[2]}` };
    const known = noted.values()[0];
    // Only a database that another program began has to be looked through, once.
    const [group, id] = known ?? db.query(latestOfAll).values()[0] ?? [null, null];
    if (known === undefined) connection.write(() => note.run(group as number | null, id as string | null));
    if (typeof group === "number") return { group, reason: `most recently scheduled task: ${String(id)}` };
    return { group: first ?? 0, reason: "no tasks scheduled - defaulting to earliest group" };
  }

  return {
    durable: true,
    title: `sqlite (${file})`,

    async addSubmission(row) {
      connection.write(() =>
        addSubmission.run(row.id, formatTime(row.time), row.host, row.user, row.cwd, row.template, row.version),
      );
    },
    async submission(id) {
      const row = connection.read(() => findSubmission.get(id)) as (Omit<Submission, "time"> & { time: string }) | null;
      return row === null ? null : { ...row, time: parseTime(row.time) ?? 0 };
    },
    async insert(tasks) {
      if (tasks.length === 0) return;
      connection.write(() => commits.insert(tasks));
      wakeAll();
    },
    onInsert(wake) {
      assert(!closed, "nobody listens to a closed store");
      listeners.push(wake);
      if (watching === null) watch();
    },

    onRecall(wake) {
      recallListeners.push(wake);
      if (watching === null) watch();
    },
    async recalls(serverId) {
      return connection
        .read(() => recallsOf.values(serverId))
        .map(([number, id, kind]) => ({ number: Number(number), id: String(id), kind: kind as Recall["kind"] }));
    },

    async addServer(server) {
      const { id, host, pid, pidStart, reserves, startedAt, beatAt } = server;
      connection.write(() => addServer.run(id, host, pid, pidStart, reserves ? 1 : 0, startedAt, beatAt));
      return startedAt;
    },
    async unreserve(id) {
      connection.write(() => unreserve.run(id));
    },
    async beatServer(id, at) {
      connection.write(() => beatServer.run(at, id));
    },
    async endServer(id) {
      connection.write(() => {
        forgetRecalls.run(id);
        endServer.run(id);
      });
    },
    async servers() {
      return connection.read(() => allServers.values()).map(serverRow);
    },
    async buryServer(id) {
      // The row goes last: a gravedigger that dies half-way leaves the rest to the next.
      const count = releaseHeld((group) => rowids(heldBy.values(group, id)));
      connection.write(() => {
        forgetRecalls.run(id);
        endServer.run(id);
      });
      // What it reserved is free now.
      wakeAll();
      return count;
    },
    async revertOrphans() {
      // Nobody will ask for them.
      if (anyRecall() !== false) connection.write(() => forgetStray.run());
      return releaseHeld((group) => rowids(orphans.values(group)));
    },

    claim,
    async commit(commit) {
      // Looking costs 2 µs.
      connection.expectInPlace();
      return { refused: connection.write(() => commits.commit(commit)) };
    },
    async retryFailures(scope, attempts, at, newId) {
      const only = scope.kind === "submission" ? scope.id : null;
      let count = 0;
      for (;;) {
        const retried = connection.write(() => {
          const reserved = scope.kind === "all" ? claims.reserved(null) : [];
          const rows = failures.values(attempts, only, JSON.stringify(reserved));
          for (const row of rows) commits.insertRetry(retryOf(row, at, newId()));
          return rows.length;
        });
        count += retried;
        if (retried < chunk) break;
      }
      if (count > 0) wakeAll();
      return count;
    },
    async survey(scope) {
      const reserved = connection.read(() => (scope.kind === "all" ? claims.reserved(null) : []));
      return { unfinished: connection.read(() => claims.countUnfinished(scope, reserved)) };
    },
    async total(scope) {
      return connection.read(() => countTotal(scope, scope.kind === "all" ? claims.reserved(null) : []));
    },
    activeGroup: async () => connection.read(activeGroup),

    async addClient({ id, host, serverId, serverHost, connectedAt }) {
      connection.write(() => addClient.run(id, host, serverId, serverHost, formatTime(connectedAt)));
    },
    async endClient(id, serverId, at, evicted) {
      connection.write(() => endClient.run(formatTime(at), evicted ? 1 : 0, id, serverId));
    },
    async clientsOf(serverId) {
      return connection.read(() => clientsOf.values(serverId)).map(([id]) => String(id));
    },
    async adopt(request) {
      const { scope, serverId, serverHost, clientId, clientHost, at, from } = request;
      return connection.write(() => {
        addClient.run(clientId, clientHost, serverId, serverHost, formatTime(at));
        const reserved = scope.kind === "all" ? claims.reserved(serverId) : [];
        return claims.adopt(
          request,
          reserved.filter((id) => !from.includes(id)),
        );
      });
    },

    async close() {
      if (closed) return;
      closed = true;
      watching?.cancel();
      connection.close();
    },
  };

  function countTotal(scope: Scope, reserved: readonly string[]): number {
    const count = (condition: string, ...cells: string[]): number =>
      db.query(`select count(*) from task ${condition}`).values(...cells)[0]?.[0] as number;
    if (scope.kind === "submission") return count("where submit_id = ?", scope.id);
    if (reserved.length === 0) return count("");
    return count("where submit_id not in (select value from json_each(?))", JSON.stringify(reserved));
  }
}

function serverRow(row: readonly unknown[]): ServerRow {
  const [id, host, pid, pidStart, reserves, startedAt, beatAt] = row;
  return {
    id: String(id),
    host: String(host),
    pid: Number(pid),
    pidStart: pidStart === null ? null : String(pidStart),
    reserves: reserves === 1,
    startedAt: Number(startedAt),
    beatAt: Number(beatAt),
  };
}
