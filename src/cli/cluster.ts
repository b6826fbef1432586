/*
 * `hs cluster` (hsx): a server and its clients, one in the same process or many that a launcher brings up elsewhere.
 * Here are the options and what they mean together; cluster/run.ts and cluster/launched.ts do the work.
 */
import { failureOptions, failurePolicyOf } from "./failure-policy.ts";
import { argumentError } from "../base/errors.ts";
import { systemClock } from "../base/clock.ts";
import { splitWords } from "../base/shell.ts";
import { saveThreads } from "../base/threads.ts";
import type { HostWishes } from "../cluster/host.ts";
import type { ClusterOptions } from "../cluster/run.ts";
import type { ListeningOptions } from "../cluster/listening.ts";
import type { Launch } from "../launch/orders.ts";
import type { ClusterReport } from "../cluster/serve.ts";
import type { Config } from "../config/load.ts";
import { largestNumber } from "../task/tag.ts";
import type { Command, Context } from "./command.ts";
import type { CommandSpec, Parsed } from "../args/spec.ts";
import { startDelay } from "./delay.ts";
import { expectTaskFile, type GivenInput, givenInput, refuseTwoInputs, tellOfTags } from "./inputs.ts";
import { hostWishes } from "./host-words.ts";
import { elsewhereOptions, launchNamed } from "./launch-words.ts";
import { instanceId } from "./instance.ts";
import {
  clientOptions,
  type ClientValues,
  coresOption,
  databaseOptions,
  delayOption,
  dryRunOption,
  executorsOption,
  hostOptions,
  idleOption,
  inputFormOf,
  inputOptions,
  jobLogOption,
  limitOptions,
  memoryOption,
  noConfirmOption,
  outputOptions,
  pollOption,
  rateLimitOf,
  taskOptions,
  taskTimeoutOption,
  templateOption,
} from "../args/options.ts";
import { type Reader, reader, valuesOf, wordsOf } from "../args/settled.ts";
import { builtIn } from "../config/schema.ts";
import { openOutput } from "../print/output.ts";
import { tlsWords } from "./network.ts";
import { needDatabase, statusOfRun } from "./outcome.ts";
import { clusterNotes } from "./cluster-notes.ts";
import { printingOf, printingOptions } from "./printing.ts";
import { refuseOverwriting } from "./overwrite.ts";
import { asksForProgress, progressKeys, progressOptions, type Seen, unseen, withProgress } from "./progress.ts";
import { autoscaleOptions, checkAutoscaling, policyNamed, policySet, rulesOf, warnOfScaling } from "./scaling.ts";
import { forResults, refuseOtherOutput, resultsGiven } from "./results.ts";
import { programVersion } from "../base/version.ts";

const spec = {
  name: "hs cluster",
  summary: "Runs each line of the input as a command, several at a time, and remembers how each one went.",
  usage: [
    "hsx [FILE | --restart | --forever] [-N NUM] [-t CMD] [-f PATH] [options]",
    "hsx [FILE | --restart | --forever] --launcher=ARGS | --mpi | --ssh [HOST] [options]",
    "hsx [FILE] -A [MODE] [--launcher=ARGS] [-I SIZE] [-X SIZE] [-Y SIZE] [-P SEC] [-F VALUE] [-T SEC] [options]",
    "hsx [options] -t CMD ::: WORD... [::: WORD... | :::+ WORD...]",
  ],
  positionals: [
    {
      key: "file",
      metavar: "FILE",
      value: "file",
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
          ...executorsOption,
          help: "Tasks to run at the same time, on each client; 0 is the number of cores.",
        },
        { ...templateOption, help: "Command to make of each line, see Templates." },
        ...inputOptions,
        {
          ...idleOption,
          min: 0,
          help: "A client leaves after this long without tasks, once no more input can come; 0 is never.",
        },
        {
          ...delayOption,
          help: "Wait before the first task of a client; negative: a random time up to that.",
        },
        dryRunOption,
        noConfirmOption,
      ],
    },
    {
      title: "Clients elsewhere (one of the first three)",
      options: elsewhereOptions,
    },
    {
      title: "Clients that come and go",
      options: autoscaleOptions,
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
        ...failureOptions,
        {
          key: "bundleSize",
          names: ["-b", "--bundlesize"],
          kind: "integer",
          metavar: "SIZE",
          min: 1,
          setting: "server.bundlesize",
          help: "Most tasks to hand to a client, and most results to take from it, at once.",
          fallback: "as many as there are",
        },
        {
          key: "bundleWait",
          names: ["-w", "--bundlewait"],
          kind: "seconds",
          metavar: "SEC",
          min: 0,
          help: "Longest that clients elsewhere hold a result back to send it with others.",
          fallback: "as client.bundlewait has it there",
        },
        pollOption,
      ],
    },
    {
      title: "Database",
      options: databaseOptions,
    },
    {
      title: "What a task needs, unless it says so itself (tasks of FILE)",
      options: [{ ...coresOption, max: largestNumber }, memoryOption],
    },
    {
      title: "Limits",
      options: [
        {
          ...taskTimeoutOption,
          min: 0,
          max: largestNumber,
          help: "Walltime limit of each task; also 90s 10m 2h 1d; 0 is none. A task that reaches it has status -4.",
        },
        ...taskOptions,
        ...limitOptions,
      ],
    },
    {
      title: "Host (of each client)",
      options: hostOptions,
    },
    {
      title: "Output",
      options: [
        ...progressOptions,
        ...outputOptions,
        ...printingOptions,
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
  exclusive: [progressKeys, ["noDb", "initdb"], ["ssh", "mpi", "launcher"]],
  takesInputs: true,
  epilog: clusterNotes,
} as const satisfies CommandSpec;

type Words = Parsed<typeof spec>;

function conflict(condition: boolean, text: string): void {
  if (condition) throw argumentError(text);
}

/** What the parser cannot know: options that contradict each other. */
function checkTogether(parsed: Words): void {
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
  refuseTwoInputs(
    parsed.inputs,
    file,
    parsed.words("file")[0] === "-" ? "-, standard input" : "FILE (a template is given with -t)",
  );
  refuseTwoInputs(parsed.inputs, parsed.flag("restart"), "--restart");
  conflict(parsed.flag("restart") && file, "--restart takes no new input: not allowed with FILE");
  conflict(
    parsed.flag("capture") && parsed.given("output"),
    "argument --capture: not allowed with argument -o/--output",
  );
  conflict(
    parsed.flag("capture") && parsed.given("errors"),
    "argument --capture: not allowed with argument -e/--errors",
  );
  refuseOtherOutput(parsed);
  checkPlace(parsed);
  const isScaled = parsed.given("autoscale");
  conflict(isScaled && parsed.given("ssh"), "argument -A/--autoscaling: not allowed with argument --ssh");
  conflict(isScaled && parsed.flag("mpi"), "argument -A/--autoscaling: not allowed with argument --mpi");
}

const elsewhere = [
  ["ssh", "--ssh"],
  ["mpi", "--mpi"],
  ["autoscale", "-A/--autoscaling"],
  ["launcher", "--launcher"],
] as const;

function isElsewhere(parsed: Words): boolean {
  return elsewhere.some(([key]) => parsed.given(key));
}

/** Where the clients are decides what else makes sense. */
function checkPlace(parsed: Words): void {
  const [, mode] = elsewhere.find(([key]) => parsed.given(key)) ?? [];
  for (const [key, names] of outputs.slice(2))
    conflict(
      mode !== undefined && parsed.given(key),
      `argument ${names}: not allowed with argument ${mode} (the tasks run on other hosts, --capture keeps ` +
        "their output there)",
    );
  conflict(parsed.given("sshArgs") && !parsed.given("ssh"), "argument --ssh-args: only allowed with argument --ssh");
  conflict(
    parsed.given("sshGroup") && parsed.text("ssh") !== "",
    "argument --ssh-group: only allowed with argument --ssh without HOST",
  );
  const bind = parsed.text("bind") ?? "localhost";
  conflict(
    mode === undefined && bind !== "localhost" && bind !== "127.0.0.1",
    `argument -H/--bind: '${bind}' makes sense only with clients elsewhere (--launcher, --mpi, --ssh or -A)`,
  );
  conflict(bind === "", "argument -H/--bind: names no address");
  conflict((parsed.number("port") ?? 0) > 65535, "argument -p/--port: must be at most 65535");
}

const outputs = [
  ["joblog", "--joblog"],
  ["failures", "-f/--failures"],
  ["output", "-o/--output"],
  ["errors", "-e/--errors"],
] as const;

type Shared = Omit<ClusterOptions, "delayMs" | "hearStop" | keyof LocalOnly>;
type LocalOnly = Pick<
  ClusterOptions,
  keyof Limits | "executors" | "idleMs" | "signalWaitMs" | "wishes" | "host" | "output" | "errors"
>;
type Limits = Pick<ClusterOptions, "clientCores" | "clientMemory" | "ratelimit">;

/** One call: its words, and what they mean together with the configuration. */
interface Call {
  readonly parsed: Words;
  readonly context: Context;
  readonly config: Config;
  readonly read: Reader<typeof spec>;
  /** What each client is told. */
  readonly client: ClientValues;
  /** The input on the command line and its template; null: there is none. */
  readonly given: GivenInput | null;
  /** What the user says of the host of a client. */
  readonly host: HostWishes;
  /** What there is to see of the run, once it has begun. */
  readonly seen: Seen;
}

async function callOf(parsed: Words, context: Context): Promise<Call> {
  const config = context.config();
  const read = reader(spec, parsed, config);
  const given = await givenInput(parsed.inputs, read("template") ?? "{}", context.loggers("cluster"));
  const client = valuesOf(clientOptions, read);
  const template = client.template === null || given === null ? client.template : given.template;
  const host = hostWishes(parsed, config, systemClock.now());
  tellOfTags(template, context.loggers("cluster"));
  const results = await resultsGiven(client.results, parsed.inputs, context.cwd);
  const values = { ...client, template, results, ratelimit: rateLimitOf(parsed, config) };
  return { parsed, context, config, read, client: values, given, host, seen: unseen() };
}

/** What a run is given wherever its clients are. */
function shared({ parsed, context, config, read, client, given, seen }: Call): Shared {
  // A scaler runs for ever, and so whatever is there.
  const takesAny = parsed.flag("restart") || parsed.flag("forever") || parsed.given("autoscale");
  const printing = printingOf(parsed, config, takesAny);
  return {
    instanceId,
    version: programVersion,
    env: context.env,
    cwd: context.cwd,
    config,
    loggers: context.loggers,
    file: parsed.flag("restart") || given !== null ? null : (parsed.words("file")[0] ?? "-"),
    words: given === null ? null : forResults(given.words, client.results),
    inputForm: inputFormOf(parsed),
    template: client.template,
    policy: failurePolicyOf(parsed, config),
    noDatabase: parsed.flag("noDb"),
    createTables: parsed.flag("initdb"),
    restart: parsed.flag("restart"),
    forever: parsed.flag("forever"),
    bundleSize: read("bundleSize"),
    pollMs: read("poll") * 1000,
    taskCores: read("cores"),
    taskMemory: read("memory"),
    taskTimeout: read("taskTimeout"),
    failures: read("failures"),
    joblog: read("joblog"),
    shell: client.shell,
    summary: openOutput(2, context.env).isTerminal || asksForProgress(parsed, context),
    onBegin: (look) => (seen.look = look),
    printsTasks: read("output") === null && ((!client.capture && client.results === null) || printing !== null),
    printing,
  };
}

/** Seconds; null: no limit. */
function limit(value: number | null): number | null {
  return value === 0 ? null : value;
}

/** Whoever runs `hs client` by hand cannot ask for less, and means nothing by it. */
function atLeastOne(seconds: number | null): number | null {
  return seconds === null ? null : Math.max(1, seconds);
}

async function runHere(call: Call): Promise<ClusterReport> {
  const { runCluster } = await import("../cluster/run.ts");
  const { onSignals } = await import("../cluster/signals.ts");
  const { client, read, context } = call;
  const idle = limit(client.timeout);
  return runCluster({
    ...shared(call),
    wishes: client,
    executors: client.executors,
    clientCores: client.clientCores,
    clientMemory: client.clientMemory,
    ratelimit: client.ratelimit,
    idleMs: idle === null ? null : idle * 1000,
    signalWaitMs: client.signalWait * 1000,
    host: call.host,
    delayMs: startDelay(client.delay, context.loggers("client")) * 1000,
    output: read("output"),
    errors: read("errors"),
    hearStop: onSignals,
  });
}

/**
 * What clients elsewhere are told. The sizes of bundles only if they were given here: else the configuration over there
 * counts.
 */
function told({ parsed, client, host }: Call): Nullable<ClientValues> {
  return {
    ...client,
    delay: client.delay === 0 ? null : client.delay,
    bundleSize: parsed.number("bundleSize") ?? null,
    // 0 is what a client does by itself.
    clientCores: limit(client.clientCores),
    clientMemory: limit(client.clientMemory),
    // Who waits for whatever is submitted is never idle.
    timeout: parsed.flag("forever") && !parsed.given("autoscale") ? null : atLeastOne(limit(client.timeout)),
    taskTimeout: atLeastOne(limit(client.taskTimeout)),
    until: parsed.given("until") ? untilOf(host) : null,
  };
}

/** The same moment for all clients, whenever they start; what the settings say counts for each by itself. */
function untilOf({ until }: HostWishes): string | null {
  return until === null || until === "never" ? until : `@${Math.ceil(until.at / 1000)}`;
}

type Nullable<T> = { readonly [K in keyof T]: T[K] | null };

async function runElsewhere(call: Call): Promise<ClusterReport> {
  const launch = await launchOf(call);
  const program = launch.kind === "ssh" ? "ssh" : launch.words[0]!;
  const { runLaunched } = await import("../cluster/launched.ts");
  return runLaunched({ ...shared(call), launch, ...(await listening(call, program)) });
}

/** Runs a server here, and clients that come and go. */
async function runWithScaler(call: Call): Promise<ClusterReport> {
  const { parsed, context, config, read, client } = call;
  const log = context.loggers("cluster");
  const policy = policyNamed(parsed.text("autoscale") ?? "", "-A/--autoscaling", context.cwd) ?? policySet(config);
  const rules = rulesOf(parsed, config, { policy, init: read("initSize") }, log);
  const launcher = splitWords(parsed.text("launcher") ?? config.text("autoscale.launcher"), "--launcher");
  const { expectRoom } = await import("../launch/submitted.ts");
  expectRoom(launcher);
  const facts = {
    isRestart: parsed.flag("restart"),
    isForever: parsed.flag("forever"),
    hasFile: parsed.words("file").length > 0 && parsed.words("file")[0] !== "-",
    leavesIdle: limit(client.timeout) !== null,
  };
  warnOfScaling(rules, facts, log);
  const { runScaled } = await import("../cluster/scaled.ts");
  return runScaled({ ...shared(call), launcher, rules, ...(await listening(call, launcher[0] ?? "")) });
}

/** Where the server listens, and how its clients are started by `launcher`. */
async function listening(call: Call, launcher: string): Promise<Omit<ListeningOptions, "env">> {
  const { remoteProgram } = await import("../launch/launcher.ts");
  const { parsed, context, config, read } = call;
  const { freshKey, serverSecurity } = await import("../cluster/security.ts");
  const values = told(call);
  return {
    bind: read("bind"),
    ports: portsOf(read("port")),
    security: (bind) =>
      serverSecurity({ ...tlsWords(parsed), key: freshKey(), config, loggers: context.loggers, bind }),
    client: {
      program: read("remoteExe") ?? remoteProgram(process.execPath, launcher),
      options: wordsOf(clientOptions, values),
      cafile: read("tlsCa"),
      delay: values.delay ?? 0,
      idle: values.timeout,
    },
  };
}

/** Other runs on this host have the built-in port too: then it or any of the thousand after it will do. */
function portsOf(port: number): readonly number[] {
  return port === builtIn("server.port") ? Array.from({ length: 1001 }, (_, at) => port + at) : [port];
}

function launchOf({ parsed, config, read }: Call): Promise<Launch> {
  return launchNamed(config, {
    ssh: parsed.text("ssh"),
    group: read("sshGroup"),
    args: read("sshArgs"),
    passEnvironment: parsed.flag("env"),
    launcher: parsed.flag("mpi") ? "mpirun" : (parsed.text("launcher") ?? ""),
  });
}

/** Prints what would run; the exit status. */
async function printCommands(call: Call): Promise<number> {
  const { parsed, context, read, client } = call;
  const { clusterSettings, printRun } = await import("./dry-cluster.ts");
  const options = shared(call);
  const input = options.restart || options.forever ? null : options;
  const isScaled = parsed.given("autoscale");
  const settings = await clusterSettings(context, {
    input,
    client,
    launch: isElsewhere(parsed) && !isScaled ? await launchOf(call) : null,
    scaledBy: isScaled ? (parsed.text("launcher") ?? context.config().text("autoscale.launcher")) : null,
    output: read("output"),
    errors: read("errors"),
    failures: options.failures,
    joblog: read("joblog"),
    printing: options.printing ?? null,
    noDatabase: options.noDatabase,
    policy: options.policy,
  });
  return printRun({ context, input, template: client.template, shell: client.shell, settings });
}

async function run(parsed: Words, context: Context): Promise<number> {
  checkTogether(parsed);
  checkAutoscaling(parsed, context.cwd);
  if (!parsed.flag("restart") && parsed.inputs === null) {
    const paths = outputs.map(([key, names]) => [names, parsed.text(key)] as const);
    refuseOverwriting(parsed.words("file")[0] ?? "-", paths);
  }
  if (!parsed.flag("restart")) expectTaskFile(parsed.words("file")[0]);
  // This comes before anything is said or done: the program may start anew.
  if (!parsed.flag("dry")) saveThreads(parsed.number("executors") ?? 0);
  const call = await callOf(parsed, context);
  const { config } = call;
  if (parsed.flag("restart")) await needDatabase("--restart continues from a database", config, context.loggers);
  if (parsed.flag("forever")) await needDatabase("--forever waits for a database to fill", config, context.loggers);
  if (parsed.flag("dry")) return printCommands(call);
  const isScaled = parsed.given("autoscale");
  const work = isScaled ? runWithScaler : isElsewhere(parsed) ? runElsewhere : runHere;
  const report = await withProgress(
    parsed,
    context,
    () => call.seen.look(),
    () => work(call),
  );
  return statusOfRun(report, isScaled || parsed.flag("forever"), config);
}

export const command: Command = { spec, bare: "stdin", run };
