import { afterAll, beforeAll } from "bun:test";
import { needs } from "../e2e/harness.ts";
import { noPostgres } from "../systems/postgres.ts";
import { openSqliteHistory, type PostgresHistories, startPostgresHistories } from "./histories.ts";
import { outlookConformance } from "./outlook.ts";
import { recordsConformance } from "./records.ts";
import { wordListsConformance } from "./word-lists.ts";

recordsConformance("sqlite", openSqliteHistory);
wordListsConformance("sqlite", openSqliteHistory);
outlookConformance("sqlite", openSqliteHistory);

let postgres: PostgresHistories | null = null;
beforeAll(async () => {
  if (noPostgres === null) postgres = await startPostgresHistories();
});
afterAll(() => postgres?.[Symbol.asyncDispose]());

if (noPostgres === null) {
  recordsConformance("postgresql", () => postgres!.open());
  wordListsConformance("postgresql", () => postgres!.open());
  outlookConformance("postgresql", () => postgres!.open());
} else needs([], noPostgres)("the history of PostgreSQL keeps its promises", async () => undefined);
