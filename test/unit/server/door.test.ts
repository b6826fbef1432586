import { expect, test } from "bun:test";
import { systemClock } from "../../../src/base/clock.ts";
import { TransientError } from "../../../src/base/errors.ts";
import { runServer } from "../../../src/server/door.ts";
import { MemoryStore } from "../../../src/store/memory.ts";
import type { Store } from "../../../src/store/store.ts";
import { warningLog } from "../../make.ts";
import { makeSettings } from "./bench.ts";

function brokenStore(): Store {
  const store: Store = new MemoryStore();
  store.claim = () => Promise.reject(new TransientError("no space left"));
  return store;
}

test("a database in trouble is waited for, until somebody is in a hurry", async () => {
  const warnings = Promise.withResolvers<string>();
  const server = runServer({
    settings: makeSettings({ durable: false }),
    store: brokenStore(),
    enter: async () => ({ storeId: "store", firstLease: 1 }),
    isAlive: () => true,
    clock: systemClock,
    log: warningLog(warnings.resolve),
    onFailed: () => undefined,
  });
  const ended = server.finished.then(
    () => "finished",
    (error: Error) => error.message,
  );
  expect(await warnings.promise).toBe("Database trouble, trying again (claim): no space left");
  server.stop("abort");
  server.hurry();
  expect(await ended).toBe("What ended last is not recorded and counts as unfinished: no space left");
});
