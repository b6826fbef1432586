/*
 * The environment of a task: what the client inherited, the exports of the configuration, and TASK_* for every column of the task as
 * far as it is known at its start. Knows no processes.
 *
 * Invariant: between two calls of `fill` the variables are those of exactly one task; nothing of an earlier task is left.
 *
 * There is one object for all tasks, and only what changes is assigned: Bun.spawn reads it before it returns. Measured with 35 inherited
 * variables: a copy for each task costs 25 microseconds more than this object, whose 70 entries Bun reads in 16. A shaped object, one
 * without prototype and one in dictionary mode do not differ, so the one that is safe with a variable named `__proto__` is used.
 */
import { taskFields } from "../task/field.ts";
import type { Assignment, TagValue, Tags } from "../task/task.ts";

/** What every task of a client has in common. */
export interface EnvironmentOptions {
  /** The inherited environment. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Variables for tasks from the configuration, lists already joined; they win over inherited ones. */
  readonly exports: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly clientId: string;
  readonly clientHost: string;
  /** null: not known. */
  readonly serverId: string | null;
  readonly serverHost: string | null;
  /** Folder of captured output; the paths are named to a task also when nothing is captured. */
  readonly taskFolder: string;
}

export type Variables = Record<string, string | undefined>;

export interface TaskEnvironment {
  readonly variables: Variables;
  /** Makes the variables those of this task. `command` null: not known yet (a template asks the shell). */
  fill(task: Assignment, command: string | null, startTime: number): void;
}

/** What a task inherits before anything is said about the task itself. */
export function inherited(options: Pick<EnvironmentOptions, "environment" | "exports">): Variables {
  return Object.assign(Object.create(null) as Variables, options.environment, options.exports);
}

/** Names that POSIX shells take for variables; some shells drop the others. */
const plainName = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Tag keys are the user's, so there may be any number of them: the table of their names starts anew beyond this. */
const mostNames = 1024;

/**
 * `base` is what tasks inherit; `anyName` false leaves out tags whose key makes no POSIX variable name (`a.b`), as those shells do
 * that drop them.
 */
export function taskEnvironment(options: EnvironmentOptions, base: Variables, anyName: boolean): TaskEnvironment {
  const { taskFolder } = options;
  const variables: Variables = Object.assign(Object.create(null) as Variables, base);
  const tagNames = new Map<string, string | null>();
  const timeOf = { submit: timeText(), schedule: timeText(), start: timeText() };
  /** Names of the variables that the last task's tags set, in their order. */
  let present: string[] = [];
  let last: Partial<Assignment> = {};

  // What is known of a task overwrites these.
  for (const field of taskFields) variables[`TASK_${field.toUpperCase()}`] = "null";
  variables["TASK_CWD"] = options.cwd;
  variables["TASK_CLIENT_ID"] = options.clientId;
  variables["TASK_CLIENT_HOST"] = options.clientHost;
  variables["TASK_SERVER_ID"] = options.serverId ?? "null";
  variables["TASK_SERVER_HOST"] = options.serverHost ?? "null";
  variables["TASK_RETRIED"] = "false";

  function nameOf(key: string): string | null {
    const known = tagNames.get(key);
    if (known !== undefined) return known;
    if (tagNames.size >= mostNames) tagNames.clear();
    const name = anyName || plainName.test(`_${key}`) ? `TASK_TAG_${key.toUpperCase()}` : null;
    tagNames.set(key, name);
    return name;
  }

  function setTags(tags: Tags): void {
    let at = 0;
    for (const key in tags) {
      const name = nameOf(key);
      if (name === null) continue;
      if (present[at] !== name) return replaceTags(tags);
      variables[name] = tagText(tags[key]!);
      at++;
    }
    if (at !== present.length) replaceTags(tags);
  }

  /** The set of keys is another one than the last task's. */
  function replaceTags(tags: Tags): void {
    for (const name of present) {
      // A client that is itself a task inherited the tags of that task; they show again where no tag of its own hides them.
      if (base[name] === undefined) delete variables[name];
      else variables[name] = base[name];
    }
    present = [];
    for (const key in tags) {
      const name = nameOf(key);
      if (name === null) continue;
      variables[name] = tagText(tags[key]!);
      present.push(name);
    }
  }

  return {
    variables,
    fill(task, command, startTime) {
      const { id } = task;
      variables["TASK_ID"] = id;
      variables["TASK_ARGS"] = task.args;
      variables["TASK_COMMAND"] = command ?? "null";
      variables["TASK_SUBMIT_TIME"] = timeOf.submit(task.submitTime);
      variables["TASK_SCHEDULE_TIME"] = timeOf.schedule(task.scheduleTime);
      variables["TASK_START_TIME"] = timeOf.start(startTime);
      // Clocks of two hosts may disagree: nobody waits less than nothing.
      variables["TASK_WAITED"] = `${Math.max(0, Math.round(startTime - task.submitTime)) / 1000}`;
      variables["TASK_OUTPATH"] = `${taskFolder}/${id}.out`;
      variables["TASK_ERRPATH"] = `${taskFolder}/${id}.err`;
      variables["TASK_CSVPATH"] = `${taskFolder}/${id}.csv`;
      // Mostly as they were.
      if (task.submitId !== last.submitId) variables["TASK_SUBMIT_ID"] = task.submitId;
      if (task.submitHost !== last.submitHost) variables["TASK_SUBMIT_HOST"] = task.submitHost;
      if (task.group !== last.group) variables["TASK_GROUP"] = `${task.group}`;
      if (task.cores !== last.cores) variables["TASK_CORES"] = `${task.cores}`;
      if (task.memory !== last.memory) variables["TASK_MEMORY"] = `${task.memory}`;
      if (task.timeout !== last.timeout) variables["TASK_TIMEOUT"] = `${task.timeout}`;
      if (task.attempt !== last.attempt) variables["TASK_ATTEMPT"] = `${task.attempt}`;
      if (task.previousId !== last.previousId) variables["TASK_PREVIOUS_ID"] = task.previousId ?? "null";
      // Tasks of one input share their tags as long as no line has its own.
      if (task.tag !== last.tag) {
        variables["TASK_TAG"] = tagsText(task.tag);
        setTags(task.tag);
      }
      last = task;
    },
  };
}

function tagText(value: TagValue): string {
  return typeof value === "string" ? value : `${value}`;
}

/** JSON with a blank after `:` and `,`: the text that the database holds. */
function tagsText(tags: Tags): string {
  let text = "";
  for (const key in tags) {
    const value = tags[key]!;
    if (text !== "") text += ", ";
    text += `${JSON.stringify(key)}: ${typeof value === "string" ? JSON.stringify(value) : value}`;
  }
  return `{${text}}`;
}

/**
 * Local time as `YYYY-MM-DD HH:MM:SS.ffffff`, without the fraction when it is zero. Everything up to the second is kept from the call before:
 * what comes in follows a clock, and a change of the time zone's offset falls between two minutes.
 */
export function timeText(): (atMs: number) => string {
  let keptMinute = Number.NaN;
  let keptSecond = Number.NaN;
  let prefix = "";
  let whole = "";
  return (atMs) => {
    const micros = Math.round(atMs * 1000);
    const second = Math.floor(micros / 1_000_000);
    if (second !== keptSecond) {
      const minute = Math.floor(second / 60);
      if (minute !== keptMinute) {
        const date = new Date(minute * 60_000);
        const day = `${`${date.getFullYear()}`.padStart(4, "0")}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
        prefix = `${day} ${two(date.getHours())}:${two(date.getMinutes())}:`;
        keptMinute = minute;
      }
      whole = prefix + two(second - minute * 60);
      keptSecond = second;
    }
    const fraction = micros - second * 1_000_000;
    // Seven digits, the first of them a 1 that keeps the zeros.
    return fraction === 0 ? whole : `${whole}.${`${1_000_000 + fraction}`.slice(1)}`;
  };
}

function two(value: number): string {
  return `${value}`.padStart(2, "0");
}
