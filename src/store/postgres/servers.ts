/*
 * The rows of servers, of their clients, and of submissions in PostgreSQL. Heartbeats go by the clock of the database:
 * the clocks of hosts differ, and a server whose clock is behind must not count as dead.
 */
import type { Clock } from "../../base/clock.ts";
import type { Submission } from "../../task/task.ts";
import type { Recall, ServerRow, Store } from "../store.ts";
import { instantText } from "./cells.ts";
import type { Query, Row } from "./connection.ts";
import { storable } from "./row.ts";

/** The part of the contract that does not touch tasks. */
type ServerRows = Pick<
  Store,
  | "addSubmission"
  | "submission"
  | "addServer"
  | "beatServer"
  | "endServer"
  | "servers"
  | "addClient"
  | "endClient"
  | "clientsOf"
  | "recalls"
>;

/** The time on the clock of the database, milliseconds. */
const theirNow = "extract(epoch from clock_timestamp()) * 1000";

/** The statements about servers, clients and submissions. */
export function serverRows(query: Query, clock: Clock): ServerRows {
  return {
    async addSubmission(row) {
      await query(
        `insert into submission (id, time, host, "user", cwd, template, version)
         values ($1::uuid, $2, $3, $4, $5, $6, $7)
         on conflict (id) do nothing`,
        [
          row.id,
          row.time,
          ...[row.host, row.user, row.cwd].map(storable),
          row.template === null ? null : storable(row.template),
          storable(row.version),
        ],
      );
    },
    async submission(id) {
      const [row] = await query(
        'select id, time, host, "user", cwd, template, version from submission where id = $1::uuid',
        [id],
      );
      return row === undefined ? null : submissionOf(row);
    },
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
    async beatServer(id) {
      await query(`update server set beat_at = ${theirNow} where id = $1::uuid`, [id]);
    },
    endServer: (id) => endServer(query, id),
    async servers() {
      const rows = await query(
        `select id, host, pid, pid_start, reserves, started_at, ${theirNow} - beat_at from server order by started_at`,
      );
      const now = clock.now();
      return rows.map((row) => serverOf(row, now));
    },
    async addClient({ id, host, serverId, serverHost, connectedAt }) {
      await addClient(query, [id, storable(host), serverId, serverHost, instantText(connectedAt)]);
    },
    async endClient(id, serverId, at, evicted) {
      await query(
        "update client set disconnected_at = $3, evicted = $4::boolean where id = $1::uuid and server_id = $2::uuid",
        [id, serverId, at, evicted],
      );
    },
    async clientsOf(serverId) {
      const rows = await query(
        `select id from client where disconnected_at is null and not evicted and server_id = $1::uuid
         order by connected_at`,
        [serverId],
      );
      return rows.map(([id]) => String(id));
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
  };
}

/** Removes a server and its recalls. */
export async function endServer(query: Query, id: string): Promise<void> {
  await query("with gone as (delete from recall where server_id = $1::uuid) delete from server where id = $1::uuid", [
    id,
  ]);
}

/**
 * Adds or updates a client. `values`: its id and host, the id and host of its server, and the time since when, as text.
 */
export async function addClient(query: Query, values: readonly unknown[]): Promise<void> {
  await query(
    `insert into client (id, host, server_id, server_host, connected_at, disconnected_at, evicted)
     values ($1::uuid, $2, $3::uuid, $4, $5::timestamptz, null, false)
     on conflict (id) do update set host = excluded.host, server_id = excluded.server_id,
       server_host = excluded.server_host, connected_at = excluded.connected_at, disconnected_at = null,
       evicted = false`,
    values,
  );
}

function submissionOf(row: Row): Submission {
  const [id, time, host, user, cwd, template, version] = row as [
    string,
    number,
    string,
    string,
    string,
    string | null,
    string,
  ];
  return { id, time, host, user, cwd, template, version };
}

/** The server of a row that says how long ago its last heartbeat was. `now` is the time on our clock. */
function serverOf(row: Row, now: number): ServerRow {
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
