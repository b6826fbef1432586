/*
 * What a user reads when tasks have failed: which they are, how to find them again, and how the run went. The failure
 * file is a subject of its own in workflows.test.ts.
 */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { linesOf, needs, openSite, type Site } from "./harness.ts";

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
