/*
 * Tasks as a program sees them: from the row of a search, and from an outcome that was just stored.
 */
import { shownTime } from "../store/times.ts";
import { propertyOf, type TaskField, taskFields } from "../task/field.ts";
import type { ShownRow, ShownValue, Tags as StoredTags } from "../task/task.ts";
import { WrittenNumber } from "../task/written.ts";
import { kindOf } from "../task/field.ts";
import type { Tags, TagValue, Task } from "./interface.ts";
import type { Ended } from "./outcomes.ts";

/** The property of a Task that holds a field. */
function nameOf(field: TaskField): keyof Task {
  return field === "tag" ? "tags" : propertyOf(field);
}

const names: readonly (keyof Task)[] = taskFields.map(nameOf);

/** The field that a property of a Task holds; undefined: it is none. */
export function fieldOf(name: string): TaskField | undefined {
  return taskFields[names.findIndex((each) => each === name)];
}

/** The task of a row with all fields in their order. */
export function taskOfRow(row: ShownRow): Task {
  const task: Partial<Record<keyof Task, unknown>> = {};
  for (const [at, field] of taskFields.entries()) task[names[at]!] = shown(field, row[at] ?? null);
  return task as unknown as Task;
}

function shown(field: TaskField, value: ShownValue): unknown {
  switch (kindOf(field)) {
    case "time":
      return dateOf(typeof value === "string" ? shownTime(value) : null);
    case "tags":
      return tagsOf(value as StoredTags);
    default:
      return value;
  }
}

function dateOf(ms: number | null): Date | null {
  return ms === null ? null : new Date(ms);
}

/** Tags without the one that belongs to the database. */
function tagsOf(stored: StoredTags): Tags {
  const plain = ([key, value]: [string, StoredTags[string]]): [string, TagValue] => [
    key,
    value instanceof WrittenNumber ? value.value : value,
  ];
  return Object.fromEntries(
    Object.entries(stored)
      .filter(([key]) => key !== "part")
      .map(plain),
  );
}

/** The task that has ended. */
export function taskOfEnded({ task, completion, serverId, serverHost }: Ended): Task & {
  readonly exitStatus: number;
  readonly completionTime: Date;
} {
  const { startTime, completionTime, clientId, clientHost, command, exitStatus } = completion;
  const { outpath, errpath, csvpath, coresMax, memoryMax, waited, duration } = completion;
  return {
    id: task.id,
    group: task.group,
    args: task.args,
    submitId: task.submitId,
    submitTime: new Date(task.submitTime),
    submitHost: task.submitHost,
    cores: task.cores,
    memory: task.memory,
    timeout: task.timeout,
    tags: tagsOf(task.tag),
    serverId,
    serverHost,
    scheduleTime: new Date(task.scheduleTime),
    clientId,
    clientHost,
    command,
    startTime: dateOf(startTime),
    completionTime: new Date(completionTime),
    exitStatus,
    outpath,
    errpath,
    csvpath,
    coresMax,
    memoryMax,
    attempt: task.attempt,
    retried: false,
    previousId: task.previousId,
    nextId: null,
    waited,
    duration,
  };
}
