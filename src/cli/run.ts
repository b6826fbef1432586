/*
 * `hs run`: one command, given to the servers and clients that run, as if it ran here: submits it, waits for its end,
 * prints what was captured of it, and ends with its status. Submitting is in submitting.ts, waiting in waiting.ts,
 * getting at output in captured.ts.
 */
import { systemClock } from "../base/clock.ts";
import { UserError, exitStatus } from "../base/errors.ts";
import type { Records, TaskRecord } from "../history/history.ts";
import { capturedFiles, type CapturePorts, isCaptured } from "../cluster/captured.ts";
import { capturePorts, printCaptured } from "./captured.ts";
import type { Command, Context } from "./command.ts";
import { dryRunOption } from "../args/options.ts";
import type { CommandSpec, Parsed } from "../args/spec.ts";
import { openHistory } from "./history.ts";
import { type InterruptPorts, interruptPorts, untilInterrupt } from "./interrupt.ts";
import { openOutput } from "../print/output.ts";
import type { Output } from "../print/output.ts";
import { expectCommand } from "./submit-input.ts";
import { intervalOf, intervalOption, statusOf, untilEnded } from "./waiting.ts";

const spec = {
  name: "hs run",
  summary: "Submits one command, waits until it has ended, prints what it printed, and ends with its status.",
  usage: ["hs run [-n SEC] [-t TAG...] [--dry-run] -- ARGS..."],
  positionals: [
    {
      key: "args",
      metavar: "ARGS",
      value: "command",
      min: 1,
      max: Infinity,
      help:
        "The command, after -- if it has options. One word may be a whole command line; a single name must be that " +
        "of a file or a program, unless it is after --.",
    },
  ],
  sections: [
    {
      title: "Options",
      options: [
        intervalOption,
        {
          key: "tag",
          names: ["-t", "--tag"],
          value: "tag",
          kind: "words",
          metavar: "TAG...",
          help: "Tags: key, or key:value; group:2 cores:4 memory:2GB timeout:10m are settings, no tags.",
        },
        dryRunOption,
      ],
    },
  ],
  exclusive: [],
  epilog: [
    "A server has to run that takes what others submit (hs server --forever), with a client that captures " +
      "output (hs client --capture). If the task fails",
    "and is tried again, this waits for its last attempt. Ctrl-C ends the waiting, not the task.",
    "",
    "Examples:",
    "  hs run -- make -j4",
    "  hs run -t site:b memory:2GB -- ./simulate --steps 100",
    "  hs run 'sort big.txt | uniq -c'",
    "",
    "Exit status: that of the task, modulo 256 (cancelled: 255); 2 bad argument, 3 no database, 4 " +
      "interrupted, 5 the task or its output cannot be found.",
  ].join("\n"),
} as const satisfies CommandSpec;

type Words = Parsed<typeof spec>;

/** What `hs run` needs of its surroundings, so that tests can hand it other ones. */
export interface RunPorts extends InterruptPorts {
  /** Stores the command; its id. */
  readonly submit: (words: readonly string[], tags: readonly string[]) => Promise<string>;
  readonly records: () => Promise<Pick<Records, "find"> & { close(): Promise<void> }>;
  readonly stdout: () => Output;
  readonly stderr: () => Output;
  readonly capture: CapturePorts;
}

export const command: Command = {
  spec,
  bare: "usage",
  run: (parsed: Words, context) => {
    // As 'hs submit' has it: nobody wants to wait for the task of a mistyped name.
    const expect = (): void => {
      if (!parsed.verbatim) expectCommand(parsed.words("args"), context.env["PATH"]);
    };
    if (parsed.flag("dry")) {
      expect();
      return printCommand(parsed, context);
    }
    return run(parsed, {
      submit: async (words, tags) => {
        expect();
        const { submitCommand } = await import("./submitting.ts");
        return submitCommand(words, tags, context);
      },
      records: () => openHistory(context),
      stdout: () => openOutput(1, context.env),
      stderr: () => openOutput(2, context.env),
      capture: capturePorts(context, systemClock),
      ...interruptPorts(context),
    });
  },
};

/** Prints the command with its settings; the exit status. */
async function printCommand(parsed: Words, context: Context): Promise<number> {
  const { describeDatabase, dryOutputs } = await import("./dry-cluster.ts");
  const { dryTarget, showSettings } = await import("./dry-run.ts");
  const { submitCommand } = await import("./submitting.ts");
  const outputs = dryOutputs(context, context.config().text("task.shell"));
  showSettings(outputs, [["database", await describeDatabase(context, false)]]);
  await submitCommand(parsed.words("args"), parsed.words("tag"), context, dryTarget({ ...outputs, expand: null }));
  return exitStatus.success;
}

/** Submits the command, waits for its end and prints what it printed; the exit status of the task. */
export async function run(parsed: Words, ports: RunPorts): Promise<number> {
  const { log } = ports.capture;
  const stored: { id: string | null } = { id: null };
  const work = async (): Promise<TaskRecord> => {
    stored.id = await ports.submit(parsed.words("args"), parsed.words("tag"));
    return end(stored.id, intervalOf(parsed), ports);
  };
  const task = await untilInterrupt(work, ports);
  if (task !== "interrupted") return show(task, ports);
  const { id } = stored;
  if (id !== null) {
    log.warning(
      `Task (${id}) is not cancelled, it stays in the queue - hs wait ${id}, or hs update --cancel -w id==${id}`,
    );
  }
  ports.sayInterrupted();
  return exitStatus.interrupted;
}

async function end(id: string, intervalMs: number, { records: open, capture }: RunPorts): Promise<TaskRecord> {
  const { log, clock } = capture;
  const records = await open();
  try {
    return await untilEnded(id, {
      records,
      log,
      clock,
      intervalMs,
      onIdle: () => log.info(`No server has taken the task yet - it waits for one that takes what others submit`),
    });
  } finally {
    await records.close();
  }
}

/** Prints what there is; the status to end with. */
async function show(task: TaskRecord, { stdout, stderr, capture }: RunPorts): Promise<number> {
  const { log } = capture;
  const status = statusOf(task);
  const files = [
    [capturedFiles.stdout, stdout],
    [capturedFiles.stderr, stderr],
  ] as const;
  const there = files.filter(([file]) => isCaptured(task, file));
  if (there.length === 0 && task.start_time !== null) {
    log.info("The task printed nothing, or its client runs without --capture");
  }
  let failed = false;
  for (const [file, output] of there) {
    try {
      await printCaptured(task, file, output(), capture);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      // The task has ended: its status is worth more than that its output is not to be had.
      log.error(error.message);
      failed = true;
    }
  }
  return failed && status === exitStatus.success ? exitStatus.runtimeError : status;
}
