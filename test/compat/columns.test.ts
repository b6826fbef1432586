/*
 * The recipe for a new column, followed: one line in src/task/field.ts makes a program that knows a column `pinned`. It
 * has to get on with databases that the program without it made, and the other way round. Copies the sources, so that
 * it is the real table that gets the line.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { noPostgres } from "../systems/postgres.ts";
import { sharedPostgres } from "../systems/shared-postgres.ts";

const root = resolve(import.meta.dir, "../..");
const place = mkdtempSync(join(tmpdir(), "hs-columns-"));
const newer = join(place, "newer");
const postgres = sharedPostgres();

beforeAll(() => {
  cpSync(join(root, "src"), join(newer, "src"), { recursive: true });
  cpSync(join(root, "package.json"), join(newer, "package.json"));
  symlinkSync(join(root, "node_modules"), join(newer, "node_modules"));
  const file = join(newer, "src/task/field.ts");
  const end = "\n} as const satisfies";
  const line = '\n  pinned: { kind: "whole", role: "state", nullable: true, later: true },';
  const text = readFileSync(file, "utf8");
  expect(text).toContain(end);
  writeFileSync(file, text.replace(end, line + end));
}, 60_000);

afterAll(() => {
  rmSync(place, { recursive: true, force: true });
});

interface Database {
  /** What a program needs in its environment to use it. */
  readonly env: Readonly<Record<string, string>>;
}

/** Runs hs from sources; answers what it prints. */
async function hs(sources: string, { env }: Database, words: readonly string[], input = ""): Promise<string> {
  const child = Bun.spawn([process.execPath, join(sources, "src/main.ts"), ...words], {
    env: { ...process.env, ...env },
    stdin: new Blob([input]),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, status] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (status !== 0) throw new Error(`hs ${words.join(" ")}: status ${status}\n${stderr}`);
  return stdout.trim();
}

const run = (sources: string, database: Database, lines: readonly string[]): Promise<string> =>
  hs(sources, database, ["cluster"], lines.map((line) => `${line}\n`).join(""));

const lines = (text: string): readonly string[] => text.split(/\r?\n/);

/** Four tasks of the older program, two of them archived. */
async function olderDatabase(name: string, own: Readonly<Record<string, string>>): Promise<Database> {
  const database: Database = { env: { HYPERSHELL_SITE: join(place, name), ...own } };
  await hs(root, database, ["initdb", "--yes"]);
  await run(root, database, ["echo 1", "echo 2"]);
  await hs(root, database, ["initdb", "--rotate", "--yes"]);
  await run(root, database, ["echo 3", "echo 4"]);
  return database;
}

async function walk(database: Database): Promise<void> {
  const older = (...words: string[]): Promise<string> => hs(root, database, words);
  const now = (...words: string[]): Promise<string> => hs(newer, database, words);
  expect(await older("list", "--fields")).not.toContain("pinned");
  expect(await now("list", "--fields")).toEndWith("tag pinned");

  // Who only looks finds null in it, and changes nothing.
  expect(lines(await now("list", "args", "pinned"))).toEqual(
    [1, 2, 3, 4].map((n) => `echo ${[3, 4, 1, 2][n - 1]}\tnull`),
  );
  expect(await now("list", "--count", "-w", "pinned == null")).toBe("4");
  for (const condition of ["pinned != null", "pinned == 1", "pinned < 1", "pinned != 1"])
    expect(await now("list", "--count", "-w", condition)).toBe("0");
  expect(lines(await now("list", "args", "-s", "pinned", "--desc", "-l", "3")).length).toBe(3);

  // Who changes something adds the column first; archived tasks go on without.
  await now("update", "pinned=7", "-w", "args == echo 3", "-f");
  await now("update", "pinned=8", "-w", "args == echo 4", "-f");
  const all = ["echo 4\t8", "echo 3\t7", "echo 1\tnull", "echo 2\tnull"];
  expect(lines(await now("list", "args", "pinned", "-s", "pinned", "--desc"))).toEqual(all);
  expect(lines(await now("list", "args", "pinned", "-w", "pinned > 7"))).toEqual(["echo 4\t8"]);
  expect(await now("list", "--count", "-w", "pinned == null")).toBe("2");
  const ids = lines(await now("list", "id", "-s", "args"));
  expect(await Promise.all(ids.map((id) => now("info", id, "-x", "pinned")))).toEqual(["null", "null", "7", "8"]);

  // The older program goes on with the same tables, and what it leaves out is null.
  await run(root, database, ["echo 5"]);
  await run(newer, database, ["echo 6"]);
  expect(await older("list", "--count")).toBe("6");
  expect(lines(await now("list", "args", "pinned", "-w", "args > echo 4", "-s", "args"))).toEqual([
    "echo 5\tnull",
    "echo 6\tnull",
  ]);

  // What is archived now keeps its value.
  await now("initdb", "--rotate", "--yes");
  expect(lines(await now("list", "args", "pinned", "-s", "pinned", "--desc", "-l", "2"))).toEqual(all.slice(0, 2));
  expect(await now("list", "--count", "-i")).toBe("0");
}

describe("a program with one more column, and a database that lacks it", () => {
  test("work together in SQLite", async () => {
    await walk(await olderDatabase("sqlite", {}));
  }, 60_000);

  test.skipIf(noPostgres !== null)(
    "in PostgreSQL",
    async () => {
      await walk(await olderDatabase("postgres", postgres().env(await postgres().create())));
    },
    60_000,
  );

  test("a program with one more column can change it in a database of its own", async () => {
    const database: Database = { env: { HYPERSHELL_SITE: join(place, "own") } };
    await run(newer, database, ["echo 1"]);
    await hs(newer, database, ["update", "pinned=1", "-f"]);
    expect(await hs(newer, database, ["list", "pinned"])).toBe("1");
    expect(await hs(root, database, ["list", "args"])).toBe("echo 1");
  }, 60_000);
});
