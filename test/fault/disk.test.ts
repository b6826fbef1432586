/*
 * Files that cannot be written, or are taken away, while a run writes them: nothing that is known is lost, one line
 * says what happened, and the run goes on.
 */
import { expect, test } from "bun:test";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { linesOf, needs, type Site, until } from "../e2e/harness.ts";
import { expectSound, openSoundSite } from "./sound.ts";

const asRoot = needs(["mount"], process.getuid?.() === 0 ? null : "only root can mount a small file system");

/** A file system of its own at `work/small`, which ends with the test. */
function small(site: Site, size: string) {
  const path = join(site.work, "small");
  mkdirSync(path);
  const mounted = Bun.spawnSync(["mount", "-t", "tmpfs", "-o", `size=${size},mode=700`, "tmpfs", path]);
  if (mounted.exitCode !== 0) throw new Error(`cannot mount: ${mounted.stderr.toString()}`);
  return { path, [Symbol.dispose]: () => void Bun.spawnSync(["umount", "-l", path]) };
}

const warnings = (stderr: string, about: RegExp) => linesOf(stderr).filter((line) => about.test(line));
const counts = async (site: Site) => {
  const { stdout } = await site.shell("hs list --count -F; hs list --count --remaining");
  return linesOf(stdout).map(Number);
};

test("nobody reads the failures on standard output: everything runs, and one warning says so", async () => {
  await using site = openSoundSite();
  const ended = await site.shell(`(seq 100; echo 141) | hsx -t 'exit {}' -N4 -f - | head -2; echo "\${PIPESTATUS[@]}"`);
  expect(linesOf(ended.stdout).slice(2)).toEqual(["0 7 0"]);
  const text =
    "Cannot write the failures to standard output: nobody reads it any more - the run goes on, failures are in";
  expect(warnings(ended.stderr, /Cannot write/)).toEqual([expect.stringContaining(text)]);
  expect(await counts(site)).toEqual([101, 0]);
  const memory = await site.shell(`seq 50 | hsx --no-db -t 'exit {}' -f - | true; echo "\${PIPESTATUS[@]}"`);
  expect(memory.stdout).toBe("0 7 0\n");
  expect(memory.stderr).toMatch(/50 of 50 tasks failed \(50 lines are not printed\)$/m);
});

test("a failure file that takes nothing, and one whose directory is removed", async () => {
  await using site = openSoundSite();
  const full = await site.hsx(["-f", "/dev/full"], { stdin: "false\nfalse\n" });
  expect(full.status).toBe(7);
  expect(warnings(full.stderr, /Cannot write/)).toEqual([
    expect.stringMatching(/Cannot write the failure file '\/dev\/full': no space left on device - the run goes on/),
  ]);
  mkdirSync(join(site.work, "there"));
  const gone = await site.hsx(["-N1", "-f", "there/failed", "--no-db"], { stdin: "rm -r there; false\nfalse\n" });
  expect(gone.status).toBe(7);
  expect(warnings(gone.stderr, /failed'/)).toEqual([expect.stringContaining("was removed while it was written")]);
  expect(linesOf(gone.stderr).at(-1)).toEndWith("2 of 2 tasks failed (2 lines are missing in there/failed)");
});

asRoot("a failure file on a full disk has whole lines only, and all of them once there is room", async () => {
  await using site = openSoundSite();
  using disk = small(site, "64k");
  const lines = Array.from({ length: 100 }, (_, n) => `false ${"x".repeat(200)} ${n}`);
  const fill = () => site.shell(`head -c 60k /dev/zero >filler`, { cwd: "small" });
  await fill();
  const full = await site.hsx(["-N4", "-f", "small/failed"], { stdin: `${lines.join("\n")}\n` });
  expect(full.status).toBe(7);
  expect(warnings(full.stderr, /Cannot write/)).toHaveLength(1);
  expect(await counts(site)).toEqual([100, 0]);
  const kept = site.lines("small/failed");
  expect([kept.length > 0, kept.length < 100, kept.filter((line) => !lines.includes(line))]).toEqual([true, true, []]);

  const last = `rm ${disk.path}/filler; exit 1`;
  const freed = await site.hsx(["-N1", "--no-db", "-f", "small/failed"], { stdin: [...lines, last, ""].join("\n") });
  expect([freed.status, warnings(freed.stderr, /Cannot write/).length]).toEqual([7, 1]);
  expect(site.lines("small/failed")).toEqual([...lines, last]);
  expect(linesOf(freed.stderr).at(-1)).toEndWith("(their lines are in small/failed)");
});

asRoot("killed on a full disk, a run repeats one task per executor at most", async () => {
  for (const executors of [1, 4]) {
    await using site = openSoundSite();
    using disk = small(site, "24m");
    const env = { HYPERSHELL_SITE: join(disk.path, "site") };
    const count = 250;
    site.write("t.in", Array.from({ length: count }, (_, n) => `echo ${n} >>ran`).join("\n"));
    await using run = site.start(["hsx", "t.in", `-N${executors}`], { env });
    await until(() => site.lines("ran").length > 20, "tasks run");
    await site.shell("cat /dev/zero >filler 2>/dev/null", { cwd: "small" });
    await until(() => run.stderr().includes("Database trouble"), "the disk is full");
    // Whatever should not start has the time to.
    await site.shell("sleep 0.15");
    run.kill("SIGKILL");
    expect((await run.ended).status).toBe(137);
    rmSync(join(disk.path, "filler"));
    expect((await site.hsx(["--restart", `-N${executors}`], { env })).status).toBe(0);
    const ran = site.lines("ran");
    expect(new Set(ran).size).toBe(count);
    expect([executors, ran.length - count <= executors]).toEqual([executors, true]);
    await expectSound(join(disk.path, "site", "lib", "main.db"));
  }
});

asRoot("output that finds no room to wait in costs one warning, and the run goes on", async () => {
  await using site = openSoundSite();
  using disk = small(site, "256k");
  for (const mode of ["group", "ordered"]) {
    const words = ["-N2", "--no-db", "--output-mode", mode];
    const stdin = "echo one\nseq 100000\necho three\n";
    const { status, stdout, stderr } = await site.hsx(words, { stdin, env: { TMPDIR: disk.path } });
    // The status of seq is its own: it could not write all.
    expect([mode, status]).toEqual([mode, 7]);
    expect(warnings(stderr, /cannot wait in/)).toEqual([
      expect.stringContaining(`The output of tasks cannot wait in '${disk.path}': its file system is full`),
    ]);
    expect(linesOf(stdout)).toEqual(expect.arrayContaining(["one", "1", "2"]));
  }
  await site.shell("cat /dev/zero >small/filler 2>/dev/null");
  const full = await site.hsx(["--no-db", "--output-mode", "group"], {
    stdin: "echo one\n",
    env: { TMPDIR: disk.path },
  });
  expect([full.stdout, warnings(full.stderr, /cannot wait in/).length]).toEqual(["", 1]);
});

asRoot("output of tasks that finds no room costs one warning, and no task its status", async () => {
  await using site = openSoundSite();
  using disk = small(site, "64k");
  const fill = "head -c 60k /dev/zero >small/filler 2>/dev/null";
  const run = async (words: string, task = "seq 1000; exit 3") => {
    const { status, stdout, stderr } = await site.shell(
      `${fill}; seq 5 | hsx -N2 -t '${task}' ${words}; status=$?; rm small/*; exit $status`,
    );
    return { status, stdout, told: warnings(stderr, /cannot be written/) };
  };
  const lost = (name: string) => [
    expect.stringContaining(`The output of tasks cannot be written to ${name}: its file system is full`),
  ];
  expect(await run("-o small/out -e small/err --no-db")).toEqual({
    status: 7,
    stdout: "",
    told: lost(`'${disk.path}/out'`),
  });
  expect(await run(">small/out", "seq 1000; true")).toEqual({
    status: 0,
    stdout: "",
    told: lost("the file of standard output"),
  });
  expect((await run("-o small/out", "true")).told).toEqual([]);
  await site.shell("rm -rf ../site/lib/task && ln -s $PWD/small ../site/lib/task");
  const captured = await run("--capture");
  expect(captured).toEqual({ status: 7, stdout: "", told: lost(`'${join(site.path, "site", "lib", "task")}'`) });
  expect((await site.shell("hs list --count -w exit_status==3")).stdout).toBe("5\n");
  await site.shell("mount -o remount,nr_inodes=2 small");
  const none = await run("--capture", "exit 4");
  expect([none.status, none.told.length]).toEqual([7, 1]);
  expect((await site.shell("hs list --count -w exit_status==4")).stdout).toBe("5\n");
});

test("a database that is as large as files may be says so, and any second signal leaves", async () => {
  await using site = openSoundSite();
  site.write("t.in", "true\n".repeat(2000));
  await using run = site.start(["sh", "-c", "ulimit -f 400; exec hsx t.in"]);
  await until(() => run.stderr().includes("which is as large as a file may be here (ulimit -f)"), "the limit is named");
  run.kill("SIGUSR1");
  await until(() => run.stderr().includes("draining"), "the first signal is heard");
  // What comes sooner is an echo.
  await site.shell("sleep 0.3");
  run.kill("SIGTERM");
  const { status, stderr } = await run.ended;
  expect([status, warnings(stderr, /WARNING.* trouble/).length]).toEqual([143, 1]);
});
