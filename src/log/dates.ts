/*
 * The time of a log line, by the format of `logging.datefmt`: local time. A format is compiled once, and its text is
 * kept for the second it was made for, because a busy log asks for the same second thousands of times. Only the
 * fraction is put in for each line.
 */
import { compileStrftime } from "../base/strftime.ts";
import type { CalendarTime } from "../base/strftime.ts";
import { localFields, zoneOffset } from "../base/zone.ts";

/** Of a date whose UTC fields are the local time, like all dates here. */
function dayOfYear(date: Date): number {
  const [today, first] = [
    Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()),
    Date.UTC(date.getUTCFullYear(), 0, 1),
  ];
  return Math.round((today - first) / 86_400_000) + 1;
}

/** ISO 8601: the week belongs to the year of its Thursday. */
function isoWeek(date: Date): readonly [year: number, week: number] {
  const day = date.getUTCDate() + 4 - (date.getUTCDay() || 7);
  const thursday = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), day));
  return [thursday.getUTCFullYear(), Math.floor((dayOfYear(thursday) - 1) / 7) + 1];
}

function offset(atMs: number): string {
  const minutes = zoneOffset(atMs);
  const size = Math.abs(minutes);
  const pad = (value: number): string => String(value).padStart(2, "0");
  return `${minutes < 0 ? "-" : "+"}${pad(Math.floor(size / 60))}${pad(size % 60)}`;
}

function zoneName(atMs: number): string {
  const parts = new Intl.DateTimeFormat("en-US", { timeZoneName: "short" }).formatToParts(atMs);
  return parts.find((part) => part.type === "timeZoneName")?.value ?? "";
}

function localTime(atMs: number): CalendarTime {
  const date = localFields(atMs);
  return {
    year: date.getUTCFullYear(),
    month: date.getUTCMonth() + 1,
    day: date.getUTCDate(),
    hour: date.getUTCHours(),
    minute: date.getUTCMinutes(),
    second: date.getUTCSeconds(),
    microsecond: date.getUTCMilliseconds() * 1000,
    weekday: (date.getUTCDay() + 6) % 7,
    dayOfYear: dayOfYear(date),
    isoWeek: () => isoWeek(date),
    timestamp: () => Math.floor(atMs / 1000),
    offset: () => offset(atMs),
    zoneName: () => zoneName(atMs),
  };
}

/** Stands in the kept text where `%f` stands in the format. */
const fractionMark = "\0";

/**
 * A function from a time (ms since 1970 UTC) to its text. A directive that strftime does not know stays as it is
 * written.
 */
export function compileDate(format: string): (atMs: number) => string {
  const marked = format.replace(/%[-_0^]*([A-Za-z%])/g, (all, letter: string) => (letter === "f" ? fractionMark : all));
  const hasFraction = marked !== format;
  const textOf = compileStrftime(marked);
  let keptSecond = Number.NaN;
  let kept = "";
  return (atMs) => {
    const second = Math.floor(atMs / 1000);
    if (second !== keptSecond) kept = textOf(localTime(atMs));
    keptSecond = second;
    if (!hasFraction) return kept;
    const millisecond = Math.floor(atMs) - second * 1000;
    return kept.replaceAll(fractionMark, String(millisecond * 1000).padStart(6, "0"));
  };
}
