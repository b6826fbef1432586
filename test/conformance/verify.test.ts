import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Fault } from "../../src/history/faults.ts";
import { needs } from "../e2e/harness.ts";
import { noPostgres } from "../systems/postgres.ts";
import { openSqliteHistory, type PostgresHistories, startPostgresHistories } from "./histories.ts";
import { verifyConformance } from "./verify.ts";

verifyConformance("sqlite", openSqliteHistory);

let postgres: PostgresHistories | null = null;
beforeAll(async () => {
  if (noPostgres === null) postgres = await startPostgresHistories();
});
afterAll(() => postgres?.[Symbol.asyncDispose]());

if (noPostgres === null) {
  verifyConformance("postgresql", () => postgres!.open());

  test("counts of PostgreSQL that are wrong are told, and counted anew", async () => {
    await using history = await postgres!.open();
    await history.run("insert into tally values (5, 0, 5, 0)");
    const store = await history.openCheck();
    const look = async (): Promise<readonly Fault[]> => {
      const found: Fault[] = [];
      await store.check({ whole: false, isAlive: () => true, hasFile: null }, (fault) => void found.push(fault));
      return found;
    };
    const [fault, ...others] = await look();
    expect([fault?.kind, others]).toEqual(["counts", []]);
    expect(await store.mend(fault!, () => true)).toBe(true);
    expect(await look()).toEqual([]);
    await store.close();
  });
} else needs([], noPostgres)("PostgreSQL is verified", async () => undefined);
