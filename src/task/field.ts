/*
 * The columns of table `task`, told once. Filters, edits, the SQL of both databases, and what is printed follow from
 * this table. Knows no SQL, and no shape of a task: those are in task.ts.
 *
 * To add a column:
 *   1. Add a line at the end of the table, nullable, and with `later: true`. Databases get the column when they are
 *      next opened for writing. Until then, and in archived partitions, it reads as null. `hs list`, `hs info`, filters
 *      and `hs update` know it from here on.
 *   2. If its role is `input` or `result`, add a property of the same name to NewTask or Outcome (task.ts). From there
 *      on the type checker names every place that has to fill it. PROTOCOL.md tells what is sent.
 *   3. If people are to see it in a record, add it to print/record.ts.
 */
import { nearest } from "../base/nearest.ts";

/**
 * What a column holds. The kind decides how values are parsed, compared, stored and shown.
 *
 * `whole` (from 0), `count` (from 1), `status` (of either sign) and `seconds` (a limit) are whole numbers of 32 bits;
 * `bytes` is one of 53 bits. `float`, `size` (bytes) and `span` (seconds) may have a fraction. `time` is a moment, to
 * the microsecond.
 */
export type FieldKind =
  | "text"
  | "host"
  | "id"
  | "time"
  | "whole"
  | "count"
  | "status"
  | "seconds"
  | "bytes"
  | "float"
  | "size"
  | "span"
  | "boolean"
  | "tags";

/** Who writes a column first: the submitter, a claim or a dispatch, an outcome. `state`: others, such as retries. */
export type FieldRole = "input" | "dispatch" | "result" | "state";

interface Field {
  readonly kind: FieldKind;
  readonly role: FieldRole;
  readonly nullable: boolean;
  /** No two tasks have the same value. */
  readonly unique?: true;
  /** Came after version 2.8 of the schema, so a table of tasks may lack it. */
  readonly later?: true;
}

const table = {
  id: { kind: "id", role: "input", nullable: false, unique: true },
  group: { kind: "whole", role: "input", nullable: false },
  args: { kind: "text", role: "input", nullable: false },
  submit_id: { kind: "id", role: "input", nullable: false },
  submit_time: { kind: "time", role: "input", nullable: false },
  submit_host: { kind: "host", role: "input", nullable: true },
  cores: { kind: "whole", role: "input", nullable: true },
  memory: { kind: "bytes", role: "input", nullable: true },
  cores_max: { kind: "float", role: "result", nullable: true },
  memory_max: { kind: "size", role: "result", nullable: true },
  timeout: { kind: "seconds", role: "input", nullable: true },
  server_id: { kind: "id", role: "dispatch", nullable: true },
  server_host: { kind: "host", role: "dispatch", nullable: true },
  schedule_time: { kind: "time", role: "dispatch", nullable: true },
  client_id: { kind: "id", role: "dispatch", nullable: true },
  client_host: { kind: "host", role: "dispatch", nullable: true },
  command: { kind: "text", role: "result", nullable: true },
  start_time: { kind: "time", role: "result", nullable: true },
  completion_time: { kind: "time", role: "result", nullable: true },
  exit_status: { kind: "status", role: "result", nullable: true },
  outpath: { kind: "text", role: "result", nullable: true },
  errpath: { kind: "text", role: "result", nullable: true },
  csvpath: { kind: "text", role: "result", nullable: true },
  attempt: { kind: "count", role: "input", nullable: false },
  retried: { kind: "boolean", role: "state", nullable: false },
  waited: { kind: "span", role: "result", nullable: true },
  duration: { kind: "span", role: "result", nullable: true },
  previous_id: { kind: "id", role: "input", nullable: true, unique: true },
  next_id: { kind: "id", role: "state", nullable: true, unique: true },
  tag: { kind: "tags", role: "input", nullable: false },
} as const satisfies Readonly<Record<string, Field>>;

type Table = typeof table;
export type TaskField = keyof Table;
type FieldsOf<Role extends FieldRole> = {
  [Name in TaskField]: Table[Name]["role"] extends Role ? Name : never;
}[TaskField];

/** All columns in their fixed order: that of `hs list --fields`, of JSON, of CSV, and of a table of 2.8. */
export const taskFields = Object.keys(table) as readonly TaskField[];

const fieldOf = (name: TaskField): Field => table[name];

/** What a new task has, each of them a property of NewTask. */
export const inputFields = taskFields.filter((name): name is FieldsOf<"input"> => fieldOf(name).role === "input");

/** What an outcome writes, each of them a property of Completion. */
export const resultFields = taskFields.filter((name): name is FieldsOf<"result"> => fieldOf(name).role === "result");

/** What a task loses that is to be run again: all that its dispatch and its outcome have written. */
export const clearedFields: readonly TaskField[] = taskFields.filter((name) =>
  ["dispatch", "result"].includes(fieldOf(name).role),
);

/** Whether a run writes the column when it takes or ends a task, so that before the end there is nothing to mend. */
export function isWrittenByRun(name: TaskField): boolean {
  return clearedFields.includes(name);
}

/** The columns of version 2.8, for ever. A table of tasks without one of them belongs to another program. */
export const requiredFields: readonly TaskField[] = taskFields.filter((name) => fieldOf(name).later !== true);
/** The columns that a table of tasks may lack. */
export const laterFields: readonly TaskField[] = taskFields.filter((name) => fieldOf(name).later === true);

/** What records for people call some fields. */
const shownNames = {
  tags: "tag",
  submitted: "submit_time",
  scheduled: "schedule_time",
  started: "start_time",
  completed: "completion_time",
} as const satisfies Readonly<Record<string, TaskField>>;

/** Every name by which people may call a field: its own, or that of a record. */
export const fieldNames: readonly string[] = [...taskFields, ...Object.keys(shownNames)];

/** The field that people call by this name; undefined: there is none. */
export function fieldNamed(name: string): TaskField | undefined {
  if (Object.hasOwn(shownNames, name)) return shownNames[name as keyof typeof shownNames];
  return taskFields.find((each) => each === name);
}

/** Says that no field has this name, and which one may have been meant. */
export function describeNoField(name: string): string {
  const close = nearest(name.toLowerCase(), fieldNames);
  return `there is no field '${name}' (${close === null ? "see: hs list --fields" : `did you mean '${close}'?`})`;
}

/** The column's kind. */
export function kindOf(name: TaskField): FieldKind {
  return fieldOf(name).kind;
}

/** Whether a task may have no value for it. */
export function isNullable(name: TaskField): boolean {
  return fieldOf(name).nullable;
}

/** Whether no two tasks have the same value for it. */
export function isUnique(name: TaskField): boolean {
  return fieldOf(name).unique === true;
}

/** How values of a kind compare, whatever they measure. */
export type Comparison = "text" | "id" | "time" | "number" | "boolean" | "tags";

const comparisons: Readonly<Record<FieldKind, Comparison>> = {
  text: "text",
  host: "text",
  id: "id",
  time: "time",
  whole: "number",
  count: "number",
  status: "number",
  seconds: "number",
  bytes: "number",
  float: "number",
  size: "number",
  span: "number",
  boolean: "boolean",
  tags: "tags",
};

/** How values of the column compare. */
export function comparisonOf(name: TaskField): Comparison {
  return comparisons[fieldOf(name).kind];
}

type CamelCase<Name extends string> = Name extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<CamelCase<Tail>>}`
  : Name;

/** The property that holds the column in NewTask, Outcome and Completion: `coresMax` of `cores_max`. */
export function propertyOf<Name extends TaskField>(name: Name): CamelCase<Name> {
  return name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase()) as CamelCase<Name>;
}
