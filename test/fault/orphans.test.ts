/* Clients are programs of their own here: they are killed. */
import { expect, test } from "bun:test";
import { randomUUID } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock, type Timer } from "../../src/base/clock.ts";
import { guardOrphans } from "../../src/client/orphans.ts";
import { guardScript } from "../../src/client/guard-script.ts";
import { until } from "../e2e/harness.ts";
import { openSoundSite } from "./sound.ts";
import { allProcesses, isRunning, processesOf } from "../unit/client/tasks.ts";

interface Client extends AsyncDisposable {
  readonly pid: number;
  readonly id: string;
  /** What tasks wrote to standard error. */
  said(): string;
  kill(signal: NodeJS.Signals): Promise<number>;
}

/** A client that runs these tasks; `orderly` ends it in order once they are over. */
async function openClient(
  tasks: readonly string[],
  environment: Record<string, string> = {},
  before = "",
): Promise<Client> {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "hs-client-")));
  writeFileSync(
    join(folder, "client.ts"),
    `
    import { taskPlace } from ${JSON.stringify(join(import.meta.dir, "../unit/client/tasks.ts"))};
    const place = taskPlace({ errorsPath: ${JSON.stringify(join(folder, "said"))}, cwd: process.cwd() });
    console.log(place.clientId);
    ${before}
    await Promise.all(${JSON.stringify(tasks)}.map((task) => place.run(task)));
    place.executor.close();
    console.log("closed");
  `,
  );
  const child = Bun.spawn([process.execPath, join(folder, "client.ts")], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
    detached: true,
    env: { ...process.env, ...environment },
  });
  const output = child.stdout.getReader();
  const first = await output.read();
  const id = new TextDecoder().decode(first.value).trim();
  output.releaseLock();
  return {
    pid: child.pid,
    id,
    said: () => readFileSync(join(folder, "said"), "utf8"),
    kill(signal) {
      child.kill(signal);
      return child.exited;
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.exited;
      for (const pid of [...processesOf(id), ...guardsOf(id)]) end(pid);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The shells that watch over this client: their last argument names it. */
function end(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // Gone by itself.
  }
}

function guardsOf(id: string): number[] {
  return allProcesses().filter((pid) => {
    try {
      return isRunning(pid) && readFileSync(`/proc/${pid}/cmdline`, "latin1").endsWith(`\0TASK_CLIENT_ID=${id}\0`);
    } catch {
      return false;
    }
  });
}

const numbers = (text: string): number[] => text.trim().split(/\s+/).map(Number);

test("the tasks of a killed client end, with their children and those that made sessions of their own", async () => {
  await using client = await openClient([
    "sh -c 'sleep 100 & echo $! $$ >&2; wait'; true",
    "setsid sh -c 'sleep 101 & echo $! $$ >&2; wait' & wait",
    "trap '' INT TERM; echo $$ $$ >&2; while :; do sleep 0.1; done",
  ]);
  await until(() => numbers(client.said()).length === 6 && guardsOf(client.id).length > 0, "tasks run and are guarded");
  const pids = numbers(client.said());
  expect(pids.every(isRunning)).toBe(true);
  await client.kill("SIGKILL");
  await until(() => !pids.some(isRunning), "all processes of the tasks end");
  await until(() => processesOf(client.id).length === 0 && guardsOf(client.id).length === 0, "nothing is left");
});

test("a task that overwrote its environment is found by its session", async () => {
  await using client = await openClient(["env -i sh -c 'echo $$ >&2; exec env -i sleep 100'"]);
  await until(() => client.said().includes("\n"), "the task runs");
  const [pid] = numbers(client.said());
  await until(() => readFileSync(`/proc/${pid}/environ`, "latin1") === "", "its environment is empty");
  await oneOf(() => guardsOf(client.id));
  await client.kill("SIGKILL");
  await until(() => !isRunning(pid!), "it ends all the same");
});

test("a session is still known when its leader has no environment and nothing else names the client", async () => {
  await using client = await openClient(["exec env -i sh -c 'echo $$ >&2; while :; do sleep 0.1; done'"]);
  await until(() => client.said().includes("\n"), "the task runs");
  const [pid] = numbers(client.said());
  const [guard] = await oneOf(() => guardsOf(client.id).filter(waits));
  const before = bytesRead(guard!);
  await until(() => bytesRead(guard!) >= before + `${pid}\n`.length, "the guard is told of the session");
  await client.kill("SIGKILL");
  await until(() => !isRunning(pid!), "the task ends");
});

test("nothing is left of fifty tasks in shells that live, when their client is killed", async () => {
  const lives =
    "while (place.executor.livingStarts < 40) await Promise.all(Array.from({ length: 50 }, () => place.run('true')));";
  const tasks = Array.from({ length: 50 }, (_, n) => `sh -c 'echo $$ >&2; sleep ${100 + n} | sleep 99'; sleep 98`);
  await using client = await openClient(tasks, {}, lives);
  await until(() => client.said().split("\n").length > 50 && guardsOf(client.id).length > 0, "all run and are guarded");
  const shells = processesOf(client.id);
  expect(shells.length).toBeGreaterThan(150);
  await client.kill("SIGKILL");
  await until(() => !shells.some(isRunning), "all processes of the tasks end, and the shells too");
  await until(() => processesOf(client.id).length === 0 && guardsOf(client.id).length === 0, "nothing is left");
});

test("shells that live end with a client that is killed while they have nothing to do", async () => {
  const lives = "while (place.executor.livingStarts < 3) await Promise.all([1, 2, 3].map(() => place.run('true')));";
  await using client = await openClient(["echo done >&2", "cat /dev/zero >/dev/null; true"], {}, lives);
  await until(() => client.said() === "done\n" && processesOf(client.id).length > 3, "they have nothing to do");
  // The guard cannot help them.
  const pids = processesOf(client.id);
  for (const guard of guardsOf(client.id)) process.kill(guard, "SIGKILL");
  await client.kill("SIGKILL");
  await until(() => pids.filter(isRunning).length <= 3, "those that were idle have ended");
});

test("the guard touches nobody else's process", async () => {
  await using client = await openClient(["sleep 100"]);
  await using other = await openClient(["echo $$ >&2; exec sleep 100"]);
  const mentions = Bun.spawn(["sleep", "100"], { env: { ...process.env, NOTE: `x TASK_CLIENT_ID=${client.id}` } });
  try {
    await until(() => other.said().includes("\n") && guardsOf(client.id).length > 0, "both run");
    await client.kill("SIGKILL");
    await until(() => guardsOf(client.id).length === 0, "the guard has done its work");
    expect(isRunning(other.pid)).toBe(true);
    expect(isRunning(numbers(other.said())[0]!)).toBe(true);
    expect(isRunning(mentions.pid)).toBe(true);
  } finally {
    mentions.kill();
    await mentions.exited;
  }
});

test("a client that ends in order leaves alone what its tasks left running, and no guard", async () => {
  // The task itself ends as soon as it sees the guard.
  const guarded = "ps -e -o args | grep -q '[s]h TASK_CLIENT_ID='$TASK_CLIENT_ID";
  await using client = await openClient([`sleep 100 & echo $! >&2; until ${guarded}; do sleep 0.02; done`]);
  await until(() => client.said().includes("\n") && guardsOf(client.id).length > 0, "it is guarded");
  const [pid] = numbers(client.said());
  await until(() => !isRunning(client.pid), "the client ends");
  await until(() => guardsOf(client.id).length === 0, "the guard ends");
  expect(isRunning(pid!)).toBe(true);
});

test("Ctrl-C does not reach the guard: it has a session, a folder and an environment of its own", async () => {
  await using client = await openClient(["sleep 100"], { TASK_CLIENT_ID: "outer" });
  const [guard] = await oneOf(() => guardsOf(client.id));
  const stat = readFileSync(`/proc/${guard}/stat`, "latin1");
  expect(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[3]).toBe(`${guard}`);
  expect(readFileSync(`/proc/${guard}/environ`, "latin1")).not.toContain("TASK_");
  expect(realpathSync(`/proc/${guard}/cwd`)).toBe("/");
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.kill(guard!, signal);
  expect(isRunning(guard!)).toBe(true);
});

test("a guard that was killed is replaced", async () => {
  await using client = await openClient(["sleep 100"]);
  const [guard] = await oneOf(() => guardsOf(client.id));
  process.kill(guard!, "SIGKILL");
  const [next] = await oneOf(() => guardsOf(client.id).filter((pid) => pid !== guard));
  expect(next).toBeNumber();
});

test("a guard that was killed with others is replaced at once: its client may be next", async () => {
  // Nothing comes later: neither the first look nor those of each second.
  const never = { cancel: () => undefined };
  const after = (ms: number, call: () => void): Timer => (ms > 0 ? never : systemClock.after(ms, call));
  const id = `test-${process.pid}`;
  const guard = guardOrphans(id, process.env["PATH"], { ...systemClock, after }, () => [process.pid]);
  guard.lasting();
  const [first] = await oneOf(() => guardsOf(id));
  process.kill(first!, "SIGKILL");
  const [second] = await oneOf(() => guardsOf(id).filter((pid) => pid !== first));
  expect(second).toBeNumber();
  guard.close();
});

test("where environments do not tell, the guard is told of each task as soon as it begins", async () => {
  const never: Timer = { cancel: () => undefined };
  const id = `told-${process.pid}`;
  const guard = guardOrphans(
    id,
    process.env["PATH"],
    { ...systemClock, after: () => never },
    () => [7],
    undefined,
    true,
  );
  guard.taskStarts();
  const [pid] = await oneOf(() => guardsOf(id).filter(waits));
  const before = bytesRead(pid!);
  guard.taskStarted();
  await until(() => bytesRead(pid!) >= before + "7\n".length, "it has read the line");
  guard.close();
});

test("where there is no /proc, the guard ends the groups that it was told of and what these have started", async () => {
  const apart = "setsid sh -c 'echo $$; exec sleep 75' & sleep 76 & echo $!; wait";
  const task = Bun.spawn(["/bin/sh", "-c", apart], { stdin: "ignore", stdout: "pipe", detached: true });
  const output = task.stdout.getReader();
  let said = "";
  while (said.split("\n").length < 3) said += new TextDecoder().decode((await output.read()).value);
  const script = guardScript.replaceAll("/proc", "/nowhere");
  const guard = Bun.spawn(["/bin/sh", "-c", script, "sh", "TASK_CLIENT_ID=nobody"], { stdin: "pipe", detached: true });
  void guard.stdin.write(`${task.pid}\n`);
  await guard.stdin.end();
  expect(await guard.exited).toBe(0);
  expect(numbers(said)).toHaveLength(2);
  expect(numbers(said).filter(isRunning)).toEqual([]);
  expect(await task.exited).not.toBe(0);
});

test("a client whose tasks are short leaves no guard behind", async () => {
  await using client = await openClient(["true", "true"]);
  await until(() => !isRunning(client.pid) && guardsOf(client.id).length === 0, "the client and its guard end");
});

test.skipIf(process.platform !== "linux")("a guard that somebody stopped does its work all the same", async () => {
  await using client = await openClient(["sleep 100"]);
  const [guard] = await oneOf(() => guardsOf(client.id).filter(waits));
  process.kill(guard!, "SIGSTOP");
  await until(() => waits(guard!), "it goes on");
});

test("kill -9 at any moment leaves no task behind", async () => {
  await using site = openSoundSite();
  site.write("t.in", ": >>begun-$N; sleep 71\n: >>begun-$N; setsid sleep 72 & sleep 73\n");
  async function round(n: number): Promise<void> {
    const run = site.start(["hsx", "t.in", "--no-db", "-N2"], { env: { N: `${n}` } });
    await until(() => site.exists(`begun-${n}`), run.stderr);
    const moment = performance.now() + Math.random() * 100;
    await until(() => performance.now() >= moment, "the moment");
    run.kill("SIGKILL");
    expect((await run.ended).status).toBe(137);
  }
  for (let n = 0; n < 20; n += 5) await Promise.all([n, n + 1, n + 2, n + 3, n + 4].map(round));
  await site.deserted();
});

test.skipIf(process.platform !== "linux")(
  "who comes next ends what a client left that died with its guard",
  async () => {
    await using site = openSoundSite();
    const notes = (): string[] => {
      const folder = join(site.path, "site/lib/client");
      return existsSync(folder) ? readdirSync(folder) : [];
    };
    site.write("t.in", "exec >&- 2>&-; [ -e go ] || { setsid sleep 78 & echo $! $$ >begun; sleep 78; }\n");
    // This one left something in the background, and ended in order.
    await site.shell("echo 'exec >&- 2>&-; setsid sleep 79 & sleep 0.3' | hsx");
    await using run = site.start(["hsx", "t.in", "-N1"]);
    const [id] = await oneNote(notes);
    // This one still lives.
    await using other = site.start(["hsx", "--no-db"], { keepOpen: true });
    other.type("sleep 80\n");
    await until(() => notes().length === 2 && site.exists("begun"), "both have noted themselves");
    for (const pid of guardsOf(id!)) process.kill(pid, "SIGKILL");
    run.kill("SIGKILL");
    await run.ended;
    const pids = numbers(site.read("begun"));
    expect(pids.map(isRunning)).toEqual([true, true]);
    site.write("go", "");
    const next = await site.hsx(["--restart"]);
    expect(next.status).toBe(0);
    expect(next.stderr).toMatch(
      /WARNING .* Ending 3 processes of 1 client that was killed on this host, before any task/,
    );
    expect(pids.map(isRunning)).toEqual([false, false]);
    expect(site.left().filter((line) => /^\d+ sleep (79|80)$/.test(line))).toHaveLength(2);
    expect(notes()).toHaveLength(1);
  },
);

/** The words that start a shell, with what it starts in `path`. */
const inShell = (path: string, ...shell: string[]): string[] => ["/usr/bin/env", `PATH=${path}`, ...shell];

/**
 * Runs the guard's script in a shell, lets its client die, and waits for the end of what it left: told, carrying the
 * id, with a child that hides, and deaf to SIGTERM.
 */
async function endedByGuard(shell: readonly string[], user: readonly string[], isDeaf: boolean): Promise<void> {
  const id = randomUUID();
  const env = { PATH: "/usr/bin:/bin", LINES: "a\nb", TASK_CLIENT_ID: id };
  const options = { detached: true, env, stdin: "ignore" } as const;
  const start = (...words: string[]): Bun.Subprocess => Bun.spawn([...user, ...words], options);
  const told = start("env", "-i", "/bin/sleep", "74");
  const victims = [told, start("sleep", "75"), start("sh", "-c", "env -i setsid sleep 76; :")];
  if (isDeaf) victims.push(start("sh", "-c", "trap '' TERM; while :; do sleep 0.2; done"));
  const stranger = Bun.spawn([...user, "sleep", "77"], {
    ...options,
    env: { PATH: env.PATH, NOTE: `x TASK_CLIENT_ID=${id}`, TASK_CLIENT_ID: randomUUID() },
  });
  const guard = Bun.spawn([...user, ...shell, "-c", guardScript, "sh", `TASK_CLIENT_ID=${id}`], {
    env: { PATH: env.PATH },
    stdin: "pipe",
    stdout: "ignore",
    stderr: "ignore",
    detached: true,
  });
  try {
    await guard.stdin.write(`${told.pid}\n`);
    await guard.stdin.flush();
    await until(() => victims.every(({ pid }) => waits(pid)), "they run");
    await guard.stdin.end();
    await Promise.all(victims.map(({ exited }) => exited));
    await guard.exited;
    expect([stranger.exitCode, stranger.signalCode]).toEqual([null, null]);
  } finally {
    for (const each of [...victims, stranger, guard]) each.kill("SIGKILL");
  }
}

for (const shell of ["/bin/dash", "/bin/bash", "/bin/busybox"].filter(existsSync)) {
  const words = shell.endsWith("busybox") ? [shell, "sh"] : [shell];
  test.concurrent(`the guard needs nothing but ${shell}`, () => endedByGuard(inShell("/nowhere", ...words), [], false));
}

const canLimit = process.getuid?.() === 0 && ["prlimit", "setpriv"].every((name) => Bun.which(name) !== null);
test.concurrent.skipIf(!canLimit)("the guard does its work where there is no room for another process", async () => {
  // Its user has many processes more than that.
  const cramped = inShell("/usr/bin:/bin", "prlimit", "--nproc=1", "/bin/sh");
  await endedByGuard(cramped, ["setpriv", "--reuid=65534", "--clear-groups"], true);
});

async function oneNote(notes: () => string[]): Promise<string[]> {
  await until(() => notes().length === 1, "it has noted itself");
  return notes();
}

async function oneOf(find: () => number[]): Promise<number[]> {
  let found: number[] = [];
  await until(() => (found = find()).length > 0, "it is there");
  return found;
}

/** Its start is over: it waits for something to read. */
const waits = (pid: number): boolean => /^State:\tS/m.test(readFileSync(`/proc/${pid}/status`, "latin1"));
const bytesRead = (pid: number): number =>
  Number(/^rchar: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, "latin1"))![1]);
