import { describe, expect, test } from "bun:test";
import type { ClientEvent } from "../../../src/client/event.ts";
import type { Assignment } from "../../../src/task/task.ts";
import type { Ground } from "../../../src/wire/message.ts";
import { Bench, task } from "./bench.ts";

describe("the connection", () => {
  const lost: ClientEvent = { kind: "disconnected", error: "reset" };
  const refused: ClientEvent = { kind: "connectFailed", problem: "refused", text: "refused", permanent: false };

  /** The first attempt is made at once; for the others lets time pass. Answers it. */
  function attempt(bench: Bench, answer: ClientEvent): void {
    if (bench.state.connection.at === "down") {
      bench.now = bench.wake();
      bench.on({ kind: "woken" });
      expect(bench.effects.map(({ kind }) => kind)).toContain("connect");
    }
    expect(bench.state.connection.at).toBe("connecting");
    bench.on(answer);
  }

  test("a client that lost its server goes on, and says what it has when it is back", () => {
    const bench = new Bench({ executors: 1 }).welcome();
    const [a, b, c] = [task("a"), task("b"), task("c")];
    bench.now = 5000;
    bench.assign(a, b, c);
    bench.on(lost);
    bench.ended(a);
    expect(bench.started()).toEqual(["b"]);
    expect(bench.sent()).toEqual([]);
    attempt(bench, { kind: "connected" });
    const of = ({ id, lease }: Assignment) => ({ id, lease });
    const [hello, results] = bench.sent();
    expect(hello).toMatchObject({ kind: "hello", running: [of(b), of(c)], finished: [of(a)], credit: 1 });
    expect(results).toMatchObject({ kind: "results", outcomes: [{ id: "a", exitStatus: 0 }], credit: 0 });
  });

  test("an outcome that was sent and not acknowledged is sent again", () => {
    const bench = new Bench().welcome();
    const a = task("a");
    bench.assign(a);
    bench.ended(a);
    expect(bench.sent()).toHaveLength(1);
    bench.on(lost);
    attempt(bench, { kind: "connected" });
    expect(bench.sent()[1]).toMatchObject({ kind: "results", outcomes: [{ id: "a" }] });
  });

  test("pauses between attempts grow, and after the limit the client stops its tasks and says why", () => {
    const bench = new Bench({ reconnectMs: 3000, forsakenMs: 3000 }).welcome();
    bench.now = 1000;
    const a = task("a");
    bench.assign(a);
    bench.on(lost);
    bench.on(refused);
    const pauses: number[] = [];
    while (bench.state.phase.at === "working") {
      const before = bench.now;
      attempt(bench, refused);
      pauses.push(bench.now - before);
    }
    expect(Math.max(...pauses)).toBeGreaterThan(2 * pauses[0]!);
    expect(bench.now).toBeLessThanOrEqual(4000);
    expect(bench.signals()).toEqual(["a SIGINT"]);
    bench.ended(a, 130);
    bench.on({ kind: "restSeen", id: "a", alive: false });
    expect(bench.state.failure?.kind).toBe("lost");
    expect(bench.state.failure?.text).toContain("refused");
    expect(bench.state.phase.at).toBe("done");
  });

  test("a server that nobody can follow is given up soon when its port is closed, not when it is out of reach", () => {
    const bench = new Bench({ forsakenMs: 3000 }).welcome();
    bench.on(lost);
    const silent = { kind: "connectFailed", problem: "silent", text: "silent", permanent: false } as const;
    for (let n = 0; bench.now < 20_000; n++) attempt(bench, silent);
    expect(bench.state.phase.at).toBe("working");
    attempt(bench, refused);
    expect([bench.state.failure?.kind, bench.state.phase.at]).toEqual(["lost", "done"]);

    const other = new Bench({ forsakenMs: 3000 }).welcome();
    other.on(lost);
    while (other.state.phase.at === "working") attempt(other, refused);
    expect(other.now).toBeLessThanOrEqual(3000);
  });

  test("a connection that breaks again and again is tried ever more slowly, until it holds", () => {
    const bench = new Bench().welcome();
    const pauses: number[] = [];
    for (let n = 0; n < 6; n++) {
      const lostAt = bench.now;
      bench.on(lost);
      attempt(bench, { kind: "connected" });
      pauses.push(bench.now - lostAt);
      bench.on({ kind: "received", message: { kind: "welcome", serverId: "s", serverHost: "h", companyMs: 0 } });
    }
    expect(pauses.at(-1)!).toBeGreaterThan(4 * pauses[0]!);
    bench.now += 5000;
    const lostAt = bench.now;
    bench.on(lost);
    expect(bench.effects.map(({ kind }) => kind)).toContain("connect");
    expect(bench.now).toBe(lostAt);
  });

  test("a refusal that will not change ends the attempts", () => {
    const bench = new Bench();
    bench.on(lost);
    attempt(bench, { kind: "connectFailed", problem: "version", text: "another version", permanent: true });
    expect([bench.state.failure?.kind, bench.state.phase.at]).toEqual(["version", "done"]);
  });

  test("a client that knows its server waits for it, whoever answers at its address meanwhile", () => {
    const bench = new Bench({ reconnectMs: 60_000 }).welcome();
    bench.assign(task("a"));
    bench.on(lost);
    const warnings: string[] = [];
    for (const problem of ["key", "version", "certificate", "tls", "key"] as const) {
      attempt(bench, { kind: "connectFailed", problem, text: problem, permanent: true });
      warnings.push(...bench.notes("warning"));
    }
    expect(warnings.map((text) => text.replace(/\d:\d\d:\d\d$/, "TIME"))).toEqual([
      "Cannot reach server (key) - trying again for TIME",
      "Cannot reach server (version) - trying again for TIME",
      "Cannot reach server (certificate) - trying again for TIME",
      "Cannot reach server (tls) - trying again for TIME",
    ]);
    expect([bench.signals(), bench.state.phase.at]).toEqual([[], "working"]);
    while (bench.state.phase.at === "working")
      attempt(bench, { kind: "connectFailed", problem: "key", text: "wrong key", permanent: true });
    const text = "server disconnected, and could not be reached again (wrong key)";
    expect(bench.state.failure).toEqual({ kind: "lost", text });
  });

  test("a client keeps its tasks from a server with another database or another run, and says so once", () => {
    const [own, other] = ["11111111-1111-7111-8111-111111111111", "22222222-2222-7222-8222-222222222222"] as const;
    const welcome = (ground: Ground & { readonly fleeting?: boolean }): ClientEvent => ({
      kind: "received",
      message: { kind: "welcome", serverId: "s", serverHost: "h", companyMs: 0, ...ground },
    });
    const bench = new Bench();
    bench.on(welcome({ store: own, run: "1" }));
    const a = task("a");
    bench.assign(a);
    const warnings: string[] = [];
    for (const ground of [{ store: other }, { store: other }, { store: own, run: "2" }]) {
      bench.on(lost);
      attempt(bench, { kind: "connected" });
      expect(bench.sent()[0]).toMatchObject({ kind: "hello", store: own, run: "1", running: [{ id: "a" }] });
      bench.on(welcome(ground));
      expect(bench.effects.map(({ kind }) => kind)).toContain("hangUp");
      warnings.push(...bench.notes("warning"));
    }
    expect(warnings.map((text) => text.replace(/\d:\d\d:\d\d$/, "TIME"))).toEqual([
      `Keeping 1 task from the server there (h: s): it has another database (${other}, not ${own}) - ` +
        "looking for the right one for TIME",
      "Keeping 1 task from the server there (h: s): it has another run (2, not 1) - looking for the right one for TIME",
    ]);
    expect([bench.signals(), bench.state.running.size, bench.state.phase.at]).toEqual([[], 1, "working"]);
    // Whoever runs all that is in the database takes it over; a store that ends with its server has no successor.
    attempt(bench, { kind: "connected" });
    bench.on(welcome({ store: own }));
    expect(bench.notes("warning")).toEqual(["Connected to server again"]);
    bench.on(welcome({ store: own, fleeting: true }));
    bench.on(lost);
    attempt(bench, { kind: "connected" });
    expect(bench.sent()[0]).not.toHaveProperty("store");
  });

  test("a client beats three times within the patience of its server, and as often as it likes otherwise", () => {
    const beats = (evictMs?: number): number => {
      const bench = new Bench({ heartMs: 30_000 });
      const message = { kind: "welcome", serverId: "s", serverHost: "h", companyMs: 0 } as const;
      bench.on({ kind: "received", message: evictMs === undefined ? message : { ...message, evictMs } });
      return bench.wake();
    };
    expect([beats(), beats(15_000), beats(600_000)]).toEqual([30_000, 5000, 30_000]);
  });

  test("outcomes that a client with a database leaves behind are kept for the next one", () => {
    const bench = new Bench();
    const store = "11111111-1111-7111-8111-111111111111";
    bench.on({ kind: "received", message: { kind: "welcome", serverId: "s", serverHost: "h", companyMs: 0, store } });
    const a = task("a");
    bench.assign(a);
    bench.on(lost);
    bench.ended(a);
    bench.on({ kind: "stopRequested", how: "abort", reason: "SIGINT" });
    const keeps = bench.effects.find((effect) => effect.kind === "keep");
    expect(keeps).toMatchObject({ ground: { store }, outcomes: [{ id: "a" }] });
    expect([bench.state.phase.at, bench.notes("warning")]).toEqual(["done", []]);
  });

  test("the client that said that its server is out of reach says when it is there", () => {
    const bench = new Bench().welcome();
    expect([bench.notes("debug"), bench.notes("info")]).toEqual([["Connected to server (h: s)"], []]);
    const late = new Bench();
    late.on(lost);
    attempt(late, { kind: "connected" });
    late.welcome();
    expect([late.notes("debug"), late.notes("info")]).toEqual([[], ["Connected to server (h: s)"]]);
  });

  test("a server that answers no beats is as good as gone", () => {
    const bench = new Bench({ heartMs: 1000 }).welcome();
    for (let beats = 0; beats < 2; beats++) {
      bench.now = bench.wake();
      bench.on({ kind: "woken" });
      expect(bench.sent()).toEqual([{ kind: "beat" }]);
      bench.on({ kind: "received", message: { kind: "beat" } });
    }
    for (let i = 0; i < 3; i++) {
      bench.now = bench.wake();
      bench.on({ kind: "woken" });
    }
    expect(bench.effects.map(({ kind }) => kind)).toContain("hangUp");
    expect(bench.state.connection.at).not.toBe("up");
  });

  test("a server that drops connections before its welcome is tried ever more slowly, up to the limit", () => {
    const bench = new Bench({ connectMs: 2000 });
    const triedAt: number[] = [];
    for (;;) {
      triedAt.push(bench.now);
      bench.on({ kind: "connected" });
      bench.on({ kind: "disconnected", error: null });
      if (bench.state.phase.at === "done") break;
      bench.now = bench.wake();
      bench.on({ kind: "woken" });
    }
    expect(triedAt.length).toBeGreaterThan(2);
    expect(triedAt.length).toBeLessThan(8);
    expect(bench.state.failure).toEqual({ kind: "lost", text: "it ended the connection" });
  });

  test("a task that comes back while it is still being stopped here starts when nothing of it is left", () => {
    const bench = new Bench({ executors: 2 }).welcome();
    const [a, again, b] = [task("a"), task("a", { lease: 77 }), task("b")];
    bench.assign(a);
    bench.now = 1000;
    bench.on({ kind: "received", message: { kind: "drop", tasks: [{ id: "a", lease: a.lease }] } });
    bench.assign(again, b);
    expect(bench.started()).toEqual(["b"]);
    bench.ended(a, 130);
    expect(bench.started()).toEqual([]);
    bench.on({ kind: "restSeen", id: "a", alive: false });
    expect(bench.started()).toEqual(["a"]);
    bench.ended(again);
    expect(bench.state.unacked.get("a")?.lease).toBe(77);
  });

  test("a new connection hears only the later run of a task that waits for the end of its earlier one", () => {
    const bench = new Bench({ executors: 2 }, 0).welcome();
    const [a, again] = [task("a"), task("a")];
    bench.assign(a);
    bench.now = 1000;
    bench.on({ kind: "received", message: { kind: "drop", tasks: [{ id: "a", lease: a.lease }] } });
    bench.assign(again);
    bench.on({ kind: "disconnected", error: null });
    bench.on({ kind: "connected" });
    expect(bench.sent()[0]).toMatchObject({ kind: "hello", credit: 0, running: [{ id: "a", lease: again.lease }] });
  });

  test("the time in which the client itself did not run is held against no server", () => {
    const bench = new Bench({ heartMs: 1000 }).welcome();
    bench.now = 1_000_000;
    bench.on({ kind: "woken" });
    expect(bench.effects.map(({ kind }) => kind)).not.toContain("hangUp");
    expect(bench.state.connection.at).toBe("up");
  });

  test("tasks that are another client's by now are stopped, not reported, and make room", () => {
    const bench = new Bench({ executors: 1 }).welcome();
    const [a, b] = [task("a"), task("b")];
    bench.assign(a, b);
    bench.now = 1000;
    bench.on({ kind: "received", message: { kind: "drop", tasks: [a, b].map(({ id, lease }) => ({ id, lease })) } });
    expect(bench.signals()).toEqual(["a SIGINT"]);
    bench.ended(a, 130);
    const messages = [...bench.sent()];
    bench.on({ kind: "restSeen", id: "a", alive: false });
    messages.push(...bench.sent());
    expect(messages).toContainEqual({ kind: "returned", tasks: [{ id: "a", lease: a.lease }] });
    expect(messages.some((each) => each.kind === "results" && each.credit > 0)).toBe(true);
    expect(bench.state.unacked.size).toBe(0);
  });

  test("a client that nobody waits for leaves at once when it is out of touch, one with outcomes tries on", () => {
    const empty = new Bench().welcome();
    empty.on(lost, { kind: "stopRequested", how: "finish", reason: "SIGUSR1" });
    expect(empty.state.phase.at).toBe("done");
    const bench = new Bench().welcome();
    const a = task("a");
    bench.assign(a);
    bench.ended(a);
    bench.on(lost, { kind: "stopRequested", how: "finish", reason: "SIGUSR1" });
    expect(bench.state.phase.at).toBe("leaving");
    bench.on({ kind: "stopRequested", how: "abort", reason: "SIGINT" });
    expect(bench.state.phase.at).toBe("done");
  });

  test("a second Ctrl-C does not wait for a server that does not answer, and what it has not confirmed is told", () => {
    const bench = new Bench().welcome();
    const [a, b] = [task("a"), task("b")];
    bench.assign(a, b);
    bench.ended(a);
    bench.on({ kind: "stopRequested", how: "abort", reason: "SIGINT" });
    bench.on({ kind: "killRequested" });
    expect(bench.signals()).toEqual(["b SIGKILL"]);
    bench.now = 5000;
    bench.on({ kind: "woken" });
    expect(bench.wake()).toBeGreaterThan(bench.now);
    bench.ended(b, 137);
    bench.on({ kind: "restSeen", id: "b", alive: false });
    expect(bench.state.phase.at).toBe("done");
    expect(bench.notes("warning")).toEqual([
      "The server has not confirmed 1 task that ended here and may be run again",
    ]);
  });

  test("a second Ctrl-C leaves the server a moment to hear what is given back", () => {
    const bench = new Bench().welcome();
    const a = task("a");
    bench.assign(a);
    bench.on({ kind: "stopRequested", how: "abort", reason: "SIGINT" });
    bench.on({ kind: "killRequested" });
    const messages = [...bench.ended(a, 137), ...bench.on({ kind: "restSeen", id: "a", alive: false })];
    const kinds = messages.flatMap((effect) => (effect.kind === "send" ? [effect.message.kind] : []));
    expect([kinds, bench.state.phase.at]).toEqual([["returned", "bye"], "gone"]);
    bench.now = bench.wake();
    expect(bench.now).toBe(1000);
    bench.on({ kind: "woken" });
    expect(bench.state.phase.at).toBe("done");
  });

  test("a client that was stopped for long starts nothing before its server has answered", () => {
    const bench = new Bench({ executors: 1, heartMs: 1000 }).welcome();
    const [a, b] = [task("a"), task("b")];
    bench.assign(a, b);
    bench.now = bench.wake() + 60_000;
    // What had come before it was stopped is no answer.
    bench.on({ kind: "received", message: { kind: "submission", id: "sub", template: null, cwd: null } });
    expect(bench.sent()).toEqual([{ kind: "beat" }]);
    bench.ended(a);
    expect(bench.started()).toEqual([]);
    bench.on({ kind: "received", message: { kind: "beat" } });
    expect(bench.started()).toEqual(["b"]);
  });
});
