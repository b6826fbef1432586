/*
 * hs initdb as users type it: tables made, questions asked and answered, copies, and what has ended moved to
 * partitions, which hs list and hs info read like the rest.
 */
import { expect, test } from "bun:test";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { noPostgres, startPostgres } from "../systems/postgres.ts";
import { linesOf, needs, openSite, type Running, type Site, sorted, until } from "./harness.ts";
import { inFile } from "./tables.ts";

const reference = resolve(import.meta.dir, "../compat/reference-2.8.2");

async function quiet(site: Site, line: string): Promise<string> {
  const { status, stdout, stderr } = await site.shell(line);
  expect({ line, status, stderr }).toEqual({ line, status: 0, stderr: "" });
  return stdout;
}

const count = (path: string, sql: string): number =>
  inFile(path, (db) => Number(db.query(`select count(*) from ${sql}`).values()[0]?.[0]));

const beside = (site: Site, name: string): string => join(dirname(site.database), name);

/** Files of the database, without those that SQLite makes and removes as it likes. */
const files = (site: Site): readonly string[] =>
  readdirSync(dirname(site.database), { withFileTypes: true })
    .filter((entry) => entry.isFile() && !/-(?:wal|shm)$/.test(entry.name))
    .map(({ name }) => name);

/** What follows the name of the logger in each line. */
const said = (stderr: string): readonly string[] =>
  linesOf(stderr).map((line) => line.replace(/^ *(\w+) \[[\w.]+\] /, "$1 "));

test("without an action the database is made and tuned, and nobody is asked", async () => {
  await using site = openSite();
  for (const words of [["initdb"], ["initdb", "--yes"]]) {
    const { status, stdout, stderr } = await site.hs(words);
    expect([status, stdout]).toEqual([0, ""]);
    expect(linesOf(stderr)).toEqual([
      "    INFO [hypershell.data] SQLite database initialized automatically",
      `    INFO [hypershell.data] Optimizing database ${site.database}`,
    ]);
  }
  expect(files(site)).toEqual(["main.db"]);
});

test("an action with nobody to answer needs --yes, and changes nothing without", async () => {
  await using site = openSite();
  for (const words of [["-v"], ["-b", "copy.db"], ["-r"], ["--truncate"]]) {
    const ended = await site.hs(["initdb", ...words], { stdin: "yes\n" });
    expect(ended).toEqual({
      status: 5,
      stdout: "",
      stderr: "CRITICAL [hypershell.data] This asks a question and there is no terminal: repeat with --yes\n",
    });
  }
  expect([existsSync(site.database), site.exists("copy.db")]).toEqual([false, false]);
});

test("actions exclude each other, and a copy needs a path", async () => {
  await using site = openSite();
  const both = await site.hs(["initdb", "-r", "-t", "-y"]);
  expect([both.status, said(both.stderr)]).toEqual([
    2,
    [expect.stringContaining("argument -t/--truncate: not allowed with argument -r/--rotate")],
  ]);
  for (const words of [["-b"], ["-b", "", "-y"]]) expect((await site.hs(["initdb", ...words])).status).toBe(2);
  expect(existsSync(site.database)).toBe(false);
});

test("without a database there is nothing to keep", async () => {
  await using site = openSite();
  const ended = await site.hs(["initdb", "-v"], { env: { HYPERSHELL_DATABASE_FILE: "" } });
  expect([ended.status, said(ended.stderr)]).toEqual([3, [expect.stringContaining("No database configured")]]);
});

/** Runs a line on a terminal, types `text` when it asks, and answers what was to be seen. */
async function onTerminal(
  site: Site,
  line: string,
  text: string,
  env: Readonly<Record<string, string>> = {},
): Promise<readonly string[]> {
  site.write("line.sh", `trap : INT\n${line}\necho "status $?"\n`);
  const words = ["sh", "-c", "exec script -qec 'sh line.sh' /dev/null"] as const;
  await using run = site.start(words, { keepOpen: true, env });
  if (text !== "") {
    await until(
      () => run.stdout().includes("[Y]es/no: "),
      () => `no question: ${run.stdout()}`,
    );
    run.type(text);
  }
  await run.line(/status \d/);
  run.closeStdin();
  const { stdout } = await run.ended;
  // oxlint-disable-next-line no-control-regex
  return linesOf(stdout.replaceAll("\r", "").replaceAll(/\x1b\[\d*m|\^D\x08\x08/g, ""));
}

const terminal = needs(["script"]);

terminal("yes goes on, no stops, and anything else is an error that quotes it", async () => {
  await using site = openSite();
  await site.shell("seq 3 | hs submit");
  const question = `Truncate sqlite (${site.database}) with 3 tasks? [Y]es/no: `;
  for (const word of ["n", "No"]) {
    expect(await onTerminal(site, "hs initdb -t", `${word}\n`)).toEqual([`${question}${word}`, "Stopping", "status 0"]);
  }
  expect(await onTerminal(site, "hs initdb -t", "perhaps\n")).toEqual([
    `${question}perhaps`,
    "CRITICAL [hypershell.data] Stopping: 'perhaps' is neither yes nor no",
    "status 5",
  ]);
  expect(await onTerminal(site, "hs initdb -t", "\u0003")).toEqual([
    `${question}^CCRITICAL [hypershell] keyboard-interrupt: going down now!`,
    "status 4",
  ]);
  expect(await onTerminal(site, "hs initdb -t", "\u0004")).toEqual([question, "Stopping", "status 0"]);
  expect(await quiet(site, "hs list --count")).toBe("3\n");
  const done = [" WARNING [hypershell.data] Truncated database", "status 0"];
  expect(await onTerminal(site, "hs initdb -t", "\n")).toEqual([question, "Ok", ...done]);
  expect(await quiet(site, "hs list --count")).toBe("0\n");
});

terminal("an answer may come from a pipe, and no answer is an error that names --yes", async () => {
  await using site = openSite();
  await site.shell("seq 3 | hs submit");
  const question = `Rotate sqlite (${site.database}) to '${beside(site, "main.1")}'? [Y]es/no: `;
  expect(await onTerminal(site, "hs initdb -r </dev/null", "")).toEqual([
    question,
    "CRITICAL [hypershell.data] This asks a question and there is no terminal: repeat with --yes",
    "status 5",
  ]);
  expect(await onTerminal(site, "yes | hs initdb -r", "")).toEqual([
    question,
    "Ok",
    `    INFO [hypershell.data] Rotating database ${site.database} into ${beside(site, "main.1")}`,
    "    INFO [hypershell.data] There are no finished tasks to move",
    "status 0",
  ]);
});

test("vacuum gives back what deleted tasks took, and says how much", async () => {
  await using site = openSite();
  await site.shell("seq 20000 | hs submit");
  inFile(site.database, (db) => db.run("delete from task where rowid > 100"));
  const before = statSync(site.database).size;
  const { status, stderr } = await site.hs(["initdb", "--vacuum", "--yes"]);
  expect([status, said(stderr)]).toEqual([
    0,
    [`INFO Vacuuming database ${site.database}`, expect.stringMatching(/^INFO Cleaned \d\.\d\dMB from /)],
  ]);
  expect(statSync(site.database).size).toBeLessThan(before / 4);
  expect(await quiet(site, "hs list -c")).toBe("100\n");
});

test("a backup is a compact copy that can be used, and overwrites nothing", async () => {
  await using site = openSite();
  await site.shell("echo 'echo hi' | hsx; seq 50 | hs submit -t site:b; chmod 600 $HYPERSHELL_SITE/lib/main.db");
  const { status, stderr } = await site.hs(["initdb", "-b", "copy.db", "-y"]);
  expect([status, said(stderr)]).toEqual([0, [`INFO Backing up ${site.database} into copy.db`]]);
  expect(statSync(join(site.work, "copy.db")).mode & 0o777).toBe(0o600);
  expect(await quiet(site, "HYPERSHELL_DATABASE_FILE=copy.db hs list --csv")).toBe(await quiet(site, "hs list --csv"));
  const copy = readFileSync(join(site.work, "copy.db"));
  symlinkSync("nowhere", join(site.work, "link.db"));
  for (const name of ["copy.db", "link.db", "."]) {
    const again = await site.hs(["initdb", "-b", name, "-y"]);
    expect([again.status, linesOf(again.stderr).at(-1)]).toEqual([
      5,
      expect.stringContaining(`CRITICAL [hypershell.data] '${name}' exists already`),
    ]);
  }
  expect(readFileSync(join(site.work, "copy.db")).equals(copy)).toBe(true);
  const nowhere = await site.hs(["initdb", "-b", "no/such/copy.db", "-y"]);
  expect([nowhere.status, linesOf(nowhere.stderr).at(-1)]).toEqual([5, expect.stringContaining("'no/such/copy.db'")]);
  expect(readdirSync(site.work).toSorted()).toEqual(["copy.db", "link.db"]);
});

test("what has ended moves to the next partition and is found there, what has not stays", async () => {
  await using site = openSite();
  await site.shell(`printf 'echo one\\nexit 3\\n' | hsx; hs submit -t site:b -- echo later`);
  const [first, second, third] = linesOf(await quiet(site, "hs list id"));
  const { status, stdout, stderr } = await site.hs(["initdb", "-r", "-y"], {
    env: { HYPERSHELL_LOGGING_LEVEL: "debug" },
  });
  expect([status, stdout, said(stderr)]).toEqual([
    0,
    "",
    [
      `INFO Rotating database ${site.database} into ${beside(site, "main.1")}`,
      `DEBUG Dropped 2 completed tasks from main (${site.database})`,
      `DEBUG Vacuuming main database (${site.database})`,
      `INFO Moved 2 tasks to ${beside(site, "main.1")}`,
    ],
  ]);
  expect(files(site)).toEqual(["main.1", "main.db"]);
  expect(await quiet(site, "hs list id tag")).toBe(
    `${third}\t{"site": "b", "part": 0}\n${first}\t{"part": 1}\n${second}\t{"part": 1}\n`,
  );
  expect(await quiet(site, "hs list id -t part:1")).toBe(`${first}\n${second}\n`);
  expect(await quiet(site, "hs list id -i")).toBe(`${third}\n`);
  expect(await quiet(site, `hs info ${second} -x exit_status`)).toBe("3\n");
  const missing = await site.hs(["info", second!, "--ignore-partitions"]);
  expect([missing.status, missing.stderr]).toEqual([5, `CRITICAL [hypershell.task] No task with id=${second}\n`]);
  const { stderr: attached } = await site.shell("HYPERSHELL_LOGGING_LEVEL=debug hs list -c");
  expect(linesOf(attached)).toContain(
    `   DEBUG [hypershell.task] Attached database partition (${beside(site, "main.1")})`,
  );
  expect((await site.hsx(["--restart"])).stdout).toBe("later\n");
  expect(await quiet(site, "hs list --tag-keys")).toBe("site\npart\n");
});

test("where nothing has ended, no partition is made", async () => {
  await using site = openSite();
  await site.shell("seq 3 | hs submit");
  const { status, stderr } = await site.hs(["initdb", "--rotate", "--yes"]);
  expect([status, said(stderr).at(-1)]).toEqual([0, "INFO There are no finished tasks to move"]);
  expect(files(site)).toEqual(["main.db"]);
});

test("a failure moves only when it is final: no attempt is left, and no higher group waits for it", async () => {
  await using site = openSite();
  await site.shell("printf 'exit 1\\nexit 0\\nexit 9\\n' | hsx");
  inFile(site.database, (db) => db.run("update task set exit_status = -1 where exit_status = 9"));
  const three = { env: { HYPERSHELL_SERVER_ATTEMPTS: "3" } };
  await site.shell("hs initdb -ry", three);
  expect(await quiet(site, "hs list args -i")).toBe("exit 1\n");
  await site.shell("hs submit -g 5 -- true; hs initdb -ry");
  expect(await quiet(site, "hs list args -i")).toBe("exit 1\ntrue\n");
  // Tried again it is history, whatever comes of it.
  await site.shell("hsx --restart -r1");
  await site.shell("hs initdb -ry", three);
  expect(await quiet(site, "hs list attempt -i -F")).toBe("2\n");
  await site.shell("hs initdb -ry");
  expect(await quiet(site, "hs list args -i")).toBe("true\nexit 1\n");
  inFile(site.database, (db) =>
    db.run("update task set completion_time = submit_time, exit_status = -1 where exit_status is null"),
  );
  await site.shell("hs initdb -ry");
  expect(await quiet(site, "hs list -c -i")).toBe("0\n");
  expect(sorted(await quiet(site, "hs list args attempt exit_status"))).toEqual([
    "exit 0\t1\t0",
    "exit 1\t1\t1",
    "exit 1\t2\t1",
    "exit 9\t1\t-1",
    "true\t1\t-1",
  ]);
});

test("a partition of the reference is read after its main file, as the reference prints both", async () => {
  await using site = openSite();
  mkdirSync(dirname(site.database), { recursive: true, mode: 0o700 });
  for (const name of ["main.db", "main.1"]) copyFileSync(join(reference, name), beside(site, name));
  const before = readFileSync(join(reference, "main.1"));
  expect(await quiet(site, "hs list --csv")).toBe(readFileSync(join(reference, "list.csv"), "utf8"));
  const json = JSON.parse(readFileSync(join(reference, "list.json"), "utf8")) as unknown;
  expect(JSON.parse(await quiet(site, "hs list --json"))).toEqual(json);
  expect(readFileSync(beside(site, "main.1")).equals(before)).toBe(true);
  // The next free number; what is there is not touched.
  const { stderr } = await site.hs(["initdb", "--rotate", "--yes"]);
  expect(said(stderr)).toEqual([
    `INFO Rotating database ${site.database} into ${beside(site, "main.2")}`,
    `INFO Moved 1 task to ${beside(site, "main.2")}`,
  ]);
  expect(readFileSync(beside(site, "main.1")).equals(before)).toBe(true);
  expect(await quiet(site, "hs list args -t part:2")).toBe("echo later 1\n");
  const columns = (name: string): unknown =>
    inFile(beside(site, name), (db) => db.query("select name, type from pragma_table_info('task')").values());
  expect(columns("main.2")).toEqual(columns("main.1"));
});

test("more partitions than SQLite attaches are read, by their numbers; other files are left alone", async () => {
  await using site = openSite();
  for (let part = 1; part <= 12; part++) {
    expect((await site.hsx(["-t", "true {}"], { stdin: `${part}\n` })).status).toBe(0);
    expect((await site.hs(["initdb", "-ry"])).status).toBe(0);
  }
  await site.shell("hs submit true 0");
  // Names that only look like partitions, and one of a program that has a table of the same name.
  writeFileSync(beside(site, "main.20"), "no database\n");
  mkdirSync(beside(site, "main.21"));
  inFile(beside(site, "main.22"), (db) => db.run("create table task (id, name)"));
  Bun.spawnSync(["mkfifo", beside(site, "main.23")]);
  writeFileSync(beside(site, "main.24"), "");
  copyFileSync(beside(site, "main.1"), beside(site, "mainx1"));
  copyFileSync(beside(site, "main.1"), beside(site, "main.1.old"));
  renameSync(beside(site, "main.3"), beside(site, "main.103"));
  const order = [0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 3];
  const listed = await site.shell("hs list args", { env: { HYPERSHELL_LOGGING_LEVEL: "debug" } });
  expect(linesOf(listed.stdout)).toEqual(order.map((n) => (n === 0 ? "true 0" : String(n))));
  const about = (what: string): readonly string[] =>
    linesOf(listed.stderr)
      .filter((line) => line.includes(` DEBUG [hypershell.task] ${what}`))
      .map((line) => line.slice(line.lastIndexOf("/") + 1, -1));
  expect(about("Attached database partition")).toEqual(
    [1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 103].map((n) => `main.${n}`),
  );
  expect(about("Ignored")).toEqual([20, 21, 22, 23, 24].map((n) => `main.${n}`));
  expect(await quiet(site, "hs list args -s submit_time --desc -l 3")).toBe("true 0\n12\n11\n");
  expect(linesOf(await quiet(site, "hs list args -s submit_time"))).toEqual([
    ...Array.from({ length: 12 }, (_, n) => String(n + 1)),
    "true 0",
  ]);
  expect(await quiet(site, "hs list -c")).toBe("13\n");
  expect(await quiet(site, "hs list -c -l 5")).toBe("5\n");
  expect(await quiet(site, "hs list args -l 3")).toBe("true 0\n1\n2\n");
  expect(await quiet(site, "hs list args -t part:3")).toBe("3\n");
  expect(readFileSync(beside(site, "main.20"), "utf8")).toBe("no database\n");
});

test("a partition that is damaged is left out with a warning, and the others are shown", async () => {
  await using site = openSite();
  for (let part = 1; part <= 2; part++) await site.shell(`echo 'true ${part}' | hsx; hs initdb -ry`);
  const bytes = readFileSync(beside(site, "main.1"));
  writeFileSync(beside(site, "main.1"), Buffer.concat([bytes.subarray(0, 100), Buffer.alloc(4000, "x")]));
  const { status, stdout, stderr } = await site.hs(["list", "args"]);
  expect([status, stdout, said(stderr)]).toEqual([
    0,
    "true 2\n",
    [expect.stringMatching(/^WARNING Database partition left out: .*main\.1' is damaged/)],
  ]);
});

test("tasks end and are submitted while others are moved, again and again, and none is lost", async () => {
  await using site = openSite();
  const tasks = 1500;
  await using run = site.start(["sh", "-c", "exec hsx --forever -N2"], { timeoutMs: 60_000 });
  const done = (): Promise<number> => quiet(site, "hs list -c -S").then(Number);
  const parts = new Set<string>();
  for (let batch = 0; batch < 3; batch++) {
    await site.shell(`seq ${tasks / 3} | sed 's/.*/true &/' | hs submit -t n:${batch}`);
    const wanted = Math.floor((batch + 0.5) * (tasks / 3));
    await until(async () => (await done()) >= wanted, `${wanted} tasks end`);
    const { status, stderr } = await site.hs(["initdb", "-ry"]);
    expect([status, said(stderr).filter((line) => !line.startsWith("INFO"))]).toEqual([0, []]);
    parts.add(linesOf(stderr)[0]!.split(" ").at(-1)!);
  }
  await until(async () => (await done()) === tasks, "all tasks end");
  run.kill("SIGTERM");
  const { stderr } = await run.ended;
  expect(said(stderr).filter((line) => /trouble|lost|refused/i.test(line))).toEqual([]);
  expect(parts.size).toBe(3);
  const listed = linesOf(await quiet(site, "hs list id exit_status attempt"));
  expect([listed.length, new Set(listed.map((line) => line.slice(0, 36))).size]).toEqual([tasks, tasks]);
  expect(new Set(listed.map((line) => line.slice(36)))).toEqual(new Set(["\t0\t1"]));
  for (const name of files(site))
    expect(inFile(beside(site, name), (db) => db.query("pragma integrity_check").values())).toEqual([["ok"]]);
}, 60_000);

test("a database that a server uses is not truncated; a dead one's is, and partitions stay", async () => {
  await using site = openSite();
  await site.shell("echo true | hsx; hs initdb -ry");
  await using run = site.start(["sh", "-c", "exec hsx --forever"]);
  await until(() => existsSync(site.database) && count(site.database, "server") === 1, "the server is on record");
  const refused = await site.hs(["initdb", "-ty"]);
  expect([refused.status, refused.stdout, said(refused.stderr)]).toEqual([
    5,
    "",
    [expect.stringMatching(/^CRITICAL The database is in use by a server \(.*process \d+\)/)],
  ]);
  run.kill("SIGKILL");
  await run.ended;
  await site.shell("seq 3 | hs submit");
  const { status, stderr } = await site.hs(["initdb", "-ty"]);
  expect([status, said(stderr)]).toEqual([0, ["WARNING Truncated database"]]);
  expect([await quiet(site, "hs list -c -i"), await quiet(site, "hs list -c")]).toEqual(["0\n", "1\n"]);
  expect((await site.shell("echo 'echo on' | hsx")).stdout).toBe("on\n");
});

const asRoot = needs(["mount"], process.getuid?.() === 0 ? null : "only root can mount a small file system");

asRoot(
  "a disk that is full in the middle of a rotation loses and doubles nothing, and the next one goes on",
  async () => {
    await using site = openSite();
    const lib = dirname(site.database);
    mkdirSync(lib);
    const mounted = Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=128m,mode=700", "tmpfs", lib]);
    if (mounted.exitCode !== 0) throw new Error(`cannot mount: ${mounted.stderr.toString()}`);
    try {
      await site.shell("seq 20000 | hs submit; hs initdb");
      inFile(site.database, (db) => {
        db.run("update task set completion_time = submit_time, schedule_time = submit_time, exit_status = 0");
        db.query("pragma wal_checkpoint(truncate)").values();
      });
      const size = statSync(site.database).size;
      Bun.spawnSync(["mount", "-o", `remount,size=${size + (5 << 20)}`, lib]);
      const full = await site.hs(["initdb", "-ry"]);
      expect([full.status, linesOf(full.stderr).at(-1)]).toEqual([
        5,
        expect.stringMatching(/^CRITICAL \[hypershell\.data\] [Nn]o space left to write to '.*main\.(?:1|db)'/),
      ]);
      const ids = (): Promise<number> => quiet(site, "hs list id").then((text) => new Set(linesOf(text)).size);
      expect(await quiet(site, "hs list -c")).toBe("20000\n");
      expect(await ids()).toBe(20_000);
      Bun.spawnSync(["mount", "-o", "remount,size=128m", lib]);
      expect((await site.hs(["initdb", "-ry"])).status).toBe(0);
      expect([files(site), await ids(), count(site.database, "task")]).toEqual([["main.1", "main.db"], 20_000, 0]);
    } finally {
      Bun.spawnSync(["umount", "-l", lib]);
    }
  },
);

asRoot("partitions on a read-only file system are read, and a rotation there is refused in one line", async () => {
  await using site = openSite();
  const lib = dirname(site.database);
  mkdirSync(lib);
  const mounted = Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=16m,mode=700", "tmpfs", lib]);
  if (mounted.exitCode !== 0) throw new Error(`cannot mount: ${mounted.stderr.toString()}`);
  try {
    await site.shell("seq 3 | hsx -t 'true {}'; hs initdb -ry; seq 4 6 | hsx -t 'true {}'");
    Bun.spawnSync(["mount", "-o", "remount,ro", lib]);
    expect(await quiet(site, "hs list args")).toBe("4\n5\n6\n1\n2\n3\n");
    const { status, stderr } = await site.hs(["initdb", "-ry"]);
    expect([status, linesOf(stderr).length, stderr]).toEqual([
      5,
      1,
      expect.stringMatching(/^CRITICAL \[hypershell\.data\] .*main/),
    ]);
  } finally {
    Bun.spawnSync(["umount", "-l", lib]);
  }
});

needs(["script"], noPostgres)(
  "PostgreSQL: tables are made after a question, kept like files, and never copied",
  async () => {
    await using postgres = await startPostgres();
    await using site = openSite();
    const name = await postgres.create();
    const env = postgres.env(name);
    const place = `${postgres.host}:${postgres.port}/${name}`;
    const away = await site.hs(["initdb"], { env });
    expect([away.status, said(away.stderr)]).toEqual([
      5,
      ["CRITICAL This asks a question and there is no terminal: repeat with --yes"],
    ]);
    const question = `Initialize postgresql (${place})? [Y]es/no: `;
    expect(await onTerminal(site, "hs initdb", "no\n", env)).toEqual([`${question}no`, "Stopping", "status 0"]);
    const none = await site.hs(["initdb", "-v", "-y"], { env });
    expect([none.status, said(none.stderr)]).toEqual([
      5,
      ["CRITICAL The database has no tables yet. Run 'hs initdb' once to create the tables"],
    ]);
    const tuned = `    INFO [hypershell.data] Optimizing database ${place}`;
    expect(await onTerminal(site, "hs initdb", "\n", env)).toEqual([
      question,
      "Ok",
      `    INFO [hypershell.data] Created the tables in postgresql (${place})`,
      tuned,
      "status 0",
    ]);
    // The second time there is nothing to ask.
    const again = await site.hs(["initdb"], { env });
    expect([again.status, linesOf(again.stderr).at(-1)]).toEqual([0, tuned]);

    await site.shell("printf 'echo one\\nexit 3\\n' | hsx; hs submit -t site:b -- echo later", { env });
    const copied = await site.hs(["initdb", "-b", "copy.db", "-y"], { env });
    expect([copied.status, said(copied.stderr)]).toEqual([2, [expect.stringContaining("pg_dump")]]);
    expect(await onTerminal(site, "hs initdb -r", "\n", env)).toEqual([
      `Rotate postgresql (${place}) to 'task_1'? [Y]es/no: `,
      "Ok",
      `    INFO [hypershell.data] Rotating database ${place} into task_1`,
      "    INFO [hypershell.data] Moved 2 tasks to task_1",
      "status 0",
    ]);
    const list = async (words: string): Promise<string> => (await site.shell(`hs list ${words}`, { env })).stdout;
    expect([await list("args"), await list("args -i"), await list("-c -t part:1")]).toEqual([
      "echo later\necho one\nexit 3\n",
      "echo later\n",
      "2\n",
    ]);
    const vacuumed = await site.hs(["initdb", "-v", "-y"], { env });
    expect([vacuumed.status, said(vacuumed.stderr)]).toEqual([
      0,
      [`INFO Vacuuming database ${place}`, expect.stringMatching(/^INFO Cleaned [\d.]+[KM]?B from /)],
    ]);
    expect(said((await site.hs(["initdb", "-t", "-y"], { env })).stderr)).toEqual(["WARNING Truncated database"]);
    expect([await list("-c -i"), await list("-c")]).toEqual(["0\n", "2\n"]);
  },
);

test("Ctrl-C ends a backup with status 4 while SQLite works, and leaves no half copy behind", async () => {
  await using site = openSite();
  await site.hs(["submit", "true"]);
  const copying = (): boolean => readdirSync(site.work).some((name) => name.startsWith("copy.db"));
  const ways = [
    [["-b", "copy.db"], () => until(copying, "a copy is begun")],
    [["-v"], (run: Running) => run.line(/Vacuuming database/)],
  ] as const;
  inFile(site.database, (db) => db.run("create table filler (line text)"));
  const lines = "with recursive n (i) as (select 1 union all select i + 1 from n where i < 1000000)";
  for (const [words, begun] of ways) {
    let interrupted = false;
    // Who is interrupted too late was done, and says nothing of this rule: with more to do it is asked again.
    for (let times = 0; !interrupted && times < 6; times++) {
      inFile(site.database, (db) => db.run(`${lines} insert into filler select 'a line, number ' || i from n`));
      await using run = site.start(["hs", "initdb", ...words, "-y"]);
      await begun(run);
      run.kill("SIGINT");
      const { status, stderr } = await run.ended;
      const done = copying();
      if (done) expect(count(join(site.work, "copy.db"), "filler")).toBe((times + 1) * 1_000_000);
      if (status !== 0)
        expect([status, said(stderr).at(-1)]).toEqual([4, "CRITICAL keyboard-interrupt: going down now!"]);
      interrupted = status === 4 && !done;
      rmSync(join(site.work, "copy.db"), { force: true });
    }
    expect([words, interrupted]).toEqual([words, true]);
    expect(count(site.database, "task")).toBe(1);
  }
}, 60_000);
