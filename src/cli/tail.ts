/*
 * `hs tail`: shows what a task prints, while it runs and wherever that is. The following itself is in tailing.ts.
 */
import { quoted } from "../args/flags.ts";
import type { CommandSpec, Parsed } from "../args/spec.ts";
import { systemClock } from "../base/clock.ts";
import { argumentError, exitStatus } from "../base/errors.ts";
import { parseId } from "../base/ids.ts";
import type { OutputQuery, ViewSource } from "../view/view.ts";
import type { Command, Context } from "./command.ts";
import { openHistory } from "./history.ts";
import { untilInterrupt } from "./interrupt.ts";
import {
  addressOf,
  clientTlsOptions,
  hostOption,
  keyFileOption,
  keyOption,
  keyOptions,
  networkWords,
  portOption,
} from "./network.ts";
import { expectId, fullId, idPositional, notFound } from "./one-task.ts";
import { openOutput } from "../print/output.ts";
import { follow, type Start, type Tailing } from "./tailing.ts";
import { patientLook, statusOf } from "./waiting.ts";

/** Each of them asks for a server. */
const networkOptions = [hostOption, portOption, keyOption, keyFileOption, ...clientTlsOptions] as const;

const spec = {
  name: "hs tail",
  summary: "Shows what a task prints, as it comes, wherever the task runs.",
  usage: [
    "hs tail ID [-n NUM | -c NUM] [--stdout | --stderr] [--no-follow] [-r]",
    "hs tail ID [-H ADDR] [-p PORT] [--auth-file PATH] [options]",
  ],
  positionals: [idPositional],
  sections: [
    {
      title: "Options",
      options: [
        {
          key: "lines",
          names: ["-n", "--lines"],
          value: "free",
          kind: "text",
          metavar: "NUM",
          help: "Begin with the last NUM lines of each output; +NUM: from line NUM on, +1 is all.",
          fallback: "10",
        },
        {
          key: "bytes",
          names: ["-c", "--bytes"],
          value: "free",
          kind: "text",
          metavar: "NUM",
          help: "The same in bytes.",
        },
        { key: "stdout", names: ["--stdout"], kind: "flag", help: "Standard output only." },
        { key: "stderr", names: ["--stderr"], kind: "flag", help: "Standard error only; it comes on standard error." },
        {
          key: "follow",
          names: ["-f", "--follow"],
          kind: "flag",
          help: "Go on until the task has ended; it is so without this, too.",
        },
        { key: "noFollow", names: ["--no-follow"], kind: "flag", help: "Show what there is, and end." },
        { key: "return", names: ["-r", "--return"], kind: "flag", help: "End with the exit status of the task." },
      ],
    },
    { title: "Of a running server, in place of the database", options: networkOptions },
  ],
  exclusive: [keyOptions, ["lines", "bytes"], ["stdout", "stderr"], ["follow", "noFollow"], ["return", "noFollow"]],
  epilog: [
    "Both outputs of the task are shown, each on its own: standard error on standard error. They must be kept, by " +
      "hsx --capture or hs client --capture.",
    "What a task prints on another host is fetched from there by ssh, every few seconds. A running server (-H, -p) " +
      "asks the client instead, without ssh; then",
    "only this attempt is followed, -r has no status to end with, and a server that ends with the task may take the " +
      "last lines with it. Without a database of its own it knows nothing of tasks that have not started.",
    "",
    "A task that has not started is waited for. One that fails and is tried again is followed to its last attempt; " +
      "one whose client was lost begins",
    "anew. Ctrl-C leaves; the task goes on.",
    "",
    "Examples:",
    "  hs tail 01936e2f",
    '  hs tail "$(hs list id -l1 --desc)" -n +1 --stdout > all.txt',
    "  hs tail 01936e2f-4a5b -H login07             (key: server.auth, HYPERSHELL_SERVER_AUTH or --auth-file)",
    "",
    "Exit status: 0 the task has ended, in whatever way (with -r: its own, modulo 256; cancelled is 255), 2 bad " +
      "argument, 3 no database,",
    "5 there is no such task, or its output is not kept, 130 Ctrl-C.",
  ].join("\n"),
} as const satisfies CommandSpec;

type Words = Parsed<typeof spec>;

async function run(parsed: Words, context: Context): Promise<number> {
  const word = expectId(parsed);
  if (parsed.flag("return") && namesServer(parsed))
    throw argumentError(
      "argument -r/--return: a server does not tell the status: not allowed with -H, -p and the like",
    );
  const [stdout, stderr] = [openOutput(1, context.env), openOutput(2, context.env)];
  const settled = {
    streams: streamsOf(parsed),
    start: startOf(parsed),
    follows: !parsed.flag("noFollow"),
    write: (stream, text) => (stream === "stdout" ? stdout : stderr).write(text),
    log: context.loggers("task"),
    clock: systemClock,
  } satisfies Partial<Tailing>;
  const start = (): ReturnType<typeof follow> =>
    namesServer(parsed) ? followAtServer(word, settled, parsed, context) : followInDatabase(word, settled, context);
  const task = await untilInterrupt(start, {
    onInterrupt(interrupted) {
      process.on("SIGINT", interrupted);
      return () => process.off("SIGINT", interrupted);
    },
    sayInterrupted: () => undefined,
  });
  if (task === "interrupted") return exitStatus.left;
  return parsed.flag("return") && task !== null ? statusOf(task) : exitStatus.success;
}

type Settled = Omit<Tailing, "source" | "look">;

async function followInDatabase(word: string, settled: Settled, context: Context): ReturnType<typeof follow> {
  const { capturePortsOf } = await import("../cluster/captured.ts");
  const { newOutputs } = await import("../cluster/viewing/output.ts");
  const outputs = newOutputs(capturePortsOf(context.config(), context.loggers, systemClock));
  const records = await openHistory(context);
  const output: Tailing["source"]["output"] = async (query) => {
    const task = await records.find(query.id);
    if (task === null) throw notFound(query.id);
    return outputs.piece(task, query);
  };
  try {
    const id = await fullId(word, records);
    return await follow(id, { ...settled, source: { output }, look: patientLook({ records, ...settled }) });
  } finally {
    outputs.close();
    await records.close();
  }
}

/** Whether the command line names a server, which is asked then in place of the database. */
function namesServer(parsed: Words): boolean {
  return networkOptions.some(({ key }) => parsed.given(key));
}

async function followAtServer(
  word: string,
  settled: Settled,
  parsed: Words,
  context: Context,
): ReturnType<typeof follow> {
  const config = context.config();
  const { loggers } = context;
  const { host, port } = addressOf(parsed, config);
  const words = await networkWords(parsed, null, loggers("task"));
  const { clientSecurity } = await import("../cluster/security.ts");
  const security = await clientSecurity({ ...words, config, loggers, host, role: "task" });
  const { viewRemote } = await import("../cluster/viewing/remote.ts");
  const source = await viewRemote({ host, port, security, logger: "task" });
  try {
    return await follow(await fullIdAt(source, word), { ...settled, source, look: null });
  } finally {
    await source.close();
  }
}

/** How many tasks that run, or failed last, are looked through for one whose id begins so. */
const mostSeen = 1000;

/** The whole id of a task. A server is not searched: it tells what runs, and what failed last. */
async function fullIdAt(source: ViewSource, word: string): Promise<string> {
  if (parseId(word) !== null) return word;
  const { running, failures } = await source.look({ most: mostSeen, filter: word });
  const ids = new Set([...running, ...failures].map(({ id }) => id).filter((id) => id.startsWith(word)));
  return fullId(word, { idsWith: () => Promise.resolve([...ids]) });
}

function streamsOf(parsed: Words): readonly OutputQuery["stream"][] {
  if (parsed.flag("stdout")) return ["stdout"];
  return parsed.flag("stderr") ? ["stderr"] : ["stdout", "stderr"];
}

const usualLines = 10;

/** Where to begin. Throws argumentError for what is no number. */
function startOf(parsed: Words): Start {
  const unit = parsed.given("bytes") ? "bytes" : "lines";
  const text = parsed.text(unit) ?? `${usualLines}`;
  const count = /^\+?\d{1,15}$/.test(text) ? Number(text.replace("+", "")) : null;
  if (count === null) {
    const names = unit === "bytes" ? "-c/--bytes" : "-n/--lines";
    throw argumentError(`argument ${names}: must be a number, or one after a plus, not ${quoted(text)}`);
  }
  return { unit, count, isFromStart: text.startsWith("+") };
}

export const command: Command = { spec, bare: "usage", run };
