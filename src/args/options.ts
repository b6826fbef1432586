/*
 * The options that several commands have in common and that mean the same in each. What differs stands with its
 * command.
 */
import type { Config } from "../config/load.ts";
import type { Option, ParsedWith } from "./spec.ts";
import type { ValuesOf } from "./settled.ts";

export const noConfirmOption = {
  key: "noConfirm",
  names: ["--no-confirm"],
  kind: "flag",
  help: "Accepted, changes nothing: receipts cost nothing here and stay on.",
} as const satisfies Option;

const captureOption = {
  key: "capture",
  names: ["--capture"],
  kind: "flag",
  help: "One .out and one .err file per task, under lib/task of the site.",
} as const satisfies Option;

const resultsOption = {
  key: "results",
  names: ["--results"],
  value: "folder",
  kind: "text",
  metavar: "DIR",
  help: "Files for the output of each task, as GNU Parallel has them: DIR/1/VALUE/stdout; or a name as out/{}.txt.",
} as const satisfies Option;

const monitorOption = {
  key: "monitor",
  names: ["--monitor"],
  kind: "flag",
  help: "Measure cores and memory of each task: peaks, and a .csv file under lib/task of the site (hs info ID --perf).",
} as const satisfies Option;

/** The same in every command that starts tasks or stores them. cli/dispatch.ts knows it by its key. */
export const dryRunOption = {
  key: "dry",
  names: ["--dry-run"],
  kind: "flag",
  help: "Print the commands that would run, one a line, with their settings; nothing is stored, run or made.",
} as const satisfies Option;

/** How the input is taken apart; the same words in hsx, hs server and hs submit. */
export const inputOptions = [
  {
    key: "null",
    names: ["-0", "--null"],
    kind: "flag",
    help: "Input is separated by NUL, as by find -print0, and each item is taken as with --verbatim.",
  },
  {
    key: "verbatim",
    names: ["--verbatim"],
    kind: "flag",
    help: "Lines are taken exactly as they are: no comments, no settings, no trimming; empty ones are left out.",
  },
] as const satisfies readonly Option[];

/** What ends an item of the input, and whether it is taken exactly as it is. */
export interface InputForm {
  readonly end: "\n" | "\0";
  readonly isVerbatim: boolean;
}

/** The form of the input that a command line asks for. */
export function inputFormOf(parsed: ParsedWith<(typeof inputOptions)[number]>): InputForm {
  const isNull = parsed.flag("null");
  return { end: isNull ? "\0" : "\n", isVerbatim: isNull || parsed.flag("verbatim") };
}

/** What a task needs, unless it says so itself; hs server has longer names for these two. */
export const coresOption = {
  key: "cores",
  names: ["-c", "--cores"],
  kind: "integer",
  metavar: "NUM",
  min: 0,
  setting: "task.cores",
  help: "Cores; 0 is none.",
  fallback: "none",
} as const satisfies Option;

export const memoryOption = {
  key: "memory",
  names: ["-m", "--memory"],
  kind: "size",
  metavar: "MEM",
  setting: "task.memory",
  help: "Memory, as in 512MB or 1.5GB; 0 is none.",
  fallback: "none",
} as const satisfies Option;

/** Where the output of tasks goes. */
export const outputOptions = [
  captureOption,
  resultsOption,
  monitorOption,
  {
    key: "output",
    names: ["-o", "--output"],
    value: "file",
    kind: "text",
    metavar: "PATH",
    help: "Standard output of all tasks into one file.",
    fallback: "stdout",
  },
  {
    key: "errors",
    names: ["-e", "--errors"],
    value: "file",
    kind: "text",
    metavar: "PATH",
    help: "Standard error of all tasks into one file.",
    fallback: "stderr",
  },
] as const satisfies readonly Option[];

/** What is written of a run; the same words in hsx and in hs server. */
export const jobLogOption = {
  key: "joblog",
  names: ["--joblog"],
  value: "file",
  kind: "text",
  metavar: "PATH",
  help: "A line for each outcome, as GNU Parallel writes them; '-': standard output, +PATH: added to what is there.",
} as const satisfies Option;

export const pollOption = {
  key: "poll",
  names: ["-Q", "--poll"],
  kind: "seconds",
  metavar: "SEC",
  min: 1,
  setting: "server.poll",
  help: "Longest pause between two looks at the database when idle.",
} as const satisfies Option;

export const databaseOptions = [
  {
    key: "noDb",
    names: ["--no-db"],
    kind: "flag",
    help: "Keep nothing: tasks live in memory for this run only.",
  },
  {
    key: "initdb",
    names: ["--initdb"],
    kind: "flag",
    help: "Create missing tables first (PostgreSQL; in an SQLite file they are made anyway).",
  },
] as const satisfies readonly Option[];

// ---- what a client is told: by hs client, or by hsx for clients here and elsewhere

export const executorsOption = {
  key: "executors",
  names: ["-N", "--num-threads", "--num-tasks"],
  kind: "integer",
  metavar: "NUM",
  min: 0,
  preset: 1,
  help: "Tasks to run at the same time; 0 is the number of cores.",
} as const satisfies Option;

export const templateOption = {
  key: "template",
  names: ["-t", "--template"],
  value: "commandLine",
  kind: "text",
  metavar: "CMD",
  help: "Command to make of each line, for tasks that were submitted without one; see hsx --help.",
  fallback: "{}, the line itself",
} as const satisfies Option;

export const idleOption = {
  key: "timeout",
  names: ["-T", "--timeout"],
  kind: "seconds",
  metavar: "SEC",
  min: 1,
  setting: "client.timeout",
  help: "Leave after this long without tasks, whatever the server waits for; also 90s 10m 2h 1d.",
  fallback: "never",
} as const satisfies Option;

export const delayOption = {
  key: "delay",
  names: ["-d", "--delay-start"],
  kind: "float",
  metavar: "SEC",
  preset: 0,
  help: "Wait before connecting; negative: a random time up to that, so that a thousand clients do not come at once.",
} as const satisfies Option;

export const returnOptions = [
  {
    key: "bundleSize",
    names: ["-b", "--bundlesize"],
    kind: "integer",
    metavar: "SIZE",
    min: 1,
    setting: "client.bundlesize",
    help: "Most finished tasks to return at once.",
    fallback: "as many as there are",
  },
  {
    key: "bundleWait",
    names: ["-w", "--bundlewait"],
    kind: "seconds",
    metavar: "SEC",
    min: 0,
    setting: "client.bundlewait",
    help: "Longest that a finished task waits for others to be returned with it; mostly it is milliseconds.",
  },
] as const satisfies readonly Option[];

/** `hs client` has no word for "none": it is started without the option then. */
export const taskTimeoutOption = {
  key: "taskTimeout",
  names: ["-W", "--task-timeout"],
  kind: "seconds",
  metavar: "SEC",
  min: 1,
  setting: "task.timeout",
  help: "Walltime limit of each task; also 90s 10m 2h 1d.",
  fallback: "none",
} as const satisfies Option;

/** How tasks are run and ended; the same words in hsx and in hs client. */
export const taskOptions = [
  {
    key: "signalWait",
    names: ["-S", "--signalwait"],
    kind: "seconds",
    metavar: "SEC",
    min: 0,
    setting: "task.signalwait",
    help: "Pause between SIGINT, SIGTERM and SIGKILL for a task that must end, and its children.",
  },
  {
    key: "shell",
    names: ["--shell"],
    value: "shell",
    kind: "text",
    metavar: "PATH",
    setting: "task.shell",
    help: "Shell that runs tasks, as PATH -c COMMAND: /bin/bash for {1..3}, [[ ]], &>.",
    fallback: "/bin/sh",
  },
  {
    key: "enforce",
    names: ["--enforce"],
    kind: "flag",
    setting: "task.enforce",
    help: "Stop a task, with status -5, that takes more memory than it asked for (memory:2GB).",
  },
] as const satisfies readonly Option[];

/** What else the tasks of a client may use of its host, and until when; the same words in hsx and in hs client. */
export const hostOptions = [
  {
    key: "resource",
    names: ["--resource"],
    value: "resource",
    kind: "text",
    metavar: "NAME:NUM",
    repeatable: true,
    help: "What else tasks can ask for, and how many there are here, as license:3; gpus:NUM in place of those found.",
    fallback: "client.resources, and the gpus that are found",
  },
  {
    key: "until",
    names: ["--until"],
    value: ["+1h", "never"],
    kind: "text",
    metavar: "TIME",
    setting: "client.until",
    help:
      "When the time of the host is up: 18:00, +2h, 2026-11-30T18:00, or never. No task starts whose time limit " +
      "reaches beyond it.",
    fallback: "the end of the batch job",
  },
] as const satisfies readonly Option[];

/** What a client shares out among tasks, and how fast it starts them. */
export const limitOptions = [
  {
    key: "clientCores",
    names: ["-C", "--client-cores"],
    kind: "integer",
    metavar: "NUM",
    min: 0,
    setting: "client.cores",
    help: "Cores of a client that its tasks share; who asks for more than are free (-c, cores:) waits. 0 is all.",
  },
  {
    key: "clientMemory",
    names: ["-M", "--client-memory"],
    kind: "size",
    metavar: "MEM",
    setting: "client.memory",
    help: "Memory of a client that its tasks share in the same way, as 64GB; 0 is all there is.",
  },
  {
    key: "ratelimit",
    names: ["-R", "--ratelimit"],
    kind: "float",
    metavar: "NUM",
    min: 0,
    help: "Most tasks that a client starts in a second; 0.5 is one every two seconds, 0 is no limit.",
    fallback: "client.ratelimit, else no limit",
  },
] as const satisfies readonly Option[];

/** Starts per second and client, above 0; null: no limit. */
export function rateLimitOf(parsed: ParsedWith<(typeof limitOptions)[number]>, config: Config): number | null {
  const isOwn = config.origin("client.ratelimit").source !== "default";
  const rate = parsed.number("ratelimit") ?? config.number(isOwn ? "client.ratelimit" : "task.ratelimit");
  return rate === 0 ? null : rate;
}

/** Everything that hsx passes on to a client, in the order of its words (wordsOf). */
export const clientOptions = [
  executorsOption,
  ...returnOptions,
  templateOption,
  delayOption,
  ...taskOptions,
  captureOption,
  resultsOption,
  monitorOption,
  idleOption,
  taskTimeoutOption,
  ...hostOptions,
  ...limitOptions,
] as const satisfies readonly Option[];

/** What a client is told. */
export type ClientValues = ValuesOf<typeof clientOptions>;
