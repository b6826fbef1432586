/*
 * What a run needs is used up at its start, in its middle, or at its end: room on the disk, a disk that can be written,
 * file descriptors, memory. Nothing is lost, and a line says what is missing, where, and what to do. Processes are in
 * test/e2e/scarce.test.ts, and a disk that is full in the middle in disk.test.ts and trouble.test.ts.
 */
import { expect, test } from "bun:test";
import { existsSync, mkdirSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Ended, linesOf, needs, type Site, until } from "../e2e/harness.ts";
import { openFailingDisk, openSmallDisk, whyNoDisks } from "../systems/disks.ts";
import { groupsWith } from "../systems/groups.ts";
import { expectSound, ofKilled, openSoundSite } from "./sound.ts";

const withDisks = needs(["mount"], whyNoDisks);
const withFailingDisks = needs(["mount", "mkfs.ext4", "e2fsck", "findmnt"], whyNoDisks);

/** `count` tasks of which each leaves its number, the one with number `at` (from 1) after `first`. */
function tasks(count: number, at: number, first: string): string {
  const line = (n: number): string => `${n === at ? `${first}; ` : ""}echo ${n} >>ran`;
  return Array.from({ length: count }, (_, n) => `${line(n + 1)}\n`).join("");
}

/** Goes on with what is left, and shows that all have run, each at most `again` times more than once in all. */
async function expectAll(site: Site, env: Readonly<Record<string, string>>, count: number, again: number) {
  const rest = await site.hsx(["--restart", "-N1"], { env });
  const { stdout } = await site.shell("hs list --count --remaining; hs list --count --failed", { env });
  const ran = site.lines("ran");
  expect([rest.status, stdout, new Set(ran).size]).toEqual([0, "0\n0\n", count]);
  expect(ran.length - count).toBeLessThanOrEqual(again);
}

const problems = ({ stderr }: Ended) => linesOf(stderr).filter((line) => /CRITICAL|trouble/.test(line));

withDisks("a full disk at the start: one line with status 5, nothing runs, and what is there can be read", async () => {
  await using site = openSoundSite();
  using disk = openSmallDisk(join(site.work, "small"), "2m");
  const env = { HYPERSHELL_SITE: join(disk.path, "site") };
  const database = join(disk.path, "site", "lib", "main.db");
  const full = [
    expect.stringMatching(/CRITICAL \[hypershell.data\] no space left to write to '.*main.db' - free space/),
  ];
  const fill = () => site.shell("cat /dev/zero >small/filler 2>/dev/null");
  const free = () => rmSync(join(disk.path, "filler"));
  site.write("t.in", tasks(5, 0, ""));
  await fill();
  const fresh = await site.hsx(["t.in"], { env });
  expect([fresh.status, linesOf(fresh.stderr), site.exists("ran")]).toEqual([5, full, false]);
  free();
  expect((await site.hs(["submit", "t.in"], { env })).status).toBe(0);
  await fill();
  for (const words of ["hsx --restart", "hsx t.in", "hs submit t.in"]) {
    const { status, stderr } = await site.shell(words, { env });
    expect([words, status, linesOf(stderr)]).toEqual([words, 5, full]);
  }
  expect(await site.hs(["list", "--count"], { env })).toEqual({ status: 0, stdout: "5\n", stderr: "" });
  expect((await site.hs(["verify"], { env })).status).toBe(0);
  free();
  await expectAll(site, env, 5, 0);
  await expectSound(database);
});

withDisks("a small disk is not filled by the log of the database, and is full at the end without harm", async () => {
  await using site = openSoundSite();
  using tiny = openSmallDisk(join(site.work, "tiny"), "300k");
  const few = await site.shell("seq 40 | hsx -t 'echo {}' | wc -l", { env: { HYPERSHELL_SITE: tiny.path } });
  expect(few).toEqual({ status: 0, stdout: "40\n", stderr: "" });
  using disk = openSmallDisk(join(site.work, "small"), "3m");
  const env = { HYPERSHELL_SITE: disk.path };
  site.write("t.in", tasks(300, 300, "cat /dev/zero >small/filler 2>/dev/null"));
  expect(await site.hsx(["t.in", "-N2"], { env })).toEqual({ status: 0, stdout: "", stderr: "" });
  await expectSound(join(disk.path, "lib", "main.db"));
  await expectAll(site, env, 300, 0);
});

withFailingDisks(
  "a disk that becomes read-only ends a run with status 5, and one at the start begins none",
  async () => {
    for (const at of [8, 12]) {
      await using site = openSoundSite();
      using disk = openFailingDisk(join(site.work, "disk"));
      const env = { HYPERSHELL_SITE: join(disk.path, "site") };
      const database = join(disk.path, "site", "lib", "main.db");
      const line = /CRITICAL \[hypershell.data\] '.*main.db' is on a file system that is read-only - have it mounted/;
      site.write("t.in", tasks(12, at, `[ -e fixed ] || echo 1 >${disk.trigger}`));
      expect((await site.hs(["submit", "t.in"], { env })).status).toBe(0);
      const ended = await site.hsx(["--restart", "-N1"], { env });
      expect([ended.status, problems(ended)]).toEqual([5, [expect.stringMatching(line)]]);
      // The one whose end could not be recorded, and none after it.
      expect(site.lines("ran")).toHaveLength(at);
      if (at === 8) {
        disk.mountAnew("ro");
        for (const words of ["hsx t.in", "hs submit t.in"]) {
          const refused = await site.shell(words, { env });
          expect([refused.status, linesOf(refused.stderr)]).toEqual([5, [expect.stringMatching(line)]]);
        }
        expect(await site.hs(["list", "--count"], { env })).toEqual({ status: 0, stdout: "12\n", stderr: "" });
        expect((await site.hs(["verify"], { env })).stdout).not.toContain("damaged");
      }
      disk.mountAnew("rw");
      site.write("fixed", "");
      // An error of the disk is a power cut to what was not synced yet.
      await expectAll(site, env, 12, at);
      await expectSound(database);
    }
  },
);

needs(["prlimit"])(
  "no descriptor is left in the middle or at the end: tasks wait, and the run ends as it should",
  async () => {
    // Not while Bun is still about to learn of the process.
    const take = "sleep 0.2; prlimit --pid $PPID --nofile=3:";
    for (const journal of ["wal", "delete"]) {
      await using site = openSoundSite();
      const env = { HYPERSHELL_DATABASE_PRAGMAS_JOURNAL_MODE: journal };
      const back = `(sleep 1.1; prlimit --pid $PPID --nofile=1000:) >/dev/null 2>&1`;
      site.write("t.in", tasks(12, 6, `${back} & ${take}`));
      const middle = await site.hsx(["t.in", "-N1"], { env });
      const lines = linesOf(middle.stderr).filter((line) => !line.includes("Database is back"));
      const trouble =
        journal === "wal" ? /lets no more tasks start \(too many open files\)/ : /too many files are open/;
      expect([journal, middle.status, lines]).toEqual([journal, 0, [expect.stringMatching(trouble)]]);
      await expectAll(site, env, 12, 0);
      if (journal === "delete") continue;
      rmSync(join(site.work, "ran"));
      site.write("t.in", tasks(3, 3, take));
      expect(await site.hsx(["t.in", "-N1"], { env })).toEqual({ status: 0, stdout: "", stderr: "" });
      expect(site.lines("ran")).toHaveLength(3);
    }
  },
);

/** Where a control group that limits memory can be made; null: nowhere. */
const memory = groupsWith("memory", ["memory.limit_in_bytes", "memory.max"]);

needs([], memory === null ? "no control group of memory can be made here" : null)(
  "out of memory: the system ends a task, which has failed, or the run, which goes on later",
  async () => {
    await using site = openSoundSite();
    const folder = `${memory}/hs-test-${process.pid}`;
    mkdirSync(folder);
    try {
      const limit = ["memory.limit_in_bytes", "memory.max"].find((name) => existsSync(`${folder}/${name}`))!;
      writeFileSync(`${folder}/${limit}`, String(130 << 20));
      const within = (words: string) => site.shell(`echo $$ >${folder}/cgroup.procs; exec ${words}`);
      site.write("t.in", `echo 1 >>ran\nexec tail /dev/zero\necho 2 >>ran\n`);
      const task = await within("hsx t.in -N1");
      expect([task.status, site.lines("ran")]).toEqual([7, ["1", "2"]]);
      expect(task.stderr).toMatch(/Non-zero exit status \(137\) for task .*: exec tail \/dev\/zero$/m);
      await site.hs(["update", "-F", "--delete", "-f"]);
      const take = "[ -e go ] || { echo 1000 >/proc/$PPID/oom_score_adj; exec tail /dev/zero; }";
      for (const at of [4, 8]) {
        for (const name of ["ran", "go"]) rmSync(join(site.work, name), { force: true });
        site.write("t.in", tasks(8, at, take));
        expect((await within("hsx t.in -N1")).status).toBe(137);
        await expectSound(site.database, ofKilled);
        site.write("go", "");
        await expectAll(site, {}, 8, 1);
      }
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
  },
);

test.skipIf(process.platform !== "linux")("too little memory to start: nothing is begun", async () => {
  await using site = openSoundSite();
  const { status } = await site.shell("ulimit -v 150000; seq 3 | hsx -t 'echo {} >>ran'");
  expect([status >= 128, site.exists("ran"), existsSync(site.database)]).toEqual([true, false, false]);
});
