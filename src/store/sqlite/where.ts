/*
 * Conditions as SQL. Every value is a parameter; names of fields come from a fixed list. SQLite brings no regular expressions of its own,
 * so those are handed back as tests for JavaScript, each with the field it looks at.
 */
import { argumentError } from "../../base/errors.ts";
import type { Condition } from "../../task/filter.ts";
import type { TagValue, TaskField } from "../../task/task.ts";
import type { Cell } from "./row.ts";

export interface RegexTest {
  readonly field: TaskField;
  readonly pattern: RegExp;
}

export interface Where {
  /** Conditions joined with `and`; never empty. */
  readonly sql: string;
  readonly cells: readonly Cell[];
  readonly tests: readonly RegexTest[];
  /** At most one row or so can match: the scan may begin at a unique index. */
  readonly unique: boolean;
}

export type FieldKind = "text" | "number" | "time" | "boolean" | "tag";

const kinds: Partial<Record<TaskField, FieldKind>> = {
  group: "number",
  submit_time: "time",
  cores: "number",
  memory: "number",
  cores_max: "number",
  memory_max: "number",
  timeout: "number",
  schedule_time: "time",
  start_time: "time",
  completion_time: "time",
  exit_status: "number",
  attempt: "number",
  retried: "boolean",
  waited: "number",
  duration: "number",
  tag: "tag",
};

export function kindOf(field: TaskField): FieldKind {
  return kinds[field] ?? "text";
}

export function column(field: TaskField): string {
  return `"${field}"`;
}

const sqlOperator = { "==": "=", "!=": "<>", ">": ">", ">=": ">=", "<": "<", "<=": "<=" } as const;

export function whereOf(conditions: readonly Condition[]): Where {
  const parts: string[] = [];
  const cells: Cell[] = [];
  const tests: RegexTest[] = [];
  let unique = false;
  for (const condition of conditions) {
    if (condition.kind === "field") {
      const { field, operator, value } = condition;
      if (operator === "~") tests.push({ field, pattern: patternOf(field, value) });
      else parts.push(compare(field, operator, value, cells));
      if (operator === "==" && value !== null && (field === "id" || field === "previous_id" || field === "next_id"))
        unique = true;
    } else {
      parts.push(tagTest(condition, cells));
    }
  }
  return { sql: parts.length === 0 ? "1" : parts.join(" and "), cells, tests, unique };
}

/** A null field matches nothing but `== null`. */
function compare(field: TaskField, operator: keyof typeof sqlOperator, value: TagValue, cells: Cell[]): string {
  const name = column(field);
  if (value === null) {
    if (operator === "==") return `${name} is null`;
    return operator === "!=" ? `${name} is not null` : "0";
  }
  const kind = kindOf(field);
  if (kind === "number" || kind === "boolean") {
    // Numbers and texts have no order among each other.
    if (typeof value === "string" && operator !== "==" && operator !== "!=") return "0";
    cells.push(typeof value === "boolean" ? Number(value) : value);
    return `${name} ${sqlOperator[operator]} ?`;
  }
  cells.push(String(value));
  // The plus takes the column's number affinity away, by which `2026` would be a number, and less than every text.
  return `${kind === "text" ? "" : "+"}${name} ${sqlOperator[operator]} ?`;
}

/** Keys that a tag can have; anything else finds nothing, and must not become part of a JSON path. */
const tagKey = /^[A-Za-z0-9_.+-]+$/;

function tagTest(condition: Exclude<Condition, { kind: "field" }>, cells: Cell[]): string {
  if (!tagKey.test(condition.key)) return "0";
  const path = `$."${condition.key}"`;
  cells.push(path);
  if (condition.kind === "tagKey") return "json_type(tag, ?) is not null";
  const { value } = condition;
  if (value === null) return "json_type(tag, ?) = 'null'";
  if (typeof value === "boolean") return `json_type(tag, ?) = '${value}'`;
  cells.push(path, value);
  const types = typeof value === "number" ? "'integer', 'real'" : "'text'";
  return `(json_type(tag, ?) in (${types}) and json_extract(tag, ?) = ?)`;
}

function patternOf(field: TaskField, value: TagValue): RegExp {
  const kind = kindOf(field);
  if (kind === "number" || kind === "boolean")
    throw argumentError(`'~' needs a text field, and '${field}' is a ${kind} (use == or <)`);
  if (value === null) throw argumentError(`'~' needs a regular expression after '${field}'`);
  const source = String(value);
  // Flags at the front, as many regular expression dialects have them.
  const flags = /^\(\?([ims]+)\)/.exec(source);
  try {
    return new RegExp(flags === null ? source : source.slice(flags[0].length), flags?.[1] ?? "");
  } catch {
    throw argumentError(`bad regular expression for '${field}': '${source}'`);
  }
}
