/*
 * `hs tail`: shows what a task prints, while it runs and wherever that is. The following itself is in tailing.ts.
 */
import { quoted } from "../args/flags.ts";
import type { CommandSpec, Parsed } from "../args/spec.ts";
import { systemClock } from "../base/clock.ts";
import { argumentError, exitStatus } from "../base/errors.ts";
import type { OutputQuery } from "../view/view.ts";
import type { Command, Context } from "./command.ts";
import { openHistory } from "./history.ts";
import { untilInterrupt } from "./interrupt.ts";
import { expectId, fullId, idPositional } from "./one-task.ts";
import { openOutput } from "../print/output.ts";
import { follow, type Start, type Tailing } from "./tailing.ts";
import { patientLook, statusOf } from "./waiting.ts";

const spec = {
  name: "hs tail",
  summary: "Shows what a task prints, as it comes, wherever the task runs.",
  usage: ["hs tail ID [-n NUM | -c NUM] [--stdout | --stderr] [--no-follow] [-r]"],
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
  ],
  exclusive: [
    ["lines", "bytes"],
    ["stdout", "stderr"],
    ["follow", "noFollow"],
    ["return", "noFollow"],
  ],
  epilog: [
    "Both outputs of the task are shown, each on its own: standard error on standard error. They must be kept, by " +
      "hsx --capture or hs client --capture.",
    "What a task prints on another host is fetched from there by ssh, every few seconds.",
    "",
    "A task that has not started is waited for. One that fails and is tried again is followed to its last attempt; " +
      "one whose client was lost begins",
    "anew. Ctrl-C leaves; the task goes on.",
    "",
    "Examples:",
    "  hs tail 01936e2f",
    '  hs tail "$(hs list id -l1 --desc)" -n +1 --stdout > all.txt',
    "",
    "Exit status: 0 the task has ended, in whatever way (with -r: its own, modulo 256; cancelled is 255), 2 bad " +
      "argument, 3 no database,",
    "5 there is no such task, or its output is not kept, 130 Ctrl-C.",
  ].join("\n"),
} as const satisfies CommandSpec;

type Words = Parsed<typeof spec>;

async function run(parsed: Words, context: Context): Promise<number> {
  const word = expectId(parsed);
  const [stdout, stderr] = [openOutput(1, context.env), openOutput(2, context.env)];
  const settled = {
    streams: streamsOf(parsed),
    start: startOf(parsed),
    follows: !parsed.flag("noFollow"),
    write: (stream, text) => (stream === "stdout" ? stdout : stderr).write(text),
    log: context.loggers("task"),
    clock: systemClock,
  } satisfies Partial<Tailing>;
  const task = await untilInterrupt(() => followInDatabase(word, settled, context), {
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
  const { databaseViewing, viewDatabase } = await import("../cluster/viewing/database.ts");
  const records = await openHistory(context);
  try {
    const id = await fullId(word, records);
    const source = await viewDatabase(databaseViewing(context.config(), context.loggers, context.loggers("data")));
    try {
      return await follow(id, { ...settled, source, look: patientLook({ records, ...settled }) });
    } finally {
      await source.close();
    }
  } finally {
    await records.close();
  }
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
