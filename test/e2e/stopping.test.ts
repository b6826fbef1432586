/*
 * Tasks that must end. What is left of the group of one: a parent ends on SIGINT, and its child takes its time to save,
 * or heeds nothing; the child is a program of its own, because shells have what they start with & ignore SIGINT. And
 * limits of tasks when hsx stands still for a while.
 */
import { expect, test } from "bun:test";
import { needs, openSite, type Site, until } from "./harness.ts";

const withPerl = needs(["perl"]);

/** A task whose parent ends on SIGINT at once; `child` is what its child does about signals. */
function writeTask(site: Site, child: string): void {
  const rest = "open R, '>started'; close R; sleep 100 while 1";
  site.write("child.pl", `sub save { select undef, undef, undef, 0.7; open F, '>saved'; exit }\n${child}\n${rest}\n`);
  site.write("t.in", "perl child.pl & exec sleep 100\n");
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
    await until(() => site.exists("started"), "the child starts");
    await end(site, run.pid);
    const { stderr } = await run.ended;
    expect([site.exists("saved"), stderr.includes("ignored")]).toEqual([true, false]);
    await site.deserted();
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
