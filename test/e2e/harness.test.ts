/* The harness itself: that it sees what a program does, and that its waiting can fail. */
import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { openSite, sorted, until } from "./harness.ts";

test("a program's output, its end and its input are seen as they are", async () => {
  await using site = openSite();
  expect(await site.shell("cat; echo said >&2; exit 3", { stdin: "read\n" })).toEqual({
    status: 3,
    stdout: "read\n",
    stderr: "said\n",
  });
  expect((await site.shell("kill -TERM $$")).status).toBe(143);
});

test("the environment of the one who runs the tests stays outside", async () => {
  process.env["HYPERSHELL_TEST_LEAK"] = "1";
  await using site = openSite();
  const { stdout } = await site.shell("env | sed 's/=.*//' | sort | grep -v -e '^_$' -e PWD -e SHLVL -e OLDPWD");
  delete process.env["HYPERSHELL_TEST_LEAK"];
  expect(stdout).toBe("HOME\nHS_TEST_PLACE\nHYPERSHELL_SITE\nLANG\nPATH\nTMPDIR\nTZ\n");
});

test("a program that does not end is killed, whether the test awaits its end, and what it said is told", async () => {
  const told = /did not end within 300 ms[\s\S]*so far/;
  {
    await using site = openSite();
    const endless = site.shell("echo so far; exec sleep 1000", { timeoutMs: 300 });
    expect(await endless.catch(String)).toMatch(told);
  }
  const site = openSite();
  const running = site.start(["sh", "-c", "echo so far; exec sleep 1000"], { timeoutMs: 300 });
  // Before it is a program of its own it does not count as one of this place, which would be deserted at once.
  await running.line(/^so far$/);
  await site.deserted();
  expect(await Promise.resolve(site[Symbol.asyncDispose]()).catch(String)).toMatch(told);
  expect(existsSync(site.path)).toBe(false);
});

test("a line that never comes is not waited for longer than the program runs", async () => {
  await using site = openSite();
  await using running = site.start(["sh", "-c", "echo one"]);
  expect(await running.line(/^one$/)).toBe("one");
  expect(await running.line(/^two$/).catch(String)).toContain("ended without a line that matches");
});

test("what is left running is known, and gone with the place", async () => {
  let path: string;
  {
    await using site = openSite();
    path = site.path;
    await using running = site.start(["sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 & echo started; read line"], {
      keepOpen: true,
    });
    await running.line(/started/);
    running.type("\n");
    await running.ended;
    const left = (): string[] => site.left().map((line) => line.replace(/^\d+ /, ""));
    // It has been another program for a moment.
    await until(() => !left().some((line) => line.startsWith("setsid")), "setsid to become sleep");
    expect(left()).toEqual(["sleep 1000"]);
  }
  expect(existsSync(path)).toBe(false);
});

test("lines are put in the order a person would", () => {
  expect(sorted("10\n9\n1\n")).toEqual(["1", "9", "10"]);
});
