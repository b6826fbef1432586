/*
 * Waiting for tasks, and running one, against a database that is a list of what each look finds, and a clock that only
 * jumps.
 */
import { describe, expect, test } from "bun:test";
import { TransientError, UserError, runtimeError } from "../../../src/base/errors.ts";
import type { Clock } from "../../../src/base/clock.ts";
import { parseFlags } from "../../../src/args/flags.ts";
import { command as runCommand, run } from "../../../src/cli/run.ts";
import { command, wait } from "../../../src/cli/wait.ts";
import { pauseAfter } from "../../../src/cli/waiting.ts";
import type { TaskRecord } from "../../../src/history/history.ts";
import { capture, fakeLog } from "./capture.ts";
import { collected } from "./ports.ts";
import { type Given, taskRecord } from "../print/rows.ts";

const id = "cd20208b-069b-45ae-9e4e-3f79f57bde6d";
const next = "cd20208b-069b-45ae-9e4e-3f79f57bde6e";

type Seen = Given | null | Error;

/** Each look at a task takes the next of its list; the last one stays. */
function database(looks: Readonly<Record<string, readonly Seen[]>>) {
  const left = new Map(Object.entries(looks).map(([key, list]) => [key, [...list]]));
  let closed = 0;
  return {
    idsWith: async (prefix: string) => [prefix],
    closed: () => closed,
    find(key: string): Promise<TaskRecord | null> {
      const list = left.get(key) ?? [null];
      const seen = list.length > 1 ? list.shift()! : list[0]!;
      if (seen instanceof Error) return Promise.reject(seen);
      return Promise.resolve(seen === null ? null : taskRecord({ id: key, ...seen }));
    },
    close(): Promise<void> {
      closed += 1;
      return Promise.resolve();
    },
  };
}

/** Every pause is over at once; `passed` adds them up. */
function jumpingClock(): Clock & { readonly passed: () => number } {
  let now = 0;
  return {
    passed: () => now,
    now: () => now,
    after(delayMs, action) {
      now += delayMs;
      queueMicrotask(action);
      return { cancel: () => undefined };
    },
  };
}

const ended = (status: number, more: Given = {}): Given => ({
  exit_status: status,
  start_time: "2026-11-22 07:07:25",
  completion_time: "2026-11-22 07:07:25.495985",
  ...more,
});

async function waited(words: readonly string[], looks: Readonly<Record<string, readonly Seen[]>>) {
  const parsed = parseFlags(command.spec, [id, ...words]);
  if (parsed === "help") throw new Error("no help was asked for");
  const log = fakeLog();
  const stdout = collected();
  const clock = jumpingClock();
  const records = database(looks);
  let status: number | string;
  try {
    status = await wait(parsed, {
      records: () => Promise.resolve(records),
      stdout: () => stdout,
      log,
      clock,
      watching: (_look, work) => work(),
    });
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    status = error.message;
  }
  expect(records.closed()).toBe(1);
  return { status, said: log.said, out: stdout.text(), passed: clock.passed() };
}

const waiting = `INFO Waiting on task (${id})`;
const completed = "INFO Task completed (2026-11-22 07:07:25.495985)";

describe("hs wait", () => {
  test("says what it waits for and when it ended, and nothing on stdout", async () => {
    expect(await waited([], { [id]: [{}, {}, ended(0)] })).toMatchObject({
      status: 0,
      said: [waiting, completed],
      out: "",
    });
  });

  test("warns of a status that is not zero, and ends with 0 all the same", async () => {
    const { status, said } = await waited([], { [id]: [ended(3)] });
    expect([status, said]).toEqual([0, [waiting, `WARNING Non-zero exit status (3) for task (${id})`, completed]]);
  });

  test("prints the status, or the task, or ends with the status, as it is asked", async () => {
    expect((await waited(["-s"], { [id]: [ended(3)] })).out).toBe("3\n");
    expect((await waited(["-s"], { [id]: [ended(-1)] })).out).toBe("-1\n");
    expect((await waited(["-i"], { [id]: [ended(3)] })).out).toStartWith(`          id: ${id}\n`);
    expect((await waited(["-i", "--json"], { [id]: [ended(3)] })).out).toContain('"exit_status": 3,');
    expect((await waited(["-f", "yaml"], { [id]: [ended(3)] })).out).toBe("");
    expect(await waited(["-r"], { [id]: [ended(3)] })).toMatchObject({ status: 3, out: "" });
  });

  test.each([
    [0, 0],
    [3, 3],
    [137, 137],
    [-1, 255],
    [-3, 253],
    [256, 1],
  ])("-r makes status %p of a task %p of the program", async (of, status) => {
    expect((await waited(["-r"], { [id]: [ended(of)] })).status).toBe(status);
  });

  test("-i, -s and -r exclude each other, and an id needs its shape", async () => {
    const refused = (words: readonly string[]) => {
      try {
        parseFlags(command.spec, words);
      } catch (error) {
        return (error as Error).message;
      }
      return "";
    };
    expect(refused([id, "-s", "-r"])).toBe("argument -r/--return: not allowed with argument -s/--status");
    expect(refused([])).toBe("the following arguments are required: ID");
  });

  test("explains the statuses that no program has", async () => {
    expect((await waited([], { [id]: [ended(-1)] })).said).toContain(
      "INFO Exit status -1 of a task means: it was cancelled",
    );
  });

  test("goes on to the next attempt of a task that is tried again", async () => {
    const looks = { [id]: [{}, ended(3, { next_id: next, retried: true })], [next]: [{ attempt: 2 }, ended(0)] };
    const { status, said, out } = await waited(["-i"], looks);
    expect([status, said]).toEqual([
      0,
      [
        waiting,
        `WARNING Non-zero exit status (3) for task (${id})`,
        `INFO Waiting on task (${next}) - attempt 2 of the same command`,
        completed,
      ],
    ]);
    expect(out).toStartWith(`          id: ${next}\n`);
  });

  test("stays with the attempt it has when the next one is not there, or leads back", async () => {
    expect((await waited(["-s"], { [id]: [ended(3, { next_id: next })] })).out).toBe("3\n");
    const looks = { [id]: [ended(3, { next_id: next })], [next]: [ended(4, { next_id: id })] };
    expect((await waited(["-s"], looks)).out).toBe("4\n");
  });

  test("tells a task that never was from one that is deleted meanwhile", async () => {
    expect((await waited([], {})).status).toBe(`No task with id=${id}`);
    expect((await waited([], { [id]: [{}, null] })).status).toStartWith(
      `No task with id=${id} any more: it was deleted`,
    );
  });

  test("a task that is reverted is waited for again", async () => {
    expect((await waited(["-s"], { [id]: [{ schedule_time: "x" }, {}, ended(0)] })).out).toBe("0\n");
  });

  test("a database that is away for a while is waited for, and spoken of once", async () => {
    const away = new TransientError("it is restarting");
    const { status, said } = await waited([], { [id]: [{}, away, away, away, ended(0)] });
    expect([status, said]).toEqual([
      0,
      [waiting, "WARNING Waiting for the database: it is restarting", "INFO The database is back", completed],
    ]);
    const broken = runtimeError("data", "damaged");
    expect((await waited([], { [id]: [{}, broken] })).status).toBe("damaged");
  });

  test("the pauses grow with the time waited, up to the interval", async () => {
    expect([0, 100, 1000, 10_000, 1e9].map((ms) => pauseAfter(ms, 5000))).toEqual([20, 20, 100, 1000, 5000]);
    expect(pauseAfter(1e9, 0)).toBe(20);
    // A thousand looks are enough for an hour.
    const looks = Array.from({ length: 1000 }, () => ({}));
    expect((await waited(["-n", "60"], { [id]: [...looks, ended(0)] })).passed).toBeGreaterThan(3_600_000);
  });
});

interface RunOptions {
  readonly looks: readonly Seen[];
  /** Ctrl-C before the n-th look. */
  readonly interruptAt?: number;
  readonly there?: string;
}

async function ran(words: readonly string[], { looks, interruptAt = Infinity, there }: RunOptions) {
  const parsed = parseFlags(runCommand.spec, words);
  if (parsed === "help") throw new Error("no help was asked for");
  const ports = { ...capture("/dev/null", there), clock: jumpingClock() };
  const [stdout, stderr] = [collected(), collected()];
  const records = database({ [id]: looks });
  const submitted: (readonly (readonly string[])[])[] = [];
  let interrupt = (): void => undefined;
  let count = 0;
  const status = await run(parsed, {
    submit(...given) {
      submitted.push(given);
      return Promise.resolve(id);
    },
    records: () =>
      Promise.resolve({
        ...records,
        find(key: string) {
          count += 1;
          if (count === interruptAt) interrupt();
          return count < interruptAt ? records.find(key) : new Promise<null>(() => undefined);
        },
      }),
    stdout: () => stdout,
    stderr: () => stderr,
    capture: ports,
    onInterrupt(interrupted) {
      interrupt = interrupted;
      return () => void (interrupt = () => undefined);
    },
    sayInterrupted: () => ports.log.critical("interrupted"),
  });
  return { status, submitted, said: ports.log.said, out: stdout.text(), err: stderr.text() };
}

describe("hs run", () => {
  test("submits its words and tags, waits, and ends with the task's status", async () => {
    const { status, submitted, said } = await ran(["-t", "site:b", "x", "--", "make", "-j4"], {
      looks: [{}, ended(2)],
    });
    expect([status, submitted]).toEqual([
      2,
      [
        [
          ["make", "-j4"],
          ["site:b", "x"],
        ],
      ],
    ]);
    expect(said.slice(0, 3)).toEqual([waiting, `WARNING Non-zero exit status (2) for task (${id})`, completed]);
  });

  test("says once that there is no output, but not of a task that never ran", async () => {
    expect((await ran(["true"], { looks: [ended(0)] })).said.at(-1)).toBe(
      "INFO The task printed nothing, or its client runs without --capture",
    );
    const cancelled = await ran(["true"], { looks: [ended(-1, { start_time: null })] });
    expect([cancelled.status, cancelled.said.at(-1)]).toEqual([255, completed]);
  });

  test("prints both streams, wherever they are", async () => {
    const looks = [ended(0, { client_host: "node77", outpath: "/far/a.out", errpath: "/far/a.err" })];
    expect(await ran(["true"], { looks, there: "text\n" })).toMatchObject({ status: 0, out: "text\n", err: "text\n" });
  });

  test("output that is not to be had is an error, but does not hide the status of a failed task", async () => {
    const looks = (status: number): Given[] => [ended(status, { client_host: "node77", outpath: "/far/a.out" })];
    const { status, said } = await ran(["true"], { looks: looks(0) });
    expect([status, said.at(-1)]).toEqual([
      5,
      `ERROR Standard output of task (${id}) is gone from host node77: '/far/a.out'`,
    ]);
    expect((await ran(["true"], { looks: looks(3) })).status).toBe(3);
  });

  test("Ctrl-C leaves the task where it is, and says so", async () => {
    const { status, said } = await ran(["true"], { looks: [{}], interruptAt: 3 });
    expect([status, said.at(-1)]).toEqual([4, "CRITICAL interrupted"]);
    expect(said.at(-2)).toStartWith(`WARNING Task (${id}) is not cancelled`);
  });

  test("says once when no server takes the task", async () => {
    const looks = [...Array.from({ length: 200 }, () => ({})), ended(0)];
    const { said } = await ran(["true"], { looks });
    expect(said.filter((line) => line.includes("No server has taken the task yet"))).toHaveLength(1);
  });
});
