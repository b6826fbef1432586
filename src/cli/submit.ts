/*
 * `hs submit`: one command, or the lines of a file or of standard input, become tasks in the database, or in that of a running server. Decides
 * what the words mean and which defaults hold; submit/loader.ts does the work.
 */
import { accessSync, constants, statSync } from "node:fs";
import { systemClock } from "../base/clock.ts";
import { UserError, argumentError, configurationError, exitStatus } from "../base/errors.ts";
import { newId } from "../base/ids.ts";
import { hostName, userName } from "../base/process.ts";
import { databaseSettings } from "../cluster/database.ts";
import type { Queue } from "../cluster/enqueue.ts";
import type { Config } from "../config/load.ts";
import type { Logger } from "../log/logger.ts";
import type { Store } from "../store/store.ts";
import type { LineSource } from "../submit/lines.ts";
import type { Expand, Loaded } from "../submit/loader.ts";
import { taskFactory } from "../task/factory.ts";
import type { TaskDefaults, TaskFactory } from "../task/factory.ts";
import type { Submission } from "../task/task.ts";
import { joinWords, quoteWord } from "../task/shellwords.ts";
import { largestNumber, requireTags } from "../task/tag.ts";
import type { TaskSetting } from "../task/tag.ts";
import type { SystemWithShell } from "../base/system.ts";
import type { Command, Context } from "./command.ts";
import type { CommandSpec, Parsed } from "../args/spec.ts";
import { instanceId } from "./instance.ts";
import { clientTlsOptions, addressOf, hostOption, keyOption, networkWords, portOption } from "./network.ts";
import { programVersion } from "./version.ts";

const spec: CommandSpec = {
  name: "hs submit",
  summary:
    "Adds tasks to the database, or to that of a running server: one command, or each line of a file or of standard input.",
  usage: [
    "hs submit [ARGS... | -f FILE] [-t TAG...] [options]",
    "hs submit [ARGS... | -f FILE] [-t TAG...] --queue [-H ADDR] [-p PORT] [-k KEY] [options]",
  ],
  positionals: [
    {
      key: "args",
      metavar: "ARGS",
      min: 0,
      max: Infinity,
      help: "A command (after -- if it has options), or the name of a file with one command a line ('-' or nothing: standard input).",
    },
  ],
  sections: [
    {
      title: "Options",
      options: [
        {
          key: "file",
          names: ["-f", "--task-file"],
          kind: "text",
          metavar: "FILE",
          help: "Read tasks from FILE, whatever it is ('-': standard input).",
        },
        {
          key: "tag",
          names: ["-t", "--tag"],
          kind: "words",
          metavar: "TAG...",
          help: "Tags for every task: key, or key:value; group:2 cores:4 memory:2GB timeout:10m are settings, no tags.",
        },
        {
          key: "group",
          names: ["-g", "--group"],
          kind: "integer",
          metavar: "NUM",
          min: 0,
          max: largestNumber,
          help: "Task group; groups run one after the other.",
          fallback: "the one that runs",
        },
        {
          key: "template",
          names: ["--template"],
          kind: "text",
          metavar: "CMD",
          help: "Command to make of each line, now, as it is stored; see hsx --help.",
          fallback: "{}",
        },
      ],
    },
    {
      title: "What a task needs",
      options: [
        {
          key: "cores",
          names: ["-c", "--cores"],
          kind: "integer",
          metavar: "NUM",
          min: 0,
          max: largestNumber,
          help: "Cores; 0 is none.",
          fallback: "none",
        },
        {
          key: "memory",
          names: ["-m", "--memory"],
          kind: "size",
          metavar: "MEM",
          help: "Memory, as in 512MB or 1.5GB; 0 is none.",
          fallback: "none",
        },
        {
          key: "timeout",
          names: ["-W", "--timeout"],
          kind: "seconds",
          metavar: "SEC",
          min: 0,
          max: largestNumber,
          help: "Walltime limit; also 90s 10m 2h 1d; 0 is none.",
          fallback: "none",
        },
      ],
    },
    {
      title: "To a running server",
      options: [
        {
          key: "queue",
          names: ["-q", "--queue"],
          kind: "flag",
          help: "Send the tasks to a server, with or without a database of its own; none is needed here.",
        },
        hostOption,
        portOption,
        keyOption,
        ...clientTlsOptions,
      ],
    },
    {
      title: "Database",
      options: [
        {
          key: "bundleSize",
          names: ["-b", "--bundlesize"],
          kind: "integer",
          metavar: "SIZE",
          min: 1,
          help: "Most tasks to store at once.",
          fallback: "as many as come",
        },
        {
          key: "bundleWait",
          names: ["-w", "--bundlewait"],
          kind: "seconds",
          metavar: "SEC",
          min: 0,
          help: "Accepted, changes nothing: tasks are stored as soon as they are read.",
        },
        {
          key: "initdb",
          names: ["--initdb"],
          kind: "flag",
          help: "Create missing tables first (PostgreSQL; in an SQLite file they are made anyway).",
        },
      ],
    },
  ],
  exclusive: [],
  epilog: [
    "Examples:",
    '  hs submit echo "hello world"',
    "  hs submit -- make -C project",
    "  hs submit -f tasks.in -t site:b",
    "  seq 1000 | hs submit -t group:1 demo --template 'echo {}'",
    "  hs submit <(seq 100) --template 'echo {}'",
    "  hs submit -f tasks.in --queue -H login07    (key: -k, HYPERSHELL_SERVER_AUTH or server.auth)",
    "",
    "In a file, a line may end with '# HYPERSHELL: site:b cores:4 timeout:10m'; on a line of its own that holds for the lines after it.",
    "A file with a line that cannot be a task is not stored at all; of a stream, the good lines are.",
    "",
    "Exit status: 0 all tasks are stored (with --queue: the server said so), 2 bad argument or bad lines, 3 no database, 5 failure.",
  ].join("\n"),
};

/** What the words mean; `note` says it in the log. */
type Input =
  | { readonly kind: "lines"; readonly path: string; readonly note: string }
  | { readonly kind: "single"; readonly line: string; readonly note: string };

async function run(parsed: Parsed, context: Context): Promise<number> {
  const input = chooseInput(parsed.words("args"), parsed.text("file"));
  const tags = requireTags(parsed.words("tag"));
  const config = context.config();
  const log = context.loggers("submit");
  log.debug(`Submitted ${input.note}`);
  const template = await submitTemplate(parsed.text("template"), context);
  const toSubmit: Submit = {
    log,
    template,
    bundleSize: parsed.number("bundleSize") ?? configuredBundle(config),
    open: async () =>
      begin(context, {
        tags,
        limits: {
          cores: parsed.number("cores"),
          memory: parsed.number("memory"),
          timeout: parsed.number("timeout"),
        },
        group: parsed.number("group"),
        connect: (submission) =>
          parsed.flag("queue")
            ? openServer(parsed, context, config, submission)
            : openDatabase(config, context.loggers("data"), parsed.flag("initdb")),
        patientMs: parsed.flag("queue") ? 0 : await patienceWith(config, log),
        tell: (text) => log.info(text),
      }),
  };
  if (!parsed.flag("queue")) warnOfIdle(parsed, log);
  if (input.kind === "lines") return submitLines(input.path, toSubmit);
  log.info(`Submitted task (${await submitOne(input.line, toSubmit)})`);
  return exitStatus.success;
}

/**
 * One command into the database, words and tags as for `hs submit` (but never the name of a file of commands). The id of the task, once it is
 * stored. Says nothing in the log above DEBUG: for commands that have words of their own about it.
 */
export async function submitCommand(
  words: readonly string[],
  tagWords: readonly string[],
  context: Context,
): Promise<string> {
  const line = commandLine(words);
  const tags = requireTags(tagWords);
  const config = context.config();
  const log = context.loggers("submit");
  const id = await submitOne(line, {
    log,
    template: { expand: null, pure: true },
    bundleSize: null,
    open: () =>
      begin(context, {
        tags,
        limits: {},
        group: undefined,
        connect: () => openDatabase(config, context.loggers("data"), false),
        patientMs: 0,
        tell: (text) => log.debug(text),
      }),
  });
  log.debug(`Submitted task (${id})`);
  return id;
}

interface Beginning {
  readonly tags: readonly TaskSetting[];
  /** What is missing is as configured. */
  readonly limits: Readonly<Partial<Record<"cores" | "memory" | "timeout", number | undefined>>>;
  /** Missing: the one that runs. */
  readonly group: number | undefined;
  readonly connect: (submission: Submission) => Promise<Target>;
  /** How long trouble of the target is waited for, milliseconds. */
  readonly patientMs: number;
  /** How the group was chosen. */
  readonly tell: (text: string) => void;
}

/** The place where tasks go, told who submits, and what makes tasks of lines for it. */
async function begin(context: Context, wish: Beginning): Promise<Begun> {
  const config = context.config();
  const limit = (key: "cores" | "memory" | "timeout"): number | null =>
    (wish.limits[key] ?? config.integer(`task.${key}`)) || null;
  const defaults: Omit<TaskDefaults, "group"> = {
    submitId: instanceId,
    submitHost: hostName(),
    cores: limit("cores"),
    memory: limit("memory"),
    timeout: limit("timeout"),
    settings: wish.tags,
  };
  const submission: Submission = {
    id: instanceId,
    time: systemClock.now(),
    host: hostName(),
    user: userName(context.env),
    cwd: context.cwd,
    template: null,
    version: programVersion,
  };
  const target = await wish.connect(submission);
  await target.addSubmission(submission);
  // A group by tag makes the question idle.
  const tagged = wish.tags.some(({ kind }) => kind === "group");
  const group = wish.group ?? (tagged ? 0 : await defaultGroup(target, wish.tell));
  return { target, factory: taskFactory({ ...defaults, group }, newId), patientMs: wish.patientMs };
}

/** A database, or what stands for one at the other end of a connection. */
type Target = Pick<Store, "durable" | "addSubmission" | "activeGroup" | "insert" | "close"> &
  Partial<Pick<Queue, "broken">>;

interface Submit {
  readonly log: Logger;
  readonly template: SubmitTemplate;
  readonly bundleSize: number | null;
  /** Called when the input has been found good, so that a bad call leaves no trace. */
  readonly open: () => Promise<Begun>;
}

interface Begun {
  readonly target: Target;
  /** How long its trouble is waited for, milliseconds. */
  readonly patientMs: number;
  readonly factory: TaskFactory;
}

/** Somebody who names a server means one. */
function warnOfIdle(parsed: Parsed, log: Logger): void {
  for (const option of [hostOption, portOption, keyOption]) {
    if (parsed.given(option.key))
      log.warning(`argument ${option.names.join("/")}: has no effect without -q/--queue, tasks go to the database`);
  }
}

async function openServer(parsed: Parsed, context: Context, config: Config, submission: Submission): Promise<Target> {
  const { loggers } = context;
  const { host, port } = addressOf(parsed, config);
  const { clientSecurity } = await import("../cluster/security.ts");
  const security = await clientSecurity({ ...networkWords(parsed), config, loggers, host, role: "submit" });
  const { openQueue } = await import("../cluster/enqueue.ts");
  return openQueue({ host, port, security, submission, clock: systemClock });
}

function chooseInput(words: readonly string[], file: string | undefined): Input {
  if (file !== undefined) {
    if (words.length > 0) throw argumentError("argument -f/--task-file: not allowed with ARGS");
    if (file === "") throw argumentError("argument -f/--task-file: the name of a file is missing");
    return { kind: "lines", path: file, note: `from ${file === "-" ? "<stdin>" : file} (explicit)` };
  }
  const [word] = words;
  if (word === undefined) return { kind: "lines", path: "-", note: "from <stdin> (implicit)" };
  if (words.length > 1) return { kind: "single", line: commandLine(words), note: "single task (explicit)" };
  if (word === "-") return { kind: "lines", path: "-", note: "from <stdin> (explicit)" };
  switch (whatIs(word)) {
    case "folder":
      throw argumentError(`'${word}' is a directory, neither a command nor a file of commands`);
    case "program":
      return { kind: "single", line: commandLine(words), note: "single task (implicit - executable)" };
    case "file":
      return { kind: "lines", path: word, note: `from ${word} (implicit - not executable)` };
    case "nothing":
      return { kind: "single", line: commandLine(words), note: "single task (implicit)" };
  }
}

/** The line for the shell that these words stand for. */
function commandLine(words: readonly string[]): string {
  const [word = ""] = words;
  if (words.length > 1) return joinWords(words);
  switch (whatIs(word)) {
    case "folder":
      throw argumentError(`'${word}' is a directory, no command`);
    case "program":
    case "file":
      return quoteWord(word);
    case "nothing":
      // One word may be a whole command line, so it is not quoted.
      return word;
  }
}

function whatIs(path: string): "nothing" | "folder" | "program" | "file" {
  try {
    if (statSync(path).isDirectory()) return "folder";
  } catch {
    return "nothing";
  }
  // Windows knows no x bit: the name tells.
  if (process.platform === "win32") return /\.(?:exe|com|bat|cmd|ps1)$/i.test(path) ? "program" : "file";
  try {
    accessSync(path, constants.X_OK);
    return "program";
  } catch {
    return "file";
  }
}

/** The id of the task, once it is stored. */
async function submitOne(text: string, { template, open }: Submit): Promise<string> {
  const { parseLine } = await import("../task/line.ts");
  const { expanded, stamper } = await import("../submit/loader.ts");
  let line = parseLine(text);
  const { expand } = template;
  if (expand !== null && line.kind === "task") line = await expanded(expand, line.args, line.settings);
  if (line.kind === "bad") throw argumentError(line.reason);
  if (line.kind !== "task") throw argumentError(`there is no command in '${text}'`);
  const { target, factory } = await open();
  const stamp = stamper(systemClock);
  stamp.newBatch();
  const task = factory.build(line.args, line.settings, stamp.next());
  try {
    await target.insert([task]);
  } finally {
    await target.close();
  }
  return task.id;
}

/** Bad lines that are named; of the others the number must do. */
const mostNamed = 10;

async function submitLines(path: string, toSubmit: Submit): Promise<number> {
  const { openLines } = await import("../submit/lines.ts");
  const { load } = await import("../submit/loader.ts");
  const { log, template, bundleSize, open } = toSubmit;
  const { expand, pure } = template;
  const source = openLines(path);
  if (source.regular) await requireGood(source, pure ? expand : null, log);
  const { target, factory, patientMs } = await open();
  const clock = systemClock;
  const { broken } = target;
  const options = { source, factory, store: target, expand, bundleSize, clock, log, patientMs };
  let loaded: Loaded;
  try {
    // Input may pause for long: a server that is gone is told at once.
    loaded = await load(broken === undefined ? options : { ...options, signal: broken });
  } finally {
    // A server has said that all is stored when its connection is closed.
    await target.close();
  }
  const { stored, bad } = loaded;
  log.info(`Submitted ${stored} tasks`);
  if (bad > 0)
    throw badLines(
      `${bad} ${bad === 1 ? "line" : "lines"} of ${source.name} left out - mend and submit what is named above`,
    );
  return exitStatus.success;
}

/** All lines of a file are looked at before the first is stored. */
async function requireGood(source: LineSource, expand: Expand | null, log: Logger): Promise<void> {
  const { check, describeBad } = await import("../submit/loader.ts");
  const { bad, examples } = await check(source, expand, mostNamed);
  if (bad === 0) return;
  for (const line of examples) log.error(describeBad(source.name, line));
  const rest = bad > examples.length ? `, the first ${examples.length} are named above` : "";
  throw badLines(
    `${bad} ${bad === 1 ? "line" : "lines"} of ${source.name} cannot be tasks${rest} - nothing was submitted`,
  );
}

function badLines(text: string): UserError {
  return new UserError(exitStatus.badArgument, "submit", text);
}

async function defaultGroup(store: Target, tell: (text: string) => void): Promise<number> {
  const { group, reason } = await store.activeGroup();
  tell(`Auto-selected task group ${group} (${reason})`);
  return group;
}

/** A server of databases is restarted now and then; what is wrong with a file does not pass by itself. Milliseconds. */
const outageMs = 60_000;

async function patienceWith(config: Config, log: Logger): Promise<number> {
  const { databaseOf } = await import("../store/open.ts");
  return databaseOf(databaseSettings(config, log))?.kind === "postgres" ? outageMs : 0;
}

async function openDatabase(config: Config, log: Logger, create: boolean): Promise<Store> {
  const { hasDatabase, openStore } = await import("../store/open.ts");
  const settings = databaseSettings(config, log);
  if (!hasDatabase(settings)) {
    throw configurationError(
      "submit",
      "no database is configured, so there is no place for tasks to wait - set database.file",
    );
  }
  return openStore({ ...settings, clock: systemClock, create });
}

/** The limit of the configuration; unless somebody set a number there is none. */
function configuredBundle(config: Config): number | null {
  const size = config.raw("submit.bundlesize");
  return typeof size === "number" && config.origin("submit.bundlesize").source !== "default" ? size : null;
}

interface SubmitTemplate {
  /** null: lines are commands as they stand. */
  readonly expand: Expand | null;
  /** Expanding twice does no harm: the template runs no commands. */
  readonly pure: boolean;
}

async function submitTemplate(text: string | undefined, { cwd, env }: Context): Promise<SubmitTemplate> {
  if (text === undefined) return { expand: null, pure: true };
  const { expand, needsShell } = await import("../template/expand.ts");
  const { parseTemplate } = await import("../template/parse.ts");
  const { fileFacts } = await import("../client/templates.ts");
  const { printedBy } = await import("../client/printed.ts");
  const template = parseTemplate(text);
  const system: SystemWithShell = {
    now: systemClock.now,
    environment: (name) => env[name] ?? null,
    file: fileFacts(cwd),
    shell: (asked) => printedBy(shellWords(asked, env), { cwd, env, stderr: "inherit" }).ended,
  };
  return { expand: (args) => expand(template, args, system), pure: !needsShell(template) };
}

function shellWords(asked: string, env: Context["env"]): string[] {
  if (process.platform === "win32") return [env["ComSpec"] ?? "cmd.exe", "/d", "/s", "/c", `"${asked}"`];
  return ["/bin/sh", "-c", "--", asked];
}

export const command: Command = { spec, bare: "stdin", run };
