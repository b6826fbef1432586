/*
 * strftime, once for log lines and for expressions: a format is compiled into a function of a time. Names are those of
 * the C locale. Does not know where the time comes from, nor the time zone.
 *
 *   format     = { "%" { flag } directive | character }        anything that is no directive stays as it is
 *   flag       = "-" | "_" | "0" | "^"                     no padding, blanks, zeros, upper case
 *   directive  = one of a A b B c C d D e f F g G h H I j k l m M n p P r R s S t T u U V w W x X y Y z Z %
 */

/** What a calendar and a clock show. The functions are called only where the format asks for them. */
export interface CalendarTime {
  readonly year: number;
  /** From 1. */
  readonly month: number;
  /** From 1. */
  readonly day: number;
  /** 0 to 23. */
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  readonly microsecond: number;
  /** Monday is 0. */
  readonly weekday: number;
  /** From 1. */
  readonly dayOfYear: number;
  /** Year and week of ISO 8601; the first days of January may belong to the year before. */
  isoWeek(): readonly [year: number, week: number];
  /** Whole seconds since 1970-01-01 UTC. */
  timestamp(): bigint | number;
  /** The distance from UTC, as in `+0100`; empty where it is unknown. */
  offset(): string;
  /** The name of the time zone; empty where it is unknown. */
  zoneName(): string;
}

export const weekdayNames = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"] as const;

export const monthNames = [
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
] as const;

/** Text, or a number with its usual width and padding. */
type Shown = string | readonly [value: number, width: number, fill: "0" | " "];

const directives: Readonly<Record<string, (time: CalendarTime) => Shown>> = {
  a: ({ weekday }) => weekdayNames[weekday]!.slice(0, 3),
  A: ({ weekday }) => weekdayNames[weekday]!,
  b: ({ month }) => monthNames[month - 1]!.slice(0, 3),
  B: ({ month }) => monthNames[month - 1]!,
  C: ({ year }) => [Math.floor(year / 100), 2, "0"],
  d: ({ day }) => [day, 2, "0"],
  e: ({ day }) => [day, 2, " "],
  f: ({ microsecond }) => String(microsecond).padStart(6, "0"),
  g: (time) => [time.isoWeek()[0] % 100, 2, "0"],
  G: (time) => [time.isoWeek()[0], 1, "0"],
  h: ({ month }) => monthNames[month - 1]!.slice(0, 3),
  H: ({ hour }) => [hour, 2, "0"],
  I: ({ hour }) => [hour % 12 || 12, 2, "0"],
  j: ({ dayOfYear }) => [dayOfYear, 3, "0"],
  k: ({ hour }) => [hour, 2, " "],
  l: ({ hour }) => [hour % 12 || 12, 2, " "],
  m: ({ month }) => [month, 2, "0"],
  M: ({ minute }) => [minute, 2, "0"],
  n: () => "\n",
  p: ({ hour }) => (hour < 12 ? "AM" : "PM"),
  P: ({ hour }) => (hour < 12 ? "am" : "pm"),
  s: (time) => String(time.timestamp()),
  S: ({ second }) => [second, 2, "0"],
  t: () => "\t",
  u: ({ weekday }) => [weekday + 1, 1, "0"],
  // Weeks count from the first Sunday (U) or Monday (W) of the year; the days before it are in week 0.
  U: ({ dayOfYear, weekday }) => [Math.floor((dayOfYear + 6 - ((weekday + 1) % 7)) / 7), 2, "0"],
  V: (time) => [time.isoWeek()[1], 2, "0"],
  w: ({ weekday }) => [(weekday + 1) % 7, 1, "0"],
  W: ({ dayOfYear, weekday }) => [Math.floor((dayOfYear + 6 - weekday) / 7), 2, "0"],
  y: ({ year }) => [year % 100, 2, "0"],
  Y: ({ year }) => [year, 1, "0"],
  z: (time) => time.offset(),
  Z: (time) => time.zoneName(),
  "%": () => "%",
};

/** Directives that stand for several others. */
const composites: Readonly<Record<string, string>> = {
  c: "%a %b %e %H:%M:%S %Y",
  D: "%m/%d/%y",
  F: "%Y-%m-%d",
  r: "%I:%M:%S %p",
  R: "%H:%M",
  T: "%H:%M:%S",
  x: "%m/%d/%y",
  X: "%H:%M:%S",
};

/** A function from a time to its text, by Python's `time.strftime` and the directives of the GNU C library. */
export function compileStrftime(format: string): (time: CalendarTime) => string {
  const parts: (string | ((time: CalendarTime) => string))[] = [];
  let end = 0;
  for (const { 0: all, 1: flags = "", 2: letter = "", index } of format.matchAll(/%([-_0^]*)([A-Za-z%])/g)) {
    const part = partOf(letter, flags);
    if (part === null) continue;
    parts.push(format.slice(end, index), part);
    end = index + all.length;
  }
  parts.push(format.slice(end));
  return (time) => {
    let text = "";
    for (const part of parts) text += typeof part === "string" ? part : part(time);
    return text;
  };
}

function partOf(letter: string, flags: string): ((time: CalendarTime) => string) | null {
  const composite = composites[letter];
  const show = composite === undefined ? directives[letter] : compileStrftime(composite);
  if (show === undefined) return null;
  const upper = flags.includes("^");
  const padding = flags.replace(/\^/g, "").at(-1);
  return (time) => {
    const shown = show(time);
    if (typeof shown === "string") return upper ? shown.toUpperCase() : shown;
    const [value, width, usual] = shown;
    if (padding === "-") return String(value);
    return String(value).padStart(width, padding === "_" ? " " : padding === "0" ? "0" : usual);
  };
}
