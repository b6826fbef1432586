import { afterAll, beforeAll } from "bun:test";
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

if (noPostgres === null) verifyConformance("postgresql", () => postgres!.open());
else needs([], noPostgres)("PostgreSQL is verified", async () => undefined);
