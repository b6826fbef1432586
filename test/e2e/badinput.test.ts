/*
 * Bad input gets one clear line (what, where, what to do) and the documented exit status; nothing is lost, nothing half
 * done, and nobody sees a stack trace.
 */
import { expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Ended, linesOf, needs, openSite, type Site } from "./harness.ts";
import { ask } from "./tables.ts";

function complaint({ stderr }: Ended): readonly string[] {
  expect(stderr).not.toMatch(/^\s+at /m);
  expect(stderr).not.toContain("traceback");
  return linesOf(stderr);
}

function stored(site: Site): number {
  if (!existsSync(site.database)) return 0;
  const [table] = ask(site.database, "select 1 from sqlite_master where name = 'task'");
  return table === undefined ? 0 : ask<{ n: number }>(site.database, "select count(*) n from task")[0]!.n;
}

test("a malformed template is shown with a caret before anything runs, status 2", async () => {
  for (const template of ["echo {[1:x]}", "echo {% ls", "echo {= 1 + =}", "echo {= unknown(x) =}"]) {
    await using site = openSite();
    const ended = await site.hsx(["-t", template], { stdin: "a\n" });
    const lines = complaint(ended);
    expect([ended.status, ended.stdout]).toEqual([2, ""]);
    expect(lines[0]).toStartWith("CRITICAL [hypershell] ");
    expect(lines.some((line) => line.includes(template))).toBe(true);
    expect(lines.at(-1)?.trim()).toMatch(/^\^+$/);
    expect(stored(site)).toBe(0);
  }
});

test("a bad inline tag on line 7: submit names file and line and stores nothing", async () => {
  await using site = openSite();
  const lines = Array.from({ length: 10 }, (_, n) => `echo ${n + 1}`);
  lines[6] = "echo 7 # HYPERSHELL: k:bad/value";
  site.write("t.in", lines.join("\n"));
  const ended = await site.hs(["submit", "t.in"]);
  expect(ended.status).toBe(2);
  expect(complaint(ended).join("\n")).toMatch(/t\.in.*line 7.*k:bad\/value/);
  expect(stored(site)).toBe(0);
});

test("a bad inline tag on line 7: hsx runs the rest, reports the line, and keeps it in the failure file", async () => {
  await using site = openSite();
  const lines = Array.from({ length: 10 }, (_, n) => `echo ${n + 1}`);
  lines[6] = "echo 7 # HYPERSHELL: k:bad/value";
  site.write("t.in", lines.join("\n"));
  const ended = await site.hsx(["t.in", "-f", "failed"]);
  expect(ended.status).toBe(7);
  expect(linesOf(ended.stdout)).toHaveLength(9);
  const said = complaint(ended);
  expect(said[0]).toMatch(/^ *ERROR \[hypershell\.submit\] t\.in, line 7: .*k:bad\/value/);
  expect(said.at(-1)).toContain("1 of 10 tasks failed");
  expect(site.lines("failed")).toEqual([lines[6]]);
});

test("a missing file, a folder, a file that may not be read: one line, status 5", async () => {
  await using site = openSite();
  mkdirSync(join(site.work, "folder"));
  const missing = await site.hsx(["nonexist"]);
  expect([missing.status, complaint(missing)]).toEqual([
    5,
    ["CRITICAL [hypershell.submit] Cannot read 'nonexist': no such file or directory"],
  ]);
  const folder = await site.hsx(["folder"]);
  expect([folder.status, complaint(folder)]).toEqual([
    5,
    ["CRITICAL [hypershell.submit] Cannot read 'folder': it is a directory"],
  ]);
  const submit = await site.hs(["submit", "-f", "nonexist"]);
  expect([submit.status, complaint(submit).length]).toEqual([5, 1]);
});

test("bytes that are not UTF-8, a line too long, a NUL: named by line, the rest runs", async () => {
  await using site = openSite();
  writeFileSync(
    join(site.work, "t.in"),
    Buffer.concat([
      Buffer.from("echo 1\n"),
      Buffer.from([0x65, 0x63, 0x68, 0x6f, 0x20, 0xff, 0xfe, 0x0a]),
      Buffer.from(`echo ${"x".repeat(1024 * 1024)}\n`),
      Buffer.from("echo a\0b\n"),
      Buffer.from("echo 5"),
    ]),
  );
  const ended = await site.hsx(["t.in", "--no-db"]);
  expect([ended.status, ended.stdout]).toEqual([7, "1\n5\n"]);
  const said = complaint(ended);
  expect(said).toHaveLength(4);
  for (const [at, number] of [2, 3, 4].entries())
    expect(said[at]).toMatch(new RegExp(`ERROR .*t\\.in, line ${number}: `));
});

test("a file of tasks is not emptied because an output has its name, or is it under another name", async () => {
  await using site = openSite();
  site.write("t.in", "echo 1\n");
  symlinkSync("t.in", join(site.work, "same.in"));
  const cases = [
    [["t.in", "-f", "t.in"], "argument -f/--failures: would overwrite the tasks, 't.in' is the same file"],
    [["-o", "same.in", "t.in"], "argument -o/--output: would overwrite the tasks, 't.in' is the same file"],
    [["t.in", "-e", "./t.in"], "argument -e/--errors: would overwrite the tasks, 't.in' is the same file"],
  ] as const;
  for (const [words, text] of cases) {
    const ended = await site.hsx([...words, "--no-db"]);
    expect([ended.status, complaint(ended)]).toEqual([2, [`CRITICAL [hypershell] ${text}`]]);
  }
  const piped = await site.shell("hsx --no-db -f same.in < t.in");
  expect([piped.status, complaint(piped)[0]]).toEqual([
    2,
    "CRITICAL [hypershell] argument -f/--failures: would overwrite the tasks, standard input is the same file",
  ]);
  expect(site.lines("t.in")).toEqual(["echo 1"]);
});

test("a limit of 0 is none, whatever the configuration says", async () => {
  await using site = openSite();
  const env = { HYPERSHELL_TASK_TIMEOUT: "77", HYPERSHELL_CLIENT_TIMEOUT: "88" };
  const ended = await site.hsx(["-W0", "-T0", "--no-db"], { stdin: "echo $TASK_TIMEOUT\n", env });
  expect(ended).toEqual({ status: 0, stdout: "null\n", stderr: "" });
});

test("unknown options, missing and wrong values: one line, status 2", async () => {
  await using site = openSite();
  const cases: [string[], string][] = [
    [["--nonsense"], "unrecognized arguments: --nonsense"],
    [["-N", "many"], "argument -N/--num-threads/--num-tasks: invalid int value: 'many'"],
    [["-t"], "argument -t/--template: expected one argument"],
    [["a.in", "b.in"], "unrecognized arguments: b.in"],
    [["--restart", "--no-db"], "--restart"],
    [["--no-db", "--initdb"], "argument --initdb: not allowed with argument --no-db"],
    [["--capture", "-o", "x"], "argument --capture: not allowed with argument -o/--output"],
  ];
  for (const [words, text] of cases) {
    const ended = await site.hsx(words);
    const lines = complaint(ended);
    expect([words, ended.status, lines.length]).toEqual([words, 2, 1]);
    expect(lines[0]).toStartWith("CRITICAL [hypershell] ");
    expect(lines[0]).toContain(text);
  }
});

test("a configuration with a wrong value, type or syntax gets one line with its origin, and status 3", async () => {
  await using site = openSite();
  const file = join(site.path, "site", "config.toml");
  const cases: [string, RegExp][] = [
    ['[server]\nport = "abc"\n', /server\.port.*config\.toml/],
    ["[logging]\nlevel = 'loud'\n", /loud.*config\.toml/],
    ["[logging\n", /config\.toml/],
  ];
  for (const [text, pattern] of cases) {
    writeFileSync(file, text);
    const ended = await site.hsx(["-t", "echo {}"], { stdin: "1\n" });
    const lines = complaint(ended);
    expect([text, ended.status, ended.stdout, lines.length]).toEqual([text, 3, "", 1]);
    expect(lines[0]).toMatch(/^CRITICAL \[hypershell\.[a-z.]+\] /);
    expect(lines[0]).toMatch(pattern);
  }
  writeFileSync(file, "[serverr]\nport = 5\n");
  const ended = await site.hsx(["-t", "echo {}"], { stdin: "1\n" });
  expect([ended.status, ended.stdout]).toEqual([0, "1\n"]);
  expect(complaint(ended)[0]).toMatch(/WARNING .*serverr/);
});

needs([], process.getuid?.() === 0 ? null : "permissions do not bind root only")(
  "a site that cannot be made: one line, status 3; without a database no site is needed",
  async () => {
    await using site = openSite();
    writeFileSync(join(site.path, "file"), "");
    const env = { HYPERSHELL_SITE: join(site.path, "file", "below") };
    const ended = await site.hsx(["-t", "echo {}"], { stdin: "1\n", env });
    expect([ended.status, ended.stdout, complaint(ended).length]).toEqual([3, "", 1]);
    expect(ended.stderr).toContain("Could not create directory (HYPERSHELL_SITE=");
  },
);

test("a corrupt database, and a file that is none: one line, status not 0, the file untouched", async () => {
  await using site = openSite();
  mkdirSync(join(site.path, "site", "lib"), { recursive: true, mode: 0o700 });
  writeFileSync(site.database, "this is not a database, it is a letter to my aunt\n".repeat(200));
  for (const words of [["list", "-c"], ["submit", "echo", "x"], ["initdb"]]) {
    const ended = await site.hs(words);
    expect([words, ended.status === 0, complaint(ended).length]).toEqual([words, false, 1]);
    expect(ended.stderr).toContain(site.database);
  }
  const ended = await site.hsx(["-t", "echo {}"], { stdin: "1\n" });
  expect([ended.status === 0, ended.stdout, complaint(ended).length]).toEqual([false, "", 1]);
  expect(await Bun.file(site.database).text()).toStartWith("this is not a database");
});

test("a command that reads, or keeps house, makes no database in a folder that is not there", async () => {
  await using site = openSite();
  const file = join(site.path, "nowhere", "x.db");
  const id = "01900000-0000-7000-8000-000000000000";
  const reading = [["list", "-c"], ["list"], ["info", id], ["wait", id], ["update", "--cancel", "-f"]];
  const upkeep = [["--vacuum"], ["--rotate"], ["--truncate"], ["--backup", "copy.db"]];
  for (const words of [...reading, ...upkeep.map((action) => ["initdb", ...action, "--yes"])]) {
    const ended = await site.hs(words, { env: { HYPERSHELL_DATABASE_FILE: file } });
    expect([words, ended.status, complaint(ended).length]).toEqual([words, 3, 1]);
    expect(ended.stderr).toContain(`There is no database '${file}': its folder does not exist`);
  }
  expect(existsSync(dirname(file))).toBe(false);
});

test("a failure file, or an output file, that cannot be written is found before anything runs", async () => {
  await using site = openSite();
  for (const option of ["-f", "-o", "-e"]) {
    const ended = await site.hsx(["-t", "echo {}", option, "no/such/folder/file", "--no-db"], { stdin: "1\n" });
    expect([option, ended.status, ended.stdout, complaint(ended).length]).toEqual([option, 5, "", 1]);
    expect(ended.stderr).toContain("no/such/folder/file");
  }
});

test("called without anything: usage and status 1 on a terminal, input when there is some, be it empty", async () => {
  await using site = openSite();
  const bare = await site.shell("NO_COLOR=1 script -qec hsx /dev/null");
  expect([bare.status, bare.stderr]).toEqual([1, ""]);
  expect(bare.stdout).toStartWith("Usage:");
  const nothing = { status: 0, stdout: "", stderr: "" };
  for (const line of ["hsx </dev/null", "hsx /dev/null", "hsx --no-db /dev/null", ": | hsx"])
    expect([line, await site.shell(line)]).toEqual([line, nothing]);
  for (const line of ["hs submit </dev/null", "hs submit -f /dev/null", "hs submit /dev/null"])
    expect([line, (await site.shell(line)).status]).toEqual([line, 0]);
  expect(await site.shell("echo 'echo hi' | hsx")).toEqual({ status: 0, stdout: "hi\n", stderr: "" });
  expect((await site.shell("echo 'echo hi' | hs submit")).status).toBe(0);
});

needs(["mount"], process.getuid?.() === 0 ? null : "only root can mount a small file system")(
  "a full disk: one line that says so, nothing half done, and the run can be repeated when there is room",
  async () => {
    await using site = openSite();
    const small = join(site.path, "small");
    mkdirSync(small);
    const mounted = Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", small]);
    if (mounted.exitCode !== 0) throw new Error(`cannot mount: ${mounted.stderr.toString()}`);
    try {
      const env = { HYPERSHELL_SITE: join(small, "site") };
      const many = Array.from({ length: 20_000 }, (_, n) => `echo ${n} ${"x".repeat(50)}`).join("\n");
      site.write("many.in", many);
      const ended = await site.hs(["submit", "many.in"], { env });
      expect([ended.status === 0, ended.stdout]).toEqual([false, ""]);
      const lines = complaint(ended);
      expect(lines.at(-1)).toMatch(/full|No space left/i);
      const filler = join(small, "filler");
      expect(existsSync(filler)).toBe(false);
      Bun.spawnSync(["mount", "-o", "remount,size=64m", small]);
      expect((await site.hs(["submit", "many.in"], { env })).status).toBe(0);
      expect((await site.hs(["list", "--count"], { env })).stdout.trim()).toMatch(/^\d+$/);
    } finally {
      Bun.spawnSync(["umount", "-l", small]);
    }
  },
);

test("a read-only folder for the database: one line that names it", async () => {
  await using site = openSite();
  const folder = join(site.path, "locked");
  mkdirSync(folder);
  chmodSync(folder, 0o500);
  const env = { HYPERSHELL_DATABASE_FILE: "/proc/version/main.db" };
  const ended = await site.hsx(["-t", "echo {}"], { stdin: "1\n", env });
  expect([ended.status === 0, ended.stdout, complaint(ended).length]).toEqual([false, "", 1]);
  expect(ended.stderr).toContain("/proc/version");
  expect(readdirSync(folder)).toEqual([]);
});

const onLinux = needs([], process.platform === "linux" ? null : "only Linux tells the bytes of a command line");

onLinux(
  "a word that is not UTF-8 is refused before it becomes another; the sign that stands for one is a text",
  async () => {
    await using site = openSite();
    for (const line of [
      "hs submit -- $'echo \\xff'",
      "hsx -o $'\\xe9' -t 'echo {}'",
      "hs update x:1 -f -w $'args == \\xff'",
    ]) {
      const ended = await site.shell(line);
      expect([line, ended.status, linesOf(ended.stderr).length]).toEqual([line, 2, 1]);
      expect(ended.stderr).toContain("is not UTF-8");
    }
    expect((await site.hs(["submit", "--", "echo \uFFFD"])).status).toBe(0);
    expect((await site.hs(["list", "args"])).stdout).toBe("echo \uFFFD\n");
  },
);
