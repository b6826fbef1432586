/*
 * Times as an SQLite file keeps them: text `YYYY-MM-DD HH:MM:SS.ffffff` without an offset from UTC, as version 2.8 has
 * it. Everything else in the program counts milliseconds since 1970. Only this file translates between the two.
 *
 * Version 2.8 writes the local time of each host, so texts of hosts in other zones cannot be compared, nor those
 * before and after the end of summer time. We write with one offset for ever: that of the host and the day when the
 * file was made, or first written by us (`FileClock`). What was in the file before is read as local time, as it was
 * written. People see, and ask for, local times of the host where they are.
 *
 * Local time is ambiguous in the hour that is repeated when summer time ends. It is read as the first of the two.
 */

import { localFields, momentOfLocal, zoneOffset } from "../base/zone.ts";

/**
 * The moments that have a place on the calendars of both databases, milliseconds since 1970: the years 1000 to 9999,
 * less a day for the offsets of zones.
 */
const firstMoment = Date.UTC(1000, 0, 2);
const lastMoment = Date.UTC(9999, 11, 30);

/** The time, or the nearest to it that every database can keep; milliseconds since 1970. */
export function keptTime(ms: number): number {
  // What is no number has no place either.
  return ms >= firstMoment && ms <= lastMoment ? ms : ms > lastMoment ? lastMoment : firstMoment;
}

const microsPerMinute = 60_000_000;
const pad2 = Array.from({ length: 100 }, (_, n) => String(n).padStart(2, "0"));
const pad3 = Array.from({ length: 1000 }, (_, n) => String(n).padStart(3, "0"));

/** How the calendar of a zone has a minute, in milliseconds since 1970: its text up to the colon before the seconds. */
type MinuteText = (ms: number) => string;
/** The milliseconds since 1970 of a minute; the month counts from 0. */
type MinuteMs = (year: number, month: number, day: number, hour: number, minute: number) => number;

interface Texts {
  readonly format: (ms: number) => string;
  readonly parse: (text: unknown) => number | null;
}

const timeShape = /^\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}/;

/** Minutes that are kept: a row of a task has times in up to four, and the next row mostly in the same. */
const keptMinutes = 64;

/**
 * Times of one calendar as texts. What comes before the seconds is kept from earlier calls, in a place by the minute.
 * Offsets from UTC change only at whole minutes, so a kept minute is right across a change of summer time too. A call
 * takes 0.1 µs; `Date` alone takes 1 µs.
 */
function textsOf(minuteText: MinuteText, minuteMs: MinuteMs): Texts {
  const writtenMinutes = Array.from({ length: keptMinutes }, () => Number.NaN);
  const writtenPrefixes = Array.from({ length: keptMinutes }, () => "");
  const readPrefixes = Array.from({ length: keptMinutes }, () => "");
  const readMinutesMs = Array.from({ length: keptMinutes }, () => 0);
  return {
    format(ms) {
      const micros = Math.round(keptTime(ms) * 1000);
      const minute = Math.floor(micros / microsPerMinute);
      const place = minute - Math.floor(minute / keptMinutes) * keptMinutes;
      if (minute !== writtenMinutes[place]) {
        writtenPrefixes[place] = minuteText(minute * 60_000);
        writtenMinutes[place] = minute;
      }
      const rest = micros - minute * microsPerMinute;
      const second = Math.floor(rest / 1_000_000);
      const fraction = rest - second * 1_000_000;
      const thousands = Math.floor(fraction / 1000);
      return `${writtenPrefixes[place]}${pad2[second]}.${pad3[thousands]}${pad3[fraction - thousands * 1000]}`;
    },
    parse(text) {
      if (typeof text !== "string") return null;
      const prefix = text.slice(0, 16);
      // By the digits of the minute.
      const place = (prefix.charCodeAt(14) * 10 + prefix.charCodeAt(15)) % keptMinutes;
      if (prefix !== readPrefixes[place]) {
        if (!timeShape.test(prefix)) return null;
        const part = (from: number, to: number): number => Number(prefix.slice(from, to));
        readMinutesMs[place] = minuteMs(part(0, 4), part(5, 7) - 1, part(8, 10), part(11, 13), part(14, 16));
        readPrefixes[place] = prefix;
      }
      const seconds = Number(text.slice(17, 19));
      const fraction = text.length > 20 ? Number(`0${text.slice(19)}`) : 0;
      if (!(seconds + fraction >= 0)) return null;
      return readMinutesMs[place]! + seconds * 1000 + Math.round(fraction * 1_000_000) / 1000;
    },
  };
}

function dayText(year: number, month: number, day: number): string {
  return `${String(year).padStart(4, "0")}-${pad2[month + 1]}-${pad2[day]}`;
}

function fieldsText(fields: Date): string {
  const day = dayText(fields.getUTCFullYear(), fields.getUTCMonth(), fields.getUTCDate());
  return `${day} ${pad2[fields.getUTCHours()]}:${pad2[fields.getUTCMinutes()]}:`;
}

const newLocalTexts = (): Texts =>
  textsOf(
    (ms) => fieldsText(localFields(ms)),
    (year, month, day, hour, minute) => momentOfLocal(Date.UTC(year, month, day, hour, minute)),
  );
const localTexts = newLocalTexts();

/** Texts of UTC; each file has its own, because each keeps the minute that it was at. */
function utcTexts(): Texts {
  return textsOf(
    (ms) => fieldsText(new Date(ms)),
    (year, month, day, hour, minute) => Date.UTC(year, month, day, hour, minute),
  );
}

/** The local time of this host as text, of a time in milliseconds since 1970, to the microsecond. */
export function formatTime(ms: number): string {
  return localTexts.format(ms);
}

/** Milliseconds since 1970 of a text that is local time; null for a text that is no time. */
export function parseTime(text: unknown): number | null {
  return localTexts.parse(text);
}

const shapeWithOffset = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.(\d{0,6}))?(Z|[+-]\d\d(?::?\d\d)?)$/;

/** Microseconds since 1970 of a time with its offset from UTC, as PostgreSQL shows times; null for anything else. */
export function momentOf(text: string): number | null {
  const parts = shapeWithOffset.exec(text);
  if (parts === null) return null;
  const [, date, time, fraction = "", offset] = parts;
  const zone =
    offset!.length === 3
      ? `${offset}:00`
      : offset!.length === 5
        ? `${offset!.slice(0, 3)}:${offset!.slice(3)}`
        : offset;
  const ms = Date.parse(`${date}T${time}${zone}`);
  return Number.isNaN(ms) ? null : ms * 1000 + Number(fraction.padEnd(6, "0"));
}

/** Milliseconds since 1970 of a time as people see it, be it local or with its offset; null for a text that is none. */
export function shownTime(text: string): number | null {
  const micros = momentOf(text);
  return micros === null ? parseTime(text) : micros / 1000;
}

/**
 * A `shownTime` for the times of one column, one after the other: they mostly share their minute with the one before,
 * which takes 0.1 µs.
 */
export function timeReader(): (text: string) => number | null {
  const [utc, local] = [utcTexts(), newLocalTexts()];
  return (text) => {
    if (text.endsWith("+00:00")) return utc.parse(text.slice(0, -6));
    return text.length > 19 && text[19] !== "." ? shownTime(text) : local.parse(text);
  };
}

/** The clock by which a file is written: a row of its table `clock`. */
export interface FileClock {
  /** What the clock is ahead of UTC, minutes. */
  readonly offset: number;
  /** The first time by this clock, milliseconds since 1970 and as text; earlier ones are local. 0 and "": none are. */
  readonly sinceMs: number;
  readonly since: string;
}

/** A clock for a file that has no times yet, or only local ones from before `nowMs` (milliseconds since 1970). */
export function newFileClock(nowMs: number, hasTimes: boolean): FileClock {
  const offset = zoneOffset(nowMs);
  return { offset, sinceMs: hasTimes ? nowMs : 0, since: hasTimes ? formatTime(nowMs) : "" };
}

/** The times of one file. */
export interface FileTimes {
  /** The text to store for a time in milliseconds since 1970, to the microsecond. */
  readonly format: (ms: number) => string;
  /** Milliseconds since 1970 of a stored text; null for a text that is no time. */
  readonly parse: (text: unknown) => number | null;
  /** The local time of a stored text, also with six digits; a text that is no time stays. */
  readonly local: (text: string) => string;
  /** The stored text of a local time that people have written, or of the beginning of one. Other texts stay. */
  readonly asked: (text: string) => string;
}

const asItIs = (text: string): string => text;
const localTimes: FileTimes = { format: formatTime, parse: parseTime, local: asItIs, asked: asItIs };

/** The times of a file with this clock; null: a file that only version 2.8 has written, where all times are local. */
export function fileTimes(clock: FileClock | null): FileTimes {
  if (clock === null) return localTimes;
  const { since } = clock;
  const sinceMs = since === "" ? Number.NEGATIVE_INFINITY : clock.sinceMs;
  const offsetMs = clock.offset * 60_000;
  const { format, parse } = utcTexts();
  const isOurs = (text: string): boolean => text >= since;
  const times = {
    format: (ms: number) => (ms < sinceMs ? formatTime(ms) : format(ms + offsetMs)),
    parse(text: unknown) {
      if (typeof text !== "string" || !isOurs(text)) return parseTime(text);
      const ms = parse(text);
      return ms === null ? null : ms - offsetMs;
    },
  };
  // Asked for only where people look: a run does without.
  let known: boolean | null = null;
  const isLocal = (): boolean => (known ??= isLocalOffset(clock.offset));
  return {
    ...times,
    local(text) {
      if (isLocal()) return text;
      const ms = isOurs(text) ? times.parse(text) : null;
      return ms === null ? text : formatTime(ms);
    },
    asked(text) {
      if (isLocal()) return text;
      const [, minute, rest] = splitMinute(text) ?? [];
      const ms = minute === undefined ? null : parseTime(`${minute}:00`);
      return ms === null || ms < sinceMs ? text : `${times.format(ms).slice(0, 16)}${rest}`;
    },
  };
}

/** Whether local time has this offset, minutes, all year round, in the years that zones are known of. */
function isLocalOffset(offset: number): boolean {
  for (let year = 2020; year <= 2037; year += 1) {
    for (const month of [0, 3, 6, 9]) if (zoneOffset(Date.UTC(year, month)) !== offset) return false;
  }
  return true;
}

const beginningShape = /^(\d{4})(?:-(\d\d)(?:-(\d\d)(?: (\d\d)(?::(\d\d)(:.*)?)?)?)?)?$/s;

/** The first minute of a time of which people have written the beginning, and what they wrote after the minute. */
function splitMinute(text: string): readonly [text: string, minute: string, rest: string] | null {
  const found = beginningShape.exec(text);
  if (found === null) return null;
  const [, year = "", month = "01", day = "01", hour = "00", minute = "00", rest = ""] = found;
  const isTime = month >= "01" && month <= "12" && day >= "01" && day <= "31" && hour <= "23" && minute <= "59";
  return isTime ? [text, `${year}-${month}-${day} ${hour}:${minute}`, rest] : null;
}

/** A stored time as people see it: a fraction that is exactly zero is left out. */
export function displayTime(text: string): string {
  return text.endsWith(".000000") ? text.slice(0, -7) : text;
}
