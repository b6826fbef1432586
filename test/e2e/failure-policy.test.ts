/*
 * What becomes of failures: when a run stops because of them, which are tried again, after which pause, and with what.
 */
import { expect, test } from "bun:test";
import { linesOf, openSite, sorted } from "./harness.ts";

test("--halt ends a run after so many failures, and the next one goes on with the rest", async () => {
  await using site = openSite();
  const run = await site.hsx(["-", "-N1", "-t", "echo {}; exit 3", "--halt", "2"], { stdin: "a\nb\nc\nd\n" });
  expect(run.status).toBe(7);
  expect(linesOf(run.stderr)).toContainEqual(
    expect.stringContaining("Nothing more is started: 2 tasks failed (--halt 2) - what runs may end; a run with"),
  );
  // One may have been handed out before the second failure was recorded.
  const ran = linesOf(run.stdout).length;
  expect(ran).toBeLessThan(4);
  expect((await site.shell("hs list --count --remaining")).stdout).toBe(`${4 - ran}\n`);
  expect((await site.hsx(["--restart"])).status).toBe(7);
  expect((await site.shell("hs list --count --remaining")).stdout).toBe("0\n");
  expect((await site.shell("hs verify")).status).toBe(0);
});

test("--retry-on tries these failures again and no others, after a pause", async () => {
  await using site = openSite();
  const stdin = "test $TASK_ATTEMPT -ge 2 || exit 75\nexit 4\nkill -9 $$\n";
  const words = ["-", "-N4", "-r1", "--retry-on", "exit=75,signal=kill", "--retry-delay", "1"];
  const run = await site.hsx([...words, "--no-confirm"], { stdin });
  expect(run.status).toBe(7);
  const { stdout } = await site.shell("hs list attempt exit_status args");
  expect(sorted(stdout)).toEqual([
    "1\t4\texit 4",
    "1\t75\ttest $TASK_ATTEMPT -ge 2 || exit 75",
    "1\t137\tkill -9 $$",
    "2\t0\ttest $TASK_ATTEMPT -ge 2 || exit 75",
    "2\t137\tkill -9 $$",
  ]);
});

test("the same words as settings, and what means nothing is refused", async () => {
  await using site = openSite();
  const env = { HYPERSHELL_SERVER_HALT: "1", HYPERSHELL_SERVER_ATTEMPTS: "2", HYPERSHELL_SERVER_RETRYON: "exit=9" };
  const halted = await site.hsx(["-", "-N1"], { stdin: "exit 3\ntrue\ntrue\ntrue\n", env });
  expect(halted.stderr).toContain("1 task failed (--halt 1)");
  for (const [words, form] of [
    [
      ["--halt", "0"],
      "argument --halt: must be a number of tasks, 1 or more, or a percentage above 0, as 20%, not '0'",
    ],
    [["--retry-on", "exit"], "argument --retry-on: must be a list of exit=NUM, exit=FROM-TO, signal=NAME"],
    [["--retry-memory", "0.5"], "argument --retry-memory: must be a factor from 1 to 1024, as x2, not '0.5'"],
  ] as const) {
    const refused = await site.hsx(["-", ...words], { stdin: "true\n" });
    expect([refused.status, refused.stderr]).toEqual([2, expect.stringContaining(form)]);
  }
  const setting = await site.hsx(["-"], { stdin: "true\n", env: { HYPERSHELL_SERVER_RETRYMEMORY: "many" } });
  expect(setting.status).toBe(3);
  expect(setting.stderr).toContain("not 'many' (from: HYPERSHELL_SERVER_RETRYMEMORY)");
});
