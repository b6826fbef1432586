/*
 * What people are told who write nearly the right thing: a misspelt marker, a template in the place of a file, and
 * input that is waited for at a terminal.
 */
import { expect, test } from "bun:test";
import { linesOf, openSite } from "./harness.ts";

const right = "settings of tasks are written as '# HYPERSHELL: site:b timeout:10m'";

test("a comment that is nearly the marker is told of once, with its line and the right spelling", async () => {
  await using site = openSite();
  const marked = [
    "HYPERHELL:",
    "HYPER-SHELL:",
    "HYPER SHELL:",
    "HYPERSHEL:",
    "HyperShell:",
    "HYPERSHELLS:",
    "HYPERSHELL;",
  ];
  for (const marker of [...marked, "HYPERSHELL;", "HPYERSHELL"]) {
    site.write("tasks.in", `echo 1  # a comment\n# and one: of its own\necho 2 # ${marker} site:b\n#${marker} x:y\n`);
    expect([marker, await site.hsx(["tasks.in", "-N1"])]).toEqual([
      marker,
      {
        status: 0,
        stdout: "1\n2\n",
        stderr: ` WARNING [hypershell.submit] tasks.in, line 3: '# ${marker}' is a plain comment - ${right}\n`,
      },
    ]);
  }
  site.write("only.in", "# HYPERHELL: group:1\necho 1\n");
  const submitted = await site.hs(["submit", "-f", "only.in"]);
  expect(submitted.stderr).toContain("only.in, line 1: '# HYPERHELL:' is a plain comment");
  const single = await site.hs(["submit", "echo 1 # HYPERHELL: a:b"]);
  expect(single.stderr).toContain("'# HYPERHELL:' is a plain comment");
});

test("ordinary comments, and settings that were commented out, are no misspelt settings", async () => {
  await using site = openSite();
  const lines = [
    "# hypershell runs this",
    "# HYPERLINK: http://a.b",
    "# HYPER: a",
    "echo 1 # shell: bash",
    "# echo 2 # HYPERHELL: a:b",
    "echo 3 '# HYPERHELL: a:b'",
    "# Hypershells are fine",
    "#!/bin/sh",
    "# HELL: a SHELL: b",
    "echo 4 # HYPERSHELL: site:b",
  ];
  site.write("tasks.in", `${lines.join("\n")}\n`);
  expect((await site.hsx(["tasks.in", "-N1"])).stderr).toBe("");
});

test("a blank before the colon is refused with the right spelling", async () => {
  await using site = openSite();
  site.write("tasks.in", "echo 1 #HYPERSHELL : site:b\n");
  const { status, stderr } = await site.hs(["submit", "-f", "tasks.in"]);
  expect(status).toBe(2);
  expect(stderr).toContain("tasks.in, line 1: no blank may stand before the colon, write # HYPERSHELL:");
});

test("--perf says how a task is measured", async () => {
  await using site = openSite();
  await site.hsx([":::", "true"]);
  const id = (await site.hs(["list", "id", "--csv"])).stdout.split(/\s+/)[1]!;
  const { status, stderr } = await site.hs(["info", id, "--perf"]);
  expect(status).toBe(5);
  expect(stderr).toContain("its client ran without --monitor");
});

test("a template in the place of a task file is told from a file that is not there", async () => {
  await using site = openSite();
  const told = async (...words: string[]): Promise<readonly [number, string]> => {
    const { status, stderr } = await site.hsx(words);
    return [status, stderr.replace(/^.*\] /, "").trim()];
  };
  expect(await told("echo {}")).toEqual([5, "There is no task file 'echo {}'; a template is given with -t"]);
  expect(await told("gzip -k")).toEqual([5, "There is no task file 'gzip -k'; a template is given with -t"]);
  expect(await told("taks.in")).toEqual([5, "Cannot read 'taks.in': no such file or directory"]);
  site.write("my tasks.in", "echo 1\n");
  expect(await told("my tasks.in")).toEqual([0, ""]);
});

test("who is to type the tasks is told so, and how to end", async () => {
  await using site = openSite();
  const typed = await site.shell(
    "(sleep 0.5; printf 'echo $((2+3))\\n'; sleep 0.3; printf '\\004'; sleep 0.5) | " +
      "NO_COLOR=1 script -qec 'hsx - -N1' /dev/null",
  );
  expect(typed.stdout).toContain("Reading tasks from the terminal, end with Ctrl-D");
  expect(linesOf(typed.stdout.replaceAll("\r", ""))).toContain("5");
  expect((await site.hsx(["-N1"], { stdin: "echo 1\n" })).stderr).toBe("");
});
