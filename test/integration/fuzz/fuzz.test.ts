/*
 * A few thousand hostile frames against each store; `scripts/soak fuzz` says millions. Whatever fails is replayed by
 * its seed.
 */
import { expect, test } from "bun:test";
import { needs } from "../../e2e/harness.ts";
import { noPostgres } from "../../systems/postgres.ts";
import { sharedPostgres } from "../../systems/shared-postgres.ts";
import { fuzz, sameOutcomes } from "./run.ts";
import { openAt, placeFor, type StoreName } from "./stores.ts";
import { targetApart } from "./apart.ts";
import { targetHere } from "./target.ts";

const postgres = sharedPostgres();

async function attack(name: StoreName, frames: number): Promise<number> {
  await using place = await placeFor(name, () => Promise.resolve(postgres()));
  const store = await openAt(place.where);
  const report = await fuzz({ target: await targetHere(store), frames, seed: 1 });
  await store.close();
  await sameOutcomes(report, await place.outcomes());
  await place.expectSound();
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

test("a server in a process of its own is attacked in the same way, and its memory is its own", async () => {
  await using target = await targetApart({ file: null, url: null });
  const report = await fuzz({ target, frames: 500, seed: 2 });
  expect(report.recorded.size).toBeGreaterThan(0);
  expect(report.memory.most).toBeGreaterThan(10e6);
});
