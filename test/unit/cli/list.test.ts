import { describe, expect, test } from "bun:test";
import { systemClock } from "../../../src/base/clock.ts";
import { UserError } from "../../../src/base/errors.ts";
import type { Parsed } from "../../../src/args/spec.ts";
import { parseFlags } from "../../../src/args/flags.ts";
import { command, list } from "../../../src/cli/list.ts";
import type { RecordQuery } from "../../../src/history/history.ts";
import { taskFields } from "../../../src/task/field.ts";
import { collected, fakeRecords } from "./ports.ts";
import type { Task } from "./ports.ts";
import { taskRecord } from "../print/rows.ts";

function parse(words: readonly string[]): Parsed {
  const parsed = parseFlags(command.spec, words);
  if (parsed === "help") throw new Error("no help was asked for");
  return parsed;
}

const tasks = [
  taskRecord({
    id: "0199b3f2-7c1e-7000-8000-00000000000a",
    args: "echo out",
    exit_status: 0,
    tag: { site: "b", part: 0 },
  }),
  taskRecord({
    id: "0199b3f2-7c1e-7000-8000-00000000000b",
    args: "false",
    exit_status: 1,
    tag: { flag: true, part: 0 },
  }),
  taskRecord({ id: "0199b3f2-7c1e-7000-8000-00000000000c", args: "echo later" }),
];

async function run(
  words: readonly string[],
  rows: readonly Task[] = tasks,
  isTerminal = false,
): Promise<{ out: string; status: number; query: RecordQuery }> {
  const records = fakeRecords(rows);
  const output = collected(isTerminal);
  const status = await list(parse(words), {
    records: () => Promise.resolve(records),
    output: () => output,
    clock: systemClock,
  });
  return { out: output.text(), status, query: records.queries[0]! as RecordQuery };
}

async function refusal(words: readonly string[]): Promise<string> {
  const output = collected();
  const opened = (): never => {
    throw new Error("the database was opened before the words were checked");
  };
  try {
    await list(parse(words), { records: opened, output: () => output, clock: systemClock });
  } catch (error) {
    if (error instanceof UserError && error.status === 2) return error.message;
    throw error;
  }
  throw new Error(`accepted: ${words.join(" ")}`);
}

describe("what is asked of the store", () => {
  const where = async (...words: string[]): Promise<unknown> => (await run([...words, "-c"])).query.where;

  test("each filter is a condition, and all of them hold together", async () => {
    expect(await where("-F")).toEqual([{ kind: "field", field: "exit_status", operator: "!=", value: 0 }]);
    expect(await where("-S")).toEqual([{ kind: "field", field: "exit_status", operator: "==", value: 0 }]);
    expect(await where("-C")).toEqual([{ kind: "field", field: "exit_status", operator: "!=", value: null }]);
    expect(await where("--finished")).toEqual(await where("--completed"));
    expect(await where("-R")).toEqual([{ kind: "field", field: "exit_status", operator: "==", value: null }]);
    expect(await where("--retries", "-g2", "-R")).toEqual([
      { kind: "field", field: "group", operator: "==", value: 2 },
      { kind: "field", field: "exit_status", operator: "==", value: null },
      { kind: "field", field: "attempt", operator: ">", value: 1 },
    ]);
  });

  test("conditions and tags accumulate over words and repeated options", async () => {
    expect(
      await where("-w", "args == 1", "attempt > 1", "-t", "site:b", "-w", "exit_status>=2", "-t", "naked", "n:1"),
    ).toEqual([
      { kind: "field", field: "args", operator: "==", value: "1" },
      { kind: "field", field: "attempt", operator: ">", value: 1 },
      { kind: "field", field: "exit_status", operator: ">=", value: 2 },
      { kind: "tagValue", key: "site", value: "b" },
      { kind: "tagKey", key: "naked" },
      { kind: "tagValue", key: "n", value: 1 },
    ]);
  });

  test("fields stand anywhere among the options, in the order given", async () => {
    const { query } = await run(["args", "-l1", "id", "-d", ",", "args"]);
    expect(query).toEqual({ fields: ["args", "id", "args"], where: [], orderBy: null, descending: false, limit: 1 });
  });

  test("fields may be called as records call them", async () => {
    const { query } = await run(["tags", "started", "-w", "submitted > 2026", "-s", "completed"]);
    expect([query.fields, query.orderBy]).toEqual([["tag", "start_time"], "completion_time"]);
    expect(query.where).toEqual([{ kind: "field", field: "submit_time", operator: ">", value: "2026" }]);
  });

  test("-- ends the conditions, so that fields can follow", async () => {
    expect((await run(["-w", "attempt >= 1", "--", "args"])).query.fields).toEqual(["args"]);
  });

  test("without FIELD all fields are asked for, in order of submission and without a limit", async () => {
    const { query } = await run(["--json"]);
    expect(query).toEqual({ fields: taskFields, where: [], orderBy: null, descending: false, limit: null });
  });

  test("a negative limit is none, and a limit of 0 finds nothing", async () => {
    expect((await run(["-l", "-1", "-c"])).out).toBe("3\n");
    expect((await run(["-l0", "-c"])).out).toBe("0\n");
    expect((await run(["-l0", "args"])).out).toBe("");
  });

  test("--desc goes with --order-by, and without it has the latest first", async () => {
    const sorted = (await run(["-s", "duration", "--desc", "-c"])).query;
    expect([sorted.orderBy, sorted.descending]).toEqual(["duration", true]);
    const latest = (await run(["--desc", "-c"])).query;
    expect([latest.orderBy, latest.descending]).toEqual(["submit_time", true]);
  });
});

describe("formats", () => {
  test("normal without FIELD, plain with", async () => {
    expect((await run(["-l1"])).out).toStartWith(
      "---\n          id: 0199b3f2-7c1e-7000-8000-00000000000a\n       group: 0\n",
    );
    expect((await run(["args", "exit_status"])).out).toBe("echo out\t0\nfalse\t1\necho later\tnull\n");
  });

  test("by name or by flag", async () => {
    expect((await run(["args", "exit_status", "-f", "table", "-l1"])).out).toContain("│ echo out │ 0           │\n");
    expect((await run(["args", "--csv", "-l2"])).out).toBe("args\r\necho out\r\nfalse\r\n");
    expect((await run(["args", "--json", "-l1"])).out).toBe('[\n    {\n        "args": "echo out"\n    }\n]\n');
    expect((await run(["-f", "plain", "-l1"])).out.split("\t")).toHaveLength(30);
  });

  test("the delimiter is taken as it is typed", async () => {
    expect((await run(["args", "exit_status", "-d", "\\t", "-l1"])).out).toBe("echo out\\t0\n");
    expect((await run(["args", "exit_status", "-d", "", "-l1"])).out).toBe("echo out0\n");
    expect((await run(["args", "exit_status", "--csv", "-d;", "-l1"])).out).toBe("args;exit_status\r\necho out;0\r\n");
  });

  test("--count is one integer in any format", async () => {
    for (const words of [["-c"], ["-c", "--json"], ["-c", "args"], ["--count", "-f", "table"]])
      expect((await run(words)).out).toBe("3\n");
  });

  test("nothing found is no failure", async () => {
    expect(await run(["args", "-R"], [])).toMatchObject({ out: "", status: 0 });
    expect(await run(["--json"], [])).toMatchObject({ out: "[]\n", status: 0 });
  });
});

describe("listing names", () => {
  test("--fields prints all of them without a database", async () => {
    const output = collected();
    const records = (): never => {
      throw new Error("no database is needed");
    };
    expect(await list(parse(["--fields"]), { records, output: () => output, clock: systemClock })).toBe(0);
    expect(output.text()).toBe(
      "id group args submit_id submit_time submit_host cores memory cores_max memory_max timeout server_id " +
        "server_host schedule_time client_id client_host command start_time completion_time exit_status outpath " +
        "errpath csvpath attempt retried waited duration previous_id next_id tag\n",
    );
  });

  const tagged = (...all: Readonly<Record<string, string | number | boolean | null>>[]): Task[] =>
    all.map((tag) => taskRecord({ tag: { ...tag, part: 0 } }));

  test("--tag-keys prints each key once, in order of appearance, whatever the filters", async () => {
    const rows = tagged({ site: "b" }, { n: 1, site: "a" }, { z: "" });
    expect((await run(["--tag-keys", "-F", "-l1"], rows)).out).toBe("site\npart\nn\nz\n");
  });

  test("--tag-values prints each value once: text raw, the rest as JSON, empty text as an empty line", async () => {
    const rows = tagged(
      { k: "b" },
      { k: 1 },
      { k: "b" },
      { k: 1.5 },
      { k: "" },
      { k: true },
      { k: false },
      { k: null },
      { k: "1" },
      { x: 2 },
    );
    expect((await run(["--tag-values", "k"], rows)).out).toBe("b\n1\n1.5\n\ntrue\nfalse\nnull\n1\n");
    expect((await run(["--tag-values", "unknown"], rows)).out).toBe("");
  });

  test("a key that every object has by birth is no tag", async () => {
    expect((await run(["--tag-values", "constructor"], tagged({ a: 1 }))).out).toBe("");
  });
});

describe("refused before anything is searched", () => {
  test.each([
    [["argz"], "there is no field 'argz' (did you mean 'args'?)"],
    [["args", "-f", "normal"], "argument -f/--format: 'normal' always shows all fields"],
    [["-d", ","], "argument -d/--delimiter: only for the formats plain and csv, not normal"],
    [["-c", "-d", ","], "argument -d/--delimiter: only for the formats plain and csv, not normal"],
    [["args", "--json", "-d", ","], "argument -d/--delimiter: only for the formats plain and csv, not json"],
    [["--csv", "-d", "ab"], "argument -d/--delimiter: csv takes one character"],
    [["--csv", "-d", ""], "argument -d/--delimiter: csv takes one character"],
    [["--csv", "-d", '"'], "argument -d/--delimiter: csv takes one character"],
    [["args", "-d", "x".repeat(101)], "argument -d/--delimiter: at most 100 characters, not 101"],
    [["--tag-values"], "argument --tag-values: expected exactly one KEY, not 0"],
    [["--tag-values", "a", "b"], "argument --tag-values: expected exactly one KEY, not 2"],
    [["-w", "nosuch == 1"], "nosuch"],
    [
      ["-w", "attempt > 1", "args"],
      "'args' is a field without a condition (to print it, name it before -w, or after --)",
    ],
    [["-w", "args = 1"], "args = 1"],
    [["-w", "args ~ ["], "args ~ ["],
    [["-w", "duration ~ 1"], "duration"],
    [["-F", "-R"], "argument -R/--remaining: not allowed with argument -F/--failed"],
    [["--json", "--csv"], "argument --csv: not allowed with argument --json"],
    [
      ["-f", "xml"],
      "argument -f/--format: invalid choice: 'xml' (choose from 'normal', 'plain', 'table', 'json', 'csv', 'list')",
    ],
    [["-s", "size"], "argument -s/--order-by: invalid choice: 'size'"],
    [["--tag-keys", "--tag-values", "k"], "argument --tag-values: not allowed with argument --tag-keys"],
  ])("%p", async (words, message) => {
    expect(await refusal(words)).toContain(message);
  });
});

test("the database is closed when the reader has left", async () => {
  const records = fakeRecords(tasks);
  const gone = new Error("gone");
  const output = {
    ...collected(),
    write: () => {
      throw gone;
    },
  };
  const ports = { records: () => Promise.resolve(records), output: () => output, clock: systemClock };
  const thrown = await list(parse(["args"]), ports).catch((error: unknown) => error);
  expect(thrown).toBe(gone);
  expect(records.isClosed()).toBe(true);
});

describe("what a terminal would obey", () => {
  // ESC, BEL, a C1 control, an override of direction, a line end.
  const nasty = "a\u001b]0;x\u0007\u009b2J\u202eb\rc\nd";
  const harmless = String.raw`a\x1b]0;x\x07\x9b2J\u202eb\rc\nd`;
  const rows = [taskRecord({ id: "0199b3f2-7c1e-7000-8000-00000000000d", args: nasty, tag: { [nasty]: nasty } })];

  test.each([
    [["args"], `${nasty.replace("\r", String.raw`\r`).replace("\n", String.raw`\n`)}\n`, `${harmless}\n`],
    [["args", "--csv"], `args\r\n"${nasty}"\r\n`, `args\r\n${harmless}\r\n`],
    [["--tag-keys"], `${nasty}\n`, `${harmless}\n`],
    [["--tag-values", nasty], `${nasty}\n`, `${harmless}\n`],
  ])("%j: a terminal sees it escaped, a program gets it as it is", async (words, piped, shown) => {
    expect((await run(words, rows)).out).toBe(piped);
    expect((await run(words, rows, true)).out).toBe(shown);
  });

  test.each([[[]], [["-f", "table", "args"]], [["--json", "args"]], [["args", "tag", "--csv"]], [["tag"]]])(
    "%j has nothing of it on a terminal",
    async (words) => {
      const { out } = await run(words, rows, true);
      const colours = new RegExp("\u001b\\[[0-9;]*m", "g");
      expect(out.replace(colours, "").replace(/\r?\n/g, "")).not.toMatch(/[\p{Cc}\u202e]/u);
    },
  );
});
