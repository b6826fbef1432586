import { afterAll, expect, test } from "bun:test";
import fc from "fast-check";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../../src/base/clock.ts";
import { splitWords } from "../../../src/base/shell.ts";
import {
  clientWords,
  handOn,
  launcherEnvironment,
  type LaunchOptions,
  remoteProgram,
  shownCommand,
  slurmEnvironment,
  startLauncher,
} from "../../../src/launch/launcher.ts";
import { withoutRank } from "../../../src/launch/rank.ts";
import { silentLog } from "../../make.ts";
import { makePlan } from "../../unit/launch/samples.ts";

const plan = makePlan();

test("a client is told where its server is, and only what was asked for besides", () => {
  expect(clientWords(plan).join(" ")).toBe("/opt/hs client -H login -p 50001 -N 4 -S 10");
});

test("every setting of the run that concerns a client is on its command line", () => {
  const told = {
    bundleSize: 192,
    bundleWait: 60,
    template: "echo {}",
    delay: -30,
    signalWait: 5,
    capture: true,
    timeout: 60,
    taskTimeout: 90,
  };
  expect(clientWords(makePlan(told, { tls: false, cafile: "/ca.pem" }))).toEqual(
    ["/opt/hs", "client", "-H", "login", "-p", "50001", "-N", "4", "-b", "192", "-w", "60", "-t", "echo {}"].concat(
      "-d -30 -S 5 --capture -T 60 -W 90 --no-tls --tls-ca /ca.pem".split(" "),
    ),
  );
});

test("a template that looks like an option stays a template", () => {
  expect(clientWords(makePlan({ template: "-x {}" }))).toContain("--template=-x {}");
});

test("hsx starts hs on client hosts, and no other name is changed", () => {
  expect(remoteProgram("/opt/bin/hsx", "ssh")).toBe("/opt/bin/hs");
  expect(remoteProgram("hsx", "ssh")).toBe("hs");
  expect(remoteProgram("C:\\bin\\hsx.exe", "ssh")).toBe("C:\\bin\\hs.exe");
  expect(remoteProgram("/opt/hsxx", "ssh")).toBe("/opt/hsxx");
  expect(remoteProgram("/opt/myhsx", "ssh")).toBe("/opt/myhsx");
  expect(remoteProgram("/home/max/hs", "ssh")).toBe("/home/max/hs");
  // Other hosts than those of Windows do not know the path of a Windows.
  const far = ["ssh", String.raw`C:\Windows\System32\OpenSSH\ssh.exe`, "plink.EXE"];
  const near = ["", "mpiexec", String.raw`C:\ssh\mpiexec.exe`];
  const [there, here] = [far, near].map((all) => all.map((name) => remoteProgram("C:\\x\\hsx.exe", name, "win32")));
  expect([there, here]).toEqual([Array(3).fill("hs"), Array(3).fill("C:\\x\\hs.exe")]);
});

test("launchers are split into words as a shell does", () => {
  expect(splitWords(`srun -Q  -A 'my lab' --comment="a \\"b\\" \\$c \\d" x\\ y '' a'b'"c"`, "--launcher")).toEqual([
    "srun",
    "-Q",
    "-A",
    "my lab",
    '--comment=a "b" $c \\d',
    "x y",
    "",
    "abc",
  ]);
  expect(splitWords(" \t\n", "--launcher")).toEqual([]);
});

test("a quote that is not closed is named with its option", () => {
  expect(() => splitWords("srun 'a", "--launcher")).toThrow(
    `argument --launcher: a quote (') is not closed in "srun 'a"`,
  );
  expect(() => splitWords('srun "a', "--ssh-args")).toThrow('argument --ssh-args: a quote (") is not closed');
  expect(() => splitWords("srun a\\", "--launcher")).toThrow("nothing follows the last backslash");
});

test("words that were shown as a command are the same words again", () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: "binary" }), { maxLength: 6 }), (words) => {
      expect(splitWords(shownCommand(words), "--launcher")).toEqual(words);
    }),
    { numRuns: 40 },
  );
});

test("a launcher gets the environment, the variables for tasks and the key of the run beside the user's own", () => {
  const env = { PATH: "/bin", GONE: undefined, HYPERSHELL_SERVER_AUTH: "own", HYPERSHELL_RUN_KEY: "of an outer run" };
  expect(launcherEnvironment(env, { FOO: "bar" }, "secret")).toEqual({
    PATH: "/bin",
    FOO: "bar",
    HYPERSHELL_SERVER_AUTH: "own",
    HYPERSHELL_RUN_KEY: "secret",
  });
});

test("Open MPI is told to hand the variables on, others do so by themselves", () => {
  const names = ["HYPERSHELL_RUN_KEY", "FOO"];
  const yes = () => true;
  const no = () => false;
  expect(handOn(["mpirun", "-n", "2"], names, yes).join(" ")).toBe("mpirun -x HYPERSHELL_RUN_KEY -x FOO -n 2");
  expect(handOn(["time", "/usr/bin/mpiexec"], names, yes).join(" ")).toBe(
    "time /usr/bin/mpiexec -x HYPERSHELL_RUN_KEY -x FOO",
  );
  expect(handOn(["mpirun", "-n", "2"], names, no)).toEqual(["mpirun", "-n", "2"]);
  expect(handOn(["flux", "run"], names, yes)).toEqual(["flux", "run"]);
});

test("srun hands the key on even where it hands on nothing else", () => {
  const words = (text: string) => handOn(text.split(" "), ["X"], () => true).join(" ");
  expect(words("srun -n 2")).toBe("srun -n 2");
  expect(words("srun --export=NONE -n 2")).toBe("srun --export=HYPERSHELL_RUN_KEY -n 2");
  expect(words("srun --export A,B=1")).toBe("srun --export A,B=1,HYPERSHELL_RUN_KEY");
  expect(words("srun --export=ALL")).toBe("srun --export=ALL");
  expect(slurmEnvironment({ SLURM_EXPORT_ENV: "NONE" }, ["srun"])).toMatchObject({
    SLURM_EXPORT_ENV: "HYPERSHELL_RUN_KEY",
  });
});

test("the step of the clients shares its part of the job, unless the user has said how steps share", () => {
  const overlap = (env: Record<string, string>, launcher: string) =>
    slurmEnvironment(env, launcher.split(" "))["SLURM_OVERLAP"];
  const job = { SLURM_JOB_ID: "1" };
  for (const launcher of ["srun", "mpirun -n 2", "./mine", "srun --exact -n2", "srun --exclude=n1"])
    expect(overlap(job, launcher)).toBe("hypershell");
  expect(overlap({}, "srun --exclusive -n2")).toBe("hypershell");
  for (const launcher of ["srun --exclusive", "srun -n2 --exclusive=user"])
    expect(overlap(job, launcher)).toBeUndefined();
  expect(overlap({ ...job, SLURM_GPUS: "4", SLURM_JOB_NUM_NODES: "2" }, "srun")).toBeUndefined();
  expect(overlap({ ...job, SLURM_GPUS: "4", SLURM_JOB_NUM_NODES: "1" }, "srun")).toBe("hypershell");
  expect(overlap({ ...job, SLURM_JOB_NUM_NODES: "2" }, "srun --gpus=4")).toBeUndefined();
  expect(overlap({ ...job, SLURM_JOB_NUM_NODES: "2" }, "srun --gpus-per-node=2")).toBe("hypershell");
  expect(overlap({ ...job, SLURM_OVERLAP: "1" }, "srun")).toBe("1");
  expect(withoutRank(slurmEnvironment(job, ["srun"]))).toEqual(job);
  expect(withoutRank({ ...job, SLURM_OVERLAP: "1" })).toEqual({ ...job, SLURM_OVERLAP: "1" });
});

const folder = mkdtempSync(join(tmpdir(), "hs-launcher-"));
afterAll(() => rmSync(folder, { recursive: true }));

function launch(words: readonly string[], more: Partial<LaunchOptions> = {}): ReturnType<typeof startLauncher> {
  const env = { PATH: process.env["PATH"] ?? "/usr/bin:/bin" };
  return startLauncher({
    name: "test",
    words,
    env,
    cwd: folder,
    input: null,
    clock: systemClock,
    log: silentLog,
    ...more,
  });
}

test("a launcher's end comes with its status and its last lines on stderr", async () => {
  const script = "for n in 1 2 3 4 5 6 7; do echo line $n >&2; done; printf unfinished >&2; exit 3";
  const end = await launch(["sh", "-c", script]).ended;
  expect(end).toEqual({ status: 3, lastLines: ["line 4", "line 5", "line 6", "line 7", "unfinished"], printed: "" });
});

test("a launcher that a signal ended has the status of a shell", async () => {
  expect((await launch(["sh", "-c", "kill -TERM $$"]).ended).status).toBe(143);
});

test("a launcher reads what it is given, and else nothing", async () => {
  expect((await launch(["sh", "-c", 'read -r line; [ "$line" = secret ]'], { input: "secret\n" }).ended).status).toBe(
    0,
  );
  expect((await launch(["sh", "-c", "! read -r line"]).ended).status).toBe(0);
});

test("a launcher that is not there is named", () => {
  expect(() => launch(["no-such-launcher", "-n", "1"])).toThrow(
    "The launcher 'no-such-launcher' cannot be found (is it on the PATH?)",
  );
  expect(() => launch([folder])).toThrow(/The launcher '.*' (may not be executed|cannot be)/);
});

test("what a launcher leaves running is in its group, and does not keep its end from being told", async () => {
  const launcher = launch(["sh", "-c", "sleep 60 & exit 4"]);
  expect((await launcher.ended).status).toBe(4);
  expect(launcher.alive()).toBe(true);
  launcher.signal("SIGKILL");
  while (launcher.alive()) await new Promise((resolve) => setImmediate(resolve));
});

test("a launcher has a session of its own", async () => {
  const script = 'read -r stat </proc/$$/stat; set -- ${stat##*) }; [ "$4" = $$ ]';
  expect((await launch(["sh", "-c", script]).ended).status).toBe(0);
});
