/*
 * Conditions on tasks, as `-w`, `-t`, `-g` and the status flags of `hs list` and `hs update` give them. Parsed here, once;
 * each store translates the same tree, with every value a parameter.
 *
 *   condition = field { blank } operator { blank } value
 *   field     = letter or "_" { letter or "_" }           a column of the task, but not `tag`
 *   operator  = "==" | "!=" | ">=" | ">" | "<=" | "<" | "~"
 *   value     = the rest, without blanks at its ends; quotes are part of it
 *             | [ "(?" flags ")" ] pattern              after "~": a regular expression of JavaScript, flags of "i m s" for all of it
 *   tagFilter = key [ ":" [ value ] ]
 *
 * Values have the type of their field, so that no store compares a number with text. Everything wrong is an argumentError.
 */
import { argumentError, messageOf } from "../base/errors.ts";
import { parseId } from "../base/ids.ts";
import { parseSeconds, parseSize } from "../base/units.ts";
import { coerce } from "./coerce.ts";
import { taskFields } from "./task.ts";
import type { TagValue, TaskField } from "./task.ts";

export type Operator = "==" | "!=" | ">" | ">=" | "<" | "<=" | "~";

export type Condition =
  | { readonly kind: "field"; readonly field: TaskField; readonly operator: Operator; readonly value: TagValue }
  | { readonly kind: "tagKey"; readonly key: string }
  | { readonly kind: "tagValue"; readonly key: string; readonly value: TagValue };

type FieldType = "text" | "number" | "size" | "seconds" | "boolean";

/** Fields that are not here are text (times too: they compare as they are written). */
const fieldTypes: Partial<Readonly<Record<TaskField, FieldType>>> = {
  group: "number",
  cores: "number",
  memory: "size",
  cores_max: "number",
  memory_max: "size",
  timeout: "seconds",
  exit_status: "number",
  attempt: "number",
  retried: "boolean",
  waited: "seconds",
  duration: "seconds",
};

/** Stored in lower case, and found in any. */
const idFields: readonly TaskField[] = ["id", "submit_id", "server_id", "client_id", "previous_id", "next_id"];

/** Longer ones first. */
const operators: readonly Operator[] = ["==", "!=", ">=", "<=", ">", "<", "~"];

/** A condition of `-w`, such as `exit_status != 0` or `args ~ ^echo`. */
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

/** A filter of `-t`: `key` and `key:` ask for the key, `key:value` for the value. A key that no task can have finds nothing. */
export function parseTagFilter(text: string): Condition {
  const colon = text.indexOf(":");
  const key = (colon < 0 ? text : text.slice(0, colon)).trim();
  const value = colon < 0 ? "" : text.slice(colon + 1).trim();
  return value === "" ? { kind: "tagKey", key } : { kind: "tagValue", key, value: coerce(value) };
}

function expectField(text: string): readonly [field: TaskField, end: number] {
  let end = 0;
  while (end < text.length && /[A-Za-z0-9_]/.test(text[end]!)) end += 1;
  const name = text.slice(0, end);
  if (name === "") throw blame(text, "it must start with the name of a field");
  const field = taskFields.find((each) => each === name);
  if (field === undefined) throw blame(text, `there is no field '${name}' (see: hs list --fields)`);
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
  const type = fieldTypes[field] ?? "text";
  const value = coerce(word);
  if (operator === "~") {
    if (value === null || type !== "text")
      throw blame(text, `~ searches text, ${value === null ? "not null" : `and ${field} is none`}`);
    return expectPattern(text, word);
  }
  if (value === null) {
    if (operator !== "==" && operator !== "!=") throw blame(text, "null can only be compared with == and !=");
    return null;
  }
  if (type === "text") return idFields.includes(field) ? (parseId(word) ?? word) : word;
  const typed = typedValue(type, value, word);
  if (typed === null) throw blame(text, `'${word}' is no value for ${field} (${valueHints[type]})`);
  return typed;
}

const valueHints: Readonly<Record<Exclude<FieldType, "text">, string>> = {
  number: "a number",
  size: "bytes, or with a unit as in 512MB",
  seconds: "seconds, or as in 90s, 10m, 2h, 1:30:00",
  boolean: "true or false",
};

function typedValue(type: Exclude<FieldType, "text">, value: TagValue, word: string): TagValue {
  if (type === "boolean") return typeof value === "boolean" ? value : value === 1 ? true : value === 0 ? false : null;
  if (typeof value === "number") return value;
  return type === "size" ? parseSize(word) : type === "seconds" ? parseSeconds(word) : null;
}

/** Flags at the front, as most dialects have them, in the form that JavaScript has. */
function expectPattern(text: string, word: string): string {
  const pattern = word.replace(/^\(\?([ims]+)\)(.*)$/s, "(?$1:$2)");
  try {
    void new RegExp(pattern);
  } catch (error) {
    throw blame(text, messageOf(error).replace(/^Invalid regular expression: /, "bad regular expression: "));
  }
  return pattern;
}

function blame(text: string, reason: string): Error {
  return argumentError(`condition '${text}': ${reason}`);
}
