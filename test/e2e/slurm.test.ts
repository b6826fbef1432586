/*
 * hsx and hs client inside a real Slurm of two nodes: as job steps, with srun as launcher, and as pilot jobs that are
 * warned before their end.
 */
import { afterAll, beforeAll, expect } from "bun:test";
import { mpiEnvironment, mpiPrograms } from "../systems/mpi.ts";
import { type Slurm, slurmPrograms, startSlurm } from "../systems/slurm.ts";
import { linesOf, needs, openSite, type Site, sorted, until } from "./harness.ts";
import { secured, startClient, startServer } from "./serving.ts";
import { ask } from "./tables.ts";

const root = process.getuid?.() === 0 ? null : "not root";
const withSlurm = needs(slurmPrograms, root);
const withSlurmAndMpi = needs([...slurmPrograms, ...mpiPrograms], root);
const available = root === null && slurmPrograms.every((program) => Bun.which(program) !== null);
let slurm: Slurm | null = null;

beforeAll(async () => {
  if (available) slurm = await startSlurm();
});
afterAll(async () => {
  await slurm?.[Symbol.asyncDispose]();
});

const environment = (more: Record<string, string> = {}): Record<string, string> => ({ ...slurm?.env, ...more });

function numbers(count: number, line = (n: number): string => `echo ${n}`): string {
  return Array.from({ length: count }, (_, n) => `${line(n)}\n`).join("");
}

const all = (count: number): string[] => Array.from({ length: count }, (_, n) => `${n}`);

/** Runs a script as a job and waits for its end; what it printed is in job.out. */
async function job(site: Site, script: string, words: readonly string[] = []): Promise<number> {
  // `sbatch --wait` would look only every few seconds.
  site.write("job.sh", `#!/bin/bash\ntrap 'echo $? >.status; mv .status job.status' EXIT\n${script}\n`);
  const line = `sbatch -o job.out -e job.err ${words.join(" ")} job.sh`;
  const { status, stderr } = await site.shell(line, { env: environment() });
  if (status !== 0) throw new Error(`sbatch ended with status ${status}: ${stderr}`);
  await until(
    () => site.exists("job.status"),
    () => `the job does not end: ${site.lines("job.err").join("; ")}`,
  );
  return Number(site.read("job.status"));
}

withSlurm("W5: hsx inside a job prints into the job's output, and leaves a failure file", async () => {
  await using site = openSite();
  site.write("task.in", `${numbers(20)}false  # no luck\n`);
  const status = await job(site, "hsx task.in -N4 -f task.failed --no-db --no-confirm", ["-c4"]);
  expect([status, sorted(site.read("job.out")), site.read("task.failed")]).toEqual([7, all(20), "false\n"]);
});

withSlurm("W7: srun brings up a client on each node, and output and log go where they are sent", async () => {
  await using site = openSite();
  // Each client must take part before either can end.
  const meet = "touch node-$SLURMD_NODENAME; while [ $(ls node-* | wc -l) -lt 2 ]; do sleep 0.02; done; echo";
  site.write(
    "task.in",
    numbers(300, (n) => (n < 8 ? `${meet} ${n}` : `echo ${n}`)),
  );
  const hsx = "hsx task.in -N4 -b192 --launcher=srun -f task.failed --no-db --no-confirm 1>task.out 2>task.log";
  const status = await job(site, `export HYPERSHELL_LOGGING_LEVEL=DEBUG\n${hsx}`, ["-N2", "-c4"]);
  const log = site.read("task.log");
  expect([status, sorted(site.read("task.out")), site.read("task.failed")]).toEqual([0, all(300), ""]);
  expect(log.match(/DEBUG \[hypershell\.server\] Registered client \(/g)).toHaveLength(2);
  expect(log).toMatch(/DEBUG \[hypershell\.client\] Received \d+ tasks? \(/);
  expect(log.match(/DEBUG \[hypershell\.server\] Completed task \(/g)).toHaveLength(300);
  // The shell of the job itself ends a moment after its last word.
  await site.deserted();
});

withSlurm("W8: clients start within a random time, and results that wait for company are not lost", async () => {
  await using site = openSite();
  site.write("task.in", numbers(100));
  const hsx = "hsx task.in -N2 -b192 -w60 --delay-start=-1 --launcher='srun -N2' --no-db 1>task.out 2>task.log";
  const status = await job(site, `export HYPERSHELL_LOGGING_LEVEL=DEBUG\n${hsx}`, ["-N2", "-c2"]);
  expect([status, sorted(site.read("task.out"))]).toEqual([0, all(100)]);
  expect(site.read("task.log")).toMatch(/DEBUG \[hypershell\.client\] Waiting random \(/);
});

withSlurm("W15: a client per GPU, and its tasks see that GPU alone", async () => {
  await using site = openSite();
  const meet = "touch gpu-$TASK_CLIENT_ID; while [ $(ls gpu-* | wc -l) -lt 4 ]; do sleep 0.02; done";
  site.write(
    "task.in",
    numbers(4, () => `${meet}; echo $SLURMD_NODENAME $CUDA_VISIBLE_DEVICES`),
  );
  const status = await job(site, "hsx task.in -N1 --launcher=srun", ["-N2", "--gpus=4", "--ntasks-per-gpu=1"]);
  const seen = sorted(site.read("job.out")).map((line) => line.split(" "));
  expect([status, seen.map(([node]) => node)]).toEqual([0, ["n1", "n1", "n2", "n2"]]);
  for (const node of ["n1", "n2"]) {
    const devices = seen.filter(([name]) => name === node).map(([, device]) => device);
    expect(new Set(devices)).toEqual(new Set(["0", "1"]));
  }
});

withSlurm("tasks know their job, and are no processes of a step, whoever started the client", async () => {
  await using site = openSite();
  const identity = "env | grep -E '^SLURM_(PROCID|LOCALID|NODEID|GTIDS|TASK_PID|STEP|SRUN_)'; echo job $SLURM_JOB_ID";
  site.write("task.in", `${identity}\n`);
  const lines = ["hsx task.in --no-db", "srun -n1 hsx task.in --no-db", "hsx task.in --no-db --launcher='srun -n1'"];
  expect(await job(site, `echo job $SLURM_JOB_ID\n${lines.join("\n")}`, ["-N1"])).toBe(0);
  const printed = site.lines("job.out");
  expect(printed).toEqual(Array.from({ length: 4 }, () => printed[0]!));
  expect(printed[0]).toMatch(/^job \d+$/);
});

const ways = [
  ["srun", "-N1 -n1", "--launcher=srun", "srun -n1"],
  ["srun on each of two nodes", "-N2 -n2", "--launcher=srun -N2", "srun -N2 -n2"],
  ["srun by a script", "-N1 -n1", "--launcher=./mine", "srun -n1"],
  ["mpirun, which calls srun for the second node", "-N2 -n2", "--mpi", "srun -N2 -n2"],
  ["srun, with all the GPUs that there are", "-N1 -n1 --gres=gpu:2", "--launcher=srun", "srun -n1 --gres=gpu:2"],
] as const;

for (const [way, allocation, launcher, inner] of ways) {
  const test = launcher === "--mpi" ? withSlurmAndMpi : withSlurm;
  test(`srun works in a task of a client that was launched by ${way}`, async () => {
    await using site = openSite();
    site.write("task.in", `timeout 20 ${inner} sh -c 'echo inner $SLURM_OVERLAP'; echo $?\n`);
    site.write("mine", '#!/bin/sh\nexec srun "$@"\n');
    const line = `chmod +x mine; salloc -Q ${allocation} hsx task.in --no-db "${launcher}" -N1 -H 127.0.0.1`;
    const { status, stdout } = await site.shell(line, { env: environment(mpiEnvironment), timeoutMs: 60_000 });
    const answers = Array.from({ length: allocation.includes("-N2") ? 2 : 1 }, () => "inner");
    expect([status, linesOf(stdout)]).toEqual([0, [...answers, "0"]]);
  });
}

withSlurm("clients wait for no step that runs already, and share nothing when they are to be alone", async () => {
  await using site = openSite();
  const hsx = "hsx --no-db -H 127.0.0.1";
  const loop = "touch busy; while [ ! -e go ]; do sleep 0.05; done";
  const busy = `srun sh -c '${loop}' & until [ -e busy ]; do sleep 0.05; done`;
  const before = `${busy}; echo 'touch go; echo early' | ${hsx} --launcher=srun; wait`;
  const alone = `echo 'timeout 1 srun -n1 echo inner; echo $?' | ${hsx} --launcher='srun --exclusive'`;
  site.write("both.sh", `${before}\n${alone}\n`);
  const { status, stdout } = await site.shell("salloc -Q -N1 -n1 bash both.sh", { env: environment() });
  expect([status, linesOf(stdout)]).toEqual([0, ["early", "124"]]);
});

withSlurm(
  "sbatch brings up clients as jobs: some wait, one is cancelled in its middle, and no task is lost",
  async () => {
    await using site = openSite();
    // Four jobs of half a node run at once, the fifth and sixth wait in the queue.
    const words = ["-A", "dynamic", "-N2", "-P1", "-I6", "-Y6", "-T2", "--launcher", "sbatch -Q -c4 -t5 -o job.log"];
    const running = site.start(["hsx", ...words, "-t", "echo {} $SLURM_JOB_ID >>done; sleep 0.5; echo {} >>ended"], {
      stdin: numbers(60, String),
      env: environment({ HYPERSHELL_LOGGING_LEVEL: "debug", HYPERSHELL_SERVER_GRACE: "1" }),
      timeoutMs: 60_000,
    });
    const said = (pattern: RegExp): readonly string[] => [...new Set(running.stderr().match(pattern))];
    await until(() => said(/adding client \(job \d+\)/g).length === 6, "six jobs are submitted");
    await until(
      () => new Set(site.lines("done").map((line) => line.split(" ")[1])).size >= 3,
      "three jobs are at work",
    );
    const [first] = site.lines("done").map((line) => line.split(" ")[1]!);
    await slurm!.run(["scancel", first!]);
    await until(() => new Set(site.lines("ended")).size === 60, "all tasks are run", 40_000);
    expect(running.stderr()).toMatch(/Autoscale check \(pressure: \S+, clients: 4\/6, /);
    const remaining = async (): Promise<string> =>
      (await site.hs(["list", "--count", "--remaining"], { env: environment() })).stdout;
    await until(async () => (await remaining()) === "0\n", "their outcomes are recorded");
    running.kill("SIGTERM");
    expect((await running.ended).status).toBe(143);
    await until(async () => (await slurm!.run(["squeue", "-h", "-t", "PD,R"])) === "", "no job is left in the queue");
    await site.deserted();
  },
);

withSlurm("a launcher that Slurm refuses is reported with its status and its words", async () => {
  await using site = openSite();
  const { status, stderr } = await site.shell("seq 3 | hsx -t 'echo {}' --launcher='srun -N5 -t1 --immediate=1'", {
    env: environment(),
  });
  expect(status).toBe(5);
  expect(stderr).toMatch(/CRITICAL \[hypershell\.cluster\] .*srun.*/);
  expect(site.left()).toEqual([]);
});

const rows = (site: Site): { args: string; exit_status: number | null; client_id: string }[] =>
  ask(site.database, "select args, exit_status, client_id from task");

withSlurm("W26: pilot jobs come and go; one that is warned of its end hands back what it cannot finish", async () => {
  await using site = openSite();
  const { server, port } = await startServer(site, ["--forever"], { env: { HYPERSHELL_LOGGING_LEVEL: "debug" } });
  site.write(
    "task.in",
    numbers(12, (n) => `echo ${n} >> started; while [ ! -e go ]; do sleep 0.05; done; echo ${n} >> ended`),
  );
  expect((await site.hs(["submit", "-f", "task.in"])).status).toBe(0);
  site.write("key", secured.HYPERSHELL_SERVER_AUTH);
  site.write(
    "pilot.sh",
    `#!/bin/bash\n#SBATCH --signal=B:USR1@60\nexec hs client -N4 -T60 --capture -p ${port} -k $(cat key) 2>>log\n`,
  );
  const submitted = await site.shell("sbatch --parsable -o /dev/null -c4 -t5 pilot.sh", { env: environment() });
  expect(submitted.status).toBe(0);
  await until(() => site.lines("started").length >= 4, "the pilot started nothing");
  // As Slurm does it before the end of the job, only sooner.
  await site.shell(`scancel --batch --signal=USR1 ${submitted.stdout.trim()}`, { env: environment() });
  await until(() => site.read("log").includes("SIGUSR1: draining, 4 tasks still run"), "the pilot was not warned");
  const other = startClient(site, port, ["-N4", "-T1"]);
  await until(() => site.lines("started").length >= 8, "nobody took over what the pilot gave back");
  site.write("go", "");
  await until(
    () => rows(site).every((row) => row.exit_status === 0),
    () => JSON.stringify(rows(site)),
  );
  expect((await other.ended).status).toBe(0);
  expect([...site.lines("ended")].map(Number).toSorted((a, b) => a - b)).toEqual(all(12).map(Number));
  expect(new Set(rows(site).map((row) => row.client_id)).size).toBe(2);
  server.kill("SIGUSR1");
  expect((await server.ended).status).toBe(0);
  expect(linesOf(site.read("log")).filter((line) => line.includes("CRITICAL"))).toEqual([]);
});

withSlurm(
  "in a job a run starts nothing that the end of the job might cut off, and tasks know when that is",
  async () => {
    await using site = openSite();
    site.write(
      "task.in",
      "echo $TASK_DEADLINE\necho early  # HYPERSHELL: timeout:30\necho late  # HYPERSHELL: timeout:1h\n",
    );
    const line = "hsx task.in -N4 2>>log; echo $?; scontrol -o show job $SLURM_JOB_ID > show";
    await job(site, line, ["-t5", "-c4"]);
    const end = /EndTime=(\S+)/.exec(site.read("show"))?.[1] ?? "";
    const deadline = `${Date.parse(`${end}Z`) / 1000}`;
    expect(sorted(site.read("job.out"))).toEqual(sorted(`${deadline}\nearly\n7\n`));
    expect(site.read("log")).toContain("1 task is left, because no client has as much time as its time limit");
  },
);
