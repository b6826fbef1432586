import { Database } from "bun:sqlite";
import { afterAll, beforeAll, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../src/base/clock.ts";
import { instantText, openPostgres, type PostgresConnection } from "../../src/store/postgres/connection.ts";
import { postgresEdits } from "../../src/store/postgres/edits.ts";
import { postgresRecords } from "../../src/store/postgres/records.ts";
import { prepareTables } from "../../src/store/postgres/schema.ts";
import { openSqliteEdits } from "../../src/store/sqlite/edits.ts";
import { displayTime, formatTime } from "../../src/store/times.ts";
import { taskFields } from "../../src/task/task.ts";
import { type HistoryRow, type OpenedHistory, timeFields } from "./history.ts";
import { recordsConformance } from "./records.ts";
import { noPostgres, type Postgres, startPostgres } from "../systems/postgres.ts";

/** As programs write it: blanks after colon and comma. */
function tagText(tags: object): string {
  const pairs = Object.entries(tags).map(([key, value]) => `${JSON.stringify(key)}: ${JSON.stringify(value)}`);
  return `{${pairs.join(", ")}}`;
}

function cellsOf(row: HistoryRow): (string | number | null)[] {
  return taskFields.map((field) => {
    const value = row[field];
    if (value === null) return null;
    if (typeof value === "object") return tagText(value);
    if (typeof value === "boolean") return Number(value);
    return timeFields.includes(field) ? formatTime(Number(value)) : value;
  });
}

async function openSqliteHistory(): Promise<OpenedHistory> {
  const folder = mkdtempSync(join(tmpdir(), "hs-records-"));
  const file = join(folder, "main.db");
  const records = openSqliteEdits({ file, pragmas: { synchronous: "off" }, echo: null });
  const db = new Database(file);
  const insert = db.prepare(
    `insert into task (${taskFields.map((field) => `"${field}"`).join(", ")}) values (${taskFields.map(() => "?").join(", ")})`,
  );
  return {
    records,
    add: async (rows) => db.transaction(() => rows.forEach((row) => insert.run(...cellsOf(row))))(),
    recalls: async () =>
      db
        .query("select server_id, task_id, kind from recall order by id")
        .values()
        .map(([serverId, taskId, kind]) => ({
          serverId: String(serverId),
          taskId: String(taskId),
          kind: String(kind),
        })),
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

recordsConformance("sqlite", openSqliteHistory);

let postgres: Postgres | null = null;
let connection: PostgresConnection | null = null;

beforeAll(async () => {
  if (noPostgres !== null) return;
  postgres = await startPostgres();
  const { host, port, user, password } = postgres;
  const database = await postgres.create();
  const target = {
    host,
    port,
    database,
    user,
    password,
    schema: null,
    tls: false,
    connectSeconds: 10,
    parameters: {},
  } as const;
  connection = await openPostgres({ target, clock: systemClock, echo: null });
  await prepareTables(connection, true);
});
afterAll(async () => {
  await connection?.close();
  await postgres?.[Symbol.asyncDispose]();
});

function jsonOf(row: HistoryRow): Record<string, unknown> {
  const cells = taskFields.map((field) => {
    const value = row[field];
    return [field, typeof value === "number" && timeFields.includes(field) ? instantText(value) : value] as const;
  });
  return Object.fromEntries(cells);
}

/** All tests share one database, emptied before each. */
async function openPostgresHistory(): Promise<OpenedHistory> {
  const open = connection!;
  await open.script("truncate task, recall");
  return {
    records: { ...postgresRecords(open, { ignorePartitions: true }), ...postgresEdits(open) },
    add: async (rows) => {
      const list = `select * from jsonb_populate_recordset(null::task, $1::text::jsonb)`;
      await open.query(`insert into task ${list}`, [JSON.stringify(rows.map(jsonOf))]);
    },
    recalls: async () =>
      (await open.query("select server_id, task_id, kind from recall order by id")).map(([serverId, taskId, kind]) => ({
        serverId: String(serverId),
        taskId: String(taskId),
        kind: String(kind),
      })),
    displayTime: (ms) => {
      const text = instantText(ms).replace("T", " ").replace("Z", "+00:00");
      return text.replace(".000000+", "+");
    },
    keepsTagOrder: false,
    async [Symbol.asyncDispose]() {},
  };
}

if (noPostgres === null) recordsConformance("postgresql", openPostgresHistory);
else test.skip(`records: postgresql (${noPostgres})`, () => {});
