/*
 * How a client runs tasks, from options and configuration: the executor, and the settings that a local run and `hs
 * client` have in common.
 */
import { statSync } from "node:fs";
import { join, resolve } from "node:path";
import { systemClock } from "../base/clock.ts";
import { usualShell } from "../base/command-shell.ts";
import { configurationError } from "../base/errors.ts";
import { allowDescriptors } from "../base/limits.ts";
import { hostName } from "../base/process.ts";
import { counted } from "../base/units.ts";
import type { Jobs } from "../base/windows.ts";
import type { ClientOptions } from "../client/client.ts";
import type { Executor } from "../client/executor.ts";
import type { Monitor } from "../client/monitor.ts";
import type { ExecutorOptions, TaskWishes } from "../client/options.ts";
import { createExecutor } from "../client/process.ts";
import { showOutput } from "../client/shown.ts";
import type { ClientSettings } from "../client/state.ts";
import type { Config } from "../config/load.ts";
import { resourceNames } from "../config/resource-names.ts";
import { startedTasks } from "../config/logging.ts";
import { withoutRank } from "../launch/rank.ts";
import type { Loggers } from "../log/logger.ts";
import { keepFromDumps } from "./dumps.ts";
import type { HostWishes, Provision } from "./host.ts";
import type { Numbering } from "./numbering.ts";

export interface TaskOptions {
  readonly instanceId: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly config: Config;
  readonly loggers: Loggers;
  readonly wishes: TaskWishes;
  /** The number of tasks that run at once; 0: as many as there are cores. */
  readonly executors: number;
  /** The cores that tasks here may use together; null or 0: all. */
  readonly clientCores: number | null;
  /** The memory that tasks here may use together, bytes; null or 0: all. */
  readonly clientMemory: number | null;
  /** The most tasks that start in a second, above 0; null: no limit. */
  readonly ratelimit: number | null;
  /** The client leaves after this long without tasks, milliseconds; null: never. */
  readonly idleMs: number | null;
  /** The time limit of every task that runs here, seconds; null or 0: none. */
  readonly taskTimeout: number | null;
  readonly signalWaitMs: number;
  /** What the user says of this host. */
  readonly host: HostWishes;
  readonly output: string | null;
  readonly errors: string | null;
  /** The numbers of tasks, where the server is in this process; null or absent: they are not known. */
  readonly numbering?: Numbering | null;
  /** Where files of tasks go; absent: into the site. */
  readonly taskFolder?: string;
}

/**
 * How many descriptors this process needs for itself, and for each task that runs: one, and two more while a command of
 * its template runs; one for the file of a task that is measured. Tasks inherit the limit, so no more is asked for.
 */
const ownDescriptors = 128;
const perTask = 3;
const perMeasuredTask = 4;
/** How many more where output is printed: its files or pipes, for each task, and what waits to be printed. */
const perPrintedTask = 4;
const forPrinting = 1024;

/** How many tasks run at once where their number is that of the cores. */
function coresOf({ clientCores }: TaskOptions, provision: Provision): number {
  return provision.capacity(clientCores, null).cores;
}

/** The settings that both kinds of clients have in common. */
export function clientSettings(
  options: TaskOptions,
  provision: Provision,
): Omit<ClientSettings, "host" | "secret" | "connectMs" | "reconnectMs" | "forsakenMs" | "servers" | "loyalMs"> {
  const { config, loggers, executors, taskTimeout, ratelimit } = options;
  if (ratelimit !== null) loggers("client").debug(() => `Rate limit enabled: ${counted(ratelimit, "task")} per second`);
  if (executors === 0)
    loggers("client").debug(
      () => `Auto-detected ${coresOf(options, provision)} executor threads (based on available cores)`,
    );
  return {
    clientId: options.instanceId,
    executors: executors === 0 ? coresOf(options, provision) : executors,
    capacity: provision.capacity(options.clientCores, options.clientMemory),
    resources: resourceNames(config),
    ratelimit,
    timeoutMs: taskTimeout === null || taskTimeout === 0 ? null : taskTimeout * 1000,
    signalWaitMs: options.signalWaitMs,
    idleMs: options.idleMs,
    heartMs: config.number("client.heartrate") * 1000,
    bundleSize: config.integer("client.bundlesize"),
    bundleWaitMs: null,
    announce: Object.values(startedTasks(config)).includes(true),
    shows: true,
    ...endSettings(provision),
  };
}

/** What is known by now of the end of this host's time. */
export function endSettings({ end, asksForEnd }: Provision): Pick<ClientSettings, "end" | "asksForEnd"> {
  return end === null ? { asksForEnd } : { asksForEnd, end };
}

/**
 * What measures the tasks of a client; null: nothing is to be measured, or nothing can be. Throws a UserError when no
 * files can be made for that.
 */
export async function monitorFor(options: TaskOptions): Promise<Monitor | null> {
  const { wishes, instanceId, cwd, loggers } = options;
  if (!wishes.monitor && !wishes.enforce) return null;
  const log = loggers("client");
  const { openMonitor } = await import("../client/monitor.ts");
  const monitor = await openMonitor({
    clientId: instanceId,
    records: wishes.monitor,
    enforces: wishes.enforce,
    taskFolder: resolve(cwd, taskFolderOf(options)),
    clock: systemClock,
    log,
  });
  if (monitor !== null) return monitor;
  const names = [wishes.monitor ? "--monitor" : "", wishes.enforce ? "--enforce (task.enforce)" : ""].filter(Boolean);
  const verb = names.length === 1 ? "has" : "have";
  log.warning(`${names.join(" and ")} ${verb} no effect: the system does not tell here what processes use`);
  return null;
}

/** What holds the processes of each task together on Windows; null elsewhere. Throws what the system refuses. */
export async function jobsFor({ loggers }: TaskOptions): Promise<Jobs | null> {
  if (process.platform !== "win32") return null;
  const [{ newJobs }, { openKernel }] = await Promise.all([
    import("../base/windows.ts"),
    import("../base/windows-kernel.ts"),
  ]);
  const jobs = newJobs(openKernel());
  if (!jobs.endWithUs) loggers("client").warning("Windows allows no job here: tasks go on if this client is killed");
  return jobs;
}

const taskFolderOf = ({ taskFolder, config }: TaskOptions): string => taskFolder ?? join(config.site.lib, "task");

/** The value of task.cwd that asks for the directory which tasks were submitted from. */
const ofSubmission = "<submit>";

/** What a client answers who is asked for the output of a task. */
export function showing(options: TaskOptions): NonNullable<ClientOptions["show"]> {
  const folder = options.wishes.capture ? resolve(options.cwd, taskFolderOf(options)) : null;
  return (query, isOver) => showOutput(folder, query, isOver);
}

/**
 * The executor of a client on a host with `provision`. Throws a UserError when the shell or the directory that was
 * asked for is not there. `serverId` is that of a server in the same process; null: the client learns it when it
 * connects. With a server in the same process, tasks run in the directory that they were submitted from unless task.cwd
 * says otherwise: it is on this machine, or was once. `failures` is the failure file of a server in the same process.
 * `onUnread` is called when a task died because nobody reads the output that it shares with this process.
 */
export function makeExecutor(
  options: TaskOptions & Pick<ExecutorOptions, "monitor" | "jobs" | "sink"> & { readonly failures?: string | null },
  provision: Provision,
  serverId: string | null,
  onUnread: () => void,
): Executor {
  const { config, env, cwd, instanceId } = options;
  const wish = config.text("task.cwd");
  const host = hostName();
  if (config.holdsSecrets(env)) keepFromDumps(config);
  const isPrinted = options.sink !== null && options.sink.unit !== null;
  const each = (options.monitor === null ? perTask : perMeasuredTask) + (isPrinted ? perPrintedTask : 0);
  const own = ownDescriptors + (isPrinted ? forPrinting : 0);
  allowDescriptors(own + each * (options.executors === 0 ? coresOf(options, provision) : options.executors));
  return createExecutor({
    ...options.wishes,
    environment: withoutRank(config.inheritable(env)),
    exports: config.exports(),
    cwd: wish === null || wish === ofSubmission ? cwd : requireFolder(resolve(cwd, wish)),
    inOrigin: wish === ofSubmission || (wish === null && serverId !== null),
    clientId: instanceId,
    clientHost: host,
    serverId,
    serverHost: serverId === null ? null : host,
    taskFolder: taskFolderOf(options),
    clientFolder: join(config.site.lib, "client"),
    shell: options.wishes.shell === null ? usualShell(env) : requireShell(options.wishes.shell, env, cwd),
    shellReuse: config.boolean("task.shell_reuse"),
    outputPath: options.output,
    errorsPath: options.errors,
    monitor: options.monitor,
    sink: options.sink,
    jobs: options.jobs,
    until: provision.end?.at ?? null,
    devices: provision.devices,
    pins: provision.pins(),
    printsFailures: options.failures === "-",
    numberOf: options.numbering?.of ?? null,
    clock: systemClock,
    onUnread,
    log: options.loggers("client"),
  });
}

function requireFolder(path: string): string {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return path;
  throw configurationError("client", `the directory of task.cwd is not there: ${path}`);
}

/** The path of a shell that a user named. Throws a configuration error when there is no such program. */
function requireShell(name: string, env: TaskOptions["env"], cwd: string): string {
  const path = Bun.which(name, { PATH: env["PATH"] ?? "", cwd });
  if (path !== null) return resolve(cwd, path);
  throw configurationError(
    "client",
    `the shell '${name}' does not exist or is not a program - give --shell (task.shell) the path of one, as /bin/bash`,
  );
}
