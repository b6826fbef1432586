/*
 * hs list and hs info as users type them, against a database that the reference wrote and against one of our own. W and
 * a number names one way to use the program; server.test.ts tells of the numbers.
 */
import { expect, test } from "bun:test";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { linesOf, openSite, type Site } from "./harness.ts";
import { change } from "./tables.ts";

const reference = resolve(import.meta.dir, "../compat/reference-2.8.2");

/** A place whose database the reference wrote: a main file, and what was rotated out of it. */
function siteOfReference(...files: readonly string[]): Site {
  const site = openSite();
  mkdirSync(dirname(site.database), { recursive: true, mode: 0o700 });
  for (const name of ["main.db", ...files]) copyFileSync(join(reference, name), join(dirname(site.database), name));
  return site;
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
  change(site.database, "update task set waited = 322, duration = 1.5, tag = '{\"part\":0}' where id = ?", later);
  const record = await quiet(site, `hs list -w 'id == ${later}'`);
  expect(record).toContain("     started: null (waited: 0:05:22)\n");
  expect(record).toContain("   completed: null (duration: 0:00:01.500)\n");
  expect(record).toContain("        tags: part:0\n");
});

test("W19: hs list args exit_status -f table prints a table of two columns", async () => {
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

test("what the reference printed for its database is printed again, but for what it did wrong", async () => {
  await using site = siteOfReference("main.1");
  const printed = (name: string): string => readFileSync(join(reference, name), "utf8");
  expect(await quiet(site, "hs list --csv")).toBe(printed("list.csv"));
  expect(await quiet(site, "hs list --json")).toBe(printed("list.json"));
  // Text is shown as it is, without JSON escapes; tags as JSON spells them, not as a programming language does.
  const readable = printed("list.normal")
    .replaceAll("\\u00fcn\\u00efcode", "ünïcode")
    .replaceAll('\\\\"text\\\\"', '\\"text\\"')
    .replaceAll("flag:True", "flag:true")
    .replaceAll("nul:None", "nul:null");
  expect(await quiet(site, "hs list -l 100")).toBe(readable);
  // The same text is shorter, and wraps elsewhere.
  const table = linesOf(printed("list.table"));
  const escaped = table.findIndex((line) => line.includes("u00fc"));
  const shown = linesOf(await quiet(site, "hs list id args exit_status -f table"));
  expect(shown.slice(escaped, escaped + 2)).toEqual([
    "│ 8e61d4d0-5d8d-4735-99d1-4cf0b… │ echo \"ünïcode 'quoted'        │ 0           │",
    '│                                │ \\"text\\""                     │             │',
  ]);
  expect(shown.toSpliced(escaped, 2)).toEqual(table.toSpliced(escaped, 2));
  // No blank line after YAML.
  const yaml = printed("info.yaml");
  expect(`${await quiet(site, `hs info ${yaml.slice(4, 40)} --yaml`)}\n`).toBe(yaml);
  // What was rotated out can be left out.
  expect(await quiet(site, "hs list --count; hs list --count -i")).toBe("12\n3\n");
  expect(await quiet(site, "hs list --tag-values site")).toBe("a\nb\n");
});

test("a table knows no markup, its lines have one width, and all fields can be read in 80 columns", async () => {
  await using site = openSite();
  const lines = ["echo [red]x[/red] [/foo]", "echo 日本語テキスト日本語テキスト日本語", "printf 'a\\tb\u001b[31m\tc'"];
  site.write("tasks.in", lines.map((line) => `${line}\n`).join(""));
  await site.shell("hs submit -f tasks.in");
  expect(await quiet(site, "COLUMNS=34 hs list args exit_status -f table")).toBe(`┏━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━┓
┃ args             ┃ exit_status ┃
┡━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━┩
│ echo             │ null        │
│ [red]x[/red]     │             │
│ [/foo]           │             │
│ echo             │ null        │
│ 日本語テキスト…  │             │
│ printf           │ null        │
│ 'a\\tb\\x1b[31m\\t… │             │
└──────────────────┴─────────────┘
`);
  const wide = await quiet(site, "hs list -f table");
  expect(linesOf(wide).every((line) => Bun.stringWidth(line) === 80)).toBe(true);
  const [id = "", submitId = ""] = linesOf(await quiet(site, "hs list id submit_id -l1"))[0]!.split("\t");
  for (const text of [id, submitId, lines[0]!, lines[1]!, "'a\\tb\\x1b[31m\\tc'"]) expect(wide).toContain(text);
});

test("a value stays within its line in plain, and is as it was in csv", async () => {
  await using site = openSite();
  await site.shell('hs submit \'echo "a,b"; printf "\\t" | cat\' -t site:b flag:true naked val:1.5 nul:null');
  change(site.database, "update task set command = ?", "one\ntwo\tthree");
  expect(await quiet(site, "hs list args command")).toBe('echo "a,b"; printf "\\t" | cat\tone\\ntwo\\tthree\n');
  expect(await quiet(site, "hs list command args tag --csv")).toBe(
    'command,args,tag\r\n"one\ntwo\tthree","echo ""a,b""; printf ""\\t"" | cat",' +
      '"{""site"": ""b"", ""flag"": true, ""naked"": """", ""val"": 1.5, ""nul"": null, ""part"": 0}"\r\n',
  );
  expect(await quiet(site, "hs list -l1 | tail -1")).toBe(
    "        tags: site:b, flag:true, naked, val:1.5, nul:null, part:0\n",
  );
  expect(await quiet(site, "hs list --tag-values flag; hs list --tag-values nul; hs list --tag-values naked")).toBe(
    "true\nnull\n\n",
  );
});

test("nothing found is no failure, in any format", async () => {
  await using site = openSite();
  await site.shell("hs submit true");
  const printed: Readonly<Record<string, string>> = {
    plain: "",
    csv: "id,args\r\n",
    json: "[]\n",
    table: "┏━━━━┳━━━━━━┓\n┃ id ┃ args ┃\n┡━━━━╇━━━━━━┩\n└────┴──────┘\n",
  };
  for (const [format, text] of Object.entries(printed))
    expect([format, await quiet(site, `hs list id args -S -f ${format}`)]).toEqual([format, text]);
  expect(await quiet(site, "hs list -S; hs list --tag-values nosuch")).toBe("");
});

test("JSON and YAML have the colours of console.theme where colours are wanted, and are the same text", async () => {
  await using site = siteOfReference();
  for (const line of ["hs list --json", `hs info ${later} --yaml`, "hs config get server"]) {
    const coloured = await quiet(site, `FORCE_COLOR=1 ${line}`);
    const themed = await quiet(site, `FORCE_COLOR=1 HYPERSHELL_CONSOLE_THEME=nord ${line}`);
    expect(coloured).toContain("\u001b[38;5;");
    expect(themed).not.toBe(coloured);
    const plain = await quiet(site, line);
    expect([Bun.stripANSI(coloured), Bun.stripANSI(themed)]).toEqual([plain, plain]);
  }
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
  expect([status, linesOf(stderr)]).toEqual([5, [expect.stringMatching(/^CRITICAL \[hypershell\] .*No space left/)]]);
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

test("hs info shows a task, a field of it, and a task that is not there", async () => {
  await using site = siteOfReference();
  const record = readFileSync(join(reference, "list.normal"), "utf8").split("---\n")[2];
  expect(await quiet(site, `hs info ${later.toUpperCase()}`)).toBe(record!);
  expect(await quiet(site, `hs info ${later} -x args`)).toBe("echo later 2\n");
  expect(await quiet(site, `hs info ${later} -x tag --yaml`)).toBe("batch: 2\npart: 0\n");
  expect(Object.keys(JSON.parse(await quiet(site, `hs info ${later} --json`)) as object)).toHaveLength(30);
  const id = "00000000-0000-0000-0000-000000000000";
  const { status, stdout, stderr } = await site.hs(["info", id]);
  expect([status, stdout, stderr]).toEqual([5, "", `CRITICAL [hypershell.task] No task with id=${id}\n`]);
});

test("hs info prints captured files where the task recorded them, whatever the site is now", async () => {
  await using site = siteOfReference();
  const bytes = Buffer.from([104, 105, 0, 255, 10]);
  writeFileSync(join(site.work, "there.out"), bytes);
  site.write("there.err", "oops\n");
  change(
    site.database,
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
  change(site.database, "update task set outpath = '/far/x.out', client_host = 'node77' where id = ?", later);
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

test("hs list -l2 --desc prints the latest two, also of those that were submitted together", async () => {
  await using site = openSite();
  site.write("tasks.in", "true 1\ntrue 2\ntrue 3\n");
  await site.shell("hsx tasks.in; hs initdb --rotate --yes; hsx tasks.in; seq 4 6 | hs submit --template 'true {}'");
  expect(await quiet(site, "hs list args -l2 --desc")).toBe("true 6\ntrue 5\n");
  expect(await quiet(site, "hs list args -l2 -s submit_time --desc")).toBe("true 6\ntrue 5\n");
  const all = await quiet(site, "hs list id");
  expect(await quiet(site, "hs list id --desc -i")).toBe(`${linesOf(all).slice(0, 6).toReversed().join("\n")}\n`);
});

test("hs list and hs config get without arguments show everything", async () => {
  await using site = openSite();
  await site.shell("seq 2 | hs submit --template 'echo {}'");
  const records = await quiet(site, "hs list");
  expect(records.match(/^---\n {10}id: /gm)).toHaveLength(2);
  expect(records).toBe(await quiet(site, "hs list -f normal"));
  expect(await quiet(site, "hs config get --raw")).toBe(await quiet(site, "hs config get . --raw"));
});

test("fields may be called as records call them, and -f list is the format normal", async () => {
  await using site = openSite();
  await site.shell("hs submit -t site:b -- echo 1");
  expect(await quiet(site, "hs list -f list")).toBe(await quiet(site, "hs list -f normal"));
  expect(await quiet(site, "hs list args tags submitted started -w 'submitted > 2020' -s submitted")).toBe(
    await quiet(site, "hs list args tag submit_time start_time"),
  );
  const misspelt = await site.shell("hs list agrs");
  expect([misspelt.status, misspelt.stderr]).toEqual([
    2,
    "CRITICAL [hypershell] there is no field 'agrs' (did you mean 'args'?)\n",
  ]);
});

test("the beginning of an id names a task where only one begins so, also one that was rotated out", async () => {
  await using site = siteOfReference("main.1");
  const ids = linesOf(await quiet(site, "hs list id"));
  for (const id of ids) expect(await quiet(site, `hs info ${id.slice(0, 8)} -x id`)).toBe(`${id}\n`);
  const [ended = ""] = linesOf(await quiet(site, "hs list id -w 'exit_status == -1'"));
  const waited = await site.shell(`hs wait ${ended.slice(0, 12).toUpperCase()} --status`);
  expect([waited.status, waited.stdout]).toEqual([0, "-1\n"]);
  await site.hs(["update", later.slice(0, 8), "args", "x"]);
  expect(await quiet(site, `hs info ${later} -x args`)).toBe("x\n");
  const none = await site.shell("hs info 00000000 -x id");
  expect([none.status, none.stderr]).toEqual([5, expect.stringContaining("No task with id=00000000")]);
});

test("a beginning that several ids have is refused", async () => {
  await using site = openSite();
  await site.shell("seq 2 | hs submit --template 'echo {}'");
  const [id = ""] = linesOf(await quiet(site, "hs list id"));
  const several = await site.hs(["info", id.slice(0, 8)]);
  expect([several.status, several.stderr]).toEqual([
    2,
    `CRITICAL [hypershell] Several tasks have an id that begins with ${id.slice(0, 8)}: name more of it\n`,
  ]);
});
