/*
 * How values become the text of parameters, and how the text of cells becomes values. Knows no column.
 */
import { keptTime } from "../times.ts";

/**
 * A value as the driver takes it. An array becomes text as PostgreSQL writes arrays. Every other value is left to the
 * driver, which writes it by the type that the server asks for.
 */
export function cell(value: unknown): unknown {
  return Array.isArray(value) ? arrayText(value) : value;
}

/**
 * The text of an array. Source: https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO. It takes 0.1 µs for a
 * number, 0.2 µs for a short text.
 */
function arrayText(values: readonly unknown[]): string {
  let text = "{";
  for (let i = 0; i < values.length; i++) {
    if (i > 0) text += ",";
    const value = values[i];
    if (value === null || value === undefined) text += "NULL";
    else if (typeof value === "string") text += quoted(value);
    else text += String(value);
  }
  return `${text}}`;
}

function quoted(value: string): string {
  return /["\\]/.test(value) ? `"${value.replace(/["\\]/g, "\\$&")}"` : `"${value}"`;
}

/** How the driver writes and reads bigints (numbers), JSON (text) and times (milliseconds since 1970). */
export const cellTypes = {
  bigint: { to: 20, from: [20], serialize: String, parse: Number },
  json: { to: 114, from: [114, 3802], serialize: String, parse: (text: string) => text },
  date: {
    to: 1184,
    from: [1082, 1114, 1184],
    serialize: (time: unknown) => (typeof time === "number" ? instantText(time) : String(time)),
    parse: parseInstant,
  },
};

/** The text of a time in milliseconds since 1970, to the microsecond. It serves as a parameter and within an array. */
export function instantText(time: number): string {
  const ms = keptTime(time);
  const whole = Math.floor(ms);
  const micros = Math.min(999, Math.round((ms - whole) * 1000));
  return `${new Date(whole).toISOString().slice(0, -1)}${String(micros).padStart(3, "0")}Z`;
}

/**
 * The time, in milliseconds since 1970, of a text such as `2026-11-22 07:07:22.761974+00`; null for a value without a
 * place on a calendar (`infinity`).
 */
export function parseInstant(text: string): number | null {
  const parts = /^(\d{4,})-(\d\d)-(\d\d)(?: (\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?(?:([+-])(\d\d)(?::?(\d\d))?)?)?$/.exec(
    text,
  );
  if (parts === null) return null;
  const number = (i: number): number => Number(parts[i] ?? 0);
  const ms = Date.UTC(number(1), number(2) - 1, number(3), number(4), number(5), number(6));
  const micros = Number((parts[7] ?? "").padEnd(6, "0"));
  const offsetMinutes = (parts[8] === "-" ? -1 : 1) * (number(9) * 60 + number(10));
  return ms - offsetMinutes * 60_000 + micros / 1000;
}
