/*
 * strftime for `logging.datefmt`: a format is compiled once, and its text is kept for the second it was made for, because a busy
 * log asks for the same second thousands of times. Local time, English names.
 */

const days = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"] as const;
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
] as const;

const pad = (value: number, width = 2, fill = "0"): string => String(value).padStart(width, fill);
const hour12 = (date: Date): number => date.getHours() % 12 || 12;
const dayOfYear = (date: Date): number =>
  Math.round(
    (Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()) - Date.UTC(date.getFullYear(), 0, 1)) / 86_400_000,
  ) + 1;
/** Weeks counted from the first `firstDay` (0 Sunday, 1 Monday) of the year. */
const weekOfYear = (date: Date, firstDay: number): number =>
  Math.floor((dayOfYear(date) + 6 - ((date.getDay() + 7 - firstDay) % 7)) / 7);

/** ISO 8601: the week belongs to the year of its Thursday. */
function isoWeek(date: Date): { year: number; week: number } {
  const thursday = new Date(date.getFullYear(), date.getMonth(), date.getDate() + 4 - (date.getDay() || 7));
  return { year: thursday.getFullYear(), week: Math.floor((dayOfYear(thursday) - 1) / 7) + 1 };
}

function zone(date: Date): string {
  const minutes = -date.getTimezoneOffset();
  const size = Math.abs(minutes);
  return `${minutes < 0 ? "-" : "+"}${pad(Math.floor(size / 60))}${pad(size % 60)}`;
}

function zoneName(date: Date): string {
  const parts = new Intl.DateTimeFormat("en-US", { timeZoneName: "short" }).formatToParts(date);
  return parts.find((part) => part.type === "timeZoneName")?.value ?? "";
}

const directives: Readonly<Record<string, (date: Date) => string>> = {
  a: (date) => days[date.getDay()]!.slice(0, 3),
  A: (date) => days[date.getDay()]!,
  b: (date) => months[date.getMonth()]!.slice(0, 3),
  B: (date) => months[date.getMonth()]!,
  C: (date) => pad(Math.floor(date.getFullYear() / 100)),
  d: (date) => pad(date.getDate()),
  e: (date) => pad(date.getDate(), 2, " "),
  f: (date) => pad(date.getMilliseconds() * 1000, 6),
  G: (date) => pad(isoWeek(date).year, 4),
  g: (date) => pad(isoWeek(date).year % 100),
  H: (date) => pad(date.getHours()),
  h: (date) => months[date.getMonth()]!.slice(0, 3),
  I: (date) => pad(hour12(date)),
  j: (date) => pad(dayOfYear(date), 3),
  k: (date) => pad(date.getHours(), 2, " "),
  l: (date) => pad(hour12(date), 2, " "),
  M: (date) => pad(date.getMinutes()),
  m: (date) => pad(date.getMonth() + 1),
  n: () => "\n",
  P: (date) => (date.getHours() < 12 ? "am" : "pm"),
  p: (date) => (date.getHours() < 12 ? "AM" : "PM"),
  S: (date) => pad(date.getSeconds()),
  s: (date) => String(Math.floor(date.getTime() / 1000)),
  t: () => "\t",
  U: (date) => pad(weekOfYear(date, 0)),
  u: (date) => String(date.getDay() || 7),
  V: (date) => pad(isoWeek(date).week),
  W: (date) => pad(weekOfYear(date, 1)),
  w: (date) => String(date.getDay()),
  Y: (date) => pad(date.getFullYear(), 4),
  y: (date) => pad(date.getFullYear() % 100),
  Z: zoneName,
  z: zone,
  "%": () => "%",
};

const shorthands: Readonly<Record<string, string>> = {
  c: "%a %b %e %H:%M:%S %Y",
  D: "%m/%d/%y",
  F: "%Y-%m-%d",
  R: "%H:%M",
  r: "%I:%M:%S %p",
  T: "%H:%M:%S",
  X: "%H:%M:%S",
  x: "%m/%d/%y",
};

/** A function from a time (ms since 1970) to text. A directive that strftime does not know stays as it is written. */
export function compileDate(format: string): (atMs: number) => string {
  const expanded = format.replace(/%([%A-Za-z])/g, (whole, letter: string) => shorthands[letter] ?? whole);
  const parts = expanded.split(/(%[%A-Za-z])/).filter((part) => part !== "");
  const render = parts.map((part) => {
    const directive = part.length === 2 && part[0] === "%" ? directives[part[1]!] : undefined;
    return directive ?? ((): string => part);
  });
  const perSecond = !parts.includes("%f");
  let keptSecond = Number.NaN;
  let kept = "";
  return (atMs) => {
    const second = Math.floor(atMs / 1000);
    if (perSecond && second === keptSecond) return kept;
    const date = new Date(atMs);
    kept = "";
    for (const part of render) kept += part(date);
    keptSecond = second;
    return kept;
  };
}
