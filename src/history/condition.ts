/*
 * The words of SQL for conditions that both databases share. How a condition becomes SQL is in where.ts of each.
 */
import { mark } from "../base/wordlist.ts";
import type { TaskField } from "../task/field.ts";
import type { Condition, Operator, TagCondition } from "../task/filter.ts";

/** An operator that SQL has too. It has no regular expressions like ours (`~`). */
export type Sign = Exclude<Operator, "~">;

/** What SQL calls an operator. */
export const sqlOperator: Readonly<Record<Sign, string>> = {
  "==": "=",
  "!=": "<>",
  ">": ">",
  ">=": ">=",
  "<": "<",
  "<=": "<=",
};

/** The column of a field, quoted: `group` is a word of SQL. */
export function column(field: TaskField): string {
  return `"${field}"`;
}

/** What rows are found and sorted by, as SQL: what people see of a field. A list of words is a line to them. */
export function comparedColumn(field: TaskField): string {
  if (field !== "args") return column(field);
  return `(case when substr(args, 1, 1) = '${mark}' then replace(substr(args, 2), '${mark}', ' ') else args end)`;
}

/** The shape of tag keys. Anything else finds nothing, and must not become part of a statement. */
export const tagKey = /^[A-Za-z0-9_.+-]+$/;

/** Whether a condition is about tags. */
export function isTag(condition: Condition): condition is TagCondition {
  return condition.kind !== "field";
}
