/*
 * Edits: what `hs update` sets, each in one word. They are parsed here, once; every store writes the same values.
 *
 *   edit  = field "=" [ value ] | tag
 *   field = a column of the task, but not `id` and not `tag`
 *   tag   = key ":" [ value ]                    see tag.ts; `group cores memory timeout` are columns
 *
 * `=` is looked for before `:`. A value has the type of its field; sizes, durations and times are written as everywhere
 * else. `null` and `none` clear a field that may be empty.
 */
import { argumentError } from "../base/errors.ts";
import { parseId } from "../base/ids.ts";
import { parseSeconds, parseSize } from "../base/units.ts";
import { momentOfLocal } from "../base/zone.ts";
import { coerce } from "./coerce.ts";
import { describeBadTag, largestNumber, parseTag, whyNoKey } from "./tag.ts";
import { describeNoField, type FieldKind, fieldNamed, isNullable, kindOf, type TaskField } from "./field.ts";
import type { TagValue } from "./task.ts";

/** What a field is set to. Times are milliseconds since 1970. */
export type FieldValue = string | number | boolean | null;

export type Edit =
  | { readonly kind: "field"; readonly field: TaskField; readonly value: FieldValue }
  | { readonly kind: "tag"; readonly key: string; readonly value: TagValue };

/** `id` and `tag` are refused before their values are looked at. */
type EditedKind = Exclude<FieldKind, "tags">;

/** On Windows a status is an unsigned number of 32 bits. */
const largestStatus = 2 ** 32 - 1;

const hints: Readonly<Record<EditedKind, string>> = {
  text: "a text",
  host: "a text",
  id: "a UUID",
  whole: `a whole number from 0 to ${largestNumber}`,
  count: `a whole number from 1 to ${largestNumber}`,
  status: `a whole number from -${largestNumber} to ${largestStatus}`,
  float: "a number, 0 or more",
  bytes: "bytes, or with a unit as in 512MB, less than 8192TB",
  size: "bytes, or with a unit as in 512MB, less than 8192TB",
  seconds: `whole seconds up to ${largestNumber}, or as in 90s, 10m, 2h, 1:30:00`,
  span: "seconds, or as in 90s, 10m, 2h, 1:30:00",
  boolean: "true or false",
  time: "a time from 1970 on, as in '2026-11-22 07:40:58', or with an offset from UTC behind it",
};

/** One word of `hs update`. Throws UserError when it is no edit, or has no value for its field. */
export function parseEdit(word: string): Edit {
  const equals = word.indexOf("=");
  const name = (equals < 0 ? word : word.slice(0, equals)).trim();
  if (/^\w+\s*(?:[!<>]=?|~|==)/.test(word) && /^\w+/.exec(word)![0] !== word)
    throw argumentError(`'${word}' looks like a condition: conditions follow -w/--where, a change has a single =`);
  if (equals >= 0) return parseFieldValue(name, word.slice(equals + 1));
  if (!word.includes(":")) {
    const meant = parseId(word) === null ? "" : " (a task is chosen with -w 'id == ID', behind the changes)";
    throw argumentError(`'${word}' is not a change: write FIELD=VALUE for a field, KEY:VALUE for a tag${meant}`);
  }
  return parseTagWord(word);
}

/**
 * The edit `name=text`, already taken apart: a `=` or `:` in `text` is part of the value. Throws UserError when there
 * is no such field, or `text` is no value for it.
 */
export function parseFieldValue(name: string, text: string): Edit {
  return { kind: "field", ...parseField(name.trim(), text.trim(), `${name}=${text}`) };
}

function parseTagWord(word: string): Edit {
  const setting = parseTag(word);
  if ("reason" in setting) throw argumentError(describeBadTag(setting));
  if (setting.kind !== "tag") return { kind: "field", field: setting.kind, value: setting.value };
  if (setting.key === "part")
    throw argumentError("the tag 'part' belongs to the database: it tells in which partition a task is");
  return setting;
}

/** A key of --remove-tag. Throws UserError when it can be no key, or names a field. */
export function requireTagKey(word: string): string {
  const colon = word.indexOf(":");
  const key = (colon < 0 ? word : word.slice(0, colon)).trim();
  const reason = whyNoKey(key);
  if (reason !== null) throw argumentError(`argument --remove-tag: ${describeBadTag({ word, reason })}`);
  if (colon >= 0) throw argumentError(`argument --remove-tag: keys only, without a value, not '${word}'`);
  if (key === "group") throw argumentError("argument --remove-tag: 'group' is a field, no tag: write group=0");
  if (key === "cores" || key === "memory" || key === "timeout")
    throw argumentError(`argument --remove-tag: '${key}' is a field, no tag: write ${key}=null`);
  if (key === "part") throw argumentError("argument --remove-tag: the tag 'part' belongs to the database");
  return key;
}

function parseField(
  name: string,
  text: string,
  word: string,
): { readonly field: TaskField; readonly value: FieldValue } {
  const field = fieldNamed(name);
  if (field === undefined) throw argumentError(describeNoField(name));
  if (field === "id") throw argumentError(`'${word}': the id of a task cannot be changed`);
  const kind = kindOf(field);
  if (kind === "tags") throw argumentError(`'${word}': tags are set with KEY:VALUE, and removed with --remove-tag KEY`);
  const value = coerce(text) === null ? null : valueOf(kind, text);
  if (value === undefined) throw argumentError(`'${text}' is not a value for ${field} (${hints[kind]})`);
  if (value === null && !isNullable(field)) throw argumentError(`'${word}': every task has a value for ${field}`);
  // As everywhere else 0 means none.
  const none = (field === "cores" || field === "memory" || field === "timeout") && value === 0;
  return { field, value: none ? null : value };
}

/** The value that a text stands for in a field of this kind; undefined: none. */
function valueOf(kind: EditedKind, text: string): FieldValue | undefined {
  const value = coerce(text);
  const number = typeof value === "number" ? value : null;
  const within = (found: number | null, whole: boolean, most = Number.MAX_SAFE_INTEGER): number | undefined =>
    found === null || found < 0 || found > most || (whole && !Number.isInteger(found)) ? undefined : found;
  switch (kind) {
    case "text":
    case "host":
      return text;
    case "id":
      return parseId(text) ?? undefined;
    case "whole":
      return within(number, true, largestNumber);
    case "count":
      return number === 0 ? undefined : within(number, true, largestNumber);
    case "status":
      return number !== null && Number.isInteger(number) && number >= -largestNumber && number <= largestStatus
        ? number
        : undefined;
    case "float":
      return within(number, false);
    case "bytes":
      return within(number ?? parseSize(text), true);
    case "size":
      return within(number ?? parseSize(text), false);
    case "seconds":
      return within(number ?? parseSeconds(text), true, largestNumber);
    case "span":
      return within(number ?? parseSeconds(text), false);
    case "boolean":
      return typeof value === "boolean" ? value : value === 1 ? true : value === 0 ? false : undefined;
    case "time":
      return timeOf(text);
  }
}

const timeShape =
  /^(\d{4})-(\d\d)-(\d\d)(?:[ T](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?)?\s*(Z|[+-]\d\d(?::?\d\d)?)?$/;

/** No task was before 1970. Beyond 2255 the microseconds since 1970 have more than 53 bits. */
const [firstYear, lastYear] = [1970, 2200];

/** The time in milliseconds since 1970; without an offset from UTC the text is the local time of this host. */
function timeOf(text: string): number | undefined {
  const found = timeShape.exec(text);
  if (found === null) return undefined;
  const part = (i: number): number => Number(found[i] ?? 0);
  const [year, month, day, hour, minute, second] = [part(1), part(2), part(3), part(4), part(5), part(6)];
  const micros = Number((found[7] ?? "").padEnd(6, "0"));
  const utc = Date.UTC(year, month - 1, day, hour, minute, second);
  const same = new Date(utc);
  // The calendar of JavaScript takes the 31st of February for the 3rd of March; people mistyped it.
  if (same.getUTCMonth() !== month - 1 || same.getUTCDate() !== day || hour > 23 || minute > 59 || second > 59)
    return undefined;
  if (year < firstYear || year > lastYear) return undefined;
  const zone = found[8];
  if (zone === undefined) return momentOfLocal(utc) + micros / 1000;
  if (zone === "Z") return utc + micros / 1000;
  const [, sign, hours, minutes = "0"] = /^([+-])(\d\d):?(\d\d)?$/.exec(zone) ?? [];
  if (Number(hours) > 23 || Number(minutes) > 59) return undefined;
  const offsetMs = (Number(hours) * 60 + Number(minutes)) * 60_000;
  return utc + (sign === "-" ? offsetMs : -offsetMs) + micros / 1000;
}
