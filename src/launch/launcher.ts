/*
 * Programs that bring up clients: which words they are called with, and how one is started, watched and ended. Knows
 * nothing of servers and tasks. The key is never among the words: launchers get it in their environment, ssh on its
 * standard input.
 */
import { accessSync, constants, statSync } from "node:fs";
import { constants as system } from "node:os";
import { resolve } from "node:path";
import { messageOf, runtimeError } from "../base/errors.ts";
import { writeAll } from "../base/write.ts";
import type { Clock, Timer } from "../base/clock.ts";
import { groupOf } from "../client/group.ts";
import type { Logger } from "../log/logger.ts";
import { quoteForSh } from "../base/shell.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The key of the run, for the clients alone: it is not among what tasks inherit, whose output often tells their
 * environment. That is why it does not stand where users have keys of their own, which their tasks may need.
 */
export const keyVariable = "HYPERSHELL_RUN_KEY";

/** How a client is started. */
export interface ClientPlan {
  /** The program to start where the client is to run. */
  readonly program: string;
  readonly host: string;
  readonly port: number;
  /** Words of its command line that say what it is to do. */
  readonly options: readonly string[];
  readonly tls: boolean;
  /** Certificates that the clients trust; null: as their configuration says. */
  readonly cafile: string | null;
}

/**
 * The words that start a client, without any key. A path that begins with `-` could be taken for an option, so it is
 * joined to one.
 */
export function clientWords({ program, host, port, options, tls, cafile }: ClientPlan): string[] {
  const words = [program, "client", "-H", host, "-p", `${port}`, ...options];
  if (!tls) words.push("--no-tls");
  if (cafile !== null) words.push(...(cafile.startsWith("-") ? [`--tls-ca=${cafile}`] : ["--tls-ca", cafile]));
  return words;
}

/**
 * The program that runs on client hosts when nothing else is said: this one, by the name under which it has commands.
 */
export function remoteProgram(execPath: string): string {
  return execPath.replace(/(^|[/\\])hsx(\.exe)?$/i, "$1hs$2");
}

/** A command as people would type it. */
export function shownCommand(words: readonly string[]): string {
  return words.map(quoteForSh).join(" ");
}

/** The environment of a launcher: that of this program, the variables for tasks, and the key. */
export function launcherEnvironment(
  env: Environment,
  exports: Readonly<Record<string, string>>,
  key: string,
): Record<string, string> {
  const merged: Record<string, string> = {};
  for (const [name, value] of Object.entries({ ...env, ...exports })) {
    if (value !== undefined) merged[name] = value;
  }
  merged[keyVariable] = key;
  return merged;
}

/**
 * Programs that start the words after them on other hosts; those of Open MPI hand their environment on only as they are
 * told.
 */
const mpiPrograms = new Set(["mpirun", "mpiexec", "orterun", "prterun", "oshrun"]);

/**
 * The words of a launcher, so that the variables `names` reach the clients. srun hands everything on unless it was told
 * otherwise; Open MPI hands on what `-x` names; the descendants of Hydra (MPICH, Intel MPI) everything. `asksOpenMpi`
 * asks the program who it is.
 */
export function handOn(
  words: readonly string[],
  names: readonly string[],
  asksOpenMpi: (program: string) => boolean,
): string[] {
  const at = words.findIndex((word) => mpiPrograms.has(baseName(word)) || baseName(word) === "srun");
  const program = words[at];
  if (program === undefined) return [...words];
  const before = words.slice(0, at + 1);
  const after = words.slice(at + 1);
  if (baseName(program) === "srun") return [...before, ...widened(after)];
  if (!asksOpenMpi(program)) return [...words];
  return [...before, ...names.flatMap((name) => ["-x", name]), ...after];
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** Lets `srun --export=NONE`, which keeps this environment from tasks, pass on the key: the client needs it. */
function widened(words: readonly string[]): string[] {
  return words.map((word, index) => {
    if (word.startsWith("--export=")) return `--export=${exportWith(word.slice("--export=".length))}`;
    return words[index - 1] === "--export" ? exportWith(word) : word;
  });
}

/** A list of variables as srun reads it, with the key added. */
function exportWith(list: string): string {
  if (/^all$/i.test(list)) return list;
  return list === "" || /^(none|nil)$/i.test(list) ? keyVariable : `${list},${keyVariable}`;
}

/**
 * Adds the key to what `#SBATCH --export=NONE` leaves behind for each srun of the job (sbatch(1), SLURM_EXPORT_ENV).
 */
export function slurmEnvironment(env: Record<string, string>): Record<string, string> {
  const list = env["SLURM_EXPORT_ENV"];
  return list === undefined ? env : { ...env, SLURM_EXPORT_ENV: exportWith(list) };
}

/** Whether a program calls itself Open MPI. If it cannot be asked, its start will show what is wrong. */
export function isOpenMpi(program: string): boolean {
  try {
    const asked = Bun.spawnSync([program, "--version"], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      timeout: 10_000,
    });
    return /open\s?mpi|open-mpi|openrte|prrte|prterun/i.test(`${asked.stdout.toString()} ${asked.stderr.toString()}`);
  } catch {
    return false;
  }
}

/** How a launcher ended. */
export interface LauncherEnd {
  /** As a shell tells it: 128 plus the number of the signal, if one ended it. */
  readonly status: number;
  /** The last lines that it, or what it started, wrote on stderr. */
  readonly lastLines: readonly string[];
}

export interface Launcher {
  /** The program or the host, for messages. */
  readonly name: string;
  readonly pid: number;
  readonly ended: Promise<LauncherEnd>;
  /** Whether it, or something that it started and that stayed in its process group, is left. */
  alive(): boolean;
  signal(signal: "SIGTERM" | "SIGKILL"): void;
}

/** A launcher to be started. */
export interface Order {
  /** The program or the host, for messages. */
  readonly name: string;
  readonly words: readonly string[];
  /** The text on its standard input; null: none. */
  readonly input: string | null;
}

export interface LaunchOptions extends Order {
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * Starts a launcher in a session of its own: Ctrl-C at the terminal reaches only us, and the clients hear of it over
 * the wire. What it writes is passed on: stdout is ours, stderr comes through here so that its last lines are known.
 * Throws a UserError if it cannot be started.
 */
export function startLauncher(options: LaunchOptions): Launcher {
  const { name, words, env, cwd, input, clock, log } = options;
  const program = words[0] ?? "";
  let child: Bun.Subprocess<"ignore" | Uint8Array<ArrayBuffer>, "inherit", "pipe">;
  try {
    child = Bun.spawn([...words], {
      cwd,
      env: { ...env },
      stdin: input === null ? "ignore" : Buffer.from(input),
      stdout: "inherit",
      stderr: "pipe",
      detached: true,
    });
  } catch (thrown) {
    throw notStarted(program, thrown);
  }
  const { pid } = child;
  let over = false;
  const group = groupOf(pid, () => over);
  const errors = relay(child.stderr, clock);

  async function end(): Promise<LauncherEnd> {
    await child.exited;
    over = true;
    // What it left running may hold stderr open for as long as it likes: the last words of the launcher itself are
    // there by now.
    const late = Promise.withResolvers<void>();
    const timer = clock.after(lastWordsMs, late.resolve);
    await Promise.race([errors.done, late.promise]);
    timer.cancel();
    const number = child.signalCode === null ? null : system.signals[child.signalCode as NodeJS.Signals];
    const status = number === null ? (child.exitCode ?? 1) : 128 + number;
    log.debug(() => `Launcher ended with status ${status} (${name}: ${pid})`);
    return { status, lastLines: errors.lastLines() };
  }

  return {
    name,
    pid,
    ended: end(),
    alive: () => !over || group.alive(),
    signal(signal) {
      log.debug(() => `Sending ${signal} (${name}: ${pid})`);
      group.signal(signal);
    },
  };
}

/** Throws the UserError of a launcher that could not be started, without starting it. */
export function checkProgram(program: string, env: Environment, cwd: string): void {
  if (!program.includes("/")) {
    if (Bun.which(program, { PATH: env["PATH"] ?? "", cwd }) === null) throw notStarted(program, { code: "ENOENT" });
    return;
  }
  try {
    const path = resolve(cwd, program);
    accessSync(path, constants.X_OK);
    if (statSync(path).isFile()) return;
  } catch (error) {
    throw notStarted(program, error);
  }
  throw notStarted(program, { code: "EACCES" });
}

/** Longest wait for the last lines of a launcher that has ended, milliseconds. */
const lastWordsMs = 500;

function notStarted(program: string, thrown: unknown): Error {
  const code = (thrown as { code?: unknown } | null)?.code;
  if (code === "ENOENT")
    return runtimeError(
      "cluster",
      "FileNotFoundError",
      `the launcher '${program}' cannot be found (is it on the PATH?)`,
    );
  if (code === "EACCES")
    return runtimeError("cluster", "PermissionError", `the launcher '${program}' may not be executed`);
  return runtimeError("cluster", "OSError", `the launcher '${program}' cannot be started: ${messageOf(thrown)}`);
}

/** Number of last lines that are remembered, and the bytes of each that are worth it. */
const rememberedLines = 5;
const rememberedBytes = 400;
/** An unfinished line is passed on after this long, milliseconds. Whole lines keep those of several writers apart. */
const unfinishedMs = 50;
/** Most bytes of an unfinished line that are held. */
const longestHeld = 65_536;
const newline = 0x0a;

/** Passes a stream on to our stderr, whole lines at a time, and remembers its end. */
function relay(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  clock: Clock,
): { readonly done: Promise<void>; readonly lastLines: () => readonly string[] } {
  let held: Uint8Array = new Uint8Array(0);
  let tail = "";
  let open = true;
  let timer: Timer | null = null;
  const decoder = new TextDecoder();

  function pass(bytes: Uint8Array): void {
    if (!open || bytes.length === 0) return;
    try {
      writeAll(2, bytes);
    } catch (thrown) {
      // When nobody reads our stderr any more the launcher must go on all the same. A full disk may have room again.
      const code = (thrown as { code?: unknown }).code;
      open = code === "ENOSPC" || code === "EDQUOT";
    }
  }

  function flush(): void {
    timer?.cancel();
    timer = null;
    pass(held);
    held = new Uint8Array(0);
  }

  async function read(): Promise<void> {
    for await (const chunk of stream) {
      tail = (tail + decoder.decode(chunk, { stream: true })).slice(-rememberedLines * rememberedBytes);
      const whole = chunk.lastIndexOf(newline) + 1;
      if (whole > 0) {
        flush();
        pass(chunk.subarray(0, whole));
      }
      if (whole === chunk.length) continue;
      held = Buffer.concat([held, chunk.subarray(whole)]);
      if (held.length >= longestHeld) flush();
      else timer ??= clock.after(unfinishedMs, flush);
    }
  }

  return {
    done: read().finally(flush),
    lastLines: () =>
      tail
        .split(/[\r\n]+/)
        .map((line) => line.trim())
        .filter((line) => line !== "")
        .slice(-rememberedLines),
  };
}
