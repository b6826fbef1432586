import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmodSync, chownSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { whyNotTrusted } from "../../../../src/store/postgres/peer.ts";

const isRoot = process.getuid?.() === 0;
/** Nobody of this host. */
const stranger = 54_321;

let folder: string;
let path: string;
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "hs-peer-")));
  path = join(folder, ".s.PGSQL.5432");
  writeFileSync(path, "");
});
afterEach(() => rmSync(folder, { recursive: true }));

test("our own socket is trusted, also through a link of ours; one that is not there is not judged", () => {
  expect(whyNotTrusted(path, null)).toBeNull();
  expect(whyNotTrusted(join(folder, "missing"), null)).toBeNull();
  const link = join(folder, "link");
  symlinkSync(path, link);
  expect(whyNotTrusted(link, null)).toBeNull();
});

test("nobody else's socket is trusted: not where all may replace it, and not where another owner is asked for", () => {
  expect(whyNotTrusted(path, "daemon")).toContain(`${path} belongs to `);
  expect(whyNotTrusted(path, "no such user")).toContain("not to no such user");
  chmodSync(folder, 0o777);
  expect(whyNotTrusted(path, null)).toBe(`${path} is in a directory where everybody may replace it`);
  chmodSync(folder, 0o1777);
  expect(whyNotTrusted(path, null)).toBeNull();
});

test.skipIf(!isRoot)("a socket, a link or a directory of a stranger is not trusted, unless its owner is named", () => {
  chownSync(path, stranger, stranger);
  expect(whyNotTrusted(path, null)).toBe(`${path} belongs to user ${stranger}, not to root, postgres or you`);
  chownSync(path, 1, 1);
  expect(whyNotTrusted(path, null)).toBe(`${path} belongs to daemon, not to root, postgres or you`);
  expect(whyNotTrusted(path, "daemon")).toBeNull();
  chownSync(path, 0, 0);
  chownSync(folder, stranger, stranger);
  expect(whyNotTrusted(path, null)).toBe(`${path} is in a directory of user ${stranger}`);
  chownSync(folder, 0, 0);
  expect(whyNotTrusted(path, null)).toBeNull();
});
