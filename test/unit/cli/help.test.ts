import { describe, expect, test } from "bun:test";
import type { Command } from "../../../src/cli/command.ts";
import * as client from "../../../src/cli/client.ts";
import * as cluster from "../../../src/cli/cluster.ts";
import * as config from "../../../src/cli/config.ts";
import * as info from "../../../src/cli/info.ts";
import * as init from "../../../src/cli/init.ts";
import * as initdb from "../../../src/cli/initdb.ts";
import * as list from "../../../src/cli/list.ts";
import * as run from "../../../src/cli/run.ts";
import * as server from "../../../src/cli/server.ts";
import * as submit from "../../../src/cli/submit.ts";
import * as update from "../../../src/cli/update.ts";
import * as wait from "../../../src/cli/wait.ts";

const files = [client, cluster, config, info, init, initdb, list, run, server, submit, update, wait];

/** Every command of the program: whatever a file of commands exports with a spec. */
const commands = files.flatMap((file) =>
  Object.values(file as Readonly<Record<string, unknown>>).filter(
    (each): each is Command => typeof each === "object" && each !== null && "spec" in each && "run" in each,
  ),
);

test("all commands are looked at", () => {
  const names = commands.map(({ spec }) => spec.name);
  expect(new Set(names).size).toBe(names.length);
  for (const name of ["hs client", "hs config", "hs config get", "hs config edit", "hs init", "hs update", "hs wait"])
    expect(names).toContain(name);
});

describe.each(commands.map(({ spec }) => [spec.name, spec] as const))("the help of %s", (_, spec) => {
  const options = spec.sections.flatMap((section) => section.options).filter((option) => option.hidden !== true);

  test("says what the command does, in whole sentences", () => {
    expect(spec.summary).toMatch(/^[A-Z].*\.$/s);
    expect(spec.usage.length).toBeGreaterThan(0);
  });

  test("has a sentence for every option and argument", () => {
    const bare = [...options, ...spec.positionals].filter(({ help }) => !/^[A-Z0-9':].*[.)]$/s.test(help));
    expect(bare.map(({ key, help }) => `${key}: ${help}`)).toEqual([]);
  });

  test("names the exit statuses", () => {
    expect(spec.epilog ?? "").toMatch(/^Exit status: (?:0 |that of the task).*2 bad argument/ms);
  });
});
