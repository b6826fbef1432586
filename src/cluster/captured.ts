/*
 * The files that were captured for a task: where they are, and getting them from another host where they are not here.
 * For `hs info`, `hs run`, and whoever looks at a task while it runs.
 *
 * A file counts where the task says it is, then where this site would keep it, then on the host where the task ran,
 * from which it is copied into this site. A file of that name may also be left from an earlier run of the same task (it
 * was reverted and ran again): on a host where it did not run, and in place of the recorded one, a file that was last
 * written before the task started is not shown.
 */
import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Clock } from "../base/clock.ts";
import { runtimeError } from "../base/errors.ts";
import { fileMode, folderMode } from "../base/modes.ts";
import { failureCode } from "../base/paths.ts";
import { hostName, shortHost } from "../base/process.ts";
import { splitWords } from "../base/shell.ts";
import type { Config } from "../config/load.ts";
import type { Logger, Loggers } from "../log/logger.ts";
import { parseTime } from "../store/times.ts";
import type { TaskRecord } from "../history/history.ts";
import type { TaskField } from "../task/field.ts";
import type { FetchFailure, Wanted } from "./fetch.ts";

/**
 * A file that is captured for a task: the option that prints it, the field with its path, its ending, and why
 * there is none.
 */
export interface Captured {
  readonly option: "stdout" | "stderr" | "perf";
  readonly field: TaskField;
  readonly suffix: string;
  readonly meaning: string;
  readonly unless: string;
}

export const capturedFiles = {
  stdout: {
    option: "stdout",
    field: "outpath",
    suffix: "out",
    meaning: "Standard output",
    unless: "its client ran without --capture",
  },
  stderr: {
    option: "stderr",
    field: "errpath",
    suffix: "err",
    meaning: "Standard error",
    unless: "its client ran without --capture",
  },
  perf: {
    option: "perf",
    field: "csvpath",
    suffix: "csv",
    meaning: "Metrics",
    unless: "its client ran without --monitor",
  },
} as const satisfies Readonly<Record<Captured["option"], Captured>>;

/** What it takes to get at captured files, so that tests can hand in others. */
export interface CapturePorts {
  /** Where this site keeps captured files. */
  readonly captureFolder: () => string;
  /** The name of this host. */
  readonly host: string;
  readonly fetch: (wanted: Wanted) => Promise<FetchFailure | null>;
  readonly log: Logger;
  readonly clock: Clock;
}

/** The files and the launchers of this host, as they are configured. */
export function capturePortsOf(config: Config, loggers: Loggers, clock: Clock): CapturePorts {
  return {
    captureFolder: () => join(config.site.lib, "task"),
    host: hostName(),
    log: loggers("task"),
    clock,
    async fetch(wanted) {
      const trace = loggers("core.remote");
      const { fetchFile } = await import("./fetch.ts");
      trace.trace(() => `GET ${wanted.host}:${wanted.path} -> ${join(wanted.folder, wanted.name)}`);
      return fetchFile(wanted, {
        env: config.environment,
        config: config.origin("ssh.config").source === "default" ? null : config.text("ssh.config"),
        args: splitWords(config.text("ssh.args") ?? "", "ssh.args"),
      });
    },
  };
}

/** Whether the task says that it has such a file. */
export function isCaptured(task: TaskRecord, file: Captured): boolean {
  return isText(task[file.field]);
}

/** Whether a field of a task has a text that says something. */
export function isText(value: TaskRecord[TaskField]): value is string {
  return typeof value === "string" && value !== "";
}

/** The whole text of a file that is small. Throws UserError when it cannot be had. */
export async function readCaptured(task: TaskRecord, file: Captured, ports: CapturePorts): Promise<string> {
  const descriptor = openHere(task, file, ports) ?? (await openThere(task, file, ports));
  try {
    return readFileSync(descriptor, "utf8");
  } finally {
    closeSync(descriptor);
  }
}

/** Whether the task has ended, and printed nothing as far as is known: empty files are not kept. */
export function mayBeEmpty(task: TaskRecord, file: Captured): boolean {
  return file.option !== "perf" && !isCaptured(task, file) && task.exit_status !== null && task.start_time !== null;
}

/** A place here where the file may be; `anyAge`: whatever is there is of the last run. */
interface Place {
  readonly path: string;
  readonly anyAge: boolean;
}

function places(task: TaskRecord, file: Captured, { captureFolder, host }: CapturePorts): readonly Place[] {
  const recorded = task[file.field];
  const own = join(captureFolder(), fileName(task, file));
  const ranHere = !isText(task.client_host) || isSameHost(task.client_host, host);
  const first = isText(recorded) ? [{ path: recorded, anyAge: ranHere }] : [];
  return recorded === own ? first : [...first, { path: own, anyAge: false }];
}

/** The name of the file in a folder of captured files. */
export function fileName(task: TaskRecord, file: Captured): string {
  return `${String(task.id)}.${file.suffix}`;
}

/** The descriptor of the file on this host; null: it is not here. */
export function openHere(task: TaskRecord, file: Captured, ports: CapturePorts): number | null {
  for (const { path, anyAge } of places(task, file, ports)) {
    const descriptor = openIfThere(path);
    if (descriptor === null) continue;
    const { mtimeMs } = fstatSync(descriptor);
    if (anyAge || isCurrent(mtimeMs, task)) return descriptor;
    closeSync(descriptor);
    ports.log.debug(`This file is not from the last run of task (${String(task.id)}): ${path}`);
  }
  return null;
}

/** The descriptor of a plain file; null: there is none. Clients say where it is, and no device has to be believed. */
function openIfThere(path: string): number | null {
  try {
    if (!statSync(path).isFile()) return null;
    // What has taken its place since must not hold up Ctrl-C: a FIFO waits for a writer.
    const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    if (fstatSync(descriptor).isFile()) return descriptor;
    closeSync(descriptor);
  } catch (error) {
    // A path through what is no folder does not exist either.
    if (!["ENOENT", "ENOTDIR"].includes(failureCode(error))) throw error;
  }
  return null;
}

/** Whether there is something else than a plain file. */
function isOdd(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === false;
}

/** File systems keep time in steps of some milliseconds, and a file is opened when the task has its start time. */
const toleranceMs = 50;

function isCurrent(mtimeMs: number, task: TaskRecord): boolean {
  const since = timeOf(task.start_time) ?? timeOf(task.schedule_time);
  return since !== null && mtimeMs >= since - toleranceMs;
}

/** Times of PostgreSQL have an offset. */
function timeOf(text: TaskRecord[TaskField]): number | null {
  if (!isText(text)) return null;
  if (!/[+-]\d\d:?\d\d$|Z$/.test(text)) return parseTime(text);
  const ms = Date.parse(text.replace(" ", "T"));
  return Number.isNaN(ms) ? null : ms;
}

/**
 * Two names of one host: with and without the domain, in any case. Names with different domains are different hosts.
 */
export function isSameHost(one: string, other: string): boolean {
  const [a, b] = [one.toLowerCase(), other.toLowerCase()];
  if (a === b) return true;
  return (a === shortHost(a) || b === shortHost(b)) && shortHost(a) === shortHost(b);
}

/**
 * The descriptor of a copy of the file, fetched from where the task ran. Throws UserError when the file cannot be had.
 */
export async function openThere(task: TaskRecord, file: Captured, ports: CapturePorts): Promise<number> {
  const recorded = task[file.field];
  const host = task.client_host;
  if (!isText(recorded)) throw neverMade(task, file);
  if (!isText(host) || isSameHost(host, ports.host)) {
    const what = `${file.meaning} of task (${String(task.id)})`;
    throw missing(isOdd(recorded) ? `${what} is in no plain file: '${recorded}'` : `${what} is gone: '${recorded}'`);
  }
  ports.log.debug(`Fetching remote files (${host})`);
  const { folder, kept } = ownFolder(ports);
  const leave = (): void => rmSync(folder, { recursive: true, force: true });
  // Ctrl-C ends the program from outside.
  process.once("exit", leave);
  try {
    const name = fileName(task, file);
    const failure = await ports.fetch({ host, path: recorded, folder, name });
    if (failure !== null) throw unfetched(task, file, host, failure, ports);
    const path = join(folder, name);
    // sftp gives it the mode that it has over there.
    chmodSync(path, fileMode());
    const ended = timeOf(task.completion_time);
    // So that it can be told, later, which run of the task it is of.
    if (ended !== null) utimesSync(path, ended / 1000, ended / 1000);
    const place = join(kept ?? folder, name);
    if (kept !== null) renameSync(path, place);
    return openSync(place, constants.O_RDONLY | constants.O_NONBLOCK);
  } finally {
    process.off("exit", leave);
    leave();
  }
}

/** A new folder for a copy on its way; `kept`: where copies stay, null when nothing can be written there. */
function ownFolder({ captureFolder }: CapturePorts): { readonly folder: string; readonly kept: string | null } {
  const kept = captureFolder();
  try {
    mkdirSync(kept, { recursive: true, mode: folderMode() });
    accessSync(kept, constants.W_OK | constants.X_OK);
    return { folder: mkdtempSync(join(kept, ".fetch-")), kept };
  } catch {
    return { folder: mkdtempSync(join(tmpdir(), "hs-fetch-")), kept: null };
  }
}

/** Why there is no file of a task that may still have one. */
export const notEnded = "it has not ended";

/** Says that the file was never made, and why. */
export function neverMade(task: TaskRecord, file: Captured): Error {
  const reason = task.exit_status === null ? notEnded : task.start_time === null ? "it never ran" : file.unless;
  return runtimeError("task", `${file.meaning} of task (${String(task.id)}) was not kept: ${reason}`);
}

function missing(text: string): Error {
  return runtimeError("task", text);
}

function unfetched(task: TaskRecord, file: Captured, host: string, failure: FetchFailure, ports: CapturePorts): Error {
  const what = `${file.meaning} of task (${String(task.id)})`;
  const path = `'${String(task[file.field])}'`;
  if (failure.kind === "gone") return missing(`${what} is gone from host ${host}: ${path}`);
  const older = places(task, file, ports).find((place) => isThere(place.path));
  const hint = older === undefined ? "" : ` (${older.path} is here, but older than the last run of the task)`;
  return runtimeError(
    "task",
    `${what} is on host ${host}, not on this one (${ports.host}): ${path} - ${failure.reason}${hint}`,
  );
}

function isThere(path: string): boolean {
  const descriptor = openIfThere(path);
  if (descriptor !== null) closeSync(descriptor);
  return descriptor !== null;
}
