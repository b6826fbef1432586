/*
 * How dates and times are read: ISO 8601, and the directives of Python's `strptime` in the C locale. Does not know
 * expressions. How they are written: dateformat.ts.
 */
import { monthNames, weekdayNames } from "../base/strftime.ts";
import { clipped } from "./bounds.ts";
import {
  dayMicros,
  daysOf,
  expectDate,
  expectTime,
  isoYearStart,
  moment,
  secondMicros,
  utc,
  weekdayOf,
  zone,
} from "./calendar.ts";
import type { Moment, TimeOfDay, Zone } from "./calendar.ts";
import { fail } from "./failure.ts";

/** What strptime has read so far. */
interface Reading {
  year: number | null;
  month: number | null;
  day: number | null;
  hour: number;
  half: "am" | "pm" | null;
  minute: number;
  second: number;
  micro: number;
  /** Monday is 0. */
  weekday: number | null;
  dayOfYear: number | null;
  week: { readonly firstDay: "sunday" | "monday"; readonly number: number } | null;
  isoYear: number | null;
  isoWeek: number | null;
  zone: Zone | null;
}

type Directive = readonly [pattern: string, read: (text: string, into: Reading) => void];

function named(
  names: readonly string[],
  length: number | null,
  read: (index: number, into: Reading) => void,
): Directive {
  const words = names.map((name) => name.slice(0, length ?? name.length).toLowerCase());
  // Longer names come first: in an alternation `mar` would match where `march` stands.
  const pattern = [...words].sort((a, b) => b.length - a.length).join("|");
  return [pattern, (text, into) => read(words.indexOf(text.toLowerCase()), into)];
}

/** `+HH:MM` with or without the colon, with seconds and their fraction or without, or `Z`. */
function offsetOf(text: string): Zone {
  if (/^z$/i.test(text)) return utc;
  const [, sign, hours, minutes, seconds = "0", fraction = ""] =
    /^([+-])(\d\d):?(\d\d)(?::?(\d\d)(?:\.(\d+))?)?$/.exec(text) ?? fail(`'${text}' is not an offset from UTC`);
  if (Number(minutes) > 59) fail(`'${text}' is not an offset from UTC`);
  const micros =
    BigInt((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * secondMicros +
    BigInt(fraction.padEnd(6, "0").slice(0, 6));
  return zone({ kind: "span", micros: sign === "-" ? -micros : micros });
}

const directives: Readonly<Record<string, Directive>> = {
  a: named(weekdayNames, 3, (index, into) => void (into.weekday = index)),
  A: named(weekdayNames, null, (index, into) => void (into.weekday = index)),
  b: named(monthNames, 3, (index, into) => void (into.month = index + 1)),
  B: named(monthNames, null, (index, into) => void (into.month = index + 1)),
  d: ["3[0-1]|[1-2]\\d|0[1-9]|[1-9]| [1-9]", (text, into) => void (into.day = Number(text))],
  f: ["[0-9]{1,6}", (text, into) => void (into.micro = Number(text.padEnd(6, "0")))],
  G: ["\\d\\d\\d\\d", (text, into) => void (into.isoYear = Number(text))],
  H: ["2[0-3]|[0-1]\\d|\\d", (text, into) => void (into.hour = Number(text))],
  I: ["1[0-2]|0[1-9]|[1-9]", (text, into) => void (into.hour = Number(text) % 12)],
  j: [
    "36[0-6]|3[0-5]\\d|[1-2]\\d\\d|0[1-9]\\d|00[1-9]|[1-9]\\d|0[1-9]|[1-9]",
    (text, into) => void (into.dayOfYear = Number(text)),
  ],
  m: ["1[0-2]|0[1-9]|[1-9]", (text, into) => void (into.month = Number(text))],
  M: ["[0-5]\\d|\\d", (text, into) => void (into.minute = Number(text))],
  p: ["am|pm", (text, into) => void (into.half = /^a/i.test(text) ? "am" : "pm")],
  S: ["6[0-1]|[0-5]\\d|\\d", (text, into) => void (into.second = Number(text))],
  u: ["[1-7]", (text, into) => void (into.weekday = Number(text) - 1)],
  U: ["5[0-3]|[0-4]\\d|\\d", (text, into) => void (into.week = { firstDay: "sunday", number: Number(text) })],
  V: ["5[0-3]|0[1-9]|[1-4]\\d|\\d", (text, into) => void (into.isoWeek = Number(text))],
  w: ["[0-6]", (text, into) => void (into.weekday = (Number(text) + 6) % 7)],
  W: ["5[0-3]|[0-4]\\d|\\d", (text, into) => void (into.week = { firstDay: "monday", number: Number(text) })],
  y: ["\\d\\d", (text, into) => void (into.year = Number(text) + (Number(text) < 69 ? 2000 : 1900))],
  Y: ["\\d\\d\\d\\d", (text, into) => void (into.year = Number(text))],
  z: ["[+-]\\d\\d:?[0-5]\\d(?::?[0-5]\\d(?:\\.\\d{1,6})?)?|z", (text, into) => void (into.zone = offsetOf(text))],
  Z: ["utc|gmt", () => {}],
};

const composed: Readonly<Record<string, string>> = {
  c: "%a %b %d %H:%M:%S %Y",
  D: "%m/%d/%y",
  F: "%Y-%m-%d",
  R: "%H:%M",
  T: "%H:%M:%S",
  x: "%m/%d/%y",
  X: "%H:%M:%S",
};

/**
 * Python's `datetime.strptime(text, format)`; white space in the format stands for any white space in the text. Throws
 * an ExpressionFailure when the text does not fit, or the format has what strptime does not know.
 */
export function strptime(text: string, format: string): Moment {
  // No sensible time is nearly as long, and a regular expression of that length could take long to fail.
  if (text.length > 1000 || format.length > 1000) fail("strptime() takes texts of at most 1000 characters");
  const found: Directive[] = [];
  let pattern = "";
  const plain = format.replace(/%([cDFRTxX])/g, (_all, letter: string) => composed[letter] ?? "");
  for (const [token] of plain.matchAll(/%[\s\S]?|\s+|[^%\s]/g)) {
    if (/^\s/.test(token)) pattern += "\\s+";
    else if (token === "%%") pattern += "%";
    else if (token.startsWith("%")) {
      const directive = directives[token.slice(1)] ?? fail(`strptime() does not know the directive '${token}'`);
      if (found.includes(directive)) fail(`the directive '${token}' stands twice in the format`);
      found.push(directive);
      pattern += `(${directive[0]})`;
    } else pattern += token.replace(/[.*+?^${}()|[\]\\/]/, "\\$&");
  }
  const mismatch = `the time '${clipped(text)}' does not fit the format '${clipped(format)}'`;
  const match = new RegExp(`^${pattern}$`, "i").exec(text) ?? fail(mismatch);
  const reading: Reading = {
    year: null,
    month: null,
    day: null,
    hour: 0,
    half: null,
    minute: 0,
    second: 0,
    micro: 0,
    weekday: null,
    dayOfYear: null,
    week: null,
    isoYear: null,
    isoWeek: null,
    zone: null,
  };
  found.forEach(([, read], index) => read(match[index + 1] ?? "", reading));
  if (reading.half === "pm" && found.includes(directives["I"] as Directive)) reading.hour += 12;
  if (reading.second > 59) fail(`a second is from 0 to 59, not ${reading.second}`);
  const time: TimeOfDay = {
    hour: reading.hour,
    minute: reading.minute,
    second: reading.second,
    microsecond: reading.micro,
  };
  return moment(BigInt(dateOfReading(reading)) * dayMicros + expectTime(time), reading.zone);
}

function dateOfReading(reading: Reading): number {
  const { weekday, week, isoYear, isoWeek: isoNumber, dayOfYear } = reading;
  if (isoYear !== null || isoNumber !== null) {
    if (isoYear === null || isoNumber === null || weekday === null)
      fail("%G and %V go together, with a day of the week");
    if (dayOfYear !== null) fail("%j does not go together with %G");
    return isoYearStart(isoYear) + (isoNumber - 1) * 7 + weekday;
  }
  // Without a year it is 1900, as in Python: that year had no 29 February.
  const year = reading.year ?? 1900;
  if (dayOfYear !== null) return expectDate(year, 1, 1) + dayOfYear - 1;
  if (week !== null && weekday !== null && reading.year !== null && reading.month === null && reading.day === null) {
    const first = daysOf(year, 1, 1);
    const sinceStart = week.firstDay === "sunday" ? (weekday + 1) % 7 : weekday;
    const firstWeekday = week.firstDay === "sunday" ? (weekdayOf(first) + 1) % 7 : weekdayOf(first);
    const firstWeek = first + ((7 - firstWeekday) % 7);
    return firstWeek + (week.number - 1) * 7 + sinceStart;
  }
  return expectDate(year, reading.month ?? 1, reading.day ?? 1);
}

/**
 * What Python's `datetime.fromisoformat` and `date.fromisoformat` take, in the extended and the basic form, weeks
 * included. Throws an ExpressionFailure for any other text.
 */
export function parseIso(text: string): Moment {
  const date = "(\\d{4})(?:-(\\d\\d)-(\\d\\d)|(\\d\\d)(\\d\\d)|-W(\\d\\d)(?:-([1-7]))?|W(\\d\\d)([1-7])?)";
  const time = "(\\d\\d)(?::?(\\d\\d)(?::?(\\d\\d)(?:[.,](\\d+))?)?)?";
  const offset = "(Z|[+-]\\d\\d(?::?\\d\\d(?::?\\d\\d(?:\\.\\d+)?)?)?)";
  const match =
    new RegExp(`^${date}(?:[\\s\\S]${time}${offset}?)?$`, "u").exec(text) ??
    fail(`'${clipped(text)}' is not a date of ISO 8601`);
  const [, year = "", month = match[4], dayOfMonth = match[5], , , week = match[8], weekday = match[9] ?? "1"] = match;
  const [hour = "0", minute = "0", seconds = "0", fraction = ""] = match.slice(10);
  const days =
    week === undefined
      ? expectDate(Number(year), Number(month), Number(dayOfMonth))
      : isoYearStart(Number(year)) + (Number(week) - 1) * 7 + Number(weekday) - 1;
  const given = match[14];
  const at = given === undefined ? null : offsetOf(/^[+-]\d\d$/.test(given) ? `${given}00` : given);
  const clock = {
    hour: Number(hour),
    minute: Number(minute),
    second: Number(seconds),
    microsecond: Number(fraction.padEnd(6, "0").slice(0, 6)),
  };
  return moment(BigInt(days) * dayMicros + expectTime(clock), at);
}
