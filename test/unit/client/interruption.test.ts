/* Tasks and their client that are signalled together, in either order, and tasks that a signal ends alone. */
import { describe, expect, test } from "bun:test";
import { heldMs } from "../../../src/client/interruption.ts";
import { Bench, outcome, task } from "./bench.ts";

const statuses: readonly (readonly [string, number])[] = [
  ["SIGHUP", 129],
  ["SIGINT", 130],
  ["SIGQUIT", 131],
  ["SIGKILL", 137],
  ["SIGTERM", 143],
  ["the end of a console of Windows", 0xc000_013a],
  ["the end of a session of Windows", 0x4001_0004],
];

const lease = ({ id, lease: number }: { readonly id: string; readonly lease: number }) => ({ id, lease: number });
const stop = (how: "finish" | "interrupt" | "abort") => ({ kind: "stopRequested", how, reason: "told to" }) as const;

describe("a signal to a task and to its client", () => {
  test.each(statuses)("by %s: the task is run again, whichever of the two is seen first", (_name, status) => {
    for (const [laterMs, sameStep] of [
      [0, true],
      [0, false],
      [heldMs - 1, false],
    ] as const) {
      const bench = new Bench().welcome();
      const [a, b] = [task("a"), task("b")];
      bench.assign(a, b);
      bench.now = 5000;
      const ended = { kind: "ended", outcome: outcome(a, status, bench.now), isUnread: false } as const;
      const messages = [];
      if (sameStep) bench.on(ended, stop("abort"));
      else {
        bench.on(ended);
        messages.push(...bench.sent());
        bench.now += laterMs;
        bench.on(stop("abort"));
      }
      messages.push(...bench.sent());
      expect(messages.flatMap((each) => (each.kind === "results" ? each.outcomes : []))).toEqual([]);
      expect(messages).toContainEqual({ kind: "returned", tasks: [lease(a)] });
      bench.ended(b, status);
      expect(bench.sent()).toContainEqual({ kind: "returned", tasks: [lease(b)] });
    }
  });

  test("a task that its signal ended before ours was sent, is run again too", () => {
    const bench = new Bench().welcome();
    const a = task("a");
    bench.now = 1000;
    bench.assign(a);
    bench.on(stop("abort"));
    expect(bench.signals()).toEqual([]);
    bench.ended(a, 143);
    expect(bench.sent()[0]).toEqual({ kind: "returned", tasks: [lease(a)] });
  });

  test("a server that tells its client to abort counts as well", () => {
    const bench = new Bench().welcome();
    const a = task("a");
    bench.assign(a);
    bench.ended(a, 143);
    bench.now = 500;
    bench.on({ kind: "received", message: { kind: "leave", how: "abort", reason: "SIGTERM" } });
    expect(bench.sent()[0]).toEqual({ kind: "returned", tasks: [lease(a)] });
    expect(bench.notes("info")).toContain("1 task ended by a signal just before - to be run again");
  });

  test("what is left of the group of such a task is stopped before the client leaves", () => {
    for (const first of ["task", "client"] as const) {
      const bench = new Bench({ signalWaitMs: 100 }).welcome();
      const a = task("a");
      bench.now = 1000;
      bench.assign(a);
      const effects = first === "client" ? bench.on(stop("abort")) : [];
      effects.push(...bench.ended(a, 143));
      if (first === "task") effects.push(...bench.on(stop("abort")));
      expect(effects).toContainEqual({ kind: "signal", id: "a", signal: "SIGINT" });
      expect(effects).not.toContainEqual({ kind: "forget", id: "a" });
      bench.on({ kind: "restSeen", id: "a", alive: true });
      bench.pass(1100);
      expect(bench.signals()).toEqual(["a SIGTERM"]);
      expect(bench.notes("error")).toEqual(["Processes of task ignored interrupt (a)"]);
      bench.on({ kind: "restSeen", id: "a", alive: false });
      expect(bench.sent()).toEqual([{ kind: "bye", reason: "told to" }]);
    }
  });

  test("a drain gives back what SIGUSR1 ended, and lets everything else count", () => {
    for (const first of ["tasks", "client"] as const) {
      const bench = new Bench().welcome();
      const [a, b] = [task("a"), task("b")];
      bench.assign(a, b);
      const sent = [];
      if (first === "client") sent.push(...bench.on(stop("finish")));
      sent.push(...bench.ended(a, 138), ...bench.ended(b, 137));
      if (first === "tasks") sent.push(...bench.on(stop("finish")));
      expect(sent).toContainEqual({ kind: "send", message: { kind: "returned", tasks: [lease(a)] } });
      expect(bench.state.phase.at).toBe("leaving");
      bench.on({ kind: "restSeen", id: "a", alive: false });
      bench.pass(heldMs);
      expect(bench.sent()[0]).toMatchObject({ kind: "results", outcomes: [{ id: "b", exitStatus: 137 }] });
      bench.ack(b);
      expect(bench.sent()).toEqual([{ kind: "bye", reason: "told to" }]);
    }
  });

  test("a client that drains for long reports what SIGUSR1 ends", () => {
    const bench = new Bench().welcome();
    const a = task("a");
    bench.assign(a);
    bench.on(stop("finish"));
    bench.now = bench.wake();
    bench.on({ kind: "woken" });
    bench.now = heldMs;
    bench.ended(a, 138);
    expect(bench.sent()).toEqual([]);
    bench.pass(2 * heldMs);
    expect(bench.sent()[0]).toMatchObject({ kind: "results", outcomes: [{ id: "a", exitStatus: 138 }] });
  });
});

describe("a task that a signal ended, alone", () => {
  test("has failed after a while, at which the client wishes to be woken", () => {
    const bench = new Bench({ executors: 1 }).welcome();
    const a = task("a");
    bench.assign(a);
    bench.ended(a, 137);
    expect(bench.sent()).toEqual([]);
    expect(bench.wake()).toBeLessThan(heldMs);
    bench.pass(bench.wake());
    expect(bench.wake()).toBe(heldMs);
    bench.pass(heldMs);
    expect(bench.sent()[0]).toMatchObject({ kind: "results", outcomes: [{ id: "a", exitStatus: 137 }] });
  });

  test("keeps its executor for a moment only, and others not at all", () => {
    const bench = new Bench().welcome();
    const [a, b, c, d] = [task("a"), task("b"), task("c"), task("d")];
    bench.assign(a, b, c, d);
    bench.ended(a, 143);
    expect(bench.started()).toEqual([]);
    bench.ended(b);
    expect(bench.started()).toEqual(["c"]);
    bench.now = bench.wake();
    expect(bench.now).toBeLessThan(500);
    bench.on({ kind: "woken" });
    expect(bench.started()).toEqual(["d"]);
  });

  test("makes room for another while it is held back", () => {
    const bench = new Bench({ executors: 1 }, 0).welcome();
    const a = task("a");
    bench.assign(a);
    bench.ended(a, 137);
    bench.pass(bench.wake());
    expect(bench.sent()).toEqual([{ kind: "results", outcomes: [], credit: 1 }]);
  });

  test("is still this client's for a server that it finds again", () => {
    const bench = new Bench().welcome();
    const a = task("a");
    bench.assign(a);
    bench.ended(a, 137);
    bench.on({ kind: "disconnected", error: "broken" });
    bench.on({ kind: "connected" });
    expect(bench.sent()[0]).toMatchObject({ kind: "hello", running: [lease(a)], finished: [] });
  });

  test("counts at once when it was cancelled, and not at all when it is another's or assigned anew", () => {
    const make = () => {
      const bench = new Bench().welcome();
      const a = task("a");
      bench.assign(a);
      bench.ended(a, 137);
      return { bench, a };
    };
    const one = make();
    one.bench.on({ kind: "received", message: { kind: "cancel", tasks: [lease(one.a)] } });
    expect(one.bench.sent()[0]).toMatchObject({ kind: "results", outcomes: [{ id: "a", exitStatus: 137 }] });
    const two = make();
    two.bench.on({ kind: "received", message: { kind: "drop", tasks: [lease(two.a)] } });
    expect(two.bench.sent()[0]).toEqual({ kind: "returned", tasks: [lease(two.a)] });
    const three = make();
    three.bench.assign(task("a"));
    three.bench.now = heldMs;
    three.bench.on({ kind: "woken" });
    expect(three.bench.state.unacked.size).toBe(0);
  });

  test("keeps an idle client from leaving", () => {
    const bench = new Bench({ idleMs: 100 }).welcome();
    const a = task("a");
    bench.assign(a);
    bench.ended(a, 137);
    bench.pass(300);
    expect(bench.state.phase.at).toBe("working");
  });

  test("is reported at once when this client sent the signal, and never held back without one", () => {
    const bench = new Bench({ timeoutMs: 1000 }).welcome();
    const [a, b] = [task("a"), task("b")];
    bench.assign(a, b);
    bench.ended(b, 1);
    expect(bench.sent()[0]).toMatchObject({ kind: "results", outcomes: [{ id: "b", exitStatus: 1 }] });
    bench.pass(1000);
    bench.ended(a, 130);
    expect(bench.sent()[0]).toMatchObject({ kind: "results", outcomes: [{ id: "a" }] });
  });
});
