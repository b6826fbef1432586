import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../../src/base/clock.ts";
import { type Jobs, openJobs } from "../../../src/launch/jobs.ts";
import { submitterOf } from "../../../src/launch/submitted.ts";
import type { Logger } from "../../../src/log/logger.ts";

let folder: string;
let lines: string[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hs-jobs-"));
  lines = [];
});
afterEach(() => rmSync(folder, { recursive: true }));

function program(name: string, body: string): void {
  writeFileSync(join(folder, name), `#!/bin/sh\n${body}\n`);
  chmodSync(join(folder, name), 0o755);
}

function jobs(pauseMs = 0, now = () => 0, env = { PATH: `${folder}:/usr/bin:/bin` }): Jobs {
  const note = (text: string): void => void lines.push(text);
  const log = { debug: () => undefined, info: note, warning: note } as unknown as Logger;
  const clock = { ...systemClock, now };
  return openJobs({ submitter: submitterOf(["sbatch"])!, env, cwd: folder, pauseMs, clock, log });
}

const states = async (its: Jobs, ...ids: string[]) => Object.fromEntries((await its.states(ids)) ?? [["no", "answer"]]);

test("a batch system is asked for all jobs at once, and no sooner than it may be again", async () => {
  program("squeue", 'echo "$3" >>asked; echo 1 RUNNING; echo 2 PENDING');
  let now = 0;
  const its = jobs(5000, () => now);
  expect(await states(its, "1", "2", "3")).toEqual({ 1: "running", 2: "waiting", 3: "gone" });
  now = 4999;
  expect(await its.states(["1"])).toBeNull();
  now = 5000;
  expect(await states(its, "2")).toEqual({ 2: "waiting" });
  expect(await Bun.file(join(folder, "asked")).text()).toBe("1,2,3\n2\n");
});

test("jobs that it does not know any more are gone, and what it cannot tell is told once", async () => {
  program("squeue", "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1");
  const its = jobs();
  expect(await states(its, "1")).toEqual({ 1: "gone" });
  program("squeue", "echo 'Unable to contact slurm controller' >&2; exit 1");
  for (let asked = 0; asked < 2; asked++) expect(await states(its, "1")).toEqual({ no: "answer" });
  program("squeue", "echo 1 PENDING");
  expect(await states(its, "1")).toEqual({ 1: "waiting" });
  expect(lines).toEqual([
    "Cannot ask for jobs: squeue ended with status 1: Unable to contact slurm controller",
    "The batch system tells of jobs again",
  ]);
});

test("a batch system whose programs are not there is told of in words", async () => {
  const env = { PATH: folder };
  await jobs(0, () => 0, env).cancel(["1"]);
  expect(lines).toEqual(["Cannot cancel jobs (1): scancel cannot be called: it cannot be found on the PATH"]);
});
