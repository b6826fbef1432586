/*
 * Where tasks run: a local run that continues the tasks of other submissions runs each in the directory that it was
 * submitted from.
 */
import { expect, test } from "bun:test";
import { mkdirSync, realpathSync, rmSync } from "node:fs";
import { join } from "node:path";
import { linesOf, openSite, type Site, sorted } from "./harness.ts";
import { startClient, startServer } from "./serving.ts";

/** A site with the folders `a` and `b`, and their paths. */
function openTwo(): { readonly site: Site; readonly a: string; readonly b: string } {
  const site = openSite();
  const [a, b] = ["a", "b"].map((name) => join(realpathSync(site.work), name)) as [string, string];
  for (const path of [a, b]) mkdirSync(path);
  return { site, a, b };
}

test("hsx --restart runs each task in the directory that it was submitted from", async () => {
  const { site, a, b } = openTwo();
  await using _ = site;
  site.write("a/in", "echo $(pwd) $TASK_CWD $PWD\n/bin/pwd\n");
  await site.hs(["submit", "-f", "in"], { cwd: "a" });
  await site.hs(["submit", "--", "cat", "here"], { cwd: "b" });
  site.write("b/here", "here\n");
  const { status, stdout, stderr } = await site.hsx(["--restart", "-N2"]);
  expect([status, sorted(stdout)]).toEqual([0, sorted(`${a} ${a} ${a}\n${a}\nhere\n`)]);
  expect(stderr).toContain("Found 3 unfinished tasks\n");
  expect(stderr).toMatch(
    new RegExp(`Continuing 2 tasks submitted from ${a} on \\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d\n`),
  );
  expect(stderr).toContain(`Continuing 1 task submitted from ${b} on `);
});

test("an interrupted run is continued where it was, with its template, captured output and failure file", async () => {
  const { site, a } = openTwo();
  await using _ = site;
  site.write("a/in", "0\n3\n");
  const template = "echo begins; test -e go || sleep 60; pwd; exit {}";
  await using run = site.start(["hsx", "in", "-N2", "-t", template], { cwd: "a" });
  await run.line(/begins/);
  run.kill("SIGINT");
  expect((await run.ended).status).toBe(4);
  site.write("a/go", "");
  const again = await site.hsx(["--restart", "--capture", "-f", "failed"], { cwd: "b" });
  expect([again.status, site.lines("b/failed"), again.stdout]).toEqual([7, ["3"], ""]);
  expect(again.stderr).toContain(`Continuing 2 tasks submitted from ${a} on `);
  const paths = linesOf((await site.hs(["list", "outpath", "-C"])).stdout);
  expect(paths.map(site.read)).toEqual([`begins\n${a}\n`, `begins\n${a}\n`]);
});

test("task.cwd wins, relative to where the program was started; one that is not there is said at once", async () => {
  const { site, a, b } = openTwo();
  await using _ = site;
  await site.hs(["submit", "--", "pwd; echo $TASK_CWD"], { cwd: "a" });
  const missing = await site.hsx(["--restart"], { env: { HYPERSHELL_TASK_CWD: "none" } });
  expect([missing.status, missing.stderr]).toEqual([
    3,
    `CRITICAL [hypershell.client] the directory of task.cwd is not there: ${join(a, "../none")}\n`,
  ]);
  const { status, stdout } = await site.hsx(["--restart"], { env: { HYPERSHELL_TASK_CWD: "b" } });
  expect([status, stdout]).toEqual([0, `${b}\n${b}\n`]);
  expect(a).not.toBe(b);
});

test("a directory that is gone: its tasks stay unfinished, one line says so, the others go on, status 7", async () => {
  const { site, a, b } = openTwo();
  await using _ = site;
  site.write("a/in", "echo 1\necho 2\nsh file\n");
  await site.hs(["submit", "-f", "in"], { cwd: "a" });
  await site.hs(["submit", "--", "echo", "3"], { cwd: "a" });
  await site.hs(["submit", "-g1", "--", "pwd"], { cwd: "b" });
  rmSync(a, { recursive: true });
  const { status, stdout, stderr } = await site.hsx(["--restart", "-N2", "--capture"]);
  const [out] = linesOf((await site.hs(["list", "outpath", "-S"])).stdout);
  expect([status, stdout, site.read(out!)]).toEqual([7, "", `${b}\n`]);
  expect(linesOf(stderr).filter((line) => line.includes("WARNING"))).toEqual([
    " WARNING [hypershell.server] 4 tasks stay unfinished, because the directory they were submitted from cannot be " +
      `entered: ${a} - make that again and they run with --restart, or name another by HYPERSHELL_TASK_CWD`,
  ]);
  expect((await site.shell("hs list --count -R; ls $HYPERSHELL_SITE/lib/task | wc -l")).stdout).toBe("4\n1\n");
  mkdirSync(a);
  site.write("a/file", "echo 4");
  const again = await site.hsx(["--restart"]);
  expect([again.status, sorted(again.stdout)]).toEqual([0, ["1", "2", "3", "4"]]);
});

test("the directory of a run's own submission may go while it runs, as with any program", async () => {
  const { site, a } = openTwo();
  await using _ = site;
  const { status, stdout } = await site.shell("seq 3 | hsx -N1 -t 'rm -rf ../a; echo {}'", { cwd: "a" });
  expect([status, linesOf(stdout)]).toEqual([0, ["1", "2", "3"]]);
  expect(site.exists(a)).toBe(false);
});

test("hsx --forever says what it cannot run, and runs the rest", async () => {
  const { site, a } = openTwo();
  await using _ = site;
  await site.hs(["submit", "--", "echo", "gone"], { cwd: "a" });
  rmSync(a, { recursive: true });
  await using run = site.start(["hsx", "--forever", "-N1"], { timeoutMs: 60_000 });
  await run.line(/1 task stays unfinished/);
  await site.hs(["submit", "--", "echo", "other"], { cwd: "b" });
  await run.line(/^other$/);
  run.kill("SIGUSR1");
  const ended = await run.ended;
  expect(ended.stdout).toBe("other\n");
});

test("clients elsewhere run tasks in their own directory, and with <submit> in that of the submission", async () => {
  const { site, a, b } = openTwo();
  await using _ = site;
  const submit = (): Promise<unknown> => site.hs(["submit", "--", "pwd; echo $TASK_CWD"], { cwd: "a" });
  const serve = async (env: Record<string, string>): Promise<string> => {
    await submit();
    const { server, port } = await startServer(site, ["--restart"]);
    await using client = startClient(site, port, ["-N1"], { cwd: "b", env });
    expect((await server.ended).status).toBe(0);
    return (await client.ended).stdout;
  };
  expect(await serve({})).toBe(`${b}\n${b}\n`);
  expect(await serve({ HYPERSHELL_TASK_CWD: "<submit>" })).toBe(`${a}\n${a}\n`);
});

test("a directory that no client has is set aside by a server too, and one that one of them has is used", async () => {
  const { site, a } = openTwo();
  await using _ = site;
  await site.hs(["submit", "--", "pwd"], { cwd: "a" });
  rmSync(a, { recursive: true });
  const { server, port } = await startServer(site, ["--restart"]);
  const env = { HYPERSHELL_TASK_CWD: "<submit>" };
  await using client = startClient(site, port, ["-N1"], { cwd: "b", env });
  const ended = await server.ended;
  expect([ended.status, (await client.ended).stdout]).toEqual([7, ""]);
  expect(ended.stderr).toContain(`the directory it was submitted from cannot be entered: ${a} - make that again`);
  expect((await client.ended).stderr).toContain(`Giving back the tasks that were submitted from ${a} (no such file`);
});

test("a server of one input ends when no client has the directory that it came from", async () => {
  const { site, a } = openTwo();
  await using _ = site;
  site.write("in", "echo 1\necho 2\necho 3\n");
  const { server, port } = await startServer(site, ["../in"], { cwd: "a" });
  rmSync(a, { recursive: true });
  await using client = startClient(site, port, ["-N1"], { cwd: "b", env: { HYPERSHELL_TASK_CWD: "<submit>" } });
  const ended = await server.ended;
  expect([ended.status, (await client.ended).stdout]).toEqual([7, ""]);
  expect(ended.stderr).toContain(`3 tasks stay unfinished, because the directory they were submitted from cannot be`);
  expect((await site.hs(["list", "--count", "-R"])).stdout).toBe("3\n");
});

test("the hint about leftovers names a command that drops them and nothing else", async () => {
  const { site } = openTwo();
  await using _ = site;
  const drop = async (): Promise<string> => {
    const { stderr } = await site.shell("echo kept | hsx -t 'echo {}'");
    const command = /To drop (?:it|them) instead: (hs update .*)$/m.exec(stderr)![1]!;
    await site.shell(`hs submit -- echo later; ${command} -f`);
    return (await site.shell("hs list args -R; hs update --delete -R -f")).stdout;
  };
  await site.shell("hs submit -- echo one");
  expect(await drop()).toBe("echo later\n");
  await site.shell("hs submit -- echo one; hs submit -- echo two");
  expect(await drop()).toBe("echo later\n");
  expect((await site.hs(["list", "--count", "-w", "exit_status==-1"])).stdout).toBe("3\n");
});
