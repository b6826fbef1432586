import { Database } from "bun:sqlite";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openSqliteEdits } from "../../src/store/sqlite/edits.ts";
import { displayTime, formatTime } from "../../src/store/times.ts";
import { taskFields } from "../../src/task/task.ts";
import { type HistoryRow, type OpenedHistory, timeFields } from "./history.ts";
import { recordsConformance } from "./records.ts";

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
