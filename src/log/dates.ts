/*
 * The time of a log line, by the format of `logging.datefmt`: local time. A format is compiled once, and its text is
 * kept for the second it was made for, because a busy log asks for the same second thousands of times. Only the
 * fraction is put in for each line.
 */
import { compileStrftime } from "../base/strftime.ts";
import type { CalendarTime } from "../base/strftime.ts";

function dayOfYear(date: Date): number {
  const [today, first] = [
    Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()),
    Date.UTC(date.getFullYear(), 0, 1),
  ];
  return Math.round((today - first) / 86_400_000) + 1;
}

/** ISO 8601: the week belongs to the year of its Thursday. */
function isoWeek(date: Date): readonly [year: number, week: number] {
  const thursday = new Date(date.getFullYear(), date.getMonth(), date.getDate() + 4 - (date.getDay() || 7));
  return [thursday.getFullYear(), Math.floor((dayOfYear(thursday) - 1) / 7) + 1];
}

function offset(date: Date): string {
  const minutes = -date.getTimezoneOffset();
  const size = Math.abs(minutes);
  const pad = (value: number): string => String(value).padStart(2, "0");
  return `${minutes < 0 ? "-" : "+"}${pad(Math.floor(size / 60))}${pad(size % 60)}`;
}

function zoneName(date: Date): string {
  const parts = new Intl.DateTimeFormat("en-US", { timeZoneName: "short" }).formatToParts(date);
  return parts.find((part) => part.type === "timeZoneName")?.value ?? "";
}

function localTime(atMs: number): CalendarTime {
  const date = new Date(atMs);
  return {
    year: date.getFullYear(),
    month: date.getMonth() + 1,
    day: date.getDate(),
    hour: date.getHours(),
    minute: date.getMinutes(),
    second: date.getSeconds(),
    microsecond: date.getMilliseconds() * 1000,
    weekday: (date.getDay() + 6) % 7,
    dayOfYear: dayOfYear(date),
    isoWeek: () => isoWeek(date),
    timestamp: () => Math.floor(atMs / 1000),
    offset: () => offset(date),
    zoneName: () => zoneName(date),
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
