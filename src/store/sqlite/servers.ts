/*
 * The rows of servers, of their clients, and of submissions in an SQLite file. A file has no clock, so heartbeats go by
 * the clocks of the servers' hosts.
 */
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
  | "clientsOf"
  | "recalls"
>;

interface Servers extends ServerRows {
  /**
   * Makes a client one of this server from `at` on, in milliseconds since 1970. It must be called within a transaction.
   */
  connectClient(id: string, host: string, serverId: string, serverHost: string, at: number): void;
}

const everyServer = "select id, host, pid, pid_start, reserves, started_at, beat_at from server order by started_at";

/** Rows of servers in a file that is only looked at, and may have no such table. */
export function serversIn(connection: Connection): readonly ServerRow[] {
  const { db } = connection;
  return connection.read(() => {
    const hasTable = db.query("select 1 from sqlite_master where name = 'server'").get() !== null;
    return hasTable ? db.query(everyServer).values().map(serverOf) : [];
  });
}

/** Prepares the statements about servers, clients and submissions. */
export function prepareServers(connection: Connection): Servers {
  const addServer = connection.prepare(
    `insert or replace into server (id, host, pid, pid_start, reserves, started_at, beat_at)
     values (?, ?, ?, ?, ?, ?, ?)`,
  );
  const beatServer = connection.prepare("update server set beat_at = ? where id = ?");
  const endServer = connection.prepare("delete from server where id = ?");
  const recallsOf = connection.prepare("select id, task_id, kind from recall where server_id = ? order by id");
  const forgetRecalls = connection.prepare("delete from recall where server_id = ?");
  const allServers = connection.prepare(everyServer);
  return {
    ...submissionRows(connection),
    ...clientRows(connection),
    async addServer({ id, host, pid, pidStart, reserves, startedAt, beatAt }) {
      connection.write(() => addServer.run(id, host, pid, pidStart, reserves ? 1 : 0, startedAt, beatAt));
      return startedAt;
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
      return connection.read(() => allServers.values()).map(serverOf);
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

function clientRows(connection: Connection): Pick<Servers, "connectClient" | "endClient" | "clientsOf"> {
  const add = connection.prepare(
    `insert into client (id, host, server_id, server_host, connected_at, disconnected_at, evicted)
     values (?, ?, ?, ?, ?, null, 0)
     on conflict (id) do update set host = excluded.host, server_id = excluded.server_id,
       server_host = excluded.server_host, connected_at = excluded.connected_at, disconnected_at = null, evicted = 0`,
  );
  const end = connection.prepare("update client set disconnected_at = ?, evicted = ? where id = ? and server_id = ?");
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
    async clientsOf(serverId) {
      return connection.read(() => some.values(serverId)).map(([id]) => String(id));
    },
  };
}

function serverOf(row: readonly unknown[]): ServerRow {
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
