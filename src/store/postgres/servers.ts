/*
 * The rows of servers, of their clients, and of submissions in PostgreSQL. Heartbeats go by the clock of the database:
 * the clocks of hosts differ, and a server whose clock is behind must not count as dead.
 */
import type { Clock } from "../../base/clock.ts";
import type { Submission } from "../../task/task.ts";
import { lastFirstLease, leaseAt, leaseCount } from "../leases.ts";
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
  | "forgetClient"
  | "clientsOf"
  | "recalls"
>;

/** The time on the clock of the database, milliseconds. */
const theirNow = "extract(epoch from clock_timestamp()) * 1000";

/** Takes a range of leases, and adds a server with it. $7: how many leases. Answers as Admission says. */
const enter = `with taken as (
    update store set next_lease = $7::bigint
      + least(greatest(next_lease, least((${theirNow}) * 1000, 4e15)::bigint), ${lastFirstLease}::bigint)
    returning id, next_lease - $7::bigint as first
  ), added as (
    insert into server (id, host, pid, pid_start, process_table, reserves, started_at, first_lease, beat_at)
    select $1::uuid, $2, $3::int, $4, $5, $6::boolean, ${theirNow}, first, ${theirNow} from taken
    on conflict (id) do update set host = excluded.host, pid = excluded.pid, pid_start = excluded.pid_start,
      process_table = excluded.process_table, reserves = excluded.reserves, started_at = excluded.started_at,
      first_lease = excluded.first_lease, beat_at = excluded.beat_at
  )
  select id, first from taken`;

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
    async addServer(server) {
      const { id, host, pid, pidStart, processTable, reserves } = server;
      await query("insert into store (one, id, next_lease) values (1, $1::uuid, 0) on conflict (one) do nothing", [
        crypto.randomUUID(),
      ]);
      const [row] = await query(enter, [id, host, pid, pidStart, processTable, reserves, leaseCount(server)]);
      return { storeId: String(row?.[0]), firstLease: Number(row?.[1]) };
    },
    async beatServer(id) {
      const rows = await query(`update server set beat_at = ${theirNow} where id = $1::uuid returning id`, [id]);
      return rows.length > 0;
    },
    endServer: (id) => endServer(query, id),
    async servers() {
      const rows = await query(
        // A database that is only looked at may lack the newest columns.
        `select id, host, pid, pid_start, to_jsonb(server)->>'process_table', reserves, started_at,
           to_jsonb(server)->>'first_lease', ${theirNow} - beat_at
         from server order by started_at`,
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
    async forgetClient(id, serverId) {
      await query("delete from client where id = $1::uuid and server_id = $2::uuid", [id, serverId]);
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
  const [id, host, pid, pidStart, processTable, reserves, startedAt, firstLease, silentMs] = row;
  return {
    id: String(id),
    host: String(host),
    pid: Number(pid),
    pidStart: pidStart === null ? null : String(pidStart),
    processTable: processTable === null ? null : String(processTable),
    reserves: reserves === true,
    startedAt: Number(startedAt),
    // Earlier versions took it from the time of their start.
    firstLease: Number(firstLease ?? leaseAt(Number(startedAt))),
    beatAt: now - Number(silentMs),
  };
}
