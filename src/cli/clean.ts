/*
 * `hs clean`: removes files of captured output that nobody needs any more. Only files count that a client of this site
 * could have made: in its folder, and named after a task. What is looked up of a task is whether the database has it,
 * and whether it has ended.
 */
import { existsSync, lstatSync, readdirSync, realpathSync, unlinkSync } from "node:fs";
import { join, resolve } from "node:path";
import { systemClock } from "../base/clock.ts";
import { configurationError, exitStatus, runtimeError } from "../base/errors.ts";
import { failureCode, failureReason } from "../base/paths.ts";
import { processes } from "../base/processes.ts";
import { counted, formatSize } from "../base/units.ts";
import { databaseSettings } from "../cluster/database.ts";
import type { Records } from "../history/history.ts";
import type { Logger } from "../log/logger.ts";
import { breather } from "../print/render.ts";
import type { Condition } from "../task/filter.ts";
import type { Command, Context } from "./command.ts";
import type { CommandSpec, Parsed } from "../args/spec.ts";
import { ask, nobodyAnswers, openPrompt } from "./prompt.ts";
import type { PromptPorts } from "./prompt.ts";
import { openHistory } from "./history.ts";
import { conditionsOf, filterOptions, statusFilters } from "./search.ts";

const spec = {
  name: "hs clean",
  summary: "Removes files of captured output: of tasks that were deleted or rotated, or of those that a filter names.",
  usage: ["hs clean [-w COND...] [-t TAG...] [-g GROUP] [-F | -S | -C] [--retries] [-y]"],
  positionals: [],
  sections: [
    { title: "Filters", options: filterOptions },
    {
      title: "Options",
      options: [{ key: "noConfirm", names: ["-f", "--no-confirm", "-y", "--yes"], kind: "flag", help: "Do not ask." }],
    },
  ],
  exclusive: [statusFilters],
  epilog: [
    "Without a filter: files of tasks that are not in the database, because they were deleted (hs update " +
      "--delete), moved to a partition (hs initdb",
    "--rotate), run without it, or are in another database of this site. With a filter: files of tasks that match " +
      "and have ended, also of those in",
    "partitions. Only files on this host, in the folder task of this site, and named after a task are removed, " +
      "and none that a program here still has open.",
    "",
    "Examples:",
    "  hs clean                                   after hs initdb --rotate, or hs update --delete",
    "  hs clean -S -w 'completion_time < 2026-01-01'",
    "  hs clean -t site:b --yes",
    "",
    "Exit status: 0 success, or the answer was no; 2 bad argument, 3 no database, 4 Ctrl-C, 5 an error, or " +
      "there is no terminal to ask a question on (use --yes).",
  ].join("\n"),
} as const satisfies CommandSpec;

type Words = Parsed<typeof spec>;

/** What `hs clean` needs of its surroundings, so that tests can hand it other ones. */
export interface CleanPorts {
  /** Where this site keeps captured files, without links on the way. */
  readonly folder: string;
  /** The tasks of the database. `ignorePartitions`: without those that were moved out of it. */
  readonly records: (
    ignorePartitions: boolean,
  ) => Promise<Pick<Records, "search" | "find"> & { readonly title: string; close(): Promise<void> }>;
  /** The files that programs of this host have open, where that can be told. */
  readonly openFiles: () => ReadonlySet<string>;
  readonly prompt: PromptPorts;
  readonly log: Logger;
}

export const command: Command = {
  spec,
  bare: "run",
  run: (parsed: Words, context) => clean(parsed, portsOf(context)),
};

function portsOf(context: Context): CleanPorts {
  return {
    folder: realFolder(join(context.config().site.lib, "task")),
    async records(ignorePartitions) {
      if (ignorePartitions) await expectDatabase(context);
      return openHistory(context, ignorePartitions);
    },
    openFiles: () => processes().openFiles(),
    prompt: openPrompt(context.env),
    log: context.loggers("task"),
  };
}

/**
 * A database that is not there yet has no task of any file, and all files would go. Throws UserError for it: it may be
 * the wrong one.
 */
async function expectDatabase(context: Context): Promise<void> {
  const { databaseOf } = await import("../store/open.ts");
  const database = databaseOf(databaseSettings(context.config(), context.loggers("data")));
  if (database?.kind !== "sqlite" || existsSync(database.file)) return;
  throw configurationError(
    "data",
    `There is no database '${resolve(database.file)}', and nothing else knows which captured files have a task - ` +
      "check database.file (HYPERSHELL_DATABASE_FILE), or make it with 'hs initdb'",
  );
}

/** What programs have open is told without links. */
function realFolder(folder: string): string {
  try {
    return realpathSync(folder);
  } catch {
    return folder;
  }
}

/** A file of captured output. */
interface CapturedFile {
  readonly path: string;
  /** The id of its task. */
  readonly id: string;
  readonly bytes: number;
}

/** Removes captured files; the exit status. Throws UserError for a bad condition, and for a file that stays. */
export async function clean(parsed: Words, ports: CleanPorts): Promise<number> {
  const { log, prompt } = ports;
  const where = conditionsOf(parsed);
  const all = filesOf(ports.folder);
  const { chosen, which } = where.length === 0 ? await withoutTask(all, ports) : await ofTasks(all, where, ports);
  const inUse = chosen.length === 0 ? new Set<string>() : ports.openFiles();
  const files = chosen.filter(({ path }) => !inUse.has(path));
  if (chosen.length > files.length) log.info(`${counted(chosen.length - files.length, "file")} in use - left alone`);
  if (files.length === 0) {
    log.info(`There are no captured files to remove in ${ports.folder}`);
    return exitStatus.success;
  }
  if (!parsed.flag("noConfirm")) {
    const answer = await ask(`Remove ${describe(files)}${which} from ${ports.folder}`, "no", prompt);
    if (answer.kind === "absent") throw runtimeError("task", nobodyAnswers);
    if (answer.kind !== "yes") {
      prompt.write(answer.kind === "other" ? `Stopping (neither yes nor no: '${answer.text}')\n` : "Stopping\n");
      return exitStatus.success;
    }
  }
  // A task may have been run again while somebody thought about the answer.
  const inUseNow = ports.openFiles();
  remove(
    files.filter(({ path }) => !inUseNow.has(path)),
    log,
  );
  return exitStatus.success;
}

function describe(files: readonly CapturedFile[]): string {
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  const tasks = new Set(files.map(({ id }) => id)).size;
  return `${counted(files.length, "captured file")} of ${counted(tasks, "task")} (${formatSize(bytes)})`;
}

function remove(files: readonly CapturedFile[], log: Logger): void {
  const removed: CapturedFile[] = [];
  try {
    for (const file of files) {
      try {
        unlinkSync(file.path);
      } catch (error) {
        // Somebody else was quicker.
        if (failureCode(error) === "ENOENT") continue;
        throw runtimeError("task", `Cannot remove ${file.path}: ${failureReason(error)}`);
      }
      removed.push(file);
    }
  } finally {
    log.info(`Removed ${describe(removed)}`);
  }
}

/** The names that clients give: `<id of the task>.out`, `.err`, `.csv`. */
const ownName = /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.(?:out|err|csv)$/;

/** The captured files in a folder. Links, folders and files of other names are none. */
function filesOf(folder: string): CapturedFile[] {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch (error) {
    if (failureCode(error) === "ENOENT") return [];
    throw error;
  }
  return names.flatMap((name) => {
    const id = ownName.exec(name)?.[1];
    if (id === undefined) return [];
    const path = join(folder, name);
    const facts = lstatSync(path, { throwIfNoEntry: false });
    return facts?.isFile() === true ? [{ path, id, bytes: facts.size }] : [];
  });
}

/** Files that may be removed. */
interface Choice {
  readonly chosen: readonly CapturedFile[];
  /** Which files these are, for the question. */
  readonly which: string;
}

/** The files whose tasks are not in the database itself. */
async function withoutTask(files: readonly CapturedFile[], ports: CleanPorts): Promise<Choice> {
  if (files.length === 0) return { chosen: [], which: "" };
  const records = await ports.records(true);
  try {
    ports.log.info(`Searching database: ${records.title}`);
    const known = new Map<string, boolean>();
    const breathe = breather(systemClock);
    for (const { id } of files) {
      if (!known.has(id)) known.set(id, (await records.find(id)) !== null);
      const breath = breathe();
      if (breath !== null) await breath;
    }
    const chosen = files.filter(({ id }) => known.get(id) === false);
    return { chosen, which: ` that are not in ${records.title}` };
  } finally {
    await records.close();
  }
}

/** The files of tasks that match and have ended. */
async function ofTasks(
  files: readonly CapturedFile[],
  conditions: readonly Condition[],
  ports: CleanPorts,
): Promise<Choice> {
  const records = await ports.records(false);
  try {
    ports.log.info(`Searching database: ${records.title}`);
    const ended: Condition = { kind: "field", field: "exit_status", operator: "!=", value: null };
    const where = [...conditions, ended];
    const matching = new Set<string>();
    const query = { fields: ["id"], where, orderBy: null, descending: false, limit: null } as const;
    for await (const [id] of records.search(query)) matching.add(String(id));
    return { chosen: files.filter(({ id }) => matching.has(id)), which: "" };
  } finally {
    await records.close();
  }
}
