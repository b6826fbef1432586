/*
 * The record of a task for people: 23 labelled lines, the `normal` format of `hs list` and `hs info`. Takes rows of all
 * fields in their fixed order. Databases of older programs hold text in number columns; such a value is shown as it
 * stands.
 */
import type { ShownRow, ShownValue } from "../task/task.ts";
import { formatDuration, formatSize } from "../base/units.ts";
import { type TaskField, taskFields } from "../task/field.ts";
import { isTags, numberText, readable, tagList, visible } from "./value.ts";

const at = Object.fromEntries(taskFields.map((field, index) => [field, index])) as Readonly<Record<TaskField, number>>;

const labelWidth = 12;
const label = (name: string): string => `${name.padStart(labelWidth)}: `;

const labels = {
  id: label("id"),
  group: label("group"),
  args: label("args"),
  command: label("command"),
  cores: label("cores"),
  memory: label("memory"),
  timeout: label("timeout"),
  exitStatus: label("exit_status"),
  submitted: label("submitted"),
  scheduled: label("scheduled"),
  started: label("started"),
  completed: label("completed"),
  submitHost: label("submit_host"),
  serverHost: label("server_host"),
  clientHost: label("client_host"),
  attempt: label("attempt"),
  retried: label("retried"),
  outpath: label("outpath"),
  errpath: label("errpath"),
  csvpath: label("csvpath"),
  previousId: label("previous_id"),
  nextId: label("next_id"),
  tags: label("tags"),
} as const;

/**
 * Ends with a newline; `row` has every field, in the order of taskFields. A task that has a start and a duration, and
 * has not ended, runs.
 */
export function record(row: ShownRow): string {
  const value = (field: TaskField): ShownValue => row[at[field]] ?? null;
  const text = (field: TaskField): string => readable(value(field), false);
  const host = (name: TaskField, id: TaskField): string => `${text(name)} (${text(id)})`;
  const isRunning = value("start_time") !== null && value("completion_time") === null && value("duration") !== null;
  const span = isRunning ? "running for" : "duration";
  const tags = value("tag");
  return `${labels.id}${text("id")}
${labels.group}${text("group")}
${labels.args}${text("args")}
${labels.command}${text("command")}
${labels.cores}${readable(value("cores") ?? 0, false)} (used: ${cores(value("cores_max"))})
${labels.memory}${size(value("memory") ?? 0)} (used: ${size(value("memory_max"))})
${labels.timeout}${duration(value("timeout"))}
${labels.exitStatus}${text("exit_status")}
${labels.submitted}${text("submit_time")}
${labels.scheduled}${text("schedule_time")}
${labels.started}${text("start_time")} (waited: ${duration(value("waited"))})
${labels.completed}${text("completion_time")} (${span}: ${duration(value("duration"))})
${labels.submitHost}${host("submit_host", "submit_id")}
${labels.serverHost}${host("server_host", "server_id")}
${labels.clientHost}${host("client_host", "client_id")}
${labels.attempt}${text("attempt")}
${labels.retried}${text("retried")}
${labels.outpath}${text("outpath")}
${labels.errpath}${text("errpath")}
${labels.csvpath}${text("csvpath")}
${labels.previousId}${text("previous_id")}
${labels.nextId}${text("next_id")}
${labels.tags}${isTags(tags) ? visible(tagList(tags)) : readable(tags, false)}
`;
}

/** A peak of nothing was not measured. */
function cores(peak: ShownValue): string {
  if (typeof peak !== "number") return readable(peak, true);
  return peak === 0 ? "null" : Number.isFinite(peak) ? peak.toFixed(2) : numberText(peak, true);
}

function size(bytes: ShownValue): string {
  return typeof bytes === "number" && Number.isFinite(bytes) ? formatSize(bytes) : readable(bytes, true);
}

function duration(seconds: ShownValue): string {
  return typeof seconds === "number" && Number.isFinite(seconds) ? formatDuration(seconds) : readable(seconds, false);
}
