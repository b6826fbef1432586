/*
 * Sentences for tests of the compiled programs, dist/hs and dist/hsx, as a user meets them: a place with files and an
 * environment of its own, a command line, and what came out. Knows nothing of src/. Whatever a place started, and is
 * still there when the place is disposed of, is killed; the place is removed with everything in it.
 *
 *     await using site = openSite();
 *     site.write("tasks.in", "echo 1\necho 2\n");
 *     expect(await site.hsx(["tasks.in"])).toEqual({ status: 0, stdout: "1\n2\n", stderr: "" });
 */
import { test } from "bun:test";
import { randomUUID } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { constants, tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";

const root = resolve(import.meta.dir, "../..");

/** Where hs and hsx are; scripts/build puts them there. */
export const dist = join(root, "dist");

/** How a program ended. A program that was killed by signal N has status 128+N, as in a shell. */
export interface Ended {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  /** What the program reads: a text, or nothing at all (/dev/null), which is the default. */
  readonly stdin?: string;
  /** Added to the environment of the place; `undefined` removes a variable. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Below the place; the default is its `work`. */
  readonly cwd?: string;
  /** After this the program is killed and the test fails with what it had printed. Default: 30 seconds. */
  readonly timeoutMs?: number;
}

/** A program in the background. `await using` kills it, if it still runs. */
export interface Running extends AsyncDisposable {
  readonly pid: number;
  /** What it has printed so far. */
  readonly stdout: () => string;
  readonly stderr: () => string;
  readonly ended: Promise<Ended>;
  /** Waits until a line of stdout or stderr matches, and returns it; fails if the program ends first. */
  readonly line: (pattern: RegExp) => Promise<string>;
  /** To the program alone, not to those it started. */
  readonly kill: (signal: NodeJS.Signals) => void;
  /** For programs started with `keepOpen`. */
  readonly type: (text: string) => void;
  readonly closeStdin: () => void;
}

export interface Site extends AsyncDisposable {
  /** All of it; `home`, `site` (HYPERSHELL_SITE) and `work` (the working directory) are in it. */
  readonly path: string;
  readonly work: string;
  /** The SQLite database that is used when nothing else is said. */
  readonly database: string;
  /** Runs a program to its end. */
  readonly hs: (words: readonly string[], options?: RunOptions) => Promise<Ended>;
  readonly hsx: (words: readonly string[], options?: RunOptions) => Promise<Ended>;
  /** Runs a line as a user types it, with hs and hsx on the PATH. */
  readonly shell: (line: string, options?: RunOptions) => Promise<Ended>;
  readonly start: (words: readonly [program: "hs" | "hsx" | "sh", ...string[]], options?: StartOptions) => Running;
  /** Paths are relative to the working directory. */
  readonly write: (path: string, text: string) => string;
  readonly read: (path: string) => string;
  readonly lines: (path: string) => readonly string[];
  readonly exists: (path: string) => boolean;
  /** Processes that were started from here and still run: `PID COMMAND`. Needs /proc. */
  readonly left: () => readonly string[];
  /** Waits until none of them is left. */
  readonly deserted: () => Promise<void>;
}

export interface StartOptions extends RunOptions {
  /** Stdin is a pipe that stays open for `type`. */
  readonly keepOpen?: boolean;
}

/** Set in each environment, and inherited by all that is started from it, tasks included. */
const marker = "HS_TEST_PLACE";

/** `atEnd` is called when the place is disposed of: whatever was started has ended, and its files are still there. */
export function openSite(atEnd?: (site: Site) => Promise<void>): Site {
  if (!existsSync(join(dist, "hsx"))) throw new Error("dist/hsx is missing: run scripts/build");
  const path = realpathSync(mkdtempSync(join(tmpdir(), "hs-test-")));
  const id = randomUUID();
  const work = join(path, "work");
  for (const name of ["home", "site", "work", "tmp"]) mkdirSync(join(path, name));
  const own: Record<string, string> = {
    PATH: `${dist}:${process.env["PATH"] ?? "/usr/bin:/bin"}`,
    HOME: join(path, "home"),
    TMPDIR: join(path, "tmp"),
    HYPERSHELL_SITE: join(path, "site"),
    LANG: "C.UTF-8",
    TZ: "UTC",
    [marker]: id,
  };

  const start = (words: readonly [program: string, ...string[]], options: StartOptions = {}): Running => {
    const [program, ...rest] = words;
    const file = program === "hs" || program === "hsx" ? join(dist, program) : program;
    const merged = Object.entries({ ...own, ...options.env }).filter(([, value]) => value !== undefined);
    return launch([file, ...rest], {
      cwd: join(work, options.cwd ?? "."),
      env: Object.fromEntries(merged) as Record<string, string>,
      stdin: options.stdin ?? (options.keepOpen === true ? "" : null),
      keepOpen: options.keepOpen === true,
      timeoutMs: options.timeoutMs ?? 30_000,
      onLate: (told) => void late.push(told),
    });
  };
  const late: Late[] = [];
  const left = (): readonly string[] => processesWith(`${marker}=${id}`);

  const site: Site = {
    path,
    work,
    database: join(path, "site", "lib", "main.db"),
    start,
    hs: (words, options) => start(["hs", ...words], options).ended,
    hsx: (words, options) => start(["hsx", ...words], options).ended,
    shell: (line, options) => start(["/bin/bash", "-c", line], options).ended,
    write(name, text) {
      const file = resolve(work, name);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, text);
      return file;
    },
    read: (name) => readFileSync(resolve(work, name), "utf8"),
    lines: (name) => linesOf(existsSync(resolve(work, name)) ? readFileSync(resolve(work, name), "utf8") : ""),
    exists: (name) => existsSync(resolve(work, name)),
    left,
    deserted: () =>
      until(
        () => left().length === 0,
        () => `processes are left: ${left().join("; ")}`,
      ),
    async [Symbol.asyncDispose]() {
      await until(
        () => {
          // What is being killed may start another at the same moment.
          for (const line of left()) signal(Number.parseInt(line, 10), "SIGKILL");
          return left().length === 0;
        },
        () => `cannot be killed: ${left().join("; ")}`,
      );
      try {
        await atEnd?.(site);
      } finally {
        rmSync(path, { recursive: true, force: true, maxRetries: 3 });
      }
      // A test that asks for no end would pass by the alarm.
      const untold = late.filter(({ isTold }) => !isTold());
      if (untold.length > 0) throw new Error(untold.map(({ what }) => what).join("\n"));
    },
  };
  return site;
}

interface Launch {
  readonly cwd: string;
  readonly env: Record<string, string>;
  readonly stdin: string | null;
  readonly keepOpen: boolean;
  readonly timeoutMs: number;
  readonly onLate: (late: Late) => void;
}

/** A program that had to be killed at last, and whether the test has asked for its end. */
interface Late {
  readonly what: string;
  readonly isTold: () => boolean;
}

function launch(command: readonly string[], options: Launch): Running {
  const { cwd, env, stdin, keepOpen, timeoutMs } = options;
  const child = Bun.spawn([...command], {
    cwd,
    env,
    stdin: stdin === null ? "ignore" : "pipe",
    stdout: "pipe",
    stderr: "pipe",
  });
  const out = collect(child.stdout);
  const err = collect(child.stderr);
  let over = false;
  let asked = false;
  const input = child.stdin;
  const type = (text: string): void => {
    // A program may end without having read everything.
    void Promise.resolve(input?.write(text)).catch(() => undefined);
    void Promise.resolve(input?.flush()).catch(() => undefined);
  };
  const closeStdin = (): void => void Promise.resolve(input?.end()).catch(() => undefined);
  if (stdin !== null && stdin !== "") type(stdin);
  if (!keepOpen) closeStdin();

  const ended = (async (): Promise<Ended> => {
    const late = Promise.withResolvers<"late">();
    const alarm = setTimeout(() => late.resolve("late"), timeoutMs);
    // Both streams to their ends: a task that outlives the program still holds them, and belongs to what came out.
    const finished = await Promise.race([Promise.all([child.exited, out.done, err.done]), late.promise]);
    clearTimeout(alarm);
    over = true;
    if (finished === "late") {
      child.kill("SIGKILL");
      const said = `stdout: ${out.text()}\nstderr: ${err.text()}`;
      const what = `did not end within ${timeoutMs} ms: ${command.join(" ")}\n${said}`;
      options.onLate({ what, isTold: () => asked });
      throw new Error(what);
    }
    const killedBy = child.signalCode === null ? null : constants.signals[child.signalCode as NodeJS.Signals];
    return {
      status: killedBy === null ? (child.exitCode ?? -1) : 128 + killedBy,
      stdout: out.text(),
      stderr: err.text(),
    };
  })();
  // Nobody may be waiting when it fails; who asks later is told all the same.
  ended.catch(() => undefined);

  return {
    pid: child.pid,
    stdout: out.text,
    stderr: err.text,
    get ended() {
      asked = true;
      return ended;
    },
    kill: (name) => child.kill(name),
    type,
    closeStdin,
    async line(pattern) {
      const find = (): string | undefined => linesOf(`${out.text()}\n${err.text()}`).find((line) => pattern.test(line));
      await until(
        () => find() !== undefined || over,
        () => `no line matches ${pattern}\nstdout: ${out.text()}\nstderr: ${err.text()}`,
      );
      const found = find();
      if (found === undefined)
        throw new Error(`ended without a line that matches ${pattern}\nstdout: ${out.text()}\nstderr: ${err.text()}`);
      return found;
    },
    async [Symbol.asyncDispose]() {
      if (!over) child.kill("SIGKILL");
      await child.exited;
    },
  };
}

interface Collected {
  readonly text: () => string;
  readonly done: Promise<void>;
}

function collect(stream: ReadableStream<Uint8Array>): Collected {
  let text = "";
  const decoder = new TextDecoder();
  const read = async (): Promise<void> => {
    for await (const chunk of stream) text += decoder.decode(chunk, { stream: true });
    text += decoder.decode();
  };
  return { text: () => text, done: read() };
}

const wait = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

/**
 * Waits until the condition holds, looking again every few milliseconds; fails after half a minute with what
 * `otherwise` says.
 */
export async function until(
  condition: () => boolean | Promise<boolean>,
  otherwise: string | (() => string),
  timeoutMs = 30_000,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > deadline)
      throw new Error(`waited in vain: ${typeof otherwise === "string" ? otherwise : otherwise()}`);
    await wait(5);
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // Gone by itself.
  }
}

/** All processes that have this `NAME=VALUE` in the environment they were started with, zombies not counted. */
function processesWith(assignment: string): readonly string[] {
  if (!existsSync("/proc/self/environ")) return [];
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((pid) => {
      try {
        if (!readFileSync(`/proc/${pid}/environ`, "latin1").split("\0").includes(assignment)) return [];
        return [`${pid} ${readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ").trim()}`];
      } catch {
        // Gone while we looked, or another user's.
        return [];
      }
    });
}

/** The lines of a text, without the line ends. */
export function linesOf(text: string): readonly string[] {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines;
}

/** The lines of a text in a fixed order, for output that comes as tasks happen to end. */
export function sorted(text: string): readonly string[] {
  return linesOf(text).toSorted((one, other) => one.localeCompare(other, "en", { numeric: true }));
}

/**
 * `test` for what not every machine has: without one of the programs (or with `also` saying why not) the test is
 * skipped, the reason stands in its name, and scripts/test counts it.
 *
 *     needs(["psql"])("a database that goes away is waited for", async () => { ... });
 */
export function needs(
  programs: readonly string[],
  also: string | null = null,
): (name: string, body: () => Promise<void>, timeoutMs?: number) => void {
  const missing = programs.filter((program) => Bun.which(program) === null);
  const reason = missing.length > 0 ? `without ${missing.join(", ")}` : also;
  return (name, body, timeoutMs) => {
    if (reason === null) test(name, body, timeoutMs);
    else test.skipIf(true)(`${name} (skipped: ${reason})`, body);
  };
}
