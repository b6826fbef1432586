/*
 * Times as cron writes them, in local time: five fields (six with seconds in front), or @hourly and its like. The
 * package reads the fields; which moment a local time is, is asked of base/zone.ts, which knows every zone that the
 * system knows.
 */
import { Cron } from "croner";
import { localFields, momentOfLocal } from "../base/zone.ts";

const names = ["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@hourly"];

/**
 * A function that answers when next such a time comes, strictly after a time; both in ms since 1970. null: this is no
 * expression. `never`: there is no such time, as the 31st of February.
 */
export function parseTimes(text: string): ((at: number) => number | null) | "never" | null {
  const words = text.trim().toLowerCase();
  const pattern = words === "@midnight" ? "@daily" : words;
  // The package takes dates as well, and other words that begin with an @.
  if (!names.includes(pattern) && !/^\S+(?:\s+\S+){4,5}$/.test(pattern)) return null;
  let times: Cron;
  try {
    times = new Cron(pattern, { utcOffset: 0, paused: true });
  } catch {
    return null;
  }
  const next = (at: number): number | null => {
    const fields = times.nextRun(localFields(at));
    if (fields === null) return null;
    // In the hour that comes twice the same local time may be over already.
    const moment = momentOfLocal(fields.getTime());
    return moment > at ? moment : fields.getTime() - localFields(at).getTime() + at;
  };
  return times.nextRun(new Date(0)) === null ? "never" : next;
}
