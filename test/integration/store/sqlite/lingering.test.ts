import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../../../src/base/clock.ts";
import { newLingering } from "../../../../src/store/sqlite/lingering.ts";
import { completion, makeCommit, makeTask } from "../../../conformance/store.ts";

const folder = mkdtempSync(join(tmpdir(), "hs-lingering-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("a file that cannot be removed when its outcomes are in rows is left without a word", () => {
  const lingering = newLingering(join(folder, "main.db"), systemClock, () => undefined);
  lingering.recorded();
  const commit = makeCommit({ completed: [completion(makeTask({}))], mayLinger: true });
  expect([lingering.mayKeep(commit), lingering.keep(commit)]).toEqual([true, true]);
  const [name] = readdirSync(folder);
  lingering.recorded();
  // What cannot be removed is a folder here, for whoever runs this.
  renameSync(join(folder, name!), join(folder, "kept"));
  mkdirSync(join(folder, name!));
  expect(() => lingering.close()).not.toThrow();
});
