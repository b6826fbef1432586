/*
 * The stores that the fuzzer runs against, each with what its tables say afterwards.
 */
import { Database } from "bun:sqlite";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../../src/base/clock.ts";
import { MemoryStore } from "../../../src/store/memory.ts";
import { openStore } from "../../../src/store/open.ts";
import type { Store } from "../../../src/store/store.ts";
import type { Postgres } from "../../systems/postgres.ts";
import type { Recorded } from "./run.ts";

export type StoreName = "memory" | "sqlite" | "postgres";

/** A store, and the outcomes that its tables have when it is closed; null: it keeps none. */
export interface FuzzedStore extends AsyncDisposable {
  readonly store: Store;
  readonly outcomes: (() => Promise<Map<string, Recorded>>) | null;
}

const settings = {
  provider: null,
  file: null,
  database: null,
  url: null,
  pragmas: {},
  clock: systemClock,
  create: true,
};
const ended = "select id, client_id, exit_status from task where completion_time is not null";

function outcomesOf(rows: Iterable<readonly unknown[]>): Map<string, Recorded> {
  const found = new Map<string, Recorded>();
  for (const [id, clientId, status] of rows)
    found.set(String(id), { clientId: String(clientId), exitStatus: Number(status) });
  return found;
}

/** Opens an empty store. `postgres` is asked only for the store that needs one. */
export async function openFuzzed(name: StoreName, postgres: () => Promise<Postgres>): Promise<FuzzedStore> {
  if (name === "memory")
    return { store: new MemoryStore(), outcomes: null, [Symbol.asyncDispose]: async () => undefined };
  if (name === "postgres") {
    const place = await postgres();
    const database = await place.create();
    const store = await openStore({ ...settings, url: place.url(database) });
    return {
      store,
      outcomes: async () => outcomesOf((await place.sql(database, ended)).map((line) => line.split("|"))),
      [Symbol.asyncDispose]: () => store.close(),
    };
  }
  const folder = mkdtempSync(join(tmpdir(), "hs-fuzz-"));
  const file = join(folder, "main.db");
  const store = await openStore({ ...settings, file });
  return {
    store,
    async outcomes() {
      using db = new Database(file, { readonly: true });
      return outcomesOf(db.query(ended).values());
    },
    async [Symbol.asyncDispose]() {
      await store.close();
      rmSync(folder, { recursive: true });
    },
  };
}
