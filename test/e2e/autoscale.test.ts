/*
 * Clients that come and go: hsx -A with stand-ins for launchers and batch systems, and hs autoscale in place of a cron
 * script. A real Slurm is in slurm.test.ts and slides.test.ts.
 */
import { expect, test } from "bun:test";
import { chmodSync } from "node:fs";
import { join } from "node:path";
import { dist, linesOf, openSite, type Running, type Site, sorted, until } from "./harness.ts";
import { startServer } from "./serving.ts";

function script(site: Site, name: string, body: string): void {
  chmodSync(site.write(`bin/${name}`, `#!/bin/sh\n${body}\n`), 0o755);
}

function environment(site: Site, more: Record<string, string> = {}): Record<string, string> {
  const path = `${join(site.work, "bin")}:${dist}:${process.env["PATH"] ?? "/usr/bin:/bin"}`;
  return { PATH: path, HYPERSHELL_LOGGING_LEVEL: "debug", ...more };
}

const count = (to: number): string[] => Array.from({ length: to }, (_, n) => `${n + 1}`);
/** What the autoscaler has logged so far. */
const said = (running: Pick<Running, "stderr">): readonly string[] =>
  linesOf(running.stderr()).flatMap((line) => /Autoscale .*/.exec(line)?.[0] ?? []);
const how = (lines: readonly string[], pattern: RegExp): number => lines.filter((line) => pattern.test(line)).length;

/** A batch system of scripts: a job waits until `free` has its number, and then runs as a process of its own. */
function batchSystem(site: Site): void {
  const number = "n=$(($(cat jobs/last 2>/dev/null || echo 0) + 1)); echo $n >jobs/last";
  const isOn = "grep -qx $n jobs/free 2>/dev/null";
  const start = `( until ${isOn} || [ -e jobs/$n.over ]; do sleep 0.05; done; [ ! -e jobs/$n.over ] || exit`;
  const run = `SLURM_JOB_ID=$n; export SLURM_JOB_ID; sh jobs/$n.sh; touch jobs/$n.over ) >/dev/null 2>&1 &`;
  const read = 'for last; do :; done; if [ -f "$last" ]; then cat "$last"; else cat; fi >jobs/$n.sh';
  script(site, "sbatch", `mkdir -p jobs; ${number}\n${read}\n${start}\n${run}\necho Submitted batch job $n`);
  const state = `if ${isOn}; then echo $n RUNNING; else echo $n PENDING; fi`;
  const listed = `for n in $(echo "$3" | tr , ' '); do [ -e jobs/$n.over ] || ${state}; done`;
  script(site, "squeue", `echo "$*" >>jobs/asked; ${listed}`);
  script(site, "scancel", 'echo "$*" >>jobs/cancelled; for n; do touch jobs/$n.over; done');
}

test("from none to the greatest number and back to none, without a database and with a bad start", async () => {
  await using site = openSite();
  script(
    site,
    "moody",
    'echo "$HYPERSHELL_RUN_LAUNCH" >>tries; [ $(wc -l <tries) -gt 1 ] || { echo no >&2; exit 9; }; exec "$@"',
  );
  const words = ["-A", "Dynamic", "-N2", "-I0", "-Y2", "-P1", "-T1", "--no-db", "--launcher=moody"];
  const running = site.start(["hsx", "-", ...words, "-t", "sleep 0.3; echo {}"], {
    stdin: `${count(24).join("\n")}\n`,
    env: environment(site),
  });
  await until(() => how(said(running), /client disconnected \(\d+\)$/) === 2, "two clients come and leave");
  await running.line(/Autoscale pause \(no clients and no active tasks\)/);
  running.kill("SIGINT");
  const { status, stdout } = await running.ended;
  const lines = said(running);
  expect([status, sorted(stdout)]).toEqual([4, count(24)]);
  expect(
    lines.filter((line) => /start|adding|exited/.test(line)).map((line) => line.replaceAll(/\d{2,}/g, "N")),
  ).toEqual([
    "Autoscale start (policy: dynamic, init-size: 0)",
    "Autoscale adding client (N tasks remaining in group 0)",
    "Autoscale adding client (N)",
    "Autoscale client (1) exited with status 9: no",
    "Autoscale adding client (N tasks remaining in group 0)",
    "Autoscale adding client (N)",
    "Autoscale adding client (N)",
  ]);
  const full = /^Autoscale check \(pressure: \d+\.\d\d, clients: 2\/2, tasks: \d+ in group 0, \d+ total\)$/;
  expect(how(lines, full)).toBePositive();
  expect(how(lines, /^Autoscale pressure high \(\d+\.\d\d\)$/)).toBe(1);
  expect(new Set(site.lines("tries")).size).toBe(3);
  expect(site.left()).toEqual([]);
});

test("jobs count while they wait, are clients when they come, and are cancelled at the end", async () => {
  await using site = openSite();
  batchSystem(site);
  const words = ["-A", "-P1", "-I1", "-X2", "-Y2", "--launcher=sbatch -n1", "-t", "echo {} $SLURM_JOB_ID"];
  const env = environment(site);
  const running = site.start(["hsx", ...words], { stdin: "1\n2\n", env });
  await running.line(/Autoscale adding client \(job 2\)/);
  site.write("jobs/free", "1\n");
  await until(() => site.exists("jobs/1.sh") && running.stderr().includes("clients: 1/2"), "the first job has come");
  await until(async () => (await site.hs(["list", "--count", "-S"], { env })).stdout === "2\n", "the tasks are run");
  running.kill("SIGUSR1");
  expect((await running.ended).status).toBe(0);
  expect([site.read("jobs/cancelled"), site.read("jobs/last")]).toEqual(["2\n", "2\n"]);
  expect(site.lines("jobs/asked")[0]).toBe("-h -j 1 -o %i %T");
  const job = site.read("jobs/1.sh");
  expect(job).toMatch(/^#!\/bin\/sh\nexec \S+\/hs client -H \S+ -p \d+ /);
  expect(running.stderr()).not.toMatch(/RUN_KEY='?[0-9a-f]/);
  await site.deserted();
});

test("hs autoscale launches pilots by hand, in place of the cron script", async () => {
  await using site = openSite();
  batchSystem(site);
  const env = environment(site, { HYPERSHELL_LOGGING_LEVEL: "info" });
  const { port } = await startServer(site, ["--forever", "-H", "127.0.0.1"], { env });
  const body = `exec hs client -N4 -T1 -p ${port} -H 127.0.0.1`;
  site.write("pilot.sh", `#!/bin/sh\nHYPERSHELL_SERVER_AUTH=0123456789abcdef-key-of-tests-long ${body}\n`);
  await site.shell("seq 100 | hs submit --template 'echo {}'", { env });
  const scale = async (...words: string[]) => {
    const rules = ["--launcher", "sbatch pilot.sh", "--max-size", "8", "--tasks-per-client", "48"];
    const { status, stdout, stderr } = await site.hs(["autoscale", ...rules, ...words], { env });
    return [status, stdout, ...linesOf(stderr).map((line) => line.replace(/^ *\w+ \[hypershell\./, "["))];
  };
  expect(await scale("--dry-run")).toEqual([
    0,
    "100 tasks to do in group 0, 100 in all; 0 clients connected, 0 jobs waiting in the queue, 0 pilots running\n" +
      "Would launch: sbatch pilot.sh\nWhy: adding client (100 tasks remaining in group 0)\n",
  ]);
  expect(await scale("--once")).toEqual([0, "", "[cluster] Autoscale adding client (job 1)"]);
  expect(await scale("--once")).toEqual([0, "", "[cluster] Autoscale adding client (job 2)"]);
  // Two are enough for a hundred tasks, although both still wait in the queue.
  expect(await scale("--once")).toEqual([0, ""]);
  expect((await scale("--dry-run"))[1]).toContain(
    "2 jobs waiting in the queue, 0 pilots running\nWould launch nothing\n",
  );
  site.write("jobs/free", "1\n2\n");
  await until(async () => (await site.hs(["list", "--count", "-R"], { env })).stdout === "0\n", "the tasks are run");
  await until(() => site.exists("jobs/1.over") && site.exists("jobs/2.over"), "the pilots leave");
  expect(await scale("--once")).toEqual([
    0,
    "",
    "[cluster] Autoscale client disconnected (job 1)",
    "[cluster] Autoscale client disconnected (job 2)",
  ]);
  script(site, "sbatch", "echo 'no such partition' >&2; exit 1");
  await site.hs(["submit", "true"], { env });
  expect(await scale("--once")).toEqual([
    5,
    "",
    "no such partition",
    "[cluster] Autoscale client (3) exited with status 1: no such partition",
  ]);
});

test("what cannot be meant together is refused, and what may surprise is told", async () => {
  await using site = openSite();
  const env = environment(site);
  const refused = async (...words: string[]): Promise<string> => {
    const { status, stderr } = await site.hsx(words, { env });
    return `${status} ${linesOf(stderr)
      .at(-1)
      ?.replace(/^.*?\] (?:argument )?/, "")}`;
  };
  site.write("task.in", "echo 1\n");
  expect(await refused("-A", "--ssh", "a")).toBe("2 -A/--autoscaling: not allowed with argument --ssh");
  expect(await refused("-A", "--mpi")).toBe("2 -A/--autoscaling: not allowed with argument --mpi");
  expect(await refused("-A", "task.in")).toMatch(/^2 .*invalid choice: 'task.in' \(choose from 'fixed', 'dynamic'\)/);
  expect(await refused("-", "-A", "-X3", "-Y2")).toMatch(/^2 -X\/--min-size: must be at most .* 2, not 3$/);
  expect(await refused("task.in", "-Y2")).toBe("2 -Y/--max-size: only allowed with argument -A/--autoscaling");
  expect(await refused("-A", "-o", "x")).toMatch(/^2 -o\/--output: not allowed with argument -A\/--autoscaling/);
  expect(await refused("-A", "--launcher=kubectl create -f pod.yaml")).toMatch(/^2 --launcher: kubectl cannot hand /);
  expect(await refused("-A", "--launcher=no-such-launcher")).toMatch(/^5 .*'no-such-launcher' cannot be found/);
  const told = site.start(["hsx", "task.in", "-A=dynamic", "--forever", "-I0"], { env });
  await told.line(/Autoscale start/);
  told.kill("SIGTERM");
  expect((await told.ended).status).toBe(143);
  // How much of the file is stored by then is the server's to tell.
  const warnings = linesOf(told.stderr()).filter((line) => line.includes("WARNING [hypershell.cluster]"));
  expect(warnings.map((line) => /\] (\S+ \S+ \S+)/.exec(line)?.[1])).toEqual([
    "--forever is redundant:",
    "With -A/--autoscaling the",
    "Without -T/--timeout clients",
  ]);
});
