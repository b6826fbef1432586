import type { ShownValue } from "../../../src/task/task.ts";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UserError } from "../../../src/base/errors.ts";
import { parseFlags } from "../../../src/args/flags.ts";
import { command, info } from "../../../src/cli/info.ts";
import type { TaskField } from "../../../src/task/field.ts";
import { capture } from "./capture.ts";
import { collected, fakeRecords } from "./ports.ts";
import { taskRecord } from "../print/rows.ts";

const id = "cd20208b-069b-45ae-9e4e-3f79f57bde6d";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "hs-info-"));
  for (const name of ["own", "recorded"]) mkdirSync(join(folder, name));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function run(
  words: readonly string[],
  given: Readonly<Partial<Record<TaskField, ShownValue>>> = {},
  isTerminal = false,
): Promise<{ out: string; err: string; outBytes: Buffer; status: number }> {
  const parsed = parseFlags(command.spec, words);
  if (parsed === "help") throw new Error("no help was asked for");
  const out = collected(isTerminal);
  const err = collected();
  const status = await info(parsed, {
    records: () => Promise.resolve(fakeRecords([taskRecord({ id, ...given })])),
    stdout: () => out,
    stderr: () => err,
    capture: capture(folder),
  });
  return { out: out.text(), err: err.text(), outBytes: out.bytes(), status };
}

async function failure(
  words: readonly string[],
  given: Readonly<Partial<Record<TaskField, ShownValue>>> = {},
): Promise<[number, string, string]> {
  try {
    await run(words, given);
  } catch (error) {
    if (error instanceof UserError) return [error.status, error.logger, error.message];
    throw error;
  }
  throw new Error("it did not fail");
}

describe("the task", () => {
  test("is a record without the line of dashes", async () => {
    const { out, status } = await run([id]);
    expect(out).toStartWith(`          id: ${id}\n       group: 0\n`);
    expect(out.trimEnd().split("\n")).toHaveLength(23);
    expect(status).toBe(0);
  });

  test("is found by its id in capitals too", async () => {
    expect((await run([id.toUpperCase(), "-x", "id"])).out).toBe(`${id}\n`);
  });

  test("is one object of all fields as JSON, and a mapping as YAML", async () => {
    const { out } = await run([id, "--json"]);
    expect(out).toStartWith(`{\n    "id": "${id}",\n    "group": 0,\n`);
    expect((await run([id, "-f", "json"])).out).toBe(out);
    expect((await run([id, "--yaml"], { tag: { site: "b", naked: "", part: 0 } })).out).toEndWith(
      "next_id: null\ntag:\n    site: b\n    naked: ''\n    part: 0\n",
    );
  });

  test("that is not there is an error that names it", async () => {
    const other = "00000000-0000-0000-0000-000000000000";
    expect(await failure([other])).toEqual([5, "task", `No task with id=${other}`]);
  });

  test.each(["bad", "", `${id}x`, id.slice(1), id.replaceAll("-", "")])(
    "by %p is refused for its shape",
    async (word) => {
      expect(await failure([word])).toEqual([2, "", `Bad UUID: '${word}'`]);
    },
  );
});

describe("one field", () => {
  test("is the value alone: text byte for byte, numbers, null and booleans", async () => {
    expect((await run([id, "-x", "args"], { args: 'echo "hi\\n" ü\tx' })).out).toBe('echo "hi\\n" ü\tx\n');
    expect((await run([id, "-x", "exit_status"], { exit_status: 3 })).out).toBe("3\n");
    expect((await run([id, "-x", "exit_status"])).out).toBe("null\n");
    expect((await run([id, "-x", "retried"])).out).toBe("false\n");
    expect((await run([id, "-x", "cores_max"], { cores_max: 1 })).out).toBe("1.0\n");
    expect((await run([id, "-x", "duration"], { duration: 1.25 })).out).toBe("1.25\n");
  });

  test("ignores the format", async () => {
    expect((await run([id, "-x", "args", "--json"], { args: '"' })).out).toBe('"\n');
    expect((await run([id, "-x", "args", "--yaml"], { args: "null" })).out).toBe("null\n");
  });

  const tag = { site: "b", flag: false, naked: "", nul: null, val: 1.5, part: 0 };

  test("tag is a list in which only empty text has no value", async () => {
    expect((await run([id, "-x", "tag"], { tag })).out).toBe("site:b, flag:false, naked, nul:null, val:1.5, part:0\n");
  });

  test("tag is a map as JSON and YAML", async () => {
    expect((await run([id, "-x", "tag", "--json"], { tag: { a: "", part: 0 } })).out).toBe(
      '{\n    "a": "",\n    "part": 0\n}\n',
    );
    expect((await run([id, "-x", "tag", "--yaml"], { tag: { a: "", part: 0 } })).out).toBe("a: ''\npart: 0\n");
    expect((await run([id, "-x", "tag", "--yaml"], { tag: {} })).out).toBe("{}\n");
  });

  test("unknown is refused", async () => {
    const [status, , text] = await failure([id, "-x", "nosuch"]);
    expect(status).toBe(2);
    expect(text).toStartWith("argument -x/--extract: invalid choice: 'nosuch' (choose from 'id', 'group', ");
  });
});

describe("captured files", () => {
  const recorded = (name: string): string => join(folder, "recorded", name);

  test("are printed byte by byte, the errors on standard error", async () => {
    const bytes = Buffer.from([0, 255, 13, 10, 0xc3, 65]);
    writeFileSync(recorded("a.out"), bytes);
    writeFileSync(recorded("a.err"), "oops");
    writeFileSync(recorded("a.csv"), "time,cores,memory\n");
    const given = {
      outpath: recorded("a.out"),
      errpath: recorded("a.err"),
      csvpath: recorded("a.csv"),
      exit_status: 0,
    };
    expect((await run([id, "--stdout"], given)).outBytes).toEqual(bytes);
    expect(await run([id, "--stderr"], given)).toMatchObject({ out: "", err: "oops", status: 0 });
    expect((await run([id, "--perf"], given)).out).toBe("time,cores,memory\n");
  });

  test("longer than a buffer are printed whole", async () => {
    writeFileSync(recorded("long.out"), "0123456789abcdef".repeat(100_000));
    expect((await run([id, "--stdout"], { outpath: recorded("long.out") })).out).toHaveLength(1_600_000);
  });

  test("exclude each other and -x", async () => {
    expect((await failure([id, "--stdout", "--perf"]))[2]).toBe("argument --perf: not allowed with argument --stdout");
    expect((await failure([id, "-x", "args", "--stderr"]))[2]).toBe(
      "argument --stderr: not allowed with argument -x/--extract",
    );
    expect((await failure([id, "--json", "--yaml"]))[2]).toBe("argument --yaml: not allowed with argument --json");
  });
});

test("a field is printed as it is, but a terminal obeys nothing in it: lines and columns alone stay", async () => {
  const args = "printf '\u001b[2J'\tx\nrm\r\u202ey\u0085";
  const shown = "printf '\\x1b[2J'\tx\nrm\\r\\u202ey\\x85\n";
  expect((await run([id, "-x", "args"], { args })).out).toBe(`${args}\n`);
  expect((await run([id, "-x", "args"], { args }, true)).out).toBe(shown);
  expect((await run([id, "-x", "tag"], { tag: { k: args } }, true)).out).toBe(`k:${shown}`);
});
