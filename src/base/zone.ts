/*
 * Local time: what this host's zone is ahead of UTC, and when a time of its calendar was. The C library is asked where
 * there is one. `Date` of Bun takes 10 ms for its first local time, because it loads its tables of all zones; that was
 * a sixth of `hsx` with one task. The C library takes 1.5 ms, and knows the zones of POSIX (`TZ=XYZ-3`), too.
 */
import { openLibc } from "./libc.ts";

const openZone = () => openLibc({ localtime_r: { args: ["ptr", "ptr"], returns: "ptr" } });
/** `library` null: there is none here. All of it null: it was not looked for yet. */
let known: { readonly library: ReturnType<typeof openZone> } | null = null;

/** The zone that the C library goes by. Whoever sets another one later, as tests do, sets it for `Date` alone. */
const zone = process.env["TZ"];

/** The `struct tm` of Linux and macOS: nine ints and, at byte 40, `tm_gmtoff`, a long in seconds. */
const calendarTime = new BigInt64Array(8);
const offsetAt = 5;
const seconds = new BigInt64Array(1);

/** What local time is ahead of UTC at a time in milliseconds since 1970: minutes, negative in the west. */
export function zoneOffset(ms: number): number {
  const asked = process.env["TZ"];
  if (asked === "UTC") return 0;
  known ??= { library: openZone() };
  if (known.library === null || asked !== zone) return -new Date(ms).getTimezoneOffset();
  seconds[0] = BigInt(Math.floor(ms / 1000));
  if (known.library.localtime_r(seconds, calendarTime) === null) return -new Date(ms).getTimezoneOffset();
  return Number(calendarTime[offsetAt]) / 60;
}

/** A `Date` whose UTC fields are the local time at `ms`, milliseconds since 1970. */
export function localFields(ms: number): Date {
  return new Date(ms + zoneOffset(ms) * 60_000);
}

/**
 * Milliseconds since 1970 of a local time, given as `Date.UTC` would have it. As in ECMAScript, a time of the hour that
 * comes twice is the first one, and in the hour that is left out the offset before it counts.
 */
export function momentOfLocal(fields: number): number {
  const day = 86_400_000;
  const before = zoneOffset(fields - day);
  const earlier = fields - before * 60_000;
  if (zoneOffset(earlier) === before) return earlier;
  const later = fields - zoneOffset(fields + day) * 60_000;
  return zoneOffset(later) * 60_000 === fields - later ? later : earlier;
}
