/*
 * `hs cluster` (hsx): a server and its client on this machine, in one process. Here are the options and what they mean together;
 * cluster/run.ts does the work.
 */
import { fstatSync, statSync } from "node:fs";
import { argumentError, exitStatus } from "../base/errors.ts";
import type { Command, CommandSpec, Context, Parsed } from "./command.ts";
import { instanceId } from "./instance.ts";
import { programVersion } from "./version.ts";

const spec: CommandSpec = {
  name: "hs cluster",
  summary: "Runs each line of the input as a command, several at a time, and remembers how each one went.",
  usage: ["hsx [FILE | --restart | --forever] [-N NUM] [-t CMD] [-f PATH] [options]"],
  positionals: [
    {
      key: "file",
      metavar: "FILE",
      min: 0,
      max: 1,
      help: "Task file, one command a line ('-' or nothing: standard input).",
    },
  ],
  sections: [
    {
      title: "Options",
      options: [
        {
          key: "executors",
          names: ["-N", "--num-threads", "--num-tasks"],
          kind: "integer",
          metavar: "NUM",
          min: 0,
          help: "Tasks to run at the same time; 0 is the number of cores.",
          fallback: "1",
        },
        {
          key: "template",
          names: ["-t", "--template"],
          kind: "text",
          metavar: "CMD",
          help: "Command to make of each line, see Templates.",
          fallback: "{}, the line itself",
        },
        {
          key: "timeout",
          names: ["-T", "--timeout"],
          kind: "seconds",
          metavar: "SEC",
          min: 0,
          help: "Stop after this long without tasks; 0 is never.",
          fallback: "never",
        },
        {
          key: "delay",
          names: ["-d", "--delay-start"],
          kind: "float",
          metavar: "SEC",
          help: "Wait before the first task; negative: a random time up to that.",
          fallback: "0",
        },
        {
          key: "noConfirm",
          names: ["--no-confirm"],
          kind: "flag",
          help: "Accepted, changes nothing: receipts cost nothing here and stay on.",
        },
      ],
    },
    {
      title: "What is scheduled",
      options: [
        {
          key: "restart",
          names: ["--restart"],
          kind: "flag",
          help: "No new input: run what the database still holds, from hs submit and earlier runs.",
        },
        {
          key: "forever",
          names: ["--forever"],
          kind: "flag",
          help: "Run what the database holds and whatever is submitted later; never stop by itself.",
        },
        {
          key: "retries",
          names: ["-r", "--max-retries"],
          kind: "integer",
          metavar: "NUM",
          min: 0,
          help: "Try a failed task again, this many times.",
          fallback: "0, or server.attempts less one",
        },
        { key: "eager", names: ["--eager"], kind: "flag", help: "Try failed tasks again before new ones." },
        {
          key: "bundleSize",
          names: ["-b", "--bundlesize"],
          kind: "integer",
          metavar: "SIZE",
          min: 1,
          help: "Most tasks to hand over at once.",
          fallback: "as many as there are",
        },
        {
          key: "bundleWait",
          names: ["-w", "--bundlewait"],
          kind: "seconds",
          metavar: "SEC",
          min: 0,
          help: "Accepted, changes nothing: here tasks and results do not wait for a bundle to fill.",
        },
        {
          key: "poll",
          names: ["-Q", "--poll"],
          kind: "seconds",
          metavar: "SEC",
          min: 1,
          help: "Longest pause between two looks at the database when idle.",
          fallback: "30",
        },
      ],
    },
    {
      title: "Database",
      options: [
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
          help: "Accepted, changes nothing: missing tables are created anyway.",
        },
      ],
    },
    {
      title: "Limits",
      options: [
        {
          key: "taskTimeout",
          names: ["-W", "--task-timeout"],
          kind: "seconds",
          metavar: "SEC",
          min: 0,
          help: "Walltime limit of each task; also 90s 10m 2h 1d; 0 is none.",
          fallback: "none",
        },
        {
          key: "signalWait",
          names: ["-S", "--signalwait"],
          kind: "seconds",
          metavar: "SEC",
          min: 0,
          help: "Pause between SIGINT, SIGTERM and SIGKILL for a task that must end.",
          fallback: "10",
        },
      ],
    },
    {
      title: "Output",
      options: [
        {
          key: "capture",
          names: ["--capture"],
          kind: "flag",
          help: "One .out and one .err file per task, under lib/task of the site.",
        },
        {
          key: "output",
          names: ["-o", "--output"],
          kind: "text",
          metavar: "PATH",
          help: "Standard output of all tasks into one file.",
          fallback: "stdout",
        },
        {
          key: "errors",
          names: ["-e", "--errors"],
          kind: "text",
          metavar: "PATH",
          help: "Standard error of all tasks into one file.",
          fallback: "stderr",
        },
        {
          key: "failures",
          names: ["-f", "--failures"],
          kind: "text",
          metavar: "PATH",
          help: "The lines of tasks that failed for good, ready to be input again ('-': stdout).",
        },
      ],
    },
  ],
  exclusive: [["noDb", "initdb"]],
  epilog: [
    "Examples:",
    "  seq 4 | hsx -t 'echo {}'",
    "  find in -name '*.gz' | hsx -N8 -t 'zcat {} | wc -l > out/{/-}.n'",
    "  hsx tasks.in -N0 -r2 -W 10m -f tasks.failed",
    "  hsx --restart -N0                  (after a crash, or Ctrl-C)",
    "",
    "Templates:",
    "  {}                 the line, without its comment",
    "  {/} {/-} {+} {++}  of the line as a path: a.tar.gz, a.tar, .gz, gz for dir/a.tar.gz",
    "  {.} {..} {-}       its folder, the folder of that, the path without its last extension",
    "  {[0]} {[-1]}       a word; {[1:]} {[:3]} {[::-1]} slices as in Python",
    "  {% basename @ %}   what a shell command prints; @ the line, @Q the line quoted, \\@ an at sign",
    "  {= x * 2 =}        the value of a Python expression; x is the line, as a number if it is one",
    "  \\{                 a brace; other {...} stay as they are: awk '{print $1}' needs no escape",
    "",
    "Task lines:",
    "  echo 1  # HYPERSHELL: site:b timeout:10m    tags and settings of this task",
    "  # HYPERSHELL: group:2                       on a line of its own: of all lines after it",
    "",
    "Signals:",
    "  Ctrl-C, TERM   stop every task and go (a second Ctrl-C: at once); what did not finish stays unfinished",
    "  USR1           start nothing more, let running tasks end",
    "  USR2           start nothing more, stop running tasks; their outcomes count",
    "",
    "Exit status: 0 all tasks succeeded, 7 some failed or were not run, 4 interrupted (Ctrl-C), 143 terminated, 2 bad argument, 3 bad configuration, 5 other errors.",
  ].join("\n"),
};

function conflict(condition: boolean, text: string): void {
  if (condition) throw argumentError(text);
}

/** What the parser cannot know: options that contradict each other. */
function checkTogether(parsed: Parsed): void {
  const file = parsed.words("file").length > 0;
  conflict(
    parsed.flag("restart") && parsed.flag("noDb"),
    "--restart continues from a database: not allowed with --no-db",
  );
  conflict(
    parsed.flag("forever") && parsed.flag("noDb"),
    "--forever waits for a database to fill: not allowed with --no-db",
  );
  conflict(parsed.flag("forever") && parsed.flag("restart"), "argument --restart: not allowed with argument --forever");
  conflict(parsed.flag("restart") && file, "--restart takes no new input: not allowed with FILE");
  conflict(
    parsed.flag("capture") && parsed.given("output"),
    "argument --capture: not allowed with argument -o/--output",
  );
  conflict(
    parsed.flag("capture") && parsed.given("errors"),
    "argument --capture: not allowed with argument -e/--errors",
  );
}

/** Opening an output empties it, and with it the tasks that were to be read from the same file (`hsx failed.in -f failed.in`). */
function checkFiles(parsed: Parsed): void {
  if (parsed.flag("restart")) return;
  const path = parsed.words("file")[0] ?? "-";
  const input = identity(path === "-" ? 0 : path);
  if (input === null) return;
  const shown = path === "-" ? "standard input" : `'${path}'`;
  for (const [key, names] of outputs) {
    const output = parsed.text(key);
    if (output === undefined || output === "-" || identity(output) !== input) continue;
    throw argumentError(`argument ${names}: would overwrite the tasks, ${shown} is the same file`);
  }
}

const outputs = [
  ["failures", "-f/--failures"],
  ["output", "-o/--output"],
  ["errors", "-e/--errors"],
] as const;

/** The same for two names of one regular file; null for what is none, or cannot be looked at. */
function identity(file: string | number): string | null {
  try {
    const stats = typeof file === "number" ? fstatSync(file) : statSync(file);
    return stats.isFile() ? `${stats.dev}:${stats.ino}` : null;
  } catch {
    return null;
  }
}

async function run(parsed: Parsed, context: Context): Promise<number> {
  checkTogether(parsed);
  checkFiles(parsed);
  const { runCluster } = await import("../cluster/run.ts");
  const { config } = context;
  const settings = config();
  const seconds = (key: string, setting: string): number | null => {
    const value = parsed.number(key) ?? settings.number(setting);
    return value === null || value === 0 ? null : value * 1000;
  };
  const delay = parsed.number("delay") ?? 0;
  const retries = parsed.number("retries");
  const report = await runCluster({
    instanceId,
    version: programVersion,
    env: context.env,
    cwd: context.cwd,
    config: settings,
    loggers: context.loggers,
    file: parsed.flag("restart") ? null : (parsed.words("file")[0] ?? "-"),
    template: parsed.text("template") ?? null,
    executors: parsed.number("executors") ?? 1,
    attempts: retries === undefined ? (settings.integer("server.attempts") ?? 1) : retries + 1,
    eager: parsed.flag("eager") || settings.boolean("server.eager"),
    noDatabase: parsed.flag("noDb"),
    restart: parsed.flag("restart"),
    forever: parsed.flag("forever"),
    bundleSize: parsed.number("bundleSize") ?? settings.integer("server.bundlesize"),
    pollMs: seconds("poll", "server.poll") ?? 30_000,
    idleMs: seconds("timeout", "client.timeout"),
    taskTimeout: parsed.number("taskTimeout") ?? settings.number("task.timeout"),
    signalWaitMs: (parsed.number("signalWait") ?? settings.number("task.signalwait") ?? 10) * 1000,
    delayMs: (delay < 0 ? Math.random() * -delay : delay) * 1000,
    capture: parsed.flag("capture"),
    output: parsed.text("output") ?? null,
    errors: parsed.text("errors") ?? null,
    failures: parsed.text("failures") ?? null,
  });
  if (report.stoppedBy === "SIGINT") return exitStatus.interrupted;
  if (report.stoppedBy === "SIGTERM") return exitStatus.terminated;
  return report.complete || settings.boolean("server.exitzero") ? exitStatus.success : exitStatus.tasksFailed;
}

export const command: Command = { spec, bare: "stdin", run };
