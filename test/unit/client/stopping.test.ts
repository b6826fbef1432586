import { expect, test } from "bun:test";
import { Bench, outcome, task } from "./bench.ts";

test("a task beyond its memory is stopped, and has a status of its own, unless the program chose one", () => {
  for (const [ended, reported] of [
    [130, -5],
    [143, -5],
    [137, -5],
    [3, 3],
    [0, 0],
  ] as const) {
    const bench = new Bench({ signalWaitMs: 2000 }).welcome();
    const a = task("a", { memory: 100 * 2 ** 20 });
    bench.assign(a);
    bench.now = 500;
    const over = {
      kind: "overMemory",
      id: "a",
      used: 300 * 2 ** 20,
      allowed: 100 * 2 ** 20,
      isKilled: false,
    } as const;
    bench.on(over, over);
    expect(bench.signals()).toEqual(["a SIGINT"]);
    expect(bench.notes("error")).toEqual(["Memory limit exceeded (a): 300MB (used) > 100MB (allocated) - stopping it"]);
    bench.pass(2500);
    expect(bench.signals()).toEqual(["a SIGTERM"]);
    bench.ended(a, ended);
    expect(bench.sent()).toMatchObject([{ kind: "results", outcomes: [{ id: "a", exitStatus: reported }] }]);
  }
});

test("what the kernel ended for its memory is reported at once, and gets no signal", () => {
  const bench = new Bench().welcome();
  const a = task("a");
  bench.assign(a);
  bench.now = 500;
  bench.on(
    { kind: "overMemory", id: "a", used: 2 ** 27, allowed: 2 ** 27, isKilled: true },
    { kind: "ended", outcome: outcome(a, 137, 500), isUnread: false },
  );
  expect(bench.signals()).toEqual([]);
  expect(bench.sent()).toMatchObject([{ kind: "results", outcomes: [{ id: "a", exitStatus: -5 }] }]);
  expect(bench.notes("error")).toEqual([
    "Memory limit exceeded (a): 128MB (used) of 128MB (allocated), and it wanted more - ended by the kernel",
  ]);
});

test("a task that was cancelled, or has ended, is not stopped for its memory too", () => {
  const bench = new Bench().welcome();
  const a = task("a");
  bench.assign(a);
  bench.now = 500;
  bench.on({ kind: "received", message: { kind: "cancel", tasks: [{ id: "a", lease: a.lease }] } });
  const over = { kind: "overMemory", id: "a", used: 300, allowed: 100, isKilled: false } as const;
  bench.on(over);
  expect([bench.signals(), bench.notes("error")]).toEqual([[], []]);
  bench.ended(a, 130);
  expect(bench.sent()).toMatchObject([{ outcomes: [{ exitStatus: 130 }] }]);
  bench.on(over);
  expect([bench.signals(), bench.notes("error")]).toEqual([[], []]);
});
