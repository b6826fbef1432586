/*
 * Sizes in bytes, spans in seconds and counts of things, between text and number. Knows no options and phrases no
 * errors: what cannot be read is null.
 */

const factors: Readonly<Record<string, number>> = { "": 1, b: 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };
const sizeShape = /^\s*(\d+(?:_\d+)*\.?\d*|\.\d+)\s*(?:([kmgt])(?:i?b)?|(b))?\s*$/i;

/**
 * The bytes that `1024`, `2GB`, `1.5 gib` or `512M` stand for. Units are B, K KB KiB ... T TB TiB in any case and
 * powers of 1024; a fraction of a byte is dropped. null for anything else, a sign included, and for more than 2^53.
 */
export function parseSize(text: string): number | null {
  const match = sizeShape.exec(text);
  if (match === null) return null;
  const [, number = "", letter = "", byte = ""] = match;
  const bytes = Math.floor(Number(number.replaceAll("_", "")) * factors[(letter + byte).toLowerCase()]!);
  return Number.isSafeInteger(bytes) ? bytes : null;
}

const secondsOf: Readonly<Record<string, number>> = { "": 1, s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };
const spanShape = /^\s*\+?(\d+(?:_\d+)*)\s*([smhdw]?)\s*$/i;
const clockShape = /^\s*(\d+):([0-5]\d):([0-5]\d)\s*$/;

/**
 * The whole seconds that `90`, `90s`, `10m`, `2h`, `1d`, `1w` (in any case) or `1:30:00` stand for; null for anything
 * else, a minus included.
 */
export function parseSeconds(text: string): number | null {
  const span = spanShape.exec(text);
  const clock = span === null ? clockShape.exec(text) : null;
  let seconds: number;
  if (span !== null) seconds = Number(span[1]!.replaceAll("_", "")) * secondsOf[span[2]!.toLowerCase()]!;
  else if (clock !== null) seconds = Number(clock[1]) * 3600 + Number(clock[2]) * 60 + Number(clock[3]);
  else return null;
  return Number.isSafeInteger(seconds) ? seconds : null;
}

const sizeUnits = ["B", "KB", "MB", "GB", "TB", "PB"] as const;

/**
 * Bytes with three digits: `0.00B`, `1.00KB`, `10.0MB`, `148MB`, `0.98GB`. The number is divided by 1024 while it would
 * show as 1000 or more.
 */
export function formatSize(bytes: number): string {
  let value = bytes;
  let unit = 0;
  // Compared as it would be printed, so that 999.9 becomes 0.98 of the next unit and not a four-digit 1000.
  while (Math.round(Math.abs(value)) >= 1000 && unit < sizeUnits.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const magnitude = Math.abs(value);
  const decimals = magnitude < 9.995 ? 2 : magnitude < 99.95 ? 1 : 0;
  return value.toFixed(decimals) + sizeUnits[unit]!;
}

/**
 * Seconds as `H:MM:SS`, from one day on as `1 day, 0:00:05`. Below ten seconds milliseconds are added, unless they are
 * 0 (`0:00:02.345`, `0:00:02`); from ten seconds on the fraction is dropped.
 */
export function formatDuration(seconds: number): string {
  if (seconds < 0) return `-${formatDuration(-seconds)}`;
  const milliseconds = Math.round(seconds * 1000);
  const short = milliseconds < 10_000;
  const whole = short ? Math.floor(milliseconds / 1000) : Math.max(10, Math.floor(seconds));
  const rest = short ? milliseconds % 1000 : 0;
  const days = Math.floor(whole / 86_400);
  const hours = Math.floor((whole % 86_400) / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  const clock = `${hours}:${two(minutes)}:${two(whole % 60)}${rest === 0 ? "" : `.${String(rest).padStart(3, "0")}`}`;
  return days === 0 ? clock : `${days} day${days === 1 ? "" : "s"}, ${clock}`;
}

function two(value: number): string {
  return value < 10 ? `0${value}` : String(value);
}

/** `1 task`, `2 tasks`: a number and a noun whose plural ends in s. */
export function counted(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
