/*
 * Rows of table `task` in bulk: the values of each column as one array, and how a claimed row becomes a task again.
 */
import { type FieldKind, inputFields, kindOf, propertyOf, type TaskField } from "../../task/field.ts";
import type { ClaimedTask, NewTask } from "../../task/task.ts";
import { readTags, writeTags } from "../tags.ts";
import { instantText } from "./cells.ts";
import type { Row } from "./connection.ts";

/** The types of parameters. A table that another program made may have other types. */
const types: Readonly<Record<FieldKind, string>> = {
  text: "text",
  host: "text",
  id: "uuid",
  time: "timestamptz",
  whole: "int",
  count: "int",
  status: "bigint",
  seconds: "int",
  bytes: "bigint",
  float: "float8",
  size: "float8",
  span: "float8",
  boolean: "boolean",
  tags: "jsonb",
};

/** The type that a column has in tables of ours. */
export function typeOf(field: TaskField): string {
  return types[kindOf(field)];
}

/** Arrays with the values of these columns, one parameter each, from `$first` on. `unnest` makes rows of them. */
export function arraysOf(fields: readonly TaskField[], first: number): string {
  return fields.map((field, i) => `$${first + i}::${typeOf(field)}[]`).join(", ");
}

/** The list of these columns as a statement has it. */
export function namesOf(fields: readonly TaskField[]): string {
  return fields.map((field) => `"${field}"`).join(", ");
}

/** The values of a column, one of each object. */
export function valuesOf<Property extends string>(
  field: TaskField,
  property: Property,
  objects: readonly Readonly<Record<Property, unknown>>[],
): unknown[] {
  const encode = encoders[kindOf(field)];
  return objects.map((each) => {
    const value = each[property];
    return value === null || encode === undefined ? value : encode(value as never);
  });
}

const encoders: Readonly<Partial<Record<FieldKind, (value: never) => unknown>>> = {
  text: storable,
  host: storable,
  time: instantText,
  tags: (tags: never) => storableTags(writeTags(tags)),
};

/** The columns that an insert writes. `retried` is false, all others are null. */
const inserted: readonly TaskField[] = [...inputFields, "server_id", "server_host", "schedule_time"];

/** Inserts the arrays of `insertValues`. Fails for a task whose id is there already. */
export const insertNew = `insert into task (${namesOf(inserted)}, retried) select ${namesOf(inserted)}, false
  from unnest(${arraysOf(inserted, 1)}) as new (${namesOf(inserted)})`;

/** As `insertNew`, but rows that are there already, from an earlier try of the same insertion, stay as they are. */
export const insertRows = `${insertNew} on conflict (id) do nothing`;

/** The server that holds a next attempt from the beginning. */
export interface Holder {
  readonly serverId: string;
  readonly serverHost: string;
  readonly at: string;
}

/** The parameters of `insertRows`. `holderOf` says who holds the task of this index; null: it waits. */
export function insertValues(tasks: readonly NewTask[], holderOf: (index: number) => Holder | null): unknown[][] {
  const holders = tasks.map((_, i) => holderOf(i));
  return [
    ...inputFields.map((field) => valuesOf(field, propertyOf(field), tasks)),
    holders.map((holder) => holder?.serverId ?? null),
    holders.map((holder) => holder?.serverHost ?? null),
    holders.map((holder) => holder?.at ?? null),
  ];
}

/**
 * The text as PostgreSQL can store it: without the character NUL, which no shell would take either, and with U+FFFD for
 * half of a character. It takes 20 ns.
 */
export function storable(text: string): string {
  const whole = text.isWellFormed() ? text : text.toWellFormed();
  return whole.includes("\0") ? whole.replaceAll("\0", "") : whole;
}

/** What `storable` is for texts, for the JSON of tags: there NUL and halves of characters are escapes. */
function storableTags(json: string): string {
  if (!json.includes("\\u")) return json;
  return json.replace(/\\(?:u0000|u[dD][89a-fA-F][\da-fA-F]{2}|.)/gs, (escape) => {
    if (escape === "\\u0000") return "";
    return /^\\u[dD]/.test(escape) ? "\ufffd" : escape;
  });
}

/** The columns of a claim, in the order that `claimedTask` expects. */
export const claimColumns = [...inputFields, "schedule_time"].map((field) => `task."${field}"`).join(", ");

/** The task of a row of `claimColumns`, as the driver gives it. */
export function claimedTask(row: Row): ClaimedTask {
  const [id, group, args, submitId, submitTime, submitHost, cores, memory, timeout, attempt, previousId, tag, at] = row;
  const number = (cell: unknown): number | null => (typeof cell === "number" ? cell : null);
  const text = (cell: unknown): string => (typeof cell === "string" ? cell : "");
  return {
    id: text(id),
    group: number(group) ?? 0,
    args: text(args),
    submitId: text(submitId),
    submitTime: number(submitTime) ?? 0,
    submitHost: text(submitHost),
    cores: number(cores),
    memory: number(memory),
    timeout: number(timeout),
    attempt: number(attempt) ?? 1,
    previousId: typeof previousId === "string" ? previousId : null,
    tag: readTags(tag),
    scheduleTime: number(at) ?? 0,
  };
}
