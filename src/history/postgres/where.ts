/*
 * Conditions as SQL for PostgreSQL. Every value is a parameter; names of fields come from a fixed list. Regular
 * expressions are JavaScript's, so they are handed back as tests, each with the field it looks at. Nothing that a
 * person may write makes PostgreSQL fail: a value that no row can hold (a text with NUL, a text for a number, an id
 * that is none) matches no row.
 */
import { parseId } from "../../base/ids.ts";
import { lineText } from "../../base/wordlist.ts";
import { type Condition, type FieldCondition, type Operator, patternOf, type TagCondition } from "../../task/filter.ts";
import { comparisonOf, type TaskField } from "../../task/field.ts";
import { comparedColumn, type Sign, sqlOperator, tagKey } from "../condition.ts";
import type { TagValue } from "../../task/task.ts";
import { formatTime, momentOf } from "../../store/times.ts";
import type { Bind } from "../../store/postgres/bind.ts";
import { instantText } from "../../store/postgres/cells.ts";
import { statusClasses, tagHash, unusualTag } from "../../store/postgres/indices.ts";

/** A condition that is tested here and not by the database. */
export interface Test {
  readonly field: TaskField;
  /** Gets the cell as the driver gives it. */
  readonly passes: (cell: unknown) => boolean;
}

/** A part of the table that no other part overlaps, with an index of its own in order of insertion. */
export type StatusClass = keyof typeof statusClasses;

const never = "false";

/** Conditions joined with `and`, as SQL; never empty. Regular expressions are left to `testsOf`. */
export function whereOf(conditions: readonly Condition[], bind: Bind): string {
  const parts = conditions.flatMap((condition) => sqlOf(condition, bind) ?? []);
  return parts.length === 0 ? "true" : parts.join(" and ");
}

/** The conditions that `whereOf` leaves out. Throws UserError as patternOf does. */
export function testsOf(conditions: readonly Condition[]): readonly Test[] {
  return conditions.flatMap((each) => (each.kind === "field" && each.operator === "~" ? [matcher(each)] : []));
}

/** The classes in which there can be rows that match; none: no row can match, whatever it holds. */
export function classesOf(conditions: readonly Condition[]): readonly StatusClass[] {
  if (conditions.some(isImpossible)) return [];
  const statuses = conditions.filter(isStatus);
  const all = Object.keys(statusClasses) as StatusClass[];
  return all.filter((each) => statuses.every((condition) => holdsFor(condition, each) !== false));
}

/** A range of times is a stretch of the order of insertion. */
export function isTime(condition: Condition): boolean {
  return condition.kind === "field" && condition.field === "submit_time" && condition.operator !== "~";
}

function isImpossible(condition: Condition): boolean {
  return sqlOf(condition, () => "") === never;
}

/** One condition as SQL; null: SQL cannot say it. */
function sqlOf(condition: Condition, bind: Bind): string | null {
  if (condition.kind !== "field") return tagTest("tag", condition, bind);
  return condition.operator === "~" ? null : compare(condition, condition.operator, bind);
}

/** Whether a condition is about how tasks ended. */
export function isStatus(condition: Condition): condition is FieldCondition {
  return condition.kind === "field" && condition.field === "exit_status";
}

/** Whether a condition on `exit_status` holds for all rows of a class, for none (false), or maybe for some (null). */
export function holdsFor(condition: FieldCondition, each: StatusClass): boolean | null {
  const { operator, value } = condition;
  if (each === "open") return operator === "==" && value === null;
  if (value === null) return operator === "!=";
  if (each === "succeeded") return typeof value === "number" ? acceptsZero(operator, value) : null;
  if (value !== 0) return null;
  return operator === "!=" ? true : operator === "==" ? false : null;
}

function acceptsZero(operator: Operator, value: number): boolean | null {
  switch (operator) {
    case "==":
      return value === 0;
    case "!=":
      return value !== 0;
    case ">":
      return 0 > value;
    case ">=":
      return 0 >= value;
    case "<":
      return 0 < value;
    case "<=":
      return 0 <= value;
    default:
      return null;
  }
}

/** One comparison as SQL. A field that is null matches nothing but `== null`. */
function compare({ field, value }: FieldCondition, operator: Sign, bind: Bind): string {
  const name = comparedColumn(field);
  if (value === null) {
    if (operator === "==") return `${name} is null`;
    return operator === "!=" ? `${name} is not null` : never;
  }
  switch (comparisonOf(field)) {
    case "number":
      return compareNumber(name, operator, value, bind);
    case "boolean":
      return compareNumber(`${name}::int`, operator, value, bind);
    case "time":
      return compareTime(name, operator, String(value), bind);
    case "id":
      return compareId(name, operator, String(value), bind);
    default:
      return compareText(name, operator, String(value), bind);
  }
}

/** The comparison with a value that equals no row: all rows differ from it, and are neither above nor below. */
function unlike(name: string, operator: Sign): string {
  return operator === "!=" ? `${name} is not null` : never;
}

const largestInt = 2 ** 31 - 1;

function compareNumber(name: string, operator: Sign, value: TagValue, bind: Bind): string {
  const number = typeof value === "boolean" ? Number(value) : value;
  // Numbers and texts have no order among each other.
  if (typeof number !== "number" || !Number.isFinite(number)) return unlike(name, operator);
  const type = !Number.isSafeInteger(number) ? "float8" : Math.abs(number) <= largestInt ? "int" : "bigint";
  return `${name} ${sqlOperator[operator]} ${bind(number)}::${type}`;
}

/** Texts compare by their bytes, whatever the database sorts by. */
function compareText(name: string, operator: Sign, text: string, bind: Bind): string {
  if (operator === "==" || operator === "!=") {
    if (text.includes("\0")) return unlike(name, operator);
    return `${name} ${sqlOperator[operator]} ${bind(text)}::text`;
  }
  // No row holds a NUL, so the text before it stands just below the whole, with no row between the two.
  const cut = text.indexOf("\0");
  const [bound, sign] =
    cut < 0 ? [text, sqlOperator[operator]] : [text.slice(0, cut), operator[0] === "<" ? "<=" : ">"];
  return `${name} collate "C" ${sign} ${bind(bound)}::text`;
}

function compareId(name: string, operator: Sign, text: string, bind: Bind): string {
  if (operator === "==" || operator === "!=") {
    if (parseId(text) !== text) return unlike(name, operator);
    return `${name} ${sqlOperator[operator]} ${bind(text)}::uuid`;
  }
  return compareText(`${name}::text`, operator, text, bind);
}

/**
 * Times compare as moments where the text names its offset from UTC. Otherwise they compare as their own text in the
 * local zone, `YYYY-MM-DD HH:MM:SS.ffffff`.
 */
function compareTime(name: string, operator: Sign, text: string, bind: Bind): string {
  const moment = momentOf(text);
  // The first microsecond whose text is not below, and the first whose text is above.
  const [from, after] = moment === null ? [firstFrom(text, false), firstFrom(text, true)] : [moment, moment + 1];
  const is = (sign: string, micros: number): string => `${name} ${sign} ${bind(timeText(micros))}::timestamptz`;
  switch (operator) {
    case ">=":
      return is(">=", from);
    case ">":
      return is(">=", after);
    case "<":
      return is("<", from);
    case "<=":
      return is("<", after);
    case "==":
      return from === after ? never : `(${is(">=", from)} and ${is("<", after)})`;
    case "!=":
      return from === after ? `${name} is not null` : `(${is("<", from)} or ${is(">=", after)})`;
  }
}

/**
 * Microseconds since 1970, from 1684 to 2255. Beyond, numbers do not tell microseconds apart, and no task was or will
 * be there.
 */
const earliest = -Number.MAX_SAFE_INTEGER;
const latest = Number.MAX_SAFE_INTEGER;

/**
 * The first microsecond whose text in the local zone is at least `text` (`above`: greater than it), found by halves.
 * Texts grow with time, except in the hour that comes twice when summer time ends: there the answer is a moment of one
 * of the two.
 */
function firstFrom(text: string, above: boolean): number {
  const reached = (micros: number): boolean => {
    const own = formatTime(micros / 1000);
    return above ? own > text : own >= text;
  };
  let [low, high] = [earliest, latest];
  if (reached(low)) return Number.NEGATIVE_INFINITY;
  if (!reached(high)) return Number.POSITIVE_INFINITY;
  while (high - low > 1) {
    const middle = low + Math.floor((high - low) / 2);
    if (reached(middle)) high = middle;
    else low = middle;
  }
  return high;
}

function timeText(micros: number): string {
  return Number.isFinite(micros) ? instantText(micros / 1000) : micros > 0 ? "infinity" : "-infinity";
}

/** A condition on tags as SQL; `tags` is how the statement names the tags that are tested. */
export function tagTest(tags: string, condition: TagCondition, bind: Bind): string {
  if (!tagKey.test(condition.key)) return never;
  if (condition.kind === "tagKey") return `${tags} ? ${bind(condition.key)}::text`;
  const { value } = condition;
  if (typeof value === "string" && (value.includes("\0") || !value.isWellFormed())) return never;
  return `${tags} -> ${bind(condition.key)}::text = ${bind(JSON.stringify(value))}::text::jsonb`;
}

/** Whether a task without tags of its own passes. */
export function holdsForPlain(condition: TagCondition): boolean {
  return condition.key === "part" && (condition.kind === "tagKey" || condition.value === 0);
}

/** The condition of rows whose tag map has this hash. The index of tags has them in order of insertion. */
export function hasHash(hash: string): string {
  return `${tagHash} = ${hash} and ${unusualTag}`;
}

function matcher(condition: FieldCondition): Test {
  const { field } = condition;
  const pattern = patternOf(condition);
  const text = comparisonOf(field) === "time" ? (cell: unknown) => formatTime(Number(cell)) : shownText;
  return { field, passes: (cell) => cell !== null && pattern.test(text(cell)) };
}

function shownText(cell: unknown): string {
  return lineText(String(cell));
}
