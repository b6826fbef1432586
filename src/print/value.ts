/*
 * The texts of single values, for every format of `hs list` and `hs info`: JSON, YAML scalars, and what people read.
 * Knows no columns but the two that hold floats, and no layout.
 */
import { escapeCharacter, escapeControls } from "../base/escape.ts";
import { WrittenNumber } from "../task/written.ts";
import { kindOf, type TaskField } from "../task/field.ts";
import type { ShownValue, Tags, TagValue } from "../task/task.ts";

/** Whether a whole number in the column is written `2.0`, as databases and scripts know it. */
export function holdsFloats(field: TaskField): boolean {
  const kind = kindOf(field);
  return kind === "float" || kind === "size";
}

/** Whether a value is the tags of a task. */
export function isTags(value: ShownValue): value is Tags {
  return typeof value === "object" && value !== null && !(value instanceof WrittenNumber);
}

/** JSON of a number; what JSON cannot say (a database can hold infinities) is null. */
export function numberText(value: number, isFloat: boolean): string {
  if (!Number.isFinite(value)) return "null";
  return isFloat && Number.isInteger(value) && Math.abs(value) < 1e21 ? value.toFixed(1) : String(value);
}

const plainJson = /^[ !#-[\]-~]*$/;

/** JSON in ASCII alone: everything else as \uXXXX, so that the text survives any terminal, locale and reader. */
export function jsonText(text: string): string {
  if (plainJson.test(text)) return `"${text}"`;
  return JSON.stringify(text).replace(/[\u007f-\uffff]/g, (unit) => `\\u${hex(unit.charCodeAt(0), 4)}`);
}

function scalarJson(value: TagValue, isFloat: boolean): string {
  return typeof value === "string"
    ? jsonText(value)
    : typeof value === "number"
      ? numberText(value, isFloat)
      : String(value);
}

/** JSON on one line, with a blank after comma and colon. */
export function json(value: ShownValue, isFloat: boolean): string {
  return isTags(value) ? tagsJson(value, jsonText) : scalarJson(value, isFloat);
}

let lastTags: Tags | null = null;
let lastQuote: ((text: string) => string) | null = null;
let lastText = "";

/** `{"site": "b", "part": 0}`. Rows that share their tags mostly follow each other, so the last text is kept. */
function tagsJson(tags: Tags, quote: (text: string) => string): string {
  if (tags !== lastTags || quote !== lastQuote) {
    const members = Object.entries(tags).map(
      ([key, value]) => `${quote(key)}: ${typeof value === "string" ? quote(value) : scalarJson(value, false)}`,
    );
    lastText = `{${members.join(", ")}}`;
    lastTags = tags;
    lastQuote = quote;
  }
  return lastText;
}

const readableQuote = (text: string): string => visible(JSON.stringify(text));

/** As people read it on one line of a record or in a table: no quotes, nothing escaped but control characters. */
export function readable(value: ShownValue, isFloat: boolean): string {
  if (typeof value === "string") return visible(value);
  return isTags(value) ? tagsJson(value, readableQuote) : scalarJson(value, isFloat);
}

/** The value alone, as a script wants it: text byte for byte. */
export function raw(value: ShownValue, isFloat: boolean): string {
  return typeof value === "string" ? value : isTags(value) ? tagList(value) : scalarJson(value, isFloat);
}

/** `site:b, flag:true, naked, part:0`: the key alone only where the value is empty text. */
export function tagList(tags: Tags): string {
  return Object.entries(tags)
    .map(([key, value]) =>
      value === "" ? key : `${key}:${typeof value === "string" ? value : scalarJson(value, false)}`,
    )
    .join(", ");
}

/** Text that stays on its line and in its column; every other character is as it was. */
export function oneLine(text: string): string {
  return text.replace(/[\n\r\t]/g, escapeCharacter);
}

/** Also without what a terminal would obey: a command line that was stored must not move the cursor of who lists it. */
export function visible(text: string): string {
  return escapeControls(text);
}

/**
 * A text of any number of lines for a terminal, which shows its lines and columns as they are, and obeys nothing else.
 */
export function visibleLines(text: string): string {
  return escapeControls(text, "\n\t");
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, "0");
}
