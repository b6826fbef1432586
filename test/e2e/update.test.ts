/* hs update, as people type it: fields, tags, prompts, and what becomes of tasks that run. */
import { describe, expect, test } from "bun:test";
import { linesOf, openSite, type Site, until } from "./harness.ts";
import { secured, startClient, startServer } from "./serving.ts";
import { ask } from "./tables.ts";

const quiet = { env: { HYPERSHELL_LOGGING_LEVEL: "info" } };

async function list(site: Site, ...words: string[]): Promise<readonly string[]> {
  const { status, stdout, stderr } = await site.hs(["list", ...words]);
  expect([status, stderr]).toEqual([0, ""]);
  return linesOf(stdout);
}

async function submitted(site: Site, lines: readonly string[]): Promise<void> {
  site.write("tasks.in", lines.map((line) => `${line}\n`).join(""));
  expect((await site.hs(["submit", "-f", "tasks.in"])).status).toBe(0);
}

describe("changes by hand", () => {
  test("a tag is added to what is done, a field is changed where a condition holds", async () => {
    await using site = openSite();
    await submitted(site, ["true", "false", "echo 42"]);
    await site.hsx(["--restart"]);
    await submitted(site, ["42"]);
    const tagged = await site.hs(["update", "phase:1", "--completed", "-f"], quiet);
    expect([tagged.status, tagged.stdout]).toEqual([0, ""]);
    expect(tagged.stderr).toContain("INFO [hypershell.task] Updated 3 tasks");
    expect(await list(site, "args", "-t", "phase:1")).toEqual(["true", "false", "echo 42"]);
    await site.hs(["update", "args=7", "-w", "args==42", "-f"]);
    expect(await list(site, "args", "tag", "--remaining")).toEqual(['7\t{"part": 0}']);
    const both = await site.hs(
      ["update", "x:true", "timeout=10m", "memory=1GB", "--remove-tag", "phase", "-l2", "-f"],
      quiet,
    );
    expect(both.stderr).toContain("Updated 2 tasks");
    expect(await list(site, "tag", "timeout", "memory")).toEqual([
      '{"part": 0, "x": true}\t600\t1073741824',
      '{"part": 0, "x": true}\t600\t1073741824',
      '{"part": 0, "phase": 1}\tnull\tnull',
      '{"part": 0}\tnull\tnull',
    ]);
  });

  test("the count tells what really changed", async () => {
    await using site = openSite();
    await submitted(site, ["a", "b # HYPERSHELL: x:1", "c"]);
    const said = async (...words: string[]): Promise<string> =>
      linesOf((await site.hs(["update", ...words, "-f"], quiet)).stderr)
        .at(-1)!
        .replace(/^.*task\] /, "");
    expect(await said("--remove-tag", "nokey")).toBe("Updated 0 of 3 tasks - nothing changed for the others");
    expect(await said("x:1")).toBe("Updated 2 of 3 tasks - nothing changed for the others");
    expect(await said("x:1", "group=1")).toBe("Updated 3 tasks");
    expect(await said("--revert")).toBe("Updated 0 of 3 tasks - nothing changed for the others");
    expect(await said("--delete")).toBe("Deleted 3 tasks");
  });

  test("what a run writes is changed only where the task has ended", async () => {
    await using site = openSite();
    await submitted(site, ["false"]);
    await site.hsx(["--restart"]);
    await submitted(site, ["late"]);
    const all = await site.hs(["update", "exit_status=0", "-f"], quiet);
    expect([all.status, linesOf(all.stderr).at(-1)]).toEqual([0, "    INFO [hypershell.task] Updated 1 task"]);
    expect(await list(site, "args", "exit_status")).toEqual(["false\t0", "late\tnull"]);
    const none = await site.hs(["update", "duration=5", "-R", "-f"], quiet);
    expect(none.stderr).toContain("Update affects 0 tasks - stopping (duration can be changed only where a task");
    const [id = ""] = await list(site, "id", "-R");
    const one = await site.hs(["update", id, "exit_status", "0"]);
    expect([one.status, one.stderr]).toEqual([5, expect.stringContaining(`Task (${id}) has not ended`)]);
  });

  test("Ctrl-C ends a long change, which says how far it came", async () => {
    await using site = openSite();
    let said: RegExpExecArray | null = null;
    let [tasks, key] = [0, ""];
    // Who is interrupted too late has changed everything, and says nothing of this rule: with more to do it is asked
    // again.
    for (let times = 0; said === null && times < 6; times++) {
      await submitted(site, Array<string>(150_000).fill("true"));
      tasks += 150_000;
      key = `x${times}`;
      const tagged = `select 1 from task where tag like '%${key}%' limit 1`;
      await using running = site.start(["hs", "update", `${key}:1`, "-f"]);
      await until(() => ask(site.database, tagged).length > 0, "nothing is changed");
      running.kill("SIGINT");
      const { status, stderr } = await running.ended;
      const last = linesOf(stderr).at(-1);
      if (status !== 0)
        expect([status, last]).toEqual([4, "CRITICAL [hypershell] keyboard-interrupt: going down now!"]);
      said = new RegExp(` WARNING \\[hypershell.task\\] Updated (\\d+) of ${tasks} tasks before that`).exec(stderr);
    }
    expect(await list(site, "--count", "-t", `${key}:1`)).toEqual([said![1]!]);
  });

  test("failures run again as the help says: each once, however often tried, and none that was cancelled", async () => {
    await using site = openSite();
    await submitted(site, ["exit 3", "true", "echo never"]);
    await site.hs(["update", "--cancel", "-f", "-w", "args ~ never"]);
    await site.hsx(["--restart", "-r2"]);
    const help = (await site.hs(["update", "--help"])).stdout;
    const example = /hs (update --revert -F .*)/.exec(help)![1]!.split(" ");
    expect((await site.hs([...example, "--no-confirm"])).status).toBe(0);
    expect(await list(site, "args", "attempt", "-R")).toEqual(["exit 3\t3"]);
  });

  test("a prompt says how many tasks it is about, and takes only a yes for yes", async () => {
    await using site = openSite();
    await submitted(site, ["a", "b", "c"]);
    const refused = await site.hs(["update", "--delete", "--order-by", "submit_time", "--desc", "--limit", "1"], {
      stdin: "\n",
    });
    expect([refused.status, refused.stdout]).toEqual([0, "Delete 1 task? yes/[no]: \nStopping\n"]);
    const ended = await site.hs(["update", "--delete"], { stdin: "" });
    expect([ended.status, linesOf(ended.stderr).at(-1)]).toEqual([
      5,
      "CRITICAL [hypershell.task] This asks a question and there is no terminal: repeat with --yes",
    ]);
    expect(await list(site, "--count")).toEqual(["3"]);
    const sure = await site.shell("yes | hs update --delete -s submit_time --desc -l1");
    expect(sure.status).toBe(0);
    expect(await list(site, "args")).toEqual(["a", "b"]);
    const none = await site.hs(["update", "x:1", "-w", "args == z"], { ...quiet, stdin: "yes\n" });
    expect([none.status, none.stdout]).toEqual([0, ""]);
    expect(none.stderr).toContain("Update affects 0 tasks - stopping");
  });

  test("what has ended is not cancelled, what waits is, and what was cancelled can be brought back", async () => {
    await using site = openSite();
    await submitted(site, ["true", "false"]);
    await site.hsx(["--restart"]);
    await submitted(site, ["echo late"]);
    const cancelled = await site.hs(["update", "--cancel", "-f"], quiet);
    expect(cancelled.stderr).toContain("Updated 1 task");
    expect(await list(site, "args", "exit_status")).toEqual(["true\t0", "false\t1", "echo late\t-1"]);
    expect((await site.hsx(["--restart"])).stdout).toBe("");
    await site.hs(["update", "--revert", "-w", "exit_status == -1", "-f"]);
    expect(await list(site, "args", "exit_status", "completion_time", "-R")).toEqual(["echo late\tnull\tnull"]);
    expect((await site.hsx(["--restart"])).stdout).toBe("late\n");
  });

  test("any case of y and yes goes on; n, no and everything else stops, and the latter is quoted", async () => {
    await using site = openSite();
    await submitted(site, ["a"]);
    for (const [answer, said] of [
      [" N \n", "Stopping\n"],
      ["No", "Stopping\n"],
      ["of course\n", "Stopping (neither yes nor no: 'of course')\n"],
    ] as const) {
      const { status, stdout } = await site.hs(["update", "x:1"], { stdin: answer });
      expect([status, stdout]).toEqual([0, `Update 1 task? yes/[no]: \n${said}`]);
    }
    expect(await list(site, "--count", "-t", "x")).toEqual(["0"]);
    for (const [at, answer] of ["y\n", " YES \n", "Yes"].entries()) {
      await site.hs(["update", `x:${at}`], { stdin: answer });
      expect(await list(site, "--tag-values", "x")).toEqual([String(at)]);
    }
  });

  test("one call makes all kinds of changes, to as many tasks as were asked for", async () => {
    await using site = openSite();
    await submitted(site, ["a", "b", "c"]);
    await site.hs(["update", "old:1", "x.y:true", "-f"]);
    const words = ["x:1", "naked:", "none:null", "group:3", "args=", "--remove-tag", "old", "nosuch", "--cancel"];
    const { stderr } = await site.hs(["update", ...words, "-s", "args", "--desc", "-l", "1", "-f"], quiet);
    expect(linesOf(stderr)).toEqual([
      `    INFO [hypershell.task] Searching database: sqlite (${site.database})`,
      "    INFO [hypershell.task] Updated 1 task",
    ]);
    const before = '{"part": 0, "old": 1, "x.y": true}';
    expect(await list(site, "args", "group", "exit_status", "tag")).toEqual([
      `a\t0\tnull\t${before}`,
      `b\t0\tnull\t${before}`,
      '\t3\t-1\t{"part": 0, "x.y": true, "x": 1, "naked": "", "none": null}',
    ]);
    expect(await list(site, "schedule_time", "-F")).toEqual(await list(site, "completion_time", "-F"));
  });

  test("a reverted task looks never scheduled; what a deleted one printed stays", async () => {
    await using site = openSite();
    site.write("tasks.in", "echo out; exit 3 # HYPERSHELL: k:v cores:1 timeout:60\n");
    await site.hsx(["tasks.in", "--capture"]);
    await site.hs(["update", "csvpath=/x/y.csv", "cores_max=1.5", "memory_max=1GB", "-f"]);
    const [id = "", outpath = ""] = (await list(site, "id", "outpath"))[0]!.split("\t");
    await site.hs(["update", "--revert", "-F", "-f"]);
    const kept = await list(site, "id", "args", "cores", "timeout", "attempt", "retried", "tag");
    expect(kept).toEqual([`${id}\techo out; exit 3\t1\t60\t1\tfalse\t{"k": "v", "part": 0}`]);
    const fields =
      "schedule_time server_host server_id client_host client_id command start_time completion_time exit_status";
    const more = "outpath errpath csvpath cores_max memory_max waited duration previous_id next_id";
    const cleared = `${fields} ${more}`.split(" ");
    expect(await list(site, ...cleared)).toEqual([cleared.map(() => "null").join("\t")]);
    const { stderr } = await site.hs(["update", "--delete", "-f"], quiet);
    expect(stderr).toEndWith("INFO [hypershell.task] Deleted 1 task\n");
    expect(await list(site, "--count")).toEqual(["0"]);
    expect(site.read(outpath)).toBe("out\n");
  });

  test("the former names of hs update still work", async () => {
    await using site = openSite();
    const added = await site.hs(["task", "submit", "-t", "a:1", "--", "echo", "two words"]);
    const id = added.stdout.trim();
    expect([added.status, added.stdout]).toEqual([0, `${id}\n`]);
    expect(await site.hs(["update", id, "tag", "site:c"])).toEqual({ status: 0, stdout: "", stderr: "" });
    expect(await site.hs(["task", "update", id, "group", "2"])).toEqual({ status: 0, stdout: "", stderr: "" });
    expect(linesOf((await site.hs(["task", "search", "args", "group", "tag"])).stdout)).toEqual([
      'echo "two words"\t2\t{"a": 1, "part": 0, "site": "c"}',
    ]);
    expect((await site.hs(["task", "info", id, "-x", "group"])).stdout).toBe("2\n");
    expect((await site.hs(["task", "--list-columns"])).stdout).toStartWith("id group args ");
    const unknown = await site.hs(["update", "cd20208b-069b-45ae-9e4e-3f79f57bde6d", "args", "x"]);
    expect([unknown.status, unknown.stderr]).toEqual([
      5,
      "CRITICAL [hypershell.task] No task with id=cd20208b-069b-45ae-9e4e-3f79f57bde6d\n",
    ]);
  });

  test("a task in a partition is said to be there, and stays as it is", async () => {
    await using site = openSite();
    await site.hsx([], { stdin: "true\n" });
    const [id = ""] = await list(site, "id");
    expect((await site.hs(["initdb", "-r", "-y"])).status).toBe(0);
    const asked = await site.hs(["update", "x:1", "-w", `id == ${id}`, "-f"], quiet);
    expect([asked.status, linesOf(asked.stderr).length]).toEqual([0, 3]);
    const said = `Task (${id}) was moved to a partition (hs initdb --rotate)`;
    expect(asked.stderr).toContain(`WARNING [hypershell.task] ${said}`);
    const former = await site.hs(["update", id, "args", "x"]);
    expect([former.status, former.stderr]).toEqual([5, expect.stringContaining(said)]);
    expect(await list(site, "args", "tag")).toEqual(['true\t{"part": 1}']);
  });

  test("bad changes are refused with status 2 and one line", async () => {
    await using site = openSite();
    await submitted(site, ["a"]);
    for (const words of [
      ["memory=lots"],
      ["tag=x"],
      ["id=1"],
      ["x/y:1"],
      ["exit_status==0"],
      ["-s", "id", "x:1"],
      ["--desc", "x:1"],
      ["attempt=0"],
      ["x:1", "-t", "a b"],
      ["x:1", "-w", "submit_time < tomorrow"],
      ["x:1", "-l", "9223372036854775807"],
    ]) {
      const { status, stderr, stdout } = await site.hs(["update", ...words, "-f"]);
      expect([status, stdout, linesOf(stderr).length]).toEqual([2, "", 1]);
    }
    expect(await list(site, "args", "tag")).toEqual(['a\t{"part": 0}']);
  });
});

describe("tasks that run", () => {
  test("a cancelled task is stopped within two seconds at its client, and stays cancelled", async () => {
    await using site = openSite();
    const { server, port } = await startServer(site, ["--forever"]);
    const client = startClient(site, port, ["-N4"]);
    await submitted(site, ["sleep 1000", "echo started >> ran; sleep 1001 & sleep 1002; true", "sleep 1003"]);
    await until(() => site.left().filter((line) => /sleep 100[0123]/.test(line)).length >= 4, "it to happen");
    const at = Date.now();
    const cancelled = await site.hs(["update", "--cancel", "-f", "-w", "args != sleep 1003"], quiet);
    expect(cancelled.stderr).toContain("WARNING [hypershell.task] 2 cancelled tasks already scheduled");
    await until(() => site.left().every((line) => !/sleep 100[012]/.test(line)), "it to happen");
    expect(Date.now() - at).toBeLessThan(2000);
    expect(site.left().some((line) => line.includes("sleep 1003"))).toBe(true);
    const deleted = await site.hs(["update", "--delete", "-f", "-R"]);
    expect(deleted.status).toBe(0);
    await until(() => site.left().every((line) => !line.includes("sleep 1003")), "it to happen");
    // What comes next is run, and nothing of the others comes back.
    await submitted(site, ["echo next"]);
    await until(() => client.stdout().includes("next"), "it to happen");
    await until(() => /scheduled tasks? (?:was|were) deleted/.test(server.stderr()), "it to happen");
    expect(await list(site, "args", "exit_status")).toEqual([
      "sleep 1000\t-1",
      "echo started >> ran; sleep 1001 & sleep 1002; true\t-1",
      "echo next\t0",
    ]);
    expect((await site.hs(["list", "-c"], { env: secured })).stdout).toBe("3\n");
  });

  test("a reverted task is stopped and run again, one that waits is run as it is now, and tags survive", async () => {
    await using site = openSite();
    const { port } = await startServer(site, ["--forever"]);
    await submitted(site, ["echo x >> ran; test $(wc -l < ran) = 2 || sleep 1000", "echo old"]);
    const client = startClient(site, port, ["-N1"]);
    await until(() => site.lines("ran").length === 1, "it to happen");
    await site.hs(["update", "args=echo new", "-w", "args == echo old", "-f"]);
    await site.hs(["update", "kept:yes", "-w", "args ~ ran", "-f"]);
    await site.hs(["update", "--revert", "-w", "args ~ ran", "-f"]);
    await until(() => client.stdout().includes("new"), "it to happen");
    await until(() => site.lines("ran").length === 2, "it to happen");
    const rows = async (): Promise<readonly string[]> => list(site, "exit_status", "attempt", "tag");
    let found = await rows();
    while (found.length !== 2 || !found.every((line) => line.startsWith("0"))) found = await rows();
    expect(found).toEqual(['0\t1\t{"part": 0, "kept": "yes"}', '0\t1\t{"part": 0}']);
    expect(client.stdout()).not.toContain("old");
  });

  test("a finite run whose rest is cancelled ends at once", async () => {
    await using site = openSite();
    site.write("tasks.in", "sleep 1000\nsleep 1000\ntrue\n");
    const run = site.start(["hsx", "tasks.in", "-N2"]);
    await until(() => site.left().filter((line) => line.includes("sleep 1000")).length >= 2, "it to happen");
    const at = Date.now();
    await site.hs(["update", "--cancel", "-f"]);
    const { status } = await run.ended;
    expect(status).toBe(0);
    expect(Date.now() - at).toBeLessThan(4000);
    expect(await list(site, "exit_status")).toEqual(["-1", "-1", "-1"]);
  });
});
