/*
 * Words for values of a task's row, which may have been written by older programs: times, spans, and what is no number.
 */
import { formatDuration } from "../base/units.ts";
import { shownTime } from "../store/times.ts";
import type { ShownValue } from "../task/task.ts";

/** A value as text; null: there is none. */
export function textOf(value: ShownValue): string | null {
  return value === null || typeof value === "object" ? null : String(value);
}

/** A value as a number; null: it is none. */
export function numberOf(value: ShownValue): number | null {
  return typeof value === "number" ? value : null;
}

/** A time to the second, with its offset from UTC if it has one. */
export function clock(value: ShownValue): string {
  return String(value).replace(/\.\d+/, "");
}

/** `0:00:05`, of seconds. */
export function span(seconds: number): string {
  return formatDuration(seconds);
}

/** Seconds from a time of a row to a moment, milliseconds since 1970; null: the time is not known. */
export function secondsUntil(from: ShownValue, to: number | null): number | null {
  const start = momentOf(from);
  return start === null || to === null ? null : Math.max(0, to - start) / 1000;
}

/** A time of a row, milliseconds since 1970; null: it is none. */
export function momentOf(value: ShownValue): number | null {
  return typeof value === "string" ? shownTime(value) : null;
}

/** `3 seconds ago`, of a moment before `now`, both in milliseconds since 1970. */
export function ago(at: number, now: number): string {
  return `${span(Math.max(0, Math.round((now - at) / 1000)))} ago`;
}
