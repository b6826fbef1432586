/*
 * A glance at a PostgreSQL database, along its indices and by the counts that triggers keep (see history/overview.ts).
 */
import type { Clock } from "../../base/clock.ts";
import { lineText } from "../../base/wordlist.ts";
import { sentinel } from "../../task/task.ts";
import type { FailureView } from "../../view/view.ts";
import { catalogOf, catalogQuestion, partitionsOf } from "../../store/postgres/catalog.ts";
import {
  openPostgres,
  type PostgresConnection,
  type PostgresOptions,
  type Row,
} from "../../store/postgres/connection.ts";
import { held, statusClasses, waiting } from "../../store/postgres/indices.ts";
import { requireTables } from "../../store/postgres/schema.ts";
import { serverRows } from "../../store/postgres/servers.ts";
import type { Condition } from "../../task/filter.ts";
import {
  type ConnectedClient,
  type EndedTask,
  type HandedOut,
  mostHeld,
  mostText,
  type Overview,
  type TaskCounts,
} from "../overview.ts";
import { countOf } from "./count.ts";
import { tableOf, type TaskTable } from "./table.ts";

interface Glance {
  readonly connection: PostgresConnection;
  readonly main: TaskTable;
  /** What was archived when it was last counted, and in which tables it was. */
  archived: { readonly where: string; readonly counts: TaskCounts } | null;
  /** How many tasks were cancelled when there were so many failures. */
  cancelled: { readonly failed: number; readonly count: number } | null;
}

/** Opens a database for a glance, which changes nothing. Throws UserError for what stands in the way. */
export async function openPostgresOverview(options: PostgresOptions): Promise<Overview> {
  const connection = await openPostgres({ ...options, watched: true, question: catalogQuestion });
  const { title, place, close } = connection;
  try {
    const catalog = catalogOf(connection.answer);
    requireTables(catalog, place);
    return overviewOf(connection, tableOf(connection, "task", catalog), options.clock, title);
  } catch (error) {
    await close();
    throw error;
  }
}

function overviewOf(connection: PostgresConnection, main: TaskTable, clock: Clock, title: string): Overview {
  const glance: Glance = { connection, main, archived: null, cancelled: null };
  const { servers } = serverRows(connection.query, clock);
  return {
    title,
    counts: () => counts(glance),
    state: async () => null,
    handedOut: () => handedOut(glance),
    failures: (most) => failures(glance, most),
    latest: (most) => latest(glance, most),
    clients: () => clients(glance),
    servers,
    waitingSince: () => waitingSince(glance),
    close: connection.close,
  };
}

// ---- counts

const isStatus = (value: number | null): readonly Condition[] => [
  { kind: "field", field: "exit_status", operator: "==", value },
];

function count(table: TaskTable, where: readonly Condition[]): Promise<number> {
  return countOf(table, { where, orderBy: null, descending: false, limit: null });
}

async function counts(glance: Glance): Promise<TaskCounts> {
  const archived = await countArchived(glance);
  const { main } = glance;
  const total = await count(main, []);
  const remaining = await count(main, isStatus(null));
  const succeeded = await count(main, isStatus(0));
  const failed = Math.max(0, total - remaining - succeeded);
  return {
    total: total + archived.total,
    remaining: remaining + archived.remaining,
    succeeded: succeeded + archived.succeeded,
    failed: failed + archived.failed,
    cancelled: (await countCancelled(glance, failed)) + archived.cancelled,
  };
}

/** No index has cancelled tasks alone, so they are counted anew only when the number of failures has changed. */
async function countCancelled(glance: Glance, failed: number): Promise<number> {
  if (failed === 0) return 0;
  if (glance.cancelled?.failed !== failed)
    glance.cancelled = { failed, count: await count(glance.main, isStatus(sentinel.cancelled)) };
  return glance.cancelled.count;
}

/** Counts what was rotated into other tables. It changes with each rotation only. */
async function countArchived(glance: Glance): Promise<TaskCounts> {
  const names = await partitionsOf(glance.connection.query);
  const where = names.join("\n");
  if (glance.archived?.where === where) return glance.archived.counts;
  const sum = { total: 0, remaining: 0, succeeded: 0, failed: 0, cancelled: 0 };
  for (const name of names) {
    const table = tableOf(glance.connection, name);
    const [total, remaining, succeeded] = [
      await count(table, []),
      await count(table, isStatus(null)),
      await count(table, isStatus(0)),
    ];
    sum.total += total;
    sum.remaining += remaining;
    sum.succeeded += succeeded;
    sum.failed += total - remaining - succeeded;
    sum.cancelled += await count(table, isStatus(sentinel.cancelled));
  }
  glance.archived = { where, counts: sum };
  return sum;
}

// ---- tasks

const shownText = `substr(coalesce(command, args), 1, ${mostText})`;
const taskColumns = `id, ${shownText}, "group", attempt, client_host, client_id, start_time`;

function taskOf([id, text, group, attempt, host, clientId, start]: Row): HandedOut {
  return {
    id: String(id),
    text: lineText(String(text)),
    group: Number(group),
    attempt: Number(attempt),
    host: textOf(host),
    clientId: String(clientId),
    startTime: numberOf(start),
  };
}

function textOf(cell: unknown): string | null {
  return cell === null || cell === undefined ? null : String(cell).slice(0, mostText);
}

/** Times come as milliseconds since 1970. */
function numberOf(cell: unknown): number | null {
  return cell === null || cell === undefined ? null : Number(cell);
}

async function handedOut({ connection }: Glance): Promise<readonly HandedOut[]> {
  const rows = await connection.query(`select ${taskColumns} from task where ${held} limit ${mostHeld}`);
  return rows.filter((row) => textOf(row[5]) !== null).map(taskOf);
}

async function waitingSince({ connection }: Glance): Promise<number | null> {
  const oldest = `select submit_time from task where ${waiting.ofAll} order by "group", submit_time, id limit 1`;
  const [row] = await connection.query(oldest);
  return numberOf(row?.[0]);
}

async function failures({ connection }: Glance, most: number): Promise<readonly FailureView[]> {
  const rows = await connection.query(
    `select ${taskColumns}, exit_status, completion_time, duration from task
     where ${statusClasses.unsuccessful} and exit_status <> ${sentinel.cancelled}
     order by submit_time desc, id desc limit $1::bigint`,
    [Math.max(most, 0)],
  );
  return rows
    .map((row) => ({
      ...taskOf(row),
      clientId: textOf(row[5]),
      exitStatus: Number(row[7]),
      completionTime: numberOf(row[8]) ?? 0,
      duration: numberOf(row[9]),
    }))
    .toSorted((one, other) => other.completionTime - one.completionTime);
}

async function latest({ connection }: Glance, most: number): Promise<readonly EndedTask[]> {
  const ended = (condition: string): string =>
    `(select completion_time, exit_status, duration from task where ${condition}
      order by submit_time desc, id desc limit $1::bigint)`;
  const { succeeded, unsuccessful } = statusClasses;
  const rows = await connection.query(`${ended(succeeded)} union all ${ended(unsuccessful)}`, [most]);
  return rows
    .filter(([completion, status]) => completion !== null && Number(status) !== sentinel.cancelled)
    .map(([completion, status, duration]) => ({
      completionTime: Number(completion),
      exitStatus: Number(status),
      duration: numberOf(duration),
    }));
}

async function clients({ connection }: Glance): Promise<readonly ConnectedClient[]> {
  const rows = await connection.query(
    "select id, host, server_id from client where disconnected_at is null and not evicted",
  );
  return rows.map(([id, host, server]) => ({ id: String(id), host: String(host), serverId: String(server) }));
}
