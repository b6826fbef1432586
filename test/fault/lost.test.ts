/* Clients that are killed or stopped in the middle of their work. */
import { test } from "bun:test";
import { type Scenario, scenarios } from "./scenarios.ts";

const shown: readonly Scenario[] = [scenarios.clientKilled, scenarios.clientStopped, scenarios.clientKilledInMemory];

for (const { rule, run } of shown) {
  for (const seed of [1, 2]) test(`${rule} (seed ${seed})`, () => run(seed).then(() => undefined), 180_000);
}
