/*
 * What databases promise about tasks that are changed by hand, kept by an SQLite file and by a real PostgreSQL with a
 * schema for each test.
 */
import { afterAll, beforeAll } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../src/base/clock.ts";
import { type DatabaseSettings, openStore } from "../../src/store/open.ts";
import { needs } from "../e2e/harness.ts";
import { noPostgres, type Postgres, startPostgres } from "../systems/postgres.ts";
import { type EditedStore, recallsConformance } from "./recalls.ts";
import { openEdits } from "../../src/history/open.ts";

const unset = { provider: null, file: null, database: null, url: null };

async function open(settings: DatabaseSettings, dispose: () => void): Promise<EditedStore> {
  const options = { ...settings, pragmas: {}, clock: systemClock, create: true };
  const store = await openStore(options);
  const edits = await openEdits(options);
  return {
    store,
    edits,
    async [Symbol.asyncDispose]() {
      await edits.close();
      await store.close();
      dispose();
    },
  };
}

recallsConformance("sqlite", () => {
  const folder = mkdtempSync(join(tmpdir(), "hs-recalls-"));
  return open({ ...unset, file: join(folder, "main.db") }, () => rmSync(folder, { recursive: true }));
});

let postgres: Postgres | null = null;
let database = "";
let schemas = 0;
beforeAll(async () => {
  if (noPostgres !== null) return;
  postgres = await startPostgres();
  database = await postgres.create();
});
afterAll(() => postgres?.[Symbol.asyncDispose]());

if (noPostgres === null) {
  recallsConformance("postgresql", () => {
    const more = { host: null, port: null, user: null, password: null, parameters: {}, schema: `s${++schemas}` };
    return open({ ...unset, url: postgres!.url(database), postgres: () => more }, () => undefined);
  });
} else {
  needs([], noPostgres)("tasks changed by hand in PostgreSQL", async () => undefined);
}
