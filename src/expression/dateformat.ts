/*
 * How dates, times and spans are written: as Python's `str`, `repr`, `isoformat` and `strftime` write them. Does not
 * know expressions. How they are read: dateparse.ts.
 */
import { compileStrftime } from "../base/strftime.ts";
import { allowText } from "./bounds.ts";
import { dayMicros, fieldsOf, isoWeek, moment, secondMicros, timestampOf } from "./calendar.ts";
import type { Day, Moment, Span, Zone } from "./calendar.ts";
import { fail } from "./failure.ts";
import { floorDivide, floorRemainder } from "./integer.ts";

function pad(value: number, width = 2): string {
  return String(value).padStart(width, "0");
}

/** `+HH:MM`, with seconds and microseconds only where the offset has them. */
function offsetText(at: Zone | null, separator: string): string {
  if (at === null) return "";
  const size = at.micros < 0n ? -at.micros : at.micros;
  const seconds = Number(size / secondMicros);
  const micros = Number(size % secondMicros);
  const parts = [pad(Math.floor(seconds / 3600)), pad(Math.floor(seconds / 60) % 60)];
  if (seconds % 60 !== 0 || micros !== 0) parts.push(pad(seconds % 60));
  return `${at.micros < 0n ? "-" : "+"}${parts.join(separator)}${micros === 0 ? "" : `.${pad(micros, 6)}`}`;
}

/** `YYYY-MM-DD`; Python's `str(date)`. */
export function dateText(value: Day | Moment): string {
  const { year, month, day } = fieldsOf(value);
  return `${pad(year, 4)}-${pad(month)}-${pad(day)}`;
}

const precisions = ["auto", "hours", "minutes", "seconds", "milliseconds", "microseconds"];

/**
 * Python's `datetime.isoformat(sep, timespec)`. Throws an ExpressionFailure for a precision (`timespec`) that Python
 * does not have.
 */
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

/** `1 day, 0:00:05`, where the days alone carry the sign; Python's `str(timedelta)`. */
export function spanText({ micros }: Span): string {
  const days = floorDivide(micros, dayMicros);
  const rest = floorRemainder(micros, dayMicros);
  const seconds = Number(rest / secondMicros);
  const fraction = Number(rest % secondMicros);
  const time = `${Math.floor(seconds / 3600)}:${pad(Math.floor(seconds / 60) % 60)}:${pad(seconds % 60)}`;
  const lead = days === 0n ? "" : `${days} day${days === 1n || days === -1n ? "" : "s"}, `;
  return `${lead}${time}${fraction === 0 ? "" : `.${pad(fraction, 6)}`}`;
}

/** `UTC`, or `UTC+HH:MM`; Python's `str(timezone)`. */
export function zoneText(value: Zone): string {
  return value.micros === 0n ? "UTC" : `UTC${offsetText(value, ":")}`;
}

/** As the interpreter shows them inside a list; Python's `repr`. */
export function dateRepr(value: Day | Moment | Span | Zone): string {
  switch (value.kind) {
    case "span": {
      const days = floorDivide(value.micros, dayMicros);
      const rest = floorRemainder(value.micros, dayMicros);
      const parts = [
        ["days", days],
        ["seconds", rest / secondMicros],
        ["microseconds", rest % secondMicros],
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

/** The format that was used last, compiled: a template has the same one for each of its inputs. */
let latest = { format: "", textOf: compileStrftime("") };

/**
 * Python's `date.strftime(format)`, with the directives of base/strftime.ts. Throws an ExpressionFailure when the text
 * would be too long.
 */
export function strftime(value: Moment | Day, format: string): string {
  // No directive grows its two characters by more than this.
  allowText(format.length * 15);
  if (format !== latest.format) latest = { format, textOf: compileStrftime(format) };
  const at = value.kind === "moment" ? value.zone : null;
  return latest.textOf({
    ...fieldsOf(value),
    isoWeek() {
      const [year, week] = isoWeek(value);
      return [year, week];
    },
    // As if the time were local, whatever zone it has: Python's strftime asks the C library, which knows no other.
    timestamp: () => floorDivide(timestampOf(localMoment(value)), secondMicros),
    offset: () => offsetText(at, ""),
    zoneName: () => (at === null ? "" : zoneText(at)),
  });
}

function localMoment(value: Moment | Day): Moment {
  return moment(value.kind === "moment" ? value.micros : BigInt(value.days) * dayMicros, null);
}
