import { afterAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { passwordFile, passwordFrom } from "../../../../src/store/postgres/passfile.ts";

const folder = mkdtempSync(join(tmpdir(), "hs-pgpass-"));
afterAll(() => rmSync(folder, { recursive: true }));

const login = { host: "h", port: 5432, database: "d", user: "u" };

function ask(text: string, fields: Partial<typeof login> = {}): string | null {
  const file = join(folder, "pgpass");
  writeFileSync(file, text, { mode: 0o600 });
  const said: string[] = [];
  const found = passwordFrom(file, { ...login, ...fields }, (line) => void said.push(line));
  expect(said).toEqual([]);
  return found;
}

describe("a line of a password file", () => {
  test("fits where each of its fields does, and the first that fits counts", () => {
    expect(ask("other:*:*:u:no\nh:5433:d:u:no\nh:5432:D:u:no\nh:5432:d:v:no\nh:5432:d:u:yes\n*:*:*:*:late")).toBe(
      "yes",
    );
    expect(ask("h:5432:d\n\nh:5432:d:u")).toBeNull();
    expect(ask("#h:5432:d:u:no\nh:5432:d:u:yes\r\n")).toBe("yes");
  });

  test("has its password behind the fourth colon, whatever follows", () => {
    expect(ask("h:*:*:u:a:b\\:c\\\\d: #\n")).toBe("a:b:c\\d: #");
    expect(ask("h:*:*:u:")).toBe("");
  });

  test("takes a star alone for everything, and one behind a backslash for a star", () => {
    expect(ask("\\*:*:*:u:no\nh*:*:*:u:no\n*:*:*:*:all")).toBe("all");
    expect(ask("\\*:*:*:*:star", { host: "*" })).toBe("star");
    expect(ask("a\\:b:*:d\\\\e:*:x", { host: "a:b", database: "d\\e" })).toBe("x");
  });

  test("calls the usual folders of sockets localhost, and any other by its path", () => {
    for (const host of ["/tmp", "/var/run/postgresql", "/run/postgresql"])
      expect(ask("localhost:*:*:*:x", { host })).toBe("x");
    expect(ask("localhost:*:*:*:x\n/home/u/run:*:*:*:y", { host: "/home/u/run" })).toBe("y");
  });
});

test("a file that others may read, or that is none, is told and ignored", () => {
  const file = join(folder, "open");
  const said: string[] = [];
  const look = (path: string): string | null => passwordFrom(path, login, (line) => void said.push(line));
  writeFileSync(file, "*:*:*:*:x");
  for (const mode of [0o604, 0o640, 0o620, 0o601]) {
    chmodSync(file, mode);
    expect(look(file)).toBeNull();
  }
  expect(said).toEqual(
    Array(4).fill(`The password file '${file}' is ignored: other users may read it - chmod 600 '${file}'`),
  );
  for (const mode of [0o600, 0o400]) {
    chmodSync(file, mode);
    expect(look(file)).toBe("x");
  }
  expect(look(folder)).toBeNull();
  expect(said.at(-1)).toBe(`The password file '${folder}' is ignored: it is not a plain file`);
  expect(look(join(folder, "missing"))).toBeNull();
  expect(said).toHaveLength(5);
});

test("the password file of who names none is where libpq looks", () => {
  expect(passwordFile({ HOME: "/h", APPDATA: "x" }, "linux")).toBe("/h/.pgpass");
  expect(passwordFile({ HOME: "/h", APPDATA: "C:\\Users\\u\\AppData\\Roaming" }, "win32")).toBe(
    String.raw`C:\Users\u\AppData\Roaming\postgresql\pgpass.conf`,
  );
});
