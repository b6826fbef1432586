import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { newId } from "../../../src/base/ids.ts";
import type { Left } from "../../../src/client/client.ts";
import { forget, keep, keptIn } from "../../../src/cluster/leftovers.ts";
import { makeOutcome } from "../../make.ts";

const lib = mkdtempSync(join(tmpdir(), "hs-leftovers-"));
afterEach(() => rmSync(lib, { recursive: true, force: true }));

const store = newId();
function left(fields: Partial<Left> = {}): Left {
  const outcomes = [1, 2].map((lease) => makeOutcome({ id: newId(), lease }, { exitStatus: lease }));
  return { clientId: newId(), host: "node", secret: "known-to-one", ground: { store }, outcomes, ...fields };
}

test("what a client leaves is there for the next, and for its user alone, until it is delivered", () => {
  expect(keptIn(lib, Date.now())).toEqual([]);
  const [one, two] = [left(), left({ secret: null, ground: { store, run: newId() } })];
  const path = keep(lib, one);
  keep(lib, two);
  expect([statSync(path).mode & 0o777, statSync(join(lib, "outcomes")).mode & 0o777]).toEqual([0o600, 0o700]);
  const kept = keptIn(lib, Date.now());
  expect(kept.map(({ path: _path, ...rest }) => rest)).toEqual(expect.arrayContaining([one, two]));
  for (const each of kept) forget(each);
  expect(readdirSync(join(lib, "outcomes"))).toEqual([]);
});

test("a file that is half written or of somebody else counts as none, and one that is too old is removed", () => {
  const path = keep(lib, left());
  const text = readFileSync(path, "utf8");
  for (const broken of [
    "",
    text.slice(0, -20),
    text.split("\n")[0]!,
    "{}\n",
    text.replace(/"store":"[^"]*"/, '"x":1'),
  ]) {
    writeFileSync(path, broken);
    expect(keptIn(lib, Date.now())).toEqual([]);
  }
  writeFileSync(path, text);
  expect(keptIn(lib, Date.now())).toHaveLength(1);
  utimesSync(path, 0, 0);
  expect([keptIn(lib, Date.now()), readdirSync(join(lib, "outcomes"))]).toEqual([[], []]);
});
