/*
 * Where processes or files are scarce: tasks that cannot start wait for those that run, none is lost, and the program
 * itself goes on with few threads.
 */
import { expect, test } from "bun:test";
import { mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import { groupsWith } from "../systems/groups.ts";
import { needs, openSite, type Site, until } from "./harness.ts";
import { ask } from "./tables.ts";

/** Where a control group that limits processes can be made; null: nowhere. */
const groups = groupsWith("pids", ["pids.max"]);
const grouped = needs([], groups === null ? "no control group of processes can be made here" : null);

/** Runs a line with at most so many processes and threads, its own shell included; GROUP is where that is said. */
async function within(most: number, line: string, site: Site) {
  const folder = `${groups}/hs-test-${process.pid}-${Math.random()}`;
  mkdirSync(folder);
  writeFileSync(`${folder}/pids.max`, `${most}`);
  try {
    return await site.shell(`echo $$ >${folder}/cgroup.procs; export GROUP=${folder}; ${line}`, { timeoutMs: 90_000 });
  } finally {
    await until(() => {
      try {
        rmdirSync(folder);
        return true;
      } catch {
        return false;
      }
    }, `${folder} is empty`);
  }
}

const allDone = (site: Site): unknown =>
  ask(site.database, "select exit_status status, count(*) n from task group by exit_status");

grouped("more tasks at once than there may be processes: the next waits for one that ends", async () => {
  await using site = openSite();
  const ended = await within(24, "seq 40 | hsx -N20 -t 'exec sleep 1.5'", site);
  expect([ended.status, ended.stdout]).toEqual([0, ""]);
  expect(ended.stderr).toMatch(/lets no more tasks start \(.*\): the next wait until others end \(\d+ run\)\n$/);
  expect(allDone(site)).toEqual([{ status: 0, n: 40 }]);
});

grouped("there is room for one task, and its time limit counts from its start", async () => {
  await using site = openSite();
  const ended = await within(10, "seq 6 | hsx -N20 -W2 -t 'exec sleep 1'", site);
  expect(ended.status).toBe(0);
  expect(allDone(site)).toEqual([{ status: 0, n: 6 }]);
});

grouped("no process is left at the end of a run: it ends as it should", async () => {
  await using site = openSite();
  site.write("in", 'echo 1 >>ran\necho 2 >>ran\necho 1 >"$GROUP/pids.max"; echo 3 >>ran\n');
  expect(await within(200, "hsx in -N1", site)).toEqual({ status: 0, stdout: "", stderr: "" });
  expect([site.lines("ran"), allDone(site)]).toEqual([["1", "2", "3"], [{ status: 0, n: 3 }]]);
});

grouped("tasks inherit nothing of how the program saves threads", async () => {
  await using site = openSite();
  site.write("in file", "! env | cut -d= -f1 | grep -e ^BUN_ -e FEW; echo $TASK_ARGS\n");
  const printed = "! env | cut -d= -f1 | grep -e ^BUN_ -e FEW; echo $TASK_ARGS\n";
  expect(await within(30, "hsx --no-db 'in file'", site)).toEqual({ status: 0, stdout: printed, stderr: "" });
});

test("more tasks at once than there may be files", async () => {
  await using site = openSite();
  const ended = await site.shell("ulimit -n 40; seq 60 | hsx -N50 --capture -t 'exec sleep 0.5'", {
    timeoutMs: 60_000,
  });
  expect(ended.status).toBe(0);
  expect(ended.stderr).toMatch(/lets no more tasks start \(.*\): the next wait until others end \(\d+ run\)\n$/);
  expect(allDone(site)).toEqual([{ status: 0, n: 60 }]);
}, 90_000);

test("too few files for any run: it says so, and nothing is begun", async () => {
  await using site = openSite();
  const text = "CRITICAL [hypershell] The limit of open files (ulimit -n) is 20, and at least 32 are needed\n";
  const ended = await site.shell("ulimit -n 20; seq 9 | hsx -N4 -t 'echo {} >>log'");
  expect(ended).toEqual({ status: 5, stdout: "", stderr: text });
  expect(site.exists("log")).toBe(false);
});
