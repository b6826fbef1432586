/* When the time of a host is up, from what batch systems say. */
import { expect, test } from "bun:test";
import { parseMoment } from "../../../src/base/moment.ts";
import { earlier, endInEnvironment, endOfWalltime, questionOf } from "../../../src/client/allocation.ts";
import { fakeHost } from "./hosts.ts";

const now = Date.UTC(2026, 10, 30, 12, 0, 0);
const local = (text: string): number => parseMoment(text, now)!;

test("Slurm says it in the environment of a node", () => {
  const env = { SLURM_JOB_ID: "7", SLURM_JOB_END_TIME: "1796043600", SLURMD_NODENAME: "n1" };
  expect(endInEnvironment({ env }, now)).toEqual({ at: 1_796_043_600_000, source: "SLURM_JOB_END_TIME" });
  const onLogin = { SLURM_JOB_ID: "7", SLURM_JOB_END_TIME: "1796043600" };
  expect([endInEnvironment({ env: onLogin }, now), questionOf({ env: onLogin })]).toEqual([null, null]);
  expect(endInEnvironment({ env: { ...env, SLURM_JOB_END_TIME: "0" } }, now)).toBeNull();
  expect(endInEnvironment({ env }, 1_796_043_600_000)).toBeNull();
});

test.each([
  ["slurm", { SLURM_JOB_ID: "17", SLURM_CPUS_ON_NODE: "4" }, "scontrol -o show job 17"],
  ["pbs", { PBS_JOBID: "12[3].server-1" }, "qstat -f 12[3].server-1"],
  ["lsf", { LSB_JOBID: "99", LSB_JOBINDEX: "0" }, "bjobs -noheader -o time_left 99"],
  ["an array of lsf", { LSB_JOBID: "99", LSB_JOBINDEX: "4" }, "bjobs -noheader -o time_left 99[4]"],
  ["flux", { FLUX_JOB_ID: "f2kdC8g5" }, "flux job timeleft f2kdC8g5"],
  ["an option in place of a job", { PBS_JOBID: "-x" }, undefined],
  ["no job", {}, undefined],
] as [string, Record<string, string>, string | undefined][])("who is asked: %s", (_, env, words) =>
  expect(questionOf({ env })?.words.join(" ")).toBe(words),
);

const scontrol =
  "JobId=17 JobName=wrap UserId=root(0) RunTime=00:00:01 TimeLimit=00:10:00 TimeMin=N/A " +
  "SubmitTime=2026-11-30T12:00:00 StartTime=2026-11-30T12:00:01 EndTime=2026-11-30T12:10:01 Deadline=N/A NumNodes=1\n";
const pro =
  "Job Id: 12.server\n    Job_Name = pilot\n    resources_used.walltime = 00:00:12\n    job_state = R\n" +
  "    Resource_List.walltime = 01:30:00\n    stime = Mon Nov 30 12:00:05 2026\n    substate = 42\n";
const torque =
  "Job Id: 12.server\n    Resource_List.walltime = 01:30:00\n    start_time = Mon Nov 30 12:00:05 2026\n" +
  "    Walltime.Remaining = 5000\n";

const slurm = { SLURM_JOB_ID: "17", SLURMD_NODENAME: "n1" };
test.each([
  ["scontrol", slurm, scontrol, local("2026-11-30T12:10:01")],
  ["scontrol, without a limit", slurm, scontrol.replace(/EndTime=\S+/, "EndTime=Unknown"), null],
  ["qstat of PBS Professional", { PBS_JOBID: "12" }, pro, local("2026-11-30T13:30:05")],
  ["qstat, days", { PBS_JOBID: "12" }, pro.replace("01:30:00", "100:00:00"), local("2026-12-04T16:00:05")],
  ["qstat of Torque", { PBS_JOBID: "12" }, torque, now + 5_000_000],
  ["qstat, without a limit", { PBS_JOBID: "12" }, "Job Id: 12\n    stime = Mon Nov 30 12:00:05 2026\n", null],
  ["bjobs", { LSB_JOBID: "9" }, "1:30 L     \n", now + 5_400_000],
  ["bjobs, without a limit", { LSB_JOBID: "9" }, "-  \n", null],
  ["flux", { FLUX_JOB_ID: "f1" }, "3600\n", now + 3_600_000],
  ["flux, without a limit", { FLUX_JOB_ID: "f1" }, "4294967295\n", null],
] as [string, Record<string, string>, string, number | null][])("%s", (_, env, text, at) =>
  expect(questionOf({ env })?.read(text, now) ?? null).toBe(at),
);

test("the time of a job of PBS counts from the start of its session", () => {
  const stat = (pid: number, session: number, start: number): string =>
    `${pid} (a b) c) S 1 ${session} ${session} ${"0 ".repeat(15)}${start} 0\n`;
  const files = {
    "/proc/self/stat": stat(50, 40, 990_000),
    "/proc/40/stat": stat(40, 40, 900_000),
    "/proc/uptime": "10000.00 5000.00\n",
  };
  const end = endOfWalltime(fakeHost({ env: { PBS_WALLTIME: "3600" }, files }), now);
  expect(end).toEqual({ at: now - 1_000_000 + 3_600_000, source: "PBS_WALLTIME" });
  expect(endOfWalltime(fakeHost({ files }), now)).toBeNull();
  expect(endOfWalltime(fakeHost({ env: { PBS_WALLTIME: "3600" } }), now)).toBeNull();
});

test("of two ends the earlier counts", () => {
  const [one, two] = [
    { at: 1, source: "a" },
    { at: 2, source: "b" },
  ];
  expect([earlier(one, two), earlier(two, one), earlier(null, two), earlier(null, null)]).toEqual([
    one,
    one,
    two,
    null,
  ]);
});
