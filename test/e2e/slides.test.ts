/*
 * The commands of the slides by which people learn the program, in their order, as one user types them one after the
 * other: what one leaves behind (settings, a database) the next finds. W and a number names a slide. Changed is only
 * what the place forces: names of hosts, the port, times, numbers of nodes and tasks, and `--ntasks-per-gpu`, as Slurm
 * 22.05 calls it. These tests need each other, so none of them can be run alone.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { freePorts } from "../systems/ports.ts";
import { type Slurm, slurmPrograms, startSlurm } from "../systems/slurm.ts";
import { type Ended, linesOf, needs, openSite, type Running, type Site, sorted, until } from "./harness.ts";

const uuid = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
const root = process.getuid?.() === 0 ? null : "not root";
const withSlurm = needs(slurmPrograms, root);
const hasSlurm = root === null && slurmPrograms.every((program) => Bun.which(program) !== null);

let site: Site;
let slurm: Slurm | null = null;
let env: Record<string, string> = {};
/** Settings of a server that does in seconds what takes it minutes. */
const quick = { HYPERSHELL_SERVER_GRACE: "1", HYPERSHELL_SERVER_EVICT: "20" };
/** The server of W16, which runs until W24. */
let server: Running;

beforeAll(async () => {
  site = openSite();
  // Without a change of the command lines, servers and clients meet at a port that nobody else has.
  env = { HYPERSHELL_SERVER_PORT: `${freePorts(1)[0]}`, EDITOR: "echo edited" };
  if (!hasSlurm) return;
  slurm = await startSlurm();
  env = { ...env, ...slurm.env };
});
afterAll(async () => {
  await site[Symbol.asyncDispose]();
  await slurm?.[Symbol.asyncDispose]();
});

const type = (line: string): Promise<Ended> => site.shell(line, { env, timeoutMs: 60_000 });

/** Runs a line that is to succeed. */
async function succeed(line: string): Promise<Ended> {
  const ended = await type(line);
  if (ended.status !== 0) throw new Error(`${line} ended with status ${ended.status}: ${ended.stderr}`);
  return ended;
}

const count = (to: number): string[] => Array.from({ length: to }, (_, n) => `${n + 1}`);

/** Submits a script as a job, and waits for its end. */
async function sbatch(body: string, options: string): Promise<number> {
  site.write("job.sh", `#!/bin/bash\n${options}\ntrap 'echo $? >.status; mv .status job.status' EXIT\n${body}\n`);
  await succeed("rm -f job.status; sbatch -o job.out -e job.err job.sh");
  await until(
    () => site.exists("job.status"),
    () => `the job does not end: ${site.lines("job.err").join("; ")}`,
  );
  return Number(site.read("job.status"));
}

// ---- one machine

test("W1: four lines become four commands", async () => {
  const { stdout, stderr } = await succeed("seq 4 | hsx -t 'echo {}'");
  expect([sorted(stdout), stderr]).toEqual([count(4), ""]);
});

test("W2: four at a time", async () => {
  const startedAt = performance.now();
  const { stdout, stderr } = await succeed("seq 12 | hsx -N4 -t 'sleep 1 && echo {}' --no-db --no-confirm");
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(3000);
  expect([sorted(stdout), stderr]).toEqual([count(12), ""]);
  const bursts = linesOf(stdout).map((line) => Math.floor((Number(line) - 1) / 4));
  expect(bursts).toEqual([0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]);
});

test("W3: an output file for each input file", async () => {
  for (const n of [1, 2, 3]) site.write(`in/${n}.txt`, `hay\nNEEDLE ${n}\n`);
  site.write("out/.keep", "");
  await succeed("find in/ -type f | hsx -N2 -t 'grep NEEDLE {} > out/{/-}.out' --no-db --no-confirm");
  expect([1, 2, 3].map((n) => site.read(`out/${n}.out`))).toEqual([1, 2, 3].map((n) => `NEEDLE ${n}\n`));
});

test("W4: a task file, and a file of what failed", async () => {
  const lines = count(12).map((n) => `sleep 0.1 && echo ${n}${n === "7" || n === "11" ? "  && false" : ""}`);
  site.write("task.in", `${lines.join("\n")}\n`);
  const run = await type("hsx task.in -N4 --no-db --no-confirm -f task.failed");
  expect([run.status, sorted(run.stdout)]).toEqual([7, count(12)]);
  const warning = new RegExp(
    String.raw`WARNING \[hypershell\.\w+\] Non-zero exit status \(1\) for task \(${uuid}\)`,
    "g",
  );
  expect(run.stderr.match(warning)).toHaveLength(2);
  expect([...site.lines("task.failed")].toSorted()).toEqual(lines.filter((line) => line.includes("false")).toSorted());
  expect((await type("hsx task.failed -N4 --no-db --no-confirm -f again.failed")).status).toBe(7);
  expect([...site.lines("again.failed")].toSorted()).toEqual([...site.lines("task.failed")].toSorted());
});

withSlurm("W5: the same in a job", async () => {
  const status = await sbatch("hsx task.in -N42 -f task.failed --no-db --no-confirm", "#SBATCH -c4");
  expect([status, sorted(site.read("job.out")), site.lines("task.failed").length]).toEqual([7, count(12), 2]);
});

test("W6: a site of its own, and captured output", async () => {
  site.write("captured/task.in", "echo out; echo err >&2\n");
  const hsx = "hsx task.in -N42 -f task.failed --no-db --no-confirm --capture";
  const { stdout, stderr } = await succeed(`cd captured; export HYPERSHELL_SITE=$(pwd); ${hsx}; cat lib/task/*`);
  expect([sorted(stdout), stderr]).toEqual([["err", "out"], ""]);
  expect((await succeed(`ls captured/lib/task | sed -E 's/${uuid}/ID/'`)).stdout).toBe("ID.err\nID.out\n");
  expect(site.exists("captured/log")).toBe(true);
});

// ---- many nodes

withSlurm("W7: a client on each node", async () => {
  site.write(
    "many.in",
    count(2000)
      .map((n) => `echo ${n}\n`)
      .join(""),
  );
  const hsx = "hsx many.in -N192 -b192 --launcher=srun -f task.failed --no-db --no-confirm 1>task.out 2>task.log";
  const status = await sbatch(`export HYPERSHELL_LOGGING_LEVEL=DEBUG\n${hsx}`, "#SBATCH -N2 -c4");
  expect([status, sorted(site.read("task.out")), site.read("task.failed")]).toEqual([0, count(2000), ""]);
  const log = site.read("task.log");
  expect(log.match(/DEBUG \[hypershell\.server\] Registered client \(/g)).toHaveLength(2);
  expect(log).toMatch(/DEBUG \[hypershell\.client\] Received \d+ tasks \(/);
  expect(log.match(/DEBUG \[hypershell\.server\] Completed task \(/g)).toHaveLength(2000);
});

withSlurm("W8: clients that start at random, and bundles that wait", async () => {
  const waiting = "-w60 --delay-start=-1 --launcher=srun";
  const hsx = `hsx many.in -N192 -b192 ${waiting} -f task.failed --no-db --no-confirm 1>task.out 2>task.log`;
  const status = await sbatch(`export HYPERSHELL_LOGGING_LEVEL=DEBUG\n${hsx}`, "#SBATCH -N2 -c4");
  expect([status, sorted(site.read("task.out"))]).toEqual([0, count(2000)]);
  expect(site.read("task.log").match(/DEBUG \[hypershell\.client\] Waiting random \(/g)).toHaveLength(2);
});

// ---- settings and a database

test("W9: settings", async () => {
  await succeed("hs config set logging.level debug --user");
  const path = join(site.path, "home/.hypershell/config.toml");
  expect(linesOf(readFileSync(path, "utf8")).map((line) => line.replace(/^#.*/, "#"))).toEqual([
    "#",
    "#",
    "",
    "[logging]",
    'level = "debug"',
  ]);
  expect((await succeed("hs config get logging.level")).stdout).toBe("debug\n");
  expect((await succeed("hs config which logging.level")).stdout).toBe(`debug (user: ${path} | default: info)\n`);
  expect((await succeed("hs config edit --user")).stdout).toBe(`edited ${path}\n`);
});

const kept = (): string => join(site.path, "home/.hypershell/lib/main.db");

test("W10: a database", async () => {
  await succeed("hs config set database.file ~/.hypershell/lib/main.db --user");
  await succeed("seq 2 | HYPERSHELL_DATABASE_FILE=other.db hsx -t 'echo {}'");
  expect([existsSync(kept()), site.exists("other.db")]).toEqual([false, true]);
});

test("W11, W12, W13: tasks are stored without a server", async () => {
  const single = await succeed(`hs submit echo "hello world"`);
  expect(single.stderr).toContain("DEBUG [hypershell.submit] Submitted single task (explicit)");
  expect(single.stderr).toMatch(new RegExp(String.raw`INFO \[hypershell\.submit\] Submitted task \(${uuid}\)`));
  const implicit = await succeed(`hs submit <(seq 100) --template "echo {}"`);
  const from = /DEBUG \[hypershell\.submit\] Submitted from \/dev\/fd\/\d+ \(implicit - not executable\)/;
  expect(implicit.stderr).toMatch(from);
  expect(implicit.stderr).toContain("INFO [hypershell.submit] Submitted 100 tasks");
  expect((await succeed("hs list args -l1")).stdout).toBe('echo "hello world"\n');
});

test("W14: a run continues what is stored, and one with nothing to do ends at once", async () => {
  const run = await succeed("hsx --restart -N4");
  expect(sorted(run.stdout)).toEqual([...count(100), "hello world"]);
  expect(run.stderr).toContain("INFO [hypershell.server] Found 101 unfinished tasks");
  expect(run.stderr).toContain("INFO [hypershell.server] Reverted 0 previously interrupted tasks");
  expect(run.stderr).toMatch(/DEBUG \[hypershell\.server\] Scheduled \d+ tasks?/);
  const again = await succeed("hsx --restart -N4");
  expect([again.stdout, existsSync(kept())]).toEqual(["", true]);
  site.write("tasks.in", "echo explicit\n");
  expect((await succeed("hs submit -f tasks.in")).stderr).toContain("Submitted from tasks.in (explicit)");
  expect((await succeed("hsx --restart")).stdout).toBe("explicit\n");
});

withSlurm("W15: a client per GPU", async () => {
  const meet = "touch gpu-$TASK_CLIENT_ID; while [ $(ls gpu-* | wc -l) -lt 4 ]; do sleep 0.02; done";
  site.write("gpu.in", `${meet}; echo $SLURMD_NODENAME $CUDA_VISIBLE_DEVICES\n`.repeat(16));
  const status = await sbatch(
    "hsx gpu.in -N4 --launcher=srun -f task.failed --no-db",
    "#SBATCH -N2 --gres=gpu:2 --ntasks-per-gpu=1",
  );
  expect([status, [...new Set(sorted(site.read("job.out")))]]).toEqual([0, ["n1 0", "n1 1", "n2 0", "n2 1"]]);
});

// ---- a server, and clients that come and go

test("W16, W17, W18: a server, a client, and one that is killed", async () => {
  const line = "exec hs server --forever -k mykey123 --bind 0.0.0.0 --max-retries 2";
  server = site.start(["sh", "-c", line], { env: { ...env, ...quick }, timeoutMs: 300_000 });
  for (const said of [
    /DEBUG \[hypershell\.server\] Started$/,
    /DEBUG \[hypershell\.server\] Started \(scheduler\)/,
    /INFO \[hypershell\.server\] Scheduler will run forever/,
  ])
    await server.line(said);
  const client = (timeout: number): Running => {
    const words = `exec hs client -N16 --host localhost -k mykey123 --timeout ${timeout} --capture`;
    return site.start(["sh", "-c", words], { env, timeoutMs: 60_000 });
  };
  const killed = client(60);
  await server.line(new RegExp(String.raw`Registered client \([^:]*: ${uuid}\)`));
  await server.line(/DEBUG \[hypershell\.server\] Checking clients \(1 connected\)/);
  await succeed(`seq 8 | hs submit -t site:b --template 'echo {} >> begun; while [ ! -e go ]; do sleep 0.05; done'`);
  await until(() => site.lines("begun").length >= 8, "the client runs nothing");
  expect((await succeed("hs list --count --remaining --with-tag site:b")).stdout).toBe("8\n");
  killed.kill("SIGKILL");
  site.write("go", "");
  const other = client(2);
  const left = await other.ended;
  expect([left.status, left.stdout, left.stderr.includes("Timeout reached (")]).toEqual([0, "", true]);
  expect((await succeed("hs list --count --remaining")).stdout).toBe("0\n");
  const all = await succeed("hs list exit_status --with-tag site:b");
  expect(linesOf(all.stdout)).toEqual(Array.from({ length: 8 }, () => "0"));
  // Those that the killed client ran were begun once more.
  expect([...new Set(sorted(site.read("begun")))]).toEqual(count(8));
});

test("W19, W20: what was run", async () => {
  const record = (await succeed("hs list -l1")).stdout;
  expect(record).toMatch(/^---\n +id: /);
  expect((await succeed("hs list -l1 -f list")).stdout).toBe(record);
  expect(record).toContain('     command: echo "hello world"\n');
  expect(record).toMatch(/ +waited: |\(waited: \d+:\d\d:\d\d/);
  expect(record).toContain("        tags: part:0\n");
  const table = (await succeed("hs list args exit_status -f table -l2")).stdout;
  expect(linesOf(table).slice(1, 4)).toEqual([
    "┃ args               ┃ exit_status ┃",
    "┡━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━┩",
    '│ echo "hello world" │ 0           │',
  ]);
  expect((await succeed("hs list args exit_status -l2 --csv")).stdout).toBe(
    'args,exit_status\r\n"echo ""hello world""",0\r\necho 1,0\r\n',
  );
  expect(JSON.parse((await succeed("hs list args exit_status -l2 --json")).stdout)).toEqual([
    { args: 'echo "hello world"', exit_status: 0 },
    { args: "echo 1", exit_status: 0 },
  ]);
  expect((await succeed("hs list --count --completed --with-tag site:b")).stdout).toBe("8\n");
});

test("W21, W22: groups, tags, and tags in the file", async () => {
  await succeed("seq 1000 | hs submit -t group:1 demo");
  expect((await succeed("hs list --count -w group==1 --with-tag demo")).stdout).toBe("1000\n");
  site.write("inline.in", "echo 1  # HYPERSHELL: data:1\necho 2  # HYPERSHELL: data:2\n");
  site.write("standing.in", "# HYPERSHELL: case:1\necho $TASK_TAG_CASE\n# HYPERSHELL: case:2\necho $TASK_TAG_CASE\n");
  await succeed("hs submit inline.in");
  await succeed("hs submit standing.in");
  for (const tag of ["data:1", "data:2", "case:1", "case:2"])
    expect((await succeed(`hs list --count --remaining --with-tag ${tag}`)).stdout).toBe("1\n");
  expect(sorted((await succeed("hsx standing.in --no-db")).stdout)).toEqual(["1", "2"]);
  expect(sorted((await succeed("hsx inline.in --no-db -t '{} $TASK_TAG_DATA'")).stdout)).toEqual(["1 1", "2 2"]);
});

test("W23, W24: tasks are changed, cancelled and deleted, after a question", async () => {
  const unasked = await type("hs update --cancel --remaining");
  expect([unasked.status, unasked.stderr.includes("--yes")]).toEqual([5, true]);
  await succeed("hs update --cancel --remaining --no-confirm");
  expect((await succeed("hs list --count --remaining")).stdout).toBe("0\n");
  await succeed("hs update --delete --order-by submit_time --desc --limit 1 --no-confirm");
  expect((await succeed("hs list --count --with-tag case:2")).stdout).toBe("0\n");
  await succeed("hs update phase:1 --completed --no-confirm");
  const completed = (await succeed("hs list --count --completed")).stdout;
  expect((await succeed("hs list --count --with-tag phase:1")).stdout).toBe(completed);
  await succeed("hs update args=7 -w args==42 --no-confirm");
  expect((await succeed("hs list --count -w args==42")).stdout).toBe("0\n");
  server.kill("SIGINT");
  expect((await server.ended).status).toBe(4);
});

// ---- what comes by itself

withSlurm("W25: from one client to the greatest number under load, and back to none", async () => {
  const launcher = "srun -Q -A mylab -p main -t60 -c4 --signal=SIGUSR1@600";
  const sizes = ["-N4", "-P1", "-I1", "-X0", "-Y4", "-T1"];
  const words = [...sizes, "--capture", "--autoscaling=dynamic", `--launcher=${launcher}`];
  const running = site.start(["hsx", ...words, "-t", "echo {} >>scaled; sleep 0.6"], {
    stdin: `${count(96).join("\n")}\n`,
    env: { ...env, HYPERSHELL_LOGGING_LEVEL: "DEBUG" },
    timeoutMs: 60_000,
  });
  const said = (pattern: RegExp): number => running.stderr().match(pattern)?.length ?? 0;
  await until(() => said(/Autoscale client disconnected \(/g) >= 4, "four clients come and leave", 40_000);
  await running.line(/Autoscale check \(pressure: unknown, clients: 0\/0, tasks: 0 in group 0, 0 total\)/);
  expect(sorted(site.read("scaled"))).toEqual(count(96));
  expect(said(/Autoscale check \(pressure: \S+, clients: 4\/4, /g)).toBeGreaterThan(0);
  expect(await slurm!.run(["squeue", "-h", "-t", "PD,R"])).toBe("");
  running.kill("SIGINT");
  expect((await running.ended).status).toBe(4);
});

withSlurm("W26, W27: pilot jobs, as many as the tasks that wait call for", async () => {
  site.write("key", "0123456789abcdef-of-the-slides");
  const line = "exec hs server --forever -k $(cat key)";
  const waiting = site.start(["sh", "-c", line], { env, timeoutMs: 300_000 });
  await waiting.line(/Server listening on/);
  const template = "echo {} >> asked; while [ ! -e went ]; do sleep 0.1; done; echo {} >> ended";
  await succeed(`seq 96 | hs submit --template '${template}'`);
  const reckon = "TASKS=$(hs list --count --remaining); JOBS=1; [ $(( (TASKS / 48) - JOBS )) -lt 1 ]";
  const cron = `${reckon} && echo enough || echo more`;
  expect((await succeed(cron)).stdout).toBe("more\n");
  const pilot = "exec hs client -N4 -T2 --capture --host localhost -k $(cat key) 2>>log";
  site.write("pilot.sh", `#!/bin/bash\n#SBATCH -c4 -t5\n#SBATCH --signal B:USR1@60\n${pilot}\n`);
  const first = await succeed("sbatch --parsable -o /dev/null pilot.sh");
  await waiting.line(/Registered client \(/);
  // As Slurm does it before the end of the job, only sooner.
  await until(() => site.lines("asked").length >= 4, "the pilot runs nothing");
  await succeed(`scancel --batch --signal=USR1 ${first.stdout.trim()}`);
  await until(() => site.read("log").includes("SIGUSR1"), "the pilot was not warned");
  site.write("went", "");
  // The cron script as a command: the one that leaves is still there, and there is work for another.
  const rules = "--launcher 'sbatch -o /dev/null pilot.sh' --max-size 8 --tasks-per-client 24";
  expect((await succeed(`hs autoscale --dry-run ${rules}`)).stdout).toContain(
    "Would launch: sbatch -o /dev/null pilot.sh",
  );
  const scaled = await succeed(`HYPERSHELL_LOGGING_LEVEL=info hs autoscale --once ${rules}`);
  expect(scaled.stderr).toMatch(/INFO \[hypershell\.cluster\] Autoscale adding client \(job \d+\)$/m);
  await until(async () => (await succeed("hs list --count --remaining")).stdout === "0\n", "tasks are left", 60_000);
  expect(sorted(site.read("ended"))).toEqual(count(96));
  expect((await succeed(cron)).stdout).toBe("enough\n");
  waiting.kill("SIGUSR1");
  expect((await waiting.ended).status).toBe(0);
});
