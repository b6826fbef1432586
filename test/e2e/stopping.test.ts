/*
 * Tasks that must end, with what has left their group. What is left of one: a parent ends on SIGINT, and its child
 * takes its time to save, or heeds nothing; the child is a program of its own, because shells have what they start
 * with & ignore SIGINT. And limits of tasks when hsx stands still for a while.
 */
import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { needs, openSite, type Site, until } from "./harness.ts";

const withPerl = needs(["perl"]);

/** Groups and sessions of their own, and a daemon; the last has no environment by which it could be found. */
const leavers =
  "timeout 81 sleep 82 & setsid sleep 83 & nohup setsid sleep 84 >&- 2>&- & (setsid sh -c 'sleep 85 & wait' &); " +
  "env -i /bin/sh -c 'echo $$ >bare; exec setsid -w sleep 86' & ";

/** The command line of a process; empty for one that is not there, or is only a zombie. */
const wordsOf = (pid: number): string =>
  existsSync(`/proc/${pid}`) ? readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ") : "";

/** A task whose parent ends on SIGINT at once; `child` is what its child does about signals. */
function writeTask(site: Site, child: string): void {
  const rest = "open R, '>started'; close R; sleep 100 while 1";
  site.write("child.pl", `sub save { select undef, undef, undef, 0.7; open F, '>saved'; exit }\n${child}\n${rest}\n`);
  site.write("t.in", `${leavers}perl child.pl & exec sleep 100\n`);
}

const ways: Readonly<Record<string, { readonly words: readonly string[]; end(site: Site, pid: number): unknown }>> = {
  "Ctrl-C": { words: [], end: (_, pid) => process.kill(pid, "SIGINT") },
  SIGTERM: { words: [], end: (_, pid) => process.kill(pid, "SIGTERM") },
  SIGUSR2: { words: [], end: (_, pid) => process.kill(pid, "SIGUSR2") },
  "a cancel": { words: [], end: (site) => site.hs(["update", "--cancel", "-f", "-w", "args ~ perl"]) },
  "a walltime limit": { words: ["-W", "1"], end: () => undefined },
};

for (const [way, { words, end }] of Object.entries(ways)) {
  withPerl(`${way} leaves a child the time to save that its parent had`, async () => {
    await using site = openSite();
    writeTask(site, "$SIG{INT} = \\&save;");
    await using run = site.start(["hsx", "t.in", "-N1", "-S", "3", ...words]);
    await until(() => site.exists("started") && site.lines("bare").length === 1, "the children start");
    const bare = Number(site.read("bare"));
    expect(site.left().filter((line) => / sleep 8\d$/.test(line)).length).toBeGreaterThan(0);
    await end(site, run.pid);
    const { stderr } = await run.ended;
    expect([site.exists("saved"), stderr.includes("ignored")]).toEqual([true, false]);
    expect([...site.left(), wordsOf(bare)]).toEqual([""]);
  });
}

withPerl("a child that ignores SIGINT gets SIGTERM at once, and its time to save", async () => {
  await using site = openSite();
  writeTask(site, "$SIG{INT} = 'IGNORE'; $SIG{TERM} = \\&save;");
  await using run = site.start(["hsx", "t.in", "-N1", "-S", "100"]);
  await until(() => site.exists("started"), "the child starts");
  run.kill("SIGINT");
  const { status, stderr } = await run.ended;
  expect([status, site.exists("saved"), stderr.includes("ignored")]).toEqual([4, true, false]);
  await site.deserted();
});

withPerl("a child that does nothing at SIGINT gets SIGTERM after the wait, and the same time again", async () => {
  await using site = openSite();
  writeTask(site, "$SIG{INT} = sub { }; $SIG{TERM} = \\&save;");
  await using run = site.start(["hsx", "t.in", "-N1", "-S", "2"]);
  await until(() => site.exists("started"), "the child starts");
  run.kill("SIGINT");
  const { status, stderr } = await run.ended;
  expect([status, site.exists("saved")]).toEqual([4, true]);
  expect(stderr).toMatch(/ERROR \[hypershell\.client\] Processes of task ignored interrupt \(/);
  expect(stderr).not.toContain("ignored terminate");
  await site.deserted();
});

withPerl("a child that heeds nothing is killed in the end", async () => {
  await using site = openSite();
  writeTask(site, "$SIG{INT} = $SIG{TERM} = 'IGNORE';");
  await using run = site.start(["hsx", "t.in", "-N1", "-S", "1"]);
  await until(() => site.exists("started"), "the child starts");
  run.kill("SIGINT");
  const { status, stderr } = await run.ended;
  expect([status, site.exists("saved")]).toEqual([4, false]);
  expect(stderr).toMatch(/Processes of task ignored terminate \(/);
  await site.deserted();
});

test("a program under timeout hears one SIGINT, and an hsx that is a task stops what it has started", async () => {
  await using site = openSite();
  site.write(
    "count.sh",
    "n=0; trap 'n=$((n+1)); echo $n >>heard' INT\n: >ready\nwhile [ $n -eq 0 ]; do sleep 0.05; done\nsleep 0.3\n",
  );
  site.write("inner.in", "trap 'sleep 0.2; echo inner >>heard; exit' INT; : >inner; while :; do sleep 0.05; done\n");
  site.write("t.in", "timeout 60 sh count.sh; :\nsetsid -w hsx inner.in --no-db -N1; :\n");
  await using run = site.start(["hsx", "t.in", "-N2", "-S", "20"]);
  await until(() => site.exists("ready") && site.exists("inner"), "both run");
  run.kill("SIGINT");
  const { status, stderr } = await run.ended;
  expect([status, stderr.includes("ignored"), site.lines("heard").toSorted()]).toEqual([4, false, ["1", "inner"]]);
  expect(site.left()).toEqual([]);
});

withPerl("a second Ctrl-C waits for nobody of the group", async () => {
  await using site = openSite();
  writeTask(site, "$SIG{INT} = $SIG{TERM} = 'IGNORE';");
  await using run = site.start(["hsx", "t.in", "-N1", "-S", "100"]);
  await until(() => site.exists("started"), "the child starts");
  run.kill("SIGINT");
  await until(() => !site.left().some((line) => line.endsWith(" sleep 100")), "the parent ends");
  run.kill("SIGINT");
  expect((await run.ended).status).toBe(4);
  await site.deserted();
});

test("tasks that ended while hsx stood still were within their limit", async () => {
  await using site = openSite();
  site.write("t.in", "touch started-1; sleep 1\ntouch started-2; sleep 1\n");
  await using run = site.start(["hsx", "t.in", "-N2", "-W", "2"]);
  await until(() => site.exists("started-1") && site.exists("started-2"), "the tasks start");
  run.kill("SIGSTOP");
  await site.shell("sleep 4");
  run.kill("SIGCONT");
  expect(await run.ended).toEqual({ status: 0, stdout: "", stderr: "" });
});

test("a task has the rest of its limit after hsx stood still, and is ended then", async () => {
  await using site = openSite();
  site.write("t.in", "touch started; sleep 4.5\ntouch started; sleep 100\n");
  await using run = site.start(["hsx", "t.in", "-N2", "-W", "4"]);
  await until(() => site.exists("started"), "the tasks start");
  run.kill("SIGSTOP");
  await site.shell("sleep 5");
  run.kill("SIGCONT");
  const { status, stderr } = await run.ended;
  expect([status, stderr.match(/Walltime limit exceeded/g)?.length]).toEqual([7, 1]);
});
