/*
 * Searches of tasks that run, by the time since their start. It grows, so none of them has it on record: conditions
 * on the duration, and an order by it, become those on the start.
 */
import type { Selection } from "../history/history.ts";
import type { Condition, FieldCondition, Operator } from "../task/filter.ts";

/** Who has run for longer has started earlier. */
const opposite: Readonly<Partial<Record<Operator, Operator>>> = { "<": ">", "<=": ">=", ">": "<", ">=": "<=" };

/** No task has run for longer than this: two centuries, in seconds. */
const longest = 6.3e9;

/** The selection with the duration of each task as the time from its start to `now`, in milliseconds since 1970. */
export function byElapsed<S extends Selection>(selection: S, now: number): S {
  const where = selection.where.map((each) => (isDuration(each) ? onStart(each, now) : each));
  if (selection.orderBy !== "duration") return { ...selection, where };
  return { ...selection, where, orderBy: "start_time", descending: !selection.descending };
}

function isDuration(condition: Condition): condition is FieldCondition {
  return condition.kind === "field" && condition.field === "duration";
}

function onStart(condition: FieldCondition, now: number): Condition {
  const { operator, value } = condition;
  if (value === null) return { ...condition, field: "start_time" };
  const other = opposite[operator];
  if (other === undefined || typeof value !== "number") return condition;
  const seconds = Math.min(Math.max(value, -longest), longest);
  const start = new Date(Math.round(now - seconds * 1000)).toISOString().replace("T", " ");
  return { kind: "field", field: "start_time", operator: other, value: start };
}
