import { describe, expect, test } from "bun:test";
import type { ClientEvent } from "../../../src/client/event.ts";
import { Bench, task } from "./bench.ts";

const lost: ClientEvent = { kind: "disconnected", error: "reset" };
const refused: ClientEvent = { kind: "connectFailed", problem: "refused", text: "refused", permanent: false };

/** Goes on until the next attempt, and answers it; which server it was meant for. */
function attempt(bench: Bench, answer: ClientEvent): number {
  while (!bench.effects.some(({ kind }) => kind === "connect")) {
    bench.now = bench.wake();
    bench.on({ kind: "woken" });
  }
  const connect = bench.effects.find((effect) => effect.kind === "connect");
  bench.on(answer);
  return connect!.server;
}

describe("several servers", () => {
  test("the first server that answers is taken", () => {
    const bench = new Bench({ servers: 3 });
    bench.on(lost);
    expect([attempt(bench, refused), attempt(bench, refused), attempt(bench, refused)]).toEqual([1, 2, 0]);
    attempt(bench, { kind: "connected" });
    bench.welcome();
    expect([bench.state.server, bench.state.phase.at]).toEqual([1, "working"]);
  });

  test("a client that has nothing of a server goes to the next when it is gone", () => {
    const bench = new Bench({ servers: 2 }).welcome();
    bench.now = 60_000;
    bench.on({ kind: "received", message: { kind: "beat" } });
    bench.on(lost);
    expect([attempt(bench, refused), attempt(bench, refused)]).toEqual([0, 1]);
  });

  test("a client that has tasks of a server waits for it for a while", () => {
    const bench = new Bench({ servers: 2, loyalMs: 15_000 }).welcome();
    bench.assign(task("a"));
    bench.on(lost);
    const asked: [number, number][] = [];
    while (bench.now < 20_000) asked.push([attempt(bench, refused), bench.now]);
    expect(asked.filter(([server]) => server === 1).every(([, at]) => at >= 15_000)).toBe(true);
    expect(asked.some(([server]) => server === 1)).toBe(true);
    // From then on all of them in turn.
    expect(attempt(bench, refused) !== attempt(bench, refused)).toBe(true);
  });

  test("a server whose answer will not change does not keep a client from the others, but all of them do", () => {
    const bench = new Bench({ servers: 2 });
    const wrong: ClientEvent = { kind: "connectFailed", problem: "key", text: "wrong key", permanent: true };
    bench.on(lost);
    attempt(bench, wrong);
    expect(bench.state.failure).toBe(null);
    attempt(bench, wrong);
    expect(bench.state.failure?.kind).toBe("key");
  });

  test("a client that is sent away says so", () => {
    const bench = new Bench({ servers: 2 }).welcome();
    bench.on({ kind: "received", message: { kind: "leave", how: "finish", reason: "all tasks are done" } });
    expect([bench.state.dismissed, bench.sent().at(-1)?.kind]).toEqual([true, "bye"]);
  });

  test("a client tells another server from the same one again", () => {
    const bench = new Bench({ servers: 2 }).welcome();
    bench.on(lost);
    attempt(bench, { kind: "connected" });
    bench.on({ kind: "received", message: { kind: "welcome", serverId: "t", serverHost: "h", companyMs: 0 } });
    expect(bench.notes("warning")).toEqual(["Connected to another server (h: t)"]);
  });
});
