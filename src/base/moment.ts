/*
 * A moment to come, as people write it: so much later than now, a time of the day, a date. Phrases no errors: what
 * cannot be read is null.
 *
 *   moment = "+" span            +3600  +90m  +2h  +1:30:00     that much later
 *          | hours               18:00  18:00:30                when the clock next shows it here
 *          | date [ hours ]      2026-11-30  2026-11-30T18:00  "2026-11-30 18:00:30"     local time
 *          | date hours zone     2026-11-30T17:00Z  2026-11-30T18:00+01:00
 *          | "@" seconds         @1795975200                    since 1970, as `date +%s` prints it
 */
import { parseSeconds } from "./units.ts";
import { localFields, momentOfLocal } from "./zone.ts";

const hours = "([01]?\\d|2[0-3]):([0-5]\\d)(?::([0-5]\\d))?";
const clockShape = new RegExp(`^${hours}$`);
const dateShape = new RegExp(
  `^(\\d{4})-(\\d\\d)-(\\d\\d)(?:[T ]${hours}(?:\\.\\d+)?\\s*(Z|[+-]\\d\\d:?\\d\\d)?)?$`,
  "i",
);

const dayMs = 86_400_000;

/** The moment of a text, milliseconds since 1970. `now`: the same. null: it is none. */
export function parseMoment(text: string, now: number): number | null {
  const word = text.trim();
  if (word.startsWith("@")) return /^@\d{1,12}$/.test(word) ? Number(word.slice(1)) * 1000 : null;
  if (word.startsWith("+")) {
    const seconds = parseSeconds(word.slice(1));
    return seconds === null || word.startsWith("++") ? null : now + seconds * 1000;
  }
  const time = clockShape.exec(word);
  if (time !== null) return nextTime(timeOf(time, 1), now);
  const match = dateShape.exec(word);
  if (match === null) return null;
  const [, year, month, day] = match;
  const midnight = Date.UTC(Number(year), Number(month) - 1, Number(day));
  // The 31st of a month of 30 days would be another day.
  if (new Date(midnight).getUTCDate() !== Number(day) || Number(month) > 12) return null;
  const fields = midnight + timeOf(match, 4);
  const zone = match[7];
  return zone === undefined ? momentOfLocal(fields) : fields - offsetOf(zone);
}

/** When the clock of this host next shows a time of the day (ms since midnight). */
function nextTime(time: number, now: number): number {
  const local = localFields(now).getTime();
  const midnight = Math.floor(local / dayMs) * dayMs;
  const today = momentOfLocal(midnight + time);
  return today > now ? today : momentOfLocal(midnight + dayMs + time);
}

/** Milliseconds since midnight, from the three groups of `hours`. */
function timeOf(match: RegExpExecArray, from: number): number {
  const [hour = 0, minute = 0, second = 0] = [0, 1, 2].map((at) => Number(match[from + at] ?? 0));
  return ((hour * 60 + minute) * 60 + second) * 1000;
}

/** What a zone is ahead of UTC, milliseconds. */
function offsetOf(zone: string): number {
  if (/^z$/i.test(zone)) return 0;
  const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(-2));
  return (zone.startsWith("-") ? -1 : 1) * minutes * 60_000;
}

/** A moment as local time to the second: `2026-11-30 18:00:00`. `at`: milliseconds since 1970. */
export function formatMoment(at: number): string {
  return localFields(at).toISOString().slice(0, 19).replace("T", " ");
}
