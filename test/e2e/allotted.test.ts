/*
 * What a client has of its host: devices that tasks share, processors that they do not, resources by name, and an end
 * of its time. No GPU is needed: a host has those that somebody says it has.
 */
import { availableParallelism } from "node:os";
import { expect, test } from "bun:test";
import { linesOf, needs, openSite, type Site } from "./harness.ts";

/** A line for each start (+) and end (-) of a task, with what it was shown. */
const marked = (what: string): string => `echo "+ ${what}" >> log; sleep 0.3; echo "- ${what}" >> log`;

/** The most that ran at once, of each kind of line, and of all together (`all`). */
function peaksOf(site: Site): Record<string, number> {
  const now: Record<string, number> = {};
  const most: Record<string, number> = {};
  for (const line of site.lines("log")) {
    for (const kind of [line.slice(2), "all"]) {
      now[kind] = (now[kind] ?? 0) + (line.startsWith("+") ? 1 : -1);
      most[kind] = Math.max(most[kind] ?? 0, now[kind]);
    }
  }
  return most;
}

test("eight tasks of half a device run four at a time on two devices, and each sees only its own", async () => {
  await using site = openSite();
  const task = `${marked("$CUDA_VISIBLE_DEVICES $ROCR_VISIBLE_DEVICES $TASK_GPUS")}  # HYPERSHELL: gpus:0.5\n`;
  const { status, stderr } = await site.hsx(["-", "-N8", "--no-db", "--resource", "gpus:2"], { stdin: task.repeat(8) });
  expect([status, stderr]).toEqual([0, ""]);
  expect(peaksOf(site)).toEqual({ "0 0 0": 2, "1 1 1": 2, all: 4 });
});

test("what the environment restricts is obeyed, and tasks that ask for nothing are left as they are", async () => {
  await using site = openSite();
  const env = { CUDA_VISIBLE_DEVICES: "5,GPU-ab,7" };
  const lines = ["gpus:2", "gpus:1", "x:1"].map(
    (tag) => `echo ${tag} $CUDA_VISIBLE_DEVICES $TASK_GPUS  # HYPERSHELL: ${tag}\n`,
  );
  const { stdout } = await site.hsx(["-", "--no-db"], { stdin: lines.join(""), env });
  expect(linesOf(stdout)).toEqual(["gpus:2 5,GPU-ab 5,GPU-ab", "gpus:1 5 5", "x:1 5,GPU-ab,7"]);
  const none = await site.hsx(["-", "--no-db"], { stdin: lines.join(""), env: { CUDA_VISIBLE_DEVICES: "" } });
  expect([none.status, none.stdout]).toEqual([7, "x:1\n"]);
  expect(none.stderr).toContain("gpus: 0 < 1");
});

test("a resource by name, from an option and from a setting", async () => {
  await using site = openSite();
  const stdin = `${marked("license")}  # HYPERSHELL: license:1\n`.repeat(4);
  const first = await site.hsx(["-", "-N4", "--no-db", "--resource=license:2"], { stdin });
  expect([first.status, first.stderr, peaksOf(site)]).toEqual([0, "", { license: 2, all: 2 }]);
  site.write("log", "");
  const file = site.write("../site/config.toml", "[client.resources]\nlicense = 1\n");
  const second = await site.hsx(["-", "-N4", "--no-db"], { stdin, env: { HYPERSHELL_CONFIG_FILE: file } });
  expect([second.status, second.stderr, peaksOf(site)]).toEqual([0, "", { license: 1, all: 1 }]);
});

test("what cannot be meant is refused with one line", async () => {
  await using site = openSite();
  const told = async (...words: readonly string[]): Promise<readonly [number, string]> => {
    const { status, stderr } = await site.hsx(["-", "--no-db", ...words], { stdin: "echo 1\n" });
    return [status, stderr.replace(/^.*?\] /, "").trimEnd()];
  };
  expect(await told("--resource", "license")).toEqual([
    2,
    "argument --resource: a resource has a name and a number, as in license:3 (not 'license')",
  ]);
  expect(await told("--resource", "gpus:1.5")).toEqual([
    2,
    "argument --resource: the number of gpus is whole (not 'gpus:1.5')",
  ]);
  expect(await told("--until", "2020-01-01")).toEqual([2, "argument --until: 2020-01-01 has passed already"]);
  expect((await told("--until", "soon"))[1]).toMatch(/^argument --until: 'soon' is no time \(a time is 18:00/);
});

const pinnable = needs(
  [],
  process.platform !== "linux" || availableParallelism() < 2 ? "fewer than two processors" : null,
);

pinnable("pinned tasks have processors of their own", async () => {
  await using site = openSite();
  const cores = "$(grep Cpus_allowed_list /proc/self/status | cut -f2)";
  const { status } = await site.hsx(["-", "-N2", "--no-db"], {
    stdin: `${marked(cores)}\n`.repeat(4),
    env: { HYPERSHELL_CLIENT_PIN: "true" },
  });
  const { all, ...each } = peaksOf(site);
  expect([status, all, Object.keys(each).length, Object.values(each)]).toEqual([0, 2, 2, [1, 1]]);
  expect(Object.keys(each).every((list) => /^\d+$/.test(list))).toBe(true);
});

test("no task starts whose limit reaches beyond the end, tasks know it, and the run ends then", async () => {
  await using site = openSite();
  const before = Math.floor(Date.now() / 1000);
  const { status, stdout, stderr } = await site.hsx(["-", "-N2", "--until", "+600"], {
    stdin: "echo $TASK_DEADLINE\necho too long  # HYPERSHELL: timeout:1h\n",
  });
  const deadline = Number(stdout);
  expect(deadline - before).toBeWithin(599, 605);
  expect(stderr).toMatch(/Starting no task that may run beyond the time of its client: \S+ may take 1:00:00/);
  expect(stderr).toContain("1 task is left, because no client has as much time as its time limit");
  expect([status, (await site.hs(["list", "--remaining", "-c"])).stdout]).toEqual([7, "1\n"]);
  const soon = await site.hsx(["-", "--no-db", "--until", "+1"], { stdin: "sleep 1.5; echo ended\necho too late\n" });
  expect([soon.status, soon.stdout]).toEqual([7, "ended\n"]);
  expect(soon.stderr).toContain("The time of this host is up (--until): no more tasks start, 1 task still runs");
  const never = await site.hsx(["--restart", "--until", "never"], {
    env: { SLURMD_NODENAME: "n", SLURM_JOB_END_TIME: "1600000000" },
  });
  expect([never.status, never.stdout]).toEqual([0, "too long\n"]);
  // A terminal that keeps the variables of a job that is over.
  const past = await site.hsx(["-"], {
    stdin: "echo 1\n",
    env: { SLURMD_NODENAME: "n", SLURM_JOB_END_TIME: "1600000000" },
  });
  expect([past.status, past.stdout]).toEqual([0, "1\n"]);
});

test("a task that asks to be run again is, at the cost of no attempt, but not for ever", async () => {
  await using site = openSite();
  const env = { HYPERSHELL_TASK_REQUEUE_STATUS: "85" };
  const twice = "echo $TASK_ATTEMPT >> runs; [ $(wc -l < runs) -ge 3 ] || exit 85";
  const first = await site.hsx(["-"], { stdin: `${twice}\n`, env });
  expect([first.status, first.stderr, site.lines("runs")]).toEqual([0, "", ["1", "1", "1"]]);
  expect((await site.hs(["list", "attempt", "exit_status"])).stdout).toBe("1\t0\n");
  const never = await site.hsx(["-", "--no-db"], { stdin: "echo run; exit 85\n", env });
  expect([never.status, never.stdout]).toEqual([7, "run\n".repeat(11)]);
  expect(never.stderr).toContain("counts as failed after 10 runs of less than 10 seconds in a row");
});
