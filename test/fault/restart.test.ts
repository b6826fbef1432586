/* A server that is killed (kill -9) in the middle of 5,000 tasks on four clients, and started again. */
import { test } from "bun:test";
import { type Scenario, scenarios } from "./scenarios.ts";

const shown: readonly Scenario[] = [scenarios.serverKilled, scenarios.bothKilled];

for (const { rule, run } of shown) {
  for (const seed of [1, 2]) test(`${rule} (seed ${seed})`, () => run(seed).then(() => undefined), 180_000);
}
