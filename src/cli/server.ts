/*
 * `hs server`: a server by itself, to which clients and submitters come. Here are the options and what they mean
 * together; cluster/standalone.ts does the work.
 */
import { failureOptions, failurePolicyOf } from "./failure-policy.ts";
import { argumentError, exitStatus } from "../base/errors.ts";
import type { ClusterReport } from "../cluster/serve.ts";
import { isStandardInput } from "../base/paths.ts";
import { largestNumber } from "../task/tag.ts";
import { asksForProgress, progressKeys, progressOptions, unseen, withProgress } from "./progress.ts";
import type { Command, Context } from "./command.ts";
import type { CommandSpec, Parsed } from "../args/spec.ts";
import type { InputOptions } from "../cluster/feed.ts";
import { expectTaskFile, givenInput, refuseTwoInputs } from "./inputs.ts";
import { instanceId } from "./instance.ts";
import { coresOption, databaseOptions, dryRunOption, inputFormOf, inputOptions } from "../args/options.ts";
import { jobLogOption, memoryOption, noConfirmOption, pollOption } from "../args/options.ts";
import { reader } from "../args/settled.ts";
import { builtIn } from "../config/schema.ts";
import { keyFileOption, keyOption, keyOptions, networkWords } from "./network.ts";
import { portOf, portOption, serverTlsOptions } from "./network.ts";
import { openOutput } from "../print/output.ts";
import { needDatabase, statusOfRun } from "./outcome.ts";
import { printingOf, serverPrintingOptions } from "./printing.ts";
import { refuseOverwriting } from "./overwrite.ts";
import { openWeb, webOptions } from "./web.ts";
import { programVersion } from "../base/version.ts";

const spec = {
  name: "hs server",
  summary: "Hands tasks to the clients that connect to it, and remembers how each one went.",
  usage: [
    "hs server [FILE | --forever | --restart] [-H ADDR] [-p PORT] [--auth-file PATH] [options]",
    "hs server [options] ::: WORD... [::: WORD...]",
  ],
  positionals: [
    {
      key: "file",
      metavar: "FILE",
      value: "file",
      min: 0,
      max: 1,
      help: "Task file, one command a line ('-' or nothing: standard input); ends when all of it is done.",
    },
  ],
  sections: [
    {
      title: "Options",
      options: [
        ...inputOptions,
        {
          key: "bind",
          names: ["-H", "--bind"],
          value: "address",
          kind: "text",
          metavar: "ADDR",
          setting: "server.bind",
          help: "Address to listen on; 0.0.0.0 (or ::) is every one of this host.",
          fallback: "localhost, or server.bind",
        },
        { ...portOption, help: "Port to listen on; 0 is any that is free." },
        keyOption,
        keyFileOption,
        ...serverTlsOptions,
        dryRunOption,
        {
          key: "availablePorts",
          names: ["--available-ports"],
          kind: "flag",
          help: "Print ten free ports and stop.",
          hidden: true,
        },
      ],
    },
    { title: "Page", options: webOptions },
    {
      title: "What is scheduled",
      options: [
        {
          key: "forever",
          names: ["--forever"],
          kind: "flag",
          help: "No input: run what the database holds and whatever is submitted later; never stop by itself.",
        },
        {
          key: "restart",
          names: ["--restart"],
          kind: "flag",
          help: "No input: run what the database still holds, from hs submit and earlier runs, then stop.",
        },
        ...failureOptions,
        {
          key: "bundleSize",
          names: ["-b", "--bundlesize"],
          kind: "integer",
          metavar: "SIZE",
          min: 1,
          setting: "server.bundlesize",
          help: "Most tasks to hand to a client at once.",
          fallback: "as many as there are",
        },
        {
          key: "bundleWait",
          names: ["-w", "--bundlewait"],
          kind: "seconds",
          metavar: "SEC",
          min: 0,
          help: "Accepted, changes nothing: tasks do not wait for a bundle to fill.",
        },
        pollOption,
        noConfirmOption,
      ],
    },
    {
      title: "What a task needs, unless it says so itself (tasks of FILE)",
      options: [
        { ...coresOption, names: ["-c", "--task-cores"], max: largestNumber },
        { ...memoryOption, names: ["-m", "--task-memory"] },
        {
          key: "taskTimeout",
          names: ["-W", "--task-timeout"],
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
      title: "Database",
      options: databaseOptions,
    },
    {
      title: "Output",
      options: [
        ...serverPrintingOptions,
        ...progressOptions,
        {
          key: "print",
          names: ["--print"],
          kind: "flag",
          help: "What -f writes, on standard output.",
        },
        {
          key: "failures",
          names: ["-f", "--failures"],
          value: "file",
          kind: "text",
          metavar: "PATH",
          help: "What is still to do, to be input again: tasks that failed or were held back; with --no-db all others.",
        },
        jobLogOption,
      ],
    },
  ],
  exclusive: [progressKeys, keyOptions, ["noDb", "initdb"], ["print", "failures"]],
  takesInputs: true,
  epilog: [
    "Examples:",
    "  hs config set server.auth --generate                     (a key, once; other hosts need the same)",
    "  hs server --forever -H 0.0.0.0 -r2                       (on a login node)",
    "  hs client -H login07 -N16 -T60 --capture                 (on each compute node, as many as you like)",
    "  hs submit -f tasks.in                                    (where the database is)",
    "  hs submit -f tasks.in --queue -H login07                 (anywhere)",
    "",
    "  hs server tasks.in -f tasks.failed -H 0.0.0.0            (ends when all is done; clients leave by themselves)",
    "  hs server --no-db --forever --print                      (in memory, fed by hs submit --queue)",
    "",
    "  hs server -H 0.0.0.0 ::: a b ::: 1 2                     (lines 'a 1' 'a 2' 'b 1' 'b 2'; see hsx --help)",
    "",
    "Clients:",
    "  They need the address, the port and the key; nothing has to be copied to them. A client that is lost " +
      "gives its tasks to others after",
    "  server.grace seconds (30), or server.evict (600) if its connection stays open. A server that was " +
      "killed is started again with --restart or",
    "  --forever on the same port: its clients go on meanwhile, come back, and deliver what they have finished.",
    "",
    "Page:",
    "  --web 8080 prints a link with a token once, on stderr. ADDR beyond this host needs TLS. /metrics is for " +
      "Prometheus (docs/server.md).",
    "",
    "Signals:",
    "  Ctrl-C, TERM   clients stop every task and leave; what did not finish stays unfinished",
    "                 (either of them again waits for no client: what one may still run is left to it for " +
      "server.grace, as after a crash)",
    "  USR1           hand out nothing more, let running tasks end",
    "  USR2           hand out nothing more, stop running tasks; their outcomes count",
    "  HUP            begin a new log file (logging.file), nothing else",
    "",
    "  With a database, the rest of FILE is stored first after any of them, so that --restart has all of it.",
    "  A signal to the whole job (a time limit, scancel, systemd): a task that it ended within 2 seconds of its " +
      "client is run again, not failed.",
    "",
    "Exit status: 0 all tasks succeeded (or --forever was drained), 7 some failed or were not run, 4 " +
      "interrupted (Ctrl-C), 143 terminated, 2 bad argument, 3 bad configuration, 5 other errors.",
  ].join("\n"),
} as const satisfies CommandSpec;

type Words = Parsed<typeof spec>;

/** What the parser cannot know: options that contradict each other. */
function checkTogether(parsed: Words): void {
  const file = parsed.words("file").length > 0;
  const refuse = (condition: boolean, text: string): void => {
    if (condition) throw argumentError(text);
  };
  const [forever, restart] = [parsed.flag("forever"), parsed.flag("restart")];
  refuse(forever && restart, "argument --restart: not allowed with argument --forever");
  refuse(file && forever, "--forever takes no input of its own (hs submit gives it tasks): not allowed with FILE");
  refuse(file && restart, "--restart takes no new input: not allowed with FILE");
  refuseTwoInputs(parsed.inputs, file, "FILE");
  refuseTwoInputs(parsed.inputs, forever, "--forever (hs submit gives it tasks)");
  refuseTwoInputs(parsed.inputs, restart, "--restart");
  refuse(restart && parsed.flag("noDb"), "--restart continues from a database: not allowed with --no-db");
  if (!forever && !restart && parsed.inputs === null)
    refuseOverwriting(parsed.words("file")[0] ?? "-", [
      ["-f/--failures", parsed.text("failures")],
      ["--joblog", parsed.text("joblog")],
    ]);
}

async function run(parsed: Words, context: Context): Promise<number> {
  if (parsed.flag("availablePorts")) return printPorts(context);
  checkTogether(parsed);
  const config = context.config();
  const read = reader(spec, parsed, config);
  const bind = read("bind").replace(/^\[(.*)\]$/, "$1");
  const port = portOf(parsed, config, 0);
  const [forever, restart] = [parsed.flag("forever"), parsed.flag("restart")];
  const given = await givenInput(parsed.inputs, null, context.loggers("server"));
  const file = forever || restart || given !== null ? null : (parsed.words("file")[0] ?? "-");
  if (restart) await needDatabase("--restart continues from a database", config, context.loggers);
  expectTaskFile(file ?? undefined);
  if (parsed.flag("dry")) return printTasks(parsed, context, { file, words: given?.words ?? null });
  // A file that is not there is told of before a key is asked for and a certificate is made.
  const { checkInput } = await import("../cluster/feed.ts");
  await checkInput(file);
  const { serverSecurity } = await import("../cluster/security.ts");
  const stdin = file !== null && isStandardInput(file) ? "the task file" : null;
  const words = await networkWords(parsed, stdin, context.loggers("server"));
  const security = await serverSecurity({ ...words, config, loggers: context.loggers, bind });
  const { runServerAlone } = await import("../cluster/standalone.ts");
  const { onSignals } = await import("../cluster/signals.ts");
  const seen = unseen();
  const page = await openWeb(parsed, context, security.tls);
  const serving = (): Promise<ClusterReport> =>
    runServerAlone({
      instanceId,
      version: programVersion,
      cwd: context.cwd,
      config,
      loggers: context.loggers,
      file,
      words: given?.words ?? null,
      inputForm: inputFormOf(parsed),
      policy: failurePolicyOf(parsed, config),
      noDatabase: parsed.flag("noDb"),
      createTables: parsed.flag("initdb"),
      restart,
      forever,
      bundleSize: read("bundleSize"),
      pollMs: read("poll") * 1000,
      taskCores: read("cores"),
      taskMemory: read("memory"),
      taskTimeout: read("taskTimeout"),
      shell: null,
      failures: parsed.flag("print") ? "-" : read("failures"),
      joblog: read("joblog"),
      printing: printingOf(parsed, config, forever || restart),
      summary: openOutput(2, context.env).isTerminal || asksForProgress(parsed, context),
      onBegin: (look) => (seen.look = look),
      onServing: (shown) => page?.show(shown.view()),
      bind,
      port,
      security,
      hearStop: onSignals,
    });
  try {
    const report = await withProgress(parsed, context, () => seen.look(), serving);
    return statusOfRun(report, forever, config);
  } finally {
    await page?.close("The run has ended");
  }
}

/** Prints the tasks of an input as they would go to clients; the exit status. */
async function printTasks(
  parsed: Words,
  context: Context,
  source: Pick<InputOptions, "file" | "words">,
): Promise<number> {
  const { describeDatabase, describeInput, describeJobLog, describePolicy, describePrinting, printRun } =
    await import("./dry-cluster.ts");
  const config = context.config();
  const read = reader(spec, parsed, config);
  const input =
    source.file === null && source.words === null
      ? null
      : {
          ...source,
          inputForm: inputFormOf(parsed),
          taskCores: read("cores"),
          taskMemory: read("memory"),
          taskTimeout: read("taskTimeout"),
        };
  if (input === null && parsed.flag("noDb"))
    throw argumentError("argument --dry-run: a server with --forever and --no-db has nothing to run before it starts");
  const settings = [
    ["input", describeInput(input)],
    ["template", "that of each client (hs client -t), else {}, the line itself"],
    ["clients", `those that come to ${read("bind")}, port ${portOf(parsed, config, 0)}`],
    ["database", await describeDatabase(context, parsed.flag("noDb"))],
    ["retries", describePolicy(failurePolicyOf(parsed, config))],
    ["failure file", parsed.flag("print") ? "standard output" : read("failures")],
    ["printed", describePrinting(printingOf(parsed, config, input === null))],
    ["job log", describeJobLog(read("joblog"))],
  ] as const;
  return printRun({ context, input, template: null, shell: config.text("task.shell"), settings });
}

const portsShown = 10;

/** For shell completion. */
async function printPorts(context: Context): Promise<number> {
  const { freePorts } = await import("../cluster/ports.ts");
  for (const port of await freePorts(builtIn("server.port"), portsShown)) openOutput(1, context.env).write(`${port}\n`);
  return exitStatus.success;
}

export const command: Command = { spec, bare: "stream", run };
