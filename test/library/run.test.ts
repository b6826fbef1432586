/*
 * `run` of the library, in the process of the test: what comes out, how it is stopped, how fast it may be read, and
 * that the process is as it was before.
 */
import { expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { type Outcome, run, search, UnfinishedError, UserError } from "hypershell";
import { all, failureOf, newSite, processesWith } from "./surroundings.ts";

const signals = ["SIGINT", "SIGTERM", "SIGUSR1", "SIGUSR2", "SIGHUP", "exit", "uncaughtException"] as const;
const listening = (): number[] => signals.map((name) => process.listenerCount(name));

test("outcomes have what a program wants to know", async () => {
  using place = newSite();
  const tasks = [
    "printf 'a\\nb'; echo c >&2",
    "exit 3",
    { args: "echo $TASK_TAG_SITE", tags: { site: "b" }, cores: 1 },
  ];
  const found = await all(run(tasks, { ...place, executors: 1, capture: true, tags: { site: "a" } }));
  expect(found.map(({ args, exitStatus, ok }) => [args, exitStatus, ok])).toEqual([
    ["printf 'a\\nb'; echo c >&2", 0, true],
    ["exit 3", 3, false],
    ["echo $TASK_TAG_SITE", 0, true],
  ]);
  const [first, second, third] = found as [Outcome, Outcome, Outcome];
  expect([first.stdout, first.stderr, second.stdout, third.cores]).toEqual(["a\nb", "c\n", "", 1]);
  expect([first.tags, third.tags]).toEqual([{ site: "a" }, { site: "b" }]);
  expect(first.submitTime.getTime()).toBeLessThanOrEqual(first.startTime!.getTime());
  expect(first.startTime!.getTime()).toBeLessThanOrEqual(first.completionTime.getTime());
  expect(first.duration).toBeCloseTo((first.completionTime.getTime() - first.startTime!.getTime()) / 1000, 2);
  expect([first.attempt, first.retried, first.outpath, first.isCut]).toEqual([1, false, null, false]);
  expect(first.id < second.id && second.id < third.id).toBe(true);
  // Nothing that was captured stays behind.
  expect(readdirSync(join(place.site, "lib", "task"))).toEqual([]);
});

test("one command, a template, files for output, and a retry that is told once", async () => {
  using place = newSite();
  const output = join(place.site, "out");
  const one = await all(run("a b", { ...place, template: "echo {}", output }));
  expect([one.length, one[0]!.command, one[0]!.stdout]).toEqual([1, "echo a b", null]);
  expect(await Bun.file(output).text()).toBe("a b\n");
  const twice = await all(run("test $TASK_ATTEMPT = 2", { ...place, retries: 1 }));
  expect(twice.map(({ attempt, ok }) => [attempt, ok])).toEqual([[2, true]]);
});

test("with a database the same is stored, and captured files stay", async () => {
  using place = newSite();
  const options = { ...place, database: "runs.db", cwd: place.site, capture: true };
  const found = await all(run(["echo 1", "false"], { ...options, executors: 1 }));
  const stored = await all(search({ ...options, where: `submit_id == ${found[0]!.submitId}` }));
  const plain = found.map(({ ok: _ok, stdout: _out, stderr: _err, isCut: _cut, ...task }) => task);
  // A Date holds milliseconds, the database microseconds.
  expect(stored).toEqual(plain);
  expect(await Bun.file(found[0]!.outpath!).text()).toBe("1\n");
});

test("what means nothing is refused with one clear line", async () => {
  using place = newSite();
  const refused = async (tasks: Parameters<typeof run>[0], options: object): Promise<string> => {
    const error = await failureOf(all(run(tasks, { ...place, ...options })));
    expect(error).toBeInstanceOf(UserError);
    return error.message;
  };
  expect(await refused(["true", ""], {})).toBe("task 2: the command is empty");
  expect(await refused([{ args: 7 } as never], {})).toMatch(/^task 1: must be a command/);
  expect(await refused([{ args: "true", tags: { "a b": 1 } }], {})).toMatch(/^task 1: bad tag "a b:1"/);
  expect(await refused([{ args: "true", cores: -1 }], {})).toMatch(/cores is a whole number/);
  expect(await refused(7 as never, {})).toBe("tasks: must be a command, or an iterable of commands");
  expect(await refused(["true"], { executors: 1.5 })).toMatch(/^executors: must be a whole number from 0/);
  expect(await refused(["true"], { capture: true, output: "x" })).toBe("capture: not together with output or errors");
  expect(await refused(["true"], { template: "{= 1 +" })).toMatch(/template/i);
  expect(await refused(["true"], { database: "mysql://host/name" })).toMatch(/Unsupported provider/);
  expect(await refused(["true"], { shell: "/no/such/shell" })).toMatch(/shell '\/no\/such\/shell' does not exist/);
  expect(await refused(["true"], { halt: "0%" })).toMatch(/^halt: must be/);
  expect(await refused(["true"], { logLevel: "LOUD" })).toMatch(/^logLevel: must be one of/);
});

test("tasks that failures hold back end the loop with an error", async () => {
  using place = newSite();
  const seen: string[] = [];
  const tasks = [{ args: "false" }, { args: "true", group: 1 }, { args: "true", group: 2 }];
  const loop = async (): Promise<void> => {
    for await (const { args } of run(tasks, { ...place })) seen.push(args);
  };
  const error = await failureOf(loop());
  expect(error).toBeInstanceOf(UnfinishedError);
  expect([(error as UnfinishedError).left, seen]).toEqual([2, ["false"]]);
});

/** Counts what was asked of it, and whether it was let go. */
function counted(most = Infinity): { asked: number; isOver: boolean; tasks: () => AsyncGenerator<string> } {
  const facts = {
    asked: 0,
    isOver: false,
    async *tasks() {
      try {
        while (facts.asked < most) yield `: ${facts.asked++}`;
      } finally {
        facts.isOver = true;
      }
    },
  };
  return facts;
}

test("an endless input is left with the loop, and read no faster than outcomes are taken", async () => {
  using place = newSite();
  const before = listening();
  const input = counted();
  let taken = 0;
  for await (const { ok } of run(input.tasks(), { ...place, executors: 2 })) {
    expect(ok).toBe(true);
    if (++taken === 10) break;
  }
  expect([taken, input.isOver]).toEqual([10, true]);
  expect(input.asked).toBeLessThan(4096);
  expect(listening()).toEqual(before);
});

test("an iterable that throws ends the run with its own error, after what ran", async () => {
  using place = newSite();
  const mine = new RangeError("no more");
  function* tasks(): Generator<string> {
    yield "true";
    throw mine;
  }
  expect(await failureOf(all(run(tasks(), { ...place })))).toBe(mine);
  using other = newSite();
  expect(await failureOf(all(run(tasks(), { ...other, database: join(other.site, "a.db") })))).toBe(mine);
  // The database does not take the run for one that goes on.
  const { openRecords } = await import("../../src/history/open.ts");
  const settings = { provider: "sqlite", file: join(other.site, "a.db"), database: null, url: null, pragmas: {} };
  const records = await openRecords(settings);
  expect(await records.servers()).toEqual([]);
  await records.close();
});

test("an aborted run stops its tasks, waits for them, and throws the reason", async () => {
  using place = newSite();
  const before = listening();
  const word = `41.${process.pid}`;
  const abortion = new AbortController();
  const reason = new Error("enough");
  const started = Promise.withResolvers<void>();
  const log = ({ message }: { message: string }): void => {
    if (message.includes(`: sleep ${word}`)) started.resolve();
  };
  const loop = all(run([`sleep ${word}`], { ...place, signal: abortion.signal, log, logLevel: "DEBUG" }));
  await started.promise;
  expect(processesWith(`sleep ${word}`).length).toBeGreaterThan(0);
  abortion.abort(reason);
  expect(await failureOf(loop)).toBe(reason);
  expect(processesWith(`sleep ${word}`)).toEqual([]);
  // The same signal once more: nothing begins.
  expect(await failureOf(all(run(["touch never"], { cwd: place.site, ...place, signal: abortion.signal })))).toBe(
    reason,
  );
  expect(existsSync(join(place.site, "never"))).toBe(false);
  expect(listening()).toEqual(before);
});

test("an input that never answers does not keep a run from being stopped", async () => {
  using place = newSite();
  const abortion = new AbortController();
  async function* tasks(): AsyncGenerator<string> {
    yield "true";
    await new Promise(() => undefined);
  }
  const loop = async (): Promise<void> => {
    for await (const { ok } of run(tasks(), { ...place, signal: abortion.signal })) if (ok) abortion.abort();
  };
  expect((await failureOf(loop())).name).toBe("AbortError");
  for await (const { ok } of run(tasks(), { ...place })) {
    expect(ok).toBe(true);
    break;
  }
});

test("runs beside each other do not mix", async () => {
  using place = newSite();
  using other = newSite();
  const abortion = new AbortController();
  const lines: string[] = [];
  const first = run(
    Array.from({ length: 20 }, (_, at) => `echo a${at}`),
    { ...place, database: join(place.site, "a.db"), capture: true, log: ({ message }) => void lines.push(message) },
  );
  const second = run(
    Array.from({ length: 20 }, (_, at) => `echo b${at}`),
    { ...other, database: join(other.site, "b.db"), capture: true, env: { ...process.env, WHO: "b" } },
  );
  const third = run(counted().tasks(), { ...other, signal: abortion.signal });
  const stopped = failureOf(all(third));
  const [ofFirst, ofSecond] = await Promise.all([all(first), all(second)]);
  abortion.abort();
  expect((await stopped).name).toBe("AbortError");
  expect(new Set(ofFirst.map(({ stdout }) => stdout![0]))).toEqual(new Set(["a"]));
  expect(new Set(ofSecond.map(({ stdout }) => stdout![0]))).toEqual(new Set(["b"]));
  expect([ofFirst.length, ofSecond.length]).toEqual([20, 20]);
  expect(lines.filter((line) => line.includes("b0"))).toEqual([]);
  expect((await all(search({ database: join(place.site, "a.db"), ...place }))).length).toBe(20);
});

test("a run is stopped at any moment, and leaves nothing", async () => {
  using place = newSite();
  let seed = 14;
  const random = (): number => (seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31) / 2 ** 31;
  const word = `43.${process.pid}`;
  for (let round = 0; round < 10; round++) {
    const database = round % 2 === 0 ? false : join(place.site, "stopped.db");
    const signal = AbortSignal.timeout(Math.floor(random() * 60));
    const options = { ...place, database, signal, executors: 3, capture: round % 3 === 0 };
    const tasks = Array.from({ length: 30 }, (_, at) => (at % 10 === 9 ? `sleep ${word}` : `: ${at}`));
    expect((await failureOf(all(run(tasks, options)))).name).toBe("TimeoutError");
  }
  expect(processesWith(`sleep ${word}`)).toEqual([]);
  // What was not run waits in the database for whoever wants it, and is not held by anybody.
  const rest = await all(search({ ...place, database: join(place.site, "stopped.db"), status: "remaining" }));
  expect(rest.filter(({ scheduleTime }) => scheduleTime !== null)).toEqual([]);
});
