/*
 * `hs wait`: blocks until a task has ended, and tells what came of it. The waiting itself is in waiting.ts.
 */
import { systemClock } from "../base/clock.ts";
import type { Clock } from "../base/clock.ts";
import { exitStatus } from "../base/errors.ts";
import type { Logger } from "../log/logger.ts";
import type { Records, TaskRecord } from "../history/history.ts";
import type { Command } from "./command.ts";
import type { CommandSpec, Parsed } from "../args/spec.ts";
import { openHistory } from "./history.ts";
import { expectId, fullId, formatOf, formatOptions, idPositional, taskText } from "./one-task.ts";
import { intervalOf, intervalOption, sightOfTask, statusOf, untilEnded } from "./waiting.ts";
import { progressKeys, progressOptions, type Watching, watching } from "./progress.ts";
import { openOutput } from "../print/output.ts";
import type { Output } from "../print/output.ts";
import { themeFor, themeSetting } from "../print/theme.ts";

const spec = {
  name: "hs wait",
  summary: "Waits until a task has ended.",
  usage: ["hs wait ID [-n SEC] [-s | -r | -i [-f FORMAT | --json | --yaml]]"],
  positionals: [idPositional],
  sections: [
    {
      title: "Options",
      options: [
        intervalOption,
        ...progressOptions,
        { key: "info", names: ["-i", "--info"], kind: "flag", help: "Then print the task, as hs info does." },
        ...formatOptions.map((option) => ({ ...option, help: `With --info: ${lowerFirst(option.help)}` })),
        { key: "status", names: ["-s", "--status"], kind: "flag", help: "Then print the exit status of the task." },
        { key: "return", names: ["-r", "--return"], kind: "flag", help: "End with the exit status of the task." },
      ],
    },
  ],
  exclusive: [["info", "status", "return"], ["format", "json", "yaml"], progressKeys],
  epilog: [
    "A task that fails and is tried again has not ended: this waits for its last attempt (each attempt has " +
      "an id of its own, named in the log), and",
    "the last attempt is what -i, -s and -r tell of. What was cancelled has ended, with status -1. There is " +
      "no time limit.",
    "",
    "Exit status: 0 the task has ended, in whatever way (with -r: its own, modulo 256; cancelled is 255), 2 " +
      "bad argument, 3 no database,",
    "4 interrupted, 5 there is no such task, or it was deleted meanwhile.",
  ].join("\n"),
} as const satisfies CommandSpec;

type Words = Parsed<typeof spec>;

function lowerFirst(text: string): string {
  return text.slice(0, 1).toLowerCase() + text.slice(1);
}

/** What `hs wait` needs of its surroundings, so that tests can hand it other ones. */
export interface WaitPorts {
  readonly records: () => Promise<Pick<Records, "find" | "idsWith"> & { close(): Promise<void> }>;
  readonly stdout: () => Output;
  /** The value of console.theme; asked for only where there are colours. */
  readonly theme?: () => string | null;
  readonly log: Logger;
  readonly clock: Clock;
  readonly watching: Watching;
}

export const command: Command = {
  spec,
  bare: "usage",
  run: (parsed: Words, context) =>
    wait(parsed, {
      records: () => openHistory(context),
      stdout: () => openOutput(1, context.env),
      theme: () => context.config().text(themeSetting),
      log: context.loggers("task"),
      clock: systemClock,
      watching: watching(parsed, context),
    }),
};

/** Waits until a task has ended and says how; the exit status. */
export async function wait(parsed: Words, ports: WaitPorts): Promise<number> {
  const word = expectId(parsed);
  const records = await ports.records();
  let task: TaskRecord;
  try {
    const id = await fullId(word, records);
    const { log, clock } = ports;
    let seen: TaskRecord | null = null;
    task = await ports.watching(
      () => sightOfTask(seen, clock.now()),
      () => untilEnded(id, { records, log, clock, intervalMs: intervalOf(parsed), onLook: (found) => (seen = found) }),
    );
  } finally {
    await records.close();
  }
  if (parsed.flag("info")) {
    const stdout = ports.stdout();
    stdout.write(taskText(task, formatOf(parsed), themeFor(stdout, ports.theme)));
  } else if (parsed.flag("status")) ports.stdout().write(`${String(task.exit_status)}\n`);
  return parsed.flag("return") ? statusOf(task) : exitStatus.success;
}
