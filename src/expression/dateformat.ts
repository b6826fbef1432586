/*
 * How dates, times and spans are written and read: ISO 8601, and the directives of strftime and strptime in the C locale.
 * Does not know expressions.
 */
import { allowText, clipped } from "./bounds.ts";
import { fail } from "./failure.ts";
import {
  day,
  daysOf,
  expectDate,
  expectTime,
  fieldsOf,
  fromTimestamp,
  isoWeek,
  isoYearStart,
  moment,
  second,
  timestampOf,
  weekdayOf,
  zone,
} from "./calendar.ts";
import type { Day, Moment, Span, TimeOfDay, Zone } from "./calendar.ts";
import { floorDivide, floorRemainder } from "./integer.ts";

const weekdays = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const months = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
  "November",
  "December",
];

function pad(value: number, width = 2): string {
  return String(value).padStart(width, "0");
}

/** `+HH:MM`, with seconds and microseconds only where the offset has them. */
function offsetText(at: Zone | null, separator: string): string {
  if (at === null) return "";
  const size = at.micros < 0n ? -at.micros : at.micros;
  const seconds = Number(size / second);
  const micros = Number(size % second);
  const parts = [pad(Math.floor(seconds / 3600)), pad(Math.floor(seconds / 60) % 60)];
  if (seconds % 60 !== 0 || micros !== 0) parts.push(pad(seconds % 60));
  return `${at.micros < 0n ? "-" : "+"}${parts.join(separator)}${micros === 0 ? "" : `.${pad(micros, 6)}`}`;
}

export function dateText(value: Day | Moment): string {
  const { year, month, day } = fieldsOf(value);
  return `${pad(year, 4)}-${pad(month)}-${pad(day)}`;
}

const precisions = ["auto", "hours", "minutes", "seconds", "milliseconds", "microseconds"];

export function momentText(value: Moment, separator: string, precision: string): string {
  if (!precisions.includes(precision)) fail(`timespec must be one of ${precisions.join(", ")}`);
  const { hour, minute, second, microsecond } = fieldsOf(value);
  let time = pad(hour);
  if (precision !== "hours") time += `:${pad(minute)}`;
  if (precision !== "hours" && precision !== "minutes") time += `:${pad(second)}`;
  if (precision === "milliseconds") time += `.${pad(Math.floor(microsecond / 1000), 3)}`;
  if (precision === "microseconds" || (precision === "auto" && microsecond !== 0)) time += `.${pad(microsecond, 6)}`;
  return `${dateText(value)}${separator}${time}${offsetText(value.zone, ":")}`;
}

/** `1 day, 0:00:05`; the days alone carry the sign. */
export function spanText({ micros }: Span): string {
  const days = floorDivide(micros, day);
  const rest = floorRemainder(micros, day);
  const seconds = Number(rest / second);
  const fraction = Number(rest % second);
  const time = `${Math.floor(seconds / 3600)}:${pad(Math.floor(seconds / 60) % 60)}:${pad(seconds % 60)}`;
  const lead = days === 0n ? "" : `${days} day${days === 1n || days === -1n ? "" : "s"}, `;
  return `${lead}${time}${fraction === 0 ? "" : `.${pad(fraction, 6)}`}`;
}

export function zoneText(value: Zone): string {
  return value.micros === 0n ? "UTC" : `UTC${offsetText(value, ":")}`;
}

/** As the interpreter would show them inside a list. */
export function dateRepr(value: Day | Moment | Span | Zone): string {
  switch (value.kind) {
    case "span": {
      const days = floorDivide(value.micros, day);
      const rest = floorRemainder(value.micros, day);
      const parts = [
        ["days", days],
        ["seconds", rest / second],
        ["microseconds", rest % second],
      ].filter(([, count]) => count !== 0n);
      return `datetime.timedelta(${parts.map(([name, count]) => `${name}=${count}`).join(", ") || "0"})`;
    }
    case "zone":
      return value.micros === 0n
        ? "datetime.timezone.utc"
        : `datetime.timezone(${dateRepr({ kind: "span", micros: value.micros })})`;
    case "day": {
      const { year, month, day } = fieldsOf(value);
      return `datetime.date(${year}, ${month}, ${day})`;
    }
    case "moment": {
      const { year, month, day, hour, minute, second, microsecond } = fieldsOf(value);
      const parts: (number | string)[] = [year, month, day, hour, minute];
      if (second !== 0 || microsecond !== 0) parts.push(second);
      if (microsecond !== 0) parts.push(microsecond);
      if (value.zone !== null) parts.push(`tzinfo=${dateRepr(value.zone)}`);
      return `datetime.datetime(${parts.join(", ")})`;
    }
  }
}

/**
 * strftime in the C locale. Directives: a A b B c C d D e f F g G h H I j k l m M n p P r R s S t T u U V w W x X y Y z Z %, with the
 * flags `-` (no padding), `_` (blanks), `0` and `^` (upper case) of the GNU C library. Anything else stays as it is.
 */
export function strftime(value: Moment | Day, format: string): string {
  const fields = fieldsOf(value);
  const at = value.kind === "moment" ? value.zone : null;

  /** Text, or a number with its usual width and padding. */
  function directive(letter: string): string | readonly [number, number, string] | null {
    const { year, month, day, hour, minute, second: seconds, weekday, dayOfYear } = fields;
    const clock12 = hour % 12 === 0 ? 12 : hour % 12;
    switch (letter) {
      case "a":
        return (weekdays[weekday] ?? "").slice(0, 3);
      case "A":
        return weekdays[weekday] ?? "";
      case "b":
      case "h":
        return (months[month - 1] ?? "").slice(0, 3);
      case "B":
        return months[month - 1] ?? "";
      case "c":
        return expand("%a %b %e %H:%M:%S %Y");
      case "C":
        return [Math.floor(year / 100), 2, "0"];
      case "d":
        return [day, 2, "0"];
      case "D":
      case "x":
        return expand("%m/%d/%y");
      case "e":
        return [day, 2, " "];
      case "f":
        return pad(fields.microsecond, 6);
      case "F":
        return expand("%Y-%m-%d");
      case "g":
        return [isoWeek(value)[0] % 100, 2, "0"];
      case "G":
        return [isoWeek(value)[0], 1, "0"];
      case "H":
        return [hour, 2, "0"];
      case "I":
        return [clock12, 2, "0"];
      case "j":
        return [dayOfYear, 3, "0"];
      case "k":
        return [hour, 2, " "];
      case "l":
        return [clock12, 2, " "];
      case "m":
        return [month, 2, "0"];
      case "M":
        return [minute, 2, "0"];
      case "n":
        return "\n";
      case "p":
        return hour < 12 ? "AM" : "PM";
      case "P":
        return hour < 12 ? "am" : "pm";
      case "r":
        return expand("%I:%M:%S %p");
      case "R":
        return expand("%H:%M");
      case "s":
        return String(
          floorDivide(timestampOf(value.kind === "moment" ? { ...value, zone: null } : midnight(value)), second),
        );
      case "S":
        return [seconds, 2, "0"];
      case "t":
        return "\t";
      case "T":
      case "X":
        return expand("%H:%M:%S");
      case "u":
        return [weekday + 1, 1, "0"];
      case "U":
        return [Math.floor((dayOfYear + 6 - ((weekday + 1) % 7)) / 7), 2, "0"];
      case "V":
        return [isoWeek(value)[1], 2, "0"];
      case "w":
        return [(weekday + 1) % 7, 1, "0"];
      case "W":
        return [Math.floor((dayOfYear + 6 - weekday) / 7), 2, "0"];
      case "y":
        return [year % 100, 2, "0"];
      case "Y":
        return [year, 1, "0"];
      case "z":
        return offsetText(at, "");
      case "Z":
        return at === null ? "" : zoneText(at);
      case "%":
        return "%";
      default:
        return null;
    }
  }

  function expand(text: string): string {
    return text.replace(/%([-_0^]*)([A-Za-z%])/g, (all: string, flags: string, letter: string) => {
      const found = directive(letter);
      if (found === null) return all;
      if (typeof found === "string") return flags.includes("^") ? found.toUpperCase() : found;
      const [number, width, usual] = found;
      let fill = usual;
      for (const flag of flags) fill = flag === "-" ? "" : flag === "_" ? " " : flag === "0" ? "0" : fill;
      return fill === "" ? String(number) : String(number).padStart(width, fill);
    });
  }

  // No directive grows its two characters by more than this.
  allowText(format.length * 15);
  return expand(format);
}

function midnight(value: Day): Moment {
  return moment(BigInt(value.days) * day, null);
}

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

type Reader = readonly [pattern: string, read: (text: string, into: Reading) => void];

function named(names: readonly string[], length: number | null, read: (index: number, into: Reading) => void): Reader {
  const words = names.map((name) => name.slice(0, length ?? name.length).toLowerCase());
  // A longer name first, or May would hide nothing but Mar would hide March.
  const pattern = [...words].sort((a, b) => b.length - a.length).join("|");
  return [pattern, (text, into) => read(words.indexOf(text.toLowerCase()), into)];
}

function setZone(text: string, into: Reading): void {
  if (/^z$/i.test(text)) {
    into.zone = zone({ kind: "span", micros: 0n });
    return;
  }
  const [, sign, hours, minutes, seconds = "0", fraction = ""] =
    /^([+-])(\d\d):?(\d\d)(?::?(\d\d)(?:\.(\d+))?)?$/.exec(text) ?? fail(`'${text}' is no offset from UTC`);
  if (Number(minutes) > 59) fail(`'${text}' is no offset from UTC`);
  const micros =
    BigInt((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * second +
    BigInt(fraction.padEnd(6, "0").slice(0, 6));
  into.zone = zone({ kind: "span", micros: sign === "-" ? -micros : micros });
}

const readers: Readonly<Record<string, Reader>> = {
  a: named(weekdays, 3, (index, into) => void (into.weekday = index)),
  A: named(weekdays, null, (index, into) => void (into.weekday = index)),
  b: named(months, 3, (index, into) => void (into.month = index + 1)),
  B: named(months, null, (index, into) => void (into.month = index + 1)),
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
  z: ["[+-]\\d\\d:?[0-5]\\d(?::?[0-5]\\d(?:\\.\\d{1,6})?)?|z", setZone],
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

/** strptime; white space in the format stands for any white space in the text. */
export function strptime(text: string, format: string): Moment {
  // No sensible time is nearly as long, and a regular expression that is could take its time to fail.
  if (text.length > 1000 || format.length > 1000) fail("strptime() takes texts of at most 1000 characters");
  const found: Reader[] = [];
  let pattern = "";
  const plain = format.replace(/%([cDFRTxX])/g, (_all, letter: string) => composed[letter] ?? "");
  for (const [token] of plain.matchAll(/%[\s\S]?|\s+|[^%\s]/g)) {
    if (/^\s/.test(token)) pattern += "\\s+";
    else if (token === "%%") pattern += "%";
    else if (token.startsWith("%")) {
      const reader = readers[token.slice(1)] ?? fail(`strptime() does not know the directive '${token}'`);
      if (found.includes(reader)) fail(`the directive '${token}' stands twice in the format`);
      found.push(reader);
      pattern += `(${reader[0]})`;
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
  if (reading.half === "pm" && found.includes(readers["I"] as Reader)) reading.hour += 12;
  if (reading.second > 59) fail(`a second is from 0 to 59, not ${reading.second}`);
  const time: TimeOfDay = {
    hour: reading.hour,
    minute: reading.minute,
    second: reading.second,
    microsecond: reading.micro,
  };
  return moment(BigInt(dateOfReading(reading)) * day + expectTime(time), reading.zone);
}

function dateOfReading(reading: Reading): number {
  const { weekday, week, isoYear, isoWeek: isoNumber, dayOfYear } = reading;
  if (isoYear !== null || isoNumber !== null) {
    if (isoYear === null || isoNumber === null || weekday === null)
      fail("%G and %V go together, with a day of the week");
    if (dayOfYear !== null) fail("%j does not go together with %G");
    return isoYearStart(isoYear) + (isoNumber - 1) * 7 + weekday;
  }
  // A leap day without a year is a valid day of the year 1900 to the eye, not to the calendar.
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

/** What Python's `datetime.fromisoformat` and `date.fromisoformat` take in the extended and the basic form, weeks included. */
export function parseIso(text: string): Moment {
  const date = "(\\d{4})(?:-(\\d\\d)-(\\d\\d)|(\\d\\d)(\\d\\d)|-W(\\d\\d)(?:-([1-7]))?|W(\\d\\d)([1-7])?)";
  const time = "(\\d\\d)(?::?(\\d\\d)(?::?(\\d\\d)(?:[.,](\\d+))?)?)?";
  const offset = "(Z|[+-]\\d\\d(?::?\\d\\d(?::?\\d\\d(?:\\.\\d+)?)?)?)";
  const match =
    new RegExp(`^${date}(?:[\\s\\S]${time}${offset}?)?$`, "u").exec(text) ??
    fail(`'${clipped(text)}' is no date of ISO 8601`);
  const [, year = "", month = match[4], dayOfMonth = match[5], , , week = match[8], weekday = match[9] ?? "1"] = match;
  const [hour = "0", minute = "0", seconds = "0", fraction = ""] = match.slice(10);
  const days =
    week === undefined
      ? expectDate(Number(year), Number(month), Number(dayOfMonth))
      : isoYearStart(Number(year)) + (Number(week) - 1) * 7 + Number(weekday) - 1;
  const into = { zone: null } as Reading;
  const given = match[14];
  if (given !== undefined) setZone(/^[+-]\d\d$/.test(given) ? `${given}00` : given, into);
  const clock = {
    hour: Number(hour),
    minute: Number(minute),
    second: Number(seconds),
    microsecond: Number(fraction.padEnd(6, "0").slice(0, 6)),
  };
  return moment(BigInt(days) * day + expectTime(clock), into.zone);
}

/** A local time with the offset that holds there, or the time of another zone. */
export function inZone(value: Moment, at: Zone | null): Moment {
  const stamp = timestampOf(value);
  if (at !== null) return fromTimestamp(stamp, at);
  const local = fromTimestamp(stamp, null);
  return moment(local.micros, zone({ kind: "span", micros: local.micros - stamp }));
}
