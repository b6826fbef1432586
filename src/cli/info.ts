/*
 * `hs info`: one task, as a record, as data, a single field of it, or what it printed. Captured output is read where the task says it is,
 * then where this site would keep it; it is not fetched from other hosts.
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../base/clock.ts";
import type { Clock } from "../base/clock.ts";
import { argumentError, exitStatus, runtimeError } from "../base/errors.ts";
import { parseId } from "../base/ids.ts";
import { hostName } from "../base/process.ts";
import type { Records, TaskRecord } from "../store/store.ts";
import { taskFields } from "../task/task.ts";
import type { TaskField } from "../task/task.ts";
import type { Command, CommandSpec, Option, Parsed } from "./command.ts";
import { quoted } from "./flags.ts";
import { openHistory } from "./history.ts";
import { openOutput } from "./output.ts";
import type { Output } from "./output.ts";
import { record } from "./record.ts";
import { breather, jsonOf, jsonRecord, yamlRecord } from "./render.ts";
import { floatFields, isTags, raw } from "./value.ts";
import { yamlTags } from "./yaml.ts";

/** A file that is captured for a task: the option that prints it, the field with its path, its ending, and what it takes to have it. */
interface Captured {
  readonly option: "stdout" | "stderr" | "perf";
  readonly field: TaskField;
  readonly suffix: string;
  readonly meaning: string;
  readonly needs: string;
}

const capturedFiles: readonly Captured[] = [
  { option: "stdout", field: "outpath", suffix: "out", meaning: "standard output", needs: "--capture" },
  { option: "stderr", field: "errpath", suffix: "err", meaning: "standard error", needs: "--capture" },
  { option: "perf", field: "csvpath", suffix: "csv", meaning: "metrics", needs: "--monitor" },
];

const formatOptions: readonly Option[] = [
  {
    key: "format",
    names: ["-f", "--format"],
    kind: "text",
    metavar: "FORMAT",
    choices: ["normal", "json", "yaml"],
    help: "One of normal, json, yaml.",
    fallback: "normal",
  },
  { key: "json", names: ["--json"], kind: "flag", help: "The same as -f json." },
  { key: "yaml", names: ["--yaml"], kind: "flag", help: "The same as -f yaml." },
];

const spec: CommandSpec = {
  name: "hs info",
  summary: "Show one task: what was submitted, how it went, and what it printed.",
  usage: ["hs info ID [-f FORMAT | --json | --yaml]", "hs info ID (-x FIELD | --stdout | --stderr | --perf)"],
  positionals: [{ key: "id", metavar: "ID", min: 1, max: 1, help: "Id of the task (a UUID)." }],
  sections: [
    {
      title: "Options",
      options: [
        ...formatOptions,
        {
          key: "extract",
          names: ["-x", "--extract"],
          kind: "text",
          metavar: "FIELD",
          choices: taskFields,
          help: "Print this field alone.",
        },
        { key: "stdout", names: ["--stdout"], kind: "flag", help: "Print the captured output of the task." },
        {
          key: "stderr",
          names: ["--stderr"],
          kind: "flag",
          help: "Print the captured errors of the task, on standard error.",
        },
        { key: "perf", names: ["--perf"], kind: "flag", help: "Print the metrics of the task (CSV)." },
        {
          key: "ignorePartitions",
          names: ["-i", "--ignore-partitions"],
          kind: "flag",
          hidden: true,
          help: "Look only into the main database file.",
        },
      ],
    },
  ],
  exclusive: [
    ["stdout", "stderr", "perf", "extract"],
    ["format", "json", "yaml"],
  ],
};

/** What `hs info` needs of its surroundings, so that tests can hand it other ones. */
export interface InfoPorts {
  readonly records: () => Promise<Records & { close(): Promise<void> }>;
  readonly stdout: () => Output;
  readonly stderr: () => Output;
  /** Where this site keeps captured files. */
  readonly captureFolder: () => string;
  readonly host: string;
  readonly clock: Clock;
}

export const command: Command = {
  spec,
  bare: "usage",
  run: (parsed, context) =>
    info(parsed, {
      records: () => openHistory(context),
      stdout: () => openOutput(1, context.env),
      stderr: () => openOutput(2, context.env),
      captureFolder: () => join(context.config().site.lib, "task"),
      host: hostName(),
      clock: systemClock,
    }),
};

export async function info(parsed: Parsed, ports: InfoPorts): Promise<number> {
  const word = parsed.words("id")[0] ?? "";
  const id = parseId(word);
  if (id === null) throw argumentError(`Bad UUID: ${quoted(word)}`);
  const task = await find(id, ports);
  const file = capturedFiles.find(({ option }) => parsed.flag(option));
  const field = parsed.text("extract") as TaskField | undefined;
  const format = parsed.flag("json") ? "json" : parsed.flag("yaml") ? "yaml" : (parsed.text("format") ?? "normal");
  if (file !== undefined) await printFile(task, file, ports);
  else if (field !== undefined) ports.stdout().write(fieldText(task, field, format, ports.stdout().coloured));
  else ports.stdout().write(taskText(task, format, ports.stdout().coloured));
  return exitStatus.success;
}

async function find(id: string, ports: InfoPorts): Promise<TaskRecord> {
  const records = await ports.records();
  try {
    const task = await records.find(id);
    if (task === null) throw runtimeError("task", "NotFound", `No task with id=${id}`);
    return task;
  } finally {
    await records.close();
  }
}

function taskText(task: TaskRecord, format: string, coloured: boolean): string {
  const row = taskFields.map((field) => task[field]);
  return format === "json" ? jsonRecord(row, coloured) : format === "yaml" ? yamlRecord(row, coloured) : record(row);
}

function fieldText(task: TaskRecord, field: TaskField, format: string, coloured: boolean): string {
  const value = task[field];
  if (isTags(value) && format === "json") return jsonOf(value, false, coloured);
  if (isTags(value) && format === "yaml") return yamlTags(value, "", coloured) || "{}\n";
  return `${raw(value, floatFields.has(field))}\n`;
}

async function printFile(task: TaskRecord, file: Captured, ports: InfoPorts): Promise<void> {
  const output = file.option === "stderr" ? ports.stderr() : ports.stdout();
  const descriptor = openCaptured(task, file, ports);
  try {
    const buffer = Buffer.allocUnsafe(1 << 18);
    const breathe = breather(ports.clock);
    for (;;) {
      const length = readSync(descriptor, buffer);
      if (length === 0) return;
      output.write(buffer.subarray(0, length));
      const breath = breathe();
      if (breath !== null) await breath;
    }
  } finally {
    closeSync(descriptor);
  }
}

/** Where the task says it is counts before where this site would keep it: the site may have been another one when it ran. */
function openCaptured(task: TaskRecord, file: Captured, ports: InfoPorts): number {
  const recorded = task[file.field];
  const own = join(ports.captureFolder(), `${String(task.id)}.${file.suffix}`);
  const paths = typeof recorded === "string" && recorded !== "" ? [...new Set([recorded, own])] : [own];
  const failures: unknown[] = [];
  for (const path of paths) {
    try {
      const descriptor = openSync(path, "r");
      if (!fstatSync(descriptor).isDirectory()) return descriptor;
      closeSync(descriptor);
    } catch (error) {
      // A path through what is no folder does not exist either.
      if (!["ENOENT", "ENOTDIR"].includes(String((error as { code?: unknown }).code))) failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
  throw whyMissing(task, file, recorded, ports.host);
}

function whyMissing(task: TaskRecord, file: Captured, recorded: TaskRecord[TaskField], host: string): Error {
  const id = String(task.id);
  const ran = task.client_host;
  if (typeof recorded !== "string" || recorded === "") {
    const reason =
      task.exit_status === null
        ? "it has not ended"
        : task.start_time === null
          ? "it never ran"
          : `its client ran without ${file.needs}`;
    return runtimeError("task", "RuntimeError", `"${file.field}" unavailable for task (${id}): ${reason}`);
  }
  const where = typeof ran === "string" && ran !== host ? ` is on host ${ran}, not on this one (${host})` : " is gone";
  return runtimeError("task", "FileNotFoundError", `${file.meaning} of task (${id})${where}: '${recorded}'`);
}
