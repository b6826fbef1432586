/*
 * `hs info`: one task, as a record, as data, a single field of it, or what it printed (which may have to be fetched:
 * captured.ts).
 */
import { systemClock } from "../base/clock.ts";
import { exitStatus } from "../base/errors.ts";
import type { Records, RecordStore, TaskRecord } from "../history/history.ts";
import { fieldNamed, fieldNames, type TaskField } from "../task/field.ts";
import { capturedFiles, type CapturePorts, readCaptured } from "../cluster/captured.ts";
import { capturePorts, printCaptured } from "./captured.ts";
import type { Command } from "./command.ts";
import type { CommandSpec, Parsed } from "../args/spec.ts";
import { openHistory } from "./history.ts";
import { expectId, fullId, formatOf, formatOptions, idPositional, notFound, taskText } from "./one-task.ts";
import { openOutput } from "../print/output.ts";
import type { Output } from "../print/output.ts";
import { jsonOf } from "../print/render.ts";
import { themeFor, themeSetting } from "../print/theme.ts";
import type { Theme } from "../print/theme.ts";
import { holdsFloats, isTags, raw, visibleLines } from "../print/value.ts";
import { yamlTags } from "../print/yaml.ts";

const spec = {
  name: "hs info",
  summary: "Shows one task: what was submitted, how it went, and what it printed.",
  usage: ["hs info ID [-f FORMAT | --json | --yaml]", "hs info ID (-x FIELD | --stdout | --stderr | --perf)"],
  positionals: [idPositional],
  sections: [
    {
      title: "Options",
      options: [
        ...formatOptions,
        {
          key: "extract",
          names: ["-x", "--extract"],
          value: "field",
          kind: "text",
          metavar: "FIELD",
          choices: fieldNames,
          help: "Print this field alone.",
        },
        { key: "stdout", names: ["--stdout"], kind: "flag", help: "Print the captured output of the task." },
        {
          key: "stderr",
          names: ["--stderr"],
          kind: "flag",
          help: "Print the captured errors of the task, on standard error.",
        },
        {
          key: "perf",
          names: ["--perf"],
          kind: "flag",
          help: "Print what the task used over time (CSV); on a terminal it is drawn.",
        },
        {
          key: "ignorePartitions",
          names: ["-i", "--ignore-partitions"],
          kind: "flag",
          help: "Leave out what was rotated out of the database (hs initdb --rotate).",
        },
      ],
    },
  ],
  exclusive: [
    ["stdout", "stderr", "perf", "extract"],
    ["format", "json", "yaml"],
  ],
  epilog: [
    "What a task printed is kept by its client, if that was started with --capture (what it used: --monitor), on " +
      "the host where it ran. From another host it",
    "is fetched with sftp, or ssh, by the name in client_host, and kept here in lib/task of the site. Your " +
      "ssh configuration, keys, agent and known",
    "hosts count, as do ssh.config and ssh.args of this program's configuration; nothing is asked, and no " +
      "unknown host is trusted.",
    "",
    "Examples:",
    "  hs info ID -x exit_status          how it ended",
    "  hs info ID --stdout > result.txt   what it printed, wherever it ran",
    "  hs info ID --perf                  how many cores and how much memory it had, from start to end",
    "",
    "Exit status: 0 success, 2 bad argument, 3 no database, 5 there is no such task, " +
      "or its output cannot be read or fetched.",
  ].join("\n"),
} as const satisfies CommandSpec;

type Words = Parsed<typeof spec>;

/** What `hs info` needs of its surroundings, so that tests can hand it other ones. */
export interface InfoPorts {
  readonly records: () => Promise<Records & Pick<RecordStore, "servers" | "close">>;
  readonly stdout: () => Output;
  readonly stderr: () => Output;
  readonly capture: CapturePorts;
  /** The value of console.theme; asked for only where there are colours. */
  readonly theme?: () => string | null;
}

export const command: Command = {
  spec,
  bare: "usage",
  run: (parsed: Words, context) =>
    info(parsed, {
      records: () => openHistory(context, parsed.flag("ignorePartitions")),
      stdout: () => openOutput(1, context.env),
      stderr: () => openOutput(2, context.env),
      capture: capturePorts(context, systemClock),
      theme: () => context.config().text(themeSetting),
    }),
};

/** Prints a task, a field of it, or what it printed; the exit status. Throws UserError when there is no such task. */
export async function info(parsed: Words, ports: InfoPorts): Promise<number> {
  const format = formatOf(parsed);
  const task = await find(expectId(parsed), format === "normal", ports);
  const file = Object.values(capturedFiles).find(({ option }) => parsed.flag(option));
  const field = fieldNamed(parsed.text("extract") ?? "");
  if (file?.option === "perf" && ports.stdout().isTerminal) {
    await showPerf(task, ports);
  } else if (file !== undefined) {
    await printCaptured(task, file, file.option === "stderr" ? ports.stderr() : ports.stdout(), ports.capture);
  } else {
    const stdout = ports.stdout();
    const theme = themeFor(stdout, ports.theme);
    stdout.write(field === undefined ? taskText(task, format, theme) : fieldText(task, field, format, stdout, theme));
  }
  return exitStatus.success;
}

/** Draws what the task used, for people. */
async function showPerf(task: TaskRecord, { stdout, capture }: InfoPorts): Promise<void> {
  const text = await readCaptured(task, capturedFiles.perf, capture);
  const { drawPerf } = await import("./perf.ts");
  const output = stdout();
  const drawing = drawPerf(text, task, output.columns);
  if (drawing === null) capture.log.info(`Task (${String(task.id)}) has no measurements: it was over too soon`);
  else output.write(drawing);
}

/** The task; `shown`: for people, who see how long it has run so far. */
async function find(word: string, shown: boolean, ports: InfoPorts): Promise<TaskRecord> {
  const records = await ports.records();
  try {
    const id = await fullId(word, records);
    const task = await records.find(id);
    if (task === null) throw notFound(id);
    if (!shown || task.exit_status !== null || task.start_time === null) return task;
    const { withElapsed } = await import("./running.ts");
    return await withElapsed(task, records, systemClock.now());
  } finally {
    await records.close();
  }
}

function fieldText(
  task: TaskRecord,
  field: TaskField,
  format: string,
  { isTerminal }: Output,
  theme: Theme | null,
): string {
  const value = task[field];
  if (isTags(value) && format === "json") return jsonOf(value, false, theme);
  if (isTags(value) && format === "yaml") return yamlTags(value, "", theme) || "{}\n";
  const text = raw(value, holdsFloats(field));
  // A program gets it byte for byte; a terminal would obey what is in it.
  return `${isTerminal ? visibleLines(text) : text}\n`;
}
