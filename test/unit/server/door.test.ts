import { expect, test } from "bun:test";
import { systemClock } from "../../../src/base/clock.ts";
import { TransientError } from "../../../src/base/errors.ts";
import type { Logger, Text } from "../../../src/log/logger.ts";
import { runServer } from "../../../src/server/door.ts";
import { MemoryStore } from "../../../src/store/memory.ts";
import type { Store } from "../../../src/store/store.ts";

function brokenStore(): Store {
  const store: Store = new MemoryStore();
  store.claim = () => Promise.reject(new TransientError("no space left"));
  return store;
}

test("a database in trouble is waited for, until somebody is in a hurry", async () => {
  const warnings = Promise.withResolvers<string>();
  const nothing = (): void => {};
  const log: Logger = {
    enabled: () => false,
    trace: nothing,
    debug: nothing,
    info: nothing,
    warning: (text: Text) => warnings.resolve(typeof text === "string" ? text : text()),
    error: nothing,
    critical: nothing,
  };
  const server = runServer({
    settings: {
      serverId: "server",
      serverHost: "host",
      scope: { kind: "all" },
      attempts: 1,
      eager: false,
      forever: false,
      bundleSize: null,
      pollMs: 30_000,
      evictMs: 600_000,
      graceMs: 30_000,
      durable: false,
      companyMs: 0,
      firstLease: 1,
      newId: () => "id",
    },
    group: null,
    store: brokenStore(),
    isAlive: () => true,
    clock: systemClock,
    log,
    onFailed: nothing,
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
