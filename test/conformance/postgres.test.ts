/* The promises of a store, kept by a real PostgreSQL. A database for each test would take a tenth of a second: they share one, with a schema for each. */
import { afterAll, beforeAll } from "bun:test";
import { systemClock } from "../../src/base/clock.ts";
import { openPostgresStore } from "../../src/store/postgres/postgres.ts";
import { postgresTarget } from "../../src/store/postgres/settings.ts";
import { needs } from "../e2e/harness.ts";
import { noPostgres, type Postgres, startPostgres } from "../systems/postgres.ts";
import { adoptionConformance } from "./adoption.ts";
import { type OpenedStore, storeConformance } from "./store.ts";

let postgres: Postgres | null = null;
let database = "";
let schemas = 0;

beforeAll(async () => {
  if (noPostgres !== null) return;
  postgres = await startPostgres();
  database = await postgres.create();
}, 60_000);
afterAll(async () => {
  await postgres?.[Symbol.asyncDispose]();
});

async function open(): Promise<OpenedStore> {
  const url = postgres!.url(database);
  const none = { database: null, host: null, port: null, user: null, password: null, parameters: {} };
  const target = postgresTarget({ ...none, url, schema: `s${++schemas}` }, {}, "nobody");
  const store = await openPostgresStore({ target, clock: systemClock, echo: null, create: true });
  return { store, [Symbol.asyncDispose]: () => store.close() };
}

if (noPostgres === null) {
  storeConformance("postgresql", open);
  adoptionConformance("postgresql", open);
} else {
  needs([], noPostgres)("the store in PostgreSQL", async () => undefined);
}
