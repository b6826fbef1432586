/*
 * Command lines that users really type on one machine, each exactly as it is taught. W and a number names one way
 * to use the program; server.test.ts tells of the numbers.
 */
import { expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { linesOf, openSite, type Site, sorted, until } from "./harness.ts";
import { ask } from "./tables.ts";

const uuid = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";

const query = <Row>(site: Site, sql: string): Row[] => ask(site.database, sql);

test("W1: seq 4 | hsx -t 'echo {}' prints 1 to 4 and nothing else", async () => {
  await using site = openSite();
  const { status, stdout, stderr } = await site.shell("seq 4 | hsx -t 'echo {}'");
  expect([status, sorted(stdout), stderr]).toEqual([0, ["1", "2", "3", "4"], ""]);
});

test("W2: twelve tasks of a second, four at a time, take three seconds and come in bursts", async () => {
  await using site = openSite();
  const startedAt = performance.now();
  const { status, stdout, stderr } = await site.shell("seq 12 | hsx -N4 -t 'sleep 1 && echo {}' --no-db --no-confirm");
  const seconds = (performance.now() - startedAt) / 1000;
  expect([status, stderr, sorted(stdout)]).toEqual([0, "", Array.from({ length: 12 }, (_, n) => String(n + 1))]);
  const bursts = linesOf(stdout).map((line) => Math.floor((Number(line) - 1) / 4));
  expect(bursts).toEqual([0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]);
  expect(seconds).toBeGreaterThanOrEqual(3);
});

test("W3: each input file gets an output file named after it", async () => {
  await using site = openSite();
  for (const name of ["a", "b", "c"]) site.write(`in/${name}.txt`, `hay\nNEEDLE ${name}\nhay\n`);
  site.write("out/.keep", "");
  const { status } = await site.shell(
    "find in/ -type f | hsx -N2 -t 'grep NEEDLE {} > out/{/-}.out' --no-db --no-confirm",
  );
  expect(status).toBe(0);
  expect(["a", "b", "c"].map((name) => site.read(`out/${name}.out`))).toEqual([
    "NEEDLE a\n",
    "NEEDLE b\n",
    "NEEDLE c\n",
  ]);
});

test("W4: failed lines go to the failure file, ready to be input again", async () => {
  await using site = openSite();
  const lines = Array.from({ length: 10 }, (_, n) => (n % 3 === 0 ? `echo ${n}  && false` : `echo ${n}`));
  site.write("task.in", `${lines.join("\n")}\n`);
  const first = await site.hsx(["task.in", "-N4", "--no-db", "--no-confirm", "-f", "task.failed"]);
  expect(first.status).toBe(7);
  expect(sorted(first.stdout)).toEqual(lines.map((_, n) => String(n)));
  expect(first.stderr).toMatch(
    new RegExp(`WARNING \\[hypershell.server\\] Non-zero exit status \\(1\\) for task \\(${uuid}\\)`),
  );
  expect(linesOf(first.stderr).at(-1)).toContain("4 of 10 tasks failed");
  expect([...site.lines("task.failed")].toSorted()).toEqual(lines.filter((line) => line.includes("false")));
  const second = await site.hsx(["task.failed", "-N4", "--no-db", "-f", "again.failed"]);
  expect([second.status, site.lines("again.failed").length]).toEqual([7, 4]);
});

test("W6: captured output is in lib/task of the site, named by task", async () => {
  await using site = openSite();
  site.write("task.in", "echo out; echo err >&2\n");
  const { status, stdout, stderr } = await site.shell(
    "export HYPERSHELL_SITE=$(pwd); hsx task.in -N42 -f task.failed --no-db --no-confirm --capture",
  );
  expect([status, stdout, stderr]).toEqual([0, "", ""]);
  const folder = join(site.work, "lib", "task");
  const files = readdirSync(folder).toSorted();
  expect(files).toHaveLength(2);
  expect(files[0]).toMatch(new RegExp(`^${uuid}\\.err$`));
  expect(files.map((name) => readFileSync(join(folder, name), "utf8"))).toEqual(["err\n", "out\n"]);
  expect(existsSync(join(site.work, "log"))).toBe(true);
});

test("W9: settings are written, read and traced back, comments at the top of a new file", async () => {
  await using site = openSite();
  const env = { HYPERSHELL_SITE: undefined };
  expect(await site.hs(["config", "set", "logging.level", "debug", "--user"], { env })).toEqual({
    status: 0,
    stdout: "",
    stderr: "",
  });
  const path = join(site.path, "home/.hypershell/config.toml");
  const written = linesOf(readFileSync(path, "utf8"));
  expect(written.slice(0, 2).every((line) => line.startsWith("# "))).toBe(true);
  expect(written.slice(2)).toEqual(["", "[logging]", 'level = "debug"']);
  expect((await site.hs(["config", "get", "logging.level"], { env })).stdout).toBe("debug\n");
  expect((await site.hs(["config", "which", "logging.level"], { env })).stdout).toBe(
    `debug (user: ${path} | default: info)\n`,
  );
  const edited = await site.hs(["config", "edit", "--user"], { env: { ...env, EDITOR: "echo edited" } });
  expect([edited.status, edited.stdout]).toEqual([0, `edited ${path}\n`]);
});

test("W10: tasks persist in the database that is configured, by file or by environment", async () => {
  await using site = openSite();
  const one = join(site.path, "one.db");
  const two = join(site.path, "two.db");
  await site.hs(["config", "set", "database.file", one, "--local"]);
  await site.shell("seq 3 | hsx -t 'echo {}'");
  await site.shell("seq 5 | hsx -t 'echo {}'", { env: { HYPERSHELL_DATABASE_FILE: two } });
  const count = async (file: string) =>
    (await site.hs(["list", "--count"], { env: { HYPERSHELL_DATABASE_FILE: file } })).stdout;
  expect([await count(one), await count(two), existsSync(site.database)]).toEqual(["3\n", "5\n", false]);
});

test("W11: one command of several words is stored quoted as needed", async () => {
  await using site = openSite();
  const { status, stdout, stderr } = await site.hs(["submit", "echo", "hello world"], {
    env: { HYPERSHELL_LOGGING_LEVEL: "DEBUG" },
  });
  expect([status, stdout]).toEqual([0, ""]);
  expect(stderr).toContain("DEBUG [hypershell.submit] Submitted single task (explicit)");
  expect(stderr).toMatch(new RegExp(`INFO \\[hypershell.submit\\] Submitted task \\(${uuid}\\)`));
  expect(query<{ args: string }>(site, "select args from task")).toEqual([{ args: 'echo "hello world"' }]);
});

test("W12, W13, W14: --restart runs tasks submitted from a substitution and a file, then ends at once", async () => {
  await using site = openSite();
  const env = { HYPERSHELL_LOGGING_LEVEL: "DEBUG" };
  const piped = await site.shell("hs submit <(seq 100) --template 'echo {}'", { env });
  expect(piped.stderr).toMatch(
    /DEBUG \[hypershell.submit\] Submitted from \/dev\/fd\/\d+ \(implicit - not executable\)/,
  );
  expect(piped.stderr).toContain("INFO [hypershell.submit] Submitted 100 tasks");
  site.write("tasks.in", "echo from-file\n");
  const explicit = await site.hs(["submit", "-f", "tasks.in"], { env });
  expect(explicit.stderr).toContain("Submitted from tasks.in (explicit)");

  const run = await site.hsx(["--restart", "-N4"], { env });
  expect(run.status).toBe(0);
  expect(run.stderr).toContain("INFO [hypershell.server] Found 101 unfinished tasks");
  expect(run.stderr).toContain("INFO [hypershell.server] Reverted 0 previously interrupted tasks");
  expect(run.stderr).toMatch(/DEBUG \[hypershell.server\] Scheduled \d+ tasks?/);
  expect(sorted(run.stdout)).toEqual([...Array.from({ length: 100 }, (_, n) => String(n + 1)), "from-file"]);

  const again = await site.hsx(["--restart"], { env });
  expect([again.status, again.stdout]).toEqual([0, ""]);
  expect(again.stderr).toContain("All previous tasks completed (101) - stopping");
});

test("W21: a thousand tasks are stored in group 1 with a naked tag", async () => {
  await using site = openSite();
  const { status } = await site.shell("seq 1000 | hs submit -t group:1 demo");
  expect(status).toBe(0);
  expect(query<object>(site, `select count(*) n, min("group") low, max("group") high, min(tag) tag from task`)).toEqual(
    [{ n: 1000, low: 1, high: 1, tag: '{"demo": "", "part": 0}' }],
  );
});

test("W22: inline tags hold for their line, setting lines for all that follow, in submit and in hsx", async () => {
  const text = [
    "# HYPERSHELL: case:1 site:b",
    "echo $TASK_TAG_CASE $TASK_TAG_SITE",
    "echo $TASK_TAG_CASE $TASK_TAG_SITE # HYPERSHELL: case:9",
    "# HYPERSHELL: case:2",
    "echo $TASK_TAG_CASE $TASK_TAG_SITE",
  ].join("\n");
  const tags = [
    '{"case": 1, "site": "b", "part": 0}',
    '{"case": 9, "site": "b", "part": 0}',
    '{"case": 2, "site": "b", "part": 0}',
  ];
  await using site = openSite();
  site.write("tasks.in", text);
  const run = await site.hsx(["tasks.in"]);
  expect([run.status, linesOf(run.stdout)]).toEqual([0, ["1 b", "9 b", "2 b"]]);
  expect(query<{ tag: string }>(site, "select tag from task order by rowid").map((row) => row.tag)).toEqual(tags);
  await using other = openSite();
  other.write("tasks.in", text);
  await other.hs(["submit", "tasks.in"]);
  expect(query<{ tag: string }>(other, "select tag from task order by rowid").map((row) => row.tag)).toEqual(tags);
});

test("W31: exported variables and the task's own are in its environment", async () => {
  await using site = openSite();
  site.write(
    "t.in",
    'echo "$TASK_ID|$TASK_ARGS|$TASK_ATTEMPT|$TASK_TAG_SITE|$FOO|$TASK_TIMEOUT" # HYPERSHELL: site:x\n',
  );
  const { status, stdout } = await site.shell("HYPERSHELL_EXPORT_FOO=bar hsx t.in");
  expect(status).toBe(0);
  expect(stdout).toMatch(new RegExp(`^${uuid}\\|echo ".*"\\|1\\|x\\|bar\\|null\n$`));
});

test("W33: Ctrl-C ends the run with one line and status 4, leaves no process, and --restart continues", async () => {
  await using site = openSite();
  site.write(
    "t.in",
    Array.from({ length: 20 }, (_, n) => `[ -e go ] || sleep 100 & wait; echo ${n} >> done`).join("\n"),
  );
  await using run = site.start(["hsx", "t.in", "-N4"]);
  // Each task: its shell and a child of its own.
  await until(() => site.left().filter((line) => line.endsWith("sleep 100")).length >= 4, "the tasks have started");
  run.kill("SIGINT");
  const ended = await run.ended;
  expect([ended.status, linesOf(ended.stderr)]).toEqual([
    4,
    [
      "CRITICAL [hypershell] keyboard-interrupt: going down now!",
      "    INFO [hypershell.client] Stopping 4 running tasks - to be run again",
      "    INFO [hypershell.server] 20 tasks were not run - they are in the database (run them with --restart)",
    ],
  ]);
  await site.deserted();
  expect(
    query<object>(site, "select count(*) n, count(exit_status) done, count(schedule_time) held from task"),
  ).toEqual([{ n: 20, done: 0, held: 0 }]);
  site.write("go", "");
  const again = await site.hsx(["--restart", "-N4"]);
  expect([again.status, sorted(site.read("done")).length]).toEqual([0, 20]);
});

test("SIGTERM ends the run with status 143, and children of children with it", async () => {
  await using site = openSite();
  site.write("t.in", "sh -c 'sleep 100 & sleep 100'\nsh -c 'sleep 100; true'\n");
  await using run = site.start(["hsx", "t.in", "-N2"]);
  await until(() => site.left().filter((line) => line.endsWith("sleep 100")).length >= 3, "the tasks have started");
  run.kill("SIGTERM");
  expect((await run.ended).status).toBe(143);
  await site.deserted();
  expect(query<object>(site, "select count(exit_status) done from task")).toEqual([{ done: 0 }]);
});

test("a walltime limit ends the whole group of processes, the background too", async () => {
  await using site = openSite();
  const startedAt = performance.now();
  const { status, stderr } = await site.shell("echo 'sleep 100 & sleep 100; true' | hsx -W 1 -S 1");
  const seconds = (performance.now() - startedAt) / 1000;
  expect(status).toBe(7);
  expect(stderr).toContain("Walltime limit exceeded");
  expect(seconds).toBeGreaterThanOrEqual(1);
  await site.deserted();
});

test("SIGUSR1 lets running tasks end, starts no others, and keeps those for a later run", async () => {
  await using site = openSite();
  site.write(
    "t.in",
    Array.from({ length: 10 }, (_, n) => `touch started-${n}; while [ ! -e go ]; do sleep 0.02; done; echo ${n}`).join(
      "\n",
    ),
  );
  await using run = site.start(["hsx", "t.in", "-N2"]);
  await until(() => site.exists("started-0") && site.exists("started-1"), "the tasks have started");
  run.kill("SIGUSR1");
  await run.line(/SIGUSR1: draining, 2 tasks still run$/);
  site.write("go", "");
  const ended = await run.ended;
  expect([ended.status, sorted(ended.stdout)]).toEqual([7, ["0", "1"]]);
  expect(ended.stderr).toContain("8 tasks were not run - they are in the database (run them with --restart)");
  expect(query<object>(site, "select count(exit_status) done, count(schedule_time) held from task")).toEqual([
    { done: 2, held: 2 },
  ]);
});

test("SIGUSR2 stops running tasks, whose outcomes count, and starts no others", async () => {
  await using site = openSite();
  site.write("t.in", "sleep 100\nsleep 100\necho never\n");
  await using run = site.start(["hsx", "t.in", "-N2"]);
  await until(() => site.left().filter((line) => line.includes("sleep 100")).length >= 2, "the tasks have started");
  run.kill("SIGUSR2");
  const ended = await run.ended;
  expect([ended.status, ended.stdout]).toEqual([7, ""]);
  expect(ended.stderr).toContain("WARNING [hypershell.server] SIGUSR2: draining, 2 tasks are stopped\n");
  expect(query<object>(site, "select exit_status from task order by rowid")).toEqual([
    { exit_status: 130 },
    { exit_status: 130 },
    { exit_status: null },
  ]);
});

test("two runs at once on one database: each runs its own lines with its own template", async () => {
  await using site = openSite();
  const lines = (word: string) => `${Array.from({ length: 200 }, (_, n) => `${word}${n}`).join("\n")}\n`;
  const [a, b] = await Promise.all([
    site.hsx(["-N2", "-t", "echo first {}"], { stdin: lines("a") }),
    site.hsx(["-N2", "-t", "echo second {}"], { stdin: lines("b") }),
  ]);
  expect([a.status, b.status]).toEqual([0, 0]);
  expect(linesOf(a.stdout).every((line) => line.startsWith("first a"))).toBe(true);
  expect(linesOf(b.stdout).every((line) => line.startsWith("second b"))).toBe(true);
  expect([new Set(linesOf(a.stdout)).size, new Set(linesOf(b.stdout)).size]).toEqual([200, 200]);
});

test("commands that find no database make one together, and none is refused", async () => {
  await using site = openSite();
  for (let round = 0; round < 40; round++) {
    const env = {
      HYPERSHELL_SITE: join(site.path, `site${round}`),
      HYPERSHELL_DATABASE_PRAGMAS_JOURNAL_MODE: round % 2 === 0 ? undefined : "delete",
    };
    const ended = await Promise.all(["a", "b", "c"].map((word) => site.hs(["submit", "echo", word], { env })));
    expect(ended.filter(({ status }) => status !== 0)).toEqual([]);
    expect(linesOf((await site.hs(["list", "args"], { env })).stdout).toSorted()).toEqual([
      "echo a",
      "echo b",
      "echo c",
    ]);
  }
}, 60_000);

test("leftovers of earlier runs are told of and left alone", async () => {
  await using site = openSite();
  await site.hs(["submit", "--", "rm", "-rf", "precious"]);
  site.write("precious/data", "");
  const { status, stdout, stderr } = await site.shell("echo new | hsx -t 'echo {}'");
  expect([status, stdout]).toEqual([0, "new\n"]);
  expect(stderr).toMatch(/INFO \[hypershell.server\] .*\b1 unfinished.*--restart/);
  expect(site.exists("precious/data")).toBe(true);
});

test("a stored task keeps its template: --restart needs no -t, and a -t does not change it", async () => {
  await using site = openSite();
  site.write("t.in", Array.from({ length: 4 }, (_, n) => `${n}`).join("\n"));
  await using run = site.start(["hsx", "t.in", "-N2", "-t", "[ -e go ] || sleep 100; echo mine {}"]);
  await until(() => site.left().filter((line) => line.endsWith("sleep 100")).length >= 2, "the tasks have started");
  run.kill("SIGINT");
  await run.ended;
  site.write("go", "");
  const again = await site.hsx(["--restart", "-t", "echo other {}"]);
  expect([again.status, sorted(again.stdout)]).toEqual([0, ["mine 0", "mine 1", "mine 2", "mine 3"]]);
  await site.hs(["submit", "--", "bare"]);
  const bare = await site.hsx(["--restart", "-t", "echo other {}"]);
  expect(bare.stdout).toBe("other bare\n");
});

test("retries: a failure is tried again, keeps what it asked for, and fails for good once", async () => {
  for (const store of [[], ["--no-db"]]) {
    await using site = openSite();
    site.write("t.in", "echo $TASK_ATTEMPT $TASK_TIMEOUT; false # HYPERSHELL: timeout:9 cores:2\n");
    const { status, stdout } = await site.hsx(["t.in", "-r2", "-f", "failed", ...store]);
    expect([status, linesOf(stdout), site.lines("failed").length]).toEqual([7, ["1 9", "2 9", "3 9"], 1]);
    if (store.length > 0) continue;
    expect(query<object>(site, "select attempt, retried, cores, timeout from task order by attempt")).toEqual([
      { attempt: 1, retried: 1, cores: 2, timeout: 9 },
      { attempt: 2, retried: 1, cores: 2, timeout: 9 },
      { attempt: 3, retried: 0, cores: 2, timeout: 9 },
    ]);
  }
});

test("groups run one after the other, and failures of a group hold back those above it", async () => {
  for (const store of [[], ["--no-db"]]) {
    await using site = openSite();
    site.write(
      "good.in",
      "echo late # HYPERSHELL: group:2\nsleep 0.2; echo early\necho middle # HYPERSHELL: group:1\n",
    );
    const good = await site.hsx(["good.in", "-N4", ...store]);
    expect([good.status, linesOf(good.stdout)]).toEqual([0, ["early", "middle", "late"]]);
    site.write("bad.in", "false\necho never # HYPERSHELL: group:1\n");
    const bad = await site.hsx(["bad.in", "-N4", ...store]);
    expect([bad.status, bad.stdout]).toEqual([7, ""]);
    expect(bad.stderr).toContain(
      "CRITICAL [hypershell.server] 1 task is held back: 1 task of group 0 failed, submitted from ",
    );
  }
});

test("without a database everything is the same but the memory of it", async () => {
  await using site = openSite();
  const { status, stdout, stderr } = await site.shell("seq 4 | hsx -t 'echo {}'", {
    env: { HYPERSHELL_DATABASE_FILE: "" },
  });
  expect([status, sorted(stdout)]).toEqual([0, ["1", "2", "3", "4"]]);
  expect(linesOf(stderr)).toEqual([" WARNING [hypershell.server] No database configured - automatically disabled"]);
});

test("--restart with nothing to do, and an empty input, end at once", async () => {
  await using site = openSite();
  const empty = await site.hsx(["-t", "echo {}"], { stdin: "" });
  expect(empty).toEqual({ status: 0, stdout: "", stderr: "" });
  const restart = await site.hsx(["--restart"]);
  expect([restart.status, restart.stdout]).toEqual([0, ""]);
  expect(restart.stderr).toContain("Empty database - stopping");
});

test("--forever waits for tasks that others submit, until it is told to stop", async () => {
  await using site = openSite();
  await using run = site.start(["hsx", "--forever", "-N2"], { stdin: "echo own\n" });
  await run.line(/^own$/);
  await site.hs(["submit", "echo", "other"]);
  await run.line(/^other$/);
  run.kill("SIGUSR1");
  expect((await run.ended).status).toBe(0);
});

test("output of all tasks can go into one file each", async () => {
  await using site = openSite();
  const { status, stdout, stderr } = await site.shell(
    "seq 3 | hsx -t 'echo {}; echo e{} >&2' -o all.out -e all.err --no-db",
  );
  expect([status, stdout, stderr]).toEqual([0, "", ""]);
  expect([sorted(site.read("all.out")), sorted(site.read("all.err"))]).toEqual([
    ["1", "2", "3"],
    ["e1", "e2", "e3"],
  ]);
});

test("the failure of tasks can be left out of the exit status", async () => {
  await using site = openSite();
  const { status } = await site.shell("echo false | hsx", { env: { HYPERSHELL_SERVER_EXITZERO: "true" } });
  expect(status).toBe(0);
});
