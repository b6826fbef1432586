/*
 * Conditions as SQL. Every value is a parameter; names of fields come from a fixed list. Some conditions SQLite cannot
 * test, or not for every text that a row may hold; they become tests in JavaScript, each with the field it looks at:
 * regular expressions, of which SQLite has none, and tags, which older programs wrote in ways that its JSON functions
 * refuse. For tags the SQL sorts out most rows beforehand.
 */
import { lineText } from "../../base/wordlist.ts";
import { type Condition, type FieldCondition, patternOf, type TagCondition } from "../../task/filter.ts";
import { comparisonOf, type TaskField } from "../../task/field.ts";
import type { Tags } from "../../task/task.ts";
import { plainValue, readTags, sameValue } from "../../store/tags.ts";
import { type FileTimes, momentOf } from "../../store/times.ts";
import type { Cell } from "../../store/sqlite/row.ts";
import { comparedColumn, type Sign, sqlOperator, tagKey } from "../condition.ts";

/** A condition that JavaScript tests. */
export interface Test {
  readonly field: TaskField;
  readonly passes: (cell: Cell) => boolean;
}

export interface Where {
  /** Conditions joined with `and`; never empty. */
  readonly sql: string;
  readonly cells: readonly Cell[];
  readonly tests: readonly Test[];
  /** No row can match, whatever it holds. */
  readonly never: boolean;
}

const never = "0";

/**
 * What rows must meet that match all conditions. Throws UserError for a regular expression that is none, or that is
 * asked of a number.
 */
export function whereOf(conditions: readonly Condition[], times: FileTimes): Where {
  const parts: string[] = [];
  const cells: Cell[] = [];
  const tests: Test[] = [];
  for (const condition of conditions) {
    if (condition.kind !== "field") {
      parts.push(mayHave(condition, cells));
      tests.push({ field: "tag", passes: (cell) => hasTag(condition, readTags(cell)) });
      continue;
    }
    const { field, operator } = condition;
    if (operator === "~") tests.push({ field, passes: matcher(condition, times) });
    else parts.push(compare({ ...condition, operator }, times, cells));
  }
  return { sql: parts.length === 0 ? "1" : parts.join(" and "), cells, tests, never: parts.includes(never) };
}

const ranges: readonly string[] = ["==", "<", "<=", ">", ">="];

/** Whether an index of the time in `field` has the rows that match in one stretch. */
export function isTimeRange(condition: Condition, field: TaskField): condition is FieldCondition {
  if (condition.kind !== "field" || condition.field !== field || condition.value === null) return false;
  return ranges.includes(condition.operator) && !numberShape.test(String(condition.value));
}

/** Whether tags match a condition. */
export function hasTag(condition: TagCondition, tags: Tags): boolean {
  if (!Object.hasOwn(tags, condition.key)) return false;
  return condition.kind === "tagKey" || sameValue(tags[condition.key], condition.value);
}

/** A text that SQLite takes for a number. */
const numberShape = /^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i;

/** A condition that SQLite can test. */
type Comparison = FieldCondition & { readonly operator: Sign };

/** A field that is null matches nothing but `== null`. */
function compare({ field, operator, value }: Comparison, times: FileTimes, cells: Cell[]): string {
  const name = comparedColumn(field);
  if (value === null) {
    if (operator === "==") return `${name} is null`;
    return operator === "!=" ? `${name} is not null` : never;
  }
  const comparison = comparisonOf(field);
  if (comparison === "number" || comparison === "boolean") {
    // Numbers and texts have no order among each other.
    if (typeof value === "string" && operator !== "==" && operator !== "!=") return never;
    cells.push(typeof value === "string" ? value : Number(value));
    return `${name} ${sqlOperator[operator]} ?`;
  }
  const text = comparison === "time" ? timeText(String(value), times) : String(value);
  cells.push(text);
  const isText = comparison === "text" || comparison === "id";
  // Columns of times and tags have the affinity of numbers (SQLite, "Datatypes", 3): `2026` would be one, and less than
  // every text. The plus takes the affinity away, and the index with it.
  return `${isText || !numberShape.test(text) ? "" : "+"}${name} ${sqlOperator[operator]} ?`;
}

/** SQL that is true for every row with the tag, and for few others. */
function mayHave(condition: TagCondition, cells: Cell[]): string {
  if (!tagKey.test(condition.key)) return never;
  const path = `$."${condition.key}"`;
  cells.push(path);
  return `case when json_valid(tag) then ${jsonTest(condition, path, cells)} else 1 end`;
}

function jsonTest(condition: TagCondition, path: string, cells: Cell[]): string {
  if (condition.kind === "tagKey") return "json_type(tag, ?) is not null";
  const value = plainValue(condition.value);
  if (value === null) return "json_type(tag, ?) = 'null'";
  if (typeof value === "boolean") return `json_type(tag, ?) = '${value}'`;
  cells.push(path, value);
  // A list or a map within tags counts as its text.
  const types = typeof value === "number" ? "'integer', 'real'" : "'text', 'array', 'object'";
  return `(json_type(tag, ?) in (${types}) and json_extract(tag, ?) = ?)`;
}

/** A time with an offset from UTC, or a local time or the beginning of one, as it is stored. */
function timeText(text: string, { format, asked }: FileTimes): string {
  const moment = momentOf(text);
  return moment === null ? asked(text) : format(moment / 1000);
}

function matcher(condition: FieldCondition, { local }: FileTimes): Test["passes"] {
  const pattern = patternOf(condition);
  if (comparisonOf(condition.field) === "time")
    return (cell) => cell !== null && pattern.test(typeof cell === "string" ? local(cell) : String(cell));
  return (cell) => cell !== null && pattern.test(lineText(String(cell)));
}
