import { expect, test } from "bun:test";
import { runtimeError } from "../../../src/base/errors.ts";
import { follow, type Start, type Tailing } from "../../../src/cli/tailing.ts";
import type { TaskRecord } from "../../../src/history/history.ts";

/** What is known of tasks and their files at one moment. */
interface Moment {
  readonly task: Partial<TaskRecord> | null;
  /** Null: there is no file. */
  readonly stdout: string | null;
}

const runs = { exit_status: null, start_time: "t1", schedule_time: "t0", next_id: null } as const;
const waits = { ...runs, start_time: null, schedule_time: null } as const;
const done = { ...runs, exit_status: 0 } as const;
const last = (count: number): Start => ({ unit: "lines", count, isFromStart: false });

/** Follows a task through these moments, one at each look; what was printed and said, and what came of it. */
async function tailed(moments: readonly Moment[], changes: Partial<Tailing> = {}) {
  let place = -1;
  let [printed, said] = ["", ""];
  const say = (text: string | (() => string)): void => void (said += `${typeof text === "string" ? text : text()}\n`);
  const now = (): Moment => moments[Math.min(Math.max(place, 0), moments.length - 1)]!;
  const end = follow("a", {
    look: (id) => {
      place++;
      const { task } = now();
      return Promise.resolve(task === null ? null : ({ id, ...task } as TaskRecord));
    },
    source: {
      output({ from, most }) {
        const { stdout, task } = now();
        if (stdout === null) return Promise.reject(runtimeError("task", "it is not kept"));
        const bytes = Buffer.from(stdout);
        const start = from < 0 ? Math.max(0, bytes.length + from) : Math.min(from, bytes.length);
        const next = Math.min(bytes.length, start + most);
        const over = task === null || task.exit_status !== null;
        return Promise.resolve({ text: bytes.toString("utf8", start, next), next, more: next < bytes.length, over });
      },
    },
    streams: ["stdout"],
    start: last(10),
    follows: true,
    write: (_, text) => void (printed += text),
    log: { info: say, warning: say, debug: () => undefined } as unknown as Tailing["log"],
    clock: immediate,
    ...changes,
  });
  const came = await end.then(
    (task) => task?.exit_status ?? null,
    (error: unknown) => (error as Error).message,
  );
  return { printed, said, came };
}

const immediate = {
  now: () => 0,
  after(_: number, action: () => void) {
    queueMicrotask(action);
    return { cancel: () => undefined };
  },
} as unknown as Tailing["clock"];

const lines = (count: number, first = 1): string =>
  Array.from({ length: count }, (_, n) => `line ${n + first}\n`).join("");

test("the last lines are shown first, then what comes, to the end", async () => {
  const moments = [lines(20), lines(20), `${lines(20)}li`, lines(22)].map((stdout) => ({ task: runs, stdout }));
  const { printed, came } = await tailed([...moments, { task: done, stdout: lines(23) }]);
  expect([printed, came]).toEqual([lines(13, 11), 0]);
});

test("where to begin: lines and bytes, from either end", async () => {
  const stdout = `${lines(30_000)}end`;
  const shown = async (start: Start) => (await tailed([{ task: done, stdout }], { start })).printed;
  expect(await shown(last(2))).toBe("line 30000\nend");
  expect(await shown(last(29_000))).toBe(`${lines(28_999, 1002)}end`);
  expect(await shown(last(100_000))).toBe(stdout);
  expect(await shown(last(0))).toBe("");
  expect(await shown({ unit: "lines", count: 29_999, isFromStart: true })).toBe(`${lines(2, 29_999)}end`);
  expect(await shown({ unit: "lines", count: 0, isFromStart: true })).toBe(stdout);
  expect(await shown({ unit: "lines", count: 99_999, isFromStart: true })).toBe("");
  expect(await shown({ unit: "bytes", count: 4, isFromStart: false })).toBe("\nend");
  expect(await shown({ unit: "bytes", count: 100_000, isFromStart: false })).toBe(stdout.slice(-100_000));
  expect(await shown({ unit: "bytes", count: 8, isFromStart: true })).toBe(stdout.slice(7));
  expect(await shown({ unit: "bytes", count: 1e9, isFromStart: true })).toBe("");
});

test("a task that waits is waited for, and that is said once", async () => {
  const waiting = { task: waits, stdout: null };
  const { printed, said, came } = await tailed([waiting, waiting, waiting, { task: done, stdout: "x\n" }]);
  expect([printed, said, came]).toEqual(["x\n", "Waiting for task (a) to start\n", 0]);
  expect(await tailed([waiting], { follows: false })).toEqual({ printed: "", said: "", came: "it is not kept" });
});

test("a task whose output is not kept is told of as soon as it runs", async () => {
  expect(
    (
      await tailed([
        { task: waits, stdout: null },
        { task: runs, stdout: null },
      ])
    ).came,
  ).toBe("it is not kept");
});

test("an empty file that went with the end of its task is no trouble", async () => {
  const begun = { task: runs, stdout: "" };
  expect(await tailed([begun, { task: done, stdout: null }])).toEqual({ printed: "", said: "", came: 0 });
  // It ended between the look at its record and that for its output.
  expect((await tailed([begun, { task: runs, stdout: null }, { task: done, stdout: null }])).came).toBe(0);
  const { said, came } = await tailed([{ task: done, stdout: null }]);
  expect([said, came]).toEqual(["Task (a) printed nothing, or its client ran without --capture\n", 0]);
});

test("a task that is run once more is shown from its beginning", async () => {
  const again = { ...runs, schedule_time: "t5", start_time: "t6" };
  const { printed, said } = await tailed([
    { task: runs, stdout: "one\n" },
    { task: waits, stdout: null },
    { task: again, stdout: "one\ntwo\n" },
    { task: { ...again, exit_status: 0 }, stdout: "one\ntwo\n" },
  ]);
  expect(printed).toBe("one\none\ntwo\n");
  expect(said).toBe("Task (a) waits to be run once more\n");
});

test("a file that became shorter is shown from its beginning", async () => {
  const { printed, said } = await tailed([
    { task: runs, stdout: "long ago\n" },
    { task: runs, stdout: "new\n" },
    { task: done, stdout: "new\n" },
  ]);
  expect(printed).toBe("long ago\nnew\n");
  expect(said).toContain("is shorter than it was");
});

test("the next attempt is followed, and a chain that bites its tail ends", async () => {
  const failed = { ...done, exit_status: 3, next_id: "b" };
  const moments = [failed, failed, { ...done, exit_status: 4, next_id: "a" }];
  const { printed, said, came } = await tailed(moments.map((task) => ({ task, stdout: `of ${task.exit_status}\n` })));
  expect([printed, came]).toEqual(["of 3\nof 4\n", 4]);
  expect(said).toBe("Task (a) failed with status 3, the next attempt follows (b)\n");
});

test("a task that is not there, or no longer, is an error", async () => {
  expect((await tailed([{ task: null, stdout: null }])).came).toBe("No task with id=a");
  const { came } = await tailed([
    { task: runs, stdout: "x" },
    { task: null, stdout: null },
  ]);
  expect(came).toBe("No task with id=a any more: it was deleted while its output was followed");
});

test("where only the output is known, it is followed to its end", async () => {
  const { printed, came } = await tailed([{ task: done, stdout: "x\n" }], { look: null });
  expect([printed, came]).toEqual(["x\n", null]);
});
