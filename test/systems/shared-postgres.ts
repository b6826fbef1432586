/*
 * One PostgreSQL for all tests of a file. Where the machine has none, nothing is started: such tests are left out by
 * `noPostgres`.
 */
import { afterAll, beforeAll } from "bun:test";
import { noPostgres, type Postgres, startPostgres } from "./postgres.ts";

/**
 * Starts it before the first test of the file, and stops it after the last. The answer gives it to a test that runs.
 */
export function sharedPostgres(): () => Postgres {
  let postgres: Postgres | null = null;
  beforeAll(async () => {
    if (noPostgres === null) postgres = await startPostgres();
  }, 60_000);
  afterAll(async () => {
    await postgres?.[Symbol.asyncDispose]();
  });
  return () => postgres!;
}
