/*
 * `hs report`: reads the tasks that a filter finds, one by one, and writes a page about them. What is told of them, and
 * how it is drawn, is in report/.
 */
import { accessSync, constants, openSync, closeSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { systemClock } from "../base/clock.ts";
import type { Clock } from "../base/clock.ts";
import { argumentError, exitStatus, runtimeError } from "../base/errors.ts";
import { uniqueName } from "../base/ids.ts";
import { failureReason, realPath, replaceFile } from "../base/paths.ts";
import { hostName } from "../base/process.ts";
import { quoteForSh } from "../base/shell.ts";
import { programVersion } from "../base/version.ts";
import { writeAll } from "../base/write.ts";
import { localFields } from "../base/zone.ts";
import type { RecordQuery, RecordStore } from "../history/history.ts";
import { publishDraft } from "../history/sqlite/draft.ts";
import type { Logger } from "../log/logger.ts";
import { openOutput } from "../print/output.ts";
import type { Output } from "../print/output.ts";
import { breather } from "../print/render.ts";
import { reportPage } from "../report/page.ts";
import { adder, newTally, summaryOf, tallied } from "../report/tally.ts";
import type { Summary } from "../report/summary.ts";
import { timeReader } from "../store/times.ts";
import type { CommandSpec, Parsed } from "../args/spec.ts";
import type { Command } from "./command.ts";
import { byElapsed } from "./elapsed.ts";
import { openHistory } from "./history.ts";
import { goneClients, withoutTheGone } from "./running.ts";
import { conditionsOf, filterOptions, finishedOption, statusFilters } from "./search.ts";

const spec = {
  name: "hs report",
  summary: "Writes a report on tasks, all of them or those that pass every filter: one page of HTML for any browser.",
  usage: [
    "hs report [-w COND...] [-t TAG...] [-g GROUP] [-F | -S | -C | -R | --running] [--retries]",
    "          [-o FILE] [--force] [-i]",
  ],
  positionals: [],
  sections: [
    { title: "Filters", options: [...filterOptions, finishedOption] },
    {
      title: "Options",
      options: [
        {
          key: "output",
          names: ["-o", "--output"],
          value: "file",
          kind: "text",
          metavar: "FILE",
          help: "Where to write it; - is standard output.",
          fallback: "report-DATE-TIME.html in this folder",
        },
        { key: "force", names: ["--force"], kind: "flag", help: "Replace FILE if it is there already." },
        {
          key: "ignorePartitions",
          names: ["-i", "--ignore-partitions"],
          kind: "flag",
          help: "Leave out what was rotated out of the database (hs initdb --rotate).",
        },
      ],
    },
  ],
  exclusive: [statusFilters],
  epilog: [
    "The page has the counts of hs list, which client ran what when (to be zoomed), how many tasks ended, ran and " +
      "waited, how long they",
    "took and waited, failures with examples, the slowest tasks, what was used of what was asked for (--monitor), " +
      "attempts and hosts. It",
    "asks for nothing from elsewhere, can be printed, and has a few MB at most. Its name is printed.",
    "",
    "Examples:",
    "  hs report                                  everything in the database",
    "  hs report -t site:b -o site-b.html         tasks with a tag",
    "  hs report -w 'submit_time > 2026-11'       since the first of November",
    "  hs report --failed -o - > failures.html    for another program",
    "",
    "Exit status: 0 success, also when nothing was found and nothing is written; 2 bad argument, 3 no database, 4 " +
      "Ctrl-C, 5 it cannot be read, or FILE cannot be written.",
  ].join("\n"),
} as const satisfies CommandSpec;

type Words = Parsed<typeof spec>;

/** What `hs report` needs of its surroundings, so that tests can hand it other ones. */
export interface ReportPorts {
  readonly records: () => Promise<Pick<RecordStore, "search" | "servers" | "close" | "title">>;
  readonly output: () => Output;
  readonly log: () => Logger;
  readonly cwd: () => string;
  readonly clock: Clock;
}

export const command: Command = {
  spec,
  bare: "run",
  run: (parsed: Words, context) =>
    report(parsed, {
      records: () => openHistory(context, parsed.flag("ignorePartitions")),
      output: () => openOutput(1, context.env),
      log: () => context.loggers("task"),
      cwd: () => context.cwd,
      clock: systemClock,
    }),
};

/** Writes the report; the exit status. Throws UserError for a bad condition, or a file that cannot be written. */
export async function report(parsed: Words, ports: ReportPorts): Promise<number> {
  const where = conditionsOf(parsed);
  const now = ports.clock.now();
  const name = parsed.text("output") ?? nameAt(now);
  const isForced = parsed.flag("force");
  // What is wrong with the file is said before a minute goes by.
  const target = name === "-" ? null : targetOf(name, ports.cwd(), isForced);
  const records = await ports.records();
  let summary: Summary;
  let database: string;
  try {
    const gone = await goneClients(records, now);
    const plain: RecordQuery = { fields: tallied, where, orderBy: null, descending: false, limit: null };
    const query = parsed.flag("running")
      ? byElapsed({ ...plain, where: [...where, ...(await withoutTheGone(records, now))] }, now)
      : plain;
    const tally = newTally({ now, gone: new Set(gone), reader: timeReader });
    const add = adder(tally);
    const breathe = breather(ports.clock);
    for await (const row of records.search(query)) {
      add(row);
      const breath = breathe();
      if (breath !== null) await breath;
    }
    summary = summaryOf(tally);
    database = records.title;
  } finally {
    await records.close();
  }
  if (summary.counts.total === 0) {
    const why = where.length === 0 ? "There are no tasks" : "No task passes these filters";
    ports.log().warning(`${why}: no report was written`);
    return exitStatus.success;
  }
  const page = reportPage(summary, {
    database,
    filters: filterWords(parsed),
    isByState: statusFilters.some((each) => parsed.flag(each)),
    program: `hs ${programVersion}`,
    host: hostName(),
  });
  if (target === null) ports.output().write(page);
  else {
    writePage(name, target, page, isForced);
    ports.output().write(`${name}\n`);
  }
  return exitStatus.success;
}

/** `report-20261130-231500.html`, of a time in milliseconds since 1970. */
function nameAt(now: number): string {
  const [date = "", time = ""] = localFields(now).toISOString().split("T");
  return `report-${date.replaceAll("-", "")}-${time.slice(0, 8).replaceAll(":", "")}.html`;
}

interface Target {
  readonly path: string;
  /** `new`: nothing is there; `other`: a device or a pipe, which is written to and not replaced. */
  readonly kind: "new" | "file" | "other";
}

/** Throws argumentError where the file must not, or can not, be written. */
function targetOf(name: string, cwd: string, isForced: boolean): Target {
  const blame = (reason: string): Error => argumentError(`argument -o/--output: ${reason}`);
  if (name === "") throw blame("the name of the file is empty");
  const path = realPath(resolve(cwd, name));
  const there = statSync(path, { throwIfNoEntry: false });
  if (there?.isDirectory() === true) throw blame(`'${name}' is a folder: name a file in it`);
  if (there?.isFile() === true && !isForced) throw blame(`'${name}' exists (--force replaces it)`);
  if (there !== undefined && !there.isFile()) return { path, kind: "other" };
  try {
    if (!statSync(dirname(path)).isDirectory()) throw blame(`'${dirname(path)}' is no folder`);
    accessSync(dirname(path), constants.W_OK);
  } catch (thrown) {
    if (thrown instanceof Error && thrown.name === "UserError") throw thrown;
    throw blame(`cannot write '${name}': ${failureReason(thrown)}`);
  }
  return { path, kind: there === undefined ? "new" : "file" };
}

/**
 * The page is written beside the file and then gets its name, so that nobody sees half of it. Throws UserError where
 * that fails, and then leaves nothing behind.
 */
function writePage(name: string, { path, kind }: Target, page: string, isForced: boolean): void {
  try {
    if (kind === "other") return writeInto(path, page);
    if (kind === "file") return replaceFile(path, page, (mode) => mode);
    const draft = join(dirname(path), `.${basename(path)}.${uniqueName()}.tmp`);
    try {
      writeFileSync(draft, page, { flag: "wx" });
      if (publishDraft(draft, path)) return;
    } finally {
      rmSync(draft, { force: true });
    }
  } catch (thrown) {
    throw runtimeError("task", `Cannot write '${name}': ${failureReason(thrown)}`);
  }
  // Somebody else has made it while tasks were read.
  if (isForced) return replaceFile(path, page, (mode) => mode);
  throw argumentError(`argument -o/--output: '${name}' exists (--force replaces it)`);
}

function writeInto(path: string, page: string): void {
  const descriptor = openSync(path, "w");
  try {
    writeAll(descriptor, Buffer.from(page));
  } finally {
    closeSync(descriptor);
  }
}

/** The filters as words of a command line, each with a blank before it. */
function filterWords(parsed: Words): string {
  const group = parsed.number("group");
  const flags = filterOptions.filter((option) => option.kind === "flag" && parsed.flag(option.key));
  const words = [
    ...parsed.words("where").flatMap((each) => ["-w", each]),
    ...parsed.words("withTag").flatMap((each) => ["-t", each]),
    ...(group === undefined ? [] : ["-g", String(group)]),
    ...flags.map(({ names }) => names.at(-1)!),
    ...(parsed.flag("ignorePartitions") ? ["-i"] : []),
  ];
  return words.map((each) => ` ${quoteForSh(each)}`).join("");
}
