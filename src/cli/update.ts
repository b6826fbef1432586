/*
 * `hs update`: changes tasks in the database: fields, tags, or what is to become of them. What a word means is parsed
 * in task/edit.ts, what is written is decided in the store.
 */
import { counted } from "../base/units.ts";
import { systemClock } from "../base/clock.ts";
import type { Clock } from "../base/clock.ts";
import { argumentError, exitStatus, runtimeError, UserError } from "../base/errors.ts";
import { parseIdPrefix } from "../base/ids.ts";
import { databaseSettings } from "../cluster/database.ts";
import type { Logger } from "../log/logger.ts";
import type { Change, EditStore, Selection } from "../history/history.ts";
import { type Edit, type FieldValue, parseEdit, parseFieldValue, requireTagKey } from "../task/edit.ts";
import type { Condition } from "../task/filter.ts";
import { fieldNamed, fieldNames, isWrittenByRun, type TaskField } from "../task/field.ts";
import type { TagValue } from "../task/task.ts";
import type { Command, Context } from "./command.ts";
import type { CommandSpec, Parsed } from "../args/spec.ts";
import { type InterruptPorts, interruptPorts, untilInterrupt } from "./interrupt.ts";
import { fullId } from "./one-task.ts";
import { type Sight, sight } from "../progress/sight.ts";
import { progressKeys, progressOptions, type Watching, watching } from "./progress.ts";
import { ask, nobodyAnswers, openPrompt } from "./prompt.ts";
import type { PromptPorts } from "./prompt.ts";
import { byElapsed } from "./elapsed.ts";
import { conditionsOf, filterOptions, statusFilters } from "./search.ts";

const actions = ["cancel", "revert", "delete"] as const;
type Action = (typeof actions)[number];

const spec = {
  name: "hs update",
  summary:
    "Changes tasks: their fields and tags, or cancels, reverts or deletes them. Without a filter, all tasks are meant.",
  usage: [
    "hs update [FIELD=VALUE...] [KEY:VALUE...] [--remove-tag KEY...] [--cancel | --revert | --delete]",
    "          [-w COND...] [-t TAG...] [-g GROUP] [-F | -S | -C | -R | --running] [--retries]",
    "          [-l NUM [-s FIELD [--desc]]] [-f]",
    "hs update ID FIELD VALUE",
  ],
  positionals: [
    {
      key: "args",
      metavar: "ARG",
      value: "edit",
      min: 0,
      max: Infinity,
      help:
        "FIELD=VALUE sets a field (memory=2GB, timeout=10m, args='echo 1'), KEY:VALUE a tag. Before -w, -t and " +
        "--remove-tag, or after --.",
    },
  ],
  sections: [
    {
      title: "Actions",
      options: [
        {
          key: "cancel",
          names: ["--cancel"],
          kind: "flag",
          help: "Never run what has not ended; what runs is stopped. Exit status -1.",
        },
        {
          key: "revert",
          names: ["--revert"],
          kind: "flag",
          help: "As if never scheduled: results are cleared, what runs is stopped, and it is run (again).",
        },
        {
          key: "delete",
          names: ["--delete"],
          kind: "flag",
          help: "Remove from the database; what runs is stopped. Captured files stay (hs clean).",
        },
        {
          key: "removeTag",
          names: ["--remove-tag"],
          value: "tagKey",
          kind: "words",
          metavar: "KEY",
          help: "Remove these tags.",
        },
      ],
    },
    { title: "Filters", options: filterOptions },
    {
      title: "Options",
      options: [
        { key: "limit", names: ["-l", "--limit"], kind: "integer", help: "Change at most NUM tasks.", fallback: "all" },
        {
          key: "orderBy",
          names: ["-s", "--order-by"],
          value: "field",
          kind: "text",
          metavar: "FIELD",
          choices: fieldNames,
          help: "With -l: the first ones in this order, upwards.",
          fallback: "order of submission",
        },
        { key: "desc", names: ["--desc"], kind: "flag", help: "With -s: downwards." },
        { key: "noConfirm", names: ["-f", "--no-confirm", "-y", "--yes"], kind: "flag", help: "Do not ask." },
        ...progressOptions,
      ],
    },
  ],
  exclusive: [actions, statusFilters, progressKeys],
  epilog: [
    "Only the fields that you name are written, so results of tasks that end meanwhile " +
      "are kept. What a run writes (exit_status, " +
      "start_time, ...) can be changed only where a task has ended. Tasks in rotated partitions " +
      "are not changed. A task that waits is run as changed; " +
      "one that runs is not run again because of a change. Each attempt is a task of its own " +
      "(retried: there is a later one). When an attempt is deleted that waits or runs, the failure " +
      "before it is final again.",
    "",
    "Examples:",
    "  hs update --cancel --remaining -t site:b       stop a part of the work",
    "  hs update phase:1 --completed                  tag what is done",
    "  hs update timeout=2h memory=4GB -R -g 1        give the rest of group 1 more",
    "  hs update --revert -F -w retried==false exit_status!=-1",
    "                                                 run failures again: each once, however often it was " +
      "tried, none that was cancelled",
    "  hs update --delete -s submit_time --desc -l1   remove the latest task",
    "",
    "Exit status: 0 success, also when no task is affected or the answer was no; 2 bad argument, " +
      "3 no database, 4 Ctrl-C, " +
      "5 an error, or there is no terminal to ask a question on (use --yes).",
  ].join("\n"),
} as const satisfies CommandSpec;

type Words = Parsed<typeof spec>;

/** What `hs update` needs of its surroundings, so that tests can hand it other ones. */
export interface UpdatePorts extends InterruptPorts {
  readonly open: () => Promise<EditStore>;
  /** Whether a task that is not in the database was moved to a partition. */
  readonly isArchived: (id: string) => Promise<boolean>;
  readonly prompt: PromptPorts;
  readonly log: Logger;
  readonly clock: Clock;
  readonly watching: Watching;
}

export const command: Command = {
  spec,
  bare: "usage",
  run: (parsed: Words, context) => update(parsed, portsOf(parsed, context)),
};

function portsOf(parsed: Words, context: Context): UpdatePorts {
  const log = context.loggers("task");
  return {
    async open() {
      const { openEdits } = await import("../history/open.ts");
      return openEdits(databaseSettings(context.config(), context.loggers("data")));
    },
    async isArchived(id) {
      const { openHistory } = await import("./history.ts");
      const history = await openHistory(context);
      try {
        return (await history.find(id)) !== null;
      } finally {
        await history.close();
      }
    },
    prompt: openPrompt(context.env),
    log,
    clock: systemClock,
    watching: watching(parsed, context),
    ...interruptPorts(context),
  };
}

/** Changes, cancels, reverts or deletes tasks; the exit status. Throws UserError for a bad change or condition. */
export async function update(parsed: Words, ports: UpdatePorts): Promise<number> {
  const words = parsed.words("args");
  const id = words.length === 3 ? parseIdPrefix(words[0]!) : null;
  if (id !== null) return updateOne(id, words[1]!, words[2]!, ports);
  const change = changeOf(parsed);
  const asked = selectedBy(parsed, change);
  const selection = parsed.flag("running") ? byElapsed(asked, ports.clock.now()) : asked;
  const progress: Progress = { meant: 0, changed: 0 };
  const left = (): void => {
    const { meant, changed } = progress;
    if (changed > 0)
      ports.log.warning(
        `${doneTo(change)} ${changed} of ${counted(meant, "task")} before that - the others are as they were`,
      );
  };
  let status: number | "interrupted";
  try {
    status = await untilInterrupt(() => apply(change, selection, progress, parsed.flag("noConfirm"), ports), ports);
  } catch (error) {
    left();
    throw error;
  }
  if (status !== "interrupted") return status;
  left();
  ports.sayInterrupted();
  return exitStatus.interrupted;
}

/** How far a change has come. */
interface Progress {
  meant: number;
  changed: number;
}

async function apply(
  change: Change,
  selection: Selection,
  progress: Progress,
  unasked: boolean,
  ports: UpdatePorts,
): Promise<number> {
  const store = await ports.open();
  try {
    ports.log.info(`Searching database: ${store.title}`);
    const count = await ports.watching(
      () => sight({ note: "searching" }),
      () => store.count(selection),
    );
    if (count === 0) {
      const id = idOf(selection);
      if (id !== null && (await store.find(id)) === null && (await ports.isArchived(id)))
        ports.log.warning(archived(id));
      const [written] = writtenByRun(change.fields);
      const reason = written === undefined ? "" : ` (${written} can be changed only where a task has ended)`;
      ports.log.info(`Update affects 0 tasks - stopping${reason}`);
      return exitStatus.success;
    }
    if (!unasked && !(await isSure(count, change.action, ports.prompt))) return exitStatus.success;
    progress.meant = count;
    const look = (): Sight =>
      sight({ verb: doneTo(change).toLowerCase(), done: progress.changed, total: progress.meant });
    const report = await ports.watching(look, () =>
      store.change(selection, change, ports.clock.now(), (changed) => (progress.changed = changed)),
    );
    if (change.action === "cancel" && report.held > 0)
      ports.log.warning(`${counted(report.held, "cancelled task")} already scheduled`);
    const done = report.changed === count ? tasks(count) : `${report.changed} of ${tasks(count)}`;
    const others = report.changed === count ? "" : " - nothing changed for the others";
    ports.log.info(`${doneTo(change)} ${done}${others}`);
    return exitStatus.success;
  } finally {
    await store.close();
  }
}

const tasks = (count: number): string => counted(count, "task");

const doneTo = ({ action }: Change): string => (action === "delete" ? "Deleted" : "Updated");

/** The former way to say it: at once, and without a word. */
async function updateOne(word: string, field: string, value: string, ports: UpdatePorts): Promise<number> {
  const isTag = fieldNamed(field) === "tag";
  const change = combine([isTag ? parseEdit(requireTag(value)) : parseFieldValue(field, value)], [], null);
  const store = await ports.open();
  try {
    const id = await fullId(word, store);
    const where: Condition[] = [{ kind: "field", field: "id", operator: "==", value: id }];
    const selection = { where, orderBy: null, descending: false, limit: null };
    if ((await store.count(selection)) === 0)
      throw (await ports.isArchived(id))
        ? runtimeError("task", archived(id))
        : runtimeError("task", `No task with id=${id}`);
    const ended = { ...selection, where: [...where, ...possibleFor(change)] };
    if (ended.where.length > where.length && (await store.count(ended)) === 0)
      throw new UserError(
        exitStatus.runtimeError,
        "task",
        `Task (${id}) has not ended: ${field} can be changed only where a task has ended`,
      );
    await store.change(ended, change, ports.clock.now());
    return exitStatus.success;
  } finally {
    await store.close();
  }
}

function archived(id: string): string {
  return `Task (${id}) was moved to a partition (hs initdb --rotate): it can be looked at, but not changed`;
}

/** The one task that is asked for. */
function idOf({ where }: Selection): string | null {
  for (const each of where)
    if (each.kind === "field" && each.field === "id" && each.operator === "==") return String(each.value);
  return null;
}

function requireTag(value: string): string {
  if (value.includes("=") || !/^[^:]+/.test(value)) throw argumentError(`'${value}' is not a tag: write KEY:VALUE`);
  return value.includes(":") ? value : `${value}:`;
}

function changeOf(parsed: Words): Change {
  const action = actions.find((each) => parsed.flag(each)) ?? null;
  const words = parsed.words("args");
  const removed = parsed.words("removeTag").map(requireTagKey);
  if (action === null && words.length === 0 && removed.length === 0)
    throw argumentError(
      "there is nothing to do: name FIELD=VALUE, KEY:VALUE, --remove-tag, --cancel, --revert or --delete " +
        "(words after -w and -t are filters)",
    );
  const change = combine(words.map(parseEdit), removed, action);
  const [written] = writtenByRun(change.fields);
  if (action !== null && written !== undefined)
    throw argumentError(`argument --${action}: not allowed with ${written}=, which is written when a task has run`);
  return change;
}

function combine(edits: readonly Edit[], removedTags: readonly string[], action: Action | null): Change {
  const fields = new Map<TaskField, FieldValue>();
  const tags: Record<string, TagValue> = Object.create(null) as Record<string, TagValue>;
  for (const edit of edits) {
    if (edit.kind === "field") fields.set(edit.field, edit.value);
    else tags[edit.key] = edit.value;
  }
  return { action, fields, tags, removedTags };
}

/** Which tasks a change can be made to at all. */
function possibleFor({ action, fields }: Change): readonly Condition[] {
  const ended: Condition = { kind: "field", field: "exit_status", operator: "!=", value: null };
  // What has ended cannot be cancelled, and does not count.
  if (action === "cancel") return [{ ...ended, operator: "==" }];
  // What has not ended has no result yet: it would count as ended without ever having run.
  return action === null && writtenByRun(fields).length > 0 ? [ended] : [];
}

function writtenByRun(fields: Change["fields"]): readonly TaskField[] {
  return [...fields.keys()].filter(isWrittenByRun);
}

function selectedBy(parsed: Words, change: Change): Selection {
  const orderBy = fieldNamed(parsed.text("orderBy") ?? "");
  const limit = parsed.number("limit");
  if (parsed.flag("desc") && orderBy === undefined)
    throw argumentError("argument --desc: only together with argument -s/--order-by");
  if (orderBy !== undefined && limit === undefined)
    throw argumentError("argument -s/--order-by: only together with argument -l/--limit");
  return {
    where: [...conditionsOf(parsed), ...possibleFor(change)],
    orderBy: orderBy ?? null,
    descending: parsed.flag("desc"),
    limit: limit === undefined || limit < 0 ? null : limit,
  };
}

const verbs: Readonly<Record<Action, string>> = { cancel: "Cancel", revert: "Revert", delete: "Delete" };

async function isSure(count: number, action: Action | null, prompt: PromptPorts): Promise<boolean> {
  const question = `${action === null ? "Update" : verbs[action]} ${tasks(count)}`;
  const answer = await ask(question, "no", prompt);
  if (answer.kind === "yes") return true;
  if (answer.kind === "absent") throw runtimeError("task", nobodyAnswers);
  prompt.write(answer.kind === "other" ? `Stopping (neither yes nor no: '${answer.text}')\n` : "Stopping\n");
  return false;
}
