/*
 * An SQLite store together with the records of its file: what a test writes through the one it reads through the other.
 */
import { systemClock } from "../src/base/clock.ts";
import { openSqliteRecords } from "../src/history/sqlite/records.ts";
import { openSqlite } from "../src/store/sqlite/sqlite.ts";
import type { RecordStore } from "../src/history/history.ts";
import type { Store } from "../src/store/store.ts";

/** Two connections to `file`; `close` closes both. */
export function openSqliteWithRecords(
  file: string,
  pragmas: Readonly<Record<string, unknown>> = {},
): Store & RecordStore {
  const store = openSqlite({ file, pragmas, clock: systemClock });
  const records = openSqliteRecords({ file, pragmas });
  return {
    ...records,
    ...store,
    async close() {
      await records.close();
      await store.close();
    },
  };
}
