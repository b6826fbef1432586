import { describe, expect, test } from "bun:test";
import type { Claim, HeldBack } from "../../../src/store/store.ts";
import { Bench, outcome, task } from "./bench.ts";

describe("handing out", () => {
  test("a client that joins is welcomed, and the store is asked for as much as it can take", () => {
    const bench = new Bench();
    bench.register("a", 4);
    expect(bench.told("a")[0]).toEqual({
      kind: "welcome",
      serverId: "server",
      serverHost: "host",
      companyMs: 0,
      evictMs: 600_000,
      store: "store",
    });
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
    bench.claimed({ kind: "advance", to: 3, heldBack: null });
    // The input ended while the store was asked, so the answer does not count yet.
    expect(bench.find("claim")?.request.group).toBe(0);
    bench.claimed({ kind: "advance", to: 3, heldBack: null });
    expect(bench.notes("info")).toEqual(["Completed task group 0 - starting task group 3"]);
    expect(bench.find("claim")?.request.group).toBe(3);
  });

  test("no group is left while lines are still coming in", () => {
    const bench = new Bench({}, { group: 0 });
    bench.register("a", 4);
    bench.claimed({ kind: "advance", to: 1, heldBack: null });
    expect(bench.find("claim")).toBeUndefined();
    bench.on({ kind: "inputQuiet" });
    bench.claimed({ kind: "advance", to: 1, heldBack: null });
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
    bench.claimed({ kind: "advance", to: 1, heldBack: null });
    expect(bench.state.group).toBe(1);
  });

  test("the group goes down as it goes up, and only the way up is told", () => {
    const bench = new Bench({}, { group: 2 });
    bench.register("a", 4);
    bench.give(task("1", { group: 1 }));
    expect(bench.state.group).toBe(1);
    bench.on({ kind: "inputEnded" });
    bench.claimed({ kind: "advance", to: 2, heldBack: null });
    bench.claimed({ kind: "advance", to: 2, heldBack: null });
    expect(bench.notes("info")).toEqual(["Completed task group 1 - starting task group 2"]);
  });

  /** Two clients run tasks of group 1, and 99 more wait for them here. */
  function busy(): Bench {
    const bench = new Bench({}, { group: 1 });
    bench.register("a", 2);
    bench.give(...Array.from({ length: 101 }, (_, i) => task(String(i), { group: 1 })));
    expect(bench.ready()).toHaveLength(99);
    expect(bench.find("claim")).toBeUndefined();
    return bench;
  }

  test("new tasks of a lower group go before those that wait here, which are given back", () => {
    const bench = busy();
    bench.on({ kind: "inserted" });
    // There is enough, but perhaps not of what comes first.
    expect(bench.find("claim")?.request).toMatchObject({ group: 1, limit: 0 });
    bench.claimed({ kind: "claimed", group: 0, tasks: [] });
    expect(bench.ready()).toEqual([]);
    expect(bench.find("commit")?.commit.reverted).toHaveLength(99);
    bench.committed();
    expect(bench.find("claim")?.request.limit).toBeGreaterThan(0);
    bench.give(task("low", { group: 0 }));
    expect([bench.ready(), bench.state.group]).toEqual([["low"], 0]);
  });

  test("they are given back also when another server has the tasks of the lower group", () => {
    const bench = busy();
    bench.on({ kind: "inserted" });
    bench.claimed({ kind: "waiting", busyGroup: 0, unfinished: 1 });
    expect(bench.ready()).toEqual([]);
  });

  test("new tasks of the same group change nothing, and the store is asked once for them", () => {
    const bench = busy();
    bench.on({ kind: "inserted" });
    bench.claimed({ kind: "claimed", group: 1, tasks: [] });
    expect([bench.ready().length, bench.find("claim")]).toEqual([99, undefined]);
    bench.on({ kind: "inserted" });
    bench.claimed({ kind: "waiting", busyGroup: 1, unfinished: 101 });
    expect(bench.ready()).toHaveLength(99);
    // In group 0 nothing can be lower.
    const lowest = new Bench({}, { group: 0 });
    lowest.register("a", 2);
    lowest.give(...Array.from({ length: 101 }, (_, i) => task(String(i))));
    lowest.on({ kind: "inserted" });
    expect(lowest.find("claim")).toBeUndefined();
  });

  test("tasks of a lower group that come with a claim go before those that wait here", () => {
    const bench = new Bench({}, { group: 1 });
    bench.register("a", 0);
    bench.give(task("1", { group: 1 }), task("2", { group: 1 }));
    bench.give(task("3", { group: 0 }));
    expect(bench.ready()).toEqual(["3"]);
    expect(bench.find("commit")?.commit.reverted).toEqual(["1", "2"]);
  });

  const setback = { submitId: "s", origin: { cwd: "/data/a", time: 0 }, group: 0, failed: 2, example: "x" };
  const heldBack: HeldBack = {
    tasks: 3,
    waiting: [{ submitId: "t", group: 1 }],
    submissions: 1,
    setbacks: [setback],
    reasons: 1,
  };
  const held: Claim = { kind: "heldBack", heldBack };
  const first =
    /^3 tasks are held back: 2 tasks of group 0 failed, submitted from \/data\/a on .{10} .{8} \(example: x\)$/;

  test("a finite run ends when failures hold back what is left, and tells what to do", () => {
    const bench = new Bench({}, { group: 0 });
    bench.register("a", 4);
    bench.claimed(held);
    // More lines may come, of lower groups too.
    expect(bench.notes("critical")).toEqual([]);
    bench.on({ kind: "inputEnded" });
    bench.claimed(held);
    const [cause, ...advice] = bench.notes("critical");
    expect(cause).toMatch(first);
    expect(advice).toEqual([
      "To run what failed again: hs update --revert -F -g 0 -w submit_id==s retried==false exit_status!=-1, " +
        "then start again with --restart (to go on without it: --delete instead)",
      "To drop what is held back: hs update --cancel -R -w submit_id==t 'group>=1'",
    ]);
    expect(bench.told("a")).toContainEqual({ kind: "leave", how: "finish", reason: "what is left is held back" });
    expect(bench.state.heldBack).toEqual(heldBack);
  });

  test("a finite run with a submitter waits for what it may still send, and goes on with it", () => {
    const bench = new Bench({}, { group: 0 });
    bench.register("a", 4);
    bench.on({ kind: "intakeOpened" }, { kind: "inputEnded" });
    bench.claimed({ kind: "none", unfinished: 0 });
    bench.claimed(held);
    expect(bench.notes("critical")).toHaveLength(3);
    expect(bench.told("a")).toEqual([]);
    bench.on({ kind: "inserted" });
    bench.give(task("1"));
    expect(bench.state.heldBack).toBeNull();
  });

  test("without a database there is nothing to be done", () => {
    const bench = new Bench({ durable: false }, { group: 0 });
    bench.register("a", 4);
    bench.on({ kind: "inputEnded" });
    bench.claimed({ kind: "none", unfinished: 0 });
    bench.claimed({ kind: "heldBack", heldBack: { ...heldBack, tasks: 1, reasons: 3 } });
    expect(bench.notes("critical")).toEqual([
      expect.stringMatching(/^1 task is held back: .* \(example: x\); more in 2 other submissions$/),
    ]);
  });

  test("a server that runs forever tells of what is held back once a change, and waits", () => {
    const bench = new Bench({ forever: true }, { group: 0 });
    bench.on({ kind: "inputEnded" });
    bench.register("a", 4);
    bench.claimed({ kind: "none", unfinished: 0 });
    bench.claimed(held);
    expect(bench.notes("warning")).toHaveLength(3);
    expect(bench.notes("warning")[1]).toContain("exit_status!=-1 (to go on without it: --delete instead)");
    bench.on({ kind: "inserted" });
    bench.claimed(held);
    expect(bench.notes("warning")).toEqual([]);
    bench.on({ kind: "inserted" });
    bench.claimed({ kind: "heldBack", heldBack: { ...heldBack, setbacks: [{ ...setback, failed: 3 }] } });
    expect(bench.notes("warning")).toHaveLength(3);
    expect(bench.told("a")).toEqual([]);
  });

  test("what is held back beside others is told when these go on", () => {
    const bench = new Bench({}, { group: 0 });
    bench.register("a", 4);
    bench.on({ kind: "inputEnded" });
    bench.claimed({ kind: "none", unfinished: 0 });
    bench.claimed({ kind: "advance", to: 1, heldBack });
    expect(bench.notes("warning")[0]).toMatch(first);
    expect(bench.notes("warning")).toHaveLength(3);
    expect(bench.find("claim")?.request.group).toBe(1);
    expect(bench.state.heldBack).toBeNull();
    // The end tells it once more, without the advice.
    bench.claimed(held);
    expect(bench.notes("critical")).toEqual([expect.stringMatching(first)]);
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
    expect(bench.find("endClient")).toMatchObject({ clientId: "a", evicted: true, hasWorked: true });
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
    expect(bench.notes("warning")).toEqual([
      "Evicting client (node: a): it showed no sign of life for 10 s (server.evict)",
      "Reverting orphaned tasks (node: a)",
    ]);
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

  test("a client that never had a task is soon forgotten, and makes few lines", () => {
    const bench = new Bench();
    bench.register("a", 4);
    bench.lose("a");
    expect(bench.find("note")).toMatchObject({ level: "refusal" });
    bench.pass(1900);
    expect(bench.find("endClient")).toBeUndefined();
    bench.pass(2100);
    expect(bench.find("endClient")).toMatchObject({ clientId: "a", evicted: false, hasWorked: false });
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
