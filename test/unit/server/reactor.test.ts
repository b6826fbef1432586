import { describe, expect, test } from "bun:test";
import type { Claim } from "../../../src/store/store.ts";
import { Bench, outcome, task } from "./bench.ts";

describe("handing out", () => {
  test("a client that joins is welcomed, and the store is asked for as much as it can take", () => {
    const bench = new Bench();
    bench.register("a", 4);
    expect(bench.told("a")[0]).toEqual({ kind: "welcome", serverId: "server", serverHost: "host", companyMs: 0 });
    expect(bench.find("claim")?.request.limit).toBeGreaterThanOrEqual(4);
  });

  test("a run tells the clients that it has launched to stay while its input is open, others it never tells", () => {
    const words = (bench: Bench, id: string): (boolean | undefined)[] =>
      bench.told(id).flatMap((message) => ("stay" in message ? [message.stay] : []));
    for (const launchesClients of [true, false]) {
      const bench = new Bench({ launchesClients });
      bench.register("a", 4);
      expect(words(bench, "a")).toEqual(launchesClients ? [true] : []);
      bench.say("a", { kind: "beat" });
      expect(words(bench, "a")).toEqual(launchesClients ? [true] : []);
      bench.claimed({ kind: "none", unfinished: 1 });
      bench.on({ kind: "inputEnded" });
      bench.say("a", { kind: "beat" });
      expect(bench.told("a")).toContainEqual({ kind: "beat" });
    }
  });

  test("beside other servers nothing is taken ahead of its clients, and a free executor is asked for at once", () => {
    const bench = new Bench({ forever: true, scope: { kind: "all" } });
    bench.on({ kind: "neighbours", count: 1 });
    bench.claimed({ kind: "none", unfinished: 0 });
    bench.register("client", 2);
    expect(bench.find("claim")?.request.limit).toBe(2);
    bench.give(task("a"), task("b"));
    expect(bench.find("claim")).toBe(undefined);
    const [first] = bench.assigned("client");
    bench.results("client", [outcome(first!)], 1);
    expect(bench.find("claim")?.request.limit).toBe(1);
  });

  test("tasks go out up to the credit, with growing leases, and the template of their submission goes first", () => {
    const bench = new Bench();
    bench.register("a", 2);
    bench.on({
      kind: "claimed",
      claim: { kind: "claimed", group: 0, tasks: [task("1"), task("2"), task("3")] },
      submissions: [{ id: "server", template: "echo {}", cwd: "/a" }],
    });
    const [first] = bench.told("a");
    expect(first).toEqual({ kind: "submission", id: "server", template: "echo {}", cwd: "/a" });
    expect(bench.assigned("a").map(({ id, lease }) => [id, lease])).toEqual([
      ["1", 1],
      ["2", 2],
    ]);
    expect(bench.state.ready.length).toBe(1);
  });

  test("the template of a submission is sent to a client once", () => {
    const bench = new Bench();
    bench.register("a", 2);
    bench.give(task("1"));
    const [one] = bench.assigned("a");
    expect(one).toBeDefined();
    bench.claimed({ kind: "claimed", group: 0, tasks: [task("2")] });
    expect(bench.told("a").map((message) => message.kind)).toEqual(["assign"]);
  });

  test("few tasks are shared out among the clients that want some", () => {
    const bench = new Bench();
    bench.register("a", 100);
    bench.register("b", 100);
    bench.give(...["1", "2", "3", "4"].map((id) => task(id)));
    expect([bench.assigned("a").length, bench.assigned("b").length]).toEqual([2, 2]);
  });

  test("no frame holds more tasks than the bundle size", () => {
    const bench = new Bench({ bundleSize: 2 });
    bench.register("a", 100);
    bench.give(...["1", "2", "3", "4", "5"].map((id) => task(id)));
    const sizes = bench.told("a").flatMap((message) => (message.kind === "assign" ? [message.tasks.length] : []));
    expect(sizes).toEqual([2, 2, 1]);
  });

  test("without a client nothing is claimed for good, but the store is asked whether there is anything", () => {
    const bench = new Bench();
    bench.on({ kind: "inputEnded" });
    expect(bench.find("claim")?.request.limit).toBe(0);
    bench.claimed({ kind: "none", unfinished: 0 });
    expect(bench.kinds()).toContain("finish");
  });
});

describe("groups", () => {
  test("the next group starts when the present one has ended, and says so", () => {
    const bench = new Bench({}, { group: 0 });
    bench.register("a", 4);
    bench.on({ kind: "inputEnded" });
    bench.claimed({ kind: "advance", to: 3, failed: 0, example: null });
    // The input ended while the store was asked, so the answer does not count yet.
    expect(bench.find("claim")?.request.group).toBe(0);
    bench.claimed({ kind: "advance", to: 3, failed: 0, example: null });
    expect(bench.notes("info")).toEqual(["Completed task group 0 - starting task group 3"]);
    expect(bench.find("claim")?.request.group).toBe(3);
  });

  test("no group is left while lines are still coming in", () => {
    const bench = new Bench({}, { group: 0 });
    bench.register("a", 4);
    bench.claimed({ kind: "advance", to: 1, failed: 0, example: null });
    expect(bench.find("claim")).toBeUndefined();
    bench.on({ kind: "inputQuiet" });
    bench.claimed({ kind: "advance", to: 1, failed: 0, example: null });
    expect(bench.state.group).toBe(1);
  });

  test("a quiet group is kept open only by lines that are read, not by what others store", () => {
    const bench = new Bench({}, { group: 0 });
    bench.register("a", 4);
    bench.on({ kind: "inputQuiet" });
    bench.on({ kind: "inserted" });
    bench.claimed({ kind: "none", unfinished: 0 });
    bench.on({ kind: "inputResumed" });
    expect(bench.state.input).toBe("open");
    bench.on({ kind: "inputQuiet" }, { kind: "inserted" });
    bench.claimed({ kind: "none", unfinished: 0 });
    bench.claimed({ kind: "advance", to: 1, failed: 0, example: null });
    expect(bench.state.group).toBe(1);
  });

  test("a failed group ends a finite run before the groups above it", () => {
    const bench = new Bench({}, { group: 0 });
    bench.register("a", 4);
    bench.on({ kind: "inputEnded" });
    bench.claimed({ kind: "none", unfinished: 0 });
    bench.claimed({ kind: "advance", to: 1, failed: 2, example: "x" });
    expect(bench.notes("critical")).toEqual([
      "Failed task group 0 (at least 2 tasks exceeding allowed retries, example: x)",
    ]);
    expect(bench.told("a")).toContainEqual({ kind: "leave", how: "finish", reason: "task group failed" });
    expect(bench.state.haltedBy).toBe(0);
  });

  test("a server that runs forever tells of a failed group once per change and waits", () => {
    const bench = new Bench({ forever: true }, { group: 0 });
    bench.on({ kind: "inputEnded" });
    bench.register("a", 4);
    bench.claimed({ kind: "none", unfinished: 0 });
    const advance: Claim = { kind: "advance", to: 1, failed: 1, example: "x" };
    bench.claimed(advance);
    expect(bench.notes("warning")).toHaveLength(1);
    bench.on({ kind: "inserted" });
    bench.claimed(advance);
    expect(bench.notes("warning")).toHaveLength(0);
    bench.on({ kind: "inserted" });
    bench.claimed({ ...advance, failed: 2 });
    expect(bench.notes("warning")).toHaveLength(1);
  });
});

describe("lost clients", () => {
  test("a client that vanishes gives its tasks back after the grace period", () => {
    const bench = new Bench();
    bench.register("a", 4);
    bench.give(task("1"), task("2"));
    bench.lose("a");
    expect(bench.find("commit")).toBeUndefined();
    bench.pass(1000);
    bench.committed();
    bench.pass(29_999);
    expect(bench.find("commit")).toBeUndefined();
    bench.pass(30_000);
    expect(bench.find("commit")?.commit.reverted).toEqual(["1", "2"]);
    expect(bench.find("endClient")).toEqual({ kind: "endClient", clientId: "a", evicted: true });
  });

  test("a client that is silent for too long is evicted", () => {
    const bench = new Bench({ evictMs: 10_000 });
    bench.register("a", 4);
    bench.give(task("1"));
    bench.pass(9_000);
    bench.say("a", { kind: "beat" });
    bench.pass(18_000);
    expect(bench.find("endClient")).toBeUndefined();
    bench.committed();
    bench.pass(20_000);
    expect(bench.notes("warning")).toEqual(["Evicting client (node: a)", "Reverting orphaned tasks (node: a)"]);
    expect(bench.find("commit")?.commit.reverted).toEqual(["1"]);
  });

  test("the time in which the server itself did not run is held against no client", () => {
    const bench = new Bench({ evictMs: 10_000 });
    bench.register("a", 4);
    bench.register("b", 4);
    bench.lose("b");
    bench.pass(4_000);
    bench.now = 1_000_000;
    bench.on({ kind: "woken" });
    expect(bench.find("endClient")).toBeUndefined();
    bench.pass(1_004_000);
    expect(bench.find("endClient")).toBeUndefined();
    bench.pass(1_006_000);
    expect(bench.find("endClient")).toMatchObject({ clientId: "a", evicted: true });
  });

  test("the client in the same process is not evicted, however silent", () => {
    const bench = new Bench({ evictMs: 10_000 });
    bench.register("server", 4);
    bench.pass(60_000);
    expect(bench.find("endClient")).toBeUndefined();
  });

  test("a late outcome of a task that went to another client counts, once", () => {
    const bench = new Bench({ evictMs: 10_000 });
    bench.register("a", 4);
    bench.give(task("1"));
    const [first] = bench.assigned("a");
    bench.pass(1000);
    bench.committed();
    bench.pass(10_000);
    bench.committed();
    bench.register("b", 4);
    bench.claimed({ kind: "claimed", group: 0, tasks: [task("1")] });
    expect(bench.assigned("b")).toHaveLength(1);
    bench.register("a", 4);
    bench.results("a", [outcome(first!)]);
    expect(bench.find("commit")?.commit.completed.map(({ id, clientId }) => [id, clientId])).toEqual([["1", "a"]]);
  });

  test("a client that comes back within the grace period keeps what it still runs, and loses what it never got", () => {
    const bench = new Bench();
    bench.register("a", 4);
    bench.give(task("1"), task("2"));
    const [one] = bench.assigned("a");
    bench.lose("a");
    bench.hello("a", { credit: 1, running: [{ id: "1", lease: one!.lease }] });
    expect([...bench.state.clients.get("a")!.held.keys()]).toEqual(["1"]);
    expect(bench.find("commit")?.commit.reverted).toEqual(["2"]);
  });
});

describe("the end", () => {
  test("a finite run ends with the last record: clients are sent off, then it is finished", () => {
    const bench = new Bench();
    bench.register("a", 4);
    bench.give(task("1"));
    const [one] = bench.assigned("a");
    bench.on({ kind: "inputEnded" });
    bench.claimed({ kind: "none", unfinished: 1 });
    if (bench.find("claim")) bench.claimed({ kind: "none", unfinished: 1 });
    bench.results("a", [outcome(one!)]);
    expect(bench.find("finish")).toBeUndefined();
    bench.committed();
    expect(bench.told("a").at(-1)).toEqual({ kind: "leave", how: "finish", reason: "all tasks are done" });
    bench.say("a", { kind: "bye", reason: "" });
    expect(bench.kinds().at(-1)).toBe("finish");
  });

  test("an empty answer of the store does not end the run if tasks were added meanwhile", () => {
    const bench = new Bench();
    bench.register("a", 4);
    bench.on({ kind: "inserted" }, { kind: "inputEnded" });
    bench.claimed({ kind: "none", unfinished: 0 });
    expect(bench.told("a").some((message) => message.kind === "leave")).toBe(false);
    expect(bench.find("claim")).toBeDefined();
  });

  test("a stop gives back what is ready and what clients return, and claims nothing more", () => {
    const bench = new Bench();
    bench.register("a", 1);
    bench.give(task("1"), task("2"));
    const [one] = bench.assigned("a");
    bench.on({ kind: "stopRequested", how: "abort" });
    expect(bench.find("commit")?.commit.reverted).toEqual(["2"]);
    bench.committed();
    bench.on(
      { kind: "received", clientId: "a", message: { kind: "returned", tasks: [{ id: one!.id, lease: one!.lease }] } },
      { kind: "received", clientId: "a", message: { kind: "bye", reason: "" } },
    );
    expect(bench.find("commit")?.commit.reverted).toEqual(["1"]);
    expect(bench.find("claim")).toBeUndefined();
  });

  test("a server that runs forever does not end when nothing is left", () => {
    const bench = new Bench({ forever: true });
    bench.register("a", 4);
    bench.on({ kind: "inputEnded" });
    bench.claimed({ kind: "none", unfinished: 0 });
    bench.claimed({ kind: "none", unfinished: 0 });
    expect(bench.told("a").some((message) => message.kind === "leave")).toBe(false);
  });

  test("a server that has enough ready does not poll, and is not woken for it", () => {
    const bench = new Bench();
    bench.register("a", 4);
    bench.give(...Array.from({ length: 40 }, (_, n) => task(String(n))));
    bench.state.claim = { at: "empty", since: 0 };
    bench.now = 1000;
    bench.on({ kind: "woken" });
    expect(bench.find("claim")).toBeUndefined();
    expect(bench.state.wakeAt).toBeGreaterThan(1000);
  });

  test("an idle server looks again at pauses that double up to the poll time", () => {
    const bench = new Bench({ forever: true, pollMs: 3000 });
    bench.register("a", 4);
    bench.claimed({ kind: "none", unfinished: 0 });
    const pauses: number[] = [];
    for (let i = 0; i < 4; i++) {
      const before = bench.now;
      while (bench.find("claim") === undefined) {
        bench.now += 100;
        bench.on({ kind: "woken" });
      }
      pauses.push(bench.now - before);
      bench.claimed({ kind: "none", unfinished: 0 });
    }
    expect(pauses).toEqual([1000, 2000, 3000, 3000]);
  });
});
