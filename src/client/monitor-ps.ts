/*
 * Processes as macOS tells of them: by ps, once a look. Times of children that have ended are not in it, and neither is
 * the time of a start.
 *
 * Source: ps(1) of macOS.
 */
import { emptyReading, type ProcessSource, type Reading } from "./monitor-source.ts";

/** Each column has an option of its own: what follows `=` in the same word is taken for the head of that column. */
const words = ["/bin/ps", "-ax", ...["pid", "ppid", "pgid", "rss", "time"].flatMap((name) => ["-o", `${name}=`])];

/** What ps tells. */
export function psSource(): ProcessSource {
  let rows: ReadonlyMap<number, Reading> = new Map();
  async function ask(): Promise<void> {
    const child = Bun.spawn(words, { stdin: "ignore", stdout: "pipe", stderr: "ignore", env: { LC_ALL: "C" } });
    rows = rowsOfPs(await child.stdout.text());
  }
  return {
    countsChildren: false,
    // Times have hundredths of a second.
    roundedMs: 10,
    list(then) {
      ask().then(
        () => then([...rows.keys()]),
        // There are no more processes just now.
        () => then([]),
      );
    },
    read(pid, into) {
      const row = rows.get(pid);
      if (row === undefined) return false;
      Object.assign(into, row);
      return true;
    },
    taskOf: () => null,
    share: () => null,
  };
}

/** The processes in what ps prints: number, parent, group, resident kilobytes, processor time. */
export function rowsOfPs(text: string): ReadonlyMap<number, Reading> {
  const rows = new Map<number, Reading>();
  for (const [, pid, parent, group, kilobytes, time] of text.matchAll(/^ *(\d+) +(\d+) +(\d+) +(\d+) +(\S+) *$/gm)) {
    const ownMs = timeOfPs(time!);
    if (ownMs === null) continue;
    const row = { parent: Number(parent), group: Number(group), ownMs, memory: Number(kilobytes) * 1024 };
    rows.set(Number(pid), { ...emptyReading(), ...row });
  }
  return rows;
}

/** Milliseconds of `1:02.34`, `1:02:03` or `1-02:03:04`; null for anything else. */
function timeOfPs(text: string): number | null {
  const found = /^(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+(?:\.\d+)?)$/.exec(text);
  if (found === null) return null;
  const [days, hours, minutes, seconds] = found.slice(1).map((part) => Number(part ?? 0)) as [
    number,
    number,
    number,
    number,
  ];
  return Math.round((((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000);
}
