/*
 * One task as YAML: a block mapping in the order of the fields, written so that readers of YAML 1.1 and 1.2 agree on
 * every value.
 *
 *   mapping = { key ": " scalar "\n" | key ":\n" { "    " key ": " scalar "\n" } }     an empty map is {}
 *   scalar  = null | true | false | number | text
 *   text    = as it stands        when no reader could take it for anything else
 *           | '...'               in printable ASCII
 *           | "..."               else, with \xXX, \uXXXX and \UXXXXXXXX for what is not
 */
import { escapeCharacter } from "../base/escape.ts";
import type { ShownValue, Tags, TagValue } from "../task/task.ts";
import { partOf, tint } from "./theme.ts";
import type { Theme } from "./theme.ts";
import { isTags, numberText } from "./value.ts";

export interface Member {
  readonly key: string;
  readonly value: ShownValue;
  readonly isFloat: boolean;
}

/** Keys and values as a mapping, a line each. */
export function yamlMapping(members: readonly Member[], theme: Theme | null): string {
  return members
    .map(({ key, value, isFloat }) => {
      const name = tint(yamlText(key), "key", theme);
      if (!isTags(value)) return `${name}: ${scalar(value, isFloat, theme)}\n`;
      const inner = yamlTags(value, "    ", theme);
      return inner === "" ? `${name}: {}\n` : `${name}:\n${inner}`;
    })
    .join("");
}

/** The tags alone; an empty text for none. */
export function yamlTags(tags: Tags, indent: string, theme: Theme | null): string {
  return Object.entries(tags)
    .map(([key, value]) => `${indent}${tint(yamlText(key), "key", theme)}: ${scalar(value, false, theme)}\n`)
    .join("");
}

function scalar(value: TagValue, isFloat: boolean, theme: Theme | null): string {
  const text =
    typeof value === "string"
      ? yamlText(value)
      : typeof value === "number"
        ? yamlNumber(value, isFloat)
        : String(value).replace(/^(-?\d+)e/, "$1.0e");
  return tint(text, partOf(value), theme);
}

/** YAML 1.1 knows an exponent only after a decimal point. */
function yamlNumber(value: number, isFloat: boolean): string {
  return numberText(value, isFloat).replace(/^(-?\d+)e/, "$1.0e");
}

/** What a plain scalar must not be: another type in one of the two versions of YAML. */
const otherTypes: readonly RegExp[] = [
  /^(?:~|null|true|false|yes|no|on|off|=|<<)$/i,
  /^[-+]?(?:0b[01_]+|0x[0-9a-f_]+|0o?[0-7_]+)$/i,
  /^[-+]?(?:\d[\d_]*(?::[0-5]?\d)*(?:\.[\d_]*)?(?:e[-+]?\d+)?|\.[\d_]+(?:e[-+]?\d+)?|\.inf)$/i,
  /^\.nan$/i,
  // Dates and times, also where only part of one follows.
  /^\d{4}-\d\d?-\d\d?(?:[Tt \t]|$)/,
];

/** Indicators that cannot begin a plain scalar; `-`, `?` and `:` can where a character other than a blank follows. */
const badStart = /^(?:[\s,[\]{}#&*!|>'"%@`]|[-?:](?:\s|$)|---|\.\.\.)/;
const badInside = /:(?:\s|$)|\s#|\s$/;
const printableAscii = /^[ -~]*$/;

/** A text as a scalar: plain where no reader could take it for something else, else in quotes. */
export function yamlText(text: string): string {
  if (!printableAscii.test(text)) return doubleQuoted(text);
  const plain =
    text !== "" && !badStart.test(text) && !badInside.test(text) && !otherTypes.some((type) => type.test(text));
  return plain ? text : `'${text.replaceAll("'", "''")}'`;
}

function doubleQuoted(text: string): string {
  return `"${text.replace(/["\\]|[^ -~]/gu, (char) => (char === '"' ? '\\"' : escapeCharacter(char)))}"`;
}
