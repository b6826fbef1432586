/*
 * A database that the reference wrote, in the hands of the executable: it is listed, its unfinished tasks are run, its
 * failures are tried again, and the reference could read it afterwards.
 */
import { describe, expect, test } from "bun:test";
import { copyFileSync, mkdirSync, readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { linesOf, openSite, sorted, type Site } from "./harness.ts";
import { ask } from "./tables.ts";

const reference = resolve(import.meta.dir, "../compat/reference-2.8.2");

/** `main.db` has unfinished tasks in two groups and a cancelled one; `main.1` has failures. */
function siteOf(name: "main.db" | "main.1"): Site {
  const site = openSite();
  mkdirSync(dirname(site.database), { recursive: true, mode: 0o700 });
  copyFileSync(resolve(reference, name), site.database);
  return site;
}

function columnsOf(site: Site): string[] {
  return ask<{ name: string }>(site.database, "select name from pragma_table_info('task')").map(({ name }) => name);
}

test("--restart runs once what the reference left unfinished, and what it cancelled stays cancelled", async () => {
  await using site = siteOf("main.db");
  const before = columnsOf(site);
  const { status, stdout, stderr } = await site.hsx(["--restart", "-N2"]);
  expect({ status, lines: sorted(stdout) }).toEqual({ status: 0, lines: ["hello world", "later 2"] });
  expect(stderr).toContain("INFO [hypershell.server] Found 2 unfinished tasks\n");
  expect((await site.shell("hs list args exit_status attempt group")).stdout).toBe(
    'echo later 1\t-1\t1\t1\necho later 2\t0\t1\t2\necho "hello world"\t0\t1\t0\n',
  );
  expect((await site.shell("hs list --count --remaining")).stdout).toBe("0\n");
  const again = await site.hsx(["--restart"]);
  expect([again.status, again.stdout]).toEqual([0, ""]);
  // Statements of the reference take columns by their place.
  expect(columnsOf(site)).toEqual(before);
});

test("--restart -r 2 tries failures of the reference again, linked, and tells of those that fail again", async () => {
  await using site = siteOf("main.1");
  const run = await site.hsx(["--restart", "-r", "2"]);
  expect(run.status).toBe(7);
  expect(run.stderr).toContain("INFO [hypershell.server] Trying 2 previously failed tasks again\n");
  expect(run.stderr).toContain(" WARNING [hypershell.cluster] 2 of 2 tasks failed (hs list -F -w server_id==");
  const rows = linesOf((await site.shell("hs list args attempt exit_status retried -w 'attempt >= 2'")).stdout);
  expect(rows).toEqual([
    "false\t2\t1\ttrue",
    "[ $TASK_ATTEMPT -eq 2 ] && echo retry-ok\t2\t0\tfalse",
    "sleep 1; exit 3\t2\t3\ttrue",
    "false\t3\t1\tfalse",
    "sleep 1; exit 3\t3\t3\tfalse",
  ]);
  const last = linesOf((await site.shell("hs list previous_id -w 'attempt == 3'")).stdout);
  const linked = linesOf((await site.shell("hs list id -w 'attempt == 2' -w 'retried == true'")).stdout);
  expect(last).toEqual(linked);
  // Two attempts more than the reference's are used up: nothing is left to try.
  expect((await site.hsx(["--restart", "-r", "2"])).status).toBe(0);
});

describe("what the reference prints for its database and the partition beside it is printed by the executable", () => {
  const main = resolve(reference, "main.db");
  const printed = (name: string): string => readFileSync(resolve(reference, name), "utf8");
  const readable = (text: string): string =>
    text.replaceAll("\\u00fcn\\u00efcode", "ünïcode").replaceAll('\\\\"text\\\\"', '\\"text\\"');

  async function shown(...words: string[]): Promise<string> {
    await using site = siteOf("main.db");
    copyFileSync(resolve(dirname(main), "main.1"), resolve(dirname(site.database), "main.1"));
    const { status, stdout, stderr } = await site.hs(words);
    expect([status, stderr]).toEqual([0, ""]);
    return stdout;
  }

  test("as csv and json, byte for byte", async () => {
    expect(await shown("list", "--csv")).toBe(printed("list.csv"));
    expect(await shown("list", "--json")).toBe(printed("list.json"));
  });

  test("as records, but for readable text (D1) and the spelling of true and null in tags (D2)", async () => {
    const expected = readable(printed("list.normal"))
      .replaceAll("flag:True", "flag:true")
      .replaceAll("nul:None", "nul:null");
    expect(await shown("list", "-l", "100")).toBe(expected);
  });

  test("as a table, but for readable text (D1), which is shorter and so wraps elsewhere", async () => {
    const lines = (await shown("list", "id", "args", "exit_status", "-f", "table")).split("\n");
    const expected = printed("list.table").split("\n");
    const first = expected.findIndex((line) => line.includes("u00fc"));
    expect(lines.slice(first, first + 2).join("\n")).toContain("ünïcode 'quoted'");
    expect(lines.toSpliced(first, 2)).toEqual(expected.toSpliced(first, 2));
  });

  test("as yaml, but for the blank line at the end (D5), also from the partition", async () => {
    const id = /^id: (\S+)/m.exec(printed("info.yaml"))![1]!;
    expect(`${await shown("info", id, "--yaml")}\n`).toBe(printed("info.yaml"));
    expect(await shown("list", "--count")).toBe("12\n");
    expect(await shown("list", "--count", "-i")).toBe("3\n");
  });
});
