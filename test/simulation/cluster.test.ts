import { expect, test } from "bun:test";
import { simulate } from "./simulation.ts";

const seeds = Number(process.env["SIMULATION_SEEDS"] ?? 1000);
const first = Number(process.env["SIMULATION_FIRST_SEED"] ?? 1);

test(`every task has exactly one recorded outcome, whatever clients and links do (${seeds} seeds)`, () => {
  let lost = 0;
  let retried = 0;
  for (let seed = first; seed < first + seeds; seed++) {
    try {
      const summary = simulate(seed);
      lost += summary.lostClients;
      retried += summary.attempts - summary.tasks;
    } catch (error) {
      throw new Error(`seed ${seed} (replay: SIMULATION_FIRST_SEED=${seed} SIMULATION_SEEDS=1)`, { cause: error });
    }
  }
  // The faults are really there.
  if (seeds >= 100) expect(Math.min(lost, retried)).toBeGreaterThan(seeds / 10);
});

test("the same seed replays the same run", () => {
  expect(simulate(7)).toEqual(simulate(7));
});
