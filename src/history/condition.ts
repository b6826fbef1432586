/*
 * What both databases say of conditions in the same words. How a condition becomes SQL is in where.ts of each.
 */
import type { TaskField } from "../task/field.ts";
import type { Condition, Operator, TagCondition } from "../task/filter.ts";

/** An operator that SQL has too. */
export type Sign = Exclude<Operator, "~">;

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

/** Keys that a tag can have; anything else finds nothing, and must not become part of a statement. */
export const tagKey = /^[A-Za-z0-9_.+-]+$/;

export function isTag(condition: Condition): condition is TagCondition {
  return condition.kind !== "field";
}
