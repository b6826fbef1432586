/*
 * The end of a test that did something bad to programs with a database: `hs verify` finds nothing wrong with it. The
 * check runs in this process, which is quicker than starting the executable.
 */
import { existsSync } from "node:fs";
import { systemClock } from "../../src/base/clock.ts";
import { isAlive } from "../../src/cluster/liveness.ts";
import type { CheckStore, FaultKind } from "../../src/history/faults.ts";
import { openPostgresCheck } from "../../src/history/postgres/verify.ts";
import { openSqliteCheck } from "../../src/history/sqlite/verify.ts";
import { openSite, type Site } from "../e2e/harness.ts";
import type { Postgres } from "../systems/postgres.ts";

/** What servers leave that were killed and had no successor. */
export const ofKilled: readonly FaultKind[] = ["deadServer", "deadServerOfClients"];

async function expectNoFault(store: CheckStore, but: readonly FaultKind[]): Promise<void> {
  const found: string[] = [];
  const alive = (server: Parameters<typeof isAlive>[0]): boolean => isAlive(server, systemClock.now());
  try {
    await store.check({ whole: true, isAlive: alive, hasFile: null }, ({ kind, id, other, place, count }) => {
      if (!but.includes(kind)) found.push(`${place}: ${kind} ${String(id)} ${String(other)} (${count})`);
    });
  } finally {
    await store.close();
  }
  if (found.length > 0) throw new Error(`hs verify finds ${found.length}:\n${found.slice(0, 10).join("\n")}`);
}

/** Throws when `hs verify` would find a fault in an SQLite file, or in its partitions, other than one of `but`. */
export async function expectSound(file: string, but: readonly FaultKind[] = []): Promise<void> {
  await expectNoFault(openSqliteCheck({ file, pragmas: {} }), but);
}

/** As expectSound, for a database of this PostgreSQL. */
export async function expectSoundIn(
  postgres: Postgres,
  database: string,
  but: readonly FaultKind[] = [],
): Promise<void> {
  const { host, port, user, password } = postgres;
  const where = { host, port, database, user, password, schema: null, connectSeconds: 10, parameters: {} };
  const target = { ...where, tls: false } as const;
  await expectNoFault(await openPostgresCheck({ target, clock: systemClock, echo: null }), but);
}

/**
 * A place whose SQLite database, if there is one, is sound when the test is over: whatever was killed may have left
 * tasks that it held, and nothing else.
 */
export function openSoundSite(): Site {
  return openSite(async ({ database }) => {
    if (existsSync(database)) await expectSound(database, ofKilled);
  });
}
