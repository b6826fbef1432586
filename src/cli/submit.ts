/*
 * `hs submit`: one command, or the lines of a file or of standard input, become tasks in the database, or in that of a
 * running server. Decides which options and defaults hold; submitting.ts does the work.
 */
import { systemClock } from "../base/clock.ts";
import { exitStatus } from "../base/errors.ts";
import { databaseSettings } from "../cluster/database.ts";
import { isStandardInput } from "../base/paths.ts";
import type { Config } from "../config/load.ts";
import { resourceNames } from "../config/resource-names.ts";
import type { Logger } from "../log/logger.ts";
import { largestNumber, requireTags } from "../task/tag.ts";
import type { Submission } from "../task/task.ts";
import { coresOption, dryRunOption, inputFormOf, inputOptions, memoryOption } from "../args/options.ts";
import { reader } from "../args/settled.ts";
import type { CommandSpec, Parsed } from "../args/spec.ts";
import type { Command, Context } from "./command.ts";
import { givenInput, refuseTwoInputs } from "./inputs.ts";
import { heedEnding } from "./interrupt.ts";
import { addressOf, clientTlsOptions, hostOption, keyFileOption, keyOption, keyOptions } from "./network.ts";
import { progressKeys, progressOptions, type Seen, unseen, withProgress } from "./progress.ts";
import { networkWords, portOption } from "./network.ts";
import { chooseInput, expectCommand } from "./submit-input.ts";
import { begin, openDatabase, type Target } from "../cluster/submission.ts";
import {
  type LinesGiven,
  readerOf,
  type Submit,
  submitLines,
  submitOne,
  submitTemplate,
  submitterOf,
} from "./submitting.ts";

const spec = {
  name: "hs submit",
  summary:
    "Adds tasks to the database, or to that of a running server: one command, or each line of a file or of " +
    "standard input.",
  usage: [
    "hs submit [ARGS... | -f FILE] [-t TAG...] [options]",
    "hs submit [ARGS... | -f FILE] [-t TAG...] --queue [-H ADDR] [-p PORT] [--auth-file PATH] [options]",
    "hs submit [options] --template CMD ::: WORD... [::: WORD... | :::+ WORD...]",
  ],
  positionals: [
    {
      key: "args",
      metavar: "ARGS",
      value: "task",
      min: 0,
      max: Infinity,
      help:
        "A command (after -- if it has options), or the name of a file with one command a line ('-' or " +
        "nothing: standard input). A single word must be a file or a program, unless it is after --.",
    },
  ],
  sections: [
    {
      title: "Options",
      options: [
        {
          key: "file",
          names: ["-f", "--task-file"],
          value: "file",
          kind: "text",
          metavar: "FILE",
          help: "Read tasks from FILE, whatever it is ('-': standard input).",
        },
        {
          key: "tag",
          names: ["-t", "--tag"],
          value: "tag",
          kind: "words",
          metavar: "TAG...",
          help:
            "Tags for every task: key, or key:value. gpus:1 is a tag that it needs too; group:2 cores:4 memory:2GB " +
            "timeout:10m are settings, no tags.",
        },
        {
          key: "group",
          names: ["-g", "--group"],
          kind: "integer",
          metavar: "NUM",
          min: 0,
          max: largestNumber,
          help: "Task group. The lowest group goes first; a failure holds back higher ones of the same directory.",
          fallback: "0",
        },
        {
          key: "template",
          names: ["--template"],
          value: "commandLine",
          kind: "text",
          metavar: "CMD",
          help: "Command to make of each line, now, as it is stored; see hsx --help.",
          fallback: "{}",
        },
        ...inputOptions,
        ...progressOptions,
        dryRunOption,
      ],
    },
    {
      title: "What a task needs",
      options: [
        { ...coresOption, max: largestNumber },
        memoryOption,
        {
          key: "timeout",
          names: ["-W", "--timeout"],
          kind: "seconds",
          metavar: "SEC",
          min: 0,
          max: largestNumber,
          setting: "task.timeout",
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
        keyFileOption,
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
  exclusive: [progressKeys, keyOptions],
  takesInputs: true,
  epilog: [
    "Examples:",
    '  hs submit echo "hello world"',
    "  hs submit -- make -C project",
    "  hs submit -f tasks.in -t site:b",
    "  seq 1000 | hs submit -t group:1 demo --template 'echo {}'",
    "  hs submit <(seq 100) --template 'echo {}'",
    "  find in -type f -print0 | hs submit -0 --template 'gzip -k {Q}'     (names with any character)",
    "  hs submit -t site:b --template 'gzip -k {Q}' ::: *.csv     (words as input; see hsx --help)",
    "  hs submit -f tasks.in -t site:b --dry-run     (prints the commands and what they ask for, stores nothing)",
    "  hs submit -f tasks.in --queue -H login07    (key: server.auth, HYPERSHELL_SERVER_AUTH or --auth-file)",
    "",
    "In a file, a line may end with '# HYPERSHELL: site:b cores:4 timeout:10m'; on a line of its own that " +
      "holds for the lines after it.",
    "A file with a line that cannot be a task is not stored at all; of a stream, the good lines are.",
    "",
    "Exit status: 0 all tasks are stored (with --queue: the server said so), 2 bad argument or bad lines, 3 " +
      "no database, 4 interrupted (Ctrl-C), 143 terminated, 5 failure. Interrupted, it says how much is stored.",
  ].join("\n"),
} as const satisfies CommandSpec;

type Words = Parsed<typeof spec>;

async function run(parsed: Words, context: Context): Promise<number> {
  refuseTwoInputs(parsed.inputs, parsed.given("args"), "ARGS (a command for them is given with --template)");
  refuseTwoInputs(parsed.inputs, parsed.given("file"), "argument -f/--task-file");
  const log = context.loggers("submit");
  const given = await givenInput(parsed.inputs, parsed.text("template") ?? null, log);
  const input =
    given === null
      ? chooseInput(parsed.words("args"), parsed.text("file"))
      : ({ kind: "words", words: given.words, note: "from ::: (explicit)" } as const);
  const config = context.config();
  const resources = resourceNames(config);
  const tags = requireTags(parsed.words("tag"), resources);
  // A template makes a command of what is none.
  if (input.kind === "single" && !parsed.verbatim && !parsed.given("template"))
    expectCommand(parsed.words("args"), context.env["PATH"]);
  log.debug(`Submitted ${input.note}`);
  const read = reader(spec, parsed, config);
  const isDry = parsed.flag("dry");
  const dry = isDry ? await dryTargetOf(parsed, context) : null;
  const template = await submitTemplate(given?.template ?? parsed.text("template"), context, { isDry, shell: null });
  const form = inputFormOf(parsed);
  const inputForm = { ...form, isVerbatim: form.isVerbatim || given !== null };
  const readsStdin = input.kind === "lines" && isStandardInput(input.path);
  const toSubmit: Submit = {
    log,
    inputForm,
    resources,
    template,
    bundleSize: parsed.number("bundleSize") ?? configuredBundle(config),
    open: async () =>
      begin(submitterOf(context), {
        tags,
        read: await readerOf(inputForm, resources),
        limits: {
          cores: read("cores"),
          memory: read("memory"),
          timeout: read("timeout"),
        },
        group: parsed.number("group") ?? 0,
        connect: async (submission) => {
          if (dry !== null) return dry.target;
          return parsed.flag("queue")
            ? openServer(parsed, context, config, submission, readsStdin)
            : openDatabase(config, context.loggers("data"), parsed.flag("initdb"));
        },
        patientMs: parsed.flag("queue") || isDry ? 0 : await patienceWith(config, log),
      }),
    isDry,
  };
  if (!parsed.flag("queue")) warnOfIdle(parsed, log);
  if (dry !== null) return dry.around(() => submitGiven(input, toSubmit, context, unseen()));
  const seen = unseen();
  const work = (): Promise<number> => submitGiven(input, toSubmit, context, seen);
  return input.kind === "single" ? work() : withProgress(parsed, context, () => seen.look(), work);
}

/** Submits a command or the lines of an input; the exit status. */
async function submitGiven(input: Given, toSubmit: Submit, context: Context, seen: Seen): Promise<number> {
  if (input.kind !== "single") return submitLines(input, { ...toSubmit, heed: () => heedEnding(context), seen });
  const id = await submitOne(input.line, toSubmit);
  if (!toSubmit.isDry) toSubmit.log.info(`Submitted task (${id})`);
  return exitStatus.success;
}

/** What is to be submitted. */
type Given = ReturnType<typeof chooseInput> | LinesGiven;

/** What prints tasks in place of storing them. */
async function dryTargetOf(parsed: Words, context: Context): Promise<Dry> {
  const { describeDatabase, dryOutputs } = await import("./dry-cluster.ts");
  const { dryTarget, showEnd, showSettings } = await import("./dry-run.ts");
  const outputs = dryOutputs(context, context.config().text("task.shell"));
  const target = dryTarget({ ...outputs, expand: null });
  const isSent = parsed.flag("queue");
  const template = parsed.text("template");
  const settings = [
    ["server", isSent ? "named by -H and -p, not called now" : null],
    ["database", isSent ? "that of the server" : await describeDatabase(context, false)],
    ["template", template ?? "none here: clients apply theirs (-t), else the line is the command"],
  ] as const;
  return {
    target,
    async around(submit) {
      showSettings(outputs, settings);
      const status = await submit();
      showEnd(outputs, target);
      return status;
    },
  };
}

/** A place that prints tasks, and what is said before and after them. */
interface Dry {
  readonly target: Target;
  readonly around: (submit: () => Promise<number>) => Promise<number>;
}

/** Somebody who names a server means one. */
function warnOfIdle(parsed: Words, log: Logger): void {
  for (const option of [hostOption, portOption, keyOption, keyFileOption]) {
    if (parsed.given(option.key))
      log.warning(`argument ${option.names.join("/")}: has no effect without -q/--queue, tasks go to the database`);
  }
}

async function openServer(
  parsed: Words,
  context: Context,
  config: Config,
  submission: Submission,
  readsStdin: boolean,
): Promise<Target> {
  const { loggers } = context;
  const { host, port } = addressOf(parsed, config);
  const { clientSecurity } = await import("../cluster/security.ts");
  const words = await networkWords(parsed, readsStdin ? "the tasks" : null, loggers("submit"));
  const security = await clientSecurity({ ...words, config, loggers, host, role: "submit" });
  const { openQueue } = await import("../cluster/enqueue.ts");
  const heartMs = config.integer("client.heartrate") * 1000;
  return openQueue({ host, port, security, submission, clock: systemClock, heartMs });
}

/** A server of databases is restarted now and then; what is wrong with a file does not pass by itself. Milliseconds. */
const outageMs = 60_000;

async function patienceWith(config: Config, log: Logger): Promise<number> {
  const { databaseOf } = await import("../store/open.ts");
  return databaseOf(databaseSettings(config, log))?.kind === "postgres" ? outageMs : 0;
}

/** The limit of the configuration; unless somebody set a number there is none. */
function configuredBundle(config: Config): number | null {
  const size = config.raw("submit.bundlesize");
  return typeof size === "number" && config.origin("submit.bundlesize").source !== "default" ? size : null;
}

export const command: Command = { spec, bare: "stdin", run };
