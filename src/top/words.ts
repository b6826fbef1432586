/*
 * Numbers and times as the screen shows them: short, and of a width that hardly changes. What is not known is `-`.
 */

const unknown = "-";
const grouped = new Intl.NumberFormat("en-US");

/** A whole number with commas between thousands. */
export function numberText(value: number | null): string {
  return value === null ? unknown : grouped.format(Math.round(value));
}

const two = (value: number): string => String(value).padStart(2, "0");

/** Seconds as `1:02:03`, from a day on as `3d 04:05`. */
export function clockText(seconds: number | null): string {
  if (seconds === null || !Number.isFinite(seconds)) return unknown;
  const whole = Math.max(0, Math.floor(seconds));
  const days = Math.floor(whole / 86_400);
  const [hours, minutes] = [Math.floor((whole % 86_400) / 3600), Math.floor((whole % 3600) / 60)];
  return days === 0
    ? `${hours}:${two(minutes)}:${two(whole % 60)}`
    : `${grouped.format(days)}d ${two(hours)}:${two(minutes)}`;
}

/** Seconds with three digits while they are few: `0.004s`, `1.25s`; from ten seconds on as a clock. */
export function spanText(seconds: number | null): string {
  if (seconds === null || seconds >= 10) return clockText(seconds);
  return `${Math.max(0, seconds).toFixed(seconds < 1 ? 3 : 2)}s`;
}

/** Tasks in a second: `1,234/s`, `12.3/s`, `0.05/s`. */
export function rateText(rate: number | null): string {
  if (rate === null) return unknown;
  return rate >= 100 ? `${numberText(rate)}/s` : `${rate.toFixed(rate >= 10 ? 1 : 2)}/s`;
}

/** The time of day on this host, `23:59:04`. `at`: milliseconds since 1970. */
export function timeOfDay(at: number): string {
  const date = new Date(at);
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** How much of the work is done, `62.1 %`: 100 only when all of it is. */
export function shareText(done: number, total: number): string {
  const tenths = total === 0 ? 0 : Math.floor((done / total) * 1000);
  return `${(tenths / 10).toFixed(1)} %`;
}
