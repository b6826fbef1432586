/*
 * Conditions on tasks, as `-w`, `-t`, `-g` and the status flags of `hs list` and `hs update` give them. They are parsed
 * here, once; each store translates the same tree, with every value a parameter.
 *
 *   condition = field { blank } operator { blank } value
 *   field     = letter or "_" { letter or "_" }      a column of the task, but not `tag`
 *   operator  = "==" | "!=" | ">=" | ">" | "<=" | "<" | "~"
 *   value     = the rest, without blanks at its ends; quotes are part of it
 *             | [ "(?" flags ")" ] pattern           after "~": a regular expression of JavaScript; the flags, of
 *                                                    "i m s", hold for all of it
 *   time      = a time as it is shown, or its beginning down to the year; "==" and "!=" take a whole one
 *   tagFilter = key [ ":" [ value ] ]
 *
 * A value has the type of its field, so no store compares a number with text, and what could only ever find nothing is
 * refused. Values of tags are free: older programs wrote more than `tag.ts` allows.
 */
import { argumentError, messageOf } from "../base/errors.ts";
import { parseId } from "../base/ids.ts";
import { parseSeconds, parseSize } from "../base/units.ts";
import { coerce, coerceTag } from "./coerce.ts";
import { describeBadTag, whyNoKey } from "./tag.ts";
import { comparisonOf, describeNoField, fieldNamed, type FieldKind } from "./field.ts";
import { isUnique, kindOf, type TaskField } from "./field.ts";
import type { TagValue } from "./task.ts";

export type Operator = "==" | "!=" | ">" | ">=" | "<" | "<=" | "~";

export type Condition =
  | { readonly kind: "field"; readonly field: TaskField; readonly operator: Operator; readonly value: TagValue }
  | { readonly kind: "tagKey"; readonly key: string }
  | { readonly kind: "tagValue"; readonly key: string; readonly value: TagValue };

export type FieldCondition = Extract<Condition, { kind: "field" }>;
export type TagCondition = Exclude<Condition, FieldCondition>;

/** What the value of a condition may look like. Times compare as they are written. */
type ValueType = "text" | "id" | "time" | "number" | "size" | "seconds" | "boolean";

const valueTypes: Readonly<Record<FieldKind, ValueType>> = {
  text: "text",
  host: "text",
  id: "id",
  time: "time",
  whole: "number",
  count: "number",
  status: "number",
  float: "number",
  bytes: "size",
  size: "size",
  seconds: "seconds",
  span: "seconds",
  boolean: "boolean",
  // Refused before a value is read.
  tags: "text",
};

/** Longer ones first: `>=` begins with `>`. */
const operators: readonly Operator[] = ["==", "!=", ">=", "<=", ">", "<", "~"];

/** A condition of `-w`, such as `exit_status != 0` or `args ~ ^echo`. Throws UserError when it is none. */
export function parseCondition(text: string): Condition {
  const [field, afterField] = expectField(text);
  const [operator, afterOperator] = expectOperator(text, skipBlanks(text, afterField));
  return {
    kind: "field",
    field,
    operator,
    value: expectValue(text, field, operator, text.slice(afterOperator).trim()),
  };
}

/** Whether at most one task can meet the condition, found by the value of a unique column. */
export function namesOneTask(condition: Condition): boolean {
  if (condition.kind !== "field" || condition.operator !== "==" || condition.value === null) return false;
  return isUnique(condition.field);
}

/** Which tasks, and in which order. */
interface Question {
  readonly where: readonly Condition[];
  readonly orderBy: TaskField | null;
  readonly descending: boolean;
}

/** A condition that no task meets: nothing compares with null. */
const impossible: Condition = { kind: "field", field: "id", operator: "<", value: null };

/**
 * The same question to a table that lacks some columns, so that its tasks have null in each of them. The answer no
 * longer names these columns.
 */
export function withoutFields<T extends Question>(question: T, absent: ReadonlySet<TaskField>): T {
  if (absent.size === 0) return question;
  const where = question.where.flatMap((each): readonly Condition[] => {
    if (each.kind !== "field" || !absent.has(each.field)) return [each];
    return each.operator === "==" && each.value === null ? [] : [impossible];
  });
  if (question.orderBy === null || !absent.has(question.orderBy)) return { ...question, where };
  return { ...question, where, orderBy: null, descending: false };
}

/** A filter of `-t`: `key` and `key:` ask for the key, `key:value` for the value. Throws UserError for a bad key. */
export function parseTagFilter(text: string): Condition {
  const colon = text.indexOf(":");
  const key = (colon < 0 ? text : text.slice(0, colon)).trim();
  const reason = whyNoKey(key);
  if (reason !== null) throw argumentError(`argument -t/--with-tag: ${describeBadTag({ word: text, reason })}`);
  const value = colon < 0 ? "" : text.slice(colon + 1).trim();
  return value === "" ? { kind: "tagKey", key } : { kind: "tagValue", key, value: coerceTag(value) };
}

function expectField(text: string): readonly [field: TaskField, end: number] {
  let end = 0;
  while (end < text.length && /[A-Za-z0-9_]/.test(text[end]!)) end += 1;
  const name = text.slice(0, end);
  if (name === "") throw blame(text, "it must start with the name of a field");
  const field = fieldNamed(name);
  if (field === undefined) throw blame(text, describeNoField(name));
  if (field === "tag") throw blame(text, "tags are searched with -t/--with-tag");
  return [field, end];
}

function skipBlanks(text: string, from: number): number {
  let at = from;
  while (text[at] === " " || text[at] === "\t") at += 1;
  return at;
}

function expectOperator(text: string, at: number): readonly [operator: Operator, end: number] {
  const operator = operators.find((each) => text.startsWith(each, at));
  if (operator !== undefined) return [operator, at + operator.length];
  const hint = text[at] === "=" ? ", use == for equality" : "";
  throw blame(text, `expected one of == != > >= < <= ~ after the field${hint}`);
}

function expectValue(text: string, field: TaskField, operator: Operator, word: string): TagValue {
  const type = valueTypes[kindOf(field)];
  const value = coerce(word);
  if (operator === "~") {
    if (value === null || !searched.includes(type))
      throw blame(text, `~ searches text, ${value === null ? "not null" : `and ${field} is none`}`);
    return expectPattern(text, word);
  }
  if (value === null) {
    if (operator !== "==" && operator !== "!=") throw blame(text, "null can only be compared with == and !=");
    return null;
  }
  if (type === "text") return word;
  const isEqual = operator === "==" || operator === "!=";
  const typed =
    type === "id"
      ? // Ids are stored in lower case. Their order is that of their beginnings, the time at which they were made.
        (parseId(word) ?? (isEqual ? null : word.toLowerCase()))
      : type === "time"
        ? timeText(word)
        : typedValue(type, value, word);
  if (typed === null) throw blame(text, `'${word}' is not a value for ${field} (${valueHints[type]})`);
  if (type !== "time" || !isEqual) return typed;
  const whole = wholeTime(String(typed));
  if (whole === null)
    throw blame(text, `${operator} compares with a time down to its seconds (use >= and <, or: ${field} ~ ^${word})`);
  return whole;
}

/** The types that regular expressions look through. */
const searched: readonly ValueType[] = ["text", "id", "time"];

const valueHints: Readonly<Record<Exclude<ValueType, "text">, string>> = {
  id: "a whole UUID; ~ finds a part of one",
  time: "a time as in '2026-11-22 07:40:58', or the beginning of one",
  number: "a number",
  size: "bytes, or with a unit as in 512MB",
  seconds: "seconds, or as in 90s, 10m, 2h, 1:30:00",
  boolean: "true or false",
};

/** Year, month, day, hour, minute, second, fraction and offset from UTC, from the left as far as they go. */
const secondShape = /(\d\d)(?:\.\d{0,6})?(\s*(?:Z|[+-]\d\d(?::?\d\d)?))?/.source;
const clockShape = `(\\d\\d)(?::(\\d\\d)(?::${secondShape})?)?`;
const timeShape = new RegExp(`^(\\d{4})(?:-(\\d\\d)(?:-(\\d\\d)(?:[ T]+${clockShape})?)?)?$`);

/** A time, or the beginning of one, as a text that can be compared; null: the word is neither. */
function timeText(word: string): string | null {
  const found = timeShape.exec(word);
  if (found === null) return null;
  const within = (i: number, least: number, most: number): boolean =>
    found[i] === undefined || (Number(found[i]) >= least && Number(found[i]) <= most);
  // As a bound the 31st of any month will do, and so will the 24th hour of a day.
  const possible = within(2, 1, 12) && within(3, 1, 31) && within(4, 0, 24) && within(5, 0, 59) && within(6, 0, 59);
  if (!possible) return null;
  const offset = found[7] ?? "";
  return word.slice(0, word.length - offset.length).replace(/[ T]+/, " ") + offset.trim();
}

/** The time with all six digits of its fraction, as times are stored; null: it ends before the seconds. */
function wholeTime(text: string): string | null {
  const found = /^(.{10} \d\d:\d\d:\d\d)(?:\.(\d*))?(.*)$/.exec(text);
  return found === null ? null : `${found[1]}.${(found[2] ?? "").padEnd(6, "0")}${found[3]}`;
}

function typedValue(type: "number" | "size" | "seconds" | "boolean", value: TagValue, word: string): TagValue {
  if (type === "boolean") return typeof value === "boolean" ? value : value === 1 ? true : value === 0 ? false : null;
  if (typeof value === "number") return value;
  return type === "size" ? parseSize(word) : type === "seconds" ? parseSeconds(word) : null;
}

/** The pattern with its flags, which most dialects have at the front, as a group of JavaScript: `(?i:...)`. */
function expectPattern(text: string, word: string): string {
  const pattern = word.replace(/^\(\?([ims]+)\)(.*)$/s, "(?$1:$2)");
  try {
    void new RegExp(pattern);
  } catch (error) {
    throw blame(text, messageOf(error).replace(/^Invalid regular expression: /, "bad regular expression: "));
  }
  return pattern;
}

/**
 * The regular expression of a condition with `~`. Throws UserError if its field is no text, or if its value is not a
 * valid pattern.
 */
export function patternOf({ field, value }: FieldCondition): RegExp {
  const comparison = comparisonOf(field);
  if (comparison === "number" || comparison === "boolean")
    throw argumentError(`'~' needs a text field, and '${field}' is a ${comparison} (use == or <)`);
  if (value === null) throw argumentError(`'~' needs a regular expression after '${field}'`);
  try {
    return new RegExp(String(value));
  } catch {
    throw argumentError(`bad regular expression for '${field}': '${String(value)}'`);
  }
}

function blame(text: string, reason: string): Error {
  return argumentError(`condition '${text}': ${reason}`);
}
