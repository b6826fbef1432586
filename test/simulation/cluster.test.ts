import { describe, expect, test } from "bun:test";
import { canaries } from "./canaries.ts";
import type { Sight } from "./ledger.ts";
import { simulate } from "./simulation.ts";

const seeds = Number(process.env["SIMULATION_SEEDS"] ?? 1000);
const first = Number(process.env["SIMULATION_FIRST_SEED"] ?? 1);
/** Every event and effect, for the one who replays a seed. */
const trace = process.env["SIMULATION_TRACE"] === "1" ? (line: string): void => console.log(line) : null;

test(`whatever happens, every task has one outcome and everybody goes home in time (${seeds} seeds)`, () => {
  const seen = new Map<Sight, number>();
  for (let seed = first; seed < first + seeds; seed++) {
    try {
      for (const [sight, times] of simulate(seed, { trace }).seen) seen.set(sight, (seen.get(sight) ?? 0) + times);
    } catch (error) {
      const settings = `SIMULATION_TRACE=1 SIMULATION_FIRST_SEED=${seed} SIMULATION_SEEDS=1`;
      const replay = `${settings} scripts/bun test test/simulation`;
      throw new Error(`seed ${seed}: ${(error as Error).message} (replay: ${replay})`, { cause: error });
    }
  }
  if (seeds < 1000) return;
  // What could go wrong did go wrong, and often.
  const often: Readonly<Record<Sight, number>> = {
    "client evicted": 100,
    "client resumes with running tasks": 50,
    "client resumes with outcomes": 100,
    "task given back": 500,
    "task signalled with its client": 40,
    "task adopted": 200,
    "task fenced": 20,
    "task without a place": 25,
    "task that nobody can run": 20,
    "task repeated": 500,
    "estate given up": 100,
    "server taken for dead": 20,
    stranger: 50,
    "outcome refused": 50,
    "task cancelled while it ran": 50,
    "task reverted while it ran": 50,
    "task deleted while it ran": 50,
  };
  for (const [sight, times] of Object.entries(often) as [Sight, number][])
    expect([sight, (seen.get(sight) ?? 0) >= times]).toEqual([sight, true]);
}, 600_000);

test("the same seed replays the same run", () => {
  for (const seed of [1, 2, 3, 20, 353]) expect(simulate(seed)).toEqual(simulate(seed));
});

describe("a mistake is found soon:", () => {
  for (const [mistake, reactors] of Object.entries(canaries)) {
    test(mistake, () => {
      let found = 0;
      for (let seed = 1; seed <= 1000 && found === 0; seed++) {
        try {
          simulate(seed, { reactors });
        } catch {
          found = seed;
        }
      }
      expect(found).toBeGreaterThan(0);
    });
  }
});
