/*
 * What a user reads when tasks have failed: which they are, how to find them again, and how the run went; and the
 * failure file, which has what is still to do.
 */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { linesOf, needs, openSite, type Site, sorted, until } from "./harness.ts";

/** What stands between the brackets of the last line that counts failures. */
function hintOf(stderr: string): string {
  const hint = /tasks? failed\b[^(]* \((.+)\)$/m.exec(stderr)?.[1];
  expect(hint).toBeDefined();
  return hint!;
}

async function count(site: Site, command: string): Promise<string> {
  const { status, stdout } = await site.shell(`${command} -c`);
  expect(status).toBe(0);
  return stdout;
}

test("a failure line has the task's line and the path of its standard error, if that is kept", async () => {
  await using site = openSite();
  const plain = await site.hsx(["-"], { stdin: "true\nexit 3  # a comment\n" });
  const line = linesOf(plain.stderr).find((each) => each.includes("Non-zero exit status (3) for task ("));
  expect(line).toEndWith("): exit 3");
  const kept = await site.hsx(["-", "--capture"], { stdin: "echo trouble >&2; exit 4\n" });
  const path = /for task \(.+\): echo trouble >&2; exit 4 \(stderr: (.+)\)$/m.exec(kept.stderr)?.[1];
  expect(path?.startsWith(join(site.path, "site"))).toBe(true);
  expect(await site.shell(`cat '${path}'`)).toMatchObject({ stdout: "trouble\n" });
});

test("a line of any length and with any character is one short line of the log", async () => {
  await using site = openSite();
  const { stderr } = await site.hsx(["-", "-0"], { stdin: `exit 3\n# ${"x\t\x1b[31m".repeat(200)}` });
  const lines = linesOf(stderr).filter((each) => each.includes("Non-zero"));
  expect(lines).toHaveLength(1);
  expect(lines[0]).toContain(String.raw`): exit 3\n# x\t\x1b[31mx\t`);
  expect(lines[0]).toEndWith("...");
  expect(lines[0]!.length).toBeLessThan(200);
});

test("a time limit is told from an interrupt, by its status and in words", async () => {
  await using site = openSite();
  const limited = await site.hsx(["-", "-N2"], { stdin: "sleep 50 # HYPERSHELL: timeout:1\nkill -INT $$\n" });
  expect(limited.status).toBe(7);
  expect(limited.stderr).toMatch(/Non-zero exit status \(-4\) for task \(.+\), stopped at its time limit: sleep 50$/m);
  expect(limited.stderr).toMatch(/Non-zero exit status \(130\) for task \(.+\): kill -INT \$\$$/m);
  const { stdout } = await site.shell("hs list exit_status -s exit_status");
  expect(stdout).toBe("-4\n130\n");
});

test("the search that is named at the end finds exactly what failed, also after retries and other runs", async () => {
  await using site = openSite();
  await site.hsx(["-"], { stdin: "exit 9\nexit 8\n" });
  const ended = await site.hsx(["-", "-r2"], { stdin: "exit 1\ntrue\nexit 2\ntrue # HYPERSHELL: k:bad/value\n" });
  expect(ended.stderr).toContain("3 of 4 tasks failed, 1 of them a line that is not a task (");
  expect(await count(site, hintOf(ended.stderr))).toBe("2\n");
  const restarted = await site.hsx(["--restart", "-r4"]);
  expect(restarted.stderr).toContain("4 of 4 tasks failed (");
  expect(await count(site, hintOf(restarted.stderr))).toBe("4\n");
});

test("without a database the failure file is named, or the option that makes one", async () => {
  await using site = openSite();
  const without = await site.hsx(["-", "--no-db"], { stdin: "false\n" });
  expect(linesOf(without.stderr).at(-1)).toEndWith(
    "1 of 1 task failed (with -f FILE the lines of such tasks are kept)",
  );
  const named = await site.hsx(["-", "--no-db", "-f", "again.in"], { stdin: "false\nfalse\n" });
  expect(hintOf(named.stderr)).toBe("their lines are in again.in");
});

const terminal = needs(["script"]);

terminal("who looks on a terminal reads at the end how it went, in one line", async () => {
  await using site = openSite();
  const shown = await site.shell("NO_COLOR=1 script -qec 'printf \"false\\ntrue\\n\" | hsx' /dev/null");
  const lines = linesOf(shown.stdout.replaceAll("\r", ""));
  expect(lines.at(-1)).toMatch(/^ {4}INFO \[hypershell.cluster\] 2 tasks in 0:00:0\S+: 1 succeeded, 1 failed$/);
  const piped = await site.shell("printf 'false\\ntrue\\n' | hsx");
  expect(piped.stderr).not.toContain("succeeded");
});

test("the failure file keeps the settings of its tasks: a rerun has the same limit, tags and group", async () => {
  await using site = openSite();
  const stdin =
    "false # HYPERSHELL: timeout:10m site:b group:1\nfalse # a comment\nexit 3 # HYPERSHELL: v:1.10 n:007\n";
  const first = await site.hsx(["-", "-N1", "-f", "fl"], { stdin: stdin.split("\n").slice(0, 1).join("") });
  expect([first.status, site.read("fl")]).toEqual([7, "false # HYPERSHELL: group:1 timeout:600 site:b\n"]);
  await site.hsx(["-", "-N1", "-f", "fl", "-W", "1h"], { stdin: stdin.split("\n").slice(1).join("\n") });
  expect(site.lines("fl")).toEqual(["false", "exit 3 # HYPERSHELL: v:1.10 n:007"]);
  await site.hsx(["fl", "-N1", "-f", "again", "-W", "1h"]);
  expect(site.read("again")).toBe(site.read("fl"));
  const { stdout } = await site.hs(["list", "args", "tag", "-w", "args==exit 3"]);
  expect(new Set(linesOf(stdout)).size).toBe(1);
});

test("a command of several lines is one line of the failure file, and runs as one", async () => {
  await using site = openSite();
  const command = "cd /\npwd\nprintf '%s' \"it's 5%\" # x\nexit 3";
  expect((await site.hs(["submit", "--", command])).status).toBe(0);
  const first = await site.hsx(["--restart", "-f", "fl"]);
  expect([first.status, first.stdout, site.lines("fl").length]).toEqual([7, "/\nit's 5%", 1]);
  const second = await site.hsx(["fl", "--no-db", "-f", "again"]);
  expect([second.status, second.stdout, second.stderr.includes("(3)")]).toEqual([7, "/\nit's 5%", true]);
});

test("where no line runs it as one, a command of several lines is left out, with a warning that names it", async () => {
  await using site = openSite();
  for (const words of [
    ["--shell", "/bin/false"],
    ["-t", "false {Q}"],
  ]) {
    expect((await site.hs(["submit", "--", "a\nb"])).status).toBe(0);
    const ended = await site.hsx(["--restart", ...words, "-f", "fl"]);
    expect([ended.status, site.read("fl")]).toEqual([7, ""]);
    expect(ended.stderr).toMatch(/WARNING .*Task \(.+\) is left out of fl: no line gives it again: a\\nb; with --null/);
  }
});

for (const [signal, status] of [
  ["SIGINT", 4],
  ["SIGTERM", 143],
  ["SIGUSR1", 7],
] as const) {
  test(`without a database ${signal} leaves in the failure file all that is still to do, once`, async () => {
    await using site = openSite();
    const hold = "until test -e go; do sleep 0.05; done; echo held >> done\n";
    const others = Array.from({ length: 3000 }, (_, n) => `echo ${n} >> done\n`);
    site.write("t.in", `${hold.repeat(4)}${others.join("")}# HYPERSHELL: group:1 k:v\necho last >> done\n`);
    await using run = site.start(["hsx", "t.in", "--no-db", "-N4", "-f", "fl"]);
    await until(() => site.left().filter((line) => line.includes("test -e go")).length >= 4, "tasks have started");
    run.kill(signal);
    if (signal === "SIGUSR1") {
      await run.line(/SIGUSR1: draining/);
      site.write("go", "");
    }
    const ended = await run.ended;
    expect(ended.status).toBe(status);
    const before = site.exists("done") ? site.lines("done") : [];
    expect(before.length).toBe(signal === "SIGUSR1" ? 4 : 0);
    const left = site.lines("fl");
    expect(ended.stderr).toContain(`${left.length} tasks were not run - they are in fl`);
    expect(left.at(-1)).toBe("echo last >> done # HYPERSHELL: group:1 k:v");
    site.write("go", "");
    const rest = await site.hsx(["fl", "--no-db", "-N4", "-f", "none"]);
    expect([rest.status, site.read("none")]).toEqual([0, ""]);
    const done = [...Array.from(others, (_, n) => `${n}`), "held", "held", "held", "held", "last"];
    expect(sorted(site.read("done"))).toEqual(sorted(done.join("\n")));
  });
}

for (const store of [[], ["--no-db"]]) {
  test(`tasks that failures of a lower group held back are in the failure file ${store.join("")}`, async () => {
    await using site = openSite();
    site.write("t.in", "test -e ok\n# HYPERSHELL: group:1 k:v\necho 1\necho 2\n# HYPERSHELL: group:3\necho 3\n");
    const first = await site.hsx(["t.in", "-f", "fl", "-N1", ...store]);
    expect([first.status, first.stdout]).toEqual([7, ""]);
    expect(site.lines("fl")).toEqual([
      "test -e ok",
      "echo 1 # HYPERSHELL: group:1 k:v",
      "echo 2 # HYPERSHELL: group:1 k:v",
      "echo 3 # HYPERSHELL: group:3 k:v",
    ]);
    if (store.length === 0)
      expect((await site.hs(["list", "server_id", "schedule_time", "-R"])).stdout).toBe("null\tnull\n".repeat(3));
    site.write("ok", "");
    const second = await site.hsx(["fl", "-f", "none", "-N1", ...store]);
    expect([second.status, second.stdout, site.read("none")]).toEqual([0, "1\n2\n3\n", ""]);
  });
}
