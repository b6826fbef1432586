/*
 * The environment of a task: what the client inherited, the exports of the configuration, and TASK_* for every column
 * of the task that is known at its start. Knows no processes.
 *
 * Invariant: between two calls of `fill` the variables are those of exactly one task; nothing of an earlier task is
 * left.
 *
 * There is one object for all tasks, and only what changes is assigned: Bun.spawn reads it before it returns. Measured
 * with 35 inherited variables: a copy for each task costs 25 microseconds more than this object, whose 70 entries Bun
 * reads in 16. A shaped object, one without prototype and one in dictionary mode are equally fast, so the kind is used
 * that is safe with a variable named `__proto__`.
 */
import { taskFields } from "../task/field.ts";
import { osPaths } from "../base/ospath.ts";
import { lineText } from "../base/wordlist.ts";
import { localFields } from "../base/zone.ts";
import type { Assignment, TagValue, Tags } from "../task/task.ts";

/** What the environments of all tasks of a client have in common. */
export interface EnvironmentOptions {
  /** The environment that the client inherited. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The variables for tasks from the configuration, with lists joined. They win over inherited ones. */
  readonly exports: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly clientId: string;
  readonly clientHost: string;
  /** Null: not known yet. */
  readonly serverId: string | null;
  readonly serverHost: string | null;
  /** The folder of captured output. Tasks get their paths in it even when nothing is captured. */
  readonly taskFolder: string;
  /** When the time of this host is up, milliseconds since 1970; null or not there: that is not known. */
  readonly until?: number | null;
}

export type Variables = Record<string, string | undefined>;

/** Variables of one task. */
export type Own = Readonly<Record<string, string>>;

export interface TaskEnvironment {
  readonly variables: Variables;
  /**
   * Makes the variables those of this task. `command` null: not known yet (its template asks the shell). `startTime`:
   * milliseconds since 1970. `own`: variables that this task alone has, such as its devices; null: none. They win over
   * all others.
   */
  fill(task: Assignment, command: string | null, startTime: number, own?: Own | null): void;
  /**
   * The names of the variables that `fill` sets; for the same names the same list. Null: one of them is no name for a
   * POSIX shell, or they are asked for the first time: a shell for one task alone need not live.
   */
  names(): readonly string[] | null;
}

/** What tasks inherit: the environment of the client with the exports of the configuration. */
export function inherited(options: Pick<EnvironmentOptions, "environment" | "exports">): Variables {
  return Object.assign(Object.create(null) as Variables, options.environment, options.exports);
}

/** Names that POSIX shells accept for variables. Some shells drop others. */
const plainName = /^[A-Za-z_][A-Za-z0-9_]*$/;

/**
 * The largest number of entries in the table of tag names. Users choose the keys, so there may be any number; a full
 * table starts anew.
 */
const mostNames = 1024;

/** The one environment of all tasks, and what the last task set in it. */
interface State {
  readonly variables: Variables;
  /** What tasks inherit. */
  readonly base: Variables;
  /** The folder of captured output, and what separates it from a name. */
  readonly inFolder: string;
  /** Whether tags may have a key that makes no POSIX variable name. */
  readonly anyName: boolean;
  /** The variables for each tag key. */
  readonly tagNames: Map<string, TagNames>;
  readonly submitTime: TimeText;
  readonly scheduleTime: TimeText;
  readonly startTime: TimeText;
  /** The names of the variables that the last task's tags set, in their order. */
  present: string[];
  last: Partial<Assignment>;
  /** What the last task alone had. */
  own: Own | null;
  /** See TaskEnvironment; undefined: it is not known now. */
  names: readonly string[] | null | undefined;
  /** The lists of names so far. A full table starts anew. */
  readonly lists: Map<string, readonly string[]>;
}

/** The variables that each task sets. */
const always = (
  "ID ARGS COMMAND SUBMIT_TIME SCHEDULE_TIME START_TIME WAITED OUTPATH ERRPATH CSVPATH SUBMIT_ID SUBMIT_HOST GROUP " +
  "CORES MEMORY TIMEOUT ATTEMPT PREVIOUS_ID TAG"
)
  .split(" ")
  .map((name) => `TASK_${name}`);

/**
 * Makes the environment that tasks share. `base` is what they inherit. With `anyName` false, names that are
 * no POSIX variable names (`TASK_TAG_A.B`) are left out, as by those shells that drop such variables.
 */
export function taskEnvironment(options: EnvironmentOptions, base: Variables, anyName: boolean): TaskEnvironment {
  const variables: Variables = Object.assign(Object.create(null) as Variables, base);
  // Later, what is known of a task overwrites these.
  for (const field of taskFields) variables[`TASK_${field.toUpperCase()}`] = "null";
  variables["TASK_CWD"] = options.cwd;
  variables["TASK_CLIENT_ID"] = options.clientId;
  variables["TASK_CLIENT_HOST"] = options.clientHost;
  variables["TASK_SERVER_ID"] = options.serverId ?? "null";
  variables["TASK_SERVER_HOST"] = options.serverHost ?? "null";
  variables["TASK_RETRIED"] = "false";
  setDeadline(variables, options.until ?? null);
  const state: State = {
    variables,
    base,
    inFolder: options.taskFolder + osPaths.separator,
    anyName,
    tagNames: new Map(),
    submitTime: timeText(),
    scheduleTime: timeText(),
    startTime: timeText(),
    present: [],
    last: {},
    own: null,
    names: undefined,
    lists: new Map(),
  };
  return {
    variables,
    fill: (task, command, startTime, own = null) => fill(state, task, command, startTime, own),
    names: () => (state.names === undefined ? findNames(state) : state.names),
  };
}

/** The largest number of lists of names that are kept. */
const mostLists = 64;

function findNames(state: State): readonly string[] | null {
  const { present, own, lists } = state;
  const more = [...present, ...Object.keys(own ?? {})];
  const key = more.join(" ");
  const known = lists.get(key);
  if (known !== undefined) return (state.names = known);
  if (!more.every((name) => plainName.test(name))) return (state.names = null);
  if (lists.size >= mostLists) lists.clear();
  lists.set(key, [...always, ...more]);
  return null;
}

/**
 * Tells tasks when the time of this host is up, in whole seconds since 1970 as `date +%s` counts them. `until`:
 * milliseconds since 1970; null: nothing is known of it. What the client inherited stays then, because it holds for its
 * tasks as well.
 */
export function setDeadline(variables: Variables, until: number | null): void {
  if (until !== null) variables["TASK_DEADLINE"] = `${Math.floor(until / 1000)}`;
}

function fill(state: State, task: Assignment, command: string | null, startTime: number, own: Own | null): void {
  const { variables, inFolder, last } = state;
  const { id } = task;
  variables["TASK_ID"] = id;
  variables["TASK_ARGS"] = lineText(task.args);
  variables["TASK_COMMAND"] = command ?? "null";
  variables["TASK_SUBMIT_TIME"] = state.submitTime(task.submitTime);
  variables["TASK_SCHEDULE_TIME"] = state.scheduleTime(task.scheduleTime);
  variables["TASK_START_TIME"] = state.startTime(startTime);
  // The clocks of two hosts may disagree, but no task waits less than nothing.
  variables["TASK_WAITED"] = `${Math.max(0, Math.round(startTime - task.submitTime)) / 1000}`;
  variables["TASK_OUTPATH"] = `${inFolder}${id}.out`;
  variables["TASK_ERRPATH"] = `${inFolder}${id}.err`;
  variables["TASK_CSVPATH"] = `${inFolder}${id}.csv`;
  // The other values are mostly those of the last task.
  if (task.submitId !== last.submitId) variables["TASK_SUBMIT_ID"] = task.submitId;
  if (task.submitHost !== last.submitHost) variables["TASK_SUBMIT_HOST"] = task.submitHost;
  if (task.group !== last.group) variables["TASK_GROUP"] = `${task.group}`;
  if (task.cores !== last.cores) variables["TASK_CORES"] = `${task.cores}`;
  if (task.memory !== last.memory) variables["TASK_MEMORY"] = `${task.memory}`;
  if (task.timeout !== last.timeout) variables["TASK_TIMEOUT"] = `${task.timeout}`;
  if (task.attempt !== last.attempt) variables["TASK_ATTEMPT"] = `${task.attempt}`;
  if (task.previousId !== last.previousId) variables["TASK_PREVIOUS_ID"] = task.previousId ?? "null";
  // Tasks of one input share one object of tags, as long as no line has tags of its own.
  if (task.tag !== last.tag) {
    variables["TASK_TAG"] = tagsText(task.tag);
    setTags(state, task.tag);
  }
  state.last = task;
  if (own !== state.own) setOwn(state, own);
}

/** Sets what this task alone has, in place of what the last one had. */
function setOwn(state: State, own: Own | null): void {
  const { variables, base } = state;
  for (const name in state.own) {
    if (base[name] === undefined) delete variables[name];
    else variables[name] = base[name];
  }
  Object.assign(variables, own);
  state.own = own;
  state.names = undefined;
}

/** The names of the variables of a tag: `TASK_TAG_SITE`. Both may be absent. */
interface TagNames {
  /** null: no shell would pass it on. */
  readonly own: string | null;
  /** For a key that makes no POSIX name, one that can be written in a shell: `TASK_TAG_SAMPLE_ID` of `sample-id`. */
  readonly plain: string | null;
}

function namesOf({ tagNames, anyName }: State, key: string): TagNames {
  const known = tagNames.get(key);
  if (known !== undefined) return known;
  if (tagNames.size >= mostNames) tagNames.clear();
  const own = `TASK_TAG_${key.toUpperCase()}`;
  const isPlain = plainName.test(own);
  const plain = isPlain ? null : own.replace(/[^A-Za-z0-9_]/g, "_");
  const names = { own: isPlain || anyName ? own : null, plain };
  tagNames.set(key, names);
  return names;
}

/** Whether one of the tags has this variable by itself. */
function isTaken(state: State, name: string, tags: Tags): boolean {
  for (const key in tags) if (namesOf(state, key).own === name) return true;
  return false;
}

function setTags(state: State, tags: Tags): void {
  const { variables, present } = state;
  let at = 0;
  for (const key in tags) {
    const { own, plain } = namesOf(state, key);
    if (own !== null) {
      if (present[at] !== own) return replaceTags(state, tags);
      variables[own] = tagText(tags[key]!);
      at++;
    }
    if (plain !== null && !isTaken(state, plain, tags)) {
      if (present[at] !== plain) return replaceTags(state, tags);
      variables[plain] = tagText(tags[key]!);
      at++;
    }
  }
  if (at !== present.length) replaceTags(state, tags);
}

/** Sets tags whose keys differ from those of the last task. */
function replaceTags(state: State, tags: Tags): void {
  const { variables, base } = state;
  for (const name of state.present) {
    // A client that is itself a task inherited the tags of that task. They show again where no tag of a task hides
    // them.
    if (base[name] === undefined) delete variables[name];
    else variables[name] = base[name];
  }
  state.present = [];
  state.names = undefined;
  for (const key in tags) {
    const { own, plain } = namesOf(state, key);
    for (const name of [own, plain]) {
      if (name === null || (name === plain && isTaken(state, plain, tags))) continue;
      variables[name] = tagText(tags[key]!);
      state.present.push(name);
    }
  }
}

function tagText(value: TagValue): string {
  return typeof value === "string" ? value : String(value);
}

/** Tags as the database holds them: JSON with a blank after `:` and `,`. */
function tagsText(tags: Tags): string {
  let text = "";
  for (const key in tags) {
    const value = tags[key]!;
    if (text !== "") text += ", ";
    text += `${JSON.stringify(key)}: ${typeof value === "string" ? JSON.stringify(value) : String(value)}`;
  }
  return `{${text}}`;
}

type TimeText = (atMs: number) => string;

/**
 * Makes a function that formats a time (milliseconds since 1970) as local time, `YYYY-MM-DD HH:MM:SS.ffffff`, without
 * the fraction when it is zero. The function keeps everything up to the second from the call before: its times follow a
 * clock, and the offset of a time zone changes only between two minutes.
 */
export function timeText(): TimeText {
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
        // YYYY-MM-DDTHH:MM:SS.sssZ
        prefix = localFields(minute * 60_000)
          .toISOString()
          .slice(0, 17)
          .replace("T", " ");
        keptMinute = minute;
      }
      whole = prefix + two(second - minute * 60);
      keptSecond = second;
    }
    const fraction = micros - second * 1_000_000;
    // The sum has seven digits; the leading 1 keeps the zeros behind it.
    return fraction === 0 ? whole : `${whole}.${`${1_000_000 + fraction}`.slice(1)}`;
  };
}

function two(value: number): string {
  return `${value}`.padStart(2, "0");
}
