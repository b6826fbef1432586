/*
 * Watches the processes of tests for keys and passwords where they do not belong: on any command line, and in the
 * environment of what hs starts (tasks, launchers, ssh). Learns which they are from the environments of the programs
 * under test, as whoever looks into /proc could. Looks at each process when it is new, and once more when it may have
 * become another program; one that lives for less than a look is missed, but no kind of process is, in a whole suite.
 * Needs /proc.
 *
 * Costs 0.8 % of a core beside the end-to-end suite.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** Between two looks, milliseconds. */
const gapMs = 150;
/** How long the words of `-k` may be seen: until the program has started anew without them. Milliseconds. */
const windowMs = 3000;
/** Shorter ones are words of every day. */
const shortest = 8;

/** What the harness sets in each environment. */
const marker = "HS_TEST_PLACE=";
/** In the environment of a process that breaks the rules to see whether that is found. */
export const planted = "HS_TEST_PLANTED";

const secretVariable = /^(?:HYPERSHELL_SERVER_AUTH|HYPERSHELL_RUN_KEY|HYPERSHELL_DATABASE_PASSWORD|PGPASSWORD)=(.*)$/s;
const urlVariable = /^HYPERSHELL_DATABASE(?:_URL)?=[^/]*:\/\/[^/?#]*?:([^/?#]*)@/s;

interface Seen {
  /** When it was looked at first, of performance.now. */
  readonly since: number;
  /** What it was when it was looked at last. */
  words: string;
  /** Whether it is as it will be. */
  isSettled: boolean;
}

export interface SecretWatch {
  /** What is wrong so far. */
  readonly wrong: ReadonlySet<string>;
  /** Looks once more, ends, and answers what was wrong, each with the process; how many processes there were. */
  readonly stop: () => { readonly wrong: readonly string[]; readonly processes: number; readonly secrets: number };
}

/**
 * Begins to watch what tests start of the programs in the folder `dist`. `wantsPlanted`: only processes with that
 * variable; else all others.
 */
export function watchSecrets(dist: string, wantsPlanted = false): SecretWatch {
  const seen = new Map<string, Seen>();
  const secrets = new Set<string>();
  const wrong = new Set<string>();
  let processes = 0;

  function look(): void {
    const now = performance.now();
    const there = new Set<string>();
    for (const pid of readdirSync("/proc")) {
      if (!/^\d/.test(pid)) continue;
      there.add(pid);
      const known = seen.get(pid);
      if (known?.isSettled === true) continue;
      try {
        lookAt(pid, known, now);
      } catch {
        // It has ended meanwhile, or belongs to somebody else.
        seen.delete(pid);
      }
    }
    for (const pid of seen.keys()) if (!there.has(pid)) seen.delete(pid);
  }

  function lookAt(pid: string, before: Seen | undefined, now: number): void {
    const known = before ?? { since: now, words: "", isSettled: false };
    seen.set(pid, known);
    known.isSettled = now - known.since > windowMs;
    const words = readFileSync(`/proc/${pid}/cmdline`, "latin1");
    // Until it is another program it has the words of its parent. At the end it is judged once more, whatever it is.
    if (words === known.words && !known.isSettled) return;
    known.words = words;
    const environment = readFileSync(`/proc/${pid}/environ`, "latin1");
    if (!environment.includes(marker) || !environment.includes(dist)) return;
    if (environment.includes(`${planted}=`) !== wantsPlanted) return;
    processes += 1;
    const variables = environment.split("\0");
    for (const each of variables) learn(each);
    judge(pid, words, variables, known.isSettled);
  }

  function learn(variable: string): void {
    const secret = secretVariable.exec(variable)?.[1] ?? decoded(urlVariable.exec(variable)?.[1]);
    if (secret !== undefined && secret.length >= shortest && secret !== "<not-secure>") secrets.add(secret);
  }

  function judge(pid: string, words: string, variables: readonly string[], isSettled: boolean): void {
    const told = [...secrets].reduce((text, secret) => text.replaceAll(secret, "***"), shown(words));
    for (const secret of secrets) {
      if (words.includes(secret) && (isSettled || !isWindow(pid, words, secret)))
        wrong.add(`on a command line: ${told}`);
      const holder = variables.find((each) => each.includes(secret));
      if (holder === undefined) continue;
      const name = holder.slice(0, holder.indexOf("="));
      const above = hsAbove(pid, dist);
      // Between fork and exec it is a copy of hs, with all that hs has.
      if (above === null || readFileSync(`/proc/${above}/cmdline`, "latin1") === words) continue;
      if (!isHandedOn(name, above)) wrong.add(`in ${name} of what hs started: ${told}`);
    }
  }

  /** Whether a program has been told a key by -k, which it takes away as soon as it can. */
  function isWindow(pid: string, words: string, secret: string): boolean {
    const before = words.slice(0, words.indexOf(secret));
    return /(?:^|\0)(?:-\w*k=?|--auth=?)\0?$/.test(before) && isHs(pid, dist);
  }

  const timer = setInterval(look, gapMs);
  look();
  return {
    wrong,
    stop() {
      clearInterval(timer);
      look();
      return { wrong: [...wrong], processes, secrets: secrets.size };
    },
  };
}

/** A launcher hands the key of the run to its clients, which have it in their environment, and nobody else. */
function isHandedOn(name: string, hs: string): boolean {
  if (name !== "HYPERSHELL_RUN_KEY") return false;
  return !readFileSync(`/proc/${hs}/environ`, "latin1").includes("HYPERSHELL_RUN_KEY=");
}

/** The nearest process above that is hs; null: none is. */
function hsAbove(pid: string, dist: string): string | null {
  let at = parentOf(pid);
  while (Number(at) > 1) {
    if (isHs(at, dist)) return at;
    at = parentOf(at);
  }
  return null;
}

function isHs(pid: string, dist: string): boolean {
  try {
    return readlinkSync(`/proc/${pid}/exe`).startsWith(`${dist}/`);
  } catch {
    return false;
  }
}

function parentOf(pid: string): string {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]!;
}

function shown(words: string): string {
  return words.replaceAll("\0", " ").trim().slice(0, 300);
}

function decoded(text: string | undefined): string | undefined {
  try {
    return text === undefined ? undefined : decodeURIComponent(text);
  } catch {
    return text;
  }
}
