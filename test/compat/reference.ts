/*
 * The rows of the reference's database (a main file and one partition) as a store hands them out, read without any of
 * our own code; and what the reference printed for them.
 */
import { Database } from "bun:sqlite";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type TaskField, taskFields } from "../../src/task/field.ts";
import type { ShownRow, ShownValue, Tags } from "../../src/task/task.ts";

const folder = join(import.meta.dir, "reference-2.8.2");

export function printed(name: "list.normal" | "list.csv" | "list.json" | "list.table" | "info.yaml"): string {
  return readFileSync(join(folder, name), "utf8");
}

export function referenceRows(fields: readonly TaskField[] = taskFields): ShownRow[] {
  return ["main.db", "main.1"].flatMap((name) => {
    const database = new Database(join(folder, name), { readonly: true });
    try {
      const columns = fields.map((field) => `"${field}"`).join(", ");
      return database
        .query(`select ${columns} from task order by rowid`)
        .values()
        .map((cells) => cells.map((cell, index) => shown(fields[index]!, cell as string | number | null)));
    } finally {
      database.close();
    }
  });
}

function shown(field: TaskField, cell: string | number | null): ShownValue {
  if (field === "tag") return JSON.parse(String(cell)) as Tags;
  return field === "retried" ? cell === 1 : cell;
}
