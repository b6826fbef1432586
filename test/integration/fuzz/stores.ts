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
import { expectSound, expectSoundIn } from "../../fault/sound.ts";
import type { Postgres } from "../../systems/postgres.ts";
import type { Recorded } from "./ledger.ts";

export type StoreName = "memory" | "sqlite" | "postgres";

/** Where a store is; both null: in memory. */
export interface Where {
  readonly file: string | null;
  readonly url: string | null;
}

/** Room for a store, with what its tables say when it is closed. */
export interface Place extends AsyncDisposable {
  readonly where: Where;
  /** The outcomes in its tables; null: it has none. */
  readonly outcomes: () => Promise<ReadonlyMap<string, Recorded> | null>;
  /** Throws when `hs verify` would find a fault. */
  readonly expectSound: () => Promise<void>;
}

const settings = { provider: null, database: null, pragmas: {}, clock: systemClock, create: true };
const ended = "select id, client_id, exit_status from task where completion_time is not null";

function outcomesOf(rows: Iterable<readonly unknown[]>): Map<string, Recorded> {
  const found = new Map<string, Recorded>();
  for (const [id, clientId, status] of rows)
    found.set(String(id), { clientId: String(clientId), exitStatus: Number(status) });
  return found;
}

/** Opens the store that is there, or makes it. */
export async function openAt(where: Where): Promise<Store> {
  return where.file === null && where.url === null ? new MemoryStore() : openStore({ ...settings, ...where });
}

/** Makes room for an empty store. `postgres` is asked only for the store that needs one. */
export async function placeFor(name: StoreName, postgres: () => Promise<Postgres>): Promise<Place> {
  if (name === "memory") return inMemory;
  if (name === "postgres") {
    const system = await postgres();
    const database = await system.create();
    return {
      where: { file: null, url: system.url(database) },
      outcomes: async () => outcomesOf((await system.sql(database, ended)).map((line) => line.split("|"))),
      expectSound: () => expectSoundIn(system, database),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }
  const folder = mkdtempSync(join(tmpdir(), "hs-fuzz-"));
  const file = join(folder, "main.db");
  return {
    where: { file, url: null },
    async outcomes() {
      using db = new Database(file, { readonly: true });
      return outcomesOf(db.query(ended).values());
    },
    expectSound: () => expectSound(file),
    async [Symbol.asyncDispose]() {
      rmSync(folder, { recursive: true });
    },
  };
}

const inMemory: Place = {
  where: { file: null, url: null },
  outcomes: () => Promise.resolve(null),
  expectSound: () => Promise.resolve(),
  [Symbol.asyncDispose]: () => Promise.resolve(),
};
