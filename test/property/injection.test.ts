/*
 * No text that a person writes becomes SQL: conditions, tags, orders, delimiters, new values, the name of the schema.
 * Each is tried with texts that would be SQL if they could, on every kind of database. Whatever they are, the answer is
 * that of a model in plain JavaScript, or one clear line; never an error of the database, and never another row.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { systemClock } from "../../src/base/clock.ts";
import { UserError } from "../../src/base/errors.ts";
import { command, list } from "../../src/cli/list.ts";
import { command as updateCommand, update, type UpdatePorts } from "../../src/cli/update.ts";
import { parseFlags } from "../../src/args/flags.ts";
import type { Output } from "../../src/print/output.ts";
import type { EditStore } from "../../src/history/history.ts";
import { channelOf } from "../../src/store/postgres/connection.ts";
import { type Condition, parseCondition, parseTagFilter } from "../../src/task/filter.ts";
import { type TaskField, taskFields } from "../../src/task/field.ts";
import type { TagValue } from "../../src/task/task.ts";
import { openSqliteHistory, type PostgresHistories, startPostgresHistories } from "../conformance/histories.ts";
import {
  allShown,
  change,
  changed,
  collect,
  endedRow,
  everyRow,
  heldRow,
  type HistoryRow,
  newRow,
  noon,
  type OpenedHistory,
  query,
  select,
  selected,
  uuid,
} from "../conformance/history.ts";
import { needs, until } from "../e2e/harness.ts";
import { noPostgres } from "../systems/postgres.ts";

/** A schema whose name would be SQL if it could. */
const schema = `x"; drop table task; -- ' $1 \\ é`;

/** Texts that mean something to one of the databases, or to what is between. */
const evil: readonly string[] = [
  "'",
  "''",
  '"',
  '""',
  "\\",
  "\\'",
  "`",
  "[",
  "]",
  "%",
  "_",
  "?",
  "$1",
  "?1",
  ":a",
  "@a",
  "--",
  "/*",
  "*/",
  ";",
  ",",

  "'; drop table task; --",
  '"; drop table task; --',
  "' or 1=1 --",
  "' or ''='",
  "1 or 1=1",
  "x' union select * from task --",

  "') or ('1'='1",
  "0); delete from task; --",
  "args",
  '"args"',
  "task.args",
  "null",
  "NULL",
  "true",
  "0x10",
  "1e3",
  "{}",
  "{a,b}",

  "$$",
  "$a$",
  "E'\\''",
  "\\x27",
  "\\u0027",
  "%27",
  "'||'a",
  "pg_sleep(1)",
  "'||(select 1)||'",
  '{"a":1}',
  "[1]",
  '$."a"',
  "$.a",

  "__proto__",
  "constructor",
  "toString",
  "漢字",
  "🦊",
  "é",
  "\t",
  "\n",
  "\r\n",
  " ",
  "",
  "\u2028",
  "\ufeff",
  "a\u0000b",
  "\u0000",

  "(a+)+b",
  "^",
  "$",
  ".*",
  "(?=a)",
  "[[:alpha:]]",
  "\\d",
  "(?<n>a)\\k<n>",
  "site",
  "b",
  "part",
  "0",
];
const text = fc.oneof(
  fc.constantFrom(...evil),
  fc.string({ unit: "binary", maxLength: 12 }),
  fc.string({ maxLength: 12 }),
);
const mixedText = fc.oneof(
  text,
  fc.tuple(text, text).map(([one, other]) => one + other),
);
/** What an argument of a program can be, and what a database can keep. */
const word = mixedText.map((each) => each.replaceAll("\0", ""));
const operator = fc.constantFrom("==", "!=", ">", ">=", "<", "<=", "~", "=", "<>", "");
const field = fc.constantFrom(...taskFields);
const textFields: readonly TaskField[] = [
  "args",
  "submit_host",
  "server_host",
  "client_host",
  "command",
  "outpath",
  "errpath",
  "csvpath",
];
const textOrId = fc.constantFrom(...textFields, ...(["id", "submit_id", "server_id", "previous_id"] as const));

/** Some of the texts are there to be found. */
function mixed(): HistoryRow[] {
  const kept = evil.filter((each) => !each.includes("\0"));
  return kept.map((each, i) => {
    const fields = {
      args: each,
      submit_host: kept[(i * 7) % kept.length]!,
      tag: { [each]: each, site: each, n: i % 3, part: 0 },
    };
    return i % 5 === 0 ? newRow(fields) : i % 5 === 1 ? heldRow(fields) : endedRow({ ...fields, exit_status: i % 4 });
  });
}

/** What the words of a person become; null: they were refused with one line. */
function tryParse(parse: () => Condition): Condition | null {
  try {
    return parse();
  } catch (error) {
    if (error instanceof UserError && error.status === 2 && !error.message.includes("\n    at ")) return null;
    throw error;
  }
}

const condition: fc.Arbitrary<Condition | null> = fc.oneof(
  fc
    .tuple(fc.oneof(field, text), operator, mixedText)
    .map(([name, sign, value]) => tryParse(() => parseCondition(`${name} ${sign} ${value}`))),
  mixedText.map((each) => tryParse(() => parseTagFilter(each))),
  fc.tuple(mixedText, mixedText).map(([key, value]) => tryParse(() => parseTagFilter(`${key}:${value}`))),
  // As they are, in case a caller parses less well.
  fc
    .tuple(textOrId, fc.constantFrom("==", "!=", ">", ">=", "<", "<="), mixedText)
    .map(([name, sign, value]): Condition => ({ kind: "field", field: name, operator: sign, value })),
  fc.tuple(mixedText, mixedText).map(([key, value]): Condition => ({ kind: "tagValue", key, value })),
  mixedText.map((key): Condition => ({ kind: "tagKey", key })),
);
/** Keys of tags as they may be; what others ask for finds nothing, though a row may have it. */
const tagKey = /^[A-Za-z0-9_.+-]+$/;
const possible = (each: Condition): boolean => each.kind === "field" || tagKey.test(each.key);

const selection = fc
  .record({
    where: fc.array(condition, { maxLength: 3 }),
    orderBy: fc.option(fc.constantFrom(...taskFields.filter((each) => each !== "tag"))),
    descending: fc.boolean(),
    limit: fc.option(fc.nat({ max: 40 })),
  })
  .map(({ where, orderBy, descending, limit }) =>
    select({
      where: where.filter((each) => each !== null),
      orderBy,
      descending: orderBy !== null && descending,
      limit,
    }),
  );

const newValue: fc.Arbitrary<TagValue> = fc.oneof(
  word,
  fc.boolean(),
  fc.constant(null),
  fc.integer(),
  // A tag that is written with an exponent is a text.
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => (`${n}`.includes("e") ? `${n}` : n + 0)),
);
const edit = fc
  .record({
    action: fc.constantFrom(...([null, null, null, "cancel", "revert", "delete"] as const)),
    fields: fc.array(fc.tuple(fc.constantFrom(...textFields), word), { maxLength: 2 }),
    tags: fc.dictionary(word, newValue, { maxKeys: 2, noNullPrototype: true }),
    removedTags: fc.array(word, { maxLength: 2 }),
  })
  .map(({ fields, ...others }) => change({ ...others, fields: new Map(fields) }));

/** Catches what a command prints. */
function collector(): Output & { readonly said: () => string } {
  let said = "";
  return {
    write: (data) => {
      said += typeof data === "string" ? data : Buffer.from(data).toString();
    },
    said: () => said,
    isTerminal: false,
    coloured: false,
    columns: 80,
  };
}

function injectionLaws(
  title: string,
  open: () => Promise<OpenedHistory>,
  through: typeof test | ReturnType<typeof needs>,
): void {
  describe(`injection: ${title}`, () => {
    through("no condition, order or limit finds other rows than it says", async () => {
      await using history = await open();
      const rows = mixed();
      await history.add(rows);
      await fc.assert(
        fc.asyncProperty(selection, async (asked) => {
          const expected = asked.where.every(possible) ? selected(rows, asked).map(({ id }) => id) : [];
          expect((await collect(history.records.search(query(["id"], asked)))).flat()).toEqual(expected);
          expect(await history.records.count(asked)).toBe(expected.length);
        }),
        { numRuns: 300, endOnFailure: true },
      );
      for (const each of evil) expect(await history.records.find(each)).toBeNull();
      expect(await everyRow(history)).toEqual(allShown(rows, history));
    });

    through("no word of hs list does anything but search", async () => {
      await using history = await open();
      const rows = mixed();
      await history.add(rows);
      const run = async (words: readonly string[]): Promise<string | null> => {
        const output = collector();
        const records = async () => ({ ...history.records, servers: async () => [], close: async () => undefined });
        try {
          const parsed = parseFlags(command.spec, words);
          if (parsed === "help") return null;
          await list(parsed, { records, output: () => output, clock: systemClock });
          return output.said();
        } catch (error) {
          if (error instanceof UserError && error.status === 2) return null;
          throw error;
        }
      };
      const words = fc.oneof(
        word.map((each) => ["id", "-s", each]),
        word.map((each) => [each]),
        word.map((each) => ["id", "-d", each]),
        word.map((each) => ["id", "--csv", "-d", each]),
        word.map((each) => ["--tag-values", each]),
        word.map((each) => ["id", "-l", each]),
        word.map((each) => ["id", "-g", each]),
        fc.tuple(word, word).map(([one, other]) => ["id", "-w", one, "-t", other, "-c"]),
      );
      await fc.assert(
        fc.asyncProperty(words, async (given) => {
          const said = await run(given);
          // A delimiter stands between values, and here is only one.
          if (said !== null && given[1] === "-d")
            expect(said.trimEnd().split("\n")).toEqual(rows.map(({ id }) => String(id)));
        }),
        { numRuns: 200, endOnFailure: true },
      );
      expect(await run(["id", "-s", "id"])).toBe(rows.map(({ id }) => `${String(id)}\n`).join(""));
      expect(await everyRow(history)).toEqual(allShown(rows, history));
    });

    through("no word of hs update reaches another task than the one that is meant", async () => {
      await using history = await open();
      const rows = mixed();
      await history.add(rows);
      const [target, ...others] = rows;
      const only = ["-f", "-w", `id == ${String(target!.id)}`];
      const others0 = allShown(others, history);
      const store: EditStore = { ...history.records, title: "", close: async () => undefined };
      const silent = { info: () => undefined, warning: () => undefined } as unknown as UpdatePorts["log"];
      const prompt = {} as UpdatePorts["prompt"];
      const run = async (words: readonly string[]): Promise<void> => {
        try {
          const parsed = parseFlags(updateCommand.spec, words);
          if (parsed !== "help")
            await update(parsed, {
              open: async () => store,
              isArchived: async () => false,
              prompt,
              log: silent,
              clock: systemClock,
              watching: (_look, work) => work(),
              onInterrupt: () => () => undefined,
              sayInterrupted: () => undefined,
            });
        } catch (error) {
          if (!(error instanceof UserError)) throw error;
        }
      };
      const settable = fc.constantFrom(...taskFields.filter((each) => each !== "id"));
      const words = fc.oneof(
        word.map((each) => [each, ...only]),
        fc.tuple(settable, word).map(([name, value]) => [`${name}=${value}`, ...only]),
        fc.tuple(word, word).map(([key, value]) => [`${key}:${value}`, ...only]),
        word.map((each) => ["--remove-tag", each, ...only]),
        word.map((each) => ["mark:1", ...only, each]),
        fc.tuple(settable, word).map(([name, value]) => [String(target!.id), name, value]),
      );
      await fc.assert(
        fc.asyncProperty(words, async (given) => {
          await run(given);
          const now = await everyRow(history);
          expect(now.filter(([id]) => id !== target!.id)).toEqual([...others0]);
        }),
        { numRuns: 300, endOnFailure: true },
      );
    });

    through("no new value and no tag changes other rows than those that are meant", async () => {
      await fc.assert(
        fc.asyncProperty(selection, edit, async (meant, what) => {
          await using history = await open();
          const rows = mixed();
          await history.add(rows);
          const none = { rows, recalls: [], report: { changed: 0, held: 0 } };
          const expected = meant.where.every(possible) ? changed(rows, meant, what, noon) : none;
          expect(await history.records.change(meant, what, noon)).toEqual(expected.report);
          expect(await everyRow(history)).toEqual(allShown(expected.rows, history));
          const recalls = await history.recalls();
          expect(new Set(recalls.map(({ taskId }) => taskId))).toEqual(
            new Set(expected.recalls.map(({ taskId }) => taskId)),
          );
        }),
        { numRuns: 60, endOnFailure: true },
      );
    });
  });
}

injectionLaws("sqlite", openSqliteHistory, test);

const withPostgres = needs([], noPostgres);
let postgres: PostgresHistories | null = null;
beforeAll(async () => {
  if (noPostgres === null) postgres = await startPostgresHistories(schema);
});
afterAll(() => postgres?.[Symbol.asyncDispose]());

injectionLaws("postgresql", () => postgres!.open(), withPostgres);

withPostgres("a schema is a name, in tables and on channels", async () => {
  const { connection, open } = postgres!;
  expect(await connection.query("select nspname from pg_namespace where nspname = current_schema()")).toEqual([
    [schema],
  ]);
  const heard: string[] = [];
  await new Promise<void>((ready) => connection.listen(channelOf(schema), (news) => heard.push(news), ready));
  await using history = await open();
  await history.add([heldRow({ server_id: uuid(1) })]);
  await history.records.change(select(), change({ action: "cancel" }), noon);
  await until(() => heard.includes("recall"), "nobody was told");
});
