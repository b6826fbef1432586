/*
 * hs wait, hs run and hs info as users type them, with a run on this machine that takes what others submit. W28 is one
 * of the ways to use the program that users know (server.test.ts tells of the numbers); what a task printed on another
 * host is in fetch.test.ts.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readdirSync, readFileSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { linesOf, openSite, type Running, type Site, until } from "./harness.ts";
import { change } from "./tables.ts";

const uuid = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
const time = "\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d\\.\\d{6}";

/** A site in which a run waits for tasks of others, tries them twice, and captures what they print. */
let site: Site;
let run: Running;
beforeAll(() => {
  site = openSite();
  run = site.start(["hsx", "--forever", "--capture", "-N4", "-r1"], { timeoutMs: 600_000 });
  run.ended.catch(() => undefined);
});
afterAll(async () => {
  await run[Symbol.asyncDispose]();
  await site[Symbol.asyncDispose]();
});

/** The id of a new task, which waits until somebody runs it. */
async function submitted(place: Site, ...words: readonly string[]): Promise<string> {
  const { status, stderr } = await place.hs(["submit", ...words]);
  const id = new RegExp(`Submitted task \\((${uuid})\\)`).exec(stderr)?.[1];
  expect([status, id]).toEqual([0, expect.any(String)]);
  return id!;
}

/** Times and ids of the log are its own. */
function told(stderr: string): readonly string[] {
  return linesOf(stderr).map((line) => line.replace(new RegExp(uuid), "ID").replace(new RegExp(time), "TIME"));
}

const waiting = "    INFO [hypershell.task] Waiting on task (ID)";
const completed = "    INFO [hypershell.task] Task completed (TIME)";
const failed = (status: number): string => ` WARNING [hypershell.task] Non-zero exit status (${status}) for task (ID)`;

test("hs run prints what the command prints, each on its own stream, after the lines of hs wait", async () => {
  const { status, stdout, stderr } = await site.hs(["run", "-n", "1", "echo", "hello"]);
  expect([status, stdout, told(stderr)]).toEqual([0, "hello\n", [waiting, completed]]);
  const both = await site.hs(["run", "--", "sh", "-c", "echo out; echo err >&2"]);
  expect([both.status, both.stdout, told(both.stderr)]).toEqual([0, "out\n", [waiting, completed, "err"]]);
});

test("W28: hs run -- make -j4 ends with the status of make", async () => {
  site.write("Makefile", "all: one two\none two:\n\t@echo $@\nfail:\n\t@exit 3\n");
  const made = await site.shell("hs run -- make -C $PWD -s -j4");
  expect([made.status, linesOf(made.stdout).toSorted()]).toEqual([0, ["one", "two"]]);
  const broken = await site.hs(["run", "--", "sh", "-c", "exit 9"]);
  expect([broken.status, broken.stdout]).toEqual([9, ""]);
});

test("words of hs run are quoted as those of hs submit, and its tags are as good", async () => {
  const words = ["printf", "[%s]", "a b", "$HOME", "it's", "*", ""];
  const { status, stdout } = await site.hs(["run", "-t", "site:b", "x", "--", ...words]);
  expect([status, stdout]).toEqual([0, "[a b][$HOME][it's][*][]"]);
  expect((await site.hs(["run", "echo $TASK_TAG_SITE | tr b c"])).stdout).toBe("\n");
  expect((await site.hs(["run", "-t", "site:b", "--", "echo $TASK_TAG_SITE | tr b c"])).stdout).toBe("c\n");
  const { stdout: tags } = await site.hs(["list", "tag", "-t", "x"]);
  expect(tags).toBe('{"site": "b", "x": "", "part": 0}\n');
});

test("hs run waits for the attempt that counts", async () => {
  const { status, stdout, stderr } = await site.hs([
    "run",
    "--",
    "sh",
    "-c",
    "echo $TASK_ATTEMPT; test $TASK_ATTEMPT = 2",
  ]);
  expect([status, stdout]).toEqual([0, "2\n"]);
  expect(told(stderr)).toEqual([
    waiting,
    failed(1),
    "    INFO [hypershell.task] Waiting on task (ID) - attempt 2 of the same command",
    completed,
  ]);
});

test("a bad call of hs run or hs wait is refused in one line, and stores nothing", async () => {
  await using other = openSite();
  const refused: Readonly<Record<string, string>> = {
    "hs run -t a/b -- true": 'bad tag "a/b"',
    "hs run -n 1": "the following arguments are required: ARGS",
    "hs run -n x -- true": "argument -n/--interval",
    "hs run ''": "there is no command in ''",
    "hs run /": "'/' is a directory",
    "hs run taks.sh": "'taks.sh' is neither a file nor a command (after -- it is taken as it stands)",
    "hs wait bad": "Bad UUID: 'bad'",
    "hs wait -s": "the following arguments are required: ID",
    "hs wait -s -r x": "argument -r/--return: not allowed with argument -s/--status",
  };
  for (const [line, reason] of Object.entries(refused)) {
    const { status, stdout, stderr } = await other.shell(line);
    expect([line, status, stdout, linesOf(stderr).length]).toEqual([line, 2, "", 1]);
    expect(stderr).toStartWith("CRITICAL [hypershell] ");
    expect(stderr).toContain(reason);
  }
  expect(other.exists(other.database)).toBe(false);
  for (const line of ["hs run", "hs wait"]) {
    const { status, stdout } = await other.shell(line);
    expect([status, stdout.slice(0, 6)]).toEqual([1, "Usage:"]);
  }
  const off = { env: { HYPERSHELL_DATABASE_FILE: "" } };
  expect((await other.shell("hs run -- true", off)).status).toBe(3);
});

test("hs wait tells how it ended, and with -s, -r and -i as it is asked", async () => {
  const id = await submitted(site, "--", "sh", "-c", "sleep 0.3; exit 3");
  const { status, stdout, stderr } = await site.hs(["wait", id]);
  // It was tried twice.
  const last = (await site.hs(["list", "id", "-w", `previous_id == ${id}`])).stdout.trim();
  const again = "    INFO [hypershell.task] Waiting on task (ID) - attempt 2 of the same command";
  expect([status, stdout, told(stderr)]).toEqual([0, "", [waiting, failed(3), again, failed(3), completed]]);
  const asked = async (...words: string[]) => {
    const ended = await site.hs(["wait", last, ...words]);
    expect(told(ended.stderr)).toEqual([waiting, failed(3), completed]);
    return [ended.status, ended.stdout];
  };
  expect(await asked("-s")).toEqual([0, "3\n"]);
  expect(await asked("-r")).toEqual([3, ""]);
  expect(await asked("-i")).toEqual([0, (await site.hs(["info", last])).stdout]);
  expect(await asked("-i", "--yaml")).toEqual([0, (await site.hs(["info", last, "--yaml"])).stdout]);
  expect(await asked("--json")).toEqual([0, ""]);
});

test("hs wait -r of a cancelled task is 255", async () => {
  await using other = openSite();
  const id = await submitted(other, "sleep", "9");
  const running = other.start(["hs", "wait", id, "-r"]);
  await running.line(/Waiting on task/);
  change(
    other.database,
    "update task set exit_status = -1, schedule_time = submit_time, completion_time = submit_time",
  );
  const { status, stderr } = await running.ended;
  expect([status, told(stderr).slice(0, 2)]).toEqual([255, [waiting, failed(-1)]]);
});

test("hs wait ends when its task is deleted, and at once when there is none", async () => {
  await using other = openSite();
  const id = await submitted(other, "true");
  const running = other.start(["hs", "wait", id]);
  await running.line(/Waiting on task/);
  change(other.database, "delete from task");
  const { status, stderr } = await running.ended;
  expect([status, linesOf(stderr).at(-1)]).toEqual([5, expect.stringContaining(`No task with id=${id} any more`)]);
  expect(await other.hs(["wait", id])).toEqual({
    status: 5,
    stdout: "",
    stderr: `CRITICAL [hypershell.task] No task with id=${id}\n`,
  });
});

test("hs wait looks seldom once it has waited for long, and often at first", async () => {
  await using other = openSite();
  const id = await submitted(other, "true");
  const env = { HYPERSHELL_LOGGING_LEVEL: "trace" };
  await using running = other.start(["hs", "wait", id, "-n1h"], { env });
  const pauses = (): number[] =>
    [...running.stderr().matchAll(/looking again in ([\d.]+)/g)].map(([, text]) => Number(text));
  await until(() => (pauses().at(-1) ?? 0) > 0.2, "the pauses grow");
  expect(pauses()[0]).toBe(0.02);
  expect(pauses()).toEqual(pauses().toSorted((a, b) => a - b));
});

test("Ctrl-C ends hs run but not its task, and says so; hs wait is interrupted in one line", async () => {
  await using other = openSite();
  const running = other.start(["hs", "run", "--", "echo", "later"]);
  const id = new RegExp(uuid).exec(await running.line(/Waiting on task/))![0];
  running.kill("SIGINT");
  const { status, stdout, stderr } = await running.ended;
  expect([status, stdout, linesOf(stderr).length]).toEqual([4, "", 3]);
  expect(stderr).toContain(` WARNING [hypershell.task] Task (${id}) is not cancelled, it stays in the queue`);
  expect(stderr).toEndWith("CRITICAL [hypershell] keyboard-interrupt: going down now!\n");
  const patient = other.start(["hs", "wait", id]);
  await patient.line(/Waiting on task/);
  patient.kill("SIGINT");
  expect((await patient.ended).status).toBe(4);
  expect((await other.hsx(["--restart"])).stdout).toBe("later\n");
});

test("hs run says once that nothing was captured, and prints nothing", async () => {
  await using other = openSite();
  await using forever = other.start(["hsx", "--forever"]);
  const { status, stdout, stderr } = await other.hs(["run", "--", "sh", "-c", "echo gone; exit 2"]);
  expect([status, stdout, linesOf(stderr).at(-1)]).toEqual([
    2,
    "",
    "    INFO [hypershell.task] The task printed nothing, or its client runs without --capture",
  ]);
  await forever.line(/^gone$/);
});

test("hs info shows the task as a record, as JSON and as YAML", async () => {
  await using other = openSite();
  other.write(
    "t.in",
    "sleep 0.1; echo out; echo err >&2; exit 3  # HYPERSHELL: site:b flag:true naked val:1.5 nul:null " +
      "cores:1 memory:100MB timeout:60\n",
  );
  await other.hsx(["t.in", "--capture"]);
  const id = (await other.hs(["list", "id"])).stdout.trim();
  const info = async (...words: string[]) => (await other.hs(["info", id, ...words])).stdout;
  const folder = join(other.path, "site", "lib", "task");
  const lines = linesOf(await info());
  expect(lines.map((line) => line.slice(0, 14))).toEqual(
    ["id", "group", "args", "command", "cores", "memory", "timeout", "exit_status", "submitted", "scheduled"]
      .concat(["started", "completed", "submit_host", "server_host", "client_host", "attempt", "retried"])
      .concat(["outpath", "errpath", "csvpath", "previous_id", "next_id", "tags"])
      .map((label) => `${label.padStart(12)}: `),
  );
  expect(lines).toContain("       cores: 1 (used: null)");
  expect(lines).toContain("      memory: 100MB (used: null)");
  expect(lines).toContain("     timeout: 0:01:00");
  expect(lines).toContain(` exit_status: 3`);
  expect(lines).toContain(`     outpath: ${folder}/${id}.out`);
  expect(lines).toContain("        tags: site:b, flag:true, naked, val:1.5, nul:null, part:0");
  expect(lines[11]).toMatch(new RegExp(`^   completed: ${time} \\(duration: 0:00:00\\.\\d{3}\\)$`));
  const { stdout: fields } = await other.hs(["list", "--fields"]);
  expect(Object.keys(JSON.parse(await info("--json")) as object)).toEqual(fields.trim().split(" "));
  expect(await info("--json")).toStartWith(`{\n    "id": "${id}",\n    "group": 0,\n`);
  const yaml = await info("--yaml");
  expect(yaml).toMatch(new RegExp(`\nsubmit_time: '${time}'\n`));
  expect(yaml).toEndWith(
    "tag:\n    site: b\n    flag: true\n    naked: ''\n    val: 1.5\n    nul: null\n    part: 0\n",
  );
  expect(await info("-x", "exit_status")).toBe("3\n");
  expect(await info("-x", "next_id")).toBe("null\n");
  expect(await info("-x", "tag")).toBe("site:b, flag:true, naked, val:1.5, nul:null, part:0\n");
  expect(await info("-x", "tag", "--yaml")).toBe("site: b\nflag: true\nnaked: ''\nval: 1.5\nnul: null\npart: 0\n");
  expect(readdirSync(folder).toSorted()).toEqual(["err", "out"].map((suffix) => `${id}.${suffix}`));
  change(other.database, "update task set csvpath = ?", other.write("metrics", "time,cores,memory\n"));
  expect(await info("--perf")).toBe("time,cores,memory\n");
});

test("what a task printed is printed byte by byte, in little memory, until its reader has seen enough", async () => {
  await using other = openSite();
  await other.hsx(["-t", "printf '\\0\\377\\r\\n'", "--capture"], { stdin: "1\n" });
  const id = (await other.hs(["list", "id"])).stdout.trim();
  await other.shell(`hs info ${id} --stdout > copy`);
  expect(readFileSync(join(other.work, "copy"))).toEqual(Buffer.from([0, 255, 13, 10]));
  truncateSync(join(other.path, "site", "lib", "task", `${id}.out`), 300_000_000);
  const reader = "head -c 250000000 | wc -c; grep VmHWM /proc/$(cat pid)/status; wc -c";
  const watched = `sh -c 'echo $$ > pid; exec hs info ${id} --stdout' | (${reader})`;
  const [first = "", peak = "", rest = ""] = linesOf((await other.shell(watched)).stdout);
  expect(Number(first) + Number(rest)).toBe(300_000_000);
  expect(Number(/(\d+) kB/.exec(peak)?.[1])).toBeLessThan(150_000);
  const closed = await other.shell(`hs info ${id} --stdout | head -c3 | wc -c; echo \${PIPESTATUS[0]}`);
  expect([closed.stdout, closed.stderr]).toEqual(["3\n0\n", ""]);
});

test("W10: tasks that one program stored are there for another that names the same database", async () => {
  await using other = openSite();
  const file = "~/.hypershell/lib/main.db";
  // The shell puts the home folder in place of the tilde.
  expect((await other.shell(`hs config set database.file ${file} --user`)).status).toBe(0);
  await other.shell("echo 'echo kept' | hsx");
  expect(other.exists(join(other.path, "home/.hypershell/lib/main.db"))).toBe(true);
  const elsewhere = {
    env: {
      HYPERSHELL_SITE: join(other.path, "other"),
      HYPERSHELL_DATABASE_FILE: join(other.path, "home/.hypershell/lib/main.db"),
    },
  };
  expect((await other.hs(["list", "args"], elsewhere)).stdout).toBe("echo kept\n");
  expect((await other.hs(["list", "args"])).stdout).toBe("echo kept\n");
});

test("W27: a cron job can reckon with the number of remaining tasks", async () => {
  await using other = openSite();
  await other.shell("seq 100 | hs submit");
  const script =
    "TASKS=$(hs list --count --remaining); JOBS=1; [ $(( (TASKS / 48) - JOBS )) -lt 1 ] && echo enough || echo more";
  expect(await other.shell(script)).toEqual({ status: 0, stdout: "more\n", stderr: "" });
  await other.shell("hsx --restart -N4 -t true");
  expect(await other.shell(script)).toEqual({ status: 0, stdout: "enough\n", stderr: "" });
});
