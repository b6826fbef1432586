import { expect, test } from "bun:test";
import { lastClientOf, newSights, noteEnds, shownText } from "../../../src/server/sights.ts";
import { completion } from "../../conformance/store.ts";
import { makeClaimed, makeOutcome } from "../../make.ts";

const client = { id: "c" };
const clients = new Map([[client.id, client]]);

function ended(id: string, exitStatus: number) {
  const outcome = makeOutcome({ id, lease: 1 }, { exitStatus });
  return { clientId: "c", task: makeClaimed(id), outcome, completion: completion({ id }, { exitStatus, duration: 2 }) };
}

test("what ends is counted for the server and for its client; a cancelled task says nothing of durations", () => {
  const sights = newSights(1000);
  noteEnds(sights, [ended("a", 0), ended("b", 3), ended("c", -1)], clients, 2000);
  expect(sights.durations.histogram().sum).toBe(4);
  expect(sights.duration.value()).toBe(2);
  expect(sights.work.get(client)).toEqual({ ended: 3, failed: 1 });
  expect(sights.pace.throughput(2000).ended.at(-1)).toBe(2);
  expect(sights.failures.map(({ id }) => id)).toEqual(["b"]);
  expect(lastClientOf(sights, "c")).toBe("c");
});

test("only the last failures are kept, and of the last tasks who ran them", () => {
  const sights = newSights(0);
  noteEnds(
    sights,
    Array.from({ length: 10_500 }, (_, i) => ended(`${i}`, 1)),
    clients,
    1000,
  );
  expect([sights.failures.length, sights.failures.at(-1)?.id]).toEqual([200, "10499"]);
  expect(["0", "5000", "10499"].map((id) => lastClientOf(sights, id))).toEqual([undefined, "c", "c"]);
});

test("a long command is cut, and a list of words has blanks", () => {
  expect(shownText("x".repeat(100_000))).toHaveLength(1000);
  expect(shownText("\ufdd0a\ufdd0b c")).toBe("a b c");
});
