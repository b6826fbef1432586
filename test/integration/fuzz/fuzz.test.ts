/*
 * A few thousand hostile frames against each store; `scripts/soak fuzz` says millions. Whatever fails is replayed by
 * its seed.
 */
import { expect, test } from "bun:test";
import { needs } from "../../e2e/harness.ts";
import { noPostgres } from "../../systems/postgres.ts";
import { sharedPostgres } from "../../systems/shared-postgres.ts";
import { fuzz, sameOutcomes } from "./run.ts";
import { openFuzzed, type StoreName } from "./stores.ts";

const postgres = sharedPostgres();

async function attack(name: StoreName, frames: number): Promise<number> {
  await using opened = await openFuzzed(name, () => Promise.resolve(postgres()));
  const report = await fuzz({ store: opened.store, frames, seed: 1 });
  await sameOutcomes(report, opened.outcomes);
  expect([report.frames >= frames, report.cutOff > 0]).toEqual([true, true]);
  return report.byHostile;
}

for (const name of ["memory", "sqlite"] as const)
  test(`whatever a peer says ends no server and forges no outcome (${name})`, async () => {
    expect(await attack(name, 2500)).toBeGreaterThan(0);
  }, 60_000);

needs([], noPostgres)("whatever a peer says ends no server and forges no outcome (postgres)", async () => {
  await attack("postgres", 1500);
});
