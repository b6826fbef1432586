/*
 * The rows of servers, of their clients, and of submissions in an SQLite file. A file has no clock, so heartbeats go by
 * the clocks of the servers' hosts: by what these show, because processes of one host agree on nothing else after the
 * clock was set, or after the host has slept.
 */
import { type Clock, jumpedMs, systemClock } from "../../base/clock.ts";
import { lastFirstLease, leaseAt, leaseCount } from "../leases.ts";
import type { Submission } from "../../task/task.ts";
import type { Recall, ServerRow, Store } from "../store.ts";
import type { Connection } from "./connection.ts";

/** The part of the contract that does not touch tasks. */
type ServerRows = Pick<
  Store,
  | "addSubmission"
  | "submission"
  | "addServer"
  | "beatServer"
  | "endServer"
  | "servers"
  | "endClient"
  | "forgetClient"
  | "clientsOf"
  | "recalls"
>;

interface Servers extends ServerRows {
  /**
   * Makes a client one of this server from `at` on, in milliseconds since 1970. It must be called within a transaction.
   */
  connectClient(id: string, host: string, serverId: string, serverHost: string, at: number): void;
}

/** A file that is only looked at may lack the newest columns. */
const everyServer = "select * from server order by started_at";

/** Rows of servers in a file that is only looked at, and may have no such table. */
export function serversIn(connection: Connection): readonly ServerRow[] {
  const { db } = connection;
  return connection.read(() => {
    const hasTable = db.query("select 1 from sqlite_master where name = 'server'").get() !== null;
    if (!hasTable) return [];
    const ahead = jumpedMs(systemClock);
    return (db.query(everyServer).all() as Row[]).map((row) => serverOf(row, ahead));
  });
}

/** Prepares the statements about servers, clients and submissions. */
export function prepareServers(connection: Connection, clock: Clock): Servers {
  const addServer = connection.prepare(
    `insert or replace into server
       (id, host, pid, pid_start, process_table, reserves, started_at, first_lease, beat_at)
     values (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const makeStore = connection.prepare("insert or ignore into store (one, id, next_lease) values (1, ?, 0)");
  const takeLeases = connection.prepare(
    `update store set next_lease = min(max(next_lease, ?1), ${lastFirstLease}) + ?2 returning id, next_lease - ?2`,
  );
  const beatServer = connection.prepare("update server set beat_at = ? where id = ?");
  const endServer = connection.prepare("delete from server where id = ?");
  const recallsOf = connection.prepare("select id, task_id, kind from recall where server_id = ? order by id");
  const forgetRecalls = connection.prepare("delete from recall where server_id = ?");
  const allServers = connection.prepare(everyServer);
  return {
    ...submissionRows(connection),
    ...clientRows(connection),
    async addServer({ id, host, pid, pidStart, processTable, reserves, startedAt, beatAt }) {
      const jumped = jumpedMs(clock);
      const process = [id, host, pid, pidStart, processTable];
      return connection.write(() => {
        makeStore.run(crypto.randomUUID());
        const [found] = takeLeases.values(leaseAt(startedAt + jumped), leaseCount({ reserves }));
        const admission = { storeId: String(found?.[0]), firstLease: Number(found?.[1]) };
        addServer.run(...process, reserves ? 1 : 0, startedAt, admission.firstLease, beatAt + jumped);
        return admission;
      });
    },
    async beatServer(id, at) {
      return connection.write(() => beatServer.run(at + jumpedMs(clock), id)).changes > 0;
    },
    async endServer(id) {
      connection.write(() => {
        forgetRecalls.run(id);
        endServer.run(id);
      });
    },
    async servers() {
      const ahead = jumpedMs(clock);
      return connection.read(() => allServers.all() as Row[]).map((row) => serverOf(row, ahead));
    },
    async recalls(serverId) {
      return connection
        .read(() => recallsOf.values(serverId))
        .map(([number, id, kind]) => ({ number: Number(number), id: String(id), kind: kind as Recall["kind"] }));
    },
  };
}

function submissionRows(connection: Connection): Pick<Servers, "addSubmission" | "submission"> {
  const add = connection.prepare(
    `insert into submission (id, time, host, user, cwd, template, version) values (?, ?, ?, ?, ?, ?, ?)
     on conflict (id) do nothing`,
  );
  const find = connection.prepare("select id, time, host, user, cwd, template, version from submission where id = ?");
  return {
    async addSubmission({ id, time, host, user, cwd, template, version }) {
      connection.write(() => add.run(id, connection.times.format(time), host, user, cwd, template, version));
    },
    async submission(id) {
      const row = connection.read(() => find.get(id)) as (Omit<Submission, "time"> & { time: string }) | null;
      return row === null ? null : { ...row, time: connection.times.parse(row.time) ?? 0 };
    },
  };
}

function clientRows(
  connection: Connection,
): Pick<Servers, "connectClient" | "endClient" | "forgetClient" | "clientsOf"> {
  const add = connection.prepare(
    `insert into client (id, host, server_id, server_host, connected_at, disconnected_at, evicted)
     values (?, ?, ?, ?, ?, null, 0)
     on conflict (id) do update set host = excluded.host, server_id = excluded.server_id,
       server_host = excluded.server_host, connected_at = excluded.connected_at, disconnected_at = null, evicted = 0`,
  );
  const end = connection.prepare("update client set disconnected_at = ?, evicted = ? where id = ? and server_id = ?");
  const forget = connection.prepare("delete from client where id = ? and server_id = ?");
  const some = connection.prepare(
    "select id from client where disconnected_at is null and evicted = 0 and server_id = ? order by connected_at",
  );
  return {
    connectClient: (id, host, serverId, serverHost, at) => {
      add.run(id, host, serverId, serverHost, connection.times.format(at));
    },
    async endClient(id, serverId, at, evicted) {
      connection.write(() => end.run(connection.times.format(at), evicted ? 1 : 0, id, serverId));
    },
    async forgetClient(id, serverId) {
      connection.write(() => forget.run(id, serverId));
    },
    async clientsOf(serverId) {
      return connection.read(() => some.values(serverId)).map(([id]) => String(id));
    },
  };
}

type Row = Readonly<Record<string, unknown>>;

/** The server of a row. `ahead`: by how much the clock of this host is ahead of that of its reader, milliseconds. */
function serverOf(row: Row, ahead: number): ServerRow {
  const text = (name: string): string | null => (typeof row[name] === "string" ? row[name] : null);
  return {
    id: String(row["id"]),
    host: String(row["host"]),
    pid: Number(row["pid"]),
    pidStart: text("pid_start"),
    processTable: text("process_table"),
    reserves: row["reserves"] === 1,
    startedAt: Number(row["started_at"]),
    // Earlier versions took it from the time of their start.
    firstLease: Number(row["first_lease"] ?? leaseAt(Number(row["started_at"]))),
    beatAt: Number(row["beat_at"]) - ahead,
  };
}
