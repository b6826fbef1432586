/* `--dry-run`: what would run is what runs, and nothing is left behind. */
import { expect, test } from "bun:test";
import { openSite, until } from "./harness.ts";

test("each command stands in one line with what it asks for, bad lines are reported, and nothing is made", async () => {
  await using site = openSite();
  const lines = [
    "echo one",
    "# HYPERSHELL: group:1 cores:2",
    "echo 'two  words' # HYPERSHELL: memory:2GB timeout:10m site:b",
    "bad # HYPERSHELL: cores:x",
  ];
  site.write("tasks.in", `${lines.join("\n")}\n`);
  const before = await site.shell("cd .. && find . | sort");
  const [run, server, submit] = [
    await site.hsx(["tasks.in", "--dry-run", "-N4", "-t", "nice {}"], { env: { HYPERSHELL_LOGGING_FILE: "true" } }),
    await site.hs(["server", "tasks.in", "--dry-run"]),
    await site.hs(["submit", "tasks.in", "--dry-run"]),
  ];
  const commands = ["echo one", "echo 'two  words' # HYPERSHELL: group:1 cores:2 memory:2147483648 timeout:600 site:b"];
  expect([run.status, run.stdout]).toEqual([7, commands.map((line) => `nice ${line}\n`).join("")]);
  expect(run.stderr).toContain("# executors: 4\n");
  expect(run.stderr).toContain("tasks.in, line 4: bad tag");
  expect(run.stderr).toContain("# 2 commands; nothing was stored or run\n");
  expect([server.status, server.stdout]).toEqual([7, commands.map((line) => `${line}\n`).join("")]);
  expect([submit.status, submit.stdout]).toEqual([2, ""]);
  const real = await site.hsx(["tasks.in", "--no-db", "-t", "nice {}"]);
  expect(real.status).toBe(run.status);
  await using other = openSite();
  other.write("tasks.in", "true\n");
  const empty = await other.shell("cd .. && find . | sort");
  await other.hsx(["tasks.in", "--dry-run"]);
  await other.hs(["run", "--dry-run", "--", "true"]);
  expect(await other.shell("cd .. && find . | sort")).toEqual(empty);
  expect(before.stdout).not.toContain("main.db");
});

test("what is printed runs in sh and in hsx as in a real run, and programs of a template are only shown", async () => {
  await using site = openSite();
  const words = ["-t", `printf '<%s>\\n' {1Q} {2Q} # a comment`, ":::", "a", "b c", ":::", "x\ny", "100%\\n'"];
  const real = await site.hsx(["--no-db", ...words]);
  const dry = await site.hsx(["--dry-run", ...words]);
  expect([dry.status, dry.stdout.split("\n").length]).toEqual([0, 5]);
  site.write("commands", dry.stdout);
  expect((await site.shell("sh commands")).stdout).toBe(real.stdout);
  expect((await site.hsx(["commands", "--no-db"])).stdout).toBe(real.stdout);
  const shown = await site.hsx(["--dry-run", "-t", "echo {% touch made; echo @ %} {% cat @ %Q}", ":::", "a"]);
  expect(shown.stdout).toBe('echo $(touch made; echo a) "$(cat a)"\n');
  expect(site.exists("made")).toBe(false);
});

test("how output is printed and where the job log goes are among the settings", async () => {
  await using site = openSite();
  const options = ["-k", "--tag", "--joblog", "+jobs.log", "-f", "failed"];
  const dry = await site.hsx(["--dry-run", ...options, ":::", "true"]);
  expect(dry.stderr).toContain("# printed: whole tasks in the order of the input, the input before each line\n");
  expect(dry.stderr).toContain("# job log: jobs.log, added to what is there\n");
  const server = await site.hs(["server", "--dry-run", "--output-mode", "line", "--joblog", "-", ":::", "true"]);
  expect(server.stderr).toContain("# printed: whole lines\n");
  expect(server.stderr).toContain("# job log: standard output\n");
  expect((await site.shell("ls")).stdout).toBe("");
});

test("a command on the command line, options of all tasks, and lines for which a template fails", async () => {
  await using site = openSite();
  const words = ["-t", "site:b", "-g", "3", "-c", "2", "--", "make", "-C", "a b"];
  const submit = await site.hs(["submit", "--dry-run", ...words]);
  expect(submit.stdout).toBe('make -C "a b" # HYPERSHELL: group:3 cores:2 site:b\n');
  expect(submit.stderr).toMatch(/^# database: sqlite .*\n# template: none here: .*\n/);
  const run = await site.hs(["run", "--dry-run", "-t", "cores:2", "--", "echo", "hi"]);
  expect([run.status, run.stdout]).toEqual([0, "echo hi # HYPERSHELL: cores:2\n"]);
  const failing = await site.hsx(["--dry-run", "-t", "echo {[1]}"], { stdin: "a\na b\n" });
  expect([failing.status, failing.stdout]).toEqual([7, "echo b\n"]);
  expect(failing.stderr).toContain("Template expansion failed: {[1]} (a): index out of range");
});

test("--restart prints what the database holds, with the template of each submission", async () => {
  await using site = openSite();
  const none = await site.hsx(["--dry-run", "--restart"]);
  expect([none.status, none.stdout, site.exists("../site/lib")]).toEqual([0, "", false]);
  await site.shell("hs submit -g 2 -- echo last; printf 'a\nb # HYPERSHELL: cores:2\n' | hs submit");
  await site.shell("echo own | hs submit --template 'echo {}'");
  // A run that was killed leaves its task and its template; one that lives keeps what it has.
  const dead = site.start(["hsx", "-t", "sleep 60; echo {}", ":::", "x"]);
  const live = site.start(["hsx", "-t", "sleep 61; echo {}", ":::", "x", "y"]);
  await until(async () => (await site.hs(["list", "--count", "--running"])).stdout === "2\n", live.stderr);
  dead.kill("SIGKILL");
  await dead.ended;
  const before = await site.shell("hs list -f csv args server_id group");
  const commands = ["nice echo own", "nice a", "nice b # HYPERSHELL: cores:2", "nice echo last # HYPERSHELL: group:2"];
  for (const option of ["--restart", "--forever"]) {
    const dry = await site.hsx(["--dry-run", option, "-t", "nice {}"]);
    const lines = dry.stdout.split("\n").toSorted();
    expect([dry.status, lines]).toEqual([0, ["", "sleep 60; echo x", ...commands].toSorted()]);
    expect(dry.stdout).toEndWith("group:2\n");
    expect(dry.stderr).toContain("# 5 commands; nothing was stored or run\n");
  }
  expect((await site.hs(["server", "--restart", "--dry-run"])).stdout).toStartWith("a\nb # HYPERSHELL: cores:2\n");
  expect(await site.shell("hs list -f csv args server_id group")).toEqual(before);
});

test("a million lines stream, and a reader who leaves ends it without a word", async () => {
  await using site = openSite();
  const head = await site.shell("set -o pipefail; seq 1000000 | hsx --dry-run -t 'echo {}' 2>errors | sed 2q", {
    timeoutMs: 60_000,
  });
  expect(head.stdout).toBe("echo 1\necho 2\n");
  expect(site.read("errors")).not.toMatch(/CRITICAL|ERROR|nothing was stored/);
  const all = await site.shell("seq 200000 | hsx --dry-run -t 'echo {}' 2>/dev/null | tail -1");
  expect(all).toEqual({ status: 0, stdout: "echo 200000\n", stderr: "" });
}, 90_000);
