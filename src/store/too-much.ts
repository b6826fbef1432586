/*
 * Whether a task needs too much to be claimed now (ClaimRequest.tooMuch), for stores without SQL. What is needed is
 * read from columns and tags as they stand: a value that is no number counts as nothing, a tag as there or not.
 */
import type { NewTask } from "../task/task.ts";
import type { TooMuch } from "./store.ts";

/** Whether the task needs as much as one of these in every respect. */
export function isTooMuch(task: NewTask, tooMuch: readonly TooMuch[]): boolean {
  return tooMuch.some(
    ({ cores, memory, timeout, tags }) =>
      (task.cores ?? 0) >= cores &&
      (task.memory ?? 0) >= memory &&
      (task.timeout ?? 0) >= timeout &&
      tags.every((key) => Object.hasOwn(task.tag, key)),
  );
}
