/*
 * Rows of table `task` in bulk: the columns of an insert as arrays, one for each column, and how a claimed row becomes a task again.
 */
import type { ClaimedTask, NewTask } from "../../task/task.ts";
import { readTags, writeTags } from "../tags.ts";
import { instantText } from "./cells.ts";
import type { Row } from "./connection.ts";

/** What a new row has; `retried` is false, all other columns are null. */
const columns = [
  ["id", "uuid"],
  ['"group"', "int"],
  ["args", "text"],
  ["submit_id", "uuid"],
  ["submit_time", "timestamptz"],
  ["submit_host", "text"],
  ["cores", "int"],
  ["memory", "bigint"],
  ["timeout", "int"],
  ["attempt", "int"],
  ["previous_id", "uuid"],
  ["tag", "jsonb"],
  ["server_id", "uuid"],
  ["server_host", "text"],
  ["schedule_time", "timestamptz"],
] as const;

const names = columns.map(([name]) => name).join(", ");
const arrays = columns.map(([, type], i) => `$${i + 1}::${type}[]`).join(", ");

/** Takes the arrays of `insertValues`. A row that is there already (an earlier try of the same insertion) is left alone. */
export const insertRows = `insert into task (${names}, retried)
  select ${names}, false from unnest(${arrays}) as new (${names}) on conflict (id) do nothing`;

/** A retry that belongs to a server at once. */
export interface Holder {
  readonly serverId: string;
  readonly serverHost: string;
  readonly at: string;
}

/** `holderOf`: who holds the new row; null: it waits. */
export function insertValues(tasks: readonly NewTask[], holderOf: (index: number) => Holder | null): unknown[][] {
  const values: unknown[][] = columns.map(() => new Array<unknown>(tasks.length).fill(null));
  for (const [i, task] of tasks.entries()) {
    const holder = holderOf(i);
    const cells = [
      task.id,
      task.group,
      storable(task.args),
      task.submitId,
      instantText(task.submitTime),
      task.submitHost,
      task.cores,
      task.memory,
      task.timeout,
      task.attempt,
      task.previousId,
      writeTags(task.tag),
      holder?.serverId ?? null,
      holder?.serverHost ?? null,
      holder?.at ?? null,
    ];
    for (const [k, cell] of cells.entries()) values[k]![i] = cell;
  }
  return values;
}

/** PostgreSQL has no place for the character NUL in a text; no shell would take it either. */
export function storable(text: string): string {
  return text.includes("\0") ? text.replaceAll("\0", "") : text;
}

/** In the order that `claimedTask` expects. */
export const claimColumns =
  'task.id, task."group", task.args, task.submit_id, task.submit_time, task.submit_host, task.cores, task.memory, task.timeout, task.attempt, task.previous_id, task.tag, task.schedule_time';

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
