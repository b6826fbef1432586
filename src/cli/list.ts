/*
 * `hs list`: searches the history of tasks and prints what it finds, row by row as it is found.
 */
import { systemClock } from "../base/clock.ts";
import type { Clock } from "../base/clock.ts";
import { argumentError, exitStatus } from "../base/errors.ts";
import type { RecordQuery, Records, RecordStore } from "../history/history.ts";
import { describeNoField, fieldNamed, fieldNames, type TaskField, taskFields } from "../task/field.ts";
import type { Command } from "./command.ts";
import type { CommandSpec, Parsed } from "../args/spec.ts";
import { quoted } from "../args/flags.ts";
import { byElapsed } from "./elapsed.ts";
import { openHistory } from "./history.ts";
import { openOutput } from "../print/output.ts";
import type { Output } from "../print/output.ts";
import { breather, formats, pour, renderer } from "../print/render.ts";
import type { Format } from "../print/render.ts";
import { conditionsOf, filterOptions, finishedOption, statusFilters } from "./search.ts";
import { themeFor, themeSetting } from "../print/theme.ts";
import { json, visible } from "../print/value.ts";

/** Another name of the format `normal`, as older documents have it. */
const formerFormat = "list";

const spec = {
  name: "hs list",
  summary: "Searches tasks in the database and prints them, all of them or those that pass every filter.",
  usage: [
    "hs list [FIELD...] [-w COND...] [-t TAG...] [-g GROUP] [-F | -S | -C | -R | --running] [--retries]",
    "        [-s FIELD [--desc]] [-l NUM] [-f FORMAT | --json | --csv] [-d CHAR] [-c]",
    "hs list --fields",
    "hs list --tag-keys | --tag-values KEY",
  ],
  positionals: [
    {
      key: "fields",
      metavar: "FIELD",
      value: "field",
      valueWith: { tagValues: "tagKey" },
      min: 0,
      max: Infinity,
      help: "Fields to print, in this order (default: all; --fields names them).",
    },
  ],
  sections: [
    { title: "Filters", options: [...filterOptions, finishedOption] },
    {
      title: "Options",
      options: [
        {
          key: "orderBy",
          names: ["-s", "--order-by"],
          value: "field",
          kind: "text",
          metavar: "FIELD",
          choices: fieldNames,
          help: "Sort by this field, upwards.",
          fallback: "order of submission",
        },
        { key: "desc", names: ["--desc"], kind: "flag", help: "Sort downwards; without -s: the latest first." },
        { key: "limit", names: ["-l", "--limit"], kind: "integer", help: "Print at most NUM tasks.", fallback: "all" },
        { key: "count", names: ["-c", "--count"], kind: "flag", help: "Print only how many there are." },
        {
          key: "format",
          names: ["-f", "--format"],
          kind: "text",
          metavar: "FORMAT",
          choices: [...formats, formerFormat],
          value: formats,
          help: `One of ${formats.join(", ")}.`,
          fallback: "normal, or plain with FIELD",
        },
        { key: "json", names: ["--json"], kind: "flag", help: "The same as -f json." },
        { key: "csv", names: ["--csv"], kind: "flag", help: "The same as -f csv." },
        {
          key: "delimiter",
          names: ["-d", "--delimiter"],
          value: "free",
          kind: "text",
          metavar: "CHAR",
          help: "What stands between values in plain and csv.",
          fallback: "TAB, or ',' in csv",
        },
        { key: "listFields", names: ["--fields"], kind: "flag", help: "Print the names of all fields and stop." },
        { key: "tagKeys", names: ["--tag-keys"], kind: "flag", help: "Print every tag key in use." },
        { key: "tagValues", names: ["--tag-values"], kind: "flag", help: "Print every value of the tag KEY." },
        {
          key: "ignorePartitions",
          names: ["-i", "--ignore-partitions"],
          kind: "flag",
          help: "Leave out what was rotated out of the database (hs initdb --rotate).",
        },
      ],
    },
  ],
  exclusive: [statusFilters, ["format", "json", "csv"], ["tagKeys", "tagValues"]],
  epilog: [
    "Examples:",
    "  hs list args exit_status -f table    what ran, and how it ended",
    "  hs list -l2 --desc                   the latest two",
    "  hs list --count --remaining          how much is left to do",
    "  hs list args duration --running      what runs now, and for how many seconds",
    "  hs list id -F -w 'duration >= 1h'    failures that took an hour or more",
    "  hs list -w 'submit_time > 2026-11'   since the first of November",
    "  hs list --csv > tasks.csv            everything, for a spreadsheet",
    "",
    "Exit status: 0 success, also when nothing was found; 2 bad argument, 3 no database, 5 it cannot be read.",
  ].join("\n"),
} as const satisfies CommandSpec;

type Words = Parsed<typeof spec>;

/** What `hs list` needs of its surroundings, so that tests can hand it other ones. */
export interface ListPorts {
  readonly records: () => Promise<Records & Pick<RecordStore, "servers" | "close">>;
  readonly output: () => Output;
  /** The value of console.theme; asked for only where there are colours. */
  readonly theme?: () => string | null;
  readonly clock: Clock;
}

export const command: Command = {
  spec,
  bare: "run",
  run: (parsed: Words, context) =>
    list(parsed, {
      records: () => openHistory(context, parsed.flag("ignorePartitions")),
      output: () => openOutput(1, context.env),
      theme: () => context.config().text(themeSetting),
      clock: systemClock,
    }),
};

/** Searches tasks and prints them as they are found; the exit status. Throws UserError for a bad condition. */
export async function list(parsed: Words, ports: ListPorts): Promise<number> {
  const wish = wishOf(parsed);
  const output = ports.output();
  if (wish.kind === "fields") {
    output.write(`${taskFields.join(" ")}\n`);
    return exitStatus.success;
  }
  const records = await ports.records();
  try {
    const now = ports.clock.now();
    const live = parsed.flag("running") ? await import("./running.ts") : null;
    const gone = live === null ? [] : await live.withoutTheGone(records, now);
    const meant = (query: RecordQuery): RecordQuery =>
      live === null ? query : byElapsed({ ...query, where: [...query.where, ...gone] }, now);
    if (wish.kind === "count") output.write(`${await records.count(meant(wish.query))}\n`);
    else if (wish.kind === "tags") await printTags(wish.key, records, output, ports.clock);
    else {
      const theme = themeFor(output, ports.theme);
      const shape = renderer(wish.format, wish.query.fields, {
        theme,
        columns: output.columns,
        delimiter: wish.delimiter,
        isTerminal: output.isTerminal,
      });
      const query = meant(wish.query);
      const rows = live === null ? records.search(query) : live.searchRunning(records, query, ports.clock);
      await pour(rows, shape, output, ports.clock);
    }
  } finally {
    await records.close();
  }
  return exitStatus.success;
}

type Wish =
  | { readonly kind: "fields" }
  | { readonly kind: "count"; readonly query: RecordQuery }
  /** All values of a key; null: all keys. */
  | { readonly kind: "tags"; readonly key: string | null }
  | { readonly kind: "rows"; readonly query: RecordQuery; readonly format: Format; readonly delimiter: string };

/** Everything that can be wrong with the words is found here, before the database is opened. */
function wishOf(parsed: Words): Wish {
  if (parsed.flag("listFields")) return { kind: "fields" };
  const words = parsed.words("fields");
  if (parsed.flag("tagValues")) {
    const [key] = words;
    if (key === undefined || words.length !== 1) {
      throw argumentError(`argument --tag-values: expected exactly one KEY, not ${words.length}`);
    }
    return { kind: "tags", key };
  }
  const fields = words.map(expectField);
  const where = conditionsOf(parsed);
  const format = formatOf(parsed) ?? (fields.length === 0 ? "normal" : "plain");
  if (format === "normal" && fields.length > 0) {
    throw argumentError(
      "argument -f/--format: 'normal' always shows all fields: leave out FIELD, or choose another format",
    );
  }
  const delimiter = delimiterOf(parsed.text("delimiter"), format);
  if (parsed.flag("tagKeys")) return { kind: "tags", key: null };
  const limit = parsed.number("limit") ?? -1;
  const query: RecordQuery = {
    fields: fields.length === 0 ? taskFields : fields,
    where,
    orderBy: fieldNamed(parsed.text("orderBy") ?? "") ?? (parsed.flag("desc") ? "submit_time" : null),
    descending: parsed.flag("desc"),
    limit: limit < 0 ? null : limit,
  };
  return parsed.flag("count") ? { kind: "count", query } : { kind: "rows", query, format, delimiter };
}

function formatOf(parsed: Words): Format | null {
  if (parsed.flag("json")) return "json";
  if (parsed.flag("csv")) return "csv";
  const name = parsed.text("format");
  return name === formerFormat ? "normal" : ((name as Format | undefined) ?? null);
}

function expectField(word: string): TaskField {
  const field = fieldNamed(word);
  if (field === undefined) throw argumentError(describeNoField(word));
  return field;
}

const delimiterMax = 100;

function delimiterOf(text: string | undefined, format: Format): string {
  if (text === undefined) return format === "csv" ? "," : "\t";
  const blame = (reason: string): Error => argumentError(`argument -d/--delimiter: ${reason}`);
  if (format !== "csv" && format !== "plain") throw blame(`only for the formats plain and csv, not ${format}`);
  const length = Array.from(text).length;
  if (length > delimiterMax) throw blame(`at most ${delimiterMax} characters, not ${length}`);
  if (format === "csv" && (length !== 1 || /["\r\n]/.test(text))) {
    throw blame(`csv takes one character that is neither a quote nor the end of a line, not ${quoted(text)}`);
  }
  return text;
}

/** Keys, or the values of a key, each once in the order of appearance, as soon as they are met. */
async function printTags(key: string | null, records: Records, output: Output, clock: Clock): Promise<void> {
  const seen = new Set<string>();
  const breathe = breather(clock);
  const print = (identity: string, line: string): void => {
    if (seen.has(identity)) return;
    seen.add(identity);
    output.write(`${output.isTerminal ? visible(line) : line}\n`);
  };
  for await (const tags of records.tagSets()) {
    const breath = breathe();
    if (breath !== null) await breath;
    if (key === null) for (const each of Object.keys(tags)) print(each, each);
    else if (Object.hasOwn(tags, key)) {
      const value = tags[key] ?? null;
      print(json(value, false), typeof value === "string" ? value : json(value, false));
    }
  }
}
