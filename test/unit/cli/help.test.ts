import { describe, expect, test } from "bun:test";
import type { Command } from "../../../src/cli/command.ts";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";

const folder = resolve(import.meta.dir, "../../../src/cli");
const files = [...new Bun.Glob("*.ts").scanSync({ cwd: folder })]
  .toSorted()
  .filter((file) => readFileSync(join(folder, file), "utf8").includes("satisfies CommandSpec"));
const modules: readonly unknown[] = await Promise.all(files.map((file) => import(join(folder, file))));

/** Every command of the program: whatever a file of commands exports with a spec. */
const commands = modules.flatMap((each) =>
  Object.values(each as Readonly<Record<string, unknown>>).filter(
    (value): value is Command => typeof value === "object" && value !== null && "spec" in value && "run" in value,
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
