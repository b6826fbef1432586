import { expect, test } from "bun:test";
import { simulate } from "./simulation.ts";

const seeds = Number(process.env["SIMULATION_SEEDS"] ?? 1000);
const first = Number(process.env["SIMULATION_FIRST_SEED"] ?? 1);
const trace = process.env["SIMULATION_TRACE"] === "1" ? (line: string) => console.log(line) : null;

test(`whatever happens, every task has one outcome and everybody goes home (${seeds} seeds)`, () => {
  for (let seed = first; seed < first + seeds; seed++) {
    try {
      simulate(seed, { trace });
    } catch (error) {
      throw new Error(`seed ${seed} (replay: SIMULATION_FIRST_SEED=${seed} SIMULATION_SEEDS=1)`, { cause: error });
    }
  }
});

test("the same seed replays the same run", () => {
  expect(simulate(7)).toEqual(simulate(7));
});
