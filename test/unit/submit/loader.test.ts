import { describe, expect, test } from "bun:test";
import type { Clock } from "../../../src/base/clock.ts";
import { RefusedValue, TransientError } from "../../../src/base/errors.ts";
import type { LevelName, Logger } from "../../../src/log/logger.ts";
import type { Store } from "../../../src/store/store.ts";
import { lineSource } from "../../../src/submit/lines.ts";
import { check, describeBad, load, stamper } from "../../../src/submit/loader.ts";
import type { LoadOptions } from "../../../src/submit/loader.ts";
import type { BadLine } from "../../../src/submit/splitter.ts";
import { parseLine } from "../../../src/task/line.ts";
import { taskFactory } from "../../../src/task/factory.ts";
import type { NewTask } from "../../../src/task/task.ts";
import { makeLog } from "../../make.ts";

function recorder(level: LevelName): Logger & { lines: string[] } {
  const order: readonly LevelName[] = ["DEVEL", "TRACE", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];
  const lines: string[] = [];
  const enabled = (of: LevelName): boolean => order.indexOf(of) >= order.indexOf(level);
  return { lines, ...makeLog((of, text) => lines.push(`${of} ${text}`), enabled) };
}

/** Time stands still and timers wait to be let go. */
function stillClock(): Clock & { timers: Set<() => void> } {
  const timers = new Set<() => void>();
  return {
    timers,
    now: () => 1000,
    after(_, action) {
      timers.add(action);
      return { cancel: () => void timers.delete(action) };
    },
  };
}

interface Bench {
  readonly tasks: NewTask[];
  readonly bundles: number[];
  readonly bad: BadLine[];
  readonly log: ReturnType<typeof recorder>;
  readonly clock: ReturnType<typeof stillClock>;
  readonly options: LoadOptions;
}

function bench(
  chunks: AsyncIterable<string> | Iterable<string>,
  more: Partial<LoadOptions> = {},
  level: LevelName = "DEBUG",
): Bench {
  const tasks: NewTask[] = [];
  const bundles: number[] = [];
  const bad: BadLine[] = [];
  const log = recorder(level);
  const clock = stillClock();
  const store: Pick<Store, "insert" | "durable"> = {
    durable: true,
    insert(part) {
      bundles.push(part.length);
      for (const task of part) tasks.push(task);
      return Promise.resolve();
    },
  };
  let ids = 0;
  const source = lineSource("in.txt", true, () => {
    const iterator = Symbol.asyncIterator in chunks ? chunks[Symbol.asyncIterator]() : chunks[Symbol.iterator]();
    return {
      async read() {
        const { done, value } = await iterator.next();
        return done === true ? { done: true } : { done: false, value: Buffer.from(value, "latin1") };
      },
      cancel: () => Promise.resolve(),
    };
  });
  const options: LoadOptions = {
    source,
    factory: taskFactory(
      { submitId: "s", submitHost: "h", group: 0, cores: null, memory: null, timeout: null, settings: [] },
      () => `id-${++ids}`,
    ),
    store,
    expand: null,
    bundleSize: null,
    clock,
    log,
    patientMs: Number.POSITIVE_INFINITY,
    onBad: (line) => bad.push(line),
    ...more,
  };
  return { tasks, bundles, bad, log, clock, options };
}

describe("loading", () => {
  test("stores the tasks of a file in order and says so", async () => {
    const { options, tasks, log } = bench([
      "# c\necho 1\n\n# HYPERSHELL: case:1, site:b\n# HYPERSHELL: case:1 site:b\necho",
      " 2\n",
    ]);
    expect(await load(options)).toEqual({ stored: 2, bad: 1, stopped: false, lines: 6 });
    expect(tasks.map(({ id, args, tag }) => [id, args, tag])).toEqual([
      ["id-1", "echo 1", { part: 0 }],
      ["id-2", "echo 2", { case: 1, site: "b", part: 0 }],
    ]);
    expect(log.lines).toEqual([
      "DEBUG Started (in.txt)",
      "DEBUG Started (loader)",
      "DEBUG Started (committer: database)",
      'ERROR in.txt, line 4: bad tag "case:1,": a value may only hold A-Z a-z 0-9 _ . + - ' +
        "(# HYPERSHELL: case:1, site:b)",
      "DEBUG Setting global attribute or tag: case:1, site:b",
      "DEBUG Submitted 1 task",
      "DEBUG Submitted 1 task",
      "DEBUG Done (loader)",
      "DEBUG Done (committer: database)",
      "DEBUG Done",
    ]);
  });
  test("tells of every line when traced", async () => {
    const { options, log } = bench(["\n# c\necho 1 # c\n"], {}, "TRACE");
    await load(options);
    expect(log.lines.filter((line) => line.startsWith("TRACE"))).toEqual([
      "TRACE Skipping empty line",
      "TRACE Skipping comment",
      "TRACE Loaded task (echo 1)",
    ]);
  });
  test("gives each task a later time than the one before", async () => {
    const { options, tasks } = bench(["x\n".repeat(5000), "y\n"]);
    await load(options);
    expect(tasks).toHaveLength(5001);
    const times = tasks.map((task) => task.submitTime.toFixed(3));
    expect(new Set(times).size).toBe(5001);
    expect(times).toEqual(times.toSorted());
  });
  test("stores what came together in one transaction, at most as many as asked for", async () => {
    const asItComes = bench(["a\nb\nc\n", "d\n"]);
    await load(asItComes.options);
    expect(asItComes.bundles).toEqual([3, 1]);
    const bounded = bench(["a\nb\nc\n", "d\n"], { bundleSize: 2 });
    await load(bounded.options);
    expect(bounded.bundles).toEqual([2, 1, 1]);
  });
  test("leaves out bad lines and hands them over", async () => {
    const long = "x".repeat(1_000_000);
    const { options, bad, tasks, log } = bench([`a\nb\0\n\xff\n${long}\n`, "c # HYPERSHELL: k:/\r\n d"]);
    expect(await load(options)).toEqual({ stored: 2, bad: 4, stopped: false, lines: 6 });
    expect(tasks.map((task) => task.args)).toEqual(["a", "d"]);
    expect(bad.map(({ number, text }) => [number, text])).toEqual([
      [2, "b\0"],
      [3, null],
      [4, long],
      [5, "c # HYPERSHELL: k:/"],
    ]);
    const errors = log.lines.filter((line) => line.startsWith("ERROR"));
    expect(errors[0]).toBe("ERROR in.txt, line 2: it has a NUL character (b\\x00)");
    expect(errors[1]).toBe("ERROR in.txt, line 3: it is not UTF-8, iconv can convert it");
    expect(errors[2]).toStartWith(
      "ERROR in.txt, line 4: it is 1000000 bytes long, a task can have 131058 at most (xxx",
    );
    expect(errors[2]!.length).toBeLessThan(300);
  });
  test("a task with a value that the database cannot keep is a bad line, and all others are stored", async () => {
    const stored: string[] = [];
    const store = {
      durable: true,
      insert(tasks: readonly NewTask[]) {
        if (tasks.some(({ memory }) => memory !== null)) return Promise.reject(new RefusedValue("too much memory"));
        stored.push(...tasks.map(({ args }) => args));
        return Promise.resolve();
      },
    };
    const { options, bad } = bench(["a\n\nb # HYPERSHELL: memory:8GB\nc\nd\n", "e\nf\n"], { store, bundleSize: 3 });
    expect(await load(options)).toEqual({ stored: 5, bad: 1, stopped: false, lines: 7 });
    expect([stored, bad]).toEqual([
      ["a", "c", "d", "e", "f"],
      [{ number: 3, reason: "too much memory", text: "b # HYPERSHELL: memory:8GB" }],
    ]);
  });
  test("waits for the store before it reads on", async () => {
    let asked = 0;
    function* chunks(): Generator<string> {
      for (; asked < 5;) {
        asked += 1;
        yield "x\n";
      }
    }
    const room = Promise.withResolvers<void>();
    const inserted = Promise.withResolvers<void>();
    const store = {
      durable: false,
      insert() {
        inserted.resolve();
        return room.promise;
      },
    };
    const { options } = bench(chunks(), { store });
    const loading = load(options);
    await inserted.promise;
    await new Promise((resume) => setImmediate(resume));
    expect(asked).toBe(1);
    room.resolve();
    expect((await loading).stored).toBe(5);
  });
  test("ends with the error of the store", async () => {
    const store = { durable: true, insert: () => Promise.reject(new Error("disk full")) };
    const { options, clock } = bench(["x\n"], { store, onQuiet: () => undefined });
    const thrown: unknown = await load(options).catch((error: unknown) => error);
    expect(thrown).toEqual(new Error("disk full"));
    expect(clock.timers.size).toBe(0);
  });
  test("asks a store in passing trouble again, and says so once", async () => {
    let refusals = 3;
    const stored: string[] = [];
    const store = {
      durable: true,
      async insert(part: readonly NewTask[]) {
        if (refusals-- > 0) throw new TransientError("the disk is full");
        for (const { args } of part) stored.push(args);
      },
    };
    const { options, log, clock } = bench(["x\n"], { store });
    const loading = load(options);
    while (refusals >= 0) {
      for (const action of clock.timers) {
        clock.timers.delete(action);
        action();
      }
      await new Promise((resume) => setImmediate(resume));
    }
    expect((await loading).stored).toBe(1);
    expect(stored).toEqual(["x"]);
    expect(log.lines.filter((line) => line.startsWith("WARNING"))).toEqual([
      "WARNING Database trouble, trying again (loader): the disk is full",
      "WARNING Database is back (loader)",
    ]);
  });
  test("without patience a store in trouble ends it, and the error tells how far it came", async () => {
    const store = { durable: true, insert: () => Promise.reject(new TransientError("locked")) };
    const { options } = bench(["x\n"], { store, patientMs: 0 });
    const thrown: unknown = await load(options).catch((error: unknown) => error);
    expect(String(thrown)).toBe("UserError: locked (stored so far: 0 tasks)");
  });
  test("tells when no input comes, until some does", async () => {
    const more = Promise.withResolvers<void>();
    async function* chunks(): AsyncGenerator<string> {
      yield "a\n";
      await more.promise;
      yield "b\n";
    }
    let quiet = 0;
    const { options, clock, tasks } = bench(chunks(), { onQuiet: () => (quiet += 1) });
    const loading = load(options);
    while (tasks.length === 0 || clock.timers.size === 0) await new Promise((resume) => setImmediate(resume));
    expect(clock.timers.size).toBe(1);
    for (const action of clock.timers) action();
    expect(quiet).toBe(1);
    more.resolve();
    expect((await loading).stored).toBe(2);
    expect(clock.timers.size).toBe(0);
  });
  test("stops when told to, even while the store has no room", async () => {
    const inserted = Promise.withResolvers<void>();
    const store = {
      durable: false,
      insert() {
        inserted.resolve();
        return new Promise<void>(() => undefined);
      },
    };
    const stop = new AbortController();
    const { options, log } = bench(["x\n", "y\n"], { store, signal: stop.signal });
    const loading = load(options);
    await inserted.promise;
    stop.abort();
    expect(await loading).toEqual({ stored: 0, bad: 0, stopped: true, lines: 0 });
    expect(log.lines.slice(-3)).toEqual([
      "WARNING Stopping (loader)",
      "WARNING Stopping (committer: no database)",
      "WARNING Stopping",
    ]);
  });
  test("stores nothing when it was told to stop before it began", async () => {
    const { options, tasks } = bench(["x\n"], { signal: AbortSignal.abort() });
    expect(await load(options)).toEqual({ stored: 0, bad: 0, stopped: true, lines: 0 });
    expect(tasks).toEqual([]);
  });
});

describe("a submit-time template", () => {
  test("is given the task alone; blank, comment and setting lines are none", async () => {
    const { options, tasks } = bench(["\n# c\n# HYPERSHELL: a:1\n1\n2 # note\n3 # HYPERSHELL: b:2\n"], {
      expand: (args) => `echo ${args}`,
    });
    await load(options);
    expect(tasks.map(({ args, tag }) => [args, tag])).toEqual([
      ["echo 1", { a: 1, part: 0 }],
      ["echo 2", { a: 1, part: 0 }],
      ["echo 3", { a: 1, b: 2, part: 0 }],
    ]);
  });
  test("may bring tags, which give way to those of the line", async () => {
    const { options, tasks } = bench(["1\n2 # HYPERSHELL: n:x\n"], {
      expand: (args) => Promise.resolve(`echo # HYPERSHELL: n:${args} m`),
    });
    await load(options);
    expect(tasks.map(({ args, tag }) => [args, tag])).toEqual([
      ["echo", { n: 1, m: "", part: 0 }],
      ["echo", { n: "x", m: "", part: 0 }],
    ]);
  });
  test("that fails for a line, or leaves nothing of it, makes the line bad", async () => {
    const expand = (args: string): string => {
      if (args === "2") throw new Error("no such word");
      return args === "3" ? " " : args === "4" ? "x".repeat(200_000) : args;
    };
    const { options, bad } = bench(["1\n2\n3\n4\n"], { expand });
    expect((await load(options)).stored).toBe(1);
    expect(bad.map(({ number, reason }) => [number, reason.slice(0, 35)])).toEqual([
      [2, "template: no such word"],
      [3, "template: it leaves no command"],
      [4, "template: it is 200000 bytes long, "],
    ]);
  });
});

describe("a check", () => {
  test("counts the bad lines, names the first ones, and leaves the source to be read again", async () => {
    const { options } = bench(["a\nb # HYPERSHELL: :\nc\n\xff\nd # HYPERSHELL: /"]);
    const { bad, examples } = await check(options.source, null, 2, parseLine);
    expect(bad).toBe(3);
    expect(examples.map((line) => line.number)).toEqual([2, 4]);
    expect((await load(options)).stored).toBe(2);
  });
});

describe("a bad line", () => {
  test("is described in one line", () => {
    expect(describeBad("f", { number: 3, reason: "why", text: " a\tb\n" })).toBe("f, line 3: why (a\\x09b)");
    expect(describeBad("f", { number: 3, reason: "why", text: null })).toBe("f, line 3: why");
  });
});

describe("stamps", () => {
  test("survive six decimals of a second even where a number has no room for parts of a microsecond", () => {
    const stamp = stamper({ now: () => 1_800_000_000_000.123, after: () => ({ cancel: () => undefined }) });
    stamp.newBatch();
    const texts = Array.from({ length: 1000 }, () => stamp.next().toFixed(3));
    expect(texts[0]).toBe("1800000000000.124");
    expect(texts[999]).toBe("1800000000001.123");
    expect(new Set(texts).size).toBe(1000);
  });
});
