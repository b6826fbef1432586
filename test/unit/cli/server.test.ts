/*
 * Which calls of `hs server` and `hs client` are refused, before anything is opened. What they do is in
 * test/e2e/server.test.ts.
 */
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UserError } from "../../../src/base/errors.ts";
import { command as client } from "../../../src/cli/client.ts";
import type { Command, Context } from "../../../src/cli/command.ts";
import { parseFlags } from "../../../src/args/flags.ts";
import { command as server } from "../../../src/cli/server.ts";

const context: Context = {
  program: "hs",
  env: {},
  cwd: "/",
  config: () => {
    throw new Error("nothing was refused");
  },
  loggers: () => {
    throw new Error("nothing is to be said");
  },
};

async function refusal(command: Command, words: readonly string[]): Promise<string> {
  try {
    const parsed = parseFlags(command.spec, words);
    if (parsed === "help") return "help";
    await command.run(parsed, context);
    return "none";
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    expect(error.status).toBe(2);
    return error.message;
  }
}

test("a server has one source of tasks", async () => {
  expect(await refusal(server, ["x", "--forever"])).toContain("not allowed with FILE");
  expect(await refusal(server, ["-", "--restart"])).toContain("not allowed with FILE");
  expect(await refusal(server, ["--restart", "--forever"])).toBe(
    "argument --restart: not allowed with argument --forever",
  );
  expect(await refusal(server, ["--restart", "--no-db"])).toContain("not allowed with --no-db");
  expect(await refusal(server, ["a", "b"])).toBe("unrecognized arguments: b");
});

test("options of a server that exclude each other name the later one first", async () => {
  expect(await refusal(server, ["--no-db", "--initdb"])).toBe("argument --initdb: not allowed with argument --no-db");
  expect(await refusal(server, ["--print", "-f", "x"])).toBe(
    "argument -f/--failures: not allowed with argument --print",
  );
});

test("a failure file that is the task file is refused before it is emptied", async () => {
  const folder = mkdtempSync(join(tmpdir(), "server-"));
  try {
    const path = join(folder, "tasks.in");
    writeFileSync(path, "true\n");
    expect(await refusal(server, [path, "-f", path])).toBe(
      `argument -f/--failures: would overwrite the tasks, '${path}' is the same file`,
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("numbers of a server have their least values", async () => {
  expect(await refusal(server, ["-Q", "0"])).toBe("argument -Q/--poll: must be 1 or more, not 0");
  expect(await refusal(server, ["-b", "0"])).toBe("argument -b/--bundlesize: must be 1 or more, not 0");
  expect(await refusal(server, ["-p", "x"])).toBe("argument -p/--port: invalid int value: 'x'");
});

test("a client takes no words", async () => {
  expect(await refusal(client, ["x"])).toBe("unrecognized arguments: x");
});

test("limits of a client are positive", async () => {
  for (const [words, names] of [
    [["-T", "0"], "-T/--timeout"],
    [["-W", "0"], "-W/--task-timeout"],
  ] as const)
    expect(await refusal(client, words)).toBe(`argument ${names}: must be 1 or more, not 0`);
  for (const words of [
    ["-T", "-5"],
    ["-W", "-1"],
  ])
    expect(await refusal(client, words)).toContain(`argument ${words[0]}`);
  expect(await refusal(client, ["-N", "-1"])).toContain("-N/--num-threads/--num-tasks: must be 0 or more");
});

test("captured output goes into files of its own, not into one file as well", async () => {
  expect(await refusal(client, ["--capture", "-o", "x"])).toBe(
    "argument --capture: not allowed with argument -o/--output",
  );
  expect(await refusal(client, ["-e", "x", "--capture"])).toBe(
    "argument --capture: not allowed with argument -e/--errors",
  );
});
