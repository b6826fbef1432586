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
  /** For people, in a few words. */
  readonly meaning: string;
  readonly kind: FieldKind;
  readonly role: FieldRole;
  readonly nullable: boolean;
  /** No two tasks have the same value. */
  readonly unique?: true;
  /** Came after version 2.8 of the schema, so a table of tasks may lack it. */
  readonly later?: true;
}

const table = {
  id: { kind: "id", role: "input", nullable: false, unique: true, meaning: "Id of the task." },
  group: { kind: "whole", role: "input", nullable: false, meaning: "Group; the lowest goes first." },
  args: { kind: "text", role: "input", nullable: false, meaning: "The task as it was submitted." },
  submit_id: { kind: "id", role: "input", nullable: false, meaning: "Id of the run or the call that submitted it." },
  submit_time: { kind: "time", role: "input", nullable: false, meaning: "When it was submitted." },
  submit_host: { kind: "host", role: "input", nullable: true, meaning: "Host where it was submitted." },
  cores: { kind: "whole", role: "input", nullable: true, meaning: "Cores that it asked for." },
  memory: { kind: "bytes", role: "input", nullable: true, meaning: "Memory that it asked for, in bytes." },
  cores_max: { kind: "float", role: "result", nullable: true, meaning: "Most cores that it used (--monitor)." },
  memory_max: {
    kind: "size",
    role: "result",
    nullable: true,
    meaning: "Most memory that it used, in bytes (--monitor).",
  },
  timeout: { kind: "seconds", role: "input", nullable: true, meaning: "Its time limit, in seconds." },
  server_id: { kind: "id", role: "dispatch", nullable: true, meaning: "Id of the server that scheduled it." },
  server_host: { kind: "host", role: "dispatch", nullable: true, meaning: "Host of that server." },
  schedule_time: { kind: "time", role: "dispatch", nullable: true, meaning: "When it was scheduled." },
  client_id: { kind: "id", role: "dispatch", nullable: true, meaning: "Id of the client that ran it." },
  client_host: { kind: "host", role: "dispatch", nullable: true, meaning: "Host of that client." },
  command: { kind: "text", role: "result", nullable: true, meaning: "What was run: the template with the task in it." },
  start_time: { kind: "time", role: "result", nullable: true, meaning: "When it started." },
  completion_time: { kind: "time", role: "result", nullable: true, meaning: "When it ended." },
  exit_status: { kind: "status", role: "result", nullable: true, meaning: "Its exit status; none: it has not ended." },
  outpath: { kind: "text", role: "result", nullable: true, meaning: "File with its captured output." },
  errpath: { kind: "text", role: "result", nullable: true, meaning: "File with its captured errors." },
  csvpath: { kind: "text", role: "result", nullable: true, meaning: "File with what it used over time (--monitor)." },
  attempt: { kind: "count", role: "input", nullable: false, meaning: "Which attempt this is, from 1." },
  retried: { kind: "boolean", role: "state", nullable: false, meaning: "Whether there is a later attempt." },
  waited: { kind: "span", role: "result", nullable: true, meaning: "Seconds from its submission to its start." },
  duration: { kind: "span", role: "result", nullable: true, meaning: "Seconds that it ran." },
  previous_id: { kind: "id", role: "input", nullable: true, unique: true, meaning: "Id of the attempt before." },
  next_id: { kind: "id", role: "state", nullable: true, unique: true, meaning: "Id of the attempt after it." },
  tag: { kind: "tags", role: "input", nullable: false, meaning: "Its tags." },
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

/** What the column says, in a few words. */
export function meaningOf(name: TaskField): string {
  return fieldOf(name).meaning;
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
