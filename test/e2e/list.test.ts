/*
 * hs list and hs info as users type them, against a database that the reference wrote and against one of our own. The numbers are
 * those of the workflow table in the interface's documentation.
 */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { linesOf, openSite, type Site } from "./harness.ts";

const reference = resolve(import.meta.dir, "../compat/reference-2.8.2");

/** A place whose database the reference wrote. */
function siteOfReference(): Site {
  const site = openSite();
  mkdirSync(dirname(site.database), { recursive: true });
  copyFileSync(join(reference, "main.db"), site.database);
  return site;
}

function change(site: Site, sql: string, ...values: (string | number | null)[]): void {
  const database = new Database(site.database);
  try {
    database.query(sql).run(...values);
  } finally {
    database.close();
  }
}

async function quiet(site: Site, line: string): Promise<string> {
  const { status, stdout, stderr } = await site.shell(line);
  expect({ line, status, stderr }).toEqual({ line, status: 0, stderr: "" });
  return stdout;
}

const later = "948a8cd0-c871-4d07-978e-8422a5a00d6c";

test("W19: hs list -l1 shows one record, as the reference does", async () => {
  await using site = siteOfReference();
  const records = readFileSync(join(reference, "list.normal"), "utf8").split("---\n");
  expect(await quiet(site, "hs list -l1")).toBe(`---\n${records[1]}`);
  // The main file holds the first three.
  expect(await quiet(site, "hs list -f normal")).toBe(`---\n${records.slice(1, 4).join("---\n")}`);
});

test("W19: spans are hours, minutes and seconds, with milliseconds where they are short", async () => {
  await using site = siteOfReference();
  change(site, "update task set waited = 322, duration = 1.5, tag = '{\"part\":0}' where id = ?", later);
  const record = await quiet(site, `hs list -w 'id == ${later}'`);
  expect(record).toContain("     started: null (waited: 0:05:22)\n");
  expect(record).toContain("   completed: null (duration: 0:00:01.500)\n");
  expect(record).toContain("        tags: part:0\n");
});

test("W19: hs list args exit_status -f table", async () => {
  await using site = siteOfReference();
  expect(await quiet(site, "hs list args exit_status -f table")).toBe(`┏━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━┓
┃ args               ┃ exit_status ┃
┡━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━┩
│ echo later 1       │ -1          │
│ echo later 2       │ null        │
│ echo "hello world" │ null        │
└────────────────────┴─────────────┘
`);
});

test("W19: hs list --csv and --json are what the reference prints", async () => {
  await using site = siteOfReference();
  const csv = readFileSync(join(reference, "list.csv"), "utf8").split("\r\n").slice(0, 4);
  expect(await quiet(site, "hs list --csv")).toBe(`${csv.join("\r\n")}\r\n`);
  const json = JSON.parse(readFileSync(join(reference, "list.json"), "utf8")) as readonly unknown[];
  const shown = await quiet(site, "hs list --json");
  expect(JSON.parse(shown)).toEqual(json.slice(0, 3));
  expect(shown).toBe(`${JSON.stringify(json.slice(0, 3), null, 4)}\n`);
});

test("W19: fields stand anywhere, and rows are sorted and filtered as asked", async () => {
  await using site = siteOfReference();
  expect(await quiet(site, "hs list args -d , group -s group --desc")).toBe(
    'echo later 2,2\necho later 1,1\necho "hello world",0\n',
  );
  expect(await quiet(site, "hs list args -w 'group >= 1' 'group <= 1'")).toBe("echo later 1\n");
  expect(await quiet(site, "hs list args -w 'args ~ later' -w 'group > 1'")).toBe("echo later 2\n");
  expect(await quiet(site, "hs list args -t batch:2 -t phase")).toBe("echo later 1\n");
  expect(await quiet(site, "hs list exit_status -F")).toBe("-1\n");
  expect(await quiet(site, "hs list --tag-keys")).toBe("batch\nphase\npart\n");
  expect(await quiet(site, "hs list --tag-values batch")).toBe("2\n");
});

test("W20: hs list --count --remaining --with-tag site:b is one number", async () => {
  await using site = openSite();
  await site.shell("seq 1000 | hs submit -t site:b n:1; seq 10 | hs submit -t site:a; hs submit -t site:b -- true");
  expect(await quiet(site, "hs list --count --remaining --with-tag site:b")).toBe("1001\n");
  expect(await quiet(site, "hs list --count --remaining --with-tag site:b -l 7")).toBe("7\n");
  expect(await quiet(site, "hs list --count --succeeded --json")).toBe("0\n");
});

test("W32: a reader that has seen enough ends hs list without a word, even in mid-stream", async () => {
  await using site = openSite();
  await site.shell("seq 30000 | hs submit -t site:b");
  for (const format of ["plain", "csv", "json", "normal", "table"]) {
    const line = `hs list -f ${format} | head -3; echo "\${PIPESTATUS[0]}"`;
    const lines = linesOf(await quiet(site, line));
    expect([format, lines.length, lines.at(-1)]).toEqual([format, 4, "0"]);
  }
  // More than a pipe holds, so that the writer is held back before the reader leaves.
  expect(await quiet(site, `hs list --csv | (read line; echo "$line" | cut -c1-8); echo "\${PIPESTATUS[0]}"`)).toBe(
    "id,group\n0\n",
  );
});

test("a full disk is an error of one line", async () => {
  await using site = siteOfReference();
  const { status, stderr } = await site.shell("hs list --csv > /dev/full");
  expect([status, linesOf(stderr)]).toEqual([
    5,
    [expect.stringMatching(/^CRITICAL \[hypershell\] OSError: .*No space left/)],
  ]);
});

test("what cannot be searched is refused in one line, and makes no database", async () => {
  await using site = openSite();
  const refused: Readonly<Record<string, string>> = {
    "hs list nosuch": "there is no field 'nosuch' (see: hs list --fields)",
    "hs list -w 'nosuch == 1'": "no field 'nosuch'",
    "hs list -w 'args = 1'": "condition 'args = 1'",
    "hs list -w 'args ~ ('": "regular expression",
    "hs list -w 'duration ~ 1'": "duration",
    "hs list -F -R": "argument -R/--remaining: not allowed with argument -F/--failed",
    "hs info bad": "Bad UUID: 'bad'",
  };
  for (const [line, reason] of Object.entries(refused)) {
    const { status, stdout, stderr } = await site.shell(line);
    expect([line, status, stdout, linesOf(stderr).length]).toEqual([line, 2, "", 1]);
    expect(stderr).toStartWith("CRITICAL [hypershell] ");
    expect(stderr).toContain(reason);
  }
  expect(site.exists(site.database)).toBe(false);
});

test("hs list without a word shows its usage", async () => {
  await using site = openSite();
  const { status, stdout, stderr } = await site.hs(["list"]);
  expect([status, stderr]).toEqual([1, ""]);
  expect(stdout).toStartWith("Usage:\n  hs list [FIELD...] ");
});

test("hs info shows a task, a field of it, and a task that is not there", async () => {
  await using site = siteOfReference();
  const record = readFileSync(join(reference, "list.normal"), "utf8").split("---\n")[2];
  expect(await quiet(site, `hs info ${later.toUpperCase()}`)).toBe(record!);
  expect(await quiet(site, `hs info ${later} -x args`)).toBe("echo later 2\n");
  expect(await quiet(site, `hs info ${later} -x tag --yaml`)).toBe("batch: 2\npart: 0\n");
  expect(Object.keys(JSON.parse(await quiet(site, `hs info ${later} --json`)) as object)).toHaveLength(30);
  const id = "00000000-0000-0000-0000-000000000000";
  const { status, stdout, stderr } = await site.hs(["info", id]);
  expect([status, stdout, stderr]).toEqual([5, "", `CRITICAL [hypershell.task] NotFound: No task with id=${id}\n`]);
});

test("hs info prints captured files where the task recorded them, whatever the site is now", async () => {
  await using site = siteOfReference();
  const bytes = Buffer.from([104, 105, 0, 255, 10]);
  writeFileSync(join(site.work, "there.out"), bytes);
  site.write("there.err", "oops\n");
  change(
    site,
    "update task set outpath = ?, errpath = ? where id = ?",
    join(site.work, "there.out"),
    join(site.work, "there.err"),
    later,
  );
  await quiet(site, `hs info ${later} --stdout > copy`);
  expect(readFileSync(join(site.work, "copy"))).toEqual(bytes);
  expect(await site.hs(["info", later, "--stderr"])).toEqual({ status: 0, stdout: "", stderr: "oops\n" });
});

test("hs info says on which host a captured file is", async () => {
  await using site = siteOfReference();
  change(site, "update task set outpath = '/far/x.out', client_host = 'node77' where id = ?", later);
  const { status, stdout, stderr } = await site.hs(["info", later, "--stdout"]);
  expect([status, stdout, linesOf(stderr).length]).toEqual([5, "", 1]);
  expect(stderr).toContain("is on host node77, not on this one (");
  expect(stderr).toContain("'/far/x.out'");
});

test("hs info shows what a run captured", async () => {
  await using site = openSite();
  await site.shell("echo 'echo out; echo err >&2; exit 3' | hsx --capture");
  const id = (await quiet(site, "hs list id -l1")).trim();
  expect(await quiet(site, `hs info ${id} --stdout`)).toBe("out\n");
  expect(await site.hs(["info", id, "--stderr"])).toEqual({ status: 0, stdout: "", stderr: "err\n" });
  expect(await quiet(site, `hs info ${id} -x exit_status`)).toBe("3\n");
});
