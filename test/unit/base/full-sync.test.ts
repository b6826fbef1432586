import { expect, test } from "bun:test";
import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { failureCode } from "../../../src/base/paths.ts";
import { syncData, syncDataNow } from "../../../src/base/full-sync.ts";

test("an open file is synced, and one that is not open says why not", async () => {
  const path = join(tmpdir(), `hs-sync-${process.pid}`);
  const file = openSync(path, "wx", 0o600);
  try {
    writeSync(file, "x");
    syncDataNow(file);
    expect(await syncData(file)).toBeUndefined();
  } finally {
    closeSync(file);
    rmSync(path);
  }
  const none = 999_999;
  expect(() => syncDataNow(none)).toThrow("EBADF");
  expect(await syncData(none).catch((error: unknown) => failureCode(error))).toBe("EBADF");
});
