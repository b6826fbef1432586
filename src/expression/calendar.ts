/*
 * Dates, times and spans with Python's arithmetic: the proleptic Gregorian calendar, years 1 to 9999, microseconds, no
 * leap seconds. Does not read a clock, and knows the local time zone only through Date. dateformat.ts writes
 * them, dateparse.ts reads them.
 */
import { fail } from "./failure.ts";
import { exactRatio } from "./float.ts";
import { divideToEven, floorDivide, floorRemainder } from "./integer.ts";

/** A length of time (Python's timedelta), in microseconds. */
export interface Span {
  readonly kind: "span";
  readonly micros: bigint;
}

/** A fixed offset from UTC (Python's timezone), in microseconds. */
export interface Zone {
  readonly kind: "zone";
  readonly micros: bigint;
}

/** A date (Python's date). */
export interface Day {
  readonly kind: "day";
  /** Days since 1970-01-01. */
  readonly days: number;
}

/** A date with a time (Python's datetime). */
export interface Moment {
  readonly kind: "moment";
  /** Microseconds since 1970-01-01 00:00:00 of its own zone, or of the local time when it has none. */
  readonly micros: bigint;
  readonly zone: Zone | null;
}

/** Microseconds of a second. */
export const secondMicros = 1_000_000n;
/** Microseconds of a day. */
export const dayMicros = 86_400n * secondMicros;
const maxSpan = 1_000_000_000n * dayMicros;
const firstDay = daysOf(1, 1, 1);
const lastDay = daysOf(9999, 12, 31);

export const utc: Zone = { kind: "zone", micros: 0n };

/**
 * A `datetime.timedelta`. Throws an ExpressionFailure from 1,000,000,000 days on, in either direction, Python's own
 * limit.
 */
export function span(micros: bigint): Span {
  if (micros >= maxSpan || micros <= -maxSpan) fail("the time span is out of range");
  return { kind: "span", micros };
}

/** A `datetime.timezone` with this offset from UTC. Throws an ExpressionFailure when it is a day or longer. */
export function zone({ micros }: Span): Zone {
  if (micros >= dayMicros || micros <= -dayMicros) fail("an offset from UTC must be shorter than a day");
  return { kind: "zone", micros };
}

/** A `datetime.date`, by its days since 1970-01-01. Throws an ExpressionFailure outside of the years 1 to 9999. */
export function dayOf(days: number): Day {
  if (!(days >= firstDay && days <= lastDay)) fail("the date is out of range: years are 1 to 9999");
  return { kind: "day", days };
}

/**
 * A `datetime.datetime`, by its microseconds since 1970-01-01 00:00 of its zone, or of the local time. Throws an
 * ExpressionFailure outside of the years 1 to 9999.
 */
export function moment(micros: bigint, at: Zone | null): Moment {
  const days = Number(floorDivide(micros, dayMicros));
  if (!(days >= firstDay && days <= lastDay)) fail("the date is out of range: years are 1 to 9999");
  return { kind: "moment", micros, zone: at };
}

function isLeap(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
}

function daysInMonth(year: number, month: number): number {
  if (month === 2) return isLeap(year) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/** Days since 1970-01-01 of a valid date; months and days count from 1. */
export function daysOf(year: number, month: number, dayOfMonth: number): number {
  // Date.UTC would put the years 0 to 99 into the twentieth century.
  return new Date(0).setUTCFullYear(year, month - 1, dayOfMonth) / 86_400_000;
}

/**
 * Days since 1970-01-01 of a date; months and days count from 1. Throws an ExpressionFailure when there is no such day
 * in the years 1 to 9999.
 */
export function expectDate(year: number, month: number, dayOfMonth: number): number {
  if (!(year >= 1 && year <= 9999)) fail(`a year is from 1 to 9999, not ${year}`);
  if (!(month >= 1 && month <= 12)) fail(`a month is from 1 to 12, not ${month}`);
  const last = daysInMonth(year, month);
  if (!(dayOfMonth >= 1 && dayOfMonth <= last)) fail(`a day of this month is from 1 to ${last}, not ${dayOfMonth}`);
  return daysOf(year, month, dayOfMonth);
}

export interface TimeOfDay {
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  readonly microsecond: number;
}

/** Microseconds since midnight. Throws an ExpressionFailure when a field is out of its range; a second 60 is too. */
export function expectTime({ hour, minute, second, microsecond }: TimeOfDay): bigint {
  if (!(hour >= 0 && hour <= 23)) fail(`an hour is from 0 to 23, not ${hour}`);
  if (!(minute >= 0 && minute <= 59)) fail(`a minute is from 0 to 59, not ${minute}`);
  if (!(second >= 0 && second <= 59)) fail(`a second is from 0 to 59, not ${second}`);
  if (!(microsecond >= 0 && microsecond <= 999_999)) fail(`a microsecond is from 0 to 999999, not ${microsecond}`);
  return BigInt((hour * 60 + minute) * 60 + second) * 1_000_000n + BigInt(microsecond);
}

/** Everything a calendar page and a clock show. Weekdays: Monday is 0. */
export interface Fields extends TimeOfDay {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly weekday: number;
  /** From 1. */
  readonly dayOfYear: number;
}

/** The date of a datetime; Python's `datetime.date()`. */
export function dateOf(value: Moment | Day): Day {
  return value.kind === "day" ? value : { kind: "day", days: Number(floorDivide(value.micros, dayMicros)) };
}

/** What calendar and clock show for a date or a datetime, in its own zone. A date counts as midnight. */
export function fieldsOf(value: Moment | Day): Fields {
  const { days } = dateOf(value);
  const micros = value.kind === "day" ? 0 : Number(floorRemainder(value.micros, dayMicros));
  const date = new Date(days * 86_400_000);
  const year = date.getUTCFullYear();
  const seconds = Math.floor(micros / 1e6);
  return {
    year,
    month: date.getUTCMonth() + 1,
    day: date.getUTCDate(),
    hour: Math.floor(seconds / 3600),
    minute: Math.floor(seconds / 60) % 60,
    second: seconds % 60,
    microsecond: micros % 1e6,
    weekday: weekdayOf(days),
    dayOfYear: days - daysOf(year, 1, 1) + 1,
  };
}

/** The day of the week, 0 for Monday, by the days since 1970-01-01, a Thursday; Python's `date.weekday()`. */
export function weekdayOf(days: number): number {
  return (((days + 3) % 7) + 7) % 7;
}

/** Year, week (from 1) and day of the week (1 for Monday) of ISO 8601; Python's `date.isocalendar()`. */
export function isoWeek(value: Moment | Day): readonly [number, number, number] {
  const { days } = dateOf(value);
  const weekday = weekdayOf(days);
  const thursday = new Date((days - weekday + 3) * 86_400_000);
  const year = thursday.getUTCFullYear();
  const week = Math.floor((thursday.getTime() / 86_400_000 - daysOf(year, 1, 1)) / 7) + 1;
  return [year, week, weekday + 1];
}

/** The day, since 1970-01-01, on which week 1 of an ISO year begins; Python's `date.fromisocalendar(year, 1, 1)`. */
export function isoYearStart(year: number): number {
  const fourth = daysOf(year, 1, 4);
  return fourth - weekdayOf(fourth);
}

/**
 * A time stamp, in microseconds since 1970 UTC, as local time or as the time of a zone; Python's
 * `datetime.fromtimestamp`. Throws an ExpressionFailure outside of the years 1 to 9999.
 */
export function fromTimestamp(micros: bigint, at: Zone | null): Moment {
  if (at !== null) return moment(micros + at.micros, at);
  const milliseconds = floorDivide(micros, 1000n);
  const date = new Date(Number(milliseconds));
  if (Number.isNaN(date.getTime())) fail("the date is out of range: years are 1 to 9999");
  const shown = new Date(0);
  shown.setUTCFullYear(date.getFullYear(), date.getMonth(), date.getDate());
  shown.setUTCHours(date.getHours(), date.getMinutes(), date.getSeconds(), date.getMilliseconds());
  return moment(BigInt(shown.getTime()) * 1000n + (micros - milliseconds * 1000n), null);
}

/**
 * Microseconds since 1970 UTC; Python's `datetime.timestamp()`. A local time that a clock shows twice is taken as the
 * first.
 */
export function timestampOf(value: Moment): bigint {
  if (value.zone !== null) return value.micros - value.zone.micros;
  const milliseconds = floorDivide(value.micros, 1000n);
  const shown = new Date(Number(milliseconds));
  const date = new Date(2000, 0, 1);
  date.setFullYear(shown.getUTCFullYear(), shown.getUTCMonth(), shown.getUTCDate());
  date.setHours(shown.getUTCHours(), shown.getUTCMinutes(), shown.getUTCSeconds(), shown.getUTCMilliseconds());
  return BigInt(date.getTime()) * 1000n + (value.micros - milliseconds * 1000n);
}

/**
 * A number of `unit`s, each so many microseconds: the whole part counts exactly, the fraction is a rest in
 * microseconds. Throws an ExpressionFailure for a float that is not finite.
 */
export function microsOf(value: bigint | number, unit: bigint): readonly [whole: bigint, fraction: number] {
  if (typeof value === "bigint") return [value * unit, 0];
  if (!Number.isFinite(value)) fail("a time must be a finite number");
  const whole = Math.trunc(value);
  return [BigInt(whole) * unit, (value - whole) * Number(unit)];
}

/** The sum to the nearest microsecond, ties to the even one, as Python's timedelta rounds. */
export function roundedMicros(whole: bigint, fraction: number): bigint {
  const [top, bottom] = exactRatio(fraction);
  return divideToEven(whole * bottom + top, bottom);
}

/**
 * Seconds as microseconds, rounded as Python's timedelta rounds. Throws an ExpressionFailure for a float that is not
 * finite.
 */
export function secondsToMicros(value: bigint | number): bigint {
  return roundedMicros(...microsOf(value, secondMicros));
}

/**
 * The same time in another zone; null for the local time, with the offset that holds there. Python's
 * `datetime.astimezone`. Throws an ExpressionFailure outside of the years 1 to 9999.
 */
export function inZone(value: Moment, at: Zone | null): Moment {
  const stamp = timestampOf(value);
  if (at !== null) return fromTimestamp(stamp, at);
  const local = fromTimestamp(stamp, null);
  return moment(local.micros, zone({ kind: "span", micros: local.micros - stamp }));
}
