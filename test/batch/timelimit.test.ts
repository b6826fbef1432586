/*
 * What Slurm does at the end of a job: SIGTERM to all its processes, SIGKILL after a while. What was running has not
 * failed, and a later run does it. `SIGNAL_ROUNDS` is how often jobs are cancelled.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout } from "bun:test";
import { type Slurm, slurmPrograms, startSlurm } from "../systems/slurm.ts";
import { needs, openSite, type Site, until } from "../e2e/harness.ts";
import { ask } from "../e2e/tables.ts";

const root = process.getuid?.() === 0 ? null : "not root";
const withSlurm = needs(slurmPrograms, root);
const available = root === null && slurmPrograms.every((program) => Bun.which(program) !== null);
const rounds = Number(process.env["SIGNAL_ROUNDS"] ?? 1);
let slurm: Slurm | null = null;

// Slurm counts in minutes, and looks every half of one.
setDefaultTimeout(200_000 + rounds * 20_000);

beforeAll(async () => {
  if (available) slurm = await startSlurm();
});
afterAll(async () => {
  await slurm?.[Symbol.asyncDispose]();
});

/** How a run may stand in a job: as the script's own child, as a step, and with clients that are steps. */
const forms = {
  "in the script": "hsx t.in -N2",
  "as a step": "srun -n1 hsx t.in -N2",
  "with clients as steps": "hsx t.in -N2 --launcher='srun -n1'",
} as const;

const statuses = (site: Site): (number | null)[] =>
  ask<{ exit_status: number | null }>(site.database, "select exit_status from task").map((row) => row.exit_status);
const state = async (id: string): Promise<string> =>
  (await slurm!.run(["squeue", "-h", "-t", "all", "-o", "%T", "-j", id])).trim();

/** Submits a job, waits until two tasks run in it, and answers its number. */
async function begin(site: Site, line: string, words: readonly string[] = []): Promise<string> {
  site.write("t.in", "[ -e go ] || sleep 301; exit $?\n".repeat(4));
  site.write("job.sh", `#!/bin/bash\n${line}\n`);
  const { status, stdout, stderr } = await site.shell(
    `sbatch --parsable -c2 -n1 -o job.out -e job.err ${words.join(" ")} job.sh`,
    { env: { ...slurm!.env } },
  );
  if (status !== 0) throw new Error(`sbatch ended with status ${status}: ${stderr}`);
  await until(
    () => site.left().filter((each) => /^\d+ sleep 301$/.test(each)).length === 2,
    () => `the tasks do not start: ${site.left().join("; ")}`,
  );
  return stdout.trim();
}

/** Waits for the end of a job that was begun. All its tasks must be there for a later run. */
async function judge(site: Site, id: string, form: string, end: string, timeoutMs: number): Promise<void> {
  await until(
    async () => (await state(id)) === end,
    () => `the job does not end: ${site.left().join("; ")}`,
    timeoutMs,
  );
  await site.deserted();
  const said = site.lines("job.err");
  expect([form, statuses(site), said]).toEqual([form, [null, null, null, null], said]);
  site.write("go", "");
  // Clients of the run that was ended could come back for so long.
  const again = await site.hsx(["--restart", "-N4"], { env: { HYPERSHELL_SERVER_GRACE: "1" } });
  expect([again.status, statuses(site)]).toEqual([0, [0, 0, 0, 0]]);
}

for (const [form, line] of Object.entries(forms))
  withSlurm(`scancel of a run ${form}: nothing has failed`, async () => {
    for (let n = 0; n < rounds; n++) {
      await using site = openSite();
      const id = await begin(site, line);
      // At once, or to the processes of the script too, as an administrator may.
      const words = n % 2 === 0 ? ["scancel", id] : ["scancel", "--full", "--signal=TERM", id];
      await slurm!.run(words);
      if (n % 2 === 1) await until(() => site.left().length === 0, "the job ends by SIGTERM alone");
      await judge(site, id, form, n % 2 === 0 ? "CANCELLED" : await ended(id), 30_000);
    }
  });

/** The state in which a job has ended. */
async function ended(id: string): Promise<string> {
  await until(async () => !/RUNNING|COMPLETING/.test(await state(id)), "the job ends");
  return state(id);
}

withSlurm("the time limit of a job: nothing has failed, wherever the run stands in it", async () => {
  const jobs: { readonly site: Site; readonly id: string; readonly form: string }[] = [];
  await using stack = new AsyncDisposableStack();
  for (const [form, line] of Object.entries(forms)) {
    const site = stack.use(openSite());
    jobs.push({ site, form, id: await begin(site, line, ["--time=1"]) });
  }
  for (const { site, id, form } of jobs) await judge(site, id, form, "TIMEOUT", 150_000);
});
