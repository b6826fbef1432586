/*
 * Histories of tasks in each kind of database, for tests that are the same for all of them.
 */
import { Database } from "bun:sqlite";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../src/base/clock.ts";
import { instantText } from "../../src/store/postgres/cells.ts";
import { openPostgres, type PostgresConnection } from "../../src/store/postgres/connection.ts";
import { postgresEdits } from "../../src/history/postgres/edits.ts";
import { postgresRecords } from "../../src/history/postgres/partitions.ts";
import { outlookOf } from "../../src/history/postgres/outlook.ts";
import { nextPartition, rotate } from "../../src/history/postgres/rotation.ts";
import { openPostgresCheck } from "../../src/history/postgres/verify.ts";
import { partitionsOf } from "../../src/store/postgres/catalog.ts";
import { prepareTables } from "../../src/store/postgres/schema.ts";
import { openSqliteEdits } from "../../src/history/sqlite/edits.ts";
import { openSqliteHistory as openWithPartitions } from "../../src/history/sqlite/partitions.ts";
import { openSqliteUpkeep } from "../../src/history/sqlite/upkeep.ts";
import { openSqliteCheck } from "../../src/history/sqlite/verify.ts";
import { displayTime, fileTimes, type FileTimes, formatTime } from "../../src/store/times.ts";
import { taskFields } from "../../src/task/field.ts";
import { type Postgres, startPostgres } from "../systems/postgres.ts";
import { type HistoryRow, type OpenedHistory, timeFields } from "./history.ts";

/** As programs write it: blanks after colon and comma. */
function tagText(tags: object): string {
  const pairs = Object.entries(tags).map(([key, value]) => `${JSON.stringify(key)}: ${JSON.stringify(value)}`);
  return `{${pairs.join(", ")}}`;
}

function cellsOf(row: HistoryRow, times: FileTimes): (string | number | null)[] {
  return taskFields.map((field) => {
    const value = row[field];
    if (value === null) return null;
    if (typeof value === "object") return tagText(value);
    if (typeof value === "boolean") return Number(value);
    return timeFields.includes(field) ? times.format(Number(value)) : value;
  });
}

export async function openSqliteHistory(): Promise<OpenedHistory> {
  const folder = mkdtempSync(join(tmpdir(), "hs-records-"));
  const file = join(folder, "main.db");
  const records = openSqliteEdits({ file, pragmas: { synchronous: "off" }, echo: null });
  const db = new Database(file);
  const [offset, sinceMs, since] = db.query("select offset, since_ms, since from clock").values()[0]!;
  const times = fileTimes({ offset: Number(offset), sinceMs: Number(sinceMs), since: String(since) });
  const [names, marks] = [taskFields.map((field) => `"${field}"`), taskFields.map(() => "?")];
  const insert = db.prepare(`insert into task (${names.join(", ")}) values (${marks.join(", ")})`);
  return {
    records,
    add: async (rows) => db.transaction(() => rows.forEach((row) => insert.run(...cellsOf(row, times))))(),
    recalls: async () =>
      db
        .query("select server_id, task_id, kind from recall order by id")
        .values()
        .map(([serverId, taskId, kind]) => ({
          serverId: String(serverId),
          taskId: String(taskId),
          kind: String(kind),
        })),
    run: async (sql, where = "main") => {
      const other = where === "main" ? null : new Database(join(folder, "main.1"));
      (other ?? db).run(sql.replaceAll("TABLE", "task"));
      other?.close();
    },
    async rotate() {
      const upkeep = openSqliteUpkeep({ file, pragmas: { synchronous: "off" }, clock: systemClock });
      await upkeep.rotate(await upkeep.nextPartition(), 1);
      await upkeep.close();
    },
    openCheck: async () => openSqliteCheck({ file, pragmas: {} }),
    settings: { provider: "sqlite", file, database: null, url: null, pragmas: {} },
    async outlook() {
      const all = openWithPartitions({ file, pragmas: {} });
      const found = await all.outlook();
      await all.close();
      return found;
    },
    async findAnywhere(id) {
      const all = openWithPartitions({ file, pragmas: {} });
      const found = await all.find(id);
      await all.close();
      return found;
    },
    displayTime: (ms) => displayTime(formatTime(ms)),
    keepsTagOrder: true,
    async [Symbol.asyncDispose]() {
      insert.finalize();
      db.close();
      await records.close();
      rmSync(folder, { recursive: true });
    },
  };
}

function jsonOf(row: HistoryRow): Record<string, unknown> {
  const cells = taskFields.map((field) => {
    const value = row[field];
    return [field, typeof value === "number" && timeFields.includes(field) ? instantText(value) : value] as const;
  });
  return Object.fromEntries(cells);
}

export interface PostgresHistories extends AsyncDisposable {
  readonly server: Postgres;
  readonly connection: PostgresConnection;
  /** The one history, emptied. */
  open(): Promise<OpenedHistory>;
}

/** A server with one database, in `schema` if given. */
export async function startPostgresHistories(schema: string | null = null): Promise<PostgresHistories> {
  const server = await startPostgres();
  const { host, port, user, password } = server;
  const database = await server.create();
  const target = {
    host,
    port,
    database,
    user,
    password,
    schema,
    tls: false,
    connectSeconds: 10,
    parameters: {},
  } as const;
  const connection = await openPostgres({ target, clock: systemClock, echo: null });
  await prepareTables(connection, true);
  return {
    server,
    connection,
    async open() {
      const others = await partitionsOf(connection.query);
      for (const name of others) await connection.script(`drop table ${name}`);
      await connection.script("truncate task, recall, server, client, submission");
      return {
        records: { ...postgresRecords(connection, { ignorePartitions: true }), ...postgresEdits(connection) },
        add: async (rows) => {
          const list = "select * from jsonb_populate_recordset(null::task, $1::text::jsonb)";
          await connection.query(`insert into task ${list}`, [JSON.stringify(rows.map(jsonOf))]);
        },
        recalls: async () => {
          const found = await connection.query("select server_id, task_id, kind from recall order by id");
          return found.map(([serverId, taskId, kind]) => ({
            serverId: String(serverId),
            taskId: String(taskId),
            kind: String(kind),
          }));
        },
        run: (sql, where = "main") => connection.script(sql.replaceAll("TABLE", where === "main" ? "task" : "task_1")),
        async rotate() {
          await rotate(connection, await nextPartition(connection.query), 1, undefined);
        },
        findAnywhere: (id) => postgresRecords(connection, { ignorePartitions: false }).find(id),
        outlook: () => outlookOf(connection.query),
        openCheck: () => openPostgresCheck({ target, clock: systemClock, echo: null }),
        settings: {
          provider: "postgresql",
          file: null,
          database,
          url: null,
          postgres: () => ({ host, port, user, password, schema, parameters: { sslmode: "disable" } }),
          pragmas: {},
        },
        displayTime: displayInstant,
        keepsTagOrder: false,
        async [Symbol.asyncDispose]() {},
      };
    },
    async [Symbol.asyncDispose]() {
      await connection.close();
      await server[Symbol.asyncDispose]();
    },
  };
}

function displayInstant(ms: number): string {
  return instantText(ms).replace("T", " ").replace("Z", "+00:00").replace(".000000+", "+");
}
