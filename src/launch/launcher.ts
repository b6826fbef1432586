/*
 * Programs that bring up clients: the words of their command line, and how one is started, watched and ended. Knows
 * nothing of servers and tasks. The key never stands on a command line: launchers get it in their environment, ssh on
 * its standard input.
 */
import { accessSync, constants, statSync } from "node:fs";
import { constants as system } from "node:os";
import { resolve } from "node:path";
import { messageOf, runtimeError } from "../base/errors.ts";
import type { Clock } from "../base/clock.ts";
import { groupOf } from "../client/group.ts";
import type { Logger } from "../log/logger.ts";
import { programAt, windowsPaths } from "../base/ospath.ts";
import { quoteForSh } from "../base/shell.ts";
import { ownOverlap, withoutRank } from "./rank.ts";
import { exportWith } from "./submitted.ts";
import { relay } from "./relay.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The variable with the key of the run, for clients only. Tasks must not inherit it, because their output often shows
 * their environment. Therefore it is not the variable in which users have keys of their own, which their tasks may
 * need.
 */
export const keyVariable = "HYPERSHELL_RUN_KEY";

/**
 * The variable with the name of a launch: the client says it to the server, so that the run knows which of its launches
 * has become this client. Tasks do not inherit it.
 */
export const launchVariable = "HYPERSHELL_RUN_LAUNCH";

const windows = process.platform === "win32";

/** How a client is started. */
export interface ClientPlan {
  /** The program to start where the client is to run. */
  readonly program: string;
  readonly host: string;
  readonly port: number;
  /** Words of its command line, after those for the connection. */
  readonly options: readonly string[];
  readonly tls: boolean;
  /** Certificates that the clients trust; null: as their configuration says. */
  readonly cafile: string | null;
}

/**
 * The words that start a client, without any key. A path that begins with `-` is joined to its option, so that it is
 * not taken for one.
 */
export function clientWords({ program, host, port, options, tls, cafile }: ClientPlan): string[] {
  const words = [program, "client", "-H", host, "-p", `${port}`, ...options];
  if (!tls) words.push("--no-tls");
  if (cafile !== null) words.push(...(cafile.startsWith("-") ? [`--tls-ca=${cafile}`] : ["--tls-ca", cafile]));
  return words;
}

/** Launchers whose hosts have mostly another system than a Windows that calls them. */
const leaveWindows: ReadonlySet<string> = new Set(["ssh", "plink", "wsl", "srun", "kubectl"]);

/**
 * The program to run on client hosts by default: the path of this one, under the name that has commands (`hs`). No host
 * that `launcher` leads to from a Windows knows that path: there the program is looked for on the PATH.
 */
export function remoteProgram(
  execPath: string,
  launcher: string,
  platform: NodeJS.Platform = process.platform,
): string {
  if (platform === "win32" && leaveWindows.has(programAt(launcher, windowsPaths).toLowerCase())) return "hs";
  return execPath.replace(/(^|[/\\])hsx(\.exe)?$/i, "$1hs$2");
}

/** A command as people would type it. */
export function shownCommand(words: readonly string[]): string {
  return words.map(quoteForSh).join(" ");
}

/**
 * The environment of a launcher: that of this program, the variables for tasks, and the key. A launcher is no rank of
 * the job in which this program may be one: mpirun refuses to start as such.
 */
export function launcherEnvironment(
  env: Environment,
  exports: Readonly<Record<string, string>>,
  key: string,
): Record<string, string> {
  const merged: Record<string, string> = {};
  for (const [name, value] of Object.entries({ ...withoutRank(env), ...exports })) {
    if (value !== undefined) merged[name] = value;
  }
  merged[keyVariable] = key;
  return merged;
}

/**
 * Programs that start the words after them on other hosts. Open MPI passes on only those variables that it is told to.
 */
const mpiPrograms = new Set(["mpirun", "mpiexec", "orterun", "prterun", "oshrun"]);

/**
 * The words of a launcher, changed so that the variables `names` reach the clients. srun passes everything on unless it
 * was told otherwise; Open MPI passes on the variables after `-x`; the descendants of Hydra (MPICH, Intel MPI) pass on
 * everything. `asksOpenMpi` tells whether a program is Open MPI.
 */
export function handOn(
  words: readonly string[],
  names: readonly string[],
  asksOpenMpi: (program: string) => boolean,
): string[] {
  const at = words.findIndex((word) => mpiPrograms.has(programAt(word)) || programAt(word) === "srun");
  const program = words[at];
  if (program === undefined) return [...words];
  const before = words.slice(0, at + 1);
  const after = words.slice(at + 1);
  const needed = [keyVariable, ...names.filter((name) => name === launchVariable)];
  if (programAt(program) === "srun") return [...before, ...widened(after, needed)];
  if (!asksOpenMpi(program)) return [...words];
  return [...before, ...names.flatMap((name) => ["-x", name]), ...after];
}

/**
 * Changes `srun --export=NONE`, which keeps this environment from tasks, so that it passes on what the client needs.
 */
function widened(words: readonly string[], names: readonly string[]): string[] {
  return words.map((word, index) => {
    if (word.startsWith("--export=")) return `--export=${exportWith(word.slice("--export=".length), names)}`;
    return words[index - 1] === "--export" ? exportWith(word, names) : word;
  });
}

/**
 * What Slurm is told by the environment of a launcher. Of a job with `#SBATCH --export=NONE` each srun passes on the
 * key, too. The step of the clients shares what it has with other steps: without that, a srun in a task would wait for
 * what the client holds, and so would clients for a step that the user has started before. It is a variable and no
 * option because it reaches the srun of mpirun and of a script as well, and older versions ignore it; tasks do not
 * inherit it. A user who has said how steps share, or wants the clients alone on their part of a job, is obeyed.
 * Source: sbatch(1), SLURM_EXPORT_ENV and SBATCH_EXPORT; srun(1), SLURM_OVERLAP.
 */
export function slurmEnvironment(env: Record<string, string>, launcher: readonly string[]): Record<string, string> {
  const needed = [keyVariable, ...(env[launchVariable] === undefined ? [] : [launchVariable])];
  const exported: Record<string, string> = {};
  for (const name of ["SLURM_EXPORT_ENV", "SBATCH_EXPORT"]) {
    const list = env[name];
    if (list !== undefined) exported[name] = exportWith(list, needed);
  }
  return { ...(keepsApart(env, launcher) ? {} : { SLURM_OVERLAP: ownOverlap }), ...env, ...exported };
}

/** Whether the step of the clients must share nothing with other steps. */
function keepsApart(env: Environment, launcher: readonly string[]): boolean {
  if (env["SLURM_JOB_ID"] !== undefined && launcher.some((word) => /^--exclusive(?:=|$)/.test(word))) return true;
  // Of GPUs that are counted for all nodes together (--gpus=4 on two nodes), a step that overlaps gets fewer: seen with
  // Slurm 22.05.8, where two of its tasks had the same GPU.
  const together = env["SLURM_GPUS"] !== undefined || launcher.some((word) => /^(?:-G|--gpus(?:=|$))/.test(word));
  return together && env["SLURM_JOB_NUM_NODES"] !== "1";
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
  /** Its exit status as a shell tells it: 128 plus the number of the signal, if a signal ended it. */
  readonly status: number;
  /** The last lines on its stderr, written by it or by what it started. */
  readonly lastLines: readonly string[];
  /** What it wrote on its stdout, if that was to be read: see Order. */
  readonly printed: string;
}

export interface Launcher {
  /** The program or the host, for messages. */
  readonly name: string;
  readonly pid: number;
  readonly ended: Promise<LauncherEnd>;
  /** Whether any process of its group is left: it, or something that it started. */
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
  /** Whether what it prints is read here (the number of a job), and not passed on. Absent: it is passed on. */
  readonly isRead?: boolean;
}

export interface LaunchOptions extends Order {
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * Starts a launcher in a session of its own: Ctrl-C at the terminal reaches only us, and clients learn of it over the
 * wire. Its stdout is ours, or is read. Its stderr is passed on by us, so that its last lines are known. Throws a
 * UserError if it cannot be started.
 */
export function startLauncher(options: LaunchOptions): Launcher {
  const { name, words, env, cwd, input, isRead = false, clock, log } = options;
  const program = words[0] ?? "";
  let child: Bun.Subprocess<"ignore" | Uint8Array<ArrayBuffer>, "inherit" | "pipe", "pipe">;
  try {
    child = Bun.spawn([...words], {
      cwd,
      env: { ...env },
      stdin: input === null ? "ignore" : Buffer.from(input),
      stdout: isRead ? "pipe" : "inherit",
      stderr: "pipe",
      detached: !windows,
    });
  } catch (thrown) {
    throw notStarted(program, thrown);
  }
  const { pid } = child;
  let over = false;
  const group = groupOf(pid, () => over);
  const errors = relay(child.stderr, clock);
  const printed = child.stdout instanceof ReadableStream ? firstOf(child.stdout) : null;

  async function end(): Promise<LauncherEnd> {
    await child.exited;
    over = true;
    // Processes that it left running may hold stderr open for as long as they like. What the launcher itself wrote has
    // arrived by now.
    const late = Promise.withResolvers<void>();
    const timer = clock.after(lastWordsMs, late.resolve);
    await Promise.race([Promise.all([errors.done, printed?.done]), late.promise]);
    timer.cancel();
    const number = child.signalCode === null ? null : system.signals[child.signalCode as NodeJS.Signals];
    const status = number === null ? (child.exitCode ?? 1) : 128 + number;
    log.debug(() => `Launcher ended with status ${status} (${name}: ${pid})`);
    return { status, lastLines: errors.lastLines(), printed: printed?.text() ?? "" };
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

/** The largest number of characters of a launcher's output that are read. */
const mostRead = 65_536;

/** Reads the beginning of a stream, and drops the rest. */
function firstOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>): { readonly done: Promise<void>; text(): string } {
  let text = "";
  async function read(): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream)
      if (text.length < mostRead) text += decoder.decode(chunk, { stream: true }).slice(0, mostRead);
  }
  return { done: read(), text: () => text };
}

/** Throws the UserError of a launcher that cannot be started, without starting it. */
export function checkProgram(program: string, env: Environment, cwd: string): void {
  // A program of Windows may be named without its extension.
  if (windows || !program.includes("/")) {
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

/** How long the last lines of a launcher that has ended are waited for, milliseconds. */
const lastWordsMs = 500;

function notStarted(program: string, thrown: unknown): Error {
  const code = (thrown as { code?: unknown } | null)?.code;
  if (code === "ENOENT")
    return runtimeError("cluster", `The launcher '${program}' cannot be found (is it on the PATH?)`);
  if (code === "EACCES") return runtimeError("cluster", `The launcher '${program}' may not be executed`);
  return runtimeError("cluster", `The launcher '${program}' cannot be started: ${messageOf(thrown)}`);
}
