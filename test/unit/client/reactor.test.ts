import { describe, expect, test } from "bun:test";
import type { ClientEvent } from "../../../src/client/event.ts";
import { Bench, outcome, task } from "./bench.ts";

describe("running", () => {
  test("a client asks for as many tasks as it has executors, and for more when it has seen that they are short", () => {
    const bench = new Bench({ executors: 5 }, 0).welcome();
    const tasks = [1, 2, 3, 4, 5].map((n) => task(`${n}`));
    expect(bench.state.granted).toBe(5);
    bench.assign(...tasks);
    bench.now = bench.wake();
    bench.on({ kind: "woken" });
    bench.now = 2000;
    bench.on(...tasks.map((each) => ({ kind: "ended", outcome: outcome(each), isUnread: false }) as const));
    expect(bench.state.granted).toBe(5);
    const more = [6, 7, 8, 9, 10].map((n) => task(`${n}`));
    bench.assign(...more);
    bench.now = 2200;
    bench.on(...more.map((each) => ({ kind: "ended", outcome: outcome(each), isUnread: false }) as const));
    expect(bench.state.granted).toBeGreaterThan(5);
  });

  test("tasks start on free executors, the rest waits its turn in order", () => {
    const bench = new Bench().welcome();
    const [a, b, c] = [task("a"), task("b"), task("c")];
    bench.assign(a, b, c);
    expect(bench.started()).toEqual(["a", "b"]);
    bench.ended(a);
    expect(bench.started()).toEqual(["c"]);
  });

  test("the outcome goes out before the next task starts, with credit for one more", () => {
    const bench = new Bench().welcome();
    const [a, b, c] = [task("a"), task("b"), task("c")];
    bench.assign(a, b, c);
    bench.ended(a);
    const order = bench.effects.map((effect) => effect.kind).filter((kind) => kind === "send" || kind === "start");
    expect(order).toEqual(["send", "start"]);
    expect(bench.sent()[0]).toMatchObject({ kind: "results", outcomes: [{ id: "a" }], credit: 1 });
  });

  test("where the server allows it, outcomes wait a moment for company while there is enough to start", () => {
    const bench = new Bench({ executors: 2 }).welcome(3);
    const tasks = ["a", "b", "c", "d"].map((id) => task(id));
    bench.assign(...tasks);
    bench.ended(tasks[0]!);
    expect(bench.sent()).toEqual([]);
    expect(bench.wake()).toBe(3);
    bench.ended(tasks[1]!);
    expect(bench.sent()[0]).toMatchObject({ kind: "results", outcomes: [{ id: "a" }, { id: "b" }] });
  });

  test("an outcome without company goes out by itself", () => {
    const bench = new Bench({ executors: 2 }).welcome(3);
    const tasks = ["a", "b", "c", "d"].map((id) => task(id));
    bench.assign(...tasks);
    bench.ended(tasks[0]!);
    bench.now = 3;
    bench.on({ kind: "woken" });
    expect(bench.sent()[0]).toMatchObject({ kind: "results", outcomes: [{ id: "a" }] });
  });

  test("an outcome is kept until it is acknowledged with its lease", () => {
    const bench = new Bench().welcome();
    const a = task("a");
    bench.assign(a);
    bench.ended(a);
    expect([...bench.state.unacked.keys()]).toEqual(["a"]);
    bench.ack({ ...a, lease: a.lease + 1 });
    expect(bench.state.unacked.size).toBe(1);
    bench.ack(a);
    expect(bench.state.unacked.size).toBe(0);
  });

  test("the template and the directory of the submission go with the task", () => {
    const bench = new Bench().welcome();
    bench.on({ kind: "received", message: { kind: "submission", id: "sub", template: "echo {}", cwd: "/a" } });
    bench.assign(task("a"));
    expect(bench.effects.find((effect) => effect.kind === "start")).toMatchObject({
      origin: { template: "echo {}", cwd: "/a" },
    });
  });

  test("a task that has no place to run in is given back with all others of its submission, and is no outcome", () => {
    const bench = new Bench({ executors: 2 }).welcome();
    const [a, b, c, other] = [task("a"), task("b"), task("c"), task("d", { submitId: "other" })] as const;
    bench.assign(a, b, c, other);
    expect(bench.started()).toEqual(["a", "b"]);
    bench.on({ kind: "unplaced", id: "a", reason: "/a (gone)" }, { kind: "unplaced", id: "b", reason: "/a (gone)" });
    const [returned, results] = bench.sent();
    expect(returned).toEqual({
      kind: "returned",
      tasks: [a, c, b].map(({ id, lease }) => ({ id, lease })),
      missing: ["sub"],
    });
    expect(results).toMatchObject({ kind: "results", outcomes: [] });
    expect(bench.started()).toEqual(["d"]);
    expect(bench.state.unacked.size).toBe(0);
    expect(bench.notes("info")).toContain("Giving back the tasks that were submitted from /a (gone)");
    bench.assign(task("e"));
    bench.on({ kind: "unplaced", id: "e", reason: "/a (gone)" });
    expect(bench.sent()[0]).toMatchObject({ kind: "returned", missing: ["sub"] });
  });

  test("the INFO line of a started task can be left out", () => {
    const loud = new Bench().welcome();
    loud.assign(task("a"));
    expect(loud.notes("info")).toEqual(["Running task (a)"]);
    const quiet = new Bench({ announce: false }).welcome();
    quiet.assign(task("a"));
    expect(quiet.notes("info")).toEqual([]);
  });

  test("results go in frames no larger than the bundle size", () => {
    const bench = new Bench({ executors: 4, bundleSize: 2 }).welcome();
    const tasks = ["a", "b", "c"].map((id) => task(id));
    bench.assign(...tasks);
    bench.on(...tasks.map((of): ClientEvent => ({ kind: "ended", outcome: outcome(of), isUnread: false })));
    const sizes = bench.sent().flatMap((message) => (message.kind === "results" ? [message.outcomes.length] : []));
    expect(sizes).toEqual([2, 1]);
  });
});

describe("what runs", () => {
  const starts = (bench: Bench) =>
    bench.sent().flatMap((message) => (message.kind === "beat" ? (message.started ?? []) : []));

  test("the server is told once of tasks that have run for a second, and not at all of shorter ones", () => {
    const bench = new Bench({ executors: 4 }).welcome();
    const [a, b, c, d] = [task("a"), task("b"), task("c"), task("d")];
    bench.assign(a, b);
    expect(bench.wake()).toBe(1000);
    bench.now = 100;
    bench.assign(c);
    bench.ended(b);
    bench.now = 999;
    bench.on({ kind: "woken" });
    expect(starts(bench)).toEqual([]);
    bench.now = 1000;
    bench.assign(d);
    expect(starts(bench)).toEqual([{ id: "a", lease: a.lease, startTime: 0 }]);
    expect(bench.wake()).toBe(1500);
    bench.now = 1500;
    bench.on({ kind: "woken" });
    expect(starts(bench)).toEqual([{ id: "c", lease: c.lease, startTime: 100 }]);
    bench.now = 1600;
    bench.ended(d);
    bench.now = 5000;
    bench.on({ kind: "woken" });
    expect([starts(bench), bench.wake()]).toEqual([[], 11_500]);
  });

  test("a server is told again after the connection was made anew, when it has said welcome", () => {
    const bench = new Bench().welcome();
    const a = task("a");
    bench.assign(a);
    bench.now = 1000;
    bench.on({ kind: "woken" });
    expect(starts(bench)).toHaveLength(1);
    bench.on({ kind: "disconnected", error: "gone" });
    bench.now = 3000;
    bench.on({ kind: "woken" });
    bench.on({ kind: "connected" });
    expect(starts(bench)).toEqual([]);
    bench.welcome();
    expect(starts(bench)).toEqual([{ id: "a", lease: a.lease, startTime: 0 }]);
  });
});

describe("limits", () => {
  test("the smaller of the client's and the task's own limit counts", () => {
    const bench = new Bench({ timeoutMs: 5000 }).welcome();
    bench.assign(task("a", { timeout: 2 }), task("b", { timeout: 60 }));
    bench.pass(2000);
    expect(bench.signals()).toEqual(["a SIGINT"]);
    expect(bench.notes("warning")[0]).toStartWith("Walltime limit exceeded (a): ");
    bench.pass(5000);
    expect(bench.signals()).toEqual(["b SIGINT"]);
  });

  test("a task that was stopped at its limit has a status of its own, unless the program chose one", () => {
    for (const [ended, reported] of [
      [130, -4],
      [143, -4],
      [137, -4],
      [3, 3],
      [0, 0],
    ] as const) {
      const bench = new Bench({ timeoutMs: 1000 }).welcome();
      const a = task("a");
      bench.assign(a);
      bench.pass(1000);
      bench.ended(a, ended);
      expect(bench.sent()[0]).toMatchObject({ kind: "results", outcomes: [{ exitStatus: reported }] });
    }
    const bench = new Bench({ timeoutMs: 1000 }).welcome();
    const a = task("a");
    bench.assign(a);
    bench.on({ kind: "received", message: { kind: "cancel", tasks: [{ id: "a", lease: a.lease }] } });
    bench.pass(1000);
    bench.ended(a, 130);
    expect(bench.sent()[0]).toMatchObject({ kind: "results", outcomes: [{ exitStatus: 130 }] });
  });

  test("the reactor wishes to be woken at the very moment a limit is reached", () => {
    const bench = new Bench({ timeoutMs: 900 }).welcome();
    bench.assign(task("a"));
    bench.pass(899);
    expect(bench.state.wakeAt).toBe(900);
  });

  test("signals become harder with the signal wait between them", () => {
    const bench = new Bench({ timeoutMs: 1000, signalWaitMs: 100 }).welcome();
    const a = task("a");
    bench.assign(a);
    const seen: string[] = [];
    for (const at of [1000, 1050, 1100, 1200]) {
      bench.pass(at);
      seen.push(...bench.signals(), ...bench.notes("error"));
    }
    expect(seen).toEqual(["a SIGINT", "a SIGTERM", "Interrupt ignored (a)", "a SIGKILL", "Terminate ignored (a)"]);
  });

  test("a process that ignores SIGKILL is reported as killed and costs its executor", () => {
    const bench = new Bench({ timeoutMs: 1000, signalWaitMs: 100, executors: 1 }).welcome();
    const [a, b] = [task("a"), task("b")];
    bench.assign(a, b);
    for (const at of [1000, 1100, 1200, 1300]) {
      bench.pass(at);
    }
    expect(bench.effects).toContainEqual({ kind: "gaveUp", id: "a" });
    bench.on({ kind: "woken" });
    expect(bench.sent()[0]).toMatchObject({ kind: "results", outcomes: [{ id: "a", exitStatus: -4 }] });
    expect(bench.started()).toEqual([]);
    bench.ended(a, 137);
    expect(bench.started()).toEqual(["b"]);
  });

  test("what is left of the group of a stopped task is ended too, and waited for", () => {
    const bench = new Bench({ timeoutMs: 1000, signalWaitMs: 100 }).welcome();
    const a = task("a");
    bench.assign(a);
    bench.pass(1000);
    bench.now = 1001;
    bench.ended(a, 130);
    // The children have the same time as the task itself: from one signal to the next.
    expect(bench.signals()).toEqual([]);
    expect(bench.effects).toContainEqual({ kind: "lookAtRest", id: "a" });
    bench.on({ kind: "restSeen", id: "a", alive: true });
    expect(bench.effects.some((effect) => effect.kind === "lookAtRest")).toBe(false);
    const seen: string[] = [];
    for (const at of [1099, 1100, 1199, 1200]) {
      bench.pass(at);
      seen.push(...bench.signals().map((signal) => `${at} ${signal}`));
    }
    expect(seen).toEqual(["1100 a SIGTERM", "1200 a SIGKILL"]);
    bench.on({ kind: "restSeen", id: "a", alive: false });
    expect(bench.effects).toContainEqual({ kind: "forget", id: "a" });
  });

  test("what is left of a group and ignores SIGINT gets SIGTERM at once", () => {
    const bench = new Bench({ timeoutMs: 1000, signalWaitMs: 100 }).welcome();
    const a = task("a");
    bench.assign(a);
    bench.pass(1000);
    bench.now = 1001;
    bench.ended(a, 130);
    bench.on({ kind: "restSeen", id: "a", alive: true, ignoreInterrupt: true });
    expect(bench.signals()).toEqual(["a SIGTERM"]);
    bench.on({ kind: "restSeen", id: "a", alive: true, ignoreInterrupt: true });
    expect(bench.signals()).toEqual([]);
    bench.pass(1101);
    expect(bench.signals()).toEqual(["a SIGKILL"]);
  });

  test("time in which the client stood still counts for no limit", () => {
    const bench = new Bench({ timeoutMs: 2000 }).welcome();
    bench.assign(task("a"));
    bench.pass(1000);
    bench.now = 61_000;
    bench.on({ kind: "woken" });
    // It looks at the time now and then, and so knows to a quarter of a second when it stood still.
    bench.pass(61_700);
    expect(bench.signals()).toEqual([]);
    bench.pass(62_000);
    expect(bench.signals()).toEqual(["a SIGINT"]);
    expect(bench.notes("warning")[0]).toMatch(/^Walltime limit exceeded \(a\): .*2.* > .*2/);
  });

  test("what has ended while the client stood still was within its limit, although it is heard of later", () => {
    for (const stoodMs of [150, 900, 60_000]) {
      const bench = new Bench({ timeoutMs: 1000 }).welcome();
      const a = task("a");
      bench.assign(a);
      bench.pass(950);
      bench.now += stoodMs;
      const seen = [...bench.on({ kind: "woken" }), ...bench.on({ kind: "woken" }), ...bench.ended(a)];
      expect(seen.filter(({ kind }) => kind === "signal")).toEqual([]);
      expect(seen.filter((effect) => effect.kind === "note" && effect.level === "warning")).toEqual([]);
      expect(bench.sent()[0]).toMatchObject({ kind: "results", outcomes: [{ id: "a", exitStatus: 0 }] });
    }
  });

  test("time in which the client stood still is no time to save for a task that is stopped", () => {
    const bench = new Bench({ timeoutMs: 1000, signalWaitMs: 2000 }).welcome();
    bench.assign(task("a"));
    bench.pass(1500);
    bench.now = 61_500;
    bench.on({ kind: "woken" });
    expect(bench.signals()).toEqual([]);
    bench.pass(62_600);
    expect(bench.signals()).toEqual([]);
    bench.pass(63_000);
    expect(bench.signals()).toEqual(["a SIGTERM"]);
  });

  test("a client that is late all the time ends its tasks all the same", () => {
    const bench = new Bench({ timeoutMs: 2000 }).welcome();
    bench.assign(task("a"));
    while (bench.signals().length === 0) {
      expect(bench.now).toBeLessThan(8000);
      bench.now = bench.state.wakeAt + 300;
      bench.on({ kind: "woken" });
    }
    expect(bench.now).toBeGreaterThanOrEqual(2000);
  });

  test("a task that ends by itself may leave a daemon behind", () => {
    const bench = new Bench().welcome();
    const a = task("a");
    bench.assign(a);
    bench.ended(a);
    expect(bench.signals()).toEqual([]);
    expect(bench.effects).toContainEqual({ kind: "forget", id: "a" });
  });

  test("a task that has just started is given a moment before its SIGINT", () => {
    const bench = new Bench().welcome();
    bench.assign(task("a"));
    bench.now = 10;
    bench.on({ kind: "stopRequested", how: "interrupt", reason: "SIGUSR2" });
    expect([bench.signals(), bench.wake()]).toEqual([[], 100]);
    bench.now = 100;
    bench.on({ kind: "woken" });
    expect(bench.signals()).toEqual(["a SIGINT"]);
  });

  test("a cancelled task is stopped, one with another lease is not", () => {
    const bench = new Bench().welcome();
    const a = task("a");
    bench.assign(a);
    bench.now = 1000;
    bench.on({ kind: "received", message: { kind: "cancel", tasks: [{ id: "a", lease: a.lease + 1 }] } });
    expect(bench.signals()).toEqual([]);
    bench.on({ kind: "received", message: { kind: "cancel", tasks: [{ id: "a", lease: a.lease }] } });
    expect(bench.signals()).toEqual(["a SIGINT"]);
  });

  test("a cancelled task that waits is given back, and its room is", () => {
    const bench = new Bench({ executors: 1 }).welcome();
    const [a, b] = [task("a"), task("b")];
    bench.assign(a, b);
    bench.on({ kind: "received", message: { kind: "cancel", tasks: [{ id: "b", lease: b.lease }] } });
    expect(bench.sent()).toContainEqual({ kind: "returned", tasks: [{ id: "b", lease: b.lease }] });
    expect(bench.signals()).toEqual([]);
    bench.ended(a);
    expect(bench.started()).toEqual([]);
  });

  test("what waits for the end of its own earlier run is not started when nobody wants it any more", () => {
    for (const kind of ["cancel", "drop"] as const) {
      const bench = new Bench({ executors: 1 }).welcome();
      const [a, again] = [task("a"), task("a")];
      bench.assign(a);
      bench.now = 1000;
      bench.on({ kind: "received", message: { kind: "drop", tasks: [{ id: "a", lease: a.lease }] } });
      bench.assign(again);
      bench.on({ kind: "received", message: { kind, tasks: [{ id: "a", lease: again.lease }] } });
      bench.ended(a, 130);
      bench.on({ kind: "restSeen", id: "a", alive: false });
      expect([bench.started(), bench.state.inbox.length, bench.state.running.size]).toEqual([[], 0, 0]);
    }
  });
});

describe("leaving", () => {
  test("asked to leave, a client finishes what runs, returns what waits, and says bye when all is recorded", () => {
    const bench = new Bench({ executors: 1 }).welcome();
    const [a, b] = [task("a"), task("b")];
    bench.assign(a, b);
    bench.on({ kind: "received", message: { kind: "leave", how: "finish", reason: "done" } });
    expect(bench.sent()).toEqual([{ kind: "returned", tasks: [{ id: "b", lease: b.lease }] }]);
    expect(bench.signals()).toEqual([]);
    bench.ended(a);
    expect(bench.sent().map((message) => message.kind)).toEqual(["results"]);
    bench.ack(a);
    expect(bench.sent()).toEqual([{ kind: "bye", reason: "done" }]);
    bench.on({ kind: "disconnected", error: null });
    expect(bench.effects.at(0)).toEqual({ kind: "finish" });
  });

  test("interrupted tasks are stopped and their outcomes count", () => {
    const bench = new Bench().welcome();
    const a = task("a");
    bench.assign(a);
    bench.now = 1000;
    bench.on({ kind: "stopRequested", how: "interrupt", reason: "SIGUSR2" });
    expect(bench.signals()).toEqual(["a SIGINT"]);
    bench.ended(a, 130);
    expect(bench.sent()[0]).toMatchObject({ kind: "results", outcomes: [{ id: "a", exitStatus: 130 }], credit: 0 });
  });

  test("aborted tasks are stopped and given back unfinished", () => {
    const bench = new Bench().welcome();
    const a = task("a");
    bench.assign(a);
    bench.now = 1000;
    bench.on({ kind: "stopRequested", how: "abort", reason: "Ctrl-C" });
    bench.ended(a, 130);
    expect(bench.sent()[0]).toEqual({ kind: "returned", tasks: [{ id: "a", lease: a.lease }] });
  });

  test("what ended before the signal of an abort is reported, what ended after it is given back", () => {
    const bench = new Bench().welcome();
    const [a, b] = [task("a"), task("b")];
    bench.assign(a);
    bench.now = 1000;
    bench.assign(b);
    bench.on({ kind: "stopRequested", how: "abort", reason: "Ctrl-C" });
    expect(bench.signals()).toEqual(["a SIGINT"]);
    const ended = (of: typeof a, status: number) =>
      ({ kind: "ended", outcome: outcome(of, status, bench.now), isUnread: false }) as const;
    bench.on(ended(a, 0), ended(b, 3));
    expect(bench.sent()).toMatchObject([
      { kind: "returned", tasks: [{ id: "a" }] },
      { kind: "results", outcomes: [{ id: "b" }] },
    ]);
  });

  test("a task that died because nobody reads its output is given back, one that failed meanwhile is reported", () => {
    const bench = new Bench().welcome();
    const [a, b] = [task("a"), task("b")];
    bench.assign(a, b);
    bench.on(
      { kind: "stopRequested", how: "finish", reason: "SIGPIPE" },
      { kind: "ended", outcome: outcome(a, 141), isUnread: true },
      { kind: "ended", outcome: outcome(b, 1), isUnread: false },
    );
    expect(bench.sent()).toMatchObject([
      { kind: "returned", tasks: [{ id: "a" }] },
      { kind: "results", outcomes: [{ id: "b" }], credit: 0 },
      { kind: "beat", leaving: true },
    ]);
  });

  test("a client that leaves while a task runs says so at once, unless its server has sent it away", () => {
    const beats = (bench: Bench) => bench.sent().filter(({ kind }) => kind === "beat");
    const own = new Bench().welcome();
    own.assign(task("a"));
    own.on({ kind: "stopRequested", how: "finish", reason: "SIGUSR1" });
    expect(beats(own)).toEqual([{ kind: "beat", leaving: true }]);
    const sent = new Bench().welcome();
    sent.assign(task("a"));
    sent.on({ kind: "received", message: { kind: "leave", how: "finish", reason: "done" } });
    expect(beats(sent)).toEqual([]);
  });

  test("the time limit of a task that waits for room counts from its start", () => {
    const bench = new Bench({ timeoutMs: 5000 }).welcome();
    bench.assign(task("a"));
    bench.on({ kind: "held", id: "a", isWaiting: true });
    bench.now = 60_000;
    bench.on({ kind: "woken" });
    bench.on({ kind: "held", id: "a", isWaiting: false });
    bench.pass(64_999);
    expect(bench.signals()).toEqual([]);
    bench.pass(65_000);
    expect(bench.signals()).toEqual(["a SIGINT"]);
  });

  test("a second, more urgent wish to leave replaces the first; a less urgent one does not", () => {
    const bench = new Bench().welcome();
    bench.assign(task("a"));
    bench.on({ kind: "stopRequested", how: "finish", reason: "SIGUSR1" });
    expect(bench.signals()).toEqual([]);
    bench.now = 1000;
    bench.on({ kind: "stopRequested", how: "abort", reason: "Ctrl-C" });
    expect(bench.signals()).toEqual(["a SIGINT"]);
    bench.on({ kind: "stopRequested", how: "finish", reason: "SIGUSR1" });
    expect(bench.state.phase).toMatchObject({ how: "abort" });
  });

  test("patience can be ended: everything gets SIGKILL", () => {
    const bench = new Bench().welcome();
    bench.assign(task("a"), task("b"));
    bench.on({ kind: "killRequested" });
    expect(bench.signals()).toEqual(["a SIGKILL", "b SIGKILL"]);
  });

  test("tasks that arrive while leaving are given back", () => {
    const bench = new Bench().welcome();
    bench.on({ kind: "stopRequested", how: "finish", reason: "SIGUSR1" });
    expect(bench.sent().at(-1)).toEqual({ kind: "bye", reason: "SIGUSR1" });
    const other = new Bench().welcome();
    const a = task("a");
    other.assign(a);
    other.on({ kind: "stopRequested", how: "finish", reason: "SIGUSR1" });
    const late = task("late");
    other.assign(late);
    expect(other.started()).toEqual([]);
    expect(other.sent()).toContainEqual({ kind: "returned", tasks: [{ id: "late", lease: late.lease }] });
  });

  test("a client is not idle while more tasks may come; its time counts from when none may", () => {
    const bench = new Bench({ idleMs: 1000, heartMs: 500 });
    const welcome = { kind: "welcome", serverId: "s", serverHost: "h", companyMs: 0, stay: true } as const;
    bench.on({ kind: "received", message: welcome });
    const wait = (stay: boolean): string[] => {
      bench.now += 500;
      bench.on({ kind: "woken" });
      bench.on({ kind: "received", message: stay ? { kind: "beat", stay } : { kind: "beat" } });
      return bench.notes("debug");
    };
    for (let i = 0; i < 10; i++) expect(wait(true)).toEqual([]);
    expect([wait(false), wait(false)]).toEqual([[], []]);
    bench.now += 500;
    bench.on({ kind: "woken" });
    expect(bench.sent().at(-1)).toEqual({ kind: "bye", reason: "idle timeout" });
  });

  test("a server that says nothing of that, as older ones, leaves it to the client", () => {
    const bench = new Bench({ idleMs: 1000 });
    const message = { kind: "welcome", serverId: "s", serverHost: "h", companyMs: 0, stay: true } as const;
    bench.on({ kind: "received", message });
    bench.on({ kind: "disconnected", error: "gone" });
    bench.on({ kind: "connected" });
    bench.welcome();
    bench.now += 1000;
    bench.on({ kind: "woken" });
    expect(bench.sent().at(-1)).toEqual({ kind: "bye", reason: "idle timeout" });
  });

  test("an idle client leaves after its timeout, not while anything runs", () => {
    const bench = new Bench({ idleMs: 1000 }).welcome();
    const a = task("a");
    bench.assign(a);
    bench.now = 5000;
    bench.on({ kind: "woken" });
    expect(bench.state.phase.at).toBe("working");
    bench.ended(a);
    bench.ack(a);
    expect(bench.wake()).toBe(6000);
    bench.now = 6000;
    bench.on({ kind: "woken" });
    expect(bench.sent().at(-1)).toEqual({ kind: "bye", reason: "idle timeout" });
  });

  test("a client that says nothing else beats", () => {
    const bench = new Bench().welcome();
    bench.now = 10_000;
    bench.on({ kind: "woken" });
    expect(bench.sent()).toEqual([{ kind: "beat" }]);
  });
});
