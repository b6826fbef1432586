/*
 * What tasks use, as a user sees it: --monitor with its files and peaks, hs info --perf, and task.enforce. A task that
 * takes memory is `tail` of a stream without ends of lines, all of which it has to keep.
 */
import { expect } from "bun:test";
import { accessSync, constants, existsSync, mkdirSync, readFileSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { linesOf, needs, openSite, type Site, until } from "./harness.ts";

const linux = process.platform === "linux" ? null : "only Linux tells so exactly what processes use";
const measured = needs(["head", "tail"], linux);
const terminal = needs(["script"], linux);

const taken = 300 * 2 ** 20;
const hog = "head -c 300m /dev/zero | tail | wc -c > /dev/null";
const lasting = (seconds: number): string => `(head -c 300m /dev/zero; sleep ${seconds}) | tail | wc -c > /dev/null`;

async function taskOf(site: Site, tag: string): Promise<Record<string, string | number | null>> {
  const { stdout } = await site.hs(["list", "-t", `is:${tag}`, "--json"]);
  return (JSON.parse(stdout) as readonly Record<string, string | number | null>[])[0]!;
}

measured(
  "--monitor tells what tasks and their children took, in files and as peaks, and warns once a kind",
  async () => {
    await using site = openSite();
    site.write(
      "in",
      [
        `${hog}  # HYPERSHELL: is:short`,
        `${lasting(1.3)}  # HYPERSHELL: is:long memory:100MB`,
        "sleep 1.5  # HYPERSHELL: is:idle",
        "true  # HYPERSHELL: is:none",
        "",
      ].join("\n"),
    );
    // Clients that are launched are told of it, too.
    const { status, stderr } = await site.hsx(["in", "-N4", "--launcher=env", "-H", "127.0.0.1", "--monitor"]);
    expect(status).toBe(0);
    const [short, long, idle, none] = await Promise.all(
      ["short", "long", "idle", "none"].map((tag) => taskOf(site, tag)),
    );
    for (const task of [short!, long!]) expect(Number(task["memory_max"]) / taken).toBeWithin(1, 1.05);
    expect(Number(short!["cores_max"])).toBeGreaterThan(0.05);
    expect(Number(idle!["cores_max"])).toBeLessThan(0.1);
    expect(Number(idle!["memory_max"]) / 2 ** 20).toBeWithin(0.1, 20);
    // Of what is over within a millisecond, nobody may have seen the size.
    expect(Number(none!["memory_max"]) / 2 ** 20).toBeWithin(0, 20);
    expect(stderr.match(/Resource limit exceeded.*/g)).toEqual([
      expect.stringMatching(
        new RegExp(`^Resource limit exceeded \\(${long!["id"]}\\): memory \\d+MB \\(used\\) > 100MB \\(allocated\\)$`),
      ),
    ]);

    const path = join(site.path, "site/lib/task", `${long!["id"]}.csv`);
    expect(long!["csvpath"]).toBe(path);
    const text = readFileSync(path, "utf8");
    const shape = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6},\d+\.\d\d,\d+$/;
    const [header, first, ...rows] = linesOf(text);
    expect(header).toBe("time,cores,memory");
    expect(first).toMatch(/ \d\d:\d\d:\d\d\.\d{6},0\.00,0$/);
    expect(rows.length).toBeGreaterThanOrEqual(2);
    for (const row of rows) expect(row).toMatch(shape);
    const most = Math.max(...rows.map((row) => Number(row.split(",")[2])));
    expect(most).toBe(Number(long!["memory_max"]));

    expect(await site.hs(["info", String(long!["id"]), "--perf"])).toEqual({ status: 0, stdout: text, stderr: "" });
    const record = (await site.hs(["info", String(long!["id"])])).stdout;
    expect(record).toMatch(/ memory: 100MB \(used: 30\dMB\)\n/);
    expect(linesOf(readFileSync(String(none!["csvpath"]), "utf8"))).toHaveLength(3);
  },
);

terminal("a terminal gets a drawing of it", async () => {
  await using site = openSite();
  await site.shell("echo 'sleep 0.3  # HYPERSHELL: is:it' | hsx --monitor");
  const { id } = await taskOf(site, "it");
  const { stdout } = await site.shell(`COLUMNS=40 script -qec 'hs info ${id} --perf' /dev/null`);
  const lines = linesOf(stdout.replaceAll("\r", ""));
  expect(lines[0]).toStartWith("cores: peak 0.");
  expect(lines.find((line) => line.startsWith("memory: "))).toMatch(/^memory: peak \d/);
  expect(stdout).toContain("█");
  expect(Math.max(...lines.map((line) => line.length))).toBe(39);
});

const tooMuch = `${lasting(20)}  # HYPERSHELL: memory:100MB is:hog\n`;

measured(
  "a task that takes more memory than it asked for is stopped with --enforce, with a status of its own",
  async () => {
    await using site = openSite();
    site.write("in", tooMuch);
    // The kernel would do it by itself where it may.
    const { status, stderr } = await site.hsx(["in", "-f", "failed"], { env: { HYPERSHELL_TASK_ENFORCE: "true" } });
    const { id, exit_status: ended } = await taskOf(site, "hog");
    expect([status, ended]).toEqual([7, -5]);
    expect(stderr).toMatch(
      new RegExp(`ERROR \\[hypershell.client\\] Memory limit exceeded \\(${id}\\): \\d+MB \\(used\\) (>|of) 100MB`),
    );
    expect(stderr).toContain(`(-5) for task (${id}), stopped for taking more memory than it asked for`);
    expect(site.lines("failed")).toHaveLength(1);
    await site.deserted();
  },
);

measured("without it nothing is stopped, and nothing is measured", async () => {
  await using site = openSite();
  site.write("in", `${hog}  # HYPERSHELL: memory:100MB is:hog\n`);
  expect(await site.hsx(["in"])).toMatchObject({ status: 0 });
  const { id, ...task } = await taskOf(site, "hog");
  expect(task).toMatchObject({ exit_status: 0, csvpath: null, cores_max: null, memory_max: null });
  const { status, stderr } = await site.hs(["info", String(id), "--perf"]);
  expect([status, stderr]).toEqual([5, expect.stringContaining("was not kept: its client ran without --monitor")]);
});

// ---- by the kernel

/** Where the groups of version 2 are; null: nowhere. */
const tree = linux === null ? groupsIn(readFileSync("/proc/self/mountinfo", "latin1")) : null;

function groupsIn(mounts: string): string | null {
  return /^\S+ \S+ \S+ \/ (\S+) .* - cgroup2 /m.exec(mounts)?.[1] ?? null;
}

/** Why no group can be made here that limits memory. */
function noGroups(): string | null {
  if (tree === null) return "no cgroup v2 here";
  if (process.getuid?.() !== 0) return "not root";
  const control = join(tree, "cgroup.subtree_control");
  try {
    accessSync(control, constants.W_OK);
  } catch {
    return "cgroup v2 cannot be written";
  }
  return readFileSync(control, "latin1").split(/\s+/).includes("memory") ? null : "no cgroup v2 that limits memory";
}

function isRemoved(group: string): boolean {
  try {
    rmdirSync(group);
    return true;
  } catch {
    return false;
  }
}

const why = noGroups();
const who = why === null ? "the kernel, in a container with groups of its own" : `hs itself (${why})`;

needs(["unshare", "mount"])(`a task is kept within its memory while others go on, by ${who}`, async () => {
  await using site = openSite();
  site.write("in", `${tooMuch}echo other  # HYPERSHELL: memory:100MB\n`);
  const { status, stdout, stderr } = await (why === null ? runInGroup(site) : site.shell("exec hsx in --enforce"));
  const { id, exit_status: ended } = await taskOf(site, "hog");
  expect([status, stdout, ended]).toEqual([7, "other\n", -5]);
  const told = why === null ? "100MB (used) of 100MB (allocated), and it wanted more" : "MB (allocated) - stopping it";
  expect(stderr).toMatch(new RegExp(`Memory limit exceeded \\(${id}\\): .*${RegExp.escape(told)}`));
});

/** Runs the tasks of `in` in a control group, and in a namespace where that is the root of all. */
async function runInGroup(site: Site): Promise<Awaited<ReturnType<Site["shell"]>>> {
  const group = join(tree!, `hs-test-${process.pid}`);
  mkdirSync(group);
  try {
    site.write("groups/.keep", "");
    const inside = "mount -t cgroup2 none groups && exec hsx in --enforce";
    const ran = await site.shell(`echo 0 > ${group}/cgroup.procs && exec unshare --cgroup --mount sh -c '${inside}'`);
    expect(existsSync(join(group, "hs-rest"))).toBe(false);
    return ran;
  } finally {
    await until(() => isRemoved(group), "the group is empty");
  }
}
