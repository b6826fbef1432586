/*
 * What is stored: looked at (`search`, `count`) and changed by hand (`cancel`, `revert`, `remove`).
 */
import { systemClock } from "../base/clock.ts";
import { argumentError } from "../base/errors.ts";
import { databaseSettings } from "../cluster/database.ts";
import type { Change, RecordStore, Selection } from "../history/history.ts";
import { openEdits, openRecords } from "../history/open.ts";
import { type TaskField, taskFields } from "../task/field.ts";
import { type Condition, parseCondition } from "../task/filter.ts";
import { coerceTag } from "../task/coerce.ts";
import { whyNoKey } from "../task/tag.ts";
import type { TagValue as StoredValue } from "../task/task.ts";
import type { ChangeOptions, CommonOptions, CountOptions, DatabaseOptions, Filter } from "./interface.ts";
import type { SearchOptions, Tags, Task } from "./interface.ts";
import { fieldOf, taskOfRow } from "./record.ts";
import { numberIn, type Setting, settingOf } from "./setting.ts";

/** Gives the tasks that are found, as they are found. Throws what `search` throws. */
export async function* searchTasks(options: SearchOptions): AsyncGenerator<Task, void, void> {
  const { signal, orderBy, descending = false } = options;
  signal?.throwIfAborted();
  const where = conditionsOf(options);
  const limit = numberIn("limit", options.limit, null, { most: Number.MAX_SAFE_INTEGER });
  const field = orderBy === undefined ? null : fieldOf(orderBy);
  if (field === undefined) throw argumentError(`orderBy: there is no '${String(orderBy)}'`);
  const order = field ?? (descending ? "submit_time" : null);
  const records = await open(options);
  try {
    const query = { fields: taskFields, where, orderBy: order, descending, limit };
    for await (const row of records.search(query)) {
      signal?.throwIfAborted();
      yield taskOfRow(row);
    }
  } finally {
    await records.close();
  }
}

/** The number of tasks that are found. Throws what `count` throws. */
export async function countTasks(options: CountOptions): Promise<number> {
  const selection = selectionOf(options);
  const records = await open(options);
  try {
    return await records.count(selection);
  } finally {
    await records.close();
  }
}

/** Does something to the tasks that are found. Answers how many it changed. Throws what `cancel` throws. */
export async function changeTasks(action: "cancel" | "revert" | "delete", options: ChangeOptions): Promise<number> {
  if (options.where === undefined) throw argumentError("where: must be given; [] means every task");
  const selection = selectionOf(options);
  const setting = expectDatabase(options);
  const store = await openEdits(databaseSettings(setting.config, setting.loggers("data")));
  try {
    const change: Change = { action, fields: new Map(), tags: {}, removedTags: [] };
    return (await store.change(selection, change, systemClock.now())).changed;
  } finally {
    await store.close();
  }
}

function expectDatabase(options: CommonOptions & DatabaseOptions): Setting {
  const setting = settingOf(options, true);
  if (setting.noDatabase) throw argumentError("database: must not be false, or there is nothing to look at");
  return setting;
}

function open(options: CommonOptions & DatabaseOptions): Promise<RecordStore> {
  const { config, loggers } = expectDatabase(options);
  const log = loggers("task");
  return openRecords({
    ...databaseSettings(config, loggers("data")),
    debug: (text) => log.debug(text),
    warn: (text) => log.warning(text),
  });
}

function selectionOf(filter: Filter): Selection {
  return { where: conditionsOf(filter), orderBy: null, descending: false, limit: null };
}

/** The conditions that a filter means. Throws an argument error for what means nothing. */
function conditionsOf({ where = [], tags = {}, group, status }: Filter): readonly Condition[] {
  const is = (field: TaskField, operator: "==" | "!=", value: StoredValue): Condition => ({
    kind: "field",
    field,
    operator,
    value,
  });
  const ofStatus = {
    failed: is("exit_status", "!=", 0),
    succeeded: is("exit_status", "==", 0),
    completed: is("exit_status", "!=", null),
    remaining: is("exit_status", "==", null),
  };
  if (status !== undefined && !Object.hasOwn(ofStatus, status))
    throw argumentError(`status: must be one of ${Object.keys(ofStatus).join(", ")}`);
  return [
    ...[where].flat().map(parseCondition),
    ...Object.entries(tags).map(tagCondition),
    ...(group === undefined ? [] : [is("group", "==", numberIn("group", group, 0, {}))]),
    ...(status === undefined ? [] : [ofStatus[status]]),
  ];
}

function tagCondition([key, value]: [string, Tags[string]]): Condition {
  const reason = whyNoKey(key);
  if (reason !== null) throw argumentError(`tags: ${reason}`);
  if (value === true) return { kind: "tagKey", key };
  // As when a task is given its tags: the text of a number is a number.
  return { kind: "tagValue", key, value: typeof value === "string" ? coerceTag(value) : value };
}
