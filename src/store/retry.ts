/*
 * Makes the next attempt of a failed task, for every store. Does not know which failures are tried again.
 */
import { memoryOfNext, type Retries } from "../task/retries.ts";
import type { NewTask } from "../task/task.ts";
import { readTags } from "./tags.ts";

/** The columns of a failure that its next attempt needs, in the order that `retryOf` expects. */
export const failureColumns =
  'id, "group", args, submit_id, submit_host, cores, memory, timeout, attempt, tag, exit_status';

/**
 * How many failures are put in the order of their submission at once. Each time takes a look at all that are left, so
 * more at once is faster: the keys of these take 20 MB.
 */
export const mostSorted = 100_000;

/** A task whose last attempt failed. */
export interface Failure {
  readonly task: NewTask;
  readonly exitStatus: number;
}

/** The next attempt of a task, submitted `at` (milliseconds since 1970). */
export function nextAttempt({ task, exitStatus }: Failure, retries: Retries, at: number, id: string): NewTask {
  const memory = memoryOfNext(task.memory, exitStatus, retries);
  return { ...task, id, memory, submitTime: at, attempt: task.attempt + 1, previousId: task.id };
}

/** The next attempt of the task in a row of `failureColumns`, submitted `at` (milliseconds since 1970). */
export function retryOf(row: readonly unknown[], retries: Retries, at: number, id: string): NewTask {
  const [previousId, group, args, submitId, submitHost, cores, memory, timeout, attempt, tag, exitStatus] = row;
  const number = (cell: unknown): number | null => (typeof cell === "number" ? cell : null);
  return {
    id,
    group: Number(group),
    args: String(args),
    submitId: String(submitId),
    submitTime: at,
    submitHost: submitHost === null ? "" : String(submitHost),
    cores: number(cores),
    memory: memoryOfNext(number(memory), Number(exitStatus), retries),
    timeout: number(timeout),
    attempt: Number(attempt) + 1,
    previousId: String(previousId),
    tag: readTags(tag),
  };
}
