import { describe, expect, test } from "bun:test";
import {
  cancelCall,
  exportWith,
  jobIn,
  jobOfClient,
  stateCall,
  statesIn,
  submitCall,
  type Submitter,
  submitterOf,
} from "../../../src/launch/submitted.ts";

const words = (line: string): string[] => line.split(" ");
const submitter = (line: string): Submitter => submitterOf(words(line))!;

test("launchers that submit are known by their first words", () => {
  const systems = [
    "sbatch -n1",
    "/opt/bin/qsub",
    "bsub -q x",
    "flux batch -n1",
    "flux submit",
    "kubectl -n a create -f b",
  ];
  expect(systems.map((line) => submitterOf(words(line))?.system)).toEqual([
    "slurm",
    "pbs",
    "lsf",
    "flux",
    "flux",
    "kubernetes",
  ]);
  for (const line of ["srun -n1", "flux run", "kubectl get pods", "my-sbatch", "", "sh -c sbatch", "create kubectl"])
    expect(submitterOf(words(line))).toBeNull();
});

describe("a client becomes a job", () => {
  const client = ["/opt/hs", "client", "-t", "echo '{}'"];
  const names = ["KEY", "LAUNCH"];
  const call = (line: string) => submitCall(submitter(line), client, names, (word) => word === "pilot.sh");
  const script = "#!/bin/sh\nexec /opt/hs client -t 'echo '\\''{}'\\'''\n";

  test("by a script on standard input", () => {
    expect(call("sbatch -n1 -t 5")).toEqual({ words: words("sbatch -n1 -t 5"), input: script });
    expect(call("bsub -q short")).toEqual({ words: words("bsub -q short"), input: script });
    expect(call("flux batch -n1")).toEqual({ words: words("flux batch -n1"), input: script });
  });
  test("by the user's script, as its arguments", () => {
    expect(call("sbatch -n1 pilot.sh extra")).toEqual({
      words: [...words("sbatch -n1 pilot.sh extra"), ...client],
      input: null,
    });
  });
  test("by its own words where these are taken", () => {
    expect(call("flux submit -n1")).toEqual({ words: [...words("flux submit -n1"), ...client], input: null });
  });
  test.each([
    ["sbatch --export=NONE -n1", "sbatch --export=KEY,LAUNCH -n1"],
    ["sbatch --export A=1", "sbatch --export A=1,KEY,LAUNCH"],
    ["sbatch --export=ALL", "sbatch --export=ALL"],
    ["sbatch -Q -n1 --quiet", "sbatch -n1"],
    ["qsub -l nodes=1", "qsub -v KEY,LAUNCH -l nodes=1"],
    ["qsub -v A=1 -q b", "qsub -v A=1,KEY,LAUNCH -q b"],
    ["qsub -V", "qsub -V"],
  ])("and gets the variables that it needs: %s", (line, expected) => {
    expect(call(line).words.join(" ")).toBe(expected);
  });
  test("never with a value on the command line", () => {
    expect(exportWith("nil", ["KEY"])).toBe("KEY");
  });
});

describe("ids of jobs", () => {
  test.each<[string, string, string | null]>([
    ["sbatch", "Submitted batch job 1234\n", "1234"],
    ["sbatch -M b", "Submitted batch job 1234 on cluster b\n", "1234"],
    ["sbatch --parsable", "1234\n", "1234"],
    ["sbatch --parsable", "1234;cluster\n", "1234"],
    ["sbatch", "sbatch: lua: welcome to 2026\nSubmitted batch job 7\n", "7"],
    ["sbatch", "", null],
    ["qsub", "1234.pbs01.cluster\n", "1234.pbs01.cluster"],
    ["qsub", "1234[].pbs\n", "1234[].pbs"],
    ["qsub", 'Your job 17 ("STDIN") has been submitted\n', "17"],
    ["bsub", "Job <17> is submitted to queue <normal>.\n", "17"],
    ["bsub", "Job <17> is submitted to default queue <normal>.\n", "17"],
    ["flux batch", "ƒA7vsSFb\n", "ƒA7vsSFb"],
    ["flux submit", "fA7vsSFb\n", "fA7vsSFb"],
    ["kubectl create -f a", "pod/hs-1 created\n", "pod/hs-1"],
    ["kubectl apply -f a", "job.batch/hs-1 configured\n", "job.batch/hs-1"],
    ["kubectl create -o name -f a", "pod/hs-1\n", "pod/hs-1"],
    ["kubectl create -f a", "secret/key created\npod/hs-2 created\n", "pod/hs-2"],
    ["kubectl create -f a", "secret/key created\n", null],
  ])("%s prints %j", (line, printed, expected) => {
    expect(jobIn(submitter(line), printed)).toBe(expected);
  });
});

describe("states of jobs", () => {
  const pbs = [
    "Job id            Name             User              Time Use S Queue",
    "----------------  ---------------- ----------------  -------- - -----",
    "11.pbs01          STDIN            e                 00:00:00 R workq",
    "12.pbs01          STDIN            e                        0 Q workq",
    "13.pbs01          E                e                 00:01:00 F workq",
  ].join("\n");
  const gridEngine = [
    "job-ID  prior   name       user         state submit/start at     queue     slots ja-task-ID",
    "-----------------------------------------------------------------------------------------",
    "     11 0.55500 STDIN      e            r     11/30/2026 12:00:00 all.q@n1      1",
    "     12 0.00000 STDIN      e            qw    11/30/2026 12:00:00               1",
  ].join("\n");
  test.each<[string, string[], string, string[]]>([
    ["sbatch", ["11", "12", "13"], "11 RUNNING\n12 PENDING\n", ["running", "waiting", "gone"]],
    ["sbatch", ["11"], "PENDING\n", ["waiting"]],
    ["sbatch", ["11"], "11 COMPLETING\n", ["gone"]],
    ["sbatch", ["11"], "11_4 CONFIGURING\n", ["waiting"]],
    ["sbatch", ["11"], "", ["gone"]],
    ["qsub", ["11.pbs01.cluster", "12.pbs01.cluster", "13.pbs01.cluster"], pbs, ["running", "waiting", "gone"]],
    ["qsub", ["11", "12", "13"], gridEngine, ["running", "waiting", "gone"]],
    ["bsub", ["11", "12", "13", "14"], "11 RUN\n12 PEND\n13 EXIT\n", ["running", "waiting", "gone", "gone"]],
    ["flux batch", ["ƒAb", "ƒAc", "ƒAd"], "ƒAb RUN\nfAc SCHED\nƒAd INACTIVE\n", ["running", "waiting", "gone"]],
    [
      "kubectl create -f a",
      ["pod/a", "pod/b", "job.batch/c", "job.batch/d", "pod/e"],
      "a phase:Running active: end:Ready\nb phase:Pending active: end:PodScheduled\nc phase: active:1 end:\n" +
        "d phase: active: end:SuccessCriteriaMet Complete\n phase: active: end:\n",
      ["running", "waiting", "running", "gone", "gone"],
    ],
    ["kubectl create -f a", ["job.batch/c"], "c phase: active: end:\n", ["waiting"]],
  ])("%s %j", (line, jobs, printed, expected) => {
    const states = statesIn(submitter(line), jobs, printed);
    expect(jobs.map((job) => states.get(job))).toEqual(expected as never);
  });

  test("one call asks for all, at the same place", () => {
    const ask = (line: string, ...jobs: string[]) => stateCall(submitter(line), jobs).words.join(" ");
    expect(ask("sbatch -M b -n1", "1", "2")).toBe("squeue -M b -h -j 1,2 -o %i %T");
    expect(ask("qsub", "1.a", "2.a")).toBe("qstat 1.a 2.a");
    expect(ask("qsub", "1", "2")).toBe("qstat");
    expect(ask("bsub", "1", "2")).toBe("bjobs -noheader -o jobid stat 1 2");
    expect(ask("flux batch", "ƒA", "ƒB")).toBe("flux jobs -n -o {id} {state} ƒA ƒB");
    expect(ask("kubectl --context=c -n a create -f b", "pod/a")).toStartWith(
      "kubectl --context=c -n a get pod/a --ignore-not-found -o jsonpath={range .items[*]}{.metadata.name} phase:",
    );
  });

  test("one call cancels all", () => {
    const cancel = (line: string) => cancelCall(submitter(line), ["1", "2"]).words.join(" ");
    expect(["sbatch --clusters=b", "qsub", "bsub", "flux batch", "kubectl -n a create"].map(cancel)).toEqual([
      "scancel --clusters=b 1 2",
      "qdel 1 2",
      "bkill 1 2",
      "flux cancel 1 2",
      "kubectl -n a delete --ignore-not-found --wait=false 1 2",
    ]);
  });
});

test("a client knows what brought it up", () => {
  expect(jobOfClient("hs-1a-2", { SLURM_JOB_ID: "11" })).toBe("hs-1a-2");
  const of = (env: Record<string, string>) => jobOfClient("", env);
  expect(of({ SLURM_JOB_ID: "11", HOSTNAME: "a" })).toBe("11");
  expect(of({ PBS_JOBID: "11[3].pbs" })).toBe("11[3].pbs");
  expect(of({ LSB_JOBID: "1" })).toBe("1");
  expect(of({ FLUX_JOB_ID: "ƒA" })).toBe("ƒA");
  expect(of({ KUBERNETES_SERVICE_HOST: "10.0.0.1", HOSTNAME: "hs-1" })).toBe("hs-1");
  for (const env of [{ HOSTNAME: "a" }, { JOB_ID: "no name" }, { JOB_ID: "a/b" }, { JOB_ID: ".." }, { JOB_ID: "" }])
    expect(of(env as Record<string, string>)).toBeNull();
});
