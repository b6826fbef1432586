import { expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { UserError } from "../../../src/base/errors.ts";
import { until } from "../../e2e/harness.ts";
import { isRunning, newAssignment, taskPlace } from "../../unit/client/tasks.ts";

const numbers = (text: string): number[] => text.trim().split(/\s+/).map(Number);

test("a task ends with the exit status of its command", async () => {
  using place = taskPlace();
  for (const status of [0, 1, 7, 127, 255]) {
    expect((await place.run(`exit ${status}`)).exitStatus).toBe(status);
  }
});

test("an outcome says which dispatch it belongs to, what was run and when", async () => {
  using place = taskPlace();
  const task = newAssignment({ args: "echo hello", lease: 17 });
  const outcome = await place.run(task.args, task);
  expect(outcome).toMatchObject({
    id: task.id,
    lease: 17,
    command: "echo hello",
    exitStatus: 0,
    outpath: null,
    errpath: null,
  });
  expect(outcome.startTime).toBeGreaterThanOrEqual(task.submitTime);
  expect(outcome.completionTime).toBeGreaterThanOrEqual(outcome.startTime!);
  expect(place.read("out")).toBe("hello\n");
});

test("death by a signal is 128 and its number, real-time signals too", async () => {
  using place = taskPlace();
  expect((await place.run("kill -TERM $$")).exitStatus).toBe(143);
  expect((await place.run("kill -SEGV $$")).exitStatus).toBe(139);
  expect((await place.run("kill -35 $$")).exitStatus).toBe(163);
});

test("a missing program gives 127, one that cannot be executed 126, both in the words of the shell", async () => {
  using place = taskPlace();
  expect((await place.run("no-such-program-here")).exitStatus).toBe(127);
  expect((await place.run("./no/such/program")).exitStatus).toBe(127);
  writeFileSync(join(place.folder, "plain"), "text");
  expect((await place.run("./plain")).exitStatus).toBe(126);
  expect(place.read("err")).toContain("not found");
  expect(place.read("err").toLowerCase()).toContain("permission denied");
});

test("an outcome is never told from within start", async () => {
  using place = taskPlace();
  for (const [args, template] of [
    ["true", null],
    ["x", "{[5]}"],
    ["a\0b", null],
  ] as const) {
    let inside = true;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const told = (): void => resolve(inside);
    const ends = { ended: told, unplaced: told, held: told, overMemory: told };
    place.executor.start(newAssignment({ args }), { template, cwd: null }, ends);
    inside = false;
    expect(await promise).toBe(false);
  }
});

test("a task reads nothing from the client's standard input", async () => {
  using place = taskPlace();
  expect((await place.run("cat; readlink /proc/self/fd/0")).exitStatus).toBe(0);
  expect(place.read("out")).toBe("/dev/null\n");
});

test("a task holds no files but its three", async () => {
  using place = taskPlace();
  await place.run("ls /proc/$$/fd; true");
  expect(numbers(place.read("out"))).toEqual([0, 1, 2]);
});

test("a task has a session of its own", async () => {
  using place = taskPlace();
  await place.run("cat /proc/$$/stat");
  const [pid, ...rest] = place.read("out").split(" ");
  expect(rest[4]).toBe(pid);
});

test("a task runs in the client's folder", async () => {
  using place = taskPlace();
  await place.run("pwd; cat /proc/$$/environ | tr '\\0' '\\n' | grep ^TASK_CWD=");
  expect(place.read("out")).toBe(`${place.folder}\nTASK_CWD=${place.folder}\n`);
});

test("a command that begins with a sign is a command, not options", async () => {
  using place = taskPlace();
  expect((await place.run("-x")).exitStatus).toBe(127);
  expect((await place.run("+x; exit 3")).exitStatus).toBe(3);
});

test("a command of several lines with quotes and blanks runs as it stands", async () => {
  using place = taskPlace();
  await place.run("echo 'a  b' \"c\"\necho é");
  expect(place.read("out")).toBe("a  b c\né\n");
});

// ---- what the system refuses

test("a command with a zero byte is an outcome and one clear line", async () => {
  using place = taskPlace();
  expect((await place.run("echo a\0b")).exitStatus).toBe(126);
  expect(place.notes).toEqual([expect.stringMatching(/^error Cannot start task \(.*\): .*zero byte$/)]);
});

test("a command that is longer than the system takes is an outcome and one clear line", async () => {
  using place = taskPlace();
  expect((await place.run(`: ${"x".repeat(200_000)}`)).exitStatus).toBe(126);
  expect(place.notes).toEqual([expect.stringMatching(/^error Cannot start task \(.*\): .*200002 characters.*$/)]);
});

test("a working folder that has gone is an outcome that names it", async () => {
  using place = taskPlace();
  rmSync(place.folder, { recursive: true });
  expect((await place.run("true")).exitStatus).toBe(126);
  expect(place.notes).toEqual([
    `error Cannot start task (${/\((.*?)\)/.exec(place.notes[0]!)![1]}): ` +
      `the working directory "${place.folder}" does not exist`,
  ]);
});

test("a task runs in the directory of its submission, and so does all that depends on the directory", async () => {
  using place = taskPlace({ inOrigin: true });
  using other = taskPlace();
  writeFileSync(join(other.folder, "f"), "12345");
  const template = "{}; echo $TASK_CWD {= path.getsize('f') =} {% cat f %}; cat f; env pwd";
  expect((await place.run("pwd", {}, template, other.folder)).exitStatus).toBe(0);
  expect(place.read("out")).toBe(`${other.folder}\n${other.folder} 5 12345\n12345${other.folder}\n`);
});

test("a task without a known origin, or of a client that minds none, runs in the client's own directory", async () => {
  using place = taskPlace({ inOrigin: true });
  using other = taskPlace();
  await place.run("pwd", {}, null, null);
  await place.run("pwd", {}, null, place.folder);
  expect(place.read("out")).toBe(`${place.folder}\n`.repeat(2));
  await other.run("pwd", {}, null, place.folder);
  expect(other.read("out")).toBe(`${other.folder}\n`);
});

test("plain commands need no shell in another directory either", async () => {
  using place = taskPlace({ inOrigin: true });
  using other = taskPlace();
  for (let i = 0; i < 40; i++) await place.run("/bin/pwd", {}, null, other.folder);
  expect(place.read("out")).toBe(`${other.folder}\n`.repeat(40));
});

test("a submission's directory that cannot be entered is no outcome, and leaves no captured files", async () => {
  using place = taskPlace({ inOrigin: true, capture: true });
  const gone = join(place.folder, "gone");
  writeFileSync(join(place.folder, "file"), "");
  expect(place.run("true", {}, null, gone)).rejects.toThrow(`${gone} (no such file or directory)`);
  expect(place.run("true", {}, "{% echo {} %}", gone)).rejects.toThrow(gone);
  const file = join(place.folder, "file");
  expect(place.run("true", {}, null, file)).rejects.toThrow(`${file} (not a directory)`);
  await place.run("echo out; echo err >&2", {}, null, null);
  expect(readdirSync(join(place.folder, "task")).length).toBe(2);
  mkdirSync(gone);
  expect((await place.run("true", {}, null, gone)).exitStatus).toBe(0);
});

test("a file for output that cannot be written is said before anything runs", () => {
  expect(() => taskPlace({ outputPath: "/no/such/folder/file" })).toThrow(UserError);
  expect(() => taskPlace({ errorsPath: "/no/such/folder/file" })).toThrow(
    /errors.*"\/no\/such\/folder\/file".*no such file/i,
  );
  expect(() => taskPlace({ capture: true, taskFolder: "/dev/null/task" })).toThrow(UserError);
});

/** What a program prints that may have this many files open: the limit would hit the test runner too. */
async function withFiles(limit: number, program: string): Promise<string> {
  using place = taskPlace();
  const head = `
    import { closeSync, openSync } from "node:fs";
    import { taskPlace } from ${JSON.stringify(join(import.meta.dir, "../../unit/client/tasks.ts"))};
  `;
  writeFileSync(join(place.folder, "program.ts"), head + program);
  const command = `ulimit -n ${limit}; exec "${process.execPath}" program.ts`;
  const child = Bun.spawn(["/bin/sh", "-c", command], { cwd: place.folder, stdin: "ignore", stderr: "inherit" });
  return await child.stdout.text();
}

test("starting is tried again while there are no file numbers left", async () => {
  const printed = await withFiles(
    32,
    `
    using place = taskPlace();
    const outcomes = await Promise.all(Array.from({ length: 60 }, () => place.run("sleep 0.01")));
    const good = outcomes.filter(({ exitStatus }) => exitStatus === 0);
    console.log(good.length, place.notes.some((note) => note.includes("until others end")));
  `,
  );
  expect(printed).toBe("60 true\n");
});

test("a command of a template, too, is started again while there are no file numbers left", async () => {
  const printed = await withFiles(
    32,
    `
    using place = taskPlace();
    const template = "echo {% sleep 0.01; echo @ %}";
    const outcomes = await Promise.all(Array.from({ length: 40 }, () => place.run("x", {}, template)));
    const expanded = outcomes.filter(({ command }) => command === "echo x");
    console.log(expanded.length, place.notes.some((note) => note.includes("until others end")));
  `,
  );
  expect(printed).toBe("40 true\n");
});

test("a task that is stopped while it waits for room never starts", async () => {
  const printed = await withFiles(
    64,
    `
    using place = taskPlace();
    const taken = [];
    try {
      for (;;) taken.push(openSync("/dev/null", "r"));
    } catch {}
    const { running, outcome } = place.start("true");
    const waits = running.pid === null;
    running.signal("SIGTERM");
    const { exitStatus, command, startTime } = await outcome;
    taken.forEach((number) => closeSync(number));
    console.log(waits, exitStatus, command, startTime);
  `,
  );
  expect(printed).toBe("true 143 null null\n");
});

// ---- output

test("output files are truncated at the start and hold what all tasks print", async () => {
  using place = taskPlace();
  const path = join(place.folder, "shared");
  writeFileSync(path, "old text that is longer than the new");
  using other = taskPlace({ outputPath: path, errorsPath: path });
  await other.run("echo 1; echo 2 >&2");
  await other.run("echo 3");
  expect(readFileSync(path, "utf8")).toBe("1\n2\n3\n");
});

test("captured output goes to two files for each task, which the outcome names", async () => {
  using place = taskPlace({ capture: true });
  const one = await place.run("echo out; echo err >&2; echo $TASK_OUTPATH");
  const two = await place.run("cat no-such-file");
  expect(one.outpath).toBe(join(place.folder, "task", `${one.id}.out`));
  expect(readFileSync(one.outpath!, "utf8")).toBe(`out\n${one.outpath}\n`);
  expect(readFileSync(one.errpath!, "utf8")).toBe("err\n");
  expect([two.outpath, existsSync(join(place.folder, "task", `${two.id}.out`))]).toEqual([null, false]);
  expect(readFileSync(two.errpath!, "utf8")).toContain("no-such-file");
  expect(two.exitStatus).toBe(1);
});

test("capturing the output of many tasks leaves no file open", async () => {
  using place = taskPlace({ capture: true });
  for (let i = 0; i < 50; i++) await place.run(":");
  const open = readdirSync("/proc/self/fd").map((name) => {
    try {
      return readlinkSync(`/proc/self/fd/${name}`);
    } catch {
      return "closed meanwhile";
    }
  });
  expect(open.filter((path) => path.startsWith(place.folder))).toEqual([]);
});

test("a file of captured output that cannot be made is an outcome", async () => {
  using place = taskPlace({ capture: true });
  rmSync(join(place.folder, "task"), { recursive: true });
  const outcome = await place.run("echo lost");
  expect(outcome).toMatchObject({ exitStatus: 126, outpath: null, errpath: null });
  expect(place.notes).toHaveLength(1);
});

// ---- signals

test("a signal reaches the children of the command too", async () => {
  using place = taskPlace();
  const { running, outcome } = place.start("sleep 60 & echo $$ $! >&2; wait");
  await until(() => place.read("err").includes("\n"), "the task says who it is");
  const pids = numbers(place.read("err"));
  running.signal("SIGTERM");
  expect((await outcome).exitStatus).toBe(143);
  await until(() => !pids.some(isRunning), "the whole group ends");
  await until(() => !running.alive(), "that is seen");
});

test("what is left of a group is seen and can still be signalled after the command has ended", async () => {
  using place = taskPlace();
  const { running, outcome } = place.start("sleep 60 & echo $! >&2");
  expect((await outcome).exitStatus).toBe(0);
  const [pid] = numbers(place.read("err"));
  expect(isRunning(pid!)).toBe(true);
  expect(running.alive()).toBe(true);
  running.signal("SIGKILL");
  await until(() => !running.alive(), "the child ends");
  expect(isRunning(pid!)).toBe(false);
});

test.skipIf(process.platform !== "linux")("a group is seen to ignore SIGINT if nobody in it heeds it", async () => {
  using place = taskPlace();
  // A shell has what it starts with & ignore SIGINT; perl's own handler heeds it.
  const deaf = place.start("sleep 60 & echo $! >&2");
  await deaf.outcome;
  await until(() => deaf.running.alive() && deaf.running.ignoresInterrupt(), "it is seen to ignore SIGINT");
  deaf.running.signal("SIGKILL");
  using other = taskPlace();
  const script = "$SIG{INT} = sub { exit }; syswrite STDERR, q(ready); sleep 60";
  const mixed = other.start(`sleep 60 & perl -e '${script}' &`);
  await mixed.outcome;
  await until(() => other.read("err") === "ready", "the child heeds SIGINT");
  expect([mixed.running.alive(), mixed.running.ignoresInterrupt()]).toEqual([true, false]);
  mixed.running.signal("SIGKILL");
});

test("a task that ignores what it can ignore is ended by SIGKILL", async () => {
  using place = taskPlace();
  const { running, outcome } = place.start("trap '' INT TERM; echo >&2; while :; do sleep 0.01; done");
  await until(() => place.read("err") !== "", "the task is deaf");
  running.signal("SIGINT");
  running.signal("SIGTERM");
  expect(running.alive()).toBe(true);
  running.signal("SIGKILL");
  expect((await outcome).exitStatus).toBe(137);
});

test("a signal after the end does nothing", async () => {
  using place = taskPlace();
  const { running, outcome } = place.start("true");
  await outcome;
  running.signal("SIGKILL");
  await until(() => !running.alive(), "that is seen");
  running.signal("SIGKILL");
});

test.skipIf(process.platform !== "linux")("what has left the group and session of a task is found", async () => {
  using place = taskPlace();
  const said = (): number[] => numbers(place.read("err"));
  // In order: a group of its own, a session of its own, a daemon, one without its environment, and one below that.
  const { running, outcome } = place.start(
    "timeout 60 sh -c 'echo $$ >&2; exec sleep 61' & setsid sh -c 'echo $$ >&2; exec sleep 62' & " +
      "(setsid sh -c 'echo $$ >&2; exec sleep 63' &); " +
      "env -i setsid sh -c 'sleep 64 & echo $$ $! >&2; wait' & wait",
  );
  // This is a task of another client, though its environment names the first.
  using other = taskPlace({ exports: { NOTE: `x TASK_CLIENT_ID=${place.clientId} TASK_ID=${place.clientId}` } });
  const stranger = other.start("echo $$ >&2; exec sleep 65");
  await until(() => said().length === 5 && other.read("err") !== "", "all of them run");
  running.signal("SIGTERM");
  expect((await outcome).exitStatus).toBe(143);
  await until(() => !running.alive(), "all of it is over");
  expect(said().filter(isRunning)).toEqual([]);
  expect(numbers(other.read("err")).every(isRunning)).toBe(true);
  stranger.running.signal("SIGKILL");
  await stranger.outcome;
});

test.skipIf(process.platform !== "linux")(
  "what has left the group of a task that ended by itself goes on",
  async () => {
    using place = taskPlace();
    await place.run("setsid sleep 60 & echo $! >&2");
    expect(numbers(place.read("err")).every(isRunning)).toBe(true);
  },
);

// ---- templates

test("a template of the submission wins over the client's own", async () => {
  using place = taskPlace({ template: "echo own {}" });
  expect((await place.run("a")).command).toBe("echo own a");
  expect((await place.run("a", {}, "echo theirs {}")).command).toBe("echo theirs a");
});

test("a malformed template of the client is said at once", () => {
  expect(() => taskPlace({ template: "echo {[1:x]}" })).toThrow(UserError);
});

test("a template that cannot be expanded is status -2, with times and without a command", async () => {
  using place = taskPlace();
  const outcome = await place.run("one", {}, "echo {[5]}");
  expect(outcome).toMatchObject({ exitStatus: -2, command: null });
  expect(outcome.startTime).toBeNumber();
  expect(outcome.completionTime).toBeGreaterThanOrEqual(outcome.startTime!);
  expect(place.notes).toEqual([
    expect.stringMatching(
      new RegExp(`^error Template expansion failed for task \\(${outcome.id}\\): .*\\(cancelled\\)$`),
    ),
  ]);
});

test("a command in a template runs in the tasks' folder and environment, and its errors are passed on", async () => {
  using place = taskPlace({ exports: { GREETING: "hi" } });
  const outcome = await place.run("x", {}, "echo {% pwd; echo $GREETING $TASK_ARGS; echo seen >&2 %}");
  expect(outcome.command).toBe(`echo ${place.folder}\nhi x`);
  expect(place.read("err")).toContain("seen\n");
});

test("a command in a template that fails is status -2", async () => {
  using place = taskPlace();
  expect((await place.run("x", {}, "echo {% exit 3 %}")).exitStatus).toBe(-2);
  expect(place.notes[0]).toContain("3");
});

test("a command in a template may not print without end", async () => {
  using place = taskPlace();
  expect((await place.run("x", {}, "echo {% yes %}")).exitStatus).toBe(-2);
  expect(place.notes[0]).toContain("1048576");
});

test("a command in a template is stopped with its task, which then never starts", async () => {
  using place = taskPlace();
  const { running, outcome } = place.start("x", {}, "touch started {% echo $$ >&2; sleep 60 %}");
  await until(() => place.read("err").includes("\n"), "the template's command says who it is");
  const [pid] = numbers(place.read("err"));
  expect(running.pid).toBeNull();
  running.signal("SIGTERM");
  expect(await outcome).toMatchObject({ exitStatus: 143, command: null, startTime: null });
  await until(() => !isRunning(pid!), "the template's command ends");
  expect(existsSync(join(place.folder, "started"))).toBe(false);
});

test("a command in a template that left its group does not hold up a task that is stopped", async () => {
  using place = taskPlace();
  const { running, outcome } = place.start("x", {}, "echo {% setsid sleep 60 & echo $! >&2; wait %}");
  await until(() => place.read("err").includes("\n"), "the template's command says who it is");
  running.signal("SIGKILL");
  expect((await outcome).exitStatus).toBe(137);
});

test("many tasks at a time all end, each once", async () => {
  using place = taskPlace();
  const outcomes = await Promise.all(Array.from({ length: 100 }, (_, i) => place.run(`exit ${i}`)));
  expect(outcomes.map(({ exitStatus }) => exitStatus)).toEqual(Array.from({ length: 100 }, (_, i) => i));
});

test("captured output is for the user alone; the mask decides of files that the user has named", async () => {
  using captured = taskPlace({ capture: true });
  const outcome = await captured.run("umask");
  expect(statSync(outcome.outpath!).mode & 0o777).toBe(0o600);
  const mask = Number.parseInt(readFileSync(outcome.outpath!, "utf8"), 8);
  using named = taskPlace();
  await named.run("umask");
  expect(statSync(join(named.folder, "out")).mode & 0o777).toBe(0o666 & ~mask);
});

test("a script without a first line that names its interpreter is run by the shell", async () => {
  using place = taskPlace();
  mkdirSync(join(place.folder, "bin"));
  const path = join(place.folder, "bin", "script");
  writeFileSync(path, "echo $1 $0\n");
  chmodSync(path, 0o755);
  for (let i = 0; i < 20; i++) expect((await place.run("bin/script one")).exitStatus).toBe(0);
  expect(place.read("out")).toBe("one bin/script\n".repeat(20));
});
