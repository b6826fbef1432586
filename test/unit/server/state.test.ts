import { expect, test } from "bun:test";
import { check } from "../../../src/server/check.ts";
import { giveBack, hold, newState, type ServerState, withhold } from "../../../src/server/state.ts";
import { Bench, makeSettings, task } from "./bench.ts";

/** A server with one client, which holds task `1`; task `2` is ready. */
function open(): ServerState {
  const bench = new Bench();
  bench.register("a", 1);
  bench.give(task("1"), task("2"));
  return bench.state;
}

test("a task that is in two places is found", () => {
  const client = open().clients.get("a")!;
  for (const [mistake, blame] of [
    [(state) => state.ready.push(task("1")), "a ready task is in one place"],
    [(state) => state.ready.push(task("2")), "a ready task is in one place"],
    [(state) => hold(state, client, task("2"), 9), "the number of held tasks is right"],
    [(state) => giveBack(state, task("1")), "a task that is given back is neither ready nor held"],
    [(state) => giveBack(state, task("2")), "a task that is given back is neither ready nor held"],
  ] as readonly (readonly [(state: ServerState) => void, string])[]) {
    const state = open();
    expect(() => check(state)).not.toThrow();
    mistake(state);
    expect(() => check(state)).toThrow(blame);
  }
});

test("a task that a client came with stays adopted for the claim under way, whatever else is heard of it", () => {
  const state = newState(makeSettings(), 0);
  withhold(state, "1", "adopted");
  expect(state.claim).toEqual({ at: "due" });
  const withheld = new Map();
  state.claim = { at: "asked", stale: false, isDoubtful: false, withheld, since: 0, isPast: false };
  withhold(state, "1", "recalled");
  withhold(state, "1", "adopted");
  withhold(state, "1", "recalled");
  withhold(state, "2", "recalled");
  expect([...withheld]).toEqual([
    ["1", "adopted"],
    ["2", "recalled"],
  ]);
});
