import { describe, expect, test } from "bun:test";
import { Bench, task } from "./bench.ts";

/** The store answers a claim with these tasks of `/gone`, or of the directory that their submission has. */
function give(bench: Bench, ...tasks: readonly ReturnType<typeof task>[]): void {
  const submissions = tasks.map(({ submitId }) => {
    return { id: submitId, template: null, cwd: submitId === "other" ? "/there" : "/gone" };
  });
  bench.on({ kind: "claimed", claim: { kind: "claimed", group: 0, tasks }, submissions });
}

/** A client gives back what it has of this submission, because it cannot enter its directory. */
function lack(bench: Bench, clientId: string, ...tasks: readonly { id: string; lease: number }[]): void {
  const leases = tasks.map(({ id, lease }) => ({ id, lease }));
  bench.say(clientId, { kind: "returned", tasks: leases, missing: ["server"] });
}

describe("a directory that the only client cannot enter", () => {
  test("is set aside: its tasks stay in the store, claims leave them out, and all others go on", () => {
    const bench = new Bench();
    bench.register("a", 2);
    give(bench, task("1"), task("2"), task("3"), task("x", { submitId: "other" }));
    const assigned = bench.assigned("a");
    bench.quiet();
    lack(bench, "a", ...assigned);
    expect(bench.find("countFrom")).toEqual({ kind: "countFrom", cwd: "/gone" });
    expect(bench.find("commit")?.commit.reverted.toSorted()).toEqual(["1", "2", "3"]);
    expect([...bench.state.ready.values()].map(({ id }) => id)).toEqual(["x"]);
    bench.committed();
    expect(bench.find("claim")?.request.aside).toEqual(["server"]);
    bench.results("a", [], 1);
    expect(bench.assigned("a").map(({ id }) => id)).toEqual(["x"]);
    // Another submission from there is known only now: its tasks are not even handed out.
    give(bench, task("9", { submitId: "another" }));
    expect(bench.assigned("a")).toEqual([]);
    expect(bench.find("commit")?.commit.reverted).toEqual(["9"]);
    bench.committed();
    expect(bench.find("claim")?.request.aside.toSorted()).toEqual(["another", "server"]);
  });

  test("is told of once, with the number of tasks, and ends a finite run as not whole", () => {
    const bench = new Bench();
    bench.on({ kind: "inputEnded" });
    bench.register("a", 2);
    give(bench, task("1"));
    const assigned = bench.assigned("a");
    bench.quiet();
    lack(bench, "a", ...assigned);
    bench.on({ kind: "counted", cwd: "/gone", unfinished: 1 });
    expect(bench.notes("warning")).toEqual([
      "1 task stays unfinished, because the directory it was submitted from cannot be entered: /gone - " +
        "make that again and it runs with --restart, or name another by HYPERSHELL_TASK_CWD",
    ]);
    bench.committed();
    bench.claimed({ kind: "none", unfinished: 0 });
    expect(bench.told("a")).toContainEqual(expect.objectContaining({ kind: "leave", how: "finish" }));
    bench.say("a", { kind: "bye", reason: "done" });
    expect(bench.find("finish")).toBeDefined();
    expect([...bench.state.places.aside]).toEqual(["/gone"]);
  });

  test("is looked at again after a minute by a server that runs forever, and not told of again", () => {
    const bench = new Bench({ forever: true });
    bench.register("a", 2);
    give(bench, task("1"));
    const assigned = bench.assigned("a");
    bench.quiet();
    lack(bench, "a", ...assigned);
    bench.committed();
    bench.quiet(0);
    bench.pass(59_000);
    expect(bench.effects.flatMap((effect) => (effect.kind === "claim" ? effect.request.aside : []))).toEqual([
      "server",
    ]);
    bench.quiet(0);
    bench.pass(100_000);
    expect(bench.state.places.aside.size).toBe(0);
    expect(bench.find("claim")?.request.aside).toEqual([]);
    give(bench, task("1"));
    const again = bench.assigned("a");
    expect(again.map(({ id }) => id)).toEqual(["1"]);
    lack(bench, "a", ...again);
    expect(bench.find("countFrom")).toBeUndefined();
    expect([...bench.state.places.aside]).toEqual(["/gone"]);
  });

  test("ends a run that has no other submission, and is claimed by it no more", () => {
    const bench = new Bench({ scope: { kind: "submission", id: "server" } });
    bench.register("a", 2);
    give(bench, task("1"), task("2"), task("3"));
    const assigned = bench.assigned("a");
    bench.quiet();
    lack(bench, "a", ...assigned);
    expect(bench.told("a")).toContainEqual(expect.objectContaining({ kind: "leave", how: "finish" }));
    expect(bench.find("commit")?.commit.reverted.toSorted()).toEqual(["1", "2", "3"]);
    bench.committed();
    expect(bench.find("claim")).toBeUndefined();
    bench.say("a", { kind: "bye", reason: "done" });
    expect(bench.find("finish")).toBeDefined();
    expect([...bench.state.places.aside]).toEqual(["/gone"]);
  });

  test("a word about submissions that the server does not know, or without a directory, changes nothing", () => {
    const bench = new Bench();
    bench.register("a", 2);
    bench.on({
      kind: "claimed",
      claim: { kind: "claimed", group: 0, tasks: [task("1")] },
      submissions: [{ id: "server", template: null, cwd: null }],
    });
    bench.say("a", { kind: "returned", tasks: [], missing: ["server", "unknown"] });
    expect(bench.state.places.lacked.size).toBe(0);
  });
});

describe("a directory that one of two clients cannot enter", () => {
  function open(): Bench {
    const bench = new Bench();
    bench.register("a", 1);
    bench.register("b", 1);
    give(bench, task("1"), task("2"), task("3"), task("x", { submitId: "other" }));
    return bench;
  }

  test("goes to the other, and the first gets what it can run", () => {
    const bench = open();
    lack(bench, "a", ...bench.assigned("a"));
    expect(bench.notes("warning")).toEqual(["Client cannot enter /gone, others get the tasks from there (node: a)"]);
    expect(bench.state.places.aside.size).toBe(0);
    bench.results("a", [], 1);
    expect(bench.assigned("a").map(({ id }) => id)).toEqual(["x"]);
    bench.results("b", [], 2);
    expect(bench.assigned("b").map(({ id }) => id)).toEqual(["3"]);
  });

  test("is set aside when the other leaves, and taken up again when a third comes", () => {
    const bench = open();
    lack(bench, "a", ...bench.assigned("a"));
    bench.committed();
    const ofB = [...bench.state.clients.get("b")!.held.keys()];
    expect(ofB).toEqual(["2"]);
    bench.say("b", { kind: "bye", reason: "idle" });
    expect(bench.find("countFrom")).toBeDefined();
    expect(bench.find("commit")?.commit.reverted.toSorted()).toEqual(["2", "3"]);
    bench.committed();
    bench.register("c", 1);
    expect(bench.state.places.aside.size).toBe(0);
    expect(bench.state.places.lacked.get("/gone")?.has("a")).toBe(true);
  });
});
