/* Rows for the tests of formats: a new task of which some fields are given. */
import type { ShownRow, ShownValue } from "../../../src/task/task.ts";
import { type TaskField, taskFields } from "../../../src/task/field.ts";

const fresh: Readonly<Partial<Record<TaskField, ShownValue>>> = {
  id: "0199b3f2-7c1e-7000-8000-000000000001",
  group: 0,
  args: "true",
  submit_id: "0199b3f2-7c1e-7000-8000-000000000000",
  submit_time: "2026-11-22 07:07:22",
  submit_host: "node01",
  attempt: 1,
  retried: false,
  tag: { part: 0 },
};

export type Given = Readonly<Partial<Record<TaskField, ShownValue>>>;

/** All fields, in their order. */
export function taskRow(given: Given): ShownRow {
  return taskFields.map((field) => given[field] ?? fresh[field] ?? null);
}

export function taskRecord(given: Given): Readonly<Record<TaskField, ShownValue>> {
  const row = taskRow(given);
  return Object.fromEntries(taskFields.map((field, index) => [field, row[index]!])) as Record<TaskField, ShownValue>;
}
